/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * aspace.c against an array with one cell a page. The generator has a fixed seed. Every overlay gets a number; a cell
 * remembers the number of the overlay that owns its page, and so the maps must be exactly the runs of equal cells, each
 * with the attributes of its overlay and the file offset of its first page. Burials are checked against a list of all
 * there ever were. A fork is the model going on with the copy, and without the original.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/model/aspace.h"

#define PAGE 4096
#define N_PAGES 64
#define BASE UINT64_C(0x7f0000000000)
#define N_STEPS 20000

static uint32_t next_random(uint64_t *seed)
{
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t)(*seed >> 33);
}

static struct map_spec spec_of(uint64_t start, uint64_t end, const char *path)
{
        return (struct map_spec){.start = start, .end = end, .readable = true, .path = path, .n_path = strlen(path)};
}

static struct map_spec pages(uint64_t first, uint64_t last, const char *path)
{
        return spec_of(BASE + first * PAGE, BASE + last * PAGE, path);
}

struct grave {
        size_t first, last;         /* the pages that went */
        size_t map_first, map_last; /* of the map that they were of */
        size_t number;              /* of its overlay */
        uint64_t time_ns, ip;
        pid_t tid;
};

#define MAX_GRAVES (8 * N_STEPS)

struct model {
        struct aspace *aspace;
        size_t cells[N_PAGES + 1]; /* number of the overlay, 0 = none; the last is always 0 */
        struct map_spec specs[N_STEPS + 1];
        struct map *objects[N_STEPS + 1]; /* the map as it was while nothing had cut it, one reference */
        size_t n_specs;
        struct grave graves[MAX_GRAVES];
        size_t first_grave, n_graves; /* those before first_grave went with an exec */
};

static struct model model;

static bool same_spec(const struct map_spec *a, const struct map_spec *b)
{
        return a->start == b->start && a->end == b->end && a->offset == b->offset && a->writable == b->writable &&
               a->executable == b->executable && a->shared == b->shared && a->hugetlb == b->hugetlb &&
               a->inode == b->inode && strcmp(a->path, b->path) == 0;
}

/* Whether the cells of this range are one whole overlay with these attributes, cut nowhere. */
static bool is_whole_already(const struct model *m, size_t first, size_t last, const struct map_spec *spec)
{
        size_t number = m->cells[first];

        if (number == 0 || !same_spec(&m->specs[number], spec))
                return false;
        for (size_t page = first; page < last; page++)
                if (m->cells[page] != number)
                        return false;
        return true;
}

static void model_overlay(struct model *m, uint64_t *seed)
{
        static const char *const paths[] = {"", "[heap]", "/bin/a", "/bin/b", "/memfd:x"};
        size_t first = next_random(seed) % N_PAGES;
        size_t last = first + 1 + next_random(seed) % MIN_OF(N_PAGES - first, (size_t)12);
        struct map_spec spec = pages(first, last, paths[next_random(seed) % ARRAY_SIZE(paths)]);
        uint32_t bits = next_random(seed);

        spec.offset = spec.path[0] == '/' ? (uint64_t)(bits >> 8) % 3 * PAGE : 0;
        spec.writable = bits & 1;
        spec.executable = bits & 2;
        spec.shared = bits & 4;
        spec.inode = spec.path[0] == '/' ? (uint64_t)spec.path[5] : 0;
        assert_int_equal(aspace_overlay(m->aspace, &spec), 0);
        if (is_whole_already(m, first, last, &spec)) {
                assert_ptr_equal(aspace_lookup(m->aspace, spec.start), m->objects[m->cells[first]]);
                return;
        }
        m->specs[++m->n_specs] = spec;
        m->objects[m->n_specs] = map_ref(aspace_lookup(m->aspace, spec.start));
        for (size_t page = first; page < last; page++)
                m->cells[page] = m->n_specs;
}

