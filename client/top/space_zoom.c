/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One map, in rows of cells as in a book: a row is a power of two of cells and a cell a power of two of pages, both
 * counted from the map's start, so that addresses at the left go up in even steps. The cursor is an address; the cell
 * that it is in is the one that the lines below the cells are about.
 */
#include "client/top/space.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/escape.h"
#include "client/figures.h"
#include "client/proc/pagemap.h"
#include "client/proc/pagetable.h"
#include "client/top/space_parts.h"

enum {
        SECTIONS_CELLS = 16, /* beside each row, for the sections that begin there */
        NARROW = 72,         /* cells for the words of a position */
        LIST_CELLS = 60,     /* so wide must a row be for a list of pages */
        CELLS_MIN = 4,       /* fewer than that, and the addresses go */
        LOG2_CELL_MAX = 52,
};

/* Where things are, for the size of the band. */
struct zoom {
        const struct smaps_map *map;
        uint64_t n_pages;
        uint32_t y, n_rows;
        uint32_t cells_x, n_cells; /* of a row */
        bool is_listed;            /* a page a row, with words beside it */
        uint32_t sections_x;       /* UINT32_MAX: none are named */
        uint32_t info_y, n_info;
        uint64_t page, n_cell_pages; /* of the cell under the cursor */
};

static uint32_t power_of_two_below(uint32_t n)
{
        return 1U << (31 - (unsigned int)__builtin_clz(MAX_OF(n, 1U)));
}

static bool has_marks(const struct space *space)
{
        size_t first = space_first_mark(space, space->zoom_start);

        return first < space->n_marks && space->marks[first].start < space->zoom_end;
}

static void place_columns(const struct space *space, uint32_t width, struct zoom *zoom)
{
        uint32_t label = space->n_digits + 1, room;

        zoom->cells_x = width >= label + CELLS_MIN ? label : 0;
        room = width - zoom->cells_x;
        zoom->sections_x = UINT32_MAX;
        if (has_marks(space) && room >= 32 + 1 + SECTIONS_CELLS)
                room -= 1 + SECTIONS_CELLS;
        zoom->n_cells = MIN_OF(power_of_two_below(room), (uint32_t)SPACE_CELLS_MAX);
        if (width - zoom->cells_x - zoom->n_cells > SECTIONS_CELLS)
                zoom->sections_x = zoom->cells_x + zoom->n_cells + 1;
}

static void place_rows(const struct band *band, struct zoom *zoom)
{
        uint32_t n_head = band->height >= 4;

        zoom->n_info = band->height >= 13  ? 5
                       : band->height >= 9 ? 3
                       : band->height >= 5 ? 2
                       : band->height >= 2 ? 1
                                           : 0;
        zoom->y = band->y + n_head;
        zoom->n_rows = band->height - n_head - zoom->n_info;
        zoom->info_y = zoom->y + zoom->n_rows;
}

/* The finest scale that shows all of the map at once. */
static unsigned int fit_shift(const struct zoom *zoom)
{
        unsigned int shift = 0;

        while (shift < LOG2_CELL_MAX && cells_of(zoom->n_pages, shift) > (uint64_t)zoom->n_cells * zoom->n_rows)
                shift++;
        return shift;
}

/* The first row so that the cursor's is among them, and none is empty that need not be. */
static void scroll(struct space *space, const struct zoom *zoom)
{
        uint64_t n_all = (cells_of(zoom->n_pages, space->zoom_shift) - 1) / zoom->n_cells + 1;
        uint64_t row = (zoom->page >> space->zoom_shift) / zoom->n_cells;
        uint64_t first = (space->zoom_first >> space->zoom_shift) / zoom->n_cells;

        if (row < first)
                first = row;
        if (row - first >= zoom->n_rows)
                first = row - zoom->n_rows + 1;
        if (n_all - MIN_OF(first, n_all) < zoom->n_rows)
                first = n_all > zoom->n_rows ? n_all - zoom->n_rows : 0;
        space->zoom_first = (first * zoom->n_cells) << space->zoom_shift;
}

static struct zoom place(struct space *space, const struct band *band)
{
        struct zoom zoom = {.map = &space->maps.maps[space->selected]};
        unsigned int fit;

