/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the monitor says, message by message. Of everybody who sends bytes to the engine it alone is trusted, so a
 * message that makes no sense, or cannot be served, ends the engine: the monitor starts another one. A message about a
 * trace or an attach that is no more is none of these: it crossed ours on its way.
 *
 * Descriptors belong to the message until somebody takes them; what is left is closed here.
 */
#include "daemon/engine/engine_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/link/clock.h"

#define CLOSING_NS (UINT64_C(2500) * NSEC_PER_MSEC)

static int add_trace(struct engine *engine, struct link_received *received, struct attach *attach)
{
        const struct link_trace *info = &received->message.trace;
        struct trace *trace;
        int r;

        r = trace_new(received, engine->names, !(info->rights & LINK_RIGHT_KERNEL), &trace);
        if (r < 0) {
                if (attach)
                        attaches_refuse(engine, attach, -r, ENOMEM_TEXT);
                engine_tell_id(engine, LINK_CLOSE, info->trace);
                return 0;
        }
        trace->next = engine->traces;
        engine->traces = trace;
        if (attach)
                attach->trace = trace;
        return 0;
}

static int take_trace(struct engine *engine, struct link_received *received)
{
        const struct link_trace *info = &received->message.trace;
        struct attach *attach = attaches_find(engine, info->req);
        struct trace *trace = engine_find_trace(engine, info->trace);

        if (info->error) {
                if (attach)
                        attaches_refuse(engine, attach, info->error, info->text);
                return 0;
        }
        return trace ? trace_replace_ids(trace, received) : add_trace(engine, received, attach);
}

static int take_rings(struct engine *engine, struct link_received *received)
{
        struct trace *trace = engine_find_trace(engine, received->message.rings.trace);
        int r;

        if (!trace)
                return 0; /* its client has gone meanwhile */
        r = trace_add_rings(trace, received);
        return r <= 0 ? r : tracing_prepare(engine, trace);
}

static void take_started(struct engine *engine, const struct link_started *started)
{
        struct trace *trace = engine_find_trace(engine, started->trace);

        if (!trace)
                return;
        trace->started = *started;
        if (started->n_unstopped && !(started->degraded & 1u << LINK_LACKS_BARRIER)) {
                trace->started.degraded |= 1u << LINK_LACKS_BARRIER;
                trace->started.degraded_errno[LINK_LACKS_BARRIER] = ETIMEDOUT;
        }
        trace->state = TRACE_RUNNING;
        engine->settings_read_ns = 0;
        attaches_finish(engine, trace);
}

static int take_opened(struct engine *engine, struct link_received *received)
{
        const struct link_opened *opened = &received->message.opened;
        int fd = received->n_fds == 1 ? TAKE_FD(received->fds[0]) : -1;
        struct trace *trace;
        int *to;

        if (opened->kind != LINK_OPEN_MAPS && opened->kind != LINK_OPEN_SMAPS)
                return names_opened(engine->names, opened, fd);
        trace = engine_find_trace(engine, opened->trace);
        if (!trace) {
                cleanup_close(&fd);
                return 0;
        }
        to = opened->kind == LINK_OPEN_MAPS ? &trace->addresses.maps_fd : &trace->addresses.smaps_fd;
        cleanup_close(to);
        *to = fd;
        return 0;
}

static int take_message(struct engine *engine, struct link_received *received)
{
        switch (received->message.type) {
        case LINK_CONN:
                return clients_add(engine, received);
        case LINK_TRACE:
                return take_trace(engine, received);
        case LINK_RINGS:
                return take_rings(engine, received);
        case LINK_STARTED:
                take_started(engine, &received->message.started);
                return 0;
        case LINK_OPENED:
                return take_opened(engine, received);
        case LINK_COUNTS:
                tracing_take_counts(engine, &received->message.counts);
                return 0;
        default:
                return -EBADMSG;
        }
}

/* It has told how every trace ended; the clients are still to hear of it. */
static void monitor_gone(struct engine *engine)
{
        engine_unwatch(engine, engine->link_fd);
        engine->closing_until_ns = monotonic_ns() + CLOSING_NS;
}

void messages_read(struct engine *engine)
{
        struct link_received received;
        int r;

        r = link_receive(engine->link_fd, &received);
        if (r == -EAGAIN)
                return;
        if (r <= 0) {
                monitor_gone(engine);
                return;
        }
        r = take_message(engine, &received);
        link_close_fds(&received);
        if (r >= 0)
                return;
        (void)fprintf(stderr, "<3>faultlined engine: a message of the monitor could not be served: %s\n", strerror(-r));
        engine->stop = true;
}
