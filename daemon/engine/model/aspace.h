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
#include <sys/types.h>

#include "daemon/engine/model/codemap.h"
#include "daemon/engine/model/map.h"

#define ASPACE_MAX_BURIALS 1024

struct aspace;

struct burial {              /* something that was mapped here earlier in this trace */
        struct map *map;     /* as it was before; one reference is its owner's */
        uint64_t start, end; /* the part of it that went */
        uint64_t time_ns;    /* when it was unmapped, or 0: when is not known, only that it was */
        pid_t tid;           /* who, 0 = not known */
        uint64_t ip;         /* user code that called, 0 = not known */
};

int aspace_new(struct aspace **ret) MUST_CHECK;
struct aspace *aspace_free(struct aspace *aspace); /* drops its references; returns NULL */

/*
 * Put a map over [spec->start, spec->end): what lay there before is cut or dropped. Where the same map (all attributes,
 * extents) already lies there, nothing changes. 0, -EINVAL (empty or not page-aligned), -ENOMEM (unchanged).
 */
int aspace_overlay(struct aspace *aspace, const struct map_spec *spec) MUST_CHECK;
/* Nothing is mapped in [start, end). Errors as above. */
int aspace_remove(struct aspace *aspace, uint64_t start, uint64_t end) MUST_CHECK;
/*
 * As aspace_remove(), knowing who did it: what went is remembered for aspace_burial(), with time, tid and ip of doer
 * (the rest of it is not read). aspace_remove() remembers it without a doer; what aspace_overlay() replaces is not
 * buried, because something is there again. At most ASPACE_MAX_BURIALS, the oldest are forgotten first.
 */
int aspace_unmap(struct aspace *aspace, uint64_t start, uint64_t end, const struct burial *doer) MUST_CHECK;
/* What was mapped at addr and went last; borrowed until the next change; NULL = nothing is known to have been. */
const struct burial *aspace_burial(const struct aspace *aspace, uint64_t addr);
/* fork(2): the same maps (shared objects, they are immutable) and burials in an address space of its own. 0 or -ENOMEM.
 */
int aspace_copy(const struct aspace *aspace, struct aspace **ret) MUST_CHECK;
/* exec: everything is gone, the burials too. */
void aspace_clear(struct aspace *aspace);

/* The map that holds addr, borrowed until the next change; NULL = none known. */
struct map *aspace_lookup(struct aspace *aspace, uint64_t addr);
/* The neighbours of an address that no map holds: the last map that ends at or below, the first that starts above. */
struct map *aspace_below(struct aspace *aspace, uint64_t addr);
struct map *aspace_above(struct aspace *aspace, uint64_t addr);

/*
 * The executable maps now. Borrowed until the next change; who keeps it takes a reference. The same object is returned
 * until an executable map has come, gone or been cut. NULL: out of memory.
 */
struct codemap *aspace_code(struct aspace *aspace);

size_t aspace_count(const struct aspace *aspace);
struct map *aspace_at(const struct aspace *aspace, size_t index); /* in address order; borrowed */
