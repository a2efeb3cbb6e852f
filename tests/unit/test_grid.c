/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cells: what is put is in its place and nowhere else, whatever its width, and nothing in a cell can drive a
 * terminal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client/escape.h"
#include "client/screen/grid.h"
#include "client/screen/look.h"

static struct grid new_grid(uint32_t width, uint32_t height, bool ascii)
{
        struct grid grid = {.ascii = ascii};

        assert_int_equal(grid_resize(&grid, width, height), 0);
        return grid;
}

/* The grid's lines, and with styles the letters below each. */
static void assert_grid(const struct grid *grid, bool with_styles, const char *expected)
{
        CLEANUP_TEXT struct text text = {0};

        grid_put_text(grid, with_styles, &text);
        text_put_char(&text, '\0');
        assert_false(text.failed);
        assert_string_equal(text.data, expected);
}

static void put_string(struct pen *pen, void (*put)(struct pen *, uint32_t, const char *, size_t), uint32_t width,
                       const char *string)
{
        put(pen, width, string, strlen(string));
}

/* --- */

static void test_new_is_blank(void **state)
{
        struct grid grid = new_grid(3, 2, false);

        assert_grid(&grid, true, "\n\n\n\n");
        for (uint32_t y = 0; y < 2; y++)
                for (uint32_t x = 0; x < 3; x++) {
                        const struct cell *cell = grid_cell(&grid, x, y);

                        assert_int_equal(cell->n_bytes, 1);
                        assert_int_equal(cell->bytes[0], ' ');
                        assert_int_equal(cell->style, STYLE_PLAIN);
                        assert_false(cell->reversed);
                }
        assert_null(grid_cell(&grid, 3, 0));
        assert_null(grid_cell(&grid, 0, 2));
        assert_null(grid_cell(&grid, UINT32_MAX, UINT32_MAX));
        grid_free(&grid);
        assert_null(grid_cell(&grid, 0, 0));
}

static void test_resize(void **state)
{
        struct grid grid = new_grid(4, 1, false);
        struct pen pen = pen_at(&grid, 0, 0, STYLE_PLAIN);

        pen_put_string(&pen, "abcd");
        assert_int_equal(grid_resize(&grid, UINT32_MAX, UINT32_MAX), -ENOMEM);
        assert_grid(&grid, false, "abcd\n");
        assert_int_equal(grid_resize(&grid, 2, 2), 0);
        assert_grid(&grid, false, "\n\n");
        assert_int_equal(grid_resize(&grid, 0, 7), 0);
        assert_grid(&grid, false, "\n\n\n\n\n\n\n");
        pen = pen_at(&grid, 0, 0, STYLE_PLAIN);
        pen_put_string(&pen, "nowhere");
        assert_int_equal(pen.x, 0);
        grid_free(&grid);
}

static void test_cut_at_the_edges(void **state)
{
        struct grid grid = new_grid(5, 2, false);
        struct pen pen = pen_at(&grid, 3, 0, STYLE_STRONG);

        pen_put_string(&pen, "abc");
        assert_int_equal(pen.x, 5);
        pen = pen_at(&grid, 0, 2, STYLE_STRONG); /* below: only the pen moves */
        pen_put_string(&pen, "xy");
        assert_int_equal(pen.x, 2);
        pen = pen_at(&grid, 9, 1, STYLE_STRONG);
        pen_put_string(&pen, "xy");
        assert_int_equal(pen.x, 9);
        pen = pen_at(&grid, 0, 1, STYLE_DIM);
        pen.end = 2;
        pen_put_string(&pen, "xyz");
        assert_grid(&grid, true, "   ab\n   bb\nxy\ndd\n");
        pen = pen_at(&grid, 4, 1, STYLE_PLAIN);
        pen.end = 70;
        pen_fill(&pen, UINT32_MAX, '-');
        assert_grid(&grid, false, "   ab\nxy  -\n");
        grid_free(&grid);
}

static void test_wide_characters(void **state)
{
        struct grid grid = new_grid(5, 1, false);
        struct pen pen = pen_at(&grid, 0, 0, STYLE_PLAIN);

        pen_put_string(&pen, "日本語");
        assert_int_equal(pen.x, 5);
        assert_grid(&grid, false, "日本\n"); /* the third has one cell left, which stays blank */
        assert_int_equal(grid_cell(&grid, 0, 0)->n_bytes, 3);
        assert_int_equal(grid_cell(&grid, 1, 0)->n_bytes, 0);
        assert_int_equal(grid_cell(&grid, 4, 0)->n_bytes, 1);
        grid_free(&grid);
}

