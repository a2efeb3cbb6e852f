/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What would happen if a thread of the process read, wrote or executed at an address now: nothing, a page fault of some
 * cause, or a signal. Concluded from what the kernel shows of the map and the page; nothing is tried. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/proc/pagemap.h"
#include "client/proc/smaps.h"
#include "proto/vocabulary.h"

enum known { KNOWN_NO, KNOWN_YES, NOT_KNOWN };

/* What the map is, as faultline's causes tell maps apart. */
enum memory_kind {
        MEMORY_ANON,    /* private memory without a file; [heap], [stack] */
        MEMORY_FILE,    /* of a file system that has storage, or might */
        MEMORY_SHMEM,   /* shared memory, tmpfs, memfd */
        MEMORY_HUGETLB, /* pages set aside beforehand */
        MEMORY_SPECIAL, /* [vdso], rings of io_uring and the like: the kernel's own pages */
        MEMORY_DEVICE,  /* physical memory that the kernel keeps no account of */
};
/* file_is_shmem: the file is on tmpfs. */
enum memory_kind memory_kind_of(const struct smaps_map *map, bool file_is_shmem);

/* All that is known. Everything is borrowed. */
struct access_facts {
        uint64_t address;
        unsigned int n_levels;         /* 4 or 5 */
        const struct smaps_map *map;   /* that holds address; NULL: none */
        const struct smaps_map *below; /* the nearest that ends at or below address, or begins below the map; or NULL */
        const struct smaps_map *above; /* the next above address; or NULL */
        bool has_flags;                /* VmFlags of the maps were readable (smaps) */
        bool has_page;                 /* pagemap was readable */
        struct pagemap_page page;
        enum known is_zero;         /* the shared zero page is mapped */
        enum known is_huge;         /* by an entry above the last level, or of hugetlbfs */
        bool has_file;              /* the file behind the map could be opened */
        uint64_t file_bytes;        /* its size */
        bool file_is_shmem;         /* on tmpfs */
        enum known is_cached;       /* this page of it is in the page cache */
        enum known is_dirty;        /* and has to be written back */
        uint64_t stack_limit_bytes; /* RLIMIT_STACK; UINT64_MAX: unlimited or not known */
        uint64_t guard_gap_bytes;   /* what the kernel keeps free below a stack (stack_guard_gap=) */
        bool has_protection_keys;   /* the processor has them, and the kernel uses them */
        bool has_swap;              /* there is swap space, or it is not known */
};

/* The page of the file that belongs to address begins at or behind its end. */
bool access_beyond_end(const struct access_facts *facts);
/* Below a map that grows down, within what the kernel lets it grow. */
bool access_grows(const struct access_facts *facts);

enum foreseen {
        FORESEEN_UNKNOWN, /* the kernel does not show enough */
        FORESEEN_WORKS,   /* no fault */
        FORESEEN_FAULT,   /* one fault, which the kernel resolves; cause says why */
        FORESEEN_SIGNAL,  /* signal and code; cause is that of the failed fault */
};

struct access_way {
        enum foreseen what;
        enum cause cause;   /* FAULTS, SIGNALS (UNKNOWN: it is no page fault) */
        const char *signal; /* SIGNALS: "SIGSEGV" */
        const char *code;   /* SIGNALS: "SEGV_ACCERR" */
};

/*
 * n_ways 2: which of them cannot be told; the likelier comes first. Evidence: measured where what the kernel shows
 * leaves only this, inferred where it rests on something that is not shown or may be otherwise.
 */
struct access_answer {
        struct access_way ways[2];
        unsigned int n_ways;
        enum cause first; /* SIGNALS: a fault that is resolved before, since what is refused is only what it brought;
                             CAUSE_UNKNOWN: none */
        enum evidence evidence;
        const char *why; /* one clause, never NULL */
};

void access_foresee(const struct access_facts *facts, enum access access, struct access_answer *ret);

/* "works", "fault", "signal", "unknown" */
const char *foreseen_text(enum foreseen what);
