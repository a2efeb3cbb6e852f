/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All that the kernel shows of one address of a process, gathered for view_walk.h. Nothing is touched, nobody stopped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/proc/access.h"
#include "client/proc/process.h"

enum walk_lack {                        /* what is not known, and which permission it takes */
                 WALK_LACKS_SMAPS,      /* ptrace access: VmFlags and amounts */
                 WALK_LACKS_PAGEMAP,    /* ptrace access */
                 WALK_LACKS_FRAME,      /* CAP_SYS_ADMIN */
                 WALK_LACKS_FLAGS,      /* root: /proc/kpageflags, /proc/kpagecount */
                 WALK_LACKS_CATEGORIES, /* a newer kernel: zero page, size of the mapping */
                 WALK_LACKS_FILE,       /* the file behind the map cannot be opened */
                 WALK_LACKS_CACHE,      /* owning or being able to write the file: the page cache */
                 N_WALK_LACKS,
};

/* Strings are others' and not escaped; "" or NULL: not known. Everything is borrowed. */
struct walk {
        int32_t pid;
        const char *comm;
        const char *asked; /* as the user wrote it */
        bool read_as_hex;  /* it had decimal digits only, and no 0x */
        struct access_facts facts;
        struct access_answer read, write, exec;
        const char *image; /* path */
        const char *section;
        const char *symbol; /* demangled */
        uint64_t symbol_offset;
        bool has_file_offset;
        uint64_t file_offset;
        uint64_t page_bytes; /* of the mapping of the page; 0: not known */
        bool has_frame_flags, has_frame_count;
        uint64_t frame_flags, frame_count;
        bool lacks[N_WALK_LACKS];
};

/*
 * facts, the page's numbers, what is lacking, and the three answers; everything else of *walk is the caller's. What may
 * not be read is lacking and no error. 0; -ESRCH: the process has gone. smaps is borrowed as long as *walk.
 */
int process_walk(const struct process *process, const struct smaps *smaps, uint64_t address,
                 struct walk *walk) MUST_CHECK;
