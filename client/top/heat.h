/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where in an address space something happened last, for a picture of it at any zoom: for each of a few sizes of
 * blocks, from a page up, a table of the blocks that were touched, by their number; a later block takes the place of an
 * earlier one that falls on the same entry. So memory is fixed (1.3 MiB), a fault costs a handful of stores, and what
 * is recent is rarely missing. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

struct heat; /* opaque */

struct heat *heat_new(void);               /* NULL: out of memory */
struct heat *heat_free(struct heat *heat); /* NULL passes; returns NULL */
void heat_clear(struct heat *heat);

void heat_add(struct heat *heat, uint64_t address, uint8_t cause, uint64_t time_ns);

/* Forget what is_gone() says of [start, end): the ranges of the blocks that are known, each asked once. */
void heat_forget(struct heat *heat, bool (*is_gone)(void *user, uint64_t start, uint64_t end), void *user);

struct heat_spot {
        uint64_t time_ns; /* of the latest fault */
        uint64_t n;       /* faults, as far as they are known: at least so many */
        uint8_t cause;    /* of the latest */
};
/* What is known of [start, end), by whole pages: false: nothing. Its cost is bounded whatever the range. */
bool heat_look(const struct heat *heat, uint64_t start, uint64_t end, struct heat_spot *ret);