/* Repeat an overlay that is somewhere in place, whole or cut. */
static void model_repeat(struct model *m, uint64_t *seed)
{
        size_t number = m->cells[next_random(seed) % N_PAGES];
        struct map_spec spec;
        size_t first, last;

        if (number == 0)
                return;
        spec = m->specs[number];
        first = (spec.start - BASE) / PAGE;
        last = (spec.end - BASE) / PAGE;
        assert_int_equal(aspace_overlay(m->aspace, &spec), 0);
        if (is_whole_already(m, first, last, &spec)) {
                assert_ptr_equal(aspace_lookup(m->aspace, spec.start), m->objects[number]);
                return;
        }
        m->specs[++m->n_specs] = spec;
        m->objects[m->n_specs] = map_ref(aspace_lookup(m->aspace, spec.start));
        for (size_t page = first; page < last; page++)
                m->cells[page] = m->n_specs;
}

static void model_bury(struct model *m, size_t first, size_t last, const struct burial *doer)
{
        for (size_t page = first; page < last;) {
                struct grave grave = {.first = page,
                                      .number = m->cells[page],
                                      .map_first = page,
                                      .time_ns = doer->time_ns,
                                      .ip = doer->ip,
                                      .tid = doer->tid};

                while (page < last && m->cells[page] == grave.number)
                        page++;
                if (!grave.number)
                        continue;
                grave.last = grave.map_last = page;
                while (grave.map_first > 0 && m->cells[grave.map_first - 1] == grave.number)
                        grave.map_first--;
                while (m->cells[grave.map_last] == grave.number)
                        grave.map_last++;
                assert_true(m->n_graves < MAX_GRAVES);
                m->graves[m->n_graves++] = grave;
        }
}

static void model_remove(struct model *m, uint64_t *seed)
{
        size_t first = next_random(seed) % N_PAGES;
        size_t last = first + 1 + next_random(seed) % MIN_OF(N_PAGES - first, (size_t)6);
        struct burial doer = {0};

        if (next_random(seed) % 2) {
                doer.time_ns = next_random(seed);
                doer.tid = 1 + (pid_t)(next_random(seed) % 9);
                doer.ip = next_random(seed);
                assert_int_equal(aspace_unmap(m->aspace, BASE + first * PAGE, BASE + last * PAGE, &doer), 0);
        } else {
                assert_int_equal(aspace_remove(m->aspace, BASE + first * PAGE, BASE + last * PAGE), 0);
        }
        model_bury(m, first, last, &doer);
        for (size_t page = first; page < last; page++)
                m->cells[page] = 0;
}

static void model_clear(struct model *m)
{
        aspace_clear(m->aspace);
        memset(m->cells, 0, sizeof(m->cells));
        m->first_grave = m->n_graves;
}

static void model_fork(struct model *m)
{
        struct aspace *copy;

        assert_int_equal(aspace_copy(m->aspace, &copy), 0);
        aspace_free(m->aspace);
        m->aspace = copy;
}

static void check_map(const struct map *map, const struct map_spec *spec, uint64_t start, uint64_t end)
{
        assert_non_null(map);
        assert_int_equal(map->start, start);
        assert_int_equal(map->end, end);
        assert_int_equal(map->offset, spec->path[0] == '/' ? spec->offset + (start - spec->start) : 0);
        assert_true(map->readable);
        assert_int_equal(map->writable, spec->writable);
        assert_int_equal(map->executable, spec->executable);
        assert_int_equal(map->shared, spec->shared);
        assert_int_equal(map->inode, spec->inode);
        assert_string_equal(map->path, spec->path);
}

/* The maps are the runs of the cells, in order. */
static void check_maps(const struct model *m)
{
        size_t n_maps = 0;

        for (size_t page = 0; page < N_PAGES;) {
                size_t number = m->cells[page], first = page;
                struct map *map;

                while (page < N_PAGES && m->cells[page] == number)
                        page++;
                if (number == 0)
                        continue;
                assert_true(n_maps < aspace_count(m->aspace));
                map = aspace_at(m->aspace, n_maps++);
                check_map(map, &m->specs[number], BASE + first * PAGE, BASE + page * PAGE);
                if (map->start == m->specs[number].start && map->end == m->specs[number].end)
                        assert_ptr_equal(map, m->objects[number]); /* what was not cut is still the same object */
                else
                        assert_ptr_not_equal(map, m->objects[number]);
        }
        assert_int_equal(aspace_count(m->aspace), n_maps);
}

