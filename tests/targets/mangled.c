/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Faults from functions all over a large C++ program (write_mangled.c): their names are long and much alike. What they
 * are the dynamic linker says, which reads another table with other code than faultline.
 */
#include <dlfcn.h>

#include "target.h"

#define N_PAGES 200
#define FUNCTION_STRIDE 97

extern void (*const mangled_functions[])(volatile char *);
extern const size_t mangled_n_functions;

static void calls(void)
{
        char *p = map_anon(N_PAGES * PAGE_BYTES);

        if (mangled_n_functions < N_PAGES * FUNCTION_STRIDE)
                target_fail("too few functions");
        for (size_t i = 0; i < N_PAGES; i++) {
                const void *function = (const void *)(uintptr_t)mangled_functions[i * FUNCTION_STRIDE];
                Dl_info info;

                if (!dladdr(function, &info) || info.dli_saddr != function)
                        target_fail("dladdr");
                expect(&(struct expectation){.addr = p + i * PAGE_BYTES,
                                             .cause = "zero-fill",
                                             .access = "write",
                                             .page_size = PAGE_BYTES,
                                             .code = info.dli_sname});
        }
        target_populate_all_but(p, N_PAGES * PAGE_BYTES);
        target_gate();
        for (size_t i = 0; i < N_PAGES; i++)
                mangled_functions[i * FUNCTION_STRIDE](p + i * PAGE_BYTES);
        target_done();
}

const struct target_case target_cases[] = {{"calls", calls}, {NULL, NULL}};
