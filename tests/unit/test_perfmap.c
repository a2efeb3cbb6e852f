/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* perfmap: hand-made maps for every rule, and random ones against a model that replays the lines one by one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/model/perfmap.h"

/* The copy has no byte to spare, so that a sanitizer sees any read past the end. */
static struct symtab *parse_bytes(const char *text, size_t n)
{
        char *copy = malloc(n ? n : 1);
        struct symtab *symtab;

        assert_non_null(copy);
        memcpy(copy, text, n);
        assert_int_equal(perfmap_parse(copy, n, &symtab), 0);
        free(copy);
        return symtab;
}

static struct symtab *parse(const char *text)
{
        return parse_bytes(text, strlen(text));
}

static void expect(const struct symtab *symtab, uint64_t addr, const char *name, uint64_t value, uint64_t size_bytes)
{
        struct symbol symbol;

        assert_true(symtab_lookup(symtab, addr, &symbol));
        assert_string_equal(symbol.name, name);
        assert_int_equal(symbol.value, value);
        assert_int_equal(symbol.size_bytes, size_bytes);
}

static void expect_none(const struct symtab *symtab, uint64_t addr)
{
        struct symbol symbol;

        assert_false(symtab_lookup(symtab, addr, &symbol));
}

static void test_names_and_bounds(void **state)
{
        struct symtab *symtab = parse("7f0000001000 40 LazyCompile:*run /srv/app/index.js:10:5\n"
                                      "0x7f0000002000 0x10 with a prefix\n"
                                      "7F0000003000 aB upper case\n"
                                      "7f0000004000 20  two blanks\n"
                                      "fffffffffffffff0 f the last bytes\n");

        assert_int_equal(symtab_count(symtab), 5);
        expect_none(symtab, 0x7f0000000fff);
        expect(symtab, 0x7f0000001000, "LazyCompile:*run /srv/app/index.js:10:5", 0x7f0000001000, 0x40);
        expect(symtab, 0x7f000000103f, "LazyCompile:*run /srv/app/index.js:10:5", 0x7f0000001000, 0x40);
        expect_none(symtab, 0x7f0000001040);
        expect(symtab, 0x7f000000200f, "with a prefix", 0x7f0000002000, 0x10);
        expect(symtab, 0x7f00000030aa, "upper case", 0x7f0000003000, 0xab);
        expect(symtab, 0x7f0000004000, " two blanks", 0x7f0000004000, 0x20);
        expect(symtab, UINT64_MAX - 1, "the last bytes", 0xfffffffffffffff0, 0xf);
        expect_none(symtab, UINT64_MAX);
        symtab_free(symtab);
}

static void test_later_lines_replace(void **state)
{
        struct symtab *symtab = parse("1000 100 same\n"
                                      "1000 100 same place\n"
                                      "2000 100 under its end\n"
                                      "20ff 10 over its last byte\n"
                                      "3000 10 inside\n"
                                      "2ff0 100 around\n"
                                      "4000 100 around before\n"
                                      "4050 1 one byte of it\n"
                                      "5000 10 neighbour\n"
                                      "5010 10 next to it\n");

        expect(symtab, 0x1000, "same place", 0x1000, 0x100);
        expect_none(symtab, 0x2000);
        expect(symtab, 0x20ff, "over its last byte", 0x20ff, 0x10);
        expect(symtab, 0x3000, "around", 0x2ff0, 0x100);
        expect_none(symtab, 0x404f);
        expect(symtab, 0x4050, "one byte of it", 0x4050, 1);
        expect_none(symtab, 0x4051);
        expect(symtab, 0x500f, "neighbour", 0x5000, 0x10);
        expect(symtab, 0x5010, "next to it", 0x5010, 0x10);
        assert_int_equal(symtab_count(symtab), 6);
        symtab_free(symtab);
}

/* What was replaced stays gone when its replacement is replaced by code that lies elsewhere. */
static void test_replaced_twice(void **state)
{
        struct symtab *symtab = parse("1000 100 first\n"
                                      "1080 100 second\n"
                                      "1100 100 third\n");

        expect_none(symtab, 0x1000);
        expect_none(symtab, 0x1090);
        expect(symtab, 0x1100, "third", 0x1100, 0x100);
        assert_int_equal(symtab_count(symtab), 1);
        symtab_free(symtab);
}

