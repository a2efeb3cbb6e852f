/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What top knows: every fault of the trace, added up so that any table can be made of it later, for any moment of the
 * last minutes, in bounded memory.
 *
 * A fault adds to the sum of its tuple: what of it a table may be made by (map, place, code, caller, stack, thread,
 * cause), in our own numbers, because those of the daemon are forgotten with each epoch. Sums are kept for the whole
 * trace and for each slice of TOP_SLICE_NS; the oldest slices go when there are too many, and when a slice has too many
 * tuples its further ones are added up in one without names ("(other)", which keeps only the cause). A table is a fold
 * over tuples: its cost is that of the tuples, not of the faults. Pure: the time is that of the events, and what the
 * caller passes.
 *
 * Names are those of stat's tables (group_key.h), safe for a terminal; only of stacks it is the functions from the
 * outermost to the innermost, with semicolons between them as in folded lines, so that stacks which differ in nothing
 * but offsets are one row ("[no stack]" where there is none). Names of which nothing is left are forgotten, and their
 * groups with them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/latency.h"
#include "client/options.h"
#include "client/state.h"
#include "client/tally.h"
#include "proto/proto.h"

#define TOP_SLICE_NS (UINT64_C(500) * NSEC_PER_MSEC)
#define TOP_SLICES_MAX 600        /* five minutes */
#define TOP_SLICE_TUPLES_MAX 8192 /* of one slice */
#define TOP_TUPLES_MAX 262144     /* of all slices together, then the oldest go; of the whole trace as many again */
#define TOP_RECENT_MAX 4096       /* faults kept in full, for the pane of details */
#define TOP_DEPTH_MAX 8           /* rows entered one in another */

struct top_model; /* opaque */

struct top_model *top_model_new(void);                     /* NULL: out of memory */
struct top_model *top_model_free(struct top_model *model); /* returns NULL */

/* A batch of a target's faults as they came. 0; -ENOMEM (those that found no room count as "other"; the model stays
 * usable). */
int top_model_add(struct top_model *model, const struct state *state, const struct proto_event *events,
                  size_t n_events) MUST_CHECK;
/* The time has come this far (CLOCK_MONOTONIC): slices without faults are empty ones, rates fall. Once it was told,
 * faults that claim to be from a minute later or more count as from now. */
void top_model_tick(struct top_model *model, uint64_t now_ns);

/* Which part of time. Both in slices, counted from the first (0); a span of 0 is all of the trace, which is always
 * possible for until = top_model_now() (then with what has come since) and otherwise means as far back as slices reach.
 * An `until` that is still to come means now. */
struct top_span {
        uint64_t until; /* the slice behind the last one shown */
        uint64_t n_slices;
};

uint64_t top_model_now(const struct top_model *model);    /* the slice behind the last complete one */
uint64_t top_model_oldest(const struct top_model *model); /* the first slice that is still there */

enum top_sort { TOP_SORT_COUNT, TOP_SORT_RATE, TOP_SORT_TIME, TOP_SORT_BYTES, TOP_SORT_MAJOR, N_TOP_SORTS };
const char *top_sort_text(unsigned int sort); /* NULL for an unknown number */

/* A row that was entered: only faults of this group. `group` as in struct top_row of the table by `by`. */
struct top_step {
        enum group_by by;
        uint64_t group;
};

struct top_query {
        struct top_span span;
        enum group_by by;
        enum top_sort sort;
        struct top_step steps[TOP_DEPTH_MAX];
        size_t n_steps;
        const char *search; /* only rows whose name has this in it, whatever the case; NULL or empty: all */
        size_t first;       /* the first row wanted, of the sorted ones: by their sums downwards, then by name */
};

struct top_row {
        uint64_t group;   /* the same for the same name in every table by the same `by` of this model */
        const char *name; /* owned by the model until faults are added, NUL-terminated, safe for a terminal */
        size_t n_name;
        struct measure sum; /* of the span */
        uint64_t n_major, n_failed;
        double per_second; /* in the last two slices of the span */
        uint8_t cause;     /* the most frequent one of the group: its colour */
};

struct top_table {
        struct top_row *rows; /* the caller's, room for n_room; those from query.first on */
        size_t n_room;
        size_t n_rows;      /* ret: filled in */
        size_t n_all;       /* ret: rows that there are in all */
        struct measure sum; /* ret: of all of them */
        bool is_incomplete; /* ret: some of it is in "other", or was in slices that have gone */
};

/* 0; -ENOMEM; -EINVAL: no such `by`. A step whose group has gone: no rows. */
int top_model_table(struct top_model *model, const struct top_query *query, struct top_table *table) MUST_CHECK;
/* The name of a group, as in its row. NULL: there is none. */
const char *top_model_name(const struct top_model *model, enum group_by by, uint64_t group, size_t *ret_n_bytes);

/* What the header tells of a span, of all faults (no steps, no search). */
struct top_totals {
        struct measure sum;
        uint64_t n_outcomes[N_OUTCOMES];
        double per_second, minor_per_second, major_per_second, failed_per_second; /* in the last two slices */
        uint64_t p50_ns, p99_ns, max_ns;                                          /* 0: no latencies */
        uint64_t log2_counts[64];                                                 /* as latency_log2() */
};
int top_model_totals(struct top_model *model, const struct top_span *span, struct top_totals *ret) MUST_CHECK;

/* Faults of each cause in each of the last n slices before until: ret[i * N_CAUSES + cause], oldest first; 0 of slices
 * that are not there. Causes without a word count as CAUSE_UNKNOWN, here and as a row's cause. */
void top_model_history(const struct top_model *model, uint64_t until, size_t n, uint32_t *ret);

/* The thread that faults cost the most of its time in the span: share of its wall-clock time, 0 to 1. The rows are the
 * caller's; returns how many were filled, the largest first. */
struct top_thread {
        int32_t pid, tid;
        const char *comm; /* as a name of a row */
        size_t n_comm;
        double share;
};
size_t top_model_threads(struct top_model *model, const struct top_span *span, struct top_thread *rows, size_t n_room);

/* One fault in full, of those that the query's table is made of (those of the span, the steps and the rows that the
 * search finds), newest first: the index-th of the last TOP_RECENT_MAX faults. Its names are in the text view's own
 * words, made when it came. false: there are no more. */
struct top_fault {
        uint64_t time_ns; /* since the trace began */
        const struct proto_event *event;
        /* Owned by the model until the next call, NUL-terminated, safe for a terminal; "" unknown. With their offsets,
         * but for map and comm; code of which only the address is known is that. */
        const char *map, *place, *code, *caller, *comm;
        int32_t pid, tid;  /* 0: unknown */
        const char *stack; /* lines, each with its end; "" without one */
};
bool top_model_fault(struct top_model *model, const struct top_query *query, size_t index, struct top_fault *ret);
