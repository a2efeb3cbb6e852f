/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The records inside frames: events at fixed offsets, definitions with a size of their own; headers, and the bounds of
 * a frame.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/proto.h"
#include "proto/wire.h"
#include "tests/unit/golden.h"
#include "tests/unit/proto_samples.h"

static void assert_same_event(const struct proto_event *a, const struct proto_event *b)
{
        assert_true(a->time_ns == b->time_ns);
        assert_true(a->addr == b->addr);
        assert_true(a->ip == b->ip);
        assert_true(a->caller_ip == b->caller_ip);
        assert_true(a->latency_ns == b->latency_ns);
        assert_true(a->frame_before == b->frame_before);
        assert_true(a->frame == b->frame);
        assert_int_equal(a->thread, b->thread);
        assert_int_equal(a->map, b->map);
        assert_int_equal(a->place, b->place);
        assert_int_equal(a->code, b->code);
        assert_int_equal(a->caller, b->caller);
        assert_int_equal(a->stack, b->stack);
        assert_int_equal(a->cpu, b->cpu);
        assert_int_equal(a->outcome, b->outcome);
        assert_int_equal(a->cause, b->cause);
        assert_int_equal(a->access, b->access);
        assert_int_equal(a->page_shift, b->page_shift);
        assert_int_equal(a->flags, b->flags);
}

/* Every byte of the record but the spare one comes back, whatever it is; one byte beyond is not touched. */
static void test_event_round_trip(void **state)
{
        for (unsigned int seed = 0; seed < 256; seed++) {
                uint8_t from[PROTO_EVENT_BYTES], to[PROTO_EVENT_BYTES + 1];
                struct proto_event event;

                for (size_t i = 0; i < sizeof(from); i++)
                        from[i] = (uint8_t)(seed + i * 7);
                memset(to, 0xa5, sizeof(to));
                proto_get_event(from, &event);
                proto_put_event(to, &event);
                from[PROTO_EVENT_BYTES - 1] = 0;
                assert_memory_equal(from, to, PROTO_EVENT_BYTES);
                assert_int_equal(to[PROTO_EVENT_BYTES], 0xa5);
        }
}

static void test_event_extremes(void **state)
{
        static const int fills[] = {0x00, 0xff, 0x80, 0x7f};

        for (size_t i = 0; i < ARRAY_SIZE(fills); i++) {
                uint8_t bytes[PROTO_EVENT_BYTES];
                struct proto_event event, decoded;

                memset(&event, fills[i], sizeof(event));
                proto_put_event(bytes, &event);
                proto_get_event(bytes, &decoded);
                assert_same_event(&decoded, &event);
        }
}

static void test_golden_events(void **state)
{
        uint8_t data[1024];
        struct proto_buffer buffer = {.data = data, .size_bytes = sizeof(data)};
        struct proto_header header;
        struct proto_event event;

        append_sample_events(&buffer);
        assert_golden("events", data, buffer.n_bytes);
        assert_int_equal(proto_decode_header(data, buffer.n_bytes, &header), 0);
        assert_int_equal(header.type, MESSAGE_EVENTS);
        assert_int_equal(header.trace, SAMPLE_TRACE);
        assert_int_equal(header.count, 1);
        assert_true(header.first_seq == 1000);
        assert_int_equal(header.dict_hw, 5);
        assert_int_equal(header.length, PROTO_HEADER_BYTES + PROTO_EVENTS_PREFIX_BYTES + PROTO_EVENT_BYTES);
        assert_true(wire_load_u64(data + PROTO_HEADER_BYTES) == 3);
        proto_get_event(data + PROTO_HEADER_BYTES + PROTO_EVENTS_PREFIX_BYTES, &event);
        assert_same_event(&event, &sample_event);
}

static void assert_same_string(const struct proto_string *a, const struct proto_string *b)
{
        assert_int_equal(a->n_bytes, b->n_bytes);
        assert_memory_equal(a->data, b->data, b->n_bytes);
}

