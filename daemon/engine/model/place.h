/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an address is: map + image -> section and symbol with the run-time base its offset counts from. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/model/map.h"
#include "elf/image.h"

struct place {
        const char *section; /* NULL = not known; owned by the image */
        const char *symbol;  /* NULL = not known; owned by the image */
        uint64_t base;       /* run-time address: of the symbol, or else of the section, or else of the map */
        uint64_t end;        /* run-time end of the range for which this very answer holds (at least addr + 1) */
};

/*
 * image: that of map->image (NULL = none or not loaded). Uses map->image_start and image_offset for the load bias:
 * prelinked (non-zero link address), PIE and several maps of one image come out alike. image_start and image_offset may
 * be the map's own; the lowest map of the same load is better, because two small segments may share a page of the file,
 * and then a RELRO map cannot be told from the read-only map beside it. Without image, or where no segment is: no
 * section, no symbol, base = map->start.
 */
struct place place_find(const struct map *map, const struct image *image, uint64_t addr);
