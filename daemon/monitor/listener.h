/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket that clients of the service connect to. */
#pragma once

#include "proto/base.h"

/*
 * The socket that systemd passed (sd_listen_fds(3)), or one bound to path. Descriptor, listening and non-blocking, or
 * -errno after it has been logged. A socket file that nobody listens on any more is replaced.
 */
int listener_open(const char *path) MUST_CHECK;
/* Next waiting connection: descriptor or -errno (-EAGAIN: none). */
int listener_accept(int listener) MUST_CHECK;
