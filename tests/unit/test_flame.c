/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree of frames, its folded lines, and that no name gets out of its place in the SVG. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/escape.h"
#include "client/flame.h"
#include "client/flame_svg.h"

/* "app;main;read[k] 3": the kinds' letters in brackets behind a name. */
static void add(struct flame *flame, const char *stack, uint64_t weight)
{
        uint32_t node = FLAME_ROOT;

        for (const char *p = stack; *p;) {
                size_t n = strcspn(p, ";");
                enum frame_kind kind = node == FLAME_ROOT ? FRAME_OTHER : FRAME_USER;
                size_t n_name = n;

                if (n > 3 && p[n - 1] == ']' && p[n - 3] == '[') {
                        kind = p[n - 2] == 'k' ? FRAME_KERNEL : p[n - 2] == 'i' ? FRAME_INLINED : FRAME_JIT;
                        n_name -= 3;
                }
                assert_int_equal(flame_child(flame, node, kind, p, n_name, &node), 0);
                p += n + (p[n] == ';');
        }
        flame_add(flame, node, weight);
}

static void expect_text(struct text *text, const char *expected)
{
        assert_false(text->failed);
        text_put_char(text, '\0');
        assert_string_equal(text->data, expected);
        text_free(text);
}

static void expect_folded(struct flame *flame, const char *expected)
{
        struct text out = {0};

        assert_int_equal(flame_finish(flame), 0);
        flame_put_folded(flame, &out);
        expect_text(&out, expected);
}

static void test_empty(void **unused)
{
        struct flame flame = {0};

        expect_folded(&flame, "");
        assert_int_equal(flame_total(&flame), 0);
        flame_free(&flame);
}

static void test_folded(void **unused)
{
        struct flame flame = {0};

        add(&flame, "app;main;work", 2);
        add(&flame, "app;main", 5);
        add(&flame, "app;main;read;copy[k]", 7);
        add(&flame, "app;main;work", 1);
        add(&flame, "app;main;a[i]", 4);
        add(&flame, "app;main;a[j]", 6);
        add(&flame, "app;main;nothing", 0);
        add(&flame, "aaa", 8);
        expect_folded(&flame, "aaa 8\n"
                              "app;main 5\n"
                              "app;main;a_[i] 4\n"
                              "app;main;a_[j] 6\n"
                              "app;main;read;copy_[k] 7\n"
                              "app;main;work 3\n");
        assert_int_equal(flame_total(&flame), 33);
        flame_free(&flame);
}

/* It goes on growing after it was looked at. */
static void test_finished_twice(void **unused)
{
        struct flame flame = {0};

        add(&flame, "app;b", 1);
        expect_folded(&flame, "app;b 1\n");
        add(&flame, "app;a", 1);
        add(&flame, "app;b", 1);
        expect_folded(&flame, "app;a 1\napp;b 2\n");
        assert_int_equal(flame_total(&flame), 3);
        flame_free(&flame);
}

static void one_frame(struct flame *flame, const char *name, size_t n_bytes)
{
        uint32_t node;

        assert_int_equal(flame_child(flame, FLAME_ROOT, FRAME_USER, name, n_bytes, &node), 0);
        flame_add(flame, node, 1);
}

static void test_folded_names(void **unused)
{
        struct flame flame = {0};

        one_frame(&flame, "f(int, char); g", 15);
        one_frame(&flame, "two\nlines 5", 11);
        one_frame(&flame, "\xff\x00\x1b", 3);
        one_frame(&flame, "", 0);
        expect_folded(&flame, "[unknown] 1\n"
                              "\\xff\\x00\\x1b 1\n"
                              "f(int,_char):_g 1\n"
                              "two\\x0alines_5 1\n");
        flame_free(&flame);
}

/* Whole lines are in order, as sort(1) has them, where their names alone would be in another. */
static void test_folded_order(void **unused)
{
        struct flame flame = {0};

        add(&flame, "a;x", 1);
        add(&flame, "a-b;x", 1);
        add(&flame, "a", 1);
        add(&flame, "a<b", 1);
        expect_folded(&flame, "a 1\na-b;x 1\na;x 1\na<b 1\n");
        flame_free(&flame);
}

static void test_weight_does_not_run_over(void **unused)
{
        struct flame flame = {0};

        add(&flame, "a;x", UINT64_MAX);
        add(&flame, "a;x", 1);
        add(&flame, "a;y", 1);
        expect_folded(&flame, "a;x 18446744073709551615\na;y 1\n");
        assert_true(flame_total(&flame) == UINT64_MAX);
        flame_free(&flame);
}

