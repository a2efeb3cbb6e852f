/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names as compilers write them, names that only look so, and names made to do harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/demangle.h"
#include "client/text.h"

/* NULL expected: nothing is made of it. */
static void assert_demangled(const char *name, size_t n_bytes, const char *expected)
{
        /* A copy of its own, so that the address sanitizer sees a read of one byte too many. */
        CLEANUP_FREE char *exact = malloc(n_bytes ? n_bytes : 1);
        CLEANUP_FREE char *data = NULL;
        uint32_t n_data = 77;

        assert_non_null(exact);
        memcpy(exact, name, n_bytes);
        demangle(exact, n_bytes, &data, &n_data);
        if (!expected) {
                assert_null(data);
                assert_int_equal(n_data, 77);
                return;
        }
        assert_non_null(data);
        if (n_data != strlen(expected) || memcmp(data, expected, n_data) != 0)
                fail_msg("%s: \"%.*s\" instead of \"%s\"", name, (int)n_data, data, expected);
}

static void check(const char *name, const char *expected)
{
        assert_demangled(name, strlen(name), expected);
}

static void test_cxx(void **unused)
{
        check("_Z3foov", "foo()");
        check("_ZN3foo3barEi", "foo::bar(int)");
        check("_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<int, std::allocator<int> >::push_back(int&&)");
        check("_ZNKSt8functionIFvvEEclEv", "std::function<void ()>::operator()() const");
        check("_ZTV7MyClass", "vtable for MyClass");
        check("_ZN3fooD2Ev", "foo::~foo()");
        check("_Z3foov.cold", "foo() [clone .cold]");
        check("_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo()");
}

static void test_rust(void **unused)
{
        check("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad");
        check("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa94f1d3aE",
              "<Test + 'static as foo::Bar<Test>>::bar");
        check("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar");
        check("_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y",
              "utf8_idents::"
              "\xe1\x83\xa1\xe1\x83\x90\xe1\x83\xad\xe1\x83\x9b\xe1\x83\x94\xe1\x83\x9a\xe1\x83\x90\xe1\x83"
              "\x93_\xe1\x83\x92\xe1\x83\x94\xe1\x83\x9b\xe1\x83\xa0\xe1\x83\x98\xe1\x83\x94\xe1\x83\x9a\xe1\x83\x98_"
              "\xe1\x83\xa1\xe1\x83\x90\xe1\x83\x93\xe1\x83\x98\xe1\x83\x9a\xe1\x83\x98");
}

/* Nobody needs to remember that nothing was made of these: it is seen at once. */
static void test_plain_names(void **unused)
{
        static const char *const names[] = {"", "_", "_Z", "_R", "main", "Z3foov", "__libc_start_main", " _Z3foov"};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                check(names[i], NULL);
        assert_demangled("_Z3foov\0x", 9, NULL);
        assert_demangled("_Z3foov\0", 8, NULL);
}

/* They look mangled: that they are not is found out once. */
static void test_imitations(void **unused)
{
        static const char *const names[] = {"_Zap", "_ZN", "_ZN3fooE$", "_Rx", "_Retry", "_Z999foo", "_Z3foo\xff"};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                check(names[i], names[i]);
}

/* A number as the schemes' back references have it: 0 is "_", 1 is "0_". */
static void put_reference(struct text *out, size_t number, const char *digits)
{
        const size_t base = strlen(digits);
        char reversed[16];
        size_t n = 0;

        if (number > 0) {
                size_t rest = number - 1;

                do
                        reversed[n++] = digits[rest % base];
                while ((rest /= base) > 0);
        }
        while (n > 0)
                text_put_char(out, reversed[--n]);
        text_put_char(out, '_');
}

