/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* symtab_from_kallsyms() on recorded lines, on lines that no kernel prints, and on every prefix of both. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "elf/symtab.h"

static const char kernel_text[] = "0000000000000000 A fixed_percpu_data\n"
                                  "0000000000034000 A cpu_debug_store\n"
                                  "ffffffff81000000 T startup_64\n"
                                  "ffffffff81000000 T _stext\n"
                                  "ffffffff81000000 T _text\n"
                                  "ffffffff81000040 t sev_verify_cbit\n"
                                  "ffffffff81000060 W arch_cpu_idle\n"
                                  "ffffffff82000000 D loops_per_jiffy\n"
                                  "ffffffff82000008 V weak_data\n"
                                  "ffffffff82000010 b zeroed\n"
                                  "ffffffffc0201000 t crc_main\t[libcrc32c]\n"
                                  "ffffffffc0201010 r _note_10\t[libcrc32c]\n"
                                  "ffffffffc0100000 t earlier_module\t[other]";

static struct symtab *parse(const char *text, size_t n)
{
        struct symtab *symtab = NULL;

        assert_int_equal(symtab_from_kallsyms(text, n, &symtab), 0);
        return symtab;
}

static void expect(const struct symtab *symtab, uint64_t addr, const char *name, uint64_t value)
{
        struct symbol symbol;

        assert_true(symtab_lookup(symtab, addr, &symbol));
        assert_string_equal(symbol.name, name);
        assert_int_equal(symbol.value, value);
        assert_int_equal(symbol.size_bytes, 0);
}

static void test_kernel_text(void **state)
{
        struct symtab *symtab = parse(kernel_text, strlen(kernel_text));
        struct symbol symbol;

        assert_int_equal(symtab_count(symtab), 9);
        expect(symtab, 0xffffffff81000000, "startup_64", 0xffffffff81000000);
        expect(symtab, 0xffffffff8100003f, "startup_64", 0xffffffff81000000);
        expect(symtab, 0xffffffff81000041, "sev_verify_cbit", 0xffffffff81000040);
        expect(symtab, 0xffffffff81000060, "arch_cpu_idle", 0xffffffff81000060);
        expect(symtab, 0xffffffff82000007, "loops_per_jiffy", 0xffffffff82000000);
        expect(symtab, 0xffffffff8200000f, "weak_data", 0xffffffff82000008);
        expect(symtab, 0xffffffff82000fff, "zeroed", 0xffffffff82000010);
        expect(symtab, 0xffffffffc0100001, "earlier_module", 0xffffffffc0100000);
        expect(symtab, 0xffffffffc0201000, "crc_main", 0xffffffffc0201000);
        expect(symtab, 0xffffffffc0201020, "_note_10", 0xffffffffc0201010);
        assert_false(symtab_lookup(symtab, 0x34000, &symbol));
        assert_false(symtab_lookup(symtab, 0xffffffff80ffffff, &symbol));
        assert_false(symtab_lookup(symtab, 0xffffffffc0000000, &symbol));
        symtab_free(symtab);
}

static void test_hidden_addresses(void **state)
{
        static const char text[] = "0000000000000000 A fixed_percpu_data\n0000000000000000 T startup_64\n";
        struct symtab *const unset = (struct symtab *)(uintptr_t)1;
        struct symtab *symtab = unset;

        assert_int_equal(symtab_from_kallsyms(text, strlen(text), &symtab), -EACCES);
        assert_ptr_equal(symtab, unset);
}

static void test_no_symbols(void **state)
{
        struct symtab *symtab = parse("", 0);

        assert_int_equal(symtab_count(symtab), 0);
        symtab_free(symtab);
}

static void test_lines_that_do_not_parse(void **state)
{
        static const char text[] = "\n"
                                   "ffffffff81000000\n"
                                   "ffffffff81000000 \n"
                                   "ffffffff81000000 T\n"
                                   "ffffffff81000000 T \n"
                                   "ffffffff81000000 T \t[m]\n"
                                   "ffffffff81000000T name\n"
                                   "ffffffff81000000 Tname\n"
                                   " ffffffff81000000 T name\n"
                                   "1ffffffff81000000 T seventeen_digits\n"
                                   "xffffffff81000000 T name\n"
                                   "ffffffff81000000 ? unknown_type\n"
                                   "ffffffff81000000 U undefined\n"
                                   "ffffffff81000000 \0 type_nul\n"
                                   "ffffffff81000000 T \0name_nul\n"
                                   "FFFFFFFF81000000 T upper\n"
                                   "1000 T short_address\n";
        struct symtab *symtab = parse(text, sizeof(text) - 1);

        assert_int_equal(symtab_count(symtab), 2);
        expect(symtab, 0xffffffff81000000, "upper", 0xffffffff81000000);
        expect(symtab, 0x1000, "short_address", 0x1000);
        symtab_free(symtab);
}

/* The copy has no byte to spare, so that a sanitizer sees any read past the end. */
static void test_every_prefix(void **state)
{
        size_t last = 0;

        for (size_t n = 0; n <= strlen(kernel_text); n++) {
                char *copy = malloc(n ? n : 1);
                struct symtab *symtab = NULL;
                int r;

                assert_non_null(copy);
                memcpy(copy, kernel_text, n);
                r = symtab_from_kallsyms(copy, n, &symtab);
                assert_true(r == 0 || r == -EACCES);
                if (r == 0) {
                        assert_true(symtab_count(symtab) >= last);
                        last = symtab_count(symtab);
                        symtab_free(symtab);
                }
                free(copy);
        }
        assert_int_equal(last, 9);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kernel_text),  cmocka_unit_test(test_hidden_addresses),
                cmocka_unit_test(test_no_symbols),   cmocka_unit_test(test_lines_that_do_not_parse),
                cmocka_unit_test(test_every_prefix),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
