/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who fills a sheet writes every line, whether it is seen or not: so there is one place that knows what comes after
 * what, and how many lines there are is known at the end. A line that is not seen is a pen without room.
 */
#include "client/top/sheet.h"

#include "client/escape.h"

enum { TITLE_CELLS = 13 };

struct pen sheet_line(struct sheet *sheet, enum style style)
{
        size_t line = sheet->n_lines++;
        struct pen pen = pen_at(sheet->grid, sheet->area.x, sheet->area.y, style);

        if (line < sheet->first || line - sheet->first >= sheet->area.height) {
                pen.end = pen.x = 0;
                return pen;
        }
        pen.y += (uint32_t)(line - sheet->first);
        pen.end = sheet->area.x + sheet->area.width;
        return pen;
}

/* How much of it fits into so many cells, up to a blank if it is not all; at least a character. */
static size_t fitting(const char *bytes, size_t n_bytes, uint32_t n_cells)
{
        size_t i = 0, blank = 0;
        uint32_t used = 0;

        while (i < n_bytes) {
                uint32_t point = 0;
                size_t length = utf8_decode(bytes + i, n_bytes - i, &point);
                uint32_t cells = length > 0 ? utf8_cells(point) : 1;

                if (used + cells > n_cells && i > 0)
                        return blank > 0 ? blank : i;
                if (bytes[i] == ' ' && used > 0)
                        blank = i;
                used += cells;
                i += MAX_OF(length, (size_t)1);
        }
        return n_bytes;
}

static size_t put_part(struct pen *pen, const char *bytes, size_t n_bytes, uint32_t width)
{
        size_t n = fitting(bytes, n_bytes, width);

        pen_put(pen, bytes, n);
        while (n < n_bytes && bytes[n] == ' ')
                n++;
        return n;
}

void sheet_put_wrapped(struct sheet *sheet, enum style style, uint32_t indent, const char *bytes, size_t n_bytes)
{
        struct pen pen = sheet_line(sheet, style);
        uint32_t room = sheet->area.width > indent ? sheet->area.width - indent : 0;
        size_t done;

        done = put_part(&pen, bytes, n_bytes, sheet->area.width);
        while (done < n_bytes && room > 0) {
                pen = sheet_line(sheet, style);
                pen.x += pen.end > 0 ? indent : 0;
                done += put_part(&pen, bytes + done, n_bytes - done, room);
        }
}

void sheet_put_field(struct sheet *sheet, const char *title, const char *bytes, size_t n_bytes)
{
        uint32_t indent = sheet->area.width > 3 * TITLE_CELLS ? TITLE_CELLS : 0;
        struct pen pen = sheet_line(sheet, STYLE_TITLE);
        uint32_t x = pen.x;
        size_t done = 0;

        pen_put_string(&pen, title);
        pen.style = STYLE_PLAIN;
        if (indent > 0) {
                pen_move(&pen, x + indent);
                done = put_part(&pen, bytes, n_bytes, sheet->area.width - indent);
        }
        while (done < n_bytes && sheet->area.width > indent) {
                pen = sheet_line(sheet, STYLE_PLAIN);
                pen.x += pen.end > 0 ? indent : 0;
                done += put_part(&pen, bytes + done, n_bytes - done, sheet->area.width - indent);
        }
}

size_t sheet_last_first(const struct sheet *sheet)
{
        return sheet->n_lines > sheet->area.height ? sheet->n_lines - sheet->area.height : 0;
}
