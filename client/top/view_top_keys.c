/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A key becomes an action by the table of keys.def, an action changes the choice. What a key does to a table was
 * decided by what the user saw: rows are those of the last drawing. On the picture of the address space its own keys
 * come first.
 */
#include "client/top/view_top_private.h"

enum { SLICES_A_STEP = 1, SLICES_A_LEAP = 20, WHEEL_ROWS = 3 };

/* --- rows and lines --- */

static size_t moved(size_t from, int64_t by)
{
        if (by < 0)
                return from < (uint64_t)-by ? 0 : from - (uint64_t)-by;
        return from + (uint64_t)by;
}

static bool is_table(enum top_screen screen)
{
        return screen == SCREEN_TABLE || screen == SCREEN_SEARCH;
}

static void move(struct view_top *v, int64_t by)
{
        enum top_screen screen = choice_screen(v);

        if (is_table(screen)) {
                choice_select(v, moved(choice_level(v)->selected, by));
        } else if (screen == SCREEN_DETAILS) {
                size_t last = v->shown.n_faults > 0 ? v->shown.n_faults - 1 : 0;

                choice_pause(v, v->choice.is_paused || v->shown.n_faults > 0);
                v->choice.fault = MIN_OF(moved(v->choice.fault, by), last);
        } else {
                v->choice.scroll[screen] = MIN_OF(moved(v->choice.scroll[screen], by), v->shown.last_first[screen]);
        }
}

static int64_t page(const struct view_top *v)
{
        const struct top_shown *shown = &v->shown;
        enum top_screen screen = choice_screen(v);
        uint32_t n = is_table(screen)           ? shown->rows.height
                     : screen == SCREEN_DETAILS ? shown->n_faults_seen
                                                : shown->body.height;

        return MAX_OF(n, 2U) - 1; /* a line stays, to go on from */
}

/* --- searching --- */

static size_t put_utf8(char *to, uint32_t point)
{
        if (point < 0x80) {
                to[0] = (char)point;
                return 1;
        }
        if (point < 0x800) {
                to[0] = (char)(0xc0 | point >> 6);
                to[1] = (char)(0x80 | (point & 0x3f));
                return 2;
        }
        if (point < 0x10000) {
                to[0] = (char)(0xe0 | point >> 12);
                to[1] = (char)(0x80 | (point >> 6 & 0x3f));
                to[2] = (char)(0x80 | (point & 0x3f));
                return 3;
        }
        to[0] = (char)(0xf0 | point >> 18);
        to[1] = (char)(0x80 | (point >> 12 & 0x3f));
        to[2] = (char)(0x80 | (point >> 6 & 0x3f));
        to[3] = (char)(0x80 | (point & 0x3f));
        return 4;
}

static bool is_character(uint32_t point)
{
        return point >= 0x20 && point != 0x7f && !(point >= 0x80 && point < 0xa0) &&
               !(point >= 0xd800 && point < 0xe000) && point <= 0x10ffff;
}

static void changed_search(struct view_top *v)
{
        struct top_level *level = choice_level(v);

        level->search[level->n_search] = '\0';
        level->selected = level->first = 0;
        level->follows = false;
}

static void type(struct view_top *v, uint32_t point)
{
        struct top_level *level = choice_level(v);
        char bytes[4];
        size_t n_bytes;

        if (!is_character(point))
                return;
        n_bytes = put_utf8(bytes, point);
        if (level->n_search + n_bytes > TOP_SEARCH_BYTES_MAX)
                return;
        memcpy(level->search + level->n_search, bytes, n_bytes);
        level->n_search += n_bytes;
        changed_search(v);
}

/* Of nothing: it is over. */
static void erase(struct view_top *v)
{
        struct top_level *level = choice_level(v);

        if (level->n_search == 0)
                v->choice.is_typing = false;
        while (level->n_search > 0 && ((unsigned char)level->search[--level->n_search] & 0xc0) == 0x80)
                ;
        changed_search(v);
}

static void end_search(struct view_top *v, bool keep)
{
        v->choice.is_typing = false;
        if (keep)
                return;
        choice_level(v)->n_search = 0;
        changed_search(v);
}

/* --- screens --- */

static void enter(struct view_top *v)
{
        if (choice_screen(v) == SCREEN_DETAILS) {
                choice_pause(v,
                             v->choice.is_paused || v->shown.n_faults > 0); /* else the next one is another already */
                if (choice_hold_fault(v, v->choice.fault))
                        choice_open(v, SCREEN_FAULT);
        } else if (!choice_enter(v) && window_chosen(v)) {
                v->choice.fault = 0;
                choice_open(v, SCREEN_DETAILS);
        }
}

static void back(struct view_top *v)
{
        if (v->choice.depth > 0)
                choice_close(v);
        else if (choice_base(v) == SCREEN_SPACE)
                v->choice.screens[0] = SCREEN_TABLE;
        else if (choice_level(v)->n_search > 0)
                end_search(v, false);
        else
                (void)choice_leave(v);
}

