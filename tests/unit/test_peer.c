/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer.c over a real socketpair: the conversation up to WELCOME, everything a hostile client can send, and that what is
 * delivered, dropped and ended is exactly what arrives at the other side.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "daemon/engine/serve/peer.h"
#include "proto/wire.h"
#include "tests/unit/stream.h"

#define CONN 3
#define TRACE 8

struct scene {
        struct peer *peer;
        int client; /* our end */
        uint8_t bytes[PROTO_FRAME_MAX_BYTES + 64];
        size_t n_bytes; /* of the frame last received */
        struct proto_header header;
};

static void scene_init(struct scene *scene, bool greeted)
{
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(peer_new(fds[0], CONN, false, greeted, &scene->peer), 0);
        scene->client = fds[1];
}

static void scene_deinit(struct scene *scene)
{
        assert_null(peer_free(scene->peer));
        if (scene->client >= 0)
                assert_int_equal(close(scene->client), 0);
}

static struct proto_buffer buffer_of(struct scene *scene)
{
        return (struct proto_buffer){.data = scene->bytes, .size_bytes = sizeof(scene->bytes)};
}

static void send_bytes(const struct scene *scene, const void *bytes, size_t n_bytes)
{
        assert_int_equal(send(scene->client, bytes, n_bytes, MSG_DONTWAIT), n_bytes);
}

static void send_hello(struct scene *scene, uint16_t major)
{
        struct proto_buffer buffer = buffer_of(scene);
        struct proto_hello hello = {.major = major, .client = {.data = "test", .n_bytes = 4}};

        assert_true(proto_encode_hello(&buffer, 0, &hello) > 0);
        send_bytes(scene, buffer.data, buffer.n_bytes);
}

static void send_ping(struct scene *scene, uint64_t cookie)
{
        struct proto_buffer buffer = buffer_of(scene);
        struct proto_ping ping = {.cookie = cookie};

        assert_true(proto_encode_ping(&buffer, 0, &ping) > 0);
        send_bytes(scene, buffer.data, buffer.n_bytes);
}

/* A frame with this type and flags, and a body of zeros. */
static void send_type(struct scene *scene, uint16_t type, uint16_t flags, size_t n_body)
{
        struct proto_buffer buffer = buffer_of(scene);

        assert_true(proto_encode_empty(&buffer, TRACE, (enum message_type)type) > 0);
        wire_store_u16(scene->bytes + 6, flags);
        wire_store_u32(scene->bytes, (uint32_t)(PROTO_HEADER_BYTES + n_body));
        memset(scene->bytes + PROTO_HEADER_BYTES, 0, n_body);
        send_bytes(scene, scene->bytes, PROTO_HEADER_BYTES + n_body);
}

/* The peer takes one message and finds no command in it. */
static void take(struct scene *scene)
{
        struct peer_command command;
        bool again;

        assert_int_equal(peer_receive(scene->peer, &command, &again), 0);
        assert_true(again);
}

static struct peer_command take_command(struct scene *scene)
{
        struct peer_command command;
        bool again;

        assert_int_equal(peer_receive(scene->peer, &command, &again), 1);
        return command;
}

static void assert_nothing_to_read(struct scene *scene)
{
        struct peer_command command;
        bool again = true;

        assert_int_equal(peer_receive(scene->peer, &command, &again), 0);
        assert_false(again);
}

/* The next message from the daemon; false = none is there. */
static bool receive(struct scene *scene)
{
        ssize_t n = recv(scene->client, scene->bytes, sizeof(scene->bytes), MSG_DONTWAIT);

        if (n < 0) {
                assert_int_equal(errno, EAGAIN);
                return false;
        }
        assert_int_not_equal(n, 0);
        scene->n_bytes = (size_t)n;
        assert_int_equal(proto_decode_header(scene->bytes, scene->n_bytes, &scene->header), 0);
        return true;
}

