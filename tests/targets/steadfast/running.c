/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Variants that compute: registers that hold, threads that come and go, stops that hold everything up and nothing
 * else, and a handler that repairs what it is called for, as the write barrier of a garbage collector does.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "steadfast.h"

#define N_SPINS 200000
#define N_THREADS 4
#define N_BARRIER_PAGES 64
#define ROUND_REST_NS 1000000
#define BARRIER_REST_NS 5000000
#define N_LONG_THREADS 2

static void spin(void)
{
        errno = EXDEV;
        if (steadfast_spin(N_SPINS) != 0)
                changed("a register does not hold what was put into it");
        if (errno != EXDEV)
                changed("errno changed without a system call");
}

/* --- threads --- */

static __thread uint64_t of_thread;

static void *thread_run(void *data)
{
        of_thread = (uintptr_t)data;
        if (steadfast_spin(1000) != 0)
                changed("a register of a new thread does not hold what was put into it");
        return (void *)(uintptr_t)(of_thread * 3);
}

static void threads_round(void)
{
        pthread_t threads[N_THREADS];

        for (uintptr_t i = 0; i < N_THREADS; i++)
                if (pthread_create(&threads[i], NULL, thread_run, (void *)(i + 1)) != 0)
                        changed("creating a thread");
        for (uintptr_t i = 0; i < N_THREADS; i++) {
                void *result = NULL;

                if (pthread_join(threads[i], &result) != 0 || (uintptr_t)result != (i + 1) * 3)
                        changed("a thread returned another value than its own");
                count(COUNT_THREADS, 1);
        }
        rest_ns(ROUND_REST_NS);
}

/* --- stopped: three threads that go on, and a handler for SIGCONT --- */

static pthread_t long_threads[N_LONG_THREADS];

static void *go_on(void *data)
{
        while (!told_to_stop()) {
                spin();
                count(COUNT_ROUNDS, 1);
                (void)poll(NULL, 0, 1); /* which SIGCONT's handler may end */
        }
        return data;
}

static void on_continue(int signo, siginfo_t *info, void *context)
{
        (void)signo, (void)info, (void)context;
        count(COUNT_RECEIVED, 1);
}

static void stopped_begin(void)
{
        on_signal(SIGCONT, on_continue);
        for (size_t i = 0; i < N_LONG_THREADS; i++)
                if (pthread_create(&long_threads[i], NULL, go_on, NULL) != 0)
                        changed("creating a thread");
}

static void stopped_end(void)
{
        for (size_t i = 0; i < N_LONG_THREADS; i++)
                (void)pthread_join(long_threads[i], NULL);
}

/* --- repairing --- */

static char *barrier;
static _Atomic uint64_t n_repairs;
static const char *volatile expected_address;

static void on_fault(int signo, siginfo_t *info, void *context)
{
        int saved = errno;

        (void)context;
        if (signo != SIGSEGV || info->si_code != SEGV_ACCERR || info->si_addr != expected_address)
                changed("the handler was called for code %d at %p instead of %p", info->si_code, info->si_addr,
                        (const void *)expected_address);
        if (mprotect(barrier + ((char *)info->si_addr - barrier) / PAGE_BYTES * PAGE_BYTES, PAGE_BYTES,
                     PROT_READ | PROT_WRITE) < 0)
                changed("mprotect in the handler: %s", strerror(errno));
        atomic_fetch_add(&n_repairs, 1);
        count(COUNT_REPAIRS, 1);
        errno = saved;
}

static void repairing_begin(void)
{
        on_signal(SIGSEGV, on_fault);
        barrier = mmap(NULL, N_BARRIER_PAGES * PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (barrier == MAP_FAILED)
                changed("mmap: %s", strerror(errno));
}

static void repairing_round(void)
{
        static uint64_t n_written;

        if (mprotect(barrier, N_BARRIER_PAGES * PAGE_BYTES, PROT_READ) < 0)
                changed("mprotect: %s", strerror(errno));
        for (size_t i = 0; i < N_BARRIER_PAGES; i++) {
                char *p = barrier + i * PAGE_BYTES + n_written % PAGE_BYTES;

                expected_address = p;
                *(volatile char *)p = (char)++n_written;
                if (*(volatile char *)p != (char)n_written || atomic_load(&n_repairs) != n_written)
                        changed("%llu writes, %llu repairs", (unsigned long long)n_written,
                                (unsigned long long)atomic_load(&n_repairs));
        }
        rest_ns(BARRIER_REST_NS);
}

const struct variant variant_running = {"running", NULL, spin, NULL};
const struct variant variant_threads = {"threads", NULL, threads_round, NULL};
const struct variant variant_stopped = {"stopped", stopped_begin, spin, stopped_end};
const struct variant variant_repairing = {"repairing", repairing_begin, repairing_round, NULL};
