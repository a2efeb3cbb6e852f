/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The picture of an address space: a map a line, each with its name and its cells from left to right in address order.
 * A cell's colour is the cause of what happened there in the last seconds, fading; its height is how much of it is
 * resident. Gaps are lines of their own. Zoomed into a map, each cell is fewer pages, down to one, and the cursor names
 * page, section, symbol and frame. Pure; the maps and the state of pages are handed in.
 *
 * The owner adds the faults of the process to `heat`, as they come, and clears it when the process executes another
 * program; what becomes of maps that have gone is seen to here.
 */
#pragma once

#include <stdbool.h>

#include "client/proc/smaps.h"
#include "client/screen/grid.h"
#include "client/screen/key.h"
#include "client/top/heat.h"

#define SPACE_CELLS_MAX 256   /* of a row */
#define SPACE_PAGES_MAX 32768 /* that are asked for at once: 256 KiB of pagemap */
#define SPACE_NAME_BYTES_MAX 160
#define SPACE_MARKS_MAX 262144 /* further ones are left out */

/* Something inside a map that has a name: a section of its image. */
struct space_mark {
        uint64_t start, end; /* addresses */
        const char *name;    /* raw bytes, NUL-terminated */
};

/* How much of the cells of a line is resident, as it was read last. */
struct space_row {
        uint64_t start, n_pages;
        unsigned int shift; /* a cell is 1 << shift pages */
        uint32_t n_cells;
        uint32_t next;                  /* the cell that is to be read next */
        uint64_t read_ns;               /* when the last one was; 0: never */
        uint8_t cells[SPACE_CELLS_MAX]; /* enum residency, space_parts.h */
};

/* What space_draw() put on the screen, for the keys and for what is to be read. */
struct space_shown {
        uint64_t now_ns;
        uint32_t lines_y, n_lines; /* maps, or rows of cells */
        uint32_t cells_x, n_cells; /* of a row of cells */
        unsigned int fit_shift;    /* the scale that shows all of the map */
        size_t n_maps;             /* lines that are maps */
        struct space_row *rows;    /* owned; of these maps, NULL or fewer of them without memory */
        size_t n_rows;
        size_t n_pages_asked; /* since it was drawn */
};

struct space {
        struct smaps maps; /* owned; with amounts where they may be read. In order, none overlaps another */
        int error;         /* why there are none: -errno */
        struct heat *heat; /* owned */
        int32_t pid;
        unsigned int n_levels;                        /* of its page tables, 4 or 5: the owner may set it; 4 */
        uint64_t sums[N_SMAPS_AMOUNTS], mapped_bytes; /* of all maps; sums: of those with amounts */
        bool has_sums;
        unsigned int n_digits; /* of its highest address below the kernel's half */

        struct space_mark *marks; /* owned, by start */
        char *mark_names;         /* owned */
        size_t n_marks;

        /* what the user chose */
        size_t selected;                       /* map under the cursor */
        size_t first;                          /* scrolled: the map at the top, with the gap below it */
        bool is_zoomed;                        /* the selected map alone */
        uint64_t zoom_start, zoom_end, cursor; /* addresses, zoomed */
        uint64_t zoom_first;                   /* page of the map at the top left */
        unsigned int zoom_shift;               /* a cell is 1 << zoom_shift pages */
        bool zoom_fits;                        /* whatever shows all of the map */

        /* pages of the zoomed range that is on the screen, from pagemap: one entry a page, owned; NULL: not known */
        uint64_t *pages;
        uint64_t pages_start;
        size_t n_pages;
        uint64_t pages_ns;  /* when */
        bool pages_refused; /* the owner cannot read them; until it sets the next maps */

        /* what the address under the cursor is a part of */
        uint64_t named;                  /* address */
        char name[SPACE_NAME_BYTES_MAX]; /* raw bytes */
        size_t n_name;
        bool has_name; /* it was told, be it empty */

        struct space_shown shown;
};

int space_init(struct space *space) MUST_CHECK; /* 0; -ENOMEM */
void space_free(struct space *space);           /* contents */

/* Taken over (*maps is empty afterwards). The selection stays on the map of the same start, or the nearest. What
 * happened in maps that have gone is forgotten. With another pid everything begins anew, but for `heat`: who clears it
 * is who knows since when the faults in it are of the other process. */
void space_set_maps(struct space *space, int32_t pid, struct smaps *maps, int error);

/* Sections of all images in the maps, copied; any order. They stay until the next ones are set, whatever the maps.
 * 0; -ENOMEM: those before stay. */
int space_set_marks(struct space *space, const struct space_mark *marks, size_t n_marks) MUST_CHECK;

/*
 * Pages whose state the picture would show, at most SPACE_PAGES_MAX: of the zoomed rows, or those of a map on the
 * screen that were not read for the longest time. false: none are wanted now. To be asked after a drawing, until it
 * says no (a drawing asks for no more than twice SPACE_PAGES_MAX) or only once.
 */
bool space_wants_pages(const struct space *space, uint64_t *ret_start, size_t *ret_n_pages);
/* Entries of /proc/PID/pagemap, copied. NULL: they cannot be read; none are asked for until the next maps are set. 0;
 * -ENOMEM. */
int space_set_pages(struct space *space, uint64_t start, const uint64_t *entries, size_t n_pages) MUST_CHECK;

/* Zoomed: an address whose name would be shown. false: none is wanted now. */
bool space_wants_name(const struct space *space, uint64_t *ret_address);
/* "libc.so.6 .text malloc+0x10", raw bytes, copied, cut to SPACE_NAME_BYTES_MAX; empty: it has none. It goes before
 * what name_of (below) says, and holds until the next maps are set. */
void space_set_name(struct space *space, uint64_t address, const char *name, size_t n_bytes);

/*
 * true: the key was meant for the picture. Up, Down, PgUp, PgDn, Home, End, also as k, j, u, f, g, G, click and wheel;
 * Enter and + zoom in; zoomed, Left and Right too, - zooms out, Esc and Backspace go back to all maps.
 */
bool space_key(struct space *space, const struct key *key);

/*
 * Into the rows [y, y + height) of the grid. name_of: names an address of the cursor ("libc.so.6 .text malloc+0x10"),
 * appended, raw bytes; NULL: nobody can. now_ns as in the events (CLOCK_MONOTONIC).
 */
struct space_names {
        void (*name_of)(void *user, uint64_t address, struct text *out);
        void *user;
};
void space_draw(struct space *space, struct grid *grid, uint32_t y, uint32_t height, uint64_t now_ns,
                const struct space_names *names);
