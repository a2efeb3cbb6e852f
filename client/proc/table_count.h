/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many page tables of each level it takes at least to map what is mapped: a table is one page of 512 entries. The
 * kernel has more where it keeps tables that have become empty, or took one in advance. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/proc/pagetable.h"

/* All-zero: nothing mapped yet, which still takes the one table at the top. */
struct table_count {
        uint64_t n[N_LEVELS_MAX];    /* by level, from the top down as in pagetable_indices() */
        uint64_t next[N_LEVELS_MAX]; /* the number of the first table that is not counted yet */
};

/* A range whose pages are mapped (or have another entry, for a page in swap space), each by an entry that covers
 * entry_bytes: 4096, or more for a huge page. Ranges come in order of their addresses. */
void table_count_add(struct table_count *count, unsigned int n_levels, uint64_t start, uint64_t end,
                     uint64_t entry_bytes);
