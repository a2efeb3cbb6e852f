/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first event of a tracepoint on the machine changes the kernel's code, which takes 20-30 ms. The end of the last
 * one waits for grace periods, with the one lock that every tracepoint event takes when it is made or inherited
 * (event_mutex, perf_trace_event_unreg() in kernel/trace/trace_event_perf.c): 80 ms on an idle machine, seconds on a
 * busy one, in which the monitor can open none and no process that is traced can fork. With traces that come and go all
 * the time that was most of the time.
 *
 * So the daemon has one event of each that is nobody's trace's, and gives it up only when nobody has traced for a
 * while. It must not be inherited: the monitor forks, and each of its children would take and hold the lock, too. Each
 * has a turn of its own.
 */
#include "daemon/monitor/warm.h"

#include "daemon/monitor/event.h"

#define LINGER_USEC (10 * 1000 * 1000)

static void cool_down(struct warm *warm)
{
        int *fds = malloc(sizeof(warm->fds));

        for (size_t i = 0; i < warm->n; i++)
                if (fds != NULL)
                        fds[i] = warm->fds[i];
                else
                        cleanup_close(&warm->fds[i]);
        closer_close(warm->closer, fds, fds != NULL ? warm->n : 0);
        warm->n = 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
        cool_down(user);
        return 0;
}

bool warm_up(struct warm *warm, const struct tracefs *tracefs)
{
        const uint64_t ids[ARRAY_SIZE(warm->fds)] = {tracefs->page_fault_user, tracefs->page_fault_kernel};

        warm->timer = sd_event_source_disable_unref(warm->timer);
        if (tracefs->error != 0 || warm->n == ARRAY_SIZE(ids))
                return false;
        warm->fds[warm->n] = event_open_idle(ids[warm->n]);
        warm->n++;
        return true;
}

void warm_linger(struct warm *warm)
{
        warm->timer = sd_event_source_disable_unref(warm->timer);
        if (warm->n > 0 &&
            sd_event_add_time_relative(warm->event, &warm->timer, CLOCK_MONOTONIC, LINGER_USEC, 0, on_timer, warm) < 0)
                cool_down(warm);
}

void warm_deinit(struct warm *warm)
{
        warm->timer = sd_event_source_disable_unref(warm->timer);
        if (warm->closer != NULL)
                cool_down(warm);
}
