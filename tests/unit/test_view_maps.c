/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text and the JSON of maps, byte for byte: one address space with every kind of map and gap, for a pipe, for
 * terminals of two widths, with colours, and as it is where the kernel tells little. Names are as hostile as they can
 * be.
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/escape.h"
#include "client/view_maps.h"
#include "tests/unit/golden.h"
#include "tests/unit/text_lines.h"

static const char maps[] =
        "400000-401000 r--p 00000000 fe:00 1001 /opt/program\n"
        "Rss: 4 kB\nPss: 1 kB\nShared_Clean: 4 kB\nReferenced: 4 kB\nKernelPageSize: 4 kB\nVmFlags: rd mr mw me \n"
        "401000-402000 r-xp 00001000 fe:00 1001 /opt/program\n"
        "Rss: 4 kB\nPss: 4 kB\nPrivate_Clean: 4 kB\nReferenced: 4 kB\nKernelPageSize: 4 kB\nTHPeligible: 0\n"
        "VmFlags: rd ex mr mw me \n"
        "402000-404000 rw-p 00002000 fe:00 1001 /opt/program\n"
        "Rss: 8 kB\nPss: 8 kB\nPrivate_Dirty: 8 kB\nAnonymous: 8 kB\nSwap: 4 kB\nKernelPageSize: 4 kB\n"
        "404000-406000 rw-p 00000000 00:00 0 \n"
        "406000-600000 ---p 00006000 fe:00 1001 /opt/program\n"
        "1200000-1221000 rw-p 00000000 00:00 0 [heap]\n"
        "Rss: 132 kB\nPss: 132 kB\nPrivate_Dirty: 132 kB\nAnonymous: 132 kB\nLazyFree: 12 kB\nKSM: 8 kB\n"
        "ProtectionKey: 3\n"
        "7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \n"
        "7f0000021000-7f0004000000 ---p 00000000 00:00 0 \n"
        "7f0010000000-7f0020000000 rw-p 00000000 00:0e 5 /anon_hugepage (deleted)\n"
        "Private_Hugetlb: 4096 kB\nShared_Hugetlb: 2048 kB\nKernelPageSize: 2048 kB\nMMUPageSize: 2048 kB\n"
        "7f0020000000-7f0060000000 rw-s 00000000 00:01 2050 /memfd:\x1b[31mred\\012line\xe2\x80\xae (deleted)\n"
        "Rss: 2048 kB\nPss: 1024 kB\nShared_Dirty: 2048 kB\nShmemPmdMapped: 2048 kB\n"
        "7f00b6ff0000-7f00b6ff1000 ---p 00000000 00:00 0 \n"
        "7f00b6ff1000-7f00b77f1000 rw-p 00000000 00:00 0 \n"
        "Rss: 8 kB\nPss: 8 kB\nPrivate_Dirty: 8 kB\nAnonymous: 8 kB\nLocked: 8 kB\n"
        "7f00b77f1000-7f00b77f2000 ---p 00000000 00:00 0 \n"
        "7f00b77f2000-7f00b8000000 rw-p 00000000 00:00 0 [anon:an arena]\n"
        "Rss: 4096 kB\nPss: 4096 kB\nPrivate_Dirty: 4096 kB\nAnonymous: 4096 kB\nAnonHugePages: 4096 kB\n"
        "VmFlags: rd wr mr mw me ac gu \n"
        "7f00b8000000-7f00b8200000 r-xp 00000000 fe:00 77 /usr/lib/x86_64-linux-gnu/"
        "a-rather-long-name-of-a-shared-library.so.6.0.29\n"
        "Rss: 2048 kB\nPss: 512 kB\nShared_Clean: 2048 kB\nFilePmdMapped: 2048 kB\n"
        "7f00b8300000-7f00b8302000 r-xp 00000000 00:00 0 [vdso]\n"
        "7ffd23e9e000-7ffd23ebf000 rw-p 00000000 00:00 0 [stack]\n"
        "Rss: 8 kB\nPss: 8 kB\nPrivate_Dirty: 8 kB\nAnonymous: 8 kB\nVmFlags: rd wr mr mw me gd ac \n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";

enum { TEXT_MAP = 1, DATA_MAP = 2, BSS_MAP = 3, N_MAPS_MAX = 32 };

static const struct annotated_section text_sections[] = {
        {.name = ".init", .start = 0x401000, .end = 0x401017},
        {.name = ".text", .start = 0x401040, .end = 0x401f31},
        {.name = ".a\x1b[2Jsection-with-a-very-long-name", .start = 0x401f40, .end = 0x402000},
};
static const struct annotated_section data_sections[] = {
        {.name = ".got", .start = 0x402000, .end = 0x402020, .begins_before = true},
        {.name = ".bss", .start = 0x403040, .end = 0x404000, .goes_on = true},
};
static const struct annotated_section bss_sections[] = {
        {.name = ".bss", .start = 0x404000, .end = 0x405008, .begins_before = true},
};

struct fixture {
        struct smaps smaps;
        struct annotate_image images[N_MAPS_MAX];
        struct annotate_thread threads[3];
        struct guard_range guards[2];
        struct process_pages pages;
        struct annotation annotation;
        struct maps_report report;
};

static struct annotated_row *row_of(struct fixture *f, size_t map)
{
        for (size_t i = 0; i < f->annotation.n_rows; i++)
                if (f->annotation.rows[i].map == &f->smaps.maps[map])
                        return &f->annotation.rows[i];
        fail_msg("map %zu has no row", map);
        return NULL;
}

