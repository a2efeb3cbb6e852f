/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two tracers cannot have one process, so traces of the same target take turns; the turn passes on when the tracer
 * process has really ended, for only then the kernel lets another one in. A tracer that was told to go ends by itself;
 * one that outlived its trace is killed. In both cases every thread runs on, with its signals (tracer.c).
 */
#include "daemon/monitor/barrier.h"

#include <cap-ng.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/link/clock.h"
#include "daemon/monitor/log.h"
#include "daemon/monitor/prepare.h"
#include "daemon/monitor/run.h"

#define BARRIER_TIMEOUT_USEC (1000 * 1000)

struct tracer_run {
        struct context *context;
        struct tracer_run *next;
        struct attachment *trace; /* NULL: it is gone */
        pid_t target;
        struct child *child;
};

static struct tracer_run *run_free(struct tracer_run *run)
{
        for (struct tracer_run **p = &run->context->tracers; *p != NULL; p = &(*p)->next)
                if (*p == run) {
                        *p = run->next;
                        break;
                }
        free(run);
        return NULL;
}

static void stop_watching(struct attachment *trace)
{
        trace->tracer_source = sd_event_source_disable_unref(trace->tracer_source);
        trace->tracer_timer = sd_event_source_disable_unref(trace->tracer_timer);
        cleanup_close(&trace->tracer_link);
        trace->tracer_link = -1;
}

/* Go on without: the threads run, and the reason is told. A target that ended is no reason. */
static void without_barrier(struct attachment *trace, int error)
{
        barrier_abort(trace);
        if (!trace->is_exited && error != ESRCH)
                event_level_lack(&trace->level, LINK_LACKS_BARRIER, error);
        attachment_begin(trace);
}

static int on_tracer_message(sd_event_source *source, int fd, uint32_t events, void *user)
{
        struct attachment *trace = user;
        struct link_received received;
        int r = link_receive(fd, &received);

        if (r == -EAGAIN)
                return 0;
        if (r == 1)
                link_close_fds(&received);
        if (r != 1 || received.message.type != LINK_TRACER_STOPPED) {
                without_barrier(trace, r == 1 && received.message.type == LINK_TRACER_FAILED
                                               ? received.message.tracer.error
                                               : ECHILD);
                return 0;
        }
        trace->tracer_source = sd_event_source_disable_unref(trace->tracer_source);
        trace->tracer_timer = sd_event_source_disable_unref(trace->tracer_timer);
        trace->held_since_ns = monotonic_ns();
        trace->n_unstopped = received.message.tracer.n_unstopped;
        if (trace->events.is_uncertain)
                attachment_reopen(trace);
        else
                attachment_begin(trace);
        return 0;
}

static int on_tracer_timeout(sd_event_source *source, uint64_t usec, void *user)
{
        without_barrier(user, ETIMEDOUT);
        return 0;
}

static void start_waiting(struct context *context, pid_t target)
{
        for (struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->state == ATTACHMENT_WAITING && t->target.pid == target) {
                        barrier_start(t);
                        return;
                }
}

static void on_tracer_exit(void *user, const siginfo_t *info)
{
        struct tracer_run *run = user;
        struct context *context = run->context;
        pid_t target = run->target;

        if (run->trace != NULL)
                run->trace->tracer = NULL; /* while it holds, its link tells */
        run_free(run);
        start_waiting(context, target);
}

struct tracer_call {
        const struct monitor_options *options;
        int link_fd, process;
};

/* Of all that the monitor may do, a tracer keeps the right to trace. */
static int keep_trace_right(void)
{
        bool had = capng_get_caps_process() == 0 && capng_have_capability(CAPNG_PERMITTED, CAP_SYS_PTRACE) == 1;

        capng_clear(CAPNG_SELECT_CAPS);
        if (had)
                (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_PTRACE);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        return capng_apply(CAPNG_SELECT_CAPS) != 0 ? -EPERM : 0;
}

static int tracer_child(void *user)
{
        const struct tracer_call *call = user;

        return keep_trace_right() < 0 ? EXIT_FAILURE : call->options->tracer_main(call->link_fd, call->process);
}

static int spawn_tracer(struct attachment *trace, int sockets[static 2])
{
        struct context *context = trace->context;
        struct tracer_call call = {
                .options = context->options, .link_fd = sockets[1], .process = trace->target.process};
        int keep[] = {sockets[1], trace->target.process};
        CLEANUP_FREE struct tracer_run *run = calloc(1, sizeof(*run));
        int r;

        if (run == NULL)
                return -ENOMEM;
        *run = (struct tracer_run){.context = context, .trace = trace, .target = trace->target.pid};
        r = sd_event_add_io(context->event, &trace->tracer_source, sockets[0], EPOLLIN, on_tracer_message, trace);
        if (r >= 0)
                r = sd_event_add_time_relative(context->event, &trace->tracer_timer, CLOCK_MONOTONIC,
                                               BARRIER_TIMEOUT_USEC, 0, on_tracer_timeout, trace);
        if (r >= 0)
                r = child_spawn(&context->children, keep, ARRAY_SIZE(keep), tracer_child, &call, on_tracer_exit, run,
                                &run->child);
        if (r < 0)
                return r;
        run->next = context->tracers;
        context->tracers = run;
        trace->tracer = TAKE_PTR(run);
        return 0;
}

void barrier_start(struct attachment *trace)
{
        int sockets[2];
        int r;

        for (const struct tracer_run *run = trace->context->tracers; run != NULL; run = run->next)
                if (run->target == trace->target.pid) {
                        trace->state = ATTACHMENT_WAITING;
                        return;
                }
        trace->state = ATTACHMENT_BARRIER;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0) {
                without_barrier(trace, errno);
                return;
        }
        trace->tracer_link = sockets[0];
        r = spawn_tracer(trace, sockets);
        (void)close(sockets[1]);
        if (r < 0)
                without_barrier(trace, -r);
}

void barrier_release(struct attachment *trace)
{
        struct link_message message = {.type = LINK_TRACER_GO};

        if (trace->tracer_link < 0)
                return;
        if (link_send(trace->tracer_link, &message, NULL, 0) < 0)
                barrier_abort(trace);
        else
                stop_watching(trace);
}

void barrier_abort(struct attachment *trace)
{
        stop_watching(trace);
        if (trace->tracer != NULL) {
                trace->tracer->trace = NULL;
                child_kill(trace->tracer->child);
                trace->tracer = NULL;
        }
}

void barrier_forget_all(struct context *context)
{
        while (context->tracers != NULL)
                run_free(context->tracers);
}