/* Decoded frames are those that were encoded. */
static void assert_same_stack(const struct proto_def *decoded, const struct proto_def *encoded)
{
        assert_int_equal(decoded->stack.flags, encoded->stack.flags);
        assert_int_equal(decoded->stack.n_frames, encoded->stack.n_frames);
        for (uint32_t i = 0; i < encoded->stack.n_frames; i++) {
                const struct proto_stack_frame a = proto_stack_frame(decoded, i), *b = &encoded->stack.frames[i];

                assert_true(a.addr == b->addr);
                assert_int_equal(a.place, b->place);
                assert_int_equal(a.line, b->line);
                assert_int_equal(a.by, b->by);
        }
}

static void assert_same_def(const struct proto_def *a, const struct proto_def *b)
{
        assert_int_equal(a->kind, b->kind);
        assert_int_equal(a->id, b->id);
        switch (b->kind) {
        case DEF_STRING:
                assert_same_string(&a->string, &b->string);
                break;
        case DEF_MAP:
                assert_true(a->map.start == b->map.start);
                assert_true(a->map.end == b->map.end);
                assert_true(a->map.offset == b->map.offset);
                assert_int_equal(a->map.path, b->map.path);
                assert_memory_equal(a->map.perms, b->map.perms, sizeof(b->map.perms));
                break;
        case DEF_PLACE:
                assert_int_equal(a->place.image, b->place.image);
                assert_int_equal(a->place.section, b->place.section);
                assert_int_equal(a->place.symbol, b->place.symbol);
                assert_true(a->place.base == b->place.base);
                break;
        case DEF_THREAD:
                assert_int_equal(a->thread.pid, b->thread.pid);
                assert_int_equal(a->thread.tid, b->thread.tid);
                assert_int_equal(a->thread.comm, b->thread.comm);
                break;
        case DEF_STACK:
                assert_same_stack(a, b);
                break;
        case DEF_LINE:
                assert_int_equal(a->line.function, b->line.function);
                assert_int_equal(a->line.file, b->line.file);
                assert_int_equal(a->line.line, b->line.line);
                assert_int_equal(a->line.outer, b->line.outer);
                break;
        default:
                fail_msg("no comparison for kind %d", b->kind);
        }
}

static char long_text[PROTO_STRING_MAX_BYTES + 1];

static struct proto_stack_frame most_frames[PROTO_STACK_MAX_FRAMES + 1];
static const struct proto_stack_frame two_frames[] = {
        {.addr = UINT64_MAX, .place = UINT32_MAX, .line = 0xfffffffe, .by = 0xfd},
        {.addr = 0x80000000, .place = 1, .line = 2, .by = FRAME_BY_KERNEL},
};

#define EXTREME_ID UINT32_MAX
static const struct proto_def defs[] = {
        {.kind = DEF_STRING, .id = 1, .string = TEXT("")},
        {.kind = DEF_STRING, .id = EXTREME_ID, .string = {.data = long_text, .n_bytes = PROTO_STRING_MAX_BYTES}},
        {.kind = DEF_STRING, .id = 0x80000000, .string = TEXT("new\nline\0\x1b\xff")},
        {.kind = DEF_MAP, .id = 1},
        {.kind = DEF_MAP,
         .id = EXTREME_ID,
         .map = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2, UINT32_MAX, {'\xff', '\xfe', '\xfd', '\xfc'}}},
        {.kind = DEF_PLACE, .id = 1},
        {.kind = DEF_PLACE, .id = EXTREME_ID, .place = {UINT32_MAX, 0xfffffffe, 0xfffffffd, UINT64_MAX}},
        {.kind = DEF_THREAD, .id = 1},
        {.kind = DEF_THREAD, .id = EXTREME_ID, .thread = {INT32_MIN, INT32_MAX, UINT32_MAX}},
        {.kind = DEF_STACK, .id = 1},
        {.kind = DEF_STACK, .id = EXTREME_ID, .stack = {.flags = 0xff, .n_frames = 2, .frames = two_frames}},
        {.kind = DEF_STACK, .id = 2, .stack = {.n_frames = PROTO_STACK_MAX_FRAMES, .frames = most_frames}},
        {.kind = DEF_LINE, .id = 1},
        {.kind = DEF_LINE, .id = EXTREME_ID, .line = {UINT32_MAX, 0xfffffffe, 0xfffffffd, 0xfffffffc}},
};

