/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who holds a target, for whom and how long: hold, light, off, and what happens to the tracer. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "daemon/link/story.h"
#include "tests/live/monitor_support.h"

static struct attached attach_by(struct session *session, pid_t pid, enum ptrace_mode mode)
{
        return attach_with(session, (struct link_attach){.pid = pid, .detail = DETAIL_AUTO, .ptrace = (uint32_t)mode});
}

static bool lacks(const struct link_started *started, enum link_detail what)
{
        return (started->degraded & (1u << what)) != 0;
}

static void expect_lack(const struct link_started *started, enum link_detail what, int error)
{
        assert_true(lacks(started, what));
        assert_int_equal(started->degraded_errno[what], error);
}

static void expect_degraded(struct session *session, const struct attached *attached, int error)
{
        struct link_received received = expect(session, LINK_DEGRADED);

        assert_int_equal(received.message.degraded.trace, attached->trace.trace);
        assert_int_equal(received.message.degraded.what, LINK_LACKS_HOLD);
        assert_int_equal(received.message.degraded.error, error);
}

static void test_modes(void **state)
{
        static const struct {
                enum ptrace_mode asked, granted;
        } modes[] = {{PTRACE_MODE_AUTO, PTRACE_MODE_HOLD},
                     {PTRACE_MODE_HOLD, PTRACE_MODE_HOLD},
                     {PTRACE_MODE_LIGHT, PTRACE_MODE_LIGHT},
                     {PTRACE_MODE_OFF, PTRACE_MODE_OFF}};
        struct session session = session_start();
        struct target target = target_start(run_workers);

        assert_int_equal(hear(target.answer), 'r');
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                struct attached attached = attach_by(&session, target.pid, modes[i].asked);

                assert_int_equal(attached.trace.ptrace, modes[i].granted);
                assert_int_equal(attached.started.ptrace, modes[i].granted);
                assert_false(lacks(&attached.started, LINK_LACKS_HOLD));
                if (modes[i].asked == PTRACE_MODE_OFF)
                        expect_lack(&attached.started, LINK_LACKS_BARRIER, 0);
                else
                        assert_false(lacks(&attached.started, LINK_LACKS_BARRIER));
                if (modes[i].granted == PTRACE_MODE_HOLD)
                        assert_int_not_equal(tracer_of(target.pid), 0);
                else
                        tracer_await_none(target.pid);
                stop(&session, &attached);
                detach(&session, &attached);
                tracer_await_none(target.pid);
        }
        target_end(&target);
        session_end(&session);
}

static void test_modes_where_another_process_traces(void **state)
{
        static const enum ptrace_mode modes[] = {PTRACE_MODE_AUTO, PTRACE_MODE_HOLD, PTRACE_MODE_LIGHT,
                                                 PTRACE_MODE_OFF};
        struct session session = session_start();
        struct target target = target_start(run_signals);

        assert_int_equal(hear(target.answer), 'r');
        struct target debugger = debugger_start(target.pid);
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                struct attached attached = attach_by(&session, target.pid, modes[i]);
                bool wants_hold = modes[i] == PTRACE_MODE_AUTO || modes[i] == PTRACE_MODE_HOLD;

                assert_int_equal(attached.trace.ptrace, PTRACE_MODE_OFF);
                assert_int_equal(attached.started.ptrace, PTRACE_MODE_OFF);
                expect_lack(&attached.started, LINK_LACKS_BARRIER, modes[i] == PTRACE_MODE_OFF ? 0 : EBUSY);
                assert_int_equal(lacks(&attached.started, LINK_LACKS_HOLD), wants_hold);
                assert_int_equal(attached.started.degraded_errno[LINK_LACKS_HOLD], wants_hold ? EBUSY : 0);
                assert_int_equal(tracer_of(target.pid), debugger.pid);
                detach(&session, &attached);
        }
        target_end(&debugger);
        target_end(&target);
        session_end(&session);
}