static void toggle(struct view_top *v, enum top_screen screen)
{
        if (choice_screen(v) == screen)
                choice_close(v);
        else
                choice_open(v, screen);
}

static void show_details(struct view_top *v)
{
        if (choice_screen(v) == SCREEN_DETAILS) {
                choice_close(v);
        } else if (window_chosen(v)) {
                v->choice.fault = 0;
                choice_open(v, SCREEN_DETAILS);
        }
}

/* Names of processes and threads begin with the process's number: "4242", "4242/4243 worker". 0: there is none. */
static int32_t pid_of_name(const char *name, size_t n_name)
{
        int64_t pid = 0;

        for (size_t i = 0; i < n_name && name[i] >= '0' && name[i] <= '9'; i++) {
                pid = pid * 10 + (name[i] - '0');
                if (pid > INT32_MAX)
                        return 0;
        }
        return (int32_t)pid;
}

static bool is_of_process(enum group_by by)
{
        return by == GROUP_PROCESS || by == GROUP_THREAD;
}

/* The process that is chosen, or that was entered. */
static int32_t chosen_process(struct view_top *v)
{
        for (size_t i = v->choice.n_steps + 1; i-- > 0;) {
                const struct top_level *level = &v->choice.levels[i];
                const struct top_row *chosen = i == v->choice.n_steps ? window_chosen(v) : NULL;
                uint64_t group = chosen ? chosen->group : level->group;
                size_t n_name = 0;
                const char *name =
                        is_of_process(level->by) ? top_model_name(v->model, level->by, group, &n_name) : NULL;

                if (name)
                        return pid_of_name(name, n_name);
        }
        return 0;
}

static void show_space(struct view_top *v)
{
        view_top_show_process(v, chosen_process(v));
        v->choice.screens[0] = SCREEN_SPACE;
}

static void next_process(struct view_top *v)
{
        size_t i = 0;

        while (i < v->n_processes && v->processes[i] != v->space_pid)
                i++;
        if (v->n_processes > 0)
                view_top_show_process(v, v->processes[i < v->n_processes ? (i + 1) % v->n_processes : 0]);
}

/* --- the mouse --- */

static void click_title(struct view_top *v, uint32_t x)
{
        const struct top_shown *shown = &v->shown;

        for (size_t i = 0; i < shown->n_columns; i++)
                if (x < shown->column_end[i]) {
                        if (shown->column_sort[i] >= 0)
                                choice_sort(v, (enum top_sort)shown->column_sort[i]);
                        return;
                }
}

static void click_tab(struct view_top *v, uint32_t x)
{
        for (unsigned int i = 0; i < N_GROUP_BY; i++)
                if (x < v->shown.tab_end[i]) {
                        choice_group(v, top_tabs[i]);
                        return;
                }
}

static void click_row(struct view_top *v, uint32_t y)
{
        const struct top_shown *shown = &v->shown;
        size_t row = choice_level(v)->first + (y - shown->rows.y);

        if (!window_row(v, row))
                return;
        if (row == choice_level(v)->selected)
                enter(v);
        else
                choice_select(v, row);
}

static void click_fault(struct view_top *v, uint32_t y)
{
        const struct top_shown *shown = &v->shown;
        size_t fault;

        if (y < shown->faults_y || y - shown->faults_y >= shown->n_faults_seen)
                return;
        fault = shown->first_fault + (y - shown->faults_y);
        if (fault >= shown->n_faults)
                return;
        if (fault == v->choice.fault)
                enter(v);
        v->choice.fault = fault;
}

static void click(struct view_top *v, const struct key *key)
{
        const struct area *rows = &v->shown.rows;

        if (choice_screen(v) == SCREEN_DETAILS)
                click_fault(v, key->y);
        else if (key->y == v->shown.tabs_y)
                click_tab(v, key->x);
        else if (key->y == v->shown.titles_y)
                click_title(v, key->x);
        else if (key->y >= rows->y && key->y - rows->y < rows->height)
                click_row(v, key->y);
}

/* --- actions --- */

static enum group_by next_tab(enum group_by by)
{
        for (unsigned int i = 0; i < N_GROUP_BY; i++)
                if (top_tabs[i] == by)
                        return top_tabs[(i + 1) % N_GROUP_BY];
        return by;
}

