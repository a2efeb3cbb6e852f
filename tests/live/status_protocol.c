/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status_protocol CASE: STATUS against the real daemon, compared with what its clients and targets know themselves.
 *
 *   empty          nobody traces: the service, one engine, the end; an unknown flag does no harm
 *   counts         sums by cause and outcome are those of the faults that the client printed
 *   users          two users: each sees his own, root sees both, a third one nothing
 *   engine-killed  sums go on where the engine that died left them, and never go backwards
 *   drops          what a client that stands still was not told is counted as its ledger has it, while it happens too
 *   unit           the unit of a process is that of its control group
 *   pace           many questions at once are all answered, ten a second, in order; other questions do not wait
 *   flood          a client that asks without end and never reads is held, and nobody else is
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/support/groups.h"
#include "tests/support/talk.h"

#define OTHER_USER 65533
#define THIRD_USER 65532
#define MAX_ROWS 64
#define TEXT_BYTES 256
#define N_BEFORE_CRASH 5000
#define N_QUESTIONS 5
#define N_FLOOD 10000
#define INTERVAL_NS (100 * NSEC_PER_MSEC)
#define BOUND_BYTES (UINT64_C(8) << 20)

/* An answer, with the strings that are looked at. */
struct state {
        struct proto_status_daemon daemon;
        struct proto_status_engine engines[MAX_ROWS];
        struct proto_status_trace traces[MAX_ROWS];
        struct proto_status_unit units[MAX_ROWS];
        struct proto_status_end end;
        char unit_of_trace[MAX_ROWS][TEXT_BYTES], comm_of_trace[MAX_ROWS][TEXT_BYTES], unit[MAX_ROWS][TEXT_BYTES];
        size_t n_engines, n_traces, n_units;
};

static void keep_text(char to[static TEXT_BYTES], const struct proto_string *text)
{
        CHECK(text->n_bytes < TEXT_BYTES, "a string of %u bytes", text->n_bytes);
        memcpy(to, text->data, text->n_bytes);
        to[text->n_bytes] = '\0';
}

static size_t make_question(uint8_t *bytes, size_t size, uint32_t req, uint32_t flags)
{
        struct proto_buffer buffer = {.data = bytes, .size_bytes = size};
        int n = proto_encode_status(&buffer, 0, &(struct proto_status){.req = req, .flags = flags});

        CHECK(n > 0, "encoding STATUS");
        return (size_t)n;
}

static void ask(int fd, uint32_t req, uint32_t flags)
{
        uint8_t bytes[64];

        say(fd, bytes, make_question(bytes, sizeof(bytes), req, flags));
}

static void take_trace(struct state *state, const struct answer *answer)
{
        struct proto_status_trace *trace = &state->traces[state->n_traces];

        CHECK(state->n_traces < MAX_ROWS && proto_decode_status_trace(answer->body, answer->n_body, trace) == 0,
              "STATUS_TRACE is malformed, or one of too many");
        keep_text(state->unit_of_trace[state->n_traces], &trace->unit);
        keep_text(state->comm_of_trace[state->n_traces], &trace->comm);
        state->n_traces++;
}

static void take_unit(struct state *state, const struct answer *answer)
{
        struct proto_status_unit *unit = &state->units[state->n_units];

        CHECK(state->n_units < MAX_ROWS && proto_decode_status_unit(answer->body, answer->n_body, unit) == 0,
              "STATUS_UNIT is malformed, or one of too many");
        keep_text(state->unit[state->n_units], &unit->unit);
        state->n_units++;
}

/* One frame of an answer. true: it was the last one. */
static bool take(struct state *state, const struct answer *answer)
{
        switch (answer->header.type) {
        case MESSAGE_STATUS_DAEMON:
                CHECK(proto_decode_status_daemon(answer->body, answer->n_body, &state->daemon) == 0,
                      "STATUS_DAEMON is malformed");
                return false;
        case MESSAGE_STATUS_ENGINE:
                CHECK(state->n_engines < MAX_ROWS &&
                              proto_decode_status_engine(answer->body, answer->n_body,
                                                         &state->engines[state->n_engines++]) == 0,
                      "STATUS_ENGINE is malformed, or one of too many");
                return false;
        case MESSAGE_STATUS_TRACE:
                take_trace(state, answer);
                return false;
        case MESSAGE_STATUS_UNIT:
                take_unit(state, answer);
                return false;
        case MESSAGE_STATUS_END:
                CHECK(proto_decode_status_end(answer->body, answer->n_body, &state->end) == 0,
                      "STATUS_END is malformed");
                return true;
        default:
                fail("%s in an answer to STATUS", message_text(answer->header.type));
        }
}

