/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real monitor and tracer against real processes, with this test in the engine's place: the fake engine hands its
 * link over to the test through the client's socket, so the test speaks the engine's side itself. What a target did is
 * known exactly, and so is what must be counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "daemon/link/link.h"
#include "daemon/monitor/monitor.h"
#include "daemon/tracer/tracer.h"
#include "proto/proto.h"

#define N_WORKERS 8
#define N_PAGES 300
#define PAGE ((size_t)4096)
#define NOBODY 65534

/* ---------------------------------------------------------------- targets */

struct target {
        pid_t pid;
        int command; /* write a byte */
        int answer;  /* read a byte */
};

static void say(int fd, char c)
{
        assert_int_equal(write(fd, &c, 1), 1);
}

static char hear(int fd)
{
        char c;

        assert_int_equal(read(fd, &c, 1), 1);
        return c;
}

/* The same for a target, which has nobody to report to: it ends when the test is gone. */
static void target_say(int fd, char c)
{
        if (write(fd, &c, 1) != 1)
                _exit(76);
}

static void target_hear(int fd)
{
        char c;

        if (read(fd, &c, 1) < 0)
                _exit(77);
}

static struct target target_start(void (*run)(int command, int answer))
{
        int to[2], from[2];
        struct target target;

        assert_int_equal(pipe2(to, O_CLOEXEC), 0);
        assert_int_equal(pipe2(from, O_CLOEXEC), 0);
        target.pid = fork();
        assert_true(target.pid >= 0);
        if (target.pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(to[1]);
                close(from[0]);
                run(to[0], from[1]);
                _exit(0);
        }
        close(to[0]);
        close(from[1]);
        target.command = to[1];
        target.answer = from[0];
        return target;
}

static void target_end(struct target *target)
{
        int status;

        close(target->command);
        close(target->answer);
        kill(target->pid, SIGKILL);
        assert_int_equal(waitpid(target->pid, &status, 0), target->pid);
}

static char target_state(pid_t pid)
{
        char path[64], text[1024];
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY);
        assert_true(fd >= 0);
        n = read(fd, text, sizeof(text) - 1);
        assert_true(n > 0);
        close(fd);
        text[n] = '\0';
        return strrchr(text, ')')[2];
}

/* Raw system calls and plain loops only: nothing that would fault a page of its own in the second round. */
static char *fresh_pages(size_t n)
{
        char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED || madvise(p, n * PAGE, MADV_NOHUGEPAGE) < 0)
                _exit(70);
        return p;
}

/* AddressSanitizer's shadow of these pages would fault as well. */
__attribute__((no_sanitize("address", "undefined"))) static void touch_pages(volatile char *p, size_t n)
{
        for (size_t i = 0; i < n; i++)
                p[i * PAGE] = 1;
}

static struct {
        volatile char *pages[2];
        sem_t go[N_WORKERS], done;
} work;

static void *worker(void *arg)
{
        size_t i = (size_t)(uintptr_t)arg;

        for (int round = 0; round < 2; round++) {
                while (sem_wait(&work.go[i]) < 0)
                        ;
                touch_pages(work.pages[round] + i * N_PAGES * PAGE, N_PAGES);
                sem_post(&work.done);
        }
        for (;;)
                pause();
        return NULL;
}

static void run_round(void)
{
        for (int i = 0; i < N_WORKERS; i++)
                sem_post(&work.go[i]);
        for (int i = 0; i < N_WORKERS; i++)
                while (sem_wait(&work.done) < 0)
                        ;
}

/*
 * Eight threads. 'g': each touches N_PAGES fresh pages, and nothing else faults: everything was done once before, on
 * other pages.
 */
static void run_workers(int command, int answer)
{
        pthread_t thread;
        char c;

        if (mlockall(MCL_CURRENT) < 0)
                _exit(71);
        work.pages[0] = fresh_pages((size_t)N_WORKERS * N_PAGES);
        work.pages[1] = fresh_pages((size_t)N_WORKERS * N_PAGES);
        sem_init(&work.done, 0, 0);
        for (uintptr_t i = 0; i < N_WORKERS; i++)
                if (sem_init(&work.go[i], 0, 0) < 0 || pthread_create(&thread, NULL, worker, (void *)i) != 0)
                        _exit(72);
        run_round();
        if (mlockall(MCL_CURRENT) < 0 || munlockall() < 0)
                _exit(73);
        work.pages[1] = mmap((void *)(uintptr_t)work.pages[1], (size_t)N_WORKERS * N_PAGES * PAGE,
                             PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (madvise((void *)(uintptr_t)work.pages[1], (size_t)N_WORKERS * N_PAGES * PAGE, MADV_NOHUGEPAGE) < 0)
                _exit(74);
        target_say(answer, 'r');
        while (read(command, &c, 1) == 1) {
                if (c == 'g')
                        run_round();
                if (c == 'p' && mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
                        _exit(75);
                if (c == 'x')
                        _exit(0);
                target_say(answer, 'd');
        }
}

static volatile sig_atomic_t n_signals;

static void on_signal(int sig)
{
        n_signals++;
}

/* Counts SIGRTMIN; 'n' answers with the count as an int. */
static void run_signals(int command, int answer)
{
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        char c;

        sigaction(SIGRTMIN, &action, NULL);
        target_say(answer, 'r');
        while (read(command, &c, 1) == 1) {
                int n = n_signals;

                if (write(answer, &n, sizeof(n)) != sizeof(n))
                        _exit(76);
        }
}

/* ---------------------------------------------------------------- the monitor, and its engine's link */

struct session {
        pid_t monitor;
        int client;
        int link_fd;
        struct link_conn conn;
};

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

static void take_link(struct session *session)
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

static struct session session_start_with(uint64_t ring_budget_bytes)
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
                                                  .tracer_main = tracer_main};

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(sockets[0]);
                exit(monitor_run(&options)); /* with the leak check of a sanitizer */
        }
        close(sockets[1]);
        session.client = sockets[0];
        take_link(&session);
        return session;
}

