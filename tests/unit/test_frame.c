/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same frames come out of a stream wherever it is cut, and nothing that is not a frame gets through. */
#include "proto/frame.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/wire.h"

#define MAX_FRAMES 8

struct seen {
        size_t n;
        uint16_t type[MAX_FRAMES];
        size_t offset[MAX_FRAMES]; /* of the frame in the stream */
};

static uint8_t stream_data[512];
static struct proto_buffer stream = {.data = stream_data, .size_bytes = sizeof(stream_data)};
static uint8_t reader_buffer[PROTO_FRAME_MAX_BYTES];

static int make_stream(void **state)
{
        struct proto_ping ping = {.cookie = UINT64_C(0x1122334455667788)};
        struct proto_bye bye = {.reason = {.data = "the end", .n_bytes = 7}};
        struct proto_header header = {.type = MESSAGE_EVENTS, .trace = 3};

        stream.n_bytes = 0;
        assert_true(proto_encode_ping(&stream, 0, &ping) > 0);
        assert_true(proto_encode_empty(&stream, 3, MESSAGE_DICT_RESET) > 0);
        assert_int_equal(proto_begin_frame(&stream), 0);
        assert_int_equal(proto_append_u64(&stream, 5), 0);
        assert_true(proto_finish_frame(&stream, &header) > 0);
        assert_true(proto_encode_bye(&stream, 0, &bye) > 0);
        return 0;
}

/* Feed one piece and note the frames; each is compared with the stream it came from. */
static int feed(struct frame_reader *reader, size_t from, size_t to, struct seen *seen)
{
        const uint8_t *data = stream.data + from;
        size_t n_bytes = to - from, start = seen->n ? seen->offset[seen->n] : 0;
        struct frame frame;
        int r;

        while ((r = frame_reader_feed(reader, &data, &n_bytes, &frame)) == FRAME_READY) {
                assert_true(seen->n + 1 < MAX_FRAMES);
                assert_int_equal(frame.n_body_bytes, frame.header.length - PROTO_HEADER_BYTES);
                assert_memory_equal(frame.body, stream.data + start + PROTO_HEADER_BYTES, frame.n_body_bytes);
                seen->type[seen->n] = frame.header.type;
                start += frame.header.length;
                seen->offset[++seen->n] = start;
        }
        if (r == FRAME_MORE) {
                assert_int_equal(n_bytes, 0);
                assert_ptr_equal(data, stream.data + to);
        }
        return r;
}

static void assert_all_seen(const struct frame_reader *reader, const struct seen *seen)
{
        assert_int_equal(frame_reader_end(reader), 0);
        assert_int_equal(seen->n, 4);
        assert_int_equal(seen->type[0], MESSAGE_PING);
        assert_int_equal(seen->type[1], MESSAGE_DICT_RESET);
        assert_int_equal(seen->type[2], MESSAGE_EVENTS);
        assert_int_equal(seen->type[3], MESSAGE_BYE);
}

static void test_two_cuts_anywhere(void **state)
{
        for (size_t a = 0; a <= stream.n_bytes; a++)
                for (size_t b = a; b <= stream.n_bytes; b++) {
                        struct frame_reader reader;
                        struct seen seen = {0};

                        frame_reader_init(&reader, reader_buffer, sizeof(reader_buffer));
                        assert_int_equal(feed(&reader, 0, a, &seen), FRAME_MORE);
                        assert_int_equal(feed(&reader, a, b, &seen), FRAME_MORE);
                        assert_int_equal(feed(&reader, b, stream.n_bytes, &seen), FRAME_MORE);
                        assert_all_seen(&reader, &seen);
                }
}

static void test_pieces_of_every_size(void **state)
{
        for (size_t size = 1; size <= stream.n_bytes; size++) {
                struct frame_reader reader;
                struct seen seen = {0};

                frame_reader_init(&reader, reader_buffer, sizeof(reader_buffer));
                for (size_t at = 0; at < stream.n_bytes; at += size)
                        assert_int_equal(feed(&reader, at, MIN_OF(at + size, stream.n_bytes), &seen), FRAME_MORE);
                assert_all_seen(&reader, &seen);
        }
}

static void test_end_inside_a_frame(void **state)
{
        for (size_t n = 0; n <= stream.n_bytes; n++) {
                struct frame_reader reader;
                struct seen seen = {0};
                size_t boundary;

                frame_reader_init(&reader, reader_buffer, sizeof(reader_buffer));
                assert_int_equal(feed(&reader, 0, n, &seen), FRAME_MORE);
                boundary = seen.n ? seen.offset[seen.n] : 0;
                assert_int_equal(frame_reader_end(&reader), boundary == n ? 0 : -ENODATA);
        }
}

