/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a conversation keeps while there is no daemon, and how it goes on with the next one. For session.c. Pure. */
#pragma once

#include "client/session.h"

/* END_RESTART: the trace waits for the next daemon. */
void session_note_end(struct target *target, const struct proto_end *end);
/* Another daemon has attached to the target: what is counted from now on is its own. */
void session_note_daemon(struct target *target);
/* What nobody watched meanwhile. target: NULL = none of ours. */
void session_note_missed(struct session *session, struct target *target, const struct proto_gap *gap);
/* Its request was refused. If an earlier daemon told how it ended, that is its end. */
void session_fail_target(struct session *session, struct target *target);
/* The end that the last daemon told, for this reason. */
void session_end_as_told(struct session *session, struct target *target, enum end_reason reason);

/* Fill in what a RESUME says of the past, and, where no daemon has the trace yet, its bases. */
void session_put_past(const struct target *target, struct proto_resume *resume);
