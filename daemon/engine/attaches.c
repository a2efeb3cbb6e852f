/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From ATTACH to ATTACHED: what clients have asked for and the monitor has not yet brought, and how it becomes a
 * subscription. The monitor's answer takes several messages, between which the client may go and the target may die;
 * so each request is kept here under a number of ours, and every message finds it anew.
 *
 * An attach counts as one of its peer's subscriptions from the beginning: otherwise a client could ask without bound
 * while the monitor is busy. Who takes one away counts it back, unless it turned into a subscription or its peer goes
 * as well.
 */
#include "daemon/engine/engine_private.h"

#include <errno.h>
#include <string.h>

#include "daemon/engine/degraded.h"

static struct attach *attach_free(struct attach *attach)
{
        if (attach)
                free((char *)(uintptr_t)attach->filter.map_glob.data);
        free(attach);
        return NULL;
}

static void remove_attach(struct engine *engine, struct attach *attach)
{
        struct attach **at = &engine->attaches;

        while (*at != attach)
                at = &(*at)->next;
        *at = attach->next;
        attach_free(attach);
}

static int copy_filter(struct proto_filter *to, const struct proto_filter *from)
{
        char *glob = NULL;

        if (from->map_glob.n_bytes) {
                glob = malloc(from->map_glob.n_bytes);
                if (!glob)
                        return -ENOMEM;
                memcpy(glob, from->map_glob.data, from->map_glob.n_bytes);
        }
        *to = *from;
        to->map_glob.data = glob;
        return 0;
}

static struct attach *attach_new(struct engine *engine, struct peer *peer, const struct proto_attach *request)
{
        struct attach *attach = calloc(1, sizeof(*attach));

        if (!attach || copy_filter(&attach->filter, &request->filter) < 0)
                return attach_free(attach);
        attach->req = engine->next_req++;
        attach->peer = peer;
        attach->client_req = request->req;
        attach->count_limit = request->count_limit;
        return attach;
}

/* Why a request cannot even be passed on; NULL = it can. */
static const char *objection(const struct proto_attach *request)
{
        const struct proto_string *glob = &request->filter.map_glob, *unit = &request->unit;

        if (glob->n_bytes && memchr(glob->data, 0, glob->n_bytes))
                return "the pattern for map paths holds a NUL byte; leave it out";
        if (unit->n_bytes >= LINK_UNIT_BYTES)
                return "the name of the unit is longer than 511 bytes; use the path of its cgroup";
        if (unit->n_bytes && memchr(unit->data, 0, unit->n_bytes))
                return "the name of the unit holds a NUL byte; leave it out";
        return NULL;
}

/* What the request asks for is the monitor's to judge: it refuses what it does not know. */
static void ask_monitor(struct engine *engine, const struct attach *attach, const struct proto_attach *request)
{
        struct link_message message = {.type = LINK_ATTACH,
                                       .attach = {.conn = attach->peer->conn,
                                                  .req = attach->req,
                                                  .pid = request->pid,
                                                  .detail = request->detail,
                                                  .flags = request->flags,
                                                  .ptrace = request->ptrace,
                                                  .stack_bytes = request->stack_bytes}};

        if (request->unit.n_bytes)
                memcpy(message.attach.unit, request->unit.data, request->unit.n_bytes);
        engine_tell(engine, &message);
}

void attaches_ask(struct engine *engine, struct peer *peer, const struct proto_attach *request)
{
        const char *text = objection(request);
        struct attach *attach;

        if (peer->n_subscriptions >= PEER_MAX_SUBSCRIPTIONS) {
                peer_error(peer, request->req, EUSERS, "a client may trace 64 processes at a time; use another client");
                return;
        }
        if (text) {
                peer_error(peer, request->req, EINVAL, text);
                return;
        }
        attach = attach_new(engine, peer, request);
        if (!attach) {
                peer_error(peer, request->req, ENOMEM, ENOMEM_TEXT);
                return;
        }
        attach->next = engine->attaches;
        engine->attaches = attach;
        peer->n_subscriptions++;
        ask_monitor(engine, attach, request);
}

struct attach *attaches_find(const struct engine *engine, uint32_t req)
{
        struct attach *attach = engine->attaches;

        while (attach && attach->req != req)
                attach = attach->next;
        return attach;
}

bool attaches_await(const struct engine *engine, const struct trace *trace)
{
        for (const struct attach *attach = engine->attaches; attach; attach = attach->next)
                if (attach->trace == trace)
                        return true;
        return false;
}

void attaches_forget(struct engine *engine, const struct peer *peer)
{
        for (struct attach *attach = engine->attaches, *next; attach; attach = next) {
                next = attach->next;
                if (!peer || attach->peer == peer)
                        remove_attach(engine, attach);
        }
}

void attaches_refuse(struct engine *engine, struct attach *attach, int error, const char *text)
{
        peer_error(attach->peer, attach->client_req, error, text);
        attach->peer->n_subscriptions--;
        remove_attach(engine, attach);
}

