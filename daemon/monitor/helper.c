/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The child answers with one LINK_OPENED message. It may have become a user who can kill or stop it, so everything but
 * a well-formed answer in time is an error, and errors mean no (authorize.c). Cancelling abandons the child, which is
 * reaped whenever it dies: one that waits for a FUSE server that has taken its question is not even killed. So those
 * that hang count for their user, who has a share of them.
 */
#include "daemon/monitor/helper.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/link/link.h"
#include "daemon/link/sandbox.h"

struct helper {
        struct child *child;
        int socket;
        sd_event_source *answer;
        sd_event_source *timer;
        void (*done)(void *user, int result, int fd);
        void *user;
};

struct helper_call {
        int socket;
        int (*work)(void *arg, int *ret_fd);
        void *arg;
};

static int helper_main(void *user)
{
        struct helper_call *call = user;
        struct link_message answer = {.type = LINK_OPENED};
        int fd = -1;

        if (sandbox_enter(SANDBOX_HELPER) < 0)
                return EXIT_FAILURE;
        answer.opened.error = -call->work(call->arg, &fd);
        return link_send(call->socket, &answer, &fd, fd >= 0 ? 1 : 0) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

struct helper *helper_free(struct helper *helper)
{
        if (helper == NULL)
                return NULL;
        child_abandon(helper->child);
        sd_event_source_disable_unref(helper->answer);
        sd_event_source_disable_unref(helper->timer);
        (void)close(helper->socket);
        free(helper);
        return NULL;
}

static void helper_finish(struct helper *helper, int result, int fd)
{
        void (*done)(void *user, int result, int fd) = helper->done;
        void *user = helper->user;

        helper_free(helper);
        done(user, result, fd);
}

/* Its answer, if it gave one, is still in the socket. */
static void on_exit_of_helper(void *user, const siginfo_t *info)
{
        struct helper *helper = user;

        helper->child = NULL;
}

static int on_answer(sd_event_source *source, int socket, uint32_t events, void *user)
{
        struct helper *helper = user;
        struct link_received received;
        int r = link_receive(socket, &received);

        if (r == -EAGAIN)
                return 0;
        if (r != 1) {
                helper_finish(helper, -EPROTO, -1);
                return 0;
        }
        r = received.message.type == LINK_OPENED && received.message.opened.error >= 0 ? -received.message.opened.error
                                                                                       : -EPROTO;
        int fd = r == 0 && received.n_fds == 1 ? TAKE_FD(received.fds[0]) : -1;
        link_close_fds(&received);
        helper_finish(helper, r, fd);
        return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *user)
{
        helper_finish(user, -ETIMEDOUT, -1);
        return 0;
}

int helper_start(struct children *children, uid_t uid, int *keep, size_t n_keep, int (*work)(void *arg, int *ret_fd),
                 void *arg, void (*done)(void *user, int result, int fd), void *user, struct helper **ret)
{
        struct helper *helper;
        int sockets[2];
        int kept[8];
        int r;

        if (n_keep + 1 > ARRAY_SIZE(kept) || children_n_helpers(children, CHILDREN_OF_ALL) >= HELPER_MAX ||
            children_n_helpers(children, uid) >= HELPER_MAX_OF_USER)
                return -EAGAIN;
        helper = calloc(1, sizeof(*helper));
        if (helper == NULL)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0) {
                r = -errno;
                free(helper);
                return r;
        }
        helper->socket = sockets[0];
        helper->done = done;
        helper->user = user;
        for (size_t i = 0; i < n_keep; i++)
                kept[i] = keep[i];
        kept[n_keep] = sockets[1];
        struct helper_call call = {.socket = sockets[1], .work = work, .arg = arg};
        r = child_spawn(children, kept, n_keep + 1, helper_main, &call, on_exit_of_helper, helper, &helper->child);
        (void)close(sockets[1]);
        if (r >= 0)
                child_is_helper_of(helper->child, uid);
        if (r >= 0)
                r = sd_event_add_io(children->event, &helper->answer, helper->socket, EPOLLIN, on_answer, helper);
        if (r >= 0)
                r = sd_event_add_time_relative(children->event, &helper->timer, CLOCK_MONOTONIC, HELPER_TIMEOUT_USEC, 0,
                                               on_timeout, helper);
        if (r < 0) {
                helper_free(helper);
                return r;
        }
        *ret = helper;
        return 0;
}
