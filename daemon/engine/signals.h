/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A SIGSEGV or SIGBUS on its way to the clients: the tracer's story, what was mapped around the address when it
 * happened, the call stack, and in the end the SIGNAL message.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/addresses.h"
#include "daemon/engine/model/fault.h"
#include "daemon/engine/model/unwind.h"
#include "daemon/engine/places.h"
#include "daemon/engine/serve/outframe.h"
#include "daemon/link/story.h"

struct told {
        struct story *story; /* owned, cut behind its stack bytes */
        uint64_t since_ns;   /* waits from then on */
        bool has_looked;
        struct map *map;           /* at the address; NULL = none. References here and below are its own. */
        struct map *code_map;      /* at the instruction */
        struct map *stack_map;     /* that holds the stack pointer, or that it has just left */
        struct map *below, *above; /* neighbours of the address */
        struct burial burial;      /* map NULL: nothing is known to have been there */
        bool is_unwound, is_cut;
        size_t n_frames;
        struct unwind_frame frames[PROTO_MAX_FRAMES];
};

/* What is needed to name things; all borrowed. */
struct told_scene {
        struct places *places;
        struct unwind *unwind;
        struct addresses *addresses; /* of the process at the time of the signal */
        pid_t pid;                   /* on whose behalf images are asked for, as in places_want() */
        uint64_t now_ns;
};

/* The story, which was checked (stories.h), is copied. 0 or -ENOMEM. */
int told_new(const struct story *story, uint64_t now_ns, struct told **ret) MUST_CHECK;
struct told *told_free(struct told *told); /* NULL passes through; returns NULL */
/* Keep what is mapped now. fault: the failed fault with its own maps attached, NULL = none was seen. */
void told_look(struct told *told, const struct fault *fault, struct addresses *addresses);
/* After told_look(): whether images are on their way that the stack and the names need. */
bool told_waits(struct told *told, const struct told_scene *scene);
/* The message, with ids of the dictionary's current epoch. thread: the thread's definition. *ret is the caller's. 0 or
 * -errno. */
int told_encode(struct told *told, const struct told_scene *scene, const struct fault *fault, uint32_t thread,
                struct outframe **ret) MUST_CHECK;
