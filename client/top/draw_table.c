/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table: which columns there are depends on the width alone, so that nothing jumps; the name has what the others
 * leave. What was entered, what is searched and which time counts stand above it when they are not the usual.
 */
#include "client/escape.h"
#include "client/figures.h"
#include "client/top/parts.h"
#include "client/top/row_name.h"
#include "client/top/view_top_private.h"

enum {
        TABS_FROM_HEIGHT = 12,
        CRUMBS_FROM_HEIGHT = 5,
        TITLES_FROM_HEIGHT = 3,
        CRUMBS_REST_CELLS = 16,
        BAR_CELLS = 8,
        EIGHTHS = 8
};

enum column_kind {
        COLUMN_COUNT,
        COLUMN_RATE,
        COLUMN_SHARE,
        COLUMN_BAR,
        COLUMN_TIME,
        COLUMN_AVG,
        COLUMN_MAX,
        COLUMN_MAJOR,
        COLUMN_FAILED,
        COLUMN_BYTES,
        COLUMN_NAME,
};
_Static_assert(COLUMN_NAME + 1 == N_TOP_COLUMNS, "view_top_private.h keeps where they are");

struct column_info {
        const char *title;
        uint8_t cells; /* with the blank behind it; 0: the rest */
        uint8_t rank;  /* the higher, the sooner it is left out */
        int8_t sort;   /* enum top_sort; -1: none */
};

static const struct column_info columns[N_TOP_COLUMNS] = {
        [COLUMN_COUNT] = {"count", 8, 0, TOP_SORT_COUNT},
        [COLUMN_RATE] = {"rate/s", 8, 2, TOP_SORT_RATE},
        [COLUMN_SHARE] = {"%", 5, 1, -1},
        [COLUMN_BAR] = {"", BAR_CELLS + 1, 5, -1},
        [COLUMN_TIME] = {"time", 8, 3, TOP_SORT_TIME},
        [COLUMN_AVG] = {"avg", 8, 8, -1},
        [COLUMN_MAX] = {"max", 8, 6, -1},
        [COLUMN_MAJOR] = {"major", 7, 4, TOP_SORT_MAJOR},
        [COLUMN_FAILED] = {"failed", 7, 9, -1},
        [COLUMN_BYTES] = {"bytes", 9, 7, TOP_SORT_BYTES},
        [COLUMN_NAME] = {"", 0, 0, -1},
};

struct columns {
        bool is_shown[N_TOP_COLUMNS];
};

static struct columns choose_columns(uint32_t width)
{
        uint32_t least_name = width < 30 ? width / 2 : MIN_OF(width * 3 / 8, 56U);
        struct columns chosen = {.is_shown = {[COLUMN_NAME] = true}};
        uint32_t room = width - least_name;

        for (unsigned int rank = 0; rank < N_TOP_COLUMNS; rank++)
                for (unsigned int i = 0; i < COLUMN_NAME; i++) {
                        if (columns[i].rank != rank)
                                continue;
                        if (columns[i].cells > room)
                                return chosen;
                        chosen.is_shown[i] = true;
                        room -= columns[i].cells;
                }
        return chosen;
}

/* --- what stands above the rows --- */

static void draw_tabs(struct view_top *v, struct grid *grid, uint32_t y)
{
        enum group_by by = choice_level(v)->by;
        struct pen pen = pen_at(grid, 0, y, STYLE_DIM);

        for (unsigned int i = 0; i < N_GROUP_BY; i++) {
                bool is_chosen = top_tabs[i] == by;

                pen.style = is_chosen ? STYLE_STRONG : STYLE_DIM;
                pen.reversed = is_chosen;
                pen_printf(&pen, "%u", i + 1);
                pen.style = is_chosen ? STYLE_STRONG : STYLE_PLAIN;
                pen_put_string(&pen, group_by_text(top_tabs[i]));
                pen.reversed = false;
                pen_fill(&pen, 1, ' ');
                v->shown.tab_end[i] = pen.x;
        }
        v->shown.tabs_y = y;
}

/* What was entered; the names share the line, so that what follows them is seen. There is at least one. */
static void put_steps(struct view_top *v, const struct grid *grid, struct pen *pen)
{
        uint32_t room =
                (grid->width > CRUMBS_REST_CELLS ? grid->width - CRUMBS_REST_CELLS : 0) / (uint32_t)v->choice.n_steps;
        CLEANUP_TEXT struct text name = {0};

        for (size_t i = 0; i < v->choice.n_steps; i++) {
                const struct top_level *level = &v->choice.levels[i];
                size_t n_name = 0;
                uint32_t n_cells;
                const char *raw = top_model_name(v->model, level->by, level->group, &n_name);

                name.n_bytes = 0;
                row_name_put(&name, level->by, grid->ascii, raw, n_name);
                pen->style = STYLE_DIM;
                pen_printf(pen, "%s ", group_by_text(level->by));
                pen->style = STYLE_STRONG;
                n_cells = (uint32_t)strlen(group_by_text(level->by)) + 4; /* the blank, and what separates it */
                n_cells = room > n_cells ? room - n_cells : 0;
                pen_put_fitted(pen, MIN_OF(n_cells, utf8_text_cells(name.data, name.n_bytes)), name.data, name.n_bytes);
                pen->style = STYLE_DIM;
                pen_put_glyph(pen, " › ", '>');
        }
}