/* A record in a buffer of its own size. */
static uint8_t *encode_def(const struct proto_def *def, size_t *ret_n_bytes)
{
        static uint8_t data[UINT16_MAX];
        struct proto_buffer buffer = {.data = data, .size_bytes = sizeof(data)};
        uint8_t *copy;

        assert_int_equal(proto_append_def(&buffer, def), 0);
        copy = malloc(buffer.n_bytes);
        assert_non_null(copy);
        memcpy(copy, data, buffer.n_bytes);
        *ret_n_bytes = buffer.n_bytes;
        return copy;
}

static void refuse_def(const uint8_t *body, size_t n_bytes, size_t offset)
{
        struct proto_def def, before;
        size_t at = offset;

        memset(&def, 0xa5, sizeof(def));
        memset(&before, 0xa5, sizeof(before));
        assert_int_equal(proto_decode_def(body, n_bytes, &at, &def), -EBADMSG);
        assert_int_equal(at, offset);
        assert_memory_equal(&def, &before, sizeof(def));
}

static void test_def_round_trip(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(defs); i++) {
                size_t n_bytes, offset = 0;
                CLEANUP_FREE uint8_t *record = encode_def(&defs[i], &n_bytes);
                struct proto_def def;

                assert_int_equal(wire_load_u16(record), n_bytes);
                assert_int_equal(proto_decode_def(record, n_bytes, &offset, &def), 0);
                assert_int_equal(offset, n_bytes);
                assert_same_def(&def, &defs[i]);
                refuse_def(record, n_bytes, n_bytes); /* there is no next one */
        }
}

static void test_def_truncation(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(defs); i++) {
                size_t n_whole;
                CLEANUP_FREE uint8_t *whole = encode_def(&defs[i], &n_whole);

                for (size_t n = 0; n < n_whole; n++) {
                        CLEANUP_FREE uint8_t *record = malloc(n + 1);

                        assert_non_null(record);
                        memcpy(record, whole, n);
                        refuse_def(record, n, 0); /* the body ends early */
                        if (n < sizeof(uint16_t))
                                continue;
                        wire_store_u16(record, (uint16_t)n);
                        refuse_def(record, n, 0); /* the record says that it ends early */
                }
        }
}

/* A field does not reach into the next record, even where that has the bytes. */
static void test_def_stays_inside_its_record(void **state)
{
        uint8_t data[128];
        struct proto_buffer buffer = {.data = data, .size_bytes = sizeof(data)};
        const struct proto_def string = {.kind = DEF_STRING, .id = 1, .string = TEXT("abcd")};

        assert_int_equal(proto_append_def(&buffer, &string), 0);
        assert_int_equal(proto_append_def(&buffer, &string), 0);
        wire_store_u16(data + 8, 5);
        refuse_def(data, buffer.n_bytes, 0);
        wire_store_u16(data + 8, UINT16_MAX);
        refuse_def(data, buffer.n_bytes, 0);
}

/* A record smaller than its own head would never end, or hold its successor. */
static void test_def_sizes_that_cannot_be(void **state)
{
        uint8_t data[128];
        struct proto_buffer buffer = {.data = data, .size_bytes = sizeof(data)};
        const struct proto_def thread = {.kind = DEF_THREAD, .id = 1};

        assert_int_equal(proto_append_def(&buffer, &thread), 0);
        assert_int_equal(proto_append_def(&buffer, &thread), 0);
        for (uint16_t size = 0; size < 8; size++) {
                wire_store_u16(data, size);
                refuse_def(data, buffer.n_bytes, 0);
        }
}

