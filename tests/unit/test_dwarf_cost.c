/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tables will cost, by tables made by hand; and spans, which the answers are found with. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/model/dwarf_cost.h"
#include "daemon/engine/model/spans.h"

#define STANDARD 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1 /* opcode_base, operands */

/* As the tables are read. */
/* clang-format off */

/* "/d" and "longer"; "a.c" in the first, "bb.c" in the second. */
static const uint8_t version_4[] = {
        85, 0, 0, 0, 4, 0, 45, 0, 0, 0,      /* length, version, header length */
        1, 1, 1, 0xfb, 14, STANDARD,         /* instructions, is_stmt, line_base, line_range */
        '/', 'd', 0, 'l', 'o', 'n', 'g', 'e', 'r', 0, 0,
        'a', '.', 'c', 0, 1, 0, 0, 'b', 'b', '.', 'c', 0, 2, 0, 0, 0,
        0, 9, 2, 0, 0x10, 0, 0, 0, 0, 0, 0,  /* set_address */
        3, 0x7f, 1, 20, 255,                 /* advance_line -1, copy, two special ones */
        9, 1, 1,                             /* fixed_advance_pc 0x0101 */
        0, 2, 4, 7, 1,                       /* discriminator, copy */
        0, 4, 0x20, 1, 1, 1, 8,              /* an unknown extended one, const_add_pc */
        0, 1, 1,                             /* end_sequence */
};

static const uint8_t strings[] = "/src\0file.c";

static const uint8_t version_5[] = {
        62, 0, 0, 0, 5, 0, 8, 0, 50, 0, 0, 0,  /* length, version, sizes, header length */
        1, 1, 1, 0xfb, 14, STANDARD,           /* instructions, is_stmt, line_base, line_range */
        1, 1, 0x1f, 2, 0, 0, 0, 0, 5, 0, 0, 0, /* two directories: path as line_strp */
        3, 1, 8, 2, 0x0b, 5, 0x0f, 2,          /* two files: path as string, directory data1, something udata */
        'a', 0, 0, 0x80, 1, 'l', 'o', 'n', 'g', 0, 1, 3,
        1, 0, 1, 1,                            /* copy, end_sequence */
};
/* clang-format on */

static int cost_with(const uint8_t *bytes, size_t n, size_t n_strings, struct dwarf_line_cost *ret)
{
        uint8_t *copy = malloc(n ? n : 1); /* not a byte to spare */
        struct dwarf_line_table table = {
                .line = {copy, n}, .line_strings = {strings, n_strings}, .n_comp_dir = 10, .address_bytes = 8};
        int r;

        assert_non_null(copy);
        memcpy(copy, bytes, n);
        r = dwarf_line_cost(&table, ret);
        free(copy);
        return r;
}

static int cost_of(const uint8_t *bytes, size_t n, struct dwarf_line_cost *ret)
{
        return cost_with(bytes, n, sizeof(strings), ret);
}

static void test_version_4(void **state)
{
        struct dwarf_line_cost cost;

        assert_int_equal(cost_of(version_4, sizeof(version_4), &cost), 0);
        assert_int_equal(cost.n_rows, 5);
        assert_int_equal(cost.n_path_bytes, (3 + 6 + 10 + 3) + (4 + 6 + 10 + 3));
}

static void test_version_5(void **state)
{
        struct dwarf_line_cost cost;

        assert_int_equal(cost_of(version_5, sizeof(version_5), &cost), 0);
        assert_int_equal(cost.n_rows, 2);
        assert_int_equal(cost.n_path_bytes, (1 + 6 + 10 + 3) + (4 + 6 + 10 + 3));
}

static void test_cut_off(void **state)
{
        struct dwarf_line_cost cost;

        for (size_t n = 0; n < sizeof(version_4); n++)
                assert_int_equal(cost_of(version_4, n, &cost), -EBADMSG);
        for (size_t n = 0; n < sizeof(version_5); n++)
                assert_int_equal(cost_of(version_5, n, &cost), -EBADMSG);
}

/* Each change alone makes the table one that could be read in two ways, or that no compiler writes. */
static void test_damaged(void **state)
{
        static const struct {
                size_t at;
                uint8_t value;
        } changes[] = {
                {0, 86},                /* longer than the section */
                {0, 84},                /* shorter than the last opcode */
                {4, 1},                 /* version */
                {4, 6},                 /* version */
                {6, 44},                /* header shorter than its lists */
                {6, 200},               /* header longer than the table */
                {14, 0},                /* line_range */
                {15, 0},                /* opcode_base */
                {16, 1},                /* DW_LNS_copy with an operand */
                {56, 8},                /* an address of 7 bytes */
                {56, 0},                /* an extended opcode without its number */
                {56, 0x89}, {57, 0x80}, /* somebody's own */
                {75, 1},                /* a discriminator without its number */
                {75, 3},                /* and one with a byte too many */
        };

        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                uint8_t bytes[sizeof(version_4)];
                struct dwarf_line_cost cost;

                memcpy(bytes, version_4, sizeof(bytes));
                assert_int_not_equal(bytes[changes[i].at], changes[i].value);
                bytes[changes[i].at] = changes[i].value;
                assert_int_equal(cost_of(bytes, sizeof(bytes), &cost), -EBADMSG);
        }
}

