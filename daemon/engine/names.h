/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names for addresses, shared by all traces of this engine: one slot for each mapped file, and the kernel's symbols.
 * A slot is asked for when the first fault needs it: the monitor opens the file, the worker loads it, a debug file is
 * looked for, then it is ready. Until then faults wait in order, up to NAMES_WAIT_NS: the monitor gives up on a file
 * within two seconds, the rest is for loading it while others have the processors.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/model/map.h"
#include "daemon/engine/rows_cache.h"
#include "daemon/engine/slot_lines.h"
#include "daemon/engine/worker.h"
#include "daemon/link/link.h"
#include "elf/image.h"
#include "elf/symtab.h"

#define NAMES_WAIT_NS (UINT64_C(10) * NSEC_PER_SEC)

enum rows_state {
        ROWS_UNWANTED,
        ROWS_WANTED, /* on their way, once the file is there */
        ROWS_READY,  /* rows may still be NULL: there is no unwind data, or not for us to hold */
};

enum image_state {
        IMAGE_WAITING, /* somebody works on it */
        IMAGE_READY,   /* image may still be NULL: the file is no ELF file, or could not be had */
};

struct image_slot {
        struct image_slot *next;
        enum image_state state;
        uint32_t major, minor;
        uint64_t inode;
        char *path;        /* owned */
        uint64_t since_ns; /* asked for at */
        uint32_t trace;    /* on whose behalf */
        pid_t pid;         /* ... and which of its processes maps the file; 0 = the target */
        uint32_t req;
        enum link_open_kind asked; /* the request under way */
        struct image *image;       /* owned once ready; the worker's while a job runs */
        /* For stacks, which need not wait for a debug file: known as soon as the rows are. */
        enum rows_state rows_state;
        struct rows *rows;              /* in use: rows_cache.h; NULL = none */
        struct image_segment *segments; /* owned: the image's; NULL = none: no ELF file */
        size_t n_segments;
        struct rows_key rows_key; /* the file's, once it is loaded */
        unsigned int n_jobs;      /* under way: they point here */
        bool wants_lines;
        int debug_fd;             /* the debug file, if lines are wanted; -1 = there is none */
        struct slot_lines *lines; /* owned; NULL = nothing has been asked yet */
        int fd;                   /* the file, for its size at the time of a failed fault; -1 */
        const uint8_t *bytes;     /* borrowed: the vDSO, which is no file; NULL for all others */
        size_t n_bytes;
        bool shmem;
};

enum names_worker {
        NAMES_FILES,       /* images */
        NAMES_LARGE_FILES, /* those that take long, and no other image is to wait for them */
        NAMES_KERNEL,      /* the kernel's symbols, likewise */
        NAMES_LINES,       /* source lines, likewise */
        N_NAMES_WORKERS
};

struct names;

/* link_fd and the workers are borrowed. Reads our own vDSO, so call it before the sandbox closes. 0 or -ENOMEM. */
int names_new(int link_fd, struct worker *const workers[static N_NAMES_WORKERS], struct names **ret) MUST_CHECK;
struct names *names_free(struct names *names);

/*
 * The slot of a map's file; asked for on behalf of the trace if it is new, as process pid (0 = the target) maps it.
 * *ret NULL: the map has no file. 0 or -errno.
 */
int names_slot(struct names *names, uint32_t trace, pid_t pid, const struct map *map, uint64_t now_ns,
               struct image_slot **ret) MUST_CHECK;
/* Ask for the kernel's symbols, on behalf of the trace, unless that has been done. */
void names_want_kernel(struct names *names, uint32_t trace, uint64_t now_ns);
/* The kernel's symbols; NULL = none. *ret_waiting: they are on their way. */
const struct symtab *names_kernel(const struct names *names, uint64_t now_ns, bool *ret_waiting);

/* The unwind rows of the file are wanted, too, from now on. */
void names_want_rows(struct names *names, struct image_slot *slot);
/* They can be waited for (true), or are there, or must be done without (false). */
bool names_rows_are_waiting(const struct image_slot *slot, uint64_t now_ns);
/* Source lines of this file may be asked for: to be said before it is loaded. */
void names_want_lines(struct image_slot *slot);
/* The source lines at a link-time address, as slot_lines_find(). */
size_t names_find_lines(struct names *names, struct image_slot *slot, uint64_t vaddr, uint64_t now_ns,
                        struct source_line ret[static LINES_MAX_INLINED], bool *ret_waiting);
/* What has been asked since goes to the worker; once in a pass. */
void names_ask_lines(struct names *names);
/* The link-time address of a file offset of code, as image_vaddr_of_offset(). */
bool names_vaddr_of_offset(const struct image_slot *slot, uint64_t offset, uint64_t *ret);

/* The slot's answer can be waited for (true) or must be done without (false). */
bool names_is_waiting(const struct image_slot *slot, uint64_t now_ns);
/* Bytes of the slot's file as it is now. false = not known. */
bool names_file_size(const struct image_slot *slot, uint64_t *ret);
/* Grows whenever a slot becomes ready: whoever remembers answers forgets them then. */
uint32_t names_generation(const struct names *names);

/* OPENED of an image, debug file or the kernel's symbols; takes the descriptor (or -1). */
int names_opened(struct names *names, const struct link_opened *opened, int fd) MUST_CHECK;
/* A job is done; takes it. */
int names_loaded(struct names *names, struct job *job) MUST_CHECK;
/* The monitor has closed this trace: no answers on its behalf will come any more. */
void names_trace_closed(struct names *names, uint32_t trace);
/* No trace is left: forget the files. */
void names_forget(struct names *names);