static struct session session_start(void)
{
        return session_start_with(0);
}

static void session_end(struct session *session)
{
        struct link_message closed = {.type = LINK_CONN_CLOSED, .id = {.id = session->conn.conn}};
        int status;

        assert_int_equal(link_send(session->link_fd, &closed, NULL, 0), 0);
        close(session->client);
        assert_int_equal(waitpid(session->monitor, &status, 0), session->monitor);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        close(session->link_fd);
}

/* The next message, which must be of this type. */
static struct link_received expect_on(int socket, enum link_type type)
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

static struct link_received expect(struct session *session, enum link_type type)
{
        return expect_on(session->link_fd, type);
}

static void send_id(struct session *session, enum link_type type, uint32_t id)
{
        struct link_message message = {.type = type, .id = {.id = id}};

        assert_int_equal(link_send(session->link_fd, &message, NULL, 0), 0);
}

static struct link_trace ask_trace(struct session *session, pid_t pid, uint32_t flags, struct link_received *ret)
{
        struct link_message message = {
                .type = LINK_ATTACH,
                .attach = {.conn = session->conn.conn, .req = 5, .pid = pid, .detail = DETAIL_AUTO, .flags = flags}};

        assert_int_equal(link_send(session->link_fd, &message, NULL, 0), 0);
        *ret = expect(session, LINK_TRACE);
        assert_int_equal(ret->message.trace.req, 5);
        assert_int_equal(ret->message.trace.conn, session->conn.conn);
        return ret->message.trace;
}

static void expect_refused(struct session *session, pid_t pid, int error, const char *text)
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

struct ring_view {
        struct perf_event_mmap_page *page;
        size_t n_bytes;
};

struct attached {
        struct link_trace trace;
        struct link_started started;
        struct link_event_id *ids;
        struct ring_view rings[64];
        size_t n_rings;
        bool is_shared; /* another trace has the same target */
};

static void *read_all(int fd, size_t n_bytes)
{
        void *bytes = malloc(n_bytes + 1);

        assert_non_null(bytes);
        assert_int_equal(pread(fd, bytes, n_bytes + 1, 0), n_bytes);
        return bytes;
}

static void take_rings(int socket, struct attached *attached)
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

static struct attached prepare(struct session *session, pid_t pid, uint32_t flags)
{
        struct link_received received;
        struct attached attached = {.trace = ask_trace(session, pid, flags, &received)};

        if (attached.trace.error != 0)
                fail_msg("refused: %s", attached.trace.text);
        assert_int_equal(received.n_fds, N_LINK_TRACE_FDS);
        assert_int_equal(attached.trace.pid, pid);
        attached.ids = read_all(received.fds[LINK_FD_IDS], attached.trace.n_ids * sizeof(struct link_event_id));
        free(read_all(received.fds[LINK_FD_THREADS], attached.trace.n_threads * sizeof(struct link_thread)));
        link_close_fds(&received);
        take_rings(session->link_fd, &attached);
        return attached;
}

static struct attached attach(struct session *session, pid_t pid, uint32_t flags)
{
        struct attached attached = prepare(session, pid, flags);
        struct link_received received;

        send_id(session, LINK_READY, attached.trace.trace);
        received = expect(session, LINK_STARTED);
        attached.started = received.message.started;
        assert_int_equal(attached.started.trace, attached.trace.trace);
        return attached;
}

static struct link_counts expect_counts(struct session *session, const struct attached *attached, uint32_t reason)
{
        struct link_received received = expect(session, LINK_COUNTS);

        assert_int_equal(received.message.counts.trace, attached->trace.trace);
        assert_int_equal(received.message.counts.reason, reason);
        return received.message.counts;
}

static struct link_counts stop(struct session *session, const struct attached *attached)
{
        send_id(session, LINK_STOP, attached->trace.trace);
        return expect_counts(session, attached, LINK_STOPPED);
}

