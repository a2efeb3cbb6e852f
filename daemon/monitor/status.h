/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the service tells of itself to a client that asks (STATUS), as far as its user may know it. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "daemon/link/link.h"
#include "daemon/monitor/outbox.h"
#include "daemon/monitor/peer.h"

struct engines;

#define STATUS_MAX_USERS 256

/* What has happened to each user since the service started. The last place stands for all who found no room. */
struct status_users {
        size_t n;
        struct status_user {
                uid_t uid;
                uint64_t n_refused;   /* attach requests denied */
                uint64_t n_restarted; /* engines */
        } users[STATUS_MAX_USERS];
};

/* The place where to count what happens to this user. */
struct status_user *status_user_of(struct status_users *users, uid_t uid);

/*
 * Answer a request of this peer, whose engine listens at `to`: with rows (daemon/link/status.h), or with why there are
 * none.
 */
void status_answer(struct engines *engines, struct outbox *to, const struct peer *peer,
                   const struct link_status *request);
