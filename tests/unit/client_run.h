/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole command (client/cmd_trace.h) in a child of its own, against a daemon behind a socket that a test plays. */
#pragma once

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/cmd_trace.h"
#include "tests/unit/fake_daemon.h"

struct run {
        char directory[64], socket[96], out[96], err[96];
        int listener;
        int fd; /* the daemon's end */
        pid_t pid;
        char text[65536]; /* of the file that was read last */
};

/* stdout_fd: where the client's standard output goes; -1: to the file run->out. Taken over. The socket is set here. */
static inline void run_begin_command(struct run *run, int (*command)(const struct options *), struct options *options,
                                     int stdout_fd)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        *run = (struct run){.directory = "/tmp/faultline-test-XXXXXX"};
        assert_non_null(mkdtemp(run->directory));
        (void)snprintf(run->socket, sizeof(run->socket), "%s/socket", run->directory);
        (void)snprintf(run->out, sizeof(run->out), "%s/out", run->directory);
        (void)snprintf(run->err, sizeof(run->err), "%s/err", run->directory);
        strcpy(address.sun_path, run->socket);
        run->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_true(run->listener >= 0);
        assert_int_equal(bind(run->listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(run->listener, 1), 0);
        run->pid = fork();
        assert_true(run->pid >= 0);
        if (run->pid == 0) {
                options->socket = run->socket;
                (void)close(run->listener);
                if (stdout_fd < 0 ? !freopen(run->out, "w", stdout) : dup2(stdout_fd, STDOUT_FILENO) < 0)
                        _exit(99);
                if (!freopen(run->err, "w", stderr))
                        _exit(99);
                (void)close(stdout_fd);
                exit(command(options));
        }
        if (stdout_fd >= 0)
                (void)close(stdout_fd);
        run->fd = accept(run->listener, NULL, NULL);
        assert_true(run->fd >= 0);
}

static inline void run_begin_with(struct run *run, struct options *options, int stdout_fd)
{
        run_begin_command(run, cmd_trace, options, stdout_fd);
}

static inline void run_begin_to(struct run *run, char **command, int stdout_fd)
{
        struct options options = {.pids = {42}, .n_pids = command ? 0 : 1, .command = command};

        run_begin_with(run, &options, stdout_fd);
}

static inline void run_begin(struct run *run, char **command)
{
        run_begin_to(run, command, -1);
}

static inline void tell(struct run *run, struct bytes frame)
{
        assert_int_equal(send(run->fd, frame.data, frame.n_bytes, MSG_NOSIGNAL), frame.n_bytes);
}

/* Waits for the client's next frame. */
static inline void expect(struct run *run, enum message_type type)
{
        uint8_t bytes[8192];
        struct proto_header header;
        ssize_t n = recv(run->fd, bytes, sizeof(bytes), 0);

        assert_true(n > 0);
        assert_int_equal(proto_decode_header(bytes, (size_t)n, &header), 0);
        assert_int_equal(header.type, type);
}

static const char *read_back(struct run *run, const char *path)
{
        FILE *file = fopen(path, "r");
        size_t n;

        assert_non_null(file);
        n = fread(run->text, 1, sizeof(run->text) - 1, file);
        run->text[n] = '\0';
        (void)fclose(file);
        return run->text;
}

/* Returns the exit status, 128 + signal. */
static inline int run_wait(struct run *run)
{
        int status;

        assert_int_equal(waitpid(run->pid, &status, 0), run->pid);
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static inline void run_end(struct run *run)
{
        if (run->fd >= 0)
                (void)close(run->fd);
        (void)close(run->listener);
        (void)unlink(run->socket);
        (void)unlink(run->out);
        (void)unlink(run->err);
        (void)rmdir(run->directory);
}

static inline void greet(struct run *run)
{
        expect(run, MESSAGE_HELLO);
        tell(run, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
        expect(run, MESSAGE_ATTACH);
        tell(run, fake_attached(7, 1, 42));
        tell(run, fake_dict(7));
}
