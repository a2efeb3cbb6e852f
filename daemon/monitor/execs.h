/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A held process executes a program: before its first instruction it is found out for every trace whether its peer may
 * see what comes, and what the kernel took away is opened anew.
 */
#pragma once

#include "daemon/monitor/attachment.h"

struct holder;

/* EXECED: ends in holder_exec_done(), now or later. */
void execs_begin(struct context *context, struct holder *holder, pid_t pid);
/*
 * A new tracer has stopped this process, which its traces had held by the one before: it may have executed anything
 * meanwhile. Ends in holder_return_done(), now or later. When the time is over, who was not found out about yet does
 * without.
 */
void execs_return(struct context *context, struct holder *holder, pid_t pid);
void execs_return_is_late(struct context *context, const struct holder *holder);
/* Nothing is held any more: what is under way is done, but nobody waits for it. */
void execs_tracer_died(struct context *context, const struct holder *holder);
/* The trace does not care any more. */
void execs_cancel(struct attachment *trace);
