/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process maps each of its libraries in five pieces; the file is opened and read for the first. A failure is kept as
 * well: the other pieces would fail alike. The list is searched from its end, where the last one asked for is.
 *
 * The vdso is read in our own memory, where it is the same: reading it through /proc/PID/mem would bring its pages into
 * a process that has not touched them. A 32-bit process has another one, and has it below 4 GiB.
 */
#include "client/proc/image_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>

#include "client/proc/load_bias.h"

struct entry {
        struct smaps_map key; /* the numbers only */
        struct image *image;  /* owned; NULL: error says why */
        int error;
};

struct image_cache {
        const struct process *process;
        struct entry *entries;
        size_t n_entries, size;
};

struct image_cache *image_cache_new(const struct process *process)
{
        struct image_cache *cache = calloc(1, sizeof(*cache));

        if (cache)
                cache->process = process;
        return cache;
}

struct image_cache *image_cache_free(struct image_cache *cache)
{
        if (!cache)
                return NULL;
        for (size_t i = 0; i < cache->n_entries; i++)
                (void)image_free(cache->entries[i].image);
        free(cache->entries);
        free(cache);
        return NULL;
}

/* --- the vdso --- */

/* Our own map of it. */
static int find_our_own(struct smaps *ret_smaps, const struct smaps_map **ret)
{
        CLEANUP(process_close) struct process self = {.folder_fd = -1};
        uint64_t address = getauxval(AT_SYSINFO_EHDR);
        int r = process_open(getpid(), &self);

        if (r == 0)
                r = process_smaps(&self, false, ret_smaps);
        if (r < 0)
                return r;
        *ret = smaps_find(ret_smaps, address, NULL);
        return *ret && (*ret)->start == address ? 0 : -ENOENT;
}

static int load_vdso(const struct smaps_map *map, struct image **ret)
{
        CLEANUP(smaps_free) struct smaps smaps = {0};
        const struct smaps_map *own;
        int r = find_our_own(&smaps, &own);

        if (r < 0)
                return r;
        if (map->start <= UINT32_MAX || own->end - own->start != map->end - map->start)
                return -ENOENT;
        return image_load_memory((const void *)(uintptr_t)own->start, own->end - own->start, ret);
}

/* --- the list --- */

static int load(const struct process *process, const struct smaps_map *map, struct image **ret)
{
        CLEANUP_CLOSE int fd = -1;

        if (map->inode == 0)
                return load_vdso(map, ret);
        fd = process_open_map(process, map);
        return fd < 0 ? fd : image_load(fd, ret);
}

static struct entry *find_entry(struct image_cache *cache, const struct smaps_map *map)
{
        for (size_t i = cache->n_entries; i-- > 0;) {
                const struct smaps_map *key = &cache->entries[i].key;

                if (map->inode ? load_same_file(key, map) : key->inode == 0 && key->start == map->start)
                        return &cache->entries[i];
        }
        return NULL;
}

static struct entry *add_entry(struct image_cache *cache, const struct smaps_map *map)
{
        struct entry *entry;

        if (cache->n_entries == cache->size) {
                size_t n = cache->size ? cache->size * 2 : 16;
                struct entry *entries = reallocarray(cache->entries, n, sizeof(*entries));

                if (!entries)
                        return NULL;
                cache->entries = entries;
                cache->size = n;
        }
        entry = &cache->entries[cache->n_entries++];
        *entry = (struct entry){.key = {.start = map->start,
                                        .end = map->end,
                                        .major = map->major,
                                        .minor = map->minor,
                                        .inode = map->inode}};
        entry->error = load(cache->process, map, &entry->image);
        return entry;
}

const struct image *image_cache_find(struct image_cache *cache, const struct smaps *smaps, const struct smaps_map *map,
                                     uint64_t *ret_bias, int *ret_error)
{
        const struct smaps_map *file_map = load_file_map(smaps, map);
        struct entry *entry;

        *ret_error = 0;
        if (!file_map)
                return NULL;
        entry = find_entry(cache, file_map);
        if (!entry)
                entry = add_entry(cache, file_map);
        if (entry && entry->image && load_bias(entry->image, smaps, map, ret_bias))
                return entry->image;
        if (file_map == map)
                *ret_error = !entry ? -ENOMEM : entry->image ? -ENOEXEC : entry->error;
        return NULL;
}
