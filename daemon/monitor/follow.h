/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes of a trace with LINK_ATTACH_FOLLOW beside its target. The kernel's events follow by themselves; here is
 * decided which children the engine's peer may look at, and known when the last one has ended.
 */
#pragma once

#include "daemon/monitor/attachment.h"

struct member;    /* a process that the engine was told about */
struct following; /* a FOLLOW that is not answered yet */

#define FOLLOW_MAX_MEMBERS 16384 /* of a trace, alive at a time */

/* Answered by LINK_FOLLOWED, now or later, and that by LINK_EMPTY where nobody is there. */
void follow_request(struct attachment *trace, pid_t pid, bool wants_threads);
/* LINK_EMPTY if the target and all members have ended and the engine is not waiting for an answer. */
void follow_check_empty(struct attachment *trace);

/* The process is the target or a member. */
bool follow_knows(const struct attachment *trace, pid_t pid);
/* Number of these; into ret, unless it is NULL. */
size_t follow_pids(const struct attachment *trace, pid_t *ret);
/* It is, or it descends from them. */
bool follow_has(const struct attachment *trace, pid_t pid);
/* Its program is not for the peer: it does not belong to the trace any more. False = nothing is left of the trace. */
bool follow_lost(struct attachment *trace, pid_t pid) MUST_CHECK;
/* Pin a member. 0; -ESRCH: it is none, or has ended. */
int follow_open(const struct attachment *trace, pid_t pid, struct target *ret) MUST_CHECK;
/* Call it for all members that live. */
void follow_each(const struct attachment *trace, void (*call)(void *user, const struct target *process), void *user);

/* The engine died: it does not wait any more. */
void follow_cancel(struct attachment *trace);
void follow_free(struct attachment *trace);
