/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon goes away and another one comes: the conversation (session_restart.c) frame by frame, and the whole
 * command with a daemon that hangs up.
 */
#include <errno.h>

#include "client/ledger.h"
#include "tests/unit/client_run.h"
#include "tests/unit/client_talk.h"

#define KEY_HIGH UINT64_C(0x1122334455667788)
#define KEY_LOW UINT64_C(0x99aabbccddeeff00)

static struct bytes keyed_attached(uint32_t trace, uint32_t req, int32_t pid)
{
        struct proto_buffer buffer = fake_buffer();
        const struct proto_attached attached = {.req = req,
                                                .pid = pid,
                                                .detail = DETAIL_FULL,
                                                .n_threads = 1,
                                                .time_ns = 1000000000,
                                                .comm = fake_string("worker"),
                                                .key = {.high = KEY_HIGH, .low = KEY_LOW}};
        int r = proto_encode_attached(&buffer, trace, &attached);

        return fake_done(r, &buffer);
}

static struct bytes missed_gap(uint32_t trace, uint64_t min_flt, uint64_t maj_flt, bool is_exact)
{
        struct proto_buffer buffer = fake_buffer();
        const struct proto_gap gap = {.reason = fake_string("the daemon was restarted"),
                                      .missed = {.min_flt = min_flt,
                                                 .maj_flt = maj_flt,
                                                 .since_ns = 1000,
                                                 .until_ns = 2500,
                                                 .is_exact = is_exact}};
        int r = proto_encode_gap(&buffer, trace, &gap);

        return fake_done(r, &buffer);
}

