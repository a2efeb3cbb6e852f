/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may connect is decided by the mode of the socket file, what a connection may do by authorize.c for each target:
 * the socket is no secret.
 */
#include "daemon/monitor/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "daemon/monitor/log.h"

/* -1: systemd passed nothing. */
static int take_activated(void)
{
        int n = sd_listen_fds(1);

        if (n == 0)
                return -1;
        if (n < 0 || n > 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNIX, SOCK_SEQPACKET, 1) <= 0) {
                log_line(LOG_PRIORITY_ERROR,
                         "systemd must pass exactly one listening SOCK_SEQPACKET socket of AF_UNIX "
                         "(ListenSequentialPacket= in faultlined.socket); it passed something else");
                return -EINVAL;
        }
        if (fcntl(SD_LISTEN_FDS_START, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        return SD_LISTEN_FDS_START;
}

/* A socket file on which nobody listens is left over from a daemon that was killed. */
static void remove_dead_socket(const struct sockaddr_un *address)
{
        CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct stat st;

        if (fd < 0 || lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
                return;
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 && errno == ECONNREFUSED)
                (void)unlink(address->sun_path);
}

static int bind_path(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return -errno;
        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        remove_dead_socket(&address);
        if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, SOMAXCONN) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int listener_open(const char *path)
{
        int fd = take_activated();

        if (fd != -1)
                return fd;
        fd = bind_path(path);
        if (fd < 0)
                log_line(LOG_PRIORITY_ERROR, "cannot listen on %s: %s%s", path, strerrordesc_np(-fd),
                         fd == -EADDRINUSE ? " (another faultlined is running; use --socket=PATH for a second one)"
                         : fd == -ENOENT   ? " (its directory must exist)"
                                           : "");
        return fd;
}

int listener_accept(int listener)
{
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        return fd < 0 ? -errno : fd;
}
