/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages that lie in swap space: a zram device made for the test and removed after it, whose pages come back one at a
 * time and at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

#include "target.h"

#define N_PAGES 32
#define SWAP_BYTES (16UL << 20)
#define MAX_TRIES 1000
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)

static int device = -1;
static char path[64];

static int hot_add(void)
{
        int id = -1;
        FILE *f = fopen("/sys/class/zram-control/hot_add", "re");

        if (!f)
                target_skip("no zram device can be made: %s", strerror(errno));
        if (fscanf(f, "%d", &id) != 1)
                target_skip("no zram device can be made");
        (void)fclose(f);
        return id;
}

static void put(const char *file, unsigned long value)
{
        FILE *f = fopen(file, "we");

        if (!f || fprintf(f, "%lu", value) < 0 || fclose(f) != 0)
                target_fail(file);
}

/* The header of a version 1 swap area: include/linux/swap.h, union swap_header. */
static void write_swap_header(int fd)
{
        static union {
                char bytes[PAGE_BYTES];
                struct {
                        char boot[1024];
                        uint32_t version, last_page, n_bad;
                } info;
        } header;

        header.info.version = 1;
        header.info.last_page = SWAP_BYTES / PAGE_BYTES - 1;
        memcpy(header.bytes + PAGE_BYTES - 10, "SWAPSPACE2", 10);
        if (pwrite(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) || fsync(fd) < 0)
                target_fail("writing the swap header");
}

static void remove_swap(void)
{
        char file[96];

        if (device < 0)
                return;
        (void)swapoff(path);
        (void)snprintf(file, sizeof(file), "/sys/block/zram%d/reset", device);
        put(file, 1);
        put("/sys/class/zram-control/hot_remove", (unsigned long)device);
        device = -1;
}

static void add_swap(void)
{
        char file[96];
        int fd;

        device = hot_add();
        (void)snprintf(path, sizeof(path), "/dev/zram%d", device);
        (void)snprintf(file, sizeof(file), "/sys/block/zram%d/disksize", device);
        put(file, SWAP_BYTES);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                target_fail(path);
        write_swap_header(fd);
        (void)close(fd);
        if (swapon(path, 0) < 0) {
                int error = errno;

                remove_swap();
                target_skip("swapon: %s", strerror(error));
        }
}

static bool is_out(int pagemap, const char *page)
{
        uint64_t entry;
        unsigned char cached;

        if (pread(pagemap, &entry, sizeof(entry), (off_t)((uintptr_t)page / PAGE_BYTES * sizeof(entry))) !=
            (ssize_t)sizeof(entry))
                target_fail("reading pagemap");
        if (mincore((void *)(uintptr_t)page, PAGE_BYTES, &cached) < 0)
                target_fail("mincore");
        return (entry & PAGEMAP_SWAPPED) && !(cached & 1);
}

static bool all_out(int pagemap, const char *p)
{
        for (size_t i = 0; i < N_PAGES; i++)
                if (!is_out(pagemap, p + i * PAGE_BYTES))
                        return false;
        return true;
}

/* Reclaim skips what is in a CPU's batch just then: ask again, a bounded number of times. */
static void push_out(char *p)
{
        int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

        if (pagemap < 0)
                target_fail("opening pagemap");
        for (size_t i = 0; i < MAX_TRIES && !all_out(pagemap, p); i++)
                (void)madvise(p, N_PAGES * PAGE_BYTES, MADV_PAGEOUT);
        if (!all_out(pagemap, p)) {
                remove_swap();
                target_skip("the kernel keeps the pages in memory");
        }
        (void)close(pagemap);
}

static char *swapped_pages(void)
{
        char *p;

        add_swap();
        p = map_anon(N_PAGES * PAGE_BYTES);
        for (size_t i = 0; i < N_PAGES; i++)
                memset(p + i * PAGE_BYTES, (int)i + 1, PAGE_BYTES);
        push_out(p);
        return p;
}

static void expect_swap_in(const char *p, const char *access)
{
        expect(&(struct expectation){.addr = p,
                                     .n = N_PAGES,
                                     .stride = PAGE_BYTES,
                                     .cause = "swap-in",
                                     .evidence = "inferred",
                                     .access = access,
                                     .outcome = "major",
                                     .page_size = PAGE_BYTES,
                                     .code = access[0] == 'r' ? "touch_read" : "touch_write"});
}

static void swap_read(void)
{
        char *p = swapped_pages();

        expect_swap_in(p, "read");
        target_gate();
        touch_read_each(p, N_PAGES, PAGE_BYTES);
        target_done();
        remove_swap();
}

static void swap_write(void)
{
        char *p = swapped_pages();

        expect_swap_in(p, "write");
        target_gate();
        touch_write_each(p, N_PAGES, PAGE_BYTES);
        target_done();
        remove_swap();
}

const struct target_case target_cases[] = {{"read", swap_read}, {"write", swap_write}, {NULL, NULL}};