/* Lookups and neighbours of every page's first and last byte, and of addresses outside. */
static void check_lookups(const struct model *m)
{
        for (uint64_t page = 0; page <= N_PAGES + 1; page++) {
                uint64_t first = BASE + (page - 1) * PAGE;
                struct map *below = NULL, *holder = NULL, *above = NULL;

                for (size_t i = 0; i < aspace_count(m->aspace); i++) {
                        struct map *map = aspace_at(m->aspace, i);

                        if (map->end <= first)
                                below = map;
                        if (map->start <= first && first < map->end)
                                holder = map;
                        if (map->start > first && !above)
                                above = map;
                }
                assert_ptr_equal(aspace_lookup(m->aspace, first), holder);
                assert_ptr_equal(aspace_lookup(m->aspace, first + PAGE - 1), holder);
                assert_ptr_equal(aspace_below(m->aspace, first), below);
                assert_ptr_equal(aspace_above(m->aspace, first), above);
        }
}

/* The latest grave of a page, among those that are still remembered. */
static const struct grave *find_grave(const struct model *m, size_t page)
{
        for (size_t i = m->n_graves; i-- > m->first_grave;) {
                if (m->n_graves - i > ASPACE_MAX_BURIALS)
                        break;
                if (page >= m->graves[i].first && page < m->graves[i].last)
                        return &m->graves[i];
        }
        return NULL;
}

static void check_burials(const struct model *m)
{
        for (size_t page = 0; page < N_PAGES; page++) {
                const struct grave *grave = find_grave(m, page);
                const struct burial *burial = aspace_burial(m->aspace, BASE + page * PAGE);

                assert_ptr_equal(aspace_burial(m->aspace, BASE + page * PAGE + PAGE - 1), burial);
                assert_int_equal(burial != NULL, grave != NULL);
                if (!burial)
                        continue;
                assert_int_equal(burial->start, BASE + grave->first * PAGE);
                assert_int_equal(burial->end, BASE + grave->last * PAGE);
                assert_int_equal(burial->time_ns, grave->time_ns);
                assert_int_equal(burial->tid, grave->tid);
                assert_int_equal(burial->ip, grave->ip);
                check_map(burial->map, &m->specs[grave->number], BASE + grave->map_first * PAGE,
                          BASE + grave->map_last * PAGE);
        }
        assert_null(aspace_burial(m->aspace, BASE - 1));
        assert_null(aspace_burial(m->aspace, BASE + N_PAGES * PAGE));
}

static void test_against_pages(void **state)
{
        struct model *m = &model;
        uint64_t seed = 20;
        size_t n_full = 0;

        assert_int_equal(aspace_new(&m->aspace), 0);
        for (size_t step = 0; step < N_STEPS; step++) {
                uint32_t what = next_random(&seed) % 10000;

                if (what < 6000)
                        model_overlay(m, &seed);
                else if (what < 7500)
                        model_repeat(m, &seed);
                else if (what < 9980)
                        model_remove(m, &seed);
                else if (what < 9998)
                        model_fork(m);
                else
                        model_clear(m);
                check_maps(m);
                if (step % 16 == 0) {
                        check_lookups(m);
                        check_burials(m);
                        n_full += m->n_graves - m->first_grave > ASPACE_MAX_BURIALS;
                }
        }
        assert_true(n_full > 0); /* the oldest burials were forgotten, or this has shown less than it says */
        assert_null(aspace_free(m->aspace));
        for (size_t i = 1; i <= m->n_specs; i++) {
                assert_int_equal(m->objects[i]->n_refs, 1); /* the address space has let go of everything */
                map_unref(m->objects[i]);
        }
}

