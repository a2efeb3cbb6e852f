/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process can have one tracer only, and only when that one has really ended the kernel lets another one in. So a
 * holder outlives its tracer processes: attaches wait in its queue for their turn, also for a tracer that is on its way
 * out, and when one dies before its time the next one is started for those who still want the target held.
 *
 * A tracer can block for ever (a sibling that executes a program while it is being seized, tracer.c). It is killed
 * then, which sets every thread free, with its signals. What dies too often is given up: the traces go on without.
 */
#include "daemon/monitor/holders.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "daemon/link/clock.h"
#include "daemon/monitor/execs.h"
#include "daemon/monitor/follow.h"
#include "daemon/monitor/mode.h"
#include "daemon/monitor/prepare.h"
#include "daemon/monitor/run.h"
#include "daemon/monitor/seizure.h"
#include "daemon/monitor/tracer_process.h"

#define BARRIER_TIMEOUT_USEC (1000 * 1000)
#define TRY_NS (2 * NSEC_PER_SEC) /* how long a process is asked for in vain: none of its threads is stopped then */
#define MAX_REFUSALS 3            /* in a row: an exec under way is refused for a moment like what may not be traced */
#define ASK_TIMEOUT_USEC (400 * 1000) /* for the peer's rights: the tracer waits for TRACER_HOLD_MS */
#define MAX_TRIES 3                   /* tracers of one target that may die within ... */
#define DEATHS_WITHIN_NS (10 * NSEC_PER_SEC)

struct holder {
        struct context *context;
        struct holder *next;
        pid_t target; /* that it was made for */
        struct tracer_process tracer;
        sd_event_source *timer; /* while something is asked */
        struct seizure *first;
        bool is_asked;   /* BARRIER was sent for the first one */
        bool is_stopped; /* and it is stopped, until GO */
        bool is_asking;  /* and before that is told whether the peers may see it, until ASK_TIMEOUT_USEC */
        bool is_leaving; /* it was told to let go */
        bool has_answered;
        int death_errno; /* why the tracer is killed, 0 = it is not */
        uint64_t death_ns[MAX_TRIES - 1];
        size_t n_deaths;
};

static void drive(struct holder *holder);

/* --- what it is for --- */

static void pop(struct holder *holder)
{
        seizure_remove_first(&holder->first);
        holder->is_asked = holder->is_stopped = holder->is_asking = false;
        holder->timer = sd_event_source_disable_unref(holder->timer);
}

/* The trace wants its target held, and has had its barrier. */
bool holder_holds(const struct holder *holder, const struct attachment *trace)
{
        return trace->holder == holder && trace->mode == PTRACE_MODE_HOLD && !seizures_have(holder->first, trace);
}

static bool is_wanted(const struct holder *holder)
{
        if (holder->first != NULL)
                return true;
        for (const struct attachment *t = holder->context->attachments; t != NULL; t = t->next)
                if (t->holder == holder)
                        return true;
        return false;
}

/* --- what it is told --- */

/* Of this process, which is stopped, and of what comes from it. */
static void watch(struct holder *holder, struct attachment *trace, pid_t pid)
{
        struct link_tracer tracer = {
                .trace = trace->id, .pid = pid, .flags = trace->request.flags & LINK_ATTACH_FOLLOW};

        tracer_process_tell(&holder->tracer, LINK_TRACER_WATCH, tracer, trace->stories[0]);
        trace->is_watching = true;
}

static void go(struct holder *holder, pid_t pid)
{
        tracer_process_tell(&holder->tracer, LINK_TRACER_GO, (struct link_tracer){.pid = pid}, -1);
}

/* --- giving up --- */

static void go_on_without(struct attachment *trace, int error)
{
        mode_refused(trace, error);
        holder_leave(trace);
        attachment_begin(trace);
}

/* Not one that holds is left: the traces are told, those that wait begin as they are. */
static void give_up(struct holder *holder, int error)
{
        for (struct attachment *t = holder->context->attachments; t != NULL; t = t->next) {
                if (t->holder != holder)
                        continue;
                if (seizures_have(holder->first, t)) {
                        go_on_without(t, error);
                } else {
                        t->holder = NULL;
                        mode_let_go(t, error);
                }
        }
}

void holder_drop(struct attachment *trace, int error)
{
        mode_let_go(trace, error);
        holder_leave(trace);
}

/* A process that was held is not had again. */
static void lose(struct holder *holder, pid_t pid, int error)
{
        for (struct attachment *t = holder->context->attachments; t != NULL; t = t->next)
                if (holder_holds(holder, t) && t->target.pid == pid)
                        holder_drop(t, error);
}

/* --- what it says --- */

