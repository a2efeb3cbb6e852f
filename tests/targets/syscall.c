/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults that the kernel takes on the program's behalf while it copies to or from user memory. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "target.h"

#define N_PAGES 32

static void read_into(void)
{
        char *p = map_anon(N_PAGES * PAGE_BYTES);
        int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                target_fail("opening /dev/zero");
        expect(&(struct expectation){.addr = p,
                                     .n = N_PAGES,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-fill",
                                     .access = "write",
                                     .mode = "kernel",
                                     .page_size = PAGE_BYTES,
                                     .caller = "touch_syscall"});
        target_gate();
        touch_syscall(SYS_read, fd, (long)p, N_PAGES * PAGE_BYTES);
        target_done();
}

/* The copy ends at the first page that nothing can be written to: EFAULT, no signal. */
static void read_into_nothing(void)
{
        char *p = map_anon(2 * PAGE_BYTES);
        int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

        if (fd < 0 || mprotect(p, PAGE_BYTES, PROT_READ) < 0)
                target_fail("setting the stage");
        expect(&(struct expectation){.addr = p,
                                     .cause = "access-denied",
                                     .access = "write",
                                     .mode = "kernel",
                                     .outcome = "failed",
                                     .caller = "touch_syscall"});
        target_gate();
        touch_syscall(SYS_read, fd, (long)p, 1);
        target_done();
}

const struct target_case target_cases[] = {{"read", read_into}, {"read-fails", read_into_nothing}, {NULL, NULL}};
