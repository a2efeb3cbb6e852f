/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the window is shared out: the header above, the pictures of rates and latencies below it, the last line for what
 * can be done, and the rest for what one looks at. What is left out first in a small window is what one can do without:
 * the pictures, then lines of the header, then the last line.
 */
#include <stdio.h>

#include "client/top/parts.h"
#include "client/top/view_top_private.h"

enum {
        PROMPT_FROM_HEIGHT = 7,
        CHARTS_FROM_HEIGHT = 20,
        CHART_EXTRA_LINES = 2, /* title and axis */
        POSITION_CELLS = 20,
};

/* --- the last line --- */

static void draw_typing(struct view_top *v, struct grid *grid, uint32_t y)
{
        const struct top_level *level = choice_level(v);
        struct pen pen = pen_at(grid, 0, y, STYLE_TITLE);

        pen_put_string(&pen, "search: ");
        pen.style = STYLE_STRONG;
        pen_put_name(&pen, level->search, level->n_search);
        pen.style = STYLE_CURSOR;
        pen_fill(&pen, 1, ' ');
}

/* Which rows are seen, at the right; returns where it begins. */
static uint32_t draw_position(struct view_top *v, struct grid *grid, uint32_t y)
{
        enum top_screen screen = choice_screen(v);
        char position[64];
        struct pen pen = pen_at(grid, 0, y, STYLE_DIM);
        uint32_t n;

        if (screen == SCREEN_TABLE || screen == SCREEN_SEARCH) {
                if (v->window.table.n_all == 0)
                        return grid->width;
                (void)snprintf(position, sizeof(position), "%zu of %zu", choice_level(v)->selected + 1,
                               v->window.table.n_all);
        } else if (screen == SCREEN_HELP || screen == SCREEN_NOTES || screen == SCREEN_FAULT) {
                if (v->shown.last_first[screen] == 0)
                        return grid->width;
                (void)snprintf(position, sizeof(position), "%s",
                               v->choice.scroll[screen] < v->shown.last_first[screen] ? "more below" : "the end");
        } else {
                return grid->width;
        }
        n = (uint32_t)strlen(position);
        if (n + POSITION_CELLS > grid->width)
                return grid->width;
        pen_move(&pen, grid->width - n);
        pen_put_string(&pen, position);
        return grid->width - n - 1;
}

static void draw_hints(struct view_top *v, struct grid *grid, uint32_t y, uint32_t end)
{
        enum top_screen screen = choice_screen(v);
        struct parts parts = parts_at(grid, 0, y, end);

        for (enum top_action action = TOP_ACTION_NONE + 1; action < N_TOP_ACTIONS; action++) {
                const struct key_help *help = keys_help(action);

                if (help->hint[0] == '\0' || !(help->screens & 1U << screen))
                        continue;
                if (action == TOP_ACTION_BACK && screen == SCREEN_TABLE && v->choice.n_steps == 0)
                        continue;
                parts_printf(&parts, STYLE_DIM, "%s %s", keys_label(action, 0), help->hint);
        }
}

void draw_prompt(struct view_top *v, struct grid *grid, uint32_t y)
{
        uint32_t end = draw_position(v, grid, y);

        if (choice_screen(v) == SCREEN_SEARCH)
                draw_typing(v, grid, y);
        else
                draw_hints(v, grid, y, end);
}

/* --- the picture of the address space --- */

static void name_of(void *user, uint64_t address, struct text *out)
{
        const struct view_top *v = user;
        const struct smaps_map *map;
        const char *slash;

        if (page_names_put(v->pages, address, out))
                return;
        map = smaps_find(&v->space.maps, address, NULL);
        if (!map || map->path[0] == '\0')
                return;
        slash = strrchr(map->path, '/');
        text_put_string(out, slash ? slash + 1 : map->path);
}

void draw_space(struct view_top *v, struct grid *grid)
{
        const struct space_names names = {.name_of = name_of, .user = v};
        const struct area *body = &v->shown.body;

        space_draw(&v->space, grid, body->y, body->height, v->choice.is_paused ? v->choice.paused_ns : v->now_ns,
                   &names);
}

