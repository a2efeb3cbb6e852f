/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The executable maps of an address space at one time, for walking the stacks taken then: an address space changes
 * while a stack waits for its images, and dlclose(3) puts another library where one was. Immutable and counted by
 * reference; aspace_code() makes a new one only when an executable map has come or gone. Single-threaded. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/model/map.h"

struct codemap;

/* maps: n in address order; a reference of each is taken. NULL: out of memory. One reference is the caller's. */
struct codemap *codemap_new(struct map *const *maps, size_t n);
struct codemap *codemap_ref(struct codemap *codemap);   /* NULL passes through */
struct codemap *codemap_unref(struct codemap *codemap); /* NULL passes through; returns NULL */
size_t codemap_bytes(const struct codemap *codemap);    /* of memory it holds; NULL = 0 */
/* The map that holds addr; borrowed; NULL = none. */
struct map *codemap_lookup(const struct codemap *codemap, uint64_t addr);
