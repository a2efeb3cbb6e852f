/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client can make of the frames of one trace: definitions by id, faults in order, drops. Checks on the way what
 * PROTOCOL.md promises of every stream: dense ids, definitions before their use, nothing missing without a DROPS.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/proto.h"

#define STREAM_KINDS (DEF_LINE + 1)

struct stream {
        struct proto_def *defs[STREAM_KINDS]; /* by kind; id i at i - 1; strings and frames of stacks are owned */
        uint32_t n_defs[STREAM_KINDS], size_defs[STREAM_KINDS];
        uint32_t n_all; /* of this epoch */
        uint32_t n_resets;
        uint64_t next_seq;                           /* 0 = none known yet */
        uint64_t n_faults, n_incomplete, n_filtered; /* n_filtered: from the last EVENTS */
        uint64_t n_dropped;
        struct proto_drops drops; /* since the last EVENTS */
        bool has_drops;
        void (*fault)(void *user, const struct stream *stream, const struct proto_event *event); /* may be NULL */
        void *user;
};

static inline void stream_forget(struct stream *stream)
{
        for (uint32_t i = 0; i < stream->n_defs[DEF_STRING]; i++)
                free((char *)(uintptr_t)stream->defs[DEF_STRING][i].string.data);
        for (uint32_t i = 0; i < stream->n_defs[DEF_STACK]; i++)
                free((uint8_t *)(uintptr_t)stream->defs[DEF_STACK][i].stack.encoded);
        memset(stream->n_defs, 0, sizeof(stream->n_defs));
        stream->n_all = 0;
}

static inline void stream_deinit(struct stream *stream)
{
        stream_forget(stream);
        for (size_t i = 0; i < STREAM_KINDS; i++)
                free(stream->defs[i]);
}

/* The definition of an id that the client has been told; fails the test otherwise. */
static inline const struct proto_def *stream_def(const struct stream *stream, enum def_kind kind, uint32_t id)
{
        assert_in_range(id, 1, stream->n_defs[kind]);
        return &stream->defs[kind][id - 1];
}

static inline bool stream_string_is(const struct stream *stream, uint32_t id, const char *text)
{
        const struct proto_string *string;

        if (!id)
                return !text[0];
        string = &stream_def(stream, DEF_STRING, id)->string;
        return string->n_bytes == strlen(text) && memcmp(string->data, text, string->n_bytes) == 0;
}

static inline void stream_check_string(const struct stream *stream, uint32_t id)
{
        if (id)
                (void)stream_def(stream, DEF_STRING, id);
}

static inline void stream_check_references(const struct stream *stream, const struct proto_def *def)
{
        if (def->kind == DEF_MAP) {
                stream_check_string(stream, def->map.path);
        } else if (def->kind == DEF_PLACE) {
                stream_check_string(stream, def->place.image);
                stream_check_string(stream, def->place.section);
                stream_check_string(stream, def->place.symbol);
        } else if (def->kind == DEF_THREAD) {
                stream_check_string(stream, def->thread.comm);
        } else if (def->kind == DEF_LINE) {
                stream_check_string(stream, def->line.function);
                stream_check_string(stream, def->line.file);
        }
}

static inline void *stream_copy(const void *bytes, size_t n_bytes)
{
        void *copy = malloc(n_bytes ? n_bytes : 1);

        assert_non_null(copy);
        memcpy(copy, bytes, n_bytes);
        return copy;
}

static inline void stream_add(struct stream *stream, struct proto_def def)
{
        uint32_t n;

        assert_in_range(def.kind, DEF_STRING, DEF_LINE);
        stream_check_references(stream, &def);
        n = stream->n_defs[def.kind]++;
        stream->n_all++;
        assert_int_equal(def.id, n + 1);
        if (n == stream->size_defs[def.kind]) {
                stream->size_defs[def.kind] = n ? n * 2 : 64;
                stream->defs[def.kind] = realloc(stream->defs[def.kind], stream->size_defs[def.kind] * sizeof(def));
                assert_non_null(stream->defs[def.kind]);
        }
        if (def.kind == DEF_STRING) {
                assert_in_range(def.string.n_bytes, 1, PROTO_STRING_MAX_BYTES);
                def.string.data = stream_copy(def.string.data, def.string.n_bytes);
        } else if (def.kind == DEF_STACK) {
                def.stack.encoded =
                        stream_copy(def.stack.encoded, (size_t)def.stack.n_frames * PROTO_STACK_FRAME_BYTES);
        }
        stream->defs[def.kind][n] = def;
}

