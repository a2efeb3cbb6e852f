/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of call stacks: open addressing, at most half full, one reference of each. A stack is looked for by all of
 * its frames, so whatever a stranger makes of the hash, two different stacks are never taken for one; chosen collisions
 * cost its own trace time, and no more than N_PROBES_MAX comparisons a stack.
 *
 * A full table is emptied at once instead of stack by stack: programs have few stacks that come again and again, which
 * are back after one more allocation each, and there is no order of use to be kept at every fault.
 */
#include "daemon/engine/model/callstack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N_PROBES_MAX 64
#define FRAMES_MAX ((size_t)2 << 20) /* 48 MiB: few programs have so many, and those that do have ever new ones */

struct callstacks {
        size_t n_stacks, n_max;
        size_t n_frames;  /* of all of them */
        size_t n_buckets; /* a power of two, at least twice n_max */
        struct callstack **buckets;
};

int callstacks_new(size_t n_max, struct callstacks **ret)
{
        struct callstacks *stacks;
        size_t n_buckets = 2;

        while (n_buckets / 2 < n_max)
                n_buckets *= 2;
        stacks = calloc(1, sizeof(*stacks));
        if (!stacks)
                return -ENOMEM;
        stacks->buckets = calloc(n_buckets, sizeof(struct callstack *));
        if (!stacks->buckets) {
                free(stacks);
                return -ENOMEM;
        }
        stacks->n_buckets = n_buckets;
        stacks->n_max = n_max;
        *ret = stacks;
        return 0;
}

static void forget_all(struct callstacks *stacks)
{
        for (size_t i = 0; i < stacks->n_buckets; i++)
                stacks->buckets[i] = callstack_unref(stacks->buckets[i]);
        stacks->n_stacks = stacks->n_frames = 0;
}

struct callstacks *callstacks_free(struct callstacks *stacks)
{
        if (stacks) {
                forget_all(stacks);
                free(stacks->buckets);
                free(stacks);
        }
        return NULL;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
        hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
        return hash ^ hash >> 29;
}

/* Maps lie at addresses that tell them apart as well as anything; method and map rarely differ where addr does not. */
static uint64_t hash_of(const struct callstack_frame *frames, size_t n_frames, bool is_cut)
{
        uint64_t hash = mix(n_frames, is_cut);

        for (size_t i = 0; i < n_frames; i++)
                hash = mix(hash, frames[i].addr ^ (uint64_t)(uintptr_t)frames[i].map << 16 ^ frames[i].by);
        return hash;
}

static bool same_frames(const struct callstack_frame *a, const struct callstack_frame *b, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (a[i].addr != b[i].addr || a[i].map != b[i].map || a[i].by != b[i].by)
                        return false;
        return true;
}

static struct callstack *new_stack(const struct callstack_frame *frames, size_t n_frames)
{
        struct callstack *stack = malloc(sizeof(*stack) + n_frames * sizeof(*frames));

        if (!stack)
                return NULL;
        *stack = (struct callstack){.n_refs = 1, .n_frames = (uint32_t)n_frames};
        for (size_t i = 0; i < n_frames; i++) {
                stack->frames[i] = frames[i];
                map_ref(frames[i].map);
                stack->has_generated |= frames[i].map && frames[i].map->kind == MAP_KIND_ANON;
        }
        return stack;
}

/* The bucket of this stack, or the empty one where it belongs; NULL: all that it may be in hold others. */
static struct callstack **find_bucket(const struct callstacks *stacks, uint64_t hash,
                                      const struct callstack_frame *frames, size_t n_frames, bool is_cut)
{
        for (size_t i = 0; i < N_PROBES_MAX; i++) {
                struct callstack **bucket = &stacks->buckets[(hash + i) & (stacks->n_buckets - 1)];
                const struct callstack *stack = *bucket;

                if (!stack || (stack->hash == hash && stack->n_frames == n_frames && stack->is_cut == is_cut &&
                               same_frames(stack->frames, frames, n_frames)))
                        return bucket;
        }
        return NULL;
}

struct callstack *callstacks_intern(struct callstacks *stacks, const struct callstack_frame *frames, size_t n_frames,
                                    bool is_cut)
{
        uint64_t hash = hash_of(frames, n_frames, is_cut);
        struct callstack **bucket = find_bucket(stacks, hash, frames, n_frames, is_cut);
        struct callstack *stack;

        if (bucket && *bucket)
                return callstack_ref(*bucket);
        stack = new_stack(frames, n_frames);
        if (!stack)
                return NULL;
        stack->hash = hash;
        stack->is_cut = is_cut;
        if (!bucket || stacks->n_stacks == stacks->n_max || stacks->n_frames > FRAMES_MAX) {
                forget_all(stacks);
                bucket = &stacks->buckets[hash & (stacks->n_buckets - 1)];
        }
        *bucket = callstack_ref(stack);
        stacks->n_stacks++;
        stacks->n_frames += n_frames;
        return stack;
}

struct callstack *callstack_new_copy(struct callstack_copy *copy)
{
        struct callstack *stack = new_stack(NULL, 0);

        if (stack)
                stack->copy = copy;
        else
                copy = callstack_copy_free(copy);
        return stack;
}

struct callstack_copy *callstack_copy_free(struct callstack_copy *copy)
{
        if (copy) {
                if (copy->held_bytes)
                        *copy->held_bytes -= copy->n_held_bytes;
                copy->code = codemap_unref(copy->code);
                free(copy);
        }
        return NULL;
}

struct callstack *callstack_ref(struct callstack *stack)
{
        if (stack)
                stack->n_refs++;
        return stack;
}

struct callstack *callstack_unref(struct callstack *stack)
{
        if (stack && --stack->n_refs == 0) {
                for (size_t i = 0; i < stack->n_frames; i++)
                        map_unref(stack->frames[i].map);
                stack->copy = callstack_copy_free(stack->copy);
                free(stack);
        }
        return NULL;
}