static bool has_crumbs(struct view_top *v)
{
        return v->choice.n_steps > 0 || choice_level(v)->n_search > 0 || v->choice.span > 0 ||
               v->window.table.is_incomplete;
}

static void draw_crumbs(struct view_top *v, struct grid *grid, uint32_t y)
{
        const struct top_level *level = choice_level(v);
        struct pen pen = pen_at(grid, 0, y, STYLE_DIM);

        if (v->choice.n_steps > 0)
                put_steps(v, grid, &pen);
        pen.style = STYLE_STRONG;
        pen_printf(&pen, "by %s", group_by_text(level->by));
        if (level->n_search > 0) {
                pen.style = STYLE_DIM;
                pen_put_string(&pen, "  with ");
                pen.style = STYLE_STRONG;
                pen_put_name(&pen, level->search, level->n_search);
        }
        pen.style = STYLE_DIM;
        if (v->choice.span > 0)
                pen_printf(&pen, "  %s", top_spans[v->choice.span].text);
        pen.style = STYLE_WARNING;
        if (v->window.table.is_incomplete)
                pen_put_string(&pen, "  not all: some of it is too long ago, or was too much");
}

static void draw_titles(struct view_top *v, const struct columns *shown, struct grid *grid, uint32_t y)
{
        enum top_sort sort = choice_level(v)->sort;
        struct pen pen = pen_at(grid, 0, y, STYLE_TITLE);
        size_t n = 0;

        for (unsigned int i = 0; i < N_TOP_COLUMNS; i++) {
                const struct column_info *column = &columns[i];

                if (!shown->is_shown[i])
                        continue;
                if (i == COLUMN_NAME) {
                        pen_put_string(&pen, group_by_text(choice_level(v)->by));
                } else {
                        uint32_t n_title = (uint32_t)strlen(column->title), x = pen.x;

                        pen_put_right(&pen, column->cells - 1U, column->title, n_title);
                        if (column->sort == (int)sort)
                                grid_restyle(grid, x + column->cells - 1U - n_title, y, n_title, STYLE_STRONG, true);
                        pen_move(&pen, x + column->cells);
                }
                v->shown.column_end[n] = i == COLUMN_NAME ? grid->width : pen.x;
                v->shown.column_sort[n++] = column->sort;
        }
        v->shown.n_columns = n;
        v->shown.titles_y = y;
}

/* --- rows --- */

struct table_pen {
        const struct view_top *v;
        struct pen pen;
        const struct columns *shown;
        const struct top_table *table;
        uint64_t n_major; /* of all */
        enum top_sort sort;
        enum group_by by;
};

/* Which part of the whole a row is, in what the table is sorted by. */
static double share_of(const struct table_pen *t, const struct top_row *row)
{
        const struct measure *all = &t->table->sum;
        uint64_t part, whole;

        switch (t->sort) {
        case TOP_SORT_TIME:
                part = row->sum.time_ns;
                whole = all->time_ns;
                break;
        case TOP_SORT_BYTES:
                part = row->sum.bytes;
                whole = all->bytes;
                break;
        case TOP_SORT_MAJOR:
                part = row->n_major;
                whole = t->n_major;
                break;
        default:
                part = row->sum.count;
                whole = all->count;
        }
        return whole > 0 ? (double)part / (double)whole : 0;
}

static struct figure time_figure(const struct top_row *row, uint64_t ns)
{
        return row->sum.n_timed > 0 ? figure_time(ns) : (struct figure){.text = "-", .n_bytes = 1};
}

static struct figure figure_of(const struct table_pen *t, unsigned int column, const struct top_row *row)
{
        switch (column) {
        case COLUMN_COUNT:
                return figure_count(row->sum.count);
        case COLUMN_RATE:
                return figure_rate(row->per_second);
        case COLUMN_SHARE:
                return figure_share(share_of(t, row));
        case COLUMN_TIME:
                return time_figure(row, row->sum.time_ns);
        case COLUMN_AVG:
                return time_figure(row, row->sum.n_timed > 0 ? row->sum.time_ns / row->sum.n_timed : 0);
        case COLUMN_MAX:
                return time_figure(row, row->sum.max_ns);
        case COLUMN_MAJOR:
                return figure_count(row->n_major);
        case COLUMN_FAILED:
                return figure_count(row->n_failed);
        case COLUMN_BYTES:
                return figure_bytes(row->sum.bytes);
        }
        return (struct figure){.n_bytes = 0};
}

