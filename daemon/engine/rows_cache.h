/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compiled unwind rows by build id, for all traces of an engine: a library that every process maps is compiled once,
 * and still known when the next trace begins. Bounded by bytes: what nobody uses goes first, the longest unused of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/model/rows.h"

#define ROWS_CACHE_BYTES ((size_t)256 << 20)

struct rows_cache;

int rows_cache_new(size_t max_bytes, struct rows_cache **ret) MUST_CHECK; /* 0 or -ENOMEM */
struct rows_cache *rows_cache_free(struct rows_cache *cache);             /* NULL passes through; returns NULL */
/* The rows of this build, for use until rows_cache_release(); NULL = not known. n_build_id 0 finds nothing. */
struct rows *rows_cache_find(struct rows_cache *cache, const uint8_t *build_id, size_t n_build_id);
/*
 * Newly compiled ones, for use until rows_cache_release(); taken, also where they are not kept. false: there is no room
 * beside those in use, or no memory.
 */
bool rows_cache_add(struct rows_cache *cache, const uint8_t *build_id, size_t n_build_id, struct rows *rows);
void rows_cache_release(struct rows_cache *cache, const struct rows *rows); /* NULL passes through */