/* What changes the place within a screen, or the screen. false: it is something else. */
static bool act_on_place(struct view_top *v, enum top_action action, const struct key *key)
{
        bool by_wheel = key->code == KEY_CODE_WHEEL_UP || key->code == KEY_CODE_WHEEL_DOWN;

        switch (action) {
        case TOP_ACTION_UP:
                move(v, by_wheel ? -WHEEL_ROWS : -1);
                return true;
        case TOP_ACTION_DOWN:
                move(v, by_wheel ? WHEEL_ROWS : 1);
                return true;
        case TOP_ACTION_PAGE_UP:
                move(v, -page(v));
                return true;
        case TOP_ACTION_PAGE_DOWN:
                move(v, page(v));
                return true;
        case TOP_ACTION_FIRST:
                move(v, -INT32_MAX);
                return true;
        case TOP_ACTION_LAST:
                move(v, INT32_MAX);
                return true;
        case TOP_ACTION_CLICK:
                click(v, key);
                return true;
        case TOP_ACTION_ENTER:
                enter(v);
                return true;
        case TOP_ACTION_BACK:
        case TOP_ACTION_CLOSE:
                back(v);
                return true;
        case TOP_ACTION_HELP:
                toggle(v, SCREEN_HELP);
                return true;
        case TOP_ACTION_NOTES:
                toggle(v, SCREEN_NOTES);
                return true;
        case TOP_ACTION_DETAILS:
                show_details(v);
                return true;
        case TOP_ACTION_SPACE:
                show_space(v);
                return true;
        case TOP_ACTION_TABLE:
                v->choice.screens[0] = SCREEN_TABLE;
                return true;
        case TOP_ACTION_NEXT_PROCESS:
                next_process(v);
                return true;
        default:
                return false;
        }
}

/* Which moment, and how much of time. */
static bool act_on_time(struct view_top *v, enum top_action action)
{
        switch (action) {
        case TOP_ACTION_PAUSE:
                choice_pause(v, !v->choice.is_paused);
                return true;
        case TOP_ACTION_EARLIER:
                choice_move_time(v, -SLICES_A_STEP);
                return true;
        case TOP_ACTION_LATER:
                choice_move_time(v, SLICES_A_STEP);
                return true;
        case TOP_ACTION_MUCH_EARLIER:
                choice_move_time(v, -SLICES_A_LEAP);
                return true;
        case TOP_ACTION_MUCH_LATER:
                choice_move_time(v, SLICES_A_LEAP);
                return true;
        case TOP_ACTION_OLDER:
                (void)choice_hold_fault(v, v->choice.fault + 1);
                return true;
        case TOP_ACTION_NEWER:
                (void)(v->choice.fault > 0 && choice_hold_fault(v, v->choice.fault - 1));
                return true;
        case TOP_ACTION_SPAN:
                v->choice.span = (v->choice.span + 1) % (unsigned int)n_top_spans;
                return true;
        case TOP_ACTION_RESET:
                choice_reset(v);
                return true;
        default:
                return false;
        }
}

/* Which table. */
static void act_on_table(struct view_top *v, enum top_action action)
{
        if (action >= TOP_ACTION_BY_MAP && action <= TOP_ACTION_BY_PROCESS)
                choice_group(v, top_tabs[action - TOP_ACTION_BY_MAP]);
        else if (action == TOP_ACTION_NEXT_GROUPING)
                choice_group(v, next_tab(choice_level(v)->by));
        else if (action >= TOP_ACTION_SORT_COUNT && action <= TOP_ACTION_SORT_MAJOR)
                choice_sort(v, (enum top_sort)(action - TOP_ACTION_SORT_COUNT));
        else if (action == TOP_ACTION_SORT_NEXT)
                choice_sort(v, (choice_level(v)->sort + 1) % N_TOP_SORTS);
        else if (action == TOP_ACTION_SEARCH)
                v->choice.is_typing = true;
        else if (action == TOP_ACTION_SEARCH_KEEP || action == TOP_ACTION_SEARCH_DROP)
                end_search(v, action == TOP_ACTION_SEARCH_KEEP);
        else if (action == TOP_ACTION_SEARCH_ERASE)
                erase(v);
        else if (action == TOP_ACTION_HISTOGRAM)
                v->choice.charts = (v->choice.charts + 1) % N_TOP_CHARTS;
}

enum view_top_answer view_top_key(struct view *view, const struct key *key, uint64_t now_ns)
{
        struct view_top *v = view_top_of(view);
        enum top_screen screen = choice_screen(v);
        enum top_action action;

        v->now_ns = now_ns;
        if (screen == SCREEN_SPACE && space_key(&v->space, key))
                return VIEW_TOP_OK;
        action = keys_find(screen, key);
        if (action == TOP_ACTION_QUIT || action == TOP_ACTION_QUIT_AT_ONCE)
                return VIEW_TOP_QUIT;
        if (action == TOP_ACTION_REPAINT)
                return VIEW_TOP_REPAINT;
        if (action == TOP_ACTION_NONE && screen == SCREEN_SEARCH && key->code == KEY_CODE_CHAR)
                type(v, key->point);
        else if (!act_on_place(v, action, key) && !act_on_time(v, action))
                act_on_table(v, action);
        return VIEW_TOP_OK;
}
