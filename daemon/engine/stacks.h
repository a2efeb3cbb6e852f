/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The call stacks of one trace's faults. A stack is walked where it lies, in the ring, while what is executable is
 * known to be as it was; where images are not loaded yet it is copied, and walked before its fault goes out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/addresses.h"
#include "daemon/engine/decode/record.h"
#include "daemon/engine/model/callstack.h"
#include "daemon/engine/places.h"

#define STACKS_SIZES 16 /* by powers of two, up to what the kernel can copy */

struct stacks {
        uint32_t stack_bytes; /* copied of each stack; 0 = none are wanted */
        bool has_lines;       /* source lines are wanted */
        struct callstacks *table;
        struct unwind *unwind; /* borrowed */
        struct callstack_frame *frames;
        struct unwind_frame *walked;
        size_t n_copied_bytes;             /* waiting */
        const struct codemap *copied_code; /* of the last copy: its bytes are counted already; only compared */
        uint64_t n_taken, n_missed;        /* missed: no room to let one more wait */
        /* Of the last ones, for what size would have done: cut ones, and all by the bytes that they needed. */
        uint32_t n_window, n_cut;
        uint32_t n_needing[STACKS_SIZES];
        bool is_cut_told;
};

/* 0 or -ENOMEM. */
int stacks_init(struct stacks *stacks, uint32_t stack_bytes, bool has_lines, struct unwind *unwind) MUST_CHECK;
void stacks_deinit(struct stacks *stacks);

/* Whose stack it is. */
struct stacks_scene {
        struct places *places;
        struct addresses *addresses;
        pid_t pid;        /* on whose behalf files are opened; 0 = the target */
        bool is_unmapped; /* nothing is known of its memory yet */
        uint64_t now_ns;
};

/* The stack in a fault's record, if it has one; the caller's reference. NULL: none, or it could not be kept. */
struct callstack *stacks_take(struct stacks *stacks, const struct stacks_scene *scene,
                              const struct record_fault *fault);
/*
 * Walk one that was copied, if what it needs is there, or will not be in time: then as far as it goes. true: it waits.
 * *stack is replaced; nothing if it is NULL or was walked.
 */
bool stacks_wait(struct stacks *stacks, const struct stacks_scene *scene, uint64_t until_ns, struct callstack **stack);
/* All images that may be needed are asked for as soon as they are mapped. */
void stacks_want(struct stacks *stacks, const struct stacks_scene *scene, struct map *map);
/* The definition of the stack in this epoch; 0 = none, or no memory. */
uint32_t stacks_id(struct stacks *stacks, const struct stacks_scene *scene, struct callstack *stack);
/*
 * Many stacks did not fit, and it has not been said yet: *ret_percent of the last ones, *ret_bytes would have held
 * nearly all (0: not even the largest size would).
 */
bool stacks_are_cut(struct stacks *stacks, unsigned int *ret_percent, uint32_t *ret_bytes);
