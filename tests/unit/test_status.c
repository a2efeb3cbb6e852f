/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking the service how it is: the conversation frame by frame, what two answers say together, and the commands in a
 * child of their own against a service that the test plays.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "client/cmd_metrics.h"
#include "client/cmd_status.h"
#include "tests/unit/client_run.h"
#include "tests/unit/status_answer.h"

enum { SENT_MAX = 8 };

struct talk {
        struct status_talk talk;
        unsigned int sent[SENT_MAX]; /* types */
        struct proto_status asked;   /* the last one */
        size_t n_sent;
};

static int record(void *arg, const uint8_t *frame, size_t n_bytes)
{
        struct talk *t = arg;
        struct proto_header header;

        assert_true(t->n_sent < SENT_MAX);
        assert_int_equal(proto_decode_header(frame, n_bytes, &header), 0);
        t->sent[t->n_sent++] = header.type;
        if (header.type == MESSAGE_STATUS)
                assert_int_equal(
                        proto_decode_status(frame + PROTO_HEADER_BYTES, n_bytes - PROTO_HEADER_BYTES, &t->asked), 0);
        return 0;
}

static void begin(struct talk *t, uint32_t flags)
{
        *t = (struct talk){.talk = {.send = record, .send_arg = t, .flags = flags}};
        assert_int_equal(status_talk_begin(&t->talk), 0);
        assert_int_equal(t->n_sent, 1);
        assert_int_equal(t->sent[0], MESSAGE_HELLO);
}

static int hear(struct talk *t, struct bytes frame)
{
        return status_talk_receive(&t->talk, frame.data, frame.n_bytes);
}

static void hear_well(void *arg, struct bytes frame)
{
        assert_int_equal(hear(arg, frame), 0);
}

