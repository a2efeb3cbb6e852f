/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a held target executes: programs that take the events away, for those who may trace them all the same, for those
 * who may not, and for those who could not hold without changing them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "tests/live/monitor_support.h"

/* ---------------------------------------------------------------- programs: this one, under other rights */

static char folder[] = "/tmp/monitor-exec-XXXXXX";
static char plain[64], of_root[64], of_nobody[64], of_a_group[64], unreadable[64];

static void make_program(char path[64], const char *name, uid_t uid, gid_t gid, mode_t mode)
{
        int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to;
        struct stat st;

        snprintf(path, 64, "%s/%s", folder, name);
        to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
        assert_true(from >= 0 && to >= 0);
        assert_int_equal(fstat(from, &st), 0);
        for (off_t left = st.st_size; left > 0;) {
                ssize_t n = sendfile(to, from, NULL, (size_t)left);

                assert_true(n > 0);
                left -= n;
        }
        assert_int_equal(fchown(to, uid, gid), 0); /* clears the bits of the mode */
        assert_int_equal(fchmod(to, mode), 0);
        close(from);
        close(to);
}

static int make_programs(void **state)
{
        assert_non_null(mkdtemp(folder));
        assert_int_equal(chmod(folder, 0755), 0);
        make_program(plain, "plain", 0, 0, 0755);
        make_program(of_root, "of-root", 0, 0, 04755);
        make_program(of_nobody, "of-nobody", NOBODY, NOBODY, 04755);
        make_program(of_a_group, "of-a-group", 0, NOBODY, 02755);
        make_program(unreadable, "unreadable", 0, 0, 0711);
        return 0;
}

static int remove_programs(void **state)
{
        const char *paths[] = {plain, of_root, of_nobody, of_a_group, unreadable};

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
                unlink(paths[i]);
        return rmdir(folder);
}

/* Says who it is: 'R' root, 'N' somebody else. 'g': touches N_PAGES fresh pages. 'x': ends. */
_Noreturn static void run_program(int command, int answer)
{
        char c;

        target_say(answer, geteuid() == 0 ? 'R' : 'N');
        while (read(command, &c, 1) == 1 && c != 'x') {
                touch_pages(fresh_pages(N_PAGES), N_PAGES);
                target_say(answer, 'd');
        }
        _exit(0); /* LeakSanitizer does not work under ptrace(2) */
}

static const char *program; /* to be executed */

static void exec_program(int command, int answer)
{
        char to[16], from[16];

        snprintf(to, sizeof(to), "%d", command);
        snprintf(from, sizeof(from), "%d", answer);
        fcntl(command, F_SETFD, 0);
        fcntl(answer, F_SETFD, 0);
        execl(program, program, "--program", to, from, NULL);
        _exit(99);
}

static void run_exec(int command, int answer)
{
        target_say(answer, 'r');
        target_hear(command);
        exec_program(command, answer);
}

static void run_exec_as_nobody(int command, int answer)
{
        become_nobody();
        run_exec(command, answer);
}

/* The same in a child; when it has ended, 'w', and what run_program() does. */
static void run_exec_in_child(int command, int answer)
{
        pid_t child;

        target_say(answer, 'r');
        target_hear(command);
        child = fork();
        if (child == 0)
                exec_program(command, answer);
        if (child < 0 || waitpid(child, NULL, 0) != child)
                _exit(98);
        target_say(answer, 'w');
        target_hear(command);
        touch_pages(fresh_pages(N_PAGES), N_PAGES);
        target_say(answer, 'd');
        target_hear(command);
}

static void run_exec_in_child_as_nobody(int command, int answer)
{
        become_nobody();
        run_exec_in_child(command, answer);
}

/* Says a process id. */
static void say_pid(int fd)
{
        pid_t pid = getpid();

        if (write(fd, &pid, sizeof(pid)) != sizeof(pid))
                _exit(97);
}

