/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The annotated address space: images laid out as the kernel would, whose sections must come out as readelf has them;
 * small address spaces written down by hand, for the names of maps and gaps; and the tables, against a slow count.
 */
#include <inttypes.h>

#include "client/proc/annotate.h"
#include "client/proc/load_bias.h"
#include "client/text.h"
#include "tests/unit/elf_fixture.h"

#define PAGE UINT64_C(4096)
#define INODE 4711

static uint64_t page_floor(uint64_t value)
{
        return value & ~(PAGE - 1);
}

static uint64_t page_ceil(uint64_t value)
{
        return page_floor(value + PAGE - 1);
}

static void parse(struct text *text, struct smaps *ret)
{
        assert_false(text->failed);
        assert_int_equal(smaps_parse(text->data ? text->data : "", text->n_bytes, ret), 0);
}

/* --- images --- */

static void put_file_map(struct text *text, uint64_t start, uint64_t end, uint64_t offset, const char *perms)
{
        if (start < end)
                text_printf(text, "%" PRIx64 "-%" PRIx64 " %s %" PRIx64 " fe:00 %d /image\n", start, end, perms, offset,
                            INODE);
}

/* The first page of writable memory became read-only behind the relocations, as RELRO has it. */
static void lay_out_segment(struct text *text, const struct image_segment *segment, uint64_t bias)
{
        uint64_t first = page_floor(segment->vaddr) + bias;
        uint64_t file_end = page_ceil(segment->vaddr + segment->file_bytes) + bias;
        uint64_t end = page_ceil(segment->vaddr + segment->memory_bytes) + bias;
        uint64_t offset = page_floor(segment->offset);
        char perms[5] = "r--p";

        perms[1] = segment->writable ? 'w' : '-';
        perms[2] = segment->executable ? 'x' : '-';
        if (segment->writable && first + PAGE < file_end) {
                put_file_map(text, first, first + PAGE, offset, "r--p");
                put_file_map(text, first + PAGE, file_end, offset + PAGE, perms);
        } else {
                put_file_map(text, first, file_end, offset, perms);
        }
        if (end > file_end)
                text_printf(text, "%" PRIx64 "-%" PRIx64 " rw-p 0 0:0 0\n", file_end, end);
}

static void lay_out(struct text *text, const struct image *image, uint64_t bias)
{
        for (size_t i = 0; i < image_count_segments(image); i++)
                lay_out_segment(text, image_segment_at(image, i), bias);
}

/* Every map finds the image, at this bias. */
static struct annotate_image *find_all(const struct image *image, const struct smaps *smaps, uint64_t bias)
{
        struct annotate_image *images = calloc(smaps->n_maps, sizeof(*images));

        assert_non_null(images);
        for (size_t i = 0; i < smaps->n_maps; i++) {
                assert_true(load_bias(image, smaps, &smaps->maps[i], &images[i].bias));
                assert_int_equal(images[i].bias, bias);
                images[i].image = image;
        }
        return images;
}

/* Of all rows: this section, in parts that continue each other. */
static void assert_section(const struct annotation *annotation, const struct fixture_section *want, uint64_t bias)
{
        uint64_t at = want->vaddr + bias, end = at + want->size_bytes;

        for (size_t i = 0; i < annotation->n_rows; i++) {
                const struct annotated_row *row = &annotation->rows[i];

                for (size_t j = 0; j < row->n_sections; j++) {
                        const struct annotated_section *section = &row->sections[j];

                        if (strcmp(section->name, want->name) != 0)
                                continue;
                        assert_int_equal(section->start, at);
                        assert_true(section->end > at && section->end <= end);
                        assert_true(section->start >= row->start && section->end <= row->end);
                        assert_int_equal(section->begins_before, at > want->vaddr + bias);
                        assert_int_equal(section->goes_on, section->end < end);
                        at = section->end;
                }
        }
        assert_int_equal(at, end);
}

