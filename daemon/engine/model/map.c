/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One map as a value.
 *
 * What a map is follows from its name: perf records and /proc name the same thing differently ("//anon" against
 * nothing), and neither says "anonymous" or "shared memory" in so many words. All of that is decided here and once,
 * when the map is built, so that nothing behind it compares paths. For the same reason the offset of a map without a
 * file is 0: perf gives its vm_pgoff, which for private anonymous memory is the address and means nothing.
 *
 * Maps are never changed in what they describe; a map that is cut is replaced by new ones (aspace.c), because faults
 * that hit it still refer to what it was.
 */
#include "daemon/engine/model/map.h"

#include <stdlib.h>
#include <string.h>

#include "proto/vocabulary.h"

static bool has_prefix(const char *path, const char *prefix)
{
        return strncmp(path, prefix, strlen(prefix)) == 0;
}

/* kernel: drivers/char/mem.c mmap_zero(): a shared mapping is shmem, a private one plain anonymous memory. */
static bool is_dev_zero(const char *path)
{
        return strcmp(path, "/dev/zero") == 0 || strcmp(path, "/dev/zero (deleted)") == 0;
}

static enum map_kind kind_of_bracketed(const char *path)
{
        if (strcmp(path, "[stack]") == 0)
                return MAP_KIND_STACK;
        if (strcmp(path, "[heap]") == 0 || has_prefix(path, "[anon:"))
                return MAP_KIND_ANON;
        if (has_prefix(path, "[anon_shmem:"))
                return MAP_KIND_SHMEM;
        return MAP_KIND_SPECIAL;
}

static enum map_kind kind_of(const char *path, bool shared, bool hugetlb)
{
        if (hugetlb || has_prefix(path, "/anon_hugepage"))
                return MAP_KIND_HUGETLB;
        if (path[0] == '\0')
                return MAP_KIND_ANON;
        if (path[0] == '[')
                return kind_of_bracketed(path);
        if (is_dev_zero(path))
                return shared ? MAP_KIND_SHMEM : MAP_KIND_ANON;
        if (has_prefix(path, "/memfd:") || has_prefix(path, "/SYSV") || has_prefix(path, "/dev/shm/"))
                return MAP_KIND_SHMEM;
        return MAP_KIND_FILE;
}

static bool kind_has_offset(enum map_kind kind)
{
        return kind == MAP_KIND_FILE || kind == MAP_KIND_SHMEM || kind == MAP_KIND_HUGETLB;
}

static char *copy_path(const struct map_spec *spec)
{
        static const char anon[] = "//anon";

        if (spec->n_path == 0 || (spec->n_path == sizeof(anon) - 1 && memcmp(spec->path, anon, spec->n_path) == 0))
                return strdup("");
        return strndup(spec->path, spec->n_path);
}

struct map_spec map_spec_of(const struct map *map)
{
        return (struct map_spec){.start = map->start,
                                 .end = map->end,
                                 .offset = map->offset,
                                 .readable = map->readable,
                                 .writable = map->writable,
                                 .executable = map->executable,
                                 .shared = map->shared,
                                 .hugetlb = map->kind == MAP_KIND_HUGETLB,
                                 .major = map->major,
                                 .minor = map->minor,
                                 .inode = map->inode,
                                 .path = map->path,
                                 .n_path = strlen(map->path)};
}

struct map *map_new(const struct map_spec *spec)
{
        struct map *map;

        map = calloc(1, sizeof(*map));
        if (!map)
                return NULL;
        map->path = copy_path(spec);
        if (!map->path) {
                free(map);
                return NULL;
        }
        map->n_refs = 1;
        map->start = spec->start;
        map->end = spec->end;
        map->kind = kind_of(map->path, spec->shared, spec->hugetlb);
        map->offset = kind_has_offset(map->kind) ? spec->offset : 0;
        map->readable = spec->readable;
        map->writable = spec->writable;
        map->executable = spec->executable;
        map->shared = spec->shared;
        map->major = spec->major;
        map->minor = spec->minor;
        map->inode = spec->inode;
        return map;
}

struct map *map_ref(struct map *map)
{
        if (map)
                map->n_refs++;
        return map;
}

struct map *map_unref(struct map *map)
{
        if (map && --map->n_refs == 0) {
                free(map->path);
                free(map);
        }
        return NULL;
}

/*
 * As arch/x86/mm/fault.c, access_error(), decides, protection keys and shadow stacks aside: a write needs VM_WRITE. A
 * read of a page that is not present passes where the VMA is accessible at all (vma_is_accessible(): any of VM_READ,
 * VM_WRITE, VM_EXEC), and then succeeds, because x86 page tables cannot express memory that is writable or executable
 * and yet not readable. An instruction fetch passes the same test, but the page it brings in has the NX bit set unless
 * the map is executable, and the second attempt is refused: what decides for the access as a whole is VM_EXEC.
 */
bool map_permits(const struct map *map, unsigned int access)
{
        switch (access) {
        case ACCESS_WRITE:
                return map->writable;
        case ACCESS_EXEC:
                return map->executable;
        default:
                return map->readable || map->writable || map->executable;
        }
}
