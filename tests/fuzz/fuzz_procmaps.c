/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arbitrary bytes as /proc/PID/maps and smaps: each call moves on, and what comes out lies within the text or the line.
 * The first two bytes are the flag. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine/decode/procmaps.h"
#include "tests/fuzz/fuzz.h"

static size_t read_maps(const char *text, size_t n_text)
{
        struct procmaps_line line;
        size_t offset = 0, before = 0, n_maps = 0;
        int r;

        while ((r = procmaps_next(text, n_text, &offset, &line)) != 0) {
                fuzz_promise(offset > before && offset <= n_text);
                before = offset;
                if (r == -EBADMSG)
                        continue;
                fuzz_promise(r == 1 && line.start < line.end);
                if (line.path == line.unescaped) {
                        fuzz_promise(line.n_path > 0 && line.n_path <= sizeof(line.unescaped));
                        fuzz_promise(memchr(line.path, '\n', line.n_path) != NULL);
                } else {
                        fuzz_promise(line.path >= text && line.path + line.n_path <= text + n_text);
                        fuzz_promise(!memchr(line.path, '\n', line.n_path));
                }
                n_maps++;
        }
        fuzz_promise(offset == n_text);
        return n_maps;
}

static void count_range(void *user, uint64_t start, uint64_t end)
{
        size_t *n = user;

        fuzz_promise(start < end);
        (*n)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
        size_t n_maps, n_found, n_calls = 0, n_text;
        char *text;

        if (n_bytes <= 2)
                return 0;
        n_text = n_bytes - 2;
        text = malloc(n_text);
        fuzz_promise(text != NULL);
        memcpy(text, data + 2, n_text);
        n_maps = read_maps(text, n_text);
        n_found = procmaps_find_flag(text, n_text, (const char *)data, count_range, &n_calls);
        fuzz_promise(n_found == n_calls && n_found <= n_maps);
        free(text);
        return 0;
}
