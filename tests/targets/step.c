/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One fault for each byte on standard input, each answered by "done": for tests that must know before which fault
 * something happened. With an argument every step is made on that CPU.
 */
#include <sched.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target.h"

#define N_STEPS 8192

static char *announce(void)
{
        char *p = map_anon(N_STEPS * PAGE_BYTES);

        expect(&(struct expectation){.addr = p,
                                     .n = N_STEPS,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-fill",
                                     .access = "write",
                                     .page_size = PAGE_BYTES,
                                     .code = "touch_write"});
        return p;
}

static void step(void)
{
        char *p = announce();

        target_gate();
        for (size_t i = 0; i < N_STEPS; i++) {
                touch_write(p + i * PAGE_BYTES);
                target_done();
        }
}

const struct target_case target_cases[] = {{"step", step}, {NULL, NULL}};