static void detach(struct session *session, struct attached *attached)
{
        send_id(session, LINK_CLOSE, attached->trace.trace);
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

static void count_samples(const struct attached *attached, uint64_t ret[static N_EVENT_KINDS])
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

static void check_counts(const struct attached *attached, const struct link_counts *counts, uint64_t n)
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

static struct link_received open_file(struct session *session, struct link_open open)
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

static void expect_open_error(struct session *session, struct link_open open, int error)
{
        struct link_received received = open_file(session, open);

        assert_int_equal(received.message.opened.error, error);
}

static void expect_same_file(struct session *session, struct link_open open, const struct stat *st)
{
        struct link_received received = open_file(session, open);
        struct stat got;

        assert_int_equal(received.message.opened.error, 0);
        assert_int_equal(fstat(received.fds[0], &got), 0);
        assert_int_equal(got.st_ino, st->st_ino);
        assert_int_equal(fcntl(received.fds[0], F_GETFL) & O_ACCMODE, O_RDONLY);
        link_close_fds(&received);
}

/* ---------------------------------------------------------------- tests */

static void test_eight_threads_are_counted_exactly(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_workers);

        assert_int_equal(hear(target.answer), 'r');
        struct attached attached = attach(&session, target.pid, 0);
        assert_int_equal(attached.trace.detail, DETAIL_FULL);
        assert_int_equal(attached.trace.n_threads, N_WORKERS + 1);
        assert_int_equal(attached.started.n_threads, N_WORKERS + 1);
        assert_int_equal(attached.started.n_unstopped, 0);
        assert_int_equal(attached.started.degraded & (1u << LINK_LACKS_BARRIER | 1u << LINK_LACKS_THREADS), 0);
        say(target.command, 'g');
        assert_int_equal(hear(target.answer), 'd');
        struct link_counts counts = stop(&session, &attached);
        check_counts(&attached, &counts, (uint64_t)N_WORKERS * N_PAGES);
        assert_int_equal(counts.unseen, 0);
        assert_true(counts.time_ns > attached.started.time_ns);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_exit_of_the_target(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_workers);

        assert_int_equal(hear(target.answer), 'r');
        struct attached attached = attach(&session, target.pid, 0);
        say(target.command, 'g');
        assert_int_equal(hear(target.answer), 'd');
        say(target.command, 'x');
        struct link_counts counts = expect_counts(&session, &attached, LINK_EXITED);
        assert_true(counts.count[EVENT_ENTRY] >= (uint64_t)N_WORKERS * N_PAGES);
        assert_int_equal(counts.count[EVENT_ENTRY], counts.count[EVENT_MIN] + counts.count[EVENT_MAJ]);
        assert_int_equal(counts.unseen, 0); /* a zombie is still readable */
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_populated_pages_are_unseen(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_workers);

        assert_int_equal(hear(target.answer), 'r');
        say(target.command, 'p'); /* once untraced, for what it faults itself */
        assert_int_equal(hear(target.answer), 'd');
        struct attached attached = attach(&session, target.pid, 0);
        say(target.command, 'p');
        assert_int_equal(hear(target.answer), 'd');
        struct link_counts counts = stop(&session, &attached);
        check_counts(&attached, &counts, 0);
        assert_int_equal(counts.unseen, 64);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_two_traces_of_one_target(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_workers);
        struct link_received received;

        assert_int_equal(hear(target.answer), 'r');
        struct attached first = prepare(&session, target.pid, 0);
        struct attached second = prepare(&session, target.pid, 0);
        first.is_shared = second.is_shared = true;
        send_id(&session, LINK_READY, first.trace.trace); /* at once: their tracers must take turns */
        send_id(&session, LINK_READY, second.trace.trace);
        received = expect(&session, LINK_STARTED);
        first.started = received.message.started;
        assert_int_equal(first.started.trace, first.trace.trace);
        received = expect(&session, LINK_STARTED);
        second.started = received.message.started;
        assert_int_equal(second.started.trace, second.trace.trace);
        assert_int_equal(first.started.degraded & (1u << LINK_LACKS_BARRIER), 0);
        assert_int_equal(second.started.degraded & (1u << LINK_LACKS_BARRIER), 0);
        say(target.command, 'g');
        assert_int_equal(hear(target.answer), 'd');
        struct link_counts counts = stop(&session, &first);
        check_counts(&first, &counts, (uint64_t)N_WORKERS * N_PAGES);
        counts = stop(&session, &second);
        check_counts(&second, &counts, (uint64_t)N_WORKERS * N_PAGES);
        detach(&session, &first);
        detach(&session, &second);
        target_end(&target);
        session_end(&session);
}

