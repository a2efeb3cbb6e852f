/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ten slowest: in order, the earlier of equal ones first, and the eleventh is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/slowest.h"

static void test_slowest(void **unused)
{
        static const uint64_t latencies[] = {5, 9, 5, 1, 2, 3, 4, 6, 7, 8, 1, 5, 100, 5};
        static const char expected[SLOWEST_MAX][3] = {"12", "1", "9", "8", "7", "0", "2", "11", "13", "6"};
        struct slowest slowest = {0};

        for (unsigned int i = 0; i < ARRAY_SIZE(latencies); i++) {
                if (!slowest_wants(&slowest, latencies[i]))
                        continue;
                text_printf(slowest_insert(&slowest, latencies[i]), "%u", i);
        }
        assert_int_equal(slowest.n, SLOWEST_MAX);
        assert_false(slowest_wants(&slowest, 4));
        assert_true(slowest_wants(&slowest, 5));
        for (size_t i = 0; i < SLOWEST_MAX; i++) {
                assert_int_equal(slowest.faults[i].text.n_bytes, strlen(expected[i]));
                assert_memory_equal(slowest.faults[i].text.data, expected[i], strlen(expected[i]));
        }
        slowest_free(&slowest);
        assert_int_equal(slowest.n, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_slowest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
