/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which traces there are, and whose. What happens to one is told by prepare.c (until its engine has it), run.c
 * (counting, until it is counted) and successor.c (when its engine dies).
 */
#include "daemon/monitor/attachment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/monitor/added.h"
#include "daemon/monitor/authorize.h"
#include "daemon/monitor/execs.h"
#include "daemon/monitor/figures.h"
#include "daemon/monitor/follow.h"
#include "daemon/monitor/holders.h"
#include "daemon/monitor/idle.h"
#include "daemon/monitor/limits.h"
#include "daemon/monitor/opens.h"
#include "daemon/monitor/prepare.h"
#include "daemon/monitor/records.h"
#include "daemon/monitor/run.h"
#include "daemon/monitor/tell.h"
#include "daemon/monitor/unit.h"
#include "proto/proto.h"

#define RETRY_USEC 1000
#define MAX_RETRIES 1000

#define ALL_FLAGS (LINK_ATTACH_FROM_EXEC | LINK_ATTACH_FOLLOW | LINK_ATTACH_UNMAPS | LINK_ATTACH_LINES)

_Static_assert(LINK_ATTACH_FROM_EXEC == PROTO_ATTACH_FROM_EXEC && LINK_ATTACH_FOLLOW == PROTO_ATTACH_FOLLOW &&
                       LINK_ATTACH_UNMAPS == PROTO_ATTACH_UNMAPS && LINK_ATTACH_LINES == PROTO_ATTACH_LINES,
               "an engine passes its client's flags on as they are");
_Static_assert(LINK_STACK_AUTO == PROTO_STACK_AUTO && LINK_STACK_MAX_BYTES == PROTO_STACK_MAX_BYTES, "and this size");

static void count_denial(struct context *context, const struct peer *peer, int error)
{
        if (error == EPERM || error == EACCES)
                status_user_of(&context->users, peer->uid)->n_refused++;
}

void attachment_fail(struct attachment *trace, int error, const char *text)
{
        records_refused(trace->context, &trace->peer, &trace->request, error, NULL, text);
        count_denial(trace->context, &trace->peer, error);
        tell_refusal(trace->outbox, &trace->request, error, text);
        attachment_free(trace);
}

/* --- turns --- */

void attachment_take_turn(struct attachment *trace)
{
        void (*step)(struct attachment * trace) = trace->step;

        trace->turn = sd_event_source_disable_unref(trace->turn);
        trace->step = NULL;
        step(trace);
}

static int on_turn(sd_event_source *source, void *user)
{
        attachment_take_turn(user);
        return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *user)
{
        attachment_take_turn(user);
        return 0;
}

/*
 * A new source each time, because sd-event serves what has been pending for longest: one that stays pending would be
 * served before everybody else again and again.
 */
void attachment_later(struct attachment *trace, void (*step)(struct attachment *trace))
{
        trace->step = step;
        if (sd_event_add_defer(trace->context->event, &trace->turn, on_turn, trace) < 0)
                attachment_take_turn(trace); /* out of memory: late for others is better than never */
}

bool attachment_retry(struct attachment *trace, void (*step)(struct attachment *trace))
{
        if (trace->n_retries == MAX_RETRIES || target_is_dead(&trace->target) ||
            sd_event_add_time_relative(trace->context->event, &trace->turn, CLOCK_MONOTONIC, RETRY_USEC, 1, on_retry,
                                       trace) < 0)
                return false;
        trace->n_retries++;
        trace->step = step;
        return true;
}

/* --- authorization --- */

static void ask_again(struct attachment *trace)
{
        attachment_authorize(trace, trace->authorized);
}

static void on_authorized(void *user, int result, int fd)
{
        struct attachment *trace = user;

        cleanup_close(&fd);
        trace->authorizing = NULL;
        /* What pidfd_getfd(2) says of a leader whose place another thread is about to take. */
        if (result == -ESRCH && trace->state < ATTACHMENT_RUNNING && attachment_retry(trace, ask_again))
                return;
        if (result < 0 && result != -ESRCH && result != -EPERM)
                complain(&trace->context->complaints, trace->peer.uid, LOG_PRIORITY_WARNING,
                         "cannot find out whether uid %u may trace process %d: %s", trace->peer.uid, trace->target.pid,
                         strerrordesc_np(-result));
        trace->authorized(trace, result);
}