static void test_lines_that_do_not_parse(void **state)
{
        static const char text[] = "\n"
                                   "1000\n"
                                   "1000 \n"
                                   "1000 10\n"
                                   "1000 10 \n"
                                   "1000 10 \0nul\n"
                                   "1000\t10 tabs\n"
                                   " 1000 10 blank first\n"
                                   "1000 10x junk behind a number\n"
                                   "x1000 10 junk before one\n"
                                   "0x 10 no digits\n"
                                   "1000 0 empty\n"
                                   "10000000000001000 10 seventeen digits\n"
                                   "ffffffffffffffff 2 wraps around\n"
                                   "1000 ffffffffffffffff wraps around too\n"
                                   "-1000 10 negative\n"
                                   "2000 10 good\0hidden\n"
                                   "3000 10 not yet complete";
        struct symtab *symtab = parse_bytes(text, sizeof(text) - 1);

        assert_int_equal(symtab_count(symtab), 1);
        expect(symtab, 0x2000, "good", 0x2000, 0x10);
        symtab_free(symtab);
        symtab = parse("");
        assert_int_equal(symtab_count(symtab), 0);
        symtab_free(symtab);
}

static void test_long_name(void **state)
{
        char *text = malloc(20000), name[SYMBOL_NAME_MAX_BYTES + 1];
        struct symtab *symtab;
        int n;

        assert_non_null(text);
        n = sprintf(text, "1000 10 ");
        memset(text + n, 'n', 10000);
        text[n + 10000] = '\n';
        symtab = parse_bytes(text, (size_t)n + 10001);
        memset(name, 'n', SYMBOL_NAME_MAX_BYTES);
        name[SYMBOL_NAME_MAX_BYTES] = '\0';
        expect(symtab, 0x1000, name, 0x1000, 0x10);
        symtab_free(symtab);
        free(text);
}

/* Millions of lines are refused, not sorted for minutes. */
static void test_too_many(void **state)
{
        static const char line[] = "1 1 a\n";
        const size_t n_lines = ((size_t)4 << 20) + 1, n_line = sizeof(line) - 1;
        struct symtab *const unset = (struct symtab *)(uintptr_t)1;
        struct symtab *symtab = unset;
        char *text = malloc(n_lines * n_line);

        assert_non_null(text);
        for (size_t i = 0; i < n_lines; i++)
                memcpy(text + i * n_line, line, n_line);
        assert_int_equal(perfmap_parse(text, n_lines * n_line, &symtab), -E2BIG);
        assert_ptr_equal(symtab, unset);
        assert_int_equal(perfmap_parse(text, (n_lines - 1) * n_line, &symtab), 0);
        assert_int_equal(symtab_count(symtab), 1);
        symtab_free(symtab);
        free(text);
}

#define MODEL_BYTES 256
#define MODEL_LINES 40

/* Replays lines over an array of bytes: a line that is placed takes whole earlier lines away. */
static void test_random_against_model(void **state)
{
        uint32_t random = 1;

        for (int round = 0; round < 3000; round++) {
                struct {
                        unsigned int start, size_bytes;
                        bool is_alive;
                } lines[MODEL_LINES];
                char text[MODEL_LINES * 32];
                int n_text = 0, n_lines;
                size_t n_alive = 0;
                struct symtab *symtab;

                random = random * 1664525 + 1013904223;
                n_lines = 1 + (int)(random >> 16) % MODEL_LINES;
                for (int i = 0; i < n_lines; i++) {
                        random = random * 1664525 + 1013904223;
                        lines[i].start = (random >> 8) % MODEL_BYTES;
                        lines[i].size_bytes = 1 + (random >> 16) % (i % 4 ? 8 : 64);
                        lines[i].is_alive = true;
                        for (int j = 0; j < i; j++)
                                if (lines[j].start < lines[i].start + lines[i].size_bytes &&
                                    lines[i].start < lines[j].start + lines[j].size_bytes)
                                        lines[j].is_alive = false;
                        n_text += sprintf(text + n_text, "%x %x line %d\n", lines[i].start, lines[i].size_bytes, i);
                }
                symtab = parse_bytes(text, (size_t)n_text);
                for (int i = 0; i < n_lines; i++) {
                        char name[32];

                        if (!lines[i].is_alive)
                                continue;
                        n_alive++;
                        (void)sprintf(name, "line %d", i);
                        expect(symtab, lines[i].start, name, lines[i].start, lines[i].size_bytes);
                }
                assert_int_equal(symtab_count(symtab), n_alive);
                symtab_free(symtab);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_and_bounds),
                cmocka_unit_test(test_later_lines_replace),
                cmocka_unit_test(test_replaced_twice),
                cmocka_unit_test(test_lines_that_do_not_parse),
                cmocka_unit_test(test_long_name),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_random_against_model),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