static void test_an_engine_that_dies_loses_nothing(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_workers);
        struct link_received received;

        assert_int_equal(hear(target.answer), 'r');
        struct attached attached = attach(&session, target.pid, 0);
        for (size_t i = 0; i < attached.n_rings; i++)
                munmap(attached.rings[i].page, attached.rings[i].n_bytes);
        attached.n_rings = 0;
        close(session.link_fd);
        say(session.client, 'k');
        say(target.command, 'g');
        assert_int_equal(hear(target.answer), 'd');
        take_link(&session);
        assert_int_equal(session.conn.restarted, 1);
        received = expect_on(session.client, LINK_TRACE);
        assert_int_equal(received.message.trace.restarted, 1);
        assert_int_equal(received.message.trace.trace, attached.trace.trace);
        assert_int_equal(received.message.trace.n_ids, attached.trace.n_ids);
        assert_int_equal(received.message.trace.rights, LINK_RIGHT_KERNEL);
        assert_int_equal(received.n_fds, N_LINK_TRACE_FDS);
        link_close_fds(&received);
        take_rings(session.client, &attached);
        received = expect_on(session.client, LINK_STARTED);
        assert_memory_equal(&received.message.started, &attached.started, sizeof(attached.started));
        struct link_counts counts = stop(&session, &attached);
        check_counts(&attached, &counts, (uint64_t)N_WORKERS * N_PAGES);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_a_stopped_target_stays_stopped(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_workers);
        int status;

        assert_int_equal(hear(target.answer), 'r');
        kill(target.pid, SIGSTOP);
        assert_int_equal(waitpid(target.pid, &status, WUNTRACED), target.pid);
        assert_true(WIFSTOPPED(status));
        for (int i = 0; i < 20; i++) {
                struct attached attached = attach(&session, target.pid, 0);

                assert_int_equal(attached.started.n_unstopped, 0);
                detach(&session, &attached);
        }
        struct attached attached = attach(&session, target.pid, 0);
        say(target.command, 'g');
        struct pollfd poll_fd = {.fd = target.answer, .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, 100), 0);
        assert_int_equal(target_state(target.pid), 'T');
        kill(target.pid, SIGCONT);
        assert_int_equal(hear(target.answer), 'd');
        struct link_counts counts = stop(&session, &attached);
        check_counts(&attached, &counts, (uint64_t)N_WORKERS * N_PAGES);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

/* Sends n signals to the target, one that a full queue refuses again until it is taken. */
static pid_t start_sender(pid_t pid, int n)
{
        pid_t sender = fork();

        assert_true(sender >= 0);
        if (sender == 0) {
                for (int i = 0; i < n; i++)
                        while (sigqueue(pid, SIGRTMIN, (union sigval){0}) < 0)
                                sched_yield();
                _exit(0);
        }
        return sender;
}

static void expect_signals(struct target *target, pid_t sender, int n)
{
        int status, got = -1;

        assert_int_equal(waitpid(sender, &status, 0), sender);
        do {
                say(target->command, 'n');
                assert_int_equal(read(target->answer, &got, sizeof(got)), sizeof(got));
        } while (got < n && target_state(target->pid) != 'T');
        assert_int_equal(got, n);
}

static void test_no_signal_is_lost_in_the_barrier(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_signals);

        assert_int_equal(hear(target.answer), 'r');
        pid_t sender = start_sender(target.pid, 20000);
        for (int i = 0; i < 50; i++) {
                struct attached attached = attach(&session, target.pid, 0);
                detach(&session, &attached);
        }
        expect_signals(&target, sender, 20000);
        target_end(&target);
        session_end(&session);
}

static void test_killing_the_monitor_hurts_no_target(void **state)
{
        struct target target = target_start(run_signals);

        assert_int_equal(hear(target.answer), 'r');
        pid_t sender = start_sender(target.pid, 20000);
        for (int i = 0; i < 30; i++) {
                struct session session = session_start();
                struct attached attached = prepare(&session, target.pid, 0);
                int status;

                send_id(&session, LINK_READY, attached.trace.trace);
                for (int yields = 0; yields < i * 20; yields++) /* another moment of the barrier each time */
                        sched_yield();
                kill(session.monitor, SIGKILL);
                assert_int_equal(waitpid(session.monitor, &status, 0), session.monitor);
                for (size_t k = 0; k < attached.n_rings; k++)
                        munmap(attached.rings[k].page, attached.rings[k].n_bytes);
                free(attached.ids);
                close(session.link_fd);
                close(session.client);
        }
        expect_signals(&target, sender, 20000);
        target_end(&target);
}

static void test_a_target_that_another_process_traces(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_workers);
        int ready[2], status;

        assert_int_equal(hear(target.answer), 'r');
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid_t debugger = fork();
        if (debugger == 0) {
                char path[64];

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (pid_t tid = target.pid; tid < target.pid + 1000; tid++) {
                        snprintf(path, sizeof(path), "/proc/%d/task/%d", target.pid, tid);
                        if (access(path, F_OK) == 0 && ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
                                _exit(1);
                }
                target_say(ready[1], 'r');
                for (;;)
                        pause();
        }
        close(ready[1]);
        assert_int_equal(hear(ready[0]), 'r');
        struct attached attached = attach(&session, target.pid, 0);
        assert_true((attached.started.degraded & (1u << LINK_LACKS_BARRIER)) != 0);
        assert_int_equal(attached.started.degraded_errno[LINK_LACKS_BARRIER], EBUSY);
        assert_int_equal(attached.started.degraded & (1u << LINK_LACKS_THREADS), 0);
        say(target.command, 'g');
        assert_int_equal(hear(target.answer), 'd');
        struct link_counts counts = stop(&session, &attached);
        check_counts(&attached, &counts, (uint64_t)N_WORKERS * N_PAGES);
        assert_int_equal(counts.unseen, 0);
        detach(&session, &attached);
        kill(debugger, SIGKILL);
        waitpid(debugger, &status, 0);
        close(ready[0]);
        target_end(&target);
        session_end(&session);
}

