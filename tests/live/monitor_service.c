/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monitor as a service: more clients than it can take, and the clients of another user. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "daemon/monitor/helper.h"
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
        assert_non_null(
                memmem(error.text.data, error.text.n_bytes, "ClientsPerUser=128", strlen("ClientsPerUser=128")));
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
                        n_lines += strstr(line, "refused: this user has as many connections as ClientsPerUser=128") !=
                                   NULL;
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

/* --- an engine that reports --- */

static const struct link_report senseless[] = {
        {.kind = 0},
        {.kind = N_LINK_REPORTS},
        {.kind = LINK_REPORT_CLIENT_DROPPED, .reason = 0},
        {.kind = LINK_REPORT_CLIENT_DROPPED, .reason = N_LINK_DROPS},
};
static size_t *n_lives; /* of engines; shared with them */

static bool send_report(int link_fd, struct link_report report)
{
        return link_send(link_fd, &(struct link_message){.type = LINK_REPORT, .report = report}, NULL, 0) == 0;
}

/* What makes no sense costs each engine its life; the last one speaks of clients and traces that are not its own. */
static int reporting_engine(int link_fd)
{
        size_t n = (*n_lives)++;
        struct link_received received;
        uint32_t conn;
        int r;

        if (link_receive(link_fd, &received) != 1 || received.message.type != LINK_CONN)
                return 87;
        conn = received.message.conn.conn;
        if (n < ARRAY_SIZE(senseless)) {
                struct link_report report = senseless[n];

                report.conn = conn;
                (void)send_report(link_fd, report);
        } else if (!send_report(link_fd, (struct link_report){.kind = LINK_REPORT_CLIENT_DROPPED, .reason = 1}) ||
                   !send_report(link_fd, (struct link_report){.kind = LINK_REPORT_CLIENT_LOST, .conn = conn}) ||
                   !send_report(link_fd, (struct link_report){.kind = LINK_REPORT_TRACE_LOST, .trace = 1}) ||
                   !send_report(link_fd, (struct link_report){.kind = LINK_REPORT_LACKS, .reason = UINT32_MAX}) ||
                   !send_report(link_fd, (struct link_report){.kind = LINK_REPORT_CLIENT_DROPPED,
                                                              .conn = conn,
                                                              .reason = LINK_DROP_DEAF,
                                                              .n_delivered = UINT64_MAX,
                                                              .n_dropped = 1}) ||
                   send(received.fds[0], "g", 1, MSG_NOSIGNAL) != 1) {
                return 88;
        }
        link_close_fds(&received);
        while ((r = link_receive(link_fd, &received)) == 1)
                link_close_fds(&received);
        return r == 0 ? 0 : 89;
}

