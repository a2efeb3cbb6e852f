/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How an address falls apart: against worked examples, and put together again for many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/proc/pagetable.h"

static void assert_level(const struct pagetable_level *level, const char *name, unsigned int shift, unsigned int index,
                         uint64_t covers_bytes)
{
        assert_string_equal(level->name, name);
        assert_int_equal(level->shift, shift);
        assert_int_equal(level->index, index);
        assert_int_equal(level->covers_bytes, covers_bytes);
}

/* The first page of a small static program. */
static void test_four_levels(void **state)
{
        struct pagetable_level levels[N_LEVELS_MAX];

        assert_int_equal(pagetable_indices(0x401000, 4, levels), 4);
        assert_level(&levels[0], "PGD", 39, 0, UINT64_C(512) << 30);
        assert_level(&levels[1], "PUD", 30, 0, 1 << 30);
        assert_level(&levels[2], "PMD", 21, 2, 2 << 20);
        assert_level(&levels[3], "PTE", 12, 1, 4096);
}

static void test_five_levels(void **state)
{
        struct pagetable_level levels[N_LEVELS_MAX];

        assert_int_equal(pagetable_indices(UINT64_C(0x00ff7fbfdfeff123), 5, levels), 5);
        assert_level(&levels[0], "PGD", 48, 255, UINT64_C(256) << 40);
        assert_level(&levels[1], "P4D", 39, 255, UINT64_C(512) << 30);
        assert_level(&levels[2], "PUD", 30, 255, 1 << 30);
        assert_level(&levels[3], "PMD", 21, 255, 2 << 20);
        assert_level(&levels[4], "PTE", 12, 255, 4096);
}

/* The highest page that user space can have: all ones below, the top bit clear. */
static void test_top_of_user_space(void **state)
{
        struct pagetable_level levels[N_LEVELS_MAX];

        assert_int_equal(pagetable_indices(UINT64_C(0x7fffffffe000), 4, levels), 4);
        assert_int_equal(levels[0].index, 255);
        assert_int_equal(levels[1].index, 511);
        assert_int_equal(levels[2].index, 511);
        assert_int_equal(levels[3].index, 510);
        assert_int_equal(pagetable_user_end(4), UINT64_C(1) << 47);
        assert_int_equal(pagetable_user_end(5), UINT64_C(1) << 56);
        assert_int_equal(pagetable_task_end(4), UINT64_C(0x7ffffffff000));
        assert_int_equal(pagetable_task_end(5), UINT64_C(0xfffffffffff000));
}

/* The indices, shifted back, are the address without its offset; nothing overlaps and no bit is left out. */
static void test_put_together(void **state)
{
        for (unsigned int n_levels = 4; n_levels <= 5; n_levels++) {
                uint64_t address = 0x123456789abcdef1;

                for (unsigned int i = 0; i < 1000; i++) {
                        struct pagetable_level levels[N_LEVELS_MAX];
                        uint64_t mask = (pagetable_user_end(n_levels) << 1) - 1;
                        uint64_t sum = address & 0xfff;

                        assert_int_equal(pagetable_indices(address, n_levels, levels), n_levels);
                        for (unsigned int l = 0; l < n_levels; l++) {
                                assert_true(levels[l].index < 512);
                                assert_int_equal(levels[l].covers_bytes, UINT64_C(1) << levels[l].shift);
                                sum += levels[l].index * levels[l].covers_bytes;
                        }
                        assert_int_equal(sum, address & mask);
                        address = address * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                }
        }
}

static void test_canonical(void **state)
{
        assert_true(pagetable_is_canonical(0, 4));
        assert_true(pagetable_is_canonical(UINT64_C(0x7fffffffffff), 4));
        assert_false(pagetable_is_canonical(UINT64_C(0x800000000000), 4));
        assert_false(pagetable_is_canonical(UINT64_C(0xffff7fffffffffff), 4));
        assert_true(pagetable_is_canonical(UINT64_C(0xffff800000000000), 4));
        assert_true(pagetable_is_canonical(UINT64_MAX, 4));

        assert_true(pagetable_is_canonical(UINT64_C(0x00ffffffffffffff), 5));
        assert_false(pagetable_is_canonical(UINT64_C(0x0100000000000000), 5));
        assert_false(pagetable_is_canonical(UINT64_C(0xfeffffffffffffff), 5));
        assert_true(pagetable_is_canonical(UINT64_C(0xff00000000000000), 5));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_four_levels),       cmocka_unit_test(test_five_levels),
                cmocka_unit_test(test_top_of_user_space), cmocka_unit_test(test_put_together),
                cmocka_unit_test(test_canonical),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