        zoom.n_pages = map_pages(zoom.map);
        place_columns(space, band->grid->width, &zoom);
        place_rows(band, &zoom);
        zoom.is_listed = zoom.n_pages <= zoom.n_rows && band->grid->width >= LIST_CELLS;
        if (zoom.is_listed)
                zoom.n_cells = 1;
        fit = fit_shift(&zoom);
        if (space->zoom_fits || space->zoom_shift > fit)
                space->zoom_shift = fit;
        zoom.page = (space_cell_address(space) - space->zoom_start) / SPACE_PAGE_BYTES;
        zoom.n_cell_pages = MIN_OF(UINT64_C(1) << space->zoom_shift, zoom.n_pages - zoom.page);
        scroll(space, &zoom);
        space->shown.fit_shift = fit;
        space->shown.lines_y = zoom.y;
        space->shown.n_lines = zoom.n_rows;
        space->shown.cells_x = zoom.cells_x;
        space->shown.n_cells = zoom.n_cells;
        return zoom;
}

/* --- cells --- */

static uint64_t address_of(const struct space *space, uint64_t page)
{
        return space->zoom_start + page * SPACE_PAGE_BYTES;
}

/* The entries of all pages of a cell; NULL: not of all. */
static const uint64_t *entries_of(const struct space *space, uint64_t page, uint64_t n_pages)
{
        uint64_t n = n_pages;
        const uint64_t *entries = space_pages_at(space, page, &n);

        return n == n_pages ? entries : NULL;
}

static struct look look_of(const struct space *space, const struct zoom *zoom, uint64_t page, uint64_t n_pages,
                           uint64_t now_ns)
{
        enum residency residency = residency_of_pages(entries_of(space, page, n_pages), (size_t)n_pages);
        bool is_average = false;

        if (residency == RESIDENT_UNKNOWN)
                residency = residency_of_map(zoom->map, &is_average);
        return space_look(space, address_of(space, page), address_of(space, page + n_pages), residency, is_average,
                          now_ns);
}

static void put_row(const struct space *space, const struct zoom *zoom, const struct band *band, uint32_t y,
                    uint64_t first)
{
        struct pen pen = pen_at(band->grid, zoom->cells_x, y, STYLE_PLAIN);

        for (uint32_t i = 0; i < zoom->n_cells; i++) {
                uint64_t page = first + ((uint64_t)i << space->zoom_shift), n;
                struct look look;

                if (page >= zoom->n_pages)
                        return;
                n = MIN_OF(UINT64_C(1) << space->zoom_shift, zoom->n_pages - page);
                look = look_of(space, zoom, page, n, band->now_ns);
                look_put(&pen, &look);
                if (page == zoom->page)
                        grid_restyle(band->grid, pen.x - 1, y, 1, STYLE_CURSOR, false);
        }
}

/* Names of the sections that begin in the row; in the first one also that in which it begins. */
static void put_row_sections(const struct space *space, const struct zoom *zoom, struct grid *grid, uint32_t y,
                             uint64_t start, uint64_t end)
{
        struct pen pen = pen_at(grid, zoom->sections_x, y, STYLE_DIM);
        size_t i = space_first_mark(space, start);

        for (; i < space->n_marks && space->marks[i].start < end; i++) {
                CLEANUP_TEXT struct text name = {0};
                uint32_t n_cells;

                if (space->marks[i].start < start && y > zoom->y)
                        continue;
                n_cells = escape_terminal(&name, space->marks[i].name, strlen(space->marks[i].name));
                if (pen.x >= pen.end || n_cells > pen.end - pen.x)
                        return;
                pen_put(&pen, name.data, name.n_bytes);
                pen_put(&pen, " ", 1);
        }
}

/* --- words --- */

static void put_head(const struct space *space, const struct zoom *zoom, const struct band *band)
{
        struct pen pen = pen_at(band->grid, 0, band->y, STYLE_TITLE);
        size_t n_bytes;
        const char *name = space_map_name(zoom->map, &n_bytes);

        pen_put_name_fitted(&pen, (uint32_t)MIN_OF(n_bytes, (size_t)MAX_OF(band->grid->width / 3, 8U)), name, n_bytes);
        pen.style = STYLE_PLAIN;
        pen_put_string(&pen, "  ");
        pen_put_name(&pen, zoom->map->perms, strnlen(zoom->map->perms, 4));
        space_put_part(&pen, "%s", short_size(zoom->map->end - zoom->map->start).text);
        space_put_part(&pen, "cell %s", short_size(SPACE_PAGE_BYTES << space->zoom_shift).text);
        space_put_part(&pen, "%" PRIx64 "-%" PRIx64, zoom->map->start, zoom->map->end);
        if (zoom->map->has_amounts && zoom->map->amounts[SMAPS_RSS] > 0)
                space_put_part(&pen, "%s resident", short_size(zoom->map->amounts[SMAPS_RSS]).text);
}

