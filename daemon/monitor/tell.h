/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an engine is told about a trace, and the maps that it gets with it. Everything goes through the outbox. */
#pragma once

#include "daemon/monitor/outbox.h"
#include "proto/proto.h"

struct attachment;

/* LINK_TRACE with an error. text: up to LINK_TEXT_BYTES, cut beyond. */
void tell_refusal(struct outbox *outbox, const struct link_attach *request, int error, const char *text);
/* LINK_TRACE for one that was to be resumed and is over. */
void tell_over(struct attachment *trace, const struct proto_missed *missed);
/* LINK_TRACE with the maps that are open, which it uses up. */
void tell_trace(struct attachment *trace, bool restarted);
void tell_rings(struct attachment *trace);
void tell_started(struct attachment *trace);
void tell_counts(struct attachment *trace);
/*
 * The rest is not for an engine that does not know the trace yet (->resent): LINK_TRACE and LINK_STARTED will bring it,
 * or it will ask.
 */
void tell_degraded(struct attachment *trace, enum link_detail what, int error);
void tell_followed(struct attachment *trace, const struct link_follow *followed, const int fds[3]);
void tell_empty(struct attachment *trace);
/*
 * fds: ids, maps, smaps. The text of maps is copied as it is now, while a process that is held has done nothing yet:
 * whoever reads the file itself may find the process gone.
 */
void tell_ids(struct attachment *trace, pid_t pid, uint32_t n_ids, const int fds[3]);
void tell_revoked(struct attachment *trace, pid_t pid, int error);

/* ->maps and ->smaps: opened before the authorization that allows to hand them out. 0, or -errno and both are -1. */
int open_maps(struct attachment *trace);
void close_maps(struct attachment *trace);
