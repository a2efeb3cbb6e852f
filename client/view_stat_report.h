/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table of stat, whatever it is to be written as, and the functions that write it. Pure. */
#pragma once

#include "client/names.h"
#include "client/options.h"
#include "client/slowest.h"
#include "client/tally.h"

/* A part of a trace, CLOCK_MONOTONIC; what happened at to_ns is not in it. */
struct stat_span {
        uint64_t from_ns, to_ns;
        uint64_t n_late; /* faults that are counted here although they ended before, because they came too late */
};

struct stat_report {
        enum group_by by;
        enum fault_weight weight;
        const struct stat_span *span; /* borrowed; NULL: the whole trace */
        struct tally_group *groups;   /* owned; the heaviest first, of which n_shown are shown */
        size_t n_groups, n_shown;
        bool has_homeless;           /* some faults are in no group */
        struct tally_sum others;     /* owned: what is in no group that is shown */
        const struct tally_sum *all; /* borrowed */
};

/* ret->by, weight, span and all are the caller's to set. n_most: rows. 0; -ENOMEM. */
int stat_report_make(struct stat_report *ret, const struct tally *tally, uint64_t n_most) MUST_CHECK;
void stat_report_free(struct stat_report *report); /* contents */

/* Of the weight that is 100 %. */
double stat_report_percent(const struct stat_report *report, const struct measure *measure);

/* --- view_stat_text.c: for people; n_columns: of the terminal, 0: nothing is shortened --- */

void stat_text_put(struct text *out, const struct stat_report *report, uint32_t n_columns);

/* "-- 2.0 s to 3.0 s", since start_ns, with as many decimals as tell one interval from the next. */
void stat_text_put_span(struct text *out, const struct stat_span *span, uint64_t start_ns, uint64_t interval_ns);
void stat_text_put_slowest(struct text *out, const struct slowest *slowest, uint32_t n_columns);

/* --- view_stat_slow.c: for people; appends one fault, with its stack, in lines that nothing is cut from --- */

/* Names that could not be made because memory ran out set names->failed. */
void stat_slow_put(struct names *names, struct text *out, const struct state *state, const struct proto_event *event);

/* --- view_stat_json.c --- */

void stat_json_put(struct text *out, const struct stat_report *report);

/* --- view_stat_csv.c: RFC 4180 --- */

void stat_csv_put_header(struct text *out, bool has_spans);
void stat_csv_put(struct text *out, const struct stat_report *report);
