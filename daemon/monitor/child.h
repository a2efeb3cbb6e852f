/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Child processes of the monitor: engines, tracers and helpers. Each is watched by its pidfd and reaped exactly once;
 * the registry knows every living one, also those that nobody waits for any more.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "proto/base.h"

#define CHILDREN_OF_ALL ((uid_t)-1)

struct child;

struct children {
        sd_event *event; /* borrowed */
        struct child *first;
};

/*
 * Fork. The child has standard input, output and error and the n_keep descriptors of `keep` (sorted by the callee),
 * dies with the monitor, has the default signal dispositions and an empty signal mask, runs main(arg) and ends with its
 * result. exited() is called from the event loop when it is gone, with the siginfo of waitid(2), unless it was
 * abandoned or released; the struct is freed after that call. 0 or -errno. *ret is borrowed: it lives until exited()
 * returns.
 */
int child_spawn(struct children *children, int *keep, size_t n_keep, int (*main)(void *arg), void *arg,
                void (*exited)(void *user, const siginfo_t *info), void *user, struct child **ret) MUST_CHECK;

pid_t child_pid(const struct child *child);
void child_kill(struct child *child);
/* Nobody waits for it any more: it is only reaped. Returns NULL; accepts NULL. */
struct child *child_release(struct child *child);
/* The same, and it is killed. */
struct child *child_abandon(struct child *child);

/* It is a helper and works for this user: children_n_helpers(). */
void child_is_helper_of(struct child *child, uid_t uid);
/* Helpers that work for this user, or for any (CHILDREN_OF_ALL): also those that nobody waits for any more and that the
 * kernel does not let go. */
size_t children_n_helpers(const struct children *children, uid_t uid);

bool children_have(const struct children *children, pid_t pid);
/* At the end of the monitor: kill what lives. Does not wait (they die with the monitor at the latest). */
void children_deinit(struct children *children);
