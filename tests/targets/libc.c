/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* System calls through the C library: the caller of a kernel-mode fault is the library's function. */
#include <fcntl.h>
#include <unistd.h>

#include "target.h"

#define N_PAGES 16

static void read_zeros(void)
{
        char *p = map_anon(N_PAGES * PAGE_BYTES);
        int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                target_fail("opening /dev/zero");
        if (read(fd, &(char){0}, 1) != 1) /* the address of read() is found now, not while traced */
                target_fail("reading /dev/zero");
        expect(&(struct expectation){.addr = p,
                                     .n = N_PAGES,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-fill",
                                     .access = "write",
                                     .mode = "kernel",
                                     .page_size = PAGE_BYTES,
                                     .caller = "read|__read|__GI___libc_read|__libc_read",
                                     .caller_image = "libc.so.6"});
        target_gate();
        if (read(fd, p, N_PAGES * PAGE_BYTES) != (ssize_t)(N_PAGES * PAGE_BYTES))
                _exit(1);
        target_done();
}

const struct target_case target_cases[] = {{"read", read_zeros}, {NULL, NULL}};
