/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults that a thread takes one page after the other become one run, to be shown as one line. Pure. */
#pragma once

#include <stdbool.h>

#include "client/state.h"
#include "client/tally.h"

#define FOLD_RUNS_MAX 32
#define FOLD_LEAST 3                        /* so many faults make a run; fewer stay what they are */
#define FOLD_QUIET_NS (100 * NSEC_PER_MSEC) /* a run without a fault for so long is over */
#define FOLD_HELD_NS (200 * NSEC_PER_MSEC)  /* so long other threads' faults wait behind a run */
#define FOLD_LONGEST_NS (1 * NSEC_PER_SEC)  /* then a run is shown, and what follows is the next one */

struct fold_run {
        const struct state *state; /* borrowed: what the ids of the fault refer to */
        struct proto_event event;  /* the first fault */
        struct measure sum;        /* of all of them; count: 1, or at least FOLD_LEAST */
        bool one_ip;               /* they are all of the same instruction */

        /* Of fold.c: */
        uint64_t last_page; /* number of the page */
        uint64_t last_ns;
        struct fold_run *second; /* the run's second fault, an entry of its own as long as there is no third */
        bool down;               /* towards smaller addresses */
        bool closed;
};

/* All zero: empty. It may not be moved or copied while it is not. */
struct fold {
        struct fold_run runs[FOLD_RUNS_MAX]; /* a ring, in the order of their first faults */
        uint32_t first, n_runs;
};

/*
 * One more fault. Afterwards fold_next() must be called until it returns NULL: then there is room for the next one. The
 * definitions of the state must not change their ids before what was held of it is taken out (fold_close()).
 */
void fold_add(struct fold *fold, const struct state *state, const struct proto_event *event);

/* All runs are over. */
void fold_close(struct fold *fold);

/* The next run that is over, in the order of first faults; NULL: none. Valid until the next fold_add(). */
const struct fold_run *fold_next(struct fold *fold);
