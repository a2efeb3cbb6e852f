/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a process: PTRACE_SEIZE can block without end (a thread that executes a program waits for its siblings, a seized
 * sibling waits for us, and we wait for the lock that the first one holds), and only the death of the tracer resolves
 * it. So whoever must not block must not trace, and the tracer must be safe to kill.
 *
 * What makes it safe (ptrace(2), and measured): PTRACE_O_EXITKILL is never set, and the status of a stop is only looked
 * at, never taken (WNOWAIT). A taken signal-delivery-stop is a signal that exists nowhere but in us; one that is looked
 * at is delivered by the kernel when we die. Exits are taken, for they hold up the target's real parent.
 *
 * A stop of any kind is good enough: group-stop (the thread stays in it when we detach, __ptrace_unlink() in
 * kernel/ptrace.c), signal-delivery-stop (detached with its signal), PTRACE_EVENT_CLONE, and the one that
 * PTRACE_INTERRUPT brings. The list of threads is read until a pass adds none; threads born meanwhile are attached by
 * the kernel (PTRACE_O_TRACECLONE).
 */
#include "daemon/tracer/tracer.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/link/clock.h"
#include "daemon/link/link.h"

#define STOP_WAIT_NS (20 * NSEC_PER_MSEC) /* how long stopped threads wait for one that does not stop */
#define TRACER_HOLD_MS 500                /* how long all of them wait for the monitor */
#define MAX_PASSES 64

enum tracee_state { TRACEE_RUNNING, TRACEE_STOPPED, TRACEE_GONE };

struct tracee {
        pid_t tid;
        enum tracee_state state;
        int status; /* of the stop: signal, or event << 8 | SIGTRAP or the stopping signal */
};

struct tracer {
        int process;
        struct tracee *tracees;
        size_t n, n_room;
        uint64_t stop_deadline_ns; /* of all passes: 0 until the first threads have been told to stop */
        size_t n_refused;          /* threads that another tracer has, or that we may not have */
        int refused_errno;
};

static struct tracee *find_tracee(const struct tracer *tracer, pid_t tid)
{
        for (size_t i = 0; i < tracer->n; i++)
                if (tracer->tracees[i].tid == tid && tracer->tracees[i].state != TRACEE_GONE)
                        return &tracer->tracees[i];
        return NULL;
}

static int add_tracee(struct tracer *tracer, pid_t tid)
{
        if (tracer->n == tracer->n_room) {
                size_t n = tracer->n_room == 0 ? 64 : tracer->n_room * 2;
                struct tracee *grown = reallocarray(tracer->tracees, n, sizeof(*grown));

                if (grown == NULL)
                        return -ENOMEM;
                tracer->tracees = grown;
                tracer->n_room = n;
        }
        tracer->tracees[tracer->n++] = (struct tracee){.tid = tid};
        return 0;
}

/* State and TracerPid of a thread (proc_pid_status(5)). 0 or -errno. */
static int read_status(const struct tracer *tracer, pid_t tid, char *ret_state, pid_t *ret_tracer)
{
        char path[40], text[4096];
        int fd;

        (void)snprintf(path, sizeof(path), "task/%d/status", tid);
        fd = openat(tracer->process, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        ssize_t n = read(fd, text, sizeof(text) - 1);
        (void)close(fd);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        /* The name comes first and has its newlines escaped. */
        const char *state = strstr(text, "\nState:\t"), *by = strstr(text, "\nTracerPid:\t");
        if (state == NULL || by == NULL)
                return -EBADMSG;
        *ret_state = state[sizeof("\nState:\t") - 1];
        *ret_tracer = (pid_t)strtol(by + sizeof("\nTracerPid:\t") - 1, NULL, 10);
        return 0;
}

/* PTRACE_SEIZE was refused: the kernel attached it to us already, it is dead, or somebody else has it. */
static int judge_refusal(struct tracer *tracer, pid_t tid, int error)
{
        pid_t by = 0;
        char state = 0;

        if (error == ESRCH || read_status(tracer, tid, &state, &by) < 0 || state == 'Z' || state == 'X')
                return 0;
        if (by == getpid())
                return add_tracee(tracer, tid);
        tracer->n_refused++;
        tracer->refused_errno = by != 0 ? EBUSY : error;
        return 0;
}

static int attach(struct tracer *tracer, pid_t tid)
{
        int r;

        if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)(uintptr_t)PTRACE_O_TRACECLONE) < 0)
                return judge_refusal(tracer, tid, errno);
        r = add_tracee(tracer, tid);
        if (r < 0)
                return r;
        return ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 && errno != ESRCH ? -errno : 0;
}

