/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A question answered by a forked process within a bound: opening a file may wait for a hostile FUSE server, and some
 * questions must be asked as another user. The monitor itself never waits.
 */
#pragma once

#include "daemon/monitor/child.h"

#define HELPER_TIMEOUT_USEC (2 * 1000 * 1000)
#define HELPER_MAX 2048        /* at a time */
#define HELPER_MAX_OF_USER 128 /* of them, so that nobody's file system that never answers keeps others from theirs */

struct helper;

/*
 * Run work(arg) in a child that has the descriptors `keep`. work() returns 0 or -errno and may set *ret_fd to a
 * descriptor to hand over. done() is called once from the event loop with its result and the descriptor (the callee's;
 * -1 = none), or with -ETIMEDOUT after HELPER_TIMEOUT_USEC (the child is killed), or with -EPROTO when the child died
 * without an answer; the helper is freed after that call. arg must stay valid only during this call (the child has its
 * own copy). uid: for whose sake it is asked. 0 or -errno; -EAGAIN: there are too many already.
 */
int helper_start(struct children *children, uid_t uid, int *keep, size_t n_keep, int (*work)(void *arg, int *ret_fd),
                 void *arg, void (*done)(void *user, int result, int fd), void *user, struct helper **ret) MUST_CHECK;
/* Cancel: done() will not be called. Accepts NULL, returns NULL. */
struct helper *helper_free(struct helper *helper);
