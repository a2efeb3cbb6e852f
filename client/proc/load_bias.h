/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an image lies: run-time minus link-time address. Pure. */
#pragma once

#include "client/proc/smaps.h"
#include "elf/image.h"

/* The two maps show the same file, or it is the same map. */
bool load_same_file(const struct smaps_map *a, const struct smaps_map *b);

/* The map of the file that this map may be the anonymous continuation of, its .bss: the nearest file map below without
 * a gap between, and with few maps. The map itself where it has a file, or is the [vdso]. NULL: no file. */
const struct smaps_map *load_file_map(const struct smaps *smaps, const struct smaps_map *map);

/*
 * The bias of a map, of which load_file_map() has the image: of a map of the file always (a file that is only read is
 * shown at the first segment that holds its first byte); of anonymous memory if the image reaches into it. false: no
 * segment.
 */
bool load_bias(const struct image *image, const struct smaps *smaps, const struct smaps_map *map, uint64_t *ret_bias);

/* Whether the bytes of the map are those of this segment at this bias, wherever the two overlap. */
bool load_shows(const struct smaps_map *map, const struct image_segment *segment, uint64_t bias);