static void test_deep(void **unused)
{
        enum { DEPTH = 40000 };
        struct flame flame = {0};
        struct text out = {0};
        uint32_t node = FLAME_ROOT;

        for (int i = 0; i < DEPTH; i++)
                assert_int_equal(flame_child(&flame, node, FRAME_USER, "r", 1, &node), 0);
        flame_add(&flame, node, 1);
        assert_int_equal(flame_finish(&flame), 0);
        flame_put_folded(&flame, &out);
        assert_int_equal(out.n_bytes, 2 * DEPTH - 1 + 3);
        text_free(&out);
        flame_free(&flame);
}

/* --- SVG --- */

static char *svg_of(struct flame *flame, enum fault_weight weight)
{
        const struct flame_svg_options options = {.title = "a <b> & \"c\"\n", .n_title = 12, .weight = weight};
        struct text out = {0};

        assert_int_equal(flame_finish(flame), 0);
        flame_put_svg(flame, &options, &out);
        assert_false(out.failed);
        text_put_char(&out, '\0');
        return out.data;
}

static size_t n_of(const char *text, const char *word)
{
        size_t n = 0;

        for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
                n++;
        return n;
}

static void expect_part(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("no \"%s\" in:\n%s", part, text);
}

static void test_svg_empty(void **unused)
{
        struct flame flame = {0};
        CLEANUP_FREE char *svg = svg_of(&flame, WEIGHT_COUNT);

        expect_part(svg, "<title>a &lt;b&gt; &amp; \"c\"\\x0a</title>");
        expect_part(svg, "<title>all\n0 faults, 100.00 %</title><rect x=\"10.00\" y=\"76\" width=\"1180.00\"");
        expect_part(svg, " height=\"127\" viewBox=\"0 0 1200 127\">");
        expect_part(svg, "text-anchor=\"end\"></text>\n<g id=\"bar\">");
}

static void test_svg_frames(void **unused)
{
        struct flame flame = {0};
        CLEANUP_FREE char *svg = NULL;

        add(&flame, "app;main;one", 1);
        add(&flame, "app;main;two[k]", 2);
        add(&flame, "app;main", 1);
        svg = svg_of(&flame, WEIGHT_COUNT);
        expect_part(svg, "<g role=\"button\" tabindex=\"0\" data-depth=\"0\" data-start=\"0\" data-weight=\"4\">"
                         "<title>all\n4 faults, 100.00 %</title>"
                         "<rect x=\"10.00\" y=\"76\" width=\"1180.00\" height=\"16\" fill=\"#");
        expect_part(svg, "data-depth=\"3\" data-start=\"0\" data-weight=\"1\"><title>one\n1 fault, 25.00 %</title>"
                         "<rect x=\"10.00\" y=\"127\" width=\"295.00\"");
        expect_part(svg, "data-depth=\"3\" data-start=\"1\" data-weight=\"2\"><title>two\n2 faults, 50.00 %</title>"
                         "<rect x=\"305.00\" y=\"127\" width=\"590.00\"");
        expect_part(svg, "<text x=\"308.00\" y=\"139\">two</text></g>");
        assert_int_equal(n_of(svg, "<g role=\"button\" tabindex"), 5);
        flame_free(&flame);
}

static void test_svg_weights(void **unused)
{
        struct flame flame = {0};
        char *svg;

        add(&flame, "app", 8192);
        svg = svg_of(&flame, WEIGHT_BYTES);
        expect_part(svg, "<title>app\n8 KiB, 100.00 %</title>");
        free(svg);
        svg = svg_of(&flame, WEIGHT_TIME);
        expect_part(svg, "<title>app\n8 \u00b5s, 100.00 %</title>");
        free(svg);
        flame_free(&flame);
}

/* In which order the stacks came does not show. */
static void test_svg_is_deterministic(void **unused)
{
        static const char *const stacks[] = {"app;main;b", "app;main;a", "other;x[k]", "app;main;a;c"};
        struct flame forth = {0}, back = {0};
        CLEANUP_FREE char *svg = NULL, *again = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
                add(&forth, stacks[i], 3);
                add(&back, stacks[ARRAY_SIZE(stacks) - 1 - i], 3);
        }
        svg = svg_of(&forth, WEIGHT_COUNT);
        again = svg_of(&back, WEIGHT_COUNT);
        assert_string_equal(svg, again);
        flame_free(&forth);
        flame_free(&back);
}

