/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the traces of each unit have counted since the service started, for each user who traced: sums that never go
 * backwards, for whoever computes rates from them. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/link/figures.h"
#include "proto/base.h"

#define TALLIES_MAX 1024         /* units times users */
#define TALLIES_MAX_OF_USER 128  /* where users are told apart: nobody uses up the room of all */
#define TALLY_UNIT_BYTES 256     /* of a name, with its NUL */
#define TALLY_REST "other"       /* the unit of what found no room; no unit has such a name */
#define TALLY_NOBODY ((uid_t)-1) /* whose it is when there is no room for a user's own rest */

struct tally {
        uid_t uid;
        char unit[TALLY_UNIT_BYTES]; /* "" = targets in no unit */
        uint64_t n_traces;           /* that have begun */
        struct figures sums;         /* of those that have ended */
};

struct tallies {
        struct tally *tallies; /* owned; addressed by index, which stays */
        size_t n, size;
        uint32_t hashes[TALLIES_MAX]; /* of each: to find one without reading all */
        size_t max_of_user;           /* 0 = as many as there may be at all */
};

/* The sums of this user and unit (cut at TALLY_UNIT_BYTES), or of the rest when there is no room. 0 or -ENOMEM. */
int tallies_get(struct tallies *tallies, uid_t uid, const char *unit, size_t *ret_index) MUST_CHECK;
/* Add to a tally. A sum that would not fit stays at its greatest value. */
void tallies_add(struct tally *tally, uint64_t n_traces, const struct figures *figures);
void tallies_deinit(struct tallies *tallies);
