/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row in detail: what it comes to, what it is made of by other groupings, and its latest faults, of which one may
 * be chosen. Where the window is wide the chosen one's stack stands beside them.
 */
#include "client/figures.h"
#include "client/top/parts.h"
#include "client/top/row_name.h"
#include "client/top/view_top_private.h"

enum {
        BLOCK_CELLS_MIN = 38,
        BLOCKS_FROM_HEIGHT = 12,
        STACK_FROM_WIDTH = 130,
        THREAD_FROM_WIDTH = 70,
        PID_FROM_WIDTH = 110,
        CAUSE_CELLS = 15,
        FIGURE_CELLS = 8,
        SHARE_CELLS = 6,
};

/* --- what it comes to --- */

static void put_measure(struct parts *parts, const struct top_row *row)
{
        const struct measure *sum = &row->sum;

        parts_printf(parts, STYLE_STRONG, "%s fault%s", figure_exact(sum->count).text, sum->count == 1 ? "" : "s");
        parts_printf(parts, STYLE_PLAIN, "%s/s", figure_rate(row->per_second).text);
        if (sum->n_timed > 0) {
                parts_printf(parts, STYLE_PLAIN, "%s", figure_time(sum->time_ns).text);
                parts_printf(parts, STYLE_PLAIN, "avg %s", figure_time(sum->time_ns / sum->n_timed).text);
                parts_printf(parts, STYLE_PLAIN, "max %s", figure_time(sum->max_ns).text);
        }
        parts_printf(parts, STYLE_PLAIN, "%s", figure_bytes(sum->bytes).text);
        if (row->n_major > 0)
                parts_printf(parts, STYLE_WARNING, "%s major", figure_exact(row->n_major).text);
        if (row->n_failed > 0)
                parts_printf(parts, STYLE_BAD, "%s failed", figure_exact(row->n_failed).text);
}

static void draw_sums(struct view_top *v, struct sheet *sheet, const struct top_row *row)
{
        enum group_by by = choice_level(v)->by;
        CLEANUP_TEXT struct text name = {0};
        size_t n_raw = 0;
        const char *raw = window_name(v, &v->window, row, &n_raw);
        struct parts parts;
        struct pen pen;

        text_put_string(&name, group_by_text(by));
        text_put_char(&name, ' ');
        row_name_put(&name, by, sheet->grid->ascii, raw, n_raw);
        sheet_put_wrapped(sheet, STYLE_STRONG, 2, name.data, name.n_bytes);
        pen = sheet_line(sheet, STYLE_PLAIN);
        parts = parts_at(sheet->grid, pen.x, pen.y, pen.end);
        put_measure(&parts, row);
}

/* --- what it is made of --- */

static void put_block_row(const struct view_top *v, const struct top_window *block, struct pen pen,
                          const struct top_row *row)
{
        struct figure count = figure_count(row->sum.count);
        struct figure share = figure_share_of(row->sum.count, block->table.sum.count);
        CLEANUP_TEXT struct text name = {0};
        size_t n_raw = 0;
        const char *raw = window_name(v, block, row, &n_raw);

        row_name_put(&name, block->query.by, pen.grid->ascii, raw, n_raw);
        pen_put_right(&pen, FIGURE_CELLS - 1, count.text, count.n_bytes);
        pen.style = STYLE_DIM;
        pen_put_right(&pen, SHARE_CELLS, share.text, share.n_bytes);
        pen_put_string(&pen, "% ");
        pen.style = block->query.by == GROUP_CAUSE ? cause_style(row->cause) : STYLE_PLAIN;
        if (pen.x < pen.end)
                pen_put_fitted(&pen, pen.end - pen.x, name.data, name.n_bytes);
}

/* The heaviest groups of the row by another grouping. */
static int draw_block(struct view_top *v, struct top_window *block, struct grid *grid, const struct area *area,
                      enum group_by by)
{
        const struct top_table *table = &block->table;
        struct pen pen = pen_at(grid, area->x, area->y, STYLE_TITLE);
        struct top_query query;
        int r;

