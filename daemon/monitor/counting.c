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

/* *n_sums: how many times all events may still be read. */
static int read_once(const struct event_set *events, const struct target *target, size_t *n_sums,
                     struct counting_difference *ret)
{
        for (int i = 0; i < MAX_TRIES && *n_sums >= 2; i++) {
                struct target_faults before, faults, after;
                int r = events_read_completions(events, &before);

                *n_sums -= 2;
                if (r == 0)
                        r = target_read_faults(target, &faults);
                if (r == 0)
                        r = events_read_completions(events, &after);
                if (r < 0)
                        return r;
                if (before.min_flt == after.min_flt && before.maj_flt == after.maj_flt) {
                        *ret = (struct counting_difference){.minor = faults.min_flt - after.min_flt,
                                                            .major = faults.maj_flt - after.maj_flt};
                        return 0;
                }
        }
        return -EAGAIN;
}

int counting_read_difference(const struct event_set *events, const struct target *target, size_t max_reads,
                             struct counting_difference *ret)
{
        size_t n_sums = max_reads / MAX_OF(events_n_completions(events), (size_t)1);
        struct counting_difference last, now;
        int r = read_once(events, target, &n_sums, &last);

        for (int i = 0; i < MAX_TRIES && r == 0; i++) {
                r = read_once(events, target, &n_sums, &now);
                if (r == 0 && now.minor == last.minor && now.major == last.major) {
                        *ret = now;
                        return 0;
                }
                last = now;
        }
        return r < 0 ? r : -EAGAIN;
}
