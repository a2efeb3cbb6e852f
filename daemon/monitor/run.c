/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Enabling, disabling and reading go through all events of a trace, in slices; a trace of a few threads is done in the
 * first one. Between the slices of the enabling the threads are held by the barrier, as long as the tracer holds them.
 *
 * Events are closed as soon as they are counted: enabled tracepoints cost every process of the machine. The rings stay
 * until the engine has drained them.
 */
#include "daemon/monitor/run.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "daemon/link/clock.h"
#include "daemon/monitor/added.h"
#include "daemon/monitor/figures.h"
#include "daemon/monitor/follow.h"
#include "daemon/monitor/holders.h"
#include "daemon/monitor/log.h"
#include "daemon/monitor/prepare.h"
#include "daemon/monitor/records.h"
#include "daemon/monitor/store.h"
#include "daemon/monitor/tell.h"
#include "daemon/monitor/unit.h"
#include "proto/proto.h"

#define HOLD_NS (400 * NSEC_PER_MSEC) /* a tracer holds for longer, and then lets go by itself */

static void finish(struct attachment *trace, enum link_stop_reason reason);

/* --- beginning --- */

static bool is_from_exec(const struct attachment *trace)
{
        return (trace->request.flags & LINK_ATTACH_FROM_EXEC) != 0;
}

static bool is_held(const struct attachment *trace)
{
        return (trace->level.degraded & (1u << LINK_LACKS_BARRIER)) == 0 && trace->n_unstopped == 0 &&
               trace->is_stopped;
}

/* While every thread is held nothing has been counted yet and the process's own counters stand still. */
static int read_first_difference(struct attachment *trace)
{
        struct target_faults faults;
        int r;

        if (!is_held(trace) || is_from_exec(trace)) /* from an exec on, what was before is counted apart */
                return counting_read_difference(&trace->events, &trace->target, COUNTING_MAX_READS, &trace->difference);
        r = target_read_faults(&trace->target, &faults);
        if (r == 0)
                trace->difference = (struct counting_difference){.minor = faults.min_flt, .major = faults.maj_flt};
        return r;
}

static void started(struct attachment *trace)
{
        trace->has_difference = read_first_difference(trace) == 0;
        trace->started = (struct link_started){
                .trace = trace->id,
                .n_threads = trace->n_threads,
                .n_unstopped = trace->n_unstopped,
                .degraded = trace->level.degraded,
                .ptrace = (uint32_t)trace->mode,
                .time_ns = monotonic_ns(),
        };
        memcpy(trace->started.degraded_errno, trace->level.degraded_errno, sizeof(trace->started.degraded_errno));
        holder_go(trace);
        trace->state = ATTACHMENT_RUNNING;
        announce_later(trace->context);
        figures_begin(trace);
        records_granted(trace);
        store_started(trace);
        unit_tell_processes(trace);
        tell_started(trace);
        unit_started(trace);
        if (trace->is_exited)
                attachment_target_exited(trace);
}

/* A thread born during the first round may have inherited its events disabled: unless all were held, a second. */
static void enable_again(struct attachment *trace)
{
        if (events_enable(&trace->events, &trace->n_done))
                attachment_later(trace, enable_again);
        else
                started(trace);
}

static void enable_more(struct attachment *trace)
{
        if (events_enable(&trace->events, &trace->n_done)) {
                attachment_later(trace, enable_more);
                return;
        }
        if (trace->is_stopped && monotonic_ns() - trace->held_since_ns > HOLD_NS)
                event_level_lack(&trace->level, LINK_LACKS_BARRIER, ETIMEDOUT);
        trace->n_done = 0;
        if (is_held(trace))
                started(trace);
        else
                enable_again(trace);
}

void attachment_begin(struct attachment *trace)
{
        if (trace->events.is_uncertain)
                event_level_lack(&trace->level, LINK_LACKS_THREADS, EAGAIN);
        trace->state = ATTACHMENT_ENABLING;
        trace->n_done = 0;
        if (!is_from_exec(trace))
                enable_more(trace);
        else
                started(trace);
}

void attachment_ready(struct attachment *trace)
{
        if (trace->state != ATTACHMENT_OPENED)
                return;
        if (trace->is_exited || trace->mode == PTRACE_MODE_OFF ||
            (is_from_exec(trace) && trace->mode != PTRACE_MODE_HOLD))
                attachment_begin(trace);
        else
                holder_begin(trace);
}

/* --- end --- */

/*
 * Children add to the counters of their parent when it reaps them, and to none if it does not care; a program that took
 * the events has faulted before there were new ones. Neither can be told apart.
 */
