/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What to do at a stop. There are four kinds, by waitid(2)'s si_status (ptrace(2)):
 *
 *   signal               signal-delivery-stop: goes on with PTRACE_CONT and the same signal
 *   EVENT_STOP, job      group-stop (SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU): PTRACE_LISTEN keeps it stopped for its parent
 *   EVENT_STOP, SIGTRAP  first stop of a thread that the kernel attached, PTRACE_INTERRUPT, end of a group-stop
 *   another event        on with PTRACE_CONT; a clone, fork or exec changes who there is
 *
 * Every one of them is only interpreted here; whether the thread may go on at once is its process's matter
 * (question.c), and letting it go on depends on the kind of its stop alone, however long it was held.
 *
 * Births. A child's first stop and its parent's event come in either order. A thread needs no parent. A process has to
 * be told of before it runs, and only the parent's event says whose it is, so it waits for that. If the event does not
 * come within TRACER_BIRTH_MS the parent was killed, and the child is detached: who is its parent in /proc by then may
 * be a reaper that is watched while the true parent was not to be seen. A child that nobody follows is detached in its
 * first stop: the kernel attaches it in spite of the options when it comes from clone(2) with an end signal other than
 * SIGCHLD.
 *
 * PTRACE_INTERRUPT is seen by the thread: epoll_wait(2) and their like return EINTR (signal(7)). So nothing is
 * interrupted in order to be detached when nobody is left who wants anything: the tracer ends, which is a detach
 * without a stop.
 *
 * An exec by any thread is reported with the pid; all other tids are gone by then, without a word of their own.
 *
 * PTRACE_O_TRACEEXIT is not used: one more stop for each thread's end, and waitid(2) tells the same. PTRACE_O_TRACEEXEC
 * always is: a thread may be inside execve(2) when the first watch comes.
 */
#include "daemon/tracer/tracee.h"

#include <signal.h>
#include <sys/ptrace.h>

#include "daemon/tracer/tracee_table.h"

_Static_assert(TRACEE_SEIZE_OPTIONS == (PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC), "options that follow every thread");

static int event_of(int status)
{
        return status >> 8;
}

/* What the stop would have delivered: all but signal-delivery-stops deliver none. */
static int signal_of(int status)
{
        return event_of(status) == 0 ? status : 0;
}

static bool is_group_stop(int status)
{
        int signal = status & 0xff;

        return event_of(status) == PTRACE_EVENT_STOP &&
               (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU);
}

/* Who is told of it now. */
static uint64_t audience(const struct process *process)
{
        return process->is_hidden ? 0 : process->watches;
}

static uint32_t options_wanted(const struct tracees *tracees, const struct process *process)
{
        return TRACEE_SEIZE_OPTIONS |
               ((process->watches & tracees->followers) != 0 ? PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK : 0);
}

/* ------------------------------------------------------------------ going on */

static void count_signal(struct tracees *tracees)
{
        struct signal_rate *rate = &tracees->rate;
        uint64_t now_ns = tracees->now_ns;

        rate->times_ns[rate->next] = now_ns;
        rate->next = (rate->next + 1) % TRACER_BUSY_SIGNALS;
        uint64_t oldest_ns = rate->times_ns[rate->next];

        if (oldest_ns == 0 || now_ns - oldest_ns >= NSEC_PER_SEC ||
            (rate->told_ns != 0 && now_ns - rate->told_ns < NSEC_PER_SEC))
                return;
        rate->told_ns = now_ns;
        tracees_act(tracees, TRACEE_BUSY, 0, 0)->n_signals = TRACER_BUSY_SIGNALS;
}

static void pass_on(struct tracees *tracees, struct tracee *tracee, const struct process *process)
{
        int signal = signal_of(tracee->status);
        struct tracee_action *action;

        if ((signal == SIGSEGV || signal == SIGBUS) && audience(process) != 0) {
                action = tracees_act(tracees, TRACEE_SIGNAL, tracee->pid, tracee->tid);
                action->signal = signal;
                action->watches = audience(process);
        }
        tracees_act(tracees, TRACEE_CONT, tracee->pid, tracee->tid)->signal = signal;
        tracee_set_state(tracees, tracee, TRACEE_RUNNING);
        if (signal != 0)
                count_signal(tracees);
}

/* Forgets the tracee if it is detached. */
static void let_go(struct tracees *tracees, struct tracee *tracee)
{
        const struct process *process = process_find(tracees, tracee->pid);
        uint32_t wanted = options_wanted(tracees, process);

        if (!process_is_wanted(process)) {
                tracees_act(tracees, TRACEE_DETACH, tracee->pid, tracee->tid)->signal = signal_of(tracee->status);
                tracee_forget(tracees, tracee);
                return;
        }
        if (tracee->options != wanted) {
                tracees_act(tracees, TRACEE_SETOPTIONS, tracee->pid, tracee->tid)->options = wanted;
                tracee->options = wanted;
        }
        if (is_group_stop(tracee->status)) {
                tracees_act(tracees, TRACEE_LISTEN, tracee->pid, tracee->tid);
                tracee_set_state(tracees, tracee, TRACEE_LISTENING);
        } else {
                pass_on(tracees, tracee, process);
        }
}

