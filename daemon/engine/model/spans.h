/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranges of addresses and what lies there: filled, sorted once, then searched. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

struct span {
        uint64_t start, end; /* start < end */
        uint64_t what;       /* the caller's */
};

struct spans { /* all zero = empty; items are freed by the owner */
        struct span *items;
        size_t n, n_alloc;
};

int spans_add(struct spans *spans, const struct span *span) MUST_CHECK; /* 0 or -ENOMEM */
void spans_sort(struct spans *spans);
/*
 * After spans_sort(): the one that starts last among those that hold addr, of several the shortest. NULL = none, or
 * more than sixteen that do not hold it begin between there and addr.
 */
const struct span *spans_find(const struct spans *spans, uint64_t addr);
