/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pidfd_getfd(2) checks PTRACE_MODE_ATTACH_REALCREDS before it looks at the descriptor number (kernel/pid.c,
 * __pidfd_fget()), so with a number that no process has it answers exactly our question and does nothing: EBADF = you
 * may, EPERM = you may not. That covers what no comparison of user ids would: programs that run setuid, are not
 * dumpable or have more capabilities, user namespaces, security modules. The answer is never kept: a process can
 * execute a setuid program at any time.
 */
#include "daemon/monitor/authorize.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>

int authorize_ask(int pidfd)
{
        int fd;

        if (pidfd < 0) /* EBADF would mean yes */
                return -ESRCH;
        fd = (int)syscall(SYS_pidfd_getfd, pidfd, INT_MAX, 0);

        if (fd >= 0) {
                (void)close(fd);
                return -EPERM;
        }
        return errno == EBADF ? 0 : errno == ESRCH ? -ESRCH : -EPERM;
}

int authorize_work(void *user, int *ret_fd)
{
        const struct authorize_question *question = user;
        int r = peer_become(question->peer);

        return r < 0 ? r : authorize_ask(question->pidfd);
}
