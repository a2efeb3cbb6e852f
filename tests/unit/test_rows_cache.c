/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rows_cache.c: what is found again, what goes when there is no room, and that nothing in use ever goes. Rows are this
 * file's own: a size and a count of references. */
#include "daemon/engine/rows_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct rows {
        size_t n_bytes;
        int n_refs;
};

size_t rows_bytes(const struct rows *rows)
{
        return rows->n_bytes;
}

struct rows *rows_unref(struct rows *rows)
{
        if (rows)
                rows->n_refs--;
        return NULL;
}

#define MAX_BYTES 100

static struct rows_cache *new_cache(void)
{
        struct rows_cache *cache;

        assert_int_equal(rows_cache_new(MAX_BYTES, &cache), 0);
        return cache;
}

static struct rows_key key_of(const char *id)
{
        struct rows_key key = {.n_build_id = (uint32_t)strlen(id), .inode = 1, .n_bytes = 2, .changed_sec = 3};

        memcpy(key.build_id, id, key.n_build_id);
        return key;
}

static bool add(struct rows_cache *cache, const char *id, struct rows *rows)
{
        struct rows_key key = key_of(id);

        rows->n_refs++;
        return rows_cache_add(cache, &key, rows);
}

static struct rows *find(struct rows_cache *cache, const char *id)
{
        struct rows_key key = key_of(id);

        return rows_cache_find(cache, &key);
}

/* A build id is what a file says of itself. */
static void test_another_file_with_the_same_id(void **state)
{
        struct rows_cache *cache = NULL;
        struct rows rows = {.n_bytes = 10};
        struct rows_key keys[5];

        assert_int_equal(rows_cache_new(100, &cache), 0);
        assert_true(add(cache, "aaaa", &rows));
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                keys[i] = key_of("aaaa");
        keys[0].device++;
        keys[1].inode++;
        keys[2].n_bytes++;
        keys[3].changed_sec++;
        keys[4].changed_nsec++;
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                assert_null(rows_cache_find(cache, &keys[i]));
        assert_ptr_equal(find(cache, "aaaa"), &rows);
        rows_cache_free(cache);
}

static void test_found_by_its_id(void **state)
{
        struct rows_cache *cache = new_cache();
        struct rows a = {.n_bytes = 10}, b = {.n_bytes = 10}, nameless = {.n_bytes = 10};

        assert_null(find(cache, "aaaa"));
        assert_true(add(cache, "aaaa", &a));
        assert_true(add(cache, "aaab", &b));
        assert_true(add(cache, "", &nameless));
        assert_ptr_equal(find(cache, "aaaa"), &a);
        assert_ptr_equal(find(cache, "aaab"), &b);
        assert_null(find(cache, "aaa"));
        assert_ptr_equal(find(cache, ""), &nameless);
        rows_cache_free(cache);
        assert_int_equal(a.n_refs + b.n_refs + nameless.n_refs, 0);
}

/* The one that was looked for last stays longest. */
static void test_the_longest_unused_goes(void **state)
{
        struct rows_cache *cache = new_cache();
        struct rows rows[4] = {{.n_bytes = 40}, {.n_bytes = 40}, {.n_bytes = 40}, {.n_bytes = MAX_BYTES}};

        assert_true(add(cache, "a", &rows[0]));
        assert_true(add(cache, "b", &rows[1]));
        rows_cache_release(cache, &rows[0]);
        rows_cache_release(cache, &rows[1]);
        assert_ptr_equal(find(cache, "a"), &rows[0]);
        rows_cache_release(cache, &rows[0]);
        assert_true(add(cache, "c", &rows[2]));
        assert_int_equal(rows[1].n_refs, 0);
        assert_null(find(cache, "b"));
        assert_ptr_equal(find(cache, "a"), &rows[0]);
        rows_cache_release(cache, &rows[0]);
        rows_cache_release(cache, &rows[2]);
        assert_true(add(cache, "d", &rows[3]));
        assert_int_equal(rows[0].n_refs + rows[2].n_refs, 0);
        rows_cache_free(cache);
        assert_int_equal(rows[3].n_refs, 0);
}

static void test_what_is_used_stays(void **state)
{
        struct rows_cache *cache = new_cache();
        struct rows a = {.n_bytes = 60}, b = {.n_bytes = 41}, huge = {.n_bytes = MAX_BYTES + 1};

        assert_true(add(cache, "a", &a));
        assert_false(add(cache, "b", &b));
        assert_int_equal(b.n_refs, 0);
        assert_ptr_equal(find(cache, "a"), &a); /* a second user */
        rows_cache_release(cache, &a);
        assert_false(add(cache, "b", &b));
        rows_cache_release(cache, &a);
        rows_cache_release(cache, NULL);
        assert_false(add(cache, "h", &huge));
        assert_true(add(cache, "b", &b));
        assert_int_equal(a.n_refs, 0);
        rows_cache_free(cache);
        assert_int_equal(b.n_refs, 0);
        assert_null(rows_cache_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_found_by_its_id),
                cmocka_unit_test(test_another_file_with_the_same_id),
                cmocka_unit_test(test_the_longest_unused_goes),
                cmocka_unit_test(test_what_is_used_stays),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
