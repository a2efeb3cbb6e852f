/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The trace names only what has faulted; the picture shows what has not as well. So the images are read here, as maps
 * and walk read them, with the rights of whoever runs us: what may not be read has no names, and nobody is told,
 * because the maps themselves say that much.
 *
 * Reading an image takes milliseconds (its symbols come with it) and is done between two frames. So there is a limit of
 * time for each call, and files not read yet have to wait for the next one.
 */
#include "client/top_images.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "client/demangle.h"
#include "client/proc/annotate.h"
#include "client/proc/image_cache.h"
#include "client/proc/load_bias.h"
#include "client/proc/process_symbols.h"

#define READING_NS (20 * NSEC_PER_MSEC)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t clock_ns(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

void top_images_free(struct top_images *images)
{
        if (images->cache) {
                images->cache = image_cache_free(images->cache);
                process_close(&images->process);
        }
        free(images->seen);
        *images = (struct top_images){.n_seen = 0};
}

/* The descriptor is of the process and not of its number: an exec leaves it, an end makes it useless. */
static int turn_to(struct top_images *images, int32_t pid)
{
        int r;

        if (images->cache && images->process.pid == pid)
                return 0;
        top_images_free(images);
        r = process_open(pid, &images->process);
        if (r < 0)
                return r;
        images->cache = image_cache_new(&images->process);
        if (images->cache)
                return 0;
        process_close(&images->process);
        return -ENOMEM;
}

/* --- files --- */

static bool is_seen(const struct top_images *images, const struct smaps_map *map)
{
        for (size_t i = images->n_seen; i-- > 0;)
                if (map->inode ? load_same_file(&images->seen[i], map) : images->seen[i].start == map->start)
                        return true;
        return false;
}

static int remember(struct top_images *images, const struct smaps_map *map)
{
        if (images->n_seen == images->size_seen) {
                size_t n = images->size_seen ? images->size_seen * 2 : 64;
                struct smaps_map *seen = reallocarray(images->seen, n, sizeof(*seen));

                if (!seen)
                        return -ENOMEM;
                images->seen = seen;
                images->size_seen = n;
        }
        images->seen[images->n_seen++] = (struct smaps_map){
                .start = map->inode ? 0 : map->start, .major = map->major, .minor = map->minor, .inode = map->inode};
        return 0;
}

/* The image of a map, if it has one and there is time to read it. 0; -ENOMEM. */
static int find_image(struct top_images *images, const struct smaps *smaps, const struct smaps_map *map,
                      uint64_t until_ns, struct annotate_image *ret)
{
        const struct smaps_map *file = load_file_map(smaps, map);
        int ignored;

        if (!file)
                return 0;
        if (!is_seen(images, file)) {
                if (clock_ns() >= until_ns)
                        return 0;
                if (remember(images, file) < 0)
                        return -ENOMEM;
        }
        ret->image = image_cache_find(images->cache, smaps, map, &ret->bias, &ignored);
        return 0;
}

static int find_images(struct top_images *images, const struct smaps *smaps, struct annotate_image *ret)
{
        uint64_t until_ns = clock_ns() + READING_NS;

        for (size_t i = 0; i < smaps->n_maps; i++) {
                int r = find_image(images, smaps, &smaps->maps[i], until_ns, &ret[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- sections --- */

static void mix(uint64_t *digest, uint64_t value)
{
        *digest = (*digest ^ value) * FNV_PRIME;
}

/* Files that have not been read yet are part of it: when they have been it is another one. */
static uint64_t digest_of(const struct top_images *images, const struct smaps *smaps)
{
        uint64_t digest = 0;

        for (size_t i = 0; i < smaps->n_maps; i++) {
                const struct smaps_map *map = &smaps->maps[i];

                mix(&digest, map->start);
                mix(&digest, map->end);
                mix(&digest, map->offset);
                mix(&digest, map->inode);
        }
        mix(&digest, images->n_seen);
        return digest;
}

static int marks_of(const struct annotation *annotation, struct space_mark **ret, size_t *ret_n_marks)
{
        size_t n = 0;
        struct space_mark *marks;

        for (size_t i = 0; i < annotation->n_rows; i++)
                n += annotation->rows[i].n_sections;
        marks = malloc(MAX_OF(n, (size_t)1) * sizeof(*marks));
        if (!marks)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const struct annotated_section *section = &annotation->all_sections[i];

                marks[i] = (struct space_mark){.start = section->start, .end = section->end, .name = section->name};
        }
        *ret = marks;
        *ret_n_marks = n;
        return 1;
}

int top_images_sections(struct top_images *images, int32_t pid, const struct smaps *smaps, struct space_mark **ret,
                        size_t *ret_n_marks)
{
        CLEANUP(annotation_free) struct annotation annotation = {0};
        CLEANUP_FREE struct annotate_image *found = NULL;
        uint64_t digest;
        int r = turn_to(images, pid);

        if (r < 0)
                return r;
        found = calloc(MAX_OF(smaps->n_maps, (size_t)1), sizeof(*found));
        if (!found)
                return -ENOMEM;
        r = find_images(images, smaps, found);
        if (r < 0)
                return r;
        digest = digest_of(images, smaps);
        if (images->has_told && images->digest == digest)
                return 0;
        r = annotate(&(const struct annotate_input){.smaps = smaps, .images = found, .n_levels = machine_n_levels()},
                     &annotation);
        if (r == 0)
                r = marks_of(&annotation, ret, ret_n_marks);
        images->digest = digest;
        images->has_told = r > 0;
        return r;
}

/* --- names --- */

static void put_word(struct text *out, size_t start, const char *word)
{
        if (!word || word[0] == '\0')
                return;
        if (out->n_bytes > start)
                text_put_char(out, ' ');
        text_put_string(out, word);
}

static void put_symbol(struct text *out, size_t start, const struct process_place *place, bool demangles)
{
        CLEANUP_FREE char *demangled = NULL;
        uint32_t n_bytes = 0;

        if (!place->symbol)
                return;
        if (demangles)
                demangle(place->symbol, strlen(place->symbol), &demangled, &n_bytes);
        if (out->n_bytes > start)
                text_put_char(out, ' ');
        if (demangled)
                text_put(out, demangled, n_bytes);
        else
                text_put_string(out, place->symbol);
        text_printf(out, "+0x%" PRIx64, place->symbol_offset);
}

int top_images_name(struct top_images *images, int32_t pid, uint64_t address, bool demangles, struct text *out)
{
        CLEANUP(smaps_free) struct smaps smaps = {0};
        const struct smaps_map *map;
        struct process_place place = {0};
        size_t start = out->n_bytes;
        const char *slash;
        int r = turn_to(images, pid);

        if (r == 0)
                r = process_smaps(&images->process, false, &smaps);
        if (r < 0)
                return r;
        map = smaps_find(&smaps, address, NULL);
        if (!map)
                return 0;
        process_place(images->cache, &smaps, map, address, &place);
        slash = place.image ? strrchr(place.image, '/') : NULL;
        put_word(out, start, slash ? slash + 1 : place.image);
        put_word(out, start, place.section);
        put_symbol(out, start, &place, demangles);
        return 0;
}
