/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two frames, a small one in a large one. */
#include "library.h"

static __attribute__((noinline)) void inner_a(const struct library_call *call)
{
        volatile char room[40];

        KEEP(room);
        call->note("inner_a", (const void *)inner_a, __builtin_return_address(0));
        call->then(call->page);
        KEEP(room);
}

__attribute__((visibility("default"))) void through_library(const struct library_call *call)
{
        volatile char room[1000];

        KEEP(room);
        call->note("through_library", (const void *)through_library, __builtin_return_address(0));
        inner_a(call);
        KEEP(room);
}
