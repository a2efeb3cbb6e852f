/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tracer is trusted, but it may hang in the kernel: nothing here waits for it, and whatever it does not take is a
 * reason to kill it, which hurts nobody (tracer.c).
 */
#include "daemon/monitor/tracer_process.h"

#include <cap-ng.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

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

void tracer_process_let_go(struct tracer_process *tracer)
{
        tracer->source = sd_event_source_disable_unref(tracer->source);
        cleanup_close(&tracer->link);
        tracer->link = -1;
}

void tracer_process_kill(struct tracer_process *tracer)
{
        tracer_process_let_go(tracer);
        if (tracer->child != NULL)
                child_kill(tracer->child);
}

void tracer_process_tell(struct tracer_process *tracer, enum link_type type, struct link_tracer body, int fd)
{
        struct link_message message = {.type = type, .tracer = body};

        if (tracer->link >= 0 && link_send(tracer->link, &message, &fd, fd >= 0 ? 1 : 0) < 0)
                tracer_process_kill(tracer);
}

static int on_message(sd_event_source *source, int fd, uint32_t events, void *user)
{
        struct tracer_process *tracer = user;
        struct link_received received;
        int r = link_receive(fd, &received);

        if (r == -EAGAIN)
                return 0;
        if (r == 1)
                link_close_fds(&received);
        if (r != 1 || !tracer->received(tracer->user, &received.message))
                tracer_process_kill(tracer);
        return 0;
}

static void on_exit_of_tracer(void *user, const siginfo_t *info)
{
        struct tracer_process *tracer = user;

        tracer_process_let_go(tracer);
        tracer->child = NULL;
        tracer->exited(tracer->user, info->si_code == CLD_EXITED && info->si_status == EXIT_SUCCESS);
}

int tracer_process_start(struct context *context, int process, struct tracer_process *tracer)
{
        int sockets[2];
        int r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0)
                return -errno;
        struct tracer_call call = {.options = context->options, .link_fd = sockets[1], .process = process};
        int keep[] = {sockets[1], process};
        tracer->link = sockets[0];
        r = sd_event_add_io(context->event, &tracer->source, tracer->link, EPOLLIN, on_message, tracer);
        if (r >= 0)
                r = child_spawn(&context->children, keep, ARRAY_SIZE(keep), tracer_child, &call, on_exit_of_tracer,
                                tracer, &tracer->child);
        (void)close(sockets[1]);
        if (r < 0)
                tracer_process_let_go(tracer);
        return r < 0 ? r : 0;
}
