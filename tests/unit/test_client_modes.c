/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Following, units, modes of ptrace and signals in the client's conversation: what is asked for, what is made of the
 * answers, and when a followed command is reaped.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "tests/unit/client_run.h"
#include "tests/unit/client_talk.h"

/* --- what is asked for --- */

static struct proto_attach attach_sent(struct talk *talk)
{
        struct proto_attach attach;

        assert_int_equal(hear(talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(talk->n_sent, 2);
        assert_int_equal(talk->sent[1].type, MESSAGE_ATTACH);
        assert_int_equal(proto_decode_attach(talk->bodies[1], talk->sent[1].length - PROTO_HEADER_BYTES, &attach), 0);
        return attach;
}

static void test_nothing_special(void **unused)
{
        struct proto_attach attach;
        struct talk talk;

        talk_begin(&talk, 1);
        attach = attach_sent(&talk);
        assert_int_equal(attach.pid, 42);
        assert_int_equal(attach.flags, 0);
        assert_int_equal(attach.ptrace, PTRACE_MODE_AUTO);
        assert_int_equal(attach.unit.n_bytes, 0);
        assert_int_equal(attach.stack_bytes, 0);
        talk_end(&talk);
}

static void test_stack_bytes(void **unused)
{
        static const uint32_t sizes[] = {PROTO_STACK_AUTO, 8, PROTO_STACK_MAX_BYTES};
        const int32_t pid = 42;

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                const struct session_options options = {.stack_bytes = sizes[i]};
                struct talk talk;

                talk_begin_with(&talk, &options, &pid, 1);
                assert_int_equal(attach_sent(&talk).stack_bytes, sizes[i]);
                talk_end(&talk);
        }
}

static void test_flags(void **unused)
{
        static const struct {
                struct session_options options;
                uint8_t flags;
        } cases[] = {
                {{.from_exec = true}, PROTO_ATTACH_FROM_EXEC},
                {{.follow = true}, PROTO_ATTACH_FOLLOW},
                {{.unmaps = true}, PROTO_ATTACH_UNMAPS},
                {{.lines = true}, PROTO_ATTACH_LINES},
                {{.from_exec = true, .follow = true, .unmaps = true},
                 PROTO_ATTACH_FROM_EXEC | PROTO_ATTACH_FOLLOW | PROTO_ATTACH_UNMAPS},
        };
        const int32_t pid = 42;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct talk talk;

                talk_begin_with(&talk, &cases[i].options, &pid, 1);
                assert_int_equal(attach_sent(&talk).flags, cases[i].flags);
                talk_end(&talk);
        }
}

static void test_ptrace_mode(void **unused)
{
        const struct session_options options = {.ptrace = PTRACE_MODE_LIGHT};
        const int32_t pid = 42;
        struct talk talk;

        talk_begin_with(&talk, &options, &pid, 1);
        assert_int_equal(attach_sent(&talk).ptrace, PTRACE_MODE_LIGHT);
        talk_end(&talk);
}

static void test_unit(void **unused)
{
        const struct session_options options = {.follow = true, .unit = fake_string("nginx.service")};
        const struct proto_ledger miscounted = {.kernel = 4, .delivered = 4};
        const int32_t none = 0;
        struct proto_attach attach;
        struct talk talk;

        talk_begin_with(&talk, &options, &none, 1);
        attach = attach_sent(&talk);
        assert_int_equal(attach.pid, 0);
        assert_int_equal(attach.unit.n_bytes, 13);
        assert_memory_equal(attach.unit.data, "nginx.service", 13);
        assert_int_equal(hear(&talk, fake_attached(7, 1, 0)), 0);
        assert_true(holds(&talk.view->out, "{\"type\":\"attached\",\"unit\":\"nginx.service\",\"comm\":"));
        assert_int_equal(hear(&talk, fake_end(7, END_EXITED, &miscounted)), 0);
        assert_true(holds(&talk.view->out, "{\"type\":\"end\",\"unit\":\"nginx.service\",\"reason\":\"exited\""));
        assert_true(holds(&talk.view->err, "faultline: the unit: faultlined delivered 4 faults but 0 arrived here"));
        talk_end(&talk);
}