/* A count of files that take no bytes would be free, and a string outside of its section has no length. */
static void test_damaged_5(void **state)
{
        uint8_t bytes[sizeof(version_5)];
        struct dwarf_line_cost cost;

        memcpy(bytes, version_5, sizeof(bytes));
        bytes[30] = 0;
        assert_int_equal(cost_of(bytes, sizeof(bytes), &cost), -EBADMSG);
        memcpy(bytes, version_5, sizeof(bytes));
        bytes[32] = 0x0e; /* strp: no compiler */
        assert_int_equal(cost_of(bytes, sizeof(bytes), &cost), -EBADMSG);
        memcpy(bytes, version_5, sizeof(bytes));
        bytes[38] = sizeof(strings);
        assert_int_equal(cost_of(bytes, sizeof(bytes), &cost), -EBADMSG);
        assert_int_equal(cost_with(version_5, sizeof(version_5), sizeof(strings) - 1, &cost), -EBADMSG);
        assert_int_equal(cost_with(version_5, sizeof(version_5), 0, &cost), -EBADMSG);
}

static int abbrev_cost(const uint8_t *bytes, size_t n, uint64_t offset, struct dwarf_abbrev_cost *ret)
{
        return dwarf_abbrev_cost(&(struct dwarf_bytes){bytes, n}, offset, ret);
}

static void test_abbreviations(void **state)
{
        /* clang-format off */
        static const uint8_t table[] = {
                0,                               /* none */
                1, 0x2e, 0, 3, 8, 0x11, 1, 0, 0, /* two attributes with bytes */
                2, 0x2e, 1, 0x3f, 0x19, 0x3c, 0x19, 0x27, 0x19, 0x34, 0x19, 0x3a, 0x21, 0x81, 1, /* five without, */
                3, 8, 0, 0,                      /* one with */
                0,
        };
        /* clang-format on */
        struct dwarf_abbrev_cost cost;

        assert_int_equal(abbrev_cost(table, sizeof(table), 1, &cost), 0);
        assert_int_equal(cost.n_bytes, sizeof(table) - 1);
        assert_int_equal(cost.steps_per_byte, 4); /* seven things to look at in two bytes */
        assert_int_equal(abbrev_cost(table, sizeof(table), 0, &cost), 0);
        assert_int_equal(cost.n_bytes, 1);
        assert_int_equal(cost.steps_per_byte, 1);
        assert_int_equal(abbrev_cost(table, sizeof(table), sizeof(table) + 1, &cost), -EBADMSG);
        for (size_t n = 1; n < sizeof(table); n++)
                assert_int_equal(abbrev_cost(table, n, 1, &cost), -EBADMSG);
}

static void test_too_many_attributes(void **state)
{
        uint8_t table[3 + 2 * 65 + 3] = {1, 0x2e, 0};
        struct dwarf_abbrev_cost cost;

        memset(table + 3, 0x19, 2 * 64);
        assert_int_equal(abbrev_cost(table, sizeof(table), 0, &cost), 0);
        assert_int_equal(cost.steps_per_byte, 65);
        memset(table + 3, 0x19, 2 * 65);
        assert_int_equal(abbrev_cost(table, sizeof(table), 0, &cost), -E2BIG);
}

static void test_spans(void **state)
{
        static const struct span items[] = {{100, 200, 1}, {0, 5000, 2}, {100, 150, 3}, {300, 301, 4}};
        struct spans spans = {0};

        assert_null(spans_find(&spans, 0));
        for (size_t i = 0; i < ARRAY_SIZE(items); i++)
                assert_int_equal(spans_add(&spans, &items[i]), 0);
        spans_sort(&spans);
        assert_int_equal(spans_find(&spans, 0)->what, 2);
        assert_int_equal(spans_find(&spans, 99)->what, 2);
        assert_int_equal(spans_find(&spans, 100)->what, 3);
        assert_int_equal(spans_find(&spans, 150)->what, 1);
        assert_int_equal(spans_find(&spans, 200)->what, 2);
        assert_int_equal(spans_find(&spans, 300)->what, 4);
        assert_int_equal(spans_find(&spans, 301)->what, 2);
        assert_null(spans_find(&spans, 5000));
        for (uint64_t i = 0; i < 16; i++)
                assert_int_equal(spans_add(&spans, &(struct span){400 + i, 401 + i, 5}), 0);
        spans_sort(&spans);
        assert_int_equal(spans_find(&spans, 415)->what, 5);
        assert_null(spans_find(&spans, 416)); /* behind sixteen others */
        free(spans.items);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_version_4),
                cmocka_unit_test(test_version_5),
                cmocka_unit_test(test_cut_off),
                cmocka_unit_test(test_damaged),
                cmocka_unit_test(test_damaged_5),
                cmocka_unit_test(test_abbreviations),
                cmocka_unit_test(test_too_many_attributes),
                cmocka_unit_test(test_spans),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
