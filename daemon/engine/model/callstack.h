/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Call stacks as values: the same frames in the same maps are one object, so that they are named and told to clients
 * once. A stack whose images are not loaded yet is a copy of its bytes until it can be walked. Counted by reference;
 * the table holds one of each stack it knows and is emptied when it is full (a new stack then simply is a new object).
 * Single-threaded. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/model/codemap.h"
#include "daemon/engine/model/map.h"
#include "daemon/link/story.h"
#include "proto/base.h"

#define CALLSTACK_MAX_FRAMES 1024 /* PROTO_STACK_MAX_FRAMES */

struct callstack_frame {
        uint64_t addr;
        struct map *map; /* where the code is; NULL = not known, or the kernel's; the stack holds a reference */
        uint8_t by;      /* enum frame_method */
};

/* What the kernel copied, until it is walked. */
struct callstack_copy {
        struct codemap *code; /* one reference: what was executable then; NULL = not known yet */
        size_t n_held_bytes;  /* is taken from *held_bytes when the copy goes */
        size_t *held_bytes;   /* borrowed; NULL = nobody counts */
        uint64_t registers[N_STORY_REGISTERS];
        uint64_t stack_start;
        size_t n_stack_bytes;
        bool is_kernel;      /* of a kernel-mode fault */
        size_t n_kernel;     /* of chain */
        uint64_t chain[128]; /* kernel frames, innermost first, already cut to those of the fault */
        uint8_t stack[];     /* aligned to 8 */
};

struct callstack {
        unsigned int n_refs;
        uint64_t hash;
        struct callstack_copy *copy; /* owned; NULL once walked: then the frames are there */
        bool is_cut;
        uint32_t n_frames;
        uint32_t def_epoch, def_id; /* the dictionary's memo (serve/dict.h) */
        uint32_t def_names;         /* ... and of which state of the names it is; the definer's own */
        bool has_generated;         /* a frame lies in no file: the program may have generated it */
        struct callstack_frame frames[];
};

struct callstacks; /* the table */

/* n_max: stacks it holds before it is emptied. 0 or -ENOMEM. */
int callstacks_new(size_t n_max, struct callstacks **ret) MUST_CHECK;
struct callstacks *callstacks_free(struct callstacks *stacks); /* returns NULL */
/*
 * The stack with these frames. Takes references of its own to the maps. One reference is the caller's; NULL: out of
 * memory. n_frames at most CALLSTACK_MAX_FRAMES.
 */
struct callstack *callstacks_intern(struct callstacks *stacks, const struct callstack_frame *frames, size_t n_frames,
                                    bool is_cut);
/* One that waits; copy is taken, also on failure. NULL: out of memory. */
struct callstack *callstack_new_copy(struct callstack_copy *copy);
struct callstack_copy *callstack_copy_free(struct callstack_copy *copy); /* NULL passes through; returns NULL */
struct callstack *callstack_ref(struct callstack *stack);                /* NULL passes through */
struct callstack *callstack_unref(struct callstack *stack);              /* NULL passes through; returns NULL */
