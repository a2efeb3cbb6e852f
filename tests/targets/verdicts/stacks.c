/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stacks that are too small: of the process, of a thread, one of our own. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "verdicts.h"

#define STACK_LIMIT_BYTES (512UL << 10)
#define THREAD_STACK_BYTES (64UL << 10)
#define FRAME_BYTES 512

static volatile size_t deepest = SIZE_MAX;

ITS_OWN static size_t descend(size_t depth)
{
        volatile char room[FRAME_BYTES];

        __asm__ volatile("" : : "r"(room) : "memory"); /* all of it */
        room[0] = (char)depth;
        return depth < deepest ? descend(depth + 1) + (size_t)room[0] : 0;
}

static void recurse(const volatile void *p)
{
        (void)p;
        (void)descend(0);
}

static void expect_overflow(const char *code, const void *top)
{
        char extra[256];

        (void)snprintf(extra, sizeof(extra),
                       ",\"access\":\"write\",\"as_seen\":true,\"top\":\"0x%lx\",\"stack\":[\"descend\",\"descend\","
                       "\"descend\",\"descend\",\"descend\",\"descend\",\"descend\",\"descend\"]",
                       (unsigned long)top);
        strike_expect("SIGSEGV", code, "stack-overflow", extra);
}

/* Where the map ends that holds an address. */
static char *map_end(const void *addr)
{
        char line[512];
        unsigned long start, end, found = 0;
        FILE *maps = fopen("/proc/self/maps", "re");

        if (!maps)
                target_fail("opening /proc/self/maps");
        while (fgets(line, sizeof(line), maps))
                if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= (uintptr_t)addr && (uintptr_t)addr < end)
                        found = end;
        (void)fclose(maps);
        return (char *)found;
}

void main_stack(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_STACK, &limit) < 0)
                target_fail("getrlimit");
        limit.rlim_cur = STACK_LIMIT_BYTES;
        if (setrlimit(RLIMIT_STACK, &limit) < 0)
                target_fail("setrlimit");
        expect_overflow("SEGV_MAPERR", map_end(&limit));
        strike_catch();
        target_gate();
        strike_repeat(recurse, NULL);
        strike_finish();
}

static void *overflow_thread(void *data)
{
        char here;

        expect_overflow("SEGV_ACCERR", map_end(&here));
        strike_catch();
        target_gate();
        strike_repeat(recurse, NULL);
        strike_finish();
        return data;
}

void thread_stack(void)
{
        pthread_attr_t attr;
        pthread_t thread;

        if (pthread_attr_init(&attr) != 0 || pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES) != 0 ||
            pthread_create(&thread, &attr, overflow_thread, NULL) != 0)
                target_fail("creating a thread");
        (void)pthread_join(thread, NULL);
}

/* The stack pointer is the end of lonely pages, whose neighbour below has no rights: exact to the byte. */
static void push(const volatile void *p)
{
        struck_push((char *)(uintptr_t)p);
}

void own_stack(void)
{
        char *p = lonely_pages(16), extra[256];

        if (mprotect(p, PAGE_BYTES, PROT_NONE) < 0)
                target_fail("mprotect");
        (void)snprintf(extra, sizeof(extra),
                       ",\"addr\":\"0x%lx\",\"access\":\"write\",\"top\":\"0x%lx\",\"stack\":[\"struck_push\"]",
                       (unsigned long)(p + PAGE_BYTES - 8), (unsigned long)(p + 16 * PAGE_BYTES));
        strike_expect("SIGSEGV", "SEGV_ACCERR", "stack-overflow", extra);
        strike_catch();
        target_gate();
        strike_repeat(push, p + PAGE_BYTES);
        strike_finish();
}
