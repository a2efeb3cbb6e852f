/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups of faults: what one weighs, sums that do not run over, order. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/tally.h"
#include "proto/proto.h"

static uint32_t add(struct tally *tally, const char *key, struct measure fault)
{
        uint32_t group;

        assert_int_equal(tally_find(tally, key, strlen(key), &group), 0);
        tally_add(tally, group, &fault);
        return group;
}

static struct measure taking(uint64_t time_ns)
{
        return (struct measure){.count = 1, .bytes = 4096, .time_ns = time_ns, .max_ns = time_ns, .n_timed = 1};
}

static void test_measure_of(void **unused)
{
        const struct proto_event huge = {.page_shift = 21, .latency_ns = 700}, unknown = {.latency_ns = PROTO_UNKNOWN},
                                 absurd = {.page_shift = 64, .latency_ns = 0};
        struct measure one = measure_of(&huge);

        assert_int_equal(one.count, 1);
        assert_int_equal(one.bytes, 2 << 20);
        assert_int_equal(one.time_ns, 700);
        assert_int_equal(one.max_ns, 700);
        assert_int_equal(one.n_timed, 1);
        one = measure_of(&unknown);
        assert_int_equal(one.count, 1);
        assert_int_equal(one.bytes, 0);
        assert_int_equal(one.time_ns, 0);
        assert_int_equal(one.n_timed, 0);
        one = measure_of(&absurd);
        assert_int_equal(one.bytes, 0);
        assert_int_equal(one.n_timed, 1);
}

static void test_weights(void **unused)
{
        const struct measure measure = {.count = 1, .bytes = 2, .time_ns = 3};

        assert_int_equal(measure_weight(&measure, WEIGHT_COUNT), 1);
        assert_int_equal(measure_weight(&measure, WEIGHT_BYTES), 2);
        assert_int_equal(measure_weight(&measure, WEIGHT_TIME), 3);
}

static void test_groups(void **unused)
{
        struct tally tally = {0};
        uint32_t group = add(&tally, "a", taking(5));

        assert_int_equal(add(&tally, "b", taking(1)), 1);
        assert_int_equal(add(&tally, "a", taking(7)), group);
        assert_int_equal(add(&tally, "", taking(2)), 2);
        assert_int_equal(add(&tally, "a", (struct measure){.count = 1}), group);
        tally_add_homeless(&tally, &(struct measure){.count = 1, .bytes = 1});
        assert_int_equal(tally.groups[group].count, 3);
        assert_int_equal(tally.groups[group].bytes, 8192);
        assert_int_equal(tally.groups[group].time_ns, 12);
        assert_int_equal(tally.groups[group].max_ns, 7);
        assert_int_equal(tally.groups[group].n_timed, 2);
        assert_int_equal(tally.all.count, 6);
        assert_int_equal(tally.all.bytes, 4 * 4096 + 1);
        assert_int_equal(tally.all.time_ns, 15);
        tally_free(&tally);
}

static void test_sums_do_not_run_over(void **unused)
{
        struct tally tally = {0};

        (void)add(&tally, "a", taking(UINT64_MAX - 1));
        (void)add(&tally, "a", taking(5));
        assert_true(tally.groups[0].time_ns == UINT64_MAX);
        assert_true(tally.all.time_ns == UINT64_MAX);
        assert_int_equal(tally.all.count, 2);
        tally_free(&tally);
}

static void expect_order(const struct tally *tally, enum fault_weight weight, const char *expected)
{
        size_t n;
        struct tally_group *groups = tally_sort(tally, weight, &n);

        assert_non_null(groups);
        assert_int_equal(n, strlen(expected));
        for (size_t i = 0; i < n; i++)
                assert_memory_equal(groups[i].key, expected + i, 1);
        free(groups);
}

static void test_order(void **unused)
{
        struct tally tally = {0};

        expect_order(&tally, WEIGHT_COUNT, "");
        (void)add(&tally, "d", taking(1));
        (void)add(&tally, "b", taking(9));
        (void)add(&tally, "c", taking(2));
        (void)add(&tally, "c", taking(2));
        (void)add(&tally, "a", (struct measure){.count = 1, .bytes = 1 << 21});
        expect_order(&tally, WEIGHT_COUNT, "cabd");
        expect_order(&tally, WEIGHT_BYTES, "acbd");
        expect_order(&tally, WEIGHT_TIME, "bcda");
        tally_free(&tally);
}

/* Keys are found again however many there are, and a key that begins like another is another. */
static void test_many(void **unused)
{
        enum { N = 20000 };
        struct tally tally = {0};
        char key[32];

        for (int round = 0; round < 2; round++)
                for (uint32_t i = 0; i < N; i++) {
                        (void)snprintf(key, sizeof(key), "key %u", i);
                        assert_int_equal(add(&tally, key, taking(1)), i);
                }
        assert_int_equal(tally.keys.n_entries, N);
        for (uint32_t i = 0; i < N; i++)
                assert_int_equal(tally.groups[i].count, 2);
        tally_free(&tally);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_measure_of), cmocka_unit_test(test_weights),
                cmocka_unit_test(test_groups),     cmocka_unit_test(test_sums_do_not_run_over),
                cmocka_unit_test(test_order),      cmocka_unit_test(test_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
