/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fork(2) without exec: what runs in the child is our own code, and the descriptors that it may keep are listed, all
 * others closed at once. That is what keeps a client's connection or another user's ring out of a process that could
 * outlive its purpose. pidfds instead of SIGCHLD: no signal handler, no coalescing, and a tracer's wait status cannot
 * be confused with another child's. The death signal is set before main() because main() may change its user.
 */
#include "daemon/monitor/child.h"

#include <errno.h>
#include <linux/close_range.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct child {
        struct children *owner;
        struct child *next;
        pid_t pid;
        int pidfd;
        sd_event_source *source;
        void (*exited)(void *user, const siginfo_t *info); /* NULL: only reap */
        void *user;
        bool is_helper;
        uid_t uid; /* is_helper: for whom */
};

static int compare_fds(const void *a, const void *b)
{
        const int *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static int close_all_but(int *keep, size_t n_keep)
{
        unsigned int from = STDERR_FILENO + 1;

        qsort(keep, n_keep, sizeof(*keep), compare_fds);
        for (size_t i = 0; i < n_keep; i++) {
                if (keep[i] < (int)from)
                        continue;
                if ((unsigned int)keep[i] > from && syscall(SYS_close_range, from, keep[i] - 1, 0) < 0)
                        return -errno;
                from = (unsigned int)keep[i] + 1;
        }
        return syscall(SYS_close_range, from, ~0U, 0) < 0 ? -errno : 0;
}

static void reset_signals(void)
{
        sigset_t none;

        for (int sig = 1; sig < NSIG; sig++)
                if (sig != SIGPIPE)
                        (void)signal(sig, SIG_DFL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void run_child(pid_t parent, int *keep, size_t n_keep, int (*main)(void *arg), void *arg)
{
        reset_signals();
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || close_all_but(keep, n_keep) < 0)
                _exit(EXIT_FAILURE);
        _exit(main(arg));
}

static struct child *child_unlink(struct child *child)
{
        for (struct child **p = &child->owner->first; *p != NULL; p = &(*p)->next)
                if (*p == child) {
                        *p = child->next;
                        break;
                }
        sd_event_source_disable_unref(child->source);
        (void)close(child->pidfd);
        free(child);
        return NULL;
}

static int on_exit_of_child(sd_event_source *source, int fd, uint32_t events, void *user)
{
        struct child *child = user;
        siginfo_t info = {0};

        if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                return 0;
        if (child->exited != NULL)
                child->exited(child->user, &info);
        child_unlink(child);
        return 0;
}

int child_spawn(struct children *children, int *keep, size_t n_keep, int (*main)(void *arg), void *arg,
                void (*exited)(void *user, const siginfo_t *info), void *user, struct child **ret)
{
        CLEANUP_FREE struct child *child = calloc(1, sizeof(*child));
        pid_t parent = getpid();
        int r;

        if (child == NULL)
                return -ENOMEM;
        child->pid = fork();
        if (child->pid < 0)
                return -errno;
        if (child->pid == 0)
                run_child(parent, keep, n_keep, main, arg);
        child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
        r = child->pidfd < 0
                    ? -errno
                    : sd_event_add_io(children->event, &child->source, child->pidfd, EPOLLIN, on_exit_of_child, child);
        if (r < 0) {
                (void)kill(child->pid, SIGKILL);
                (void)waitpid(child->pid, NULL, 0);
                if (child->pidfd >= 0)
                        (void)close(child->pidfd);
                return r;
        }
        child->owner = children;
        child->exited = exited;
        child->user = user;
        child->next = children->first;
        children->first = child;
        *ret = TAKE_PTR(child);
        return 0;
}

pid_t child_pid(const struct child *child)
{
        return child->pid;
}

void child_kill(struct child *child)
{
        (void)kill(child->pid, SIGKILL);
}

struct child *child_release(struct child *child)
{
        if (child != NULL)
                child->exited = NULL;
        return NULL;
}

struct child *child_abandon(struct child *child)
{
        if (child != NULL)
                child_kill(child);
        return child_release(child);
}

void child_is_helper_of(struct child *child, uid_t uid)
{
        child->is_helper = true;
        child->uid = uid;
}

size_t children_n_helpers(const struct children *children, uid_t uid)
{
        size_t n = 0;

        for (const struct child *child = children->first; child != NULL; child = child->next)
                n += child->is_helper && (uid == CHILDREN_OF_ALL || child->uid == uid);
        return n;
}

bool children_have(const struct children *children, pid_t pid)
{
        for (const struct child *child = children->first; child != NULL; child = child->next)
                if (child->pid == pid)
                        return true;
        return false;
}

void children_deinit(struct children *children)
{
        while (children->first != NULL) {
                child_kill(children->first);
                child_unlink(children->first);
        }
}
