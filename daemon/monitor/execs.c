/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel removes the events of a process whose new program is not dumpable (dumpable.h). Whoever may trace it all
 * the same is given new ones while it is held, so that nothing is missed; for anybody else it is over. Where the kernel
 * removed nothing although the peer may not see the new program (a security module, or fs.suid_dumpable 1) the whole
 * trace ends, for inherited events cannot be taken from one process alone.
 *
 * The tracer does not wait for ever, nor do we depend on it: it may let go of the process before we are done, and then
 * tells nothing of it until we are. For the same reason new events are asked about once more after they were opened,
 * and count nothing before.
 *
 * A tracer that several traces share also tells of processes that cannot be shown to belong to one of them: an orphan's
 * parents tell nothing, and its engine may not have asked about it yet. A trace that follows may be watching it all the
 * same, so it is asked for this trace as well; a no only hides it. What an end of the whole trace would protect, events
 * that the kernel did not remove, cannot be told apart there from a process of somebody else's trace.
 */
#include "daemon/monitor/execs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "daemon/monitor/added.h"
#include "daemon/monitor/asks.h"
#include "daemon/monitor/dumpable.h"
#include "daemon/monitor/follow.h"
#include "daemon/monitor/holders.h"
#include "daemon/monitor/prepare.h"
#include "daemon/monitor/records.h"
#include "daemon/monitor/run.h"
#include "daemon/monitor/tell.h"

/* A process that waits in its exec. */
struct exec_stop {
        struct context *context;
        struct exec_stop *next;
        struct holder *holder; /* NULL: nobody holds it any more */
        pid_t pid;
        bool is_return;  /* not an exec: seen again after a tracer's death */
        size_t n_traces; /* that are not done with it, and one for who began it */
};

/* What one trace has to do about it. */
struct exec_visit {
        struct attachment *trace;
        struct exec_visit *next;
        struct exec_stop *stop;
        struct target target;
        int maps, smaps;
        bool is_stranger; /* nothing shows that the process is one of this trace */
        bool lost_events;
        bool has_opened; /* new events, which nobody knows yet */
        int ids;
        uint32_t n_ids;
        struct ask *ask;
};

static void stop_unref(struct exec_stop *stop)
{
        if (--stop->n_traces > 0)
                return;
        for (struct exec_stop **p = &stop->context->exec_stops; *p != NULL; p = &(*p)->next)
                if (*p == stop) {
                        *p = stop->next;
                        break;
                }
        if (stop->holder != NULL && stop->is_return)
                holder_return_done(stop->holder);
        else if (stop->holder != NULL)
                holder_exec_done(stop->holder, stop->pid);
        free(stop);
}

static struct exec_stop *stop_new(struct context *context, struct holder *holder, pid_t pid)
{
        struct exec_stop *stop = calloc(1, sizeof(*stop));

        if (stop == NULL)
                return NULL;
        *stop = (struct exec_stop){
                .context = context, .next = context->exec_stops, .holder = holder, .pid = pid, .n_traces = 1};
        context->exec_stops = stop;
        return stop;
}

static void visit_link(struct exec_visit *visit)
{
        visit->next = visit->trace->exec_visits;
        visit->trace->exec_visits = visit;
}

static void visit_unlink(struct exec_visit *visit)
{
        for (struct exec_visit **p = &visit->trace->exec_visits; *p != NULL; p = &(*p)->next)
                if (*p == visit) {
                        *p = visit->next;
                        return;
                }
}

static void visit_end(struct exec_visit *visit)
{
        visit_unlink(visit);
        ask_cancel(visit->ask);
        if (visit->has_opened)
                added_retire(visit->trace, visit->target.pid);
        cleanup_close(&visit->ids);
        cleanup_close(&visit->maps);
        cleanup_close(&visit->smaps);
        target_deinit(&visit->target);
        stop_unref(visit->stop);
        free(visit);
}

/* --- what follows from the answer --- */

static void deny(struct exec_visit *visit, int error)
{
        struct attachment *trace = visit->trace;

        if (trace->is_watching)
                holder_hide(trace, visit->stop->pid);
        if (visit->is_stranger)
                return;
        records_revoked(trace, visit->stop->pid, error);
        if (trace->state != ATTACHMENT_RUNNING) {
                attachment_refused(trace);
                return;
        }
        tell_revoked(trace, visit->stop->pid, error);
        if (!visit->lost_events || !follow_lost(trace, visit->stop->pid))
                attachment_stripped(trace);
}

static void on_last_answer(void *user, int result)
{
        struct exec_visit *visit = user;
        struct attachment *trace = visit->trace;

        visit->ask = NULL;
        visit_unlink(visit); /* from now on the end of the trace is not its end */
        if (result == 0 && trace->state == ATTACHMENT_RUNNING) {
                visit->has_opened = false;
                added_enable(trace, visit->target.pid);
                tell_ids(trace, visit->target.pid, visit->n_ids, (int[]){visit->ids, visit->maps, visit->smaps});
        } else if (result < 0 && result != -ESRCH && trace->state < ATTACHMENT_STOPPING) {
                deny(visit, -result);
        }
        visit_end(visit);
}

/* Ends the visit, now or later. */
static void reopen(struct exec_visit *visit)
{
        struct attachment *trace = visit->trace;
        int r = added_open(trace, &visit->target, &visit->ids, &visit->n_ids);

        visit->has_opened = r == 0;
        visit_link(visit);
        if (r == 0)
                r = ask_start(trace, visit->target.pidfd, on_last_answer, visit, &visit->ask);
        if (r < 0)
                on_last_answer(visit, r);
}

