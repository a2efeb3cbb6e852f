/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables of stat as one table for spreadsheets and data frames (RFC 4180). Names are as people see them: control
 * characters are \xNN, so that a record is always one line. The lines of a stack become one, the innermost frame first.
 * What is not known is an empty field. Names that a spreadsheet would take for formulas are left as they are: they are
 * data, and only the reader knows what will be made of it.
 */
#include <string.h>

#include "client/view_stat_report.h"

static void put_quoted(struct text *out, const char *bytes, size_t n_bytes)
{
        text_put_char(out, '"');
        for (size_t i = 0; i < n_bytes; i++) {
                if (bytes[i] == '"')
                        text_put_char(out, '"');
                text_put_char(out, bytes[i]);
        }
        text_put_char(out, '"');
}

/* Spaces at the ends are part of a field, but not every reader knows that. */
static void put_field(struct text *out, const char *bytes, size_t n_bytes)
{
        bool plain = n_bytes == 0 || (bytes[0] != ' ' && bytes[n_bytes - 1] != ' ');

        for (size_t i = 0; i < n_bytes && plain; i++)
                plain = !memchr("\",\r\n", bytes[i], 4);
        if (!plain)
                put_quoted(out, bytes, n_bytes);
        else if (n_bytes > 0)
                text_put(out, bytes, n_bytes);
}

static void put_number(struct text *out, uint64_t value)
{
        text_put_char(out, ',');
        text_put_u64(out, value);
}

/* Lines, each with its indentation and its end. */
static void put_stack(struct text *out, const char *lines, size_t n_bytes)
{
        CLEANUP_TEXT struct text joined = {0};
        const char *line = lines, *end = lines + n_bytes;

        while (line < end) {
                const char *line_end = memchr(line, '\n', (size_t)(end - line));

                if (!line_end)
                        line_end = end;
                while (line < line_end && *line == ' ')
                        line++;
                if (joined.n_bytes > 0)
                        text_put_string(&joined, " \u2190 ");
                text_put(&joined, line, (size_t)(line_end - line));
                line = line_end + 1;
        }
        put_field(out, joined.data, joined.n_bytes);
        out->failed |= joined.failed;
}

static void put_sum(struct text *out, const struct tally_sum *sum)
{
        put_number(out, sum->measure.count);
        put_number(out, sum->measure.bytes);
        if (sum->measure.n_timed == 0) {
                text_put_string(out, ",,,,");
                return;
        }
        put_number(out, sum->measure.time_ns);
        if (tally_sum_has_quantiles(sum)) {
                put_number(out, tally_sum_quantile(sum, 50));
                put_number(out, tally_sum_quantile(sum, 99));
        } else {
                text_put_string(out, ",,");
        }
        put_number(out, sum->measure.max_ns);
}

static void put_end(struct text *out, const struct stat_report *report)
{
        if (report->span) {
                put_number(out, report->span->from_ns);
                put_number(out, report->span->to_ns);
                put_number(out, report->span->n_late);
        }
        text_put_string(out, "\r\n");
}

static void put_group(struct text *out, const struct stat_report *report, const struct tally_group *group)
{
        text_put_string(out, group_by_text(report->by));
        text_put_char(out, ',');
        if (report->by == GROUP_STACK)
                put_stack(out, group->key, group->n_bytes);
        else
                put_field(out, group->key, group->n_bytes);
        put_sum(out, group->sum);
        text_put_char(out, ','); /* it stands for no others */
        put_end(out, report);
}

void stat_csv_put_header(struct text *out, bool has_spans)
{
        text_put_string(out, "table,group,count,bytes,time_ns,p50_ns,p99_ns,max_ns,others");
        text_put_string(out, has_spans ? ",from_ns,to_ns,late\r\n" : "\r\n");
}

void stat_csv_put(struct text *out, const struct stat_report *report)
{
        for (size_t i = 0; i < report->n_shown; i++)
                put_group(out, report, &report->groups[i]);
        if (report->others.measure.count == 0)
                return;
        text_put_string(out, group_by_text(report->by));
        text_put_char(out, ',');
        put_sum(out, &report->others);
        put_number(out, report->n_groups - report->n_shown);
        put_end(out, report);
}