/* It came between LINK_TRACE and LINK_READY. */
static void test_a_tracer_that_comes_first(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_signals);
        struct link_received received;

        assert_int_equal(hear(target.answer), 'r');
        struct attached attached = prepare(&session, target.pid, 0);
        assert_int_equal(attached.trace.ptrace, PTRACE_MODE_HOLD);
        struct target debugger = debugger_start(target.pid);
        send_id(&session, LINK_READY, attached.trace.trace);
        received = expect(&session, LINK_STARTED);
        assert_int_equal(received.message.started.ptrace, PTRACE_MODE_OFF);
        expect_lack(&received.message.started, LINK_LACKS_HOLD, EBUSY);
        expect_lack(&received.message.started, LINK_LACKS_BARRIER, EBUSY);
        detach(&session, &attached);
        target_end(&debugger);
        target_end(&target);
        session_end(&session);
}

static void test_two_traces_share_a_tracer(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_workers);

        assert_int_equal(hear(target.answer), 'r');
        struct attached first = attach(&session, target.pid, 0);
        pid_t tracer = tracer_of(target.pid);
        struct attached second = attach(&session, target.pid, 0);
        struct attached third = attach_by(&session, target.pid, PTRACE_MODE_LIGHT);
        first.is_shared = second.is_shared = third.is_shared = true;
        assert_int_not_equal(tracer, 0);
        assert_int_equal(tracer_of(target.pid), tracer);
        assert_int_equal(second.started.ptrace, PTRACE_MODE_HOLD);
        assert_int_equal(third.started.ptrace, PTRACE_MODE_LIGHT);
        assert_int_equal((second.started.degraded | third.started.degraded) &
                                 (1u << LINK_LACKS_BARRIER | 1u << LINK_LACKS_HOLD),
                         0);
        say(target.command, 'g');
        assert_int_equal(hear(target.answer), 'd');
        struct link_counts counts = stop(&session, &first);
        check_counts(&first, &counts, (uint64_t)N_WORKERS * N_PAGES);
        assert_int_equal(tracer_of(target.pid), tracer);
        counts = stop(&session, &third);
        check_counts(&third, &counts, (uint64_t)N_WORKERS * N_PAGES);
        assert_int_equal(tracer_of(target.pid), tracer);
        counts = stop(&session, &second);
        check_counts(&second, &counts, (uint64_t)N_WORKERS * N_PAGES);
        tracer_await_none(target.pid);
        detach(&session, &first);
        detach(&session, &second);
        detach(&session, &third);
        target_end(&target);
        session_end(&session);
}

static void test_light_attaches_take_turns(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_signals);
        struct attached traces[12];

        assert_int_equal(hear(target.answer), 'r');
        for (size_t i = 0; i < ARRAY_SIZE(traces); i++)
                traces[i] = prepare_with(
                        &session,
                        (struct link_attach){.pid = target.pid, .detail = DETAIL_BASIC, .ptrace = PTRACE_MODE_LIGHT});
        monitor_pause(&session);
        for (size_t i = 0; i < ARRAY_SIZE(traces); i++)
                send_id(&session, LINK_READY, traces[i].trace.trace);
        monitor_continue(&session);
        for (size_t i = 0; i < ARRAY_SIZE(traces); i++) {
                struct link_received received = expect(&session, LINK_STARTED);

                assert_int_equal(received.message.started.trace, traces[i].trace.trace);
                assert_false(lacks(&received.message.started, LINK_LACKS_BARRIER));
        }
        tracer_await_none(target.pid);
        for (size_t i = 0; i < ARRAY_SIZE(traces); i++)
                detach(&session, &traces[i]);
        target_end(&target);
        session_end(&session);
}

/* --- tracers that do not do what they should --- */

static int silent_tracer(int link_fd, int process_fd)
{
        while (pause() < 0)
                ;
        return 1;
}

static int absent_tracer(int link_fd, int process_fd)
{
        return 0;
}

