/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words that users write for addresses, looked up in this very program, which has names of C++ and Rust by fiat. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/demangle.h"
#include "client/proc/find_symbol.h"

int thing_int(int n) __asm__("_ZN2ns5thingEi");
int thing_char(int n) __asm__("_ZN2ns5thingEc");
int other_thing(int n) __asm__("_ZN5other5thingEi");
int plus(int n) __asm__("_ZN2nsplEii");
int bar(int n) __asm__("_RNvC3foo3bar");
int add(int n);
int plain_name(int n);
int plain_alias(int n) __attribute__((alias("plain_name")));

__attribute__((noinline)) int thing_int(int n)
{
        return n + 1;
}

__attribute__((noinline)) int thing_char(int n)
{
        return n + 2;
}

__attribute__((noinline)) int other_thing(int n)
{
        return n + 3;
}

__attribute__((noinline)) int plus(int n)
{
        return n + 4;
}

__attribute__((noinline)) int bar(int n)
{
        return n + 5;
}

__attribute__((noinline)) int add(int n) /* hexadecimal digits, all of them */
{
        return n + 6;
}

__attribute__((noinline)) int plain_name(int n)
{
        return n + 7;
}

static int (*volatile const kept[])(int) = {thing_int, thing_char, other_thing, plus,
                                            bar,       add,        plain_name,  plain_alias};

#define PATH "/usr/lib/libtest.so.6"

static struct image *image;
static uint64_t bias;

static void visit(void *arg, uint64_t vaddr, const char *name)
{
        if (strcmp(name, "plain_name") == 0)
                *(uint64_t *)arg = vaddr;
}

static int load(void **state)
{
        int fd CLEANUP_CLOSE = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        uint64_t vaddr = 0;

        if (fd < 0 || image_load(fd, &image) < 0)
                return -1;
        image_each_symbol(image, visit, &vaddr);
        bias = (uintptr_t)plain_name - vaddr;
        return vaddr ? 0 : -1;
}

static int unload(void **state)
{
        image = image_free(image);
        return 0;
}

static void release(struct find_symbol *find)
{
        find_symbol_free(find);
}

static void look(struct find_symbol *find, const char *word)
{
        assert_int_equal(find_symbol_init(find, word, demangle), 0);
        find_symbol_in(find, image, PATH, bias);
        assert_false(find->failed || find->more);
}

static void expect_one(const char *word, int (*function)(int), uint64_t offset, const char *name)
{
        struct find_symbol find CLEANUP(release) = {0};

        look(&find, word);
        assert_int_equal(find.n_matches, 1);
        assert_int_equal(find.matches[0].address, (uintptr_t)function + offset);
        assert_int_equal(find.readings[find.matches[0].reading].offset, offset);
        assert_string_equal(find.matches[0].name, name);
        assert_string_equal(find.matches[0].path, PATH);
}

static void expect_none(const char *word)
{
        struct find_symbol find CLEANUP(release) = {0};

        look(&find, word);
        assert_int_equal(find.n_matches, 0);
        assert_false(find.has_address);
}

static void test_plain(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
                assert_int_not_equal(kept[i](1), 1);
        expect_one("plain_name", plain_name, 0, "plain_name");
        expect_one("plain_alias", plain_name, 0, "plain_alias");
        expect_one("plain_name+10", plain_name, 16, "plain_name");
        expect_one("plain_name+0x1F", plain_name, 31, "plain_name");
        expect_none("plain_nam");
        expect_none("plain_names");
        expect_none("plain_name+");
        expect_none("plain_name+zz");
        expect_none("plain_name+10+10");
}

static void test_images(void **state)
{
        expect_one("libtest.so.6:plain_name", plain_name, 0, "plain_name");
        expect_one("libtest:plain_name", plain_name, 0, "plain_name");
        expect_one("libtest.so:plain_name+8", plain_name, 8, "plain_name");
        expect_one(PATH ":plain_name", plain_name, 0, "plain_name");
        expect_one("libtest:ns::thing(int)", thing_int, 0, "ns::thing(int)");
        expect_none("libtes:plain_name");
        expect_none("lib:plain_name");
        expect_none(":plain_name");
}

