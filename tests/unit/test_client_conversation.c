/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's conversation with a daemon, good and hostile. The pure part (session.c) is driven frame by frame; the
 * whole command (cmd_trace.c) runs in a child against a fake daemon that listens on a socket of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/cmd_trace.h"
#include "client/conn.h"
#include "client/session.h"
#include "client/view_json.h"
#include "tests/unit/client_run.h"
#include "tests/unit/client_talk.h"
#include "tests/unit/fake_daemon.h"

/* --- the pure part: client_talk.h --- */

static void test_whole_trace(void **unused)
{
        const struct proto_event event = fake_event();
        const struct proto_ledger ledger = {.kernel = 5, .delivered = 3, .filtered = 2};
        struct talk talk;
        struct proto_attach attach;

        talk_run(&talk);
        assert_int_equal(talk.n_sent, 2);
        assert_int_equal(talk.sent[0].type, MESSAGE_HELLO);
        assert_int_equal(talk.sent[1].type, MESSAGE_ATTACH);
        assert_int_equal(proto_decode_attach(talk.bodies[1], sizeof(talk.bodies[1]), &attach), 0);
        assert_int_equal(attach.pid, 42);
        assert_int_equal(attach.count_limit, 100);
        assert_int_equal(hear(&talk, fake_events(7, 0, &event, 3, 2)), 0);
        assert_int_equal(talk.session.targets[0].state.n_received, 3);
        assert_int_equal(session_stop(&talk.session), 0);
        assert_int_equal(session_stop(&talk.session), 0);
        assert_int_equal(talk.n_sent, 3);
        assert_int_equal(talk.sent[2].type, MESSAGE_STOP);
        assert_int_equal(talk.sent[2].trace, 7);
        assert_false(session_done(&talk.session));
        assert_int_equal(hear(&talk, fake_end(7, END_STOPPED, &ledger)), 0);
        assert_true(session_done(&talk.session));
        assert_false(talk.session.failed);
        assert_int_equal(talk.view->err.n_bytes, 0);
        talk_end(&talk);
}

static void test_one_of_two_refused(void **unused)
{
        const struct proto_ledger ledger = {.unseen = PROTO_UNSEEN_UNKNOWN};
        struct talk talk;

        talk_begin(&talk, 2);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(talk.n_sent, 3);
        assert_int_equal(hear(&talk, fake_error(2, EPERM, "process 50 is not yours\033[31m")), 0);
        assert_false(session_done(&talk.session));
        assert_int_equal(hear(&talk, fake_attached(1, 1, 42)), 0);
        assert_int_equal(hear(&talk, fake_end(1, END_EXITED, &ledger)), 0);
        assert_true(session_done(&talk.session));
        assert_true(talk.session.failed);
        assert_true(holds(&talk.view->err, "faultline: process 50 is not yours\\x1b[31m\n"));
        talk_end(&talk);
}

static void test_error_without_text(void **unused)
{
        struct talk talk;

        talk_begin(&talk, 1);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(hear(&talk, fake_error(1, ESRCH, "")), 0);
        assert_true(holds(&talk.view->err, "faultline: process 42 cannot be traced: No such process\n"));
        talk_end(&talk);
}

