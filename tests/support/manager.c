/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two threads: one takes notifications, for the queue of a datagram socket is short (net.unix.max_dgram_qlen) and the
 * daemon waits while it is full; one is the bus.
 */
#include "tests/support/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define FIRST_FD 3
#define UNIT_PATH "/org/freedesktop/systemd1/unit/test"
#define JOB_PATH "/org/freedesktop/systemd1/job/1"

static struct sockaddr_un socket_address(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        CHECK(strlen(path) < sizeof(address.sun_path), "too long: %s", path);
        strcpy(address.sun_path, path);
        return address;
}

static int bind_at(const char *path, int type)
{
        const struct sockaddr_un address = socket_address(path);
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

        (void)unlink(path);
        CHECK(fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "%s: %s", path,
              strerror(errno));
        CHECK(type == SOCK_DGRAM || listen(fd, SOMAXCONN) == 0, "%s: %s", path, strerror(errno));
        CHECK(chmod(path, 0666) == 0, "%s: %s", path, strerror(errno));
        return fd;
}

/* --- notifications --- */

/* The value of a line "NAME=value"; "" where there is none. It is valid until the next call. */
static const char *field(const char *text, const char *name)
{
        static char value[64];
        const char *line = text;
        size_t n_name = strlen(name);

        while (line && (strncmp(line, name, n_name) != 0 || line[n_name] != '='))
                line = (line = strchr(line, '\n')) ? line + 1 : NULL;
        if (!line)
                return "";
        (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(line + n_name + 1, "\n"), line + n_name + 1);
        return value;
}

static void forget_at(struct manager *manager, size_t i)
{
        (void)close(manager->kept[i].fd);
        manager->kept[i] = manager->kept[--manager->n_kept];
}

static void take_note(struct manager *manager, const char *text, int fd)
{
        if (strcmp(field(text, "FDSTORE"), "1") == 0 && fd >= 0) {
                CHECK(manager->n_kept < MANAGER_MAX_KEPT, "too much is to be kept");
                (void)snprintf(manager->kept[manager->n_kept].name, 32, "%s", field(text, "FDNAME"));
                manager->kept[manager->n_kept++].fd = fd;
                fd = -1;
        }
        if (strcmp(field(text, "FDSTOREREMOVE"), "1") == 0)
                for (size_t i = manager->n_kept; i-- > 0;)
                        if (strcmp(manager->kept[i].name, field(text, "FDNAME")) == 0)
                                forget_at(manager, i);
        manager->is_ready |= strcmp(field(text, "READY"), "1") == 0;
        manager->n_syncs += strcmp(field(text, "SYNC"), "1") == 0;
        if (fd >= 0)
                (void)close(fd);
}

static bool hear_note(int socket, char *text, size_t size, int *ret_fd)
{
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec iov = {.iov_base = text, .iov_len = size - 1};
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        const struct cmsghdr *c = CMSG_FIRSTHDR(&message);

        if (n < 0)
                return false;
        text[n] = '\0';
        *ret_fd = -1;
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
        return true;
}

static void *take_notes(void *user)
{
        struct manager *manager = user;
        char text[4096];
        int fd;

        while (hear_note(manager->notify, text, sizeof(text), &fd) && strcmp(text, "END=1") != 0) {
                (void)pthread_mutex_lock(&manager->mutex);
                take_note(manager, text, fd);
                (void)pthread_cond_broadcast(&manager->news);
                (void)pthread_mutex_unlock(&manager->mutex);
        }
        return NULL;
}

static void notify(const struct manager *manager, const char *text)
{
        CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        const struct sockaddr_un address = socket_address(manager->notify_path);

        CHECK(sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&address, sizeof(address)) > 0,
              "cannot notify: %s", strerror(errno));
}

/* Whatever was sent before has been taken. */
static void synchronize(struct manager *manager)
{
        unsigned int before;

        (void)pthread_mutex_lock(&manager->mutex);
        before = manager->n_syncs;
        (void)pthread_mutex_unlock(&manager->mutex);
        notify(manager, "SYNC=1");
        (void)pthread_mutex_lock(&manager->mutex);
        while (manager->n_syncs == before)
                (void)pthread_cond_wait(&manager->news, &manager->mutex);
        (void)pthread_mutex_unlock(&manager->mutex);
}

