/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small table whose columns are as wide as what is in them, and of which those that matter least are left out where
 * a line has no room for all. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/text.h"

#define STATUS_TABLE_COLUMNS_MAX 16

struct status_column {
        const char *title;   /* ASCII */
        bool is_number;      /* aligned to the right */
        uint32_t max_cells;  /* longer cells lose their middle on a terminal; 0: they do not */
        unsigned int weight; /* the lightest goes first where there is no room; 0: stays */
};

struct status_table {
        const struct status_column *columns;
        size_t n_columns;
        uint32_t limit; /* cells of a line; ROW_ENDLESS */
        bool color;
        struct text cells; /* one behind the other */
        struct status_cell {
                size_t offset;
                uint32_t n_bytes, n_cells;
                const char *color;
        } * all; /* row by row */
        size_t n_cells;
        bool shown[STATUS_TABLE_COLUMNS_MAX];
        uint32_t widths[STATUS_TABLE_COLUMNS_MAX];
};

/* n_columns: at most STATUS_TABLE_COLUMNS_MAX; they outlive the table. limit: the terminal's width, 0 for none. */
void status_table_begin(struct status_table *ret, const struct status_column *columns, size_t n_columns, uint32_t limit,
                        bool ascii, bool color);
void status_table_free(struct status_table *table); /* contents */

/* The next cell: a word of ours; somebody else's bytes; either in a colour of color.h. */
void status_table_add(struct status_table *table, const char *word, const char *color);
void status_table_add_name(struct status_table *table, const char *bytes, size_t n_bytes, const char *color);

/* After the last cell: which columns there is room for. */
void status_table_fit(struct status_table *table);
void status_table_put_titles(const struct status_table *table, struct text *out);
void status_table_put_row(const struct status_table *table, size_t index, struct text *out);

/* Words of ours and of others, safe for a terminal, broken at blanks at limit; further lines begin at indent. */
void status_put_wrapped(struct text *out, const char *bytes, size_t n_bytes, uint32_t indent, uint32_t used,
                        uint32_t limit);
