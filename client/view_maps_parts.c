/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sizes are exact whenever the unit allows it: whoever adds them up must not be off by what was rounded away. What is
 * rounded has a point.
 */
#include "client/view_maps_parts.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/color.h"
#include "client/escape.h"

/* --- pieces --- */

void format_size(char ret[static SIZE_MAX_BYTES], uint64_t n_bytes)
{
        static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
        unsigned int unit = 0;
        uint64_t tenths;

        while (unit < ARRAY_SIZE(units) - 1 && n_bytes >> unit * 10 >= 1024 &&
               n_bytes % (UINT64_C(1024) << unit * 10) == 0)
                unit++;
        if (n_bytes >> unit * 10 < 100000) {
                (void)snprintf(ret, SIZE_MAX_BYTES, "%" PRIu64 " %s", n_bytes >> unit * 10, units[unit]);
                return;
        }
        while (unit < ARRAY_SIZE(units) - 1 && n_bytes >> unit * 10 >= 1000)
                unit++;
        /* unit is 1 at least; the division by 1024 comes first, so that nothing overflows */
        tenths = ((n_bytes >> (unit - 1) * 10) * 10 + 512) / 1024;
        (void)snprintf(ret, SIZE_MAX_BYTES, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[unit]);
}

void begin_color(struct maps_view *v, const char *color)
{
        if (v->options->color)
                text_put_string(v->out, color);
}

void end_color(struct maps_view *v, const char *color)
{
        if (*color)
                begin_color(v, COLOR_RESET);
}

struct row begin_row(struct maps_view *v)
{
        return (struct row){.out = v->out, .limit = v->options->n_columns ? v->options->n_columns : ROW_ENDLESS};
}

void end_row(struct row *row)
{
        text_put_char(row->out, '\n');
}

void row_put_string(struct row *row, const char *ascii)
{
        row_put_ascii(row, ascii, strlen(ascii));
}

void row_put_size(struct row *row, uint32_t end, uint64_t n_bytes)
{
        char size[SIZE_MAX_BYTES];

        format_size(size, n_bytes);
        row_put_right(row, end, size, strlen(size));
}

void row_put_range(struct row *row, uint64_t start, uint64_t end)
{
        row_put_hex(row, start);
        row_put_string(row, "-");
        row_put_hex(row, end);
}

void row_put_name(struct maps_view *v, struct row *row, const char *name, size_t n_bytes, uint32_t room)
{
        uint32_t n_cells;

        v->scratch.n_bytes = 0;
        n_cells = escape_terminal(&v->scratch, name, n_bytes);
        if (v->scratch.n_bytes > 0)
                row_put_shortened(row, v->scratch.data, v->scratch.n_bytes, n_cells, room);
}

/* --- lists that are wrapped --- */

/* What of the separator stands before a space ends the line, the rest begins the next one. */
static void flow_wrap(struct flow *flow)
{
        size_t n_ending = strcspn(flow->separator, " ");

        text_put(flow->view->out, flow->separator, n_ending);
        text_put_char(flow->view->out, '\n');
        text_fill(flow->view->out, ' ', flow->indent);
        flow->used = flow->indent;
        flow->separator += n_ending + strspn(flow->separator + n_ending, " ");
}

void flow_put(struct flow *flow, const char *ascii)
{
        uint32_t width = flow->view->options->n_columns, n_cells = (uint32_t)strlen(ascii);

        /* one cell stays free for a comma */
        if (width > 0 && flow->used > flow->indent && flow->used + strlen(flow->separator) + n_cells >= width)
                flow_wrap(flow);
        text_put_string(flow->view->out, flow->separator);
        text_put_string(flow->view->out, ascii);
        flow->used += (uint32_t)strlen(flow->separator) + n_cells;
        flow->separator = ", ";
}

void flow_put_size(struct flow *flow, const char *label, uint64_t n_bytes)
{
        char size[SIZE_MAX_BYTES], item[96];

        if (n_bytes == 0)
                return;
        format_size(size, n_bytes);
        (void)snprintf(item, sizeof(item), "%s %s", label, size);
        flow_put(flow, item);
}

void flow_end(const struct flow *flow)
{
        text_put_char(flow->view->out, '\n');
}

void flow_put_count(struct flow *flow, uint64_t n, const char *one, const char *many)
{
        char item[96];

        (void)snprintf(item, sizeof(item), "%" PRIu64 " %s", n, n == 1 ? one : many);
        flow_put(flow, item);
}

/* The parts that are not zero. */
void flow_put_amounts(struct flow *flow, const uint64_t amounts[static N_SMAPS_AMOUNTS])
{
        flow_put_size(flow, "private clean", amounts[SMAPS_PRIVATE_CLEAN]);
        flow_put_size(flow, "private dirty", amounts[SMAPS_PRIVATE_DIRTY]);
        flow_put_size(flow, "shared clean", amounts[SMAPS_SHARED_CLEAN]);
        flow_put_size(flow, "shared dirty", amounts[SMAPS_SHARED_DIRTY]);
        if (amounts[SMAPS_PSS] != amounts[SMAPS_RSS])
                flow_put_size(flow, "PSS", amounts[SMAPS_PSS]);
        flow_put_size(flow, "anonymous", amounts[SMAPS_ANONYMOUS]);
        flow_put_size(flow, "lazily freed", amounts[SMAPS_LAZY_FREE]);
        flow_put_size(flow, "merged", amounts[SMAPS_KSM]);
        flow_put_size(flow, "huge", amounts[SMAPS_ANON_HUGE]);
        flow_put_size(flow, "huge shmem", amounts[SMAPS_SHMEM_HUGE]);
        flow_put_size(flow, "huge file", amounts[SMAPS_FILE_HUGE]);
        flow_put_size(flow, "shared hugetlb", amounts[SMAPS_SHARED_HUGETLB]);
        flow_put_size(flow, "private hugetlb", amounts[SMAPS_PRIVATE_HUGETLB]);
        flow_put_size(flow, "swapped", amounts[SMAPS_SWAP]);
        flow_put_size(flow, "locked", amounts[SMAPS_LOCKED]);
}
