/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults from functions all over a large symbol table (numbered.S): each must be named right. */
#include <stdio.h>

#include "target.h"

#define N_PAGES 100
#define SYMBOL_STRIDE 199

extern void (*const numbered_functions[])(volatile char *);

static char names[N_PAGES][32];

static void calls(void)
{
        char *p = map_anon(N_PAGES * PAGE_BYTES);

        for (size_t i = 0; i < N_PAGES; i++) {
                (void)snprintf(names[i], sizeof(names[i]), "numbered_%zu", i * SYMBOL_STRIDE);
                expect(&(struct expectation){.addr = p + i * PAGE_BYTES,
                                             .cause = "zero-fill",
                                             .access = "write",
                                             .page_size = PAGE_BYTES,
                                             .code = names[i]});
        }
        target_gate();
        for (size_t i = 0; i < N_PAGES; i++)
                numbered_functions[i * SYMBOL_STRIDE](p + i * PAGE_BYTES);
        target_done();
}

const struct target_case target_cases[] = {{"calls", calls}, {NULL, NULL}};
