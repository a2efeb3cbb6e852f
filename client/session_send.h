/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the client says in a conversation, one frame for each function. For session.c. Pure. */
#pragma once

#include "client/session.h"

/* All return 0 or what send() returned. */
int session_send_hello(struct session *session) MUST_CHECK;

/* The target waits for the answer afterwards, with the number of this request. */
int session_send_attach(struct session *session, struct target *target) MUST_CHECK;
int session_send_resume(struct session *session, struct target *target) MUST_CHECK;

int session_send_stop(struct session *session, uint32_t trace) MUST_CHECK;