static void test_ledger_is_checked(void **unused)
{
        const struct proto_event event = fake_event();
        const struct proto_ledger unbalanced = {.kernel = 4, .delivered = 3};
        const struct proto_ledger miscounted = {.kernel = 4, .delivered = 4};
        const struct proto_ledger overflowing = {.kernel = 2, .delivered = 3, .filtered = UINT64_MAX};
        const struct {
                const struct proto_ledger *ledger;
                const char *complaint;
        } cases[] = {
                {&unbalanced, "the kernel counted 4 faults but the ledger's terms add up to 3"},
                {&miscounted, "faultlined delivered 4 faults but 3 arrived here"},
                {&overflowing, "the ledger's terms overflow"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct talk talk;

                talk_run(&talk);
                assert_int_equal(hear(&talk, fake_events(7, 0, &event, 3, 0)), 0);
                assert_int_equal(hear(&talk, fake_end(7, END_EXITED, cases[i].ledger)), 0);
                assert_true(talk.session.failed);
                assert_true(holds(&talk.view->err, cases[i].complaint));
                talk_end(&talk);
        }
}

static void test_gap_resumes(void **unused)
{
        struct proto_event event = fake_event();
        const struct proto_ledger ledger = {.kernel = 13, .delivered = 4, .filtered = 9};
        struct proto_resume resume;
        struct talk talk;

        talk_run(&talk);
        event.flags = PROTO_EVENT_INCOMPLETE;
        assert_int_equal(hear(&talk, fake_events(7, 0, &event, 3, 9)), 0);
        assert_int_equal(hear(&talk, fake_gap()), 0);
        assert_int_equal(talk.n_sent, 3);
        assert_int_equal(talk.sent[2].type, MESSAGE_RESUME);
        assert_int_equal(talk.sent[2].trace, 7);
        assert_int_equal(proto_decode_resume(talk.bodies[2], sizeof(talk.bodies[2]), &resume), 0);
        assert_int_equal(resume.kernel_base, 70);
        assert_int_equal(resume.lost_base, 5);
        assert_int_equal(resume.n_received, 3);
        assert_int_equal(resume.n_filtered, 9);
        assert_int_equal(resume.n_incomplete, 3);
        assert_int_equal(resume.count_limit, 100);
        assert_int_equal(hear(&talk, fake_attached(7, resume.req, 42)), 0);
        assert_int_equal(hear(&talk, fake_dict(7)), 0); /* ids begin anew */
        assert_int_equal(hear(&talk, fake_events(7, 3, &event, 1, 9)), 0);
        assert_int_equal(hear(&talk, fake_end(7, END_EXITED, &ledger)), 0);
        assert_false(talk.session.failed);
        talk_end(&talk);
}

static void test_gap_while_attaching_asks_again(void **unused)
{
        struct talk talk;

        talk_begin(&talk, 1);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(hear(&talk, fake_gap()), 0);
        assert_int_equal(talk.n_sent, 3);
        assert_int_equal(talk.sent[2].type, MESSAGE_ATTACH);
        assert_int_equal(hear(&talk, fake_attached(9, 2, 42)), 0);
        /* The first request was answered after all: nobody wants its trace. */
        assert_int_equal(hear(&talk, fake_attached(8, 1, 42)), 0);
        assert_int_equal(talk.n_sent, 4);
        assert_int_equal(talk.sent[3].type, MESSAGE_STOP);
        assert_int_equal(talk.sent[3].trace, 8);
        talk_end(&talk);
}

static void test_gap_before_welcome_greets_again(void **unused)
{
        struct talk talk;

        talk_begin(&talk, 1);
        assert_int_equal(hear(&talk, fake_gap()), 0);
        assert_int_equal(talk.n_sent, 2);
        assert_int_equal(talk.sent[1].type, MESSAGE_HELLO);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(talk.n_sent, 3);
        assert_int_equal(talk.sent[2].type, MESSAGE_ATTACH);
        /* The first greeting had been read after all. */
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(talk.n_sent, 3);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES + 8)), -EPROTO);
        talk_end(&talk);
}

static void test_answers_to_what_was_asked_again(void **unused)
{
        struct talk talk;

        talk_run(&talk); /* req 1, trace 7 */
        assert_int_equal(hear(&talk, fake_gap()), 0);
        assert_int_equal(hear(&talk, fake_gap()), 0);
        assert_int_equal(talk.n_sent, 4);
        assert_int_equal(talk.sent[3].type, MESSAGE_RESUME);
        assert_int_equal(hear(&talk, fake_attached(7, 2, 42)), 0); /* not stopped: the same trace */
        assert_int_equal(hear(&talk, fake_error(2, ESRCH, "the first one")), 0);
        assert_int_equal(talk.session.targets[0].phase, TARGET_RESUMING);
        assert_int_equal(hear(&talk, fake_attached(7, 3, 42)), 0);
        assert_int_equal(talk.session.targets[0].phase, TARGET_RUNNING);
        assert_int_equal(talk.n_sent, 4);
        assert_false(talk.session.failed);
        talk_end(&talk);
}

static void test_stop_before_attached(void **unused)
{
        struct talk talk;

        talk_begin(&talk, 1);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(session_stop(&talk.session), 0);
        assert_int_equal(talk.n_sent, 2);
        assert_int_equal(hear(&talk, fake_attached(7, 1, 42)), 0);
        assert_int_equal(talk.n_sent, 3);
        assert_int_equal(talk.sent[2].type, MESSAGE_STOP);
        talk_end(&talk);
}

