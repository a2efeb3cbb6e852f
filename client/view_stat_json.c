/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables of stat for programs: an object for each group, and one for those that --top left out. */
#include "client/json_put.h"
#include "client/view_stat_report.h"

static void begin(struct text *out, const struct stat_report *report)
{
        json_begin_line(out, "group");
        json_put_word(out, "by", group_by_text(report->by));
        if (!report->span)
                return;
        json_put_key(out, "interval");
        text_put_char(out, '{');
        json_put_number(out, "from_ns", report->span->from_ns);
        json_put_number(out, "to_ns", report->span->to_ns);
        if (report->span->n_late > 0)
                json_put_number(out, "late", report->span->n_late);
        text_put_char(out, '}');
}

static void put_sum(struct text *out, const struct tally_sum *sum)
{
        json_put_number(out, "count", sum->measure.count);
        json_put_number(out, "bytes", sum->measure.bytes);
        if (sum->measure.n_timed == 0)
                return;
        json_put_number(out, "time_ns", sum->measure.time_ns);
        if (tally_sum_has_quantiles(sum)) {
                json_put_number(out, "p50_ns", tally_sum_quantile(sum, 50));
                json_put_number(out, "p99_ns", tally_sum_quantile(sum, 99));
        }
        json_put_number(out, "max_ns", sum->measure.max_ns);
}

static void put_group(struct text *out, const struct stat_report *report, const struct tally_group *group)
{
        begin(out, report);
        put_sum(out, group->sum);
        if (report->by != GROUP_STACK) {
                json_put_bytes(out, "key", group->key, group->n_bytes);
        } else if (group->n_bytes > 0) { /* rendered when it was made */
                text_put_char(out, ',');
                text_put(out, group->key, group->n_bytes);
        }
        json_end_line(out);
}

void stat_json_put(struct text *out, const struct stat_report *report)
{
        for (size_t i = 0; i < report->n_shown; i++)
                put_group(out, report, &report->groups[i]);
        if (report->others.measure.count == 0)
                return;
        begin(out, report);
        json_put_number(out, "others", report->n_groups - report->n_shown);
        put_sum(out, &report->others);
        json_end_line(out);
}
