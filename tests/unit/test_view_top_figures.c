/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Short numbers: at the borders of their units, and never wider than their columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/figures.h"
#include "proto/base.h"

enum { COLUMN_CELLS = 8 };

static void assert_figure(struct figure figure, const char *text)
{
        assert_string_equal(figure.text, text);
        assert_int_equal(figure.n_bytes, strlen(text));
}

static void test_counts(void **unused)
{
        assert_figure(figure_count(0), "0");
        assert_figure(figure_count(9999), "9999");
        assert_figure(figure_count(10000), "10.0 k");
        assert_figure(figure_count(12345), "12.3 k");
        assert_figure(figure_count(99949), "99.9 k");
        assert_figure(figure_count(99950), "100 k");
        assert_figure(figure_count(340000), "340 k");
        assert_figure(figure_count(999499), "999 k");
        assert_figure(figure_count(999500), "1.0 M");
        assert_figure(figure_count(UINT64_MAX), "18.4 E");
}

static void test_rates(void **unused)
{
        assert_figure(figure_rate(0), "0");
        assert_figure(figure_rate(-1), "0");
        assert_figure(figure_rate(0.5), "0.5");
        assert_figure(figure_rate(9.94), "9.9");
        assert_figure(figure_rate(9.95), "10");
        assert_figure(figure_rate(301234.5), "301 k");
        assert_figure(figure_rate(1e30), "18.4 E");
        assert_figure(figure_rate(__builtin_nan("")), "0");
}

static void test_times(void **unused)
{
        assert_figure(figure_time(0), "0 ns");
        assert_figure(figure_time(999), "999 ns");
        assert_figure(figure_time(1000), "1.0 us");
        assert_figure(figure_time(1249), "1.2 us");
        assert_figure(figure_time(1250), "1.3 us");
        assert_figure(figure_time(99949), "99.9 us");
        assert_figure(figure_time(99950), "100 us");
        assert_figure(figure_time(999499), "999 us");
        assert_figure(figure_time(999500), "1.0 ms");
        assert_figure(figure_time(59 * NSEC_PER_SEC), "59.0 s");
        assert_figure(figure_time(60 * NSEC_PER_SEC), "1.0 min");
        assert_figure(figure_time(90 * 60 * NSEC_PER_SEC), "1.5 h");
        assert_figure(figure_time(UINT64_MAX), "213504 d");
}

static void test_bytes(void **unused)
{
        assert_figure(figure_bytes(0), "0 B");
        assert_figure(figure_bytes(999), "999 B");
        assert_figure(figure_bytes(1000), "1.0 KiB");
        assert_figure(figure_bytes(4096), "4.0 KiB");
        assert_figure(figure_bytes(UINT64_C(2) << 20), "2.0 MiB");
        assert_figure(figure_bytes(UINT64_MAX), "16.0 EiB");
}

static void test_shares(void **unused)
{
        assert_figure(figure_share(0), "0.0");
        assert_figure(figure_share(0.1234), "12.3");
        assert_figure(figure_share(0.99949), "99.9");
        assert_figure(figure_share(1), "100");
        assert_figure(figure_share(-1), "0.0");
        assert_figure(figure_share(1e300), "100000000");
        assert_figure(figure_share_of(1, 0), "0.0");
        assert_figure(figure_share_of(1, 3), "33.3");
}

static void test_clock_and_exact(void **unused)
{
        assert_figure(figure_clock(7 * NSEC_PER_SEC + 999999999), "0:07");
        assert_figure(figure_clock(3599 * NSEC_PER_SEC), "59:59");
        assert_figure(figure_clock(3723 * NSEC_PER_SEC), "1:02:03");
        assert_figure(figure_exact(0), "0");
        assert_figure(figure_exact(999), "999");
        assert_figure(figure_exact(1234567), "1 234 567");
        assert_figure(figure_exact(UINT64_MAX), "18 446 744 073 709 551 615");
}

/* Around every power of two and of ten. */
static void test_widths(void **unused)
{
        for (unsigned int i = 0; i < 64; i++)
                for (int64_t more = -1; more <= 1; more++) {
                        uint64_t n = (UINT64_C(1) << i) + (uint64_t)more;

                        assert_in_range(figure_count(n).n_bytes, 1, 6);
                        assert_in_range(figure_rate((double)n).n_bytes, 1, 6);
                        assert_in_range(figure_time(n).n_bytes, 1, COLUMN_CELLS);
                        assert_in_range(figure_bytes(n).n_bytes, 1, COLUMN_CELLS);
                }
        for (uint64_t n = 1; n < UINT64_MAX / 10; n *= 10) {
                assert_in_range(figure_count(n - 1).n_bytes, 1, 6);
                assert_in_range(figure_time(n - 1).n_bytes, 1, COLUMN_CELLS);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_counts), cmocka_unit_test(test_rates),  cmocka_unit_test(test_times),
                cmocka_unit_test(test_bytes),  cmocka_unit_test(test_shares), cmocka_unit_test(test_clock_and_exact),
                cmocka_unit_test(test_widths),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
