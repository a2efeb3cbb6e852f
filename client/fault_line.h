/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One fault as a line of columns for people. Pure. */
#pragma once

#include "client/fold.h"
#include "client/layout.h"
#include "client/names.h"
#include "client/words.h"
#include "proto/proto.h"

struct fault_line {
        struct names names;
        struct layout layout;
        bool color;
        struct words words;
};

/* The layout is that of a pipe. */
void fault_line_init(struct fault_line *line, bool color);
void fault_line_free(struct fault_line *line); /* contents */

/* Appends the line with its newline. */
void fault_line_put(struct fault_line *line, struct text *out, const struct state *state,
                    const struct proto_event *event);

/* The same for a run of more than one fault: its first one, how many pages it was, what it took, and the longest. */
void fault_line_put_run(struct fault_line *line, struct text *out, const struct fold_run *run);

#define SINCE_MAX_BYTES (TEXT_U64_MAX_BYTES + 4) /* and a sign, a point, a leading zero */

/* Seconds since the trace began, to the microsecond, written before `end`; returns where they begin. */
char *format_since(char *end, const struct state *state, uint64_t time_ns);
