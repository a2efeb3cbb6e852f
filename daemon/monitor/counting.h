/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The faults that no event shows (MAP_POPULATE, mlock, get_user_pages; kernel mode where it is excluded): the
 * difference between what the kernel adds to min_flt and maj_flt of the process and what the events counted.
 */
#pragma once

#include "daemon/monitor/events.h"

/*
 * min_flt + maj_flt - completed faults counted, at one moment: the growth of this difference is what was unseen. 0;
 * -EAGAIN: the target faults so fast that no consistent moment was found; -ESRCH: it has been reaped.
 */
int counting_read_difference(const struct event_set *events, const struct target *target, int64_t *ret) MUST_CHECK;