/* A daemon of version 1.0 would do less than was asked for without a word. */
static void test_old_daemon(void **unused)
{
        const struct session_options news[] = {
                {.follow = true}, {.unmaps = true}, {.ptrace = PTRACE_MODE_OFF}, {.unit = fake_string("a.service")}};
        const struct session_options old = {.from_exec = true};
        const int32_t pid = 42;
        struct talk talk;

        for (size_t i = 0; i < ARRAY_SIZE(news); i++) {
                talk_begin_with(&talk, &news[i], &pid, 1);
                assert_int_equal(hear(&talk, fake_welcome_of(1, 0, PROTO_EVENT_BYTES)), -EPROTO);
                assert_true(holds(&talk.session.reason,
                                  "faultlined 9.9 is too old for --follow, --unit, --ptrace and --unmaps; install "
                                  "faultline and faultlined of the same version"));
                assert_int_equal(talk.n_sent, 1);
                talk_end(&talk);
        }
        talk_begin_with(&talk, &old, &pid, 1);
        assert_int_equal(hear(&talk, fake_welcome_of(1, 0, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(talk.n_sent, 2);
        talk_end(&talk);
}

/* A daemon before 1.2 would leave out the stacks without a word; without them it does all that is asked for. */
static void test_old_daemon_without_stacks(void **unused)
{
        const struct session_options stacks = {.stack_bytes = PROTO_STACK_AUTO}, none = {.follow = true};
        const int32_t pid = 42;
        struct talk talk;

        for (unsigned int minor = 0; minor < 2; minor++) {
                talk_begin_with(&talk, &stacks, &pid, 1);
                assert_int_equal(hear(&talk, fake_welcome_of(1, minor, PROTO_EVENT_BYTES)), -EPROTO);
                assert_true(holds(&talk.session.reason,
                                  "faultlined 9.9 is too old for call stacks (--stack); install faultline and "
                                  "faultlined of the same version"));
                assert_int_equal(talk.n_sent, 1);
                talk_end(&talk);
        }
        talk_begin_with(&talk, &none, &pid, 1);
        assert_int_equal(hear(&talk, fake_welcome_of(1, 1, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(talk.n_sent, 2);
        talk_end(&talk);
}

/* Names are demangled where that was asked for, and the size of stacks is kept for what is said about them. */
static void test_state_of_stacks(void **unused)
{
        const struct session_options plain = {.demangle = true}, raw = {.demangle = false};
        const struct proto_attached attached = {.req = 1, .pid = 42, .stack_bytes = 4096};
        struct proto_buffer buffer;
        const int32_t pid = 42;
        struct talk talk;

        talk_begin_with(&talk, &raw, &pid, 1);
        assert_false(talk.session.targets[0].state.demangles);
        talk_end(&talk);
        talk_begin_with(&talk, &plain, &pid, 1);
        assert_true(talk.session.targets[0].state.demangles);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        buffer = fake_buffer();
        assert_int_equal(hear(&talk, fake_done(proto_encode_attached(&buffer, 7, &attached), &buffer)), 0);
        assert_int_equal(talk.session.targets[0].state.stack_bytes, 4096);
        assert_true(holds(&talk.view->out, "\"stack_bytes\":4096"));
        talk_end(&talk);
}

/* --- what is made of the answers --- */

/* The definition of one more thread, whose name is that of fake_dict(). */
static struct bytes fake_thread(uint32_t trace, uint32_t id, int32_t pid, int32_t tid)
{
        const struct proto_def def = {.kind = DEF_THREAD, .id = id, .thread = {.pid = pid, .tid = tid, .comm = 1}};
        struct proto_header header = {.type = MESSAGE_DICT, .trace = trace, .count = 1};
        struct proto_buffer buffer = fake_buffer();

        assert_int_equal(proto_begin_frame(&buffer), 0);
        assert_int_equal(proto_append_def(&buffer, &def), 0);
        return fake_done(proto_finish_frame(&buffer, &header), &buffer);
}

static void test_several_processes(void **unused)
{
        const struct session_options follow = {.follow = true}, alone = {0};
        const int32_t pids[] = {42, 50};
        struct session session;

        assert_int_equal(session_init(&session, &follow, pids, 1), 0);
        assert_true(session.targets[0].state.several && session.targets[0].state.follows);
        session_free(&session);
        assert_int_equal(session_init(&session, &alone, pids, 2), 0);
        assert_true(session.targets[1].state.several && !session.targets[1].state.follows);
        session_free(&session);
        assert_int_equal(session_init(&session, &alone, pids, 1), 0);
        assert_false(session.targets[0].state.several);
        session_free(&session);
}

static void test_signal_and_revoked(void **unused)
{
        const struct proto_signal signal = fake_bare_signal();
        struct talk talk;

        talk_run(&talk);
        talk.view->out.n_bytes = 0;
        assert_int_equal(hear(&talk, fake_signal(8, &signal)), 0); /* of a trace that is not ours */
        assert_int_equal(hear(&talk, fake_revoked(8, 42, "no")), 0);
        assert_int_equal(talk.view->out.n_bytes, 0);
        assert_int_equal(hear(&talk, fake_signal(7, &signal)), 0);
        assert_true(holds(&talk.view->out, "{\"type\":\"signal\",\"time_ns\":1000001500,\"pid\":42,\"tid\":43,"));
        assert_int_equal(hear(&talk, fake_revoked(7, 51, "it is set-user-ID now")), 0);
        assert_true(holds(&talk.view->out,
                          "{\"type\":\"revoked\",\"time_ns\":123,\"pid\":51,\"reason\":\"it is set-user-ID now\"}\n"));
        talk_end(&talk);
}

/* Faults of several processes in one trace, and a detail that is lost between them. */
static void test_followed_processes_and_a_loss(void **unused)
{
        struct proto_event event = fake_event();
        const struct proto_ledger ledger = {.kernel = 3, .delivered = 3};
        struct bytes frame;
        struct talk talk;

        talk_run(&talk);
        frame = fake_events(7, 0, &event, 1, 0);
        assert_int_equal(hear(&talk, frame), 0);
        assert_int_equal(hear(&talk, fake_degraded(7, "hold", "too many signals")), 0);
        assert_true(holds(&talk.view->out, "{\"type\":\"degraded\",\"pid\":42,\"what\":\"hold\",\"reason\":\"too many "
                                           "signals\"}\n"));
        assert_int_equal(hear(&talk, fake_thread(7, 2, 50, 51)), 0);
        event.thread = 2;
        assert_int_equal(hear(&talk, fake_events(7, 1, &event, 2, 0)), 0);
        assert_true(holds(&talk.view->out, "\"seq\":0,\"time_ns\":1000001500,\"pid\":42,\"tid\":43,"));
        assert_true(holds(&talk.view->out, "\"seq\":2,\"time_ns\":1000001500,\"pid\":50,\"tid\":51,"));
        assert_int_equal(hear(&talk, fake_end(7, END_EXITED, &ledger)), 0);
        assert_false(talk.session.failed);
        talk_end(&talk);
}

static void test_damaged_signal(void **unused)
{
        const struct proto_signal signal = fake_bare_signal();
        struct bytes frame;
        struct talk talk;

        talk_run(&talk);
        frame = fake_signal(7, &signal);
        frame.n_bytes--;
        wire_store_u32(fake_storage, (uint32_t)frame.n_bytes);
        assert_int_equal(hear(&talk, frame), -EPROTO);
        assert_true(holds(&talk.session.reason, "(signal) that is malformed"));
        talk_end(&talk);

        talk_run(&talk);
        frame = fake_revoked(7, 42, "x");
        frame.n_bytes--;
        wire_store_u32(fake_storage, (uint32_t)frame.n_bytes);
        assert_int_equal(hear(&talk, frame), -EPROTO);
        assert_true(holds(&talk.session.reason, "(revoked) that is malformed"));
        talk_end(&talk);
}

/* Whatever can be damaged in a signal: shown or refused, nothing else. */
static void test_signal_with_any_byte_changed(void **unused)
{
        struct proto_signal signal = fake_bare_signal();
        struct talk talk;
        size_t n_bytes;

        signal.flags = 0xff;
        signal.stack.n = 2;
        signal.map = signal.nearest = signal.earlier = 1;
        signal.place = signal.code_place = signal.unmap_place = signal.stack.frames[0].place = 1;
        n_bytes = fake_signal(7, &signal).n_bytes;
        talk_run(&talk);
        for (size_t i = PROTO_HEADER_BYTES; i < n_bytes; i++) {
                struct bytes frame = fake_signal(7, &signal);
                int r;

                fake_storage[i] ^= 0xff;
                r = hear(&talk, frame);
                assert_true(r == 0 || r == -EPROTO);
                talk.view->out.n_bytes = 0;
        }
        talk_end(&talk);
}

/* The answer to a greeting is the last word, whatever else comes. */
static void test_refused_before_the_welcome(void **unused)
{
        struct talk talk;

        talk_begin(&talk, 2);
        assert_int_equal(hear(&talk, fake_error(0, EPROTONOSUPPORT, "other version")), 0);
        assert_true(session_done(&talk.session));
        assert_true(talk.session.failed);
        assert_int_equal(hear(&talk, fake_bye("other version")), 0);
        assert_int_equal(talk.session.reason.n_bytes, 0);
        assert_int_equal(talk.view->err.n_bytes, strlen("faultline: other version\n"));
        talk_end(&talk);
}

/* Stopped meanwhile, so that both frames and the end are there when it looks. */
static void test_refusal_is_one_line(void **unused)
{
        struct run run;
        int status;

        run_begin(&run, NULL);
        expect(&run, MESSAGE_HELLO);
        assert_int_equal(kill(run.pid, SIGSTOP), 0);
        assert_int_equal(waitpid(run.pid, &status, WUNTRACED), run.pid);
        assert_true(WIFSTOPPED(status));
        tell(&run, fake_error(0, EPROTONOSUPPORT, "faultlined speaks another version"));
        tell(&run, fake_bye("faultlined speaks another version"));
        (void)close(run.fd);
        run.fd = -1;
        assert_int_equal(kill(run.pid, SIGCONT), 0);
        assert_int_equal(run_wait(&run), 1);
        assert_string_equal(read_back(&run, run.err), "faultline: faultlined speaks another version\n");
        run_end(&run);
}

/* --- a followed command --- */

/* The process that the client wants traced. */
static pid_t greet_command(struct run *run)
{
        uint8_t bytes[8192];
        struct proto_attach attach;
        ssize_t n;

        expect(run, MESSAGE_HELLO);
        tell(run, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
        n = recv(run->fd, bytes, sizeof(bytes), 0);
        assert_true(n > PROTO_HEADER_BYTES);
        assert_int_equal(proto_decode_attach(bytes + PROTO_HEADER_BYTES, (size_t)n - PROTO_HEADER_BYTES, &attach), 0);
        assert_int_equal(attach.flags, PROTO_ATTACH_FROM_EXEC | PROTO_ATTACH_FOLLOW);
        tell(run, fake_attached(7, attach.req, attach.pid));
        return attach.pid;
}

static int follow_to_its_end(struct run *run, char **command)
{
        struct options options = {.command = command, .follow = true};
        const struct proto_ledger ledger = {0};
        pid_t pid;

        run_begin_with(run, &options, -1);
        pid = greet_command(run);
        while (kill(pid, 0) == 0) /* while it runs and while it is a zombie; for ever if nobody reaps it */
                (void)sched_yield();
        assert_int_equal(errno, ESRCH);
        tell(run, fake_end(7, END_EXITED, &ledger));
        return run_wait(run);
}

/* Its children may outlive it by hours; its status is not forgotten over that. */
static void test_followed_command_is_reaped_at_once(void **unused)
{
        static char sh[] = "sh", c[] = "-c", seven[] = "exit 7", die[] = "kill -TERM $$", none[] = "./none";
        char *exits[] = {sh, c, seven, NULL}, *dies[] = {sh, c, die, NULL}, *missing[] = {none, NULL};
        struct run run;

        assert_int_equal(follow_to_its_end(&run, exits), 7);
        run_end(&run);
        assert_int_equal(follow_to_its_end(&run, dies), 128 + SIGTERM);
        run_end(&run);
        assert_int_equal(follow_to_its_end(&run, missing), 127);
        assert_non_null(strstr(read_back(&run, run.err), "cannot run './none': No such file or directory"));
        run_end(&run);
}

/* The trace may end first all the same, and the command goes on until it wants to end. */
static void test_followed_command_outlives_its_trace(void **unused)
{
        static char sh[] = "sh", c[] = "-c", script[512], fifo[96];
        char *command[] = {sh, c, script, NULL};
        struct options options = {.command = command, .follow = true};
        const struct proto_ledger ledger = {0};
        struct run run;
        int fd;

        (void)snprintf(fifo, sizeof(fifo), "/tmp/faultline-fifo-%d", (int)getpid());
        (void)snprintf(script, sizeof(script), "read line < %s; exit 9", fifo);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        run_begin_with(&run, &options, -1);
        (void)greet_command(&run);
        tell(&run, fake_end(7, END_COUNT, &ledger));
        while (recv(run.fd, &(char){0}, 1, 0) > 0)
                ;                              /* until the client has hung up */
        fd = open(fifo, O_WRONLY | O_CLOEXEC); /* when the command reads */
        assert_true(fd >= 0);
        assert_int_equal(waitpid(run.pid, NULL, WNOHANG), 0);
        assert_int_equal(write(fd, "\n", 1), 1);
        (void)close(fd);
        assert_int_equal(run_wait(&run), 9);
        run_end(&run);
        (void)unlink(fifo);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_special),
                cmocka_unit_test(test_flags),
                cmocka_unit_test(test_ptrace_mode),
                cmocka_unit_test(test_unit),
                cmocka_unit_test(test_old_daemon),
                cmocka_unit_test(test_stack_bytes),
                cmocka_unit_test(test_old_daemon_without_stacks),
                cmocka_unit_test(test_state_of_stacks),
                cmocka_unit_test(test_several_processes),
                cmocka_unit_test(test_signal_and_revoked),
                cmocka_unit_test(test_followed_processes_and_a_loss),
                cmocka_unit_test(test_damaged_signal),
                cmocka_unit_test(test_signal_with_any_byte_changed),
                cmocka_unit_test(test_refused_before_the_welcome),
                cmocka_unit_test(test_refusal_is_one_line),
                cmocka_unit_test(test_followed_command_is_reaped_at_once),
                cmocka_unit_test(test_followed_command_outlives_its_trace),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