static size_t count_parts(const struct annotation *annotation)
{
        size_t n = 0;

        for (size_t i = 0; i < annotation->n_rows; i++)
                for (size_t j = 0; j < annotation->rows[i].n_sections; j++)
                        n += !annotation->rows[i].sections[j].begins_before;
        return n;
}

static void check_image(const char *name, uint64_t bias)
{
        struct image *image = fixture_image(name);
        struct fixture *fixture = fixture_describe(name);
        CLEANUP_TEXT struct text text = {0};
        struct annotate_input input = {.n_levels = 4};
        struct annotate_image *images;
        struct annotation annotation;
        struct smaps smaps;
        size_t n_sections = 0;

        lay_out(&text, image, bias);
        parse(&text, &smaps);
        images = find_all(image, &smaps, bias);
        input.smaps = &smaps;
        input.images = images;
        assert_int_equal(annotate(&input, &annotation), 0);
        for (int i = 1; i < fixture->n_sections; i++) {
                const struct fixture_section *section = &fixture->sections[i];

                if (!section->allocated || section->thread_local_zeros || section->size_bytes == 0)
                        continue;
                assert_section(&annotation, section, bias);
                n_sections++;
        }
        assert_true(n_sections > 0);
        assert_int_equal(count_parts(&annotation), n_sections);
        annotation_free(&annotation);
        smaps_free(&smaps);
        free(images);
        free(fixture);
        image = image_free(image);
}

static void test_sections(void **state)
{
        check_image("pie", UINT64_C(0x55f1a6533000));
        check_image("shared_pages", UINT64_C(0x55f1a6533000));
        check_image("library", UINT64_C(0x7fe2e2d55000));
        check_image("library_sysv", UINT64_C(0x7fe2e2d55000));
        check_image("static", 0);
        check_image("fixed", 0);
        check_image("tiny", 0);
}

static void check_bss(const char *perms)
{
        struct image *image = fixture_image("static");
        size_t last = image_count_segments(image) - 1;
        const struct image_segment *segment = image_segment_at(image, last);
        uint64_t bss = page_ceil(segment->vaddr + segment->file_bytes);
        uint64_t end = page_ceil(segment->vaddr + segment->memory_bytes), bias;
        CLEANUP_TEXT struct text text = {0};
        struct annotate_image images[4] = {0};
        struct annotation annotation;
        struct smaps smaps;

        assert_true(end > bss); /* or it is the wrong image for this test */
        put_file_map(&text, page_floor(segment->vaddr), bss, page_floor(segment->offset), perms);
        text_printf(&text, "%" PRIx64 "-%" PRIx64 " %s 0 0:0 0\n", bss, end, perms);
        text_printf(&text, "%" PRIx64 "-%" PRIx64 " r--p 0 0:0 0\n", end, end + PAGE);
        text_printf(&text, "%" PRIx64 "-%" PRIx64 " rw-p 0 0:0 0\n", end + 2 * PAGE, end + 3 * PAGE);
        parse(&text, &smaps);
        assert_ptr_equal(load_file_map(&smaps, &smaps.maps[2]), &smaps.maps[0]);
        assert_null(load_file_map(&smaps, &smaps.maps[3]));
        for (size_t i = 0; i < 4; i++)
                images[i].image = load_bias(image, &smaps, &smaps.maps[i], &images[i].bias) ? image : NULL;
        assert_non_null(images[1].image);
        assert_null(images[2].image);
        assert_false(load_bias(image, &smaps, &smaps.maps[3], &bias));
        assert_int_equal(
                annotate(&(struct annotate_input){.smaps = &smaps, .images = images, .n_levels = 4}, &annotation), 0);
        /* rows: gap, file, bss, map, gap, map, ... */
        assert_int_equal(annotation.rows[2].role, MAP_CONTINUES);
        assert_ptr_equal(annotation.rows[2].other, &smaps.maps[0]);
        assert_string_equal(annotation.rows[2].sections[0].name, ".bss");
        assert_true(annotation.rows[2].sections[0].begins_before);
        assert_int_equal(annotation.rows[3].role, MAP_PLAIN);
        annotation_free(&annotation);
        smaps_free(&smaps);
        image = image_free(image);
}

