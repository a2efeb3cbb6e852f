/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* place_find() over maps laid out as loaders do it, against readelf's addresses moved by the bias; and over this very
 * process. */
#include "tests/unit/elf_fixture.h"

#include <inttypes.h>
#include <sys/auxv.h>

#include "daemon/engine/model/place.h"

#define N_MAPS_MAX 32

static uint64_t page_floor(uint64_t value)
{
        return value & ~(IMAGE_PAGE_BYTES - 1);
}

static uint64_t page_ceil(uint64_t value)
{
        return page_floor(value + IMAGE_PAGE_BYTES - 1);
}

/* What the kernel and the dynamic loader make of the PT_LOADs: file maps, and anonymous memory behind the last. */
static size_t lay_out(const struct image *image, uint64_t bias, bool by_lowest, struct map *maps)
{
        size_t n = 0;

        for (size_t i = 0; i < image_count_segments(image); i++) {
                const struct image_segment *segment = image_segment_at(image, i);
                uint64_t start = page_floor(segment->vaddr) + bias,
                         end = page_ceil(segment->vaddr + segment->file_bytes) + bias;
                uint64_t memory_end = page_ceil(segment->vaddr + segment->memory_bytes) + bias;
                struct map map = {.start = start,
                                  .end = end,
                                  .offset = page_floor(segment->offset),
                                  .kind = MAP_KIND_FILE,
                                  .readable = segment->readable,
                                  .writable = segment->writable,
                                  .executable = segment->executable,
                                  .image_start = start,
                                  .image_offset = page_floor(segment->offset)};

                maps[n++] = map;
                if (memory_end > end) {
                        map.start = end;
                        map.end = memory_end;
                        map.offset = 0;
                        map.kind = MAP_KIND_ANON;
                        maps[n++] = map;
                }
                assert_true(n < N_MAPS_MAX);
        }
        for (size_t i = 0; by_lowest && i < n; i++) {
                maps[i].image_start = maps[0].start;
                maps[i].image_offset = maps[0].offset;
        }
        return n;
}

static const struct map *map_of(const struct map *maps, size_t n, uint64_t addr)
{
        for (size_t i = 0; i < n; i++)
                if (addr >= maps[i].start && addr < maps[i].end)
                        return &maps[i];
        fail_msg("no map holds %#" PRIx64, addr);
        return NULL;
}

static void expect_name(const char *got, const char *want)
{
        assert_int_equal(got != NULL, want != NULL);
        if (want)
                assert_string_equal(got, want);
}

static const char *section_at(const struct fixture *fixture, uint64_t vaddr)
{
        for (int i = 1; i < fixture->n_sections; i++) {
                const struct fixture_section *section = &fixture->sections[i];

                if (section->allocated && !section->thread_local_zeros && vaddr >= section->vaddr &&
                    vaddr - section->vaddr < section->size_bytes)
                        return section->name;
        }
        return NULL;
}

static void check_symbols(const struct fixture *fixture, const struct image *image, const struct map *maps, size_t n,
                          uint64_t bias)
{
        for (size_t i = 0; i < fixture->n_symbols; i++) {
                const struct fixture_symbol *want;
                uint64_t addr;
                struct place place;

                if (!fixture_counts(fixture, &fixture->symbols[i]))
                        continue;
                want = fixture_best(fixture, &fixture->symbols[i]);
                addr = want->value + bias;
                place = place_find(map_of(maps, n, addr), image, addr);
                expect_name(place.symbol, want->name);
                expect_name(place.section, section_at(fixture, want->value));
                assert_int_equal(place.base, addr);
        }
}

