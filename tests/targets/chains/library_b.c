/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Three frames, of other sizes than those of the first library, and in another order. */
#include "library.h"

__attribute__((visibility("default"))) void through_library(const struct library_call *call);
static void middle_b(const struct library_call *call);
static void inner_b(const struct library_call *call);

__attribute__((visibility("default"))) void through_library(const struct library_call *call)
{
        volatile char room[16];

        KEEP(room);
        call->note("through_library", (const void *)through_library, __builtin_return_address(0));
        middle_b(call);
        KEEP(room);
}

static __attribute__((noinline)) void middle_b(const struct library_call *call)
{
        volatile char room[600];

        KEEP(room);
        call->note("middle_b", (const void *)middle_b, __builtin_return_address(0));
        inner_b(call);
        KEEP(room);
}

static __attribute__((noinline)) void inner_b(const struct library_call *call)
{
        volatile char room[200];

        KEEP(room);
        call->note("inner_b", (const void *)inner_b, __builtin_return_address(0));
        call->then(call->page);
        KEEP(room);
}
