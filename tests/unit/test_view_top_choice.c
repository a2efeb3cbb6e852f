/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the user has chosen stays chosen, whatever comes: rows, moments, processes; and what is asked of the owner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_daemon.h"
#include "tests/unit/top_scene.h"

static const struct view_top_options by_map = {.by = GROUP_MAP};

/* The line of the screen that has this in it; -1: none has. */
static int line_with(struct scene *s, const char *text)
{
        CLEANUP_TEXT struct text screen = {0};
        const char *found;
        int line = 0;

        grid_put_text(&s->grid, false, &screen);
        text_put_char(&screen, '\0');
        found = strstr(screen.data, text);
        if (!found)
                return -1;
        for (const char *c = screen.data; c < found; c++)
                line += *c == '\n';
        return line;
}

static int chosen_line(const struct scene *s)
{
        for (uint32_t y = 0; y < s->grid.height; y++)
                if (grid_cell(&s->grid, 0, y)->style == STYLE_SELECTED)
                        return (int)y;
        return -1;
}

static struct scene *running(void)
{
        struct scene *s = scene_new(&by_map);

        scene_attach(s, DETAIL_FULL, 8192);
        scene_run(s);
        scene_draw(s, 80, 24, false);
        return s;
}

static void redraw(struct scene *s)
{
        scene_draw(s, 80, 24, false);
}

/* So many faults of the place that was the lightest. */
static void raise_place(struct scene *s, size_t place, unsigned int n)
{
        for (unsigned int i = 0; i < n; i++) {
                struct proto_event e = scene_event(s, s->now_ns);

                e.map = s->maps[place];
                e.place = s->places[place];
                scene_send(s, &e, 1);
        }
        s->now_ns += TOP_SLICE_NS;
}

static void test_choice_stays_with_its_row(void **unused)
{
        struct scene *s = running();
        int first = chosen_line(s);

        assert_int_equal(line_with(s, "[heap]"), first);
        scene_type(s, "_____");
        redraw(s);
        assert_int_equal(chosen_line(s), first + 5);
        assert_int_equal(line_with(s, "[stack]"), first + 5);
        raise_place(s, 7, 20000); /* now it is the heaviest */
        redraw(s);
        assert_int_equal(line_with(s, "[stack]"), first);
        assert_int_equal(chosen_line(s), first);
        scene_free(s);
}

/* Who has not moved looks at the heaviest, whichever that is. */
static void test_first_row_stays_first(void **unused)
{
        struct scene *s = running();
        int first = chosen_line(s);

        raise_place(s, 7, 20000);
        redraw(s);
        assert_int_equal(line_with(s, "[stack]"), first);
        assert_int_equal(chosen_line(s), first);
        scene_free(s);
}

static void click(struct scene *s, uint32_t x, uint32_t y)
{
        const struct key key = {.code = KEY_CODE_CLICK, .x = x, .y = y};

        assert_int_equal(scene_press(s, &key), VIEW_TOP_OK);
        redraw(s);
}

static void test_clicks(void **unused)
{
        struct scene *s = running();
        int tabs = line_with(s, "1map 2image"), first = chosen_line(s);

        click(s, 2, (uint32_t)first + 2);
        assert_int_equal(chosen_line(s), first + 2);
        click(s, 2, (uint32_t)first + 2); /* into it */
        assert_int_not_equal(line_with(s, "by symbol"), -1);
        scene_type(s, "*");
        redraw(s);
        assert_int_equal(line_with(s, "by symbol"), -1);
        click(s, 7, (uint32_t)tabs);
        assert_int_equal(line_with(s, " image"), tabs + 1);
        click(s, 36, (uint32_t)tabs + 1); /* the title of the times */
        assert_true(grid_cell(&s->grid, 36, (uint32_t)tabs + 1)->reversed);
        click(s, 79, 23);
        click(s, 1000, 1000);
        scene_free(s);
}

