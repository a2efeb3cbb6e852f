/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the text view of maps share: sizes, pieces of lines, lists that are wrapped. Pure. */
#pragma once

#include "client/row.h"
#include "client/view_maps.h"

struct maps_view {
        struct text *out;
        const struct maps_report *report;
        const struct view_maps_options *options;
        struct text scratch;
};

#define SIZE_MAX_BYTES 32

/* Exact in the largest unit that allows it with five digits; else rounded, with a point. */
void format_size(char ret[static SIZE_MAX_BYTES], uint64_t n_bytes);

void begin_color(struct maps_view *v, const char *color);
void end_color(struct maps_view *v, const char *color); /* the one that was begun */

struct row begin_row(struct maps_view *v);
void end_row(struct row *row);
void row_put_string(struct row *row, const char *ascii);
void row_put_size(struct row *row, uint32_t end, uint64_t n_bytes); /* right-aligned */
void row_put_range(struct row *row, uint64_t start, uint64_t end);
/* Somebody else's bytes, shortened to room. */
void row_put_name(struct maps_view *v, struct row *row, const char *name, size_t n_bytes, uint32_t room);

/* A list whose items go on in the next line, at indent, where the terminal ends. */
struct flow {
        struct maps_view *view;
        uint32_t used; /* cells of the line */
        uint32_t indent;
        const char *separator; /* before the next item; a comma behind that */
};

void flow_put(struct flow *flow, const char *ascii);
void flow_put_count(struct flow *flow, uint64_t n, const char *one, const char *many);
void flow_put_size(struct flow *flow, const char *label, uint64_t n_bytes); /* nothing for 0 */
/* The parts of smaps that are not zero, but Rss. */
void flow_put_amounts(struct flow *flow, const uint64_t amounts[static N_SMAPS_AMOUNTS]);
void flow_end(const struct flow *flow);

/* view_maps_totals.c */
void maps_put_totals(struct maps_view *v);
