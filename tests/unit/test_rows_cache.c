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

static bool add(struct rows_cache *cache, const char *id, struct rows *rows)
{
        rows->n_refs++;
        return rows_cache_add(cache, (const uint8_t *)id, strlen(id), rows);
}

static struct rows *find(struct rows_cache *cache, const char *id)
{
        return rows_cache_find(cache, (const uint8_t *)id, strlen(id));
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
        assert_null(find(cache, ""));
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
                cmocka_unit_test(test_the_longest_unused_goes),
                cmocka_unit_test(test_what_is_used_stays),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