/* One answer; every frame of it is to this question. */
static void hear_state(int fd, uint32_t req, struct state *ret)
{
        struct answer answer = expect_type(fd, MESSAGE_STATUS_DAEMON);

        *ret = (struct state){0};
        harness_doing("hearing the answer to STATUS");
        while (!take(ret, &answer))
                CHECK(hear(fd, &answer), "the connection ended in the answer to STATUS");
        CHECK(ret->daemon.req == req && ret->end.req == req, "the answer to another question");
        for (size_t i = 0; i < ret->n_engines; i++)
                CHECK(ret->engines[i].req == req, "an engine of the answer to another question");
        for (size_t i = 0; i < ret->n_traces; i++)
                CHECK(ret->traces[i].req == req, "a trace of the answer to another question");
        for (size_t i = 0; i < ret->n_units; i++)
                CHECK(ret->units[i].req == req, "a unit of the answer to another question");
        CHECK(ret->end.n_omitted == 0, "%u were left out", ret->end.n_omitted);
}

static void ask_as(const struct daemon *daemon, uid_t uid, uint32_t flags, struct state *ret)
{
        CLEANUP_CLOSE int fd = uid == 0 ? reach(daemon) : reach_as(daemon, uid);

        greet_on(fd);
        ask(fd, 77, flags);
        hear_state(fd, 77, ret);
}

static uint64_t sum_of(const uint64_t *counts, size_t n)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += counts[i];
        return sum;
}

static uint64_t now_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

/* ---- cases ---- */

static void test_empty(const struct daemon *daemon)
{
        struct state state;

        ask_as(daemon, 0, PROTO_STATUS_UNITS | 0x80000000u, &state);
        CHECK(state.daemon.sees_all && state.daemon.pid == daemon->child.pid && state.daemon.n_users == 1 &&
                      state.daemon.n_clients == 1 && state.daemon.n_traces == 0,
              "the wrong service");
        CHECK(state.daemon.started_ns > 0 && state.daemon.started_ns <= state.daemon.now_ns &&
                      state.daemon.now_ns <= now_ns(),
              "it started at %" PRIu64 ", and now is %" PRIu64, state.daemon.started_ns, state.daemon.now_ns);
        CHECK(state.daemon.memory_bytes > 0 && state.daemon.cpu_ns > 0, "it costs nothing");
        CHECK(state.daemon.ring_bytes == 0 && state.daemon.ring_limit_bytes > 0, "rings without a trace");
        CHECK(state.daemon.n_refused == 0 && state.daemon.n_engines_restarted == 0, "something happened");
        CHECK(state.n_engines == 1 && state.engines[0].uid == 0 && state.engines[0].n_clients == 1 &&
                      state.engines[0].n_traces == 0 && state.engines[0].n_deaths == 0 &&
                      state.engines[0].memory_bytes > 0 && state.engines[0].pid == process_child(daemon->child.pid),
              "the wrong engine");
        CHECK(state.n_traces == 0 && state.n_units == 0, "traces of nobody");
        ask_as(daemon, NOBODY, PROTO_STATUS_UNITS, &state);
        CHECK(!state.daemon.sees_all && state.daemon.n_clients == 1 && state.daemon.n_users == 1 &&
                      state.daemon.memory_bytes == 0 && state.daemon.cpu_ns == 0,
              "an ordinary user sees what is none of his business");
        CHECK(state.n_engines == 1 && state.engines[0].uid == NOBODY, "an ordinary user sees another's engine");
}

/* A client of this user and its target, which has done what it does. */
struct pair {
        struct target target;
        struct client client;
};

