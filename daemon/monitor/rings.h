/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring buffers of one trace: a fault ring and a small sideband ring on every CPU. The monitor maps them and never
 * reads them: as long as it lives, an engine needs no privilege to map one, and loses nothing when it dies.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

/* Locked memory for the rings of all traces. */
struct ring_budget {
        uint64_t size_bytes; /* may have become less than what is used */
        uint64_t used_bytes;
};

struct ring_pair {
        uint32_t cpu;
        bool is_online;        /* at the last look */
        int fault_fd, side_fd; /* the ring owners */
        void *fault_map, *side_map;
};

struct ring_set {
        struct ring_pair *pairs;
        size_t n;
        size_t ring_bytes, side_bytes; /* data areas */
        uint64_t charged_bytes;
        bool is_small;   /* smaller than RING_SMALL_BYTES: losses are likely */
        int small_errno; /* why they are smaller than wanted; 0 = they are not */
};

#define RING_WANTED_BYTES ((size_t)8 << 20)
#define RING_WANTED_WITH_STACKS_BYTES ((size_t)16 << 20)
#define RING_WAKEUP_BYTES ((size_t)1 << 20)
#define RING_SMALL_BYTES ((size_t)2 << 20)

/*
 * How much is worth waking the engine for: a part of the ring, for what comes while it wakes needs room too. Waking for
 * every record would cost the target more than the record.
 */
static inline uint32_t ring_watermark(size_t ring_bytes)
{
        return (uint32_t)MIN_OF(ring_bytes / 4, RING_WAKEUP_BYTES);
}

/* 64 MiB for each CPU, at least 512 MiB, but at most a quarter of the machine's memory. */
uint64_t ring_budget_default(void);

/*
 * Open and map the rings for the CPUs that are present: one that is offline may come, and events of tasks wait for it.
 * may_use_bytes: what this user has left of the budget. wanted_bytes: of a fault ring, a power of two. A trace takes at
 * most a quarter of what is free, if it can. 0; -ENOSPC: not even the smallest rings fit; -EPERM: not even the smallest
 * rings may be locked; -EACCES: no perf event at all is allowed, not even the owner's; another -errno.
 */
int rings_open(struct ring_budget *budget, uint64_t may_use_bytes, size_t wanted_bytes,
               struct ring_set *ret) MUST_CHECK;
/*
 * Look which CPUs are online, and call for each that was not and is, or was and is not. A look before this one was in
 * rings_open(). 0 or -errno.
 */
int rings_look(struct ring_set *rings, void (*changed)(void *user, const struct ring_pair *pair),
               void *user) MUST_CHECK;
/* Unmap and close. */
void rings_close(struct ring_budget *budget, struct ring_set *rings);
