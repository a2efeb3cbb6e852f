/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the picture share: space.c (what is handed in), space_pages.c (what is resident), space_keys.c,
 * space_list.c (all maps), space_zoom.c (one map), space_cell.c (a cell), space_words.c (names and sizes). Pure. */
#pragma once

#include "client/top/space.h"

#define SPACE_PAGE_BYTES UINT64_C(4096)
#define SPACE_KERNEL_HALF (UINT64_C(1) << 63)

/* Of a cell. What a single page is replaces how much of many pages there is. */
enum residency {
        RESIDENT_UNKNOWN,
        RESIDENT_NONE,
        RESIDENT_SOME, /* an eighth; up to the whole by the seven numbers behind it */
        RESIDENT_ALL = RESIDENT_SOME + 7,
        RESIDENT_SWAPPED, /* none, but some of it is in swap space */
        RESIDENT_GUARD,   /* a page that faults, by MADV_GUARD_INSTALL */
        RESIDENT_OWN,     /* a page of nobody else: anonymous, mapped once */
        RESIDENT_FILE,    /* a page of a file or of shared memory */
        RESIDENT_SHARED,  /* anonymous of several processes, or the shared zero page; of many pages most are */
        N_RESIDENCIES,
};

/* --- space_pages.c --- */

/* Of n_present pages out of n_pages. */
enum residency residency_of_share(uint64_t n_present, uint64_t n_pages);
/* Of the pages of a cell; NULL or 0 of them: unknown. */
enum residency residency_of_pages(const uint64_t *entries, size_t n_pages);
/* Of any cell of a map, by the sums of smaps. is_uneven: some cells are so, others are not. */
enum residency residency_of_map(const struct smaps_map *map, bool *ret_is_uneven);
/* The entries of the zoomed map's pages from `page` on, at most *n_pages, as many as there are in a row: *n_pages. */
const uint64_t *space_pages_at(const struct space *space, uint64_t page, uint64_t *n_pages);
/* The maps that are going to be shown: of those that were shown before in the same way, what was read is kept. */
void space_show_rows(struct space *space, const struct space_row *rows, size_t n_rows);

/* --- space_cell.c --- */

struct look {
        const char *unicode;
        char ascii;
        enum style style;
        bool reversed;
};
/* is_average: the residency is not of this cell but of its whole map. */
struct look space_look(const struct space *space, uint64_t start, uint64_t end, enum residency residency,
                       bool is_average, uint64_t now_ns);
void look_put(struct pen *pen, const struct look *look);
/* What the cells mean, as far as it fits. */
void space_put_legend(struct pen *pen, bool single_pages);

/* --- space_words.c --- */

struct short_size {
        char text[8]; /* at most five cells: "4K", "1.2M", "1023G" */
        uint32_t n_bytes;
};
struct short_size short_size(uint64_t n_bytes);
/* Base name of the path, whole what stands in brackets, "anon" without one. Raw bytes, not NUL-terminated. */
const char *space_map_name(const struct smaps_map *map, size_t *ret_n_bytes);
/* The map goes on where the one before ends, and both are of one file. */
bool space_goes_on(const struct space *space, size_t map);
bool space_has_gap(const struct space *space, size_t map); /* below it */
/* Right-aligned; addresses of the kernel's half lose what is in their middle. */
void space_put_address(struct pen *pen, const struct space *space, uint64_t address);
/* As many sections of [start, end) as fit whole before pen->end, the largest first, a blank before each; at_least_one:
 * the first one even if something of it has to go. */
void space_put_sections(struct pen *pen, const struct space *space, uint64_t start, uint64_t end, bool at_least_one);
/* ASCII, two blanks before it unless it is at the start of a line; nothing when it does not fit whole. */
void space_put_part(struct pen *pen, const char *format, ...) PRINTF_LIKE(2, 3);
/* What happened in [start, end): "file-minor 2.1 s ago, 12 faults seen"; false: nothing that is known. */
bool space_put_past(struct pen *pen, const struct space *space, uint64_t start, uint64_t end, uint64_t now_ns);
/* The section that an address is in; NULL: none is known. */
const struct space_mark *space_mark_at(const struct space *space, uint64_t address);
/* The first mark that ends above start; those of [start, end) follow it. */
size_t space_first_mark(const struct space *space, uint64_t start);

/* --- space.c --- */

/* The map that holds the address, or the first one above it; n_maps: there is none. */
size_t space_map_at(const struct smaps *maps, uint64_t address);
/* Zoomed: the address of the cell that the cursor is in. */
uint64_t space_cell_address(const struct space *space);
static inline uint64_t map_pages(const struct smaps_map *map)
{
        return (map->end - map->start) / SPACE_PAGE_BYTES;
}

/* --- space_list.c, space_zoom.c --- */

/* How a map is cut into cells, at most max_cells of them. */
struct shape {
        unsigned int shift; /* a cell is 1 << shift pages */
        uint32_t n_cells;
};
struct shape shape_of(uint64_t n_pages, uint32_t max_cells);
static inline uint64_t cells_of(uint64_t n_pages, unsigned int shift)
{
        return n_pages == 0 ? 0 : ((n_pages - 1) >> shift) + 1;
}

struct band {
        struct grid *grid;
        uint32_t y, height; /* inside the grid */
        uint64_t now_ns;
};
void space_draw_list(struct space *space, const struct band *band);
void space_draw_zoom(struct space *space, const struct band *band, const struct space_names *names);
/* The scrolled position so that the selected map is among n_lines. */
void space_scroll(struct space *space, uint32_t n_lines);
/* The map in a line of the list. false: a gap, or nothing. */
bool space_map_in_line(const struct space *space, uint32_t line, size_t *ret_map);
