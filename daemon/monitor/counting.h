/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The faults that no event shows (MAP_POPULATE, mlock, get_user_pages; kernel mode where it is excluded): the
 * difference between what the kernel adds to min_flt and maj_flt of the process and what the events counted.
 */
#pragma once

#include "daemon/monitor/events.h"

/*
 * The process's own counters - completed faults counted, at one moment: the growth of this difference is what was
 * unseen. Modulo 2^64: what was counted may be more.
 */
struct counting_difference {
        uint64_t minor, major;
};

#define COUNTING_MAX_READS 20000 /* some 20 ms in which the event loop serves nobody */

/*
 * Within max_reads reads of events. 0; -EAGAIN: that was not enough, or the target faults so fast that no consistent
 * moment was found; -ESRCH: it has been reaped.
 */
int counting_read_difference(const struct event_set *events, const struct target *target, size_t max_reads,
                             struct counting_difference *ret) MUST_CHECK;
