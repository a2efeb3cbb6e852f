/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tracer processes, seen from the monitor. There is one holder for a target, with one tracer process at a time; it
 * serves every trace of that target, and traces of processes that this tracer holds already because they descend from
 * it. It stops a process for an attach and then lets go of it (light), or stays (hold).
 */
#pragma once

#include "daemon/monitor/attachment.h"

struct holder;

/* READY, and ->mode is HOLD or LIGHT: ends in attachment_begin() or attachment_reopen() in any case. */
void holder_begin(struct attachment *trace);
/* The events count: whoever was stopped for this trace may run. Does nothing where nobody was. */
void holder_go(struct attachment *trace);
/* The trace is over. */
void holder_leave(struct attachment *trace);
/* The peer of the trace must not see this process, nor what descends from it: no more of their stories. */
void holder_hide(struct attachment *trace, pid_t pid);
/* The peer may see this process, which is stopped. */
void holder_watch(struct attachment *trace, pid_t pid);
/* The process may run what it executes. */
void holder_exec_done(struct holder *holder, pid_t pid);
/* The process that a new tracer has stopped is judged: it may run on. */
void holder_return_done(struct holder *holder);
/* The trace is one of those that this holder holds. */
bool holder_holds(const struct holder *holder, const struct attachment *trace);
/* It goes on, but its target is held for it no more. error: an errno number. */
void holder_drop(struct attachment *trace, int error);

bool holders_have(const struct context *context, pid_t tracer);
/* At the end of the monitor. */
void holders_free(struct context *context);
