/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A queue for each trace, the oldest questions first; who asks bounds how many there are. An answer always comes from
 * the event loop, so that whoever gets it may end the trace.
 */
#include "daemon/monitor/asks.h"

#include <errno.h>

#include "daemon/monitor/attachment.h"

#define MAX_HELPERS 4 /* of one trace at a time */

struct ask {
        struct attachment *trace;
        struct ask *next;
        struct helper *helper;    /* NULL: waits for its turn */
        sd_event_source *failure; /* no helper could be had */
        int pidfd;
        void (*done)(void *user, int result);
        void *user;
};

static void start_waiting(struct attachment *trace);

struct ask *ask_cancel(struct ask *ask)
{
        if (ask == NULL)
                return NULL;
        for (struct ask **p = &ask->trace->asks; *p != NULL; p = &(*p)->next)
                if (*p == ask) {
                        *p = ask->next;
                        break;
                }
        helper_free(ask->helper);
        sd_event_source_disable_unref(ask->failure);
        free(ask);
        return NULL;
}

static void finish(struct ask *ask, int result)
{
        struct attachment *trace = ask->trace;
        void (*done)(void *user, int result) = ask->done;
        void *user = ask->user;

        ask_cancel(ask);
        start_waiting(trace);
        done(user, result);
}

static void on_answer(void *user, int result, int fd)
{
        struct ask *ask = user;

        cleanup_close(&fd);
        ask->helper = NULL;
        finish(ask, result);
}

static int on_failure(sd_event_source *source, void *user)
{
        finish(user, -EAGAIN);
        return 0;
}

static bool has_running(const struct attachment *trace)
{
        for (const struct ask *a = trace->asks; a != NULL; a = a->next)
                if (a->helper != NULL)
                        return true;
        return false;
}

static void start(struct ask *ask)
{
        struct authorize_question question = {.peer = &ask->trace->peer, .pidfd = ask->pidfd};
        struct context *context = ask->trace->context;
        int keep[] = {ask->pidfd};
        int r = helper_start(&context->children, ask->trace->peer.uid, keep, ARRAY_SIZE(keep), authorize_work,
                             &question, on_answer, ask, &ask->helper);

        if (r < 0 && (r != -EAGAIN || !has_running(ask->trace))) /* else the end of one that runs is its turn */
                (void)sd_event_add_defer(context->event, &ask->failure, on_failure, ask);
}

static void start_waiting(struct attachment *trace)
{
        size_t n_started = 0;

        for (struct ask *a = trace->asks; a != NULL && n_started < MAX_HELPERS; a = a->next, n_started++)
                if (a->helper == NULL && a->failure == NULL)
                        start(a);
}

int ask_start(struct attachment *trace, int pidfd, void (*done)(void *user, int result), void *user, struct ask **ret)
{
        struct ask *ask, **last = &trace->asks;

        if (!trace->needs_check) {
                done(user, 0);
                return 0;
        }
        ask = calloc(1, sizeof(*ask));
        if (ask == NULL)
                return -ENOMEM;
        *ask = (struct ask){.trace = trace, .pidfd = pidfd, .done = done, .user = user};
        while (*last != NULL)
                last = &(*last)->next;
        *last = ask;
        *ret = ask;
        start_waiting(trace);
        return 0;
}
