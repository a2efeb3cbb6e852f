/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is resident, and how that gets known. Reading the state of all pages of a process ten times a second is out of
 * the question, so it is asked for in portions: zoomed, of the rows that are on the screen; otherwise of one map on the
 * screen after another, the one that was read the longest time ago first, and of what was read no more is kept than a
 * number for each cell. Maps of more than a gigabyte are not read, because that would be a gigabyte's worth of entries
 * for a handful of cells: their cells show the share that smaps gives of the whole map.
 */
#include "client/top/space.h"

#include <errno.h>
#include <string.h>

#include "client/proc/pagemap.h"
#include "client/top/space_parts.h"

#define SCAN_PAGES_MAX (UINT64_C(1) << 18)
#define READ_AGAIN_NS (500 * NSEC_PER_MSEC)
#define READ_ZOOMED_AGAIN_NS (200 * NSEC_PER_MSEC)

/* --- of entries --- */

enum residency residency_of_share(uint64_t n_present, uint64_t n_pages)
{
        uint64_t eighths;

        if (n_present == 0 || n_pages == 0)
                return RESIDENT_NONE;
        if (n_present >= n_pages)
                return RESIDENT_ALL;
        eighths = (uint64_t)((double)n_present / (double)n_pages * 8);
        return (enum residency)(RESIDENT_SOME + MIN_OF(eighths, (uint64_t)6));
}

static enum residency residency_of_page(uint64_t entry)
{
        struct pagemap_page page;

        pagemap_decode(entry, &page);
        if (page.present)
                return page.file_or_shared ? RESIDENT_FILE : page.exclusive ? RESIDENT_OWN : RESIDENT_SHARED;
        return page.swapped ? RESIDENT_SWAPPED : page.guard ? RESIDENT_GUARD : RESIDENT_NONE;
}

enum residency residency_of_pages(const uint64_t *entries, size_t n_pages)
{
        size_t n_present = 0, n_shared = 0, n_swapped = 0;

        if (!entries || n_pages == 0)
                return RESIDENT_UNKNOWN;
        if (n_pages == 1)
                return residency_of_page(entries[0]);
        for (size_t i = 0; i < n_pages; i++) {
                struct pagemap_page page;

                pagemap_decode(entries[i], &page);
                n_present += page.present;
                n_shared += page.present && !page.file_or_shared && !page.exclusive;
                n_swapped += page.swapped;
        }
        if (n_present == 0 && n_swapped > 0)
                return RESIDENT_SWAPPED;
        if (n_shared > n_present - n_shared)
                return RESIDENT_SHARED; /* after a fork that matters more than how many there are */
        return residency_of_share(n_present, n_pages);
}

enum residency residency_of_map(const struct smaps_map *map, bool *ret_is_uneven)
{
        enum residency residency;

        *ret_is_uneven = false;
        if (!map->has_amounts)
                return RESIDENT_UNKNOWN;
        if (map->amounts[SMAPS_RSS] == 0 && map->amounts[SMAPS_SWAP] > 0)
                return RESIDENT_SWAPPED;
        residency = residency_of_share(map->amounts[SMAPS_RSS], map->end - map->start);
        *ret_is_uneven = residency != RESIDENT_NONE && residency != RESIDENT_ALL;
        return residency;
}

const uint64_t *space_pages_at(const struct space *space, uint64_t page, uint64_t *n_pages)
{
        uint64_t address = space->zoom_start + page * SPACE_PAGE_BYTES, index;

        if (!space->pages || address < space->pages_start)
                return NULL;
        index = (address - space->pages_start) / SPACE_PAGE_BYTES;
        if (index >= space->n_pages)
                return NULL;
        *n_pages = MIN_OF(*n_pages, space->n_pages - index);
        return space->pages + index;
}

/* --- rows of the list --- */

static const struct space_row *find_row(const struct space *space, uint64_t start, unsigned int shift)
{
        for (size_t i = 0; i < space->shown.n_rows; i++)
                if (space->shown.rows[i].start == start && space->shown.rows[i].shift == shift)
                        return &space->shown.rows[i];
        return NULL;
}

/* A map that grew keeps the cells that it had, but for the last one, which may have been a part of one. */
static void keep_cells(struct space_row *to, const struct space_row *from)
{
        uint32_t n = MIN_OF(to->n_cells, from->n_pages == to->n_pages ? from->n_cells : from->n_cells - 1);

        memcpy(to->cells, from->cells, n);
        to->next = from->next < to->n_cells ? from->next : 0;
        to->read_ns = from->n_pages == to->n_pages ? from->read_ns : 0;
}

void space_show_rows(struct space *space, const struct space_row *rows, size_t n_rows)
{
        struct space_row *fresh = n_rows > 0 ? malloc(n_rows * sizeof(*fresh)) : NULL;

        for (size_t i = 0; fresh && i < n_rows; i++) {
                const struct space_row *before = find_row(space, rows[i].start, rows[i].shift);

                fresh[i] = rows[i];
                memset(fresh[i].cells, RESIDENT_UNKNOWN, sizeof(fresh[i].cells));
                if (before)
                        keep_cells(&fresh[i], before);
        }
        free(space->shown.rows);
        space->shown.rows = fresh;
        space->shown.n_rows = fresh ? n_rows : 0;
}