static size_t count_watching(const struct holder *holder)
{
        size_t n = 0;

        for (const struct attachment *t = holder->context->attachments; t != NULL; t = t->next)
                n += t->holder == holder && t->is_watching;
        return n;
}

/*
 * What was allowed at the attach need not be any more: between that question and the stop the process may have executed
 * a set-user-ID program, whose stories are not for the peer. From the seizing on every exec announces itself, so the
 * answer to a question that is put while the process is stopped holds. A helper can be stopped by its user: who does
 * not answer in time is not let in, and the target does not wait for it.
 */
static void on_allowed(struct attachment *trace)
{
        struct holder *holder = trace->holder;

        if (trace->mode == PTRACE_MODE_HOLD && count_watching(holder) == LINK_MAX_WATCHES) {
                trace->mode = PTRACE_MODE_LIGHT;
                event_level_lack(&trace->level, LINK_LACKS_HOLD, EUSERS);
        }
        if (trace->mode == PTRACE_MODE_HOLD)
                watch(holder, trace, trace->target.pid);
        if (trace->events.is_uncertain)
                attachment_reopen(trace);
        else
                attachment_begin(trace);
}

static void on_judged(struct attachment *trace, int result)
{
        if (trace->state != ATTACHMENT_BARRIER) /* its engine stopped it meanwhile */
                return;
        if (trace->is_stopped) {
                trace->holder->is_asking = false;
                trace->holder->timer = sd_event_source_disable_unref(trace->holder->timer);
        }
        if (result == -EPERM)
                attachment_refused(trace);
        else if (result < 0)
                go_on_without(trace, -result);
        else if (trace->is_stopped)
                on_allowed(trace);
        else /* the tracer died; for its successor it is asked again */
                attachment_begin(trace);
}

static void too_late(struct holder *holder)
{
        struct attachment *trace = holder->first->trace;

        holder->is_asking = false;
        holder->timer = sd_event_source_disable_unref(holder->timer);
        if (trace != NULL) {
                trace->authorizing = helper_free(trace->authorizing);
                trace->turn = sd_event_source_disable_unref(trace->turn);
                go_on_without(trace, ETIMEDOUT);
        } else {
                execs_return_is_late(holder->context, holder);
        }
}

static int on_late(sd_event_source *source, uint64_t usec, void *user)
{
        too_late(user);
        return 0;
}

/* The answer may come at once. */
static void ask_peers(struct holder *holder, struct attachment *trace, pid_t pid)
{
        int r = sd_event_add_time_relative(holder->context->event, &holder->timer, CLOCK_MONOTONIC, ASK_TIMEOUT_USEC, 0,
                                           on_late, holder);

        holder->is_asking = true;
        if (trace != NULL)
                attachment_authorize(trace, on_judged);
        else
                execs_return(holder->context, holder, pid);
        if (r < 0 && holder->is_asking)
                too_late(holder);
}

static void go_next(struct holder *holder)
{
        go(holder, holder->first->pid);
        pop(holder);
        drive(holder);
}

static void on_stopped(struct holder *holder, const struct link_tracer *answer)
{
        struct attachment *trace = holder->first->trace;

        if (trace == NULL) {
                if (holder->first->is_return)
                        ask_peers(holder, NULL, answer->pid);
                else
                        go_next(holder);
                return;
        }
        holder->is_stopped = true;
        trace->is_stopped = true;
        trace->held_since_ns = monotonic_ns();
        trace->n_unstopped = answer->n_unstopped;
        if (trace->mode == PTRACE_MODE_HOLD)
                ask_peers(holder, trace, answer->pid);
        else
                on_allowed(trace);
}

/* An overloaded machine has not let any thread run to its stop, or the process was in the middle of an exec. */
static bool may_be_had(struct seizure *first, int error)
{
        bool is_refused = error == EPERM && ++first->n_refusals < MAX_REFUSALS;

        return first->trace != NULL && (error == EAGAIN || error == ESRCH || is_refused) &&
               !target_is_dead(&first->trace->target) && monotonic_ns() - first->asked_ns < TRY_NS;
}

static void on_failed(struct holder *holder, const struct link_tracer *answer)
{
        struct attachment *trace = holder->first->trace;

        if (may_be_had(holder->first, answer->error)) {
                holder->is_asked = false;
                drive(holder);
                return;
        }
        pop(holder);
        if (trace != NULL)
                go_on_without(trace,
                              answer->error == ESRCH && !target_is_dead(&trace->target) ? EAGAIN : answer->error);
        else if (answer->error != ESRCH)
                lose(holder, answer->pid, answer->error);
        drive(holder);
}

