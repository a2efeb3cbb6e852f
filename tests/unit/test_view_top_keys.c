/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys: each does what the table of keys says, on the screen, in the help and in the man page. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/top/keys.h"
#include "tests/unit/top_scene.h"

#define MAN_PAGE GOLDEN_DIR "/../../../client/faultline.1.scd"
#define MAN_BEGIN "; keys of top, from client/top/keys.def: begin\n"
#define MAN_END "; keys of top: end\n"

/* Two keys of one screen do not mean the same, and every action has a key. */
static void test_table(void **unused)
{
        for (enum top_action action = TOP_ACTION_NONE + 1; action < N_TOP_ACTIONS; action++) {
                assert_non_null(keys_label(action, 0));
                assert_true(keys_help(action)->help[0] != '\0');
                assert_int_not_equal(keys_help(action)->screens, 0);
        }
        assert_null(keys_help(TOP_ACTION_NONE));
        assert_null(keys_help(N_TOP_ACTIONS));
}

static enum top_action find(enum top_screen screen, enum key_code code, uint32_t point)
{
        const struct key key = {.code = code, .point = point};

        return keys_find(screen, &key);
}

/* Every bound key reaches its action on every screen where that exists. */
static void test_reachable(void **unused)
{
        static const struct {
                enum top_action action;
                enum key_code code;
                uint32_t point;
        } keys[] = {
#define KEY(name, key_code, key_point, label) {TOP_ACTION_##name, key_code, key_point},
#include "client/top/keys.def"
        };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                for (enum top_screen screen = 0; screen < N_TOP_SCREENS; screen++) {
                        bool exists = keys_help(keys[i].action)->screens & 1U << screen;
                        bool is_typed =
                                screen == SCREEN_SEARCH && keys[i].code == KEY_CODE_CHAR && keys[i].point >= ' ';

                        if (is_typed)
                                assert_int_equal(find(screen, keys[i].code, keys[i].point), TOP_ACTION_NONE);
                        else if (exists)
                                assert_int_equal(find(screen, keys[i].code, keys[i].point), keys[i].action);
                }
        assert_int_equal(find(SCREEN_TABLE, KEY_CODE_CHAR, 0x1f600), TOP_ACTION_NONE);
}

/* A line that begins with the one and has the other. */
static bool has_line(const char *screen, const char *beginning, const char *text)
{
        for (const char *found = strstr(screen, text); found; found = strstr(found + 1, text)) {
                const char *line = found;

                while (line > screen && line[-1] != '\n')
                        line--;
                if (strncmp(line, beginning, strlen(beginning)) == 0)
                        return true;
        }
        return false;
}

/* The help has the text and the first key of each action. */
static void test_help(void **unused)
{
        const struct view_top_options options = {.by = GROUP_MAP};
        struct scene *s = scene_new(&options);
        CLEANUP_TEXT struct text screen = {0};

        scene_type(s, "?");
        scene_draw(s, 200, 120, false);
        grid_put_text(&s->grid, false, &screen);
        text_put_char(&screen, '\0');
        for (enum top_action action = TOP_ACTION_NONE + 1; action < N_TOP_ACTIONS; action++) {
                assert_true(has_line(screen.data, keys_label(action, 0), keys_help(action)->help));
        }
        scene_free(s);
}

static char *read_man_page(void)
{
        FILE *file = fopen(MAN_PAGE, "re");
        char *page;
        size_t n;

        if (!file)
                fail_msg("cannot read %s: %s", MAN_PAGE, strerror(errno));
        page = calloc(1, 1 << 20);
        assert_non_null(page);
        n = fread(page, 1, (1 << 20) - 1, file);
        assert_int_equal(fclose(file), 0);
        assert_in_range(n, 1, (1 << 20) - 2);
        return page;
}

/* The man page has the list as keys_put_man() makes it. */
static void test_man_page(void **unused)
{
        CLEANUP_FREE char *page = read_man_page();
        CLEANUP_TEXT struct text list = {0};
        const char *begin = strstr(page, MAN_BEGIN), *end = begin ? strstr(begin, MAN_END) : NULL;

        keys_put_man(&list);
        if (!end || (size_t)(end - begin) - strlen(MAN_BEGIN) != list.n_bytes ||
            memcmp(begin + strlen(MAN_BEGIN), list.data, list.n_bytes) != 0) {
                (void)printf("%s%.*s%s", MAN_BEGIN, (int)list.n_bytes, list.data, MAN_END);
                fail_msg("%s has not the list of keys that is printed above", MAN_PAGE);
        }
}

static enum view_top_answer press(struct scene *s, enum key_code code, uint32_t point)
{
        const struct key key = {.code = code, .point = point};

        return scene_press(s, &key);
}

static void test_answers(void **unused)
{
        const struct view_top_options options = {.by = GROUP_MAP};
        struct scene *s = scene_new(&options);

        scene_draw(s, 80, 24, false);
        assert_int_equal(press(s, KEY_CODE_CHAR, 'L' - '@'), VIEW_TOP_REPAINT);
        assert_int_equal(press(s, KEY_CODE_CHAR, '/'), VIEW_TOP_OK);
        assert_int_equal(press(s, KEY_CODE_CHAR, 'q'), VIEW_TOP_OK); /* typed */
        assert_int_equal(press(s, KEY_CODE_CHAR, 'L' - '@'), VIEW_TOP_REPAINT);
        assert_int_equal(press(s, KEY_CODE_ESCAPE, 0), VIEW_TOP_OK);
        assert_int_equal(press(s, KEY_CODE_CHAR, '?'), VIEW_TOP_OK);
        assert_int_equal(press(s, KEY_CODE_CHAR, 'q'), VIEW_TOP_OK); /* closes the help */
        assert_int_equal(press(s, KEY_CODE_CHAR, 'q'), VIEW_TOP_QUIT);
        assert_int_equal(press(s, KEY_CODE_CHAR, '?'), VIEW_TOP_OK);
        assert_int_equal(press(s, KEY_CODE_CHAR, 'Q'), VIEW_TOP_QUIT);
        scene_free(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),    cmocka_unit_test(test_reachable), cmocka_unit_test(test_help),
                cmocka_unit_test(test_man_page), cmocka_unit_test(test_answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