static const uint8_t *body_of(const struct scene *scene, size_t *ret_n)
{
        *ret_n = scene->n_bytes - PROTO_HEADER_BYTES;
        return scene->bytes + PROTO_HEADER_BYTES;
}

static void expect(struct scene *scene, enum message_type type)
{
        assert_true(receive(scene));
        assert_int_equal(scene->header.type, type);
}

/* The client is told why, and then the connection is over. */
static void expect_bye(struct scene *scene)
{
        struct proto_bye bye;
        const uint8_t *body;
        size_t n;

        assert_int_equal(peer_send(scene->peer), -ECONNRESET);
        expect(scene, MESSAGE_BYE);
        body = body_of(scene, &n);
        assert_int_equal(proto_decode_bye(body, n, &bye), 0);
        assert_true(bye.reason.n_bytes > 0);
        assert_false(receive(scene));
}

static void test_greeting(void **state)
{
        struct scene scene;
        struct proto_welcome welcome;
        const uint8_t *body;
        size_t n;

        scene_init(&scene, false);
        assert_nothing_to_read(&scene);
        send_hello(&scene, PROTO_MAJOR);
        take(&scene);
        assert_true(scene.peer->greeted);
        assert_int_equal(peer_send(scene.peer), 0);
        expect(&scene, MESSAGE_WELCOME);
        body = body_of(&scene, &n);
        assert_int_equal(proto_decode_welcome(body, n, &welcome), 0);
        assert_int_equal(welcome.major, PROTO_MAJOR);
        assert_int_equal(welcome.event_bytes, PROTO_EVENT_BYTES);
        assert_int_equal(welcome.frame_max_bytes, PROTO_FRAME_MAX_BYTES);
        send_ping(&scene, 0x1122334455667788);
        take(&scene);
        assert_int_equal(peer_send(scene.peer), 0);
        expect(&scene, MESSAGE_PONG);
        assert_int_equal(wire_load_u64(scene.bytes + PROTO_HEADER_BYTES), 0x1122334455667788);
        assert_false(receive(&scene));
        scene_deinit(&scene);
}

static void test_wrong_first_message(void **state)
{
        static const uint16_t types[] = {
                MESSAGE_ATTACH, MESSAGE_STOP, MESSAGE_RESUME, MESSAGE_PING, MESSAGE_WELCOME, 0, 60, 0xffff};

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                struct scene scene;

                scene_init(&scene, false);
                send_type(&scene, types[i], 0, 100);
                take(&scene);
                assert_false(scene.peer->greeted);
                expect_bye(&scene);
                scene_deinit(&scene);
        }
}

static void test_wrong_major(void **state)
{
        static const uint16_t majors[] = {0, PROTO_MAJOR + 1, 0xffff};

        for (size_t i = 0; i < ARRAY_SIZE(majors); i++) {
                struct proto_error error;
                const uint8_t *body;
                struct scene scene;
                size_t n;

                scene_init(&scene, false);
                send_hello(&scene, majors[i]);
                take(&scene);
                assert_int_equal(peer_send(scene.peer), -ECONNRESET);
                expect(&scene, MESSAGE_ERROR);
                body = body_of(&scene, &n);
                assert_int_equal(proto_decode_error(body, n, &error), 0);
                assert_int_equal(error.req, 0);
                assert_int_equal(error.error, EPROTONOSUPPORT);
                assert_true(error.text.n_bytes > 0);
                expect(&scene, MESSAGE_BYE);
                scene_deinit(&scene);
        }
}

static void test_second_hello(void **state)
{
        struct scene scene;

        scene_init(&scene, false);
        send_hello(&scene, PROTO_MAJOR);
        take(&scene);
        assert_int_equal(peer_send(scene.peer), 0);
        expect(&scene, MESSAGE_WELCOME);
        send_hello(&scene, PROTO_MAJOR);
        take(&scene);
        expect_bye(&scene);
        scene_deinit(&scene);
}

