/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arbitrary text as /proc/kallsyms: it comes back, and every answer covers the address that was asked for. */
#include <errno.h>
#include <string.h>

#include "elf/symtab.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
        struct symtab *symtab = NULL;
        int r = symtab_from_kallsyms((const char *)data, n_bytes, &symtab);

        fuzz_promise(r == 0 || r == -EACCES);
        if (r < 0) {
                fuzz_promise(symtab == NULL);
                return 0;
        }
        for (uint64_t addr = 0; addr != UINT64_MAX;) {
                uint64_t until = symtab_until(symtab, addr);
                struct symbol symbol;

                fuzz_promise(until > addr);
                if (symtab_lookup(symtab, addr, &symbol)) {
                        fuzz_promise(symbol.value <= addr && symbol.size_bytes == 0);
                        fuzz_promise(strlen(symbol.name) > 0 && strlen(symbol.name) <= SYMBOL_NAME_MAX_BYTES);
                }
                addr = until;
        }
        symtab_free(symtab);
        return 0;
}
