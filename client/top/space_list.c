/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All maps, a line each. A map of a page and one of a terabyte are both to be read, so the number of cells grows with
 * the logarithm of the size, and what a cell stands for is a power of two of pages, which the line says.
 *
 * The list has no numbers of lines: how many gaps there are above a map would have to be counted. What is on the screen
 * is found by walking from the map at the top, and the top by walking back from the selected one, so that 65 000 maps
 * cost as much as those that are seen.
 */

#include "client/top/space.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/figures.h"
#include "client/top/space_parts.h"

enum {
        /* A map of 2^(LOG2_FULL - LOG2_MORE) pages, 8 GiB, and larger ones take all cells that there are. */
        LOG2_FULL = 24,
        LOG2_MORE = 3,
        LOG2_CELL_MAX = 52,
        NAME_CELLS_MIN = 8,
        NAME_CELLS_MAX = 40,
        SIZE_CELLS = 5,
        SCALE_CELLS = 4, /* a power of two: at most "512K" */
        PERMS_CELLS = 4,
        ROWS_MAX = 1024,
};

/* --- lines --- */

static uint32_t lines_of(const struct space *space, size_t map, uint32_t n_lines)
{
        return n_lines > 1 && space_has_gap(space, map) ? 2 : 1;
}

/* The map at the top when the one in the last of n_lines is `last`, but none before `not_before`. */
static size_t first_above(const struct space *space, size_t last, size_t not_before, uint32_t n_lines)
{
        uint32_t used = lines_of(space, last, n_lines);
        size_t first = last;

        while (first > not_before) {
                used += lines_of(space, first - 1, n_lines);
                if (used > n_lines)
                        break;
                first--;
        }
        return first;
}

void space_scroll(struct space *space, uint32_t n_lines)
{
        size_t last_first;

        if (space->maps.n_maps == 0)
                return;
        if (space->selected <= space->first)
                space->first = space->selected;
        else
                space->first = first_above(space, space->selected, space->first, n_lines);
        last_first = first_above(space, space->maps.n_maps - 1, 0, n_lines); /* no lines are left empty */
        space->first = MIN_OF(space->first, last_first);
}

bool space_map_in_line(const struct space *space, uint32_t line, size_t *ret_map)
{
        uint32_t at = 0;

        for (size_t map = space->first; map < space->maps.n_maps && at <= line; map++) {
                at += lines_of(space, map, space->shown.n_lines);
                if (at - 1 == line) {
                        *ret_map = map;
                        return true;
                }
        }
        return false;
}

/* --- cells --- */

struct shape shape_of(uint64_t n_pages, uint32_t max_cells)
{
        unsigned int log2 = 63 - (unsigned int)__builtin_clzll(MAX_OF(n_pages, UINT64_C(1)));
        uint64_t most = MIN_OF(MAX_OF(max_cells, 1U), (uint32_t)SPACE_CELLS_MAX);
        uint64_t wanted = MIN_OF(MAX_OF(most * (log2 + LOG2_MORE) / LOG2_FULL, UINT64_C(1)), most), finer;
        unsigned int shift = 0;

        while (shift < LOG2_CELL_MAX && cells_of(n_pages, shift) > wanted)
                shift++;
        /* One step finer if that is nearer to what was wanted, as a ratio. */
        finer = shift > 0 ? cells_of(n_pages, shift - 1) : UINT64_MAX;
        if (finer <= most && finer * cells_of(n_pages, shift) < wanted * wanted)
                shift--;
        return (struct shape){.shift = shift, .n_cells = (uint32_t)cells_of(n_pages, shift)};
}

static void put_cells(struct pen *pen, const struct space *space, const struct smaps_map *map,
                      const struct space_row *row, uint32_t max_cells, uint64_t now_ns)
{
        struct shape shape = shape_of(map_pages(map), max_cells);
        bool is_uneven;
        enum residency average = residency_of_map(map, &is_uneven);

        for (uint32_t i = 0; i < shape.n_cells; i++) {
                uint64_t page = (uint64_t)i << shape.shift;
                uint64_t end = MIN_OF(page + (UINT64_C(1) << shape.shift), map_pages(map));
                enum residency residency = row ? (enum residency)row->cells[i] : RESIDENT_UNKNOWN;
                bool is_average = residency == RESIDENT_UNKNOWN;
                struct look look =
                        space_look(space, map->start + page * SPACE_PAGE_BYTES, map->start + end * SPACE_PAGE_BYTES,
                                   is_average ? average : residency, is_average && is_uneven, now_ns);

                look_put(pen, &look);
        }
}