/* A child that does nothing, and a grandchild whose parent has ended before it executes the program. */
static void run_orphan(int command, int answer)
{
        pid_t child;

        become_nobody();
        target_say(answer, 'r');
        target_hear(command);
        if (fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                say_pid(answer);
                for (;;)
                        pause();
        }
        target_hear(command);
        child = fork();
        if (child == 0) {
                if (fork() > 0)
                        _exit(0);
                say_pid(answer);
                target_hear(command);
                exec_program(command, answer);
        }
        if (child < 0 || waitpid(child, NULL, 0) != child)
                _exit(98);
        for (;;)
                pause();
}

/* Its parent has ended: it is ours. */
static void await_orphan(pid_t pid)
{
        pid_t parent = 0;

        do {
                char path[32], text[256];
                int fd;

                snprintf(path, sizeof(path), "/proc/%d/stat", pid);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                assert_true(fd >= 0);
                ssize_t n = read(fd, text, sizeof(text) - 1);
                assert_true(n > 0);
                text[n] = '\0';
                close(fd);
                assert_int_equal(sscanf(strrchr(text, ')'), ") %*c %d", &parent), 1);
                sched_yield();
        } while (parent != getpid());
}

static pid_t hear_pid(int fd)
{
        pid_t pid;

        assert_int_equal(read(fd, &pid, sizeof(pid)), sizeof(pid));
        return pid;
}

static struct target exec_start(const char *path, void (*run)(int command, int answer))
{
        struct target target;

        program = path;
        target = target_start(run);
        assert_int_equal(hear(target.answer), 'r');
        return target;
}

static void touch(const struct target *target)
{
        say(target->command, 'g');
        assert_int_equal(hear(target->answer), 'd');
}

/* ---------------------------------------------------------------- tests */

/* Returns whose events they are. */
static pid_t take_ids(struct session *session, struct attached *attached)
{
        struct link_received received = expect(session, LINK_IDS);
        const struct link_ids *ids = &received.message.ids;
        size_t n_bytes = ids->n_ids * sizeof(struct link_event_id);
        char byte;

        assert_int_equal(ids->trace, attached->trace.trace);
        assert_int_equal(received.n_fds, 4);
        attached->ids = realloc(attached->ids, attached->trace.n_ids * sizeof(struct link_event_id) + n_bytes);
        assert_non_null(attached->ids);
        assert_int_equal(pread(received.fds[0], attached->ids + attached->trace.n_ids, n_bytes + 1, 0), n_bytes);
        attached->trace.n_ids += ids->n_ids;
        for (size_t i = 1; i < received.n_fds; i++)
                assert_int_equal(read(received.fds[i], &byte, 1), 1);
        link_close_fds(&received);
        return received.message.ids.pid;
}

/* Everything that was counted is in the rings, with the pages that the program touched. */
static void expect_all_counted(const struct attached *attached, const struct link_counts *counts)
{
        uint64_t samples[N_EVENT_KINDS];

        assert_true(counts->count[EVENT_ENTRY] >= N_PAGES);
        count_samples(attached, samples);
        for (int kind = 0; kind < EVENT_SIDEBAND; kind++) {
                assert_int_equal(counts->lost[kind], 0);
                assert_int_equal(samples[kind], counts->count[kind]);
        }
}

static void expect_nothing(const struct session *session)
{
        struct pollfd poll_fd = {.fd = session->link_fd, .events = POLLIN};

        assert_int_equal(poll(&poll_fd, 1, 0), 0);
}

static void test_an_exec_that_takes_nothing(void **state)
{
        const char *const programs[] = {plain, unreadable /* but not by root */, of_root};

        for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
                struct session session = session_start();
                struct target target = exec_start(programs[i], run_exec);
                struct attached attached = attach(&session, target.pid, 0);

                say(target.command, 'e');
                assert_int_equal(hear(target.answer), 'R');
                touch(&target);
                expect_nothing(&session);
                struct link_counts counts = stop(&session, &attached);
                expect_all_counted(&attached, &counts);
                assert_int_not_equal(counts.unseen, PROTO_UNSEEN_UNKNOWN);
                detach(&session, &attached);
                target_end(&target);
                session_end(&session);
        }
}

