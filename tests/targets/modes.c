/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * modes CASE: what the ways of getting hold of a target differ in, told by the target itself. A stop by ptrace is a
 * voluntary context switch, one exactly, for who does nothing else that may sleep. So what is counted here spins where
 * it waits, and shares its memory with its children, so that nobody waits for the lock of the address space.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target.h"

#define N_CHAINS 2
#define CHAIN_PAGES 512
#define BIRTHS_EACH_SIDE 4 /* of the beginning of the trace, in each chain at least */
#define N_EACH 100
#define CHILD_STACK_BYTES (64UL << 10)
#define STATUS 42
/* Where no loader puts anything. */
#define CHILD_AREA ((char *)0x320000000000)

extern char **environ;

static long n_switches(void)
{
        struct rusage usage;

        if (getrusage(RUSAGE_THREAD, &usage) < 0)
                target_fail("getrusage");
        return usage.ru_nvcsw;
}

/* --- a thread that nothing but a tracer stops, while another one waits at the gate --- */

static atomic_bool is_spinning, is_told, is_noted, is_over;

static void await_true(const atomic_bool *flag)
{
        while (!atomic_load(flag))
                (void)sched_yield();
}

static void *wait_for_test(void *data)
{
        await_true(&is_spinning);
        target_gate();
        atomic_store(&is_told, true);
        await_true(&is_noted);
        target_done();
        atomic_store(&is_over, true);
        return data;
}

static long count_switches_until(const atomic_bool *flag)
{
        long n = n_switches();

        while (!atomic_load(flag))
                ;
        return n_switches() - n;
}

static void spin(void)
{
        pthread_t waiter;
        long n_until_told, n_later;

        if (pthread_create(&waiter, NULL, wait_for_test, NULL) != 0)
                target_fail("creating a thread");
        atomic_store(&is_spinning, true);
        n_until_told = count_switches_until(&is_told);
        atomic_store(&is_noted, true);
        n_later = count_switches_until(&is_over);
        (void)pthread_join(waiter, NULL);
        printf("stops %ld\nlater %ld\n", n_until_told, n_later);
}

/*
 * --- threads that live for one fault and one birth. The faults of a chain are one after the other, page by page and
 * round again. ---
 */

static struct chain {
        char *pages;
        _Atomic size_t n_births;
        atomic_bool is_over;
} chains[N_CHAINS];

static void begin_link(struct chain *chain, void *(*run)(void *))
{
        pthread_attr_t attr;
        pthread_t thread;

        if (pthread_attr_init(&attr) != 0 || pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) != 0 ||
            pthread_create(&thread, &attr, run, chain) != 0)
                target_fail("creating a thread");
        (void)pthread_attr_destroy(&attr);
}

static void *run_link(void *data)
{
        struct chain *chain = data;
        char *page = chain->pages + atomic_fetch_add(&chain->n_births, 1) % CHAIN_PAGES * PAGE_BYTES;

        touch_write(page);
        if (madvise(page, PAGE_BYTES, MADV_DONTNEED) < 0)
                target_fail("madvise");
        if (atomic_load(&is_told))
                atomic_store(&chain->is_over, true);
        else
                begin_link(chain, run_link);
        return NULL;
}

static void await_more_births(struct chain *chain)
{
        size_t n = atomic_load(&chain->n_births);

        while (atomic_load(&chain->n_births) < n + BIRTHS_EACH_SIDE)
                (void)sched_yield();
}

static void births(void)
{
        for (size_t i = 0; i < N_CHAINS; i++) {
                chains[i].pages = map_anon(CHAIN_PAGES * PAGE_BYTES);
                printf("{\"addr\":\"0x%lx\",\"n\":%d,\"stride\":%lu}\n", (unsigned long)chains[i].pages, CHAIN_PAGES,
                       PAGE_BYTES);
        }
        for (size_t i = 0; i < N_CHAINS; i++)
                begin_link(&chains[i], run_link);
        for (size_t i = 0; i < N_CHAINS; i++)
                await_more_births(&chains[i]);
        target_gate();
        for (size_t i = 0; i < N_CHAINS; i++)
                await_more_births(&chains[i]);
        atomic_store(&is_told, true);
        for (size_t i = 0; i < N_CHAINS; i++)
                await_true(&chains[i].is_over);
        target_done();
        for (size_t i = 0; i < N_CHAINS; i++)
                printf("births %zu\n", atomic_load(&chains[i].n_births));
}

