/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may connect is decided by the mode of the socket file, what a connection may do by authorize.c for each target:
 * the socket is no secret.
 */
#include "daemon/monitor/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "daemon/monitor/keeper.h"
#include "daemon/monitor/log.h"

static int refuse_socket(void)
{
        log_line(LOG_PRIORITY_ERROR, "systemd must pass exactly one listening SOCK_SEQPACKET socket of AF_UNIX "
                                     "(ListenSequentialPacket= in faultlined.socket); it passed something else");
        return -EINVAL;
}

static int take_socket(struct handed *handed, int fd)
{
        if (handed->listener >= 0 || sd_is_socket(fd, AF_UNIX, SOCK_SEQPACKET, 1) <= 0)
                return refuse_socket();
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        handed->listener = fd;
        return 0;
}

/* The name of a socket is the administrator's (FileDescriptorName=); those of what we have kept are ours. */
static int take_descriptor(struct handed *handed, int fd, const char *name)
{
        uint64_t serial;

        if (sd_is_socket(fd, AF_UNSPEC, 0, -1) > 0)
                return take_socket(handed, fd);
        if (name != NULL && keeper_parse_name(name, &serial) && handed->n_kept < LISTENER_MAX_KEPT) {
                handed->kept[handed->n_kept++] = (struct store_handed){.serial = serial, .fd = fd};
                return 0;
        }
        log_line(LOG_PRIORITY_WARNING, "a descriptor that systemd passed is none of ours and is closed: %s",
                 name != NULL ? name : "without a name");
        (void)close(fd);
        return 0;
}

int handed_take(struct handed *ret)
{
        CLEANUP(handed_deinit) struct handed handed = HANDED_INIT;
        char **names = NULL;
        int n = sd_listen_fds_with_names(1, &names), r = n < 0 ? refuse_socket() : 0;

        for (int i = 0; i < n && r == 0; i++)
                r = take_descriptor(&handed, SD_LISTEN_FDS_START + i, names != NULL ? names[i] : NULL);
        for (int i = 0; names != NULL && names[i] != NULL; i++)
                free(names[i]);
        free(names);
        if (r < 0)
                return r;
        *ret = handed;
        handed = HANDED_INIT;
        return 0;
}

void handed_deinit(struct handed *handed)
{
        cleanup_close(&handed->listener);
        for (size_t i = 0; i < handed->n_kept; i++)
                cleanup_close(&handed->kept[i].fd);
        *handed = HANDED_INIT;
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
        int fd = bind_path(path);

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
