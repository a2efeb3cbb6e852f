/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What "measured" claims: on a machine without swap space a fresh page of a process without userfaultfd can have come
 * from nowhere but the kernel's supply of zeroed ones.
 */
#include <stdio.h>

#include "target.h"

#define N_PAGES 32

static bool have_swap(void)
{
        char line[256];
        FILE *swaps = fopen("/proc/swaps", "re");
        bool found;

        if (!swaps)
                return false;
        found = fgets(line, sizeof(line), swaps) && fgets(line, sizeof(line), swaps);
        (void)fclose(swaps);
        return found;
}

static void zero_fill(void)
{
        char *p = map_anon(N_PAGES * PAGE_BYTES);

        if (have_swap())
                target_skip(
                        "swap space is in use: there a zero-filled page cannot be told from one swapped in at once");
        expect(&(struct expectation){.addr = p,
                                     .n = N_PAGES,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-fill",
                                     .evidence = "measured",
                                     .access = "write",
                                     .page_size = PAGE_BYTES,
                                     .code = "touch_write"});
        target_gate();
        touch_write_each(p, N_PAGES, PAGE_BYTES);
        target_done();
}

const struct target_case target_cases[] = {{"zero-fill", zero_fill}, {NULL, NULL}};
