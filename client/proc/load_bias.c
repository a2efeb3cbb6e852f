/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file offset alone does not tell the link-time address: linkers put the end of one segment and the start of the next
 * into one page of the file, and a loader maps that page twice. So every segment that could show the map's first byte
 * proposes a bias, and all maps of the file near by vote: the right one explains them all, a wrong one hardly more
 * than one. Maps of a file that was mapped to be read, by mmap(2) and at any address, are explained by none or few.
 */
#include "client/proc/load_bias.h"

#include <string.h>

#define PAGE IMAGE_PAGE_BYTES
#define N_VOTERS 64  /* maps of the file, before and behind */
#define N_PIECES 256 /* that mprotect(2) may have cut a .bss into; without a limit 65 000 maps would take a minute */

static uint64_t page_floor(uint64_t value)
{
        return value & ~(PAGE - 1);
}

static uint64_t page_ceil(uint64_t value)
{
        return page_floor(value + PAGE - 1);
}

static bool is_vdso(const struct smaps_map *map)
{
        return strcmp(map->path, "[vdso]") == 0;
}

bool load_same_file(const struct smaps_map *a, const struct smaps_map *b)
{
        if (a == b)
                return true;
        return a->inode != 0 && a->inode == b->inode && a->major == b->major && a->minor == b->minor;
}

const struct smaps_map *load_file_map(const struct smaps *smaps, const struct smaps_map *map)
{
        for (unsigned int n = 0; n <= N_PIECES; n++, map--) {
                if (map->inode != 0 || is_vdso(map))
                        return map;
                if (map == smaps->maps || map[-1].end != map->start || !smaps_is_anonymous(map))
                        return NULL;
        }
        return NULL;
}

bool load_shows(const struct smaps_map *map, const struct image_segment *segment, uint64_t bias)
{
        uint64_t first = page_floor(segment->vaddr), end = page_ceil(segment->vaddr + segment->memory_bytes);
        uint64_t file_end = page_ceil(segment->vaddr + segment->file_bytes);
        uint64_t begin = MAX_OF(map->start - bias, first);

        if (begin >= end || map->end - bias <= begin)
                return false;
        if (map->inode == 0 && !is_vdso(map))
                return segment->memory_bytes > segment->file_bytes;
        return begin < file_end &&
               map->offset + (begin - (map->start - bias)) == segment->offset + (begin - segment->vaddr);
}

/* Data that may be executed: so has it a program without PT_GNU_STACK (READ_IMPLIES_EXEC, personality(2)). */
static bool may_execute(const struct smaps_map *map, const struct image_segment *segment)
{
        return segment->executable || (map->perms[1] == 'w' && segment->writable);
}

/* The map lies in the segment's pages, of a file in those with its bytes, shows these and permits no more than it. */
static bool is_part_of(const struct smaps_map *map, const struct image_segment *segment, uint64_t bias)
{
        bool has_file = map->inode != 0 || is_vdso(map);
        uint64_t end = page_ceil(segment->vaddr + (has_file ? segment->file_bytes : segment->memory_bytes));

        return map->start - bias >= page_floor(segment->vaddr) && map->end - bias <= end &&
               load_shows(map, segment, bias) && (map->perms[1] != 'w' || segment->writable) &&
               (map->perms[2] != 'x' || may_execute(map, segment));
}

static bool is_explained(const struct smaps_map *map, const struct image *image, uint64_t bias)
{
        for (size_t i = 0; i < image_count_segments(image); i++)
                if (is_part_of(map, image_segment_at(image, i), bias))
                        return true;
        return false;
}

static size_t count_votes(const struct smaps *smaps, const struct smaps_map *map, const struct image *image,
                          uint64_t bias)
{
        size_t index = (size_t)(map - smaps->maps);
        size_t end = MIN_OF(index + N_VOTERS, smaps->n_maps), n = 0;

        for (size_t i = index > N_VOTERS ? index - N_VOTERS : 0; i < end; i++)
                if (load_same_file(map, &smaps->maps[i]) && is_explained(&smaps->maps[i], image, bias))
                        n++;
        return n;
}

/* Its pages show this byte of the file. */
static bool holds_offset(const struct image_segment *segment, uint64_t offset)
{
        return segment->file_bytes > 0 && offset >= page_floor(segment->offset) &&
               offset < page_ceil(segment->offset + segment->file_bytes);
}

static bool bias_of_file_map(const struct image *image, const struct smaps *smaps, const struct smaps_map *map,
                             uint64_t *ret_bias)
{
        size_t most = 0;
        bool found = false;

        for (size_t i = 0; i < image_count_segments(image); i++) {
                const struct image_segment *segment = image_segment_at(image, i);
                uint64_t bias = map->start - (segment->vaddr + (map->offset - segment->offset));
                size_t n;

                if (!holds_offset(segment, map->offset))
                        continue;
                n = count_votes(smaps, map, image, bias);
                if (!found || n > most)
                        *ret_bias = bias;
                most = MAX_OF(most, n);
                found = true;
        }
        return found;
}

bool load_bias(const struct image *image, const struct smaps *smaps, const struct smaps_map *map, uint64_t *ret_bias)
{
        const struct smaps_map *file_map = load_file_map(smaps, map);
        uint64_t bias;

        if (!file_map || !bias_of_file_map(image, smaps, file_map, &bias))
                return false;
        if (file_map != map) {
                bool reaches = false;

                for (size_t i = 0; i < image_count_segments(image); i++)
                        reaches |= load_shows(map, image_segment_at(image, i), bias);
                if (!reaches || !is_explained(file_map, image, bias))
                        return false;
        }
        *ret_bias = bias;
        return true;
}
