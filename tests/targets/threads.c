/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that exist at the attach, threads born later, threads that race. Their stacks are ours and populated, with
 * the thread's own data in them, so that neither creating nor running one faults.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target.h"

#define THREAD_STACK_BYTES (32UL << 10)
#define MAX_THREADS 1000
#define RACE_PAGES 4096
#define SPINS_BEFORE_YIELD 10000

struct worker {
        pthread_t thread;
        char *pages;
        size_t n_pages;
};

static struct worker workers[MAX_THREADS];
static pthread_barrier_t start, end;
static atomic_size_t n_arrived;

static void *touch_own(void *data)
{
        struct worker *w = data;

        touch_write_each(w->pages, w->n_pages, PAGE_BYTES);
        return NULL;
}

static void *wait_and_touch(void *data)
{
        (void)pthread_barrier_wait(&start);
        (void)touch_own(data);
        (void)pthread_barrier_wait(&end);
        return NULL;
}

static char *stacks(size_t n)
{
        char *p = map_aligned(n * THREAD_STACK_BYTES, FAULT_AROUND_BYTES, 0);

        (void)madvise(p, n * THREAD_STACK_BYTES, MADV_NOHUGEPAGE);
        target_populate(p, n * THREAD_STACK_BYTES, true);
        return p;
}

static void spawn(struct worker *w, char *stack, void *(*run)(void *))
{
        pthread_attr_t attr;

        if (pthread_attr_init(&attr) != 0 || pthread_attr_setstack(&attr, stack, THREAD_STACK_BYTES) != 0 ||
            pthread_create(&w->thread, &attr, run, w) != 0)
                target_fail("creating a thread");
        (void)pthread_attr_destroy(&attr);
}

static char *prepare(size_t n, size_t n_pages_each)
{
        char *pages = map_anon(n * n_pages_each * PAGE_BYTES);

        for (size_t i = 0; i < n; i++) {
                workers[i].pages = pages + i * n_pages_each * PAGE_BYTES;
                workers[i].n_pages = n_pages_each;
        }
        expect(&(struct expectation){.addr = pages,
                                     .n = n * n_pages_each,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-fill",
                                     .access = "write",
                                     .page_size = PAGE_BYTES,
                                     .code = "touch_write"});
        return pages;
}

static void open_barriers(size_t n)
{
        if (pthread_barrier_init(&start, NULL, (unsigned int)n) != 0 ||
            pthread_barrier_init(&end, NULL, (unsigned int)n) != 0)
                target_fail("pthread_barrier_init");
}

static void join_all(size_t n)
{
        for (size_t i = 0; i < n; i++)
                (void)pthread_join(workers[i].thread, NULL);
}

static void existing(void)
{
        size_t n = target_argument(500);
        char *stack = stacks(n);

        (void)prepare(n, 1);
        open_barriers(n + 1);
        for (size_t i = 0; i < n; i++)
                spawn(&workers[i], stack + i * THREAD_STACK_BYTES, wait_and_touch);
        target_populate_all_but(workers[0].pages, n * PAGE_BYTES);
        target_gate();
        (void)pthread_barrier_wait(&start);
        (void)pthread_barrier_wait(&end);
        target_done();
        join_all(n);
}

/* The rehearsal makes the library allocate what it keeps for threads. */
static void newborn(void)
{
        size_t n = target_argument(50);
        char *stack = stacks(n);

        for (size_t i = 0; i < n; i++)
                spawn(&workers[i], stack + i * THREAD_STACK_BYTES, touch_own);
        join_all(n);
        (void)prepare(n, 8);
        target_populate_all_but(workers[0].pages, n * 8 * PAGE_BYTES);
        target_gate();
        for (size_t i = 0; i < n; i++)
                spawn(&workers[i], stack + i * THREAD_STACK_BYTES, touch_own);
        join_all(n);
        target_done();
}

/* Each racer has a CPU of its own where there are two; they do not wait for each other's turn then. */
static void take_cpu(size_t index)
{
        cpu_set_t allowed, mine;

        if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
                return;
        CPU_ZERO(&mine);
        for (size_t cpu = 0, n = 0; cpu < CPU_SETSIZE; cpu++)
                if (CPU_ISSET(cpu, &allowed) && n++ == index)
                        CPU_SET(cpu, &mine);
        (void)sched_setaffinity(0, sizeof(mine), &mine);
}

/* Both wait at every page until the other has come, then touch it at once. */
static void *race_along(void *data)
{
        struct worker *w = data;

        for (size_t i = 0; i < RACE_PAGES; i++) {
                (void)atomic_fetch_add(&n_arrived, 1);
                for (size_t n_spins = 1; atomic_load(&n_arrived) < 2 * (i + 1); n_spins++)
                        if (n_spins % SPINS_BEFORE_YIELD == 0)
                                (void)sched_yield();
                touch_write(w->pages + i * PAGE_BYTES);
        }
        return NULL;
}

static void *wait_and_race(void *data)
{
        take_cpu((size_t)((struct worker *)data - workers));
        (void)pthread_barrier_wait(&start);
        (void)race_along(data);
        (void)pthread_barrier_wait(&end);
        return NULL;
}

/* Two threads write the same fresh pages at once: each page costs one fault at least and two at most. */
static void race(void)
{
        char *stack = stacks(1), *pages = prepare(1, RACE_PAGES);

        workers[1].pages = pages;
        open_barriers(2);
        spawn(&workers[0], stack, wait_and_race);
        target_populate_all_but(pages, RACE_PAGES * PAGE_BYTES);
        target_gate();
        (void)wait_and_race(&workers[1]);
        target_done();
        join_all(1);
}

static void wait_until_leader_is_gone(void)
{
        char path[64], text[512];
        const char *state = NULL;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)getpid());
        while (!state || strncmp(state, ") Z", 3) != 0) {
                FILE *f = fopen(path, "re");

                if (!f || !fgets(text, sizeof(text), f))
                        target_fail(path);
                (void)fclose(f);
                state = strrchr(text, ')');
        }
}

static void *work_alone(void *data)
{
        wait_until_leader_is_gone();
        target_gate();
        (void)touch_own(data);
        target_done();
        syscall(SYS_exit_group, 0);
        return NULL;
}

/* The first thread has ended: a zombie whose /proc/PID/maps is empty, while the process lives on. */
static void leaderless(void)
{
        char *stack = stacks(1), *pages = prepare(1, 64);

        target_populate_all_but(pages, 64 * PAGE_BYTES);
        spawn(&workers[0], stack, work_alone);
        syscall(SYS_exit, 0);
}

const struct target_case target_cases[] = {
        {"existing", existing}, {"newborn", newborn}, {"race", race}, {"leaderless", leaderless}, {NULL, NULL}};
