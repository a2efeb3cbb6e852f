/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bounded cursors: byte order, every bound, sticky failure, and lengths meant to overflow them. */
#include "proto/wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <setjmp.h>

#include <cmocka.h>

static const uint8_t all_numbers[] = {
        0xfe,                                           /* u8 */
        0x02, 0x01,                                     /* u16 */
        0x04, 0x03, 0x02, 0x01,                         /* u32 */
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, /* u64 */
        0xff, 0xff, 0xff, 0xff,                         /* i32 */
        0x03, 0x00, 'a',  0x00, 'b',                    /* string */
        0x00, 0x00,                                     /* zeros */
        0x09,                                           /* bytes */
};

static int put_all(uint8_t *data, size_t size_bytes, size_t *ret_n_bytes)
{
        struct wire_writer writer = {.data = data, .size_bytes = size_bytes};

        wire_put_u8(&writer, 0xfe);
        wire_put_u16(&writer, 0x0102);
        wire_put_u32(&writer, 0x01020304);
        wire_put_u64(&writer, UINT64_C(0x0102030405060708));
        wire_put_i32(&writer, -1);
        wire_put_string(&writer, 3, "a\0b", 3);
        wire_put_zeros(&writer, 2);
        wire_put_bytes(&writer, "\x09", 1);
        *ret_n_bytes = writer.offset;
        return writer.error;
}

static void test_writer_is_little_endian(void **state)
{
        uint8_t data[sizeof(all_numbers)];
        size_t n_bytes;

        memset(data, 0xa5, sizeof(data));
        assert_int_equal(put_all(data, sizeof(data), &n_bytes), 0);
        assert_int_equal(n_bytes, sizeof(all_numbers));
        assert_memory_equal(data, all_numbers, sizeof(all_numbers));
}

static void test_writer_stops_at_every_size(void **state)
{
        for (size_t size = 0; size < sizeof(all_numbers); size++) {
                uint8_t data[sizeof(all_numbers)];
                size_t n_bytes;

                memset(data, 0xa5, sizeof(data));
                assert_int_equal(put_all(data, size, &n_bytes), -ENOBUFS);
                assert_true(n_bytes <= size);
                assert_memory_equal(data, all_numbers, n_bytes);
                for (size_t i = n_bytes; i < sizeof(data); i++)
                        assert_int_equal(data[i], 0xa5);
        }
}

static void test_writer_failure_is_sticky(void **state)
{
        uint8_t data[4] = {0};
        struct wire_writer writer = {.data = data, .size_bytes = sizeof(data)};

        wire_put_u64(&writer, UINT64_MAX);
        assert_int_equal(writer.error, -ENOBUFS);
        wire_put_u8(&writer, 1);
        wire_put_string(&writer, 1, "too long", 8);
        assert_int_equal(writer.error, -ENOBUFS);
        assert_int_equal(writer.offset, 0);
        assert_int_equal(data[0], 0);
}

static void test_writer_refuses_long_strings(void **state)
{
        uint8_t data[64];
        const size_t lengths[] = {5, 65536, 65540, SIZE_MAX};

        for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
                struct wire_writer writer = {.data = data, .size_bytes = sizeof(data)};

                wire_put_string(&writer, 4, "12345", lengths[i]);
                assert_int_equal(writer.error, -EMSGSIZE);
                assert_int_equal(writer.offset, 0);
        }
}

static void test_writer_survives_wild_sizes(void **state)
{
        uint8_t data[4];
        struct wire_writer writer = {.data = data, .size_bytes = sizeof(data), .offset = 1};

        wire_put_zeros(&writer, SIZE_MAX);
        assert_int_equal(writer.error, -ENOBUFS);
        writer = (struct wire_writer){.data = data, .size_bytes = 2, .offset = 3};
        wire_put_zeros(&writer, 0);
        assert_int_equal(writer.error, -ENOBUFS);
}

static void test_reader_reads_what_was_written(void **state)
{
        struct wire_reader reader = {.data = all_numbers, .n_bytes = sizeof(all_numbers)};
        const char *string;
        uint32_t n_bytes;

        assert_int_equal(wire_get_u8(&reader), 0xfe);
        assert_int_equal(wire_get_u16(&reader), 0x0102);
        assert_int_equal(wire_get_u32(&reader), 0x01020304);
        assert_true(wire_get_u64(&reader) == UINT64_C(0x0102030405060708));
        assert_int_equal(wire_get_i32(&reader), -1);
        wire_get_string(&reader, 3, &string, &n_bytes);
        assert_int_equal(n_bytes, 3);
        assert_memory_equal(string, "a\0b", 3);
        assert_ptr_equal(string, all_numbers + 21);
        assert_ptr_equal(wire_get_bytes(&reader, 2), all_numbers + 24);
        assert_int_equal(wire_get_u8(&reader), 9);
        assert_int_equal(reader.offset, sizeof(all_numbers));
        assert_false(reader.failed);
}

