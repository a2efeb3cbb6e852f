/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket that clients of the service connect to, and what else the service manager hands over at the start. */
#pragma once

#include "daemon/monitor/store.h"
#include "proto/base.h"

#define LISTENER_MAX_KEPT (SESSIONS_MAX + 8)

/* All descriptors owned. */
struct handed {
        int listener; /* -1 = none */
        struct store_handed kept[LISTENER_MAX_KEPT];
        size_t n_kept;
};

#define HANDED_INIT ((struct handed){.listener = -1})

/*
 * What the service manager passes (sd_listen_fds_with_names(3)), once in the life of the process: a socket, and what a
 * daemon before this one had it keep. What is neither is closed, and logged. 0, also when nothing is passed; or -errno
 * after it has been logged: a socket that is not one of ours, or two.
 */
int handed_take(struct handed *ret) MUST_CHECK;
void handed_deinit(struct handed *handed);

/*
 * A socket bound to path: descriptor, listening and non-blocking, or -errno after it has been logged. A socket file
 * that nobody listens on any more is replaced.
 */
int listener_open(const char *path) MUST_CHECK;
/* Next waiting connection: descriptor or -errno (-EAGAIN: none). */
int listener_accept(int listener) MUST_CHECK;