static void test_def_tail_is_skipped(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(defs); i++)
                for (size_t tail = 1; tail <= 16; tail++) {
                        size_t n_bytes, offset = 0;
                        CLEANUP_FREE uint8_t *record = encode_def(&defs[i], &n_bytes);
                        CLEANUP_FREE uint8_t *longer = malloc(n_bytes + tail);
                        struct proto_def def;

                        assert_non_null(longer);
                        memcpy(longer, record, n_bytes);
                        memset(longer + n_bytes, 0xff, tail);
                        wire_store_u16(longer, (uint16_t)(n_bytes + tail));
                        assert_int_equal(proto_decode_def(longer, n_bytes + tail, &offset, &def), 0);
                        assert_int_equal(offset, n_bytes + tail);
                        assert_same_def(&def, &defs[i]);
                }
}

static void test_unknown_kinds_are_passed_on(void **state)
{
        static const uint8_t record[] = {12, 0, 200, 0, 4, 3, 2, 1, 0xde, 0xad, 0xbe, 0xef};
        struct proto_buffer buffer = {.data = (uint8_t[64]){0}, .size_bytes = 64};
        struct proto_def def;
        size_t offset = 0;

        assert_int_equal(proto_decode_def(record, sizeof(record), &offset, &def), 0);
        assert_int_equal(offset, sizeof(record));
        assert_int_equal(def.kind, 200);
        assert_int_equal(def.id, 0x01020304);
        assert_int_equal(proto_append_def(&buffer, &def), -EINVAL);
        assert_int_equal(buffer.n_bytes, 0);
}

/* Neither sent nor believed, however long the record is. */
static void test_too_many_frames(void **state)
{
        static uint8_t record[UINT16_MAX];
        const struct proto_def def = {
                .kind = DEF_STACK, .id = 1, .stack = {.n_frames = ARRAY_SIZE(most_frames), .frames = most_frames}};
        struct proto_buffer buffer = {.data = record, .size_bytes = sizeof(record)};

        assert_int_equal(proto_append_def(&buffer, &def), -EINVAL);
        assert_int_equal(buffer.n_bytes, 0);
        memset(record, 0, sizeof(record));
        wire_store_u16(record, sizeof(record));
        record[2] = DEF_STACK;
        wire_store_u32(record + 12, PROTO_STACK_MAX_FRAMES + 1);
        refuse_def(record, sizeof(record), 0);
        wire_store_u32(record + 12, UINT32_MAX);
        refuse_def(record, sizeof(record), 0);
}

static void test_wild_offsets(void **state)
{
        static const uint8_t body[16] = {16};
        static const size_t offsets[] = {16, 17, SIZE_MAX, SIZE_MAX - 1};

        for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
                refuse_def(body, sizeof(body), offsets[i]);
        refuse_def(NULL, 0, 0);
}

static void test_long_names_are_cut(void **state)
{
        struct proto_def def = {.kind = DEF_STRING, .id = 1, .string = {long_text, PROTO_STRING_MAX_BYTES + 1}};
        size_t n_bytes, offset = 0;
        CLEANUP_FREE uint8_t *record = encode_def(&def, &n_bytes);

        assert_int_equal(proto_decode_def(record, n_bytes, &offset, &def), 0);
        assert_int_equal(def.string.n_bytes, PROTO_STRING_MAX_BYTES);
}

static void test_defs_need_room(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(defs); i++) {
                size_t n_whole;
                uint8_t *whole = encode_def(&defs[i], &n_whole);

                free(whole);
                for (size_t room = 0; room < n_whole; room++) {
                        CLEANUP_FREE uint8_t *data = malloc(room + 1);
                        struct proto_buffer buffer = {.data = data, .size_bytes = room};

                        assert_non_null(data);
                        assert_int_equal(proto_append_def(&buffer, &defs[i]), -ENOBUFS);
                        assert_int_equal(buffer.n_bytes, 0);
                }
        }
}

