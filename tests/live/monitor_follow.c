/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Traces that follow children: who is let in, what is told of them, and when it is over. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "daemon/link/story.h"
#include "tests/live/monitor_support.h"

/* ---------------------------------------------------------------- targets */

/* 'g': touches N_PAGES fresh pages. 'x' or the end of the pipe: ends. */
static void run_child(int command, int answer)
{
        char c;

        signal(SIGSEGV, SIG_DFL); /* the test's own is not ours */
        target_say(answer, 'c');
        while (read(command, &c, 1) == 1 && c == 'g') {
                touch_pages(fresh_pages(N_PAGES), N_PAGES);
                target_say(answer, 'd');
        }
        _exit(0);
}

/* The commands are the child's until it ends; then 'w'. */
static void bear(int command, int answer)
{
        pid_t child = fork();

        if (child == 0)
                run_child(command, answer);
        if (child < 0 || waitpid(child, NULL, 0) != child)
                _exit(70);
        target_say(answer, 'w');
}

/* The same in the parent's memory: 'c', and any byte ends it. */
static void bear_in_place(int command, int answer)
{
        if (vfork() == 0) {
                target_say(answer, 'c');
                target_hear(command);
                _exit(0);
        }
        target_say(answer, 'w');
}

static void run_family(int command, int answer)
{
        char c;

        target_say(answer, 'r');
        while (read(command, &c, 1) == 1)
                if (c == 'f')
                        bear(command, answer);
                else if (c == 'v')
                        bear_in_place(command, answer);
}

static void run_family_as_nobody(int command, int answer)
{
        become_nobody();
        run_family(command, answer);
}

static struct target family_start(void (*run)(int command, int answer))
{
        struct target target = target_start(run);

        assert_int_equal(hear(target.answer), 'r');
        return target;
}

/* Also of one that is blocked until its child says so. */
static pid_t await_child(const struct target *target, char command)
{
        say(target->command, command);
        assert_int_equal(hear(target->answer), 'c');
        return child_of(target->pid);
}

static void touch(const struct target *target)
{
        say(target->command, 'g');
        assert_int_equal(hear(target->answer), 'd');
}

static void end_child(const struct target *target)
{
        say(target->command, 'x');
        assert_int_equal(hear(target->answer), 'w');
}

/* ---------------------------------------------------------------- what an engine does */

/* It is ours since its parent was killed. */
static void reap(pid_t child)
{
        assert_int_equal(waitpid(child, NULL, 0), child);
}

static void ask_follow(struct session *session, const struct attached *attached, pid_t pid)
{
        struct link_message message = {.type = LINK_FOLLOW, .follow = {.trace = attached->trace.trace, .pid = pid}};

        assert_int_equal(link_send(session->link_fd, &message, NULL, 0), 0);
}

static struct link_follow expect_followed(struct session *session, const struct attached *attached, pid_t pid)
{
        struct link_received received = expect(session, LINK_FOLLOWED);
        struct link_follow followed = received.message.follow;
        char byte;

        assert_int_equal(followed.trace, attached->trace.trace);
        assert_int_equal(followed.pid, pid);
        assert_int_equal(received.n_fds, followed.error == 0 ? 2 : 0);
        for (size_t i = 0; i < received.n_fds; i++)
                assert_int_equal(read(received.fds[i], &byte, 1), 1);
        link_close_fds(&received);
        return followed;
}

static struct link_follow follow(struct session *session, const struct attached *attached, pid_t pid)
{
        ask_follow(session, attached, pid);
        return expect_followed(session, attached, pid);
}

static void expect_empty(struct session *session, const struct attached *attached)
{
        struct link_received received = expect(session, LINK_EMPTY);

        assert_int_equal(received.message.id.id, attached->trace.trace);
}

/* ---------------------------------------------------------------- tests */

