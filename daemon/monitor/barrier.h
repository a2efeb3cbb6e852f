/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The attach barrier, seen from the monitor: a tracer process stops the threads, events are enabled, the tracer lets
 * go. It may take only so long: a tracer that blocks is killed, which sets every thread free, and the trace goes on
 * without.
 */
#pragma once

#include "daemon/monitor/attachment.h"

/* Start; goes to ATTACHMENT_WAITING while another trace's tracer has the target. Ends in attachment_begin() or
 * attachment_reopen() in any case. */
void barrier_start(struct attachment *trace);
/* Let the threads go, if they are held. */
void barrier_release(struct attachment *trace);
/* Nobody waits for the barrier any more: kill the tracer. */
void barrier_abort(struct attachment *trace);
/* At the end of the monitor. */
void barrier_forget_all(struct context *context);