static enum style style_of(unsigned int column, const struct top_row *row)
{
        if (column == COLUMN_MAJOR)
                return row->n_major > 0 ? STYLE_WARNING : STYLE_DIM;
        if (column == COLUMN_FAILED)
                return row->n_failed > 0 ? STYLE_BAD : STYLE_DIM;
        if (column == COLUMN_RATE)
                return row->per_second > 0 ? STYLE_PLAIN : STYLE_DIM;
        return STYLE_PLAIN;
}

static void put_bar(struct table_pen *t, const struct top_row *row)
{
        struct pen pen = t->pen;

        pen.end = MIN_OF(pen.end, pen.x + BAR_CELLS);
        pen.style = cause_style(row->cause);
        pen_put_bar(&pen, (uint32_t)(MIN_OF(share_of(t, row), 1.0) * BAR_CELLS * EIGHTHS + 0.5));
}

static void put_name(struct table_pen *t, const struct top_row *row)
{
        CLEANUP_TEXT struct text name = {0};
        size_t n_raw = 0;
        const char *raw = window_name(t->v, &t->v->window, row, &n_raw);

        row_name_put(&name, t->by, t->pen.grid->ascii, raw, n_raw);
        t->pen.style = row->n_failed > 0 && row->n_failed == row->sum.count ? STYLE_BAD : STYLE_PLAIN;
        if (t->by == GROUP_STACK) /* what is near the fault counts most */
                pen_put(&t->pen, name.data, name.n_bytes);
        else
                pen_put_fitted(&t->pen, t->pen.end - t->pen.x, name.data, name.n_bytes);
}

static void draw_row(struct table_pen *t, const struct top_row *row)
{
        for (unsigned int i = 0; i < COLUMN_NAME; i++) {
                struct figure figure = figure_of(t, i, row);
                uint32_t x = t->pen.x;

                if (!t->shown->is_shown[i])
                        continue;
                t->pen.style = style_of(i, row);
                if (i == COLUMN_BAR)
                        put_bar(t, row);
                else
                        pen_put_right(&t->pen, columns[i].cells - 1U, figure.text, figure.n_bytes);
                pen_move(&t->pen, x + columns[i].cells);
        }
        if (t->pen.x < t->pen.end)
                put_name(t, row);
}

static const char *empty_text(struct view_top *v)
{
        if (choice_level(v)->n_search > 0)
                return "no row has this in its name";
        if (v->n_targets == 0)
                return v->is_over ? "nothing was traced" : "waiting for the trace to begin";
        return v->choice.n_steps > 0 || v->choice.span > 0 || v->choice.is_paused ? "no fault in this time"
                                                                                  : "no fault yet";
}

static void draw_rows(struct view_top *v, const struct columns *shown, struct grid *grid, const struct area *area)
{
        const struct top_level *level = choice_level(v);
        struct table_pen t = {.v = v,
                              .shown = shown,
                              .table = &v->window.table,
                              .n_major = v->totals.n_outcomes[OUTCOME_MAJOR],
                              .sort = level->sort,
                              .by = level->by};

        for (uint32_t i = 0; i < area->height; i++) {
                const struct top_row *row = window_row(v, level->first + i);

                if (!row)
                        break;
                t.pen = pen_at(grid, area->x, area->y + i, STYLE_PLAIN);
                draw_row(&t, row);
                if (level->first + i == level->selected)
                        grid_restyle(grid, area->x, area->y + i, area->width, STYLE_SELECTED, false);
        }
        if (v->window.table.n_all == 0 && area->height > 0) {
                struct pen pen = pen_at(grid, area->x, area->y, STYLE_DIM);

                pen_put_string(&pen, empty_text(v));
        }
}

int draw_table(struct view_top *v, struct grid *grid)
{
        struct area rest = v->shown.body;
        struct columns shown = choose_columns(rest.width);
        uint32_t height = rest.height;
        bool has_tabs = height >= TABS_FROM_HEIGHT, has_titles = height >= TITLES_FROM_HEIGHT;
        uint32_t above = (uint32_t)has_tabs + has_titles;
        int r;

        r = window_fetch(v);
        if (r < 0)
                return r;
        if (has_tabs)
                draw_tabs(v, grid, rest.y);
        if (has_crumbs(v) && height >= CRUMBS_FROM_HEIGHT) {
                draw_crumbs(v, grid, rest.y + has_tabs);
                above++;
        }
        if (has_titles)
                draw_titles(v, &shown, grid, rest.y + above - 1);
        rest.y += above;
        rest.height -= above;
        v->shown.rows = rest;
        window_scroll(v, rest.height);
        draw_rows(v, &shown, grid, &rest);
        return 0;
}
