/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Faults from functions all over a large C++ program (write_mangled.c): their names are long and much alike. What they
 * are the dynamic linker says, which reads another table with other code than faultline, and what that means the C++
 * library.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "target.h"

#define N_PAGES 200
#define FUNCTION_STRIDE 97

extern void (*const mangled_functions[])(volatile char *);
extern const size_t mangled_n_functions;

typedef char *demangle_function(const char *name, char *buffer, size_t *size, int *status); /* of <cxxabi.h> */

static demangle_function *find_demangler(void)
{
        void *library = dlopen("libstdc++.so.6", RTLD_NOW);
        demangle_function *demangler = library ? (demangle_function *)dlsym(library, "__cxa_demangle") : NULL;

        if (!demangler)
                target_fail("libstdc++");
        return demangler;
}

static void calls(void)
{
        demangle_function *demangle = find_demangler();
        char *p = map_anon(N_PAGES * PAGE_BYTES);

        if (mangled_n_functions < N_PAGES * FUNCTION_STRIDE)
                target_fail("too few functions");
        for (size_t i = 0; i < N_PAGES; i++) {
                const void *function = (const void *)(uintptr_t)mangled_functions[i * FUNCTION_STRIDE];
                char *name;
                Dl_info info;

                if (!dladdr(function, &info) || info.dli_saddr != function)
                        target_fail("dladdr");
                name = demangle(info.dli_sname, NULL, NULL, NULL);
                if (!name)
                        target_fail("__cxa_demangle");
                expect(&(struct expectation){.addr = p + i * PAGE_BYTES,
                                             .cause = "zero-fill",
                                             .access = "write",
                                             .page_size = PAGE_BYTES,
                                             .code = name});
                free(name);
        }
        target_populate_all_but(p, N_PAGES * PAGE_BYTES);
        target_gate();
        for (size_t i = 0; i < N_PAGES; i++)
                mangled_functions[i * FUNCTION_STRIDE](p + i * PAGE_BYTES);
        target_done();
}

const struct target_case target_cases[] = {{"calls", calls}, {NULL, NULL}};
