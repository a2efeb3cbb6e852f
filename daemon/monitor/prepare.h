/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a pinned target to LINK_TRACE: authorize, open rings and events, authorize again, hand over. */
#pragma once

#include "daemon/monitor/attachment.h"

/* How the trace's events are opened. */
struct event_request prepare_event_request(const struct attachment *trace, bool is_stopped);
/* Ends in ATTACHMENT_OPENED, or in a refusal that was sent and the end of `trace`, now or later. */
void attachment_prepare(struct attachment *trace);
/* The trace has begun for its engine, but the peer may not see the target any more: ends with LINK_STRIPPED. */
void attachment_refused(struct attachment *trace);
/*
 * While the threads are held: open all events anew, for threads were born while they were opened. Ends in
 * attachment_begin() in any case, unless the trace is stopped before.
 */
void attachment_reopen(struct attachment *trace);