/* 11 800 faults are 0.1 px each over 1180 px: with one more, none of weight 1 is drawn, nor what is above it. */
static void test_svg_leaves_out(void **unused)
{
        struct flame flame = {0};
        char *svg;

        add(&flame, "app", 11798);
        add(&flame, "app;a;b", 1);
        add(&flame, "app;c", 1);
        svg = svg_of(&flame, WEIGHT_COUNT);
        expect_part(svg, "<title>b\n1 fault, 0.01 %</title>");
        expect_part(svg, "text-anchor=\"end\"></text>\n<g id=\"bar\">");
        free(svg);
        add(&flame, "app", 1);
        svg = svg_of(&flame, WEIGHT_COUNT);
        assert_null(strstr(svg, "<title>b\n"));
        expect_part(svg, ">3 frames narrower than 0.1 px left out</text>");
        expect_part(svg, " height=\"144\" "); /* two rows */
        free(svg);
        flame_free(&flame);
}

/* No markup but our own: every '<' outside the script belongs to an element that this file writes for any name. */
static void test_svg_hostile_names(void **unused)
{
        static const struct {
                const char *name;
                size_t n_bytes;
                const char *shown;
        } names[] = {
                {"]]>", 3, "]]&gt;"},
                {"</title><script>alert(1)</script>", 33, "&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;"},
                {"\" onload=\"x' y='", 16, "\" onload=\"x' y='"},
                {"&#10;&lt;", 9, "&amp;#10;&amp;lt;"},
                {"\x00\n\x1b[31m\x7f", 8, "\\x00\\x0a\\x1b[31m\\x7f"},
                {"\xff\xc0\xaf", 3, "\\xff\\xc0\\xaf"},
                {"\xef\xbf\xbe\xef\xbf\xbf", 6, "\xef\xbf\xbd\xef\xbf\xbd"}, /* no characters of XML 1.0 */
                {"<!--", 4, "&lt;!--"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                struct flame flame = {0}, tame = {0};
                CLEANUP_FREE char *svg = NULL, *other = NULL;
                char expected[256];

                one_frame(&flame, names[i].name, names[i].n_bytes);
                one_frame(&tame, "tame", 4);
                svg = svg_of(&flame, WEIGHT_COUNT);
                other = svg_of(&tame, WEIGHT_COUNT);
                (void)snprintf(expected, sizeof(expected), "<title>%s\n1 fault", names[i].shown);
                expect_part(svg, expected);
                (void)snprintf(expected, sizeof(expected), "\">%s</text></g>", names[i].shown);
                expect_part(svg, expected);
                assert_int_equal(n_of(svg, "<"), n_of(other, "<"));
                assert_int_equal(n_of(svg, "]]>"), 1);
                flame_free(&flame);
                flame_free(&tame);
        }
}

/* 1180 px are 160 columns. */
static void test_svg_cuts_names(void **unused)
{
        char name[400];
        struct flame flame = {0};
        char *svg;

        for (size_t i = 0; i < sizeof(name); i += 2)
                memcpy(name + i, "\u00e4", 2);
        one_frame(&flame, name, 2 * 160);
        svg = svg_of(&flame, WEIGHT_COUNT);
        assert_null(strstr(svg, "\u2026</text></g>"));
        free(svg);
        flame_free(&flame);

        one_frame(&flame, name, 2 * 161);
        svg = svg_of(&flame, WEIGHT_COUNT);
        expect_part(svg, "\u00e4\u2026</text></g>");
        assert_int_equal(n_of(svg, "\u00e4"), 161 + 159);
        free(svg);
        flame_free(&flame);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_folded),
                cmocka_unit_test(test_finished_twice),
                cmocka_unit_test(test_folded_names),
                cmocka_unit_test(test_folded_order),
                cmocka_unit_test(test_weight_does_not_run_over),
                cmocka_unit_test(test_deep),
                cmocka_unit_test(test_svg_empty),
                cmocka_unit_test(test_svg_frames),
                cmocka_unit_test(test_svg_weights),
                cmocka_unit_test(test_svg_is_deterministic),
                cmocka_unit_test(test_svg_leaves_out),
                cmocka_unit_test(test_svg_hostile_names),
                cmocka_unit_test(test_svg_cuts_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
