/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults counted in groups, and the tables of these: at the end, or one after the other for parts of the trace. Pure.
 */
#pragma once

#include "client/options.h"
#include "client/view.h"

struct view_stat_options {
        enum group_by by[N_GROUP_BY]; /* the tables */
        size_t n_by;                  /* 0: cause, map, section, symbol, code, thread */
        enum fault_weight weight;     /* what is 100 %, and the order of the rows */
        uint64_t top;                 /* rows of a table; 0: some for people, all for programs */
        enum output_format format;
        uint64_t interval_ns; /* 0: tables of the whole trace */
        struct view *notes;   /* the caller's, outlives the view: tells of all but the faults; for FORMAT_JSON a JSON
                                 view,   which also writes the slowest faults, else a text view */
};

/* NULL: out of memory. */
struct view *view_stat_new(const struct view_stat_options *options);
struct view *view_stat_free(struct view *view); /* NULL passes; returns NULL */
struct view *view_stat_notes(struct view *view);

/*
 * So much silence closes an interval. The daemon is hardly ever silent for longer when there are faults, although it
 * may look for their names (NAMES_WAIT_NS).
 */
#define VIEW_STAT_PATIENCE_NS (2 * NSEC_PER_SEC)

/*
 * It is now_ns (CLOCK_MONOTONIC): an interval that ended VIEW_STAT_PATIENCE_NS ago goes to view->out if no fault has
 * come for so long. To be called about every tenth of that. The stream's own times do the rest, so that a recording of
 * it needs no clock.
 */
void view_stat_tick(struct view *view, uint64_t now_ns);

/* The tables, or the last one of them, and the slowest faults go to view->out, then what the notes had to say last.
 * Memory that has run out shows as out.failed. */
void view_stat_finish(struct view *view);
