/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engines: one process for each user that has clients here (a second one for those of his connections that may
 * trace everything, admins.h), without any power, started when the first client of a
 * user comes and ended after the last. An engine that dies gets a successor, with the same clients and the same rings.
 */
#pragma once

#include "daemon/monitor/context.h"
#include "daemon/monitor/peer.h"

#define ENGINES_ALL_USERS ((uid_t)-1)

struct engine;

struct engines {
        struct context *context; /* borrowed */
        struct engine *first;
        uint32_t last_conn_id;
        uint32_t n_admin_changes; /* engines_forget_admins() */
        bool is_private;          /* one client, our own user: its engine stays as we are, but for capabilities */
        void (*idle)(void *user); /* the last engine ended: no client is left */
        void *user;
};

/* What is to be said of an engine. */
struct engine_figures {
        uid_t uid;
        pid_t pid;
        uint32_t n_clients, n_deaths;
        uint64_t cpu_ns, memory_bytes; /* not older than a tenth of a second */
        const struct outbox *outbox;
};

/* The one after `engine`, the first after NULL; NULL after the last. Those that only end are left out. */
const struct engine *engines_next(const struct engines *engines, const struct engine *engine,
                                  struct engine_figures *ret);
/* The engine that is told through this outbox has this client. */
bool engines_have_client(const struct engines *engines, const struct outbox *outbox, uint32_t conn);

/* A new client. Takes the descriptor in any case; one that is refused is told why, and it is logged. */
void engines_add_client(struct engines *engines, int fd);
/* The daemon ends: counts to the engines, no more requests from them. idle() is called when the last has ended. */
void engines_shutdown(struct engines *engines);
void engines_deinit(struct engines *engines);

/* For limits.h and status.h: connections of a user, or of all; whether an engine serves him; how many users have one.
 */
size_t engines_n_clients(const struct engines *engines, uid_t uid) MUST_CHECK;
bool engines_have_user(const struct engines *engines, uid_t uid) MUST_CHECK;
size_t engines_n_users(const struct engines *engines) MUST_CHECK;
/* Of these, who count for Users= (faultlined.conf(5)). */
size_t engines_n_places(const struct engines *engines) MUST_CHECK;
/* Another group is that of the administrators: no connection and no trace that there is has their power any more. */
void engines_forget_admins(struct engines *engines);
