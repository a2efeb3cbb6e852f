/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Traces whose engine died. */
#pragma once

#include "daemon/monitor/attachment.h"

/* The engine behind this outbox died: give up what it had not been told of or had not begun. */
void attachments_engine_died(struct context *context, const struct outbox *outbox);
/*
 * It has a successor: everything that it needs to go on. done() is called, now or later, when all has been sent; not at
 * all if the successor dies first.
 */
void attachments_resend(struct context *context, const struct outbox *outbox, void (*done)(void *user), void *user);