static size_t n_kept(const struct manager *manager, const char *start_of_name)
{
        size_t n = 0;

        for (size_t i = 0; i < manager->n_kept; i++)
                n += strncmp(manager->kept[i].name, start_of_name, strlen(start_of_name)) == 0;
        return n;
}

void manager_await_kept(struct manager *manager, const char *start_of_name, size_t n)
{
        harness_doing("waiting for what the daemon has kept");
        (void)pthread_mutex_lock(&manager->mutex);
        while (n_kept(manager, start_of_name) != n)
                (void)pthread_cond_wait(&manager->news, &manager->mutex);
        (void)pthread_mutex_unlock(&manager->mutex);
}

void manager_drop(struct manager *manager, const char *start_of_name)
{
        synchronize(manager);
        (void)pthread_mutex_lock(&manager->mutex);
        for (size_t i = manager->n_kept; i-- > 0;)
                if (strncmp(manager->kept[i].name, start_of_name, strlen(start_of_name)) == 0)
                        forget_at(manager, i);
        (void)pthread_mutex_unlock(&manager->mutex);
}

/* --- the bus --- */

static int answer_get(sd_bus_message *call, const char *job)
{
        const char *interface, *name;
        int r = sd_bus_message_read(call, "ss", &interface, &name);

        if (r < 0)
                return r;
        if (strcmp(name, "Job") == 0)
                return sd_bus_reply_method_return(call, "v", "(uo)", *job ? 1u : 0u, *job ? JOB_PATH : "/");
        return sd_bus_reply_method_return(call, "v", "s", job);
}

static int on_call(sd_bus_message *call, void *user, sd_bus_error *error)
{
        struct manager *manager = user;
        const char *job;

        (void)pthread_mutex_lock(&manager->mutex);
        job = manager->job;
        (void)pthread_mutex_unlock(&manager->mutex);
        if (sd_bus_message_is_method_call(call, NULL, "Hello"))
                return sd_bus_reply_method_return(call, "s", ":1.1");
        if (!job)
                return 1;
        if (sd_bus_message_is_method_call(call, NULL, "GetUnitByPID"))
                return sd_bus_reply_method_return(call, "o", UNIT_PATH);
        if (sd_bus_message_is_method_call(call, NULL, "Get"))
                return answer_get(call, job);
        return 1;
}

static void serve_bus(struct manager *manager, int fd)
{
        sd_bus *bus = NULL;
        int r = sd_bus_new(&bus);

        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r >= 0)
                r = sd_bus_set_server(bus, true,
                                      SD_ID128_MAKE(01, 02, 03, 04, 05, 06, 07, 10, 11, 12, 13, 14, 15, 16, 17, 20));
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, on_call, manager);
        if (r >= 0)
                r = sd_bus_start(bus);
        CHECK(r >= 0, "the bus: %s", strerror(-r));
        while ((r = sd_bus_process(bus, NULL)) >= 0)
                if (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0)
                        break;
        sd_bus_close_unref(bus);
}

