/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The address space of one process over time: the maps as far as records and /proc have told. Pure.
 *
 * The kernel reports mmap, mprotect, brk growth and stack growth (MMAP2, extents of the merged VMA), so the one
 * operation is "overlay [start, end) with these attributes". It does not report munmap, mremap or brk shrink: a map
 * here may be stale until a contradiction makes the caller ask /proc and call aspace_overlay() or aspace_remove().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/model/map.h"

struct aspace;

int aspace_new(struct aspace **ret) MUST_CHECK;
struct aspace *aspace_free(struct aspace *aspace); /* drops its references; returns NULL */

/*
 * Put a map over [spec->start, spec->end): what lay there before is cut or dropped. Where the same map (all attributes,
 * extents) already lies there, nothing changes. 0, -EINVAL (empty or not page-aligned), -ENOMEM (unchanged).
 */
int aspace_overlay(struct aspace *aspace, const struct map_spec *spec) MUST_CHECK;
/* Nothing is mapped in [start, end). Errors as above. */
int aspace_remove(struct aspace *aspace, uint64_t start, uint64_t end) MUST_CHECK;
/* exec: everything is gone. */
void aspace_clear(struct aspace *aspace);

/* The map that holds addr, borrowed until the next change; NULL = none known. */
struct map *aspace_lookup(struct aspace *aspace, uint64_t addr);
/* The neighbours of an address that no map holds: the last map that ends at or below, the first that starts above. */
struct map *aspace_below(struct aspace *aspace, uint64_t addr);
struct map *aspace_above(struct aspace *aspace, uint64_t addr);

size_t aspace_count(const struct aspace *aspace);
struct map *aspace_at(const struct aspace *aspace, size_t index); /* in address order; borrowed */