/* --- an end --- */

static void leave(void)
{
        target_gate();
        exit(STATUS);
}

/* --- a child of vfork maps memory in its parent, then executes a program that has another map at the same place --- */

static void map_child_area(int flags, int fd)
{
        if (mmap(CHILD_AREA, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, fd, 0) != CHILD_AREA)
                _exit(1);
}

static void other(void)
{
        int fd = memfd_create("other", MFD_CLOEXEC);

        if (fd < 0 || ftruncate(fd, 2 * PAGE_BYTES) < 0)
                _exit(1);
        map_child_area(MAP_SHARED, fd);
        touch_write(CHILD_AREA);
        _exit(0);
}

static void vfork_maps(void)
{
        char *const argv[] = {(char[]){"target_modes"}, (char[]){"other"}, NULL};
        int status;
        pid_t child;

        printf("{\"addr\":\"0x%lx\",\"n\":2,\"stride\":%lu}\n", (unsigned long)CHILD_AREA, PAGE_BYTES);
        target_gate();
        child = vfork();
        if (child < 0)
                target_fail("vfork");
        if (child == 0) {
                map_child_area(MAP_PRIVATE | MAP_ANONYMOUS, -1);
                touch_write(CHILD_AREA);
                (void)execve("/proc/self/exe", argv, environ);
                _exit(1);
        }
        if (waitpid(child, &status, 0) != child || status != 0)
                target_fail("the child");
        touch_write(CHILD_AREA + PAGE_BYTES);
        target_done();
        printf("child %d\n", (int)child);
}

/* --- the price of signals, threads and processes --- */

static char *child_stack;

static void on_signal(int signo)
{
        (void)signo;
}

static void send_signal(void)
{
        if (tgkill(getpid(), gettid(), SIGUSR1) < 0)
                target_fail("tgkill");
}

static int end_at_once(void *data)
{
        (void)data;
        return 0;
}

static pid_t must_clone(int flags)
{
        pid_t pid = clone(end_at_once, child_stack + CHILD_STACK_BYTES, CLONE_VM | flags, NULL);

        if (pid < 0)
                target_fail("clone");
        return pid;
}

static void start_thread(void)
{
        pid_t tid = must_clone(CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM);

        while (tgkill(getpid(), tid, 0) == 0)
                ;
}

static void start_process(void)
{
        pid_t pid = must_clone(SIGCHLD), reaped;

        do
                reaped = waitpid(pid, NULL, WNOHANG);
        while (reaped == 0);
        if (reaped != pid)
                target_fail("waitpid");
}

static void costs(void)
{
        static void (*const kinds[])(void) = {send_signal, start_thread, start_process};
        long n[sizeof(kinds) / sizeof(*kinds)];
        sigset_t blocked;

        child_stack = map_anon(CHILD_STACK_BYTES);
        target_populate(child_stack, CHILD_STACK_BYTES, true);
        /* The signals of the children would be a price of their own. */
        (void)sigemptyset(&blocked);
        (void)sigaddset(&blocked, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &blocked, NULL) < 0 || signal(SIGUSR1, on_signal) == SIG_ERR)
                target_fail("signals");
        target_gate();
        for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
                n[k] = n_switches();
                for (size_t i = 0; i < N_EACH; i++)
                        kinds[k]();
                n[k] = n_switches() - n[k];
        }
        target_done();
        printf("costs of %d: %ld %ld %ld\n", N_EACH, n[0], n[1], n[2]);
}

const struct target_case target_cases[] = {{"spin", spin},        {"births", births}, {"leave", leave},
                                           {"vfork", vfork_maps}, {"other", other},   {"costs", costs},
                                           {NULL, NULL}};