/* Each answer holds up to its end, and where it ends another one begins (or the map ends). */
static void check_ranges(const struct fixture *fixture, const struct image *image, const struct map *map, uint64_t bias)
{
        struct place place, last = {0};

        for (uint64_t addr = map->start; addr < map->end; addr = place.end) {
                struct place other;

                place = place_find(map, image, addr);
                assert_true(place.end > addr && place.end <= map->end);
                expect_name(place.section, section_at(fixture, addr - bias));
                if (!place.section && !place.symbol)
                        assert_int_equal(place.base, map->start);
                if (addr > map->start)
                        assert_true(place.section != last.section || place.symbol != last.symbol ||
                                    place.base != last.base);
                other = place_find(map, image, addr + (place.end - addr) / 2);
                assert_memory_equal(&other, &place, sizeof(place));
                other = place_find(map, image, place.end - 1);
                assert_memory_equal(&other, &place, sizeof(place));
                last = place;
        }
}

static void test_layouts(void **state)
{
        static const struct {
                const char *name;
                uint64_t bias;
        } cases[] = {
                {"pie", UINT64_C(0x555555554000)},
                {"shared_pages", UINT64_C(0x7f0000000000)},
                {"fixed", 0},
                {"static", 0},
                {"library", UINT64_C(0x7ffff7fc0000)},
                {"tiny", 0},
                {"library_stripped", UINT64_C(0x7f1234000)},
                {"tiny32", 0},
                {"fixed", UINT64_C(0x10000)},
        };

        for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
                const char *name = cases[i / 2].name;
                uint64_t bias = cases[i / 2].bias;
                struct fixture *fixture CLEANUP_FREE = fixture_describe(name);
                struct image *image = fixture_image(name);
                struct map maps[N_MAPS_MAX];
                size_t n = lay_out(image, bias, i % 2, maps);

                check_symbols(fixture, image, maps, n, bias);
                for (size_t j = 0; j < n; j++)
                        check_ranges(fixture, image, &maps[j], bias);
                (void)image_free(image);
        }
}

static void test_zeroed_memory_behind_the_file(void **state)
{
        const uint64_t bias = UINT64_C(0x555555554000);
        struct fixture *fixture CLEANUP_FREE = fixture_describe("pie");
        struct image *image = fixture_image("pie");
        const struct fixture_section *bss = fixture_section(fixture, ".bss");
        uint64_t addr = fixture_symbol(fixture, "sample_zeroed")->value + bias;
        struct map maps[N_MAPS_MAX], heap;
        size_t n = lay_out(image, bias, false, maps);
        const struct map *map = map_of(maps, n, addr + (4 << 20) - 1);
        struct place place = place_find(map, image, addr + (4 << 20) - 1);

        assert_int_equal(map->kind, MAP_KIND_ANON);
        expect_name(place.section, ".bss");
        expect_name(place.symbol, "sample_zeroed");
        assert_int_equal(place.base, addr);
        assert_int_equal(place.end, addr + (4 << 20));

        /* The kernel merges what is mapped right behind it, which is the image's no more. */
        heap = *map;
        heap.end += 16 * IMAGE_PAGE_BYTES;
        place = place_find(&heap, image, map->end + 8);
        expect_name(place.section, NULL);
        expect_name(place.symbol, NULL);
        assert_int_equal(place.base, heap.start);
        assert_int_equal(place.end, heap.end);
        assert_true(bss->vaddr + bss->size_bytes + bias <= map->end);
        (void)image_free(image);
}

/* The page of relocated data, as the loader leaves it. */
static struct map relro_of(const struct fixture *fixture, const struct map *maps, size_t n, uint64_t bias)
{
        struct map relro = *map_of(maps, n, fixture_symbol(fixture, "_DYNAMIC")->value + bias);

        relro.writable = false;
        relro.end = relro.start + IMAGE_PAGE_BYTES;
        return relro;
}

/*
 * After relocation part of a writable segment is read-only and looks like the read-only segment beside it. What tells
 * them apart: the image's lowest map, or addresses that are absolute.
 */
