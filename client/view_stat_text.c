/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables of stat for people. Where there is room, and in a pipe, numbers are exact and in one unit for a whole column,
 * so that they can be compared by their length and read by other programs. On a narrow terminal they have three digits
 * and a unit each, and the rest of the line is for the names: what cannot be told apart by its name is
 * worth no number. A name that is still too long loses its middle.
 *
 * Times have columns only where some latency is known. The last row is the sum over all groups, and the one before it
 * that of those not shown, so that every table adds up to what the ledger calls delivered.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/escape.h"
#include "client/figures.h"
#include "client/row.h"
#include "client/view_stat_report.h"

enum {
        EXACT_CELLS = 140, /* terminals from this width on show exact numbers: names get 56 cells at least */
        CELL_BYTES = MAX_OF(FIGURE_BYTES_MAX, 40),
};

enum stat_column {
        COLUMN_COUNT,
        COLUMN_SHARE,
        COLUMN_BYTES,
        COLUMN_TIME,
        COLUMN_P50,
        COLUMN_P99,
        COLUMN_MAX,
        N_COLUMNS
};

static const struct {
        const char *title, *short_title;
        uint32_t width, short_width;
        bool is_time;
} columns[N_COLUMNS] = {
        [COLUMN_COUNT] = {"COUNT", "COUNT", 10, 8, false}, [COLUMN_SHARE] = {"%", "%", 7, 5, false},
        [COLUMN_BYTES] = {"BYTES", "BYTES", 14, 8, false}, [COLUMN_TIME] = {"TIME-US", "TIME", 13, 7, true},
        [COLUMN_P50] = {"P50-US", "P50", 11, 7, true},     [COLUMN_P99] = {"P99-US", "P99", 11, 7, true},
        [COLUMN_MAX] = {"MAX-US", "MAX", 11, 7, true},
};

struct table {
        struct text *out;
        const struct stat_report *report;
        uint32_t limit; /* cells of a line */
        bool exact;
        bool timed;
        size_t n_without_quantiles; /* groups shown that know their latencies but not how these are distributed */
};

/* Each line loses its middle if it is too long. */
static void put_lines(struct text *out, const char *lines, size_t n_bytes, uint32_t limit)
{
        const char *end = lines + n_bytes;

        for (const char *line = lines; line < end;) {
                const char *line_end = memchr(line, '\n', (size_t)(end - line));
                struct row row = {.out = out, .limit = limit};
                size_t n = line_end ? (size_t)(line_end - line) : (size_t)(end - line);

                row_put_shortened(&row, line, n, utf8_text_cells(line, n), limit);
                text_put_char(out, '\n');
                line += n + 1;
        }
}

/* --- cells --- */

/* Microseconds, exact. */
static void format_exact_time(char *cell, uint64_t ns)
{
        (void)snprintf(cell, CELL_BYTES, "%" PRIu64 ".%03u", ns / NSEC_PER_USEC, (unsigned int)(ns % NSEC_PER_USEC));
}

static void format_figure(char *cell, struct figure figure)
{
        memcpy(cell, figure.text, figure.n_bytes + 1);
}

static void format_time(const struct table *t, char *cell, enum stat_column column, const struct tally_sum *sum)
{
        uint64_t ns = 0;

        (void)snprintf(cell, CELL_BYTES, "%s", sum->measure.n_timed > 0 ? "?" : "-");
        if (sum->measure.n_timed == 0)
                return;
        if (column == COLUMN_TIME)
                ns = sum->measure.time_ns;
        else if (column == COLUMN_MAX)
                ns = sum->measure.max_ns;
        else if (tally_sum_has_quantiles(sum))
                ns = tally_sum_quantile(sum, column == COLUMN_P50 ? 50 : 99);
        else
                return;
        if (t->exact)
                format_exact_time(cell, ns);
        else
                format_figure(cell, figure_time(ns));
}

static void format_cell(const struct table *t, char *cell, enum stat_column column, const struct tally_sum *sum)
{
        switch (column) {
        case COLUMN_COUNT:
                (void)snprintf(cell, CELL_BYTES, "%" PRIu64, sum->measure.count);
                return;
        case COLUMN_SHARE:
                (void)snprintf(cell, CELL_BYTES, "%.*f", t->exact ? 2 : 1,
                               stat_report_percent(t->report, &sum->measure));
                return;
        case COLUMN_BYTES:
                if (t->exact)
                        (void)snprintf(cell, CELL_BYTES, "%" PRIu64, sum->measure.bytes);
                else
                        format_figure(cell, figure_bytes(sum->measure.bytes));
                return;
        default:
                format_time(t, cell, column, sum);
        }
}

/* --- rows --- */

/* The numbers of sum, or with NULL the titles. Returns where the name begins. */
static uint32_t put_numbers(const struct table *t, struct row *row, const struct tally_sum *sum)
{
        uint32_t end = 0;

        for (enum stat_column i = 0; i < N_COLUMNS; i++) {
                char cell[CELL_BYTES];

                if (columns[i].is_time && !t->timed)
                        continue;
                end += (end > 0) + (t->exact ? columns[i].width : columns[i].short_width);
                if (sum)
                        format_cell(t, cell, i, sum);
                else
                        (void)snprintf(cell, sizeof(cell), "%s", t->exact ? columns[i].title : columns[i].short_title);
                row_put_right(row, end, cell, strlen(cell));
        }
        return end + 2;
}

