/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The call stack of a thread that ran on, from the registers and the bytes of its stack that the kernel copied, by
 * compiled rows (rows.h): some tens of nanoseconds a frame, in place over the ring. Where there is no unwind data (JIT)
 * frame pointers are followed. What rows cannot say is left to libunwind, over the same bytes (unwind.h). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/model/rows.h"
#include "daemon/engine/model/unwind.h"

struct walk_image {
        const struct rows *rows; /* NULL = the image has none: unwind_stack() must do */
        uint64_t bias;           /* run-time address minus link-time address */
        uint64_t start, end;     /* the answer is the same for all addresses of [start, end) */
};

struct walk_request {
        uint64_t rip, rsp, rbp;
        const uint8_t *stack; /* aligned to 8 */
        size_t n_stack_bytes;
        uint64_t stack_start; /* the address of stack[0] */
        /*
         * As in unwind.h; *ret is all zero before. At most two questions a frame, and none about an address in one of
         * the four ranges that were found last.
         */
        enum unwind_answer (*find_image)(void *user, uint64_t addr, struct walk_image *ret);
        void *user;
};

/*
 * The frames, innermost first, at most n_room, as unwind_stack() finds them. Number of frames; -EAGAIN: find_image()
 * said UNWIND_WAIT; -ENODATA: a row does not fit, or an image has none: the whole stack is unwind_stack()'s. *ret_cut:
 * the stack goes on, but its bytes were not copied.
 */
int walk_stack(const struct walk_request *request, struct unwind_frame *frames, size_t n_room,
               bool *ret_cut) MUST_CHECK;
