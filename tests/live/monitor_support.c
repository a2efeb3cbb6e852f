/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fake engine hands its link over to the test through the client's socket, so the test speaks the engine's side
 * itself.
 */
#include "tests/live/monitor_support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "daemon/monitor/monitor.h"
#include "daemon/tracer/tracer.h"
#include "proto/proto.h"

/* ---------------------------------------------------------------- the monitor, and its engine's link */

static void pass_fd(int socket, int fd, const struct link_conn *conn)
{
        struct iovec iov = {.iov_base = (void *)(uintptr_t)conn, .iov_len = sizeof(*conn)};
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct msghdr header = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
        if (sendmsg(socket, &header, MSG_NOSIGNAL) < 0)
                _exit(80);
}

/*
 * Hands its link to the test, then what came before the client: a successor's traces come first. Ends with status 1
 * when the test sends a byte, 0 when it is gone.
 */
static int fake_engine(int link_fd)
{
        static struct link_received received[16];
        size_t n = 0;
        int client;
        char c;

        do
                if (n == ARRAY_SIZE(received) || link_receive(link_fd, &received[n]) != 1)
                        return 81;
        while (received[n++].message.type != LINK_CONN);
        client = received[n - 1].fds[0];
        fcntl(client, F_SETFL, 0);
        pass_fd(client, link_fd, &received[n - 1].message.conn);
        close(link_fd);
        for (size_t i = 0; i + 1 < n; i++)
                if (link_send(client, &received[i].message, received[i].fds, received[i].n_fds) < 0)
                        return 82;
                else
                        link_close_fds(&received[i]);
        return read(client, &c, 1) == 1 ? 1 : 0;
}

void take_link(struct session *session)
{
        struct iovec iov = {.iov_base = &session->conn, .iov_len = sizeof(session->conn)};
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct msghdr header = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        struct cmsghdr *c;

        assert_int_equal(recvmsg(session->client, &header, MSG_CMSG_CLOEXEC), sizeof(session->conn));
        c = CMSG_FIRSTHDR(&header);
        assert_non_null(c);
        memcpy(&session->link_fd, CMSG_DATA(c), sizeof(int));
}