static void expect_reopened(const char *path, uint32_t flags, char who)
{
        struct session session = session_start();
        struct target target = exec_start(path, run_exec);
        struct attached attached = attach(&session, target.pid, flags);

        say(target.command, 'e');
        assert_int_equal(take_ids(&session, &attached), target.pid);
        assert_int_equal(hear(target.answer), who);
        touch(&target);
        struct link_counts counts = stop(&session, &attached);
        expect_all_counted(&attached, &counts);
        assert_int_equal(counts.unseen, PROTO_UNSEEN_UNKNOWN);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_an_exec_that_takes_the_events(void **state)
{
        expect_reopened(of_nobody, 0, 'N');
        expect_reopened(of_a_group, 0, 'R');
        expect_reopened(of_a_group, LINK_ATTACH_FOLLOW, 'R');
        expect_reopened(of_a_group, LINK_ATTACH_FROM_EXEC, 'R');
}

static void test_every_trace_gets_its_events(void **state)
{
        struct session session = session_start();
        struct target target = exec_start(of_a_group, run_exec);
        struct attached first = attach(&session, target.pid, 0);
        struct attached second = attach(&session, target.pid, 0);

        say(target.command, 'e');
        assert_int_equal(take_ids(&session, &second), target.pid);
        assert_int_equal(take_ids(&session, &first), target.pid);
        assert_int_equal(hear(target.answer), 'R');
        touch(&target);
        first.is_shared = second.is_shared = true;
        struct link_counts counts = stop(&session, &first);
        expect_all_counted(&first, &counts);
        counts = stop(&session, &second);
        expect_all_counted(&second, &counts);
        detach(&session, &first);
        detach(&session, &second);
        target_end(&target);
        session_end(&session);
}

static void test_an_engine_that_dies_knows_the_new_events(void **state)
{
        struct session session = session_start();
        struct target target = exec_start(of_a_group, run_exec);
        struct attached attached = attach(&session, target.pid, 0);
        struct link_received received;

        say(target.command, 'e');
        assert_int_equal(take_ids(&session, &attached), target.pid);
        assert_int_equal(hear(target.answer), 'R');
        int old_link = session.link_fd; /* open until its engine is dead: else that is replaced before it reads */
        say(session.client, 'k');
        take_link(&session);
        close(old_link);
        received = expect_on(session.client, LINK_TRACE);
        assert_int_equal(received.message.trace.n_ids, attached.trace.n_ids);
        size_t n_bytes = attached.trace.n_ids * sizeof(struct link_event_id);
        void *ids = malloc(n_bytes + 1);
        assert_non_null(ids);
        assert_int_equal(pread(received.fds[LINK_FD_IDS], ids, n_bytes + 1, 0), n_bytes);
        assert_memory_equal(ids, attached.ids, n_bytes);
        free(ids);
        link_close_fds(&received);
        stop(&session, &attached);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

/* Nobody's process becomes root: the trace is over, the program runs with all its rights. */
static void expect_revoked(const char *path, uint32_t flags, char who)
{
        struct service service = service_start();
        struct session session = session_of_nobody(&service);
        struct target target = exec_start(path, run_exec_as_nobody);
        struct attached attached = attach(&session, target.pid, flags);
        struct link_received received;

        assert_int_equal(attached.started.ptrace, PTRACE_MODE_HOLD);
        say(target.command, 'e');
        received = expect(&session, LINK_REVOKED);
        assert_int_equal(received.message.follow.trace, attached.trace.trace);
        assert_int_equal(received.message.follow.pid, target.pid);
        assert_int_equal(received.message.follow.error, EPERM);
        struct link_counts counts = expect_counts(&session, &attached, LINK_STRIPPED);
        assert_int_equal(hear(target.answer), who);
        tracer_await_none(target.pid);
        touch(&target);
        assert_true(counts.count[EVENT_ENTRY] < N_PAGES);
        detach(&session, &attached);
        service_end(&service);
        close(session.client);
        close(session.link_fd);
        target_end(&target);
}

static void test_what_the_peer_may_not_see(void **state)
{
        expect_revoked(of_root, 0, 'R');
        expect_revoked(of_root, LINK_ATTACH_FOLLOW, 'R');
        expect_revoked(unreadable, 0, 'N');
}

static int follow(struct session *session, const struct attached *attached, pid_t pid)
{
        struct link_message message = {.type = LINK_FOLLOW, .follow = {.trace = attached->trace.trace, .pid = pid}};
        struct link_received received;
        int error;

        assert_int_equal(link_send(session->link_fd, &message, NULL, 0), 0);
        received = expect(session, LINK_FOLLOWED);
        error = received.message.follow.error;
        link_close_fds(&received);
        return error;
}

/* It has executed before the engine can have heard of it. */
static void test_a_child_that_loses_its_events(void **state)
{
        struct session session = session_start();
        struct target target = exec_start(of_a_group, run_exec_in_child);
        struct attached attached = attach(&session, target.pid, LINK_ATTACH_FOLLOW);

        say(target.command, 'e');
        pid_t child = take_ids(&session, &attached);
        assert_int_not_equal(child, target.pid);
        assert_int_equal(follow(&session, &attached, child), 0);
        assert_int_equal(hear(target.answer), 'R');
        touch(&target);
        say(target.command, 'x');
        assert_int_equal(hear(target.answer), 'w');
        touch(&target);
        struct link_counts counts = stop(&session, &attached);
        expect_all_counted(&attached, &counts);
        assert_true(counts.count[EVENT_ENTRY] >= (uint64_t)2 * N_PAGES);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_a_child_that_the_peer_may_not_see(void **state)
{
        struct service service = service_start();
        struct session session = session_of_nobody(&service);
        struct target target = exec_start(of_root, run_exec_in_child_as_nobody);
        struct attached attached = attach(&session, target.pid, LINK_ATTACH_FOLLOW);
        struct link_received received;

        say(target.command, 'e');
        received = expect(&session, LINK_REVOKED);
        pid_t child = received.message.follow.pid;
        assert_int_not_equal(child, target.pid);
        assert_int_equal(received.message.follow.error, EPERM);
        assert_int_equal(hear(target.answer), 'R');
        assert_int_equal(follow(&session, &attached, child), EPERM);
        touch(&target);
        say(target.command, 'x');
        assert_int_equal(hear(target.answer), 'w');
        assert_int_not_equal(tracer_of(target.pid), 0);
        touch(&target);
        struct link_counts counts = stop(&session, &attached);
        expect_all_counted(&attached, &counts);
        assert_true(counts.count[EVENT_ENTRY] < (uint64_t)2 * N_PAGES);
        detach(&session, &attached);
        service_end(&service);
        close(session.client);
        close(session.link_fd);
        target_end(&target);
}

static void end_service(struct service *service, struct session *session)
{
        service_end(service);
        close(session->client);
        close(session->link_fd);
}

/* Between the last question at the attach and the barrier. */
static void test_a_program_that_comes_before_the_tracer(void **state)
{
        struct service service = service_start();
        struct session session = session_of_nobody(&service);
        struct target target = exec_start(of_root, run_exec_as_nobody);
        struct attached attached = prepare(&session, target.pid, 0);

        assert_int_equal(attached.trace.ptrace, PTRACE_MODE_HOLD);
        say(target.command, 'e');
        assert_int_equal(hear(target.answer), 'R');
        send_id(&session, LINK_READY, attached.trace.trace);
        expect(&session, LINK_STARTED);
        struct link_counts counts = expect_counts(&session, &attached, LINK_STRIPPED);
        assert_int_equal(counts.unseen, PROTO_UNSEEN_UNKNOWN);
        tracer_await_none(target.pid);
        touch(&target);
        detach(&session, &attached);
        end_service(&service, &session);
        target_end(&target);
}

/* Between one tracer and the next. */
static void test_a_program_that_comes_between_tracers(void **state)
{
        struct service service = service_start();
        struct session session = session_of_nobody(&service);
        struct target target = exec_start(of_root, run_exec_as_nobody);
        struct attached attached = attach(&session, target.pid, 0);

        assert_int_equal(attached.started.ptrace, PTRACE_MODE_HOLD);
        assert_int_equal(kill(service.monitor, SIGSTOP), 0);
        while (target_state(service.monitor) != 'T')
                sched_yield();
        assert_int_equal(kill(tracer_of(target.pid), SIGKILL), 0);
        tracer_await_none(target.pid);
        say(target.command, 'e');
        assert_int_equal(hear(target.answer), 'R');
        assert_int_equal(kill(service.monitor, SIGCONT), 0);
        struct link_received received = expect(&session, LINK_REVOKED);
        assert_int_equal(received.message.follow.pid, target.pid);
        expect_counts(&session, &attached, LINK_STRIPPED);
        tracer_await_none(target.pid);
        touch(&target);
        detach(&session, &attached);
        end_service(&service, &session);
        target_end(&target);
}

/* The peer keeps its tracer where nothing has changed. */
static void test_a_peer_keeps_its_next_tracer(void **state)
{
        struct service service = service_start();
        struct session session = session_of_nobody(&service);
        struct target target = exec_start(plain, run_exec_as_nobody);
        struct attached attached = attach(&session, target.pid, 0);
        pid_t before = tracer_of(target.pid), now;

        assert_int_equal(kill(before, SIGKILL), 0);
        do {
                sched_yield();
                now = tracer_of(target.pid);
        } while (now == 0 || now == before);
        say(target.command, 'e');
        assert_int_equal(hear(target.answer), 'N');
        assert_int_not_equal(tracer_of(target.pid), 0);
        touch(&target);
        expect_nothing(&session);
        stop(&session, &attached);
        detach(&session, &attached);
        end_service(&service, &session);
        target_end(&target);
}

/* Two traces of a family on one tracer: whose an orphan is cannot be told, but it is watched. */
static void test_an_orphan_that_the_peer_may_not_see(void **state)
{
        struct service service = service_start();
        struct session session = session_of_nobody(&service);
        struct target target = exec_start(of_root, run_orphan);
        struct attached family = attach(&session, target.pid, LINK_ATTACH_FOLLOW);

        say(target.command, 'c');
        pid_t child = hear_pid(target.answer);
        struct attached one = attach(&session, child, 0);
        assert_int_equal(tracer_of(child), tracer_of(target.pid));
        say(target.command, 'o');
        pid_t orphan = hear_pid(target.answer);
        assert_int_equal(tracer_of(orphan), tracer_of(target.pid));
        await_orphan(orphan);
        say(target.command, 'e');
        assert_int_equal(hear(target.answer), 'R');
        assert_int_equal(tracer_of(orphan), 0);
        touch(&target);
        say(target.command, 'x');
        assert_int_equal(waitpid(orphan, NULL, 0), orphan);
        assert_int_not_equal(tracer_of(target.pid), 0);
        stop(&session, &family);
        stop(&session, &one);
        detach(&session, &family);
        detach(&session, &one);
        end_service(&service, &session);
        target_end(&target);
}

static void test_a_peer_keeps_what_it_may_see(void **state)
{
        struct service service = service_start();
        struct session session = session_of_nobody(&service);
        struct target target = exec_start(plain, run_exec_as_nobody);
        struct attached attached = attach(&session, target.pid, 0);

        say(target.command, 'e');
        assert_int_equal(hear(target.answer), 'N');
        touch(&target);
        expect_nothing(&session);
        struct link_counts counts = stop(&session, &attached);
        expect_all_counted(&attached, &counts);
        detach(&session, &attached);
        service_end(&service);
        close(session.client);
        close(session.link_fd);
        target_end(&target);
}

static bool may_trace_unprivileged(void)
{
        int level = -1;
        FILE *file = fopen("/proc/sys/kernel/perf_event_paranoid", "r");

        if (file == NULL)
                return false;
        if (fscanf(file, "%d", &level) != 1)
                level = 99;
        fclose(file);
        return level <= 2;
}

/* Without CAP_SYS_PTRACE holding takes the rights from a set-user-ID program: only for those who insist. */
static void expect_from_unprivileged(enum ptrace_mode asked, enum ptrace_mode granted, char who)
{
        struct session session = session_start_as_nobody();
        struct target target = exec_start(of_root, run_exec_as_nobody);
        struct attached attached = attach_with(
                &session, (struct link_attach){.pid = target.pid, .detail = DETAIL_AUTO, .ptrace = (uint32_t)asked});

        assert_int_equal(attached.trace.ptrace, granted);
        assert_int_equal(attached.started.ptrace, granted);
        assert_int_equal((attached.started.degraded >> LINK_LACKS_HOLD) & 1, asked == PTRACE_MODE_AUTO);
        assert_int_equal(attached.started.degraded_errno[LINK_LACKS_HOLD], asked == PTRACE_MODE_AUTO ? EACCES : 0);
        if (granted != PTRACE_MODE_HOLD)
                tracer_await_none(target.pid);
        say(target.command, 'e');
        assert_int_equal(hear(target.answer), who);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_an_unprivileged_daemon_takes_no_rights_away(void **state)
{
        if (!may_trace_unprivileged()) {
                print_message("kernel.perf_event_paranoid is above 2\n");
                skip();
        }
        expect_from_unprivileged(PTRACE_MODE_AUTO, PTRACE_MODE_LIGHT, 'R');
        expect_from_unprivileged(PTRACE_MODE_HOLD, PTRACE_MODE_HOLD, 'N');
}

/* One child whose memory map an unprivileged daemon may not read is not all children. */
static void test_an_unprivileged_daemon_loses_one_child(void **state)
{
        if (!may_trace_unprivileged()) {
                print_message("kernel.perf_event_paranoid is above 2\n");
                skip();
        }
        struct session session = session_start_as_nobody();
        struct target target = exec_start(unreadable, run_exec_in_child_as_nobody);
        struct attached attached = attach_with(&session, (struct link_attach){.pid = target.pid,
                                                                              .detail = DETAIL_AUTO,
                                                                              .flags = LINK_ATTACH_FOLLOW,
                                                                              .ptrace = PTRACE_MODE_HOLD});
        say(target.command, 'e');
        struct link_received received = expect(&session, LINK_REVOKED);
        assert_int_not_equal(received.message.follow.pid, target.pid);
        assert_int_equal(received.message.follow.error, EACCES);
        assert_int_equal(hear(target.answer), 'N');
        touch(&target);
        say(target.command, 'x');
        assert_int_equal(hear(target.answer), 'w');
        touch(&target);
        assert_int_not_equal(tracer_of(target.pid), 0);
        struct link_counts counts = stop(&session, &attached);
        assert_true(counts.count[EVENT_ENTRY] >= N_PAGES);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

int main(int argc, char *argv[])
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_exec_that_takes_nothing),
                cmocka_unit_test(test_an_exec_that_takes_the_events),
                cmocka_unit_test(test_every_trace_gets_its_events),
                cmocka_unit_test(test_an_engine_that_dies_knows_the_new_events),
                cmocka_unit_test(test_what_the_peer_may_not_see),
                cmocka_unit_test(test_a_child_that_loses_its_events),
                cmocka_unit_test(test_a_child_that_the_peer_may_not_see),
                cmocka_unit_test(test_a_program_that_comes_before_the_tracer),
                cmocka_unit_test(test_a_program_that_comes_between_tracers),
                cmocka_unit_test(test_a_peer_keeps_its_next_tracer),
                cmocka_unit_test(test_an_orphan_that_the_peer_may_not_see),
                cmocka_unit_test(test_a_peer_keeps_what_it_may_see),
                cmocka_unit_test(test_an_unprivileged_daemon_takes_no_rights_away),
                cmocka_unit_test(test_an_unprivileged_daemon_loses_one_child),
        };
        struct statvfs fs;
        int r;

        if (argc == 4 && strcmp(argv[1], "--program") == 0)
                run_program(atoi(argv[2]), atoi(argv[3]));
        r = monitor_tests_cannot_run();
        if (r != 0)
                return r;
        if (statvfs("/tmp", &fs) < 0 || (fs.f_flag & (ST_NOSUID | ST_NOEXEC)) != 0) {
                printf("skipped: /tmp is mounted nosuid or noexec\n");
                return 77;
        }
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) /* orphans are ours */
                return 1;
        return cmocka_run_group_tests(tests, make_programs, remove_programs);
}
