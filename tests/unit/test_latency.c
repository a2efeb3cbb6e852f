/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Latencies: what a quantile is, how far it may lie from the true one, and that nothing runs over. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/latency.h"

static void add(struct latency *latency, uint64_t ns)
{
        assert_int_equal(latency_add(latency, ns), 0);
}

static void test_empty(void **unused)
{
        struct latency latency = {0}, other = {0};
        uint64_t counts[64];

        assert_int_equal(latency_quantile(&latency, 50), 0);
        latency_log2(&latency, counts);
        for (size_t i = 0; i < 64; i++)
                assert_int_equal(counts[i], 0);
        assert_int_equal(latency_merge(&latency, &other), 0);
        assert_null(latency.buckets);
        latency_clear(&latency);
        latency_free(&latency);
}

/* Below 16 ns every value is a bucket: quantiles are exact. */
static void test_quantiles_of_small_ones(void **unused)
{
        struct latency latency = {0};

        for (uint64_t ns = 0; ns < 10; ns++)
                add(&latency, ns);
        assert_int_equal(latency.n, 10);
        assert_int_equal(latency.max_ns, 9);
        assert_int_equal(latency_quantile(&latency, 0.001), 0);
        assert_int_equal(latency_quantile(&latency, 10), 0);
        assert_int_equal(latency_quantile(&latency, 10.5), 1);
        assert_int_equal(latency_quantile(&latency, 50), 4);
        assert_int_equal(latency_quantile(&latency, 90), 8);
        assert_int_equal(latency_quantile(&latency, 90.5), 9);
        assert_int_equal(latency_quantile(&latency, 99), 9);
        assert_int_equal(latency_quantile(&latency, 100), 9);
        latency_free(&latency);
}

/* The end of its bucket, of eight to a power of two, and never above the largest. */
static void test_quantiles_are_ends_of_buckets(void **unused)
{
        struct latency latency = {0};

        add(&latency, 1000); /* [960, 1024) */
        add(&latency, 1500); /* [1408, 1536) */
        add(&latency, 5000); /* [4608, 5120) */
        assert_int_equal(latency_quantile(&latency, 33), 1023);
        assert_int_equal(latency_quantile(&latency, 34), 1535);
        assert_int_equal(latency_quantile(&latency, 66), 1535);
        assert_int_equal(latency_quantile(&latency, 67), 5000);
        latency_free(&latency);
}

/* Whatever a single latency is, its own quantile is not below it and less than an eighth above. */
static void test_every_bucket(void **unused)
{
        for (unsigned int exponent = 0; exponent < 64; exponent++)
                for (unsigned int part = 0; part < 64; part++) {
                        uint64_t first = UINT64_C(1) << exponent;
                        uint64_t ns = first + (uint64_t)(((__uint128_t)first * part) / 64), quantile;
                        struct latency latency = {0};
                        uint64_t counts[64];

                        add(&latency, ns);
                        add(&latency, UINT64_MAX);
                        quantile = latency_quantile(&latency, 50);
                        assert_true(quantile >= ns);
                        assert_true(quantile - ns < ns / 8 + 1);
                        latency_log2(&latency, counts);
                        for (unsigned int i = 0; i < 64; i++)
                                assert_int_equal(counts[i], (i == exponent) + (i == 63));
                        latency_free(&latency);
                }
}

static void test_log2(void **unused)
{
        static const uint64_t values[] = {0, 1, 2, 3, 4, 7, 8, 15, 16, 1023, 1024, UINT64_MAX};
        static const uint64_t expected[64] = {[0] = 2, [1] = 2, [2] = 2, [3] = 2, [4] = 1, [9] = 1, [10] = 1, [63] = 1};
        struct latency latency = {0};
        uint64_t counts[64];

        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
                add(&latency, values[i]);
        latency_log2(&latency, counts);
        assert_memory_equal(counts, expected, sizeof(counts));
        latency_free(&latency);
}

static void test_merge(void **unused)
{
        struct latency a = {0}, b = {0}, both = {0};

        for (uint64_t ns = 1; ns < 100000; ns = ns * 3 + 1) {
                add(&a, ns);
                add(&b, ns * 7);
                add(&both, ns);
                add(&both, ns * 7);
        }
        assert_int_equal(latency_merge(&a, &b), 0);
        assert_int_equal(a.n, both.n);
        assert_int_equal(a.max_ns, both.max_ns);
        assert_memory_equal(a.buckets, both.buckets, N_LATENCY_BUCKETS * sizeof(*a.buckets));
        latency_free(&a);
        assert_int_equal(latency_merge(&a, &b), 0);
        assert_int_equal(a.n, b.n);
        latency_free(&a);
        latency_free(&b);
        latency_free(&both);
}

static void test_clear(void **unused)
{
        struct latency latency = {0};
        uint32_t *buckets;

        add(&latency, 5);
        buckets = latency.buckets;
        latency_clear(&latency);
        assert_ptr_equal(latency.buckets, buckets);
        assert_int_equal(latency.n, 0);
        assert_int_equal(latency.max_ns, 0);
        assert_int_equal(latency_quantile(&latency, 50), 0);
        add(&latency, 3);
        assert_int_equal(latency_quantile(&latency, 100), 3);
        latency_free(&latency);
}

/* A full bucket stays full; quantiles then are those of what the buckets know. */
static void test_full_bucket(void **unused)
{
        struct latency latency = {0}, more = {0};

        add(&latency, 1);
        add(&latency, 2);
        latency.buckets[1] = UINT32_MAX;
        latency.n += UINT32_MAX - 1;
        add(&latency, 1);
        assert_int_equal(latency.buckets[1], UINT32_MAX);
        add(&more, 1);
        assert_int_equal(latency_merge(&latency, &more), 0);
        assert_int_equal(latency.buckets[1], UINT32_MAX);
        assert_int_equal(latency.n, UINT64_C(3) + UINT32_MAX);
        assert_int_equal(latency_quantile(&latency, 50), 1);
        assert_int_equal(latency_quantile(&latency, 100), 2);
        latency_free(&latency);
        latency_free(&more);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_quantiles_of_small_ones),
                cmocka_unit_test(test_quantiles_are_ends_of_buckets),
                cmocka_unit_test(test_every_bucket),
                cmocka_unit_test(test_log2),
                cmocka_unit_test(test_merge),
                cmocka_unit_test(test_clear),
                cmocka_unit_test(test_full_bucket),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
