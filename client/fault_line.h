/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One fault as a line of columns for people. Pure. */
#pragma once

#include "client/layout.h"
#include "client/names.h"
#include "proto/proto.h"

struct word { /* of the vocabulary, as a cell */
        const char *text;
        const char *color;
        uint32_t n_bytes;
        char letter; /* instead of the text where there is little room */
};

struct fault_line {
        struct names names;
        struct layout layout;
        bool color;
        struct word outcomes[N_OUTCOMES];
        struct word causes[N_CAUSES];
        struct word accesses[N_ACCESSES];
};

/* The layout is that of a pipe. */
void fault_line_init(struct fault_line *line, bool color);
void fault_line_free(struct fault_line *line); /* contents */

/* Appends the line with its newline. */
void fault_line_put(struct fault_line *line, struct text *out, const struct state *state,
                    const struct proto_event *event);

#define SINCE_MAX_BYTES (TEXT_U64_MAX_BYTES + 4) /* and a sign, a point, a leading zero */

/* Seconds since the trace began, to the microsecond, written before `end`; returns where they begin. */
char *format_since(char *end, const struct state *state, uint64_t time_ns);