static void test_golden_dict(void **state)
{
        uint8_t data[1024];
        struct proto_buffer buffer = {.data = data, .size_bytes = sizeof(data)};
        size_t offset = 0, n_body;
        struct proto_header header;
        struct proto_def def;

        append_sample_dict(&buffer);
        assert_golden("dict", data, buffer.n_bytes);
        assert_int_equal(proto_decode_header(data, buffer.n_bytes, &header), 0);
        n_body = buffer.n_bytes - PROTO_HEADER_BYTES;
        for (uint32_t i = 0; i < header.count; i++)
                assert_int_equal(proto_decode_def(data + PROTO_HEADER_BYTES, n_body, &offset, &def), 0);
        assert_int_equal(offset, n_body);
        assert_int_equal(def.kind, DEF_THREAD);
        assert_int_equal(def.thread.tid, 4243);
}

/* The kinds that came with version 1.2. */
static void test_golden_dict_1_2(void **state)
{
        static const struct proto_stack_frame frames[] = {
                {.addr = 0x7f1122334455, .place = 2, .line = 3, .by = FRAME_BY_REGISTERS},
                {.addr = 0x55d0c09f1234, .place = 1, .by = FRAME_BY_CFI},
        };
        const struct proto_def stack = {
                .kind = DEF_STACK,
                .id = 1,
                .stack = {.flags = PROTO_STACK_CUT, .n_frames = ARRAY_SIZE(frames), .frames = frames}};
        const struct proto_def line = {
                .kind = DEF_LINE, .id = 3, .line = {.function = 0x11, .file = 0x12, .line = 0x13, .outer = 2}};
        struct proto_header header = {.type = MESSAGE_DICT, .trace = SAMPLE_TRACE, .count = 2, .dict_hw = 2};
        uint8_t data[1024];
        struct proto_buffer buffer = {.data = data, .size_bytes = sizeof(data)};

        assert_int_equal(proto_begin_frame(&buffer), 0);
        assert_int_equal(proto_append_def(&buffer, &line), 0);
        assert_int_equal(proto_append_def(&buffer, &stack), 0);
        assert_true(proto_finish_frame(&buffer, &header) > 0);
        assert_golden("dict_1_2", data, buffer.n_bytes);
}

/* A frame grows to its limit and not beyond, wherever in the buffer it began. */
static void test_frames_are_bounded(void **state)
{
        static uint8_t data[2 * PROTO_FRAME_MAX_BYTES];
        struct proto_buffer buffer = {.data = data, .n_bytes = 1000, .size_bytes = sizeof(data)};
        const struct proto_def def = {.kind = DEF_THREAD, .id = 1};
        struct proto_header header = {.type = MESSAGE_EVENTS}, decoded;

        assert_int_equal(proto_begin_frame(&buffer), 0);
        for (size_t i = 0; i < (PROTO_FRAME_MAX_BYTES - PROTO_HEADER_BYTES) / sizeof(uint64_t); i++)
                assert_int_equal(proto_append_u64(&buffer, i), 0);
        assert_int_equal(proto_append_u64(&buffer, 0), -ENOBUFS);
        assert_int_equal(proto_append_def(&buffer, &def), -ENOBUFS);
        assert_int_equal(proto_finish_frame(&buffer, &header), PROTO_FRAME_MAX_BYTES);
        assert_int_equal(buffer.n_bytes, 1000 + PROTO_FRAME_MAX_BYTES);
        assert_int_equal(proto_decode_header(data + 1000, PROTO_FRAME_MAX_BYTES, &decoded), 0);
}

static void test_too_large_a_frame_is_taken_back(void **state)
{
        static uint8_t data[2 * PROTO_FRAME_MAX_BYTES];
        struct proto_buffer buffer = {.data = data, .n_bytes = 8, .size_bytes = sizeof(data)};
        struct proto_header header = {.type = MESSAGE_EVENTS};

        assert_int_equal(proto_begin_frame(&buffer), 0);
        buffer.n_bytes += PROTO_FRAME_MAX_BYTES; /* records stored past the limit */
        assert_int_equal(proto_append_u64(&buffer, 0), -ENOBUFS);
        assert_int_equal(proto_finish_frame(&buffer, &header), -ENOBUFS);
        assert_int_equal(buffer.n_bytes, 8);
}

