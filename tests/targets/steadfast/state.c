/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every variant has and checks in each round: memory of three kinds that follows from a seed, and descriptors.
 * Memory is rewritten all the time, so that a page that was copied, dropped or written by somebody else shows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "steadfast.h"

#define PRIVATE_PAGES 32
#define SHARED_PAGES 8
#define PROTECTED_PAGES 16
#define N_REGIONS 3
#define N_FDS 64
#define NSEC 1000000000ULL

struct report *report;

static struct region {
        uint64_t *words;
        size_t n_bytes;
        uint64_t seed;
        bool is_protected; /* readable only, but while it is written */
} regions[N_REGIONS];
static size_t next_region;
static uint64_t open_fds;

void changed(const char *format, ...)
{
        int saved = errno;
        va_list args;

        if (!atomic_exchange(&report->changed, true)) {
                va_start(args, format);
                (void)vsnprintf(report->what, sizeof(report->what), format, args);
                va_end(args);
        }
        errno = saved;
}

uint64_t count(enum count which, uint64_t n)
{
        return atomic_fetch_add(&report->n[which], n) + n;
}

uint64_t counted(enum count which)
{
        return atomic_load(&report->n[which]);
}

bool told_to_stop(void)
{
        return atomic_load(&report->stop);
}

uint64_t now_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * NSEC + (uint64_t)t.tv_nsec;
}

void rest_ns(uint64_t ns)
{
        struct timespec t = {.tv_sec = (time_t)(ns / NSEC), .tv_nsec = (long)(ns % NSEC)};
        uint64_t begin = now_ns(), slept;
        int r = nanosleep(&t, NULL);

        slept = now_ns() - begin;
        if (r < 0) {
                count(COUNT_EINTR, 1);
                changed("nanosleep: %s", strerror(errno));
        } else if (slept < ns)
                changed("nanosleep of %llu ns returned after %llu", (unsigned long long)ns, (unsigned long long)slept);
}

static uint64_t next_word(uint64_t x)
{
        x ^= x << 13;
        x ^= x >> 7;
        return x ^ x << 17;
}

static void region_write(struct region *region, uint64_t seed)
{
        uint64_t x = seed;

        if (region->is_protected && mprotect(region->words, region->n_bytes, PROT_READ | PROT_WRITE) < 0)
                changed("mprotect: %s", strerror(errno));
        for (size_t i = 0; i < region->n_bytes / sizeof(x); i++)
                region->words[i] = x = next_word(x);
        region->seed = seed;
        if (region->is_protected && mprotect(region->words, region->n_bytes, PROT_READ) < 0)
                changed("mprotect: %s", strerror(errno));
}

static bool region_holds(const struct region *region)
{
        uint64_t x = region->seed;

        for (size_t i = 0; i < region->n_bytes / sizeof(x); i++)
                if (region->words[i] != (x = next_word(x)))
                        return false;
        return true;
}

bool state_holds(void)
{
        for (size_t i = 0; i < N_REGIONS; i++)
                if (!region_holds(&regions[i]))
                        return false;
        return true;
}

void state_scribble(void)
{
        region_write(&regions[0], regions[0].seed + 2);
        region_write(&regions[2], regions[2].seed + 2);
}

static uint64_t list_fds(void)
{
        uint64_t fds = 0;

        for (int fd = 0; fd < N_FDS; fd++)
                if (fcntl(fd, F_GETFD) >= 0)
                        fds |= 1ULL << fd;
        return fds;
}

static void region_make(struct region *region, size_t n_pages, int flags, bool is_protected)
{
        region->n_bytes = n_pages * PAGE_BYTES;
        region->is_protected = is_protected;
        region->words = mmap(NULL, region->n_bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
        if (region->words == MAP_FAILED)
                changed("mmap: %s", strerror(errno));
        else
                region_write(region, (uintptr_t)region->words | 1);
}

void state_begin(void)
{
        region_make(&regions[0], PRIVATE_PAGES, MAP_PRIVATE, false);
        region_make(&regions[1], SHARED_PAGES, MAP_SHARED, false);
        region_make(&regions[2], PROTECTED_PAGES, MAP_PRIVATE, true);
        open_fds = list_fds();
}

void state_check(void)
{
        struct region *region = &regions[next_region++ % N_REGIONS];

        if (!state_holds())
                changed("memory differs from what was written to it");
        if (list_fds() != open_fds)
                changed("other descriptors are open than before");
        region_write(region, next_word(region->seed));
}
