/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An image appears in several maps, and the same file may be loaded twice at different addresses: what is looked
 * through once is an image at a bias. Anonymous maps are left out, because at most they continue a file's map.
 *
 * Only files that the process executes from are read. Reading a file brings its pages into the page cache, and then a
 * fault that would have waited for storage does not: who looks must not change what is looked at. The pages of programs
 * and libraries that have names in them are there already, mostly, and data has no names.
 */
#include "client/proc/process_symbols.h"

#include <errno.h>

#include "client/proc/load_bias.h"

struct loaded {
        const struct image *image;
        uint64_t bias;
};

struct seen {
        struct loaded *items;
        size_t n_items, size;
};

static void seen_free(struct seen *seen)
{
        free(seen->items);
}

/* 1: new; 0: seen before; -ENOMEM. */
static int seen_add(struct seen *seen, const struct image *image, uint64_t bias)
{
        for (size_t i = seen->n_items; i-- > 0;)
                if (seen->items[i].image == image && seen->items[i].bias == bias)
                        return 0;
        if (seen->n_items == seen->size) {
                size_t size = seen->size ? seen->size * 2 : 32;
                struct loaded *items = reallocarray(seen->items, size, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                seen->items = items;
                seen->size = size;
        }
        seen->items[seen->n_items++] = (struct loaded){image, bias};
        return 1;
}

static bool is_program(const struct smaps *smaps, const struct smaps_map *map)
{
        for (size_t i = 0; i < smaps->n_maps; i++)
                if (smaps->maps[i].perms[2] == 'x' && load_same_file(&smaps->maps[i], map))
                        return true;
        return false;
}

int process_find_symbol(struct image_cache *images, const struct smaps *smaps, struct find_symbol *find,
                        struct process_search *ret)
{
        CLEANUP(seen_free) struct seen seen = {0};
        struct process_search search = {0};

        for (size_t i = 0; i < smaps->n_maps; i++) {
                const struct smaps_map *map = &smaps->maps[i];
                const struct image *image;
                uint64_t bias;
                int error = 0, r;

                if (map->perms[2] != 'x' || map->path[0] == '\0')
                        continue;
                image = image_cache_find(images, smaps, map, &bias, &error);
                search.n_failed += !image && error < 0 && error != -ENOEXEC;
                r = image ? seen_add(&seen, image, bias) : 0;
                if (r < 0)
                        return r;
                if (r > 0) {
                        search.n_images++;
                        find_symbol_in(find, image, map->path, bias);
                }
        }
        *ret = search;
        return find->failed ? -ENOMEM : 0;
}

void process_place(struct image_cache *images, const struct smaps *smaps, const struct smaps_map *map, uint64_t address,
                   struct process_place *ret)
{
        const struct smaps_map *file = load_file_map(smaps, map);
        struct image_section section;
        struct symbol symbol;
        const struct image *image;
        uint64_t bias = 0;
        int error;

        *ret = (struct process_place){0};
        if (!file || !is_program(smaps, file))
                return;
        image = image_cache_find(images, smaps, map, &bias, &error);
        if (!image)
                return;
        ret->image = file->path;
        if (image_section(image, address - bias, &section))
                ret->section = section.name;
        if (image_symbol(image, address - bias, &symbol)) {
                ret->symbol = symbol.name;
                ret->symbol_offset = address - bias - symbol.value;
        }
}
