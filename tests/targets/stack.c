/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel extends the stack map downwards over the address of a fault just below it. */
#include <stddef.h>

#include "target.h"

#define N_PAGES 32

static void grow(void)
{
        char *low = target_stack_start();

        for (size_t i = 1; i <= N_PAGES; i++)
                expect(&(struct expectation){.addr = low - i * PAGE_BYTES,
                                             .cause = "stack-grow",
                                             .access = "write",
                                             .page_size = PAGE_BYTES,
                                             .code = "touch_write"});
        target_gate();
        for (size_t i = 1; i <= N_PAGES; i++)
                touch_write(low - i * PAGE_BYTES);
        target_done();
}

const struct target_case target_cases[] = {{"grow", grow}, {NULL, NULL}};
