/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The picture of an address space: golden screens of a process like those that one looks at, at several sizes; where
 * the cursor goes; and what must hold whatever is handed in and whatever is pressed, namely that nothing is drawn
 * outside the rows that were given.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/top/space.h"
#include "proto/base.h"
#include "tests/unit/golden.h"

#define PAGE UINT64_C(4096)
#define NOW (UINT64_C(1000) * NSEC_PER_SEC)
#define MS NSEC_PER_MSEC

/* --- a process --- */

struct sample_map {
        uint64_t start, end;
        const char *perms;
        uint64_t offset;
        const char *path;
        uint64_t rss_kb, anonymous_kb, swap_kb;
};

static const char python[] = "/usr/bin/python3.11", libc[] = "/usr/lib/x86_64-linux-gnu/libc.so.6";

static const struct sample_map sample[] = {
        {0x400000, 0x420000, "r--p", 0, python, 128, 0, 0},
        {0x420000, 0x6f0000, "r-xp", 0x20000, python, 1900, 0, 0},
        {0x6f0000, 0x968000, "r--p", 0x2f0000, python, 1100, 0, 0},
        {0x968000, 0x969000, "r--p", 0x567000, python, 4, 4, 0},
        {0x969000, 0xad0000, "rw-p", 0x568000, python, 1000, 700, 0},
        {0xad0000, 0xb16000, "rw-p", 0, "", 200, 200, 0},
        {0x1c35000, 0x2035000, "rw-p", 0, "[heap]", 3000, 3000, 512},
        {0x7f3a00000000, 0x7f3b00000000, "rw-p", 0, "", 40960, 40960, 0},
        {0x7f3b80000000, 0x7f3b80021000, "rw-p", 0, "", 8, 8, 0},
        {0x7f3b80021000, 0x7f3b84000000, "---p", 0, "", 0, 0, 0},
        {0x7f3b91a00000, 0x7f3b91a28000, "r--p", 0, libc, 160, 0, 0},
        {0x7f3b91a28000, 0x7f3b91bb0000, "r-xp", 0x28000, libc, 1200, 0, 0},
        {0x7f3b91bb0000, 0x7f3b91c00000, "r--p", 0x1b0000, libc, 64, 0, 0},
        {0x7f3b91c00000, 0x7f3b91c06000, "rw-p", 0x1ff000, libc, 24, 24, 0},
        {0x7f3b91c06000, 0x7f3b91c13000, "rw-p", 0, "", 20, 20, 0},
        {0x7f3b91d00000, 0x7f3b91d01000, "rw-s", 0, "/dev/shm/\x1b[31mred\xe2\x80\xaeno", 4, 0, 0},
        {0x7ffd5a9e0000, 0x7ffd5aa01000, "rw-p", 0, "[stack]", 40, 40, 0},
        {0x7ffd5ab80000, 0x7ffd5ab84000, "r--p", 0, "[vvar]", 0, 0, 0},
        {0x7ffd5ab84000, 0x7ffd5ab86000, "r-xp", 0, "[vdso]", 8, 0, 0},
        {0xffffffffff600000, 0xffffffffff601000, "--xp", 0, "[vsyscall]", 0, 0, 0},
};

static const struct space_mark marks[] = {
        {0x420000, 0x420020, ".init"},
        {0x420020, 0x6e8000, ".text"},
        {0x6f0000, 0x8f0000, ".rodata"},
        {0x8f0000, 0x960000, ".eh_frame"},
        {0x968000, 0x968f00, ".got"},
        {0x969000, 0xacf000, ".data"},
        {0xacf000, 0xb15ff0, ".bss"},
        {0x7f3b91a00300, 0x7f3b91a10000, ".dynsym"},
        {0x7f3b91a10000, 0x7f3b91a20000, ".dynstr"},
        {0x7f3b91a28000, 0x7f3b91a28500, ".plt"},
        {0x7f3b91a28500, 0x7f3b91baf000, ".text"},
        {0x7f3b91bb0000, 0x7f3b91be0000, ".rodata"},
        {0x7f3b91be0000, 0x7f3b91bff000, ".eh_frame"},
        {0x7f3b91c00000, 0x7f3b91c04000, ".data.rel.ro"},
        {0x7f3b91c04000, 0x7f3b91c05f00, ".data"},
        {0x7f3b91c05f00, 0x7f3b91c13000, ".bss"},
};