/* The anonymous memory behind an image is part of it as far as the image reaches, and no further. */
static void test_bss(void **state)
{
        check_bss("rw-p");
        check_bss("rwxp"); /* READ_IMPLIES_EXEC */
}

/* A chain of maps is followed so far and no further: it may be all that a process has. */
static void test_long_chain(void **state)
{
        CLEANUP_TEXT struct text text = {0};
        struct smaps smaps;

        put_file_map(&text, 0x10000, 0x11000, 0, "rw-p");
        for (uint64_t at = 0x11000; at < 0x11000 + 257 * PAGE; at += PAGE)
                text_printf(&text, "%" PRIx64 "-%" PRIx64 " %s 0 0:0 0\n", at, at + PAGE, at & PAGE ? "rw-p" : "r--p");
        parse(&text, &smaps);
        assert_ptr_equal(load_file_map(&smaps, &smaps.maps[256]), &smaps.maps[0]);
        assert_null(load_file_map(&smaps, &smaps.maps[257]));
        smaps_free(&smaps);
}

/* The addresses between two segments that the loader has closed. */
static void test_between_segments(void **state)
{
        struct image *image = fixture_image("pie");
        CLEANUP_TEXT struct text text = {0};
        struct annotate_image images[2] = {{.image = image, .bias = 0x10000}};
        struct annotation annotation;
        struct smaps smaps;

        put_file_map(&text, 0x10000, 0x11000, 0, "r--p");
        put_file_map(&text, 0x11000, 0x200000, 0x1000, "---p");
        parse(&text, &smaps);
        assert_int_equal(
                annotate(&(struct annotate_input){.smaps = &smaps, .images = images, .n_levels = 4}, &annotation), 0);
        assert_int_equal(annotation.rows[1].role, MAP_PLAIN);
        assert_int_equal(annotation.rows[2].role, MAP_IMAGE_HOLE);
        annotation_free(&annotation);
        smaps_free(&smaps);
        image = image_free(image);
}

/* A file that was mapped whole to be read shows the segments whose bytes are where their addresses say. */
static void test_mapped_to_be_read(void **state)
{
        struct image *image = fixture_image("shared_pages");
        struct fixture *fixture = fixture_describe("shared_pages");
        CLEANUP_TEXT struct text text = {0};
        struct annotate_image found = {.image = image};
        struct annotation annotation;
        struct smaps smaps;
        const struct annotated_row *row;
        size_t n_checked = 0;

        put_file_map(&text, 0x70000000, 0x70010000, 0, "r--p");
        parse(&text, &smaps);
        assert_true(load_bias(image, &smaps, &smaps.maps[0], &found.bias));
        assert_int_equal(
                annotate(&(struct annotate_input){.smaps = &smaps, .images = &found, .n_levels = 4}, &annotation), 0);
        row = &annotation.rows[1];
        assert_ptr_equal(row->map, &smaps.maps[0]);
        for (size_t i = 0; i < row->n_sections; i++) {
                const struct fixture_section *want = fixture_section(fixture, row->sections[i].name);

                assert_int_equal(row->sections[i].start, 0x70000000 + want->vaddr);
                n_checked++;
        }
        assert_true(n_checked > 0);
        for (size_t i = 0; i < row->n_sections; i++) /* what the linker moved by a page is elsewhere in the file */
                assert_string_not_equal(row->sections[i].name, ".data");
        annotation_free(&annotation);
        smaps_free(&smaps);
        free(fixture);
        image = image_free(image);
}

/* --- names --- */

struct space { /* a small address space */
        struct text text;
        struct smaps smaps;
        struct annotate_image images[16];
        struct annotation annotation;
};

