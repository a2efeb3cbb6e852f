/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames as a daemon would send them, to feed the client's parts with. Each function encodes one frame into storage
 * that the next call overwrites.
 */
#pragma once

#include <assert.h>
#include <string.h>

#include "proto/proto.h"
#include "proto/wire.h"

struct bytes {
        const uint8_t *data;
        size_t n_bytes;
};

static uint8_t fake_storage[PROTO_FRAME_MAX_BYTES];

static inline struct proto_buffer fake_buffer(void)
{
        return (struct proto_buffer){.data = fake_storage, .size_bytes = sizeof(fake_storage)};
}

static inline struct bytes fake_done(int r, const struct proto_buffer *buffer)
{
        assert(r >= 0);
        return (struct bytes){buffer->data, buffer->n_bytes};
}

static inline struct proto_string fake_string(const char *string)
{
        return (struct proto_string){.data = string, .n_bytes = (uint32_t)strlen(string)};
}

static inline struct bytes fake_welcome_of(unsigned int major, unsigned int minor, uint32_t event_bytes)
{
        struct proto_buffer buffer = fake_buffer();
        const struct proto_welcome welcome = {.major = (uint16_t)major,
                                              .minor = (uint16_t)minor,
                                              .event_bytes = event_bytes,
                                              .frame_max_bytes = PROTO_FRAME_MAX_BYTES,
                                              .version = fake_string("9.9")};
        int r = proto_encode_welcome(&buffer, 0, &welcome);

        return fake_done(r, &buffer);
}

static inline struct bytes fake_welcome(unsigned int major, uint32_t event_bytes)
{
        return fake_welcome_of(major, PROTO_MINOR, event_bytes);
}

static inline struct bytes fake_attached(uint32_t trace, uint32_t req, int32_t pid)
{
        struct proto_buffer buffer = fake_buffer();
        const struct proto_attached attached = {.req = req,
                                                .pid = pid,
                                                .detail = DETAIL_FULL,
                                                .n_threads = 1,
                                                .time_ns = 1000000000,
                                                .kernel_base = 70,
                                                .lost_base = 5,
                                                .comm = fake_string("worker")};
        int r = proto_encode_attached(&buffer, trace, &attached);

        return fake_done(r, &buffer);
}

static inline struct bytes fake_error(uint32_t req, int error, const char *text)
{
        struct proto_buffer buffer = fake_buffer();
        const struct proto_error e = {.req = req, .error = error, .text = fake_string(text)};
        int r = proto_encode_error(&buffer, 0, &e);

        return fake_done(r, &buffer);
}

static inline struct bytes fake_gap(void)
{
        struct proto_buffer buffer = fake_buffer();
        const struct proto_gap gap = {.reason = fake_string("it crashed")};
        int r = proto_encode_gap(&buffer, 0, &gap);

        return fake_done(r, &buffer);
}

static inline struct bytes fake_end(uint32_t trace, enum end_reason reason, const struct proto_ledger *ledger)
{
        struct proto_buffer buffer = fake_buffer();
        const struct proto_end end = {.reason = (uint8_t)reason, .time_ns = 1500000000, .ledger = *ledger};
        int r = proto_encode_end(&buffer, trace, &end);

        return fake_done(r, &buffer);
}

static inline struct bytes fake_empty(uint32_t trace, enum message_type type)
{
        struct proto_buffer buffer = fake_buffer();
        int r = proto_encode_empty(&buffer, trace, type);

        return fake_done(r, &buffer);
}