static struct smaps smaps_of(const struct sample_map *from, size_t n_maps)
{
        struct smaps smaps = {.n_maps = n_maps};
        size_t n_bytes = 1;
        char *at;

        for (size_t i = 0; i < n_maps; i++)
                n_bytes += strlen(from[i].path) + 1;
        smaps.maps = calloc(MAX_OF(n_maps, (size_t)1), sizeof(*smaps.maps));
        at = smaps.text = calloc(1, n_bytes);
        assert_non_null(smaps.maps);
        assert_non_null(smaps.text);
        for (size_t i = 0; i < n_maps; i++) {
                struct smaps_map *map = &smaps.maps[i];

                *map = (struct smaps_map){.start = from[i].start,
                                          .end = from[i].end,
                                          .offset = from[i].offset,
                                          .path = at,
                                          .flags = "",
                                          .has_amounts = true};
                memcpy(map->perms, from[i].perms, 5);
                map->amounts[SMAPS_RSS] = from[i].rss_kb * 1024;
                map->amounts[SMAPS_ANONYMOUS] = from[i].anonymous_kb * 1024;
                map->amounts[SMAPS_SWAP] = from[i].swap_kb * 1024;
                at = stpcpy(at, from[i].path) + 1;
        }
        return smaps;
}

static void set_sample(struct space *space)
{
        struct smaps smaps = smaps_of(sample, ARRAY_SIZE(sample));

        space_set_maps(space, 4711, &smaps, 0);
        assert_null(smaps.maps);
}

static void init(struct space *space)
{
        assert_int_equal(space_init(space), 0);
        set_sample(space);
        assert_int_equal(space_set_marks(space, marks, ARRAY_SIZE(marks)), 0);
}

/* A library being touched, a heap growing, a page that may not be written, copies after a fork. */
static void play(struct space *space)
{
        for (uint64_t i = 0; i < 200; i++)
                heat_add(space->heat, 0x7f3b91a28000 + i * 2 * PAGE, CAUSE_FILE_MINOR, NOW - 6000 * MS + i * 30 * MS);
        for (uint64_t i = 0; i < 400; i++)
                heat_add(space->heat, 0x1c35000 + i * PAGE, CAUSE_ZERO_FILL, NOW - 3000 * MS + i * 7 * MS);
        for (uint64_t i = 0; i < 64; i++)
                heat_add(space->heat, 0x969000 + i * 3 * PAGE, CAUSE_COW_COPY, NOW - 2000 * MS + i * MS);
        heat_add(space->heat, 0x6f0000, CAUSE_FILE_MAJOR, NOW - 4500 * MS);
        heat_add(space->heat, 0x7f3b80022000, CAUSE_ACCESS_DENIED, NOW - 100 * MS);
        heat_add(space->heat, 0x7ffd5a9f0000, CAUSE_STACK_GROW, NOW - 40 * MS);
        heat_add(space->heat, 0x7f3a10000000, CAUSE_ZERO_FILL, NOW - 40 * MS);
}

#define PRESENT (UINT64_C(1) << 63)
#define SWAPPED (UINT64_C(1) << 62)
#define OF_FILE (UINT64_C(1) << 61)
#define EXCLUSIVE (UINT64_C(1) << 56)

/* The state of a page of the sample. */
static uint64_t entry_of(uint64_t address)
{
        uint64_t page = address / PAGE;

        if (address >= 0x7f3b91a28000 && address < 0x7f3b91bb0000)
                return page % 7 < 5 ? PRESENT | OF_FILE | (0x10000 + page % 4096) : 0;
        if (address < 0x968000)
                return page % 64 < 40 ? PRESENT | OF_FILE | 0x777 : 0;
        if (address >= 0x1c35000 && address < 0x2035000)
                return page % 256 < 128   ? PRESENT | EXCLUSIVE | (0x20000 + page % 4096)
                       : page % 256 < 160 ? PRESENT | (0x30000 + page % 4096)
                       : page % 256 < 176 ? SWAPPED | 0x1234
                                          : 0;
        return page % 3 == 0 ? PRESENT | EXCLUSIVE | 0x4242 : 0;
}

