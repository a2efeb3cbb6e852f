/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * protocol CASE: a test in the client's place, against the real daemon at its socket. Clients of other versions are
 * told what they need to know; hostile ones lose their connection with a reason, and nobody else notices.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/talk.h"

#define UNKNOWN_TYPE 63
#define HEADER_TYPE_OFFSET 4
#define HEADER_FLAGS_OFFSET 6
#define COOKIE UINT64_C(0x0123456789abcdef)

static uint8_t out[2 * PROTO_FRAME_MAX_BYTES];

/* The daemon may have hung up already. */
static void say_to_whom_it_may_concern(int fd, const uint8_t *bytes, size_t n_bytes)
{
        ssize_t n = send(fd, bytes, n_bytes, MSG_NOSIGNAL);

        CHECK(n == (ssize_t)n_bytes || errno == EPIPE || errno == ECONNRESET, "sending %zu bytes: %s", n_bytes,
              strerror(errno));
}

static void expect_bye(int fd)
{
        struct answer answer = expect_type(fd, MESSAGE_BYE);
        struct proto_bye bye;

        CHECK(proto_decode_bye(answer.body, answer.n_body, &bye) == 0 && bye.reason.n_bytes > 0, "BYE has no reason");
        printf("bye: %.*s\n", (int)bye.reason.n_bytes, bye.reason.data);
        CHECK(!hear(fd, &answer), "the daemon goes on after BYE");
}

static void expect_error(int fd, uint32_t req, int number)
{
        struct answer answer = expect_type(fd, MESSAGE_ERROR);
        struct proto_error error;

        CHECK(proto_decode_error(answer.body, answer.n_body, &error) == 0 && error.req == req && error.text.n_bytes > 0,
              "ERROR answers something else");
        CHECK(error.error == number, "ERROR %d instead of %d: %.*s", error.error, number, (int)error.text.n_bytes,
              error.text.data);
        printf("error: %.*s\n", (int)error.text.n_bytes, error.text.data);
}

static size_t make_hello(uint16_t major)
{
        struct proto_buffer buffer = {.data = out, .size_bytes = sizeof(out)};
        struct proto_hello hello = {.major = major, .client = {.data = "test", .n_bytes = 4}};
        int n = proto_encode_hello(&buffer, 0, &hello);

        CHECK(n > 0, "encoding HELLO");
        return (size_t)n;
}

static size_t make_ping(void)
{
        struct proto_buffer buffer = {.data = out, .size_bytes = sizeof(out)};
        int n = proto_encode_ping(&buffer, 0, &(struct proto_ping){.cookie = COOKIE});

        CHECK(n > 0, "encoding PING");
        return (size_t)n;
}

static size_t make_attach(pid_t pid)
{
        struct proto_buffer buffer = {.data = out, .size_bytes = sizeof(out)};
        int n = proto_encode_attach(&buffer, 0, &(struct proto_attach){.req = 1, .pid = pid});

        CHECK(n > 0, "encoding ATTACH");
        return (size_t)n;
}

/* A longer body, as a newer client might send it; returns the new length. */
static size_t append_tail(size_t n_bytes, size_t n_tail)
{
        for (size_t i = 0; i < n_tail; i++)
                out[n_bytes++] = 0xa5;
        for (size_t i = 0; i < 4; i++)
                out[i] = (uint8_t)(n_bytes >> 8 * i);
        return n_bytes;
}

static void set_type(uint8_t type, uint8_t flags)
{
        out[HEADER_TYPE_OFFSET] = type;
        out[HEADER_TYPE_OFFSET + 1] = 0;
        out[HEADER_FLAGS_OFFSET] = flags;
}

static int greet(const struct daemon *daemon)
{
        int fd = reach(daemon);

        greet_on(fd);
        return fd;
}

static void ping(int fd)
{
        struct answer answer;
        struct proto_ping pong;

        say(fd, out, make_ping());
        answer = expect_type(fd, MESSAGE_PONG);
        CHECK(proto_decode_ping(answer.body, answer.n_body, &pong) == 0 && pong.cookie == COOKIE, "the wrong PONG");
}

static void check_serves(const struct daemon *daemon)
{
        CLEANUP_CLOSE int fd = greet(daemon);

        ping(fd);
}

static void test_newer(const struct daemon *daemon)
{
        CLEANUP_CLOSE int fd = reach(daemon);

        say(fd, out, make_hello(PROTO_MAJOR + 1));
        expect_error(fd, 0, EPROTONOSUPPORT);
        expect_bye(fd);
}

static void test_unknown(const struct daemon *daemon)
{
        CLEANUP_CLOSE int fd = greet(daemon);
        size_t n_bytes = make_ping();

        set_type(UNKNOWN_TYPE, 0);
        say(fd, out, n_bytes);
        ping(fd);
        n_bytes = make_ping();
        set_type(UNKNOWN_TYPE, PROTO_FLAG_CRITICAL);
        say(fd, out, n_bytes);
        expect_bye(fd);
}