static void test_undefined_ids_are_shown(void **unused)
{
        struct proto_event event = fake_event();
        struct talk talk;

        talk_run(&talk);
        event.thread = event.map = event.place = event.code = event.caller = UINT32_MAX;
        event.outcome = event.cause = event.access = event.page_shift = 255;
        assert_int_equal(hear(&talk, fake_events(7, 0, &event, 1, 0)), 0);
        assert_true(holds(&talk.view->out, "\"addr\":\"0x400110\""));
        talk_end(&talk);
}

static void test_wider_records_are_read(void **unused)
{
        enum { WIDE = PROTO_EVENT_BYTES + 16 };
        const struct proto_event event = fake_event();
        struct proto_header header = {.type = MESSAGE_EVENTS, .trace = 7, .count = 2};
        struct proto_buffer buffer;
        struct talk talk;

        talk_begin(&talk, 1);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, WIDE)), 0);
        assert_int_equal(hear(&talk, fake_attached(7, 1, 42)), 0);
        buffer = fake_buffer();
        assert_true(proto_begin_frame(&buffer) >= 0);
        assert_int_equal(proto_append_u64(&buffer, 0), 0);
        for (int i = 0; i < 2; i++) {
                memset(buffer.data + buffer.n_bytes, 0xff, WIDE);
                proto_put_event(buffer.data + buffer.n_bytes, &event);
                buffer.n_bytes += WIDE;
        }
        assert_true(proto_finish_frame(&buffer, &header) > 0);
        assert_int_equal(hear(&talk, (struct bytes){buffer.data, buffer.n_bytes}), 0);
        assert_int_equal(talk.session.targets[0].state.n_received, 2);
        talk_end(&talk);
}

static struct bytes with_type(struct bytes frame, unsigned int type, unsigned int flags)
{
        wire_store_u16(fake_storage + 4, (uint16_t)type);
        wire_store_u16(fake_storage + 6, (uint16_t)flags);
        return frame;
}

static void test_unknown_messages(void **unused)
{
        struct talk talk;

        talk_run(&talk);
        assert_int_equal(hear(&talk, with_type(fake_empty(7, MESSAGE_STOP), 999, 0)), 0);
        assert_int_equal(hear(&talk, with_type(fake_empty(7, MESSAGE_STOP), 999, PROTO_FLAG_CRITICAL)), -EPROTO);
        assert_true(holds(&talk.session.reason, "(type 999) that this version does not know and may not ignore"));
        talk_end(&talk);
}

static void test_other_major(void **unused)
{
        struct talk talk;

        talk_begin(&talk, 1);
        assert_int_equal(hear(&talk, fake_welcome(2, PROTO_EVENT_BYTES)), -EPROTO);
        assert_true(holds(&talk.session.reason, "faultlined 9.9 speaks version 2 of the protocol"));
        talk_end(&talk);
}

static void test_out_of_order(void **unused)
{
        struct talk talk;

        talk_begin(&talk, 1);
        assert_int_equal(hear(&talk, fake_attached(7, 1, 42)), -EPROTO);
        assert_true(holds(&talk.session.reason, "before the welcome"));
        talk_end(&talk);

        talk_run(&talk);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), -EPROTO);
        talk_end(&talk);
}

static void test_definitions_twice(void **unused)
{
        struct talk talk;

        talk_run(&talk);
        assert_int_equal(hear(&talk, fake_dict(7)), -EPROTO);
        assert_true(holds(&talk.session.reason, "(dict) that is malformed"));
        talk_end(&talk);

        talk_run(&talk);
        assert_int_equal(hear(&talk, fake_empty(7, MESSAGE_DICT_RESET)), 0);
        assert_int_equal(hear(&talk, fake_dict(7)), 0);
        talk_end(&talk);
}

static void test_other_traces_are_ignored(void **unused)
{
        const struct proto_event event = fake_event();
        struct talk talk;
        size_t n_bytes;

        talk_run(&talk);
        n_bytes = talk.view->out.n_bytes;
        assert_int_equal(hear(&talk, fake_events(8, 0, &event, 3, 0)), 0);
        assert_int_equal(hear(&talk, fake_dict(8)), 0);
        assert_int_equal(talk.view->out.n_bytes, n_bytes);
        assert_int_equal(talk.session.targets[0].state.n_received, 0);
        talk_end(&talk);
}