static void set_pages(struct space *space)
{
        static uint64_t entries[SPACE_PAGES_MAX];
        uint64_t start;
        size_t n_pages, n_asked = 0;

        while (space_wants_pages(space, &start, &n_pages)) {
                assert_in_range(n_pages, 1, SPACE_PAGES_MAX);
                assert_true(++n_asked < 1000);
                for (size_t i = 0; i < n_pages; i++)
                        entries[i] = entry_of(start + i * PAGE);
                assert_int_equal(space_set_pages(space, start, entries, n_pages), 0);
        }
}

static void name_of(void *user, uint64_t address, struct text *out)
{
        if (address >= 0x7f3b91a28000 && address < 0x7f3b91bb0000)
                text_printf(out, "libc.so.6 .text mal\033loc+0x%x", (unsigned int)(address & 0xfff0));
}

static const struct space_names names = {.name_of = name_of};

/* --- golden screens --- */

/* Drawn, read and drawn again, until all that is asked for is known. */
static void draw(struct space *space, struct grid *grid)
{
        for (int i = 0; i < 16; i++) {
                grid_clear(grid);
                space_draw(space, grid, 0, grid->height, NOW, &names);
                set_pages(space);
        }
}

/* With styles the smallest of the usual sizes is enough. */
static void assert_screens(struct space *space, const char *name, bool with_styles)
{
        static const struct {
                uint32_t width, height;
        } sizes[] = {{80, 24}, {200, 50}, {40, 10}};

        for (size_t i = 0; i < (with_styles ? 2 : 2 * ARRAY_SIZE(sizes)); i++) {
                struct grid grid = {.ascii = i % 2 == 1};
                CLEANUP_TEXT struct text text = {0};

                assert_int_equal(grid_resize(&grid, sizes[i / 2].width, sizes[i / 2].height), 0);
                draw(space, &grid);
                grid_put_text(&grid, with_styles, &text);
                assert_golden_text(&text, "space_%s_%u%s", name, grid.width, grid.ascii ? "_ascii" : "");
                grid_free(&grid);
        }
}

static void press(struct space *space, enum key_code code)
{
        const struct key key = {.code = code};

        assert_true(space_key(space, &key));
}

static void press_char(struct space *space, uint32_t point)
{
        const struct key key = {.code = KEY_CODE_CHAR, .point = point};

        assert_true(space_key(space, &key));
}

static void select_map(struct space *space, size_t map)
{
        press(space, KEY_CODE_HOME);
        for (size_t i = 0; i < map; i++)
                press(space, KEY_CODE_DOWN);
        assert_int_equal(space->selected, map);
}

enum { HEAP = 6, LIBC_TEXT = 11 };

static void test_list(void **unused)
{
        struct space space;

        init(&space);
        play(&space);
        select_map(&space, LIBC_TEXT);
        assert_screens(&space, "list", false);
        space_free(&space);
}

/* Which colours, and where: the letters of grid_put_text(). */
static void test_list_styles(void **unused)
{
        struct space space;

        init(&space);
        play(&space);
        select_map(&space, HEAP);
        assert_screens(&space, "styles", true);
        space_free(&space);
}

/* Nobody can read pagemap, and there are no marks. */
static void test_list_by_amounts(void **unused)
{
        struct grid grid = {.ascii = false};
        struct space space;
        CLEANUP_TEXT struct text text = {0};
        uint64_t start;
        size_t n_pages;

        assert_int_equal(space_init(&space), 0);
        set_sample(&space);
        assert_int_equal(grid_resize(&grid, 100, 30), 0);
        space_draw(&space, &grid, 0, grid.height, NOW, NULL);
        assert_true(space_wants_pages(&space, &start, &n_pages));
        assert_int_equal(space_set_pages(&space, start, NULL, 0), 0);
        assert_false(space_wants_pages(&space, &start, &n_pages));
        grid_clear(&grid);
        space_draw(&space, &grid, 0, grid.height, NOW, NULL);
        assert_false(space_wants_pages(&space, &start, &n_pages));
        grid_put_text(&grid, false, &text);
        assert_golden_text(&text, "space_amounts");
        grid_free(&grid);
        space_free(&space);
}

static void test_zoom(void **unused)
{
        struct space space;

        init(&space);
        play(&space);
        select_map(&space, LIBC_TEXT);
        press(&space, KEY_CODE_ENTER);
        for (int i = 0; i < 21; i++)
                press(&space, KEY_CODE_RIGHT);
        assert_screens(&space, "zoom", false);
        space_free(&space);
}