/* What a new tracer is not to show is no loss for the rest. */
static void judge_return(struct exec_visit *visit, int result)
{
        struct attachment *trace = visit->trace;

        if (result == -EPERM)
                deny(visit, EPERM);
        else if (visit->stop->holder == NULL || trace->holder != visit->stop->holder)
                return; /* yet another tracer: asked again */
        else if (result == 0)
                holder_watch(trace, visit->stop->pid);
        else if (visit->stop->pid == trace->target.pid)
                holder_drop(trace, -result);
}

static void on_answer(void *user, int result)
{
        struct exec_visit *visit = user;
        struct attachment *trace = visit->trace;

        visit->ask = NULL;
        visit_unlink(visit); /* from now on the end of the trace is not its end */
        if (trace->state < ATTACHMENT_STOPPING && result != -ESRCH) {
                if (visit->stop->is_return) {
                        judge_return(visit, result);
                } else if (result < 0) {
                        deny(visit, -result);
                } else if (visit->lost_events && !visit->is_stranger) {
                        if (trace->state == ATTACHMENT_RUNNING) {
                                reopen(visit);
                                return;
                        }
                        attachment_refused(trace); /* which of its events are left is not known */
                }
        }
        visit_end(visit);
}

/* --- the exec --- */

/* Whether the events are lost comes first: what else is denied concerns this process alone then. */
static int open_process(struct exec_visit *visit)
{
        int r = target_pin_process(visit->stop->pid, &visit->target);

        if (r < 0)
                return r;
        visit->lost_events = target_lost_its_events(&visit->target);
        if (visit->is_stranger || visit->stop->is_return)
                return 0;
        visit->maps = target_open(&visit->target, "maps", O_RDONLY);
        visit->smaps = target_open(&visit->target, "smaps", O_RDONLY);
        return visit->maps < 0 ? visit->maps : visit->smaps < 0 ? visit->smaps : 0;
}

static struct exec_visit *visit_new(struct attachment *trace, struct exec_stop *stop, bool is_stranger)
{
        struct exec_visit *visit = calloc(1, sizeof(*visit));

        if (visit == NULL)
                return NULL;
        *visit = (struct exec_visit){.trace = trace,
                                     .stop = stop,
                                     .target = TARGET_INIT,
                                     .maps = -1,
                                     .smaps = -1,
                                     .is_stranger = is_stranger,
                                     .ids = -1};
        visit_link(visit);
        stop->n_traces++;
        return visit;
}

static void visit_trace(struct attachment *trace, struct exec_stop *stop, bool is_stranger)
{
        struct exec_visit *visit = visit_new(trace, stop, is_stranger);
        int r;

        if (visit == NULL) {
                attachment_refused(trace);
                return;
        }
        r = open_process(visit);
        if (r == -ESRCH) {
                visit_end(visit);
        } else {
                if (r == 0)
                        r = ask_start(trace, visit->target.pidfd, on_answer, visit, &visit->ask);
                if (r < 0) /* what cannot be found out is denied */
                        on_answer(visit, r);
        }
}

void execs_begin(struct context *context, struct holder *holder, pid_t pid)
{
        struct exec_stop *stop = stop_new(context, holder, pid);

        if (stop == NULL) /* the tracer will let go, and tells nothing; who has lost its events ends without them */
                return;
        for (struct attachment *t = context->attachments; t != NULL; t = t->next) {
                if (t->holder != holder || !t->is_watching || t->state >= ATTACHMENT_STOPPING)
                        continue;
                if (follow_has(t, pid))
                        visit_trace(t, stop, false);
                else if (t->needs_check && (t->request.flags & LINK_ATTACH_FOLLOW) != 0)
                        visit_trace(t, stop, true);
        }
        stop_unref(stop);
}

/* --- a new tracer --- */

void execs_return(struct context *context, struct holder *holder, pid_t pid)
{
        struct exec_stop *stop = stop_new(context, holder, pid);

        if (stop == NULL) { /* nobody sees it any more */
                holder_return_done(holder);
                return;
        }
        stop->is_return = true;
        for (struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (holder_holds(holder, t) && t->state < ATTACHMENT_STOPPING && follow_knows(t, pid))
                        visit_trace(t, stop, false);
        stop_unref(stop);
}

static struct exec_visit *find_visit(const struct attachment *trace, const struct exec_stop *stop)
{
        for (struct exec_visit *v = trace->exec_visits; v != NULL; v = v->next)
                if (v->stop == stop)
                        return v;
        return NULL;
}

static void visits_are_late(struct exec_stop *stop)
{
        stop->n_traces++;
        for (struct attachment *t = stop->context->attachments; t != NULL; t = t->next) {
                struct exec_visit *visit = find_visit(t, stop);

                if (visit != NULL) {
                        visit->ask = ask_cancel(visit->ask);
                        on_answer(visit, -ETIMEDOUT);
                }
        }
        stop_unref(stop);
}

void execs_return_is_late(struct context *context, const struct holder *holder)
{
        for (struct exec_stop *s = context->exec_stops; s != NULL; s = s->next)
                if (s->holder == holder && s->is_return) {
                        visits_are_late(s);
                        return;
                }
}

void execs_tracer_died(struct context *context, const struct holder *holder)
{
        for (struct exec_stop *s = context->exec_stops; s != NULL; s = s->next)
                if (s->holder == holder)
                        s->holder = NULL;
}

void execs_cancel(struct attachment *trace)
{
        while (trace->exec_visits != NULL)
                visit_end(trace->exec_visits);
}
