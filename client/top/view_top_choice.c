/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the user has chosen, and what follows from it: which screen, which moment, which table, which row.
 *
 * The chosen row: as long as it is the first one it stays the first one, which is what somebody who only watches wants;
 * once it was moved it stays with its group, however that rises and falls, so that Enter never hits another one.
 */
#include "client/top/view_top_private.h"

#define SLICES_OF(seconds) ((seconds)*NSEC_PER_SEC / TOP_SLICE_NS)

const struct top_span_choice top_spans[] = {
        {0, "all"},
        {SLICES_OF(60), "last minute"},
        {SLICES_OF(10), "last 10 s"},
};
const size_t n_top_spans = ARRAY_SIZE(top_spans);

const enum group_by top_tabs[N_GROUP_BY] = {
        GROUP_MAP,   GROUP_IMAGE,  GROUP_SECTION, GROUP_SYMBOL,  GROUP_CODE,
        GROUP_STACK, GROUP_THREAD, GROUP_CAUSE,   GROUP_PROCESS,
};

void choice_init(struct top_choice *choice, const struct view_top_options *options)
{
        *choice = (struct top_choice){.screens = {options->starts_with_space ? SCREEN_SPACE : SCREEN_TABLE}};
        choice->levels[0].by = options->by < N_GROUP_BY ? options->by : GROUP_MAP;
}

/* --- screens --- */

enum top_screen choice_base(const struct view_top *v)
{
        return v->choice.screens[0];
}

enum top_screen choice_screen(const struct view_top *v)
{
        enum top_screen screen = v->choice.screens[v->choice.depth];

        return screen == SCREEN_TABLE && v->choice.is_typing ? SCREEN_SEARCH : screen;
}

/* One that is open already comes to the top by closing those above it. */
void choice_open(struct view_top *v, enum top_screen screen)
{
        struct top_choice *choice = &v->choice;

        for (size_t i = 0; i <= choice->depth; i++)
                if (choice->screens[i] == screen) {
                        choice->depth = i;
                        return;
                }
        choice->screens[++choice->depth] = screen;
        choice->scroll[screen] = 0;
}

void choice_close(struct view_top *v)
{
        if (v->choice.depth > 0)
                v->choice.depth--;
}

/* --- time --- */

struct top_span choice_span(const struct view_top *v)
{
        uint64_t now = top_model_now(v->model);

        return (struct top_span){.until = v->choice.is_paused ? MIN_OF(v->choice.until, now) : now,
                                 .n_slices = top_spans[v->choice.span].n_slices};
}

void choice_pause(struct view_top *v, bool is_paused)
{
        if (is_paused && !v->choice.is_paused) {
                v->choice.until = top_model_now(v->model);
                v->choice.paused_ns = v->now_ns;
        }
        v->choice.is_paused = is_paused;
}

/* Moving in time holds it; it does not go on by itself when now is reached. */
void choice_move_time(struct view_top *v, int64_t n_slices)
{
        uint64_t now = top_model_now(v->model), least = MIN_OF(top_model_oldest(v->model) + 1, now);
        uint64_t until, back = n_slices < 0 ? (uint64_t)-n_slices : 0;

        choice_pause(v, true);
        until = MAX_OF(v->choice.until, least);
        until = until - least < back ? least : until - back;
        if (n_slices > 0)
                until += (uint64_t)n_slices;
        v->choice.until = MIN_OF(until, now);
        v->choice.fault = 0;
}

/* --- tables --- */

struct top_level *choice_level(struct view_top *v)
{
        return &v->choice.levels[v->choice.n_steps];
}

static void forget_row(struct top_level *level)
{
        level->follows = false;
        level->selected = 0;
        level->first = 0;
}

void choice_group(struct view_top *v, enum group_by by)
{
        struct top_level *level = choice_level(v);

        if (level->by == by)
                return;
        level->by = by;
        level->n_search = 0;
        level->search[0] = '\0';
        forget_row(level);
}

void choice_sort(struct view_top *v, enum top_sort sort)
{
        choice_level(v)->sort = sort;
}

void choice_select(struct view_top *v, size_t row)
{
        struct top_level *level = choice_level(v);
        size_t n_all = v->window.table.n_all;
        const struct top_row *chosen;

        level->selected = n_all > 0 ? MIN_OF(row, n_all - 1) : 0;
        chosen = window_row(v, level->selected);
        level->follows = chosen != NULL && level->selected > 0;
        level->group = chosen ? chosen->group : 0;
        v->choice.fault = 0;
}

static bool is_entered(const struct top_choice *choice, enum group_by by)
{
        for (size_t i = 0; i <= choice->n_steps; i++)
                if (choice->levels[i].by == by)
                        return true;
        return false;
}

