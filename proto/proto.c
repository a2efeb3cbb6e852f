/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages between C values and bytes.
 *
 * Each body is described once, in bodies.def, and that description is compiled twice: as put_NAME() and as get_NAME().
 * So an encoder and its decoder cannot disagree about order, width or padding, which is how hand-written pairs rot.
 * It stays a list of explicit fields: structures are never copied as memory, their layout is the compiler's business.
 *
 * Decoders fill a local structure and hand it out only when all of it was there; what follows the known fields belongs
 * to a newer peer and is left alone. Enum values are passed on as they came: whether an unknown word can be ignored is
 * the receiver's decision.
 */
#include "proto/proto.h"

#include <errno.h>

#include "proto/proto_private.h"
#include "proto/wire.h"

const char *message_text(unsigned int type)
{
        switch (type) {
#define X_MESSAGE(name, number, lower, doc)                                                                            \
        case number:                                                                                                   \
                return #lower;
#include "proto/messages.def"
        }
        return NULL;
}

static void put_string(struct wire_writer *writer, const struct proto_string *string)
{
        wire_put_string(writer, PROTO_STRING_MAX_BYTES, string->data, string->n_bytes);
}

static void get_string(struct wire_reader *reader, struct proto_string *ret)
{
        wire_get_string(reader, PROTO_STRING_MAX_BYTES, &ret->data, &ret->n_bytes);
}

/* The number of counts is on the wire, because vocabularies grow. */
static void put_counts(struct wire_writer *writer, const uint64_t *counts, uint32_t n)
{
        wire_put_u32(writer, n);
        for (uint32_t i = 0; i < n; i++)
                wire_put_u64(writer, counts[i]);
}

static void add_count(struct wire_reader *reader, uint64_t *to, uint64_t n)
{
        if (__builtin_add_overflow(*to, n, to))
                reader->failed = true;
}

/* Their sum means something, so what a newer peer counts under words unknown here must not get lost: to[rest]. */
static void get_counts(struct wire_reader *reader, uint64_t *to, uint32_t n_known, uint32_t rest)
{
        uint32_t n = wire_get_u32(reader);

        for (uint32_t i = 0; i < n && !reader->failed; i++)
                add_count(reader, &to[i < n_known ? i : rest], wire_get_u64(reader));
}

static void put_outcome_counts(struct wire_writer *writer, const uint64_t (*counts)[N_OUTCOMES])
{
        put_counts(writer, *counts, N_OUTCOMES);
}

static void get_outcome_counts(struct wire_reader *reader, uint64_t (*ret)[N_OUTCOMES])
{
        get_counts(reader, *ret, N_OUTCOMES, OUTCOME_NONE);
}

static void put_cause_counts(struct wire_writer *writer, const uint64_t (*counts)[N_CAUSES])
{
        put_counts(writer, *counts, N_CAUSES);
}

static void get_cause_counts(struct wire_reader *reader, uint64_t (*ret)[N_CAUSES])
{
        get_counts(reader, *ret, N_CAUSES, CAUSE_UNKNOWN);
}

static void put_latency_counts(struct wire_writer *writer, const uint64_t (*counts)[PROTO_LATENCY_BUCKETS])
{
        put_counts(writer, *counts, PROTO_LATENCY_BUCKETS);
}

/* The last bucket on the wire has no upper bound, however many there are: it is the last one here, too. */
static void get_latency_counts(struct wire_reader *reader, uint64_t (*ret)[PROTO_LATENCY_BUCKETS])
{
        const uint32_t last = PROTO_LATENCY_BUCKETS - 1;
        uint32_t n = wire_get_u32(reader);

        for (uint32_t i = 0; i < n && !reader->failed; i++)
                add_count(reader, &(*ret)[i == n - 1 ? last : MIN_OF(i, last)], wire_get_u64(reader));
}

/* Another architecture has another number of registers: the number is on the wire. */
static void put_registers(struct wire_writer *writer, const struct proto_registers *registers)
{
        wire_put_u32(writer, PROTO_REGISTERS);
        for (size_t i = 0; i < PROTO_REGISTERS; i++)
                wire_put_u64(writer, registers->value[i]);
}

static void get_registers(struct wire_reader *reader, struct proto_registers *ret)
{
        uint32_t n = wire_get_u32(reader);

        for (uint32_t i = 0; i < n && !reader->failed; i++) {
                uint64_t value = wire_get_u64(reader);

                if (i < PROTO_REGISTERS)
                        ret->value[i] = value;
        }
}

/* Frames are made of a group, so these two stand behind the first, and are declared for the bodies that hold them. */
static void put_frames(struct wire_writer *writer, const struct proto_frames *frames);
static void get_frames(struct wire_reader *reader, struct proto_frames *ret);

#define NUMBER(type, field) wire_put_##type(writer, m->field);
#define NUMBER_MIN(type, field, least) NUMBER(type, field)
#define CONSTANT(type, value) wire_put_##type(writer, value);
#define NESTED(name, field) put_##name(writer, &m->field);
#define OPTIONAL(name, field) NESTED(name, field)
#define OPTIONAL_NUMBER(type, field) NUMBER(type, field)
#define RESERVED(n_bytes) wire_put_zeros(writer, n_bytes);
#define GROUP(name, fields)                                                                                            \
        static void put_##name(struct wire_writer *writer, const struct proto_##name *m)                               \
        {                                                                                                              \
                fields                                                                                                 \
        }
#define BODY(name, type, fields) GROUP(name, fields)
#include "proto/bodies.def"

