/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the names in the images of a process to addresses, and back. */
#pragma once

#include "client/proc/find_symbol.h"
#include "client/proc/image_cache.h"

struct process_search {
        size_t n_images; /* looked through */
        size_t n_failed; /* maps of images that could not be read */
};

/* Looks through every image of the process once for each place that it is loaded at. 0 or -ENOMEM. The matches' paths
 * are those of smaps. */
int process_find_symbol(struct image_cache *images, const struct smaps *smaps, struct find_symbol *find,
                        struct process_search *ret) MUST_CHECK;

struct process_place { /* NULL: not known; owned by smaps and the image */
        const char *image;
        const char *section;
        const char *symbol; /* the linker's name */
        uint64_t symbol_offset;
};

/* map holds address. */
void process_place(struct image_cache *images, const struct smaps *smaps, const struct smaps_map *map, uint64_t address,
                   struct process_place *ret);
