/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking without taking. waitid(2) with WNOWAIT leaves a stop as it is; taking it (wait_task_stopped() in
 * kernel/exit.c) zeroes the exit code in which the kernel keeps the signal, so a signal-delivery-stop that was taken is
 * a signal that exists nowhere but in us. PTRACE_CONT ends a stop that was never taken and leaves nothing behind: a
 * running thread has no stop to report. Hence:
 *
 *   signal-delivery-stop  never taken: when we die, the kernel delivers the signal
 *   event, group-stop     taken at once: they deliver nothing. PTRACE_EVENT_EXEC has to be: until then the kernel
 *                         refuses all requests after an exec by a thread that was not the leader
 *                         (looks_like_a_spurious_pid() in kernel/ptrace.c)
 *   end                   taken once it has been told: the real parent waits behind us
 *
 * What is held in a signal-delivery-stop would be the first thing that P_ALL shows for ever, so while there is one, and
 * only then, each tracee is asked for separately. P_ALL shows the thread that was attached last first, so one that
 * takes signals without a pause would hide all others: once a sweep has found more than one stop, a few of the others
 * are asked for after each. That costs a storm a few per cent, not a system call for each thread.
 *
 * A sweep goes on until nothing is to be seen, or hands over after SWEEP_STOPS because the monitor wants to be heard;
 * SIGCHLD only says that it is worth while, and it does not matter how many of them became one.
 */
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/link/clock.h"
#include "daemon/tracer/tracer_private.h"

#define SWEEP_STOPS 64
#define LOOKS_ASIDE 4

/* Data of PTRACE_GETEVENTMSG: a tid in our pid namespace. 0 = the thread was killed meanwhile. */
static pid_t event_message(pid_t tid)
{
        unsigned long message = 0;

        return ptrace(PTRACE_GETEVENTMSG, tid, NULL, &message) < 0 ? 0 : (pid_t)message;
}

/* Is it a thread of this process? tgkill(2) looks it up before it asks for permission, and costs a hundredth of /proc.
 */
static bool is_thread_of(pid_t tid, pid_t pid)
{
        return syscall(SYS_tgkill, pid, tid, 0) == 0 || errno == EPERM;
}

/* The process of a child that an event tells of; 0 = it has gone again. */
static pid_t process_of_child(const struct tracer *tracer, pid_t parent_tid, pid_t child_tid)
{
        const struct tracee *parent = tracees_find(&tracer->tracees, parent_tid);
        struct facts facts;

        if (parent != NULL && is_thread_of(child_tid, parent->pid))
                return parent->pid;
        return facts_of_tracee(child_tid, &facts) == 0 ? facts.pid : 0;
}

static void describe_event(const struct tracer *tracer, struct tracee_stop *stop, int event)
{
        bool is_birth = event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK;

        if (is_birth || event == PTRACE_EVENT_EXEC)
                stop->message = event_message(stop->tid);
        if (is_birth && stop->message != 0)
                stop->child_pid = process_of_child(tracer, stop->tid, stop->message);
}

/* A thread in its first stop, mostly one of the first process. */
static void describe_stranger(const struct tracer *tracer, struct tracee_stop *stop)
{
        struct facts facts;

        if (tracer->first_pid != 0 && is_thread_of(stop->tid, tracer->first_pid))
                stop->pid = tracer->first_pid;
        else if (facts_of_tracee(stop->tid, &facts) == 0)
                stop->pid = facts.pid;
}

static void handle_stop(struct tracer *tracer, const siginfo_t *info)
{
        struct tracee_stop stop = {.tid = info->si_pid, .status = info->si_status};
        int event = info->si_status >> 8;
        siginfo_t taken = {0};

        if (event != 0) {
                if (waitid(P_PID, (id_t)stop.tid, &taken, WSTOPPED | WNOHANG | __WALL) < 0 || taken.si_pid == 0)
                        return; /* killed meanwhile: its end comes next */
                describe_event(tracer, &stop, event);
        }
        if (tracees_find(&tracer->tracees, stop.tid) == NULL)
                describe_stranger(tracer, &stop);
        tracees_stop(&tracer->tracees, &stop);
}

/* As wait(2) puts it together. */
static int wait_status(const siginfo_t *info)
{
        if (info->si_code == CLD_EXITED)
                return (info->si_status & 0xff) << 8;
        return info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

/* Is it what we have seen already, and left? */
static bool is_held(const struct tracer *tracer, const siginfo_t *info)
{
        const struct tracee *tracee = tracees_find(&tracer->tracees, info->si_pid);

        return tracee != NULL && tracee->state == TRACEE_HELD && tracee->status == info->si_status;
}

/* Is there something new with this one, or (P_ALL) with any? Then it is dealt with. */
static bool look(struct tracer *tracer, idtype_t type, pid_t tid)
{
        siginfo_t info = {0};

        if (waitid(type, (id_t)tid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 || info.si_pid == 0)
                return false;
        tracees_time(&tracer->tracees, monotonic_ns());
        if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
                tracees_exit(&tracer->tracees, info.si_pid, wait_status(&info));
        else if (!is_held(tracer, &info))
                handle_stop(tracer, &info);
        else
                return false;
        tracer_act(tracer);
        return true;
}

/* The next ones of the round; n = all: each of them. Number of those with something new. */
static size_t look_around(struct tracer *tracer, size_t n)
{
        size_t n_new = 0;

        for (size_t i = 0; i < n; i++) {
                const struct tracee *next = tracees_round(&tracer->tracees, tracer->last_looked);

                if (next == NULL)
                        break;
                tracer->last_looked = next->tid;
                n_new += look(tracer, P_PID, next->tid);
        }
        return n_new;
}

bool stops_sweep(struct tracer *tracer)
{
        for (int n_stops = 0; n_stops < SWEEP_STOPS; n_stops++) {
                if (tracer->tracees.n_untaken > 0)
                        return look_around(tracer, tracer->tracees.n_tracees) == 0;
                if (!look(tracer, P_ALL, 0))
                        return true;
                if (n_stops > 0)
                        (void)look_around(tracer, LOOKS_ASIDE);
        }
        return false;
}