/* A map of a few pages: a line each. */
static void test_zoom_few_pages(void **unused)
{
        struct space space;

        init(&space);
        heat_add(space.heat, 0x7f3b91c02000, CAUSE_FILE_COW, NOW - 2500 * MS);
        select_map(&space, LIBC_TEXT + 2);
        press(&space, KEY_CODE_ENTER);
        press(&space, KEY_CODE_DOWN);
        assert_screens(&space, "few", true);
        assert_int_equal(space.cursor, 0x7f3b91c01000);
        space_free(&space);
}

/* Down to pages, in a heap that was forked. */
static void test_zoom_pages(void **unused)
{
        struct grid grid = {.ascii = false};
        struct space space;

        init(&space);
        play(&space);
        select_map(&space, HEAP);
        press(&space, KEY_CODE_ENTER);
        assert_int_equal(grid_resize(&grid, 40, 10), 0);
        draw(&space, &grid);
        for (int i = 0; i < 8; i++) {
                press_char(&space, '+');
                draw(&space, &grid);
        }
        assert_int_equal(space.zoom_shift, 0);
        for (int i = 0; i < 13; i++)
                press(&space, KEY_CODE_DOWN);
        assert_screens(&space, "pages", false);
        assert_screens(&space, "pages_styles", true);
        grid_free(&grid);
        space_free(&space);
}

