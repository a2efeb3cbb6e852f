/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An address of a process -> section and symbol of the image there.
 *
 * All of it hangs on the load bias, run-time minus link-time address, and a file offset alone does not tell it: linkers
 * put the end of one segment and the start of the next into the same page of the file (every small executable has its
 * read-only data and its relocated data both at file offset 0x2000), and a loader maps that page twice, at different
 * biases from the offset. So each segment that could be at (image_start, image_offset) proposes a bias, and the map
 * itself judges it: it must lie in some segment's pages under that bias, show the file bytes that this segment would,
 * and permit no more than it. What remains is a read-only map of one page that was data before its relocations were
 * done (RELRO) beside a read-only segment of one page; those two differ only by where the image begins, so whoever
 * fills image_start should give the image's lowest map where it knows it: then there is one candidate and no doubt.
 *
 * A file can also be mapped to be read, whole and at any address. Then no bias fits, and each address stands for the
 * file offset it shows; the answer holds no further than that segment.
 */
#include "daemon/engine/model/place.h"

struct bias {
        uint64_t value; /* run-time minus link-time address, wrapping */
        uint64_t end;   /* the link-time address up to which it holds */
};

static uint64_t page_floor(uint64_t value)
{
        return value & ~(IMAGE_PAGE_BYTES - 1);
}

static bool is_file_map(const struct map *map)
{
        return map->kind == MAP_KIND_FILE || map->kind == MAP_KIND_SHMEM;
}

/* Whether the loader's rounding out to pages has the segment show this byte of the file. */
static bool segment_shows(const struct image_segment *segment, uint64_t offset)
{
        return segment->file_bytes > 0 && offset >= page_floor(segment->offset) &&
               offset < page_floor(segment->offset + segment->file_bytes + IMAGE_PAGE_BYTES - 1);
}

/* Where the pages without file contents begin, the .bss behind the page that .data ends in. */
static uint64_t first_anonymous(const struct image_segment *segment)
{
        return segment->file_bytes ? page_floor(segment->vaddr + segment->file_bytes + IMAGE_PAGE_BYTES - 1)
                                   : page_floor(segment->vaddr);
}

/* How well the map fits as a part of this segment under a bias; 0 = not at all. */
static unsigned int rate_segment(const struct map *map, const struct image_segment *segment, uint64_t bias)
{
        uint64_t vaddr = map->start - bias, first = page_floor(segment->vaddr);
        uint64_t n_bytes = page_floor(segment->vaddr + segment->memory_bytes + IMAGE_PAGE_BYTES - 1) - first;
        unsigned int rating = 1;

        if (vaddr < first || vaddr - first >= n_bytes)
                return 0;
        if (map->kind == MAP_KIND_ANON && vaddr < first_anonymous(segment))
                return 0;
        if (is_file_map(map)) {
                if (map->offset != segment->offset + (vaddr - segment->vaddr) || !segment_shows(segment, map->offset))
                        return 0;
                if (map->end - map->start > n_bytes - (vaddr - first))
                        return 0;
        }
        if ((!map->writable || segment->writable) && (!map->executable || segment->executable))
                rating += 2;
        if (map->readable == segment->readable && map->writable == segment->writable &&
            map->executable == segment->executable)
                rating += 1;
        return rating;
}

static unsigned int rate_bias(const struct map *map, const struct image *image, uint64_t bias)
{
        unsigned int best = 0;

        for (size_t i = 0; i < image_count_segments(image); i++)
                best = MAX_OF(best, rate_segment(map, image_segment_at(image, i), bias));
        if (best > 0 && bias == 0 && image_is_fixed(image))
                best += 4;
        return best;
}

/* The bias under which the map is a part of the loaded image. */
static bool bias_of_map(const struct map *map, const struct image *image, struct bias *ret)
{
        unsigned int best = 0;

        for (size_t i = 0; i < image_count_segments(image); i++) {
                const struct image_segment *segment = image_segment_at(image, i);
                uint64_t bias = map->image_start - (segment->vaddr + (map->image_offset - segment->offset));
                unsigned int rating = segment_shows(segment, map->image_offset) ? rate_bias(map, image, bias) : 0;

                if (rating > best) {
                        best = rating;
                        *ret = (struct bias){.value = bias, .end = UINT64_MAX};
                }
        }
        return best > 0;
}

/* A file mapped to be read: the segment that holds the byte at addr. */
static bool bias_of_byte(const struct map *map, const struct image *image, uint64_t addr, struct bias *ret)
{
        uint64_t offset = map->offset + (addr - map->start);

        for (size_t i = 0; i < image_count_segments(image); i++) {
                const struct image_segment *segment = image_segment_at(image, i);

                if (offset < segment->offset || offset - segment->offset >= segment->file_bytes)
                        continue;
                *ret = (struct bias){.value = addr - (segment->vaddr + (offset - segment->offset)),
                                     .end = segment->vaddr + segment->file_bytes};
                return true;
        }
        return false;
}

/* How far it is from a byte of a file that no segment holds to the next that one does. */
static uint64_t bytes_to_segment(const struct map *map, const struct image *image, uint64_t addr)
{
        uint64_t offset = map->offset + (addr - map->start), left = UINT64_MAX;

        for (size_t i = 0; i < image_count_segments(image); i++) {
                const struct image_segment *segment = image_segment_at(image, i);

                if (segment->offset > offset)
                        left = MIN_OF(left, segment->offset - offset);
        }
        return left;
}

static bool find_bias(const struct map *map, const struct image *image, uint64_t addr, struct bias *ret)
{
        return bias_of_map(map, image, ret) || (is_file_map(map) && bias_of_byte(map, image, addr, ret));
}

/* Where [addr, ...) stops being as it is at addr, given how far that is in link-time addresses; at least addr + 1. */
static uint64_t clamp_end(const struct map *map, uint64_t addr, uint64_t left_bytes)
{
        if (map->end <= addr)
                return addr + 1;
        return left_bytes < map->end - addr ? addr + left_bytes : map->end;
}

struct place place_find(const struct map *map, const struct image *image, uint64_t addr)
{
        struct place place = {.base = map->start, .end = clamp_end(map, addr, UINT64_MAX)};
        struct image_section section;
        struct symbol symbol;
        struct bias bias;
        uint64_t vaddr;

        if (!image)
                return place;
        if (!find_bias(map, image, addr, &bias)) {
                if (is_file_map(map))
                        place.end = clamp_end(map, addr, bytes_to_segment(map, image, addr));
                return place;
        }
        vaddr = addr - bias.value;
        place.end = clamp_end(map, addr, MIN_OF(image_until(image, vaddr), bias.end) - vaddr);
        if (image_section(image, vaddr, &section)) {
                place.section = section.name;
                place.base = section.vaddr + bias.value;
        }
        if (image_symbol(image, vaddr, &symbol)) {
                place.symbol = symbol.name;
                place.base = symbol.value + bias.value;
        }
        return place;
}