/* Whichever half is overwritten, the other one does not stay behind. */
static void test_halves(void **state)
{
        static const struct {
                uint32_t x;
                const char *put, *expected;
        } cases[] = {
                {0, "a", "a 本\n"}, {1, "a", " a本\n"},  {1, "語", " 語\n"},  {2, "ab", "日ab\n"},
                {3, "a", "日 a\n"}, {0, "語", "語本\n"}, {0, "abc", "abc\n"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct grid grid = new_grid(4, 1, false);
                struct pen pen = pen_at(&grid, 0, 0, STYLE_PLAIN);

                pen_put_string(&pen, "日本");
                pen = pen_at(&grid, cases[i].x, 0, STYLE_PLAIN);
                pen_put_string(&pen, cases[i].put);
                assert_grid(&grid, false, cases[i].expected);
                grid_free(&grid);
        }
}

static void test_marks_combine(void **state)
{
        struct grid grid = new_grid(4, 1, false);
        struct pen pen = pen_at(&grid, 0, 0, STYLE_PLAIN);

        pen_put_string(&pen, "\xcc\x81"); /* nothing to combine with */
        assert_int_equal(pen.x, 0);
        pen_put_string(&pen, "e\xcc\x81日\xcc\x81x");
        assert_int_equal(pen.x, 4);
        assert_int_equal(grid_cell(&grid, 0, 0)->n_bytes, 3);
        assert_grid(&grid, false, "e\xcc\x81日\xcc\x81x\n");
        pen = pen_at(&grid, 0, 0, STYLE_PLAIN);
        pen_put_string(&pen, "o");
        for (int i = 0; i < 100; i++)
                pen_put_string(&pen, "\xcc\x81"); /* begins anew: there is nothing of this call before it */
        assert_int_equal(grid_cell(&grid, 0, 0)->n_bytes, 1);
        pen = pen_at(&grid, 0, 0, STYLE_PLAIN);
        pen_put_string(&pen, "o\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81");
        assert_int_equal(grid_cell(&grid, 0, 0)->n_bytes, 15);
        grid_free(&grid);
}

static void test_hostile_bytes(void **state)
{
        /* control, C1 control, invalid, truncated, overlong, direction override, zero width */
        static const char hostile[] = "\033[2J\xc2\x9b"
                                      "1m\xff\xc3\n\r\t\xc0\x80\xe2\x80\xae\xe2\x80\x8b!";
        struct grid grid = new_grid(40, 1, false);
        struct pen pen = pen_at(&grid, 0, 0, STYLE_PLAIN);

        pen_put(&pen, hostile, strlen(hostile));
        assert_grid(&grid, false, "?[2J?1m???\?\?\?\?\?\?!\n");
        pen = pen_at(&grid, 0, 0, STYLE_PLAIN);
        pen_put_name(&pen, "\033]\xe2\x80\xae\\", 6);
        pen_fill(&pen, 40, ' ');
        assert_grid(&grid, false, "\\x1b]\\xe2\\x80\\xae\\\\\n");
        grid_free(&grid);
}

static void test_ascii(void **state)
{
        struct grid grid = new_grid(12, 1, true);
        struct pen pen = pen_at(&grid, 0, 0, STYLE_PLAIN);

        pen_put_string(&pen, "é日e\xcc\x81");
        pen_put_glyph(&pen, "█", '#');
        pen_put_bar(&pen, 23);
        put_string(&pen, pen_put_fitted, 4, "abcdef");
        assert_grid(&grid, false, "??e?###a~ef\n");
        for (uint32_t x = 0; x < grid.width; x++) {
                assert_int_equal(grid_cell(&grid, x, 0)->n_bytes, 1);
                assert_in_range(grid_cell(&grid, x, 0)->bytes[0], ' ', '~');
        }
        grid_free(&grid);
}

static void test_right(void **state)
{
        struct grid grid = new_grid(8, 4, false);

        for (uint32_t y = 0; y < 4; y++) {
                static const char *const strings[] = {"12", "123456", "日本語", "x日本"};
                struct pen pen = pen_at(&grid, 1, y, STYLE_PLAIN);

                put_string(&pen, pen_put_right, 5, strings[y]);
                assert_int_equal(pen.x, 6);
                pen_put_string(&pen, "|");
        }
        assert_grid(&grid, false, "    12|\n 23456|\n  本語|\n x日本|\n");
        grid_free(&grid);
}

static void test_fitted(void **state)
{
        static const struct {
                uint32_t width;
                const char *string, *expected;
        } cases[] = {
                {0, "abc", "|\n"},        {1, "abc", "…|\n"},         {2, "abc", "…c|\n"},
                {3, "abc", "abc|\n"},     {5, "abc", "abc  |\n"},     {3, "abcd", "a…d|\n"},
                {4, "abcdef", "a…ef|\n"}, {6, "日本語", "日本語|\n"}, {5, "日本語", "日…語|\n"},
                {4, "日本語", " …語|\n"}, {4, "日本語x", " …x |\n"},  {20, "abc", "abc     \n"}, /* the grid has 8 */
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct grid grid = new_grid(8, 1, false);
                struct pen pen = pen_at(&grid, 0, 0, STYLE_PLAIN);

                put_string(&pen, pen_put_fitted, cases[i].width, cases[i].string);
                assert_int_equal(pen.x, MIN_OF(cases[i].width, 8U));
                assert_int_equal(pen.end, 8);
                pen_put_string(&pen, "|");
                if (cases[i].width > 8)
                        assert_grid(&grid, false, "abc\n");
                else
                        assert_grid(&grid, false, cases[i].expected);
                grid_free(&grid);
        }
}

static void test_bars(void **state)
{
        static const char *const expected[] = {"\n", "▏\n", "▎\n", "▍\n", "▌\n", "▋\n", "▊\n", "▉\n", "█\n", "█▏\n"};

        for (uint32_t eighths = 0; eighths < ARRAY_SIZE(expected); eighths++) {
                struct grid grid = new_grid(3, 1, false);
                struct pen pen = pen_at(&grid, 0, 0, STYLE_PLAIN);

                pen_put_bar(&pen, eighths);
                assert_grid(&grid, false, expected[eighths]);
                pen_put_bar(&pen, UINT32_MAX);
                assert_int_equal(pen.x, 3);
                grid_free(&grid);
        }
}

static void test_styles(void **state)
{
        struct grid grid = new_grid(6, 1, false);
        struct pen pen = pen_at(&grid, 0, 0, STYLE_CAUSE + CAUSE_COW_COPY);

        pen.reversed = true;
        pen_printf(&pen, "%d", 42);
        grid_restyle(&grid, 1, 0, 2, STYLE_SELECTED, false);
        grid_restyle(&grid, 4, 0, UINT32_MAX, STYLE_PLAIN, true);
        grid_restyle(&grid, 6, 0, 1, STYLE_BAD, true);
        grid_restyle(&grid, 0, 1, 1, STYLE_BAD, true);
        assert_grid(&grid, true, "42\nCss PP\n");
        grid_free(&grid);
}

static void test_printf_is_bounded(void **state)
{
        struct grid grid = new_grid(2000, 1, false);
        struct pen pen = pen_at(&grid, 0, 0, STYLE_PLAIN);

        pen_printf(&pen, "%01500d", 7);
        assert_int_equal(pen.x, PEN_PRINTF_MAX_BYTES);
        grid_free(&grid);
}

/* Whatever is put wherever: every cell holds one safe character, or the right half of the one on its left. */
static void assert_sound(const struct grid *grid)
{
        for (uint32_t y = 0; y < grid->height; y++)
                for (uint32_t x = 0; x < grid->width; x++) {
                        const struct cell *cell = grid_cell(grid, x, y), *right = grid_cell(grid, x + 1, y);
                        uint32_t point = 0;

                        if (cell->n_bytes == 0) {
                                assert_true(x > 0 && grid_cell(grid, x - 1, y)->n_bytes > 0);
                                continue;
                        }
                        assert_true(utf8_decode(cell->bytes, cell->n_bytes, &point) > 0);
                        assert_true(utf8_is_safe(point));
                        assert_true(!grid->ascii || (cell->n_bytes == 1 && point >= ' ' && point <= '~'));
                        assert_true((utf8_cells(point) == 2) == (right && right->n_bytes == 0));
                }
}

static uint32_t next_random(uint64_t *seed)
{
        *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
        return (uint32_t)(*seed >> 33);
}

static void put_at_random(struct grid *grid, uint64_t *seed)
{
        static const char *const pieces[] = {"a", "日", "é", "\xcc\x81", "\033", "\xff", "█", "語", " ", "\xe2\x80"};
        struct pen pen = pen_at(grid, next_random(seed) % 12, next_random(seed) % 4, next_random(seed) % N_STYLES);
        CLEANUP_TEXT struct text text = {0};

        for (uint32_t n = next_random(seed) % 8; n > 0; n--)
                text_put_string(&text, pieces[next_random(seed) % ARRAY_SIZE(pieces)]);
        if (!text.data)
                return;
        pen.end = next_random(seed) % 14;
        switch (next_random(seed) % 5) {
        case 0:
                pen_put(&pen, text.data, text.n_bytes);
                break;
        case 1:
                pen_put_name(&pen, text.data, text.n_bytes);
                break;
        case 2:
                pen_put_right(&pen, next_random(seed) % 12, text.data, text.n_bytes);
                break;
        case 3:
                pen_put_fitted(&pen, next_random(seed) % 12, text.data, text.n_bytes);
                break;
        default:
                pen_put_name_fitted(&pen, next_random(seed) % 12, text.data, text.n_bytes);
        }
}

static void test_always_sound(void **state)
{
        uint64_t seed = 1;

        for (int ascii = 0; ascii < 2; ascii++) {
                struct grid grid = new_grid(10, 3, ascii);

                for (int i = 0; i < 20000; i++) {
                        put_at_random(&grid, &seed);
                        assert_sound(&grid);
                }
                grid_free(&grid);
        }
}

/* --- looks --- */

static double channel(unsigned int value)
{
        double share = value / 255.0;
        double base = (share + 0.055) / 1.055;

        /* base to the power of 2.4, as good as it needs to be: 2.4 = 2 + 0.4, and 0.4 by two square roots of it */
        double root = base, step = base;

        if (share <= 0.03928)
                return share / 12.92;
        for (int i = 0; i < 60; i++) /* Newton: root^5 = base^2 */
                root -= (root * root * root * root * root - step * step) / (5 * root * root * root * root);
        return base * base * root;
}

/* Of the palette of 256 colours that terminals have in common: the cube and the greys. WCAG 2.1, relative luminance. */
static double luminance(int color)
{
        static const unsigned int levels[] = {0, 95, 135, 175, 215, 255};
        unsigned int n = (unsigned int)color - 16, grey = 8 + 10 * ((unsigned int)color - 232);

        assert_in_range(color, 16, 255);
        if (color >= 232)
                return channel(grey);
        return 0.2126 * channel(levels[n / 36]) + 0.7152 * channel(levels[n / 6 % 6]) + 0.0722 * channel(levels[n % 6]);
}

static void test_256_colors_are_readable_on_black_and_white(void **state)
{
        for (unsigned int style = 0; style < N_STYLES; style++) {
                struct look look = look_of(style, 256);

                if (look.color == LOOK_COLOR_OWN)
                        continue;
                assert_true((luminance(look.color) + 0.05) / 0.05 >= 3);
                assert_true(1.05 / (luminance(look.color) + 0.05) >= 3);
        }
}

static bool same_look(const struct look *a, const struct look *b)
{
        return a->color == b->color && a->bold == b->bold && a->dim == b->dim && a->underlined == b->underlined &&
               a->reversed == b->reversed;
}

/* With as few colours as there may be. */
static void test_looks_differ(void **state)
{
        static const unsigned int colors[] = {8, 16, 256};
        static const unsigned int causes[] = {CAUSE_UNKNOWN,    CAUSE_ZERO_FILL, CAUSE_COW_COPY, CAUSE_FILE_MINOR,
                                              CAUSE_FILE_MAJOR, CAUSE_SHMEM,     CAUSE_SWAP_IN,  CAUSE_USERFAULT,
                                              CAUSE_RACED,      CAUSE_UNMAPPED};

        for (size_t i = 0; i < ARRAY_SIZE(colors); i++)
                for (size_t a = 0; a < ARRAY_SIZE(causes); a++)
                        for (size_t b = 0; b < a; b++) {
                                struct look one = look_of(STYLE_CAUSE + causes[a], colors[i]);
                                struct look other = look_of(STYLE_CAUSE + causes[b], colors[i]);

                                assert_false(same_look(&one, &other));
                        }
}

static void test_looks_without_colors(void **state)
{
        struct look plain = look_of(STYLE_PLAIN, 0), selected = look_of(STYLE_SELECTED, 0);
        struct look cursor = look_of(STYLE_CURSOR, 0);

        for (unsigned int style = 0; style < N_STYLES; style++)
                assert_int_equal(look_of(style, 0).color, LOOK_COLOR_OWN);
        assert_false(same_look(&plain, &selected));
        assert_false(same_look(&selected, &cursor));
        assert_true(look_of(STYLE_BAD, 0).bold && look_of(STYLE_WARNING, 0).bold && look_of(STYLE_TITLE, 0).underlined);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_new_is_blank),
                cmocka_unit_test(test_resize),
                cmocka_unit_test(test_cut_at_the_edges),
                cmocka_unit_test(test_wide_characters),
                cmocka_unit_test(test_halves),
                cmocka_unit_test(test_marks_combine),
                cmocka_unit_test(test_hostile_bytes),
                cmocka_unit_test(test_ascii),
                cmocka_unit_test(test_right),
                cmocka_unit_test(test_fitted),
                cmocka_unit_test(test_bars),
                cmocka_unit_test(test_styles),
                cmocka_unit_test(test_printf_is_bounded),
                cmocka_unit_test(test_always_sound),
                cmocka_unit_test(test_256_colors_are_readable_on_black_and_white),
                cmocka_unit_test(test_looks_differ),
                cmocka_unit_test(test_looks_without_colors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
