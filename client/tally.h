/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults counted in groups, each with a key that is any string of bytes. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/intern.h"

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

/* Contents only. An all-zero struct is empty. */
struct tally {
        struct intern keys; /* of the group with the same number */
        struct measure *groups;
        uint32_t size_groups;
        struct measure all; /* those that found no group included */
};

void tally_free(struct tally *tally);

/* The number of the group with this key, made when there is none. 0; -ENOMEM; -ENOSPC: no further groups. */
int tally_find(struct tally *tally, const char *key, size_t n_bytes, uint32_t *ret_group) MUST_CHECK;

void tally_add(struct tally *tally, uint32_t group, const struct measure *fault);

/* One that could not be given a group: among all only. */
void tally_add_homeless(struct tally *tally, const struct measure *fault);

struct tally_group {
        const char *key; /* borrowed, not NUL-terminated */
        size_t n_bytes;
        const struct measure *sum; /* borrowed */
};

/* All groups, the heaviest first, equal ones by their keys. The array is the caller's to free; NULL: out of memory. */
struct tally_group *tally_sort(const struct tally *tally, enum fault_weight weight, size_t *ret_n_groups);