static void test_reader_fails_past_the_end(void **state)
{
        for (size_t n = 0; n < 8; n++) {
                struct wire_reader reader = {.data = all_numbers, .n_bytes = n};

                assert_true(wire_get_u64(&reader) == 0);
                assert_true(reader.failed);
                assert_int_equal(reader.offset, 0);
                assert_int_equal(wire_get_u8(&reader), 0);
                assert_null(wire_get_bytes(&reader, 0));
                assert_int_equal(reader.offset, 0);
        }
}

static void test_reader_of_nothing(void **state)
{
        struct wire_reader reader = {0};

        assert_int_equal(wire_get_u8(&reader), 0);
        assert_true(reader.failed);
}

static void test_reader_survives_wild_sizes(void **state)
{
        const size_t sizes[] = {5, SIZE_MAX, SIZE_MAX - 2, SIZE_MAX / 2 + 1};

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                struct wire_reader reader = {.data = all_numbers, .n_bytes = 6, .offset = 2};

                assert_null(wire_get_bytes(&reader, sizes[i]));
                assert_true(reader.failed);
                assert_int_equal(reader.offset, 2);
        }
}

/* A string's length is checked against the limit and against what is there; outputs stay as they were on failure. */
static void test_reader_refuses_hostile_strings(void **state)
{
        static const struct {
                uint8_t data[6];
                size_t n_bytes;
        } cases[] = {
                {{0}, 0},
                {{1}, 1},
                {{1, 0}, 2},
                {{5, 0, 'a', 'b', 'c', 'd'}, 6},
                {{4, 0, 'a', 'b', 'c', 'd'}, 6}, /* all there, but above the limit */
                {{0xff, 0xff, 'a', 'b'}, 4},
                {{0x03, 0x80, 'a', 'b', 'c'}, 5},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct wire_reader reader = {.data = cases[i].data, .n_bytes = cases[i].n_bytes};
                const char *string = "untouched";
                uint32_t n_bytes = 77;

                wire_get_string(&reader, 3, &string, &n_bytes);
                assert_true(reader.failed);
                assert_string_equal(string, "untouched");
                assert_int_equal(n_bytes, 77);
        }
}

static void test_empty_string(void **state)
{
        uint8_t data[2] = {0xff, 0xff};
        struct wire_writer writer = {.data = data, .size_bytes = sizeof(data)};
        struct wire_reader reader = {.data = data, .n_bytes = sizeof(data)};
        const char *string = NULL;
        uint32_t n_bytes = 77;

        wire_put_string(&writer, 0, NULL, 0);
        assert_int_equal(writer.error, 0);
        wire_get_string(&reader, 0, &string, &n_bytes);
        assert_false(reader.failed);
        assert_int_equal(n_bytes, 0);
        assert_ptr_equal(string, data + 2);
}

static void test_fixed_offset_stores_and_loads(void **state)
{
        uint8_t data[1 + 2 + 4 + 8];

        wire_store_u8(data, 0xfe);
        wire_store_u16(data + 1, 0x0102);
        wire_store_u32(data + 3, 0x01020304);
        wire_store_u64(data + 7, UINT64_C(0x0102030405060708));
        assert_memory_equal(data, all_numbers, sizeof(data));
        assert_int_equal(wire_load_u8(data), 0xfe);
        assert_int_equal(wire_load_u16(data + 1), 0x0102);
        assert_int_equal(wire_load_u32(data + 3), 0x01020304);
        assert_true(wire_load_u64(data + 7) == UINT64_C(0x0102030405060708));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_writer_is_little_endian),
                cmocka_unit_test(test_writer_stops_at_every_size),
                cmocka_unit_test(test_writer_failure_is_sticky),
                cmocka_unit_test(test_writer_refuses_long_strings),
                cmocka_unit_test(test_writer_survives_wild_sizes),
                cmocka_unit_test(test_reader_reads_what_was_written),
                cmocka_unit_test(test_reader_fails_past_the_end),
                cmocka_unit_test(test_reader_of_nothing),
                cmocka_unit_test(test_reader_survives_wild_sizes),
                cmocka_unit_test(test_reader_refuses_hostile_strings),
                cmocka_unit_test(test_empty_string),
                cmocka_unit_test(test_fixed_offset_stores_and_loads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
