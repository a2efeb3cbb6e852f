/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a process: PTRACE_SEIZE can block without end (a thread that executes a program waits for its siblings, a seized
 * sibling waits for us, and we wait for the lock that the first one holds), and only the death of the tracer resolves
 * it. So whoever must not block must not trace, and the tracer must be safe to kill.
 *
 * Why it is, at every instruction:
 *   - PTRACE_O_EXITKILL is never set; exit_ptrace() in kernel/ptrace.c detaches every tracee of a thread that ends, and
 *     what is in a ptrace-stop goes on, or stays in the group-stop that it was in.
 *   - A signal on its way is in the kernel until PTRACE_CONT hands it back to the thread in one step: its stop is only
 *     looked at (stop.c). Before that step the kernel delivers it at our death, after it the thread has it. It is never
 *     nowhere, and never twice.
 *   - Stops that deliver nothing may be taken, and were for nobody but us.
 *   - An end that is taken is handed to the real parent in the same step (wait_task_zombie()); one that is not, when we
 *     die.
 *   - Nothing is ever changed in a tracee: no register, no memory, no signal.
 * So the end of this process is how everything is let go in haste (the link ended, memory ran out); where time matters,
 * after a barrier with nobody watching, threads are detached one by one first. There is no other clean-up.
 *
 * All signals are blocked: what is sent to us is at most a target's unusual end signal. The link says when it is over.
 */
#include "daemon/tracer/tracer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "daemon/link/clock.h"
#include "daemon/link/link.h"
#include "daemon/link/sandbox.h"
#include "daemon/tracer/tracer_private.h"

/* ------------------------------------------------------------------ actions */

static void tell_monitor(struct tracer *tracer, enum link_type type, const struct tracee_action *action)
{
        struct link_message message = {.type = type, .tracer.pid = action->pid};

        if (type == LINK_TRACER_STOPPED) {
                message.tracer.n_threads = action->n_threads;
                message.tracer.n_unstopped = action->n_unstopped;
        } else if (type == LINK_TRACER_FAILED) {
                message.tracer.error = action->error;
        } else if (type == LINK_TRACER_BUSY) {
                message.tracer.n_signals = action->n_signals;
        }
        if (link_send(tracer->link, &message, NULL, 0) < 0)
                tracer->is_over = true;
}

/* ESRCH is no error: the thread was killed in its stop, and its end comes. */
static void request(enum __ptrace_request what, pid_t tid, uintptr_t data)
{
        (void)ptrace(what, tid, NULL, (void *)data);
}

static void reap(pid_t tid)
{
        siginfo_t info;

        (void)waitid(P_PID, (id_t)tid, &info, WEXITED | WNOHANG | __WALL);
}

static void look_for_zombie(struct tracer *tracer, pid_t tid)
{
        struct facts facts;

        if (facts_of_tracee(tid, &facts) == 0 && facts.state == 'Z')
                tracees_zombie(&tracer->tracees, tid);
}

static void perform(struct tracer *tracer, const struct tracee_action *action)
{
        switch (action->kind) {
        case TRACEE_CONT:
                request(PTRACE_CONT, action->tid, (unsigned int)action->signal);
                break;
        case TRACEE_LISTEN:
                request(PTRACE_LISTEN, action->tid, 0);
                break;
        case TRACEE_INTERRUPT:
                request(PTRACE_INTERRUPT, action->tid, 0);
                break;
        case TRACEE_SETOPTIONS:
                request(PTRACE_SETOPTIONS, action->tid, action->options);
                break;
        case TRACEE_DETACH:
                request(PTRACE_DETACH, action->tid, (unsigned int)action->signal);
                break;
        case TRACEE_REAP:
                reap(action->tid);
                break;
        case TRACEE_SCAN:
                attach_scan(tracer, action->pid);
                break;
        case TRACEE_LOOK:
                look_for_zombie(tracer, action->tid);
                break;
        case TRACEE_STOPPED:
                tell_monitor(tracer, LINK_TRACER_STOPPED, action);
                break;
        case TRACEE_FAILED:
                tell_monitor(tracer, LINK_TRACER_FAILED, action);
                break;
        case TRACEE_EXECED:
                tell_monitor(tracer, LINK_TRACER_EXECED, action);
                break;
        case TRACEE_BUSY:
                tell_monitor(tracer, LINK_TRACER_BUSY, action);
                break;
        case TRACEE_SIGNAL:
        case TRACEE_FORK:
        case TRACEE_EXIT:
                story_tell(tracer, action);
                break;
        }
}

void tracer_act(struct tracer *tracer)
{
        struct tracee_action action;

        while (tracees_next(&tracer->tracees, &action))
                perform(tracer, &action);
}

/* ------------------------------------------------------------------ messages */

_Static_assert(N_WATCHES == LINK_MAX_WATCHES, "as many as the monitor may ask for");

/* Of this trace; if it has none, a free one. N_WATCHES = neither. */
static unsigned int find_watch(const struct tracer *tracer, uint32_t trace)
{
        unsigned int free_one = N_WATCHES;

        for (unsigned int i = N_WATCHES; i-- > 0;) {
                if (tracer->watches[i].fd < 0)
                        free_one = i;
                else if (tracer->watches[i].trace == trace)
                        return i;
        }
        return free_one;
}

