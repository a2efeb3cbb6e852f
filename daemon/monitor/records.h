/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is told of traces and of clients in the journal (journal.h): which fields, in which words. All of it is bounded
 * for each user and second (complaints.h).
 */
#pragma once

#include <sys/types.h>

#include "daemon/link/link.h"
#include "daemon/monitor/context.h"
#include "daemon/monitor/peer.h"

struct attachment;

/* It counts. With what it lacks, if that is anything that was not asked for. */
void records_granted(struct attachment *trace);
/*
 * There will be no trace. error: an errno number, which with limit (what there may be no more of: "traces", ...; NULL =
 * judged by the number) tells a denial, a limit and a failure apart. text: what the client is told.
 */
void records_refused(struct context *context, const struct peer *peer, const struct link_attach *request, int error,
                     const char *limit, const char *text);
/* Its peer may not see what this process has executed. error: an errno number; EPERM = may not, else not to be told. */
void records_revoked(struct attachment *trace, pid_t pid, int error);
/* It has been counted, or goes without; said once, and of a trace that was granted only. */
void records_ended(struct attachment *trace);
/* A detail was lost while it runs. */
void records_degraded(struct attachment *trace, enum link_detail what, int error);
/* What every trace lacks, if anything; said at the start. */
void records_service_lacks(struct context *context);
/* Connections wait for want of descriptors or memory. error: an errno number. */
void records_cannot_accept(struct context *context, int error);
/* A connection was refused. error: an errno number; limit: as above. */
void records_client_refused(struct context *context, const struct peer *peer, int error, const char *limit,
                            const char *text);
/* A connection is ended for what was done to it, or by it. */
void records_client_dropped(struct context *context, const struct peer *peer, const char *reason, const char *text);
/*
 * What an engine says about its client (peer; NULL = the report names none) or its trace (NULL likewise). False: it is
 * no report that an engine sends.
 */
bool records_report(struct context *context, const struct peer *peer, struct attachment *trace,
                    const struct link_report *report);
