/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The child waits in read(2) on a socket, which is all that happens between its fork and its exec: the trace counts
 * from the exec, so what the child does before it must not need explaining. When faultline dies first the socket ends
 * and the command is not run at all. A pipe, closed by a successful exec, brings back the reason of a failed one: then
 * the exit status alone would not tell a command that cannot be run from one that exits with 127.
 */
#include "client/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

static ssize_t read_retry(int fd, void *to, size_t n_bytes)
{
        ssize_t n;

        do
                n = read(fd, to, n_bytes);
        while (n < 0 && errno == EINTR);
        return n;
}

static int exit_status_of(int exec_error)
{
        return exec_error == ENOENT || exec_error == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static bool replace(const struct child_streams *streams)
{
        for (int i = 0; i < (int)ARRAY_SIZE(streams->fds); i++)
                if (streams->fds[i] >= 0 && dup2(streams->fds[i], i) < 0)
                        return false;
        return true;
}

static _Noreturn void run(char *const *command, const sigset_t *mask, pid_t tracer, const struct child_streams *streams,
                          int hold_fd, int status_fd)
{
        char released;
        int error;

        if (tracer > 0)
                (void)prctl(PR_SET_PTRACER, tracer, 0, 0, 0);
        if (read_retry(hold_fd, &released, 1) != 1)
                _exit(EXIT_NOT_EXECUTABLE);
        (void)sigprocmask(SIG_SETMASK, mask, NULL);
        if (replace(streams))
                (void)execvp(command[0], command);
        error = errno;
        if (write(status_fd, &error, sizeof(error)) != (ssize_t)sizeof(error))
                _exit(EXIT_NOT_EXECUTABLE);
        _exit(exit_status_of(error));
}

int child_start(char *const *command, const sigset_t *mask, pid_t tracer, const struct child_streams *streams,
                struct child *ret)
{
        CLEANUP_CLOSE int hold_theirs = -1;
        CLEANUP_CLOSE int hold_ours = -1;
        CLEANUP_CLOSE int status_read = -1;
        CLEANUP_CLOSE int status_write = -1;
        int fds[2];
        pid_t pid;

        /* A socket, because a send() to a child that was killed meanwhile must not raise SIGPIPE here. */
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        hold_theirs = fds[0];
        hold_ours = fds[1];
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        status_read = fds[0];
        status_write = fds[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                (void)close(hold_ours); /* or faultline's death would not end the connection */
                run(command, mask, tracer, streams, hold_theirs, status_write);
        }
        *ret = (struct child){.pid = pid, .hold_fd = TAKE_FD(hold_ours), .status_fd = TAKE_FD(status_read)};
        return 0;
}

int child_release(struct child *child)
{
        ssize_t n = send(child->hold_fd, "", 1, MSG_NOSIGNAL);
        int r = n == 1 ? 0 : -errno;

        (void)close(TAKE_FD(child->hold_fd));
        return r;
}

void child_read_status(struct child *child)
{
        int error;

        if (read_retry(child->status_fd, &error, sizeof(error)) == (ssize_t)sizeof(error))
                child->exec_error = error;
        (void)close(TAKE_FD(child->status_fd));
}

bool child_reap(struct child *child)
{
        int status;

        if (child->pid == 0)
                return true;
        if (waitpid(child->pid, &status, WNOHANG) != child->pid)
                return false;
        child->pid = 0;
        child->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return true;
}

void child_close(struct child *child)
{
        if (child->hold_fd >= 0)
                (void)close(TAKE_FD(child->hold_fd));
        if (child->status_fd >= 0)
                (void)close(TAKE_FD(child->status_fd));
}
