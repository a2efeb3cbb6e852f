/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Latencies reach from some hundred nanoseconds to seconds, and what is asked of them is a quantile: so buckets grow
 * with what they hold, LATENCY_PARTS to each power of two. Below 2 * LATENCY_PARTS ns each bucket is one value; above,
 * a bucket is as wide as an eighth of its power of two, so its end is less than an eighth above whatever fell into it.
 * The largest is kept apart, because it is the one that people look up.
 */
#include "client/latency.h"

#include <errno.h>
#include <string.h>

enum { PART_BITS = 3 };
_Static_assert(LATENCY_PARTS == 1 << PART_BITS, "a power of two is cut by the bits below its highest");

static unsigned int exponent_of(uint64_t ns) /* of ns > 0 */
{
        return 63U - (unsigned int)__builtin_clzll(ns);
}

static unsigned int bucket_of(uint64_t ns)
{
        unsigned int exponent;

        if (ns < LATENCY_PARTS)
                return (unsigned int)ns;
        exponent = exponent_of(ns);
        return (exponent - PART_BITS + 1) * LATENCY_PARTS +
               (unsigned int)(ns >> (exponent - PART_BITS) & (LATENCY_PARTS - 1));
}

/* The largest latency that falls into the bucket. */
static uint64_t end_of(unsigned int bucket)
{
        unsigned int shift;

        if (bucket < LATENCY_PARTS)
                return bucket;
        shift = bucket / LATENCY_PARTS - 1;
        return ((uint64_t)(LATENCY_PARTS + bucket % LATENCY_PARTS) << shift) + ((UINT64_C(1) << shift) - 1);
}

static int make_buckets(struct latency *latency)
{
        if (!latency->buckets)
                latency->buckets = calloc(N_LATENCY_BUCKETS, sizeof(*latency->buckets));
        return latency->buckets ? 0 : -ENOMEM;
}

static void raise_bucket(uint32_t *bucket, uint32_t n)
{
        if (__builtin_add_overflow(*bucket, n, bucket))
                *bucket = UINT32_MAX;
}

void latency_free(struct latency *latency)
{
        free(latency->buckets);
        *latency = (struct latency){0};
}

void latency_clear(struct latency *latency)
{
        if (latency->n > 0)
                memset(latency->buckets, 0, N_LATENCY_BUCKETS * sizeof(*latency->buckets));
        latency->n = latency->max_ns = 0;
}

int latency_add(struct latency *latency, uint64_t ns)
{
        if (!latency->buckets && make_buckets(latency) < 0)
                return -ENOMEM;
        raise_bucket(&latency->buckets[bucket_of(ns)], 1);
        latency->n++;
        latency->max_ns = MAX_OF(latency->max_ns, ns);
        return 0;
}

int latency_merge(struct latency *to, const struct latency *more)
{
        if (more->n == 0)
                return 0;
        if (make_buckets(to) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < N_LATENCY_BUCKETS; i++)
                raise_bucket(&to->buckets[i], more->buckets[i]);
        to->n += more->n;
        to->max_ns = MAX_OF(to->max_ns, more->max_ns);
        return 0;
}

/* What the buckets know: less than n once one of them is full. */
static uint64_t n_in_buckets(const struct latency *latency)
{
        uint64_t n = 0;

        for (size_t i = 0; i < N_LATENCY_BUCKETS; i++)
                n += latency->buckets[i];
        return n;
}

/* How many make up at least so much of n; at least one, at most n. */
static uint64_t rank_of(uint64_t n, double percent)
{
        double exact = (double)n * percent / 100;
        uint64_t rank;

        if (!(exact > 1))
                return 1;
        if (exact >= (double)n)
                return n;
        rank = (uint64_t)exact;
        return rank + ((double)rank < exact);
}

uint64_t latency_quantile(const struct latency *latency, double percent)
{
        uint64_t rank, n = 0;

        if (latency->n == 0)
                return 0;
        rank = rank_of(n_in_buckets(latency), percent);
        for (unsigned int i = 0; i < N_LATENCY_BUCKETS; i++) {
                n += latency->buckets[i];
                if (n >= rank)
                        return MIN_OF(end_of(i), latency->max_ns);
        }
        return latency->max_ns;
}

void latency_log2(const struct latency *latency, uint64_t ret_counts[static 64])
{
        memset(ret_counts, 0, 64 * sizeof(*ret_counts));
        if (latency->n == 0)
                return;
        for (unsigned int i = 0; i < N_LATENCY_BUCKETS; i++)
                if (latency->buckets[i] > 0) /* the last buckets lie above all 64 bits and are always empty */
                        ret_counts[i == 0 ? 0 : exponent_of(end_of(i))] += latency->buckets[i];
}