/* ATTACHED of version 1.1 ended before the bytes of the stack, that of 1.2 before the key, GAP before what was missed.
 */
static bool is_older(unsigned int which, size_t n_missing)
{
        const size_t n_stack = sizeof(uint32_t), n_key = 2 * sizeof(uint64_t), n_missed = 5 * sizeof(uint64_t);

        return (which == 5 && (n_missing == n_key || n_missing == n_key + n_stack)) ||
               (which == 4 && n_missing == n_missed);
}

/* Every frame cut at every length, and every frame with its count changed: an error or nothing, never a crash. */
static void test_damaged_frames(void **unused)
{
        const struct proto_event event = fake_event();
        const struct proto_ledger ledger = {0};
        uint8_t copy[1024];

        for (unsigned int which = 0; which < 6; which++)
                for (size_t cut = 0;; cut++) {
                        struct bytes frame;
                        struct talk talk;
                        int r;

                        talk_run(&talk);
                        frame = which == 0   ? fake_events(7, 0, &event, 2, 0)
                                : which == 1 ? fake_end(7, END_EXITED, &ledger)
                                : which == 2 ? fake_dict(7)
                                : which == 3 ? fake_error(1, EPERM, "text")
                                : which == 4 ? fake_gap()
                                             : fake_attached(7, 1, 42);
                        assert_true(frame.n_bytes <= sizeof(copy));
                        if (cut == frame.n_bytes) {
                                talk_end(&talk);
                                break;
                        }
                        memcpy(copy, frame.data, cut);
                        /* Once as it is (the header's length disagrees), once with a length that agrees. */
                        r = session_receive(&talk.session, copy, cut);
                        assert_int_equal(r, -EPROTO);
                        if (cut >= PROTO_HEADER_BYTES && !is_older(which, frame.n_bytes - cut)) {
                                wire_store_u32(copy, (uint32_t)cut);
                                text_free(&talk.session.reason);
                                r = session_receive(&talk.session, copy, cut);
                                assert_int_equal(r, -EPROTO);
                                assert_true(talk.session.reason.n_bytes > 0);
                        }
                        talk_end(&talk);
                }
}

static void test_count_beyond_body(void **unused)
{
        const struct proto_event event = fake_event();
        struct bytes frame;
        struct talk talk;

        talk_run(&talk);
        frame = fake_events(7, 0, &event, 2, 0);
        wire_store_u32(fake_storage + 12, UINT32_MAX);
        assert_int_equal(hear(&talk, frame), -EPROTO);
        assert_int_equal(talk.session.targets[0].state.n_received, 0);
        talk_end(&talk);
}

/* --- the whole command: client_run.h --- */

static void test_command_line_to_output(void **unused)
{
        const struct proto_event event = fake_event();
        const struct proto_ledger ledger = {.kernel = 2, .delivered = 2};
        struct run run;

        run_begin(&run, NULL);
        greet(&run);
        tell(&run, fake_events(7, 0, &event, 2, 0));
        assert_int_equal(kill(run.pid, SIGINT), 0);
        expect(&run, MESSAGE_STOP);
        tell(&run, fake_end(7, END_STOPPED, &ledger));
        assert_int_equal(run_wait(&run), 0);
        assert_non_null(strstr(read_back(&run, run.out), "app/.data/table+0x10"));
        assert_null(strstr(run.text, "--"));
        assert_non_null(strstr(read_back(&run, run.err), "stopped on request"));
        run_end(&run);
}

