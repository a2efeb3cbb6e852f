/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Driving traces: when each is drained, delivers, becomes ready, stops and is closed. trace.c knows what a trace does;
 * here is what it does next, which depends on others: on clients, on the monitor, on the clock.
 *
 * A trace is closed here alone, by tracing_close_unused(), and only when nobody is subscribed, nobody is awaited and
 * every END has been sent: until then an engine that takes over can still tell how it ended. Nothing here waits for the
 * target: its /proc files are read by a thread of their own, and the answer finds its trace and its memory by their
 * ids.
 */
#include "daemon/engine/engine_private.h"

#include <errno.h>
#include <sys/epoll.h>

#include "daemon/link/clock.h"

#define ABANDONED_NS (UINT64_C(2) * NSEC_PER_SEC)
#define LAST_WORDS_NS (2 * NSEC_PER_SEC)     /* of the time for closing, is for what does not wait any more */
#define NAMES_AWAITED_NS (60 * NSEC_PER_SEC) /* longer than anything waits for its names */
#define READY_WAIT_NS (UINT64_C(200) * NSEC_PER_MSEC)
#define STRIPPED_NS (UINT64_C(500) * NSEC_PER_MSEC) /* the monitor learns of a death within that */

static size_t n_maps(const struct trace *trace)
{
        return (size_t)trace->info.n_cpus * 2;
}

/* ---- ends ---- */

void tracing_stop(struct engine *engine, struct trace *trace)
{
        if (trace->state >= TRACE_STOPPING)
                return;
        trace->state = TRACE_STOPPING;
        engine_tell_id(engine, LINK_STOP, trace->id);
}

static void close_trace(struct engine *engine, struct trace *trace)
{
        struct trace **at = &engine->traces;

        for (size_t i = 0; i < n_maps(trace); i++)
                if (trace->maps[i].fd >= 0)
                        engine_unwatch(engine, trace->maps[i].fd);
        while (*at != trace)
                at = &(*at)->next;
        *at = trace->next;
        reports_trace_closes(engine, trace);
        engine_tell_id(engine, LINK_CLOSE, trace->id);
        names_trace_closed(engine->names, trace->id);
        trace_free(trace);
        if (engine->traces)
                return;
        unwind_forget(engine->unwind); /* it reads the files that names close */
        names_forget(engine->names);
}

static void fail_trace(struct trace *trace)
{
        trace_fail(trace, "the daemon ran out of memory", monotonic_ns());
}

/* Another subscription goes on: end this one here. The last one ends with the kernel's own counters. */
void tracing_end_subscription(struct engine *engine, struct trace *trace, struct subscription *subscription,
                              enum end_reason reason)
{
        if (trace->fanout.subscriptions == subscription && !subscription->next_in_fanout)
                tracing_stop(engine, trace);
        else if (fanout_flush(&trace->fanout) >= 0)
                trace_end_one(trace, subscription, reason, monotonic_ns());
}

/* Where others are followed, a trace is not over because of one of them: what happened last tells, not who lives on. */
static bool is_stripped(const struct trace *trace, const struct link_counts *counts)
{
        return counts->reason == LINK_STRIPPED || processes_end_silent(&trace->processes);
}

static enum end_reason reason_of(const struct trace *trace, const struct link_counts *counts, const char **ret_text)
{
        bool is_over = counts->reason == LINK_EXITED || following_is_over(trace) ||
                       processes_are_silent(&trace->processes, UINT64_MAX);

        *ret_text = NULL;
        if (is_stripped(trace, counts)) {
                *ret_text = "the target executed a program whose events the kernel removes (set-user-ID, with "
                            "capabilities, or unreadable), and they could not be opened anew: nobody held the target "
                            "in its exec, or you may not trace that program; attach to it again as root";
                return END_STRIPPED;
        }
        if (is_over)
                return END_EXITED;
        if (counts->reason == LINK_DISMISSED) {
                *ret_text =
                        "you are no administrator of faultlined any more: its AdminGroup= was changed; attach again "
                        "to what you may trace by your own rights";
                return END_ERROR;
        }
        return counts->reason == LINK_RESTARTING ? END_RESTART : END_STOPPED;
}

