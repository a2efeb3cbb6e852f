/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/kallsyms is made anew whenever somebody reads it elsewhere than where the last read ended (seq_file.c,
 * traverse()), and its descriptor is the same for all engines, because what it shows is decided when it is opened. Two
 * that read it at a time are forty times as slow as one: enough for one user to take the names from another. A copy
 * has no such state. It is made once, before the service is ready; a private daemon has one engine and no need of it.
 */
#include "daemon/monitor/kallsyms.h"

#include <errno.h>

#include "daemon/monitor/events.h"

#define FIRST_BYTES ((size_t)16 << 20)
#define MAX_BYTES ((size_t)256 << 20)

int kallsyms_copy(int from)
{
        CLEANUP_FREE char *text = NULL;
        size_t n = 0, size = 0;
        ssize_t got = 1;

        while (got > 0) {
                if (n == size) {
                        char *larger;

                        size = size == 0 ? FIRST_BYTES : size * 2;
                        larger = size <= MAX_BYTES ? realloc(text, size) : NULL;
                        if (larger == NULL)
                                return -ENOMEM;
                        text = larger;
                }
                got = pread(from, text + n, size - n, (off_t)n);
                n += got > 0 ? (size_t)got : 0;
        }
        return got < 0 ? -errno : make_sealed_file("faultline-kallsyms", text, n);
}
