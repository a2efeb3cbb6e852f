/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two pictures beside each other: how many faults there were in each of the last slices, stacked by family of cause,
 * and how long those of the span took. A cell has one colour: that of the family that most of it belongs to; its height
 * is told in eighths at the top of a column only.
 */
#include <errno.h>
#include <stdio.h>

#include "client/figures.h"
#include "client/top/families.h"
#include "client/top/view_top_private.h"

enum {
        HISTOGRAM_CELLS_MAX = 44,
        HISTOGRAM_CELLS_MIN = 26,
        BOTH_FROM_WIDTH = 60,
        GAP_CELLS = 3,
        EIGHTHS = 8,
        N_BUCKETS = 64,
        BUCKETS_MIN = 8,
};

/* A column of at most height * 8 eighths, from the bottom of an area up. */
struct column {
        uint32_t eighths;
        bool has_any; /* then it is seen, however small */
};

static struct column column_of(uint64_t n, uint64_t most, uint32_t height)
{
        double share = most > 0 ? (double)n / (double)most : 0;

        return (struct column){.eighths = (uint32_t)(share * height * EIGHTHS + 0.5), .has_any = n > 0};
}

/* The cell `row` rows above the bottom. */
static void put_column_cell(struct pen *pen, const struct column *column, uint32_t row)
{
        static const char *const parts[EIGHTHS + 1] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
        uint32_t bottom = row * EIGHTHS;
        uint32_t n = column->eighths > bottom ? MIN_OF(column->eighths - bottom, (uint32_t)EIGHTHS) : 0;

        if (n == 0 && row == 0 && column->has_any)
                n = 1;
        if (n == 0)
                return;
        pen_put_glyph(pen, parts[n], n >= EIGHTHS / 2 ? '#' : n > 0 && row == 0 ? '.' : ' ');
}

/* --- rates --- */

struct history {
        uint32_t *counts;                  /* owned: N_CAUSES for each slice */
        uint64_t (*by_family)[N_FAMILIES]; /* owned */
        size_t n;
        uint64_t most;
};

static void free_history(struct history *history)
{
        free(history->counts);
        free(history->by_family);
}

static int make_history(const struct top_model *model, uint64_t until, size_t n, struct history *ret)
{
        ret->counts = calloc(n, N_CAUSES * sizeof(*ret->counts));
        ret->by_family = calloc(n, sizeof(*ret->by_family));
        ret->n = n;
        if (!ret->counts || !ret->by_family)
                return -ENOMEM;
        top_model_history(model, until, n, ret->counts);
        for (size_t i = 0; i < n; i++) {
                uint64_t all = 0;

                for (unsigned int cause = 0; cause < N_CAUSES; cause++) {
                        ret->by_family[i][cause_family_of(cause)] += ret->counts[i * N_CAUSES + cause];
                        all += ret->counts[i * N_CAUSES + cause];
                }
                ret->most = MAX_OF(ret->most, all);
        }
        return 0;
}

/* Of which family most of the part of the column is that this cell shows. */
static enum cause_family family_at(const uint64_t counts[static N_FAMILIES], uint64_t from, uint64_t to)
{
        enum cause_family best = FAMILY_UNKNOWN;
        uint64_t begin = 0, best_n = 0;

        for (size_t i = 0; i < N_FAMILIES; i++) {
                uint64_t end = begin + counts[families[i]];
                uint64_t first = MAX_OF(begin, from), last = MIN_OF(end, to);

                if (last > first && last - first > best_n) {
                        best_n = last - first;
                        best = families[i];
                }
                begin = end;
        }
        return best;
}

static void draw_slice(const struct history *history, struct grid *grid, uint32_t x, const struct area *area, size_t i)
{
        const uint64_t *counts = history->by_family[i];
        uint64_t all = 0;
        struct column column;

        for (size_t family = 0; family < N_FAMILIES; family++)
                all += counts[family];
        column = column_of(all, history->most, area->height);
        for (uint32_t row = 0; row < area->height && all > 0; row++) {
                uint64_t from = history->most * row / area->height, to = history->most * (row + 1) / area->height;
                struct pen pen = pen_at(grid, x, area->y + area->height - 1 - row, STYLE_PLAIN);

                pen.style = family_style(family_at(counts, from, MAX_OF(to, from + 1)));
                put_column_cell(&pen, &column, row);
        }
}