static void *run_bus(void *user)
{
        struct manager *manager = user;
        int fd;

        while ((fd = accept4(manager->bus_listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                serve_bus(manager, fd);
        return NULL;
}

void manager_set_job(struct manager *manager, const char *job)
{
        (void)pthread_mutex_lock(&manager->mutex);
        manager->job = job;
        (void)pthread_mutex_unlock(&manager->mutex);
}

/* --- the daemon --- */

/* In the child: from here on the descriptors have their numbers. */
static void place_descriptors(const int *fds, size_t n)
{
        int high[MANAGER_MAX_KEPT + 1];

        for (size_t i = 0; i < n; i++)
                high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FD + MANAGER_MAX_KEPT + 8);
        for (size_t i = 0; i < n; i++)
                if (high[i] < 0 || dup2(high[i], FIRST_FD + (int)i) < 0)
                        _exit(125);
}

static _Noreturn void run_daemon(struct manager *manager)
{
        char number[16], names[MANAGER_MAX_KEPT * 33 + 16] = "faultline", directory[3072], text[4096];
        int fds[MANAGER_MAX_KEPT + 1] = {manager->listener};
        size_t n = 1;

        for (size_t i = 0; i < manager->n_kept; i++) {
                fds[n++] = manager->kept[i].fd;
                (void)strcat(strcat(names, ":"), manager->kept[i].name);
        }
        (void)dup2(manager->daemon.child.error_fd, STDERR_FILENO);
        place_descriptors(fds, n);
        (void)setenv("LISTEN_FDNAMES", names, 1);
        (void)snprintf(number, sizeof(number), "%zu", n);
        (void)setenv("LISTEN_FDS", number, 1);
        (void)snprintf(number, sizeof(number), "%d", (int)getpid());
        (void)setenv("LISTEN_PID", number, 1);
        if (!getcwd(directory, sizeof(directory)))
                _exit(124);
        (void)snprintf(text, sizeof(text), "%s/%s", directory, manager->notify_path + 2);
        (void)setenv("NOTIFY_SOCKET", text, 1);
        (void)snprintf(text, sizeof(text), "unix:path=%s/%s", directory, manager->bus + 2);
        (void)setenv("DBUS_SYSTEM_BUS_ADDRESS", text, 1);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)snprintf(text, sizeof(text), "--config=%s", manager->daemon.config);
        (void)execl(FAULTLINED_PATH, "faultlined", text, (char *)NULL);
        _exit(127);
}

void manager_start(struct manager *manager)
{
        struct child *child = &manager->daemon.child;

        harness_doing("starting a daemon with what is kept of the one before");
        synchronize(manager);
        (void)pthread_mutex_lock(&manager->mutex);
        manager->is_ready = false;
        child->pid = fork();
        CHECK(child->pid >= 0, "fork: %s", strerror(errno));
        if (child->pid == 0)
                run_daemon(manager);
        while (!manager->is_ready) {
                struct timespec soon;

                (void)clock_gettime(CLOCK_REALTIME, &soon);
                soon.tv_sec++;
                (void)pthread_cond_timedwait(&manager->news, &manager->mutex, &soon);
                CHECK(waitpid(child->pid, NULL, WNOHANG) == 0, "faultlined ended: %s", child_errors(child));
        }
        (void)pthread_mutex_unlock(&manager->mutex);
}

int manager_kill(struct manager *manager, int signo)
{
        int status;

        harness_doing("waiting for the daemon's end");
        CHECK(kill(manager->daemon.child.pid, signo) == 0, "faultlined is gone");
        CHECK(waitpid(manager->daemon.child.pid, &status, 0) == manager->daemon.child.pid, "waitpid: %s",
              strerror(errno));
        manager->daemon.child.pid = 0;
        synchronize(manager);
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void manager_begin(struct manager *manager)
{
        *manager = (struct manager){.mutex = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER, .job = ""};
        (void)snprintf(manager->daemon.socket, sizeof(manager->daemon.socket), "./faultlined-%d.socket", (int)getpid());
        (void)snprintf(manager->daemon.config, sizeof(manager->daemon.config), "./faultlined-%d.config", (int)getpid());
        (void)snprintf(manager->bus, sizeof(manager->bus), "./bus-%d.socket", (int)getpid());
        (void)snprintf(manager->notify_path, sizeof(manager->notify_path), "./notify-%d.socket", (int)getpid());
        config_write(manager->daemon.config, NULL);
        manager->daemon.child.error_fd = memfd_create("standard error", MFD_CLOEXEC);
        manager->listener = bind_at(manager->daemon.socket, SOCK_SEQPACKET);
        manager->notify = bind_at(manager->notify_path, SOCK_DGRAM);
        manager->bus_listener = bind_at(manager->bus, SOCK_STREAM);
        harness_watch(&manager->daemon.child);
        CHECK(pthread_create(&manager->notify_thread, NULL, take_notes, manager) == 0, "no thread");
        CHECK(pthread_create(&manager->bus_thread, NULL, run_bus, manager) == 0, "no thread");
}

void manager_end(struct manager *manager)
{
        child_check_sanitizers(&manager->daemon.child);
        notify(manager, "END=1");
        (void)shutdown(manager->bus_listener, SHUT_RDWR);
        CHECK(pthread_join(manager->notify_thread, NULL) == 0 && pthread_join(manager->bus_thread, NULL) == 0,
              "a thread does not end");
        while (manager->n_kept > 0)
                forget_at(manager, 0);
        (void)close(manager->listener);
        (void)close(manager->notify);
        (void)close(manager->bus_listener);
        (void)close(manager->daemon.child.error_fd);
        (void)unlink(manager->notify_path);
        (void)unlink(manager->bus);
        (void)unlink(manager->daemon.socket);
        config_remove(manager->daemon.config);
}
