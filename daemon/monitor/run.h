/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trace that was handed over: barrier, enabling, LINK_STARTED, and its end: disabling, counting, LINK_COUNTS. */
#pragma once

#include "daemon/monitor/attachment.h"

/* The engine has mapped the rings. */
void attachment_ready(struct attachment *trace);
/* The threads are held, or could not be (level.degraded says so): count from now on. */
void attachment_begin(struct attachment *trace);
void attachment_stop(struct attachment *trace);
/* An exec took the target from the peer: ends with LINK_STRIPPED. */
void attachment_stripped(struct attachment *trace);
/*
 * The peer was an administrator and is none any more: ends with LINK_DISMISSED, whatever it may trace by its own
 * rights. One that is being opened goes on: it is authorized again before anything is handed out.
 */
void attachment_dismiss(struct attachment *trace);
/* The last thread of the target ended. */
void attachment_target_exited(struct attachment *trace);
/* The daemon ends: counters of all that run, unasked and at once. */
void attachments_stop_all(struct context *context);
