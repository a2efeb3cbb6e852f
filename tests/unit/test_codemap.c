/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The executable maps as a value, and which changes of an address space make a new one. */
#include "daemon/engine/model/codemap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/model/aspace.h"

#define PAGE UINT64_C(4096)
#define BASE UINT64_C(0x7f0000000000)
#define N_MAPS_MAX 70

static struct map_spec pages(uint64_t first, uint64_t last, bool executable)
{
        return (struct map_spec){.start = BASE + first * PAGE,
                                 .end = BASE + last * PAGE,
                                 .readable = true,
                                 .executable = executable,
                                 .path = "/lib/code",
                                 .n_path = strlen("/lib/code"),
                                 .inode = 7};
}

static struct map *code(uint64_t first, uint64_t last)
{
        struct map_spec spec = pages(first, last, true);
        struct map *map = map_new(&spec);

        assert_non_null(map);
        return map;
}

/* Map i is pages [3i, 3i + 1 or 3i + 2 or 3i + 3): with holes of two pages, of one, and without. */
static void check_lookups(size_t n_maps)
{
        struct map *maps[N_MAPS_MAX] = {NULL};
        struct codemap *codemap;

        for (size_t i = 0; i < n_maps; i++)
                maps[i] = code(3 * i, 3 * i + 1 + i % 3);
        codemap = codemap_new(maps, n_maps);
        assert_non_null(codemap);
        for (size_t page = 0; page < 3 * n_maps; page++) {
                struct map *expected = page % 3 < 1 + page / 3 % 3 ? maps[page / 3] : NULL;

                assert_ptr_equal(codemap_lookup(codemap, BASE + page * PAGE), expected);
                assert_ptr_equal(codemap_lookup(codemap, BASE + page * PAGE + PAGE - 1), expected);
        }
        assert_null(codemap_lookup(codemap, 0));
        assert_null(codemap_lookup(codemap, BASE - 1));
        assert_null(codemap_lookup(codemap, BASE + 3 * n_maps * PAGE));
        assert_null(codemap_lookup(codemap, UINT64_MAX));
        assert_null(codemap_unref(codemap));
        for (size_t i = 0; i < n_maps; i++) {
                assert_int_equal(maps[i]->n_refs, 1);
                assert_null(map_unref(maps[i]));
        }
}

static void test_lookups(void **state)
{
        for (size_t n_maps = 0; n_maps <= N_MAPS_MAX; n_maps++)
                check_lookups(n_maps);
}

static void test_references(void **state)
{
        struct map *map = code(0, 1);
        struct codemap *codemap = codemap_new(&map, 1);

        assert_int_equal(map->n_refs, 2);
        assert_ptr_equal(codemap_ref(codemap), codemap);
        assert_null(codemap_unref(codemap));
        assert_int_equal(map->n_refs, 2);
        assert_null(codemap_unref(codemap));
        assert_int_equal(map->n_refs, 1);
        assert_null(map_unref(map));
        assert_null(codemap_ref(NULL));
        assert_null(codemap_unref(NULL));
}

static void overlay(struct aspace *aspace, uint64_t first, uint64_t last, bool executable)
{
        struct map_spec spec = pages(first, last, executable);

        assert_int_equal(aspace_overlay(aspace, &spec), 0);
}

static void free_aspace(struct aspace **aspace)
{
        *aspace = aspace_free(*aspace);
}

/* Code at pages 0 to 3 and 10 to 13, data at 4 and at 20. */
static struct aspace *new_aspace(void)
{
        struct aspace *aspace;

        assert_int_equal(aspace_new(&aspace), 0);
        overlay(aspace, 0, 4, true);
        overlay(aspace, 4, 5, false);
        overlay(aspace, 10, 14, true);
        overlay(aspace, 20, 21, false);
        return aspace;
}

static void assert_code(struct aspace *aspace, uint64_t page, bool is_there)
{
        struct map *map = codemap_lookup(aspace_code(aspace), BASE + page * PAGE);

        assert_ptr_equal(map, is_there ? aspace_lookup(aspace, BASE + page * PAGE) : NULL);
        assert_true(!map || map->executable);
}

static void test_of_aspace(void **state)
{
        struct aspace *aspace CLEANUP(free_aspace) = new_aspace();

        for (uint64_t page = 0; page < 22; page++)
                assert_code(aspace, page, page < 4 || (page >= 10 && page < 14));
}

static void test_of_empty_aspace(void **state)
{
        struct aspace *aspace CLEANUP(free_aspace) = NULL;

        assert_int_equal(aspace_new(&aspace), 0);
        assert_non_null(aspace_code(aspace));
        assert_null(codemap_lookup(aspace_code(aspace), BASE));
}

