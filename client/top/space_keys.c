/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What keys change in the picture: in the list the selected map, zoomed the cursor and the scale. Scrolling is not
 * among it: what is drawn follows the cursor, and only who draws knows how much fits.
 */
#include "client/top/space.h"

#include "client/top/space_parts.h"

enum { WHEEL_LINES = 3, SHIFT_MAX = 52 };

/* The letters that stand for other keys (keys.def). */
static enum key_code meaning_of(const struct key *key)
{
        if (key->code != KEY_CODE_CHAR)
                return key->code;
        switch (key->point) {
        case 'k':
                return KEY_CODE_UP;
        case 'j':
                return KEY_CODE_DOWN;
        case 'u':
                return KEY_CODE_PAGE_UP;
        case 'f':
                return KEY_CODE_PAGE_DOWN;
        case 'g':
                return KEY_CODE_HOME;
        case 'G':
                return KEY_CODE_END;
        case '+':
        case '=':
                return KEY_CODE_ENTER;
        default:
                return KEY_CODE_CHAR;
        }
}

/* --- the list --- */

static void select_by(struct space *space, bool down, uint64_t n)
{
        size_t last = space->maps.n_maps > 0 ? space->maps.n_maps - 1 : 0;

        if (down)
                space->selected += (size_t)MIN_OF(n, (uint64_t)(last - space->selected));
        else
                space->selected -= (size_t)MIN_OF(n, (uint64_t)space->selected);
}

static void zoom_into_map(struct space *space)
{
        const struct smaps_map *map;

        if (space->selected >= space->maps.n_maps)
                return;
        map = &space->maps.maps[space->selected];
        space->is_zoomed = true;
        space->zoom_start = space->cursor = map->start;
        space->zoom_end = map->end;
        space->zoom_first = 0;
        space->zoom_fits = true;
}

static void click_list(struct space *space, const struct key *key)
{
        size_t map;

        if (key->y < space->shown.lines_y || key->y - space->shown.lines_y >= space->shown.n_lines ||
            !space_map_in_line(space, key->y - space->shown.lines_y, &map))
                return;
        if (map == space->selected)
                zoom_into_map(space);
        else
                space->selected = map;
}

static bool list_key(struct space *space, enum key_code code, const struct key *key)
{
        uint64_t screen = MAX_OF(space->shown.n_maps, (size_t)1);

        switch (code) {
        case KEY_CODE_UP:
        case KEY_CODE_DOWN:
                select_by(space, code == KEY_CODE_DOWN, 1);
                return true;
        case KEY_CODE_PAGE_UP:
        case KEY_CODE_PAGE_DOWN:
                select_by(space, code == KEY_CODE_PAGE_DOWN, screen);
                return true;
        case KEY_CODE_WHEEL_UP:
        case KEY_CODE_WHEEL_DOWN:
                select_by(space, code == KEY_CODE_WHEEL_DOWN, WHEEL_LINES);
                return true;
        case KEY_CODE_HOME:
        case KEY_CODE_END:
                select_by(space, code == KEY_CODE_END, UINT64_MAX);
                return true;
        case KEY_CODE_ENTER:
                zoom_into_map(space);
                return true;
        case KEY_CODE_CLICK:
                click_list(space, key);
                return true;
        default:
                return false;
        }
}

/* --- zoomed --- */

/* By so many cells, from the beginning of the one that the cursor is in; at either end it stays. */
static void move_cursor(struct space *space, bool on, uint64_t n_cells)
{
        unsigned int shift = MIN_OF(space->zoom_shift, (unsigned int)SHIFT_MAX);
        uint64_t n_pages = (space->zoom_end - space->zoom_start) / SPACE_PAGE_BYTES;
        uint64_t cell = (space->cursor - space->zoom_start) / SPACE_PAGE_BYTES >> shift;
        uint64_t last = cells_of(n_pages, shift) - 1;

        cell = on ? cell + MIN_OF(n_cells, last - cell) : cell - MIN_OF(n_cells, cell);
        space->cursor = space->zoom_start + (cell << shift) * SPACE_PAGE_BYTES;
}

static void zoom_in(struct space *space)
{
        space->zoom_fits = false;
        if (space->zoom_shift > 0)
                space->zoom_shift--;
}

static void zoom_out(struct space *space)
{
        if (space->zoom_shift < space->shown.fit_shift)
                space->zoom_shift++;
        space->zoom_fits = space->zoom_shift >= space->shown.fit_shift;
}

static void click_cells(struct space *space, const struct key *key)
{
        const struct space_shown *shown = &space->shown;
        uint64_t n_pages = (space->zoom_end - space->zoom_start) / SPACE_PAGE_BYTES, page;

        if (key->y < shown->lines_y || key->y - shown->lines_y >= shown->n_lines || key->x < shown->cells_x ||
            key->x - shown->cells_x >= shown->n_cells || space->zoom_shift > SHIFT_MAX)
                return;
        page = space->zoom_first + (((uint64_t)(key->y - shown->lines_y) * shown->n_cells + (key->x - shown->cells_x))
                                    << space->zoom_shift);
        if (page < n_pages)
                space->cursor = space->zoom_start + page * SPACE_PAGE_BYTES;
}

static bool zoomed_key(struct space *space, enum key_code code, const struct key *key)
{
        uint64_t row = MAX_OF(space->shown.n_cells, 1U), screen = row * MAX_OF(space->shown.n_lines, 1U);

        switch (code) {
        case KEY_CODE_LEFT:
        case KEY_CODE_RIGHT:
                move_cursor(space, code == KEY_CODE_RIGHT, 1);
                return true;
        case KEY_CODE_UP:
        case KEY_CODE_DOWN:
        case KEY_CODE_WHEEL_UP:
        case KEY_CODE_WHEEL_DOWN:
                move_cursor(space, code == KEY_CODE_DOWN || code == KEY_CODE_WHEEL_DOWN, row);
                return true;
        case KEY_CODE_PAGE_UP:
        case KEY_CODE_PAGE_DOWN:
                move_cursor(space, code == KEY_CODE_PAGE_DOWN, screen);
                return true;
        case KEY_CODE_HOME:
        case KEY_CODE_END:
                move_cursor(space, code == KEY_CODE_END, UINT64_MAX);
                return true;
        case KEY_CODE_ENTER:
                zoom_in(space);
                return true;
        case KEY_CODE_CLICK:
                click_cells(space, key);
                return true;
        case KEY_CODE_ESCAPE:
        case KEY_CODE_BACKSPACE:
                space->is_zoomed = false;
                return true;
        default:
                if (key->code == KEY_CODE_CHAR && (key->point == '-' || key->point == '_')) {
                        zoom_out(space);
                        return true;
                }
                return false;
        }
}

bool space_key(struct space *space, const struct key *key)
{
        if (space->is_zoomed)
                return zoomed_key(space, meaning_of(key), key);
        return list_key(space, meaning_of(key), key);
}
