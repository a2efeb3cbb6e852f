/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A test in the client's place: the protocol's frames to and from the real daemon. Like the harness, each function does
 * what it says or ends the test. */
#pragma once

#include <stdbool.h>

#include "proto/proto.h"
#include "tests/support/harness.h"

/* What the daemon said; the body is valid until the next one is heard. */
struct answer {
        struct proto_header header;
        const uint8_t *body;
        size_t n_body;
};

/* Connected, with room for the largest frame on its way out. */
int reach(const struct daemon *daemon);
/* The same as this user: what a daemon sees of it (SO_PEERCRED, unix(7)). */
int reach_as(const struct daemon *daemon, uid_t uid);
void say(int fd, const uint8_t *bytes, size_t n_bytes);
/* false: the connection has ended. */
bool hear(int fd, struct answer *ret);
struct answer expect_type(int fd, enum message_type type);
/* HELLO, and WELCOME. */
void greet_on(int fd);
