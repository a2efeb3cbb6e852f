/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private anonymous memory, and the program's own data, whose symbols the tests compare. */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"

#define N_PAGES 64
#define N_DATA_PAGES 8

char live_bss[N_DATA_PAGES * PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));
char live_data[N_DATA_PAGES * PAGE_BYTES] __attribute__((aligned(PAGE_BYTES))) = {1};
const char live_rodata[N_DATA_PAGES * PAGE_BYTES] __attribute__((aligned(PAGE_BYTES))) = {1};

static void zero_fill(void)
{
        char *p = map_anon(N_PAGES * PAGE_BYTES);

        expect(&(struct expectation){.addr = p + 5,
                                     .n = N_PAGES,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-fill",
                                     .access = "write",
                                     .page_size = PAGE_BYTES,
                                     .code = "touch_write"});
        target_gate();
        touch_write_each(p + 5, N_PAGES, PAGE_BYTES);
        target_done();
}

/* A name that would colour a terminal, end a line and close a string. */
static void hostile_name(void)
{
        if (prctl(PR_SET_NAME, "\033[31m\"},\n\t\\") < 0)
                target_fail("prctl");
        zero_fill();
}

static void zero_page(void)
{
        char *p = map_anon(N_PAGES * PAGE_BYTES);

        expect(&(struct expectation){.addr = p,
                                     .n = N_PAGES,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-page",
                                     .access = "read",
                                     .page_size = PAGE_BYTES,
                                     .code = "touch_read"});
        target_gate();
        touch_read_each(p, N_PAGES, PAGE_BYTES);
        target_done();
}

/* A write to the zero page is a first touch as well: nothing is copied. */
static void zero_page_write(void)
{
        char *p = map_anon(N_PAGES * PAGE_BYTES);

        touch_read_each(p, N_PAGES, PAGE_BYTES);
        expect(&(struct expectation){.addr = p,
                                     .n = N_PAGES,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-fill",
                                     .access = "write",
                                     .page_size = PAGE_BYTES,
                                     .code = "touch_write"});
        target_gate();
        touch_write_each(p, N_PAGES, PAGE_BYTES);
        target_done();
}

static void drop(volatile void *p, size_t n_bytes)
{
        if (madvise((void *)(uintptr_t)p, n_bytes, MADV_DONTNEED) < 0)
                target_fail("dropping pages");
}

static void expect_data(const volatile char *p, const char *section, const char *symbol, const char *cause,
                        const char *access, size_t n)
{
        expect(&(struct expectation){.addr = p + 3,
                                     .n = n,
                                     .stride = PAGE_BYTES,
                                     .cause = cause,
                                     .access = access,
                                     .page_size = PAGE_BYTES,
                                     .section = section,
                                     .symbol = symbol,
                                     .offset = 3,
                                     .offset_stride = PAGE_BYTES});
}

/* .bss is zero-filled, .data copied from its file, .rodata read from it (one fault: the kernel maps the neighbours). */
static void symbols(void)
{
        volatile char *rodata = (volatile char *)(uintptr_t)live_rodata;

        drop(live_bss, sizeof(live_bss));
        drop(live_data, sizeof(live_data));
        drop(rodata, PAGE_BYTES);
        expect_data(live_bss, ".bss", "live_bss", "zero-fill", "write", N_DATA_PAGES);
        expect_data(live_data, ".data", "live_data", "file-cow", "write", N_DATA_PAGES);
        expect_data(rodata, ".rodata", "live_rodata", "file-minor", "read", 1);
        target_gate();
        touch_write_each(live_bss + 3, N_DATA_PAGES, PAGE_BYTES);
        touch_write_each(live_data + 3, N_DATA_PAGES, PAGE_BYTES);
        touch_read(rodata + 3);
        target_done();
}

#define FLOOD_PAGES 1024

static void expect_flood(const char *p, size_t n_pages, size_t times)
{
        if (n_pages && times)
                expect(&(struct expectation){.addr = p,
                                             .n = n_pages,
                                             .stride = PAGE_BYTES,
                                             .times = times,
                                             .cause = "zero-fill",
                                             .access = "write",
                                             .code = "touch_write"});
}

/* Very many faults, for tests of speed and loss: the argument is their number. */
static void flood(void)
{
        size_t n_left = target_argument(100000), n_rounds = n_left / FLOOD_PAGES, n_rest = n_left % FLOOD_PAGES;
        char *p = map_anon(FLOOD_PAGES * PAGE_BYTES);

        expect_flood(p, n_rest, n_rounds + 1);
        expect_flood(p + n_rest * PAGE_BYTES, FLOOD_PAGES - n_rest, n_rounds);
        target_gate();
        while (n_left) {
                size_t n_now = n_left < FLOOD_PAGES ? n_left : FLOOD_PAGES;

                touch_write_each(p, n_now, PAGE_BYTES);
                touch_syscall(SYS_madvise, (long)p, FLOOD_PAGES * PAGE_BYTES, MADV_DONTNEED);
                n_left -= n_now;
        }
        target_done();
}

/* Faults until it is killed. */
static void endless(void)
{
        char *p = map_anon(FLOOD_PAGES * PAGE_BYTES);

        target_gate();
        for (;;) {
                touch_write_each(p, FLOOD_PAGES, PAGE_BYTES);
                touch_syscall(SYS_madvise, (long)p, FLOOD_PAGES * PAGE_BYTES, MADV_DONTNEED);
        }
}

/* Ends by itself right after its faults. */
static void leave(void)
{
        size_t n = target_argument(N_PAGES);
        char *p = map_anon(n * PAGE_BYTES);

        expect(&(struct expectation){.addr = p,
                                     .n = n,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-fill",
                                     .access = "write",
                                     .code = "touch_write"});
        target_gate();
        touch_write_each(p, n, PAGE_BYTES);
        touch_syscall(SYS_exit_group, 0, 0, 0);
}

/* Pages that come without a fault: nothing to expect, the ledger calls them unseen. */
static void populate(void)
{
        char *p = map_anon(N_PAGES * PAGE_BYTES);

        target_gate();
        touch_syscall(SYS_madvise, (long)p, N_PAGES * PAGE_BYTES, MADV_POPULATE_WRITE);
        touch_write_each(p, N_PAGES, PAGE_BYTES);
        target_done();
}

const struct target_case target_cases[] = {
        {"zero-fill", zero_fill}, {"hostile-name", hostile_name},
        {"zero-page", zero_page}, {"zero-page-write", zero_page_write},
        {"symbols", symbols},     {"flood", flood},
        {"endless", endless},     {"leave", leave},
        {"populate", populate},   {NULL, NULL},
};
