/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frames of the worked example in PROTOCOL.md; their golden files hold the same bytes. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/proto.h"

#define TEXT(literal)                                                                                                  \
        {                                                                                                              \
                .data = (literal), .n_bytes = sizeof(literal) - 1                                                      \
        }

#define SAMPLE_TRACE 7

static inline void append_sample_hello(struct proto_buffer *buffer)
{
        const struct proto_hello hello = {.major = 1, .minor = 0, .client = TEXT("faultline 0.1.0")};

        assert_true(proto_encode_hello(buffer, 0, &hello) > 0);
}

static inline void append_sample_dict(struct proto_buffer *buffer)
{
        const struct proto_def defs[] = {
                {.kind = DEF_STRING, .id = 1, .string = TEXT("/bin/cat")},
                {.kind = DEF_STRING, .id = 2, .string = TEXT(".bss")},
                {.kind = DEF_MAP,
                 .id = 1,
                 .map = {.start = 0x55d0c0a00000,
                         .end = 0x55d0c0a02000,
                         .offset = 0x9000,
                         .path = 1,
                         .perms = {'r', 'w', '-', 'p'}}},
                {.kind = DEF_PLACE, .id = 1, .place = {.image = 1, .section = 2, .base = 0x55d0c0a00100}},
                {.kind = DEF_THREAD, .id = 1, .thread = {.pid = 4242, .tid = 4243, .comm = 1}},
        };
        struct proto_header header = {
                .type = MESSAGE_DICT, .trace = SAMPLE_TRACE, .count = ARRAY_SIZE(defs), .dict_hw = ARRAY_SIZE(defs)};

        assert_int_equal(proto_begin_frame(buffer), 0);
        for (size_t i = 0; i < ARRAY_SIZE(defs); i++)
                assert_int_equal(proto_append_def(buffer, &defs[i]), 0);
        assert_true(proto_finish_frame(buffer, &header) > 0);
}

static const struct proto_event sample_event = {
        .time_ns = UINT64_C(81234567890123),
        .addr = 0x55d0c0a00128,
        .ip = 0x55d0c09f1234,
        .latency_ns = 612,
        .frame_before = 0,
        .frame = 0x1a2b3c,
        .thread = 1,
        .map = 1,
        .place = 1,
        .cpu = 1,
        .outcome = OUTCOME_MINOR,
        .cause = CAUSE_ZERO_FILL,
        .access = ACCESS_WRITE,
        .page_shift = 12,
        .flags = PROTO_EVENT_INFERRED,
};

static inline void append_sample_events(struct proto_buffer *buffer)
{
        struct proto_header header = {
                .type = MESSAGE_EVENTS, .trace = SAMPLE_TRACE, .count = 1, .first_seq = 1000, .dict_hw = 5};

        assert_int_equal(proto_begin_frame(buffer), 0);
        assert_int_equal(proto_append_u64(buffer, 3), 0);
        assert_true(buffer->size_bytes - buffer->n_bytes >= PROTO_EVENT_BYTES);
        proto_put_event(buffer->data + buffer->n_bytes, &sample_event);
        buffer->n_bytes += PROTO_EVENT_BYTES;
        assert_true(proto_finish_frame(buffer, &header) > 0);
}
