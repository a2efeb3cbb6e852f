/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of text that may be more than there is room for: those from `first` on are on the screen. Pure. */
#pragma once

#include "client/screen/grid.h"

struct area {
        uint32_t x, y, width, height; /* cells */
};

struct sheet {
        struct grid *grid;
        struct area area;
        size_t first;   /* the line at the top */
        size_t n_lines; /* so far, seen or not */
};

/* The next line; nothing of it is seen when it is above or below. */
struct pen sheet_line(struct sheet *sheet, enum style style);

/* Text that is safe for a terminal, in as many lines as it takes, broken at blanks where there are any; those after the
 * first begin `indent` cells further right. */
void sheet_put_wrapped(struct sheet *sheet, enum style style, uint32_t indent, const char *bytes, size_t n_bytes);

/* "title   value", the value wrapped below itself. */
void sheet_put_field(struct sheet *sheet, const char *title, const char *bytes, size_t n_bytes);

/* How far down it may be scrolled. */
size_t sheet_last_first(const struct sheet *sheet);
