/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An address space of very many maps: every second page of a range has other rights, so that none merge. */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target.h"

#define N_TOUCHED 512
#define N_MOVED 32

static void many(void)
{
        size_t n = target_argument(65000), stride = n / 2 / N_TOUCHED * 2 * PAGE_BYTES;
        char *p = map_anon(n * PAGE_BYTES);

        for (size_t i = 1; i < n; i += 2)
                if (mprotect(p + i * PAGE_BYTES, PAGE_BYTES, PROT_READ) < 0)
                        target_skip("the kernel allows no %zu maps (vm.max_map_count)", n);
        expect(&(struct expectation){.addr = p,
                                     .n = N_TOUCHED,
                                     .stride = stride,
                                     .cause = "zero-fill",
                                     .access = "write",
                                     .page_size = PAGE_BYTES,
                                     .code = "touch_write"});
        target_gate();
        touch_write_each(p, N_TOUCHED, stride);
        target_done();
}

/* Moved and grown without a word from the kernel: the moved half has its pages, the new half has none. */
static void moved(void)
{
        char *p = map_anon(N_MOVED * PAGE_BYTES), *to = map_anon(4 * N_MOVED * PAGE_BYTES);

        target_populate(p, N_MOVED * PAGE_BYTES, true);
        expect(&(struct expectation){.addr = to + N_MOVED * PAGE_BYTES,
                                     .n = N_MOVED,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-fill",
                                     .access = "write",
                                     .page_size = PAGE_BYTES,
                                     .code = "touch_write"});
        target_gate();
        (void)syscall(SYS_mremap, p, N_MOVED * PAGE_BYTES, 2 * N_MOVED * PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to);
        touch_write_each(to, 2 * N_MOVED, PAGE_BYTES);
        target_done();
}

/* Another kind of memory at the same address: what was there before must not be believed any more. */
static void replaced(void)
{
        char *p = map_anon(N_MOVED * PAGE_BYTES);

        expect(&(struct expectation){.addr = p,
                                     .n = N_MOVED,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-fill",
                                     .access = "write",
                                     .code = "touch_write"});
        expect(&(struct expectation){.addr = p,
                                     .n = N_MOVED,
                                     .stride = PAGE_BYTES,
                                     .cause = "shmem",
                                     .access = "write",
                                     .code = "touch_write"});
        target_gate();
        touch_write_each(p, N_MOVED, PAGE_BYTES);
        (void)syscall(SYS_mmap, p, N_MOVED * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
                      -1, 0L);
        touch_write_each(p, N_MOVED, PAGE_BYTES);
        target_done();
}

const struct target_case target_cases[] = {{"many", many}, {"moved", moved}, {"replaced", replaced}, {NULL, NULL}};
