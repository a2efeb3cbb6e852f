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
        assert_int_equal(tally_add(tally, group, &fault), 0);
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
        assert_int_equal(tally.groups[group].measure.count, 3);
        assert_int_equal(tally.groups[group].measure.bytes, 8192);
        assert_int_equal(tally.groups[group].measure.time_ns, 12);
        assert_int_equal(tally.groups[group].measure.max_ns, 7);
        assert_int_equal(tally.groups[group].measure.n_timed, 2);
        assert_int_equal(tally.all.count, 6);
        assert_int_equal(tally.all.bytes, 4 * 4096 + 1);
        assert_int_equal(tally.all.time_ns, 15);
        assert_int_equal(tally.homeless.count, 1);
        assert_int_equal(tally.homeless.bytes, 1);
        tally_free(&tally);
}

static void test_sums_do_not_run_over(void **unused)
{
        struct tally tally = {0};

        (void)add(&tally, "a", taking(UINT64_MAX - 1));
        (void)add(&tally, "a", taking(5));
        assert_true(tally.groups[0].measure.time_ns == UINT64_MAX);
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
                assert_int_equal(tally.groups[i].measure.count, 2);
        tally_free(&tally);
}

static void expect_quantiles(const struct tally_sum *sum, uint64_t p50_ns, uint64_t p99_ns)
{
        assert_true(tally_sum_has_quantiles(sum));
        assert_int_equal(tally_sum_quantile(sum, 50), p50_ns);
        assert_int_equal(tally_sum_quantile(sum, 99), p99_ns);
}

/* Buckets come with the second latency, which does not lose the first. */
static void test_quantiles(void **unused)
{
        struct tally tally = {0};

        (void)add(&tally, "a", (struct measure){.count = 1});
        assert_false(tally_sum_has_quantiles(&tally.groups[0]));
        (void)add(&tally, "a", taking(1000001));
        expect_quantiles(&tally.groups[0], 1000001, 1000001);
        assert_null(tally.groups[0].latencies.buckets);
        assert_int_equal(tally.n_distributions, 0);
        (void)add(&tally, "a", (struct measure){.count = 1});
        (void)add(&tally, "a", taking(7));
        expect_quantiles(&tally.groups[0], 7, 1000001);
        assert_int_equal(tally.n_distributions, 1);
        for (int i = 0; i < 98; i++)
                (void)add(&tally, "a", taking(7));
        expect_quantiles(&tally.groups[0], 7, 7);
        assert_int_equal(tally.groups[0].latencies.n, 100);
        assert_int_equal(tally.groups[0].measure.max_ns, 1000001);
        tally_free(&tally);
}

/* Memory for distributions ends before that for groups does; those without one say so. */
static void test_bounded_distributions(void **unused)
{
        struct tally tally = {0};
        struct tally_sum sum = {0};
        char key[32];

        for (uint32_t i = 0; i < TALLY_DISTRIBUTIONS_MAX + 2; i++) {
                (void)snprintf(key, sizeof(key), "%u", i);
                assert_int_equal(add(&tally, key, taking(1)), i);
                (void)add(&tally, key, taking(3));
        }
        assert_int_equal(tally.n_distributions, TALLY_DISTRIBUTIONS_MAX);
        expect_quantiles(&tally.groups[TALLY_DISTRIBUTIONS_MAX - 1], 1, 3);
        assert_false(tally_sum_has_quantiles(&tally.groups[TALLY_DISTRIBUTIONS_MAX]));
        assert_null(tally.groups[TALLY_DISTRIBUTIONS_MAX].latencies.buckets);
        assert_int_equal(tally.groups[TALLY_DISTRIBUTIONS_MAX].measure.time_ns, 4);
        (void)add(&tally, "single", taking(9));
        expect_quantiles(&tally.groups[TALLY_DISTRIBUTIONS_MAX + 2], 9, 9);

        /* merged, they take the others' knowledge with them */
        assert_int_equal(tally_sum_merge(&sum, &tally.groups[0]), 0);
        assert_int_equal(tally_sum_merge(&sum, &tally.groups[TALLY_DISTRIBUTIONS_MAX + 2]), 0);
        expect_quantiles(&sum, 3, 9);
        assert_int_equal(sum.measure.count, 3);
        assert_int_equal(tally_sum_merge(&sum, &tally.groups[TALLY_DISTRIBUTIONS_MAX]), 0);
        assert_false(tally_sum_has_quantiles(&sum));
        assert_int_equal(sum.measure.count, 5);
        assert_int_equal(sum.measure.time_ns, 17);
        tally_sum_free(&sum);
        tally_free(&tally);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_measure_of), cmocka_unit_test(test_weights),
                cmocka_unit_test(test_groups),     cmocka_unit_test(test_sums_do_not_run_over),
                cmocka_unit_test(test_order),      cmocka_unit_test(test_many),
                cmocka_unit_test(test_quantiles),  cmocka_unit_test(test_bounded_distributions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
