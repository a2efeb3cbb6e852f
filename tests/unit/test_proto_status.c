/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lists inside STATUS_UNIT when the peer knows other words than we do: nothing that it counted may get lost, and no
 * length, however hostile, is believed. And the bounds of the latency buckets, which are part of the protocol.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/proto.h"
#include "proto/wire.h"

enum {
        BUFFER_BYTES = 4096,
        UNIT_OFFSET = 48, /* of an empty name; then: */
        LISTS_OFFSET = UNIT_OFFSET + 2,
};

static uint8_t frame_bytes[BUFFER_BYTES];
static uint8_t *const body = frame_bytes + PROTO_HEADER_BYTES;

static size_t put_list(size_t at, uint32_t n, uint64_t first)
{
        wire_store_u32(body + at, n);
        for (uint32_t i = 0; i < n; i++)
                wire_store_u64(body + at + 4 + i * 8, first + i);
        return at + 4 + (size_t)n * 8;
}

/* A peer with so many causes, outcomes and buckets, the i-th counting 1000 + i, 2000 + i, 3000 + i. */
static size_t make_unit(uint32_t n_causes, uint32_t n_outcomes, uint32_t n_buckets)
{
        memset(frame_bytes, 0, sizeof(frame_bytes));
        return put_list(put_list(put_list(LISTS_OFFSET, n_causes, 1000), n_outcomes, 2000), n_buckets, 3000);
}

static void refuse(size_t n_bytes)
{
        struct proto_status_unit unit, before;

        memset(&unit, 0x5a, sizeof(unit));
        memset(&before, 0x5a, sizeof(before));
        assert_int_equal(proto_decode_status_unit(body, n_bytes, &unit), -EBADMSG);
        assert_memory_equal(&unit, &before, sizeof(unit));
}

static void test_offsets(void **state)
{
        struct proto_buffer buffer = {.data = frame_bytes, .size_bytes = sizeof(frame_bytes)};
        static const struct proto_status_unit unit;
        const int n_lists = 4 + N_CAUSES * 8 + 4 + N_OUTCOMES * 8 + 4 + PROTO_LATENCY_BUCKETS * 8;

        assert_int_equal(proto_encode_status_unit(&buffer, 0, &unit), PROTO_HEADER_BYTES + LISTS_OFFSET + n_lists);
        assert_int_equal(wire_load_u32(body + LISTS_OFFSET), N_CAUSES);
        assert_int_equal(wire_load_u32(body + LISTS_OFFSET + 4 + N_CAUSES * 8), N_OUTCOMES);
        assert_int_equal(wire_load_u32(body + LISTS_OFFSET + 4 + N_CAUSES * 8 + 4 + N_OUTCOMES * 8),
                         PROTO_LATENCY_BUCKETS);
}

static void test_lists_of_our_length(void **state)
{
        size_t n_bytes = make_unit(N_CAUSES, N_OUTCOMES, PROTO_LATENCY_BUCKETS);
        struct proto_status_unit unit;

        assert_int_equal(proto_decode_status_unit(body, n_bytes, &unit), 0);
        for (size_t i = 0; i < N_CAUSES; i++)
                assert_true(unit.n_by_cause[i] == 1000 + i);
        for (size_t i = 0; i < N_OUTCOMES; i++)
                assert_true(unit.n_by_outcome[i] == 2000 + i);
        for (size_t i = 0; i < PROTO_LATENCY_BUCKETS; i++)
                assert_true(unit.n_major_by_latency[i] == 3000 + i);
}

static void test_a_newer_peer(void **state)
{
        size_t n_bytes = make_unit(N_CAUSES + 2, N_OUTCOMES + 1, PROTO_LATENCY_BUCKETS + 2);
        const uint64_t last = 3000 + PROTO_LATENCY_BUCKETS - 1;
        struct proto_status_unit unit;

        assert_int_equal(proto_decode_status_unit(body, n_bytes, &unit), 0);
        assert_true(unit.n_by_cause[CAUSE_UNKNOWN] == 1000 + (1000 + N_CAUSES) + (1000 + N_CAUSES + 1));
        assert_true(unit.n_by_cause[N_CAUSES - 1] == 1000 + N_CAUSES - 1);
        assert_true(unit.n_by_outcome[OUTCOME_NONE] == 2000 + (2000 + N_OUTCOMES));
        assert_true(unit.n_by_outcome[1] == 2001);
        assert_true(unit.n_major_by_latency[PROTO_LATENCY_BUCKETS - 1] == last + (last + 1) + (last + 2));
        assert_true(unit.n_major_by_latency[PROTO_LATENCY_BUCKETS - 2] == last - 1);
        for (size_t n = 0; n < n_bytes; n++)
                refuse(n);
}