#define NUMBER(type, field) m->field = wire_get_##type(reader);
#define NUMBER_MIN(type, field, least)                                                                                 \
        NUMBER(type, field)                                                                                            \
        if (m->field < (least))                                                                                        \
                reader->failed = true;
#define CONSTANT(type, value)                                                                                          \
        if (wire_get_##type(reader) != (value))                                                                        \
                reader->failed = true;
#define NESTED(name, field) get_##name(reader, &m->field);
#define OPTIONAL(name, field)                                                                                          \
        if (reader->offset < reader->n_bytes)                                                                          \
        NESTED(name, field)
#define OPTIONAL_NUMBER(type, field)                                                                                   \
        if (reader->offset < reader->n_bytes)                                                                          \
        NUMBER(type, field)
#define RESERVED(n_bytes) (void)wire_get_bytes(reader, n_bytes);
#define GROUP(name, fields)                                                                                            \
        static void get_##name(struct wire_reader *reader, struct proto_##name *m)                                     \
        {                                                                                                              \
                fields                                                                                                 \
        }
#define BODY(name, type, fields) GROUP(name, fields)
#include "proto/bodies.def"

static void put_frames(struct wire_writer *writer, const struct proto_frames *frames)
{
        if (frames->n > PROTO_MAX_FRAMES && !writer->error)
                writer->error = -EMSGSIZE;
        wire_put_u32(writer, frames->n);
        for (uint32_t i = 0; i < frames->n && !writer->error; i++)
                put_frame(writer, &frames->frames[i]);
}

static void get_frames(struct wire_reader *reader, struct proto_frames *ret)
{
        uint32_t n = wire_get_u32(reader);

        if (n > PROTO_MAX_FRAMES)
                reader->failed = true;
        for (uint32_t i = 0; i < n && !reader->failed; i++)
                get_frame(reader, &ret->frames[i]);
        ret->n = n;
}

int proto_decode_header(const uint8_t *bytes, size_t n_bytes, struct proto_header *ret)
{
        struct wire_reader reader = {.data = bytes, .n_bytes = n_bytes};
        struct proto_header header = {0};

        get_header(&reader, &header);
        if (reader.failed || header.length != n_bytes || header.length > PROTO_FRAME_MAX_BYTES)
                return -EBADMSG;
        *ret = header;
        return 0;
}

/* The writer stands behind the header; buffer->n_bytes moves only when a frame is finished or handed to its caller. */
static struct wire_writer begin_frame(struct proto_buffer *buffer)
{
        struct wire_writer writer;

        buffer->frame_start = buffer->n_bytes;
        writer = buffer_writer(buffer);
        wire_put_zeros(&writer, PROTO_HEADER_BYTES);
        return writer;
}

int proto_begin_frame(struct proto_buffer *buffer)
{
        struct wire_writer writer = begin_frame(buffer);

        return buffer_commit(buffer, &writer);
}

int proto_append_u64(struct proto_buffer *buffer, uint64_t value)
{
        struct wire_writer writer = buffer_writer(buffer);

        wire_put_u64(&writer, value);
        return buffer_commit(buffer, &writer);
}

int proto_finish_frame(struct proto_buffer *buffer, struct proto_header *header)
{
        struct wire_writer writer = {.data = buffer->data + buffer->frame_start, .size_bytes = PROTO_HEADER_BYTES};
        size_t length = buffer->n_bytes - buffer->frame_start;

        if (length > PROTO_FRAME_MAX_BYTES) {
                buffer->n_bytes = buffer->frame_start;
                return -ENOBUFS;
        }
        header->length = (uint32_t)length;
        put_header(&writer, header);
        return (int)length;
}

static int finish_message(struct proto_buffer *buffer, const struct wire_writer *writer, enum message_type type,
                          uint32_t trace)
{
        struct proto_header header = {.type = (uint16_t)type, .trace = trace};
        int r = buffer_commit(buffer, writer);

        return r < 0 ? r : proto_finish_frame(buffer, &header);
}

int proto_encode_empty(struct proto_buffer *buffer, uint32_t trace, enum message_type type)
{
        struct wire_writer writer = begin_frame(buffer);

        return finish_message(buffer, &writer, type, trace);
}

int proto_encode_pong(struct proto_buffer *buffer, uint32_t trace, const struct proto_ping *m)
{
        struct wire_writer writer = begin_frame(buffer);

        put_ping(&writer, m);
        return finish_message(buffer, &writer, MESSAGE_PONG, trace);
}

#define GROUP(name, fields)
#define BODY(name, type, fields)                                                                                       \
        int proto_encode_##name(struct proto_buffer *buffer, uint32_t trace, const struct proto_##name *m)             \
        {                                                                                                              \
                struct wire_writer writer = begin_frame(buffer);                                                       \
                                                                                                                       \
                put_##name(&writer, m);                                                                                \
                return finish_message(buffer, &writer, MESSAGE_##type, trace);                                         \
        }                                                                                                              \
                                                                                                                       \
        int proto_decode_##name(const uint8_t *body, size_t n_bytes, struct proto_##name *ret)                         \
        {                                                                                                              \
                struct wire_reader reader = {.data = body, .n_bytes = n_bytes};                                        \
                struct proto_##name m = {0};                                                                           \
                                                                                                                       \
                get_##name(&reader, &m);                                                                               \
                if (reader.failed)                                                                                     \
                        return -EBADMSG;                                                                               \
                *ret = m;                                                                                              \
                return 0;                                                                                              \
        }
#include "proto/bodies.def"
