/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that one thread unmaps and another one uses, which kills. Expectations say where the map was, where the access
 * is, and which thread unmapped it in which function.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target.h"

#define N_PAGES 32
#define N_REUSED 16

static char *area;
static atomic_int doer, go, is_done;

static void *unmap(void *data)
{
        (void)data;
        atomic_store(&doer, (int)syscall(SYS_gettid));
        while (!atomic_load(&go))
                (void)syscall(SYS_sched_yield);
        (void)touch_syscall(SYS_munmap, (long)area, N_PAGES * PAGE_BYTES, 0);
        atomic_store(&is_done, 1);
        while (atomic_load(&is_done))
                (void)syscall(SYS_pause);
        return NULL;
}

/* Between pages without rights, so that no other map is merged with it. */
static void begin(size_t at_page)
{
        pthread_t thread;
        char *hole = map_anon(3 * N_PAGES * PAGE_BYTES);

        area = hole + N_PAGES * PAGE_BYTES;
        if (mprotect(hole, N_PAGES * PAGE_BYTES, PROT_NONE) < 0 ||
            mprotect(area + N_PAGES * PAGE_BYTES, N_PAGES * PAGE_BYTES, PROT_NONE) < 0)
                target_fail("mprotect");
        if (pthread_create(&thread, NULL, unmap, NULL) != 0)
                target_fail("creating a thread");
        while (!atomic_load(&doer))
                (void)syscall(SYS_sched_yield);
        printf("{\"addr\":\"0x%lx\",\"start\":\"0x%lx\",\"end\":\"0x%lx\",\"reused_end\":\"0x%lx\",\"tid\":%d,"
               "\"code\":\"touch_syscall\"}\n",
               (unsigned long)(area + at_page * PAGE_BYTES), (unsigned long)area,
               (unsigned long)(area + N_PAGES * PAGE_BYTES), (unsigned long)(area + N_REUSED * PAGE_BYTES),
               atomic_load(&doer));
        target_gate();
        touch_write_each(area, N_PAGES, PAGE_BYTES);
        atomic_store(&go, 1);
        while (!atomic_load(&is_done))
                (void)syscall(SYS_sched_yield);
}

static void gone(void)
{
        begin(3);
        touch_write(area + 3 * PAGE_BYTES);
}

/* Half of it is other memory by now. */
static void reused(void)
{
        begin(N_REUSED + 3);
        (void)syscall(SYS_mmap, area, N_REUSED * PAGE_BYTES, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0L);
        touch_write_each(area, N_REUSED, PAGE_BYTES);
        touch_write(area + (N_REUSED + 3) * PAGE_BYTES);
}

const struct target_case target_cases[] = {{"gone", gone}, {"reused", reused}, {NULL, NULL}};
