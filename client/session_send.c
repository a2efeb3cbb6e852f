/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests are made from what the session keeps anyway, each time anew: after a GAP the same function asks again, with
 * a number of its own, so that an answer to the old request finds nobody.
 */
#include "client/session_send.h"

#include "client/session_restart.h"

enum { FRAME_OUT_BYTES = PROTO_HEADER_BYTES + 256 + 2 * PROTO_STRING_MAX_BYTES };

static int send_buffer(struct session *session, int encoded, const struct proto_buffer *buffer)
{
        if (encoded < 0)
                return encoded;
        return session->send(session->send_arg, buffer->data, buffer->n_bytes);
}

int session_send_hello(struct session *session)
{
        static const char name[] = "faultline " FAULTLINE_VERSION;
        uint8_t bytes[FRAME_OUT_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        const struct proto_hello hello = {
                .major = PROTO_MAJOR, .minor = PROTO_MINOR, .client = {.data = name, .n_bytes = sizeof(name) - 1}};

        return send_buffer(session, proto_encode_hello(&buffer, 0, &hello), &buffer);
}

static uint8_t attach_flags(const struct session_options *options)
{
        unsigned int flags = 0;

        if (options->from_exec)
                flags |= PROTO_ATTACH_FROM_EXEC;
        if (options->follow)
                flags |= PROTO_ATTACH_FOLLOW;
        if (options->unmaps)
                flags |= PROTO_ATTACH_UNMAPS;
        if (options->lines)
                flags |= PROTO_ATTACH_LINES;
        return (uint8_t)flags;
}

int session_send_attach(struct session *session, struct target *target)
{
        uint8_t bytes[FRAME_OUT_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        const struct proto_attach attach = {
                .req = ++session->last_req,
                .pid = target->pid,
                .detail = (uint8_t)session->options.detail,
                .flags = attach_flags(&session->options),
                .ptrace = (uint8_t)session->options.ptrace,
                .count_limit = session->options.count_limit,
                .filter = session->options.filter,
                .unit = session->options.unit,
                .stack_bytes = session->options.stack_bytes,
        };

        target->req = attach.req;
        target->phase = TARGET_ATTACHING;
        return send_buffer(session, proto_encode_attach(&buffer, 0, &attach), &buffer);
}

int session_send_stop(struct session *session, uint32_t trace)
{
        uint8_t bytes[FRAME_OUT_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};

        return send_buffer(session, proto_encode_empty(&buffer, trace, MESSAGE_STOP), &buffer);
}

int session_send_resume(struct session *session, struct target *target)
{
        uint8_t bytes[FRAME_OUT_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_resume resume = {
                .req = ++session->last_req,
                .kernel_base = target->kernel_base,
                .lost_base = target->lost_base,
                .n_received = target->state.n_received,
                .n_filtered = target->state.n_filtered,
                .n_dropped = target->state.n_dropped,
                .n_incomplete = target->state.n_incomplete,
                .count_limit = session->options.count_limit,
                .filter = session->options.filter,
        };

        session_put_past(target, &resume);
        target->req = resume.req;
        target->phase = TARGET_RESUMING;
        return send_buffer(session, proto_encode_resume(&buffer, target->trace, &resume), &buffer);
}