/* After a restart of the engine the client need not greet again, and may: each time it was not answered. */
static void test_greeted_before(void **state)
{
        struct scene scene;

        scene_init(&scene, true);
        send_ping(&scene, 1);
        take(&scene);
        assert_int_equal(peer_send(scene.peer), 0);
        expect(&scene, MESSAGE_PONG);
        for (int i = 0; i < 2; i++) {
                send_hello(&scene, PROTO_MAJOR);
                take(&scene);
                assert_int_equal(peer_send(scene.peer), 0);
                expect(&scene, MESSAGE_WELCOME);
        }
        scene_deinit(&scene);
}

static void test_commands(void **state)
{
        const struct proto_attach attach = {.req = 5,
                                            .pid = 1234,
                                            .detail = DETAIL_FULL,
                                            .count_limit = 10,
                                            .filter = {.outcomes = 6, .map_glob = {.data = "*x", .n_bytes = 2}}};
        const struct proto_resume resume = {
                .req = 6, .n_received = 77, .filter = {.map_glob = {.data = "y", .n_bytes = 1}}};
        struct peer_command command;
        struct proto_buffer buffer;
        struct scene scene;

        scene_init(&scene, true);
        buffer = buffer_of(&scene);
        assert_true(proto_encode_attach(&buffer, 0, &attach) > 0);
        send_bytes(&scene, buffer.data, buffer.n_bytes);
        command = take_command(&scene);
        assert_int_equal(command.kind, PEER_COMMAND_ATTACH);
        assert_int_equal(command.attach.req, 5);
        assert_int_equal(command.attach.pid, 1234);
        assert_int_equal(command.attach.count_limit, 10);
        assert_int_equal(command.attach.filter.outcomes, 6);
        assert_int_equal(command.attach.filter.map_glob.n_bytes, 2);
        assert_memory_equal(command.attach.filter.map_glob.data, "*x", 2);

        buffer = buffer_of(&scene);
        assert_true(proto_encode_resume(&buffer, TRACE, &resume) > 0);
        send_bytes(&scene, buffer.data, buffer.n_bytes);
        command = take_command(&scene);
        assert_int_equal(command.kind, PEER_COMMAND_RESUME);
        assert_int_equal(command.trace, TRACE);
        assert_int_equal(command.resume.n_received, 77);
        assert_memory_equal(command.resume.filter.map_glob.data, "y", 1);

        send_type(&scene, MESSAGE_STOP, 0, 0);
        command = take_command(&scene);
        assert_int_equal(command.kind, PEER_COMMAND_STOP);
        assert_int_equal(command.trace, TRACE);
        assert_nothing_to_read(&scene);
        scene_deinit(&scene);
}

/* Known messages whose bodies end too early; an empty HELLO, too. */
static void test_bodies_too_short(void **state)
{
        static const uint16_t types[] = {MESSAGE_ATTACH, MESSAGE_RESUME, MESSAGE_PING};

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                struct scene scene;

                scene_init(&scene, true);
                send_type(&scene, types[i], 0, 7);
                take(&scene);
                expect_bye(&scene);
                scene_deinit(&scene);
        }
}

static void test_hello_too_short(void **state)
{
        struct scene scene;

        scene_init(&scene, false);
        send_type(&scene, MESSAGE_HELLO, 0, 8);
        take(&scene);
        assert_false(scene.peer->greeted);
        expect_bye(&scene);
        scene_deinit(&scene);
}

