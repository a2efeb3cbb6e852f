/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Traces survive their engine: rings, events and counters are the monitor's. The successor is told of each trace, with
 * maps that its peer may (still) see, before it is told of its clients (engines.c).
 */
#include "daemon/monitor/successor.h"

#include "daemon/monitor/events.h"
#include "daemon/monitor/follow.h"
#include "daemon/monitor/log.h"
#include "daemon/monitor/opens.h"
#include "daemon/monitor/tell.h"

void attachments_engine_died(struct context *context, const struct outbox *outbox)
{
        struct attachment *next;

        for (struct attachment *t = context->attachments; t != NULL; t = next) {
                next = t->next;
                if (t->outbox != outbox)
                        continue;
                if (t->state < ATTACHMENT_RUNNING) {
                        store_release(t); /* the client asks the next one */
                        attachment_free(t);
                } else {
                        opens_cancel(t);
                        follow_cancel(t);
                        t->authorizing = helper_free(t->authorizing);
                        t->resent = NULL;
                }
        }
}

static bool is_resending(const struct context *context, const struct outbox *outbox)
{
        for (const struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->outbox == outbox && t->resent != NULL)
                        return true;
        return false;
}

/* The maps may be those of a setuid program by now: a peer who may not see them goes on with what the rings hold. */
static void resend(struct attachment *trace, int result)
{
        void (*resent)(void *user) = trace->resent;

        if (result < 0 || trace->maps < 0) {
                close_maps(trace);
                trace->maps = make_sealed_file("faultline-empty", "", 0);
                trace->smaps = make_sealed_file("faultline-empty", "", 0);
        }
        if (trace->maps < 0 || trace->smaps < 0) {
                log_line(LOG_PRIORITY_ERROR, "cannot pass the trace of process %d to a new engine: out of descriptors",
                         trace->target.pid);
        } else {
                tell_trace(trace, true);
                tell_rings(trace);
                tell_started(trace);
                if (trace->state == ATTACHMENT_STOPPED)
                        tell_counts(trace);
        }
        trace->resent = NULL;
        follow_check_empty(trace);
        if (!is_resending(trace->context, trace->outbox))
                resent(trace->resent_user);
}

void attachments_resend(struct context *context, const struct outbox *outbox, void (*done)(void *user), void *user)
{
        for (struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->outbox == outbox) {
                        t->resent = done;
                        t->resent_user = user;
                }
        if (!is_resending(context, outbox)) {
                done(user);
                return;
        }
        for (struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->outbox == outbox) {
                        (void)open_maps(t);
                        attachment_authorize(t, resend);
                }
}
