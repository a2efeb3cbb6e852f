/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The faults that took longest, as they are to be shown: written when they come, because what their ids refer to may be
 * forgotten before anybody asks. Pure.
 */
#pragma once

#include <stdbool.h>

#include "client/text.h"

#define SLOWEST_MAX 10

struct slow_fault {
        uint64_t latency_ns;
        struct text text; /* owned */
};

/* Contents only. An all-zero struct is empty. */
struct slowest {
        struct slow_fault faults[SLOWEST_MAX]; /* the slowest first; of equal ones that which came first */
        uint32_t n;
};

void slowest_free(struct slowest *slowest);

/* A fault that took so long is one of them, as far as is known. */
bool slowest_wants(const struct slowest *slowest, uint64_t latency_ns);

/* Makes room for a fault that is wanted. Returns an empty text for the caller to write it to, valid until the next. */
struct text *slowest_insert(struct slowest *slowest, uint64_t latency_ns);