static void test_header_round_trip(void **state)
{
        struct proto_header header = {.type = 0xfffe,
                                      .trace = 0xfffffffc,
                                      .flags = PROTO_FLAG_CRITICAL,
                                      .count = UINT32_MAX,
                                      .first_seq = UINT64_MAX,
                                      .dict_hw = 0xfffffffa,
                                      .crc = 0xfffffff9},
                            decoded;
        uint8_t data[PROTO_HEADER_BYTES];
        struct proto_buffer buffer = {.data = data, .size_bytes = sizeof(data)};

        assert_int_equal(proto_begin_frame(&buffer), 0);
        assert_int_equal(proto_finish_frame(&buffer, &header), PROTO_HEADER_BYTES);
        assert_int_equal(header.length, PROTO_HEADER_BYTES);
        assert_int_equal(proto_decode_header(buffer.data, buffer.n_bytes, &decoded), 0);
        assert_memory_equal(&decoded, &header, sizeof(header));
}

static void refuse_header(const uint8_t *bytes, size_t n_bytes)
{
        struct proto_header header, before;

        memset(&header, 0xa5, sizeof(header));
        memset(&before, 0xa5, sizeof(before));
        assert_int_equal(proto_decode_header(bytes, n_bytes, &header), -EBADMSG);
        assert_memory_equal(&header, &before, sizeof(header));
}

static void test_bad_headers(void **state)
{
        static uint8_t bytes[PROTO_FRAME_MAX_BYTES + 1];
        struct proto_header header;

        for (size_t n = 0; n < PROTO_HEADER_BYTES; n++) {
                wire_store_u32(bytes, (uint32_t)n);
                refuse_header(bytes, n);
                wire_store_u32(bytes, PROTO_HEADER_BYTES);
                refuse_header(bytes, n);
        }
        refuse_header(bytes, PROTO_HEADER_BYTES + 1);
        wire_store_u32(bytes, PROTO_HEADER_BYTES + 1);
        refuse_header(bytes, PROTO_HEADER_BYTES);
        wire_store_u32(bytes, PROTO_FRAME_MAX_BYTES + 1);
        refuse_header(bytes, PROTO_FRAME_MAX_BYTES + 1);
        wire_store_u32(bytes, PROTO_FRAME_MAX_BYTES);
        assert_int_equal(proto_decode_header(bytes, PROTO_FRAME_MAX_BYTES, &header), 0);
}

/* The constants agree: a full frame of today's records fits, with room for records to grow. */
_Static_assert(PROTO_HEADER_BYTES + PROTO_EVENTS_PREFIX_BYTES + PROTO_EVENTS_PER_FRAME * PROTO_EVENT_BYTES <=
                       PROTO_FRAME_MAX_BYTES,
               "a full frame fits");

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_event_round_trip),
                cmocka_unit_test(test_event_extremes),
                cmocka_unit_test(test_golden_events),
                cmocka_unit_test(test_def_round_trip),
                cmocka_unit_test(test_def_truncation),
                cmocka_unit_test(test_def_stays_inside_its_record),
                cmocka_unit_test(test_def_tail_is_skipped),
                cmocka_unit_test(test_unknown_kinds_are_passed_on),
                cmocka_unit_test(test_wild_offsets),
                cmocka_unit_test(test_long_names_are_cut),
                cmocka_unit_test(test_defs_need_room),
                cmocka_unit_test(test_golden_dict),
                cmocka_unit_test(test_golden_dict_1_2),
                cmocka_unit_test(test_too_many_frames),
                cmocka_unit_test(test_frames_are_bounded),
                cmocka_unit_test(test_too_large_a_frame_is_taken_back),
                cmocka_unit_test(test_header_round_trip),
                cmocka_unit_test(test_bad_headers),
                cmocka_unit_test(test_def_sizes_that_cannot_be),
        };

        memset(long_text, 'x', sizeof(long_text));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
