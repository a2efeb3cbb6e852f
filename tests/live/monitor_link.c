/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real monitor and tracer against real processes, with this test in the engine's place: the fake engine hands its
 * link over to the test through the client's socket, so the test speaks the engine's side itself. What a target did is
 * known exactly, and so is what must be counted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "proto/proto.h"
#include "tests/live/monitor_support.h"

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

static size_t n_events_of(pid_t pid)
{
        char path[64], link[64];
        const struct dirent *entry;
        size_t n = 0;
        DIR *dir;

        (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
        dir = opendir(path);
        assert_non_null(dir);
        while ((entry = readdir(dir)) != NULL) {
                ssize_t n_bytes = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

                link[n_bytes > 0 ? n_bytes : 0] = '\0';
                n += strcmp(link, "anon_inode:[perf_event]") == 0;
        }
        (void)closedir(dir);
        return n;
}

/* The end of a tracepoint's last event holds up everybody who opens or inherits one. The other trace needs none. */
static void test_tracepoints_outlive_a_trace(void **state)
{
        struct session session = session_start();
        struct target other = target_start(run_workers), target = target_start(run_workers);
        const struct link_attach wish = {.pid = other.pid, .detail = DETAIL_BASIC, .ptrace = PTRACE_MODE_OFF};
        struct attached basic, full;
        size_t n_before, n_kept;

        assert_int_equal(hear(other.answer), 'r');
        assert_int_equal(hear(target.answer), 'r');
        basic = attach_with(&session, wish);
        n_before = n_events_of(session.monitor);
        full = attach(&session, target.pid, 0);
        assert_int_equal(full.started.degraded & (1u << LINK_LACKS_TRACEPOINTS), 0);
        stop(&session, &full);
        detach(&session, &full);
        do
                n_kept = n_events_of(session.monitor) - n_before;
        while (n_kept > 2);
        assert_int_equal(n_kept, 2);
        stop(&session, &basic);
        detach(&session, &basic);
        target_end(&other);
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
        int old_link = session.link_fd; /* open until its engine is dead: else that is replaced before it reads */
        say(session.client, 'k');
        say(target.command, 'g');
        assert_int_equal(hear(target.answer), 'd');
        take_link(&session);
        close(old_link);
        assert_int_equal(session.conn.restarted, 1);
        received = expect_on(session.client, LINK_TRACE);
        assert_int_equal(received.message.trace.restarted, 1);
        assert_int_equal(received.message.trace.trace, attached.trace.trace);
        assert_int_equal(received.message.trace.n_ids, attached.trace.n_ids);
        assert_int_equal(received.message.trace.rights, LINK_RIGHT_KERNEL | LINK_RIGHT_EVER);
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
        assert_int_equal(target_state(target.pid), 't'); /* PTRACE_LISTEN */
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

        assert_int_equal(hear(target.answer), 'r');
        struct target debugger = debugger_start(target.pid);
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
        target_end(&debugger);
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
        expect_refused(&session, 0, EINVAL, "neither a process nor a unit is named");
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
        struct link_trace trace = ask_trace(&session, session.monitor, LINK_ATTACH_UNMAPS << 1, &received);

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

/* ---------------------------------------------------------------- */

int main(int argc, char *argv[])
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_eight_threads_are_counted_exactly),
                cmocka_unit_test(test_exit_of_the_target),
                cmocka_unit_test(test_populated_pages_are_unseen),
                cmocka_unit_test(test_tracepoints_outlive_a_trace),
                cmocka_unit_test(test_two_traces_of_one_target),
                cmocka_unit_test(test_an_engine_that_dies_loses_nothing),
                cmocka_unit_test(test_a_stopped_target_stays_stopped),
                cmocka_unit_test(test_no_signal_is_lost_in_the_barrier),
                cmocka_unit_test(test_killing_the_monitor_hurts_no_target),
                cmocka_unit_test(test_a_target_that_another_process_traces),
                cmocka_unit_test(test_a_thread_that_does_not_stop_holds_nobody),
                cmocka_unit_test(test_a_zombie_leader_with_live_threads),
                cmocka_unit_test(test_many_threads_hold_up_nobody_else),
                cmocka_unit_test(test_what_cannot_be_traced),
                cmocka_unit_test(test_options_that_nobody_knows),
                cmocka_unit_test(test_rings_shrink_before_they_run_out),
                cmocka_unit_test(test_from_exec),
        };
        int r;

        if (argc > 1 && strcmp(argv[1], "--exit") == 0) /* LeakSanitizer does not work under ptrace(2) */
                _exit(0);
        r = monitor_tests_cannot_run();
        return r != 0 ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