static int babbling_tracer(int link_fd, int process_fd)
{
        struct link_message message = {.type = LINK_TRACER_STOPPED, .tracer = {.pid = 1, .n_threads = 1}};

        return link_send(link_fd, &message, NULL, 0) < 0 ? 1 : silent_tracer(link_fd, process_fd);
}

static void expect_without(int (*tracer)(int link_fd, int process_fd), int error)
{
        struct session session = session_start_with_tracer(tracer);
        struct target target = target_start(run_workers);

        assert_int_equal(hear(target.answer), 'r');
        struct attached first = prepare(&session, target.pid, 0);
        struct attached second = prepare(&session, target.pid, 0);
        first.is_shared = second.is_shared = true;
        send_id(&session, LINK_READY, first.trace.trace);
        send_id(&session, LINK_READY, second.trace.trace);
        for (int i = 0; i < 2; i++) {
                struct link_received received = expect(&session, LINK_STARTED);
                struct attached *attached = received.message.started.trace == first.trace.trace ? &first : &second;

                attached->started = received.message.started;
                assert_int_equal(attached->started.ptrace, PTRACE_MODE_OFF);
                expect_lack(&attached->started, LINK_LACKS_BARRIER, error);
                expect_lack(&attached->started, LINK_LACKS_HOLD, error);
        }
        say(target.command, 'g');
        assert_int_equal(hear(target.answer), 'd');
        struct link_counts counts = stop(&session, &first);
        check_counts(&first, &counts, (uint64_t)N_WORKERS * N_PAGES);
        detach(&session, &first);
        detach(&session, &second);
        target_end(&target);
        session_end(&session);
}

static void test_tracers_that_fail(void **state)
{
        expect_without(silent_tracer, ETIMEDOUT);
        expect_without(absent_tracer, ECHILD);
        expect_without(babbling_tracer, ECHILD);
}

/* --- stories --- */

static volatile char *broken_page;

static void repair(int signal)
{
        if (mprotect((void *)(uintptr_t)broken_page, PAGE, PROT_READ | PROT_WRITE) < 0)
                _exit(79);
}

/* Each byte is answered after a fault that a handler repaired. */
static void run_repairs(int command, int answer)
{
        struct sigaction action = {.sa_handler = repair};

        broken_page = fresh_pages(1);
        sigaction(SIGSEGV, &action, NULL);
        target_say(answer, 'r');
        for (;;) {
                if (mprotect((void *)(uintptr_t)broken_page, PAGE, PROT_NONE) < 0)
                        _exit(79);
                target_hear(command);
                *broken_page = 1;
                target_say(answer, 'd');
        }
}

static void expect_story(const struct attached *attached, pid_t pid)
{
        struct pollfd poll_fd = {.fd = attached->stories, .events = POLLIN};
        static struct story story;
        ssize_t n;

        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
        n = recv(attached->stories, &story, sizeof(story), 0);
        assert_true(n >= (ssize_t)STORY_HEAD_BYTES);
        assert_int_equal(story.type, STORY_SIGNAL);
        assert_int_equal(story.pid, pid);
        assert_int_equal(story.signal.signo, SIGSEGV);
        assert_int_equal(n, STORY_HEAD_BYTES + story.signal.n_stack_bytes);
}

static void expect_no_story(const struct attached *attached)
{
        char byte;

        assert_int_equal(recv(attached->stories, &byte, 1, MSG_PEEK), -1);
        assert_int_equal(errno, EAGAIN);
}

static void repair_once(const struct target *target)
{
        say(target->command, 'g');
        assert_int_equal(hear(target->answer), 'd');
}

static void test_stories_go_to_those_who_hold(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_repairs);

        assert_int_equal(hear(target.answer), 'r');
        struct attached holding = attach(&session, target.pid, 0);
        struct attached light = attach_by(&session, target.pid, PTRACE_MODE_LIGHT);
        repair_once(&target);
        expect_story(&holding, target.pid);
        expect_no_story(&holding);
        expect_no_story(&light);
        stop(&session, &holding);
        repair_once(&target);
        expect_no_story(&holding);
        detach(&session, &holding);
        detach(&session, &light);
        target_end(&target);
        session_end(&session);
}

