/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* idtable.c: dense ids from 1, found again whatever the table has grown to, for any bytes as key. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/serve/idtable.h"

static uint32_t get(struct idtable *table, const void *key, size_t n_key, enum idtable_outcome outcome)
{
        uint32_t id = 0;

        assert_int_equal(idtable_get(table, key, n_key, &id), outcome);
        return id;
}

static void test_keys(void **state)
{
        /* Different as bytes, alike to whoever stops at a NUL or ignores the length. */
        static const struct {
                const char *key;
                size_t n;
        } keys[] = {{"a", 1}, {"a\0", 2}, {"a\0b", 3}, {"\0", 1},  {"\0\0", 2},
                    {"", 0},  {"ab", 2},  {"ba", 2},   {"\xff", 1}};
        struct idtable table = {0};

        for (int round = 0; round < 2; round++)
                for (uint32_t i = 0; i < ARRAY_SIZE(keys); i++)
                        assert_int_equal(get(&table, keys[i].key, keys[i].n, round ? IDTABLE_FOUND : IDTABLE_ADDED),
                                         i + 1);
        idtable_clear(&table);
}

static void test_key_is_copied(void **state)
{
        struct idtable table = {0};
        char key[4] = "one";

        assert_int_equal(get(&table, key, 3, IDTABLE_ADDED), 1);
        memcpy(key, "two", 3);
        assert_int_equal(get(&table, key, 3, IDTABLE_ADDED), 2);
        assert_int_equal(get(&table, "one", 3, IDTABLE_FOUND), 1);
        idtable_clear(&table);
}

static void test_growth(void **state)
{
        struct idtable table = {0};
        uint64_t key;

        for (uint32_t i = 1; i <= 20000; i++) {
                key = i * UINT64_C(0x10001);
                assert_int_equal(get(&table, &key, sizeof(key), IDTABLE_ADDED), i);
                key = (i / 2 + 1) * UINT64_C(0x10001);
                assert_int_equal(get(&table, &key, sizeof(key), IDTABLE_FOUND), i / 2 + 1);
        }
        for (uint32_t i = 1; i <= 20000; i++) {
                key = i * UINT64_C(0x10001);
                assert_int_equal(get(&table, &key, sizeof(key), IDTABLE_FOUND), i);
        }
        assert_int_equal(table.n, 20000);
        idtable_clear(&table);
}

static void test_clear(void **state)
{
        struct idtable table = {0};

        idtable_clear(&table); /* empty */
        (void)get(&table, "x", 1, IDTABLE_ADDED);
        (void)get(&table, "y", 1, IDTABLE_ADDED);
        idtable_clear(&table);
        assert_int_equal(table.n, 0);
        assert_int_equal(get(&table, "y", 1, IDTABLE_ADDED), 1);
        assert_int_equal(get(&table, "x", 1, IDTABLE_ADDED), 2);
        idtable_clear(&table);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_keys),
                cmocka_unit_test(test_key_is_copied),
                cmocka_unit_test(test_growth),
                cmocka_unit_test(test_clear),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