/* A trace of process 42 with id 7 runs, and may be gone on with. */
static void run_keyed(struct talk *talk)
{
        talk_begin(talk, 1);
        assert_int_equal(hear(talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(hear(talk, keyed_attached(7, 1, 42)), 0);
        assert_int_equal(hear(talk, fake_dict(7)), 0);
}

static void hear_faults(struct talk *talk, uint32_t trace, uint32_t n, enum outcome outcome, uint64_t n_filtered)
{
        struct proto_event event = fake_event();

        event.outcome = (uint8_t)outcome;
        assert_int_equal(hear(talk, fake_events(trace, 0, &event, n, n_filtered)), 0);
}

static struct proto_resume last_resume(const struct talk *talk)
{
        struct proto_resume resume;
        size_t i = talk->n_sent - 1;

        assert_int_equal(talk->sent[i].type, MESSAGE_RESUME);
        assert_int_equal(talk->sent[i].trace, 0);
        assert_int_equal(proto_decode_resume(talk->bodies[i], sizeof(talk->bodies[i]), &resume), 0);
        assert_true(resume.past.key.high == KEY_HIGH && resume.past.key.low == KEY_LOW);
        return resume;
}

/* The connection is lost, and a new one made: RESUME, which is returned. */
static struct proto_resume reconnect(struct talk *talk)
{
        assert_true(session_leave(&talk->session));
        assert_int_equal(session_go_on(&talk->session), 0);
        assert_int_equal(talk->sent[talk->n_sent - 1].type, MESSAGE_HELLO);
        assert_int_equal(hear(talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        return last_resume(talk);
}

/* Killed, twice: each daemon is told what is known, and the ledger is that of all. */
static void test_killed(void **unused)
{
        const struct proto_ledger ledger = {
                .kernel = 20, .delivered = 6, .filtered = 5, .counted = 9, .unseen = PROTO_UNSEEN_UNKNOWN};
        struct proto_resume resume;
        struct talk talk;

        run_keyed(&talk);
        hear_faults(&talk, 7, 2, OUTCOME_MINOR, 2);
        hear_faults(&talk, 7, 1, OUTCOME_MAJOR, 4);
        hear_faults(&talk, 7, 1, OUTCOME_FAILED, 5);
        resume = reconnect(&talk);
        assert_true(resume.kernel_base == 0 - UINT64_C(9) && resume.lost_base == 0);
        assert_int_equal(resume.n_received, 4);
        assert_int_equal(resume.n_filtered, 5);
        assert_int_equal(resume.count_limit, 100);
        assert_false(resume.past.is_whole);
        assert_int_equal(resume.past.n_minor, 2 + 5);
        assert_int_equal(resume.past.n_major, 1);
        assert_true(resume.past.unseen == PROTO_UNSEEN_UNKNOWN);
        assert_int_equal(hear(&talk, keyed_attached(1, resume.req, 42)), 0);
        assert_int_equal(hear(&talk, missed_gap(1, 8, 1, false)), 0);
        assert_true(holds(&talk.view->out,
                          "{\"type\":\"gap\",\"pid\":42,\"reason\":\"the daemon was restarted\",\"min_flt\":8,"
                          "\"maj_flt\":1,\"since_ns\":1000,\"until_ns\":2500,\"exact\":false}\n"));
        assert_int_equal(hear(&talk, fake_dict(1)), 0);
        hear_faults(&talk, 1, 2, OUTCOME_MINOR, 5);

        resume = reconnect(&talk);
        assert_true(resume.kernel_base == 0 - UINT64_C(20));
        assert_int_equal(resume.past.n_counted, 9);
        assert_int_equal(resume.past.n_minor, 2);
        assert_int_equal(resume.past.n_major, 0);
        assert_int_equal(hear(&talk, keyed_attached(3, resume.req, 42)), 0);
        assert_int_equal(hear(&talk, missed_gap(3, PROTO_UNKNOWN, PROTO_UNKNOWN, false)), 0);
        assert_true(holds(&talk.view->out, "\"min_flt\":null,\"maj_flt\":null,"));
        assert_int_equal(hear(&talk, fake_end(3, END_EXITED, &ledger)), 0);
        assert_false(talk.session.failed);
        assert_true(session_done(&talk.session));
        talk_end(&talk);
}

/* In order: the ledger that was told is what counts, and it is not the end. */
static void test_restarted(void **unused)
{
        const struct proto_ledger first = {.kernel = 20,
                                           .delivered = 3,
                                           .filtered = 6,
                                           .dropped_client = 1,
                                           .dropped_daemon = 2,
                                           .lost_kernel = 5,
                                           .counted = 3,
                                           .incomplete = 2,
                                           .unseen = 11};
        struct proto_resume resume;
        struct talk talk;

        run_keyed(&talk);
        hear_faults(&talk, 7, 3, OUTCOME_MINOR, 4);
        assert_int_equal(hear(&talk, fake_end(7, END_RESTART, &first)), 0);
        assert_false(holds(&talk.view->out, "\"type\":\"end\""));
        assert_false(session_done(&talk.session));
        resume = reconnect(&talk);
        assert_true(resume.past.is_whole);
        assert_true(resume.kernel_base == 0 - UINT64_C(20) && resume.lost_base == 0 - UINT64_C(5));
        assert_int_equal(resume.n_filtered, 6);
        assert_int_equal(resume.n_dropped, 1);
        assert_int_equal(resume.n_incomplete, 2);
        assert_int_equal(resume.past.n_counted, 3);
        assert_int_equal(resume.past.unseen, 11);
        /* The next one dies before it answers: what was told still counts. */
        resume = reconnect(&talk);
        assert_true(resume.past.is_whole && resume.kernel_base == 0 - UINT64_C(20));
        /* And its engine dies: the same is asked once more, still by key. */
        assert_int_equal(hear(&talk, fake_gap()), 0);
        resume = last_resume(&talk);
        assert_true(resume.past.is_whole && resume.kernel_base == 0 - UINT64_C(20));
        assert_int_equal(hear(&talk, keyed_attached(1, resume.req, 42)), 0);
        assert_int_equal(hear(&talk, missed_gap(1, 4, 0, true)), 0);
        /* Now the daemon has it, and knows it by its id; what is of daemons before it is still the client's to say. */
        assert_int_equal(hear(&talk, fake_gap()), 0);
        assert_int_equal(talk.sent[talk.n_sent - 1].trace, 1);
        assert_int_equal(proto_decode_resume(talk.bodies[talk.n_sent - 1], 512, &resume), 0);
        assert_true(resume.kernel_base == 0 && resume.past.n_counted == 7 && resume.past.unseen == 11);
        talk_end(&talk);
}

/* Stopped while no daemon is there: what was told is the end. */
static void test_stopped_between(void **unused)
{
        const struct proto_ledger ledger = {.kernel = 3, .delivered = 3};
        struct talk talk;

        run_keyed(&talk);
        hear_faults(&talk, 7, 3, OUTCOME_MINOR, 0);
        assert_int_equal(hear(&talk, fake_end(7, END_RESTART, &ledger)), 0);
        assert_true(session_leave(&talk.session));
        assert_int_equal(session_stop(&talk.session), 0);
        assert_true(session_done(&talk.session));
        assert_false(talk.session.failed);
        assert_true(holds(&talk.view->out, "\"reason\":\"stopped\""));
        talk_end(&talk);

        /* A user who stops it while the daemon ends gets the end at once. */
        run_keyed(&talk);
        hear_faults(&talk, 7, 3, OUTCOME_MINOR, 0);
        assert_int_equal(session_stop(&talk.session), 0);
        assert_int_equal(hear(&talk, fake_end(7, END_RESTART, &ledger)), 0);
        assert_true(session_done(&talk.session));
        talk_end(&talk);
}

/* Stopped after a crash: the trace is asked for once more, for its ledger, and stopped as soon as it is there. */
static void test_stopped_after_crash(void **unused)
{
        struct proto_resume resume;
        struct talk talk;

        run_keyed(&talk);
        assert_true(session_leave(&talk.session));
        assert_int_equal(session_stop(&talk.session), 0);
        assert_false(session_done(&talk.session));
        assert_int_equal(session_go_on(&talk.session), 0);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        resume = last_resume(&talk);
        assert_int_equal(hear(&talk, keyed_attached(5, resume.req, 42)), 0);
        assert_int_equal(talk.sent[talk.n_sent - 1].type, MESSAGE_STOP);
        assert_int_equal(talk.sent[talk.n_sent - 1].trace, 5);
        talk_end(&talk);
}

/* The next daemon does not know it, or may not. */
static void test_refused(void **unused)
{
        const struct proto_ledger ledger = {.kernel = 3, .delivered = 3};
        struct proto_resume resume;
        struct talk talk;

        run_keyed(&talk);
        hear_faults(&talk, 7, 3, OUTCOME_MINOR, 0);
        resume = reconnect(&talk);
        assert_int_equal(hear(&talk, fake_error(resume.req, ESRCH, "it was forgotten")), 0);
        assert_true(session_done(&talk.session) && talk.session.failed);
        assert_false(holds(&talk.view->out, "\"type\":\"end\""));
        assert_true(holds(&talk.view->err, "faultline: it was forgotten\n"));
        talk_end(&talk);

        /* After an end in order the ledger is not lost. */
        run_keyed(&talk);
        hear_faults(&talk, 7, 3, OUTCOME_MINOR, 0);
        assert_int_equal(hear(&talk, fake_end(7, END_RESTART, &ledger)), 0);
        resume = reconnect(&talk);
        assert_int_equal(hear(&talk, fake_error(resume.req, EPERM, "not yours any more")), 0);
        assert_true(session_done(&talk.session) && talk.session.failed);
        assert_true(holds(&talk.view->out, "\"reason\":\"restart\""));
        assert_true(holds(&talk.view->err, "faultline: not yours any more\n"));
        talk_end(&talk);
}

/* No other daemon comes. */
static void test_given_up(void **unused)
{
        const struct proto_ledger ledger = {.kernel = 3, .delivered = 3};
        struct talk talk;

        run_keyed(&talk);
        hear_faults(&talk, 7, 3, OUTCOME_MINOR, 0);
        assert_int_equal(hear(&talk, fake_end(7, END_RESTART, &ledger)), 0);
        assert_true(session_leave(&talk.session));
        session_give_up(&talk.session);
        assert_true(session_done(&talk.session) && talk.session.failed);
        assert_true(holds(&talk.view->out, "\"reason\":\"restart\""));
        talk_end(&talk);
}

/* Without a key there is nothing to come back for; with one for another target, that one has failed. */
static void test_without_key(void **unused)
{
        struct talk talk;

        talk_run(&talk);
        assert_false(session_leave(&talk.session));
        talk_end(&talk);

        talk_begin(&talk, 2);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(hear(&talk, keyed_attached(1, 1, 42)), 0);
        assert_int_equal(hear(&talk, fake_attached(2, 2, 50)), 0);
        (void)reconnect(&talk);
        assert_int_equal(talk.session.targets[1].phase, TARGET_FAILED);
        assert_true(talk.session.failed);
        assert_true(holds(&talk.view->out, "{\"type\":\"error\",\"pid\":50,"));
        talk_end(&talk);
}

/* What was not answered yet is asked anew. */
static void test_while_attaching(void **unused)
{
        struct proto_attach attach;
        struct talk talk;
        size_t n;

        talk_begin(&talk, 2);
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(hear(&talk, keyed_attached(1, 1, 42)), 0);
        assert_true(session_leave(&talk.session));
        assert_int_equal(session_go_on(&talk.session), 0);
        n = talk.n_sent;
        assert_int_equal(hear(&talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(talk.n_sent, n + 2);
        assert_int_equal(talk.sent[n].type, MESSAGE_RESUME);
        assert_int_equal(talk.sent[n + 1].type, MESSAGE_ATTACH);
        assert_int_equal(proto_decode_attach(talk.bodies[n + 1], sizeof(talk.bodies[0]), &attach), 0);
        assert_int_equal(attach.pid, 50);
        talk_end(&talk);
}

/* Frames of no trace, or of one from before, are nobody's. */
static void test_old_frames(void **unused)
{
        struct talk talk;

        run_keyed(&talk);
        (void)reconnect(&talk);
        hear_faults(&talk, 7, 3, OUTCOME_MINOR, 0);
        hear_faults(&talk, 0, 3, OUTCOME_MINOR, 0);
        assert_int_equal(hear(&talk, missed_gap(7, 1, 1, true)), 0);
        assert_int_equal(talk.session.targets[0].state.n_received, 0);
        assert_false(holds(&talk.view->out, "\"type\":\"gap\""));
        talk_end(&talk);
}

/* --- the whole command --- */

static void accept_again(struct run *run)
{
        (void)close(run->fd);
        run->fd = accept(run->listener, NULL, NULL);
        assert_true(run->fd >= 0);
        expect(run, MESSAGE_HELLO);
        tell(run, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
}

static void test_command_goes_on(void **unused)
{
        const struct proto_ledger ledger = {.kernel = 9, .delivered = 2, .counted = 7, .unseen = PROTO_UNSEEN_UNKNOWN};
        const struct proto_event event = fake_event();
        struct run run;
        const char *err;

        run_begin(&run, NULL);
        expect(&run, MESSAGE_HELLO);
        tell(&run, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
        expect(&run, MESSAGE_ATTACH);
        tell(&run, keyed_attached(7, 1, 42));
        tell(&run, fake_dict(7));
        tell(&run, fake_events(7, 1, &event, 1, 0));
        accept_again(&run);
        expect(&run, MESSAGE_RESUME);
        accept_again(&run); /* that one hangs up as well, without an answer */
        expect(&run, MESSAGE_RESUME);
        tell(&run, keyed_attached(9, 3, 42));
        tell(&run, missed_gap(9, 7, 0, false));
        tell(&run, fake_dict(9));
        tell(&run, fake_events(9, 2, &event, 1, 0));
        tell(&run, fake_end(9, END_EXITED, &ledger));
        assert_int_equal(run_wait(&run), 0);
        err = read_back(&run, run.err);
        assert_non_null(strstr(err,
                               "-- 42: going on: the daemon was restarted; about 7 minor and 0 major faults were only "
                               "counted (0.000 s)\n"));
        assert_non_null(strstr(err, "7  only counted"));
        run_end(&run);
}

/* A daemon that does not know the trace: one line, and no ledger. */
static void test_command_is_refused(void **unused)
{
        struct run run;

        run_begin(&run, NULL);
        expect(&run, MESSAGE_HELLO);
        tell(&run, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES));
        expect(&run, MESSAGE_ATTACH);
        tell(&run, keyed_attached(7, 1, 42));
        accept_again(&run);
        expect(&run, MESSAGE_RESUME);
        tell(&run, fake_error(2, ESRCH, "it was forgotten"));
        assert_int_equal(run_wait(&run), 1);
        assert_non_null(strstr(read_back(&run, run.err), "faultline: it was forgotten\n"));
        run_end(&run);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_killed),
                cmocka_unit_test(test_restarted),
                cmocka_unit_test(test_stopped_between),
                cmocka_unit_test(test_stopped_after_crash),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_given_up),
                cmocka_unit_test(test_without_key),
                cmocka_unit_test(test_while_attaching),
                cmocka_unit_test(test_old_frames),
                cmocka_unit_test(test_command_goes_on),
                cmocka_unit_test(test_command_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
