/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults counted in groups, and the table of these. Pure. */
#pragma once

#include "client/options.h"
#include "client/view.h"

struct view_stat_options {
        enum group_by by;
        enum fault_weight weight; /* what is 100 %, and the order of the rows */
        uint64_t top;             /* rows; 0: twenty for people, all for programs */
        bool for_programs;        /* a JSON object for each group instead of the table */
        struct view *notes;       /* the caller's, outlives the view: tells of all but the faults */
};

/* NULL: out of memory. */
struct view *view_stat_new(const struct view_stat_options *options);
struct view *view_stat_free(struct view *view); /* NULL passes; returns NULL */
struct view *view_stat_notes(struct view *view);

/* The groups go to view->out, then what the notes had to say last. Memory that has run out shows as out.failed. */
void view_stat_finish(struct view *view);
