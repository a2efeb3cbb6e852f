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
#include <sys/socket.h>

#include "daemon/link/clock.h"

#define CLOSING_NS (UINT64_C(2500) * NSEC_PER_MSEC)

static int add_trace(struct engine *engine, struct link_received *received, struct attach *attach)
{
        const struct link_trace *info = &received->message.trace;
        struct trace *trace;
        int r;

        r = trace_new(received, engine->names, engine->unwind, !(info->rights & LINK_RIGHT_KERNEL), &trace);
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
        if (info->is_over) {
                if (attach && attach->is_resume)
                        attaches_tell_over(engine, attach, info);
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
        trace->is_held = started->ptrace == PTRACE_MODE_HOLD;
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

        if (opened->kind != LINK_OPEN_MAPS && opened->kind != LINK_OPEN_SMAPS && opened->kind != LINK_OPEN_PERF_MAP)
                return names_opened(engine->names, opened, fd);
        following_take_file(engine, opened, fd);
        return 0;
}

static int take_degraded(struct engine *engine, const struct link_degraded *degraded)
{
        struct trace *trace = engine_find_trace(engine, degraded->trace);

        if (degraded->what >= N_LINK_LACKS)
                return -EBADMSG;
        return trace ? trace_degrade(trace, degraded->what, degraded->error) : 0;
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
        case LINK_FOLLOWED:
                return following_take_answer(engine, received);
        case LINK_EMPTY:
                following_take_empty(engine, received->message.id.id);
                return 0;
        case LINK_IDS:
                return following_take_ids(engine, received);
        case LINK_REVOKED:
                following_take_revoked(engine, &received->message.follow);
                return 0;
        case LINK_DEGRADED:
                return take_degraded(engine, &received->message.degraded);
        case LINK_STATUS_REPLY:
                return status_take_reply(engine, received);
        default:
                return -EBADMSG;
        }
}

/* It has told how every trace ended; the clients are still to hear of it. */
static void monitor_gone(struct engine *engine)
{
        engine_unwatch(engine, engine->link_fd);
        /* The ring owners are events of the monitor's own task: from now on they hang up without end. */
        for (const struct trace *trace = engine->traces; trace; trace = trace->next)
                for (size_t i = 0; i < (size_t)trace->info.n_cpus * 2; i++)
                        engine_unwatch(engine, trace->maps[i].fd);
        engine->closing_until_ns = monotonic_ns() + CLOSING_NS;
}

/* Sending may wait for the monitor, so the socket is a blocking one; receiving may not. */
static bool is_readable(const struct engine *engine)
{
        uint8_t byte;

        return recv(engine->link_fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* 1 = a message was taken; 0 = the monitor has gone; -errno: it could not be served. */
static int read_message(struct engine *engine)
{
        struct link_received received;
        int r = link_receive(engine->link_fd, &received);

        if (r <= 0)
                return 0;
        r = take_message(engine, &received);
        link_close_fds(&received);
        return r < 0 ? r : 1;
}

void messages_read(struct engine *engine)
{
        int r = 1;

        while (r > 0 && !engine->closing_until_ns && is_readable(engine))
                r = read_message(engine);
        if (r == 0)
                monitor_gone(engine);
        if (r >= 0)
                return;
        (void)fprintf(stderr, "<3>faultlined engine: a message of the monitor could not be served: %s\n", strerror(-r));
        engine->stop = true;
}
