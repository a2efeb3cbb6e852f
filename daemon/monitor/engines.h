/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engines: one process for each user that has clients here, without any power, started when the first client of a
 * user comes and ended after the last. An engine that dies gets a successor, with the same clients and the same rings.
 */
#pragma once

#include "daemon/monitor/context.h"

struct engine;

struct engines {
        struct context *context; /* borrowed */
        struct engine *first;
        uint32_t last_conn_id;
        bool is_private;          /* one client, our own user: its engine stays as we are, but for capabilities */
        void (*idle)(void *user); /* the last engine ended: no client is left */
        void *user;
};

/* A new client. Takes the descriptor in any case; one that is refused is told why, and it is logged. */
void engines_add_client(struct engines *engines, int fd);
/* The daemon ends: counts to the engines, no more requests from them. idle() is called when the last has ended. */
void engines_shutdown(struct engines *engines);
void engines_deinit(struct engines *engines);
