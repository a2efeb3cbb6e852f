/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Groups are found by their key alone; what the key is made of is not known here, so the same tally counts causes,
 * symbols and whole stacks. Who knows a group already may add to it by its number. Sums are of 64 bits and stop at
 * their largest value: a daemon that claims absurd latencies makes them useless, not small.
 *
 * Most groups of a large table have one fault, and the quantiles of one latency are itself. So buckets are made with a
 * group's second latency, and for a limited number of groups. A group either knows the distribution of all its
 * latencies or does not know it: whether it does is seen by comparing how many latencies each of the two has.
 */
#include "client/tally.h"

#include <errno.h>
#include <string.h>

#include "proto/proto.h"

static uint64_t sum_of(uint64_t a, uint64_t b)
{
        uint64_t sum;

        return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

struct measure measure_of(const struct proto_event *event)
{
        struct measure one = {.count = 1};

        if (event->page_shift > 0 && event->page_shift < 64)
                one.bytes = UINT64_C(1) << event->page_shift;
        if (event->latency_ns != PROTO_UNKNOWN) {
                one.time_ns = one.max_ns = event->latency_ns;
                one.n_timed = 1;
        }
        return one;
}

void measure_add(struct measure *to, const struct measure *more)
{
        to->count = sum_of(to->count, more->count);
        to->bytes = sum_of(to->bytes, more->bytes);
        to->time_ns = sum_of(to->time_ns, more->time_ns);
        to->max_ns = MAX_OF(to->max_ns, more->max_ns);
        to->n_timed = sum_of(to->n_timed, more->n_timed);
}

uint64_t measure_weight(const struct measure *measure, enum fault_weight weight)
{
        switch (weight) {
        case WEIGHT_BYTES:
                return measure->bytes;
        case WEIGHT_TIME:
                return measure->time_ns;
        case WEIGHT_COUNT:
                break;
        }
        return measure->count;
}

void tally_free(struct tally *tally)
{
        for (uint32_t i = 0; i < tally->keys.n_entries; i++)
                tally_sum_free(&tally->groups[i]);
        intern_free(&tally->keys);
        free(tally->groups);
        *tally = (struct tally){0};
}

int tally_find(struct tally *tally, const char *key, size_t n_bytes, uint32_t *ret_group)
{
        uint32_t group;
        int r;

        if (tally->keys.n_entries == tally->size_groups) { /* first: a key without its group could not be taken back */
                uint32_t size = tally->size_groups ? tally->size_groups * 2 : 64;
                struct tally_sum *groups = realloc(tally->groups, size * sizeof(*groups));

                if (!groups)
                        return -ENOMEM;
                tally->groups = groups;
                tally->size_groups = size;
        }
        r = intern_put(&tally->keys, key, n_bytes, &group);
        if (r < 0)
                return r;
        if (r == INTERN_NEW)
                tally->groups[group] = (struct tally_sum){0};
        *ret_group = group;
        return 0;
}

/* The second latency of a group: from here on they are counted in buckets, if there is room for more of these. */
static int begin_distribution(struct tally *tally, struct tally_sum *group)
{
        if (tally->n_distributions >= TALLY_DISTRIBUTIONS_MAX)
                return 0;
        tally->n_distributions++;
        return latency_add(&group->latencies, group->measure.max_ns);
}

int tally_add(struct tally *tally, uint32_t group, const struct measure *fault)
{
        struct tally_sum *sum = &tally->groups[group];
        int r = 0;

        if (fault->n_timed > 0 && sum->measure.n_timed == 1)
                r = begin_distribution(tally, sum);
        if (r == 0 && fault->n_timed > 0 && sum->latencies.n > 0)
                r = latency_add(&sum->latencies, fault->time_ns);
        measure_add(&sum->measure, fault);
        measure_add(&tally->all, fault);
        return r;
}

void tally_add_homeless(struct tally *tally, const struct measure *fault)
{
        measure_add(&tally->homeless, fault);
        measure_add(&tally->all, fault);
}

static int compare(const void *left, const void *right, void *arg)
{
        const struct tally_group *a = left, *b = right;
        const enum fault_weight *weight = arg;
        uint64_t weight_a = measure_weight(&a->sum->measure, *weight),
                 weight_b = measure_weight(&b->sum->measure, *weight);
        size_t n_common = MIN_OF(a->n_bytes, b->n_bytes);
        int order;

        if (weight_a != weight_b)
                return weight_a > weight_b ? -1 : 1;
        order = n_common ? memcmp(a->key, b->key, n_common) : 0;
        return order ? order : a->n_bytes < b->n_bytes ? -1 : a->n_bytes > b->n_bytes;
}

struct tally_group *tally_sort(const struct tally *tally, enum fault_weight weight, size_t *ret_n_groups)
{
        size_t n = tally->keys.n_entries;
        struct tally_group *groups = calloc(n + 1, sizeof(*groups));

        if (!groups)
                return NULL;
        for (uint32_t i = 0; i < n; i++) {
                groups[i].key = intern_bytes(&tally->keys, i, &groups[i].n_bytes);
                groups[i].sum = &tally->groups[i];
        }
        qsort_r(groups, n, sizeof(*groups), compare, &weight);
        *ret_n_groups = n;
        return groups;
}

/* --- several groups as one --- */

void tally_sum_free(struct tally_sum *sum)
{
        latency_free(&sum->latencies);
        *sum = (struct tally_sum){0};
}

bool tally_sum_has_quantiles(const struct tally_sum *sum)
{
        return sum->measure.n_timed == 1 || (sum->measure.n_timed > 1 && sum->latencies.n == sum->measure.n_timed);
}

uint64_t tally_sum_quantile(const struct tally_sum *sum, double percent)
{
        return sum->measure.n_timed == 1 ? sum->measure.max_ns : latency_quantile(&sum->latencies, percent);
}

/* What has one latency only has no buckets, unless it is a sum itself. */
static int merge_latencies(struct latency *to, const struct tally_sum *more)
{
        if (more->measure.n_timed == 1 && more->latencies.n == 0)
                return latency_add(to, more->measure.max_ns);
        return more->latencies.n > 0 ? latency_merge(to, &more->latencies) : 0;
}

int tally_sum_merge(struct tally_sum *to, const struct tally_sum *more)
{
        int r = merge_latencies(&to->latencies, more);

        measure_add(&to->measure, &more->measure);
        return r;
}