/* --- what is wanted --- */

static bool is_due(uint64_t read_ns, uint64_t now_ns, uint64_t every_ns)
{
        return read_ns == 0 || now_ns < read_ns || now_ns - read_ns >= every_ns;
}

/* The next cells of a row that are to be read, whole ones, as far as they are allowed to be read at once. */
static void next_portion(const struct space_row *row, uint64_t *ret_start, size_t *ret_n_pages)
{
        uint64_t first = (uint64_t)row->next << row->shift;
        uint64_t n_cells = MAX_OF(SPACE_PAGES_MAX >> row->shift, 1);

        *ret_start = row->start + first * SPACE_PAGE_BYTES;
        *ret_n_pages = (size_t)MIN_OF(row->n_pages - first, n_cells << row->shift);
}

static struct space_row *row_to_read(const struct space *space)
{
        struct space_row *oldest = NULL;

        for (size_t i = 0; i < space->shown.n_rows; i++) {
                struct space_row *row = &space->shown.rows[i];

                if (row->n_pages > SCAN_PAGES_MAX || (1U << row->shift) > SPACE_PAGES_MAX ||
                    row->start >= SPACE_KERNEL_HALF)
                        continue;
                if (row->next == 0 && !is_due(row->read_ns, space->shown.now_ns, READ_AGAIN_NS))
                        continue;
                if (!oldest || row->next > oldest->next ||
                    (row->next == oldest->next && row->read_ns < oldest->read_ns))
                        oldest = row;
        }
        return oldest;
}

static bool wants_zoomed(const struct space *space, uint64_t *ret_start, size_t *ret_n_pages)
{
        const struct space_shown *shown = &space->shown;
        uint64_t n_all = (space->zoom_end - space->zoom_start) / SPACE_PAGE_BYTES;
        uint64_t start = space->zoom_start + space->zoom_first * SPACE_PAGE_BYTES, n_pages;

        if (space->zoom_first >= n_all || shown->n_lines == 0 || shown->n_cells == 0 || start >= SPACE_KERNEL_HALF)
                return false;
        n_pages = MIN_OF(n_all - space->zoom_first, ((uint64_t)shown->n_lines * shown->n_cells) << space->zoom_shift);
        if (n_pages > SPACE_PAGES_MAX)
                return false;
        if (space->pages && space->pages_start == start && space->n_pages == n_pages &&
            !is_due(space->pages_ns, shown->now_ns, READ_ZOOMED_AGAIN_NS))
                return false;
        *ret_start = start;
        *ret_n_pages = (size_t)n_pages;
        return true;
}

bool space_wants_pages(const struct space *space, uint64_t *ret_start, size_t *ret_n_pages)
{
        const struct space_row *row;

        if (space->pages_refused || space->shown.n_pages_asked >= SPACE_PAGES_MAX)
                return false;
        if (space->is_zoomed)
                return wants_zoomed(space, ret_start, ret_n_pages);
        row = row_to_read(space);
        if (row)
                next_portion(row, ret_start, ret_n_pages);
        return row != NULL;
}

/* --- what was read --- */

static void take_portion(struct space_row *row, const uint64_t *entries, size_t n_pages, uint64_t now_ns)
{
        size_t per_cell = (size_t)1 << row->shift;

        for (size_t page = 0; page < n_pages && row->next < row->n_cells; page += per_cell)
                row->cells[row->next++] = (uint8_t)residency_of_pages(entries + page, MIN_OF(per_cell, n_pages - page));
        if (row->next >= row->n_cells)
                row->next = 0;
        row->read_ns = MAX_OF(now_ns, (uint64_t)1);
}

static int keep_zoomed(struct space *space, uint64_t start, const uint64_t *entries, size_t n_pages)
{
        uint64_t *copy = malloc(MAX_OF(n_pages * sizeof(*copy), (size_t)1));

        if (!copy)
                return -ENOMEM;
        memcpy(copy, entries, n_pages * sizeof(*copy));
        free(space->pages);
        space->pages = copy;
        space->pages_start = start;
        space->n_pages = n_pages;
        space->pages_ns = MAX_OF(space->shown.now_ns, (uint64_t)1);
        return 0;
}

int space_set_pages(struct space *space, uint64_t start, const uint64_t *entries, size_t n_pages)
{
        uint64_t wanted;
        size_t n_wanted;
        struct space_row *row;

        if (!entries) {
                space->pages_refused = true;
                return 0;
        }
        n_pages = MIN_OF(n_pages, (size_t)SPACE_PAGES_MAX);
        space->shown.n_pages_asked += MAX_OF(n_pages, (size_t)1);
        if (space->is_zoomed)
                return keep_zoomed(space, start, entries, n_pages);
        row = row_to_read(space);
        if (!row)
                return 0;
        next_portion(row, &wanted, &n_wanted);
        if (wanted == start && n_wanted == n_pages) /* or else it is an answer to what is not on the screen any more */
                take_portion(row, entries, n_pages, space->shown.now_ns);
        return 0;
}