static bool is_kept(const struct tracees *tracees, const struct tracee *tracee)
{
        const struct process *process = process_find(tracees, tracee->pid);

        return tracee->birth_deadline_ns != 0 || (process->phase != PROCESS_FREE && !tracee->is_late);
}

static void let_go_if_may(struct tracees *tracees, pid_t tid)
{
        struct tracee *tracee = tracee_find(tracees, tid);

        if (tracee->state == TRACEE_HELD && !is_kept(tracees, tracee))
                let_go(tracees, tracee);
}

void tracees_release(struct tracees *tracees, pid_t pid)
{
        bool is_to_leave = !process_is_wanted(process_find(tracees, pid)) && !tracees_is_idle(tracees);
        pid_t tid = 0;

        for (struct tracee *t; (t = tracee_of_process(tracees, pid, tid)) != NULL;) {
                tid = t->tid;
                t->is_late = false;
                if (t->state == TRACEE_HELD)
                        let_go_if_may(tracees, tid);
                else if (is_to_leave && t->state != TRACEE_ZOMBIE)
                        tracees_act(tracees, TRACEE_INTERRUPT, pid, tid); /* detached in the stop that this brings */
        }
}

/* ------------------------------------------------------------------ births */

/* A process was born. */
static void adopt(struct tracees *tracees, const struct tracee *parent, pid_t child_pid, int event)
{
        const struct tracee family = *parent; /* what is added below moves the table */
        uint64_t watches = audience(process_find(tracees, family.pid)) & tracees->followers;
        struct tracee *child = tracee_find(tracees, child_pid);

        if (child != NULL && child->birth_deadline_ns == 0)
                return; /* waited for this in vain, and is on its way */
        if (child == NULL)
                child = tracee_add(tracees, child_pid, child_pid, family.options);
        if (child == NULL)
                return;
        child->options = family.options; /* the kernel copies them */
        tracee_set_birth(tracees, child, 0);
        process_find(tracees, child_pid)->watches = watches;
        if (watches != 0) {
                struct tracee_action *action = tracees_act(tracees, TRACEE_FORK, family.pid, family.tid);

                action->child = child_pid;
                action->event = event;
                action->watches = watches;
        }
        let_go_if_may(tracees, child_pid);
}

static void bear(struct tracees *tracees, const struct tracee *parent, const struct tracee_stop *stop)
{
        if (stop->child_pid == parent->pid)
                (void)tracee_add(tracees, stop->message, parent->pid, parent->options);
        else if (stop->child_pid != 0 && stop->child_pid == stop->message)
                adopt(tracees, parent, stop->message, event_of(stop->status));
}

/* A thread that the kernel attached, in its first stop. NULL: it is not ours to keep. */
static struct tracee *admit(struct tracees *tracees, const struct tracee_stop *stop)
{
        bool is_new = stop->pid != 0 && process_find(tracees, stop->pid) == NULL;
        struct tracee *tracee;

        if (stop->pid == 0 || (is_new && (tracees->followers == 0 || stop->pid != stop->tid))) {
                tracees_act(tracees, TRACEE_DETACH, stop->pid, stop->tid)->signal = signal_of(stop->status);
                return NULL;
        }
        tracee = tracee_add(tracees, stop->tid, stop->pid, 0);
        if (tracee != NULL && is_new)
                tracee_set_birth(tracees, tracee, tracees->now_ns + TRACER_BIRTH_MS * NSEC_PER_MSEC);
        return tracee;
}

/* The children whose parent's event does not come: nobody sees them. */
static void end_waiting(struct tracees *tracees)
{
        pid_t tid = 0;

        for (const struct tracee *t; tracees->n_births > 0 && (t = tracees_round(tracees, tid))->tid > tid;) {
                tid = t->tid;
                if (t->birth_deadline_ns == 0 || tracees->now_ns < t->birth_deadline_ns)
                        continue;
                tracee_set_birth(tracees, tracee_find(tracees, tid), 0);
                let_go_if_may(tracees, tid);
        }
}

/* ------------------------------------------------------------------ stops and ends */

static void forget_all_but_leader(struct tracees *tracees, pid_t pid)
{
        pid_t tid = 0;

        for (struct tracee *t; (t = tracee_of_process(tracees, pid, tid)) != NULL;) {
                tid = t->tid;
                if (tid != pid)
                        tracee_forget(tracees, t);
        }
}