static void pair_start(struct pair *pair, const struct daemon *daemon, uid_t uid, const char *n)
{
        target_start_as(&pair->target, uid, "anon", "flood", n);
        client_attach_as(&pair->client, uid, pair->target.pid, daemon);
}

static void pair_run(struct pair *pair)
{
        target_open_gate(&pair->target);
        client_read_until_done(&pair->client, &pair->target);
}

static void pair_stop(struct pair *pair)
{
        CHECK(client_stop(&pair->client) == 0, "the client failed");
        check_nothing_missing(&pair->client);
        CHECK(target_finish(&pair->target) == 0, "the target failed");
}

/* What the client printed, counted. */
static void count_faults(const struct client *client, struct proto_status_unit *sums)
{
        json_t *fault;
        size_t i;

        json_array_foreach(client->faults, i, fault)
        {
                for (unsigned int k = 0; k < N_CAUSES; k++)
                        sums->n_by_cause[k] += strcmp(cause_text(k), text_of(fault, "cause")) == 0;
                for (unsigned int k = 0; k < N_OUTCOMES; k++)
                        sums->n_by_outcome[k] += strcmp(outcome_text(k), text_of(fault, "outcome")) == 0;
        }
}

static void check_sums(const struct proto_status_unit *unit, const struct proto_status_unit *expected,
                       uint64_t n_traces)
{
        for (unsigned int k = 0; k < N_CAUSES; k++)
                CHECK(unit->n_by_cause[k] == expected->n_by_cause[k], "%s: %" PRIu64 " instead of %" PRIu64,
                      cause_text(k), unit->n_by_cause[k], expected->n_by_cause[k]);
        for (unsigned int k = 0; k < N_OUTCOMES; k++)
                CHECK(unit->n_by_outcome[k] == expected->n_by_outcome[k], "%s: %" PRIu64 " instead of %" PRIu64,
                      outcome_text(k), unit->n_by_outcome[k], expected->n_by_outcome[k]);
        CHECK(sum_of(unit->n_major_by_latency, PROTO_LATENCY_BUCKETS) == unit->n_by_outcome[OUTCOME_MAJOR],
              "latencies of other than major faults");
        CHECK(unit->n_traces == n_traces && unit->n_lost == 0 && unit->n_dropped == 0 && unit->n_incomplete == 0,
              "%" PRIu64 " traces instead of %" PRIu64 ", or something is missing", unit->n_traces, n_traces);
}

static void test_counts(const struct daemon *daemon)
{
        struct proto_status_unit expected = {0};
        struct state state;
        struct pair pair;

        pair_start(&pair, daemon, 0, "5000");
        ask_as(daemon, 0, 0, &state);
        CHECK(state.n_traces == 1 && state.n_units == 0, "%zu traces instead of one", state.n_traces);
        CHECK(state.traces[0].uid == 0 && state.traces[0].pid == pair.target.pid &&
                      state.traces[0].client_pid == pair.client.child.pid && state.traces[0].n_clients == 1 &&
                      state.traces[0].n_threads == 1 && state.traces[0].detail == DETAIL_FULL &&
                      state.traces[0].ptrace == PTRACE_MODE_HOLD && state.traces[0].stack_bytes == 0 &&
                      state.traces[0].trace != 0,
              "the wrong trace");
        CHECK(strcmp(state.comm_of_trace[0], "target_anon") == 0, "its name is %s", state.comm_of_trace[0]);
        CHECK(state.traces[0].ring_bytes > 0 && state.traces[0].ring_bytes == state.daemon.ring_bytes &&
                      state.daemon.ring_bytes <= state.daemon.ring_limit_bytes,
              "the wrong rings");
        CHECK(state.traces[0].started_ns > state.daemon.started_ns && state.traces[0].started_ns < state.daemon.now_ns,
              "it started at another time");
        pair_run(&pair);
        pair_stop(&pair);
        count_faults(&pair.client, &expected);
        CHECK(sum_of(expected.n_by_outcome, N_OUTCOMES) == number_of(check_ledger(&pair.client), "kernel"),
              "the client printed something else");
        ask_as(daemon, 0, PROTO_STATUS_UNITS, &state);
        CHECK(state.n_units == 1, "%zu units instead of one", state.n_units);
        check_sums(&state.units[0], &expected, 1);
        client_free(&pair.client);
        pair_start(&pair, daemon, 0, "300");
        pair_run(&pair);
        pair_stop(&pair);
        count_faults(&pair.client, &expected);
        ask_as(daemon, 0, PROTO_STATUS_UNITS, &state);
        check_sums(&state.units[0], &expected, 2);
        client_free(&pair.client);
}