static void test_demangled(void **state)
{
        expect_one("_ZN2ns5thingEi", thing_int, 0, "ns::thing(int)");
        expect_one("ns::thing(int)", thing_int, 0, "ns::thing(int)");
        expect_one("ns::thing(char)+4", thing_char, 4, "ns::thing(char)");
        expect_one("other::thing", other_thing, 0, "other::thing(int)");
        expect_one("ns::operator+(int, int)", plus, 0, "ns::operator+(int, int)");
        expect_one("ns::operator+", plus, 0, "ns::operator+(int, int)");
        expect_one("ns::operator++2", plus, 2, "ns::operator+(int, int)");
        expect_one("foo::bar", bar, 0, "foo::bar");
        expect_one("_RNvC3foo3bar", bar, 0, "foo::bar");
        expect_none("thing(int)");
        expect_none("ns::thin");
}

static void test_several(void **state)
{
        struct find_symbol find CLEANUP(release) = {0};

        look(&find, "ns::thing");
        assert_int_equal(find.n_matches, 2);
        find_symbol_in(&find, image, PATH, bias); /* the same again */
        assert_int_equal(find.n_matches, 2);
        find_symbol_in(&find, image, "/other/place", bias + 0x100000);
        assert_int_equal(find.n_matches, 4);
        assert_string_equal(find.matches[3].path, "/other/place");
        for (uint64_t i = 2; i < 40; i++)
                find_symbol_in(&find, image, PATH, bias + i * 0x100000);
        assert_int_equal(find.n_matches, FIND_MATCHES_MAX);
        assert_true(find.more);
}

/* A better reading throws away what a worse one found. */
static void test_better_reading(void **state)
{
        struct find_symbol find CLEANUP(release) = {0};

        assert_int_equal(find_symbol_init(&find, "plain_name+0", demangle), 0);
        find_symbol_in(&find, image, PATH, bias);
        assert_int_equal(find.n_matches, 1);
        assert_int_equal(find.matches[0].reading, 1);
        assert_int_equal(find.readings[0].offset, 0);
        assert_int_equal(find.readings[0].n_name, strlen("plain_name+0"));
        find_symbol_free(&find);
        assert_int_equal(find_symbol_init(&find, "x:ns::thing+add", demangle), 0);
        assert_int_equal(find.n_readings, 4);
        find_symbol_in(&find, image, "/lib/x", bias);
        assert_int_equal(find.n_matches, 2);
        assert_int_equal(find.matches[0].reading, 3);
        assert_int_equal(find.readings[3].offset, 0xadd);
}

static void expect_address(const char *word, uint64_t address, bool only, bool looks_decimal)
{
        struct find_symbol find CLEANUP(release) = {0};

        assert_int_equal(find_symbol_init(&find, word, demangle), 0);
        assert_true(find.has_address);
        assert_int_equal(find.address, address);
        assert_int_equal(find.only_address, only);
        assert_int_equal(find.looks_decimal, looks_decimal);
}

/* Both a name and a number: the name wins where it is found. */
static void expect_name_or_address(const char *word, int (*function)(int), uint64_t address)
{
        struct find_symbol find CLEANUP(release) = {0};

        look(&find, word);
        assert_true(find.has_address && !find.only_address);
        assert_int_equal(find.address, address);
        assert_int_equal(find.n_matches, function ? 1 : 0);
        if (function)
                assert_int_equal(find.matches[0].address, (uintptr_t)function);
}

static void test_addresses(void **state)
{
        expect_address("0x401000", 0x401000, true, false);
        expect_address("401000", 0x401000, true, true);
        expect_address("7fFf12", 0x7fff12, true, false);
        expect_address("0XABC", 0xabc, true, false);
        expect_address("ffffffffffffffff", UINT64_MAX, false, false);
        expect_address("10", 0x10, true, true);
        expect_address("0", 0, true, false); /* the same number in both */
        expect_address("0000000000000000000009", 9, true, false);
        expect_name_or_address("add", add, 0xadd);
        expect_name_or_address("bad", NULL, 0xbad);
}

static void test_refused(void **state)
{
        struct find_symbol find = {0};

        assert_int_equal(find_symbol_init(&find, "", demangle), -EINVAL);
        assert_int_equal(find_symbol_init(&find, "10000000000000000", demangle), -ERANGE);
        assert_int_equal(find_symbol_init(&find, "0x10000000000000000", demangle), -ERANGE);
        assert_int_equal(find_symbol_init(&find, "name+10000000000000000", demangle), -ERANGE);
        expect_none("fffffffffffffffff"); /* too long for a number, so a name */
        expect_none("0x");
        expect_none("12zz");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain),   cmocka_unit_test(test_images),         cmocka_unit_test(test_demangled),
                cmocka_unit_test(test_several), cmocka_unit_test(test_better_reading), cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, load, unload);
}