void attachment_authorize(struct attachment *trace, void (*then)(struct attachment *trace, int result))
{
        struct authorize_question question = {.peer = &trace->peer, .pidfd = trace->target.pidfd};
        int keep[] = {trace->target.pidfd};
        int r;

        if (!trace->needs_check) {
                then(trace, 0);
                return;
        }
        trace->authorized = then;
        r = helper_start(&trace->context->children, trace->peer.uid, keep, ARRAY_SIZE(keep), authorize_work, &question,
                         on_authorized, trace, &trace->authorizing);
        /* All of this user's helpers are at work: many traces that begin at once, as after a restart. */
        if (r == -EAGAIN && trace->state < ATTACHMENT_RUNNING && attachment_retry(trace, ask_again))
                return;
        if (r < 0)
                on_authorized(trace, r, -1);
}

/* --- the list of traces --- */

struct own_question {
        struct context *context;
        const struct peer *peer;
};

static bool is_own_process(void *user, pid_t pid)
{
        const struct own_question *question = user;

        return pid == getpid() || pid == question->peer->pid || children_have(&question->context->children, pid);
}

static int check_request(const struct context *context, const struct peer *peer, const struct link_attach *request,
                         char limit_text[static LINK_TEXT_BYTES], const char **ret_text)
{
        if (limits_check_trace(context, peer, limit_text) < 0) {
                *ret_text = limit_text;
                return EAGAIN;
        }
        if (peer->is_foreign) {
                *ret_text = "cannot trace: this client runs in another pid namespace, where process ids mean other "
                            "processes; "
                            "run it where the daemon runs";
                return EPERM;
        }
        if ((request->detail != DETAIL_AUTO && request->detail != DETAIL_BASIC && request->detail != DETAIL_FULL) ||
            request->ptrace > PTRACE_MODE_OFF || (request->flags & ~(uint32_t)ALL_FLAGS) != 0 ||
            (request->stack_bytes > LINK_STACK_MAX_BYTES && request->stack_bytes != LINK_STACK_AUTO)) {
                *ret_text = "cannot trace: this daemon does not know one of the options asked for; it is older than "
                            "the client";
                return EINVAL;
        }
        if (request->pid == 0 && (request->unit[0] == '\0' || (request->flags & LINK_ATTACH_FROM_EXEC) != 0)) {
                *ret_text = "cannot trace: neither a process nor a unit is named; name one (-p PID, -u UNIT)";
                return EINVAL;
        }
        return 0;
}

/* By the process that was kept, never by its number. */
static void resume(struct attachment *trace)
{
        struct proto_missed missed;
        char text[LINK_TEXT_BYTES];
        int r = store_pin(trace, &missed);

        if (r == 0) {
                if ((trace->request.flags & LINK_ATTACH_FOLLOW) != 0)
                        event_level_lack(&trace->level, LINK_LACKS_CHILDREN, 0);
                attachment_prepare(trace);
        } else if (r == -ESRCH) {
                tell_over(trace, &missed);
                attachment_free(trace);
        } else {
                (void)snprintf(text, sizeof(text), "cannot go on tracing process %d: %s", trace->request.pid,
                               strerrordesc_np(-r));
                attachment_fail(trace, -r, text);
        }
}

/* stored: what it goes on with, or NULL. */
static void request_trace(struct context *context, struct outbox *outbox, const struct peer *peer,
                          const struct link_attach *request, struct stored *stored)
{
        struct own_question question = {.context = context, .peer = peer};
        const char *refusal = "cannot trace: out of memory";
        char text[LINK_TEXT_BYTES];
        struct attachment *trace;
        int error = check_request(context, peer, request, text, &refusal);

        trace = error == 0 ? calloc(1, sizeof(*trace)) : NULL;
        if (trace == NULL || peer_copy(peer, &trace->peer) < 0) {
                free(trace);
                error = error != 0 ? error : ENOMEM;
                records_refused(context, peer, request, error, error == EAGAIN ? "traces" : NULL, refusal);
                count_denial(context, peer, error);
                tell_refusal(outbox, request, error, refusal);
                return;
        }
        trace->context = context;
        trace->outbox = outbox;
        trace->needs_check = peer_needs_check(peer);
        trace->request = *request;
        trace->id = ++context->last_trace_id;
        trace->target = TARGET_INIT;
        trace->events = EVENT_SET_INIT;
        trace->ids_file = trace->threads_file = trace->maps = trace->smaps = -1;
        trace->stories[0] = trace->stories[1] = trace->figures_file = -1;
        trace->next = context->attachments;
        context->attachments = trace;
        event_level_init(&trace->level, (enum detail)request->detail);
        if ((request->flags & LINK_ATTACH_UNMAPS) != 0 && (peer_rights(peer) & LINK_RIGHT_KERNEL) == 0) {
                trace->request.flags &= ~(uint32_t)LINK_ATTACH_UNMAPS;
                event_level_lack(&trace->level, LINK_LACKS_UNMAPS, EPERM);
        }
        trace->level.stack_bytes = request->stack_bytes;
        trace->level.kernel_chain = (peer_rights(peer) & LINK_RIGHT_KERNEL) != 0;
        trace->level.unmaps = (trace->request.flags & LINK_ATTACH_UNMAPS) != 0;
        trace->request.unit[sizeof(trace->request.unit) - 1] = '\0';
        if (stored != NULL)
                store_claim(stored, trace);
        if (request->pid == 0) {
                unit_request(trace);
                return;
        }
        if (stored != NULL) {
                resume(trace);
                return;
        }
        error = target_pin(request->pid, is_own_process, &question, &trace->target, text);
        if (error < 0)
                attachment_fail(trace, -error, text);
        else
                attachment_prepare(trace);
}