static struct session start_session(uint64_t ring_budget_bytes, int (*tracer)(int link_fd, int process_fd),
                                    void (*become)(void))
{
        struct session session = {.link_fd = -1};
        int sockets[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        session.monitor = fork();
        assert_true(session.monitor >= 0);
        if (session.monitor == 0) {
                struct monitor_options options = {.private_fd = sockets[1],
                                                  .ring_budget_bytes = ring_budget_bytes,
                                                  .engine_main = fake_engine,
                                                  .tracer_main = tracer};

                if (become != NULL)
                        become();
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(sockets[0]);
                exit(monitor_run(&options)); /* with the leak check of a sanitizer */
        }
        close(sockets[1]);
        session.client = sockets[0];
        take_link(&session);
        return session;
}

struct session session_start_with(uint64_t ring_budget_bytes)
{
        return start_session(ring_budget_bytes, tracer_main, NULL);
}

struct session session_start_with_tracer(int (*tracer)(int link_fd, int process_fd))
{
        return start_session(0, tracer, NULL);
}

struct session session_start_as_nobody(void)
{
        return start_session(0, tracer_main, become_nobody);
}

struct session session_start(void)
{
        return session_start_with(0);
}

void session_end(struct session *session)
{
        struct link_message closed = {.type = LINK_CONN_CLOSED, .id = {.id = session->conn.conn}};
        struct link_received received;
        int status;

        assert_int_equal(link_send(session->link_fd, &closed, NULL, 0), 0);
        while (link_receive(session->link_fd, &received) == 1) /* until nobody is served any more */
                link_close_fds(&received);
        close(session->client); /* ends the engine */
        assert_int_equal(waitpid(session->monitor, &status, 0), session->monitor);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        close(session->link_fd);
}

/* The next message, which must be of this type. */
struct link_received expect_on(int socket, enum link_type type)
{
        struct pollfd poll_fd = {.fd = socket, .events = POLLIN};
        struct link_received received;

        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
        assert_int_equal(link_receive(socket, &received), 1);
        if (received.message.type == LINK_TRACE && type != LINK_TRACE)
                print_message("unexpected LINK_TRACE: %s\n", received.message.trace.text);
        assert_int_equal(received.message.type, type);
        return received;
}

struct link_received expect(struct session *session, enum link_type type)
{
        return expect_on(session->link_fd, type);
}

void send_id(struct session *session, enum link_type type, uint32_t id)
{
        struct link_message message = {.type = type, .id = {.id = id}};

        assert_int_equal(link_send(session->link_fd, &message, NULL, 0), 0);
}

struct link_trace ask_with(struct session *session, struct link_attach attach, struct link_received *ret)
{
        struct link_message message = {.type = LINK_ATTACH, .attach = attach};

        message.attach.conn = session->conn.conn;
        message.attach.req = 5;
        assert_int_equal(link_send(session->link_fd, &message, NULL, 0), 0);
        *ret = expect(session, LINK_TRACE);
        assert_int_equal(ret->message.trace.req, 5);
        assert_int_equal(ret->message.trace.conn, session->conn.conn);
        return ret->message.trace;
}

struct link_trace ask_trace(struct session *session, pid_t pid, uint32_t flags, struct link_received *ret)
{
        return ask_with(session, (struct link_attach){.pid = pid, .detail = DETAIL_AUTO, .flags = flags}, ret);
}

void expect_refused(struct session *session, pid_t pid, int error, const char *text)
{
        struct link_received received;
        struct link_trace trace = ask_trace(session, pid, 0, &received);

        assert_int_equal(received.n_fds, 0);
        assert_int_equal(trace.error, error);
        if (strstr(trace.text, text) == NULL)
                fail_msg("\"%s\" does not contain \"%s\"", trace.text, text);
        link_close_fds(&received);
}

/* ---------------------------------------------------------------- what an engine does with a trace */

static void *read_all(int fd, size_t n_bytes)
{
        void *bytes = malloc(n_bytes + 1);

        assert_non_null(bytes);
        assert_int_equal(pread(fd, bytes, n_bytes + 1, 0), n_bytes);
        return bytes;
}

void take_rings(int socket, struct attached *attached)
{
        struct link_received received = expect_on(socket, LINK_RINGS);
        const struct link_rings *rings = &received.message.rings;

        assert_int_equal(rings->trace, attached->trace.trace);
        assert_int_equal(rings->n, attached->trace.n_cpus);
        assert_int_equal(received.n_fds, 2 * rings->n);
        for (size_t i = 0; i < rings->n; i++) {
                struct ring_view *view = &attached->rings[attached->n_rings++];

                view->n_bytes = PAGE + attached->trace.ring_bytes;
                view->page = mmap(NULL, view->n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, received.fds[2 * i], 0);
                assert_ptr_not_equal(view->page, MAP_FAILED);
        }
        link_close_fds(&received);
}

struct attached prepare_with(struct session *session, struct link_attach wish)
{
        struct link_received received;
        struct attached attached = {.trace = ask_with(session, wish, &received)};

        if (attached.trace.error != 0)
                fail_msg("refused: %s", attached.trace.text);
        assert_int_equal(received.n_fds, N_LINK_TRACE_FDS);
        assert_int_equal(attached.trace.pid, wish.pid);
        attached.ids = read_all(received.fds[LINK_FD_IDS], attached.trace.n_ids * sizeof(struct link_event_id));
        free(read_all(received.fds[LINK_FD_THREADS], attached.trace.n_threads * sizeof(struct link_thread)));
        attached.stories = TAKE_FD(received.fds[LINK_FD_STORIES]);
        link_close_fds(&received);
        take_rings(session->link_fd, &attached);
        return attached;
}

struct attached prepare(struct session *session, pid_t pid, uint32_t flags)
{
        return prepare_with(session, (struct link_attach){.pid = pid, .detail = DETAIL_AUTO, .flags = flags});
}

struct attached attach_with(struct session *session, struct link_attach wish)
{
        struct attached attached = prepare_with(session, wish);
        struct link_received received;

        send_id(session, LINK_READY, attached.trace.trace);
        received = expect(session, LINK_STARTED);
        attached.started = received.message.started;
        assert_int_equal(attached.started.trace, attached.trace.trace);
        return attached;
}

struct attached attach(struct session *session, pid_t pid, uint32_t flags)
{
        return attach_with(session, (struct link_attach){.pid = pid, .detail = DETAIL_AUTO, .flags = flags});
}

struct link_counts expect_counts(struct session *session, const struct attached *attached, uint32_t reason)
{
        struct link_received received = expect(session, LINK_COUNTS);

        assert_int_equal(received.message.counts.trace, attached->trace.trace);
        assert_int_equal(received.message.counts.reason, reason);
        return received.message.counts;
}

struct link_counts stop(struct session *session, const struct attached *attached)
{
        send_id(session, LINK_STOP, attached->trace.trace);
        return expect_counts(session, attached, LINK_STOPPED);
}

void detach(struct session *session, struct attached *attached)
{
        send_id(session, LINK_CLOSE, attached->trace.trace);
        close(attached->stories);
        for (size_t i = 0; i < attached->n_rings; i++)
                munmap(attached->rings[i].page, attached->rings[i].n_bytes);
        free(attached->ids);
}

static int kind_of(const struct attached *attached, uint64_t id)
{
        for (uint32_t i = 0; i < attached->trace.n_ids; i++)
                if (attached->ids[i].id == id)
                        return (int)attached->ids[i].kind;
        return -1;
}

/*
 * Samples in the fault rings by kind. The rings must not have wrapped. The kernel prepares a software event's sample
 * once for all events of a task that are alike (do_perf_sw_event(), kernel/events/core.c), so with two traces of one
 * target the records of one carry the ids of the other: these are told apart by their size, as far as the test needs it
 * (it makes no MAJ).
 */
static int kind_of_sample(const struct attached *attached, uint64_t id, const struct perf_event_header *header)
{
        int kind = kind_of(attached, id);

        if (kind >= 0 || !attached->is_shared)
                return kind;
        return header->size == 64 ? EVENT_ENTRY : header->size == 56 ? EVENT_MIN : -1;
}

void count_samples(const struct attached *attached, uint64_t ret[static N_EVENT_KINDS])
{
        memset(ret, 0, N_EVENT_KINDS * sizeof(*ret));
        for (size_t i = 0; i < attached->n_rings; i++) {
                const struct perf_event_mmap_page *page = attached->rings[i].page;
                const char *data = (const char *)page + page->data_offset;
                uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);

                assert_true(head < page->data_size);
                for (uint64_t at = 0; at < head;) {
                        struct perf_event_header header;
                        uint64_t id;

                        memcpy(&header, data + at, sizeof(header));
                        memcpy(&id, data + at + sizeof(header), sizeof(id));
                        assert_int_equal(header.type, PERF_RECORD_SAMPLE);
                        int kind = kind_of_sample(attached, id, &header);
                        assert_true(kind >= 0);
                        ret[kind]++;
                        at += header.size;
                }
        }
}

