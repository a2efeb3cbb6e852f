/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages on their way to an engine: sent at once while it reads, kept in order while it does not, up to a bound. */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "daemon/link/link.h"

#define OUTBOX_MAX_MESSAGES 4096

struct outbox_entry;

struct outbox {
        int socket;              /* borrowed; -1 = nobody there: what is sent is dropped */
        sd_event_source *source; /* borrowed: the socket's, asked for EPOLLOUT while something is kept */
        struct outbox_entry *first, **last;
        size_t n;
        bool is_failed; /* the engine does not read, or memory or descriptors are out: it must be replaced */
};

void outbox_init(struct outbox *outbox, int socket, sd_event_source *source);
void outbox_deinit(struct outbox *outbox);
/* The descriptors stay the caller's. Failure is not the sender's business: it shows as is_failed. */
void outbox_send(struct outbox *outbox, const struct link_message *message, const int *fds, size_t n_fds);
/* The socket is writable again. */
void outbox_flush(struct outbox *outbox);
