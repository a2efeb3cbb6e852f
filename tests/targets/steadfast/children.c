/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Children born and reaped, programs executed: each child ends exactly as it was told to, is reported once, and saw
 * the memory that its parent had. SIGCHLD comes once for each, because only one exists at a time.
 *
 * Through exec go the process id, what is pending, and the timers; the new program checks all three.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steadfast.h"

#define ROUND_REST_NS 1000000
#define STATUS_CHANGED 99
#define N_STATUSES 64
#define N_CARRIED 4
#define SIGNAL_CARRIED (SIGRTMIN + 7)
#define ALARM_SECONDS 100000

extern char **environ;
static _Atomic uint64_t n_sigchld;
static uint64_t n_children;

static void on_child(int signo, siginfo_t *info, void *context)
{
        (void)signo, (void)info, (void)context;
        count(COUNT_RECEIVED, 1);
        atomic_fetch_add(&n_sigchld, 1);
}

static void children_begin(void)
{
        on_signal(SIGCHLD, on_child);
}

static void reap(pid_t pid, int expected)
{
        int status = 0;
        pid_t r = waitpid(pid, &status, 0);

        n_children++;
        count(COUNT_CHILDREN, 1);
        count(COUNT_SENT, 1);
        if (r < 0 && errno == EINTR)
                count(COUNT_EINTR, 1);
        if (r != pid || status != expected)
                changed("waitpid said %d (%s), status 0x%x instead of 0x%x", (int)r, strerror(errno), status, expected);
        if (waitpid(-1, &status, WNOHANG) != -1 || errno != ECHILD)
                changed("there is one child more than there was");
        if (atomic_load(&n_sigchld) != n_children)
                changed("%llu children, %llu times SIGCHLD", (unsigned long long)n_children,
                        (unsigned long long)atomic_load(&n_sigchld));
}

static int exit_code(void)
{
        return (int)(n_children % N_STATUSES);
}

/* Its own copy of the memory may be rewritten by the child: the parent's must not show it. */
static _Noreturn void child_ends(int code)
{
        if (!state_holds())
                _exit(STATUS_CHANGED);
        state_scribble();
        _exit(code);
}

static void fork_round(void)
{
        int code = exit_code();
        pid_t pid;

        switch (n_children % 4) {
        case 0:
        case 1:
                pid = fork();
                if (pid == 0)
                        child_ends(code);
                reap(pid, code << 8);
                break;
        case 2:
                pid = fork();
                if (pid == 0) {
                        (void)kill(getpid(), SIGKILL);
                        _exit(STATUS_CHANGED);
                }
                reap(pid, SIGKILL);
                break;
        default: /* killed by the parent, wherever it is by then */
                pid = fork();
                if (pid == 0)
                        for (;;)
                                (void)pause();
                (void)kill(pid, SIGTERM);
                reap(pid, SIGTERM);
        }
        rest_ns(ROUND_REST_NS);
}

static void spawn_round(void)
{
        char code[8];
        char *const argv[] = {(char[]){"target_steadfast"}, (char[]){"exit"}, code, NULL};
        pid_t pid;

        (void)snprintf(code, sizeof(code), "%d", exit_code());
        switch (n_children % 3) {
        case 0:
                pid = vfork();
                if (pid == 0)
                        _exit(exit_code());
                break;
        case 1:
                pid = vfork();
                if (pid == 0) {
                        (void)execv(STEADFAST_PATH, argv);
                        _exit(STATUS_CHANGED);
                }
                break;
        default:
                errno = posix_spawn(&pid, STEADFAST_PATH, NULL, NULL, argv, environ);
                if (errno)
                        changed("posix_spawn: %s", strerror(errno));
        }
        reap(pid, exit_code() << 8);
        rest_ns(ROUND_REST_NS);
}

/* What the program before this one queued is pending; nothing else is. */
static void take_carried(void)
{
        const struct timespec now = {0, 0};
        sigset_t carried;
        siginfo_t info;

        (void)sigemptyset(&carried);
        (void)sigaddset(&carried, SIGNAL_CARRIED);
        for (uint64_t i = N_CARRIED; i > 0; i--) {
                uint64_t number = report->carried - i + 1;

                if (sigtimedwait(&carried, &info, &now) != SIGNAL_CARRIED) {
                        count(COUNT_LOST, 1);
                        changed("a signal queued before execve(2) is not pending behind it");
                } else if ((uintptr_t)info.si_value.sival_ptr != number)
                        changed("signals came through execve(2) in another order");
                else
                        count(COUNT_RECEIVED, 1);
        }
        if (sigtimedwait(&carried, &info, &now) != -1) {
                count(COUNT_DOUBLED, 1);
                changed("a signal came through execve(2) twice");
        }
}

static void execing_begin(void)
{
        struct itimerval timer = {.it_value.tv_sec = ALARM_SECONDS};
        sigset_t carried;

        if (counted(COUNT_EXECS) > 0) {
                take_carried();
                if (getitimer(ITIMER_REAL, &timer) < 0 || timer.it_value.tv_sec == 0)
                        changed("the timer did not come through execve(2)");
                return;
        }
        (void)sigemptyset(&carried);
        (void)sigaddset(&carried, SIGNAL_CARRIED);
        (void)sigprocmask(SIG_BLOCK, &carried, NULL);
        if (setitimer(ITIMER_REAL, &timer, NULL) < 0)
                changed("setitimer: %s", strerror(errno));
}

static void *execute_from_thread(void *data)
{
        execute_again();
        return data;
}

static void execing_round(void)
{
        pthread_t thread;

        rest_ns(ROUND_REST_NS);
        for (size_t i = 0; i < N_CARRIED; i++) {
                union sigval value = {.sival_ptr = (void *)(uintptr_t)++report->carried};

                count(COUNT_SENT, 1);
                if (sigqueue(getpid(), SIGNAL_CARRIED, value) < 0)
                        changed("sigqueue: %s", strerror(errno));
        }
        count(COUNT_ROUNDS, 1);
        if (count(COUNT_EXECS, 1) % 2 == 0)
                execute_again();
        else if (pthread_create(&thread, NULL, execute_from_thread, NULL) == 0)
                (void)pthread_join(thread, NULL);
        changed("execve: %s", strerror(errno));
}

const struct variant variant_forking = {"forking", children_begin, fork_round, NULL};
const struct variant variant_vforking = {"vforking", children_begin, spawn_round, NULL};
const struct variant variant_execing = {"execing", execing_begin, execing_round, NULL};