/* --- columns --- */

/* Where each begins; UINT32_MAX: there is no room for it. */
struct columns {
        uint32_t address, size, perms, name, n_name, scale, cells, n_cells;
};

static uint32_t take_column(uint32_t *x, uint32_t n_cells, bool has_room)
{
        uint32_t at = *x;

        if (!has_room)
                return UINT32_MAX;
        *x += n_cells + 1;
        return at;
}

static struct columns columns_of(const struct space *space, uint32_t width)
{
        uint32_t x = 0, rest;
        struct columns columns = {.address = take_column(&x, space->n_digits, width >= 32)};

        columns.size = take_column(&x, SIZE_CELLS, width >= 64);
        columns.perms = take_column(&x, PERMS_CELLS, width >= 56);
        rest = width > x ? width - x : 0;
        if (width >= 72)
                rest -= SCALE_CELLS + 1;
        columns.n_name = MIN_OF(MAX_OF(rest * 7 / 20, (uint32_t)NAME_CELLS_MIN), (uint32_t)NAME_CELLS_MAX);
        columns.name = take_column(&x, columns.n_name, width >= 20);
        columns.scale = take_column(&x, SCALE_CELLS, width >= 72);
        columns.cells = x;
        columns.n_cells = MIN_OF(width - MIN_OF(x, width), (uint32_t)SPACE_CELLS_MAX);
        return columns;
}

static void put_title(struct grid *grid, uint32_t y, uint32_t x, uint32_t width, bool is_right, const char *word)
{
        struct pen pen = pen_at(grid, x, y, STYLE_TITLE);

        if (x == UINT32_MAX)
                return;
        pen.end = MIN_OF(x + width, grid->width);
        if (is_right)
                pen_put_right(&pen, width, word, strlen(word));
        else
                pen_put_string(&pen, word);
}

static void put_titles(struct grid *grid, uint32_t y, const struct space *space, const struct columns *columns)
{
        put_title(grid, y, columns->address, space->n_digits, true, "ADDRESS");
        put_title(grid, y, columns->size, SIZE_CELLS, true, "SIZE");
        put_title(grid, y, columns->perms, PERMS_CELLS, false, "PERM");
        put_title(grid, y, columns->name, columns->n_name, false, "MAP");
        put_title(grid, y, columns->scale, SCALE_CELLS, true, "CELL");
        put_title(grid, y, columns->cells, columns->n_cells, false, "PAGES");
}

static void put_size(struct grid *grid, uint32_t y, uint32_t x, uint32_t width, enum style style, uint64_t n_bytes)
{
        struct short_size size = short_size(n_bytes);
        struct pen pen = pen_at(grid, x, y, style);

        if (x != UINT32_MAX)
                pen_put_right(&pen, width, size.text, size.n_bytes);
}

static void put_address(struct grid *grid, uint32_t y, const struct space *space, const struct columns *columns,
                        enum style style, uint64_t address)
{
        struct pen pen = pen_at(grid, columns->address, y, style);

        if (columns->address != UINT32_MAX)
                space_put_address(&pen, space, address);
}

static void put_name(struct grid *grid, uint32_t y, const struct space *space, const struct columns *columns,
                     enum style style, size_t map)
{
        const struct smaps_map *this = &space->maps.maps[map];
        struct pen pen = pen_at(grid, columns->name, y, style);
        bool goes_on = space_goes_on(space, map);
        uint32_t before;
        size_t n_bytes;
        const char *name = space_map_name(this, &n_bytes);

        if (columns->name == UINT32_MAX)
                return;
        pen.end = MIN_OF(columns->name + columns->n_name, grid->width);
        if (goes_on)
                pen_put(&pen, " ", 1);
        before = pen.x;
        if (goes_on || this->path[0] == '\0')
                space_put_sections(&pen, space, this->start, this->end, true);
        if (pen.x > before) /* its sections say which part of the file it is, or that it is .bss */
                return;
        if (goes_on)
                pen_put(&pen, " ", 1);
        if (n_bytes > pen.end - pen.x)
                pen_put_name_fitted(&pen, pen.end - pen.x, name, n_bytes);
        else
                pen_put_name(&pen, name, n_bytes);
        if (this->is_deleted && pen.end - MIN_OF(pen.x, pen.end) > strlen(" (deleted)"))
                pen_put_string(&pen, " (deleted)");
        space_put_sections(&pen, space, this->start, this->end, false);
}