static void test_invalid_ranges(void **state)
{
        static const uint64_t ranges[][2] = {
                {PAGE, PAGE}, {2 * PAGE, PAGE}, {PAGE + 1, 2 * PAGE}, {PAGE, 2 * PAGE - 1},
                {0, 0},       {PAGE, 0},        {0, UINT64_MAX},
        };
        struct aspace *aspace;

        assert_int_equal(aspace_new(&aspace), 0);
        for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
                struct map_spec spec = spec_of(ranges[i][0], ranges[i][1], "/x");

                assert_int_equal(aspace_overlay(aspace, &spec), -EINVAL);
                assert_int_equal(aspace_remove(aspace, ranges[i][0], ranges[i][1]), -EINVAL);
        }
        assert_int_equal(aspace_count(aspace), 0);
        aspace_free(aspace);
        assert_null(aspace_free(NULL));
}

static void test_empty(void **state)
{
        struct aspace *aspace;

        assert_int_equal(aspace_new(&aspace), 0);
        assert_null(aspace_lookup(aspace, 0));
        assert_null(aspace_below(aspace, UINT64_MAX));
        assert_null(aspace_above(aspace, 0));
        assert_int_equal(aspace_remove(aspace, 0, PAGE), 0);
        aspace_clear(aspace);
        assert_int_equal(aspace_count(aspace), 0);
        aspace_free(aspace);
}

/* A cut in the middle: both remainders keep what was found out about the map, and the map itself lives on with its
 * holder. */
static void test_remainders_keep_image(void **state)
{
        struct map_spec file = pages(0, 10, "/lib/x.so"), hole = pages(4, 6, "");
        struct image_slot *image = (struct image_slot *)(void *)&model; /* never dereferenced */
        struct aspace *aspace;
        struct map *whole;

        file.offset = 0x10000;
        assert_int_equal(aspace_new(&aspace), 0);
        assert_int_equal(aspace_overlay(aspace, &file), 0);
        whole = map_ref(aspace_at(aspace, 0));
        whole->named = true;
        whole->image = image;
        whole->image_start = BASE - 5 * PAGE;
        whole->image_offset = 0xb000;
        whole->def_epoch = 3;
        whole->def_id = 7;
        assert_int_equal(aspace_overlay(aspace, &hole), 0);
        assert_int_equal(aspace_count(aspace), 3);
        for (size_t i = 0; i < 3; i += 2) {
                struct map *part = aspace_at(aspace, i);

                assert_true(part->named);
                assert_ptr_equal(part->image, image);
                assert_int_equal(part->image_start, BASE - 5 * PAGE);
                assert_int_equal(part->image_offset, 0xb000);
                assert_int_equal(part->def_epoch, 0); /* another map to clients */
                assert_int_equal(part->def_id, 0);
        }
        assert_int_equal(aspace_at(aspace, 0)->offset, 0x10000);
        assert_int_equal(aspace_at(aspace, 2)->offset, 0x16000);
        assert_null(aspace_at(aspace, 1)->image);
        aspace_free(aspace);
        assert_int_equal(whole->n_refs, 1);
        assert_int_equal(whole->end, BASE + 10 * PAGE);
        map_unref(whole);
}

/* Huge pages without a name are still huge pages after a cut. */
static void test_remainders_keep_kind(void **state)
{
        struct map_spec huge = pages(0, 1024, ""), hole = pages(512, 513, "/x");
        struct aspace *aspace;

        huge.hugetlb = true;
        assert_int_equal(aspace_new(&aspace), 0);
        assert_int_equal(aspace_overlay(aspace, &huge), 0);
        assert_int_equal(aspace_overlay(aspace, &hole), 0);
        assert_int_equal(aspace_at(aspace, 0)->kind, MAP_KIND_HUGETLB);
        assert_int_equal(aspace_at(aspace, 1)->kind, MAP_KIND_FILE);
        assert_int_equal(aspace_at(aspace, 2)->kind, MAP_KIND_HUGETLB);
        aspace_free(aspace);
}

/* brk(2): the heap is reported again with a larger end. */
static void test_growth(void **state)
{
        struct aspace *aspace;
        struct map *before;

        assert_int_equal(aspace_new(&aspace), 0);
        for (uint64_t end = 1; end < 100; end++) {
                struct map_spec heap = pages(0, end, "[heap]");

                heap.offset = BASE; /* vm_pgoff of anonymous memory: of no meaning, and no reason for a new map */
                assert_int_equal(aspace_overlay(aspace, &heap), 0);
                assert_int_equal(aspace_count(aspace), 1);
                before = aspace_at(aspace, 0);
                assert_int_equal(before->end, BASE + end * PAGE);
                heap.offset = 0;
                assert_int_equal(aspace_overlay(aspace, &heap), 0);
                assert_ptr_equal(aspace_at(aspace, 0), before);
        }
        aspace_free(aspace);
}