void attaches_refuse_trace(struct engine *engine, const struct trace *trace, int error, const char *text)
{
        for (struct attach *attach = engine->attaches, *next; attach; attach = next) {
                next = attach->next;
                if (attach->trace == trace)
                        attaches_refuse(engine, attach, error, text);
        }
}

struct subscription *attaches_subscribe(struct trace *trace, const struct subscription_spec *spec)
{
        struct subscription *subscription;

        if (fanout_join(&trace->fanout, spec, &subscription) < 0)
                return NULL;
        subscription->next_in_peer = spec->peer->subscriptions;
        spec->peer->subscriptions = subscription;
        return subscription;
}

void attaches_tell(struct trace *trace, const struct subscription *subscription, uint32_t client_req)
{
        uint8_t bytes[PROTO_HEADER_BYTES + 256];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_attached message = {
                .req = client_req,
                .pid = trace->pid,
                .detail = (uint8_t)trace->info.detail,
                .ptrace = (uint8_t)trace->started.ptrace,
                .n_threads = trace->started.n_threads,
                .time_ns = trace->started.time_ns,
                .kernel_base = subscription->kernel_base,
                .lost_base = subscription->lost_base,
                .comm = {.data = trace->info.comm, .n_bytes = (uint32_t)strnlen(trace->info.comm, 16)},
                .stack_bytes = trace->info.stack_bytes,
        };

        if (proto_encode_attached(&buffer, trace->id, &message) >= 0)
                peer_message(subscription->peer, MESSAGE_ATTACHED, &buffer);
}

/* Without kernel-mode faults there is no kernel code to name. */
static bool lacks(const struct trace *trace, unsigned int bit)
{
        uint32_t degraded = trace->started.degraded;

        if (degraded & 1u << LINK_LACKS_KERNEL_MODE)
                degraded &= ~(1u << LINK_LACKS_KALLSYMS);
        return degraded & 1u << bit;
}

/* LINK_LACKS_HOLD before LINK_LACKS_BARRIER, which mostly has the same reason. */
static const uint8_t degraded_order[N_LINK_LACKS] = {
        LINK_LACKS_TRACEPOINTS, LINK_LACKS_PHYSICAL,    LINK_LACKS_KERNEL_MODE, LINK_LACKS_HOLD,
        LINK_LACKS_BARRIER,     LINK_LACKS_KALLSYMS,    LINK_LACKS_LOST_COUNT,  LINK_LACKS_RING_SIZE,
        LINK_LACKS_THREADS,     LINK_LACKS_DESCRIPTORS, LINK_LACKS_UNMAPS,      LINK_LACKS_UNIT,
        LINK_LACKS_STACKS,      LINK_LACKS_CPUS,        LINK_LACKS_STACK_SIZE};

static int reason_of(const struct trace *trace, unsigned int bit)
{
        const int32_t *errors = trace->started.degraded_errno;
        bool has_one_reason = lacks(trace, LINK_LACKS_HOLD) && lacks(trace, LINK_LACKS_BARRIER) &&
                              errors[LINK_LACKS_HOLD] && errors[LINK_LACKS_HOLD] == errors[LINK_LACKS_BARRIER];

        if (has_one_reason && bit == LINK_LACKS_BARRIER)
                return DEGRADED_AS_HOLD;
        /* Without a barrier it is not for signals, which only a target that was stopped once can be too busy with. */
        if (has_one_reason && bit == LINK_LACKS_HOLD && errors[bit] == EAGAIN)
                return ETIMEDOUT;
        return errors[bit];
}

/* In the subscription's own queue: before its first fault, whoever else is told of the trace. */
static void tell_degraded(const struct trace *trace, struct subscription *subscription)
{
        for (size_t i = 0; i < N_LINK_LACKS; i++) {
                CLEANUP_OUTFRAME struct outframe *frame = NULL;
                unsigned int bit = degraded_order[i];

                if (!lacks(trace, bit))
                        continue;
                frame = degraded_frame(trace->id, bit, reason_of(trace, bit));
                if (!frame || queue_push(&subscription->queue, frame) < 0)
                        return; /* no memory: the trace itself goes on */
        }
}

static void finish_attach(struct engine *engine, struct attach *attach)
{
        struct trace *trace = attach->trace;
        struct subscription_spec spec = {.peer = attach->peer,
                                         .filter = attach->filter,
                                         .count_limit = attach->count_limit,
                                         .hide_kernel = attach->peer->hide_kernel};
        struct subscription *subscription = attaches_subscribe(trace, &spec);

        if (!subscription) {
                attaches_refuse(engine, attach, ENOMEM, ENOMEM_TEXT);
                return;
        }
        attaches_tell(trace, subscription, attach->client_req);
        tell_degraded(trace, subscription);
        remove_attach(engine, attach);
}

void attaches_finish(struct engine *engine, struct trace *trace)
{
        for (struct attach *attach = engine->attaches, *next; attach; attach = next) {
                next = attach->next;
                if (attach->trace == trace)
                        finish_attach(engine, attach);
        }
}