/* "PGD 254 PUD 238 PMD 141 PTE 61", or narrow "254.238.141.61"; NUL-terminated. */
static void format_indices(uint64_t address, unsigned int n_levels, bool is_narrow, struct text *out)
{
        struct pagetable_level levels[N_LEVELS_MAX];

        if (n_levels < N_LEVELS_MAX && !pagetable_is_canonical(address, n_levels))
                n_levels = N_LEVELS_MAX;
        n_levels = pagetable_indices(address, n_levels, levels);
        for (unsigned int i = 0; i < n_levels; i++)
                if (is_narrow)
                        text_printf(out, "%s%u", i > 0 ? "." : "", levels[i].index);
                else
                        text_printf(out, "%s%s %u", i > 0 ? " " : "", levels[i].name, levels[i].index);
        text_put_char(out, '\0');
}

static void put_position(const struct space *space, const struct zoom *zoom, struct pen *pen)
{
        CLEANUP_TEXT struct text indices = {0};
        uint64_t address = address_of(space, zoom->page);
        bool is_narrow = pen->end < NARROW;

        pen->style = STYLE_STRONG;
        space_put_part(pen, "0x%" PRIx64, address);
        pen->style = STYLE_PLAIN;
        space_put_part(pen, is_narrow ? "%" PRIu64 "/%" PRIu64 : "page %" PRIu64 " of %" PRIu64, zoom->page,
                       zoom->n_pages);
        format_indices(address, space->n_levels, is_narrow, &indices);
        if (!indices.failed)
                space_put_part(pen, "%s", indices.data);
}

static void put_page_state(uint64_t entry, struct pen *pen)
{
        struct pagemap_page page;

        pagemap_decode(entry, &page);
        if (page.has_frame)
                pen_printf(pen, "frame 0x%" PRIx64 "  ", page.frame);
        if (page.present && page.file_or_shared)
                pen_put_string(pen, page.exclusive ? "file or shared memory, mapped here alone"
                                                   : "file or shared memory, mapped elsewhere too");
        else if (page.present)
                pen_put_string(pen, page.exclusive ? "anonymous, nobody else's"
                                                   : "anonymous, shared after a fork, or the zero page");
        else if (page.swapped)
                pen_put_string(pen, "in swap space");
        else if (page.guard)
                pen_put_string(pen, "guard: to touch it is SIGSEGV");
        else
                pen_put_string(pen, page.marked ? "not resident, but marked by the kernel" : "not resident");
        if (page.has_slot)
                space_put_part(pen, "area %u slot %" PRIu64, page.swap_type, page.swap_offset);
}

/* In a line of the list: the word of the legend, and the frame. */
static void put_brief_state(uint64_t entry, struct pen *pen)
{
        static const char *const words[N_RESIDENCIES] = {
                [RESIDENT_NONE] = "not resident", [RESIDENT_SWAPPED] = "swapped", [RESIDENT_GUARD] = "guard",
                [RESIDENT_OWN] = "own",           [RESIDENT_FILE] = "file's",     [RESIDENT_SHARED] = "shared",
        };
        struct pagemap_page page;
        const char *word = words[residency_of_pages(&entry, 1)];

        pagemap_decode(entry, &page);
        if (word)
                space_put_part(pen, "%-6s", word);
        if (page.has_frame)
                space_put_part(pen, "frame 0x%" PRIx64, page.frame);
}

static void put_cell_state(const uint64_t *entries, uint64_t n_pages, struct pen *pen)
{
        uint64_t n_present = 0, n_exclusive = 0, n_swapped = 0;

        for (uint64_t i = 0; i < n_pages; i++) {
                struct pagemap_page page;

                pagemap_decode(entries[i], &page);
                n_present += page.present;
                n_exclusive += page.present && page.exclusive;
                n_swapped += page.swapped;
        }
        space_put_part(pen, "%" PRIu64 " of %" PRIu64 " pages resident", n_present, n_pages);
        if (n_swapped > 0)
                space_put_part(pen, "%" PRIu64 " in swap space", n_swapped);
        if (n_present > 0)
                space_put_part(pen, "%" PRIu64 " mapped here alone", n_exclusive);
}

static void put_state(const struct space *space, const struct zoom *zoom, struct pen *pen)
{
        const uint64_t *entries = entries_of(space, zoom->page, zoom->n_cell_pages);

        if (!entries)
                pen_put_string(pen, space->pages_refused ? "pagemap may not be read" : "page states not known");
        else if (zoom->n_cell_pages == 1)
                put_page_state(entries[0], pen);
        else
                put_cell_state(entries, zoom->n_cell_pages, pen);
}

/* What names it best: who was asked for this very address, who knows the symbols of what has faulted, else the map and
 * the section, and where in the file that is. */
