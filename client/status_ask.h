/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking the service how it is: connecting, waiting for the answers, and a line on standard error if there is none. */
#pragma once

#include "client/conn.h"
#include "client/status_talk.h"

struct status_ask {
        struct conn conn;
        struct status_talk talk;
        const char *socket; /* for what is said */
};

/*
 * Connect to the service at socket, NULL: where it is by default. Never to a private daemon: it would have nothing to
 * tell. flags: PROTO_STATUS_*. 0; -errno, said.
 */
int status_ask_open(const char *socket, uint32_t flags, struct status_ask *ret) MUST_CHECK;
void status_ask_close(struct status_ask *ask); /* idempotent */

/* The first answer, and with each call another. It belongs to the caller. 0; -errno, said. */
int status_ask_next(struct status_ask *ask, struct status *ret) MUST_CHECK;
