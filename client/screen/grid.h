/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A screen as a table of cells. Views draw into it, the terminal shows it, and tests read it: nothing here knows of a
 * terminal. Whatever is put outside is cut off; a character that takes two cells and has only one left is not put.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/text.h"
#include "proto/proto.h"

#define CELL_BYTES_MAX 16 /* a character and what combines with it; more is left out */
#define PEN_PRINTF_MAX_BYTES 1023

/* What something is; how that looks is for the terminal to say (term.c), without colours too. */
enum style {
        STYLE_PLAIN,
        STYLE_DIM,
        STYLE_STRONG,
        STYLE_TITLE,    /* heads of columns, names of values */
        STYLE_SELECTED, /* the row that keys act on */
        STYLE_CURSOR,   /* the cell that keys act on */
        STYLE_GOOD,
        STYLE_WARNING,
        STYLE_BAD,
        STYLE_CAUSE, /* STYLE_CAUSE + enum cause: one colour a family of causes */
        N_STYLES = STYLE_CAUSE + N_CAUSES,
};

struct cell {
        char bytes[CELL_BYTES_MAX]; /* UTF-8, not NUL-terminated */
        uint8_t n_bytes;            /* 0: the right half of a character of two cells */
        uint8_t style;              /* enum style */
        bool reversed;              /* as a background, e.g. of bars */
};

struct grid {
        struct cell *cells; /* owned; row by row */
        uint32_t width, height;
        bool ascii; /* nothing but ASCII may be put: pictures take their plain forms */
};

/* All blank. 0; -ENOMEM (the grid is as before). */
int grid_resize(struct grid *grid, uint32_t width, uint32_t height) MUST_CHECK;
void grid_free(struct grid *grid); /* contents */
void grid_clear(struct grid *grid);

/* Where something is put: from x on in row y, not beyond `end` (an x, at most the width). Moves x on. */
struct pen {
        struct grid *grid;
        uint32_t x, y, end;
        enum style style;
        bool reversed;
};

struct pen pen_at(struct grid *grid, uint32_t x, uint32_t y, enum style style); /* to the right edge */

/* n_bytes of valid UTF-8 that is safe for a terminal (escape_terminal() made it); what is not becomes '?' all the same.
 * So does, on an ASCII grid, what is not ASCII. */
void pen_put(struct pen *pen, const char *bytes, size_t n_bytes);
void pen_put_string(struct pen *pen, const char *string);
/* At most PEN_PRINTF_MAX_BYTES, the rest is cut off. */
void pen_printf(struct pen *pen, const char *format, ...) PRINTF_LIKE(2, 3);
/* Names that others chose: escaped first. */
void pen_put_name(struct pen *pen, const char *bytes, size_t n_bytes);
/* Right-aligned, so that it ends before x + width; cut on the left if it is longer. */
void pen_put_right(struct pen *pen, uint32_t width, const char *bytes, size_t n_bytes);
/* Left-aligned in exactly `width` cells: longer ones lose their middle ("…", or "~" on an ASCII grid). */
void pen_put_fitted(struct pen *pen, uint32_t width, const char *bytes, size_t n_bytes);
void pen_put_name_fitted(struct pen *pen, uint32_t width, const char *bytes, size_t n_bytes); /* escaped first */
void pen_fill(struct pen *pen, uint32_t n, char c);
void pen_move(struct pen *pen, uint32_t x);

/* One character: `unicode`, or on an ASCII grid `ascii`. */
void pen_put_glyph(struct pen *pen, const char *unicode, char ascii);
/* A bar of eighths of cells, `eighths` long; on an ASCII grid '#' for each whole cell. */
void pen_put_bar(struct pen *pen, uint32_t eighths);

const struct cell *grid_cell(const struct grid *grid, uint32_t x, uint32_t y); /* NULL outside */
/* Style and background of n cells from there on, whatever stands in them. */
void grid_restyle(struct grid *grid, uint32_t x, uint32_t y, uint32_t n, enum style style, bool reversed);

/*
 * For golden files: the lines without trailing blanks; and with styles, below each line a line of letters for these:
 * d dim, b strong, t title, s selected, k cursor, g good, a warning, e bad; causes by their family: u unknown, n new,
 * c copy, f file, m storage, h shared, w swap, v served, i idle, x failed. In capitals: reversed (P: plain reversed).
 */
void grid_put_text(const struct grid *grid, bool with_styles, struct text *out);
