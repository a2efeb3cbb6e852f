/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Log lines that a user can cause at will: at most so many a second for each, and then how many there were. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "daemon/monitor/log.h"

#define COMPLAINTS_PER_SECOND 20
#define COMPLAINTS_MAX_USERS 64

struct complaints {
        sd_event *event; /* borrowed */
        sd_event_source *timer;
        size_t n_users;
        struct {
                uid_t uid;
                unsigned int n;
        } users[COMPLAINTS_MAX_USERS]; /* of this second; the last one stands for all who found no room */
};

/* As log_line(); uid: who caused it. */
void complain(struct complaints *complaints, uid_t uid, enum log_priority priority, const char *format, ...)
        PRINTF_LIKE(4, 5);
/* Tell what was left out so far. */
void complaints_deinit(struct complaints *complaints);
