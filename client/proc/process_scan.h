/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pages a process has: the ioctl PAGEMAP_SCAN of /proc/PID/pagemap, since Linux 6.7, which passes over what is
 * empty and so does not mind address spaces of terabytes (Documentation/admin-guide/mm/pagemap.rst).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/proc/process.h"
#include "client/proc/table_count.h"

struct guard_range { /* MADV_GUARD_INSTALL, madvise(2); within one map */
        uint64_t start, end;
};

struct process_pages {
        struct table_count tables;
        bool knows_guards;          /* the kernel tells them: since Linux 6.16 */
        struct guard_range *guards; /* owned, by address */
        size_t n_guards;
};

/* Of the maps below user_end. 0; -ENOTTY: the kernel has no such call; -EACCES and the like: not ours to see. */
int process_scan(const struct process *process, const struct smaps *smaps, unsigned int n_levels,
                 struct process_pages *ret) MUST_CHECK;
void process_pages_free(struct process_pages *pages); /* contents */