void check_counts(const struct attached *attached, const struct link_counts *counts, uint64_t n)
{
        const uint64_t user = (attached->started.degraded & (1u << LINK_LACKS_TRACEPOINTS)) != 0 ? 0 : n;
        uint64_t samples[N_EVENT_KINDS];

        assert_int_equal(counts->count[EVENT_ENTRY], n);
        assert_int_equal(counts->count[EVENT_MIN], n);
        assert_int_equal(counts->count[EVENT_MAJ], 0);
        assert_int_equal(counts->count[EVENT_TP_USER], user);
        assert_int_equal(counts->count[EVENT_TP_KERNEL], 0);
        assert_int_equal(counts->count[EVENT_TP_HIGH], 0);
        count_samples(attached, samples);
        for (int kind = 0; kind < EVENT_SIDEBAND; kind++) {
                assert_int_equal(counts->lost[kind], 0);
                assert_int_equal(samples[kind], counts->count[kind]);
        }
}

struct link_received open_file(struct session *session, struct link_open open)
{
        struct link_message message = {.type = LINK_OPEN, .open = open};
        struct link_received received;

        assert_int_equal(link_send(session->link_fd, &message, NULL, 0), 0);
        received = expect(session, LINK_OPENED);
        assert_int_equal(received.message.opened.trace, open.trace);
        assert_int_equal(received.message.opened.req, open.req);
        assert_int_equal(received.message.opened.kind, open.kind);
        assert_int_equal(received.n_fds, received.message.opened.error == 0 ? 1 : 0);
        return received;
}

void expect_open_error(struct session *session, struct link_open open, int error)
{
        struct link_received received = open_file(session, open);

        assert_int_equal(received.message.opened.error, error);
}

