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

static void tell_suppressed(uid_t uid, unsigned int n, bool has_others)
{
        struct journal_facts facts = {.uid = uid};
        char text[128];

        journal_set_count(&facts, JOURNAL_SUPPRESSED_RECORDS, n);
        (void)snprintf(text, sizeof(text), "%u more suppressed that uid %u%s caused within a second", n, uid,
                       has_others ? " and others" : "");
        journal_write(JOURNAL_SUPPRESSED, &facts, text);
}

static void end_second(struct complaints *complaints)
{
        for (size_t i = 0; i < complaints->n_sources; i++)
                if (complaints->sources[i].n > COMPLAINTS_PER_SECOND)
                        tell_suppressed(complaints->sources[i].uid, complaints->sources[i].n - COMPLAINTS_PER_SECOND,
                                        i + 1 == COMPLAINTS_MAX_SOURCES);
        complaints->n_sources = 0;
}

static int on_second(sd_event_source *source, uint64_t usec, void *user)
{
        struct complaints *complaints = user;

        complaints->timer = sd_event_source_disable_unref(complaints->timer);
        end_second(complaints);
        return 0;
}

/* Whether this user may have one more line of this kind in this second. */
static bool may_complain(struct complaints *complaints, uid_t uid, enum journal_id kind)
{
        size_t i = 0;

        if (complaints->timer == NULL &&
            sd_event_add_time_relative(complaints->event, &complaints->timer, CLOCK_MONOTONIC, SECOND_USEC, 0,
                                       on_second, complaints) < 0)
                return false;
        while (i < complaints->n_sources && i + 1 < COMPLAINTS_MAX_SOURCES &&
               (complaints->sources[i].uid != uid || complaints->sources[i].kind != kind))
                i++;
        if (i == complaints->n_sources) {
                complaints->sources[i].uid = uid;
                complaints->sources[i].kind = kind;
                complaints->sources[i].n = 0;
                complaints->n_sources++;
        }
        return ++complaints->sources[i].n <= COMPLAINTS_PER_SECOND;
}

void complain(struct complaints *complaints, uid_t uid, enum log_priority priority, const char *format, ...)
{
        char line[1024];
        va_list args;

        if (!may_complain(complaints, uid, N_JOURNAL_IDS))
                return;
        va_start(args, format);
        (void)vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        log_line(priority, "%s", line);
}

void complain_record(struct complaints *complaints, enum journal_id id, const struct journal_facts *facts,
                     const char *format, ...)
{
        char text[JOURNAL_TEXT_BYTES];
        va_list args;

        if ((complaints->is_private && !journal_is_for_all(id)) ||
            (facts->uid != JOURNAL_NOBODY && !may_complain(complaints, facts->uid, id)))
                return;
        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        journal_write(id, facts, text);
}

void complaints_deinit(struct complaints *complaints)
{
        complaints->timer = sd_event_source_disable_unref(complaints->timer);
        end_second(complaints);
}
