/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all formats show alike: which groups are shown, and what the others come to, so that each table adds up. */
#include "client/view_stat_report.h"

#include <errno.h>

void stat_report_free(struct stat_report *report)
{
        free(report->groups);
        report->groups = NULL;
        tally_sum_free(&report->others);
}

int stat_report_make(struct stat_report *ret, const struct tally *tally, uint64_t n_most)
{
        ret->groups = tally_sort(tally, ret->weight, &ret->n_groups);
        if (!ret->groups)
                return -ENOMEM;
        ret->n_shown = MIN_OF(ret->n_groups, n_most);
        ret->has_homeless = tally->homeless.count > 0;
        ret->others = (struct tally_sum){.measure = tally->homeless};
        for (size_t i = ret->n_shown; i < ret->n_groups; i++) {
                int r = tally_sum_merge(&ret->others, ret->groups[i].sum);

                if (r < 0) {
                        stat_report_free(ret);
                        return r;
                }
        }
        return 0;
}

double stat_report_percent(const struct stat_report *report, const struct measure *measure)
{
        uint64_t all = measure_weight(&report->all->measure, report->weight);

        return all > 0 ? 100.0 * (double)measure_weight(measure, report->weight) / (double)all : 0;
}
