/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compiled unwind rows of files, for all traces of an engine: a library that every process maps is compiled once, and
 * still known when the next trace begins. Bounded by bytes: what nobody uses goes first, the longest unused of it.
 *
 * The key is the build id and the file itself (who it is, how large, when it was changed last): a build id alone is
 * what the file says of itself, and any program may give itself that of libc.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/model/rows.h"
#include "elf/image.h"

struct rows_key {
        uint8_t build_id[IMAGE_BUILD_ID_BYTES]; /* zeros behind a shorter one */
        uint32_t n_build_id;
        uint64_t device, inode, n_bytes;
        int64_t changed_sec, changed_nsec; /* st_ctim: nobody can set it */
};

#define ROWS_CACHE_BYTES ((size_t)256 << 20)

struct rows_cache;

int rows_cache_new(size_t max_bytes, struct rows_cache **ret) MUST_CHECK; /* 0 or -ENOMEM */
struct rows_cache *rows_cache_free(struct rows_cache *cache);             /* NULL passes through; returns NULL */
/* The rows of this file, for use until rows_cache_release(); NULL = not known. */
struct rows *rows_cache_find(struct rows_cache *cache, const struct rows_key *key);
/*
 * Newly compiled ones, for use until rows_cache_release(); taken, also where they are not kept. false: there is no room
 * beside those in use, or no memory.
 */
bool rows_cache_add(struct rows_cache *cache, const struct rows_key *key, struct rows *rows);
void rows_cache_release(struct rows_cache *cache, const struct rows *rows); /* NULL passes through */
