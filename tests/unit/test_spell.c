/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When losses are said to begin and to end, and that the spells add up to all that was lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/engine/serve/spell.h"

static void assert_news(struct spell *spell, uint64_t n, uint64_t now_ns, bool is_over, enum spell_news expected,
                        uint64_t expected_n)
{
        uint64_t got = 0;

        assert_int_equal(spell_look(spell, n, now_ns, is_over, &got), expected);
        assert_int_equal(got, expected_n);
}

static void test_none(void **state)
{
        struct spell spell = {0};

        assert_news(&spell, 0, 1, false, SPELL_NOTHING, 0);
        assert_news(&spell, 0, 10 * SPELL_QUIET_NS, false, SPELL_NOTHING, 0);
        assert_news(&spell, 0, 0, true, SPELL_NOTHING, 0);
}

static void test_quiet(void **state)
{
        struct spell spell = {0};

        assert_news(&spell, 7, 100, false, SPELL_BEGAN, 7);
        assert_news(&spell, 7, 100, false, SPELL_NOTHING, 0);
        assert_news(&spell, 9, SPELL_QUIET_NS, false, SPELL_NOTHING, 0);
        assert_news(&spell, 9, 2 * SPELL_QUIET_NS - 1, false, SPELL_NOTHING, 0);
        assert_news(&spell, 9, 2 * SPELL_QUIET_NS, false, SPELL_ENDED, 9);
        assert_news(&spell, 9, 3 * SPELL_QUIET_NS, false, SPELL_NOTHING, 0);
        assert_news(&spell, 9, 0, true, SPELL_NOTHING, 0);
}

static void test_sums(void **state)
{
        struct spell spell = {0};

        assert_news(&spell, 4, 1, false, SPELL_BEGAN, 4);
        assert_news(&spell, 5, 1 + SPELL_QUIET_NS, false, SPELL_NOTHING, 0); /* late, but a loss */
        assert_news(&spell, 5, 1 + 2 * SPELL_QUIET_NS, false, SPELL_ENDED, 5);
        assert_news(&spell, 25, 2 + 2 * SPELL_QUIET_NS, false, SPELL_BEGAN, 20);
        assert_news(&spell, 30, 0, true, SPELL_ENDED, 25);
        assert_news(&spell, 30, 0, true, SPELL_NOTHING, 0);
}

static void test_over_at_once(void **state)
{
        struct spell spell = {0};

        assert_news(&spell, 3, 0, true, SPELL_BEGAN, 3);
        assert_news(&spell, 3, 0, true, SPELL_ENDED, 3);
        assert_news(&spell, 3, 0, true, SPELL_NOTHING, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_none),
                cmocka_unit_test(test_quiet),
                cmocka_unit_test(test_sums),
                cmocka_unit_test(test_over_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
