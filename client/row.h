/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line of columns under construction. Positions and widths count terminal cells; at `limit`, the edge of the
 * terminal, it ends whatever is put. Inline where every fault line goes through it. Pure.
 */
#pragma once

#include "client/text.h"

#define ROW_ENDLESS UINT32_MAX /* as a limit or as room: nothing is cut or shortened */

struct row {
        struct text *out;
        uint32_t used;
        uint32_t limit;
};

/* As much of a piece as fits, in whole characters; the row is full then. The piece is valid UTF-8. */
void row_put_cut(struct row *row, const char *bytes, size_t n_bytes);

/* A piece of n_cells with as much taken out of its middle, where "…" stands instead ("~" where there is only
 * ASCII), as makes it fit into room. */
void row_put_shortened(struct row *row, const char *bytes, size_t n_bytes, uint32_t n_cells, uint32_t room);

static inline void row_put(struct row *row, const char *bytes, size_t n_bytes, uint32_t n_cells)
{
        if (n_cells > row->limit - row->used) {
                row_put_cut(row, bytes, n_bytes);
                return;
        }
        text_put(row->out, bytes, n_bytes);
        row->used += n_cells;
}

static inline void row_put_ascii(struct row *row, const char *bytes, size_t n_bytes)
{
        row_put(row, bytes, n_bytes, (uint32_t)n_bytes);
}

/*
 * Short pieces are most of a line. As many bytes as a vector has are stored at once where there is room for them, and
 * the next piece overwrites what was too much: several times faster than a call of memset(3) or memcpy(3) for a few.
 */
#define ROW_SHORT_BYTES 16

static inline void row_put_blanks(struct row *row, uint32_t n)
{
        struct text *out = row->out;

        row->used += n;
        if (n > ROW_SHORT_BYTES || out->size_bytes - out->n_bytes < ROW_SHORT_BYTES) {
                if (n > 0) /* there may be no memory yet */
                        text_fill(out, ' ', n);
                return;
        }
        memset(out->data + out->n_bytes, ' ', ROW_SHORT_BYTES);
        out->n_bytes += n;
}

/* The first n_bytes of these, ASCII. */
static inline void row_put_short(struct row *row, const char bytes[static ROW_SHORT_BYTES], uint32_t n_bytes)
{
        struct text *out = row->out;

        if (n_bytes > row->limit - row->used || out->size_bytes - out->n_bytes < ROW_SHORT_BYTES) {
                row_put_ascii(row, bytes, n_bytes);
                return;
        }
        memcpy(out->data + out->n_bytes, bytes, ROW_SHORT_BYTES);
        out->n_bytes += n_bytes;
        row->used += n_bytes;
}

/* On to a column; at least one space, except at the beginning. */
static inline void row_tab(struct row *row, uint32_t start)
{
        uint32_t n = row->used < start ? start - row->used : row->used > 0;

        row_put_blanks(row, MIN_OF(n, row->limit - row->used));
}

/* Right-aligned: the last byte stands before the cell `end`, if what is there already leaves room. */
static inline void row_put_right(struct row *row, uint32_t end, const char *bytes, size_t n_bytes)
{
        row_tab(row, end > n_bytes ? end - (uint32_t)n_bytes : 0);
        row_put_ascii(row, bytes, n_bytes);
}

static inline void row_put_hex(struct row *row, uint64_t value)
{
        char digits[TEXT_HEX_MAX_BYTES];
        char *begin = text_format_hex(digits + sizeof(digits), value);

        row_put_ascii(row, begin, (size_t)(digits + sizeof(digits) - begin));
}