/* --- all --- */

/* Lines of the header that are worth having in a window so high. */
static uint32_t header_lines(const struct view_top *v, uint32_t height)
{
        uint32_t most = draw_header_lines(v);
        enum top_screen screen = choice_screen(v);
        uint32_t n = height < 4 ? MIN_OF(height, 1U) : height < 8 ? 2 : height < 14 ? 3 : most;

        if (screen == SCREEN_HELP || screen == SCREEN_NOTES || screen == SCREEN_SPACE)
                n = MIN_OF(n, 3U);
        return MIN_OF(n, most);
}

static uint32_t chart_lines(const struct view_top *v, const struct grid *grid)
{
        enum top_screen screen = choice_screen(v);
        uint32_t least = v->choice.charts == CHARTS_LATENCY ? CHARTS_FROM_HEIGHT / 2 : CHARTS_FROM_HEIGHT;

        if (v->choice.charts == CHARTS_NONE || grid->height < least)
                return 0;
        if (screen == SCREEN_DETAILS ? grid->height < 2 * least : screen != SCREEN_TABLE && screen != SCREEN_SEARCH)
                return 0;
        return MIN_OF(grid->height / 8, 8U) + CHART_EXTRA_LINES;
}

static int draw_body(struct view_top *v, struct grid *grid)
{
        switch (choice_screen(v)) {
        case SCREEN_TABLE:
        case SCREEN_SEARCH:
                return draw_table(v, grid);
        case SCREEN_SPACE:
                draw_space(v, grid);
                return 0;
        case SCREEN_DETAILS:
                return draw_details(v, grid);
        case SCREEN_FAULT:
                draw_fault(v, grid);
                return 0;
        case SCREEN_NOTES:
                draw_notes(v, grid);
                return 0;
        case SCREEN_HELP:
                draw_help(v, grid);
                return 0;
        case N_TOP_SCREENS:
                break;
        }
        return 0;
}

/* A page that has become shorter, in a window that has become higher, is scrolled back. */
static bool scrolled_too_far(struct view_top *v)
{
        enum top_screen screen = choice_screen(v);

        if (screen != SCREEN_HELP && screen != SCREEN_NOTES && screen != SCREEN_FAULT)
                return false;
        if (v->choice.scroll[screen] <= v->shown.last_first[screen])
                return false;
        v->choice.scroll[screen] = v->shown.last_first[screen];
        return true;
}

static int draw_once(struct view_top *v, struct grid *grid)
{
        bool is_typing = choice_screen(v) == SCREEN_SEARCH;
        bool has_prompt = grid->height >= PROMPT_FROM_HEIGHT || (is_typing && grid->height > 1);
        uint32_t n_header = header_lines(v, grid->height), n_charts = chart_lines(v, grid);
        struct area charts = {.y = n_header, .width = grid->width, .height = n_charts};
        uint32_t n_above = n_header + n_charts;
        struct top_span span = choice_span(v);
        int r;

        grid_clear(grid);
        v->shown.tabs_y = v->shown.titles_y = UINT32_MAX;
        v->shown.rows.height = 0;
        v->shown.body =
                (struct area){.y = n_above, .width = grid->width, .height = grid->height - n_above - has_prompt};
        r = top_model_totals(v->model, &span, &v->totals);
        if (r < 0)
                return r;
        draw_header(v, grid, n_header);
        if (n_charts > 0)
                r = draw_charts(v, grid, &charts);
        if (r == 0)
                r = draw_body(v, grid);
        if (r == 0 && has_prompt)
                draw_prompt(v, grid, grid->height - 1);
        return r;
}

int view_top_draw(struct view *view, struct grid *grid, uint64_t now_ns)
{
        struct view_top *v = view_top_of(view);
        int r;

        if (grid->width == 0 || grid->height == 0)
                return 0;
        if (!v->is_over) { /* then time does not go on: what was last is what one wants to see */
                v->now_ns = now_ns;
                top_model_tick(v->model, now_ns);
        }
        r = draw_once(v, grid);
        if (r == 0 && scrolled_too_far(v))
                r = draw_once(v, grid);
        return r;
}
