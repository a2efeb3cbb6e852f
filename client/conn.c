/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where faultlined is. The service is preferred because it may know more than a private daemon without privileges;
 * the private one needs nothing but its binary, which is looked for beside our own first, so that a build tree uses
 * its own daemon.
 *
 * A private daemon gets a session of its own: Ctrl-C in the terminal goes to the foreground process group, and a
 * daemon that died of it could not deliver the end of the trace that the user has just asked for.
 */
#include "client/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "client/escape.h"
#include "proto/proto.h"

enum {
        SEND_TIMEOUT_S = 10,
        DEATH_TIMEOUT_MS = 1000,
        END_TIMEOUT_MS = 3000,
        BUFFER_BYTES = PROTO_FRAME_MAX_BYTES + 1, /* one more: a longer message shows as such */
        SOCKET_BUFFER_BYTES = 4 * 1024 * 1024,
};

/* Room for many frames, so that a busy moment here costs nothing there; without privileges the kernel gives less. */
static void enlarge_buffers(int fd)
{
        const int size = SOCKET_BUFFER_BYTES;

        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int conn_adopt(int fd, pid_t daemon_pid, struct conn *ret)
{
        const struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
        uint8_t *buffer = malloc(BUFFER_BYTES);

        if (!buffer) {
                (void)close(fd);
                return -ENOMEM;
        }
        enlarge_buffers(fd);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        *ret = (struct conn){.fd = fd, .daemon_pid = daemon_pid, .buffer = buffer};
        return 0;
}

void conn_hang_up(struct conn *conn)
{
        if (conn->fd >= 0)
                (void)close(TAKE_FD(conn->fd));
        free(conn->buffer);
        conn->buffer = NULL;
}

/* True: the private daemon has ended and *ret_status says how. Once. */
static bool reap_daemon(struct conn *conn, int timeout_ms, int *ret_status)
{
        CLEANUP_CLOSE int pidfd = -1;
        struct pollfd ended = {.events = POLLIN};

        if (conn->daemon_pid == 0)
                return false;
        pidfd = (int)syscall(SYS_pidfd_open, conn->daemon_pid, 0);
        ended.fd = pidfd;
        if (pidfd < 0 || poll(&ended, 1, timeout_ms) != 1)
                return false;
        if (waitpid(conn->daemon_pid, ret_status, WNOHANG) != conn->daemon_pid)
                return false;
        conn->daemon_pid = 0;
        return true;
}

void conn_close(struct conn *conn)
{
        int status;

        conn_hang_up(conn);
        (void)reap_daemon(conn, END_TIMEOUT_MS, &status);
        *conn = (struct conn){.fd = -1};
}

/* --- the service --- */

/* flags: SOCK_NONBLOCK not to wait until the connection can be taken. */
static int connect_to(const char *path, int flags, int *ret_fd)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        CLEANUP_CLOSE int fd = -1;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int open_named(const char *path, struct conn *ret, struct text *note)
{
        int fd, r;

        r = connect_to(path, 0, &fd);
        if (r == 0)
                return conn_adopt(fd, 0, ret);
        text_put_string(note, "cannot connect to faultlined at ");
        (void)escape_terminal(note, path, strlen(path));
        text_printf(note, ": %s; check the path and that faultlined listens there, or use --private", strerror(-r));
        return r;
}

/* --- a private daemon --- */

/* The directory of our own binary. 0; -errno. */
static int own_directory(char directory[PATH_MAX])
{
        ssize_t n = readlink("/proc/self/exe", directory, PATH_MAX - 1);
        char *slash;

        if (n < 0)
                return -errno;
        directory[n] = '\0';
        slash = strrchr(directory, '/');
        if (!slash)
                return -ENOENT;
        *slash = '\0';
        return 0;
}

static bool runnable(const char *path)
{
        return access(path, X_OK) == 0;
}

/* 0; -ENOENT: nowhere. */
static int find_daemon(char path[PATH_MAX])
{
        static const char *const beside[] = {"faultlined", "../sbin/faultlined"};
        char directory[PATH_MAX];

        if (own_directory(directory) == 0)
                for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
                        int n = snprintf(path, PATH_MAX, "%s/%s", directory, beside[i]);

                        if (n > 0 && n < PATH_MAX && runnable(path))
                                return 0;
                }
        (void)snprintf(path, PATH_MAX, "%s", FAULTLINED_PATH);
        return runnable(path) ? 0 : -ENOENT;
}

