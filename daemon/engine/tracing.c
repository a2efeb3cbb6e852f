/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Driving traces: when each is drained, delivers, becomes ready, stops and is closed. trace.c knows what a trace does;
 * here is what it does next, which depends on others: on clients, on the monitor, on the clock.
 *
 * A trace is closed here alone, at the end of its turn in a pass, and only when nobody is subscribed and nobody is
 * awaited; so a pointer to a trace holds for the whole of a turn. Nothing here waits for the target: its /proc files
 * are read by a thread of their own, and the answer finds its trace by id and generation.
 */
#include "daemon/engine/engine_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "daemon/link/clock.h"

#define ABANDONED_NS (UINT64_C(2) * NSEC_PER_SEC)
#define READY_WAIT_NS (UINT64_C(200) * NSEC_PER_MSEC)
#define STRIPPED_NS (UINT64_C(500) * NSEC_PER_MSEC) /* the monitor learns of a death within that */

static size_t n_maps(const struct trace *trace)
{
        return (size_t)trace->info.n_cpus * 2;
}

/* ---- ends ---- */

static void stop_trace(struct engine *engine, struct trace *trace)
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
        engine_tell_id(engine, LINK_CLOSE, trace->id);
        names_trace_closed(engine->names, trace->id);
        trace_free(trace);
        if (!engine->traces)
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
                stop_trace(engine, trace);
        else if (fanout_flush(&trace->fanout) >= 0)
                trace_end_one(trace, subscription, reason, monotonic_ns());
}