/* Before the command is run it is not run: not a word, and the status that a shell gives. */
static void test_interrupt_before_the_command(void **unused)
{
        static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
        char program[] = "/bin/false";
        char *command[] = {program, NULL};

        for (unsigned int i = 0; i < ARRAY_SIZE(signals) * 2; i++) {
                int signal = signals[i / 2];
                struct run run;

                run_begin(&run, command);
                expect(&run, MESSAGE_HELLO);
                if (i % 2) {
                        tell(&run, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
                        expect(&run, MESSAGE_ATTACH);
                }
                assert_int_equal(kill(run.pid, signal), 0);
                assert_int_equal(run_wait(&run), 128 + signal);
                assert_string_equal(read_back(&run, run.out), "");
                assert_string_equal(read_back(&run, run.err), "");
                run_end(&run);
        }
}

static void test_daemon_gone(void **unused)
{
        struct run run;

        run_begin(&run, NULL);
        greet(&run);
        (void)close(run.fd);
        run.fd = -1;
        assert_int_equal(run_wait(&run), 1);
        assert_non_null(strstr(read_back(&run, run.err), "faultlined has gone before the trace ended"));
        run_end(&run);
}

static void test_daemon_gone_at_once(void **unused)
{
        struct run run;

        run_begin(&run, NULL);
        (void)close(run.fd);
        run.fd = -1;
        assert_int_equal(run_wait(&run), 1);
        assert_non_null(strstr(read_back(&run, run.err), "did not start or refused the connection"));
        run_end(&run);
}

static void test_message_too_long(void **unused)
{
        static uint8_t long_message[PROTO_FRAME_MAX_BYTES + 100];
        struct run run;

        run_begin(&run, NULL);
        greet(&run);
        tell(&run, (struct bytes){long_message, sizeof(long_message)});
        assert_int_equal(run_wait(&run), 1);
        assert_non_null(strstr(read_back(&run, run.err), "longer than any that its protocol has"));
        run_end(&run);
}

/* One request may come as two signals; a second request ends it. */
static void test_second_interrupt(void **unused)
{
        struct run run;
        int status;

        run_begin(&run, NULL);
        greet(&run);
        assert_int_equal(kill(run.pid, SIGINT), 0);
        expect(&run, MESSAGE_STOP);
        while (waitpid(run.pid, &status, WNOHANG) == 0) { /* the daemon does not answer, so only this can end it */
                assert_int_equal(kill(run.pid, SIGINT), 0);
                (void)sched_yield();
        }
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 128 + SIGINT);
        run_end(&run);
}

static void test_one_interrupt_sent_twice(void **unused)
{
        const struct proto_ledger ledger = {0};
        struct run run;

        run_begin(&run, NULL);
        greet(&run);
        assert_int_equal(kill(run.pid, SIGINT), 0);
        expect(&run, MESSAGE_STOP);
        assert_int_equal(kill(run.pid, SIGINT), 0);
        tell(&run, fake_end(7, END_STOPPED, &ledger));
        assert_int_equal(run_wait(&run), 0);
        assert_non_null(strstr(read_back(&run, run.err), "complete: there was no fault"));
        run_end(&run);
}

static void test_output_full(void **unused)
{
        struct run run;

        run_begin_to(&run, NULL, open("/dev/full", O_WRONLY | O_CLOEXEC));
        expect(&run, MESSAGE_HELLO);
        tell(&run, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
        expect(&run, MESSAGE_ATTACH);
        tell(&run, fake_attached(7, 1, 42)); /* now it writes the header */
        assert_int_equal(run_wait(&run), 1);
        assert_non_null(strstr(read_back(&run, run.err), "faultline: cannot write to standard output: No space left"));
        assert_null(strstr(run.text, "trace ended"));
        run_end(&run);
}

/* As "| head" does: nobody wants to hear more, not even that. */
static void test_reader_gone(void **unused)
{
        struct run run;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        (void)close(fds[0]);
        run_begin_to(&run, NULL, fds[1]);
        assert_int_equal(run_wait(&run), 1);
        assert_string_equal(read_back(&run, run.err), "");
        run_end(&run);
}

/* A reader that has stopped reading does not keep Ctrl-C from ending the trace, and gets everything when it goes on. */
static void test_stalled_reader(void **unused)
{
        enum { N_EVENTS = 1000 };
        const struct proto_event event = fake_event();
        const struct proto_ledger ledger = {.kernel = N_EVENTS, .delivered = N_EVENTS};
        size_t n_lines = 0;
        struct run run;
        char bytes[4096];
        ssize_t n;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096);
        run_begin_to(&run, NULL, fds[1]);
        greet(&run);
        tell(&run, fake_events(7, 0, &event, N_EVENTS, 0));
        assert_int_equal(kill(run.pid, SIGINT), 0);
        expect(&run, MESSAGE_STOP);
        tell(&run, fake_end(7, END_STOPPED, &ledger));
        while ((n = read(fds[0], bytes, sizeof(bytes))) > 0)
                for (ssize_t i = 0; i < n; i++)
                        n_lines += bytes[i] == '\n';
        (void)close(fds[0]);
        assert_int_equal(run_wait(&run), 0);
        assert_int_equal(n_lines, 1 + N_EVENTS);
        assert_non_null(strstr(read_back(&run, run.err), "complete: every fault was shown"));
        run_end(&run);
}

