/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An array, a sort, a binary search. Spans of honest files hardly overlap (code that a linker threw away begins at 0,
 * all of it), so a lookup walks back over a few that begin later and end earlier, and gives up behind those: a hostile
 * file must not make each lookup a walk over all of them.
 */
#include "daemon/engine/model/spans.h"

#include <errno.h>

#define OVERLAPS_MAX 16

int spans_add(struct spans *spans, const struct span *span)
{
        if (spans->n == spans->n_alloc) {
                size_t n_alloc = MAX_OF(spans->n_alloc * 2, (size_t)16);
                struct span *items = reallocarray(spans->items, n_alloc, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                spans->items = items;
                spans->n_alloc = n_alloc;
        }
        spans->items[spans->n++] = *span;
        return 0;
}

static int by_start(const void *left, const void *right)
{
        const struct span *a = left, *b = right;

        if (a->start != b->start)
                return a->start < b->start ? -1 : 1;
        return (a->end < b->end) - (a->end > b->end);
}

void spans_sort(struct spans *spans)
{
        if (spans->n > 1)
                qsort(spans->items, spans->n, sizeof(*spans->items), by_start);
}

const struct span *spans_find(const struct spans *spans, uint64_t addr)
{
        size_t low = 0, high = spans->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (spans->items[middle].start <= addr)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (size_t i = 0; i < OVERLAPS_MAX && low > 0; i++)
                if (addr < spans->items[--low].end)
                        return &spans->items[low];
        return NULL;
}