static void test_a_child_is_counted_and_shown(void **state)
{
        struct session session = session_start();
        struct target target = family_start(run_family);
        struct attached attached = attach(&session, target.pid, LINK_ATTACH_FOLLOW);
        uint64_t samples[N_EVENT_KINDS];
        struct stat st;

        assert_int_equal(attached.trace.flags, LINK_ATTACH_FOLLOW);
        pid_t child = await_child(&target, 'f');
        assert_int_equal(tracer_of(child), tracer_of(target.pid));
        struct link_follow followed = follow(&session, &attached, child);
        assert_int_equal(followed.error, 0);
        assert_int_equal(followed.shares_memory_of, 0);
        assert_int_equal(stat("/proc/self/exe", &st), 0);
        struct link_open open = {.trace = attached.trace.trace,
                                 .kind = LINK_OPEN_IMAGE,
                                 .pid = child,
                                 .path = "/",
                                 .addr = (uint64_t)(uintptr_t)run_child,
                                 .inode = st.st_ino,
                                 .major = major(st.st_dev),
                                 .minor = minor(st.st_dev)};
        expect_same_file(&session, open, &st);
        touch(&target);
        end_child(&target);
        expect_open_error(&session, open, EINVAL); /* by its path, which is none */
        open.kind = LINK_OPEN_MAPS;
        expect_open_error(&session, open, ESRCH);
        struct link_counts counts = stop(&session, &attached);
        assert_true(counts.count[EVENT_ENTRY] >= N_PAGES);
        assert_int_equal(counts.unseen, PROTO_UNSEEN_UNKNOWN);
        count_samples(&attached, samples);
        for (int kind = 0; kind < EVENT_SIDEBAND; kind++)
                assert_int_equal(samples[kind], counts.count[kind]);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_children_are_left_alone_without_follow(void **state)
{
        struct session session = session_start();
        struct target target = family_start(run_family);
        struct attached attached = attach(&session, target.pid, 0);
        pid_t child = await_child(&target, 'f');

        assert_int_equal(tracer_of(child), 0);
        assert_int_equal(follow(&session, &attached, child).error, EBUSY);
        touch(&target);
        end_child(&target);
        struct link_counts counts = stop(&session, &attached);
        assert_true(counts.count[EVENT_ENTRY] < N_PAGES);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_a_child_in_the_parents_memory(void **state)
{
        struct session session = session_start();
        struct target target = family_start(run_family);
        struct attached attached = attach(&session, target.pid, LINK_ATTACH_FOLLOW);
        pid_t child = await_child(&target, 'v');
        struct link_follow followed = follow(&session, &attached, child);

        assert_int_equal(followed.error, 0);
        assert_int_equal(followed.shares_memory_of, target.pid);
        end_child(&target);
        stop(&session, &attached);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_a_child_that_has_ended(void **state)
{
        struct session session = session_start();
        struct target target = family_start(run_family);
        struct attached attached = attach(&session, target.pid, LINK_ATTACH_FOLLOW);
        pid_t child = await_child(&target, 'f');

        end_child(&target);
        assert_int_equal(follow(&session, &attached, child).error, ESRCH);
        assert_int_equal(follow(&session, &attached, 0).error, ESRCH);
        assert_int_equal(follow(&session, &attached, -1).error, ESRCH);
        assert_int_equal(follow(&session, &attached, session.monitor).error, EPERM);
        stop(&session, &attached);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_the_last_one_ends_the_trace(void **state)
{
        struct session session = session_start();
        struct target target = family_start(run_family);
        struct attached attached = attach(&session, target.pid, LINK_ATTACH_FOLLOW);
        pid_t child = await_child(&target, 'f');

        assert_int_equal(follow(&session, &attached, child).error, 0);
        kill(target.pid, SIGKILL);
        assert_int_equal(waitid(P_PID, (id_t)target.pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
        touch(&target);
        assert_int_equal(follow(&session, &attached, child).error, 0); /* as a new engine would ask */
        say(target.command, 'x');
        expect_empty(&session, &attached);
        assert_int_equal(follow(&session, &attached, child).error, ESRCH);
        expect_empty(&session, &attached);
        struct link_counts counts = stop(&session, &attached);
        assert_true(counts.count[EVENT_ENTRY] >= N_PAGES);
        detach(&session, &attached);
        reap(child);
        target_end(&target);
        session_end(&session);
}

static void test_a_child_that_is_asked_for_late(void **state)
{
        struct session session = session_start();
        struct target target = family_start(run_family);
        struct attached attached = attach(&session, target.pid, LINK_ATTACH_FOLLOW);
        pid_t child = await_child(&target, 'f');

        kill(target.pid, SIGKILL);
        expect_empty(&session, &attached); /* as far as the monitor knows */
        assert_int_equal(follow(&session, &attached, child).error, 0);
        touch(&target);
        say(target.command, 'x');
        expect_empty(&session, &attached);
        stop(&session, &attached);
        detach(&session, &attached);
        reap(child);
        target_end(&target);
        session_end(&session);
}

static void test_who_may_be_followed(void **state)
{
        struct service service = service_start();
        struct session session = session_of_nobody(&service);
        struct target target = family_start(run_family_as_nobody);
        struct target roots = family_start(run_family);
        struct attached attached = attach(&session, target.pid, LINK_ATTACH_FOLLOW);
        pid_t child = await_child(&target, 'f');

        assert_int_equal(follow(&session, &attached, child).error, 0);
        assert_int_equal(follow(&session, &attached, roots.pid).error, EPERM);
        struct link_open open = {.trace = attached.trace.trace, .kind = LINK_OPEN_MAPS, .pid = roots.pid};
        expect_open_error(&session, open, ESRCH);
        for (int i = 0; i < 100; i++) { /* more than are asked at a time */
                ask_follow(&session, &attached, child);
                ask_follow(&session, &attached, roots.pid);
        }
        for (int i = 0; i < 200; i++) {
                struct link_received received = expect(&session, LINK_FOLLOWED);
                const struct link_follow *followed = &received.message.follow;

                assert_int_equal(followed->error, followed->pid == child ? 0 : EPERM);
                link_close_fds(&received);
        }
        end_child(&target);
        stop(&session, &attached);
        detach(&session, &attached);
        service_end(&service);
        close(session.client);
        close(session.link_fd);
        target_end(&target);
        target_end(&roots);
}

static void test_a_trace_of_a_child_shares_the_tracer(void **state)
{
        struct session session = session_start();
        struct target target = family_start(run_family);
        struct attached family = attach(&session, target.pid, LINK_ATTACH_FOLLOW);
        pid_t child = await_child(&target, 'f');
        struct attached one = attach(&session, child, 0);

        assert_int_equal(one.started.ptrace, PTRACE_MODE_HOLD);
        assert_int_equal(one.started.degraded & (1u << LINK_LACKS_BARRIER | 1u << LINK_LACKS_HOLD), 0);
        assert_int_equal(tracer_of(child), tracer_of(target.pid));
        stop(&session, &family);
        tracer_await_none(target.pid);
        assert_int_not_equal(tracer_of(child), 0);
        touch(&target);
        struct link_counts counts = stop(&session, &one);
        assert_true(counts.count[EVENT_ENTRY] >= N_PAGES);
        tracer_await_none(child);
        end_child(&target);
        detach(&session, &family);
        detach(&session, &one);
        target_end(&target);
        session_end(&session);
}

static void test_a_new_tracer_takes_children_as_well(void **state)
{
        struct session session = session_start();
        struct target target = family_start(run_family);
        struct attached attached = attach(&session, target.pid, LINK_ATTACH_FOLLOW);
        pid_t child = await_child(&target, 'f'), before = tracer_of(child), now;
        struct story story;
        ssize_t n;

        assert_int_equal(follow(&session, &attached, child).error, 0);
        kill(before, SIGKILL);
        do {
                sched_yield();
                now = tracer_of(child);
        } while (now == 0 || now == before || tracer_of(target.pid) != now);
        touch(&target);
        kill(child, SIGSEGV);
        assert_int_equal(hear(target.answer), 'w');
        do
                n = recv(attached.stories, &story, sizeof(story), 0);
        while (n >= (ssize_t)STORY_HEAD_BYTES && story.type == STORY_FORK);
        assert_true(n >= (ssize_t)STORY_HEAD_BYTES);
        assert_int_equal(story.type, STORY_SIGNAL);
        assert_int_equal(story.pid, child);
        stop(&session, &attached);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_child_is_counted_and_shown),
                cmocka_unit_test(test_children_are_left_alone_without_follow),
                cmocka_unit_test(test_a_child_in_the_parents_memory),
                cmocka_unit_test(test_a_child_that_has_ended),
                cmocka_unit_test(test_the_last_one_ends_the_trace),
                cmocka_unit_test(test_a_child_that_is_asked_for_late),
                cmocka_unit_test(test_who_may_be_followed),
                cmocka_unit_test(test_a_trace_of_a_child_shares_the_tracer),
                cmocka_unit_test(test_a_new_tracer_takes_children_as_well),
        };
        int r = monitor_tests_cannot_run();

        if (r == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return 1;
        return r != 0 ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
