/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of pagemap as the kernel documents them, bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/proc/pagemap.h"

#define BIT(n) (UINT64_C(1) << (n))

static struct pagemap_page decode(uint64_t entry)
{
        struct pagemap_page page;

        memset(&page, 0xff, sizeof(page));
        pagemap_decode(entry, &page);
        return page;
}

static void test_nothing(void **state)
{
        struct pagemap_page page = decode(0);

        assert_false(page.present || page.swapped || page.marked || page.guard || page.file_or_shared);
        assert_false(page.exclusive || page.soft_dirty || page.write_protected || page.has_frame || page.has_slot);
}

/* Each bit is its own field, and no other's. */
static void test_bits(void **state)
{
        assert_true(decode(BIT(55)).soft_dirty);
        assert_true(decode(BIT(56)).exclusive);
        assert_true(decode(BIT(57)).write_protected);
        assert_true(decode(BIT(58)).guard);
        assert_true(decode(BIT(61)).file_or_shared);
        assert_true(decode(BIT(62)).swapped);
        assert_true(decode(BIT(63)).present);
        assert_false(decode(~BIT(55)).soft_dirty);
        assert_false(decode(~BIT(56)).exclusive);
        assert_false(decode(~BIT(57)).write_protected);
        assert_false(decode(~BIT(58)).guard);
        assert_false(decode(~BIT(61)).file_or_shared);
        assert_false(decode(~BIT(62)).swapped);
        assert_false(decode(~BIT(63)).present);
        assert_false(decode(BIT(59) | BIT(60)).present);
}

static void test_frame(void **state)
{
        struct pagemap_page page = decode(BIT(63) | BIT(61) | 0x12ab34);

        assert_true(page.present && page.has_frame && page.file_or_shared);
        assert_int_equal(page.frame, 0x12ab34);
        assert_false(page.has_slot || page.swapped);
        page = decode(BIT(63) | (BIT(55) - 1));
        assert_int_equal(page.frame, BIT(55) - 1);
        page = decode(BIT(63)); /* for who has no CAP_SYS_ADMIN */
        assert_true(page.present);
        assert_false(page.has_frame);
}

static void test_swap(void **state)
{
        struct pagemap_page page = decode(BIT(62) | 0x1234 << 5 | 2);

        assert_true(page.swapped && page.has_slot);
        assert_false(page.present || page.has_frame || page.marked);
        assert_int_equal(page.swap_type, 2);
        assert_int_equal(page.swap_offset, 0x1234);
        page = decode(BIT(62));
        assert_true(page.swapped);
        assert_false(page.has_slot);
}

/* Set along with the bit of swapped pages, without being swapped. */
static void test_markers(void **state)
{
        struct pagemap_page page = decode(BIT(62) | BIT(58) | 31);

        assert_true(page.guard);
        assert_false(page.swapped || page.marked || page.has_slot);
        page = decode(BIT(62) | BIT(58)); /* the same without CAP_SYS_ADMIN */
        assert_true(page.guard);
        assert_false(page.swapped);
        page = decode(BIT(62) | BIT(57) | 31 | 1 << 5);
        assert_true(page.marked && page.write_protected);
        assert_false(page.swapped);
}

static void test_flag_words(void **state)
{
        assert_string_equal(kpageflag_text(0), "locked");
        assert_string_equal(kpageflag_text(4), "dirty");
        assert_string_equal(kpageflag_text(17), "huge");
        assert_string_equal(kpageflag_text(22), "thp");
        assert_string_equal(kpageflag_text(24), "zero-page");
        assert_string_equal(kpageflag_text(26), "page-table");
        for (unsigned int bit = 0; bit <= 26; bit++)
                assert_non_null(kpageflag_text(bit));
        for (unsigned int bit = 27; bit < N_KPAGEFLAGS + 1; bit++)
                assert_null(kpageflag_text(bit));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing), cmocka_unit_test(test_bits),    cmocka_unit_test(test_frame),
                cmocka_unit_test(test_swap),    cmocka_unit_test(test_markers), cmocka_unit_test(test_flag_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
