/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which columns the text view has, and where, for a width of the terminal. Pure. */
#pragma once

#include <stdbool.h>

#include "client/row.h"

enum column {
        COLUMN_TIME,
        COLUMN_THREAD,
        COLUMN_COMM,
        COLUMN_LATENCY,
        COLUMN_OUTCOME,
        COLUMN_CAUSE,
        COLUMN_ACCESS,
        COLUMN_ADDRESS,
        COLUMN_SIZE,
        COLUMN_PLACE,
        COLUMN_CODE,
        COLUMN_FRAME,
        N_COLUMNS,
};

struct layout {
        struct {
                uint32_t start, end; /* cells; numbers are aligned to the end, everything else to the start */
                bool shown;
                bool brief; /* a letter instead of a word, a name without its section */
        } columns[N_COLUMNS];
        uint32_t limit; /* where lines end; ROW_ENDLESS: nowhere, and cells too long push the next ones on */
};

/* n_cells: the terminal's width; 0: no terminal. several: lines of more than one process, which they must name. */
void layout_fit(struct layout *ret, uint32_t n_cells, bool several);

/* The titles, in bold or not, with the newline. */
void layout_put_header(const struct layout *layout, bool bold, struct text *out);

/* Cells for both names, PLACE and CODE, of what begins at `used`; ROW_ENDLESS: any number. */
uint32_t layout_room_for_names(const struct layout *layout, uint32_t used);

/* Cells for what begins at `used` in this column so that the next one keeps its place. */
uint32_t layout_room(const struct layout *layout, enum column column, uint32_t used);