/* The highest and lowest addresses that the kernel reports. */
static void test_ends_of_memory(void **state)
{
        struct map_spec vsyscall = spec_of(0xffffffffff600000, 0xffffffffff601000, "[vsyscall]");
        struct map_spec top = spec_of(0xffffffffffffe000, 0xfffffffffffff000, "");
        struct map_spec zero = spec_of(0, PAGE, "");
        struct aspace *aspace;

        assert_int_equal(aspace_new(&aspace), 0);
        assert_int_equal(aspace_overlay(aspace, &vsyscall), 0);
        assert_int_equal(aspace_overlay(aspace, &top), 0);
        assert_int_equal(aspace_overlay(aspace, &zero), 0);
        assert_ptr_equal(aspace_lookup(aspace, 0xffffffffff600fff), aspace_at(aspace, 1));
        assert_null(aspace_lookup(aspace, UINT64_MAX));
        assert_ptr_equal(aspace_below(aspace, UINT64_MAX), aspace_at(aspace, 2));
        assert_ptr_equal(aspace_lookup(aspace, 0), aspace_at(aspace, 0));
        aspace_free(aspace);
}

#define MANY 65000

static void check_many(struct aspace *aspace)
{
        assert_int_equal(aspace_count(aspace), MANY);
        for (uint64_t i = 0; i < MANY; i++) {
                struct map *map = aspace_at(aspace, i);

                assert_int_equal(map->start, BASE + 2 * i * PAGE);
                assert_ptr_equal(aspace_lookup(aspace, map->start + 5), map);
                assert_null(aspace_lookup(aspace, map->end));
        }
}

/* As many maps as vm.max_map_count allows, in ascending order, from above, and cut out of a single one. */
static void test_many_maps(void **state)
{
        struct map_spec all = pages(0, 2 * MANY, "");
        struct aspace *aspace;

        assert_int_equal(aspace_new(&aspace), 0);
        for (uint64_t i = 0; i < MANY; i++) {
                struct map_spec spec = pages(2 * i, 2 * i + 1, "");

                assert_int_equal(aspace_overlay(aspace, &spec), 0);
        }
        check_many(aspace);
        aspace_clear(aspace);
        for (uint64_t i = MANY; i-- > MANY - 2000;) {
                struct map_spec spec = pages(2 * i, 2 * i + 1, "");

                assert_int_equal(aspace_overlay(aspace, &spec), 0);
        }
        assert_int_equal(aspace_count(aspace), 2000);
        assert_int_equal(aspace_overlay(aspace, &all), 0);
        assert_int_equal(aspace_count(aspace), 1);
        for (uint64_t i = 0; i < MANY; i++)
                assert_int_equal(aspace_remove(aspace, BASE + (2 * i + 1) * PAGE, BASE + (2 * i + 2) * PAGE), 0);
        check_many(aspace);
        aspace_free(aspace);
}