        if (!choice_query_row(v, by, &query))
                return 0;
        query.sort = TOP_SORT_COUNT;
        r = window_get(v, block, &query);
        if (r < 0)
                return r;
        pen.end = MIN_OF(pen.end, area->x + area->width);
        pen_printf(&pen, "by %s", group_by_text(by));
        pen.style = STYLE_DIM;
        if (table->n_all > TOP_BLOCK_ROWS)
                pen_printf(&pen, ", %d of %zu", TOP_BLOCK_ROWS, table->n_all);
        for (uint32_t i = 0; i < table->n_rows; i++) {
                struct pen row = pen_at(grid, area->x, area->y + 1 + i, STYLE_PLAIN);

                row.end = pen.end;
                put_block_row(v, block, row, &block->rows[i]);
        }
        return 0;
}

static bool is_entered(const struct view_top *v, enum group_by by)
{
        for (size_t i = 0; i <= v->choice.n_steps; i++)
                if (v->choice.levels[i].by == by)
                        return true;
        return false;
}

static int draw_blocks(struct view_top *v, struct grid *grid, const struct area *area)
{
        static const enum group_by groupings[] = {GROUP_CAUSE, GROUP_CODE, GROUP_SYMBOL, GROUP_THREAD, GROUP_MAP};
        uint32_t n = MIN_OF(MAX_OF(area->width / BLOCK_CELLS_MIN, 1U), (uint32_t)TOP_BLOCKS_MAX), done = 0;

        for (size_t i = 0; i < ARRAY_SIZE(groupings) && done < n; i++) {
                struct area block = {.x = area->x + done * (area->width / n),
                                     .y = area->y,
                                     .width = area->width / n - (n > 1),
                                     .height = area->height};
                int r;

                if (is_entered(v, groupings[i]))
                        continue;
                r = draw_block(v, &v->blocks[done], grid, &block, groupings[i]);
                if (r < 0)
                        return r;
                done++;
        }
        return 0;
}

/* --- its latest faults --- */

/* How many of them are kept: there are none behind the last one. */
static size_t count_faults(struct view_top *v, const struct top_query *query)
{
        size_t n = 0, step = TOP_RECENT_MAX;
        struct top_fault fault;

        for (; step > 0; step /= 2)
                if (n + step <= TOP_RECENT_MAX && top_model_fault(v->model, query, n + step - 1, &fault))
                        n += step;
        return n;
}

/* In a narrow window who it was is less important than where. */
static void put_fault_thread(struct pen *pen, const struct top_fault *fault)
{
        uint32_t width = pen->grid->width, n_cells = width < THREAD_FROM_WIDTH ? 0 : width < PID_FROM_WIDTH ? 18 : 26;
        CLEANUP_TEXT struct text words = {0};

        pen->style = fault->event->outcome == OUTCOME_MAJOR    ? STYLE_WARNING
                     : fault->event->outcome == OUTCOME_FAILED ? STYLE_BAD
                                                               : STYLE_PLAIN;
        if (width >= PID_FROM_WIDTH)
                text_printf(&words, "%d/", fault->pid);
        text_printf(&words, "%d %s", fault->tid, fault->comm);
        pen_put_fitted(pen, n_cells, words.data, words.n_bytes);
        pen->style = STYLE_PLAIN;
        pen_fill(pen, n_cells > 0, ' ');
}

static void put_fault(struct pen *pen, const struct top_fault *fault)
{
        const struct proto_event *event = fault->event;
        const char *cause = cause_text(event->cause);
        struct figure latency = figure_time(event->latency_ns);
        CLEANUP_TEXT struct text words = {0};

        text_printf(&words, "%4llu.%06llu", (unsigned long long)(fault->time_ns / NSEC_PER_SEC),
                    (unsigned long long)(fault->time_ns % NSEC_PER_SEC / NSEC_PER_USEC));
        pen_put(pen, words.data, words.n_bytes);
        pen_fill(pen, 1, ' ');
        if (event->latency_ns == PROTO_UNKNOWN)
                pen_put_right(pen, FIGURE_CELLS, "-", 1);
        else
                pen_put_right(pen, FIGURE_CELLS, latency.text, latency.n_bytes);
        pen_fill(pen, 1, ' ');
        pen->style = cause_style(event->cause);
        pen_put_fitted(pen, CAUSE_CELLS, cause ? cause : "?", strlen(cause ? cause : "?"));
        put_fault_thread(pen, fault);
        if (fault->place[0] == '\0' && fault->map[0] == '\0')
                pen_printf(pen, "%#llx", (unsigned long long)event->addr);
        else
                pen_put_string(pen, fault->place[0] != '\0' ? fault->place : fault->map);
        if (fault->code[0] == '\0')
                return;
        pen->style = STYLE_DIM;
        pen_put_string(pen, "  by ");
        pen_put_string(pen, fault->code);
}