void tracing_take_counts(struct engine *engine, const struct link_counts *counts)
{
        struct trace *trace = engine_find_trace(engine, counts->trace);
        enum end_reason reason;
        const char *text;

        if (!trace || trace->state >= TRACE_ENDING)
                return;
        if (trace->restarted && !trace->fanout.subscriptions) {
                trace->held = *counts;
                trace->has_held = true;
                return;
        }
        if (trace->state < TRACE_RUNNING) { /* it died before it was started */
                attaches_refuse_trace(engine, trace, ESRCH, "the process ended while it was being attached");
                trace->state = TRACE_OVER;
                return;
        }
        if (trace_drain_all(trace, monotonic_ns()) < 0) {
                fail_trace(trace);
                return;
        }
        reason = reason_of(trace, counts, &text); /* what the last records tell is part of it */
        if (trace_finish(trace, counts, reason, text, monotonic_ns()) < 0)
                fail_trace(trace);
}

void tracing_deinit(struct engine *engine)
{
        while (engine->traces) {
                struct trace *trace = engine->traces;

                engine->traces = trace->next;
                trace_free(trace);
        }
}

/* ---- /proc files, and readiness, which waits for them ---- */

static void tell_ready(struct engine *engine, struct trace *trace)
{
        trace->ready_by_ns = 0;
        engine_tell_id(engine, LINK_READY, trace->id);
}

/* What is mapped is known; VmFlags are worth a moment too, so that the first causes can be measured. */
static bool is_prepared(const struct trace *trace, struct addresses *addresses)
{
        return trace->info.flags & LINK_ATTACH_FROM_EXEC ||
               !addresses_await_userfault(addresses, UINT64_MAX, monotonic_ns());
}

/* Before the first fault wants it. */
static void want_code(struct trace *trace, const struct process *process)
{
        struct aspace *aspace = process->addresses->aspace;

        for (size_t i = 0; trace->info.stack_bytes && i < aspace_count(aspace); i++)
                resolve_want_code(&trace->resolve, process, aspace_at(aspace, i), monotonic_ns());
}

static void maps_read(struct engine *engine, struct trace *trace, struct addresses *addresses, const struct job *job)
{
        bool is_known =
                job->error >= 0 && addresses_take_maps(addresses, job->text, job->n_text, job->begun_ns) != -ENOMEM;

        for (struct process *process = trace->processes.first; process; process = process->next)
                if (process->addresses == addresses) {
                        process->is_unmapped = process->is_being_read = false;
                        want_code(trace, process);
                }
        if (trace->ready_by_ns && (!is_known || is_prepared(trace, addresses)))
                tell_ready(engine, trace);
}

static void smaps_read(struct engine *engine, struct trace *trace, struct addresses *addresses, const struct job *job)
{
        addresses_take_smaps(addresses, job->text, job->error < 0 ? 0 : job->n_text, job->begun_ns, job->ended_ns);
        if (trace->ready_by_ns)
                tell_ready(engine, trace);
}

void tracing_file_read(struct engine *engine, struct job *job)
{
        struct trace *trace = engine_find_trace(engine, job->trace);
        struct addresses *addresses = trace ? processes_addresses(&trace->processes, job->addresses) : NULL;

        if (addresses && job->kind == JOB_MAPS)
                maps_read(engine, trace, addresses, job);
        else if (addresses && job->kind == JOB_PERF_MAP)
                jit_take(&addresses->jit, TAKE_PTR(job->symtab), job->ended_ns);
        else if (addresses)
                smaps_read(engine, trace, addresses, job);
        job_free(job);
}

int tracing_prepare(struct engine *engine, struct trace *trace)
{
        const struct process *target = trace->processes.target;
        int r = 0;

        for (size_t i = 0; i < n_maps(trace) && r >= 0; i++)
                r = engine_watch(engine, EPOLL_CTL_ADD, trace->maps[i].fd, EPOLLIN, SOURCE_RING, NULL);
        /* Every pass reads what is there; until the trace runs, that is nothing. */
        if (r >= 0 && trace->stories->fd >= 0)
                r = engine_watch(engine, EPOLL_CTL_ADD, trace->stories->fd, EPOLLIN | EPOLLET, SOURCE_RING, NULL);
        if (r < 0)
                return r;
        trace->state = TRACE_READY;
        /* A trace taken over runs already: its records must not come before what they change. */
        if (trace->restarted)
                return target && addresses_snapshot(target->addresses) == -ENOMEM ? -ENOMEM : 0;
        trace->ready_by_ns = monotonic_ns() + READY_WAIT_NS;
        if (!target || following_read(engine, trace, target->addresses, JOB_MAPS) < 0)
                tell_ready(engine, trace);
        return 0;
}

/* ---- a pass ---- */

