/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where something happened last: against a plain array of all faults, with as few of them as the tables hold for sure,
 * and what must hold with any number of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/top/heat.h"

#define PAGE UINT64_C(4096)
#define BASE UINT64_C(0x7f0000000000)

static uint64_t next_random(uint64_t *seed)
{
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

static void assert_spot(const struct heat *heat, uint64_t start, uint64_t end, uint64_t time_ns, uint64_t n,
                        uint8_t cause)
{
        struct heat_spot spot = {.n = 0};

        assert_true(heat_look(heat, start, end, &spot));
        assert_int_equal(spot.time_ns, time_ns);
        assert_int_equal(spot.n, n);
        assert_int_equal(spot.cause, cause);
}

static void assert_cold(const struct heat *heat, uint64_t start, uint64_t end)
{
        struct heat_spot spot = {.time_ns = 77, .n = 78, .cause = 79};

        assert_false(heat_look(heat, start, end, &spot));
        assert_int_equal(spot.time_ns, 77);
        assert_int_equal(spot.n, 78);
        assert_int_equal(spot.cause, 79);
}

static void test_one_fault(void **unused)
{
        struct heat *heat = heat_new();

        assert_non_null(heat);
        assert_cold(heat, 0, UINT64_MAX);
        heat_add(heat, BASE + 0x123, 4, 1000);
        for (uint64_t size = PAGE; size < UINT64_C(1) << 46; size *= 2) {
                assert_spot(heat, BASE, BASE + size, 1000, 1, 4);
                assert_spot(heat, BASE + PAGE - size, BASE + PAGE, 1000, 1, 4);
                assert_cold(heat, BASE + PAGE, BASE + PAGE + size);
                assert_cold(heat, BASE - size, BASE);
        }
        assert_spot(heat, 0, UINT64_MAX, 1000, 1, 4);
        heat_clear(heat);
        assert_cold(heat, 0, UINT64_MAX);
        heat = heat_free(heat);
        assert_null(heat);
}

/* The latest counts, also when they come out of order. */
static void test_latest(void **unused)
{
        struct heat *heat = heat_new();

        assert_non_null(heat);
        heat_add(heat, BASE, 1, 500);
        heat_add(heat, BASE + 8, 2, 700);
        heat_add(heat, BASE + 16, 3, 600);
        assert_spot(heat, BASE, BASE + PAGE, 700, 3, 2);
        heat_add(heat, BASE + PAGE, 4, 700);
        assert_spot(heat, BASE, BASE + PAGE, 700, 3, 2);
        assert_spot(heat, BASE, BASE + 2 * PAGE, 700, 4, 4);
        heat = heat_free(heat);
}

static void test_ends_of_the_address_space(void **unused)
{
        struct heat *heat = heat_new();

        assert_non_null(heat);
        heat_add(heat, 0, 1, 10);
        heat_add(heat, UINT64_MAX, 2, 20);
        assert_spot(heat, 0, 1, 10, 1, 1);
        assert_spot(heat, UINT64_MAX - 1, UINT64_MAX, 20, 1, 2);
        assert_spot(heat, 0, UINT64_MAX, 20, 2, 2);
        assert_spot(heat, 1, UINT64_MAX - PAGE, 10, 1, 1);
        assert_spot(heat, PAGE, UINT64_MAX, 20, 1, 2);
        assert_cold(heat, PAGE, UINT64_MAX - PAGE);
        assert_cold(heat, PAGE, PAGE);
        assert_cold(heat, PAGE, 0);
        heat = heat_free(heat);
}

/* Blocks in a row do not displace each other: everything is known of a heap that grows. */
static void test_against_all_faults(void **unused)
{
        enum { N_PAGES = 32768, N_LOOKS = 3000 };
        static struct heat_spot all[N_PAGES];
        struct heat *heat = heat_new();
        uint64_t seed = 0x9e3779b97f4a7c15;

        assert_non_null(heat);
        for (uint64_t time = 1; time < 100000; time++) {
                uint64_t page = next_random(&seed) % N_PAGES / (time % 7 + 1);
                uint8_t cause = (uint8_t)(next_random(&seed) % 20);

                heat_add(heat, BASE + page * PAGE + next_random(&seed) % PAGE, cause, time);
                all[page] = (struct heat_spot){.time_ns = time, .n = all[page].n + 1, .cause = cause};
        }
        for (size_t i = 0; i < N_LOOKS; i++) {
                uint64_t first = next_random(&seed) % N_PAGES, n = next_random(&seed) % (N_PAGES - first) >> (i % 16);
                struct heat_spot expected = {.n = 0};

                for (uint64_t page = first; page <= first + n; page++) {
                        expected.n += all[page].n;
                        if (all[page].n > 0 && all[page].time_ns >= expected.time_ns) {
                                expected.time_ns = all[page].time_ns;
                                expected.cause = all[page].cause;
                        }
                }
                if (expected.n == 0)
                        assert_cold(heat, BASE + first * PAGE, BASE + (first + n + 1) * PAGE);
                else
                        assert_spot(heat, BASE + first * PAGE, BASE + (first + n + 1) * PAGE, expected.time_ns,
                                    expected.n, expected.cause);
        }
        heat = heat_free(heat);
}

/* Whatever there was before, and wherever: the newest fault is found in every range that holds it, at every size. */
static void test_newest_is_found(void **unused)
{
        struct heat *heat = heat_new();
        uint64_t seed = 12345;

        assert_non_null(heat);
        for (uint64_t time = 1; time < 300000; time++) {
                uint64_t address = next_random(&seed) >> (next_random(&seed) % 40);
                uint64_t size = PAGE << (next_random(&seed) % 50), start = address - next_random(&seed) % size;
                struct heat_spot spot;

                heat_add(heat, address, (uint8_t)(time % 20), time);
                if (start > address || start + size <= address)
                        continue;
                assert_true(heat_look(heat, start, start + size, &spot));
                assert_int_equal(spot.time_ns, time);
                assert_int_equal(spot.cause, time % 20);
        }
        heat = heat_free(heat);
}

struct range {
        uint64_t start, end;
};

static bool is_within(void *user, uint64_t start, uint64_t end)
{
        const struct range *range = user;

        assert_true(start < end);
        return start >= range->start && end <= range->end;
}

static void test_forget(void **unused)
{
        struct range gone = {.start = BASE, .end = BASE + (UINT64_C(1) << 30)};
        struct heat *heat = heat_new();

        assert_non_null(heat);
        heat_add(heat, UINT64_MAX, 1, 5);
        for (uint64_t page = 0; page < 100; page++) {
                heat_add(heat, BASE + page * PAGE, 1, page + 10);
                heat_add(heat, gone.end + page * PAGE, 2, page + 1000);
        }
        heat_forget(heat, is_within, &gone);
        assert_cold(heat, gone.start, gone.end);
        assert_spot(heat, gone.end, gone.end + (UINT64_C(1) << 30), 1099, 100, 2);
        assert_spot(heat, UINT64_MAX - PAGE, UINT64_MAX, 5, 1, 1);
        heat = heat_free(heat);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_fault),
                cmocka_unit_test(test_latest),
                cmocka_unit_test(test_ends_of_the_address_space),
                cmocka_unit_test(test_against_all_faults),
                cmocka_unit_test(test_newest_is_found),
                cmocka_unit_test(test_forget),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
