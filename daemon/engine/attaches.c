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

static const char *objection_to_filter(const struct proto_filter *filter)
{
        const struct proto_string *glob = &filter->map_glob;

        return glob->n_bytes && memchr(glob->data, 0, glob->n_bytes)
                       ? "the pattern for map paths holds a NUL byte; leave it out"
                       : NULL;
}

/* Why a request cannot even be passed on; NULL = it can. */
static const char *objection(const struct proto_attach *request)
{
        const struct proto_string *unit = &request->unit;

        if (unit->n_bytes >= LINK_UNIT_BYTES)
                return "the name of the unit is longer than 511 bytes; use the path of its cgroup";
        if (unit->n_bytes && memchr(unit->data, 0, unit->n_bytes))
                return "the name of the unit holds a NUL byte; leave it out";
        return objection_to_filter(&request->filter);
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

/* text: the objection to it, or NULL. NULL: it was refused. */
static struct attach *begin(struct engine *engine, struct peer *peer, const struct proto_attach *request,
                            const char *text)
{
        struct attach *attach;

        if (peer->n_subscriptions >= PEER_MAX_SUBSCRIPTIONS) {
                peer_error(peer, request->req, EUSERS, "a client may trace 64 processes at a time; use another client");
                return NULL;
        }
        if (text) {
                peer_error(peer, request->req, EINVAL, text);
                return NULL;
        }
        attach = attach_new(engine, peer, request);
        if (!attach) {
                peer_error(peer, request->req, ENOMEM, ENOMEM_TEXT);
                return NULL;
        }
        attach->next = engine->attaches;
        engine->attaches = attach;
        peer->n_subscriptions++;
        return attach;
}

void attaches_ask(struct engine *engine, struct peer *peer, const struct proto_attach *request)
{
        const struct attach *attach = begin(engine, peer, request, objection(request));

        if (attach)
                ask_monitor(engine, attach, request);
}

/* The options that it was begun with are the monitor's to know; what this client wants to see of it is said anew. */
void attaches_resume(struct engine *engine, struct peer *peer, const struct proto_resume *request)
{
        const struct proto_attach as_attach = {
                .req = request->req, .count_limit = request->count_limit, .filter = request->filter};
        struct attach *attach = begin(engine, peer, &as_attach, objection_to_filter(&request->filter));

        if (!attach)
                return;
        attach->is_resume = true;
        attach->resume = *request;
        attach->resume.filter = attach->filter;
        engine_tell(engine, &(struct link_message){.type = LINK_ATTACH,
                                                   .attach = {.conn = peer->conn,
                                                              .req = attach->req,
                                                              .key = request->past.key,
                                                              .is_whole = request->past.is_whole,
                                                              .n_minor = request->past.n_minor,
                                                              .n_major = request->past.n_major}});
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
                .key = trace->started.key,
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
        LINK_LACKS_STACKS,      LINK_LACKS_CPUS,        LINK_LACKS_STACK_SIZE,  LINK_LACKS_CHILDREN};

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

/* ---- after a restart of the daemon ---- */

static uint64_t n_missed(const struct proto_missed *missed)
{
        return missed->min_flt == PROTO_UNKNOWN ? 0 : missed->min_flt + missed->maj_flt;
}

static void tell_missed(struct peer *peer, uint32_t trace, const struct proto_missed *missed)
{
        static const char reason[] = "the daemon was restarted";
        uint8_t bytes[PROTO_HEADER_BYTES + 256];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        const struct proto_gap gap = {.reason = {.data = reason, .n_bytes = sizeof(reason) - 1}, .missed = *missed};

        if (proto_encode_gap(&buffer, trace, &gap) >= 0)
                peer_message(peer, MESSAGE_GAP, &buffer);
}

/* What nobody watched belongs to the kernel's count, and was only counted. */
struct subscription *attaches_go_on(struct trace *trace, struct peer *peer, const struct proto_resume *resume)
{
        const struct proto_missed *missed = &trace->started.missed;
        struct proto_resume from = *resume;
        const struct subscription_spec spec = {.peer = peer,
                                               .filter = resume->filter,
                                               .count_limit = resume->count_limit,
                                               .hide_kernel = peer->hide_kernel || trace_hides_kernel(trace),
                                               .resume = &from};
        struct subscription *subscription;

        from.kernel_base -= n_missed(missed);
        from.past.n_counted += n_missed(missed);
        subscription = attaches_subscribe(trace, &spec);
        if (!subscription)
                return NULL;
        attaches_tell(trace, subscription, resume->req);
        tell_missed(peer, trace->id, missed);
        return subscription;
}

static void tell_last_attached(struct peer *peer, uint32_t req, const struct link_trace *info)
{
        uint8_t bytes[PROTO_HEADER_BYTES + 256];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        const struct proto_attached attached = {
                .req = req,
                .pid = info->pid,
                .detail = (uint8_t)info->detail,
                .time_ns = info->missed.until_ns,
                .comm = {.data = info->comm, .n_bytes = (uint32_t)strnlen(info->comm, sizeof(info->comm))},
        };

        if (proto_encode_attached(&buffer, info->trace, &attached) >= 0)
                peer_message(peer, MESSAGE_ATTACHED, &buffer);
}

static void tell_last_end(struct peer *peer, const struct proto_resume *resume, const struct link_trace *info)
{
        static const char text[] = "while the daemon was restarted";
        uint8_t bytes[PROTO_HEADER_BYTES + 256];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_end end = {
                .reason = END_EXITED,
                .time_ns = info->missed.until_ns,
                .ledger = {.kernel = n_missed(&info->missed) - resume->kernel_base,
                           .delivered = resume->n_received,
                           .filtered = resume->n_filtered,
                           .dropped_client = resume->n_dropped,
                           .lost_kernel = 0 - resume->lost_base,
                           .counted = resume->past.n_counted + n_missed(&info->missed),
                           .incomplete = resume->n_incomplete,
                           .unseen = resume->past.unseen},
                .text = {.data = text, .n_bytes = sizeof(text) - 1},
        };
        struct proto_ledger *l = &end.ledger;

        l->dropped_daemon = l->kernel - l->delivered - l->filtered - l->dropped_client - l->lost_kernel - l->counted;
        if (proto_encode_end(&buffer, info->trace, &end) >= 0)
                peer_message(peer, MESSAGE_END, &buffer);
}

void attaches_tell_over(struct engine *engine, struct attach *attach, const struct link_trace *info)
{
        tell_last_attached(attach->peer, attach->client_req, info);
        tell_missed(attach->peer, info->trace, &info->missed);
        tell_last_end(attach->peer, &attach->resume, info);
        attach->peer->n_subscriptions--;
        remove_attach(engine, attach);
}

static struct subscription *subscribe(struct trace *trace, const struct attach *attach)
{
        const struct subscription_spec spec = {.peer = attach->peer,
                                               .filter = attach->filter,
                                               .count_limit = attach->count_limit,
                                               .hide_kernel = attach->peer->hide_kernel || trace_hides_kernel(trace)};
        struct subscription *subscription;

        if (attach->is_resume)
                return attaches_go_on(trace, attach->peer, &attach->resume);
        subscription = attaches_subscribe(trace, &spec);
        if (subscription)
                attaches_tell(trace, subscription, attach->client_req);
        return subscription;
}

static void finish_attach(struct engine *engine, struct attach *attach)
{
        struct trace *trace = attach->trace;
        struct subscription *subscription = subscribe(trace, attach);

        if (!subscription) {
                attaches_refuse(engine, attach, ENOMEM, ENOMEM_TEXT);
                return;
        }
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
