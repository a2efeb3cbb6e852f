/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Log lines and records that a user can cause at will: at most so many of a kind a second for each user, and then how
 * many there were. Each kind by itself: who makes noise of one kind hides nothing of another, such as what he was
 * denied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "daemon/monitor/journal.h"

#define COMPLAINTS_PER_SECOND 20
#define COMPLAINTS_MAX_SOURCES 256

struct complaints {
        sd_event *event; /* borrowed */
        bool is_private; /* the only client tells its user itself: only what is for all is said */
        sd_event_source *timer;
        size_t n_sources;
        struct {
                uid_t uid;
                enum journal_id kind; /* N_JOURNAL_IDS: a line that is no record */
                unsigned int n;
        } sources[COMPLAINTS_MAX_SOURCES]; /* of this second; the last one stands for all who found no room */
};

/* As log_line(); uid: who caused it. */
void complain(struct complaints *complaints, uid_t uid, enum log_priority priority, const char *format, ...)
        PRINTF_LIKE(4, 5);
/* A record, caused by facts->uid; by JOURNAL_NOBODY: it is not counted, and always written. */
void complain_record(struct complaints *complaints, enum journal_id id, const struct journal_facts *facts,
                     const char *format, ...) PRINTF_LIKE(4, 5);
/* Tell what was left out so far. */
void complaints_deinit(struct complaints *complaints);
