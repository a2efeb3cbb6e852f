/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Extents of executable maps in one piece of memory, so that the search of each frame touches few cache lines and no
 * map. An object never changes: whoever keeps one keeps the answers that it gave, whatever is mapped later.
 */
#include "daemon/engine/model/codemap.h"

#include <stdlib.h>

struct range {
        uint64_t start, end;
        struct map *map; /* one reference */
};

struct codemap {
        unsigned int n_refs;
        size_t n_ranges;
        struct range ranges[]; /* by address, disjoint */
};

struct codemap *codemap_new(struct map *const *maps, size_t n)
{
        struct codemap *codemap = malloc(sizeof(*codemap) + n * sizeof(codemap->ranges[0]));

        if (!codemap)
                return NULL;
        codemap->n_refs = 1;
        codemap->n_ranges = n;
        for (size_t i = 0; i < n; i++)
                codemap->ranges[i] = (struct range){maps[i]->start, maps[i]->end, map_ref(maps[i])};
        return codemap;
}

struct codemap *codemap_ref(struct codemap *codemap)
{
        if (codemap)
                codemap->n_refs++;
        return codemap;
}

struct codemap *codemap_unref(struct codemap *codemap)
{
        if (codemap && --codemap->n_refs == 0) {
                for (size_t i = 0; i < codemap->n_ranges; i++)
                        map_unref(codemap->ranges[i].map);
                free(codemap);
        }
        return NULL;
}

size_t codemap_bytes(const struct codemap *codemap)
{
        return codemap ? sizeof(*codemap) + codemap->n_ranges * sizeof(codemap->ranges[0]) : 0;
}

struct map *codemap_lookup(const struct codemap *codemap, uint64_t addr)
{
        const struct range *range = codemap->ranges;

        if (codemap->n_ranges == 0)
                return NULL;
        /* The last one that starts at or below; no branch depends on a comparison. */
        for (size_t n = codemap->n_ranges; n > 1; n -= n / 2)
                range += range[n / 2].start <= addr ? n / 2 : 0;
        return addr >= range->start && addr < range->end ? range->map : NULL;
}