static void check_own(const struct daemon *daemon, uid_t uid, const struct client *client, uint64_t n_refused)
{
        struct proto_status_unit expected = {0};
        struct state state;

        count_faults(client, &expected);
        ask_as(daemon, uid, PROTO_STATUS_UNITS, &state);
        CHECK(!state.daemon.sees_all && state.daemon.n_users == 1, "user %u sees others", uid);
        CHECK(state.daemon.n_refused == n_refused, "%" PRIu64 " refused to user %u instead of %" PRIu64,
              state.daemon.n_refused, uid, n_refused);
        CHECK(state.n_engines == 1 && state.engines[0].uid == uid, "user %u sees another's engine", uid);
        for (size_t i = 0; i < state.n_traces; i++)
                CHECK(state.traces[i].uid == uid, "user %u sees another's trace", uid);
        CHECK(state.n_units == 1, "user %u sees %zu units instead of one", uid, state.n_units);
        check_sums(&state.units[0], &expected, 1);
}

static void be_refused(const struct daemon *daemon, uid_t uid, pid_t pid)
{
        CLEANUP_FREE char *option = daemon_option(daemon);
        struct client client;
        char number[16];

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        client_start_as(&client, uid, (const char *[]){"-p", number, option, NULL});
        check_refused(&client, "a process of another user", number);
        client_free(&client);
}

static void test_users(const struct daemon *daemon)
{
        struct proto_status_unit expected = {0};
        struct pair pairs[2];
        struct state state;

        pair_start(&pairs[0], daemon, NOBODY, "3000");
        pair_start(&pairs[1], daemon, OTHER_USER, "2000");
        be_refused(daemon, OTHER_USER, pairs[0].target.pid);
        ask_as(daemon, 0, 0, &state);
        CHECK(state.daemon.sees_all && state.daemon.n_users == 3 && state.daemon.n_clients == 3 &&
                      state.daemon.n_traces == 2 && state.n_traces == 2 && state.n_engines == 3 &&
                      state.daemon.n_refused == 1,
              "root sees %u users, %u clients, %u traces", state.daemon.n_users, state.daemon.n_clients,
              state.daemon.n_traces);
        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
                pair_run(&pairs[i]);
        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
                pair_stop(&pairs[i]);
        check_own(daemon, NOBODY, &pairs[0].client, 0);
        check_own(daemon, OTHER_USER, &pairs[1].client, 1);
        ask_as(daemon, THIRD_USER, PROTO_STATUS_UNITS, &state);
        CHECK(state.daemon.n_traces == 0 && state.daemon.n_clients == 1 && state.daemon.ring_bytes == 0 &&
                      state.daemon.n_refused == 0 && state.n_traces == 0 && state.n_units == 0 &&
                      state.n_engines == 1 && state.engines[0].uid == THIRD_USER,
              "a third user sees what is none of his business");
        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
                count_faults(&pairs[i].client, &expected);
        ask_as(daemon, 0, PROTO_STATUS_UNITS, &state);
        CHECK(state.n_units == 1, "%zu units instead of one", state.n_units);
        check_sums(&state.units[0], &expected, 2);
        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
                client_free(&pairs[i].client);
}

static uint64_t n_counted(const struct daemon *daemon, struct state *ret)
{
        ask_as(daemon, 0, PROTO_STATUS_UNITS, ret);
        CHECK(ret->n_units == 1, "%zu units instead of one", ret->n_units);
        return sum_of(ret->units[0].n_by_outcome, N_OUTCOMES);
}

static pid_t engine_of(const struct state *state, uid_t uid)
{
        for (size_t i = 0; i < state->n_engines; i++)
                if (state->engines[i].uid == uid)
                        return state->engines[i].pid;
        fail("user %u has no engine", uid);
}

