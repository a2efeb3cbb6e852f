/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What holds a process: the barrier, and the exec that the monitor has to judge.
 *
 * The barrier is reached when every thread that is known has stopped, and then a reading of the list of threads has
 * proved that there are no others. That it shows no other proves nothing: the kernel goes on from the thread at which
 * it is, so where that one ends the list does, whoever comes after it (next_tid(), fs/proc/base.c), and one that was
 * shown may have ended, and have given birth, before it could be seized. What proves it is that the process has as many
 * threads as are known (else: UNKNOWN), none of which can go before we have taken its end. One that had not stopped
 * when the reading began may have been inside clone(2) already when it was seized, and what it then gives birth to is
 * not attached by the kernel: that takes another reading.
 *
 * A thread that does not stop (blocked in vfork(2), in one long system call) is late: it must not cost its siblings
 * more than TRACER_STOP_MS, so from then on it passes its stops as if there were no barrier. A leader that ended before
 * its threads never stops; only /proc tells (LOOK).
 *
 * No question stays open: a monitor that does not answer is one that has no time, and the target does not pay for it.
 */
#include "daemon/tracer/tracee_table.h"

#include <errno.h>

/* Of one barrier: threads that are late, or that always end before we have them, may go on making new ones, and it may
 * be all over. */
#define MAX_SCANS 64

static void scan(struct tracees *tracees, struct process *process)
{
        process->is_scanning = true;
        process->n_scans++;
        process->was_running = process->n_running > 0;
        process->n_new = 0;
        process->has_unknown = false;
        process->n_refused = 0;
        process->refused_errno = 0;
        tracees_act(tracees, TRACEE_SCAN, process->pid, 0);
}

static void begin_barrier(struct tracees *tracees, struct process *process)
{
        process->phase = PROCESS_STOPPING;
        process->wants_barrier = false;
        process->deadline_ns = 0;
        process->n_scans = 0;
        process->has_stopped = false;
        for (struct tracee *t = tracee_of_process(tracees, process->pid, 0); t != NULL;
             t = tracee_of_process(tracees, t->pid, t->tid)) {
                t->is_late = false;
                if (t->state == TRACEE_RUNNING)
                        tracees_act(tracees, TRACEE_INTERRUPT, t->pid, t->tid);
                process->has_stopped |= t->state == TRACEE_HELD || t->state == TRACEE_LISTENING;
        }
        scan(tracees, process);
}

static void ask_exec(struct tracees *tracees, struct process *process)
{
        process->phase = PROCESS_EXECED;
        process->has_execed = false;
        process->is_hidden = true;
        process->n_unanswered++;
        process->deadline_ns = tracees->now_ns + TRACER_EXEC_MS * NSEC_PER_MSEC;
        tracees_act(tracees, TRACEE_EXECED, process->pid, process->pid);
}

/* The question is over: the next one, or none. */
static void close_question(struct tracees *tracees, struct process *process)
{
        process->phase = PROCESS_FREE;
        if (process->has_execed && process->watches != 0)
                ask_exec(tracees, process);
        else if (process->wants_barrier)
                begin_barrier(tracees, process);
        else
                tracees_release(tracees, process->pid);
}

/* The threads that are stopped; the others are late from now on. */
static uint32_t divide(struct tracees *tracees, pid_t pid)
{
        uint32_t n_stopped = 0;

        for (struct tracee *t = tracee_of_process(tracees, pid, 0); t != NULL;
             t = tracee_of_process(tracees, pid, t->tid)) {
                t->is_late = t->state == TRACEE_RUNNING;
                n_stopped += t->state == TRACEE_HELD || t->state == TRACEE_LISTENING;
        }
        return n_stopped;
}

/* The scan was no proof. That is of no interest where some are known not to be stopped: it is said of them. */
static bool may_be_others(const struct process *process)
{
        return process->n_running + process->n_refused == 0 && (process->was_running || process->has_unknown);
}

/* In the middle of an exec neither the leader nor the thread that takes its place can be had. */
static bool may_be_more(const struct process *process)
{
        return process->n_new > 0 || may_be_others(process) || (process->n_tracees == 0 && process->refused_errno == 0);
}

/* Of those that did not stop, and may never have been seen, there is one at least. */
static uint32_t count_unstopped(const struct process *process)
{
        return MAX_OF(process->n_running + process->n_refused, (uint32_t)may_be_more(process));
}