/* 'v': the main thread waits in vfork(2) until the pipe gets another byte. */
static void run_vfork(int command, int answer)
{
        pthread_t thread;
        char c;

        pthread_create(&thread, NULL, worker, NULL);
        target_say(answer, 'r');
        while (read(command, &c, 1) == 1)
                if (c == 'v') {
                        target_say(answer, 'v');
                        if (vfork() == 0) {
                                target_hear(command);
                                _exit(0);
                        }
                        target_say(answer, 'd');
                }
}

static void test_a_thread_that_does_not_stop_holds_nobody(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_vfork);

        assert_int_equal(hear(target.answer), 'r');
        say(target.command, 'v');
        assert_int_equal(hear(target.answer), 'v');
        while (target_state(target.pid) != 'D') /* in the kernel, waiting for its child */
                sched_yield();
        struct attached attached = attach(&session, target.pid, 0);
        assert_int_equal(attached.started.n_unstopped, 1);
        assert_int_equal(attached.started.n_threads, 2);
        say(target.command, 'x');
        assert_int_equal(hear(target.answer), 'd');
        struct link_counts counts = stop(&session, &attached);
        assert_int_equal(counts.count[EVENT_ENTRY], counts.count[EVENT_MIN] + counts.count[EVENT_MAJ]);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void run_zombie_leader(int command, int answer)
{
        pthread_t thread;

        pthread_create(&thread, NULL, worker, NULL);
        target_say(answer, 'r');
        syscall(SYS_exit, 0);
}

static void test_a_zombie_leader_with_live_threads(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_zombie_leader);

        assert_int_equal(hear(target.answer), 'r');
        while (target_state(target.pid) != 'Z')
                sched_yield();
        struct attached attached = attach(&session, target.pid, 0);
        assert_int_equal(attached.started.n_unstopped, 0);
        assert_int_equal(attached.started.degraded & (1u << LINK_LACKS_BARRIER), 0);
        struct link_counts counts = stop(&session, &attached);
        assert_int_equal(counts.unseen, 0);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void *sleeper(void *arg)
{
        for (;;)
                pause();
        return NULL;
}

/* The leader is a zombie; the first of its two threads ends when it is told. */
static void *quitter(void *arg)
{
        target_hear((int)(intptr_t)arg);
        return NULL;
}

static void run_dwindling(int command, int answer)
{
        pthread_t thread;

        if (pthread_create(&thread, NULL, quitter, (void *)(intptr_t)command) != 0 ||
            pthread_create(&thread, NULL, sleeper, NULL) != 0)
                _exit(78);
        target_say(answer, 'r');
        syscall(SYS_exit, 0);
}

static size_t count_threads(pid_t pid)
{
        char path[64];
        struct stat st;

        snprintf(path, sizeof(path), "/proc/%d/task", pid);
        assert_int_equal(stat(path, &st), 0);
        return (size_t)st.st_nlink - 2;
}

static void expect_own_files(struct session *session, uint32_t trace)
{
        struct link_open open = {.trace = trace, .kind = LINK_OPEN_IMAGE, .path = "/"};
        struct stat st;
        char byte;

        assert_int_equal(stat("/proc/self/exe", &st), 0);
        open.addr = (uint64_t)(uintptr_t)run_dwindling;
        open.inode = st.st_ino;
        open.major = major(st.st_dev);
        open.minor = minor(st.st_dev);
        expect_same_file(session, open, &st);
        open.kind = LINK_OPEN_MAPS;
        struct link_received received = open_file(session, open);
        assert_int_equal(received.message.opened.error, 0);
        assert_int_equal(read(received.fds[0], &byte, 1), 1);
        link_close_fds(&received);
}

static void test_files_of_a_zombie_leader(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_dwindling);

        assert_int_equal(hear(target.answer), 'r');
        while (target_state(target.pid) != 'Z')
                sched_yield();
        struct attached attached = attach(&session, target.pid, 0);
        expect_own_files(&session, attached.trace.trace);
        say(target.command, 'q');
        while (count_threads(target.pid) != 2) /* the zombie and one more */
                sched_yield();
        expect_own_files(&session, attached.trace.trace);
        stop(&session, &attached);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

/* ---------------------------------------------------------------- a target that takes long to open */

#define MANY_THREADS 1000
#define FEW_THREADS 100 /* fewer are done in so few slices that nothing could be told */
#define EVENTS_PER_THREAD 7

static size_t n_sleepers;

static void run_sleepers(int command, int answer)
{
        pthread_attr_t attr;
        pthread_t thread;

        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, 64 << 10);
        for (size_t i = 0; i < n_sleepers; i++)
                if (pthread_create(&thread, &attr, sleeper, NULL) != 0)
                        _exit(78);
        target_say(answer, 'r');
        sleeper(NULL);
}

/* As many as descriptors allow. */
static size_t count_sleepers(void)
{
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        if (limit.rlim_max < 1000)
                return 0;
        return MIN_OF((size_t)MANY_THREADS,
                      (limit.rlim_max - 1000) / (EVENTS_PER_THREAD * (size_t)sysconf(_SC_NPROCESSORS_ONLN)));
}