static void annotate_space(struct space *space, const char *maps, struct annotate_input input)
{
        *space = (struct space){0};
        text_put_string(&space->text, maps);
        parse(&space->text, &space->smaps);
        assert_true(space->smaps.n_maps <= ARRAY_SIZE(space->images));
        input.smaps = &space->smaps;
        input.images = space->images;
        if (input.n_levels == 0)
                input.n_levels = 4;
        assert_int_equal(annotate(&input, &space->annotation), 0);
}

static void free_space(struct space *space)
{
        annotation_free(&space->annotation);
        smaps_free(&space->smaps);
        text_free(&space->text);
}

static void assert_gap(const struct annotated_row *row, uint64_t start, uint64_t end, unsigned int names)
{
        assert_null(row->map);
        assert_int_equal(row->start, start);
        assert_int_equal(row->end, end);
        assert_int_equal(row->gap, names);
}

static void test_gaps(void **state)
{
        struct space space;
        const struct annotated_row *rows;

        annotate_space(&space,
                       "10000-20000 r--p 0 0:0 0\n"
                       "20000-30000 rw-p 0 0:0 0 [heap]\n"
                       "50000-60000 rw-p 0 0:0 0\n"
                       "70000-80000 rw-p 0 0:0 0 [stack]\n"
                       "ffffffffff600000-ffffffffff601000 --xp 0 0:0 0 [vsyscall]\n",
                       (struct annotate_input){0});
        rows = space.annotation.rows;
        assert_int_equal(space.annotation.n_rows, 11);
        assert_gap(&rows[0], 0, 0x10000, GAP_NULL);
        assert_gap(&rows[3], 0x30000, 0x50000, GAP_ABOVE_HEAP);
        assert_gap(&rows[5], 0x60000, 0x70000, GAP_BELOW_STACK);
        assert_gap(&rows[7], 0x80000, UINT64_C(1) << 47, GAP_TOP);
        assert_gap(&rows[8], UINT64_C(1) << 47, -(UINT64_C(1) << 47), GAP_NON_CANONICAL);
        assert_gap(&rows[9], -(UINT64_C(1) << 47), UINT64_C(0xffffffffff600000), GAP_KERNEL);
        assert_ptr_equal(rows[10].map, &space.smaps.maps[4]);
        assert_int_equal(space.annotation.totals.n_gaps, 6);
        assert_int_equal(space.annotation.totals.n_maps, 5);
        assert_int_equal(space.annotation.totals.mapped_bytes, 0x41000);
        free_space(&space);
}

static void test_few_gaps(void **state)
{
        struct space space;
        const struct annotated_row *rows;

        annotate_space(&space,
                       "0-20000 rw-p 0 0:0 0 [heap]\n"
                       "70000-ffffffffffffff rw-p 0 0:0 0 [stack]\n",
                       (struct annotate_input){.n_levels = 5});
        rows = space.annotation.rows;
        assert_int_equal(space.annotation.n_rows, 5);
        assert_gap(&rows[1], 0x20000, 0x70000, GAP_ABOVE_HEAP | GAP_BELOW_STACK);
        assert_gap(&rows[3], (UINT64_C(1) << 56) - 1, UINT64_C(1) << 56, GAP_TOP);
        assert_gap(&rows[4], UINT64_C(1) << 56, -(UINT64_C(1) << 56), GAP_NON_CANONICAL);
        free_space(&space);
}

static void assert_role(const struct space *space, size_t map, enum map_role role)
{
        for (size_t i = 0; i < space->annotation.n_rows; i++)
                if (space->annotation.rows[i].map == &space->smaps.maps[map])
                        assert_int_equal(space->annotation.rows[i].role, role);
}

static const struct annotated_row *row_of(const struct space *space, size_t map)
{
        for (size_t i = 0; i < space->annotation.n_rows; i++)
                if (space->annotation.rows[i].map == &space->smaps.maps[map])
                        return &space->annotation.rows[i];
        fail_msg("map %zu has no row", map);
        return NULL;
}