static void test_malformed_frames(void **state)
{
        static const struct {
                size_t n_bytes;
                uint32_t length; /* what the header claims */
        } cases[] = {
                {1, 1},
                {4, 32},
                {31, 31},
                {31, 32},
                {32, 31},
                {32, 0},
                {32, 33},
                {40, 32},
                {32, UINT32_MAX},
                {PROTO_FRAME_MAX_BYTES, PROTO_FRAME_MAX_BYTES - 1},
                {PROTO_FRAME_MAX_BYTES + 1, PROTO_FRAME_MAX_BYTES},
                {PROTO_FRAME_MAX_BYTES + 1, PROTO_FRAME_MAX_BYTES + 1},
        };

        for (int greeted = 0; greeted < 2; greeted++)
                for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                        struct scene scene;

                        scene_init(&scene, greeted);
                        memset(scene.bytes, 0, sizeof(scene.bytes));
                        wire_store_u32(scene.bytes, cases[i].length);
                        wire_store_u16(scene.bytes + 4, greeted ? 60 : MESSAGE_HELLO);
                        send_bytes(&scene, scene.bytes, cases[i].n_bytes);
                        take(&scene);
                        expect_bye(&scene);
                        scene_deinit(&scene);
                }
}

/* The largest frame there may be, of a type nobody knows: stepped over. */
static void test_largest_frame(void **state)
{
        struct scene scene;

        scene_init(&scene, true);
        send_type(&scene, 60, 0, PROTO_FRAME_MAX_BYTES - PROTO_HEADER_BYTES);
        take(&scene);
        send_ping(&scene, 1);
        take(&scene);
        assert_int_equal(peer_send(scene.peer), 0);
        expect(&scene, MESSAGE_PONG);
        scene_deinit(&scene);
}

static void test_unknown_messages(void **state)
{
        static const uint16_t types[] = {0, 62, 63, MESSAGE_EVENTS, MESSAGE_END, 0xffff};

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                struct scene scene;

                scene_init(&scene, true);
                send_type(&scene, types[i], 0xfffe, 5); /* every flag but CRITICAL */
                take(&scene);
                assert_int_equal(peer_send(scene.peer), 0);
                assert_false(receive(&scene));
                send_type(&scene, types[i], PROTO_FLAG_CRITICAL, 5);
                take(&scene);
                expect_bye(&scene);
                scene_deinit(&scene);
        }
}

/* Nothing that follows a breach of the protocol is looked at. */
static void test_closing_ignores_the_rest(void **state)
{
        struct scene scene;

        scene_init(&scene, true);
        send_type(&scene, 60, PROTO_FLAG_CRITICAL, 0);
        send_ping(&scene, 1);
        send_type(&scene, MESSAGE_STOP, 0, 0);
        take(&scene);
        assert_nothing_to_read(&scene);
        assert_nothing_to_read(&scene);
        expect_bye(&scene);
        scene_deinit(&scene);
}

static void test_random_bytes(void **state)
{
        uint64_t random_state = 1;
        uint8_t bytes[300];

        for (int round = 0; round < 3000; round++) {
                struct peer_command command;
                struct scene scene;
                bool again;
                size_t n = 1 + (size_t)round % sizeof(bytes);

                for (size_t i = 0; i < n; i++) {
                        random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                        bytes[i] = (uint8_t)(random_state >> 56);
                }
                if (n >= PROTO_HEADER_BYTES) { /* past the first check */
                        wire_store_u32(bytes, (uint32_t)n);
                        wire_store_u16(bytes + 4, (uint16_t)(round % 8));
                }
                scene_init(&scene, round % 2);
                send_bytes(&scene, bytes, n);
                assert_in_range(peer_receive(scene.peer, &command, &again), 0, 1);
                scene_deinit(&scene);
        }
}

static size_t count_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        assert_int_equal(closedir(dir), 0);
        return n;
}

static void test_descriptors_are_not_kept(void **state)
{
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(5 * sizeof(int))];
        } control = {
                .header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(5 * sizeof(int))}};
        struct iovec iov;
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        const struct proto_ping ping = {.cookie = 9};
        struct proto_buffer buffer;
        struct scene scene;
        size_t n_before;

        scene_init(&scene, true);
        buffer = buffer_of(&scene);
        assert_true(proto_encode_ping(&buffer, 0, &ping) > 0);
        iov = (struct iovec){.iov_base = buffer.data, .iov_len = buffer.n_bytes};
        for (size_t i = 0; i < 5; i++)
                memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &scene.client, sizeof(int));
        n_before = count_fds();
        assert_int_equal(sendmsg(scene.client, &message, 0), buffer.n_bytes);
        take(&scene);
        assert_int_equal(count_fds(), n_before);
        assert_int_equal(peer_send(scene.peer), 0);
        expect(&scene, MESSAGE_PONG);
        scene_deinit(&scene);
}

