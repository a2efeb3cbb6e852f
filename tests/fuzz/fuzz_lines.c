/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arbitrary bytes as a file with DWARF: it comes back, says the same twice, and keeps to its bounds. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/engine/model/lines.h"
#include "tests/fuzz/fuzz.h"

static void look_up(struct lines *lines, uint64_t vaddr)
{
        struct source_line found[LINES_MAX_INLINED], again[LINES_MAX_INLINED];
        size_t n = lines_find(lines, vaddr, found);
        size_t n_bytes = 0;

        fuzz_promise(n <= LINES_MAX_INLINED);
        fuzz_promise(lines_find(lines, vaddr, again) == n);
        for (size_t i = 0; i < n; i++) {
                fuzz_promise(found[i].function == again[i].function && found[i].file == again[i].file &&
                             found[i].line == again[i].line);
                n_bytes += found[i].function ? strlen(found[i].function) : 0;
                n_bytes += found[i].file ? strlen(found[i].file) : 0;
        }
        fuzz_promise(n_bytes < SIZE_MAX / 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
        int fd = memfd_create("lines", MFD_CLOEXEC);
        struct lines *lines = NULL;
        int r;

        fuzz_promise(fd >= 0 && (n_bytes == 0 || pwrite(fd, data, n_bytes, 0) == (ssize_t)n_bytes));
        r = lines_open(fd, &lines);
        fuzz_promise(r == 0 || r == -ENODATA || r == -EBADMSG || r == -E2BIG);
        if (r < 0)
                return 0;
        for (uint64_t vaddr = 0; vaddr < 256; vaddr += 3)
                look_up(lines, vaddr);
        look_up(lines, UINT64_MAX);
        (void)lines_close(lines);
        return 0;
}