/* What a huge removal takes away is remembered as far as there is room: the highest. Then one more, from the bottom. */
static void test_many_burials(void **state)
{
        enum { N = ASPACE_MAX_BURIALS + 100 };
        const struct burial doer = {.time_ns = 5, .tid = 7, .ip = 9};
        struct aspace *aspace, *copy;

        assert_int_equal(aspace_new(&aspace), 0);
        for (uint64_t i = 0; i < N; i++) {
                struct map_spec spec = pages(2 * i, 2 * i + 1, "");

                assert_int_equal(aspace_overlay(aspace, &spec), 0);
        }
        assert_int_equal(aspace_unmap(aspace, BASE, BASE + 2 * N * PAGE, &doer), 0);
        assert_int_equal(aspace_count(aspace), 0);
        for (uint64_t i = 0; i < N; i++) {
                const struct burial *burial = aspace_burial(aspace, BASE + 2 * i * PAGE);

                assert_int_equal(burial != NULL, i >= 100);
                assert_null(aspace_burial(aspace, BASE + (2 * i + 1) * PAGE));
                if (!burial)
                        continue;
                assert_int_equal(burial->tid, 7);
                assert_int_equal(burial->map->n_refs, 1);
        }
        assert_int_equal(aspace_copy(aspace, &copy), 0);
        for (uint64_t i = 0; i < 2; i++) {
                struct map_spec spec = pages(i, i + 1, "");

                assert_int_equal(aspace_overlay(aspace, &spec), 0);
                assert_int_equal(aspace_remove(aspace, spec.start, spec.end), 0);
                assert_int_equal(aspace_burial(aspace, spec.start)->tid, 0);
        }
        assert_null(aspace_burial(aspace, BASE + 2 * 101 * PAGE)); /* and 100 */
        assert_non_null(aspace_burial(aspace, BASE + 2 * 102 * PAGE));
        assert_null(aspace_burial(copy, BASE)); /* what one process unmaps is nothing to the other */
        assert_int_equal(aspace_burial(copy, BASE + 2 * 101 * PAGE)->map->n_refs, 1);
        assert_int_equal(aspace_burial(copy, BASE + 2 * 102 * PAGE)->map->n_refs, 2);
        aspace_free(aspace);
        aspace_clear(copy);
        assert_null(aspace_burial(copy, BASE + 2 * 102 * PAGE));
        aspace_free(copy);
}

/* A copy holds its maps by references of its own, and its changes are its own. */
static void test_copy(void **state)
{
        struct map_spec a = pages(0, 4, "/a"), b = pages(4, 5, "[heap]");
        struct aspace *aspace, *copy;
        struct map *map;

        assert_int_equal(aspace_new(&aspace), 0);
        assert_int_equal(aspace_copy(aspace, &copy), 0);
        assert_int_equal(aspace_count(copy), 0);
        aspace_free(copy);
        assert_int_equal(aspace_overlay(aspace, &a), 0);
        assert_int_equal(aspace_overlay(aspace, &b), 0);
        map = aspace_at(aspace, 0);
        assert_int_equal(aspace_copy(aspace, &copy), 0);
        assert_int_equal(aspace_count(copy), 2);
        assert_ptr_equal(aspace_at(copy, 0), map);
        assert_int_equal(map->n_refs, 2);
        assert_int_equal(aspace_remove(copy, a.start, a.start + PAGE), 0);
        assert_ptr_equal(aspace_lookup(aspace, a.start), map);
        assert_null(aspace_lookup(copy, a.start));
        assert_null(aspace_burial(aspace, a.start));
        assert_ptr_equal(aspace_burial(copy, a.start)->map, map);
        aspace_free(aspace);
        assert_int_equal(map->n_refs, 1);
        aspace_free(copy);
}

/* Nothing goes where nothing was, and what takes another map's place leaves no burial. */
static void test_no_burials(void **state)
{
        struct map_spec a = pages(0, 4, "/a"), b = pages(0, 5, "/b");
        const struct burial doer = {.tid = 7};
        struct aspace *aspace;

        assert_int_equal(aspace_new(&aspace), 0);
        assert_int_equal(aspace_unmap(aspace, BASE, BASE + PAGE, &doer), 0);
        assert_int_equal(aspace_unmap(aspace, BASE, BASE + 1, &doer), -EINVAL);
        assert_int_equal(aspace_overlay(aspace, &a), 0);
        assert_int_equal(aspace_overlay(aspace, &b), 0);
        assert_null(aspace_burial(aspace, BASE));
        aspace_free(aspace);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_against_pages),
                cmocka_unit_test(test_invalid_ranges),
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_remainders_keep_image),
                cmocka_unit_test(test_remainders_keep_kind),
                cmocka_unit_test(test_growth),
                cmocka_unit_test(test_ends_of_memory),
                cmocka_unit_test(test_many_maps),
                cmocka_unit_test(test_many_burials),
                cmocka_unit_test(test_copy),
                cmocka_unit_test(test_no_burials),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