static void test_guards(void **state)
{
        struct guard_range guards[] = {{0x100000, 0x102000}, {0x105000, 0x106000}, {0x200000, 0x201000}};
        struct space space;

        annotate_space(&space,
                       "10000-11000 ---p 0 0:0 0\n"            /* 0: a guard */
                       "11000-20000 rw-p 0 0:0 0\n"            /* 1 */
                       "20000-21000 ---p 0 0:0 0\n"            /* 2: nothing writable above */
                       "21000-30000 r--p 0 0:0 0\n"            /* 3 */
                       "30000-31000 ---p 0 0:0 0\n"            /* 4: a gap above */
                       "32000-33000 rw-p 0 0:0 0\n"            /* 5 */
                       "40000-41000 ---p 0 fe:00 7 /a\n"       /* 6: of a file that is no image */
                       "41000-42000 rw-p 0 0:0 0\n"            /* 7 */
                       "100000-110000 rw-p 0 0:0 0\n"          /* 8: with regions */
                       "110000-201000 rw-s 0 0:1 9 /memfd:x\n" /* 9: with one */
                       "8000000-8021000 rw-p 0 0:0 0\n"        /* 10: an arena of malloc */
                       "8021000-c000000 ---p 0 0:0 0\n"        /* 11: what it keeps free */
                       "c000000-c001000 rw-p 0 0:0 0\n",       /* 12 */
                       (struct annotate_input){.guards = guards, .n_guards = ARRAY_SIZE(guards)});
        assert_role(&space, 0, MAP_GUARD);
        assert_ptr_equal(row_of(&space, 0)->other, &space.smaps.maps[1]);
        assert_role(&space, 1, MAP_PLAIN);
        assert_role(&space, 2, MAP_RESERVED);
        assert_role(&space, 4, MAP_RESERVED);
        assert_role(&space, 6, MAP_PLAIN);
        assert_role(&space, 8, MAP_PLAIN);
        assert_role(&space, 11, MAP_RESERVED);
        assert_int_equal(row_of(&space, 8)->n_guards, 2);
        assert_ptr_equal(row_of(&space, 8)->guards, &guards[0]);
        assert_int_equal(row_of(&space, 9)->n_guards, 1);
        assert_ptr_equal(row_of(&space, 9)->guards, &guards[2]);
        assert_int_equal(row_of(&space, 10)->n_guards, 0);
        assert_int_equal(space.annotation.totals.n_guards, 4);
        assert_int_equal(space.annotation.totals.guard_bytes, 5 * PAGE);
        free_space(&space);
}

static void test_threads(void **state)
{
        struct annotate_thread threads[] = {{13, 0x2fff0}, {12, 0x15000}, {11, 0x15000}, {10, 0x71000}, {9, 0x500000}};
        struct space space;

        annotate_space(&space,
                       "10000-11000 ---p 0 0:0 0\n"
                       "11000-20000 rw-p 0 0:0 0\n"
                       "20000-30000 rw-p 0 0:0 0 [anon:stacks]\n"
                       "70000-80000 rw-p 0 0:0 0 [stack]\n",
                       (struct annotate_input){.threads = threads, .n_threads = ARRAY_SIZE(threads)});
        assert_role(&space, 0, MAP_GUARD);
        assert_role(&space, 1, MAP_THREAD_STACK);
        assert_int_equal(row_of(&space, 1)->n_threads, 2);
        assert_int_equal(row_of(&space, 1)->threads[0].tid, 11);
        assert_int_equal(row_of(&space, 1)->threads[1].tid, 12);
        assert_role(&space, 2, MAP_THREAD_STACK);
        assert_int_equal(row_of(&space, 2)->threads[0].tid, 13);
        assert_role(&space, 3, MAP_PLAIN);
        assert_int_equal(row_of(&space, 3)->threads[0].tid, 10);
        free_space(&space);
}

