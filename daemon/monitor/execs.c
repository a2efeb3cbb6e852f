/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel removes the events of a process whose new program is not dumpable (dumpable.h). Whoever may trace it all
 * the same is given new ones while it is held, so that nothing is missed; for anybody else it is over. Where the kernel
 * removed nothing although the peer may not see the new program (a security module, or fs.suid_dumpable 1) the whole
 * trace ends, for inherited events cannot be taken from one process alone.
 *
 * The tracer does not wait for ever, nor do we depend on it: it may let go of the process before we are done, and then
 * tells nothing of it until we are.
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
#include "daemon/monitor/run.h"
#include "daemon/monitor/tell.h"

/* A process that waits in its exec. */
struct exec_stop {
        struct context *context;
        struct exec_stop *next;
        struct holder *holder; /* NULL: nobody holds it any more */
        pid_t pid;
        size_t n_traces; /* that are not done with it, and one for execs_begin() */
};

/* What one trace has to do about it. */
struct exec_visit {
        struct attachment *trace;
        struct exec_visit *next;
        struct exec_stop *stop;
        struct target target;
        int maps, smaps;
        bool lost_events;
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
        if (stop->holder != NULL)
                holder_exec_done(stop->holder, stop->pid);
        free(stop);
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
                holder_hide(trace, visit->target.pid);
        tell_revoked(trace, visit->target.pid, error);
        if (!visit->lost_events || !follow_lost(trace, visit->target.pid))
                attachment_stripped(trace);
}

static void reopen(struct exec_visit *visit)
{
        struct attachment *trace = visit->trace;
        CLEANUP_CLOSE int ids = -1;
        uint32_t n_ids = 0;
        int r = added_open(trace, &visit->target, &ids, &n_ids);

        if (r == 0)
                tell_ids(trace, visit->target.pid, n_ids, (int[]){ids, visit->maps, visit->smaps});
        else if (r != -ESRCH)
                deny(visit, -r);
}

static void on_answer(void *user, int result)
{
        struct exec_visit *visit = user;

        visit->ask = NULL;
        visit_unlink(visit); /* from now on the end of the trace is not its end */
        if (visit->trace->state == ATTACHMENT_RUNNING && result != -ESRCH) {
                if (result < 0)
                        deny(visit, -result);
                else if (visit->lost_events)
                        reopen(visit);
        }
        visit_end(visit);
}

/* --- the exec --- */

static int open_process(struct exec_visit *visit)
{
        int r = target_pin_process(visit->stop->pid, &visit->target);

        if (r < 0)
                return r;
        visit->maps = target_open(&visit->target, "maps", O_RDONLY);
        visit->smaps = target_open(&visit->target, "smaps", O_RDONLY);
        if (visit->maps < 0 || visit->smaps < 0)
                return visit->maps < 0 ? visit->maps : visit->smaps;
        visit->lost_events = target_lost_its_events(&visit->target);
        return 0;
}

static int visit_new(struct attachment *trace, struct exec_stop *stop, struct exec_visit **ret)
{
        struct exec_visit *visit = calloc(1, sizeof(*visit));

        if (visit == NULL)
                return -ENOMEM;
        *visit = (struct exec_visit){.trace = trace,
                                     .next = trace->exec_visits,
                                     .stop = stop,
                                     .target = TARGET_INIT,
                                     .maps = -1,
                                     .smaps = -1};
        trace->exec_visits = visit;
        stop->n_traces++;
        *ret = visit;
        return 0;
}

static void visit_trace(struct attachment *trace, struct exec_stop *stop)
{
        struct exec_visit *visit;
        int r;

        if (visit_new(trace, stop, &visit) < 0) {
                attachment_stripped(trace);
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
        struct exec_stop *stop = calloc(1, sizeof(*stop));

        if (stop == NULL) /* the tracer will let go; who has lost its events ends without them */
                return;
        *stop = (struct exec_stop){
                .context = context, .next = context->exec_stops, .holder = holder, .pid = pid, .n_traces = 1};
        context->exec_stops = stop;
        for (struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->holder == holder && t->is_watching && t->state == ATTACHMENT_RUNNING && follow_has(t, pid))
                        visit_trace(t, stop);
        stop_unref(stop);
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
