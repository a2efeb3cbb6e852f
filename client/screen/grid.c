/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A view is tested by what it draws, so what it draws into must not be a terminal; and a terminal is driven by bytes,
 * so what others chose must not reach it as they are. Both are settled here, at the one place where characters become
 * cells. What every cell holds, whatever was put:
 *
 * - one character that escape.c calls safe to show, and perhaps marks that combine with it, or a blank, or nothing
 *   because the character on its left takes both cells. A character that loses one of its two cells becomes a blank.
 * - on an ASCII grid, one printable ASCII character.
 *
 * Widths are those of escape.c and not of wcwidth(3), which depends on the locale and on the C library's age: the same
 * stream has to give the same screen. Where a terminal thinks otherwise, term.c keeps the columns in their places.
 */
#include "client/screen/grid.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "client/cause_family.h"
#include "client/escape.h"

static const struct cell blank = {.bytes = " ", .n_bytes = 1, .style = STYLE_PLAIN};

int grid_resize(struct grid *grid, uint32_t width, uint32_t height)
{
        size_t n_cells, n_bytes;
        struct cell *cells;

        if (__builtin_mul_overflow((size_t)width, (size_t)height, &n_cells) ||
            __builtin_mul_overflow(n_cells, sizeof(*cells), &n_bytes))
                return -ENOMEM;
        cells = malloc(MAX_OF(n_bytes, (size_t)1));
        if (!cells)
                return -ENOMEM;
        free(grid->cells);
        grid->cells = cells;
        grid->width = width;
        grid->height = height;
        grid_clear(grid);
        return 0;
}

void grid_free(struct grid *grid)
{
        free(grid->cells);
        grid->cells = NULL;
        grid->width = 0;
        grid->height = 0;
}

void grid_clear(struct grid *grid)
{
        for (size_t i = 0; i < (size_t)grid->width * grid->height; i++)
                grid->cells[i] = blank;
}

static struct cell *cell_at(const struct grid *grid, uint32_t x, uint32_t y)
{
        return x < grid->width && y < grid->height ? &grid->cells[(size_t)y * grid->width + x] : NULL;
}

const struct cell *grid_cell(const struct grid *grid, uint32_t x, uint32_t y)
{
        return cell_at(grid, x, y);
}

void grid_restyle(struct grid *grid, uint32_t x, uint32_t y, uint32_t n, enum style style, bool reversed)
{
        for (uint32_t i = 0; i < n; i++) {
                struct cell *cell = cell_at(grid, x + i, y);

                if (!cell)
                        return;
                cell->style = (uint8_t)style;
                cell->reversed = reversed;
        }
}

/* --- characters --- */

/* Marks that go on top of the character before them. Those that are not listed get a cell of their own. */
static bool combines(uint32_t point)
{
        static const struct {
                uint32_t first, last;
        } marks[] = {
                {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f},
                {0x6d6, 0x6dc},   {0x900, 0x902},   {0x93c, 0x93c},   {0x941, 0x948},   {0xe31, 0xe31},
                {0xe34, 0xe3a},   {0xe47, 0xe4e},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff},
                {0x302a, 0x302f}, {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
        };

        for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
                if (point >= marks[i].first && point <= marks[i].last)
                        return true;
        return false;
}

struct glyph {
        const char *bytes;
        uint8_t n_bytes;
        uint8_t n_cells; /* 0: combines with what is before it */
};

/* The character at the start of s (n_bytes > 0) as this grid shows it; returns how many bytes it takes there. */
static size_t next_glyph(const struct grid *grid, const char *s, size_t n_bytes, struct glyph *ret)
{
        uint32_t point = 0;
        size_t length = utf8_decode(s, n_bytes, &point);

        *ret = (struct glyph){.bytes = "?", .n_bytes = 1, .n_cells = 1};
        if (length == 0)
                return 1;
        if (!utf8_is_safe(point) || (grid->ascii && point > 0x7e))
                return length;
        *ret = (struct glyph){.bytes = s, .n_bytes = (uint8_t)length, .n_cells = (uint8_t)utf8_cells(point)};
        if (combines(point))
                ret->n_cells = 0;
        return length;
}

static size_t n_cells_of(const struct grid *grid, const char *s, size_t n_bytes)
{
        size_t n_cells = 0;

        for (size_t i = 0; i < n_bytes;) {
                struct glyph glyph;

                i += next_glyph(grid, s + i, n_bytes - i, &glyph);
                n_cells += glyph.n_cells;
        }
        return n_cells;
}