static void put_gap(const struct band *band, uint32_t y, const struct space *space, const struct columns *columns,
                    size_t map)
{
        const struct smaps_map *above = &space->maps.maps[map];
        uint64_t start = map > 0 ? above[-1].end : 0;
        struct pen pen = pen_at(band->grid, columns->name == UINT32_MAX ? 0 : columns->name, y, STYLE_DIM);

        put_address(band->grid, y, space, columns, STYLE_DIM, start);
        put_size(band->grid, y, columns->size, SIZE_CELLS, STYLE_DIM, above->start - start);
        pen_put_glyph(&pen, "┄", '-');
        if (above->start >= SPACE_KERNEL_HALF && start < SPACE_KERNEL_HALF)
                pen_put_string(&pen, " not for programs");
        else if (columns->size == UINT32_MAX)
                pen_printf(&pen, " %s free", short_size(above->start - start).text);
        else
                pen_put_string(&pen, " free");
}

static void put_map(const struct band *band, uint32_t y, const struct space *space, const struct columns *columns,
                    size_t map, const struct space_row *row)
{
        const struct smaps_map *this = &space->maps.maps[map];
        enum style style = map == space->selected ? STYLE_SELECTED : STYLE_PLAIN;
        uint32_t end = MIN_OF(columns->scale != UINT32_MAX ? columns->scale : columns->cells, band->grid->width);
        struct shape shape = shape_of(map_pages(this), columns->n_cells);
        struct pen pen = pen_at(band->grid, columns->perms, y, style);

        put_address(band->grid, y, space, columns, style, this->start);
        put_size(band->grid, y, columns->size, SIZE_CELLS, style, this->end - this->start);
        if (columns->perms != UINT32_MAX)
                pen_put_name(&pen, this->perms, strnlen(this->perms, PERMS_CELLS));
        put_name(band->grid, y, space, columns, style, map);
        if (map == space->selected)
                grid_restyle(band->grid, 0, y, end > 0 ? end - 1 : 0, style, false);
        put_size(band->grid, y, columns->scale, SCALE_CELLS, STYLE_DIM, SPACE_PAGE_BYTES << shape.shift);
        pen = pen_at(band->grid, columns->cells, y, STYLE_PLAIN);
        put_cells(&pen, space, this, row, columns->n_cells, band->now_ns);
}

/* --- all of it --- */

static void show_rows(struct space *space, const struct columns *columns, uint32_t n_lines)
{
        struct space_row *rows = calloc(MIN_OF(n_lines, (uint32_t)ROWS_MAX), sizeof(*rows));
        uint32_t used = 0;
        size_t n = 0;

        for (size_t map = space->first; rows && map < space->maps.n_maps && n < ROWS_MAX; map++) {
                const struct smaps_map *this = &space->maps.maps[map];
                struct shape shape = shape_of(map_pages(this), columns->n_cells);

                used += lines_of(space, map, n_lines);
                if (used > n_lines)
                        break;
                rows[n++] = (struct space_row){.start = this->start,
                                               .n_pages = map_pages(this),
                                               .shift = shape.shift,
                                               .n_cells = shape.n_cells};
        }
        space_show_rows(space, rows, n);
        free(rows);
}

static void put_lines(struct space *space, const struct band *band, const struct columns *columns, uint32_t y,
                      uint32_t n_lines)
{
        uint32_t at = 0;
        size_t map;

        for (map = space->first; map < space->maps.n_maps && at < n_lines; map++) {
                size_t row = map - space->first;

                if (lines_of(space, map, n_lines) > 1)
                        put_gap(band, y + at++, space, columns, map);
                if (at == n_lines)
                        break;
                put_map(band, y + at++, space, columns, map,
                        row < space->shown.n_rows ? &space->shown.rows[row] : NULL);
        }
        space->shown.n_maps = map - space->first;
}

static void put_head(const struct space *space, const struct band *band, uint32_t y)
{
        struct pen pen = pen_at(band->grid, 0, y, STYLE_PLAIN);
        char place[48];
        int n = snprintf(place, sizeof(place), " %zu/%zu", space->selected + 1, space->maps.n_maps);
        uint32_t end = pen.end;

        pen.end = end > (uint32_t)n ? end - (uint32_t)n : 0;
        space_put_part(&pen, "pid %" PRIi32, space->pid);
        space_put_part(&pen, "%s mapped", figure_bytes(space->mapped_bytes).text);
        if (space->has_sums) {
                space_put_part(&pen, "%s resident", figure_bytes(space->sums[SMAPS_RSS]).text);
                if (space->sums[SMAPS_SWAP] > 0)
                        space_put_part(&pen, "%s swapped", figure_bytes(space->sums[SMAPS_SWAP]).text);
                space_put_part(&pen, "%s anonymous", figure_bytes(space->sums[SMAPS_ANONYMOUS]).text);
        }
        pen.end = end;
        pen_move(&pen, end > (uint32_t)n ? end - (uint32_t)n : 0);
        pen.style = STYLE_DIM;
        pen_put(&pen, place, (size_t)n);
}

