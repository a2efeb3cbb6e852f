/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection to faultlined: to the service, or to a private one that is started for this client alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/text.h"

#define CONN_SERVICE_SOCKET "/run/faultline/faultline.sock"

struct conn {
        int fd;           /* owned */
        pid_t daemon_pid; /* of the private daemon, our child; 0: the service */
        uint8_t *buffer;  /* owned; one received frame */
};

struct conn_options {
        const char *socket; /* NULL: the service if it is there, else a private daemon */
        bool private_daemon;
        int daemon_log_fd; /* standard error of a private daemon; -1: ours. Borrowed */
};

/*
 * 0, with a line in *note (may stay empty) when the service was there but could not be used; -errno with one line in
 * *note about what failed and what to do. Lines carry no newline.
 */
int conn_open(const struct conn_options *options, struct conn *ret, struct text *note) MUST_CHECK;

/*
 * The service again, after its connection was hung up. Does not wait. 0; -EAGAIN: it has no room for one more just now;
 * or another -errno: it is not there (yet).
 */
int conn_reopen(const struct conn_options *options, struct conn *ret) MUST_CHECK;

/* For conn_open()'s users that bring their own socket. Takes fd over, also on failure. 0; -ENOMEM. */
int conn_adopt(int fd, pid_t daemon_pid, struct conn *ret) MUST_CHECK;

/* Close the connection; a private daemon ends by itself then. Idempotent. */
void conn_hang_up(struct conn *conn);

/*
 * Hang up and wait for the private daemon, at most 3 s: then neither a zombie nor a daemon that is still letting the
 * target go outlives us, and our process times contain the daemon's (wait4(2)). Idempotent.
 */
void conn_close(struct conn *conn);

/* One frame. Waits for room, at most 10 s. 0; -errno (-EPIPE: the daemon is gone). */
int conn_send(struct conn *conn, const uint8_t *frame, size_t n_bytes) MUST_CHECK;

enum conn_result {
        CONN_EMPTY = 0, /* nothing to receive now */
        CONN_FRAME = 1, /* conn->buffer has *ret_n_bytes bytes, until the next call */
        CONN_ENDED = 2, /* the daemon closed the connection */
};

/* Does not wait. enum conn_result; -EMSGSIZE: a message longer than any frame; other -errno. */
int conn_receive(struct conn *conn, size_t *ret_n_bytes) MUST_CHECK;

/* After CONN_ENDED: " (killed by signal 11)" or the like about a private daemon that has died, if it can be told. */
void conn_put_death(struct conn *conn, struct text *out);