/* To the end of the trace; the END's ledger. */
static struct proto_ledger end_of_trace(int fd, uint32_t trace, uint64_t *ret_n_events)
{
        struct answer answer;
        struct proto_end end;

        *ret_n_events = 0;
        harness_doing("waiting for END");
        do {
                CHECK(hear(fd, &answer), "the connection ended before END");
                CHECK(answer.header.trace == trace, "a frame of another trace");
                if (answer.header.type == MESSAGE_EVENTS)
                        *ret_n_events += answer.header.count;
        } while (answer.header.type != MESSAGE_END);
        CHECK(proto_decode_end(answer.body, answer.n_body, &end) == 0, "END is malformed");
        return end.ledger;
}

static void test_appended(const struct daemon *daemon)
{
        CLEANUP_CLOSE int fd = reach(daemon);
        struct target target;
        struct answer answer;
        struct proto_buffer buffer = {.data = out, .size_bytes = sizeof(out)};
        struct proto_ledger ledger;
        uint64_t n_events;
        uint32_t trace;
        int n;

        target_start(&target, "anon", "zero-fill", NULL);
        say(fd, out, append_tail(make_hello(PROTO_MAJOR), 24));
        (void)expect_type(fd, MESSAGE_WELCOME);
        say(fd, out, append_tail(make_attach(target.pid), 4000));
        answer = expect_type(fd, MESSAGE_ATTACHED);
        trace = answer.header.trace;
        target_open_gate(&target);
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
        n = proto_encode_empty(&buffer, trace, MESSAGE_STOP);
        CHECK(n > 0, "encoding STOP");
        say(fd, out, append_tail((size_t)n, 8));
        ledger = end_of_trace(fd, trace, &n_events);
        CHECK(ledger.kernel == target_n_expected(&target) && ledger.delivered == ledger.kernel &&
                      n_events == ledger.kernel,
              "%lu faults, %lu delivered, %lu received", (unsigned long)ledger.kernel, (unsigned long)ledger.delivered,
              (unsigned long)n_events);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* The frame is cut behind so many bytes, and its header says so. */
static void send_cut(const struct daemon *daemon, pid_t pid, size_t n_bytes)
{
        CLEANUP_CLOSE int fd = greet(daemon);

        (void)make_attach(pid);
        say(fd, out, append_tail(n_bytes, 0));
        expect_bye(fd);
}

/* The header promises another length than the message has. */
static void send_lie(const struct daemon *daemon, size_t n_bytes, size_t n_promised)
{
        CLEANUP_CLOSE int fd = greet(daemon);

        memset(out, 0, n_bytes);
        (void)make_ping();
        (void)append_tail(n_promised, 0);
        say(fd, out, n_bytes);
        expect_bye(fd);
}

/* Instead of HELLO. */
static void send_first(const struct daemon *daemon, size_t n_bytes)
{
        CLEANUP_CLOSE int fd = reach(daemon);

        say(fd, out, n_bytes);
        expect_bye(fd);
}

/* Well-formed, but about nothing that exists: answered by an ERROR, or by nothing where the protocol says so. */
static void send_nonsense(const struct daemon *daemon)
{
        static const int32_t pids[] = {0, -1, INT32_MIN, INT32_MAX};
        CLEANUP_CLOSE int fd = greet(daemon);
        struct proto_buffer buffer = {.data = out, .size_bytes = sizeof(out)};
        struct proto_error error;
        int n;

        for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
                struct answer answer;

                say(fd, out, make_attach(pids[i]));
                answer = expect_type(fd, MESSAGE_ERROR);
                CHECK(proto_decode_error(answer.body, answer.n_body, &error) == 0 && error.req == 1,
                      "ERROR answers something else");
        }
        n = proto_encode_empty(&buffer, UINT32_MAX, MESSAGE_STOP);
        CHECK(n > 0, "encoding STOP");
        say(fd, out, (size_t)n);
        ping(fd);
        buffer.n_bytes = 0;
        n = proto_encode_resume(&buffer, UINT32_MAX, &(struct proto_resume){.req = 2});
        CHECK(n > 0, "encoding RESUME");
        say(fd, out, (size_t)n);
        (void)expect_type(fd, MESSAGE_ERROR);
        ping(fd);
}

/* Same bytes in every run; whatever the daemon answers, it must not be harmed. */
static void send_noise(const struct daemon *daemon, uint32_t seed)
{
        CLEANUP_CLOSE int fd = greet(daemon);
        size_t n_bytes = PROTO_HEADER_BYTES + seed * 37 % 4096;

        for (size_t i = 0; i < n_bytes; i++) {
                seed = seed * 1664525 + 1013904223;
                out[i] = (uint8_t)(seed >> 24);
        }
        (void)append_tail(n_bytes, 0);
        set_type((uint8_t)(seed >> 8) % 6, 0);
        say_to_whom_it_may_concern(fd, out, n_bytes);
}

/* Older versions knew less, and what they send is whole: 1.1 ends before the bytes of the stack, 1.0 before the unit.
 */