static void test_errors(void **unused)
{
        static const struct {
                int error;
                const char *text;
        } cases[] = {
                {-EACCES, "may not read the maps of process 99: not yours, or not dumpable; as root one may\n"},
                {-ESRCH, "process 99 has gone\n"},
                {-EIO, "cannot read the maps of process 99: error 5\n"},
                {0, "process 99 has no maps: a kernel thread, or it has ended\n"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct grid grid = {.ascii = false};
                struct smaps none = {.n_maps = 0};
                CLEANUP_TEXT struct text text = {0};
                struct space space;

                init(&space);
                press(&space, KEY_CODE_ENTER);
                space_set_maps(&space, 99, &none, cases[i].error);
                assert_int_equal(grid_resize(&grid, 90, 1), 0);
                space_draw(&space, &grid, 0, 1, NOW, NULL);
                grid_put_text(&grid, false, &text);
                assert_int_equal(text.n_bytes, strlen(cases[i].text));
                assert_memory_equal(text.data, cases[i].text, text.n_bytes);
                grid_free(&grid);
                space_free(&space);
        }
}

/* --- the cursor --- */

static void test_cursor(void **unused)
{
        const uint64_t start = 0x1c35000, end = 0x2035000;
        struct grid grid = {.ascii = true};
        struct space space;

        init(&space);
        select_map(&space, HEAP);
        press(&space, KEY_CODE_ENTER);
        assert_true(space.is_zoomed);
        assert_int_equal(space.zoom_start, start);
        assert_int_equal(space.zoom_end, end);
        assert_int_equal(grid_resize(&grid, 80, 24), 0);
        draw(&space, &grid); /* 1024 pages, 32 cells a row beside the sections or 64, 18 rows */
        assert_int_equal(space.zoom_shift, 0);
        assert_int_equal(space.shown.n_cells, 64);
        press(&space, KEY_CODE_LEFT);
        press(&space, KEY_CODE_UP);
        assert_int_equal(space.cursor, start);
        press(&space, KEY_CODE_RIGHT);
        press(&space, KEY_CODE_DOWN);
        assert_int_equal(space.cursor, start + 65 * PAGE);
        press(&space, KEY_CODE_END);
        press(&space, KEY_CODE_RIGHT);
        press(&space, KEY_CODE_PAGE_DOWN);
        assert_int_equal(space.cursor, end - PAGE);
        press(&space, KEY_CODE_HOME);
        assert_int_equal(space.cursor, start);
        assert_true(space_key(&space, &(const struct key){.code = KEY_CODE_CLICK, .x = 13 + 5, .y = 1 + 2}));
        assert_int_equal(space.cursor, start + (2 * 64 + 5) * PAGE);
        assert_true(space_key(&space, &(const struct key){.code = KEY_CODE_CLICK, .x = 2, .y = 3}));
        assert_true(space_key(&space, &(const struct key){.code = KEY_CODE_CLICK, .x = 79, .y = 3}));
        assert_true(space_key(&space, &(const struct key){.code = KEY_CODE_CLICK, .x = 20, .y = 23}));
        assert_int_equal(space.cursor, start + (2 * 64 + 5) * PAGE);
        press(&space, KEY_CODE_ESCAPE);
        assert_false(space.is_zoomed);
        assert_false(space_key(&space, &(const struct key){.code = KEY_CODE_ESCAPE}));
        assert_false(space_key(&space, &(const struct key){.code = KEY_CODE_CHAR, .point = 'q'}));
        grid_free(&grid);
        space_free(&space);
}

/* The scale goes between a page and what shows all of the map. */
static void test_scale(void **unused)
{
        struct grid grid = {.ascii = true};
        struct space space;

        init(&space);
        select_map(&space, 7); /* 4 GiB */
        press(&space, KEY_CODE_ENTER);
        assert_int_equal(grid_resize(&grid, 80, 24), 0);
        draw(&space, &grid);
        assert_int_equal(space.zoom_shift, 10); /* 2^20 pages in 18 rows of 64: 1024 pages each make 16 rows */
        press_char(&space, '-');
        draw(&space, &grid);
        assert_int_equal(space.zoom_shift, 10);
        press(&space, KEY_CODE_END);
        for (unsigned int shift = 10; shift > 0; shift--) {
                press_char(&space, '+');
                draw(&space, &grid);
                assert_int_equal(space.zoom_shift, shift - 1);
                assert_true(space.cursor >= 0x7f3b00000000 - (PAGE << 10));
        }
        press_char(&space, '+');
        draw(&space, &grid);
        assert_int_equal(space.zoom_shift, 0);
        for (int i = 0; i < 10; i++)
                press_char(&space, '-');
        draw(&space, &grid);
        assert_int_equal(space.zoom_shift, 10);
        assert_true(space.zoom_fits);
        grid_free(&grid);
        space_free(&space);
}

/* A click on a line selects its map, a second one enters it; one on a gap does nothing. */
static void test_click_list(void **unused)
{
        struct grid grid = {.ascii = true};
        struct space space;
        struct key key = {.code = KEY_CODE_CLICK, .x = 1};

        init(&space);
        assert_int_equal(grid_resize(&grid, 80, 24), 0);
        space_draw(&space, &grid, 0, 24, NOW, NULL);
        key.y = 2; /* below the two lines of the head: the gap at the bottom of the address space */
        assert_true(space_key(&space, &key));
        assert_int_equal(space.selected, 0);
        key.y = 4;
        assert_true(space_key(&space, &key));
        assert_int_equal(space.selected, 1);
        assert_false(space.is_zoomed);
        assert_true(space_key(&space, &key));
        assert_true(space.is_zoomed);
        assert_int_equal(space.zoom_start, 0x420000);
        grid_free(&grid);
        space_free(&space);
}

/* --- maps that change --- */

static void set_maps(struct space *space, const struct sample_map *maps, size_t n_maps)
{
        struct smaps smaps = smaps_of(maps, n_maps);

        space_set_maps(space, 4711, &smaps, 0);
}

static void test_selection_stays(void **unused)
{
        struct space space;

        init(&space);
        select_map(&space, LIBC_TEXT);
        set_maps(&space, sample + 5, ARRAY_SIZE(sample) - 5);
        assert_int_equal(space.selected, LIBC_TEXT - 5);
        set_maps(&space, sample + LIBC_TEXT + 1, 2); /* it has gone */
        assert_int_equal(space.selected, 0);
        set_sample(&space);
        press(&space, KEY_CODE_END);
        set_maps(&space, sample, 3); /* all behind it have gone too */
        assert_int_equal(space.selected, 2);
        set_maps(&space, NULL, 0);
        assert_int_equal(space.selected, 0);
        space_free(&space);
}

/* After an exec nothing is where it was. */
static void test_all_is_new(void **unused)
{
        struct space space;

        init(&space);
        press(&space, KEY_CODE_END);
        press(&space, KEY_CODE_UP);
        press(&space, KEY_CODE_ENTER);
        set_maps(&space, sample + 1, ARRAY_SIZE(sample) - 1);
        assert_true(space.is_zoomed);
        set_maps(&space, sample, 1);
        assert_false(space.is_zoomed);
        assert_int_equal(space.selected, 0);
        set_maps(&space, sample, 4);
        press(&space, KEY_CODE_DOWN);
        set_maps(&space, sample + 6, 5);
        assert_int_equal(space.selected, 0);
        space_free(&space);
}

/* Who was asked for the address under the cursor goes before who knows its page. */
static void test_name_of_cursor(void **unused)
{
        struct grid grid = {.ascii = true};
        CLEANUP_TEXT struct text text = {0};
        struct space space;
        uint64_t address;

        init(&space);
        select_map(&space, LIBC_TEXT);
        assert_false(space_wants_name(&space, &address));
        press(&space, KEY_CODE_ENTER);
        assert_int_equal(grid_resize(&grid, 40, 10), 0);
        draw(&space, &grid); /* 8 pages a cell */
        press(&space, KEY_CODE_RIGHT);
        assert_true(space_wants_name(&space, &address));
        assert_int_equal(address, 0x7f3b91a30000);
        space_set_name(&space, address, "qsort\x07+0x1", 10);
        assert_false(space_wants_name(&space, &address));
        draw(&space, &grid);
        grid_put_text(&grid, false, &text);
        text_put_char(&text, '\0');
        assert_non_null(strstr(text.data, "\nqsort\\x07+0x1  no fault seen\n"));
        press(&space, KEY_CODE_RIGHT);
        assert_true(space_wants_name(&space, &address));
        assert_int_equal(address, 0x7f3b91a38000);
        space_set_name(&space, address, NULL, 0);
        assert_false(space_wants_name(&space, &address));
        set_sample(&space);
        assert_true(space_wants_name(&space, &address));
        grid_free(&grid);
        space_free(&space);
}

static void test_zoom_follows(void **unused)
{
        struct sample_map heap = sample[HEAP];
        struct space space;

        init(&space);
        select_map(&space, HEAP);
        press(&space, KEY_CODE_ENTER);
        press(&space, KEY_CODE_END);
        heap.end += 16 * PAGE;
        set_maps(&space, &heap, 1);
        assert_true(space.is_zoomed);
        assert_int_equal(space.zoom_end, heap.end);
        assert_int_equal(space.cursor, sample[HEAP].end - PAGE);
        heap.end = heap.start + 4 * PAGE;
        set_maps(&space, &heap, 1);
        assert_true(space.is_zoomed);
        assert_int_equal(space.zoom_end, heap.end);
        assert_int_equal(space.cursor, heap.end - PAGE);
        set_maps(&space, sample, 3);
        assert_false(space.is_zoomed);
        space_free(&space);
}

static void test_heat_of_gone_maps(void **unused)
{
        const struct sample_map grown[] = {sample[HEAP], {0x7f3a00000000, 0x7f3a00010000, "rw-p", 0, "", 0, 0, 0}};
        struct heat_spot spot;
        struct space space;

        init(&space);
        heat_add(space.heat, 0x7f3a10000000, CAUSE_ZERO_FILL, NOW);  /* in a part that goes */
        heat_add(space.heat, 0x7f3a00000000, CAUSE_ZERO_FILL, NOW);  /* in one that stays */
        heat_add(space.heat, 0x7f3b91a28000, CAUSE_FILE_MINOR, NOW); /* in one that goes altogether */
        heat_add(space.heat, 0x500000000000, CAUSE_FILE_MINOR, NOW); /* of a map that nobody has told of yet */
        set_maps(&space, grown, ARRAY_SIZE(grown));
        assert_false(heat_look(space.heat, 0x7f3a10000000, 0x7f3a10001000, &spot));
        assert_true(heat_look(space.heat, 0x7f3a00000000, 0x7f3a00001000, &spot));
        assert_false(heat_look(space.heat, 0x7f3b91a28000, 0x7f3b91a29000, &spot));
        assert_true(heat_look(space.heat, 0x500000000000, 0x500000001000, &spot));
        set_sample(&space);
        assert_false(heat_look(space.heat, 0x7f3a00001000, 0x7f3b00000000, &spot));
        space_free(&space);
}

/* --- whatever is handed in --- */

static uint64_t next_random(uint64_t *seed)
{
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

static uint64_t random_address(uint64_t *seed)
{
        static const uint64_t special[] = {
                0,
                1,
                PAGE,
                UINT64_MAX,
                UINT64_MAX - PAGE + 1,
                UINT64_C(1) << 63,
                0x400000,
                0x401000,
                0x7ffffffff000,
                0x800000000000,
                0xffffffffff600000,
                0xffff800000000000,
                UINT64_C(1) << 56,
        };
        uint64_t random = next_random(seed);

        if (random % 4 == 0)
                return special[next_random(seed) % ARRAY_SIZE(special)] + next_random(seed) % 3 * PAGE;
        if (random % 4 == 1)
                return next_random(seed) >> (next_random(seed) % 64);
        return (0x7f0000000 + next_random(seed) % 4096) * PAGE;
}

/* Most of it in order, so that something is left to be drawn. */
static void set_random_maps(struct space *space, uint64_t *seed)
{
        static const char *const paths[] = {
                "",
                "/usr/lib/libc.so.6",
                "[heap]",
                "/",
                "//",
                "/a/\xff\xfe\x1b]0;x\x07",
                "[anon:\xe4\xb8\xad\xe6\x96\x87]",
                "/usr/lib/libc.so.6",
        };
        size_t n = next_random(seed) % 60;
        CLEANUP_FREE struct sample_map *maps = calloc(n + 1, sizeof(*maps));
        uint64_t at = random_address(seed) & ~(PAGE - 1);
        struct smaps smaps;

        assert_non_null(maps);
        for (size_t i = 0; i < n; i++) {
                bool is_wild = next_random(seed) % 8 == 0;
                uint64_t start = is_wild ? random_address(seed) : at + next_random(seed) % 3 * PAGE;
                uint64_t end = is_wild ? random_address(seed)
                                       : start + (PAGE << (next_random(seed) % (next_random(seed) % 45 + 1)));

                maps[i] = (struct sample_map){.start = start,
                                              .end = end,
                                              .perms = "rw-p",
                                              .offset = random_address(seed),
                                              .path = paths[next_random(seed) % ARRAY_SIZE(paths)],
                                              .rss_kb = next_random(seed) >> (next_random(seed) % 64),
                                              .swap_kb = next_random(seed) % 2};
                if (!is_wild)
                        at = end;
        }
        smaps = smaps_of(maps, n);
        space_set_maps(space, (int32_t)(next_random(seed) % 4), &smaps, next_random(seed) % 9 == 0 ? -EACCES : 0);
}

static void set_random_marks(struct space *space, uint64_t *seed)
{
        struct space_mark random[20];
        size_t n = next_random(seed) % (ARRAY_SIZE(random) + 1);

        for (size_t i = 0; i < n; i++)
                random[i] = (struct space_mark){.start = random_address(seed),
                                                .end = random_address(seed),
                                                .name = i % 3 ? ".text" : "\xe2\x80\xae"};
        assert_int_equal(space_set_marks(space, random, n), 0);
}

static void press_random(struct space *space, uint64_t *seed)
{
        static const char points[] = "+-+-+-kjufgGq\x01";
        struct key key = {.code = (enum key_code)(next_random(seed) % N_KEY_CODES),
                          .x = (uint32_t)(next_random(seed) >> (next_random(seed) % 60)),
                          .y = (uint32_t)(next_random(seed) >> (next_random(seed) % 60))};

        key.point = (uint32_t)points[next_random(seed) % sizeof(points)];
        (void)space_key(space, &key);
}

static void answer_random(struct space *space, uint64_t *seed)
{
        static uint64_t entries[SPACE_PAGES_MAX];
        static const char name[SPACE_NAME_BYTES_MAX + 20] = "\xff name";
        uint64_t start;
        size_t n_pages;

        if (space_wants_name(space, &start))
                space_set_name(space, start, name, next_random(seed) % sizeof(name));
        for (int i = 0; i < 5 && space_wants_pages(space, &start, &n_pages); i++) {
                assert_in_range(n_pages, 1, SPACE_PAGES_MAX);
                entries[next_random(seed) % n_pages] = next_random(seed);
                if (next_random(seed) % 16 == 0)
                        assert_int_equal(space_set_pages(space, random_address(seed), entries, 3), 0);
                else if (next_random(seed) % 64 == 0)
                        assert_int_equal(space_set_pages(space, start, NULL, 0), 0);
                else
                        assert_int_equal(space_set_pages(space, start, entries, n_pages), 0);
        }
}

/* Every cell outside the rows is as it was, and every one within is something that may be shown. */
static void draw_random(struct space *space, struct grid *grid, uint64_t *seed)
{
        uint32_t y = (uint32_t)(next_random(seed) % (grid->height + 2U));
        uint32_t height = (uint32_t)(next_random(seed) % (grid->height + 2U));

        for (uint32_t i = 0; i < grid->width * grid->height; i++)
                grid->cells[i] = (struct cell){.bytes = "@", .n_bytes = 1, .style = STYLE_BAD};
        space_draw(space, grid, y, height, next_random(seed) % 16 == 0 ? UINT64_MAX : NOW, &names);
        for (uint32_t i = 0; i < grid->width * grid->height; i++) {
                const struct cell *cell = &grid->cells[i];
                bool is_inside = i / grid->width >= y && i / grid->width - y < height;

                assert_true(is_inside || (cell->bytes[0] == '@' && cell->style == STYLE_BAD && !cell->reversed));
                assert_true(cell->style < N_STYLES);
                for (uint8_t byte = 0; byte < cell->n_bytes; byte++)
                        assert_true((unsigned char)cell->bytes[byte] >= ' ' && cell->bytes[byte] != 0x7f);
                assert_true(!grid->ascii || (cell->n_bytes == 1 && (unsigned char)cell->bytes[0] < 0x7f));
        }
        if (space->is_zoomed) {
                assert_true(space->selected < space->maps.n_maps);
                assert_true(space->cursor >= space->zoom_start && space->cursor < space->zoom_end);
        }
}

static void test_anything(void **unused)
{
        uint64_t seed = 0x2545f4914f6cdd1d;
        struct grid grid = {.ascii = false};
        struct space space;

        assert_int_equal(space_init(&space), 0);
        for (int i = 0; i < 4000; i++) {
                if (i % 4 == 0) {
                        uint32_t width = (uint32_t)(next_random(&seed) % (next_random(&seed) % 2 ? 30U : 300U)) + 1;

                        assert_int_equal(grid_resize(&grid, width, (uint32_t)(next_random(&seed) % 40) + 1), 0);
                        grid.ascii = next_random(&seed) % 2;
                }
                if (i % 16 == 0)
                        set_random_maps(&space, &seed);
                if (i % 32 == 0)
                        set_random_marks(&space, &seed);
                for (int n = 0; n < 20; n++)
                        heat_add(space.heat, random_address(&seed), (uint8_t)next_random(&seed),
                                 NOW - next_random(&seed) % (6000 * MS));
                press_random(&space, &seed);
                draw_random(&space, &grid, &seed);
                answer_random(&space, &seed);
        }
        grid_free(&grid);
        space_free(&space);
}

/* A frame costs what is seen, not what there is. */
static void test_65000_maps(void **unused)
{
        enum { N_MAPS = 65000 };
        CLEANUP_FREE struct sample_map *maps = calloc(N_MAPS, sizeof(*maps));
        struct grid grid = {.ascii = true};
        struct space space;
        struct smaps smaps;

        assert_non_null(maps);
        for (size_t i = 0; i < N_MAPS; i++)
                maps[i] = (struct sample_map){.start = (0x7f0000000 + 3 * i) * PAGE,
                                              .end = (0x7f0000000 + 3 * i + 2) * PAGE,
                                              .perms = "rw-p",
                                              .path = ""};
        assert_int_equal(space_init(&space), 0);
        smaps = smaps_of(maps, N_MAPS);
        space_set_maps(&space, 1, &smaps, 0);
        assert_int_equal(grid_resize(&grid, 80, 24), 0);
        press(&space, KEY_CODE_END);
        assert_int_equal(space.selected, N_MAPS - 1);
        draw(&space, &grid);
        assert_int_equal(space.shown.n_lines, 19);
        assert_int_equal(space.shown.n_rows, 9); /* with their gaps; one line is left for half a pair */
        assert_int_equal(space.first, N_MAPS - 9);
        press(&space, KEY_CODE_HOME);
        draw(&space, &grid);
        assert_int_equal(space.first, 0);
        grid_free(&grid);
        space_free(&space);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_list),
                cmocka_unit_test(test_list_styles),
                cmocka_unit_test(test_list_by_amounts),
                cmocka_unit_test(test_zoom),
                cmocka_unit_test(test_zoom_few_pages),
                cmocka_unit_test(test_zoom_pages),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_cursor),
                cmocka_unit_test(test_scale),
                cmocka_unit_test(test_click_list),
                cmocka_unit_test(test_selection_stays),
                cmocka_unit_test(test_all_is_new),
                cmocka_unit_test(test_name_of_cursor),
                cmocka_unit_test(test_zoom_follows),
                cmocka_unit_test(test_heat_of_gone_maps),
                cmocka_unit_test(test_anything),
                cmocka_unit_test(test_65000_maps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