static void put_amount(struct pen *pen, const struct smaps_map *map, enum smaps_amount amount, const char *word)
{
        if (map->amounts[amount] > 0)
                space_put_part(pen, "%s %s", short_size(map->amounts[amount]).text, word);
}

/* What the selected line has no room for: the whole path, and the amounts. */
static void put_path(const struct space *space, const struct band *band, uint32_t y)
{
        const struct smaps_map *map = &space->maps.maps[space->selected];
        struct pen pen = pen_at(band->grid, 0, y, STYLE_TITLE);

        pen_printf(&pen, "%" PRIx64 "-%" PRIx64 " %.4s ", map->start, map->end, map->perms);
        if (map->path[0] != '\0' && pen.x < pen.end)
                pen_put_name_fitted(&pen, pen.end - pen.x, map->path, strlen(map->path));
        else
                pen_put_string(&pen, "anonymous memory");
}

static void put_amounts(const struct space *space, const struct band *band, uint32_t y)
{
        const struct smaps_map *map = &space->maps.maps[space->selected];
        struct pen pen = pen_at(band->grid, 0, y, STYLE_PLAIN);

        space_put_part(&pen, "%" PRIu64 " page%s", map_pages(map), map_pages(map) == 1 ? "" : "s");
        if (map->has_amounts && map->amounts[SMAPS_RSS] == 0)
                space_put_part(&pen, "nothing resident");
        else if (map->has_amounts)
                space_put_part(&pen, "%s resident", short_size(map->amounts[SMAPS_RSS]).text);
        (void)space_put_past(&pen, space, map->start, map->end, band->now_ns);
        if (map->has_amounts) {
                put_amount(&pen, map, SMAPS_SWAP, "swapped");
                put_amount(&pen, map, SMAPS_ANONYMOUS, "anonymous");
                put_amount(&pen, map, SMAPS_PRIVATE_DIRTY, "dirty");
                put_amount(&pen, map, SMAPS_ANON_HUGE, "in huge pages");
        }
}

static void put_nothing(const struct space *space, const struct band *band)
{
        struct pen pen = pen_at(band->grid, 0, band->y, STYLE_WARNING);

        if (space->pid == 0 && space->error == 0)
                pen_put_string(&pen, "no process yet");
        else if (space->error == -EACCES || space->error == -EPERM)
                pen_printf(&pen,
                           "may not read the maps of process %" PRIi32 ": not yours, or not dumpable; as root one may",
                           space->pid);
        else if (space->error == -ESRCH || space->error == -ENOENT)
                pen_printf(&pen, "process %" PRIi32 " has gone", space->pid);
        else if (space->error != 0)
                pen_printf(&pen, "cannot read the maps of process %" PRIi32 ": error %d", space->pid, -space->error);
        else
                pen_printf(&pen, "process %" PRIi32 " has no maps: a kernel thread, or it has ended", space->pid);
}

void space_draw_list(struct space *space, const struct band *band)
{
        struct columns columns = columns_of(space, band->grid->width);
        uint32_t n_head = band->height >= 6 ? 2 : band->height >= 4 ? 1 : 0;
        uint32_t n_foot = band->height >= 14 ? 3 : band->height >= 9 ? 2 : band->height >= 5 ? 1 : 0;
        uint32_t y = band->y + n_head, n_lines = band->height - n_head - n_foot, foot = y + n_lines;

        space->shown.lines_y = y;
        space->shown.n_lines = n_lines;
        if (space->maps.n_maps == 0) {
                space->shown.n_maps = 0;
                space_show_rows(space, NULL, 0);
                put_nothing(space, band);
                return;
        }
        space_scroll(space, n_lines);
        show_rows(space, &columns, n_lines);
        if (n_head > 0)
                put_head(space, band, band->y);
        if (n_head > 1)
                put_titles(band->grid, band->y + 1, space, &columns);
        put_lines(space, band, &columns, y, n_lines);
        if (n_foot > 1)
                put_path(space, band, foot);
        if (n_foot > 0)
                put_amounts(space, band, foot + (n_foot > 1));
        if (n_foot > 2) {
                struct pen pen = pen_at(band->grid, 0, foot + 2, STYLE_DIM);

                space_put_legend(&pen, false);
        }
}