/* In the child: the daemon's end becomes inheritable, standard output becomes standard error. Does not return. */
static _Noreturn void exec_daemon(const char *path, int fd, int log_fd)
{
        char option[sizeof("--private=") + 12];
        char name[] = "faultlined";
        char *argv[] = {name, option, NULL};
        sigset_t none;

        (void)snprintf(option, sizeof(option), "--private=%d", fd);
        (void)setsid();
        /* It sees our end by its socket; where its engine is stuck and does not look, this ends it within seconds. */
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (fcntl(fd, F_SETFD, 0) == 0 && (log_fd < 0 || dup2(log_fd, STDERR_FILENO) >= 0) &&
            dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
                (void)execv(path, argv);
        _exit(127);
}

static int start_private(int log_fd, struct conn *ret, struct text *note)
{
        CLEANUP_CLOSE int ours = -1;
        CLEANUP_CLOSE int theirs = -1;
        char path[PATH_MAX];
        int fds[2];
        pid_t pid;

        if (find_daemon(path) < 0) {
                text_put_string(note,
                                "faultlined is not installed: it is neither beside faultline nor at " FAULTLINED_PATH
                                "; install it, or name a running one with --socket=PATH");
                return -ENOENT;
        }
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
                int r = -errno;

                text_printf(note, "cannot make a socket for a private faultlined: %s", strerror(-r));
                return r;
        }
        ours = fds[0];
        theirs = fds[1];
        enlarge_buffers(theirs);
        pid = fork();
        if (pid < 0) {
                int r = -errno;

                text_printf(note, "cannot start a private faultlined: %s", strerror(-r));
                return r;
        }
        if (pid == 0)
                exec_daemon(path, theirs, log_fd);
        return conn_adopt(TAKE_FD(ours), pid, ret);
}

int conn_open(const struct conn_options *options, struct conn *ret, struct text *note)
{
        int fd, r;

        if (options->socket)
                return open_named(options->socket, ret, note);
        if (options->private_daemon)
                return start_private(options->daemon_log_fd, ret, note);
        r = connect_to(CONN_SERVICE_SOCKET, 0, &fd);
        if (r == 0)
                return conn_adopt(fd, 0, ret);
        if (start_private(options->daemon_log_fd, ret, note) < 0)
                return -ENOENT;
        if (r != -ENOENT && r != -ECONNREFUSED)
                text_printf(note,
                            "the service at " CONN_SERVICE_SOCKET " cannot be used (%s), going on with a private "
                            "faultlined, which may know less",
                            strerror(-r));
        return 0;
}

int conn_reopen(const struct conn_options *options, struct conn *ret)
{
        int fd, r;

        r = connect_to(options->socket ? options->socket : CONN_SERVICE_SOCKET, SOCK_NONBLOCK, &fd);
        if (r < 0)
                return r;
        if (fcntl(fd, F_SETFL, 0) < 0) { /* sending waits */
                r = -errno;
                (void)close(fd);
                return r;
        }
        return conn_adopt(fd, 0, ret);
}

/* --- frames --- */

int conn_send(struct conn *conn, const uint8_t *frame, size_t n_bytes)
{
        for (;;) {
                if (send(conn->fd, frame, n_bytes, MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

int conn_receive(struct conn *conn, size_t *ret_n_bytes)
{
        for (;;) {
                ssize_t n = recv(conn->fd, conn->buffer, BUFFER_BYTES, MSG_DONTWAIT | MSG_TRUNC);

                if (n > PROTO_FRAME_MAX_BYTES)
                        return -EMSGSIZE;
                if (n > 0) {
                        *ret_n_bytes = (size_t)n;
                        return CONN_FRAME;
                }
                if (n == 0 || errno == ECONNRESET)
                        return CONN_ENDED;
                if (errno == EAGAIN)
                        return CONN_EMPTY;
                if (errno != EINTR)
                        return -errno;
        }
}

void conn_put_death(struct conn *conn, struct text *out)
{
        int status;

        if (!reap_daemon(conn, DEATH_TIMEOUT_MS, &status))
                return;
        if (WIFSIGNALED(status))
                text_printf(out, " (killed by signal %d, %s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
        else if (WIFEXITED(status))
                text_printf(out, " (exit status %d)", WEXITSTATUS(status));
}