static void test_engine_killed(const struct daemon *daemon)
{
        struct state state;
        struct pair pair;
        uint64_t before, after, kernel, delivered;

        pair_start(&pair, daemon, NOBODY, "300000");
        pair.client.count_only = true;
        target_open_gate(&pair.target);
        while (pair.client.n_faults < N_BEFORE_CRASH)
                CHECK(client_read(&pair.client), "the client ended too early");
        before = n_counted(daemon, &state);
        CHECK(before >= N_BEFORE_CRASH, "%" PRIu64 " counted, more were delivered", before);
        CHECK(kill(engine_of(&state, NOBODY), SIGKILL) == 0, "the engine is gone");
        after = n_counted(daemon, &state);
        CHECK(after >= before, "%" PRIu64 " counted after %" PRIu64, after, before);
        client_read_until_done(&pair.client, &pair.target);
        CHECK(client_stop(&pair.client) == 0, "the client failed");
        CHECK(client_n(&pair.client, "gap") == 1, "%zu gap lines instead of one", client_n(&pair.client, "gap"));
        kernel = number_of(check_ledger(&pair.client), "kernel");
        delivered = number_of(check_ledger(&pair.client), "delivered");
        after = n_counted(daemon, &state);
        CHECK(delivered <= after && after <= kernel, "%" PRIu64 " counted, %" PRIu64 " delivered of %" PRIu64, after,
              delivered, kernel);
        CHECK(state.units[0].n_traces == 1, "the trace was counted %" PRIu64 " times", state.units[0].n_traces);
        CHECK(state.daemon.n_engines_restarted == 1, "%" PRIu64 " engines restarted", state.daemon.n_engines_restarted);
        client_free(&pair.client);
        CHECK(target_finish(&pair.target) == 0, "the target failed");
}

static void test_drops(const struct daemon *daemon)
{
        uint64_t delivered, dropped, lost;
        const json_t *ledger;
        struct state state;
        struct pair pair;

        pair_start(&pair, daemon, 0, "300000");
        pair.client.count_only = true;
        CHECK(kill(pair.client.child.pid, SIGSTOP) == 0, "the client is gone");
        target_open_gate(&pair.target);
        harness_doing("waiting for drops");
        do
                ask_as(daemon, 0, 0, &state);
        while (state.traces[0].n_dropped == 0);
        CHECK(kill(pair.client.child.pid, SIGCONT) == 0, "the client is gone");
        client_read_until_done(&pair.client, &pair.target);
        CHECK(client_stop(&pair.client) == 0, "the client failed");
        ledger = check_ledger(&pair.client);
        delivered = number_of(ledger, "delivered");
        dropped = number_of(ledger, "dropped_client");
        lost = number_of(ledger, "lost_kernel");
        CHECK(n_counted(daemon, &state) == delivered + dropped, "%" PRIu64 " delivered and %" PRIu64 " dropped",
              delivered, dropped);
        CHECK(state.units[0].n_dropped == dropped, "%" PRIu64 " dropped instead of %" PRIu64, state.units[0].n_dropped,
              dropped);
        CHECK(state.units[0].n_lost >= lost, "%" PRIu64 " records of %" PRIu64 " faults lost", state.units[0].n_lost,
              lost);
        CHECK(state.units[0].n_incomplete == number_of(ledger, "incomplete"), "%" PRIu64 " incomplete",
              state.units[0].n_incomplete);
        client_free(&pair.client);
        CHECK(target_finish(&pair.target) == 0, "the target failed");
}