/* --- tracers that die --- */

static pid_t kill_tracer(pid_t pid)
{
        pid_t tracer = tracer_of(pid);

        assert_int_not_equal(tracer, 0);
        assert_int_equal(kill(tracer, SIGKILL), 0);
        return tracer;
}

/* A tracer other than this one. */
static void await_tracer(pid_t pid, pid_t before)
{
        pid_t now;

        do {
                sched_yield();
                now = tracer_of(pid);
        } while (now == 0 || now == before);
}

static void test_a_tracer_that_dies_is_replaced(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_repairs);

        assert_int_equal(hear(target.answer), 'r');
        struct attached first = attach(&session, target.pid, 0);
        struct attached second = attach(&session, target.pid, 0);
        await_tracer(target.pid, kill_tracer(target.pid));
        struct attached third =
                attach(&session, target.pid, 0); /* comes after the new barrier, and so do our signals */
        repair_once(&target);
        expect_story(&first, target.pid);
        expect_story(&second, target.pid);
        expect_story(&third, target.pid);
        await_tracer(target.pid, kill_tracer(target.pid));
        kill_tracer(target.pid);
        expect_degraded(&session, &third, ECHILD);
        expect_degraded(&session, &second, ECHILD);
        expect_degraded(&session, &first, ECHILD);
        tracer_await_none(target.pid);
        repair_once(&target);
        stop(&session, &first);
        detach(&session, &first);
        detach(&session, &second);
        detach(&session, &third);
        target_end(&target);
        session_end(&session);
}

/* --- targets that get many signals --- */

#define N_SIGNALS 20000

static void send_signals(const struct target *target)
{
        for (int i = 0; i < N_SIGNALS; i++)
                while (sigqueue(target->pid, SIGRTMIN, (union sigval){0}) < 0)
                        sched_yield();
}

static void expect_signals(const struct target *target, int n)
{
        int got = -1;

        do {
                say(target->command, 'n');
                assert_int_equal(read(target->answer, &got, sizeof(got)), sizeof(got));
        } while (got < n);
        assert_int_equal(got, n);
}

static void test_many_signals_are_not_held_up(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_signals);

        assert_int_equal(hear(target.answer), 'r');
        struct attached attached = attach(&session, target.pid, 0);
        send_signals(&target);
        expect_degraded(&session, &attached, EAGAIN);
        tracer_await_none(target.pid);
        expect_signals(&target, N_SIGNALS);
        stop(&session, &attached);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_many_signals_where_hold_was_asked_for(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_signals);

        assert_int_equal(hear(target.answer), 'r');
        struct attached attached = attach_by(&session, target.pid, PTRACE_MODE_HOLD);
        struct attached other = attach(&session, target.pid, 0);
        pid_t tracer = tracer_of(target.pid);
        send_signals(&target);
        expect_signals(&target, N_SIGNALS);
        assert_int_equal(tracer_of(target.pid), tracer);
        stop(&session, &attached);
        stop(&session, &other);
        detach(&session, &attached);
        detach(&session, &other);
        target_end(&target);
        session_end(&session);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_modes),
                cmocka_unit_test(test_modes_where_another_process_traces),
                cmocka_unit_test(test_a_tracer_that_comes_first),
                cmocka_unit_test(test_two_traces_share_a_tracer),
                cmocka_unit_test(test_light_attaches_take_turns),
                cmocka_unit_test(test_tracers_that_fail),
                cmocka_unit_test(test_stories_go_to_those_who_hold),
                cmocka_unit_test(test_a_tracer_that_dies_is_replaced),
                cmocka_unit_test(test_many_signals_are_not_held_up),
                cmocka_unit_test(test_many_signals_where_hold_was_asked_for),
        };
        int r = monitor_tests_cannot_run();

        return r != 0 ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