static enum end_reason reason_of(const struct trace *trace, const struct link_counts *counts, const char **ret_text)
{
        *ret_text = NULL;
        if (counts->reason == LINK_EXITED)
                return END_EXITED;
        if (counts->reason != LINK_STOPPED || !trace->is_silent)
                return END_STOPPED;
        *ret_text = "the target executed a program that the kernel lets nobody watch through events (set-user-ID or "
                    "unreadable); attach to it again as root";
        return END_STRIPPED;
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
        reason = reason_of(trace, counts, &text);
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

/* Have a /proc file read. The job has a descriptor of its own: the trace may end or execute meanwhile. */
static int read_file(struct engine *engine, struct trace *trace, enum job_kind kind, int fd)
{
        struct job *job;
        int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

        if (copy < 0)
                return -EBADF;
        job = calloc(1, sizeof(*job));
        if (!job) {
                cleanup_close(&copy);
                return -ENOMEM;
        }
        job->kind = kind;
        job->fd = copy;
        job->trace = trace->id;
        job->generation = trace->addresses.generation;
        worker_submit(engine->reader, job);
        return 0;
}

static void read_wanted(struct engine *engine, struct trace *trace)
{
        struct addresses *addresses = &trace->addresses;

        if (!addresses->userfault_wanted)
                return;
        addresses->userfault_wanted = false;
        if (read_file(engine, trace, JOB_SMAPS, addresses->smaps_fd) < 0)
                addresses->userfault_pending = false;
}

/* What is mapped is known; VmFlags are worth a moment too, so that the first causes can be measured. */
static void maps_read(struct engine *engine, struct trace *trace, const struct job *job)
{
        if (job->error < 0 ||
            addresses_take_maps(&trace->addresses, job->text, job->n_text, job->begun_ns) == -ENOMEM ||
            trace->info.flags & LINK_ATTACH_FROM_EXEC ||
            !addresses_await_userfault(&trace->addresses, UINT64_MAX, monotonic_ns()))
                tell_ready(engine, trace);
}

static void smaps_read(struct engine *engine, struct trace *trace, const struct job *job)
{
        addresses_take_smaps(&trace->addresses, job->text, job->error < 0 ? 0 : job->n_text, job->begun_ns,
                             job->ended_ns);
        if (trace->ready_by_ns)
                tell_ready(engine, trace);
}

void tracing_file_read(struct engine *engine, struct job *job)
{
        struct trace *trace = engine_find_trace(engine, job->trace);

        if (trace && job->generation == trace->addresses.generation) {
                if (job->kind == JOB_MAPS)
                        maps_read(engine, trace, job);
                else
                        smaps_read(engine, trace, job);
        }
        job_free(job);
}

int tracing_prepare(struct engine *engine, struct trace *trace)
{
        int r = 0;

        for (size_t i = 0; i < n_maps(trace) && r >= 0; i++)
                r = engine_watch(engine, EPOLL_CTL_ADD, trace->maps[i].fd, EPOLLIN, SOURCE_RING, NULL);
        if (r < 0)
                return r;
        trace->state = TRACE_READY;
        /* A trace taken over runs already: its records must not come before what they change. */
        if (trace->restarted)
                return addresses_snapshot(&trace->addresses) == -ENOMEM ? -ENOMEM : 0;
        trace->ready_by_ns = monotonic_ns() + READY_WAIT_NS;
        if (read_file(engine, trace, JOB_MAPS, trace->addresses.maps_fd) < 0)
                tell_ready(engine, trace);
        return 0;
}

/* ---- a pass ---- */

static bool is_running(const struct trace *trace)
{
        /* Until its clients have come back, a trace taken over leaves its faults in the rings. */
        return trace->state == TRACE_RUNNING && (!trace->restarted || trace->fanout.subscriptions);
}

static void ask_proc_files(struct engine *engine, struct trace *trace)
{
        for (uint32_t kind = LINK_OPEN_MAPS; kind <= LINK_OPEN_SMAPS; kind++)
                engine_tell(engine,
                            &(struct link_message){.type = LINK_OPEN, .open = {.trace = trace->id, .kind = kind}});
        trace->exec_pending = false;
}

static void drain(struct engine *engine, struct trace *trace)
{
        uint64_t now_ns = monotonic_ns();
        int r = trace_drain(trace, now_ns, now_ns);

        if (r < 0)
                fail_trace(trace);
        if (r == TRACE_MORE)
                engine->backlog = true;
        if (trace->exec_pending)
                ask_proc_files(engine, trace);
        /* Its events are over, yet the monitor has not seen it die: the exec took them (see trace.h). */
        if (trace->is_silent && monotonic_ns() - trace->silent_ns > STRIPPED_NS)
                stop_trace(engine, trace);
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

/* A client that is far behind reads of the gap late: its trace waits for it as long as it is there. */
static bool is_awaited(const struct engine *engine, const struct trace *trace)
{
        if (attaches_await(engine, trace))
                return true;
        for (const struct peer_entry *entry = engine->peers; entry && trace->restarted; entry = entry->next)
                if (!entry->gone && entry->peer->conn == trace->info.conn)
                        return trace->state != TRACE_OVER && !trace->was_resumed;
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

static void run_trace(struct engine *engine, struct trace *trace, bool due, uint64_t now_ns)
{
        trace->resolve.swap_in_use = engine->swap_in_use;
        trace->resolve.numa_balancing = engine->numa_balancing;
        trace->resolve.is_threaded = trace->n_threads > 1;
        if (due && is_running(trace))
                drain(engine, trace);
        if (is_running(trace) || trace->state == TRACE_ENDING)
                deliver(engine, trace, now_ns);
        read_wanted(engine, trace);
        if (trace->ready_by_ns && now_ns >= trace->ready_by_ns)
                tell_ready(engine, trace);
        check_abandoned(engine, trace, now_ns);
}

void tracing_run(struct engine *engine)
{
        uint64_t now_ns = monotonic_ns();
        bool due = engine->ring_ready || engine->backlog || now_ns >= engine->next_tick_ns;

        engine->ring_ready = engine->backlog = false;
        if (due)
                engine->next_tick_ns = now_ns + TICK_NS;
        for (struct trace *trace = engine->traces, *next; trace; trace = next) {
                next = trace->next;
                run_trace(engine, trace, due, now_ns);
        }
}
