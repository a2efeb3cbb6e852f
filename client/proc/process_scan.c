/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Map by map, because the size of an entry of hugetlb memory is the map's, and because what was mapped since the maps
 * were read belongs to none of them. A guard region is a marker in the page table: it takes a table like a page does.
 * A kernel that does not know the category of guard regions refuses the whole call, and is asked again without it.
 */
#include "client/proc/process_scan.h"

#include <errno.h>

#include "client/proc/pagemap.h"
#include "client/proc/pages_read.h"

#define N_REGIONS 1024
#define HUGE_ENTRY_BYTES (UINT64_C(1) << 21)

struct scan {
        int fd; /* pagemap */
        unsigned int n_levels;
        uint64_t categories;
        struct process_pages pages;
        size_t size_guards;
        size_t first_of_map; /* of the guards: a region ends where its map does */
};

void process_pages_free(struct process_pages *pages)
{
        free(pages->guards);
        *pages = (struct process_pages){0};
}

static int add_guard(struct scan *scan, uint64_t start, uint64_t end)
{
        struct process_pages *pages = &scan->pages;

        if (pages->n_guards > scan->first_of_map && pages->guards[pages->n_guards - 1].end == start) {
                pages->guards[pages->n_guards - 1].end = end;
                return 0;
        }
        if (pages->n_guards == scan->size_guards) {
                size_t n = scan->size_guards ? scan->size_guards * 2 : 16;
                struct guard_range *guards = reallocarray(pages->guards, n, sizeof(*guards));

                if (!guards)
                        return -ENOMEM;
                pages->guards = guards;
                scan->size_guards = n;
        }
        pages->guards[pages->n_guards++] = (struct guard_range){start, end};
        return 0;
}

static int take_region(struct scan *scan, const struct smaps_map *map, const struct page_region *region)
{
        uint64_t entry_bytes = PAGEMAP_PAGE_BYTES;

        if (region->categories & PAGEMAP_IS_HUGE)
                entry_bytes = MAX_OF(map->amounts[SMAPS_KERNEL_PAGE], HUGE_ENTRY_BYTES);
        table_count_add(&scan->pages.tables, scan->n_levels, region->start, region->end, entry_bytes);
        return region->categories & PAGEMAP_IS_GUARD ? add_guard(scan, region->start, region->end) : 0;
}

static int take_regions(struct scan *scan, const struct smaps_map *map, const struct page_region *regions, int n)
{
        int r = 0;

        for (int i = 0; i < n && r == 0; i++)
                r = take_region(scan, map, &regions[i]);
        return r;
}

static int scan_map(struct scan *scan, const struct smaps_map *map)
{
        struct page_region regions[N_REGIONS];
        struct page_scan request = {.start = map->start, .end = map->end, .regions = regions, .n_regions = N_REGIONS};

        scan->first_of_map = scan->pages.n_guards;
        while (request.start < map->end) {
                int n, r;

                request.categories = scan->categories;
                n = pages_scan(scan->fd, &request);
                if (n == -EINVAL && scan->categories & PAGEMAP_IS_GUARD) {
                        scan->categories &= ~(uint64_t)PAGEMAP_IS_GUARD;
                        continue;
                }
                r = n < 0 ? n : take_regions(scan, map, regions, n);
                if (r < 0)
                        return r;
                request.start = MAX_OF(request.walk_end, request.start + PAGEMAP_PAGE_BYTES);
        }
        return 0;
}

static void free_scan(struct scan *scan)
{
        cleanup_close(&scan->fd);
        process_pages_free(&scan->pages);
}

int process_scan(const struct process *process, const struct smaps *smaps, unsigned int n_levels,
                 struct process_pages *ret)
{
        CLEANUP(free_scan)
        struct scan scan = {
                .fd = process_open_file(process, "pagemap"),
                .n_levels = n_levels,
                .categories = PAGEMAP_IS_PRESENT | PAGEMAP_IS_SWAPPED | PAGEMAP_IS_HUGE | PAGEMAP_IS_GUARD,
        };

        if (scan.fd < 0)
                return scan.fd;
        for (size_t i = 0; i < smaps->n_maps && smaps->maps[i].end <= pagetable_user_end(n_levels); i++) {
                int r = scan_map(&scan, &smaps->maps[i]);

                if (r < 0)
                        return r;
        }
        scan.pages.knows_guards = scan.categories & PAGEMAP_IS_GUARD;
        *ret = scan.pages;
        scan.pages = (struct process_pages){0};
        return 0;
}
