/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two numbers of a running process cannot be read at once. If the events count the same before and after the process's
 * own counters were read, no fault completed in between. A thread can still be caught between the two increments of
 * one fault (mm_account_fault(), mm/memory.c), so the difference must come out the same twice in a row. Where a sum
 * over all events is long (threads x CPUs), it is not tried for ever: the event loop waits meanwhile.
 */
#include "daemon/monitor/counting.h"

#include <errno.h>

#define MAX_TRIES 8
#define MAX_READS 20000 /* events read in all: some 20 ms in which the event loop serves nobody */

/* *n_sums: how many times all events may still be read. */
static int read_once(const struct event_set *events, const struct target *target, size_t *n_sums, int64_t *ret)
{
        for (int i = 0; i < MAX_TRIES && *n_sums >= 2; i++) {
                uint64_t before, faults, after;
                int r = events_read_completions(events, &before);

                *n_sums -= 2;
                if (r == 0)
                        r = target_read_faults(target, &faults);
                if (r == 0)
                        r = events_read_completions(events, &after);
                if (r < 0)
                        return r;
                if (before == after) {
                        *ret = (int64_t)(faults - after);
                        return 0;
                }
        }
        return -EAGAIN;
}

int counting_read_difference(const struct event_set *events, const struct target *target, int64_t *ret)
{
        size_t n_sums = MAX_READS / MAX_OF(events_n_completions(events), (size_t)1);
        int64_t last, now;
        int r = read_once(events, target, &n_sums, &last);

        for (int i = 0; i < MAX_TRIES && r == 0; i++) {
                r = read_once(events, target, &n_sums, &now);
                if (r == 0 && now == last) {
                        *ret = now;
                        return 0;
                }
                last = now;
        }
        return r < 0 ? r : -EAGAIN;
}