static void test_relro(void **state)
{
        static const struct {
                const char *name;
                uint64_t bias;
                bool by_lowest;
        } cases[] = {{"pie", UINT64_C(0x555555554000), true}, {"fixed", 0, true}, {"fixed", 0, false}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct fixture *fixture CLEANUP_FREE = fixture_describe(cases[i].name);
                struct image *image = fixture_image(cases[i].name);
                uint64_t addr = fixture_symbol(fixture, "_DYNAMIC")->value + cases[i].bias;
                struct map maps[N_MAPS_MAX], relro;
                size_t n = lay_out(image, cases[i].bias, cases[i].by_lowest, maps);
                struct place place;

                relro = relro_of(fixture, maps, n, cases[i].bias);
                place = place_find(&relro, image, addr);
                expect_name(place.symbol, "_DYNAMIC");
                assert_int_equal(place.base, addr);
                (void)image_free(image);
        }
}

/* mprotect(2) took permissions away: the map is still a part of the one segment that had them all. */
static void test_fewer_permissions(void **state)
{
        const uint64_t bias = UINT64_C(0x555555554000);
        struct fixture *fixture CLEANUP_FREE = fixture_describe("pie");
        struct image *image = fixture_image("pie");
        uint64_t addr = fixture_symbol(fixture, "sample_relocated")->value + bias;
        struct map maps[N_MAPS_MAX], map;
        size_t n = lay_out(image, bias, false, maps);

        map = *map_of(maps, n, addr);
        map.end = map.start + IMAGE_PAGE_BYTES;
        map.readable = false;
        expect_name(place_find(&map, image, addr).symbol, "sample_relocated");
        (void)image_free(image);
}

/* Other pages of the file mapped over those of the image: each byte is what the file holds there. */
static void test_other_bytes_mapped_over(void **state)
{
        struct fixture *fixture CLEANUP_FREE = fixture_describe("static");
        struct image *image = fixture_image("static");
        struct map maps[N_MAPS_MAX], map;
        size_t n = lay_out(image, 0, true, maps);
        struct place place, want;

        map = *map_of(maps, n, fixture_symbol(fixture, "sample_global")->value);
        assert_true(map.end - map.start > 2 * IMAGE_PAGE_BYTES);
        want = place_find(&map, image, map.start + IMAGE_PAGE_BYTES + 8);
        map.offset += IMAGE_PAGE_BYTES;
        map.end -= IMAGE_PAGE_BYTES;
        place = place_find(&map, image, map.start + 8);
        expect_name(place.symbol, want.symbol);
        expect_name(place.section, want.section);
        assert_int_equal(place.base, want.base - IMAGE_PAGE_BYTES);
        (void)image_free(image);
}

/* cp(1) or a debugger maps all of a file at one place: each byte is what it is in the file. */
static void test_file_mapped_to_be_read(void **state)
{
        struct fixture *fixture CLEANUP_FREE = fixture_describe("pie");
        struct image *image = fixture_image("pie");
        struct map map = {.start = 0x7f0000000000,
                          .end = 0x7f0000006000,
                          .kind = MAP_KIND_FILE,
                          .readable = true,
                          .image_start = 0x7f0000000000};
        const struct image_segment *last = image_segment_at(image, image_count_segments(image) - 1);
        const struct fixture_symbol *symbol = fixture_symbol(fixture, "sample_initialised");
        uint64_t addr = map.start + last->offset + (symbol->value - last->vaddr);
        struct place place = place_find(&map, image, addr + 8);

        expect_name(place.symbol, "sample_initialised");
        expect_name(place.section, ".data");
        assert_int_equal(place.base, addr);
        addr = map.start + last->offset + last->file_bytes; /* .comment, .symtab: not part of the loaded image */
        place = place_find(&map, image, addr);
        expect_name(place.symbol, NULL);
        expect_name(place.section, NULL);
        assert_int_equal(place.base, map.start);
        for (addr = map.start; addr < map.end; addr = place.end) {
                struct place other;

                place = place_find(&map, image, addr);
                assert_true(place.end > addr && place.end <= map.end);
                other = place_find(&map, image, place.end - 1);
                assert_memory_equal(&other, &place, sizeof(place));
        }
        (void)image_free(image);
}

static void test_without_image(void **state)
{
        const struct map map = {.start = 0x1000, .end = 0x5000, .kind = MAP_KIND_ANON};
        struct place place = place_find(&map, NULL, 0x2345);

        assert_null(place.section);
        assert_null(place.symbol);
        assert_int_equal(place.base, 0x1000);
        assert_int_equal(place.end, 0x5000);
        place = place_find(&map, NULL, 0x9000); /* not in the map at all */
        assert_int_equal(place.end, 0x9001);
}