static inline void stream_dict(struct stream *stream, const struct proto_header *header, const uint8_t *body, size_t n)
{
        size_t offset = 0;

        assert_true(header->count > 0);
        for (uint32_t i = 0; i < header->count; i++) {
                struct proto_def def;

                assert_int_equal(proto_decode_def(body, n, &offset, &def), 0);
                stream_add(stream, def);
        }
        assert_int_equal(offset, n);
        assert_int_equal(header->dict_hw, stream->n_all);
}

/* A number is missing only if the drops just told cover it. */
static inline void stream_check_sequence(struct stream *stream, const struct proto_header *header)
{
        uint64_t n_dropped = 0;

        if (stream->has_drops)
                for (size_t i = 0; i < N_OUTCOMES; i++)
                        n_dropped += stream->drops.n_faults[i];
        if (stream->next_seq) {
                assert_int_equal(header->first_seq, stream->next_seq + n_dropped);
                if (stream->has_drops) {
                        assert_int_equal(stream->drops.first_seq, stream->next_seq);
                        assert_int_equal(stream->drops.last_seq, header->first_seq - 1);
                }
        }
        stream->has_drops = false;
        stream->next_seq = header->first_seq + header->count;
}

static inline void stream_events(struct stream *stream, const struct proto_header *header, const uint8_t *body,
                                 size_t n)
{
        assert_in_range(header->count, 1, PROTO_EVENTS_PER_FRAME);
        assert_int_equal(n, PROTO_EVENTS_PREFIX_BYTES + (size_t)header->count * PROTO_EVENT_BYTES);
        assert_int_equal(header->dict_hw, stream->n_all);
        stream_check_sequence(stream, header);
        stream->n_filtered = 0;
        for (size_t i = 0; i < 8; i++)
                stream->n_filtered |= (uint64_t)body[i] << 8 * i;
        for (uint32_t i = 0; i < header->count; i++) {
                struct proto_event event;

                proto_get_event(body + PROTO_EVENTS_PREFIX_BYTES + (size_t)i * PROTO_EVENT_BYTES, &event);
                stream->n_faults++;
                stream->n_incomplete += (event.flags & PROTO_EVENT_INCOMPLETE) != 0;
                if (stream->fault)
                        stream->fault(stream->user, stream, &event);
        }
}

/* Several may come before the next EVENTS; together they tell one gap. */
static inline void stream_drops(struct stream *stream, const uint8_t *body, size_t n)
{
        struct proto_drops drops;

        assert_int_equal(proto_decode_drops(body, n, &drops), 0);
        for (size_t i = 0; i < N_OUTCOMES; i++)
                stream->n_dropped += drops.n_faults[i];
        if (stream->has_drops) {
                assert_int_equal(drops.first_seq, stream->drops.last_seq + 1);
                for (size_t i = 0; i < N_OUTCOMES; i++)
                        drops.n_faults[i] += stream->drops.n_faults[i];
                drops.first_seq = stream->drops.first_seq;
        }
        stream->drops = drops;
        stream->has_drops = true;
}

/* Apply one frame of the trace; returns its type. */
static inline enum message_type stream_apply(struct stream *stream, const uint8_t *bytes, size_t n_bytes)
{
        const uint8_t *body = bytes + PROTO_HEADER_BYTES;
        struct proto_header header;
        size_t n;

        assert_int_equal(proto_decode_header(bytes, n_bytes, &header), 0);
        n = n_bytes - PROTO_HEADER_BYTES;
        switch (header.type) {
        case MESSAGE_DICT:
                stream_dict(stream, &header, body, n);
                break;
        case MESSAGE_DICT_RESET:
                assert_int_equal(n, 0);
                stream_forget(stream);
                stream->n_resets++;
                break;
        case MESSAGE_EVENTS:
                stream_events(stream, &header, body, n);
                break;
        case MESSAGE_DROPS:
                stream_drops(stream, body, n);
                break;
        default:
                break;
        }
        return (enum message_type)header.type;
}
