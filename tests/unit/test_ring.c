/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ring.c: the same records come out wherever in the ring they start, and damaged bytes never lead out of it. Records
 * are compared byte by byte; the ring is a heap block of exactly its size, so that a sanitizer sees every byte too
 * many.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/decode/ring.h"

#define RING_BYTES 4096

static const uint16_t sizes[] = {8, 16, 64, 24, 1000, 8, 2048, 40, 888}; /* together exactly RING_BYTES */

static _Alignas(8) uint8_t scratch[RING_SCRATCH_BYTES];

/* What record i looks like. */
static void make_record(size_t i, uint16_t size, uint8_t *to)
{
        struct perf_event_header header = {.type = (uint32_t)(100 + i), .misc = (uint16_t)i, .size = size};

        for (size_t at = 0; at < size; at++)
                to[at] = (uint8_t)(at * 31 + i * 7 + 1);
        memcpy(to, &header, sizeof(header));
}

static void write_wrapped(uint8_t *data, size_t size_bytes, uint64_t position, const uint8_t *from, size_t n)
{
        for (size_t i = 0; i < n; i++)
                data[(position + i) & (size_bytes - 1)] = from[i];
}

static void check_walk(uint64_t start)
{
        uint8_t *data = test_malloc(RING_BYTES);
        struct ring ring = {.data = data, .size_bytes = RING_BYTES, .tail = start, .head = start, .scratch = scratch};
        const struct perf_event_header *header;
        uint8_t expected[RING_BYTES];

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                make_record(i, sizes[i], expected);
                write_wrapped(data, RING_BYTES, ring.head, expected, sizes[i]);
                ring.head += sizes[i];
        }
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                make_record(i, sizes[i], expected);
                assert_int_equal(ring_peek(&ring, &header), RING_RECORD);
                assert_int_equal(header->size, sizes[i]);
                assert_memory_equal(header, expected, sizes[i]);
                assert_int_equal(ring_peek(&ring, &header), RING_RECORD); /* a second look is the same */
                assert_memory_equal(header, expected, sizes[i]);
                ring_advance(&ring, header);
        }
        assert_int_equal(ring.tail, ring.head);
        assert_int_equal(ring_peek(&ring, &header), RING_EMPTY);
        test_free(data);
}

static void test_every_rotation(void **state)
{
        for (uint64_t start = 0; start < RING_BYTES; start += 8)
                check_walk(start);
}

static void test_positions_that_overflow(void **state)
{
        for (uint64_t back = 8; back <= RING_BYTES; back += 8)
                check_walk(UINT64_MAX - back + 1);
}

/* The largest record that a header can name, in a ring that it fills but for 8 bytes. */
static void test_largest_record(void **state)
{
        enum { BIG = 65536, SIZE = 65528 };
        uint8_t *data = test_malloc(BIG), *expected = test_malloc(BIG);
        struct ring ring = {.data = data, .size_bytes = BIG, .scratch = scratch};
        const struct perf_event_header *header;

        make_record(3, SIZE, expected);
        for (uint64_t start = 0; start < BIG; start += 4088) {
                ring.tail = start;
                ring.head = start + SIZE;
                write_wrapped(data, BIG, start, expected, SIZE);
                assert_int_equal(ring_peek(&ring, &header), RING_RECORD);
                assert_memory_equal(header, expected, SIZE);
        }
        test_free(data);
        test_free(expected);
}

/* One record of the given size field at every place; n_available bytes are before the head. */
static int peek_damaged(uint64_t tail, uint16_t size, uint64_t n_available)
{
        uint8_t *data = test_calloc(1, RING_BYTES);
        struct ring ring = {
                .data = data, .size_bytes = RING_BYTES, .tail = tail, .head = tail + n_available, .scratch = scratch};
        struct perf_event_header header = {.type = 1, .size = size};
        const struct perf_event_header *const untouched = &header;
        const struct perf_event_header *ret = untouched;
        int r;

        write_wrapped(data, RING_BYTES, tail, (const uint8_t *)&header, sizeof(header));
        r = ring_peek(&ring, &ret);
        if (r != RING_RECORD)
                assert_ptr_equal(ret, untouched);
        assert_int_equal(ring.tail, tail);
        test_free(data);
        return r;
}

static void test_damaged_sizes(void **state)
{
        for (uint16_t size = 0; size <= 512; size++) {
                int expected = size >= 8 && size % 8 == 0 && size <= 256 ? RING_RECORD : -EBADMSG;

                assert_int_equal(peek_damaged(0, size, 256), expected);
                assert_int_equal(peek_damaged(RING_BYTES - 8, size, 256), expected);
                assert_int_equal(peek_damaged(RING_BYTES - 128, size, 256), expected);
        }
        assert_int_equal(peek_damaged(0, UINT16_MAX, RING_BYTES), -EBADMSG);
        assert_int_equal(peek_damaged(0, 65528, RING_BYTES), -EBADMSG);
        assert_int_equal(peek_damaged(0, RING_BYTES, RING_BYTES), RING_RECORD);
}

static void test_damaged_positions(void **state)
{
        assert_int_equal(peek_damaged(64, 8, 0), RING_EMPTY);
        for (uint64_t n = 1; n < 8; n++) {
                assert_int_equal(peek_damaged(64, 8, n), -EBADMSG);      /* not even a header */
                assert_int_equal(peek_damaged(64 + n, 8, 64), -EBADMSG); /* between two records */
        }
        assert_int_equal(peek_damaged(64, 8, 8), RING_RECORD);
        assert_int_equal(peek_damaged(64, 8, RING_BYTES), RING_RECORD);
        assert_int_equal(peek_damaged(64, 8, RING_BYTES + 8), -EBADMSG); /* more than the ring holds */
        assert_int_equal(peek_damaged(64, 8, UINT64_MAX - 7), -EBADMSG); /* head behind tail */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_rotation),    cmocka_unit_test(test_positions_that_overflow),
                cmocka_unit_test(test_largest_record),    cmocka_unit_test(test_damaged_sizes),
                cmocka_unit_test(test_damaged_positions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