/* Its last bucket has no upper bound, so it is our last. */
static void test_an_older_peer(void **state)
{
        size_t n_bytes = make_unit(2, 1, 3);
        struct proto_status_unit unit;

        assert_int_equal(proto_decode_status_unit(body, n_bytes, &unit), 0);
        assert_true(unit.n_by_cause[0] == 1000 && unit.n_by_cause[1] == 1001 && unit.n_by_cause[2] == 0);
        assert_true(unit.n_by_outcome[0] == 2000 && unit.n_by_outcome[1] == 0);
        assert_true(unit.n_major_by_latency[0] == 3000 && unit.n_major_by_latency[1] == 3001);
        for (size_t i = 2; i < PROTO_LATENCY_BUCKETS - 1; i++)
                assert_true(unit.n_major_by_latency[i] == 0);
        assert_true(unit.n_major_by_latency[PROTO_LATENCY_BUCKETS - 1] == 3002);
}

static void test_a_peer_without_words(void **state)
{
        size_t n_bytes = make_unit(0, 0, 0);
        struct proto_status_unit unit;
        static const struct proto_status_unit nothing;

        assert_int_equal(proto_decode_status_unit(body, n_bytes, &unit), 0);
        assert_memory_equal(unit.n_by_cause, nothing.n_by_cause, sizeof(unit.n_by_cause));
        assert_memory_equal(unit.n_by_outcome, nothing.n_by_outcome, sizeof(unit.n_by_outcome));
        assert_memory_equal(unit.n_major_by_latency, nothing.n_major_by_latency, sizeof(unit.n_major_by_latency));
}

static void test_hostile_lengths(void **state)
{
        const size_t offsets[] = {LISTS_OFFSET, LISTS_OFFSET + 4 + N_CAUSES * 8,
                                  LISTS_OFFSET + 4 + N_CAUSES * 8 + 4 + N_OUTCOMES * 8};
        static const uint32_t lengths[] = {1000, UINT16_MAX, INT32_MAX, UINT32_MAX};

        for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
                for (size_t k = 0; k < ARRAY_SIZE(lengths); k++) {
                        size_t n_bytes = make_unit(N_CAUSES, N_OUTCOMES, PROTO_LATENCY_BUCKETS);

                        wire_store_u32(body + offsets[i], lengths[k]);
                        refuse(n_bytes);
                }
}

/* What falls together under one word must fit. */
static void test_sums_that_do_not_fit(void **state)
{
        size_t n_bytes = make_unit(N_CAUSES + 1, N_OUTCOMES, PROTO_LATENCY_BUCKETS);
        struct proto_status_unit unit;

        wire_store_u64(body + LISTS_OFFSET + 4 + N_CAUSES * 8, UINT64_MAX - 999);
        refuse(n_bytes);
        wire_store_u64(body + LISTS_OFFSET + 4 + N_CAUSES * 8, UINT64_MAX - 1000);
        assert_int_equal(proto_decode_status_unit(body, n_bytes, &unit), 0);
        assert_true(unit.n_by_cause[CAUSE_UNKNOWN] == UINT64_MAX);
}

static void test_bounds_of_latencies(void **state)
{
        assert_true(PROTO_LATENCY_BOUND_NS(0) == 1000);
        assert_true(PROTO_LATENCY_BOUND_NS(1) == 2000);
        assert_true(PROTO_LATENCY_BOUND_NS(PROTO_LATENCY_BUCKETS - 2) == UINT64_C(1048576000));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_offsets),
                cmocka_unit_test(test_lists_of_our_length),
                cmocka_unit_test(test_a_newer_peer),
                cmocka_unit_test(test_an_older_peer),
                cmocka_unit_test(test_a_peer_without_words),
                cmocka_unit_test(test_hostile_lengths),
                cmocka_unit_test(test_sums_that_do_not_fit),
                cmocka_unit_test(test_bounds_of_latencies),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
