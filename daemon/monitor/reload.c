/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A start with a wrong file goes on with what is right of it: a service that does not start helps nobody, and what is
 * wrong of AdminGroup= makes nobody an administrator. A reload has something better to go on with. So it takes exactly
 * what faultlined --check-config accepts.
 */
#include "daemon/monitor/reload.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "daemon/link/clock.h"
#include "daemon/monitor/announce.h"
#include "daemon/monitor/config.h"
#include "daemon/monitor/context.h"
#include "daemon/monitor/engines.h"
#include "daemon/monitor/idle.h"
#include "daemon/monitor/log.h"

static void log_complaint(void *user, const char *text)
{
        log_line(LOG_PRIORITY_WARNING, "%s", text);
}

static void apply(struct context *context, const struct settings *settings)
{
        bool has_other_admins = !admins_are_same(&settings->admins, &context->settings.admins);

        context->settings = *settings;
        if (context->options->ring_budget_bytes == 0)
                context->budget.size_bytes = settings->limits.ring_memory_bytes;
        if (has_other_admins)
                engines_forget_admins(context->engines);
        idle_look(context);
}

void reload_begin(struct context *context)
{
        const struct monitor_options *options = context->options;

        settings_init(&context->settings);
        if (options->config_directories != NULL)
                context->n_config_complaints =
                        config_read(options->config_directories, &context->settings, log_complaint, NULL);
        if (options->ring_budget_bytes != 0)
                context->settings.limits.ring_memory_bytes = options->ring_budget_bytes;
        context->budget.size_bytes = context->settings.limits.ring_memory_bytes;
}

void reload(struct context *context)
{
        struct settings settings;

        (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, monotonic_ns() / NSEC_PER_USEC);
        context->n_config_complaints =
                config_read(context->options->config_directories, &settings, log_complaint, NULL);
        if (context->n_config_complaints == 0) {
                apply(context, &settings);
                log_line(LOG_PRIORITY_INFO, "the configuration was read again");
        } else {
                log_line(LOG_PRIORITY_ERROR,
                         "the configuration was read again and has errors: all settings stay as they were");
        }
        announce_later(context);
        (void)sd_notify(0, "READY=1");
}
