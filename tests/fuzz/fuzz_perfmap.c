/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arbitrary text as a perf map: every answer covers the address asked for, and no two symbols overlap. */
#include <string.h>

#include "daemon/engine/model/perfmap.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
        struct symtab *symtab = NULL;
        uint64_t end_before = 0;

        fuzz_promise(perfmap_parse((const char *)data, n_bytes, &symtab) == 0);
        for (uint64_t addr = 0; addr != UINT64_MAX;) {
                uint64_t until = symtab_until(symtab, addr);
                struct symbol symbol;

                fuzz_promise(until > addr);
                if (symtab_lookup(symtab, addr, &symbol)) {
                        fuzz_promise(symbol.value == addr && symbol.value >= end_before);
                        fuzz_promise(symbol.size_bytes > 0 && symbol.size_bytes <= UINT64_MAX - symbol.value);
                        fuzz_promise(strlen(symbol.name) > 0 && strlen(symbol.name) <= SYMBOL_NAME_MAX_BYTES);
                        end_before = symbol.value + symbol.size_bytes;
                }
                addr = until;
        }
        symtab_free(symtab);
        return 0;
}