static void test_unit(const struct daemon *daemon)
{
        const char *service, *inside;
        struct state state;
        struct pair pair;
        char name[128];

        groups_begin();
        (void)snprintf(name, sizeof(name), "faultline-status-%d.service", (int)getpid());
        service = group_make(NULL, name);
        inside = group_make(service, "evil.service");
        target_start_as(&pair.target, 0, "anon", "flood", "100");
        group_move_in(inside, pair.target.pid);
        client_attach_as(&pair.client, 0, pair.target.pid, daemon);
        ask_as(daemon, 0, PROTO_STATUS_UNITS, &state);
        CHECK(state.n_traces == 1 && strcmp(state.unit_of_trace[0], name) == 0, "the trace is in unit \"%s\"",
              state.unit_of_trace[0]);
        CHECK(state.n_units == 1 && strcmp(state.unit[0], name) == 0 && state.units[0].n_running == 1 &&
                      state.units[0].n_traces == 1,
              "the sums are of unit \"%s\"", state.unit[0]);
        pair_run(&pair);
        pair_stop(&pair);
        ask_as(daemon, 0, PROTO_STATUS_UNITS, &state);
        CHECK(state.n_units == 1 && strcmp(state.unit[0], name) == 0 &&
                      sum_of(state.units[0].n_by_cause, N_CAUSES) == pair.client.n_faults,
              "the sums are of unit \"%s\"", state.unit[0]);
        client_free(&pair.client);
}

static void test_pace(const struct daemon *daemon)
{
        CLEANUP_CLOSE int fd = reach(daemon);
        uint64_t begun_ns;
        struct state state;

        greet_on(fd);
        begun_ns = now_ns();
        for (uint32_t req = 1; req <= N_QUESTIONS; req++)
                ask(fd, req, 0);
        for (uint32_t req = 1; req <= N_QUESTIONS; req++)
                hear_state(fd, req, &state);
        CHECK(now_ns() - begun_ns >= (N_QUESTIONS - 1) * INTERVAL_NS, "%d answers in %" PRIu64 " ns", N_QUESTIONS,
              now_ns() - begun_ns);
}

/* As many as the socket takes; the number. */
static size_t ask_until_full(int fd)
{
        uint8_t bytes[64];
        size_t n_bytes = make_question(bytes, sizeof(bytes), 1, PROTO_STATUS_UNITS), n = 0;

        while (n < N_FLOOD && send(fd, bytes, n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n_bytes)
                n++;
        return n;
}

static void test_flood(const struct daemon *daemon)
{
        uint64_t memory_bytes;
        struct state state;
        size_t n = 0;
        int fd;

        ask_as(daemon, NOBODY, 0, &state);
        memory_bytes = state.engines[0].memory_bytes;
        fd = reach_as(daemon, NOBODY);
        greet_on(fd);
        for (int round = 0; round < 20; round++) {
                n += ask_until_full(fd);
                ask_as(daemon, NOBODY, PROTO_STATUS_UNITS, &state);
                ask_as(daemon, THIRD_USER, PROTO_STATUS_UNITS, &state);
        }
        CHECK(n < N_FLOOD, "all %d questions were taken", N_FLOOD);
        ask_as(daemon, NOBODY, 0, &state);
        CHECK(state.daemon.n_clients == 2 && state.daemon.n_engines_restarted == 0, "it was not held, but dropped");
        CHECK(state.engines[0].memory_bytes < memory_bytes + BOUND_BYTES, "the engine has grown to %" PRIu64 " bytes",
              state.engines[0].memory_bytes);
        printf("%zu questions taken, engine %" PRIu64 " bytes, before %" PRIu64 "\n", n, state.engines[0].memory_bytes,
               memory_bytes);
        (void)close(fd);
        do
                ask_as(daemon, NOBODY, 0, &state);
        while (state.daemon.n_clients != 1); /* it goes, although it is not read */
}

static const struct {
        const char *name;
        void (*run)(const struct daemon *daemon);
} cases[] = {
        {"empty", test_empty}, {"counts", test_counts}, {"users", test_users}, {"engine-killed", test_engine_killed},
        {"drops", test_drops}, {"unit", test_unit},     {"pace", test_pace},   {"flood", test_flood},
};

int main(int argc, char **argv)
{
        struct daemon daemon;

        CHECK(argc == 2, "usage: status_protocol CASE");
        harness_begin(50);
        harness_need_full();
        harness_need_root();
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                if (strcmp(cases[i].name, argv[1]) == 0) {
                        daemon_start(&daemon, NULL);
                        daemon_open_to_all(&daemon);
                        cases[i].run(&daemon);
                        daemon_stop(&daemon);
                        return 0;
                }
        fail("no case %s", argv[1]);
}
