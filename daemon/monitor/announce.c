/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The line is made anew from the lists of clients and traces when it is sent, so nobody has to keep figures for it.
 * Clients can come and go thousands of times a second, and each sd_notify(3) wakes the service manager: so the first
 * change is told at once, and what follows at the end of the second. A daemon where nothing happens wakes for nothing.
 */
#include "daemon/monitor/announce.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "daemon/link/clock.h"
#include "daemon/monitor/attachment.h"
#include "daemon/monitor/context.h"
#include "daemon/monitor/engines.h"

#define SECOND_USEC ((uint64_t)1000 * 1000)

static void put(char text[static ANNOUNCE_TEXT_BYTES], const char *separator, const char *what, const char *why)
{
        size_t n = strlen(text);

        (void)snprintf(text + n, ANNOUNCE_TEXT_BYTES - n, "%s%s (%s)", n == 0 ? "" : separator, what, why);
}

void announce_degradations(const struct context *context, char text[static ANNOUNCE_TEXT_BYTES])
{
        *text = '\0';
        if (context->tracefs.error != 0)
                put(text, ", ", "no tracepoints", strerrordesc_np(context->tracefs.error));
        if (context->kallsyms < 0)
                put(text, ", ", "no kernel symbols", strerrordesc_np(context->kallsyms_error));
        if (context->n_config_complaints != 0)
                put(text, ", ", "errors in the configuration", "faultlined --check-config tells them");
}

static const char *plural(size_t n)
{
        return n == 1 ? "" : "s";
}

void announce_format(const struct announce_figures *figures, const char *degradations,
                     char text[static ANNOUNCE_TEXT_BYTES])
{
        char traces[80] = "no traces", clients[40] = "no clients";

        if (figures->n_traces > 0)
                (void)snprintf(traces, sizeof(traces), "%zu trace%s of %zu user%s", figures->n_traces,
                               plural(figures->n_traces), figures->n_users, plural(figures->n_users));
        if (figures->n_clients > 0)
                (void)snprintf(clients, sizeof(clients), "%zu client%s", figures->n_clients,
                               plural(figures->n_clients));
        (void)snprintf(text, ANNOUNCE_TEXT_BYTES, "%s, %s%s%s", traces, clients,
                       *degradations != '\0' ? "; degraded: " : "", degradations);
}

static bool is_running(const struct attachment *trace)
{
        return trace->state == ATTACHMENT_RUNNING;
}

static int compare_uids(const void *a, const void *b)
{
        const uid_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static size_t count_different(uid_t *uids, size_t n)
{
        size_t n_different = 0;

        if (n > 0)
                qsort(uids, n, sizeof(*uids), compare_uids);
        for (size_t i = 0; i < n; i++)
                n_different += i == 0 || uids[i] != uids[i - 1];
        return n_different;
}

/* 0 or -ENOMEM. */
static int count(const struct context *context, struct announce_figures *ret)
{
        struct announce_figures figures = {.n_clients = engines_n_clients(context->engines, ENGINES_ALL_USERS)};
        size_t n = 0;

        for (const struct attachment *t = context->attachments; t != NULL; t = t->next)
                figures.n_traces += is_running(t);
        CLEANUP_FREE uid_t *uids = calloc(figures.n_traces + 1, sizeof(*uids));
        if (uids == NULL)
                return -ENOMEM;
        for (const struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (is_running(t))
                        uids[n++] = t->peer.uid;
        figures.n_users = count_different(uids, n);
        *ret = figures;
        return 0;
}

static void say(struct context *context)
{
        struct announcer *announcer = &context->announcer;
        struct announce_figures figures;
        char degradations[ANNOUNCE_TEXT_BYTES], text[ANNOUNCE_TEXT_BYTES];

        if (count(context, &figures) < 0)
                return;
        announce_degradations(context, degradations);
        announce_format(&figures, degradations, text);
        if (strcmp(text, announcer->text) == 0)
                return;
        memcpy(announcer->text, text, sizeof(text));
        announcer->said_usec = monotonic_ns() / NSEC_PER_USEC;
        (void)sd_notifyf(0, "STATUS=%s", text);
}

static int on_time(sd_event_source *source, uint64_t usec, void *user)
{
        struct context *context = user;

        context->announcer.timer = sd_event_source_disable_unref(context->announcer.timer);
        say(context);
        return 0;
}

/* By a timer in any case: who calls this is in the middle of changing what the line tells. */
void announce_later(struct context *context)
{
        struct announcer *announcer = &context->announcer;
        uint64_t said_usec = announcer->said_usec;

        if (context->options->private_fd >= 0 || announcer->timer != NULL)
                return;
        /* Out of memory: the next change tries again. */
        (void)sd_event_add_time(context->event, &announcer->timer, CLOCK_MONOTONIC,
                                said_usec == 0 ? 0 : said_usec + SECOND_USEC, 0, on_time, context);
}

void announce_deinit(struct announcer *announcer)
{
        announcer->timer = sd_event_source_disable_unref(announcer->timer);
}