static void draw_stack(struct view_top *v, struct grid *grid, const struct area *area, const struct top_query *query)
{
        struct sheet sheet = {.grid = grid, .area = *area};
        struct top_fault fault;
        const char *line;
        struct pen pen = sheet_line(&sheet, STYLE_TITLE);

        pen_put_string(&pen, "stack of the chosen one");
        if (!top_model_fault(v->model, query, v->choice.fault, &fault))
                return;
        for (line = fault.stack; *line;) {
                size_t n = strcspn(line, "\n"), blanks = MIN_OF(strspn(line, " "), n);

                pen = sheet_line(&sheet, STYLE_PLAIN);
                pen_put(&pen, line + blanks, n - blanks);
                line += n + (line[n] == '\n');
        }
        if (fault.stack[0] == '\0') {
                pen = sheet_line(&sheet, STYLE_DIM);
                pen_put_string(&pen,
                               v->n_targets > 0 && v->targets[0].stack_bytes > 0 ? "it has none" : "it takes --stack");
        }
}

static void draw_fault_rows(struct view_top *v, struct grid *grid, const struct area *area,
                            const struct top_query *query)
{
        struct top_shown *shown = &v->shown;

        for (uint32_t i = 0; i < area->height && shown->first_fault + i < shown->n_faults; i++) {
                struct pen pen = pen_at(grid, area->x, area->y + i, STYLE_PLAIN);
                struct top_fault fault;

                if (!top_model_fault(v->model, query, shown->first_fault + i, &fault))
                        break;
                pen.end = area->x + area->width;
                put_fault(&pen, &fault);
                if (shown->first_fault + i == v->choice.fault)
                        grid_restyle(grid, area->x, area->y + i, area->width, STYLE_SELECTED, false);
        }
}

static void draw_faults(struct view_top *v, struct grid *grid, struct area area)
{
        struct top_shown *shown = &v->shown;
        struct pen pen = pen_at(grid, area.x, area.y, STYLE_TITLE);
        struct area stack = area;
        struct top_query query;

        if (area.height < 2 || !choice_query_row(v, GROUP_CAUSE, &query))
                return;
        shown->n_faults = count_faults(v, &query);
        v->choice.fault = MIN_OF(v->choice.fault, shown->n_faults > 0 ? shown->n_faults - 1 : 0);
        pen_put_string(&pen, "latest faults");
        pen.style = STYLE_DIM;
        if (shown->n_faults == 0)
                pen_printf(&pen, "  none of them is among the last %d of all, which are kept", TOP_RECENT_MAX);
        else
                pen_printf(&pen, "  %zu of %zu", v->choice.fault + 1, shown->n_faults);
        area.y++;
        area.height--;
        if (area.width >= STACK_FROM_WIDTH) {
                area.width = area.width * 3 / 5;
                stack.x += area.width + 2;
                stack.width -= area.width + 2;
                draw_stack(v, grid, &stack, &query);
        }
        shown->faults_y = area.y;
        shown->n_faults_seen = area.height;
        shown->first_fault = v->choice.fault >= area.height ? v->choice.fault - area.height + 1 : 0;
        draw_fault_rows(v, grid, &area, &query);
}

int draw_details(struct view_top *v, struct grid *grid)
{
        struct area rest = v->shown.body;
        struct sheet sheet = {.grid = grid, .area = rest};
        const struct top_row *row;
        uint32_t used;
        int r;

        v->shown.n_faults = v->shown.n_faults_seen = 0;
        r = window_fetch(v);
        if (r < 0)
                return r;
        row = window_chosen(v);
        if (!row) {
                struct pen pen = sheet_line(&sheet, STYLE_DIM);

                pen_put_string(&pen, "nothing of it is left in this time");
                return 0;
        }
        draw_sums(v, &sheet, row);
        used = (uint32_t)MIN_OF(sheet.n_lines, (size_t)rest.height);
        rest.y += used;
        rest.height -= used;
        if (rest.height >= BLOCKS_FROM_HEIGHT) {
                rest.y++;
                r = draw_blocks(v, grid, &rest);
                if (r < 0)
                        return r;
                rest.y += TOP_BLOCK_ROWS + 2;
                rest.height -= TOP_BLOCK_ROWS + 3;
        }
        draw_faults(v, grid, rest);
        return 0;
}
