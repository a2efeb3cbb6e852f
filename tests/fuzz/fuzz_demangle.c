/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A symbol's name from a file of a stranger. Promises: it is demangled to something within the bounds, or left as it
 * is; a second time gives the same; and it ends (the fuzzer's own timeout tells).
 */
#include "client/demangle.h"

#include <string.h>

#include "proto/base.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
        CLEANUP_FREE char *first = NULL, *second = NULL;
        uint32_t n_first = 0, n_second = 0;

        demangle((const char *)data, n_bytes, &first, &n_first);
        if (!first)
                return 0;
        fuzz_promise(n_first > 0 && n_first <= DEMANGLE_OUTPUT_MAX_BYTES);
        fuzz_promise(n_bytes > 2 && n_bytes <= DEMANGLE_NAME_MAX_BYTES);
        demangle((const char *)data, n_bytes, &second, &n_second);
        fuzz_promise(second && n_second == n_first && memcmp(first, second, n_first) == 0);
        return 0;
}