/* What is sent until monitor_continue() is there at once. */
static void monitor_pause(const struct session *session)
{
        kill(session->monitor, SIGSTOP);
        while (target_state(session->monitor) != 'T')
                sched_yield();
}

static void monitor_continue(const struct session *session)
{
        kill(session->monitor, SIGCONT);
}

static void send_attach(struct session *session, pid_t pid, uint32_t req)
{
        struct link_message message = {
                .type = LINK_ATTACH,
                .attach = {.conn = session->conn.conn, .req = req, .pid = pid, .detail = DETAIL_FULL}};

        assert_int_equal(link_send(session->link_fd, &message, NULL, 0), 0);
}

static struct link_trace expect_trace(struct session *session, uint32_t req)
{
        struct link_received received = expect(session, LINK_TRACE);
        struct link_trace trace = received.message.trace;

        if (trace.error != 0)
                fail_msg("refused: %s", trace.text);
        assert_int_equal(trace.req, req);
        link_close_fds(&received);
        received = expect(session, LINK_RINGS);
        assert_int_equal(received.message.rings.trace, trace.trace);
        link_close_fds(&received);
        return trace;
}

static void send_question(struct session *session, uint32_t trace)
{
        struct link_message message = {.type = LINK_OPEN, .open = {.trace = trace, .kind = LINK_OPEN_KALLSYMS}};

        assert_int_equal(link_send(session->link_fd, &message, NULL, 0), 0);
}

static void expect_answer(struct session *session, uint32_t trace)
{
        struct link_received received = expect(session, LINK_OPENED);

        assert_int_equal(received.message.opened.trace, trace);
        link_close_fds(&received);
}

/*
 * A thousand threads are asked for first; whoever comes next is served first nevertheless, for neither opening nor
 * counting the many events is done at one go.
 */
static void test_many_threads_hold_up_nobody_else(void **state)
{
        struct session session = session_start();
        struct link_received received;

        n_sleepers = count_sleepers();
        if (n_sleepers < FEW_THREADS) {
                print_message("RLIMIT_NOFILE is too low for the events of %d threads\n", FEW_THREADS);
                session_end(&session);
                skip();
        }
        struct target many = target_start(run_sleepers);
        struct target one = target_start(run_signals);
        assert_int_equal(hear(many.answer), 'r');
        assert_int_equal(hear(one.answer), 'r');

        monitor_pause(&session);
        send_attach(&session, many.pid, 1);
        send_attach(&session, one.pid, 2);
        monitor_continue(&session);
        struct link_trace quick = expect_trace(&session, 2);
        struct link_trace slow = expect_trace(&session, 1);
        assert_int_equal(slow.n_threads, n_sleepers + 1);
        send_id(&session, LINK_READY, slow.trace);
        received = expect(&session, LINK_STARTED);
        assert_int_equal(received.message.started.trace, slow.trace);
        assert_int_equal(received.message.started.n_threads, n_sleepers + 1);

        monitor_pause(&session);
        send_id(&session, LINK_STOP, slow.trace);
        send_question(&session, quick.trace);
        monitor_continue(&session);
        expect_answer(&session, quick.trace);
        received = expect(&session, LINK_COUNTS);
        assert_int_equal(received.message.counts.trace, slow.trace);
        assert_int_equal(received.message.counts.count[EVENT_ENTRY], received.message.counts.count[EVENT_MIN]);

        /* Given up in the middle. */
        monitor_pause(&session);
        send_attach(&session, many.pid, 3);
        send_question(&session, quick.trace);
        monitor_continue(&session);
        expect_answer(&session, quick.trace);
        send_id(&session, LINK_CLOSE, quick.trace);
        send_id(&session, LINK_CLOSE, slow.trace);
        session_end(&session);
        target_end(&many);
        target_end(&one);
}

static pid_t child_of(pid_t parent)
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

static void test_what_cannot_be_traced(void **state)
{
        struct session session = session_start();
        pid_t zombie = fork();
        siginfo_t info;
        char thread[64];
        int status;

        if (zombie == 0)
                _exit(0);
        assert_int_equal(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT), 0);
        expect_refused(&session, zombie, ESRCH, "it has ended already");
        assert_int_equal(waitpid(zombie, &status, 0), zombie);
        expect_refused(&session, zombie, ESRCH, "there is no such process");
        expect_refused(&session, 0, ESRCH, "there is no such process");
        expect_refused(&session, -1, ESRCH, "there is no such process");
        expect_refused(&session, 2, EINVAL, "it is a kernel thread");
        expect_refused(&session, session.monitor, EINVAL, "part of faultline itself");
        expect_refused(&session, child_of(session.monitor), EINVAL, "part of faultline itself");
        expect_refused(&session, getpid(), EINVAL, "part of faultline itself");
        struct target target = target_start(run_vfork);
        assert_int_equal(hear(target.answer), 'r');
        snprintf(thread, sizeof(thread), "it is a thread of process %d", target.pid);
        pid_t tid = target.pid;
        do {
                char path[64];

                tid++;
                snprintf(path, sizeof(path), "/proc/%d/task/%d", target.pid, tid);
                if (access(path, F_OK) == 0)
                        break;
        } while (tid < target.pid + 1000);
        expect_refused(&session, tid, EINVAL, thread);
        target_end(&target);
        session_end(&session);
}