/* Attach to what is new in the list of threads. Number of additions or -errno. */
static int attach_pass(struct tracer *tracer)
{
        int fd = openat(tracer->process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        size_t n_before = tracer->n;
        const struct dirent *entry;
        int r = 0;

        if (dir == NULL)
                return -errno;
        tracer->n_refused = 0;
        while (r == 0 && (entry = readdir(dir)) != NULL) {
                pid_t tid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;

                if (tid > 0 && find_tracee(tracer, tid) == NULL)
                        r = attach(tracer, tid);
        }
        (void)closedir(dir);
        return r < 0 ? r : (int)(tracer->n - n_before);
}

/* Look at a tracee that is not known to be stopped. */
static void look(struct tracee *tracee)
{
        siginfo_t info = {0};

        if (waitid(P_PID, (id_t)tracee->tid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL) < 0) {
                tracee->state = TRACEE_GONE; /* an exec took its id away */
                return;
        }
        if (info.si_pid == 0)
                return;
        if (info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED) {
                tracee->state = TRACEE_STOPPED;
                tracee->status = info.si_status;
        } else {
                (void)waitid(P_PID, (id_t)tracee->tid, &info, WEXITED | WNOHANG | __WALL);
                tracee->state = TRACEE_GONE;
        }
}

static size_t count_running(struct tracer *tracer)
{
        size_t n = 0;

        for (size_t i = 0; i < tracer->n; i++) {
                struct tracee *tracee = &tracer->tracees[i];

                if (tracee->state == TRACEE_RUNNING)
                        look(tracee);
                n += tracee->state == TRACEE_RUNNING;
        }
        return n;
}

/* Until all are stopped or STOP_WAIT_NS are over, of which all passes have only one. Every stop is announced by a
 * SIGCHLD, which is blocked and waited for. */
static size_t wait_for_stops(struct tracer *tracer)
{
        size_t n_running;
        sigset_t set;

        if (tracer->stop_deadline_ns == 0)
                tracer->stop_deadline_ns = monotonic_ns() + STOP_WAIT_NS;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        while ((n_running = count_running(tracer)) > 0) {
                uint64_t now = monotonic_ns();

                if (now >= tracer->stop_deadline_ns)
                        break;
                struct timespec left = {.tv_nsec = (long)(tracer->stop_deadline_ns - now)};
                (void)sigtimedwait(&set, NULL, &left);
        }
        return n_running;
}

/* Number of threads that did not stop, or -errno. */
static int stop_all(struct tracer *tracer)
{
        size_t n_running = 0;

        for (int pass = 0; pass < MAX_PASSES; pass++) {
                int n_new = attach_pass(tracer);

                if (n_new < 0 && n_new != -ENOENT && n_new != -ESRCH)
                        return n_new;
                n_running = wait_for_stops(tracer);
                if (n_new <= 0)
                        break;
        }
        return (int)(n_running + tracer->n_refused);
}

/* The signal that the stop would have delivered; a stop with an event, and group-stop, deliver none. */
static int signal_of_stop(int status)
{
        return (status >> 8) == 0 ? status : 0;
}

/* What did not stop is detached by our end, which comes next. */
static void let_go(struct tracer *tracer)
{
        for (size_t i = 0; i < tracer->n; i++) {
                const struct tracee *tracee = &tracer->tracees[i];

                if (tracee->state == TRACEE_STOPPED)
                        (void)ptrace(PTRACE_DETACH, tracee->tid, NULL,
                                     (void *)(uintptr_t)(unsigned int)signal_of_stop(tracee->status));
        }
}

static size_t count_stopped(const struct tracer *tracer)
{
        size_t n = 0;

        for (size_t i = 0; i < tracer->n; i++)
                n += tracer->tracees[i].state == TRACEE_STOPPED;
        return n;
}

static void hold(int link_fd)
{
        struct pollfd poll_fd = {.fd = link_fd, .events = POLLIN};

        (void)poll(&poll_fd, 1, TRACER_HOLD_MS);
}

int tracer_main(int link_fd, int process_fd)
{
        struct tracer tracer = {.process = process_fd};
        struct link_message message = {.type = LINK_TRACER_STOPPED};
        sigset_t set;
        int r;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return EXIT_FAILURE;
        r = stop_all(&tracer);
        message.tracer.n_threads = (uint32_t)count_stopped(&tracer);
        if (r < 0 || message.tracer.n_threads == 0) {
                message.type = LINK_TRACER_FAILED;
                message.tracer.error = r < 0                       ? -r
                                       : tracer.refused_errno != 0 ? tracer.refused_errno
                                       : tracer.n == 0             ? ESRCH
                                                                   : EAGAIN;
        } else {
                message.tracer.n_unstopped = (uint32_t)r;
        }
        if (link_send(link_fd, &message, NULL, 0) == 0 && message.type == LINK_TRACER_STOPPED)
                hold(link_fd);
        let_go(&tracer);
        free(tracer.tracees);
        return EXIT_SUCCESS;
}