static void conclude(struct tracees *tracees, struct process *process)
{
        uint32_t n_stopped = divide(tracees, process->pid);
        struct tracee_action *action;

        if (n_stopped == 0) {
                tracees_act(tracees, TRACEE_FAILED, process->pid, 0)->error = process->refused_errno != 0
                                                                                      ? process->refused_errno
                                                                              : process->n_tracees == 0 ? ESRCH
                                                                                                        : EAGAIN;
                close_question(tracees, process);
                return;
        }
        process->phase = PROCESS_STOPPED;
        process->deadline_ns = tracees->now_ns + TRACER_HOLD_MS * NSEC_PER_MSEC;
        process->n_unanswered++;
        action = tracees_act(tracees, TRACEE_STOPPED, process->pid, 0);
        action->n_threads = n_stopped;
        action->n_unstopped = count_unstopped(process);
}

void question_check(struct tracees *tracees, pid_t pid)
{
        struct process *process = process_find(tracees, pid);
        const struct tracee *leader;

        if (process == NULL || process->phase != PROCESS_STOPPING || process->is_scanning)
                return;
        if (process->n_running > 0 && tracees->now_ns < process->deadline_ns) {
                leader = tracee_find(tracees, pid);
                if (process->n_running == 1 && leader != NULL && leader->state == TRACEE_RUNNING)
                        tracees_act(tracees, TRACEE_LOOK, pid, pid);
                return;
        }
        if (may_be_more(process) && process->n_scans < MAX_SCANS)
                scan(tracees, process);
        else
                conclude(tracees, process);
}

void tracees_barrier(struct tracees *tracees, pid_t pid)
{
        struct process *process = process_add(tracees, pid);

        if (process == NULL)
                return;
        if (process->phase == PROCESS_FREE)
                begin_barrier(tracees, process);
        else
                process->wants_barrier = true;
}

void tracees_seized(struct tracees *tracees, pid_t tid, pid_t pid)
{
        struct process *process;

        if (tracee_add(tracees, tid, pid, TRACEE_SEIZE_OPTIONS) == NULL)
                return;
        process = process_find(tracees, pid);
        process->n_new++;
        tracees_act(tracees, TRACEE_INTERRUPT, pid, tid);
}

void tracees_refused(struct tracees *tracees, pid_t pid, int error)
{
        struct process *process = process_find(tracees, pid);

        if (process == NULL)
                return;
        process->n_refused++;
        process->refused_errno = error;
}

void tracees_unknown(struct tracees *tracees, pid_t pid)
{
        struct process *process = process_find(tracees, pid);

        if (process != NULL)
                process->has_unknown = true;
}

void tracees_scanned(struct tracees *tracees, pid_t pid, int error)
{
        struct process *process = process_find(tracees, pid);

        if (process == NULL || !process->is_scanning)
                return;
        process->is_scanning = false;
        if (process->deadline_ns == 0)
                process->deadline_ns =
                        tracees->now_ns + (process->has_stopped ? TRACER_STOP_MS : TRACER_FIRST_MS) * NSEC_PER_MSEC;
        if (error != 0)
                process->refused_errno = error;
        question_check(tracees, pid);
        process_forget_if_empty(tracees, pid);
}

void tracees_zombie(struct tracees *tracees, pid_t tid)
{
        struct tracee *tracee = tracee_find(tracees, tid);

        if (tracee == NULL || tracee->state != TRACEE_RUNNING)
                return;
        tracee_set_state(tracees, tracee, TRACEE_ZOMBIE);
        question_check(tracees, tracee->pid);
}

void question_stop(const struct tracees *tracees, struct process *process)
{
        if (process->phase != PROCESS_STOPPING || process->has_stopped)
                return;
        process->has_stopped = true;
        if (process->deadline_ns != 0)
                process->deadline_ns = MIN_OF(process->deadline_ns, tracees->now_ns + TRACER_STOP_MS * NSEC_PER_MSEC);
}

void question_exec(struct tracees *tracees, struct process *process)
{
        if (process->phase != PROCESS_FREE)
                process->has_execed = true;
        else if (process->watches != 0)
                ask_exec(tracees, process);
}

void tracees_go(struct tracees *tracees, pid_t pid)
{
        struct process *process = process_find(tracees, pid);

        if (process == NULL || process->n_unanswered == 0 || --process->n_unanswered > 0)
                return;
        process->is_hidden = false;
        if (process->phase == PROCESS_STOPPED || process->phase == PROCESS_EXECED)
                close_question(tracees, process);
}

void question_time(struct tracees *tracees)
{
        pid_t pid = 0;

        for (size_t i = 0; i < tracees->n_processes; i++) {
                struct process *process = &tracees->processes[i];

                pid = process->pid;
                if (process->phase == PROCESS_STOPPING)
                        question_check(tracees, pid);
                else if (process->phase != PROCESS_FREE && tracees->now_ns >= process->deadline_ns)
                        close_question(tracees, process);
                i -= i < tracees->n_processes && tracees->processes[i].pid != pid; /* forgotten meanwhile */
        }
}