/* A trace that watches already sees one more process, by the socket that it has. More traces than the monitor may ask
 * for go without. */
static void add_watch(struct tracer *tracer, struct link_received *received)
{
        const struct link_tracer *wish = &received->message.tracer;
        pid_t pid = wish->pid != 0 ? wish->pid : tracer->first_pid;
        unsigned int i = find_watch(tracer, wish->trace);

        if (i == N_WATCHES)
                return;
        if (tracer->watches[i].fd < 0) {
                tracer->watches[i] = (struct watch){.fd = TAKE_FD(received->fds[0]), .trace = wish->trace};
                story_prepare(tracer->watches[i].fd);
        }
        tracees_watch(&tracer->tracees, i, pid, (wish->flags & LINK_ATTACH_FOLLOW) != 0);
}

static void remove_watch(struct tracer *tracer, uint32_t trace, pid_t pid)
{
        unsigned int i = find_watch(tracer, trace);

        if (i == N_WATCHES || tracer->watches[i].fd < 0)
                return;
        tracees_unwatch(&tracer->tracees, i, pid);
        if (pid == 0)
                (void)close(TAKE_FD(tracer->watches[i].fd));
}

/* false = not a message for a tracer. */
static bool obey(struct tracer *tracer, struct link_received *received)
{
        const struct link_message *message = &received->message;

        switch (message->type) {
        case LINK_TRACER_BARRIER:
                tracees_barrier(&tracer->tracees, message->tracer.pid);
                return true;
        case LINK_TRACER_GO:
                tracees_go(&tracer->tracees, message->tracer.pid);
                return true;
        case LINK_TRACER_WATCH:
                if (received->n_fds != 1)
                        return false;
                add_watch(tracer, received);
                return true;
        case LINK_TRACER_UNWATCH:
                remove_watch(tracer, message->tracer.trace, message->tracer.pid);
                return true;
        default:
                return false;
        }
}

static void receive(struct tracer *tracer)
{
        struct link_received received;
        int r = link_receive(tracer->link, &received);

        if (r == -EAGAIN)
                return;
        if (r != 1) {
                tracer->is_over = true;
                return;
        }
        if (!obey(tracer, &received))
                tracer->is_over = true;
        link_close_fds(&received);
}

/* ------------------------------------------------------------------ the loop */

static int open_signals(struct tracer *tracer)
{
        sigset_t all;

        sigfillset(&all);
        /* Ignored, or with SA_NOCLDSTOP, it would not come; it may have been inherited so. */
        if (signal(SIGCHLD, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &all, NULL) < 0)
                return -errno;
        tracer->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
        return tracer->signals < 0 ? -errno : 0;
}

/* Before the sweep: a stop that comes during the sweep announces itself anew. */
static void forget_signals(struct tracer *tracer)
{
        struct signalfd_siginfo infos[8];

        while (read(tracer->signals, infos, sizeof(infos)) == (ssize_t)sizeof(infos))
                continue;
}

static struct timespec time_left(const struct tracer *tracer, bool is_drained)
{
        uint64_t deadline_ns = tracees_deadline(&tracer->tracees), now_ns = monotonic_ns();
        uint64_t left_ns = !is_drained || deadline_ns <= now_ns ? 0 : deadline_ns - now_ns;

        left_ns = MIN_OF(left_ns, 3600 * NSEC_PER_SEC); /* never is as good as in an hour */
        return (struct timespec){.tv_sec = (time_t)(left_ns / NSEC_PER_SEC), .tv_nsec = (long)(left_ns % NSEC_PER_SEC)};
}

/* A first barrier has to be asked for before there can be nothing left to do. */
static void serve(struct tracer *tracer)
{
        bool is_drained = true, has_begun = false;

        while (!tracer->is_over && !tracer->tracees.is_out_of_memory &&
               !(has_begun && tracees_is_idle(&tracer->tracees))) {
                struct pollfd fds[] = {{.fd = tracer->link, .events = POLLIN},
                                       {.fd = tracer->signals, .events = POLLIN}};
                struct timespec left = time_left(tracer, is_drained);

                if (ppoll(fds, ARRAY_SIZE(fds), &left, NULL) < 0)
                        return;
                tracees_time(&tracer->tracees, monotonic_ns());
                tracer_act(tracer);
                if (fds[0].revents != 0) {
                        receive(tracer);
                        has_begun = true;
                        tracer_act(tracer);
                }
                forget_signals(tracer);
                is_drained = stops_sweep(tracer);
        }
}

int tracer_main(int link_fd, int process_fd)
{
        struct tracer tracer = {.link = link_fd, .process = process_fd};
        struct facts facts;

        for (size_t i = 0; i < N_WATCHES; i++)
                tracer.watches[i].fd = -1;
        if (open_signals(&tracer) < 0)
                return EXIT_FAILURE;
        if (sandbox_enter(SANDBOX_TRACER) < 0)
                return EXIT_FAILURE;
        if (facts_read(process_fd, "status", &facts) == 0)
                tracer.first_pid = facts.pid;
        serve(&tracer);
        tracees_free(&tracer.tracees);
        (void)close(tracer.signals);
        return EXIT_SUCCESS;
}