/* What the colours mean of which there are any, as far as there is room. */
static void put_legend(const struct history *history, struct pen *pen)
{
        for (size_t i = 0; i < N_FAMILIES; i++) {
                const char *text = family_text(families[i]);
                uint64_t n = 0;

                for (size_t slice = 0; slice < history->n; slice++)
                        n += history->by_family[slice][families[i]];
                if (n == 0 || pen->x + 3 + strlen(text) > pen->end)
                        continue;
                pen->style = STYLE_PLAIN;
                pen_fill(pen, 1, ' ');
                pen->style = family_style(families[i]);
                pen_put_glyph(pen, "█", '#');
                pen->style = STYLE_PLAIN;
                pen_put_string(pen, text);
        }
}

/* From when to when; what the table is of is underlined. */
static void draw_time_axis(const struct view_top *v, struct grid *grid, const struct area *area, uint32_t y)
{
        struct top_span span = choice_span(v);
        uint64_t ago = top_model_now(v->model) - span.until;
        char right[FIGURE_BYTES_MAX + 1] = "now";
        struct pen pen = pen_at(grid, area->x, y, STYLE_DIM);
        uint32_t n_covered = span.n_slices > 0 ? (uint32_t)MIN_OF(span.n_slices, (uint64_t)area->width) : 0;

        pen_move(&pen, area->x + area->width - n_covered);
        for (uint32_t i = 0; i < n_covered; i++)
                pen_put_glyph(&pen, "─", '-');
        if (ago > 0)
                (void)snprintf(right, sizeof(right), "-%s", figure_time(ago * TOP_SLICE_NS).text);
        if (area->width < 20)
                return;
        pen_move(&pen, area->x);
        pen_printf(&pen, "-%s", figure_time((ago + area->width) * TOP_SLICE_NS).text);
        pen_move(&pen, area->x + area->width - (uint32_t)strlen(right));
        pen_put_string(&pen, right);
}

static int draw_rates(struct view_top *v, struct grid *grid, const struct area *area)
{
        CLEANUP(free_history) struct history history = {.counts = NULL};
        struct area bars = {.x = area->x, .y = area->y + 1, .width = area->width, .height = area->height - 2};
        struct pen pen = pen_at(grid, area->x, area->y, STYLE_TITLE);
        int r;

        r = make_history(v->model, choice_span(v).until, area->width, &history);
        if (r < 0)
                return r;
        pen.end = area->x + area->width;
        pen_put_string(&pen, "faults/s");
        pen.style = STYLE_PLAIN;
        if (history.most > 0)
                pen_printf(&pen, " up to %s", figure_rate((double)history.most * NSEC_PER_SEC / TOP_SLICE_NS).text);
        pen_fill(&pen, 1, ' ');
        put_legend(&history, &pen);
        for (size_t i = 0; i < history.n; i++)
                draw_slice(&history, grid, area->x + (uint32_t)i, &bars, i);
        draw_time_axis(v, grid, area, area->y + area->height - 1);
        return 0;
}

/* --- latencies --- */

struct buckets {
        const uint64_t *counts;
        unsigned int first, n; /* those that are shown */
        uint32_t cells;        /* of each */
        uint64_t most;
};

static struct buckets choose_buckets(const uint64_t counts[static N_BUCKETS], uint32_t width)
{
        struct buckets buckets = {.counts = counts, .first = N_BUCKETS};
        unsigned int last = 0, n_max = MAX_OF(width, 1U);

        for (unsigned int i = 0; i < N_BUCKETS; i++)
                if (counts[i] > 0) {
                        buckets.first = MIN_OF(buckets.first, i);
                        buckets.most = MAX_OF(buckets.most, counts[i]);
                        last = i;
                }
        if (buckets.most == 0)
                return buckets;
        if (last - buckets.first + 1 < BUCKETS_MIN)
                last = MIN_OF(buckets.first + BUCKETS_MIN - 1, N_BUCKETS - 1U);
        buckets.n = MIN_OF(last - buckets.first + 1, n_max);
        buckets.cells = MIN_OF(n_max / buckets.n, 4U);
        return buckets;
}

