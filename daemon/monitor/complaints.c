/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A refusal is worth a line, ten thousand of them fill the administrator's disk. The seconds are the same for all
 * users: one timer, and nothing to be kept while nobody is refused.
 */
#include "daemon/monitor/complaints.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define SECOND_USEC (1000 * 1000)

static void end_second(struct complaints *complaints)
{
        for (size_t i = 0; i < complaints->n_users; i++)
                if (complaints->users[i].n > COMPLAINTS_PER_SECOND)
                        log_line(LOG_PRIORITY_WARNING, "%u more suppressed that uid %u%s caused within a second",
                                 complaints->users[i].n - COMPLAINTS_PER_SECOND, complaints->users[i].uid,
                                 i + 1 == COMPLAINTS_MAX_USERS ? " and others" : "");
        complaints->n_users = 0;
}

static int on_second(sd_event_source *source, uint64_t usec, void *user)
{
        struct complaints *complaints = user;

        complaints->timer = sd_event_source_disable_unref(complaints->timer);
        end_second(complaints);
        return 0;
}

/* Whether this user may have one more line in this second. */
static bool may_complain(struct complaints *complaints, uid_t uid)
{
        size_t i = 0;

        if (complaints->timer == NULL &&
            sd_event_add_time_relative(complaints->event, &complaints->timer, CLOCK_MONOTONIC, SECOND_USEC, 0,
                                       on_second, complaints) < 0)
                return false;
        while (i < complaints->n_users && i + 1 < COMPLAINTS_MAX_USERS && complaints->users[i].uid != uid)
                i++;
        if (i == complaints->n_users) {
                complaints->users[i].uid = uid;
                complaints->users[i].n = 0;
                complaints->n_users++;
        }
        return ++complaints->users[i].n <= COMPLAINTS_PER_SECOND;
}

void complain(struct complaints *complaints, uid_t uid, enum log_priority priority, const char *format, ...)
{
        char line[1024];
        va_list args;

        if (!may_complain(complaints, uid))
                return;
        va_start(args, format);
        (void)vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        log_line(priority, "%s", line);
}

void complaints_deinit(struct complaints *complaints)
{
        complaints->timer = sd_event_source_disable_unref(complaints->timer);
        end_second(complaints);
}