static void set_sections(struct fixture *f, size_t map, const struct annotated_section *sections, size_t n)
{
        struct annotated_row *row = row_of(f, map);

        row->sections = sections;
        row->n_sections = n;
}

static void begin(struct fixture *f, unsigned int n_levels)
{
        static const char comm[] = "bad\n\x1b]0;title";

        *f = (struct fixture){
                .threads = {{1234, 0x7ffd23ebe000}, {1235, 0x7f00b77f0e80}, {1236, 0x7f00b77f0f00}},
                .guards = {{0x7f00b7800000, 0x7f00b7802000}, {0x7f00b7900000, 0x7f00b7901000}},
                .pages = {.knows_guards = true, .tables = {.n = {1, 2, 3, 4, 0}}},
                .report = {.pid = 1234,
                           .comm = comm,
                           .n_comm_bytes = sizeof(comm) - 1,
                           .n_levels = n_levels,
                           .has_amounts = true,
                           .knows_vm_pte = true,
                           .vm_pte_bytes = 49152,
                           .knows_min_addr = true,
                           .min_addr = 65536},
        };
        assert_int_equal(smaps_parse(maps, sizeof(maps) - 1, &f->smaps), 0);
        assert_true(f->smaps.n_maps <= N_MAPS_MAX);
        assert_int_equal(annotate(&(struct annotate_input){.smaps = &f->smaps,
                                                           .images = f->images,
                                                           .threads = f->threads,
                                                           .n_threads = 3,
                                                           .guards = f->guards,
                                                           .n_guards = 2,
                                                           .n_levels = n_levels},
                                  &f->annotation),
                         0);
        set_sections(f, TEXT_MAP, text_sections, 3);
        set_sections(f, DATA_MAP, data_sections, 2);
        set_sections(f, BSS_MAP, bss_sections, 1);
        row_of(f, BSS_MAP)->role = MAP_CONTINUES;
        row_of(f, BSS_MAP)->other = &f->smaps.maps[DATA_MAP];
        row_of(f, BSS_MAP + 1)->role = MAP_IMAGE_HOLE;
        f->report.annotation = &f->annotation;
        f->report.pages = &f->pages;
}

static void end(struct fixture *f)
{
        annotation_free(&f->annotation);
        smaps_free(&f->smaps);
}

static void put(struct fixture *f, struct text *out, uint32_t n_columns, bool color)
{
        view_maps_put_text(out, &f->report, &(struct view_maps_options){.n_columns = n_columns, .color = color});
}

static void check_text(const char *name, uint32_t n_columns, bool color, bool ascii)
{
        CLEANUP_TEXT struct text out = {.ascii = ascii};
        struct fixture f;

        begin(&f, 4);
        put(&f, &out, n_columns, color);
        assert_golden_text(&out, "%s", name);
        end(&f);
}

static void test_pipe(void **state)
{
        check_text("view_maps", 0, false, false);
}

static void test_terminals(void **state)
{
        check_text("view_maps_80", 80, false, false);
        check_text("view_maps_80_ascii", 80, false, true);
        check_text("view_maps_200", 200, true, false);
}

/* Only /proc/PID/maps, an old kernel, and five levels. */
static void test_little_is_told(void **state)
{
        CLEANUP_TEXT struct text out = {0};
        struct fixture f;

        begin(&f, 5);
        f.report.has_amounts = false;
        f.report.pages = NULL;
        f.report.n_unopened_maps = 3;
        f.report.knows_vm_pte = f.report.knows_min_addr = false;
        for (size_t i = 0; i < f.smaps.n_maps; i++) {
                struct smaps_map *map = &f.smaps.maps[i];

                map->has_amounts = false;
                map->known = 0;
                memset(map->amounts, 0, sizeof(map->amounts));
        }
        f.annotation.totals.known = 0;
        put(&f, &out, 0, false);
        view_maps_put_json(&out, &f.report);
        assert_golden_text(&out, "view_maps_little");
        end(&f);
}

static void test_json(void **state)
{
        CLEANUP_TEXT struct text out = {0};
        struct fixture f;
        size_t n_lines = 0;

        begin(&f, 4);
        view_maps_put_json(&out, &f.report);
        assert_golden_text(&out, "view_maps_json");
        for (char *line = out.data, *stop; line < out.data + out.n_bytes; line = stop + 1) {
                json_t *object;

                stop = memchr(line, '\n', (size_t)(out.data + out.n_bytes - line));
                assert_non_null(stop);
                object = json_loadb(line, (size_t)(stop - line), JSON_REJECT_DUPLICATES, NULL);
                assert_non_null(object);
                assert_true(json_is_string(json_object_get(object, "type")));
                json_decref(object);
                n_lines++;
        }
        assert_int_equal(n_lines, f.annotation.n_rows + 1);
        end(&f);
}

/* No width is exceeded (the longest item of a list needs 72 columns), and nothing reaches the terminal but what may be
 * shown. */
static void test_every_width(void **state)
{
        for (uint32_t width = 20; width <= 260; width++) {
                CLEANUP_TEXT struct text out = {0};
                struct fixture f;

                begin(&f, 4);
                put(&f, &out, width, false);
                assert_true(assert_lines_fit(&out, MAX_OF(width, 72U)) > 0);
                end(&f);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pipe), cmocka_unit_test(test_terminals),   cmocka_unit_test(test_little_is_told),
                cmocka_unit_test(test_json), cmocka_unit_test(test_every_width),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