/* The thread that executes a program has the pid for its tid now, and is the only one. */
static struct tracee *become_leader(struct tracees *tracees, pid_t pid, pid_t former_tid)
{
        const struct tracee *former = tracee_find(tracees, former_tid);
        uint32_t options = former != NULL ? former->options : 0;
        struct tracee *leader;

        forget_all_but_leader(tracees, pid);
        leader = tracee_find(tracees, pid);
        leader->options = options;
        leader->is_late = false;
        return leader;
}

void tracees_stop(struct tracees *tracees, const struct tracee_stop *stop)
{
        int event = event_of(stop->status);
        struct tracee *tracee = tracee_find(tracees, stop->tid);
        pid_t pid;

        if (tracee == NULL)
                tracee = admit(tracees, stop);
        if (tracee == NULL)
                return;
        pid = tracee->pid;
        if (event == PTRACE_EVENT_EXEC)
                tracee = become_leader(tracees, pid, stop->message);
        tracee_set_state(tracees, tracee, TRACEE_RUNNING); /* the count of the untaken is by the old status */
        tracee->status = stop->status;
        tracee_set_state(tracees, tracee, TRACEE_HELD);
        question_stop(tracees, process_find(tracees, pid));
        if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK)
                bear(tracees, tracee, stop);
        else if (event == PTRACE_EVENT_EXEC)
                question_exec(tracees, process_find(tracees, pid));
        let_go_if_may(tracees, stop->tid);
        question_check(tracees, pid);
}

void tracees_exit(struct tracees *tracees, pid_t tid, int status)
{
        struct tracee *tracee = tracee_find(tracees, tid);
        pid_t pid = tracee != NULL ? tracee->pid : 0;
        const struct process *process = process_find(tracees, pid);

        if (tid == pid && audience(process) != 0) {
                struct tracee_action *action = tracees_act(tracees, TRACEE_EXIT, pid, tid);

                action->status = status;
                action->watches = audience(process);
        }
        tracees_act(tracees, TRACEE_REAP, pid, tid);
        if (tracee == NULL)
                return;
        if (tid == pid)
                forget_all_but_leader(tracees, pid);
        tracee_forget(tracees, tracee_find(tracees, tid));
        question_check(tracees, pid);
        process_forget_if_empty(tracees, pid);
}

/* ------------------------------------------------------------------ watches and time */

void tracees_watch(struct tracees *tracees, unsigned int watch, pid_t pid, bool follows)
{
        struct process *process = process_find(tracees, pid);
        uint64_t bit = UINT64_C(1) << watch;

        tracees->watches |= bit;
        if (follows)
                tracees->followers |= bit;
        if (process != NULL)
                process->watches |= bit;
}

static void unwatch_process(struct tracees *tracees, struct process *process, uint64_t bit)
{
        bool was_wanted = process_is_wanted(process);

        process->watches &= ~bit;
        if (was_wanted && !process_is_wanted(process))
                tracees_release(tracees, process->pid);
}

void tracees_unwatch(struct tracees *tracees, unsigned int watch, pid_t pid)
{
        struct process *process = process_find(tracees, pid);
        uint64_t bit = UINT64_C(1) << watch;

        if (process != NULL)
                unwatch_process(tracees, process, bit);
        if (pid != 0)
                return;
        tracees->watches &= ~bit;
        tracees->followers &= ~bit;
        /* Nothing is held while nothing is asked, so nothing is detached and forgotten here. */
        for (size_t i = 0; i < tracees->n_processes; i++)
                unwatch_process(tracees, &tracees->processes[i], bit);
}

void tracees_time(struct tracees *tracees, uint64_t now_ns)
{
        tracees->now_ns = now_ns;
        question_time(tracees);
        end_waiting(tracees);
}

uint64_t tracees_deadline(const struct tracees *tracees)
{
        uint64_t deadline_ns = UINT64_MAX;

        for (size_t i = 0; i < tracees->n_processes; i++) {
                const struct process *process = &tracees->processes[i];

                if (process->phase != PROCESS_FREE)
                        deadline_ns = MIN_OF(deadline_ns, process->deadline_ns);
        }
        for (size_t i = 0; tracees->n_births > 0 && i < tracees->n_tracees; i++)
                if (tracees->tracees[i].birth_deadline_ns != 0)
                        deadline_ns = MIN_OF(deadline_ns, tracees->tracees[i].birth_deadline_ns);
        return deadline_ns;
}

bool tracees_is_idle(const struct tracees *tracees)
{
        for (size_t i = 0; i < tracees->n_processes; i++)
                if (tracees->processes[i].phase != PROCESS_FREE)
                        return false;
        return tracees->watches == 0;
}
