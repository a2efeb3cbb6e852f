/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Half a number is worse than none: "12" may be what is left of "123 k". */
#include "client/top/parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "client/escape.h"

enum { GAP_CELLS = 2, PART_BYTES_MAX = 400 };

struct parts parts_at(struct grid *grid, uint32_t x, uint32_t y, uint32_t end)
{
        struct parts parts = {.pen = pen_at(grid, x, y, STYLE_PLAIN), .left = x};

        parts.pen.end = MIN_OF(end, grid->width);
        return parts;
}

void parts_put(struct parts *parts, enum style style, const char *bytes, size_t n_bytes)
{
        struct pen *pen = &parts->pen;
        bool is_first = pen->x == parts->left;
        uint32_t gap = is_first ? 0 : GAP_CELLS;

        if (parts->is_full || n_bytes == 0)
                return;
        if (!is_first && pen->x + gap + utf8_text_cells(bytes, n_bytes) > pen->end) {
                parts->is_full = true;
                return;
        }
        pen->style = STYLE_PLAIN;
        pen_fill(pen, gap, ' ');
        pen->style = style;
        pen_put(pen, bytes, n_bytes);
}

void parts_printf(struct parts *parts, enum style style, const char *format, ...)
{
        char part[PART_BYTES_MAX];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(part, sizeof(part), format, args);
        va_end(args);
        if (n > 0)
                parts_put(parts, style, part, MIN_OF((size_t)n, sizeof(part) - 1));
}
