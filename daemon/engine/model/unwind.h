/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The call stack of a stopped thread, from copies of its registers and of the memory above its stack pointer: never
 * from its memory. The only user of libunwind. Unwind tables and code bytes come from the images' files.
 *
 * Not covered, so frame pointers are followed instead: images with .debug_frame only, an .eh_frame with neither
 * .eh_frame_hdr nor section header, addresses in it that are not relative, and what unwind_check.h does not let pass.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/link/story.h"
#include "proto/base.h"
#include "proto/proto.h"

struct unwind_image {         /* what holds an address of code; who it is, is fd, or bytes where fd is -1 */
        int fd;               /* the ELF file, borrowed until unwind_forget(); -1 = see bytes */
        const uint8_t *bytes; /* as mapped, borrowed likewise: the vDSO, which is the same in every process; or NULL */
        size_t n_bytes;
        uint64_t bias; /* run-time address minus link-time address */
};

enum unwind_answer {
        UNWIND_FOUND,
        UNWIND_NONE,     /* code of no image (JIT): frame pointers */
        UNWIND_NOT_CODE, /* nothing there, or nothing that could be executed: the thread jumped there by accident */
        UNWIND_WAIT,     /* it is being loaded: unwind again later */
};

struct unwind_request {
        const uint64_t *registers; /* N_STORY_REGISTERS */
        const uint8_t *stack;
        size_t n_stack_bytes;
        uint64_t stack_start; /* the address of stack[0]; the stack pointer may be below: of what is between, nothing is
                                 known */
        enum unwind_answer (*find_image)(void *user, uint64_t addr, struct unwind_image *ret);
        void *user;
};

struct unwind_frame {
        uint64_t addr;
        enum frame_method by; /* FRAME_BY_REGISTERS also for what a signal interrupted: the kernel saved those */
};

struct unwind; /* what was learned of images; one for an engine, for all processes: it is kept by image, not by address
                */

int unwind_new(struct unwind **ret) MUST_CHECK;    /* 0 or -ENOMEM */
struct unwind *unwind_free(struct unwind *unwind); /* returns NULL */
/* To be called before an fd of an unwind_image is closed or bytes are unmapped; mappings may change without it. */
void unwind_forget(struct unwind *unwind);

/*
 * The frames, innermost first, at most n_room. Number of frames; -EAGAIN: find_image() said UNWIND_WAIT. *ret_cut: the
 * stack goes on, but its bytes were not copied.
 */
int unwind_stack(struct unwind *unwind, const struct unwind_request *request, struct unwind_frame *frames,
                 size_t n_room, bool *ret_cut) MUST_CHECK;