static void test_descriptor_is_closed(void **state)
{
        size_t n_before = count_fds();
        struct scene scene;

        scene_init(&scene, false);
        assert_int_equal(count_fds(), n_before + 2);
        scene_deinit(&scene);
        assert_int_equal(count_fds(), n_before);
        assert_null(peer_free(NULL));
}

static void test_client_goes(void **state)
{
        struct peer_command command;
        struct scene scene;
        bool again;

        scene_init(&scene, true);
        send_ping(&scene, 1);
        assert_int_equal(close(scene.client), 0);
        scene.client = -1;
        take(&scene);
        assert_int_equal(peer_receive(scene.peer, &command, &again), -ECONNRESET);
        assert_int_equal(peer_send(scene.peer), -ECONNRESET);
        scene_deinit(&scene);
}

static void test_empty_message(void **state)
{
        struct peer_command command;
        struct scene scene;
        bool again;

        scene_init(&scene, true);
        send_bytes(&scene, "", 0);
        assert_int_equal(peer_receive(scene.peer, &command, &again), -ECONNRESET);
        scene_deinit(&scene);
}

/* Questions without end and nobody who reads the answers: the client is dropped, although its socket is full. */
static void test_answers_nobody_reads(void **state)
{
        struct scene scene;
        size_t n = 0;

        scene_init(&scene, true);
        while (peer_send(scene.peer) == 0) {
                send_ping(&scene, n++);
                take(&scene);
                assert_in_range(n, 1, 1000000);
        }
        assert_true(scene.peer->control.n_bytes <= ((size_t)256 << 10) + 4096);
        assert_false(scene.peer->closing);
        scene_deinit(&scene);
}