static bool is_running(const struct trace *trace)
{
        /* Until its clients have come back, a trace taken over leaves its faults in the rings. */
        return trace->state == TRACE_RUNNING && (!trace->restarted || trace->fanout.subscriptions);
}

static void drain(struct engine *engine, struct trace *trace, uint64_t now_ns)
{
        int r = trace_drain(trace, now_ns, now_ns);

        if (r < 0)
                fail_trace(trace);
        if (r == TRACE_MORE)
                engine->backlog = true;
        /* Events are over, yet the monitor has not seen anybody die: an exec took them (see processes.h). */
        if (following_is_over(trace) ||
            (now_ns > STRIPPED_NS && processes_are_silent(&trace->processes, now_ns - STRIPPED_NS)))
                tracing_stop(engine, trace);
}

static void check_limits(struct engine *engine, struct trace *trace)
{
        for (struct subscription *s = trace->fanout.subscriptions, *next; s; s = next) {
                next = s->next_in_fanout;
                if (subscription_reached_limit(s))
                        tracing_end_subscription(engine, trace, s, END_COUNT);
        }
}

static void deliver(struct engine *engine, struct trace *trace, uint64_t now_ns)
{
        if (trace_deliver(trace, now_ns) < 0)
                fail_trace(trace);
        check_limits(engine, trace);
}

static bool has_unsent_end(const struct peer *peer, uint32_t trace)
{
        for (const struct subscription *s = peer->subscriptions; s; s = s->next_in_peer)
                if (s->trace == trace)
                        return true;
        return false;
}

/*
 * A client that is far behind reads of the gap late: its trace waits until it answers. It answers for all of its traces
 * at once; one that it never heard of, because the engine died with the news, it does not resume.
 */
static bool may_resume(const struct peer_entry *entry, const struct trace *trace)
{
        return trace->restarted && !entry->has_asked && entry->peer->conn == trace->info.conn &&
               trace->state != TRACE_OVER && !trace->was_resumed;
}

static bool is_awaited(const struct engine *engine, const struct trace *trace)
{
        if (attaches_await(engine, trace))
                return true;
        for (const struct peer_entry *entry = engine->peers; entry; entry = entry->next)
                if (!entry->gone && (has_unsent_end(entry->peer, trace->id) || may_resume(entry, trace)))
                        return true;
        return false;
}

static void check_abandoned(struct engine *engine, struct trace *trace, uint64_t now_ns)
{
        if (trace->fanout.subscriptions || is_awaited(engine, trace)) {
                trace->abandoned_ns = 0;
                return;
        }
        if (!trace->abandoned_ns)
                trace->abandoned_ns = now_ns;
        /* The connections come after the traces, from a monitor that may be busy. */
        if (!trace->restarted || trace->was_resumed || now_ns - trace->abandoned_ns > ABANDONED_NS)
                close_trace(engine, trace);
}

/* The monitor has gone, and answers no question any more: what waits for one goes without, or END would come too late.
 */
static bool gives_up_names(const struct engine *engine, uint64_t now_ns)
{
        return engine->closing_until_ns && now_ns + LAST_WORDS_NS >= engine->closing_until_ns;
}

static void run_trace(struct engine *engine, struct trace *trace, bool due, uint64_t now_ns)
{
        trace->resolve.swap_in_use = engine->swap_in_use;
        trace->resolve.numa_balancing = engine->numa_balancing;
        trace->resolve.is_held = trace->is_held && !trace->stories->has_ended;
        if (due && is_running(trace))
                drain(engine, trace, now_ns);
        if (is_running(trace) || trace->state == TRACE_ENDING)
                deliver(engine, trace, gives_up_names(engine, now_ns) ? now_ns + NAMES_AWAITED_NS : now_ns);
        following_ask(engine, trace);
        if (trace->ready_by_ns && now_ns >= trace->ready_by_ns)
                tell_ready(engine, trace);
}

void tracing_run(struct engine *engine, uint64_t now_ns)
{
        bool due = engine->ring_ready || engine->backlog || now_ns >= engine->next_tick_ns;

        engine->ring_ready = engine->backlog = false;
        if (due)
                engine->next_tick_ns = now_ns + TICK_NS;
        for (struct trace *trace = engine->traces; trace; trace = trace->next)
                run_trace(engine, trace, due, now_ns);
        names_ask_lines(engine->names);
}

void tracing_close_unused(struct engine *engine, uint64_t now_ns)
{
        for (struct trace *trace = engine->traces, *next; trace; trace = next) {
                next = trace->next;
                check_abandoned(engine, trace, now_ns);
        }
}
