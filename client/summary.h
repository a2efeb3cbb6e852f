/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the faults of one trace came to, in a few lines at its end. Pure. */
#pragma once

#include "client/latency.h"
#include "client/names.h"
#include "client/state.h"
#include "client/tally.h"

struct summary_sum {
        uint64_t n_faults;
        uint64_t time_ns; /* of those with a latency */
};

/* All zero: nothing yet. */
struct summary {
        uint64_t outcomes[N_OUTCOMES];
        uint64_t n_unknown_outcomes; /* of a newer daemon */
        struct summary_sum causes[N_CAUSES];
        struct summary_sum all;
        struct latency latencies;
        struct tally maps; /* by name: what was found before ids were forgotten */
        uint64_t *map_ids; /* faults since then, by id; [0]: none, or not defined. Owned */
        uint32_t size_map_ids;
        bool failed; /* out of memory: sums are too small */
};

void summary_free(struct summary *summary); /* contents */

void summary_add(struct summary *summary, const struct state *state, const struct proto_event *events,
                 uint32_t n_events);

/* To be called before definitions are forgotten. */
void summary_settle(struct summary *summary, struct names *names, const struct state *state);

/* Lines for people; nothing when there was no fault. end_ns: when the trace ended, by the clock of the faults. */
void summary_put(struct summary *summary, struct names *names, const struct state *state, uint64_t end_ns,
                 struct text *out);
