/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The benchmark's targets for what ptrace costs: how long a thread stands still, and what signals, threads and children
 * cost while somebody holds the process.
 *
 *   held gaps THREADS       one thread spins and looks at the clock, the others sleep. For each line of standard input
 *                           the largest gap since the last one is printed, ns: how long it did not run.
 *   held signals N          N signals to itself, handled; waits for a byte on standard input, prints the time of all,
 * ns held threads N          N threads created and joined, the same way held forks N            N children forked and
 * reaped, the same way
 */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/base.h"

static _Atomic uint64_t largest_gap_ns;
static volatile sig_atomic_t n_handled;

static uint64_t now_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static void *sleep_for_ever(void *unused)
{
        for (;;)
                (void)pause();
        return unused;
}

_Noreturn static void *spin(void *unused)
{
        uint64_t last_ns = now_ns();

        (void)unused;
        for (;;) {
                uint64_t ns = now_ns();

                if (ns - last_ns > atomic_load(&largest_gap_ns))
                        atomic_store(&largest_gap_ns, ns - last_ns);
                last_ns = ns;
        }
}

/*
 * The spinning thread cannot read, the first thread answers for it. A target with one thread has nobody to answer: it
 * looks for a question itself, now and then, and does not count the time that this takes.
 */
static bool is_asked(void)
{
        struct pollfd poll_fd = {.fd = STDIN_FILENO, .events = POLLIN};

        return poll(&poll_fd, 1, 0) > 0;
}

static int answer(uint64_t gap_ns)
{
        char question;

        if (read(STDIN_FILENO, &question, 1) != 1)
                return -1;
        (void)printf("%" PRIu64 "\n", gap_ns);
        (void)fflush(stdout);
        return 0;
}

static int answer_alone(void)
{
        uint64_t last_ns = now_ns(), largest_ns = 0;

        for (unsigned int i = 1;; i++) {
                uint64_t ns = now_ns();

                largest_ns = MAX_OF(largest_ns, ns - last_ns);
                if (i % 4096 == 0 && is_asked()) {
                        if (answer(largest_ns) < 0)
                                return EXIT_SUCCESS;
                        largest_ns = 0;
                        ns = now_ns();
                }
                last_ns = ns;
        }
}

static int answer_gaps(unsigned long n_threads)
{
        pthread_t thread;

        if (n_threads == 1)
                return answer_alone();
        for (unsigned long i = 1; i < n_threads; i++)
                if (pthread_create(&thread, NULL, i == 1 ? spin : sleep_for_ever, NULL) != 0)
                        return EXIT_FAILURE;
        for (struct pollfd poll_fd = {.fd = STDIN_FILENO, .events = POLLIN}; poll(&poll_fd, 1, -1) == 1;)
                if (answer(atomic_exchange(&largest_gap_ns, 0)) < 0)
                        break;
        return EXIT_SUCCESS;
}

static void on_signal(int sig)
{
        (void)sig;
        n_handled++;
}

static void do_signal(void)
{
        (void)raise(SIGUSR1);
}

static void *do_nothing(void *unused)
{
        return unused;
}

static void do_thread(void)
{
        pthread_t thread;

        if (pthread_create(&thread, NULL, do_nothing, NULL) != 0)
                abort();
        (void)pthread_join(thread, NULL);
}

static void do_fork(void)
{
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        if (pid < 0 || waitpid(pid, NULL, 0) != pid)
                abort();
}

static int repeat(void (*work)(void), unsigned long n)
{
        uint64_t start_ns;
        char gate;

        if (read(STDIN_FILENO, &gate, 1) != 1)
                return EXIT_FAILURE;
        start_ns = now_ns();
        for (unsigned long i = 0; i < n; i++)
                work();
        (void)printf("%" PRIu64 "\n", now_ns() - start_ns);
        (void)fflush(stdout);
        return work != do_signal || (unsigned long)n_handled == n ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
        unsigned long n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
        struct sigaction action = {.sa_handler = on_signal};

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (n == 0 || sigaction(SIGUSR1, &action, NULL) < 0) {
                (void)fprintf(stderr, "usage: held gaps|signals|threads|forks N\n");
                return 2;
        }
        if (strcmp(argv[1], "gaps") == 0)
                return answer_gaps(n);
        if (strcmp(argv[1], "signals") == 0)
                return repeat(do_signal, n);
        if (strcmp(argv[1], "threads") == 0)
                return repeat(do_thread, n);
        return strcmp(argv[1], "forks") == 0 ? repeat(do_fork, n) : 2;
}
