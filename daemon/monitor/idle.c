/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ending loses nobody: the listening socket is the service manager's, a connection that we have not accepted waits in
 * it, and the manager starts the service again for it (systemd.socket(5)). What has been accepted has an engine, and
 * every trace belongs to one; so "no engine" is all that has to be asked, besides those whose traces wait for them
 * (store.h).
 */
#include "daemon/monitor/idle.h"

#include <systemd/sd-daemon.h>
#include <time.h>

#include "daemon/link/clock.h"
#include "daemon/monitor/config_value.h"
#include "daemon/monitor/context.h"
#include "daemon/monitor/engines.h"
#include "daemon/monitor/log.h"

static bool is_idle(const struct context *context)
{
        return context->idle.is_activated && !store_is_waiting(&context->store) &&
               context->settings.idle_exit_usec != 0 && context->engines->first == NULL && context->attachments == NULL;
}

static int on_time(sd_event_source *source, uint64_t usec, void *user)
{
        const struct context *context = user;
        char text[CONFIG_VALUE_BYTES];

        if (!is_idle(context))
                return 0;
        config_format_time(context->settings.idle_exit_usec, text);
        log_line(LOG_PRIORITY_INFO, "nobody has needed the service for %s: it ends until the next connection", text);
        (void)sd_notify(0, "STOPPING=1");
        return sd_event_exit(context->event, 0);
}

void idle_needed(struct context *context)
{
        context->idle.needed_usec = monotonic_ns() / NSEC_PER_USEC;
}

void idle_look(struct context *context)
{
        struct idle *idle = &context->idle;

        idle->timer = sd_event_source_disable_unref(idle->timer);
        if (idle->needed_usec == 0)
                idle_needed(context);
        /* Out of memory: it stays, which harms nobody. */
        if (is_idle(context))
                (void)sd_event_add_time(context->event, &idle->timer, CLOCK_MONOTONIC,
                                        idle->needed_usec + context->settings.idle_exit_usec, 0, on_time, context);
}

void idle_deinit(struct idle *idle)
{
        idle->timer = sd_event_source_disable_unref(idle->timer);
}