static void test_reports(void **state)
{
        static const char expected[] = "dropped: it asks and does not read the answers (18446744073709551615 faults "
                                       "sent to it, 1 dropped for it)\n";
        size_t n_dropped = 0, n_senseless = 0, n_expected = 0;
        struct service service;
        char line[1024];
        FILE *log;
        int client;

        n_lives = mmap(NULL, sizeof(*n_lives), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(n_lives != MAP_FAILED);
        service = service_start_with(reporting_engine);
        client = service_connect(&service);
        expect_greeting(client);
        log = fdopen(dup(service.log), "r");
        assert_non_null(log);
        service_end(&service);
        while (fgets(line, sizeof(line), log) != NULL) {
                n_dropped += strstr(line, " dropped: ") != NULL;
                n_expected += strstr(line, expected) != NULL;
                n_senseless += strstr(line, "sent a report that makes no sense; it is replaced") != NULL;
        }
        assert_int_equal(n_dropped, 1);
        assert_int_equal(n_expected, 1);
        assert_int_equal(n_senseless, ARRAY_SIZE(senseless));
        assert_int_equal(*n_lives, ARRAY_SIZE(senseless) + 1);
        fclose(log);
        close(client);
        munmap(n_lives, sizeof(*n_lives));
}

/* --- engines that do not end --- */

/* Tells the client which process it is, says that the client is gone, and stays, as one does that its user has stopped.
 */
static int staying_engine(int link_fd)
{
        struct link_message gone = {.type = LINK_CONN_CLOSED};
        struct link_received received;
        pid_t pid = getpid();

        if (link_receive(link_fd, &received) != 1 || received.message.type != LINK_CONN ||
            send(received.fds[0], &pid, sizeof(pid), MSG_NOSIGNAL) != sizeof(pid))
                return 90;
        link_close_fds(&received);
        gone.id.id = received.message.conn.conn;
        if (link_send(link_fd, &gone, NULL, 0) < 0)
                return 91;
        for (;;)
                pause();
}

/* A descriptor of its engine, which has been left alone by then. */
static int connect_and_leave(const struct service *service)
{
        int client = service_connect(service), pidfd;
        pid_t pid;

        assert_int_equal(recv(client, &pid, sizeof(pid), 0), sizeof(pid));
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        assert_true(pidfd >= 0);
        assert_int_equal(recv(client, &pid, sizeof(pid), 0), 0);
        close(client);
        return pidfd;
}

static void expect_end(int pidfd)
{
        struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

        assert_int_equal(poll(&poll_fd, 1, 60 * 1000), 1);
        close(pidfd);
}

/* Nobody needs them, so they are killed: the one before the last at once, the last one after a while. */
static void test_engines_that_do_not_end(void **state)
{
        struct service service = service_start_with(staying_engine);
        int before, last = connect_and_leave(&service);

        for (int i = 0; i < 20; i++) {
                before = last;
                last = connect_and_leave(&service);
                expect_end(before);
        }
        expect_end(last);
        service_end(&service);
}

/* --- what engines inherit --- */

static void expect_nothing_shared(pid_t pid)
{
        char path[40], line[1024];
        FILE *maps;

        (void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
        maps = fopen(path, "re");
        if (maps == NULL) /* a helper that has ended */
                return;
        while (fgets(line, sizeof(line), maps) != NULL)
                assert_null(strstr(line, "memfd:faultline-"));
        fclose(maps);
}

/* The monitor has what a trace counts in memory that is shared: these engines have mapped nothing of it themselves. */
static void test_engines_do_not_inherit_what_others_count(void **state)
{
        struct service service = service_start();
        struct session first = session_of_nobody(&service), second = {.link_fd = -1};
        struct target target = target_start(run_as_nobody);
        char path[64];
        size_t n = 0;
        FILE *children;
        pid_t pid;

        assert_int_equal(hear(target.answer), 'r');
        struct attached attached = attach(&first, target.pid, 0);
        second.client = service_connect(&service);
        take_link(&second);
        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", service.monitor, service.monitor);
        children = fopen(path, "re");
        assert_non_null(children);
        for (; fscanf(children, "%d", &pid) == 1; n++)
                expect_nothing_shared(pid);
        fclose(children);
        assert_true(n >= 3); /* two engines and a tracer */
        stop(&first, &attached);
        detach(&first, &attached);
        service_end(&service);
        close(first.client);
        close(first.link_fd);
        close(second.client);
        close(second.link_fd);
        target_end(&target);
}

/* --- helpers that do not end --- */

static int wait_for_ever(void *arg, int *ret_fd)
{
        char byte;

        (void)ret_fd;
        return read(*(int *)arg, &byte, 1) == 0 ? 0 : -EIO;
}

static void ignore_answer(void *user, int result, int fd)
{
}

static int start_helper(struct children *children, uid_t uid, int *pipe_fd, struct helper **ret)
{
        return helper_start(children, uid, pipe_fd, 1, wait_for_ever, pipe_fd, ignore_answer, NULL, ret);
}

/* Those that were given up count until they are gone, and for nobody else than their user. */
static void test_each_user_has_his_share_of_helpers(void **state)
{
        struct helper *helpers[HELPER_MAX_OF_USER], *one;
        struct children children = {0};
        int pipe_fds[2];

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        assert_true(sd_event_new(&children.event) >= 0);
        for (size_t i = 0; i < HELPER_MAX_OF_USER; i++)
                assert_int_equal(start_helper(&children, 1, &pipe_fds[0], &helpers[i]), 0);
        assert_int_equal(start_helper(&children, 1, &pipe_fds[0], &one), -EAGAIN);
        for (size_t i = 0; i < HELPER_MAX_OF_USER; i++)
                assert_null(helper_free(helpers[i]));
        assert_int_equal(start_helper(&children, 1, &pipe_fds[0], &one), -EAGAIN);
        assert_int_equal(start_helper(&children, 2, &pipe_fds[0], &one), 0);
        helper_free(one);
        while (children_n_helpers(&children, CHILDREN_OF_ALL) > 0)
                assert_true(sd_event_run(children.event, UINT64_MAX) >= 0);
        assert_int_equal(start_helper(&children, 1, &pipe_fds[0], &one), 0);
        helper_free(one);
        children_deinit(&children);
        sd_event_unref(children.event);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
}

/* ---------------------------------------------------------------- */

int main(int argc, char *argv[])
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_connections_wait_for_descriptors),
                cmocka_unit_test(test_one_connection_too_many),
                cmocka_unit_test(test_a_user_may_trace_own_processes_only),
                cmocka_unit_test(test_reports),
                cmocka_unit_test(test_engines_that_do_not_end),
                cmocka_unit_test(test_engines_do_not_inherit_what_others_count),
                cmocka_unit_test(test_each_user_has_his_share_of_helpers),
        };
        int r;

        r = monitor_tests_cannot_run();
        return r != 0 ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
