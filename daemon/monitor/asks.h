/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "May the peer of this trace trace that process?", for processes that come into being while a trace runs: a few
 * questions of a trace at a time, the others wait, so that a target that forks without end takes no helpers from
 * others.
 */
#pragma once

#include "daemon/monitor/authorize.h"

struct attachment;
struct ask;

/*
 * done() is called with the result of authorize_work(): at once where there is nothing to ask (then *ret is left as it
 * is), else later, and *ret must be forgotten then. pidfd: borrowed until then. What is handed out after a yes must
 * have been opened before the question. 0; -errno, and done() will not be called.
 */
int ask_start(struct attachment *trace, int pidfd, void (*done)(void *user, int result), void *user,
              struct ask **ret) MUST_CHECK;
/* done() will not be called. Accepts NULL, returns NULL. */
struct ask *ask_cancel(struct ask *ask);