static void run_exec(int command, int answer)
{
        target_hear(command);
        execl("/proc/self/exe", "monitor_link", "--exit", NULL);
        _exit(99);
}

static void test_options_that_nobody_knows(void **state)
{
        struct session session = session_start();
        struct link_received received;
        struct link_trace trace = ask_trace(&session, session.monitor, LINK_ATTACH_FROM_EXEC << 1, &received);

        assert_int_equal(received.n_fds, 0);
        assert_int_equal(trace.error, EINVAL);
        session_end(&session);
}

/* What a pair of rings on each CPU takes of the budget: the data, and a control page each. */
static uint64_t charge_of_rings(size_t ring_bytes)
{
        return (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) *
               (ring_bytes + MAX_OF(ring_bytes / 16, (size_t)32 << 10) + 2 * PAGE);
}

/* The largest that take a quarter of what is free, or the smallest if they fit; 0 = none. */
static size_t expected_ring_bytes(uint64_t free_bytes)
{
        size_t min_bytes = (size_t)64 << 10;

        for (size_t bytes = (size_t)8 << 20; bytes > min_bytes; bytes /= 2)
                if (charge_of_rings(bytes) <= free_bytes / 4)
                        return bytes;
        return charge_of_rings(min_bytes) <= free_bytes ? min_bytes : 0;
}

static void test_rings_shrink_before_they_run_out(void **state)
{
        uint64_t free_bytes = 4 * charge_of_rings((size_t)2 << 20);
        struct session session = session_start_with(free_bytes);
        struct target target = target_start(run_signals);
        static struct attached traces[64];
        size_t n = 0, ring_bytes;

        assert_int_equal(hear(target.answer), 'r');
        while ((ring_bytes = expected_ring_bytes(free_bytes)) != 0) {
                assert_true(n < ARRAY_SIZE(traces));
                traces[n] = prepare(&session, target.pid, 0);
                assert_int_equal(traces[n].trace.ring_bytes, ring_bytes);
                assert_int_equal((traces[n].trace.degraded >> LINK_LACKS_RING_SIZE) & 1, ring_bytes < (size_t)2 << 20);
                free_bytes -= charge_of_rings(ring_bytes);
                n++;
        }
        assert_int_equal(traces[0].trace.ring_bytes, (size_t)2 << 20);
        expect_refused(&session, target.pid, ENOSPC, "even the smallest ring buffers");
        while (n > 0)
                detach(&session, &traces[--n]);
        target_end(&target);
        session_end(&session);
}

static void test_from_exec(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_exec);
        uint64_t samples[N_EVENT_KINDS];

        struct attached attached = attach(&session, target.pid, LINK_ATTACH_FROM_EXEC);
        assert_int_equal(attached.started.degraded & (1u << LINK_LACKS_BARRIER), 0);
        say(target.command, 'g');
        struct link_counts counts = expect_counts(&session, &attached, LINK_EXITED);
        assert_true(counts.count[EVENT_ENTRY] > 10);
        assert_int_equal(counts.count[EVENT_ENTRY], counts.count[EVENT_MIN] + counts.count[EVENT_MAJ]);
        assert_int_not_equal(counts.unseen, PROTO_UNSEEN_UNKNOWN);
        count_samples(&attached, samples);
        for (int kind = 0; kind < EVENT_SIDEBAND; kind++)
                assert_int_equal(samples[kind], counts.count[kind]);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

/* ---------------------------------------------------------------- files */

static void *mapped_file;

/* Maps the file "mapped" of the current directory. */
static void run_mapper(int command, int answer)
{
        target_say(answer, 'r');
        target_hear(command);
        target_say(answer, 'd');
        target_hear(command);
}

