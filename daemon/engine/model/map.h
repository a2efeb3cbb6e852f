/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A map: one VMA as it was at some time. Immutable once built and counted by reference, because a fault keeps the map
 * it hit long after the address space has changed. Single-threaded. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/base.h"

enum map_kind {
        MAP_KIND_ANON,  /* private anonymous memory: "//anon", "[heap]", "[anon:NAME]", no path */
        MAP_KIND_STACK, /* "[stack]": it grows down */
        MAP_KIND_FILE,  /* a file, private or shared; on tmpfs it is shared memory, which only statfs(2) tells */
        MAP_KIND_SHMEM, /* memfd, /dev/zero shared, SysV, /dev/shm */
        MAP_KIND_HUGETLB,
        MAP_KIND_SPECIAL, /* [vdso], [vvar], [vsyscall], [uprobes] */
};

struct image_slot; /* engine-wide record of one file, see images.h */

struct map {
        unsigned int n_refs;
        uint64_t start, end, offset; /* offset into the file, bytes; 0 for anonymous */
        enum map_kind kind;
        bool readable, writable, executable, shared;
        bool named;       /* confirmed against /proc since it was built */
        bool image_known; /* image, image_start and image_offset have been decided (image may still be NULL) */
        uint32_t major, minor;
        uint64_t inode; /* 0 = no file */
        char *path;     /* owned, NUL-terminated, "" for plain anonymous memory; never NULL */
        /*
         * Where the image that owns these bytes is mapped: for a file its own, for anonymous memory right behind an
         * image's last map (.bss) that image. image_start and image_offset are those of the file map to compute
         * addresses with.
         */
        struct image_slot *image; /* borrowed, NULL = none; filled by the composition root */
        uint64_t image_start, image_offset;
        /* The dictionary's own memo of this map: epoch and id under which it was defined to clients (serve/dict). */
        uint32_t def_epoch, def_id;
};

struct map_spec { /* what a map is built from */
        uint64_t start, end, offset;
        bool readable, writable, executable, shared, hugetlb;
        uint32_t major, minor;
        uint64_t inode;
        const char *path; /* not NUL-terminated; "//anon" and "" mean plain anonymous memory */
        size_t n_path;
};

/* What would build the same map; borrows its path. */
struct map_spec map_spec_of(const struct map *map);
/* One reference is the caller's. NULL: out of memory. */
struct map *map_new(const struct map_spec *spec);
struct map *map_ref(struct map *map);   /* NULL passes through; returns map */
struct map *map_unref(struct map *map); /* NULL passes through; returns NULL */
bool map_permits(const struct map *map,
                 unsigned int access); /* enum access; ACCESS_UNKNOWN: true if anything is permitted */
