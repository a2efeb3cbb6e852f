/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table of a level spans 512 times what one of its entries covers, so the numbers of the tables that a range needs
 * are its bounds divided by that span. Ranges come in order: a table has been counted if its number is below the next
 * one.
 */
#include "client/proc/table_count.h"

#include "proto/base.h"

#define N_ENTRIES 512

void table_count_add(struct table_count *count, unsigned int n_levels, uint64_t start, uint64_t end,
                     uint64_t entry_bytes)
{
        struct pagetable_level levels[N_LEVELS_MAX];

        if (start >= end)
                return;
        n_levels = pagetable_indices(start, n_levels, levels);
        for (unsigned int i = 0; i < n_levels && levels[i].covers_bytes >= entry_bytes; i++) {
                uint64_t span = levels[i].covers_bytes * N_ENTRIES;
                uint64_t first = MAX_OF(start / span, count->next[i]), last = (end - 1) / span;

                if (first > last)
                        continue;
                count->n[i] += last - first + 1;
                count->next[i] = last + 1;
        }
}