char place_zeroed[1 << 20];
int place_initialised = 42;
const int place_constant = 43;

static size_t own_maps(struct map *maps, size_t n_max)
{
        char line[4096], perms[8], path[2048], exe[2048];
        FILE *file = fopen("/proc/self/maps", "re");
        ssize_t n_exe = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
        size_t n = 0;

        assert_non_null(file);
        assert_true(n_exe > 0);
        exe[n_exe] = '\0';
        while (n < n_max && fgets(line, sizeof(line), file)) {
                struct map *map = &maps[n];
                uint64_t start, end, offset;

                path[0] = '\0';
                if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %*s %2047[^\n]", &start, &end, perms,
                           &offset, path) < 4)
                        continue;
                if (strcmp(path, exe) != 0 && (n == 0 || path[0] != '\0' || maps[n - 1].end != start))
                        continue;
                *map = (struct map){.start = start,
                                    .end = end,
                                    .offset = offset,
                                    .kind = path[0] ? MAP_KIND_FILE : MAP_KIND_ANON,
                                    .readable = perms[0] == 'r',
                                    .writable = perms[1] == 'w',
                                    .executable = perms[2] == 'x',
                                    .image_start = n ? maps[0].image_start : start,
                                    .image_offset = n ? maps[0].image_offset : offset};
                n++;
        }
        (void)fclose(file);
        return n;
}

/* What the real loader did with this program. */
static void test_this_process(void **state)
{
        const struct {
                const char *symbol;
                uint64_t addr;
        } cases[] = {
                {"place_zeroed", (uintptr_t)place_zeroed},
                {"place_initialised", (uintptr_t)&place_initialised},
                {"place_constant", (uintptr_t)&place_constant},
                {"place_find", (uintptr_t)place_find},
        };
        int fd CLEANUP_CLOSE = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        struct image *image = NULL;
        struct map maps[N_MAPS_MAX];
        size_t n = own_maps(maps, N_MAPS_MAX);

        assert_int_equal(image_load(fd, &image), 0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct place place;

                place = place_find(map_of(maps, n, cases[i].addr), image, cases[i].addr);
                expect_name(place.symbol, cases[i].symbol);
                assert_int_equal(place.base, cases[i].addr);
        }
        (void)image_free(image);
}

static void test_vdso(void **state)
{
        const uint64_t start = getauxval(AT_SYSINFO_EHDR);
        struct map map = {.start = start,
                          .end = start + 2 * IMAGE_PAGE_BYTES,
                          .kind = MAP_KIND_SPECIAL,
                          .readable = true,
                          .executable = true,
                          .image_start = start};
        struct image *image = NULL;
        struct symbol symbol;
        struct place place;
        uint64_t vaddr = 0;

        if (start == 0) {
                print_message("this kernel gives no vDSO: nothing to look at\n");
                skip();
        }
        assert_int_equal(image_load_memory((const void *)start, IMAGE_PAGE_BYTES, &image), 0);
        while (vaddr != UINT64_MAX && !image_symbol(image, vaddr, &symbol))
                vaddr = image_until(image, vaddr);
        assert_true(vaddr < 2 * IMAGE_PAGE_BYTES);
        place = place_find(&map, image, start + vaddr);
        expect_name(place.symbol, symbol.name);
        assert_int_equal(place.base, start + symbol.value);
        (void)image_free(image);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_layouts),
                cmocka_unit_test(test_zeroed_memory_behind_the_file),
                cmocka_unit_test(test_relro),
                cmocka_unit_test(test_fewer_permissions),
                cmocka_unit_test(test_other_bytes_mapped_over),
                cmocka_unit_test(test_file_mapped_to_be_read),
                cmocka_unit_test(test_without_image),
                cmocka_unit_test(test_this_process),
                cmocka_unit_test(test_vdso),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