static void grow_data(struct aspace *aspace)
{
        overlay(aspace, 20, 30, false);
}

static void map_same_code(struct aspace *aspace)
{
        overlay(aspace, 0, 4, true);
}

static void remove_data(struct aspace *aspace)
{
        assert_int_equal(aspace_remove(aspace, BASE + 4 * PAGE, BASE + 5 * PAGE), 0);
}

static void remove_nothing(struct aspace *aspace)
{
        assert_int_equal(aspace_remove(aspace, BASE + 6 * PAGE, BASE + 9 * PAGE), 0);
}

static void map_code(struct aspace *aspace)
{
        overlay(aspace, 30, 31, true);
}

static void protect_data(struct aspace *aspace)
{
        overlay(aspace, 20, 21, true);
}

static void protect_code(struct aspace *aspace)
{
        overlay(aspace, 10, 14, false);
}

static void cut_code(struct aspace *aspace)
{
        overlay(aspace, 3, 5, false);
}

static void remove_code(struct aspace *aspace)
{
        assert_int_equal(aspace_remove(aspace, BASE + 10 * PAGE, BASE + 14 * PAGE), 0);
}

static void unmap_part_of_code(struct aspace *aspace)
{
        const struct burial doer = {.tid = 1};

        assert_int_equal(aspace_unmap(aspace, BASE + 12 * PAGE, BASE + 13 * PAGE, &doer), 0);
}

static const struct change {
        void (*make)(struct aspace *aspace);
        bool is_of_code;
} changes[] = {
        {grow_data, false},  {map_same_code, false},     {remove_data, false}, {remove_nothing, false},
        {map_code, true},    {protect_data, true},       {protect_code, true}, {cut_code, true},
        {remove_code, true}, {unmap_part_of_code, true}, {aspace_clear, true},
};

static void test_changes(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                struct aspace *aspace CLEANUP(free_aspace) = new_aspace();
                struct codemap *before = codemap_ref(aspace_code(aspace));

                assert_ptr_equal(aspace_code(aspace), before);
                changes[i].make(aspace);
                assert_int_equal(aspace_code(aspace) != before, changes[i].is_of_code);
                for (uint64_t page = 0; page < 32; page++) {
                        struct map *map = aspace_lookup(aspace, BASE + page * PAGE);

                        assert_code(aspace, page, map && map->executable);
                }
                assert_null(codemap_unref(before));
        }
}

/* dlclose(3), and another library at the same place: whoever kept the old ones sees the old ones. */
static void test_kept(void **state)
{
        struct aspace *aspace CLEANUP(free_aspace) = new_aspace();
        struct codemap *before = codemap_ref(aspace_code(aspace));
        struct map *first = map_ref(aspace_lookup(aspace, BASE + 10 * PAGE));

        remove_code(aspace);
        overlay(aspace, 9, 12, true);
        assert_ptr_equal(codemap_lookup(before, BASE + 10 * PAGE), first);
        assert_ptr_equal(codemap_lookup(before, BASE + 13 * PAGE), first);
        assert_null(codemap_lookup(before, BASE + 9 * PAGE));
        assert_ptr_equal(codemap_lookup(aspace_code(aspace), BASE + 10 * PAGE), aspace_lookup(aspace, BASE + 9 * PAGE));
        assert_null(codemap_lookup(aspace_code(aspace), BASE + 13 * PAGE));
        assert_null(codemap_unref(before));
        assert_null(map_unref(first));
}

/* fork(2): the same code until one of the two changes. */
static void test_copy(void **state)
{
        struct aspace *aspace CLEANUP(free_aspace) = new_aspace();
        struct aspace *child CLEANUP(free_aspace) = NULL;
        struct codemap *parents = aspace_code(aspace);

        assert_int_equal(aspace_copy(aspace, &child), 0);
        assert_ptr_equal(aspace_code(child), parents);
        map_code(child);
        assert_ptr_equal(aspace_code(aspace), parents);
        assert_null(codemap_lookup(parents, BASE + 30 * PAGE));
        assert_code(child, 30, true);
        aspace = aspace_free(aspace);
        assert_code(child, 0, true);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lookups),   cmocka_unit_test(test_references),
                cmocka_unit_test(test_of_aspace), cmocka_unit_test(test_of_empty_aspace),
                cmocka_unit_test(test_changes),   cmocka_unit_test(test_kept),
                cmocka_unit_test(test_copy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