/* f(A<int, int>, A<A<int, int>, A<int, int>>, ...): each parameter is twice as long as the one before. */
static void put_cxx_bomb(struct text *out, unsigned int n_levels)
{
        text_put_string(out, "_Z1f1AIiiE");
        for (unsigned int i = 1; i <= n_levels; i++) {
                text_put_string(out, "S_I");
                for (int twice = 0; twice < 2; twice++) {
                        text_put_char(out, 'S');
                        put_reference(out, i, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
                }
                text_put_char(out, 'E');
        }
}

/* a::f::<(T, T), ((T, T), (T, T)), ...>, by the positions of what is repeated. */
static void put_rust_bomb(struct text *out, unsigned int n_levels, const char *type)
{
        size_t position;

        text_put_string(out, "_RINvC1a1f");
        position = out->n_bytes - 2;
        text_put_string(out, type);
        for (unsigned int i = 1; i <= n_levels; i++) {
                size_t next = out->n_bytes - 2;

                text_put_char(out, 'T');
                for (int twice = 0; twice < 2; twice++) {
                        text_put_char(out, 'B');
                        put_reference(out, position, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
                }
                text_put_char(out, 'E');
                position = next;
        }
        text_put_char(out, 'E');
}

/* Left as it is when `harmless` is false, else something shorter than the limit and longer than the name. */
static void assert_bounded(struct text *name, bool harmless)
{
        CLEANUP_FREE char *data = NULL;
        uint32_t n_data = 0;

        demangle(name->data, name->n_bytes, &data, &n_data);
        assert_non_null(data);
        if (harmless) {
                assert_true(n_data > name->n_bytes && n_data < DEMANGLE_OUTPUT_MAX_BYTES);
        } else {
                assert_int_equal(n_data, name->n_bytes);
                assert_memory_equal(data, name->data, n_data);
        }
        name->n_bytes = 0;
}

/* 60 levels stand for 2^60 repetitions: that this test ends is the point. */
static void test_bombs(void **unused)
{
        static const char georgian[] = "NtC1au30____7hkackfecea1cbdathfdh9hlq6y";
        CLEANUP_TEXT struct text name = {0};

        put_cxx_bomb(&name, 8);
        assert_bounded(&name, true);
        put_cxx_bomb(&name, 60);
        assert_bounded(&name, false);
        put_rust_bomb(&name, 8, "TmmE");
        assert_bounded(&name, true);
        put_rust_bomb(&name, 60, "TmmE");
        assert_bounded(&name, false);
        put_rust_bomb(&name, 5, georgian);
        assert_bounded(&name, true);
        put_rust_bomb(&name, 60, georgian); /* the demangler holds memory while it prints these */
        assert_bounded(&name, false);
}

static void test_depth_and_length(void **unused)
{
        static const struct {
                const char *head, *again, *tail;
        } deep[] = {{"_Z1f", "P", "i"}, {"_Z1f", "1AI", "i"}, {"_RINvC1a1f", "R", "mE"}, {"_Z", "N1a", "E"}};
        CLEANUP_TEXT struct text name = {0};

        for (size_t i = 0; i < ARRAY_SIZE(deep); i++) {
                text_put_string(&name, deep[i].head);
                while (name.n_bytes + strlen(deep[i].again) + strlen(deep[i].tail) <= DEMANGLE_NAME_MAX_BYTES)
                        text_put_string(&name, deep[i].again);
                text_put_string(&name, deep[i].tail);
                assert_bounded(&name, false);
        }
        text_put_string(&name, "_Z");
        text_fill(&name, 'x', DEMANGLE_NAME_MAX_BYTES - 1);
        assert_demangled(name.data, name.n_bytes, NULL); /* too long to be looked at */
        name.n_bytes--;
        assert_bounded(&name, false);
}

/*
 * f(int A<...>::*) with A<> as in a bomb: what points to it is printed first, a pack expansion that is searched for its
 * pack through all 2^n_levels parts before anything is printed.
 */
static void put_silent_bomb(struct text *out, unsigned int n_levels)
{
        text_put_string(out, "_Z1fM1A");
        for (unsigned int i = 1; i < n_levels; i++)
                text_put_string(out, "IS_");
        text_put_string(out, "IiiE");
        for (unsigned int i = 1; i <= n_levels; i++) {
                text_put_string(out, i < n_levels ? "S" : "DpS");
                put_reference(out, i, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
                if (i < n_levels)
                        text_put_char(out, 'E');
        }
}

/* That this test ends is the point; and after a few such names no other one gets a chance. The last test. */
static void test_silent_bombs(void **unused)
{
        CLEANUP_TEXT struct text name = {0};

        put_silent_bomb(&name, 4);
        assert_bounded(&name, true);
        put_silent_bomb(&name, 60);
        assert_bounded(&name, false);
        check("_Z3foov", "foo()"); /* one was an accident */
        for (int i = 0; i < 20; i++) {
                put_silent_bomb(&name, 60);
                assert_bounded(&name, false);
        }
        check("_Z3foov", "_Z3foov");
        check("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cxx),          cmocka_unit_test(test_rust),
                cmocka_unit_test(test_plain_names),  cmocka_unit_test(test_imitations),
                cmocka_unit_test(test_bombs),        cmocka_unit_test(test_depth_and_length),
                cmocka_unit_test(test_silent_bombs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