/* Neither a zombie nor an orphan: closing the connection waits for the daemon that was started for it. */
static void test_private_daemon_is_awaited(void **unused)
{
        struct conn conn;
        char byte;
        int fds[2];
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)close(fds[0]);
                _exit(recv(fds[1], &byte, 1, 0) == 0 ? 0 : 1);
        }
        (void)close(fds[1]);
        assert_int_equal(conn_adopt(fds[0], pid, &conn), 0);
        conn_close(&conn);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
        conn_close(&conn);
}

static int run_command(struct run *run, char **command, bool refuse)
{
        const struct proto_ledger ledger = {0};

        run_begin(run, command);
        expect(run, MESSAGE_HELLO);
        tell(run, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
        expect(run, MESSAGE_ATTACH);
        if (refuse) {
                tell(run, fake_error(1, EPERM, "not permitted"));
        } else {
                tell(run, fake_attached(7, 1, 42));
                tell(run, fake_end(7, END_EXITED, &ledger));
        }
        return run_wait(run);
}

static void test_command_status(void **unused)
{
        static char sh[] = "sh", c[] = "-c", seven[] = "exit 7", die[] = "kill -TERM $$", none[] = "./no such\033";
        static char directory[] = "/";
        char *exits[] = {sh, c, seven, NULL}, *dies[] = {sh, c, die, NULL}, *missing[] = {none, NULL},
             *unfit[] = {directory, NULL};
        struct run run;

        assert_int_equal(run_command(&run, exits, false), 7);
        run_end(&run);
        assert_int_equal(run_command(&run, dies, false), 128 + SIGTERM);
        run_end(&run);
        assert_int_equal(run_command(&run, missing, false), 127);
        assert_non_null(strstr(read_back(&run, run.err), "cannot run './no such\\x1b': No such file or directory"));
        run_end(&run);
        assert_int_equal(run_command(&run, unfit, false), 126);
        run_end(&run);
}

static void test_command_not_run_untraced(void **unused)
{
        static char touch[] = "touch", path[128];
        char *command[] = {touch, path, NULL};
        struct run run;

        (void)snprintf(path, sizeof(path), "/tmp/faultline-ran-%d", (int)getpid());
        assert_int_equal(run_command(&run, command, true), 1);
        assert_non_null(strstr(read_back(&run, run.err), "not permitted"));
        run_end(&run);
        assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whole_trace),
                cmocka_unit_test(test_one_of_two_refused),
                cmocka_unit_test(test_error_without_text),
                cmocka_unit_test(test_ledger_is_checked),
                cmocka_unit_test(test_gap_resumes),
                cmocka_unit_test(test_gap_while_attaching_asks_again),
                cmocka_unit_test(test_gap_before_welcome_greets_again),
                cmocka_unit_test(test_answers_to_what_was_asked_again),
                cmocka_unit_test(test_stop_before_attached),
                cmocka_unit_test(test_undefined_ids_are_shown),
                cmocka_unit_test(test_wider_records_are_read),
                cmocka_unit_test(test_unknown_messages),
                cmocka_unit_test(test_other_major),
                cmocka_unit_test(test_out_of_order),
                cmocka_unit_test(test_definitions_twice),
                cmocka_unit_test(test_other_traces_are_ignored),
                cmocka_unit_test(test_damaged_frames),
                cmocka_unit_test(test_count_beyond_body),
                cmocka_unit_test(test_command_line_to_output),
                cmocka_unit_test(test_interrupt_before_the_command),
                cmocka_unit_test(test_daemon_gone),
                cmocka_unit_test(test_daemon_gone_at_once),
                cmocka_unit_test(test_message_too_long),
                cmocka_unit_test(test_second_interrupt),
                cmocka_unit_test(test_one_interrupt_sent_twice),
                cmocka_unit_test(test_output_full),
                cmocka_unit_test(test_reader_gone),
                cmocka_unit_test(test_stalled_reader),
                cmocka_unit_test(test_private_daemon_is_awaited),
                cmocka_unit_test(test_command_status),
                cmocka_unit_test(test_command_not_run_untraced),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