/* In which bucket a time is. */
static unsigned int bucket_of(uint64_t ns)
{
        return ns < 2 ? 0 : 63 - (unsigned int)__builtin_clzll(ns);
}

static void draw_buckets(const struct buckets *buckets, const struct top_totals *totals, struct grid *grid,
                         const struct area *area)
{
        for (unsigned int i = 0; i < buckets->n; i++) {
                unsigned int bucket = buckets->first + i;
                struct column column = column_of(buckets->counts[bucket], buckets->most, area->height);
                enum style style = bucket >= bucket_of(totals->p99_ns)   ? STYLE_WARNING
                                   : bucket == bucket_of(totals->p50_ns) ? STYLE_STRONG
                                                                         : STYLE_PLAIN;

                for (uint32_t row = 0; row < area->height; row++) {
                        struct pen pen =
                                pen_at(grid, area->x + i * buckets->cells, area->y + area->height - 1 - row, style);

                        pen.end = MIN_OF(pen.end, area->x + area->width);
                        for (uint32_t k = 0; k + (buckets->cells > 1) < buckets->cells; k++)
                                put_column_cell(&pen, &column, row);
                }
        }
}

struct bucket_label {
        char text[16];
};

/* Powers of two: a unit is 1024 of the one before it here, as nobody could tell the difference. */
static struct bucket_label label_of(unsigned int bucket)
{
        static const char *const units[] = {"ns", "us", "ms", "s", "ks", "Ms", "Gs"};
        struct bucket_label label;

        (void)snprintf(label.text, sizeof(label.text), "%u %s", 1U << bucket % 10, units[bucket / 10]);
        return label;
}

/* Where columns begin, as often as there is room. */
static void draw_latency_axis(const struct buckets *buckets, struct grid *grid, const struct area *area, uint32_t y)
{
        uint32_t x = area->x;

        for (unsigned int i = 0; i < buckets->n; i++) {
                struct pen pen = pen_at(grid, area->x + i * buckets->cells, y, STYLE_DIM);
                struct bucket_label label = label_of(buckets->first + i);
                size_t n = strlen(label.text);

                pen.end = MIN_OF(pen.end, area->x + area->width);
                if (pen.x < x || pen.x + n > pen.end)
                        continue;
                pen_put_string(&pen, label.text);
                x = pen.x + 2;
        }
}

static void draw_latencies(struct view_top *v, struct grid *grid, const struct area *area)
{
        struct area bars = {.x = area->x, .y = area->y + 1, .width = area->width, .height = area->height - 2};
        struct pen pen = pen_at(grid, area->x, area->y, STYLE_TITLE);
        const struct top_totals *totals = &v->totals;
        struct buckets buckets;

        pen.end = MIN_OF(pen.end, area->x + area->width);
        buckets = choose_buckets(totals->log2_counts, area->width);
        pen_put_string(&pen, "latency");
        pen.style = STYLE_PLAIN;
        if (buckets.most > 0)
                pen_put_string(&pen, " (log2)");
        else if (totals->sum.count > 0)
                pen_put_string(&pen, "  not known");
        draw_buckets(&buckets, totals, grid, &bars);
        draw_latency_axis(&buckets, grid, area, area->y + area->height - 1);
}

int draw_charts(struct view_top *v, struct grid *grid, const struct area *area)
{
        struct area left = *area, right = *area;
        uint32_t histogram =
                MIN_OF(MAX_OF(area->width / 3, (uint32_t)HISTOGRAM_CELLS_MIN), (uint32_t)HISTOGRAM_CELLS_MAX);
        int r;

        if (v->choice.charts == CHARTS_LATENCY) {
                draw_latencies(v, grid, area);
                return 0;
        }
        if (area->width < BOTH_FROM_WIDTH)
                return draw_rates(v, grid, area);
        left.width = area->width - histogram - GAP_CELLS;
        right.x = area->x + left.width + GAP_CELLS;
        right.width = histogram;
        r = draw_rates(v, grid, &left);
        if (r == 0)
                draw_latencies(v, grid, &right);
        return r;
}