static void put_place(const struct space *space, const struct zoom *zoom, struct pen *pen,
                      const struct space_names *names)
{
        uint64_t address = address_of(space, zoom->page);
        const struct space_mark *mark = space_mark_at(space, address);
        CLEANUP_TEXT struct text known = {0};
        size_t n_bytes;
        const char *name = space_map_name(zoom->map, &n_bytes);

        if (space->has_name && space->n_name > 0 && space->named == address)
                text_put(&known, space->name, space->n_name);
        if (known.n_bytes == 0 && names && names->name_of)
                names->name_of(names->user, address, &known);
        if (known.n_bytes > 0) {
                pen_put_name(pen, known.data, known.n_bytes);
                return;
        }
        pen_put_name(pen, name, n_bytes);
        if (mark) {
                pen_put(pen, " ", 1);
                pen_put_name(pen, mark->name, strlen(mark->name));
                pen_printf(pen, "+0x%" PRIx64, address - mark->start);
        }
        if (zoom->map->path[0] == '/')
                pen_printf(pen, "  offset 0x%" PRIx64 " of the file",
                           zoom->map->offset + zoom->page * SPACE_PAGE_BYTES);
}

static void put_past(const struct space *space, const struct zoom *zoom, const struct band *band, struct pen *pen)
{
        if (!space_put_past(pen, space, address_of(space, zoom->page),
                            address_of(space, zoom->page + zoom->n_cell_pages), band->now_ns))
                space_put_part(pen, "no fault seen");
}

static void put_info(const struct space *space, const struct zoom *zoom, const struct band *band,
                     const struct space_names *names)
{
        struct pen lines[5];

        for (uint32_t i = 0; i < ARRAY_SIZE(lines); i++)
                lines[i] = pen_at(band->grid, 0, zoom->info_y + i, STYLE_PLAIN);
        if (zoom->n_info > 0)
                put_position(space, zoom, &lines[0]);
        if (zoom->n_info > 1) {
                put_place(space, zoom, &lines[1], names);
                if (zoom->n_info < 5)
                        put_past(space, zoom, band, &lines[1]);
        }
        if (zoom->n_info > 2)
                put_state(space, zoom, &lines[2]);
        if (zoom->n_info < 5)
                return;
        put_past(space, zoom, band, &lines[3]);
        space_put_legend(&lines[4], space->zoom_shift == 0);
}

/* A page in a line of its own: its section, its state, what happened. */
static void put_row_words(const struct space *space, const struct zoom *zoom, const struct band *band, uint32_t y,
                          uint64_t page)
{
        uint32_t x = zoom->cells_x + zoom->n_cells;
        struct pen pen = pen_at(band->grid, x, y, STYLE_PLAIN);
        const uint64_t *entries = entries_of(space, page, 1);
        uint64_t address = address_of(space, page);

        if (has_marks(space)) {
                pen.end = MIN_OF(x + 1 + SECTIONS_CELLS, pen.end);
                space_put_sections(&pen, space, address, address + SPACE_PAGE_BYTES, true);
                pen_move(&pen, x + 1 + SECTIONS_CELLS);
                pen.end = band->grid->width;
        }
        if (entries)
                put_brief_state(entries[0], &pen);
        pen.style = STYLE_DIM;
        (void)space_put_past(&pen, space, address, address + SPACE_PAGE_BYTES, band->now_ns);
}

static void put_rows(const struct space *space, const struct zoom *zoom, const struct band *band)
{
        uint64_t row_pages = (uint64_t)zoom->n_cells << space->zoom_shift;

        for (uint32_t row = 0; row < zoom->n_rows; row++) {
                uint64_t first = space->zoom_first + row * row_pages;
                struct pen pen = pen_at(band->grid, 0, zoom->y + row, STYLE_DIM);

                if (first >= zoom->n_pages)
                        return;
                if (zoom->cells_x > 0)
                        space_put_address(&pen, space, address_of(space, first));
                put_row(space, zoom, band, zoom->y + row, first);
                if (zoom->is_listed)
                        put_row_words(space, zoom, band, zoom->y + row, first);
                else if (zoom->sections_x != UINT32_MAX)
                        put_row_sections(space, zoom, band->grid, zoom->y + row, address_of(space, first),
                                         address_of(space, MIN_OF(first + row_pages, zoom->n_pages)));
        }
}

/* --- all of it --- */

void space_draw_zoom(struct space *space, const struct band *band, const struct space_names *names)
{
        struct zoom zoom = place(space, band);

        if (band->height >= 4)
                put_head(space, &zoom, band);
        put_rows(space, &zoom, band);
        put_info(space, &zoom, band, names);
}