void expect_same_file(struct session *session, struct link_open open, const struct stat *st)
{
        struct link_received received = open_file(session, open);
        struct stat got;

        assert_int_equal(received.message.opened.error, 0);
        assert_int_equal(fstat(received.fds[0], &got), 0);
        assert_int_equal(got.st_ino, st->st_ino);
        assert_int_equal(fcntl(received.fds[0], F_GETFL) & O_ACCMODE, O_RDONLY);
        link_close_fds(&received);
}

/* What is sent until monitor_continue() is there at once. */
void monitor_pause(const struct session *session)
{
        kill(session->monitor, SIGSTOP);
        while (target_state(session->monitor) != 'T')
                sched_yield();
}

void monitor_continue(const struct session *session)
{
        kill(session->monitor, SIGCONT);
}

/* ---------------------------------------------------------------- another user's client, of the service */

struct service service_start_with(int (*engine)(int link_fd))
{
        struct service service = {.folder = "/tmp/monitor-link-XXXXXX"};

        int log[2];

        assert_int_equal(pipe2(log, O_CLOEXEC), 0);
        assert_non_null(mkdtemp(service.folder));
        snprintf(service.path, sizeof(service.path), "%s/socket", service.folder);
        service.monitor = fork();
        if (service.monitor == 0) {
                struct monitor_options options = {.private_fd = -1,
                                                  .socket_path = service.path,
                                                  .engine_main = engine,
                                                  .tracer_main = tracer_main};

                dup2(log[1], STDERR_FILENO);
                close(log[0]);
                close(log[1]);
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                exit(monitor_run(&options)); /* with the leak check of a sanitizer */
        }
        close(log[1]);
        service.log = log[0];
        return service;
}

struct service service_start(void)
{
        return service_start_with(fake_engine);
}

/* A connection of ours. */
int service_connect(const struct service *service)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        int r;

        memcpy(address.sun_path, service->path, strlen(service->path));
        do /* not yet bound, or not yet listening */
                r = connect(fd, (const struct sockaddr *)&address, sizeof(address));
        while (r < 0 && (errno == ECONNREFUSED || errno == ENOENT));
        assert_int_equal(r, 0);
        return fd;
}

void service_end(struct service *service)
{
        int status;

        kill(service->monitor, SIGTERM);
        assert_int_equal(waitpid(service->monitor, &status, 0), service->monitor);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        close(service->log);
        unlink(service->path);
        rmdir(service->folder);
}

void become_nobody(void)
{
        if (syscall(SYS_setgroups, 0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
            setresuid(NOBODY, NOBODY, NOBODY) < 0)
                _exit(83);
        prctl(PR_SET_DUMPABLE, 1);
}

/* A connection that nobody made: the credentials are recorded at connect(2). */
struct session session_of_nobody(const struct service *service)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct session session = {.monitor = -1, .link_fd = -1};

        memcpy(address.sun_path, service->path, strlen(service->path));
        session.client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        while (access(service->path, F_OK) < 0)
                sched_yield();
        /* seteuid of this thread alone, as the kernel sees it; connect(2) records effective ids. */
        assert_int_equal(chmod(service->folder, 0755), 0);
        assert_int_equal(chmod(service->path, 0666), 0);
        assert_int_equal(setegid(NOBODY), 0);
        assert_int_equal(seteuid(NOBODY), 0);
        int r;
        do /* bound, but not yet listening */
                r = connect(session.client, (const struct sockaddr *)&address, sizeof(address));
        while (r < 0 && errno == ECONNREFUSED);
        assert_int_equal(r, 0);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setegid(0), 0);
        take_link(&session);
        return session;
}

int monitor_tests_cannot_run(void)
{
        struct perf_event_attr attr = {.size = sizeof(attr),
                                       .type = PERF_TYPE_SOFTWARE,
                                       .config = PERF_COUNT_SW_PAGE_FAULTS,
                                       .sample_period = 1,
                                       .sample_type = PERF_SAMPLE_PHYS_ADDR};
        const char *why = NULL;
        int fd = -1;

        if (geteuid() != 0)
                why = "needs root, for targets of other users and for full detail";
        else if ((fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC)) < 0)
                why = "perf events with physical addresses are refused here";
        cleanup_close(&fd);
        signal(SIGPIPE, SIG_IGN);
        if (why != NULL)
                printf("skipped: %s\n", why);
        return why != NULL ? 77 : 0;
}

pid_t child_of(pid_t parent)
{
        char path[64];
        int child = 0;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
        file = fopen(path, "r");
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%d", &child), 1);
        fclose(file);
        return child;
}
