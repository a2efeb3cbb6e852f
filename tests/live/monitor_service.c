/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monitor as a service: more clients than it can take, and the clients of another user. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "proto/proto.h"
#include "tests/live/monitor_support.h"

/* Greets every client, and keeps none of its descriptors. */
static int greeting_engine(int link_fd)
{
        struct link_received received;
        int r;

        while ((r = link_receive(link_fd, &received)) == 1) {
                if (received.message.type == LINK_CONN && send(received.fds[0], "g", 1, MSG_NOSIGNAL) != 1)
                        return 85;
                link_close_fds(&received);
        }
        return r == 0 ? 0 : 86;
}

static void expect_greeting(int fd)
{
        char c;

        assert_int_equal(recv(fd, &c, 1, 0), 1);
        assert_int_equal(c, 'g');
}

#define FEW_DESCRIPTORS 40
#define MORE_CLIENTS 60

/* They wait, the log says so once, and they are served when there are descriptors. */
static void test_connections_wait_for_descriptors(void **state)
{
        static const char expected[] = "faultlined: cannot accept connections: Too many open files;";
        struct service service = service_start_with(greeting_engine);
        struct rlimit before, few;
        int clients[MORE_CLIENTS];
        char line[1024];
        FILE *log;

        clients[0] = service_connect(&service);
        expect_greeting(clients[0]);
        assert_int_equal(prlimit(service.monitor, RLIMIT_NOFILE, NULL, &before), 0);
        few = (struct rlimit){.rlim_cur = FEW_DESCRIPTORS, .rlim_max = before.rlim_max};
        assert_int_equal(prlimit(service.monitor, RLIMIT_NOFILE, &few, NULL), 0);
        for (size_t i = 1; i < MORE_CLIENTS; i++)
                clients[i] = service_connect(&service);
        log = fdopen(dup(service.log), "r");
        assert_non_null(log);
        assert_non_null(fgets(line, sizeof(line), log));
        assert_int_equal(strncmp(line, expected, sizeof(expected) - 1), 0);
        assert_int_equal(prlimit(service.monitor, RLIMIT_NOFILE, &before, NULL), 0);
        for (size_t i = 1; i < MORE_CLIENTS; i++)
                expect_greeting(clients[i]);
        service_end(&service);
        assert_null(fgets(line, sizeof(line), log));
        fclose(log);
        for (size_t i = 0; i < MORE_CLIENTS; i++)
                close(clients[i]);
}

#define MOST_CLIENTS 128
#define REFUSED_CLIENTS 50

/* What one client too many gets: one ERROR frame, then the end. */
static void expect_refused_connection(int fd)
{
        uint8_t bytes[1024];
        struct proto_header header;
        struct proto_error error;
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

        assert_true(n > PROTO_HEADER_BYTES);
        assert_int_equal(proto_decode_header(bytes, (size_t)n, &header), 0);
        assert_int_equal(header.type, MESSAGE_ERROR);
        assert_int_equal(proto_decode_error(bytes + PROTO_HEADER_BYTES, (size_t)n - PROTO_HEADER_BYTES, &error), 0);
        assert_int_equal(error.req, 0);
        assert_int_equal(error.error, EDQUOT);
        assert_non_null(memmem(error.text.data, error.text.n_bytes, "128 connections", strlen("128 connections")));
        assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 0);
}

/* Every refusal has a line or is among those that a line counts, of which there is one or, over a second's end, two. */
static void check_log(int log)
{
        FILE *file = fdopen(log, "r");
        size_t n_lines = 0, n_suppressed = 0;
        unsigned int n;
        char line[1024];

        assert_non_null(file);
        while (fgets(line, sizeof(line), file) != NULL)
                if (sscanf(line, "faultlined: %u more suppressed that uid 0 caused", &n) == 1)
                        n_suppressed += n;
                else
                        n_lines += strstr(line, "refused: this user has 128 connections") != NULL;
        assert_true(n_suppressed > 0);
        assert_int_equal(n_lines + n_suppressed, REFUSED_CLIENTS);
        fclose(file);
}

static void test_one_connection_too_many(void **state)
{
        struct service service = service_start_with(greeting_engine);
        int clients[MOST_CLIENTS], refused[REFUSED_CLIENTS];
        int log = dup(service.log);

        for (size_t i = 0; i < MOST_CLIENTS; i++)
                clients[i] = service_connect(&service);
        for (size_t i = 0; i < MOST_CLIENTS; i++)
                expect_greeting(clients[i]);
        monitor_pause(&(struct session){.monitor = service.monitor});
        for (size_t i = 0; i < REFUSED_CLIENTS; i++) {
                refused[i] = service_connect(&service);
                assert_int_equal(send(refused[i], "h", 1, MSG_NOSIGNAL),
                                 1); /* unread, and no reason to lose the answer */
        }
        monitor_continue(&(struct session){.monitor = service.monitor});
        for (size_t i = 0; i < REFUSED_CLIENTS; i++) {
                expect_refused_connection(refused[i]);
                close(refused[i]);
        }
        service_end(&service);
        check_log(log);
        for (size_t i = 0; i < MOST_CLIENTS; i++)
                close(clients[i]);
}

static void run_as_nobody(int command, int answer)
{
        become_nobody();
        run_signals(command, answer);
}

static void run_as_nobody_undumpable(int command, int answer)
{
        become_nobody();
        prctl(PR_SET_DUMPABLE, 0);
        run_signals(command, answer);
}

static void test_a_user_may_trace_own_processes_only(void **state)
{
        struct service service = service_start();
        struct session session = session_of_nobody(&service);
        struct target roots = target_start(run_signals);
        struct target own = target_start(run_as_nobody);
        struct target undumpable = target_start(run_as_nobody_undumpable);

        assert_int_equal(session.conn.uid, NOBODY);
        assert_int_equal(session.conn.rights, 0);
        assert_int_equal(hear(roots.answer), 'r');
        assert_int_equal(hear(own.answer), 'r');
        assert_int_equal(hear(undumpable.answer), 'r');
        expect_refused(&session, roots.pid, EPERM, "user 65534 may not trace it");
        expect_refused(&session, undumpable.pid, EPERM, "user 65534 may not trace it");
        struct attached attached = attach(&session, own.pid, 0);
        assert_int_equal(attached.trace.detail, DETAIL_FULL);
        struct link_open maps = {.trace = attached.trace.trace, .kind = LINK_OPEN_MAPS};
        struct link_received received = open_file(&session, maps);
        assert_int_equal(received.message.opened.error, 0);
        link_close_fds(&received);
        stop(&session, &attached);
        detach(&session, &attached);
        service_end(&service);
        close(session.client);
        close(session.link_fd);
        target_end(&roots);
        target_end(&own);
        target_end(&undumpable);
}

/* ---------------------------------------------------------------- */

int main(int argc, char *argv[])
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_connections_wait_for_descriptors),
                cmocka_unit_test(test_one_connection_too_many),
                cmocka_unit_test(test_a_user_may_trace_own_processes_only),
        };
        int r;

        r = monitor_tests_cannot_run();
        return r != 0 ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