void attachment_request(struct context *context, struct outbox *outbox, const struct peer *peer,
                        const struct link_attach *request)
{
        /* Whose it is, or was, is nobody's business. */
        static const char text[] = "the trace cannot be gone on with: the daemon before this one has left none of this "
                                   "user's by this key, or it was forgotten after 30 seconds; trace anew";
        struct stored *stored;
        struct link_attach wish;

        if (!proto_key_is_set(&request->key)) {
                request_trace(context, outbox, peer, request, NULL);
        } else if (store_find(&context->store, peer->uid, request, &stored, &wish) < 0) {
                records_refused(context, peer, request, ESRCH, NULL, text);
                tell_refusal(outbox, request, ESRCH, text);
        } else {
                request_trace(context, outbox, peer, &wish, stored);
        }
}

struct attachment *attachment_find(const struct context *context, const struct outbox *outbox, uint32_t id)
{
        for (struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->id == id && t->outbox == outbox && t->state != ATTACHMENT_OPENING)
                        return t;
        return NULL;
}

struct attachment *attachment_free(struct attachment *trace)
{
        struct context *context = trace->context;

        for (struct attachment **p = &context->attachments; *p != NULL; p = &(*p)->next)
                if (*p == trace) {
                        *p = trace->next;
                        break;
                }
        records_ended(trace);
        idle_needed(context);
        store_forget(trace);
        trace->state = ATTACHMENT_STOPPED; /* for whoever looks while this goes on */
        holder_leave(trace);
        execs_cancel(trace);
        follow_free(trace);
        opens_cancel(trace);
        helper_free(trace->authorizing);
        trace->unit = unit_free(trace->unit);
        sd_event_source_disable_unref(trace->turn);
        sd_event_source_disable_unref(trace->exit_source);
        events_close(&trace->events, context->closer);
        added_free(trace);
        figures_close(trace);
        rings_close(&context->budget, &trace->rings);
        target_deinit(&trace->target);
        cleanup_close(&trace->ids_file);
        cleanup_close(&trace->threads_file);
        cleanup_close(&trace->stories[0]);
        cleanup_close(&trace->stories[1]);
        close_maps(trace);
        peer_deinit(&trace->peer);
        free(trace);
        announce_later(context);
        if (context->attachments == NULL)
                warm_linger(&context->warm);
        return NULL;
}

void attachments_forget_client(struct context *context, struct outbox *outbox, uint32_t conn)
{
        struct attachment *next;

        for (struct attachment *t = context->attachments; t != NULL; t = next) {
                next = t->next;
                if (t->outbox != outbox || t->request.conn != conn || t->state != ATTACHMENT_OPENING)
                        continue;
                tell_refusal(outbox, &t->request, ECANCELED, "the client is gone");
                attachment_free(t);
        }
}

void attachments_forget_admins(struct context *context)
{
        struct attachment *next;

        for (struct attachment *t = context->attachments; t != NULL; t = next) {
                next = t->next;
                if (!t->peer.is_admin)
                        continue;
                t->peer.is_admin = false;
                t->needs_check = peer_needs_check(&t->peer);
                attachment_dismiss(t);
        }
}

void attachments_free_of(struct context *context, const struct outbox *outbox)
{
        struct attachment *next;

        for (struct attachment *t = context->attachments; t != NULL; t = next) {
                next = t->next;
                if (t->outbox == outbox)
                        attachment_free(t);
        }
}

bool attachments_have(const struct context *context, const struct outbox *outbox)
{
        for (const struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->outbox == outbox)
                        return true;
        return false;
}
