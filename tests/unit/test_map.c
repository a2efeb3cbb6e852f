/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* map.c: what a name says a map is, what its permissions allow, and how long it lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/model/map.h"
#include "proto/vocabulary.h"

static struct map *new_map(const char *path, bool shared, bool hugetlb)
{
        struct map_spec spec = {
                .start = 0x1000,
                .end = 0x3000,
                .offset = 0x7000,
                .shared = shared,
                .hugetlb = hugetlb,
                .path = path,
                .n_path = strlen(path),
        };
        struct map *map = map_new(&spec);

        assert_non_null(map);
        return map;
}

static void test_kinds(void **state)
{
        static const struct {
                const char *path;
                bool shared, hugetlb;
                enum map_kind kind;
                uint64_t offset;
        } cases[] = {
                {"//anon", false, false, MAP_KIND_ANON, 0},
                {"", false, false, MAP_KIND_ANON, 0},
                {"[heap]", false, false, MAP_KIND_ANON, 0},
                {"[anon:arena]", false, false, MAP_KIND_ANON, 0},
                {"[anon:]", false, false, MAP_KIND_ANON, 0},
                {"[anon_shmem:arena]", true, false, MAP_KIND_SHMEM, 0x7000},
                {"/memfd:x (deleted)", true, false, MAP_KIND_SHMEM, 0x7000},
                {"/memfd:x (deleted)", false, false, MAP_KIND_SHMEM, 0x7000},
                {"/memfd:x (deleted)", true, true, MAP_KIND_HUGETLB, 0x7000},
                {"/dev/zero (deleted)", true, false, MAP_KIND_SHMEM, 0x7000},
                {"/dev/zero", true, false, MAP_KIND_SHMEM, 0x7000},
                {"/dev/zero", false, false, MAP_KIND_ANON, 0},
                {"/dev/zeros", true, false, MAP_KIND_FILE, 0x7000},
                {"/SYSV0000002a (deleted)", true, false, MAP_KIND_SHMEM, 0x7000},
                {"/dev/shm/queue", true, false, MAP_KIND_SHMEM, 0x7000},
                {"/dev/shmem", true, false, MAP_KIND_FILE, 0x7000},
                {"[stack]", false, false, MAP_KIND_STACK, 0},
                {"[stack:12]", false, false, MAP_KIND_SPECIAL, 0},
                {"//anon", false, true, MAP_KIND_HUGETLB, 0x7000},
                {"/anon_hugepage (deleted)", false, false, MAP_KIND_HUGETLB, 0x7000},
                {"/dev/hugepages/x", true, true, MAP_KIND_HUGETLB, 0x7000},
                {"[vdso]", false, false, MAP_KIND_SPECIAL, 0},
                {"[vvar]", false, false, MAP_KIND_SPECIAL, 0},
                {"[vsyscall]", false, false, MAP_KIND_SPECIAL, 0},
                {"[uprobes]", false, false, MAP_KIND_SPECIAL, 0},
                {"[", false, false, MAP_KIND_SPECIAL, 0},
                {"/usr/lib/[heap]", false, false, MAP_KIND_FILE, 0x7000},
                {"/tmp/memfd:x", false, false, MAP_KIND_FILE, 0x7000},
                {"//anonymous", false, false, MAP_KIND_FILE, 0x7000},
                {"//ano", false, false, MAP_KIND_FILE, 0x7000},
                {"anon_inode:[perf_event]", true, false, MAP_KIND_FILE, 0x7000},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct map *map = new_map(cases[i].path, cases[i].shared, cases[i].hugetlb);

                assert_int_equal(map->kind, cases[i].kind);
                assert_int_equal(map->offset, cases[i].offset);
                assert_string_equal(map->path, strcmp(cases[i].path, "//anon") == 0 ? "" : cases[i].path);
                map_unref(map);
        }
}

static void test_fields(void **state)
{
        for (unsigned int bits = 0; bits < 16; bits++) {
                struct map_spec spec = {
                        .start = 0x400000,
                        .end = 0x405000,
                        .offset = 0x2000,
                        .readable = bits & 1,
                        .writable = bits & 2,
                        .executable = bits & 4,
                        .shared = bits & 8,
                        .major = 8,
                        .minor = 3,
                        .inode = 1234567890123,
                        .path = "/usr/bin/program and what follows",
                        .n_path = strlen("/usr/bin/program"),
                };
                struct map *map = map_new(&spec);

                assert_non_null(map);
                assert_int_equal(map->n_refs, 1);
                assert_int_equal(map->start, 0x400000);
                assert_int_equal(map->end, 0x405000);
                assert_int_equal(map->offset, 0x2000);
                assert_int_equal(map->readable, spec.readable);
                assert_int_equal(map->writable, spec.writable);
                assert_int_equal(map->executable, spec.executable);
                assert_int_equal(map->shared, spec.shared);
                assert_int_equal(map->major, 8);
                assert_int_equal(map->minor, 3);
                assert_int_equal(map->inode, 1234567890123);
                assert_string_equal(map->path, "/usr/bin/program");
                assert_false(map->named);
                assert_null(map->image);
                assert_null(map_unref(map));
        }
}

static void test_path_without_terminator(void **state)
{
        struct map_spec spec = {.start = 0, .end = 0x1000, .path = NULL, .n_path = 0};
        struct map *map = map_new(&spec);
        char *path = test_malloc(3);

        assert_string_equal(map->path, "");
        map_unref(map);
        memcpy(path, "/ab", 3);
        spec.path = path;
        spec.n_path = 3;
        map = map_new(&spec);
        assert_string_equal(map->path, "/ab");
        map_unref(map);
        path[1] = '\0'; /* a path ends at its first NUL */
        map = map_new(&spec);
        assert_string_equal(map->path, "/");
        map_unref(map);
        test_free(path);
}

static void test_permits(void **state)
{
        for (unsigned int bits = 0; bits < 8; bits++) {
                struct map map = {.readable = bits & 1, .writable = bits & 2, .executable = bits & 4};

                assert_int_equal(map_permits(&map, ACCESS_READ), bits != 0);
                assert_int_equal(map_permits(&map, ACCESS_UNKNOWN), bits != 0);
                assert_int_equal(map_permits(&map, ACCESS_WRITE), map.writable);
                assert_int_equal(map_permits(&map, ACCESS_EXEC), map.executable);
        }
}

static void test_references(void **state)
{
        struct map *map = new_map("/x", false, false);

        assert_ptr_equal(map_ref(map), map);
        assert_int_equal(map->n_refs, 2);
        assert_null(map_unref(map));
        assert_int_equal(map->n_refs, 1);
        assert_string_equal(map->path, "/x");
        assert_null(map_unref(map));
        assert_null(map_ref(NULL));
        assert_null(map_unref(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kinds),
                cmocka_unit_test(test_fields),
                cmocka_unit_test(test_path_without_terminator),
                cmocka_unit_test(test_permits),
                cmocka_unit_test(test_references),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
