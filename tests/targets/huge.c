/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages of 2 MiB: transparent ones, and those of hugetlbfs, which are set aside for the test and given back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "target.h"

#define N_PAGES 4
#define POOL "/proc/sys/vm/nr_hugepages"
#define THP "/sys/kernel/mm/transparent_hugepage/enabled"

static void expect_huge(const char *p, const char *cause)
{
        expect(&(struct expectation){.addr = p + 12345,
                                     .n = N_PAGES,
                                     .stride = HUGE_BYTES,
                                     .cause = cause,
                                     .access = "write",
                                     .page_size = HUGE_BYTES,
                                     .code = "touch_write"});
}

static void transparent(void)
{
        char mode[128] = "", *p;
        FILE *f = fopen(THP, "re");

        if (!f || !fgets(mode, sizeof(mode), f) || strstr(mode, "[never]"))
                target_skip("no transparent huge pages here (%s)", THP);
        (void)fclose(f);
        p = map_aligned(N_PAGES * HUGE_BYTES, HUGE_BYTES, 0);
        if (madvise(p, N_PAGES * HUGE_BYTES, MADV_HUGEPAGE) < 0)
                target_fail("asking for huge pages");
        expect_huge(p, "zero-fill");
        target_gate();
        touch_write_each(p + 12345, N_PAGES, HUGE_BYTES);
        touch_write_each(p, N_PAGES * HUGE_BYTES / PAGE_BYTES, PAGE_BYTES);
        target_done();
}

static long pool_get(void)
{
        long n = -1;
        FILE *f = fopen(POOL, "re");

        if (!f || fscanf(f, "%ld", &n) != 1)
                target_skip("no pool of huge pages here (%s)", POOL);
        (void)fclose(f);
        return n;
}

static void pool_set(long n)
{
        FILE *f = fopen(POOL, "we");

        if (!f || fprintf(f, "%ld", n) < 0 || fclose(f) != 0)
                target_skip("cannot set %s: %s", POOL, strerror(errno));
}

static void hugetlb(void)
{
        long n_before = pool_get();
        char *p;

        pool_set(n_before + N_PAGES);
        if (pool_get() < n_before + N_PAGES) {
                pool_set(n_before);
                target_skip("the kernel has no %d free pages of 2 MiB", N_PAGES);
        }
        p = map_aligned(N_PAGES * HUGE_BYTES, HUGE_BYTES, MAP_HUGETLB | (21 << MAP_HUGE_SHIFT));
        expect_huge(p, "hugetlb");
        target_gate();
        touch_write_each(p + 12345, N_PAGES, HUGE_BYTES);
        target_done();
        (void)munmap(p, N_PAGES * HUGE_BYTES);
        pool_set(n_before);
}

const struct target_case target_cases[] = {{"thp", transparent}, {"hugetlb", hugetlb}, {NULL, NULL}};