/* What was told of one map only is no sum of all. */
static void test_totals(void **state)
{
        struct space space;
        const struct annotated_totals *totals = &space.annotation.totals;

        annotate_space(&space,
                       "10000-20000 rw-p 0 0:0 0\nRss: 4 kB\nSwap: 8 kB\nAnonHugePages: 4096 kB\n"
                       "30000-40000 rw-p 0 0:0 0\nRss: 12 kB\nAnonHugePages: 2048 kB\n",
                       (struct annotate_input){0});
        assert_int_equal(totals->amounts[SMAPS_RSS], 16384);
        assert_int_equal(totals->known, 1U << SMAPS_RSS | 1U << SMAPS_ANON_HUGE);
        assert_int_equal(totals->n_deposited, 3);
        free_space(&space);
}

/* --- page tables --- */

static void test_tables_by_hand(void **state)
{
        struct table_count count = {0};

        table_count_add(&count, 4, 0x401000, 0x402000, PAGE);
        table_count_add(&count, 4, 0x5fe000, 0x601000, PAGE);                          /* over a border of 2 MiB */
        table_count_add(&count, 4, 0x7f0000000000, 0x7f0000400000, 2 << 20);           /* two huge pages */
        table_count_add(&count, 4, 0x7f0040000000, 0x7f0080000000, UINT64_C(1) << 30); /* one of 1 GiB */
        assert_int_equal(count.n[0], 1);
        assert_int_equal(count.n[1], 2);
        assert_int_equal(count.n[2], 2);
        assert_int_equal(count.n[3], 2);
}

static void test_empty_ranges(void **state)
{
        struct table_count count = {0};

        table_count_add(&count, 4, 0x1000, 0x1000, PAGE);
        for (unsigned int i = 0; i < N_LEVELS_MAX; i++)
                assert_int_equal(count.n[i], 0);
}

/* Page by page, with a list of the tables of each level. */
static uint64_t count_slowly(const uint64_t *pages, size_t n_pages, unsigned int shift)
{
        uint64_t n = 0;

        for (size_t i = 0; i < n_pages; i++) {
                bool is_new = true;

                for (size_t j = 0; j < i && is_new; j++)
                        is_new = pages[j] >> shift != pages[i] >> shift;
                n += is_new;
        }
        return n;
}

static void test_tables_against_slow_count(void **state)
{
        uint64_t random = 42;

        for (unsigned int round = 0; round < 50; round++) {
                unsigned int n_levels = 4 + round % 2;
                struct table_count count = {0};
                uint64_t pages[400], at = 0;
                size_t n_pages = 0;

                while (n_pages + 10 < ARRAY_SIZE(pages)) {
                        uint64_t length;

                        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
                        at += (random >> 40 & 7) << (random >> 50) % 36 / 9 * 9; /* of pages; small and large steps */
                        length = 1 + (random >> 60) % 9;
                        for (uint64_t i = 0; i < length; i++)
                                pages[n_pages++] = (at + i) * PAGE;
                        table_count_add(&count, n_levels, at * PAGE, (at + length) * PAGE, PAGE);
                        at += length;
                }
                for (unsigned int i = 0; i < n_levels; i++)
                        assert_int_equal(count.n[i], count_slowly(pages, n_pages, 12 + 9 * (n_levels - i)));
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sections),
                cmocka_unit_test(test_bss),
                cmocka_unit_test(test_long_chain),
                cmocka_unit_test(test_between_segments),
                cmocka_unit_test(test_mapped_to_be_read),
                cmocka_unit_test(test_gaps),
                cmocka_unit_test(test_few_gaps),
                cmocka_unit_test(test_guards),
                cmocka_unit_test(test_threads),
                cmocka_unit_test(test_totals),
                cmocka_unit_test(test_tables_by_hand),
                cmocka_unit_test(test_empty_ranges),
                cmocka_unit_test(test_tables_against_slow_count),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