static void test_files(void **state)
{
        struct session session = session_start();
        char path[] = "/tmp/monitor-link-XXXXXX", other[64];
        int fd = mkstemp(path);
        struct stat st;

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, (off_t)PAGE), 0);
        assert_int_equal(fstat(fd, &st), 0);
        mapped_file = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
        assert_ptr_not_equal(mapped_file, MAP_FAILED);
        struct target target = target_start(run_mapper);
        assert_int_equal(hear(target.answer), 'r');
        munmap(mapped_file, PAGE);
        close(fd);
        struct attached attached = attach(&session, target.pid, 0);
        struct link_open open = {.trace = attached.trace.trace,
                                 .req = 9,
                                 .kind = LINK_OPEN_IMAGE,
                                 .addr = (uint64_t)(uintptr_t)mapped_file,
                                 .inode = st.st_ino,
                                 .major = major(st.st_dev),
                                 .minor = minor(st.st_dev)};

        memcpy(open.path, path, sizeof(path));
        expect_same_file(&session, open, &st);
        /* Renamed, then deleted: what is mapped is still what is opened. */
        snprintf(other, sizeof(other), "%s.renamed", path);
        assert_int_equal(rename(path, other), 0);
        expect_same_file(&session, open, &st);
        assert_int_equal(unlink(other), 0);
        expect_same_file(&session, open, &st);
        /* Nothing mapped there, and the path gone. */
        open.addr = 4096;
        expect_open_error(&session, open, ENOENT);
        /* By path alone: another inode than the record's, a directory, a device, a relative path. */
        memcpy(open.path, "/bin/sh", 8);
        expect_open_error(&session, open, ESTALE);
        memcpy(open.path, "/tmp", 5);
        expect_open_error(&session, open, EINVAL);
        memcpy(open.path, "/dev/zero", 10);
        expect_open_error(&session, open, EINVAL);
        memcpy(open.path, "bin/sh", 7);
        expect_open_error(&session, open, EINVAL);
        memset(open.path, 'x', sizeof(open.path));
        expect_open_error(&session, open, EINVAL);

        memset(&open, 0, sizeof(open));
        open.trace = attached.trace.trace;
        open.kind = LINK_OPEN_BUILD_ID;
        open.n_build_id = LINK_BUILD_ID_BYTES;
        expect_open_error(&session, open, ENOENT);
        open.n_build_id = LINK_BUILD_ID_BYTES + 1;
        expect_open_error(&session, open, EINVAL);
        open.kind = LINK_OPEN_DEBUGLINK;
        memcpy(open.path, "/bin/sh", 8);
        memcpy(open.name, "../../etc/passwd", 17);
        expect_open_error(&session, open, EINVAL);
        memcpy(open.name, "..", 3);
        expect_open_error(&session, open, EINVAL);
        memcpy(open.name, "no-such.debug", 14);
        expect_open_error(&session, open, ENOENT);
        open.kind = 77;
        expect_open_error(&session, open, EINVAL);

        open.kind = LINK_OPEN_MAPS;
        struct link_received maps = open_file(&session, open);
        assert_int_equal(maps.message.opened.error, 0);
        link_close_fds(&maps);
        open.kind = LINK_OPEN_KALLSYMS;
        struct link_received kallsyms = open_file(&session, open);
        assert_int_equal(kallsyms.message.opened.error,
                         (attached.started.degraded & (1u << LINK_LACKS_KALLSYMS)) != 0 ? EPERM : 0);
        link_close_fds(&kallsyms);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

/* ---------------------------------------------------------------- another user's client, of the service */

struct service {
        pid_t monitor;
        int log; /* its standard error */
        char folder[32], path[64];
};

static struct service service_start_with(int (*engine)(int link_fd))
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

static struct service service_start(void)
{
        return service_start_with(fake_engine);
}

/* A connection of ours. */
static int service_connect(const struct service *service)
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

static void service_end(struct service *service)
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

static void become_nobody(void)
{
        if (syscall(SYS_setgroups, 0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
            setresuid(NOBODY, NOBODY, NOBODY) < 0)
                _exit(83);
        prctl(PR_SET_DUMPABLE, 1);
}

/* A connection that nobody made: the credentials are recorded at connect(2). */
static struct session session_of_nobody(const struct service *service)
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

static int skipped(const char *why)
{
        printf("skipped: %s\n", why);
        return 77;
}

int main(int argc, char *argv[])
{
        struct perf_event_attr attr = {.size = sizeof(attr),
                                       .type = PERF_TYPE_SOFTWARE,
                                       .config = PERF_COUNT_SW_PAGE_FAULTS,
                                       .sample_period = 1,
                                       .sample_type = PERF_SAMPLE_PHYS_ADDR};
        int fd;

        if (argc > 1 && strcmp(argv[1], "--exit") == 0)
                return 0;
        if (geteuid() != 0)
                return skipped("needs root, for targets of other users and for full detail");
        fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
        if (fd < 0)
                return skipped("perf events with physical addresses are refused here");
        close(fd);
        signal(SIGPIPE, SIG_IGN);

        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_eight_threads_are_counted_exactly),
                cmocka_unit_test(test_exit_of_the_target),
                cmocka_unit_test(test_populated_pages_are_unseen),
                cmocka_unit_test(test_two_traces_of_one_target),
                cmocka_unit_test(test_an_engine_that_dies_loses_nothing),
                cmocka_unit_test(test_a_stopped_target_stays_stopped),
                cmocka_unit_test(test_no_signal_is_lost_in_the_barrier),
                cmocka_unit_test(test_killing_the_monitor_hurts_no_target),
                cmocka_unit_test(test_a_target_that_another_process_traces),
                cmocka_unit_test(test_a_thread_that_does_not_stop_holds_nobody),
                cmocka_unit_test(test_a_zombie_leader_with_live_threads),
                cmocka_unit_test(test_files_of_a_zombie_leader),
                cmocka_unit_test(test_many_threads_hold_up_nobody_else),
                cmocka_unit_test(test_what_cannot_be_traced),
                cmocka_unit_test(test_options_that_nobody_knows),
                cmocka_unit_test(test_rings_shrink_before_they_run_out),
                cmocka_unit_test(test_from_exec),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_connections_wait_for_descriptors),
                cmocka_unit_test(test_one_connection_too_many),
                cmocka_unit_test(test_a_user_may_trace_own_processes_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