/* Where the last characters begin that together take at most n_cells. */
static size_t tail_of(const struct grid *grid, const char *s, size_t n_bytes, size_t n_cells)
{
        size_t left = n_cells_of(grid, s, n_bytes), i = 0;

        while (i < n_bytes) {
                struct glyph glyph;
                size_t length = next_glyph(grid, s + i, n_bytes - i, &glyph);

                if (left <= n_cells && glyph.n_cells > 0)
                        break;
                left -= glyph.n_cells;
                i += length;
        }
        return i;
}

/* --- pens --- */

struct pen pen_at(struct grid *grid, uint32_t x, uint32_t y, enum style style)
{
        return (struct pen){.grid = grid, .x = x, .y = y, .end = grid->width, .style = style};
}

static uint32_t pen_end(const struct pen *pen)
{
        return MIN_OF(pen->end, pen->grid->width);
}

static uint32_t pen_room(const struct pen *pen)
{
        return pen->x < pen_end(pen) ? pen_end(pen) - pen->x : 0;
}

/* What is to be overwritten may be half of something: its other half cannot stay. */
static void split(const struct grid *grid, uint32_t x, uint32_t y)
{
        struct cell *cell = cell_at(grid, x, y), *right = cell_at(grid, x + 1, y);

        if (cell->n_bytes == 0 && x > 0) {
                struct cell *left = cell_at(grid, x - 1, y);

                left->bytes[0] = ' ';
                left->n_bytes = 1;
        }
        if (right && right->n_bytes == 0) {
                right->bytes[0] = ' ';
                right->n_bytes = 1;
        }
}

static void write_cell(const struct pen *pen, uint32_t x, const char *bytes, uint8_t n_bytes)
{
        struct cell *cell = cell_at(pen->grid, x, pen->y);

        memcpy(cell->bytes, bytes, n_bytes);
        cell->n_bytes = n_bytes;
        cell->style = (uint8_t)pen->style;
        cell->reversed = pen->reversed;
}

/* Onto the character that was put last; without one, or without room in its cell, it is left out. */
static void combine(const struct pen *pen, uint32_t first_x, const struct glyph *mark)
{
        uint32_t x = pen->x;
        struct cell *cell;

        do
                cell = x > first_x ? cell_at(pen->grid, --x, pen->y) : NULL;
        while (cell && cell->n_bytes == 0);
        if (!cell || cell->n_bytes + mark->n_bytes > CELL_BYTES_MAX)
                return;
        memcpy(cell->bytes + cell->n_bytes, mark->bytes, mark->n_bytes);
        cell->n_bytes = (uint8_t)(cell->n_bytes + mark->n_bytes);
}

/* false: there is no room for it, nor for anything behind it. */
static bool put_glyph(struct pen *pen, const struct glyph *glyph)
{
        static const struct glyph space = {.bytes = " ", .n_bytes = 1, .n_cells = 1};
        bool fits = glyph->n_cells <= pen_room(pen);

        if (!fits && pen_room(pen) == 0)
                return false;
        if (!fits)
                glyph = &space;
        if (pen->y < pen->grid->height) {
                for (uint32_t i = 0; i < glyph->n_cells; i++)
                        split(pen->grid, pen->x + i, pen->y);
                write_cell(pen, pen->x, glyph->bytes, glyph->n_bytes);
                if (glyph->n_cells == 2)
                        write_cell(pen, pen->x + 1, "", 0);
        }
        pen->x += glyph->n_cells;
        return fits;
}

void pen_put(struct pen *pen, const char *bytes, size_t n_bytes)
{
        uint32_t first_x = pen->x;

        for (size_t i = 0; i < n_bytes;) {
                struct glyph glyph;

                i += next_glyph(pen->grid, bytes + i, n_bytes - i, &glyph);
                if (glyph.n_cells == 0)
                        combine(pen, first_x, &glyph);
                else if (!put_glyph(pen, &glyph))
                        return;
        }
}

void pen_put_string(struct pen *pen, const char *string)
{
        pen_put(pen, string, strlen(string));
}

void pen_printf(struct pen *pen, const char *format, ...)
{
        char buffer[PEN_PRINTF_MAX_BYTES + 1];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(buffer, sizeof(buffer), format, args);
        va_end(args);
        if (n > 0)
                pen_put(pen, buffer, MIN_OF((size_t)n, sizeof(buffer) - 1));
}

void pen_put_name(struct pen *pen, const char *bytes, size_t n_bytes)
{
        CLEANUP_TEXT struct text name = {0};

        (void)escape_terminal(&name, bytes, n_bytes);
        pen_put(pen, name.data, name.n_bytes);
}