static const size_t missing_in_old_attach[] = {sizeof(uint32_t), sizeof(uint32_t) + sizeof(uint16_t)};

static bool is_old_attach(size_t n_attach, size_t n_bytes)
{
        for (size_t i = 0; i < ARRAY_SIZE(missing_in_old_attach); i++)
                if (n_attach - n_bytes == missing_in_old_attach[i])
                        return true;
        return false;
}

static void send_old(const struct daemon *daemon, pid_t pid, size_t n_missing)
{
        CLEANUP_CLOSE int fd = greet(daemon);

        say(fd, out, append_tail(make_attach(pid) - n_missing, 0));
        (void)expect_type(fd, MESSAGE_ATTACHED);
}

/* An ATTACH that asks for what nobody knows, some of it in bytes that were reserved before: refused, not guessed. */
static void send_unknown_wishes(const struct daemon *daemon, pid_t pid)
{
        const struct proto_attach wishes[] = {
                {.req = 1, .pid = pid, .flags = PROTO_ATTACH_LINES << 1},
                {.req = 1, .pid = pid, .flags = UINT8_MAX},
                {.req = 1, .pid = pid, .ptrace = PTRACE_MODE_OFF + 1},
                {.req = 1, .pid = pid, .ptrace = UINT8_MAX},
                {.req = 1, .pid = pid, .detail = UINT8_MAX},
                {.req = 1, .pid = pid, .stack_bytes = PROTO_STACK_MAX_BYTES + 1},
                {.req = 1, .pid = pid, .stack_bytes = PROTO_STACK_AUTO - 1},
                {.req = 1, .pid = pid, .unit = {.data = "a\0b", .n_bytes = 3}},
        };
        CLEANUP_CLOSE int fd = greet(daemon);

        for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
                struct proto_buffer buffer = {.data = out, .size_bytes = sizeof(out)};
                int n = proto_encode_attach(&buffer, 0, &wishes[i]);

                CHECK(n > 0, "encoding ATTACH");
                say(fd, out, (size_t)n);
                expect_error(fd, 1, EINVAL);
        }
        ping(fd);
}

static void send_hostile(const struct daemon *daemon, pid_t pid)
{
        size_t n_attach = make_attach(pid);

        for (size_t n = PROTO_HEADER_BYTES; n < n_attach; n++)
                if (!is_old_attach(n_attach, n))
                        send_cut(daemon, pid, n);
        for (size_t i = 0; i < ARRAY_SIZE(missing_in_old_attach); i++)
                send_old(daemon, pid, missing_in_old_attach[i]);
        send_unknown_wishes(daemon, pid);
        send_lie(daemon, 1, PROTO_HEADER_BYTES);
        send_lie(daemon, PROTO_HEADER_BYTES - 1, PROTO_HEADER_BYTES - 1);
        send_lie(daemon, PROTO_HEADER_BYTES, 0);
        send_lie(daemon, PROTO_HEADER_BYTES, PROTO_HEADER_BYTES + 1);
        send_lie(daemon, PROTO_HEADER_BYTES + 8, PROTO_HEADER_BYTES);
        send_lie(daemon, PROTO_HEADER_BYTES, UINT32_MAX);
        send_lie(daemon, PROTO_FRAME_MAX_BYTES + 1, PROTO_FRAME_MAX_BYTES + 1);
        send_first(daemon, make_ping());
        send_first(daemon, make_attach(pid));
        (void)make_hello(PROTO_MAJOR);
        send_first(daemon, append_tail(PROTO_HEADER_BYTES + 3, 0));
        send_nonsense(daemon);
        for (uint32_t seed = 1; seed <= 200; seed++)
                send_noise(daemon, seed);
}

/* A real client traces all the while, served by the same engine. */
static void test_hostile(const struct daemon *daemon)
{
        struct target target;
        struct client client;

        target_start(&target, "anon", "zero-fill", NULL);
        client_attach_as(&client, 0, target.pid, daemon);
        send_hostile(daemon, target.pid);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        CHECK(client_n(&client, "gap") == 0, "the engine died");
        compare_faults(&client, &target, COMPARE_ALL);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* Many that connect and say nothing keep nobody else out. */
static void test_silent(const struct daemon *daemon)
{
        int fds[100];

        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = reach(daemon);
        check_serves(daemon);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                (void)close(fds[i]);
}

static const struct {
        const char *name;
        void (*run)(const struct daemon *daemon);
} cases[] = {{"newer", test_newer},
             {"unknown", test_unknown},
             {"appended", test_appended},
             {"hostile", test_hostile},
             {"silent", test_silent}};

int main(int argc, char **argv)
{
        struct daemon daemon;

        CHECK(argc == 2, "usage: protocol CASE");
        harness_begin(50);
        harness_need_full();
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                if (strcmp(cases[i].name, argv[1]) == 0) {
                        daemon_start(&daemon, NULL);
                        cases[i].run(&daemon);
                        check_serves(&daemon);
                        daemon_stop(&daemon);
                        return 0;
                }
        fail("no case %s", argv[1]);
}