static void greet_talk(struct talk *t, uint32_t flags)
{
        begin(t, flags);
        hear_well(t, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
        assert_int_equal(t->sent[t->n_sent - 1], MESSAGE_STATUS);
}

static void assert_reason(const struct talk *t, const char *words)
{
        const struct text *reason = &t->talk.reason;

        if (!reason->n_bytes || !memmem(reason->data, reason->n_bytes, words, strlen(words)))
                fail_msg("not \"%s\" in: %.*s", words, (int)reason->n_bytes, reason->data ? reason->data : "");
        assert_null(memchr(reason->data, '\n', reason->n_bytes));
        assert_null(memchr(reason->data, '\033', reason->n_bytes));
}

static const struct proto_status_trace one_trace = {.trace = 3, .pid = 42, .started_ns = 1, .n_faults = 100};

static struct answer small_answer(uint64_t now_ns)
{
        return (struct answer){
                .daemon = {.pid = 1, .sees_all = true, .now_ns = now_ns, .started_ns = 1, .version = {"9", 1}},
                .traces = &one_trace,
                .n_traces = 1};
}

/* --- the conversation --- */

static void test_answers(void **unused)
{
        struct answer answer = small_answer(1000);
        struct talk t;

        greet_talk(&t, PROTO_STATUS_UNITS);
        assert_int_equal(t.asked.flags, PROTO_STATUS_UNITS);
        assert_true(t.talk.is_asking);
        answer_send(&answer, t.asked.req, hear_well, &t);
        assert_false(t.talk.is_asking);
        assert_int_equal(t.talk.status.n_traces, 1);
        assert_int_equal(status_talk_ask(&t.talk), 0);
        assert_int_equal(t.asked.req, 2);
        assert_int_equal(t.talk.status.n_traces, 0);
        answer_send(&answer, 1, hear_well, &t); /* of the question before: nobody's */
        assert_true(t.talk.is_asking);
        assert_int_equal(t.talk.status.n_traces, 0);
        answer_send(&answer, 2, hear_well, &t);
        assert_false(t.talk.is_asking);
        assert_int_equal(t.talk.status.n_traces, 1);
        status_talk_free(&t.talk);
}

/* The engine died: before the welcome we greet again, behind it we ask again, and the beginning of the old answer is
 * forgotten. */
static void test_gap(void **unused)
{
        struct answer answer = small_answer(1000);
        struct talk t;

        begin(&t, 0);
        hear_well(&t, fake_gap());
        assert_int_equal(t.sent[1], MESSAGE_HELLO);
        hear_well(&t, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
        hear_well(&t, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
        assert_int_equal(t.n_sent, 3);
        hear_well(&t, fake_status_daemon(&answer.daemon, 1));
        hear_well(&t, fake_status_trace(&one_trace, 1));
        hear_well(&t, fake_gap());
        assert_int_equal(t.n_sent, 4);
        assert_int_equal(t.asked.req, 2);
        answer_send(&answer, 2, hear_well, &t);
        assert_int_equal(t.talk.status.n_traces, 1);
        assert_false(t.talk.is_asking);
        hear_well(&t, fake_gap()); /* nothing is asked for */
        assert_int_equal(t.n_sent, 4);
        status_talk_free(&t.talk);
}

static void test_refusals(void **unused)
{
        const struct proto_status_end end = {.n_omitted = 0};
        struct talk t;

        begin(&t, 0);
        assert_int_equal(hear(&t, fake_welcome_of(PROTO_MAJOR, 2, PROTO_EVENT_BYTES)), -EPROTO);
        assert_reason(&t, "faultlined 9.9 cannot tell its status");
        status_talk_free(&t.talk);
        begin(&t, 0);
        assert_int_equal(hear(&t, fake_welcome_of(PROTO_MAJOR + 1, 9, PROTO_EVENT_BYTES)), -EPROTO);
        assert_reason(&t, "install faultline and faultlined of the same version");
        status_talk_free(&t.talk);
        begin(&t, 0);
        assert_int_equal(hear(&t, fake_error(0, EACCES, "go\033 away\n")), -EPROTO);
        assert_reason(&t, "go\\x1b away\\x0a");
        status_talk_free(&t.talk);
        greet_talk(&t, 0);
        hear_well(&t, fake_error(77, EACCES, "to another question"));
        assert_int_equal(hear(&t, fake_bye("I end")), -EPROTO);
        assert_reason(&t, "I end");
        status_talk_free(&t.talk);
        greet_talk(&t, 0);
        assert_int_equal(hear(&t, fake_status_end(&end, 1)), -EPROTO); /* without a beginning */
        assert_reason(&t, "status_end) that is malformed");
        status_talk_free(&t.talk);
        greet_talk(&t, 0);
        assert_int_equal(hear(&t, (struct bytes){(const uint8_t *)"rubbish", 7}), -EPROTO);
        assert_reason(&t, "not a message of its protocol");
        status_talk_free(&t.talk);
}

/* Every answer cut short anywhere is refused or waits for more: never taken for whole. */
static void test_cut(void **unused)
{
        const struct proto_status_unit unit = {.unit = {"a.service", 9}};
        struct bytes frame = fake_status_unit(&unit, 1);
        uint8_t copy[2048];

        assert_true(frame.n_bytes < sizeof(copy));
        memcpy(copy, frame.data, frame.n_bytes);
        for (size_t n = 0; n < frame.n_bytes - PROTO_HEADER_BYTES; n++) {
                struct status status = {0};

                assert_int_equal(status_receive(&status, 1, MESSAGE_STATUS_UNIT, copy + PROTO_HEADER_BYTES, n),
                                 -EBADMSG);
                assert_int_equal(status.n_units, 0);
                status_free(&status);
        }
}

static void test_too_long(void **unused)
{
        struct proto_status_trace trace = one_trace;
        static char name[PROTO_STRING_MAX_BYTES];
        struct status status = {0};
        struct bytes frame;
        int r = STATUS_MORE;

        memset(name, 'x', sizeof(name));
        trace.unit = (struct proto_string){name, sizeof(name)};
        frame = fake_status_trace(&trace, 1);
        for (size_t i = 0; r == STATUS_MORE; i++) {
                assert_true(i * sizeof(name) <= STATUS_MAX_BYTES);
                r = status_receive(&status, 1, MESSAGE_STATUS_TRACE, frame.data + PROTO_HEADER_BYTES,
                                   frame.n_bytes - PROTO_HEADER_BYTES);
        }
        assert_int_equal(r, -EMSGSIZE);
        assert_true(status.n_bytes <= STATUS_MAX_BYTES);
        status_free(&status);
}

/* --- rates --- */

static void test_rates(void **unused)
{
        const struct proto_status_trace before[] = {{.trace = 5, .uid = 1, .started_ns = 10, .n_faults = 1000},
                                                    {.trace = 1, .uid = 1, .started_ns = 10, .n_faults = 50},
                                                    {.trace = 1, .uid = 2, .started_ns = 10, .n_faults = 7},
                                                    {.trace = 8, .uid = 2, .started_ns = 10, .n_faults = 9}};
        const struct proto_status_trace after[] = {
                {.trace = 1, .uid = 2, .started_ns = 10, .n_faults = 7},
                {.trace = 1, .uid = 1, .started_ns = 10, .n_faults = 51},
                {.trace = 5, .uid = 1, .started_ns = 11, .n_faults = 2000}, /* another one with an old number */
                {.trace = 8, .uid = 2, .started_ns = 10, .n_faults = 8},    /* backwards: not known */
                {.trace = 9, .uid = 2, .started_ns = 10, .n_faults = 8}};
        struct answer answers[] = {small_answer(1000), small_answer(1000 + NSEC_PER_SEC / 4)};
        struct status first, second;
        struct status_rates rates;

        answers[0].traces = before;
        answers[0].n_traces = ARRAY_SIZE(before);
        answers[1].traces = after;
        answers[1].n_traces = ARRAY_SIZE(after);
        answers[1].daemon.cpu_ns = NSEC_PER_SEC / 8;
        answer_make(&answers[0], &first);
        answer_make(&answers[1], &second);
        assert_int_equal(status_rates_make(&first, &second, &rates), 0);
        assert_int_equal(rates.interval_ns, NSEC_PER_SEC / 4);
        assert_true(rates.cpu.is_known && rates.cpu.per_second == 0.5);
        assert_true(rates.traces[0].is_known && rates.traces[0].per_second == 0);
        assert_true(rates.traces[1].is_known && rates.traces[1].per_second == 4);
        for (size_t i = 2; i < ARRAY_SIZE(after); i++)
                assert_false(rates.traces[i].is_known);
        status_rates_free(&rates);
        second.daemon.started_ns++; /* the service was restarted in between */
        assert_int_equal(status_rates_make(&first, &second, &rates), 0);
        assert_int_equal(rates.interval_ns, 0);
        assert_false(rates.cpu.is_known || rates.traces[0].is_known);
        status_rates_free(&rates);
        status_free(&first);
        status_free(&second);
}

/* --- the commands --- */

static struct proto_status expect_question(struct run *run)
{
        struct proto_header header;
        struct proto_status asked;
        uint8_t bytes[8192];
        ssize_t n = recv(run->fd, bytes, sizeof(bytes), 0);

        assert_true(n > PROTO_HEADER_BYTES);
        assert_int_equal(proto_decode_header(bytes, (size_t)n, &header), 0);
        assert_int_equal(header.type, MESSAGE_STATUS);
        assert_int_equal(proto_decode_status(bytes + PROTO_HEADER_BYTES, (size_t)n - PROTO_HEADER_BYTES, &asked), 0);
        return asked;
}

static void tell_frame(void *run, struct bytes frame)
{
        tell(run, frame);
}

static void welcome_run(struct run *run)
{
        expect(run, MESSAGE_HELLO);
        tell(run, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
}

/* Asked twice where a trace runs: its rate is the difference over the time that the answers name. */
static void test_command_twice(void **unused)
{
        struct options options = {.action = ACTION_STATUS, .format = FORMAT_JSON};
        struct answer answer = small_answer(1000);
        struct proto_status_trace later = one_trace;
        struct run run;

        run_begin_command(&run, cmd_status, &options, -1);
        welcome_run(&run);
        answer_send(&answer, expect_question(&run).req, tell_frame, &run);
        answer = small_answer(1000 + 2 * NSEC_PER_SEC);
        later.n_faults += 4321;
        answer.traces = &later;
        answer_send(&answer, expect_question(&run).req, tell_frame, &run);
        assert_int_equal(run_wait(&run), 0);
        assert_non_null(strstr(read_back(&run, run.out), "\"n_faults\":4421,\"faults_per_s\":2160.500,"));
        assert_non_null(strstr(read_back(&run, run.out), "\"user\":\"root\"")); /* of the trace, uid 0 */
        assert_string_equal(read_back(&run, run.err), "");
        run_end(&run);
}

static void test_command_once(void **unused)
{
        struct options options = {.action = ACTION_STATUS};
        struct answer answer = small_answer(8 * NSEC_PER_SEC);
        struct run run;

        answer.n_traces = 0;
        answer.daemon.started_ns = NSEC_PER_SEC;
        run_begin_command(&run, cmd_status, &options, -1);
        welcome_run(&run);
        answer_send(&answer, expect_question(&run).req, tell_frame, &run);
        assert_int_equal(run_wait(&run), 0);
        assert_string_equal(read_back(&run, run.out), "faultlined 9, process 1, has run for 0:07\n"
                                                      "serves    0 traces for 0 clients of 0 users\n"
                                                      "memory    rings 0 B, monitor 0 B\n"
                                                      "CPU       monitor 0 ns\n");
        run_end(&run);
}

/* One line and exit status 1, whatever goes wrong. */
static void check_failure(struct run *run, const char *words)
{
        assert_int_equal(run_wait(run), 1);
        assert_string_equal(read_back(run, run->out), "");
        assert_non_null(strstr(read_back(run, run->err), words));
        assert_ptr_equal(strchr(run->text, '\n'), run->text + strlen(run->text) - 1);
        run_end(run);
}

static void test_command_failures(void **unused)
{
        struct options options = {.action = ACTION_STATUS};
        struct run run;

        run_begin_command(&run, cmd_status, &options, -1);
        expect(&run, MESSAGE_HELLO);
        assert_int_equal(close(run.fd), 0);
        run.fd = -1;
        check_failure(&run, "ended the connection without an answer");
        run_begin_command(&run, cmd_metrics, &options, -1);
        expect(&run, MESSAGE_HELLO);
        tell(&run, fake_welcome_of(PROTO_MAJOR, 2, PROTO_EVENT_BYTES));
        check_failure(&run, "cannot tell its status");
}

/* The file appears whole, for everybody to read, in the place of the old one, and nothing else is left in the folder.
 */
static void test_command_file(void **unused)
{
        struct options options = {.action = ACTION_METRICS};
        struct answer answer = small_answer(8 * NSEC_PER_SEC);
        char path[128];
        struct stat status;
        struct run run;
        mode_t mask = umask(0077);

        options.file = path;
        (void)snprintf(path, sizeof(path), "/tmp/faultline-test-%d.prom", (int)getpid());
        for (int i = 0; i < 2; i++) {
                run_begin_command(&run, cmd_metrics, &options, -1);
                welcome_run(&run);
                answer.daemon.n_refused = (uint64_t)i;
                assert_true(expect_question(&run).flags & PROTO_STATUS_UNITS);
                answer_send(&answer, 1, tell_frame, &run);
                assert_int_equal(run_wait(&run), 0);
                assert_string_equal(read_back(&run, run.out), "");
                assert_string_equal(read_back(&run, run.err), "");
                assert_non_null(strstr(read_back(&run, path), i == 0 ? "faultline_refused_requests_total 0\n"
                                                                     : "faultline_refused_requests_total 1\n"));
                assert_string_equal(run.text + strlen(run.text) - 6, "# EOF\n");
                assert_int_equal(stat(path, &status), 0);
                assert_int_equal(status.st_mode, S_IFREG | 0644);
                assert_int_equal(status.st_nlink, 1);
                run_end(&run); /* removes the folder of the run, if it is empty */
        }
        assert_int_equal(unlink(path), 0);
        (void)umask(mask);
}

static void fail_to_write(const char *path, const char *words)
{
        struct options options = {.action = ACTION_METRICS, .file = path};
        struct answer answer = small_answer(8 * NSEC_PER_SEC);
        struct run run;

        run_begin_command(&run, cmd_metrics, &options, -1);
        welcome_run(&run);
        answer_send(&answer, expect_question(&run).req, tell_frame, &run);
        check_failure(&run, words);
}

/* What is not a file stays what it is, a link is not followed, and what cannot be written says so. */
static void test_command_places(void **unused)
{
        char folder[] = "/tmp/faultline-test-XXXXXX", link[64], aim[64];

        assert_non_null(mkdtemp(folder));
        (void)snprintf(link, sizeof(link), "%s/link.prom", folder);
        (void)snprintf(aim, sizeof(aim), "%s/aim", folder);
        assert_int_equal(symlink(aim, link), 0);
        fail_to_write(link, "something else than a file is there");
        assert_int_equal(access(aim, F_OK), -1);
        fail_to_write(folder, "Is a directory");
        fail_to_write("/nowhere/at/all.prom", "No such file or directory");
        fail_to_write("/dev/null", "something else than a file is there");
        assert_int_equal(unlink(link), 0);
        assert_int_equal(rmdir(folder), 0); /* nothing else is in it */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers),          cmocka_unit_test(test_gap),
                cmocka_unit_test(test_refusals),         cmocka_unit_test(test_cut),
                cmocka_unit_test(test_too_long),         cmocka_unit_test(test_rates),
                cmocka_unit_test(test_command_twice),    cmocka_unit_test(test_command_once),
                cmocka_unit_test(test_command_failures), cmocka_unit_test(test_command_file),
                cmocka_unit_test(test_command_places),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