static void test_no_bytes(void **state)
{
        struct frame_reader reader;
        struct frame frame;
        const uint8_t *data = NULL;
        size_t n_bytes = 0;

        frame_reader_init(&reader, reader_buffer, sizeof(reader_buffer));
        assert_int_equal(frame_reader_feed(&reader, &data, &n_bytes, &frame), FRAME_MORE);
        assert_int_equal(frame_reader_end(&reader), 0);
}

/* A bad length fails as soon as its fourth byte is there, touches nothing, and fails for ever. */
static void check_length_is_refused(uint32_t length, size_t size_bytes)
{
        uint8_t bytes[64] = {0};
        const uint8_t *data = bytes;
        size_t n_bytes = 3;
        struct frame_reader reader;
        struct frame frame, before;

        memset(&frame, 0xa5, sizeof(frame));
        before = frame;
        wire_store_u32(bytes, length);
        frame_reader_init(&reader, reader_buffer, size_bytes);
        assert_int_equal(frame_reader_feed(&reader, &data, &n_bytes, &frame), FRAME_MORE);
        n_bytes = 1;
        assert_int_equal(frame_reader_feed(&reader, &data, &n_bytes, &frame), -EBADMSG);
        assert_int_equal(n_bytes, 0);
        data = stream.data;
        n_bytes = stream.n_bytes;
        assert_int_equal(frame_reader_feed(&reader, &data, &n_bytes, &frame), -EBADMSG);
        assert_int_equal(n_bytes, stream.n_bytes);
        assert_int_equal(frame_reader_end(&reader), -EBADMSG);
        assert_memory_equal(&frame, &before, sizeof(frame));
}

static void test_undersize(void **state)
{
        for (uint32_t length = 0; length < PROTO_HEADER_BYTES; length++)
                check_length_is_refused(length, sizeof(reader_buffer));
}

static void test_oversize(void **state)
{
        check_length_is_refused(PROTO_FRAME_MAX_BYTES + 1, sizeof(reader_buffer));
        check_length_is_refused(PROTO_FRAME_MAX_BYTES + 1, SIZE_MAX);
        check_length_is_refused(UINT32_MAX, sizeof(reader_buffer));
        check_length_is_refused(INT32_MAX, sizeof(reader_buffer));
        check_length_is_refused(101, 100);
}

static void test_largest_frame(void **state)
{
        static uint8_t bytes[PROTO_FRAME_MAX_BYTES];
        const uint8_t *data = bytes;
        size_t n_bytes = sizeof(bytes);
        struct frame_reader reader;
        struct frame frame;

        wire_store_u32(bytes, sizeof(bytes));
        bytes[sizeof(bytes) - 1] = 0x5a;
        frame_reader_init(&reader, reader_buffer, sizeof(reader_buffer));
        assert_int_equal(frame_reader_feed(&reader, &data, &n_bytes, &frame), FRAME_READY);
        assert_int_equal(frame.n_body_bytes, sizeof(bytes) - PROTO_HEADER_BYTES);
        assert_int_equal(frame.body[frame.n_body_bytes - 1], 0x5a);
}

static void test_garbage_behind_a_frame(void **state)
{
        static const char garbage[] = "HTTP/1.1 400 Bad Request\r\n";
        const uint8_t *data = (const uint8_t *)garbage;
        size_t n_bytes = sizeof(garbage) - 1;
        struct frame_reader reader;
        struct seen seen = {0};
        struct frame frame;

        frame_reader_init(&reader, reader_buffer, sizeof(reader_buffer));
        assert_int_equal(feed(&reader, 0, stream.n_bytes, &seen), FRAME_MORE);
        assert_all_seen(&reader, &seen);
        assert_int_equal(frame_reader_feed(&reader, &data, &n_bytes, &frame), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_two_cuts_anywhere),  cmocka_unit_test(test_pieces_of_every_size),
                cmocka_unit_test(test_end_inside_a_frame), cmocka_unit_test(test_no_bytes),
                cmocka_unit_test(test_undersize),          cmocka_unit_test(test_oversize),
                cmocka_unit_test(test_largest_frame),      cmocka_unit_test(test_garbage_behind_a_frame),
        };

        return cmocka_run_group_tests(tests, make_stream, NULL);
}