/* A moment that is held does not change with what comes; it can be moved as far as there is something. */
static void test_held_moment(void **unused)
{
        struct scene *s = running();

        scene_type(s, "wwp");
        redraw(s);
        assert_int_not_equal(line_with(s, "last 10 s: 4 360"), -1);
        raise_place(s, 7, 20000);
        redraw(s);
        assert_int_not_equal(line_with(s, "last 10 s: 4 360"), -1);
        for (unsigned int i = 0; i < 20; i++)
                scene_type(s, "{");
        redraw(s);
        assert_int_not_equal(line_with(s, "PAUSED, 30.0 s ago"), -1); /* the first slice */
        scene_type(s, "[");
        redraw(s);
        assert_int_not_equal(line_with(s, "PAUSED, 30.0 s ago"), -1);
        for (unsigned int i = 0; i < 20; i++)
                scene_type(s, "}");
        redraw(s);
        assert_int_not_equal(line_with(s, "PAUSED\n"), -1);
        scene_type(s, "p");
        redraw(s);
        assert_int_equal(line_with(s, "PAUSED"), -1);
        scene_free(s);
}

/* A fault that is looked at stays, however many come after it. */
static void test_held_fault(void **unused)
{
        struct scene *s = running();
        CLEANUP_TEXT struct text before = {0}, after = {0};

        scene_type(s, "d__|");
        scene_draw(s, 80, 24, false);
        grid_put_text(&s->grid, false, &before);
        for (unsigned int i = 0; i < 3; i++)
                raise_place(s, 6, 5000);
        scene_draw(s, 80, 24, false);
        grid_put_text(&s->grid, false, &after);
        text_put_char(&before, '\0');
        text_put_char(&after, '\0');
        assert_string_equal(strstr(after.data, "time  "), strstr(before.data, "time  "));
        scene_free(s);
}

static void press(struct scene *s, char c)
{
        const struct key key = scene_key(c);

        assert_int_equal(scene_press(s, &key), VIEW_TOP_OK);
}

/* Maps are wanted while the picture is on the screen, once a second, and of the process that is chosen. */
static void test_picture(void **unused)
{
        static const char text[] = "1000-2000 r-xp 00000000 08:01 17 /a\n";
        struct scene *s = running();
        struct smaps maps;

        assert_int_equal(view_top_space_pid(s->view), SCENE_PID);
        assert_false(view_top_wants_maps(s->view, s->now_ns));
        press(s, 'a');
        assert_true(view_top_wants_maps(s->view, s->now_ns));
        assert_int_equal(smaps_parse(text, sizeof(text) - 1, &maps), 0);
        view_top_set_maps(s->view, SCENE_PID + 7, &maps, 0, s->now_ns); /* of another one: not taken */
        assert_true(view_top_wants_maps(s->view, s->now_ns));
        assert_int_equal(smaps_parse(text, sizeof(text) - 1, &maps), 0);
        view_top_set_maps(s->view, SCENE_PID, &maps, 0, s->now_ns);
        assert_false(view_top_wants_maps(s->view, s->now_ns + NSEC_PER_SEC - 1));
        assert_true(view_top_wants_maps(s->view, s->now_ns + NSEC_PER_SEC));
        press(s, 'p');
        assert_false(view_top_wants_maps(s->view, s->now_ns + NSEC_PER_SEC));
        press(s, 'p');
        press(s, '#'); /* the next process */
        assert_int_equal(view_top_space_pid(s->view), SCENE_PID + 1);
        assert_true(view_top_wants_maps(s->view, s->now_ns));
        press(s, '#');
        assert_int_equal(view_top_space_pid(s->view), SCENE_PID);
        press(s, 'a');
        assert_false(view_top_wants_maps(s->view, s->now_ns + 10 * NSEC_PER_SEC));
        scene_free(s);
}

/* From a table of processes or threads the picture is that of the chosen one. */
static void test_picture_of_row(void **unused)
{
        struct scene *s = running();

        scene_type(s, "9_");
        redraw(s);
        press(s, 'a');
        assert_int_equal(view_top_space_pid(s->view), SCENE_PID + 1);
        press(s, 'a');
        scene_type(s, "^");
        redraw(s);
        press(s, 'a');
        assert_int_equal(view_top_space_pid(s->view), SCENE_PID);
        scene_free(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_choice_stays_with_its_row),
                cmocka_unit_test(test_first_row_stays_first),
                cmocka_unit_test(test_clicks),
                cmocka_unit_test(test_held_moment),
                cmocka_unit_test(test_held_fault),
                cmocka_unit_test(test_picture),
                cmocka_unit_test(test_picture_of_row),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