static void put_row(const struct table *t, const struct tally_sum *sum, const char *name, size_t n_bytes)
{
        struct row row = {.out = t->out, .limit = t->limit};

        row_tab(&row, put_numbers(t, &row, sum));
        row_put_shortened(&row, name, n_bytes, utf8_text_cells(name, n_bytes),
                          t->limit == ROW_ENDLESS ? ROW_ENDLESS : t->limit - row.used);
        text_put_char(t->out, '\n');
}

static void put_title(const struct table *t)
{
        const char *by = group_by_text(t->report->by);
        char title[CELL_BYTES];
        size_t n = 0;

        for (; by[n] && n < sizeof(title); n++)
                title[n] = (char)(by[n] - 'a' + 'A');
        put_row(t, NULL, title, n);
}

static void put_group(struct table *t, const struct tally_group *group)
{
        static const char no_stack[] = "[no stack]";

        t->n_without_quantiles += group->sum->measure.n_timed > 0 && !tally_sum_has_quantiles(group->sum);
        if (t->report->by == GROUP_STACK && group->n_bytes > 0) { /* lines, each with its end */
                struct row row = {.out = t->out, .limit = t->limit};

                (void)put_numbers(t, &row, group->sum);
                text_put_char(t->out, '\n');
                put_lines(t->out, group->key, group->n_bytes, t->limit);
                text_put_char(t->out, '\n');
        } else if (group->n_bytes > 0) {
                put_row(t, group->sum, group->key, group->n_bytes);
        } else {
                put_row(t, group->sum, no_stack, sizeof(no_stack) - 1);
        }
}

static void put_others(const struct table *t)
{
        size_t n = t->report->n_groups - t->report->n_shown;
        char name[64];

        if (t->report->others.measure.count == 0)
                return;
        if (n == 0)
                (void)snprintf(name, sizeof(name), "in no group: too many");
        else
                (void)snprintf(name, sizeof(name), "%zu more%s", n, t->report->has_homeless ? ", and in no group" : "");
        put_row(t, &t->report->others, name, strlen(name));
}

void stat_text_put(struct text *out, const struct stat_report *report, uint32_t n_columns)
{
        struct table t = {.out = out,
                          .report = report,
                          .limit = n_columns ? n_columns : ROW_ENDLESS,
                          .exact = n_columns == 0 || n_columns >= EXACT_CELLS,
                          .timed = report->all->measure.n_timed > 0};
        char name[80];

        put_title(&t);
        for (size_t i = 0; i < report->n_shown; i++)
                put_group(&t, &report->groups[i]);
        put_others(&t);
        (void)snprintf(name, sizeof(name), "all, in %zu group%s", report->n_groups, report->n_groups == 1 ? "" : "s");
        put_row(&t, report->all, name, strlen(name));
        if (t.n_without_quantiles > 0) {
                (void)snprintf(name, sizeof(name), "-- ?: P50 and P99 are kept of %d groups, those that came first",
                               TALLY_DISTRIBUTIONS_MAX);
                put_lines(out, name, strlen(name), t.limit);
        }
}

/* --- intervals, and single faults --- */

/* The fewest digits behind the point that tell every multiple of ns; one at least. */
static unsigned int decimals_of(uint64_t ns)
{
        unsigned int n = 1;

        for (uint64_t unit = NSEC_PER_SEC / 10; unit > 1 && ns % unit != 0; unit /= 10)
                n++;
        return n;
}

static void put_seconds(struct text *out, uint64_t ns, unsigned int n_decimals)
{
        uint64_t unit = NSEC_PER_SEC;

        for (unsigned int i = 0; i < n_decimals; i++)
                unit /= 10;
        text_printf(out, "%" PRIu64 ".%0*" PRIu64 " s", ns / NSEC_PER_SEC, (int)n_decimals, ns % NSEC_PER_SEC / unit);
}

void stat_text_put_span(struct text *out, const struct stat_span *span, uint64_t start_ns, uint64_t interval_ns)
{
        unsigned int n_decimals = decimals_of(interval_ns), n_end = n_decimals;

        if ((span->to_ns - span->from_ns) % interval_ns != 0)
                n_end = MAX_OF(n_decimals, 3U); /* the last one ended when the trace did */
        text_put_string(out, "-- ");
        put_seconds(out, span->from_ns - start_ns, n_decimals);
        text_put_string(out, " to ");
        put_seconds(out, span->to_ns - start_ns, n_end);
        if (span->n_late > 0)
                text_printf(out, ", with %" PRIu64 " fault%s from before", span->n_late, span->n_late == 1 ? "" : "s");
}

void stat_text_put_slowest(struct text *out, const struct slowest *slowest, uint32_t n_columns)
{
        uint32_t limit = n_columns ? n_columns : ROW_ENDLESS;
        char title[64];
        int n;

        if (slowest->n == 0)
                return;
        if (slowest->n == SLOWEST_MAX)
                n = snprintf(title, sizeof(title), "The ten slowest faults");
        else if (slowest->n == 1)
                n = snprintf(title, sizeof(title), "The slowest fault");
        else
                n = snprintf(title, sizeof(title), "The %" PRIu32 " slowest faults", slowest->n);
        put_lines(out, title, (size_t)n, limit);
        for (uint32_t i = 0; i < slowest->n; i++) {
                const struct text *text = &slowest->faults[i].text;

                text_put_char(out, '\n');
                put_lines(out, text->data, text->n_bytes, limit);
        }
}