static uint64_t read_unseen(const struct attachment *trace)
{
        struct counting_difference now;

        if ((trace->request.flags & LINK_ATTACH_FOLLOW) != 0 || trace->n_added_ids != 0)
                return PROTO_UNSEEN_UNKNOWN;
        if (!trace->has_difference ||
            counting_read_difference(&trace->events, &trace->target, COUNTING_MAX_READS, &now) < 0)
                return PROTO_UNSEEN_UNKNOWN;
        uint64_t grown = now.minor + now.major - trace->difference.minor - trace->difference.major;
        return grown <= INT64_MAX ? grown : PROTO_UNSEEN_UNKNOWN;
}

static void counted(struct attachment *trace, const struct event_counts *counts)
{
        memcpy(trace->counts.count, counts->count, sizeof(counts->count));
        memcpy(trace->counts.lost, counts->lost, sizeof(counts->lost));
        trace->state = ATTACHMENT_STOPPED;
        if (trace->counts.reason == LINK_RESTARTING)
                store_stopped(trace);
        events_close(&trace->events, trace->context->closer);
        added_free(trace);
        records_ended(trace);
        if (trace->resent == NULL) /* else a new engine does not know the trace yet, and is told with it */
                tell_counts(trace);
}

/* The next set of events is to be gone through; false = that was the last one. */
static bool next_set(struct attachment *trace)
{
        trace->n_done = 0;
        return added_next(trace, &trace->counted_at);
}

static void read_more(struct attachment *trace)
{
        static const struct event_counts none;
        int r = events_read(added_set(trace, trace->counted_at), trace->level.lost_count, &trace->n_done,
                            &trace->reading);

        if (r == 0 && next_set(trace))
                r = 1;
        if (r == 1) {
                attachment_later(trace, read_more);
                return;
        }
        if (r < 0)
                log_line(LOG_PRIORITY_ERROR, "cannot read the counters of process %d: %s", trace->target.pid,
                         strerrordesc_np(-r));
        counted(trace, r < 0 ? &none : &trace->reading);
}

/*
 * A thread born during the first round may have inherited its events enabled and joined its parent's list behind the
 * first round's back (inherit_event(), kernel/events/core.c, looks at the state before it takes the list's lock): what
 * it still wrote would be in the rings and not in the counts.
 */
static void disable_again(struct attachment *trace)
{
        if (events_disable(added_set(trace, trace->counted_at), &trace->n_done) || next_set(trace)) {
                attachment_later(trace, disable_again);
                return;
        }
        trace->counts.time_ns = monotonic_ns();
        read_more(trace);
}

static void disable_more(struct attachment *trace)
{
        if (events_disable(added_set(trace, trace->counted_at), &trace->n_done) || next_set(trace))
                attachment_later(trace, disable_more);
        else
                disable_again(trace);
}

/* It was counted to its end, and nobody is held. */
static bool is_over(const struct attachment *trace)
{
        return trace->state == ATTACHMENT_RUNNING && trace->is_exited && trace->members == NULL;
}

static void finish(struct attachment *trace, enum link_stop_reason reason)
{
        trace->counts = (struct link_counts){.trace = trace->id, .reason = reason, .unseen = PROTO_UNSEEN_UNKNOWN};
        if (trace->state == ATTACHMENT_RUNNING)
                trace->counts.unseen = read_unseen(trace);
        if (reason == LINK_RESTARTING)
                store_stopping(trace);
        if (!is_over(trace)) /* else its tracer still tells how it ended: attachment_free() leaves */
                holder_leave(trace);
        trace->turn = sd_event_source_disable_unref(trace->turn); /* it may still be opening or enabling */
        (void)sd_event_source_set_enabled(trace->exit_source, SD_EVENT_OFF);
        trace->state = ATTACHMENT_STOPPING;
        announce_later(trace->context);
        trace->n_done = 0;
        trace->counted_at = NULL;
        trace->reading = trace->retired;
        disable_more(trace);
}

void attachment_target_exited(struct attachment *trace)
{
        trace->is_exited = true;
        if (trace->state != ATTACHMENT_RUNNING)
                return;
        if ((trace->request.flags & LINK_ATTACH_FOLLOW) != 0)
                follow_check_empty(trace);
        else
                finish(trace, LINK_EXITED);
}

void attachment_stripped(struct attachment *trace)
{
        if (trace->state < ATTACHMENT_STOPPING)
                finish(trace, LINK_STRIPPED);
}

void attachment_dismiss(struct attachment *trace)
{
        if (trace->state == ATTACHMENT_RUNNING)
                finish(trace, LINK_DISMISSED);
        else if (trace->state > ATTACHMENT_OPENING)
                attachment_refused(trace);
}

void attachment_stop(struct attachment *trace)
{
        if (trace->state < ATTACHMENT_STOPPING)
                finish(trace, LINK_STOPPED);
}

void attachments_stop_all(struct context *context)
{
        for (struct attachment *t = context->attachments; t != NULL; t = t->next) {
                if (t->state == ATTACHMENT_RUNNING)
                        finish(t, store_keeps(t) ? LINK_RESTARTING : LINK_STOPPED);
                while (t->state == ATTACHMENT_STOPPING)
                        attachment_take_turn(t);
        }
}
