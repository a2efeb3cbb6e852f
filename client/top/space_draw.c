/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Into which rows, and which of the two pictures. */
#include "client/top/space.h"
#include "client/top/space_parts.h"

void space_draw(struct space *space, struct grid *grid, uint32_t y, uint32_t height, uint64_t now_ns,
                const struct space_names *names)
{
        struct band band = {.grid = grid, .y = y, .now_ns = now_ns};

        space->shown.now_ns = now_ns;
        space->shown.n_pages_asked = 0;
        space->shown.n_lines = 0;
        if (y >= grid->height || grid->width == 0)
                return;
        band.height = MIN_OF(height, grid->height - y);
        if (band.height == 0)
                return;
        if (space->is_zoomed)
                space_draw_zoom(space, &band, names);
        else
                space_draw_list(space, &band);
}