/* What one wants to know of the faults of a group next: from where to what, then by whom. false: all is known. */
static bool next_grouping(const struct top_choice *choice, enum group_by *ret)
{
        static const enum group_by questions[] = {
                GROUP_THREAD, GROUP_IMAGE, GROUP_SECTION, GROUP_SYMBOL, GROUP_CODE, GROUP_CAUSE,
        };
        static const enum group_by first_question[N_GROUP_BY] = {
                [GROUP_CAUSE] = GROUP_MAP,     [GROUP_MAP] = GROUP_SYMBOL,     [GROUP_SECTION] = GROUP_SYMBOL,
                [GROUP_SYMBOL] = GROUP_CODE,   [GROUP_CODE] = GROUP_SYMBOL,    [GROUP_THREAD] = GROUP_MAP,
                [GROUP_IMAGE] = GROUP_SECTION, [GROUP_PROCESS] = GROUP_THREAD, [GROUP_STACK] = GROUP_SYMBOL,
        };
        enum group_by first = first_question[choice->levels[choice->n_steps].by];

        if (!is_entered(choice, first)) {
                *ret = first;
                return true;
        }
        for (size_t i = 0; i < ARRAY_SIZE(questions); i++)
                if (!is_entered(choice, questions[i])) {
                        *ret = questions[i];
                        return true;
                }
        return false;
}

bool choice_enter(struct view_top *v)
{
        struct top_choice *choice = &v->choice;
        struct top_level *level = choice_level(v);
        const struct top_row *chosen = window_chosen(v);
        enum group_by by;

        /* One step is left for the pane of details. */
        if (!chosen || choice->n_steps + 2 >= TOP_DEPTH_MAX || !next_grouping(choice, &by))
                return false;
        level->group = chosen->group;
        level->follows = true;
        choice->n_steps++;
        choice->levels[choice->n_steps] = (struct top_level){.by = by, .sort = level->sort};
        return true;
}

bool choice_hold_fault(struct view_top *v, size_t index)
{
        struct top_query query;
        struct top_fault fault;

        if (!choice_query_row(v, GROUP_CAUSE, &query) || !top_model_fault(v->model, &query, index, &fault))
                return false;
        if (fault_copy_set(&v->choice.held, &fault) < 0)
                return false;
        v->choice.fault = index;
        v->choice.scroll[SCREEN_FAULT] = 0;
        return true;
}

bool choice_leave(struct view_top *v)
{
        if (v->choice.n_steps == 0)
                return false;
        v->choice.n_steps--;
        return true;
}

void choice_reset(struct view_top *v)
{
        struct top_choice *choice = &v->choice;

        choice->n_steps = 0;
        choice->is_paused = false;
        choice->span = 0;
        choice->levels[0].n_search = 0;
        choice->levels[0].search[0] = '\0';
        forget_row(&choice->levels[0]);
}

/* --- the window of rows --- */

static size_t put_steps(const struct top_choice *choice, struct top_step *steps)
{
        for (size_t i = 0; i < choice->n_steps; i++)
                steps[i] = (struct top_step){.by = choice->levels[i].by, .group = choice->levels[i].group};
        return choice->n_steps;
}

struct top_query choice_query(const struct view_top *v)
{
        const struct top_level *level = &v->choice.levels[v->choice.n_steps];
        struct top_query query = {
                .span = choice_span(v), .by = level->by, .sort = level->sort, .search = level->search};

        query.n_steps = put_steps(&v->choice, query.steps);
        return query;
}

bool choice_query_row(const struct view_top *v, enum group_by by, struct top_query *ret)
{
        const struct top_row *chosen = window_chosen(v);
        struct top_query query = choice_query(v);

        if (!chosen || query.n_steps >= TOP_DEPTH_MAX)
                return false;
        query.steps[query.n_steps++] = (struct top_step){.by = query.by, .group = chosen->group};
        query.by = by;
        query.search = NULL;
        *ret = query;
        return true;
}

const struct top_row *window_row(const struct view_top *v, size_t row)
{
        const struct top_window *window = &v->window;

        if (row < window->first || row - window->first >= window->table.n_rows)
                return NULL;
        return &window->rows[row - window->first];
}

const struct top_row *window_chosen(const struct view_top *v)
{
        return window_row(v, v->choice.levels[v->choice.n_steps].selected);
}

/* The row may have moved with its group, and there may be fewer rows now. */
static void follow(struct view_top *v, struct top_level *level)
{
        const struct top_window *window = &v->window;

        if (level->follows)
                for (size_t i = 0; i < window->table.n_rows; i++)
                        if (window->rows[i].group == level->group) {
                                level->selected = window->first + i;
                                return;
                        }
        if (level->selected >= window->table.n_all)
                level->selected = window->table.n_all > 0 ? window->table.n_all - 1 : 0;
}

void window_scroll(struct view_top *v, uint32_t n_visible)
{
        struct top_level *level = choice_level(v);
        size_t n_all = v->window.table.n_all;

        if (level->selected < level->first)
                level->first = level->selected;
        if (n_visible > 0 && level->selected - level->first >= n_visible)
                level->first = level->selected - n_visible + 1;
        if (level->first + n_visible > n_all)
                level->first = n_all > n_visible ? n_all - n_visible : 0;
}

static int fetch_from(struct view_top *v, size_t first)
{
        struct top_query query = choice_query(v);

        query.first = first;
        return window_get(v, &v->window, &query);
}

int window_fetch(struct view_top *v)
{
        struct top_level *level = choice_level(v);
        size_t margin = TOP_WINDOW_ROWS / 2;
        int r;

        r = fetch_from(v, level->selected < margin ? 0 : level->selected - margin);
        if (r == 0 && v->window.first > 0 && v->window.first >= v->window.table.n_all)
                r = fetch_from(v, v->window.table.n_all > margin ? v->window.table.n_all - margin : 0);
        if (r < 0)
                return r;
        follow(v, level);
        return 0;
}
