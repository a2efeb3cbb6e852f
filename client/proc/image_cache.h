/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images behind the maps of one process, each loaded once, by device and inode. */
#pragma once

#include "client/proc/process.h"
#include "elf/image.h"

struct image_cache; /* opaque */

struct image_cache *image_cache_new(const struct process *process); /* borrowed; NULL: out of memory */
struct image_cache *image_cache_free(struct image_cache *cache);    /* returns NULL */

/*
 * The image behind a map; the vdso of a 64-bit process too (our own is the same, and its memory is not touched), and
 * for anonymous memory that continues an image without a gap, its .bss, that image (the error is 0 then). Owned by the
 * cache. NULL: it has none, or it could not be loaded: *ret_error says why then (0: the map has no file; -ENOEXEC: a
 * file, but no image, or a part of it that no segment shows; else -errno). *ret_bias: what to subtract from an address
 * to get the link-time address.
 */
const struct image *image_cache_find(struct image_cache *cache, const struct smaps *smaps, const struct smaps_map *map,
                                     uint64_t *ret_bias, int *ret_error);
