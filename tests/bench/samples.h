/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real stacks for a benchmark: the registers and stack bytes that the kernel copied of a program while it ran, and the
 * code that was mapped then.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/model/walk.h"
#include "daemon/link/story.h"

struct sample {
        uint64_t registers[N_STORY_REGISTERS];
        const uint8_t *stack; /* aligned to 8 */
        size_t n_stack_bytes;
};

struct code_map {
        uint64_t start, end, bias;
        int fd; /* -1: the vDSO, or nothing */
        const uint8_t *bytes;
        size_t n_bytes;
        struct rows *rows;
};

struct samples {
        struct sample *sample;
        size_t n, n_room;
        struct code_map *maps;
        size_t n_maps;
};

enum sample_event { SAMPLE_CLOCK, SAMPLE_FAULTS };

/*
 * Run command until n samples of n_stack_bytes each have been taken of it in user mode, or until it ends; then it is
 * killed. 0 or -errno; said on standard error.
 */
int samples_take(struct samples *samples, enum sample_event event, size_t n, uint32_t n_stack_bytes,
                 char *const *command);
void samples_free(struct samples *samples);

enum unwind_answer samples_find_rows(void *user, uint64_t addr, struct walk_image *ret);
enum unwind_answer samples_find_image(void *user, uint64_t addr, struct unwind_image *ret);