static void test_error_text_is_bounded(void **state)
{
        char text[PROTO_STRING_MAX_BYTES + 100];
        struct proto_error error;
        struct scene scene;
        const uint8_t *body;
        size_t n;

        memset(text, 'e', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        scene_init(&scene, true);
        peer_error(scene.peer, 4, ENOMEM, text);
        assert_int_equal(peer_send(scene.peer), 0);
        expect(&scene, MESSAGE_ERROR);
        body = body_of(&scene, &n);
        assert_int_equal(proto_decode_error(body, n, &error), 0);
        assert_int_equal(error.req, 4);
        assert_int_equal(error.error, ENOMEM);
        assert_int_equal(error.text.n_bytes, PROTO_STRING_MAX_BYTES);
        scene_deinit(&scene);
}

/* ---- subscriptions ---- */

struct traced {
        struct scene scene;
        struct dict *dict;
        struct fanout fanout;
        struct stream stream;
        uint64_t n_faults;
};

static struct subscription *subscribe(struct traced *traced)
{
        struct subscription_spec spec = {.peer = traced->scene.peer};
        struct subscription *subscription;

        assert_int_equal(fanout_join(&traced->fanout, &spec, &subscription), 0);
        subscription->next_in_peer = traced->scene.peer->subscriptions;
        traced->scene.peer->subscriptions = subscription;
        traced->scene.peer->n_subscriptions++;
        return subscription;
}

static void traced_init(struct traced *traced)
{
        *traced = (struct traced){0};
        scene_init(&traced->scene, true);
        assert_int_equal(dict_new(TRACE, (size_t)1 << 20, &traced->dict), 0);
        traced->fanout = (struct fanout){.trace = TRACE, .dict = traced->dict};
}

static void traced_deinit(struct traced *traced)
{
        fanout_deinit(&traced->fanout);
        scene_deinit(&traced->scene);
        stream_deinit(&traced->stream);
        dict_free(traced->dict);
}

static void add_faults(struct traced *traced, size_t n)
{
        for (; n; n--) {
                struct fault fault = {.outcome = (enum outcome)(traced->n_faults++ % N_OUTCOMES)};
                struct proto_event event = {
                        .outcome = (uint8_t)fault.outcome,
                        .thread = dict_thread(traced->dict, 1, (pid_t)(traced->n_faults / 100 + 1), "t")};

                assert_int_equal(fanout_fault(&traced->fanout, &fault, &event), 0);
        }
        assert_int_equal(fanout_flush(&traced->fanout), 0);
}

static void end_all(struct traced *traced)
{
        struct subscription_totals totals = {.kernel = traced->n_faults};

        while (traced->fanout.subscriptions)
                subscription_end(&traced->fanout, traced->fanout.subscriptions, END_STOPPED, &totals, NULL);
}

/* Read what is there; true when END has come, which must be the last message of all. */
static bool read_stream(struct traced *traced, struct proto_end *ret)
{
        struct scene *scene = &traced->scene;
        const uint8_t *body;
        size_t n;

        while (receive(scene)) {
                assert_int_equal(scene->header.trace, TRACE);
                if (scene->header.type == MESSAGE_END) {
                        body = body_of(scene, &n);
                        assert_int_equal(proto_decode_end(body, n, ret), 0);
                        assert_false(receive(scene));
                        return true;
                }
                (void)stream_apply(&traced->stream, scene->bytes, scene->n_bytes);
        }
        return false;
}

static void test_end_comes_last(void **state)
{
        struct proto_end end;
        struct traced traced;

        traced_init(&traced);
        (void)subscribe(&traced);
        add_faults(&traced, 10);
        assert_int_equal(peer_send(traced.scene.peer), 0);
        assert_false(read_stream(&traced, &end));
        assert_int_equal(traced.stream.n_faults, 10);
        add_faults(&traced, 5);
        end_all(&traced);
        assert_int_equal(traced.scene.peer->n_subscriptions, 1);
        assert_int_equal(peer_send(traced.scene.peer), 0);
        assert_int_equal(traced.scene.peer->n_subscriptions, 0);
        assert_null(traced.scene.peer->subscriptions);
        assert_true(read_stream(&traced, &end));
        assert_int_equal(traced.stream.n_faults, 15);
        assert_int_equal(end.reason, END_STOPPED);
        assert_int_equal(end.ledger.kernel, 15);
        assert_int_equal(end.ledger.delivered, 15);
        assert_int_equal(peer_send(traced.scene.peer), 0);
        traced_deinit(&traced);
}

/* Answers go before faults: ATTACHED reaches the client before the first frame of its trace. */
static void test_answers_first(void **state)
{
        static const enum message_type order[] = {MESSAGE_PONG, MESSAGE_DICT, MESSAGE_EVENTS};
        struct traced traced;

        traced_init(&traced);
        (void)subscribe(&traced);
        add_faults(&traced, 1);
        send_ping(&traced.scene, 1);
        take(&traced.scene);
        assert_int_equal(peer_send(traced.scene.peer), 0);
        for (size_t i = 0; i < ARRAY_SIZE(order); i++)
                expect(&traced.scene, order[i]);
        traced_deinit(&traced);
}

/* A socket that is full: nothing is sent twice or lost, and END waits for all that waits. */
static void test_full_socket(void **state)
{
        struct proto_end end;
        struct traced traced;
        bool ended = false;

        traced_init(&traced);
        (void)subscribe(&traced);
        while (!traced.scene.peer->wants_write) {
                add_faults(&traced, 1000);
                assert_int_equal(peer_send(traced.scene.peer), 0);
        }
        add_faults(&traced, 1000);
        end_all(&traced);
        assert_int_equal(peer_send(traced.scene.peer), 0);
        assert_true(traced.scene.peer->wants_write);
        assert_int_equal(traced.scene.peer->n_subscriptions, 1);
        for (int i = 0; !ended; i++) {
                assert_in_range(i, 0, 1000);
                ended = read_stream(&traced, &end);
                assert_int_equal(peer_send(traced.scene.peer), 0);
        }
        assert_false(traced.scene.peer->wants_write);
        assert_int_equal(traced.stream.n_faults, traced.n_faults);
        assert_int_equal(end.ledger.kernel, traced.n_faults);
        assert_int_equal(end.ledger.delivered, traced.n_faults);
        assert_int_equal(end.ledger.dropped_client, 0);
        traced_deinit(&traced);
}

/* A client far behind: what it was not sent it is told, by number and outcome, before what comes after. */
static void test_slow_client(void **state)
{
        struct subscription *subscription;
        struct proto_end end;
        struct traced traced;
        bool ended = false;

        traced_init(&traced);
        subscription = subscribe(&traced);
        subscription->queue.limit_bytes = 300000;
        for (int i = 0; i < 40; i++) {
                add_faults(&traced, 1000);
                assert_int_equal(peer_send(traced.scene.peer), 0);
                if (i % 10 == 9)
                        assert_false(read_stream(&traced, &end));
        }
        end_all(&traced);
        for (int i = 0; !ended; i++) {
                assert_in_range(i, 0, 1000);
                assert_int_equal(peer_send(traced.scene.peer), 0);
                ended = read_stream(&traced, &end);
        }
        assert_true(traced.stream.n_dropped > 0);
        assert_int_equal(traced.stream.n_faults + traced.stream.n_dropped, 40000);
        assert_int_equal(end.ledger.kernel, 40000);
        assert_int_equal(end.ledger.delivered, traced.stream.n_faults);
        assert_int_equal(end.ledger.dropped_client, traced.stream.n_dropped);
        traced_deinit(&traced);
}

/* One trace ended, another goes on: only the ended one is let go. */
static void test_two_subscriptions(void **state)
{
        struct subscription_totals totals = {.kernel = 3};
        struct subscription *first, *second;
        struct proto_end end;
        struct traced traced;

        traced_init(&traced);
        first = subscribe(&traced);
        second = subscribe(&traced);
        add_faults(&traced, 3);
        subscription_end(&traced.fanout, first, END_STOPPED, &totals, NULL);
        assert_int_equal(peer_send(traced.scene.peer), 0);
        assert_int_equal(traced.scene.peer->n_subscriptions, 1);
        assert_ptr_equal(traced.scene.peer->subscriptions, second);
        assert_null(second->next_in_peer);
        assert_int_equal(second->n_delivered, 3);
        end = (struct proto_end){0};
        assert_false(subscription_take_end(second, &end));
        traced_deinit(&traced);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_greeting),
                cmocka_unit_test(test_wrong_first_message),
                cmocka_unit_test(test_wrong_major),
                cmocka_unit_test(test_second_hello),
                cmocka_unit_test(test_greeted_before),
                cmocka_unit_test(test_commands),
                cmocka_unit_test(test_bodies_too_short),
                cmocka_unit_test(test_hello_too_short),
                cmocka_unit_test(test_malformed_frames),
                cmocka_unit_test(test_largest_frame),
                cmocka_unit_test(test_unknown_messages),
                cmocka_unit_test(test_closing_ignores_the_rest),
                cmocka_unit_test(test_random_bytes),
                cmocka_unit_test(test_descriptors_are_not_kept),
                cmocka_unit_test(test_descriptor_is_closed),
                cmocka_unit_test(test_client_goes),
                cmocka_unit_test(test_empty_message),
                cmocka_unit_test(test_answers_nobody_reads),
                cmocka_unit_test(test_error_text_is_bounded),
                cmocka_unit_test(test_end_comes_last),
                cmocka_unit_test(test_answers_first),
                cmocka_unit_test(test_full_socket),
                cmocka_unit_test(test_slow_client),
                cmocka_unit_test(test_two_subscriptions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
