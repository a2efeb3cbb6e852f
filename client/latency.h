/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The distribution of latencies, in bounded memory: every power of two is cut into LATENCY_PARTS, so that a quantile is
 * less than an eighth above the true one and never below it, and the largest is exact. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

#define LATENCY_PARTS 8
#define N_LATENCY_BUCKETS (64 * LATENCY_PARTS)

/* All zero: empty. Buckets are made with the first latency. */
struct latency {
        uint64_t n;
        uint64_t max_ns;
        uint32_t *buckets; /* owned; N_LATENCY_BUCKETS, saturating */
};

void latency_free(struct latency *latency);                                   /* contents */
void latency_clear(struct latency *latency);                                  /* empty, its memory is kept */
int latency_add(struct latency *latency, uint64_t ns) MUST_CHECK;             /* 0; -ENOMEM */
int latency_merge(struct latency *to, const struct latency *more) MUST_CHECK; /* 0; -ENOMEM */

/* The smallest latency that at least `percent` of them do not exceed (0 < percent <= 100), rounded up to the end of its
 * bucket but never above max_ns; 0 when there are none. */
uint64_t latency_quantile(const struct latency *latency, double percent);

/* How many lie in [2^i, 2^(i+1)) ns, for i below 64; 0 ns counts in i = 0. */
void latency_log2(const struct latency *latency, uint64_t ret_counts[static 64]);