/* Where nobody asked for it, holding is given up: but not for some while others keep the tracer there. */
static void on_busy(struct holder *holder)
{
        struct context *context = holder->context;

        for (const struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (holder_holds(holder, t) && t->request.ptrace != PTRACE_MODE_AUTO)
                        return;
        for (struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (holder_holds(holder, t))
                        holder_drop(t, EAGAIN);
}

static void on_execed(struct holder *holder, pid_t pid)
{
        if (holder->is_asking && holder->first->pid == pid) /* it is not stopped any more: of what was it asked? */
                too_late(holder);
        execs_begin(holder->context, holder, pid);
}

static bool on_message(void *user, const struct link_message *message)
{
        struct holder *holder = user;
        const struct link_tracer *tracer = &message->tracer;
        bool is_awaited =
                holder->is_asked && !holder->is_stopped && !holder->is_asking && tracer->pid == holder->first->pid;

        if (is_awaited && (message->type == LINK_TRACER_STOPPED || message->type == LINK_TRACER_FAILED)) {
                holder->timer = sd_event_source_disable_unref(holder->timer);
                holder->has_answered = true;
        }
        if (message->type == LINK_TRACER_STOPPED && is_awaited)
                on_stopped(holder, tracer);
        else if (message->type == LINK_TRACER_FAILED && is_awaited)
                on_failed(holder, tracer);
        else if (message->type == LINK_TRACER_EXECED)
                on_execed(holder, tracer->pid);
        else if (message->type == LINK_TRACER_BUSY)
                on_busy(holder);
        else
                return false;
        return true;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *user)
{
        struct holder *holder = user;

        holder->death_errno = ETIMEDOUT;
        tracer_process_kill(&holder->tracer);
        return 0;
}

/* --- its life --- */

static bool dies_too_often(struct holder *holder)
{
        uint64_t now = monotonic_ns();
        uint64_t *slot = &holder->death_ns[holder->n_deaths++ % ARRAY_SIZE(holder->death_ns)];
        bool too_often = *slot != 0 && now - *slot < DEATHS_WITHIN_NS;

        *slot = now;
        return too_often;
}

/* What it had runs by now. An attach for which it had stopped a process goes on, without that. */
static void forget_tracer(struct holder *holder)
{
        holder->timer = sd_event_source_disable_unref(holder->timer);
        execs_tracer_died(holder->context, holder);
        if (holder->is_stopped) {
                struct attachment *trace = holder->first->trace;

                trace->is_stopped = false;
                if (trace->mode != PTRACE_MODE_HOLD)
                        trace->holder = NULL;
                pop(holder);
        }
        holder->is_asked = holder->is_asking = false;
        seizures_remove(&holder->first, NULL);
        for (struct attachment *t = holder->context->attachments; t != NULL; t = t->next)
                if (t->holder == holder)
                        t->is_watching = false;
}

/* One that has done what it was asked, and found nothing left to hold, ends by itself. */
static void on_exit_of_tracer(void *user, bool is_clean)
{
        struct holder *holder = user;
        bool is_death = !holder->is_leaving && !(is_clean && holder->has_answered);
        int error = holder->death_errno != 0 ? holder->death_errno : ECHILD;

        holder->death_errno = 0;
        forget_tracer(holder);
        if (is_death && dies_too_often(holder))
                give_up(holder, error);
        holder->is_leaving = holder->has_answered = false;
        drive(holder);
}

static struct holder *holder_free(struct holder *holder)
{
        for (struct holder **p = &holder->context->holders; *p != NULL; p = &(*p)->next)
                if (*p == holder) {
                        *p = holder->next;
                        break;
                }
        for (struct attachment *t = holder->context->attachments; t != NULL; t = t->next)
                if (t->holder == holder) /* nothing that it could hold is left */
                        t->holder = NULL;
        while (holder->first != NULL)
                pop(holder);
        tracer_process_let_go(&holder->tracer);
        sd_event_source_disable_unref(holder->timer);
        free(holder);
        return NULL;
}

static void want(void *user, const struct target *process)
{
        struct holder *holder = user;

        if (!seizures_have_return(holder->first, process->pid))
                (void)!seizure_add(&holder->first, NULL, process); /* out of memory: this one is not held any more */
}

/* All that the tracer before had, as far as somebody wants it. */
static void want_again(struct holder *holder)
{
        for (struct attachment *t = holder->context->attachments; t != NULL; t = t->next)
                if (holder_holds(holder, t)) {
                        if (!t->is_exited)
                                want(holder, &t->target);
                        follow_each(t, want, holder);
                }
}

static void start(struct holder *holder)
{
        int r;

        want_again(holder);
        r = holder->first != NULL ? tracer_process_start(holder->context, holder->first->process, &holder->tracer) : 0;
        if (r < 0)
                give_up(holder, -r);
}

static void ask_next(struct holder *holder)
{
        struct seizure *first = holder->first;

        holder->is_asked = true;
        if (first->asked_ns == 0)
                first->asked_ns = monotonic_ns();
        tracer_process_tell(&holder->tracer, LINK_TRACER_BARRIER, (struct link_tracer){.pid = first->pid}, -1);
        if (sd_event_add_time_relative(holder->context->event, &holder->timer, CLOCK_MONOTONIC, BARRIER_TIMEOUT_USEC, 0,
                                       on_timeout, holder) < 0)
                tracer_process_kill(&holder->tracer);
}

/* Whatever is to be done next. Without a tracer this may be the end of the holder. */
static void drive(struct holder *holder)
{
        if (holder->tracer.child == NULL) {
                start(holder);
                if (holder->tracer.child == NULL) {
                        holder_free(holder);
                        return;
                }
        }
        if (holder->tracer.link < 0 || holder->is_asked)
                return;
        if (holder->first != NULL) {
                ask_next(holder);
        } else if (!is_wanted(holder)) {
                holder->is_leaving = true;
                tracer_process_let_go(&holder->tracer);
        }
}

/* --- for traces --- */

bool holders_have(const struct context *context, pid_t tracer)
{
        for (const struct holder *h = context->holders; h != NULL; h = h->next)
                if (h->tracer.child != NULL && child_pid(h->tracer.child) == tracer)
                        return true;
        return false;
}

/* The one of this target, or the one whose tracer has it because it has what it descends from. */
static struct holder *find(struct context *context, const struct target *target)
{
        pid_t tracer = target_tracer(target);

        for (struct holder *h = context->holders; h != NULL; h = h->next)
                if (h->target == target->pid ||
                    (tracer != 0 && h->tracer.child != NULL && child_pid(h->tracer.child) == tracer))
                        return h;
        return NULL;
}

static struct holder *find_or_make(struct context *context, const struct target *target)
{
        struct holder *holder = find(context, target);

        if (holder != NULL)
                return holder;
        holder = calloc(1, sizeof(*holder));
        if (holder == NULL)
                return NULL;
        *holder = (struct holder){
                .context = context,
                .next = context->holders,
                .target = target->pid,
                .tracer = {.link = -1, .received = on_message, .exited = on_exit_of_tracer, .user = holder},
        };
        context->holders = holder;
        return holder;
}

void holder_begin(struct attachment *trace)
{
        struct holder *holder = find_or_make(trace->context, &trace->target);
        int r = holder != NULL ? seizure_add(&holder->first, trace, &trace->target) : -ENOMEM;

        trace->state = ATTACHMENT_BARRIER;
        if (r < 0)
                go_on_without(trace, -r);
        else
                trace->holder = holder;
        if (holder != NULL)
                drive(holder);
}

void holder_go(struct attachment *trace)
{
        struct holder *holder = trace->holder;

        if (!trace->is_stopped)
                return;
        trace->is_stopped = false;
        if (trace->mode != PTRACE_MODE_HOLD)
                trace->holder = NULL;
        go(holder, trace->target.pid);
        pop(holder);
        drive(holder);
}

/* The answer for a trace that does not wait any more is GO (on_stopped()). */
static void stop_waiting(struct holder *holder, const struct attachment *trace)
{
        if (!holder->is_asked || holder->first->trace != trace) {
                seizures_remove(&holder->first, trace);
        } else if (holder->is_stopped) {
                go(holder, holder->first->pid);
                pop(holder);
        } else {
                holder->first->trace = NULL;
        }
}

void holder_leave(struct attachment *trace)
{
        struct holder *holder = trace->holder;

        if (holder == NULL)
                return;
        if (trace->is_watching) /* before anything runs on */
                holder_hide(trace, 0);
        trace->holder = NULL;
        trace->is_watching = trace->is_stopped = false;
        execs_cancel(trace);
        stop_waiting(holder, trace);
        if (holder->tracer.child != NULL) /* else somebody is just about to */
                drive(holder);
}

void holder_hide(struct attachment *trace, pid_t pid)
{
        tracer_process_tell(&trace->holder->tracer, LINK_TRACER_UNWATCH,
                            (struct link_tracer){.trace = trace->id, .pid = pid}, -1);
}

void holder_watch(struct attachment *trace, pid_t pid)
{
        watch(trace->holder, trace, pid);
}

void holder_exec_done(struct holder *holder, pid_t pid)
{
        go(holder, pid);
}

void holder_return_done(struct holder *holder)
{
        go_next(holder);
}

void holders_free(struct context *context)
{
        while (context->holders != NULL)
                holder_free(context->holders);
}
