/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults counted in groups, each with a key that is any string of bytes. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/intern.h"
#include "client/latency.h"

/* What a fault weighs in. */
enum fault_weight {
        WEIGHT_COUNT, /* one */
        WEIGHT_BYTES, /* the size of the page that it brought */
        WEIGHT_TIME,  /* its latency */
};

/* What one fault adds, or many did. */
struct measure {
        uint64_t count;
        uint64_t bytes;   /* of the pages; those whose size is not known count 0 */
        uint64_t time_ns; /* of those with a latency */
        uint64_t max_ns;
        uint64_t n_timed; /* how many have one */
};

struct proto_event;

struct measure measure_of(const struct proto_event *event);
void measure_add(struct measure *to, const struct measure *more);
uint64_t measure_weight(const struct measure *measure, enum fault_weight weight);

/* So many groups know how their latencies are distributed (2 KiB each); those that need it later do not. */
#define TALLY_DISTRIBUTIONS_MAX 8192

/* A group, or what else is summed up. */
struct tally_sum {
        struct measure measure;
        struct latency latencies; /* without buckets up to the second one, and where there is no room for them */
};

/* Contents only. An all-zero struct is empty. */
struct tally {
        struct intern keys; /* of the group with the same number */
        struct tally_sum *groups;
        uint32_t size_groups;
        uint32_t n_distributions;
        struct measure all;      /* homeless included */
        struct measure homeless; /* those that found no group */
};

void tally_free(struct tally *tally);

/* The number of the group with this key, made when there is none. 0; -ENOMEM; -ENOSPC: no further groups. */
int tally_find(struct tally *tally, const char *key, size_t n_bytes, uint32_t *ret_group) MUST_CHECK;

/* One fault. 0; -ENOMEM: the sums are right, the distribution of the latencies is not. */
int tally_add(struct tally *tally, uint32_t group, const struct measure *fault) MUST_CHECK;

/* One that could not be given a group: among all only. */
void tally_add_homeless(struct tally *tally, const struct measure *fault);

struct tally_group {
        const char *key; /* borrowed, not NUL-terminated */
        size_t n_bytes;
        const struct tally_sum *sum; /* borrowed */
};

/* All groups, the heaviest first, equal ones by their keys. The array is the caller's to free; NULL: out of memory. */
struct tally_group *tally_sort(const struct tally *tally, enum fault_weight weight, size_t *ret_n_groups);

/* --- several groups as one --- */

void tally_sum_free(struct tally_sum *sum); /* contents */

/* 0; -ENOMEM. What has latencies without a known distribution leaves the sum without one, too. */
int tally_sum_merge(struct tally_sum *to, const struct tally_sum *more) MUST_CHECK;

/* The distribution of its latencies is known; false also where there are none. */
bool tally_sum_has_quantiles(const struct tally_sum *sum);

/* As latency_quantile(), of a sum that has quantiles. */
uint64_t tally_sum_quantile(const struct tally_sum *sum, double percent);
