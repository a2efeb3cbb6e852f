/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The benchmark's fault-bound target: it maps anonymous memory, writes one byte to each page, unmaps it, and does
 * nothing else, so nearly all of its time is page faults. It waits for a byte on standard input before it starts, so
 * that whoever traces it has attached, and prints what the work alone took: its own start-up and end are not in it.
 *
 *   touch faults N [PAGES [DEPTH]]     N faults, PAGES (default 64) a round
 *   touch seconds S [PAGES [DEPTH]]    flat out for S seconds
 *
 * DEPTH: each page is touched so many calls down; each round on a path of its own, so that there are many call stacks.
 *
 * One line at the end: elapsed_ns, user_ns, system_ns, touched (pages), min_flt (the kernel's count for the same
 * stretch; a few more than touched where the program's own pages came in).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "proto/base.h"

#define DEFAULT_PAGES 64
#define MAX_PAGES (1u << 20)
#define MAX_DEPTH 1000

struct work {
        uint64_t n_faults; /* 0 = until time_ns */
        uint64_t time_ns;
        size_t n_pages;
        size_t page_bytes;
        size_t depth;
};

struct usage {
        uint64_t elapsed_ns;
        uint64_t user_ns;
        uint64_t system_ns;
        uint64_t min_flt;
};

static uint64_t now_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static uint64_t timeval_ns(const struct timeval *t)
{
        return (uint64_t)t->tv_sec * NSEC_PER_SEC + (uint64_t)t->tv_usec * NSEC_PER_USEC;
}

static struct usage usage_now(void)
{
        struct rusage r;

        (void)getrusage(RUSAGE_SELF, &r);
        return (struct usage){
                .elapsed_ns = now_ns(),
                .user_ns = timeval_ns(&r.ru_utime),
                .system_ns = timeval_ns(&r.ru_stime),
                .min_flt = (uint64_t)r.ru_minflt,
        };
}

/* Two calls that no compiler can make one of, so that the path shows in the return addresses. */
static __attribute__((noinline)) void touch_below(volatile char *page, size_t depth, uint64_t path)
{
        if (depth == 0) {
                *page = 1;
                return;
        }
        if (path & 1)
                touch_below(page, depth - 1, path >> 1);
        else
                touch_below(page, depth - 1, path >> 1 | UINT64_C(1) << 63);
        __asm__ volatile("" : : : "memory"); /* no tail call */
}

/* Touch n_pages fresh pages. 0 or -errno. */
static int touch_round(const struct work *work, size_t n_pages)
{
        static uint64_t path;
        size_t n_bytes = n_pages * work->page_bytes;
        char *pages = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (pages == MAP_FAILED)
                return -errno;
        for (size_t i = 0; i < n_pages && work->depth == 0; i++)
                *(volatile char *)(pages + i * work->page_bytes) = 1;
        for (size_t i = 0; i < n_pages && work->depth > 0; i++)
                touch_below(pages + i * work->page_bytes, work->depth, path);
        path++;
        return munmap(pages, n_bytes) < 0 ? -errno : 0;
}

static int do_work(const struct work *work, uint64_t *ret_touched)
{
        uint64_t end = now_ns() + work->time_ns;
        uint64_t touched = 0;

        while (work->n_faults ? touched < work->n_faults : now_ns() < end) {
                size_t n = work->n_pages;

                if (work->n_faults && work->n_faults - touched < n)
                        n = (size_t)(work->n_faults - touched);

                int r = touch_round(work, n);

                if (r < 0)
                        return r;
                touched += n;
        }
        *ret_touched = touched;
        return 0;
}

static int parse_number(const char *text, uint64_t max, uint64_t *ret)
{
        char *end;

        errno = 0;
        uintmax_t value = strtoumax(text, &end, 10);

        if (errno || *end || end == text || value == 0 || value > max)
                return -EINVAL;
        *ret = value;
        return 0;
}

static int parse_work(int argc, char **argv, struct work *ret)
{
        struct work work = {.n_pages = DEFAULT_PAGES, .page_bytes = (size_t)sysconf(_SC_PAGESIZE)};
        uint64_t amount, n_pages, depth;

        if (argc < 3 || argc > 5 || parse_number(argv[2], UINT64_MAX / NSEC_PER_SEC, &amount) < 0)
                return -EINVAL;
        if (strcmp(argv[1], "faults") == 0)
                work.n_faults = amount;
        else if (strcmp(argv[1], "seconds") == 0)
                work.time_ns = amount * NSEC_PER_SEC;
        else
                return -EINVAL;
        if (argc >= 4) {
                if (parse_number(argv[3], MAX_PAGES, &n_pages) < 0)
                        return -EINVAL;
                work.n_pages = (size_t)n_pages;
        }
        if (argc == 5) {
                if (parse_number(argv[4], MAX_DEPTH, &depth) < 0)
                        return -EINVAL;
                work.depth = (size_t)depth;
        }
        *ret = work;
        return 0;
}

/* A first round makes the program's own pages resident before anything is measured. */
static int warm_up(const struct work *work)
{
        (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
        (void)usage_now();
        return touch_round(work, 1);
}

int main(int argc, char **argv)
{
        struct work work;
        uint64_t touched = 0;
        char gate;
        int r;

        if (parse_work(argc, argv, &work) < 0) {
                (void)fprintf(stderr, "usage: touch faults|seconds N [PAGES [DEPTH]]\n");
                return 2;
        }
        r = warm_up(&work);
        if (r == 0 && read(STDIN_FILENO, &gate, 1) != 1)
                return 0; /* whoever holds the gate is gone */

        struct usage before = usage_now();

        if (r == 0)
                r = do_work(&work, &touched);
        if (r < 0) {
                (void)fprintf(stderr, "touch: cannot map memory: %s\n", strerror(-r));
                return 1;
        }

        struct usage after = usage_now();

        printf("elapsed_ns %" PRIu64 " user_ns %" PRIu64 " system_ns %" PRIu64 " touched %" PRIu64 " min_flt %" PRIu64
               "\n",
               after.elapsed_ns - before.elapsed_ns, after.user_ns - before.user_ns, after.system_ns - before.system_ns,
               touched, after.min_flt - before.min_flt);
        return 0;
}