void pen_put_right(struct pen *pen, uint32_t width, const char *bytes, size_t n_bytes)
{
        size_t first = tail_of(pen->grid, bytes, n_bytes, width);
        size_t n_cells = n_cells_of(pen->grid, bytes + first, n_bytes - first);

        pen_fill(pen, width - (uint32_t)n_cells, ' ');
        pen_put(pen, bytes + first, n_bytes - first);
}

void pen_put_fitted(struct pen *pen, uint32_t width, const char *bytes, size_t n_bytes)
{
        uint32_t end = pen->end;
        uint32_t to = pen->x + MIN_OF(width, pen_room(pen));
        size_t n_cells = n_cells_of(pen->grid, bytes, n_bytes);

        pen->end = to;
        if (n_cells > to - pen->x && to > pen->x) {
                uint32_t n_head = (to - pen->x - 1) / 2;
                size_t tail = tail_of(pen->grid, bytes, n_bytes, to - pen->x - 1 - n_head);

                pen->end = pen->x + n_head;
                pen_put(pen, bytes, n_bytes);
                pen->end = to;
                pen_put_glyph(pen, "…", '~');
                bytes += tail;
                n_bytes -= tail;
        }
        pen_put(pen, bytes, n_bytes);
        pen_fill(pen, pen_room(pen), ' ');
        pen->end = end;
}

void pen_put_name_fitted(struct pen *pen, uint32_t width, const char *bytes, size_t n_bytes)
{
        CLEANUP_TEXT struct text name = {0};

        (void)escape_terminal(&name, bytes, n_bytes);
        pen_put_fitted(pen, width, name.data, name.n_bytes);
}

void pen_fill(struct pen *pen, uint32_t n, char c)
{
        for (uint32_t i = 0; i < n && pen_room(pen) > 0; i++)
                pen_put(pen, &c, 1);
}

void pen_move(struct pen *pen, uint32_t x)
{
        pen->x = x;
}

void pen_put_glyph(struct pen *pen, const char *unicode, char ascii)
{
        if (pen->grid->ascii)
                pen_put(pen, &ascii, 1);
        else
                pen_put_string(pen, unicode);
}

void pen_put_bar(struct pen *pen, uint32_t eighths)
{
        static const char parts[][4] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

        for (uint32_t i = 0; i < eighths / 8 && pen_room(pen) > 0; i++)
                pen_put_glyph(pen, "█", '#');
        if (!pen->grid->ascii)
                pen_put_string(pen, parts[eighths % 8]);
}

/* --- as text --- */

static char style_letter(const struct cell *cell)
{
        static const char styles[STYLE_CAUSE] = {
                [STYLE_PLAIN] = ' ', [STYLE_DIM] = 'd',      [STYLE_STRONG] = 'b',
                [STYLE_TITLE] = 't', [STYLE_SELECTED] = 's', [STYLE_CURSOR] = 'k',
                [STYLE_GOOD] = 'g',  [STYLE_WARNING] = 'a',  [STYLE_BAD] = 'e',
        };
        static const char families[N_FAMILIES] = {
                [FAMILY_UNKNOWN] = 'u', [FAMILY_NEW] = 'n',    [FAMILY_COPY] = 'c', [FAMILY_FILE] = 'f',
                [FAMILY_STORAGE] = 'm', [FAMILY_SHARED] = 'h', [FAMILY_SWAP] = 'w', [FAMILY_SERVED] = 'v',
                [FAMILY_IDLE] = 'i',    [FAMILY_FAILED] = 'x',
        };
        char letter = cell->style < STYLE_CAUSE ? styles[cell->style]
                                                : families[cause_family_of(cell->style - (unsigned int)STYLE_CAUSE)];

        if (cell->reversed)
                letter = letter == ' ' ? 'P' : (char)(letter - 'a' + 'A');
        return letter;
}

static void end_line(struct text *out, size_t start)
{
        while (out->n_bytes > start && out->data[out->n_bytes - 1] == ' ')
                out->n_bytes--;
        text_put_char(out, '\n');
}

void grid_put_text(const struct grid *grid, bool with_styles, struct text *out)
{
        for (uint32_t y = 0; y < grid->height; y++) {
                const struct cell *row = grid->cells + (size_t)y * grid->width;
                size_t start = out->n_bytes;

                for (uint32_t x = 0; x < grid->width; x++)
                        text_put(out, row[x].bytes, row[x].n_bytes);
                end_line(out, start);
                start = out->n_bytes;
                if (!with_styles)
                        continue;
                for (uint32_t x = 0; x < grid->width; x++)
                        text_put_char(out, style_letter(&row[x]));
                end_line(out, start);
        }
}