/* The definitions that fake_event() refers to. */
static inline struct bytes fake_dict(uint32_t trace)
{
        static const char *const strings[] = {"worker", "/usr/bin/app", ".data", "table", "main", ".text"};
        struct proto_buffer buffer = fake_buffer();
        struct proto_header header = {.type = MESSAGE_DICT, .trace = trace};
        struct proto_def defs[] = {
                {.kind = DEF_MAP,
                 .id = 1,
                 .map = {.start = 0x400000,
                         .end = 0x500000,
                         .offset = 0x1000,
                         .path = 2,
                         .perms = {'r', 'w', '-', 'p'}}},
                {.kind = DEF_PLACE, .id = 1, .place = {.image = 2, .section = 3, .symbol = 4, .base = 0x400100}},
                {.kind = DEF_PLACE, .id = 2, .place = {.image = 2, .section = 6, .symbol = 5, .base = 0x401000}},
                {.kind = DEF_THREAD, .id = 1, .thread = {.pid = 42, .tid = 43, .comm = 1}},
        };
        int r = proto_begin_frame(&buffer);

        assert(r >= 0);
        for (uint32_t i = 0; i < ARRAY_SIZE(strings); i++, header.count++) {
                const struct proto_def def = {.kind = DEF_STRING, .id = i + 1, .string = fake_string(strings[i])};

                r = proto_append_def(&buffer, &def);
                assert(r == 0);
        }
        for (size_t i = 0; i < ARRAY_SIZE(defs); i++, header.count++) {
                r = proto_append_def(&buffer, &defs[i]);
                assert(r == 0);
        }
        return fake_done(proto_finish_frame(&buffer, &header), &buffer);
}

static inline struct proto_event fake_event(void)
{
        return (struct proto_event){.time_ns = 1000001500,
                                    .addr = 0x400110,
                                    .ip = 0x401007,
                                    .latency_ns = 1234,
                                    .frame_before = 0,
                                    .frame = 0xabc,
                                    .thread = 1,
                                    .map = 1,
                                    .place = 1,
                                    .code = 2,
                                    .cpu = 3,
                                    .outcome = OUTCOME_MINOR,
                                    .cause = CAUSE_ZERO_FILL,
                                    .access = ACCESS_WRITE,
                                    .page_shift = 12};
}

static inline struct bytes fake_events(uint32_t trace, uint64_t first_seq, const struct proto_event *event,
                                       uint32_t n_events, uint64_t n_filtered)
{
        struct proto_buffer buffer = fake_buffer();
        struct proto_header header = {
                .type = MESSAGE_EVENTS, .trace = trace, .count = n_events, .first_seq = first_seq};
        int r = proto_begin_frame(&buffer);

        assert(r >= 0);
        r = proto_append_u64(&buffer, n_filtered);
        assert(r == 0);
        for (uint32_t i = 0; i < n_events; i++) {
                assert(buffer.size_bytes - buffer.n_bytes >= PROTO_EVENT_BYTES);
                proto_put_event(buffer.data + buffer.n_bytes, event);
                buffer.n_bytes += PROTO_EVENT_BYTES;
        }
        return fake_done(proto_finish_frame(&buffer, &header), &buffer);
}

static inline struct bytes fake_signal(uint32_t trace, const struct proto_signal *signal)
{
        struct proto_buffer buffer = fake_buffer();
        int r = proto_encode_signal(&buffer, trace, signal);

        return fake_done(r, &buffer);
}

static inline struct bytes fake_revoked(uint32_t trace, int32_t pid, const char *reason)
{
        struct proto_buffer buffer = fake_buffer();
        const struct proto_revoked revoked = {.time_ns = 123, .pid = pid, .reason = fake_string(reason)};
        int r = proto_encode_revoked(&buffer, trace, &revoked);

        return fake_done(r, &buffer);
}

static inline struct bytes fake_degraded(uint32_t trace, const char *what, const char *reason)
{
        struct proto_buffer buffer = fake_buffer();
        const struct proto_degraded degraded = {.what = fake_string(what), .reason = fake_string(reason)};
        int r = proto_encode_degraded(&buffer, trace, &degraded);

        return fake_done(r, &buffer);
}

static inline struct bytes fake_bye(const char *reason)
{
        struct proto_buffer buffer = fake_buffer();
        const struct proto_bye bye = {.reason = fake_string(reason)};
        int r = proto_encode_bye(&buffer, 0, &bye);

        return fake_done(r, &buffer);
}

/* A signal that says nothing but what it is; its definitions are those of fake_dict(). */
static inline struct proto_signal fake_bare_signal(void)
{
        return (struct proto_signal){.time_ns = 1000001500,
                                     .pid = 42,
                                     .tid = 43,
                                     .thread = 1,
                                     .signo = 11,
                                     .below_bytes = PROTO_UNKNOWN,
                                     .above_bytes = PROTO_UNKNOWN,
                                     .depth_bytes = PROTO_UNKNOWN,
                                     .field_bytes = PROTO_UNKNOWN,
                                     .eof_bytes = PROTO_UNKNOWN,
                                     .pointer = PROTO_UNKNOWN};
}
