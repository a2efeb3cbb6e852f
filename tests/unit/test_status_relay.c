/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STATUS in the engine, between a client's socket and the monitor's link: the pace of the questions, whose turn it is,
 * and an answer far larger than what may wait for one client.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <setjmp.h>

#include <cmocka.h>

#include "daemon/engine/engine_private.h"
#include "daemon/link/status.h"

#define INTERVAL_NS (UINT64_C(100) * NSEC_PER_MSEC)
#define INTERVAL_OF_ALL_NS (UINT64_C(10) * NSEC_PER_MSEC)
#define BEGIN_NS (UINT64_C(5) * NSEC_PER_SEC)
#define N_CLIENTS 3
#define QUEUE_MAX_BYTES ((size_t)68 << 10) /* what is queued of an answer, and one row more */

struct scene {
        struct engine engine;
        struct peer_entry entries[N_CLIENTS];
        int monitor;            /* the other end of the link */
        int clients[N_CLIENTS]; /* of their sockets */
};

static void make_pair(int type, int *ret_ours, int *ret_theirs)
{
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        *ret_ours = fds[0];
        *ret_theirs = fds[1];
}

/* Clients 1, 2, 3. */
static int set_up(void **state)
{
        struct scene *scene = calloc(1, sizeof(*scene));

        assert_non_null(scene);
        make_pair(SOCK_SEQPACKET, &scene->engine.link_fd, &scene->monitor);
        for (uint32_t i = 0; i < N_CLIENTS; i++) {
                struct peer_entry *entry = &scene->entries[i];
                int fd;

                make_pair(SOCK_SEQPACKET, &fd, &scene->clients[i]);
                assert_int_equal(peer_new(fd, i + 1, true, true, &entry->peer), 0);
                entry->status.rows_fd = -1;
                entry->next = i + 1 < N_CLIENTS ? entry + 1 : NULL;
        }
        scene->engine.peers = scene->entries;
        *state = scene;
        return 0;
}

static int tear_down(void **state)
{
        struct scene *scene = *state;

        for (size_t i = 0; i < N_CLIENTS; i++) {
                status_forget(&scene->entries[i]);
                peer_free(scene->entries[i].peer);
                (void)close(scene->clients[i]);
        }
        (void)close(scene->monitor);
        (void)close(scene->engine.link_fd);
        free(scene);
        return 0;
}

static void ask(struct scene *scene, size_t i, uint32_t req, uint64_t now_ns)
{
        status_ask(&scene->engine, &scene->entries[i], &(struct proto_status){.req = req, .flags = 1}, now_ns);
}

static void expect_question(const struct scene *scene, uint32_t conn, uint32_t req)
{
        struct link_received received;

        assert_int_equal(link_receive(scene->monitor, &received), 1);
        assert_int_equal(received.message.type, LINK_STATUS);
        assert_int_equal(received.message.status.conn, conn);
        assert_int_equal(received.message.status.req, req);
        assert_int_equal(received.message.status.flags, 1);
}

static void expect_no_question(const struct scene *scene)
{
        struct link_received received;

        assert_int_equal(link_receive(scene->monitor, &received), -EAGAIN);
}

static int make_rows(uint32_t req, uint32_t n)
{
        CLEANUP_FREE struct status_row *rows = calloc(n, sizeof(*rows));
        int fd = memfd_create("rows", MFD_CLOEXEC);

        assert_non_null(rows);
        for (uint32_t i = 0; i < n; i++) {
                rows[i].type = i + 1 < n ? MESSAGE_STATUS_UNIT : MESSAGE_STATUS_END;
                if (i + 1 < n) {
                        rows[i].unit = (struct proto_status_unit){.req = req, .n_traces = i};
                        memset(rows[i].text[STATUS_TEXT_UNIT], 'u', STATUS_TEXT_BYTES - 1);
                } else {
                        rows[i].end = (struct proto_status_end){.req = req, .n_omitted = 3};
                }
        }
        assert_int_equal(pwrite(fd, rows, n * sizeof(*rows), 0), n * sizeof(*rows));
        return fd;
}

/* error 0: with so many rows. */
static void reply(struct scene *scene, uint32_t conn, uint32_t req, uint32_t n_rows, int error)
{
        struct link_received received = {
                .message = {.type = LINK_STATUS_REPLY,
                            .status = {.conn = conn, .req = req, .n_rows = n_rows, .error = error}}};

        if (error == 0)
                received.fds[received.n_fds++] = make_rows(req, n_rows);
        assert_int_equal(status_take_reply(&scene->engine, &received), 0);
        link_close_fds(&received);
}

/* As clients_write() does. */
static void write_out(struct scene *scene, size_t i)
{
        struct peer_entry *entry = &scene->entries[i];

        status_fill(entry);
        assert_true(entry->peer->control.n_bytes <= QUEUE_MAX_BYTES);
        assert_int_equal(peer_send(entry->peer), 0);
        assert_false(entry->peer->failed);
}

/* ---- questions ---- */

static void test_pace(void **state)
{
        struct scene *scene = *state;
        struct status *status = &scene->entries[0].status;

        assert_true(status_due_ns(&scene->engine) == UINT64_MAX);
        ask(scene, 0, 1, BEGIN_NS);
        expect_question(scene, 1, 1);
        assert_true(status->is_asked && !status->is_held);
        ask(scene, 0, 2, BEGIN_NS + 1);
        expect_no_question(scene);
        assert_true(status->is_held);
        assert_true(status_due_ns(&scene->engine) == UINT64_MAX); /* the monitor's answer will wake us */
        status_run(&scene->engine, BEGIN_NS + 10 * INTERVAL_NS);
        expect_no_question(scene);
        reply(scene, 1, 1, 1, 0);
        assert_true(status_due_ns(&scene->engine) == 0); /* to be written */
        write_out(scene, 0);
        assert_true(status_due_ns(&scene->engine) == BEGIN_NS + INTERVAL_NS);
        status_run(&scene->engine, BEGIN_NS + INTERVAL_NS - 1);
        expect_no_question(scene);
        status_run(&scene->engine, BEGIN_NS + INTERVAL_NS);
        expect_question(scene, 1, 2);
        assert_false(status->is_held);
}

/* Whoever asked longest ago is next, and all together ask no more often than INTERVAL_OF_ALL_NS. */
static void test_turns(void **state)
{
        struct scene *scene = *state;
        uint64_t now_ns = BEGIN_NS;

        for (uint32_t i = 0; i < N_CLIENTS; i++, now_ns += INTERVAL_OF_ALL_NS) {
                ask(scene, i, 1, now_ns);
                expect_question(scene, i + 1, 1);
                reply(scene, i + 1, 1, 1, 0);
                write_out(scene, i);
        }
        now_ns += INTERVAL_NS;
        for (uint32_t round = 2; round < 5; round++) {
                for (uint32_t i = N_CLIENTS; i-- > 0;)
                        scene->entries[i].status.is_held = true;
                for (uint32_t i = 0; i < N_CLIENTS; i++)
                        scene->entries[i].status.next = (struct proto_status){.req = round, .flags = 1};
                for (uint32_t i = 0; i < N_CLIENTS; i++, now_ns += INTERVAL_OF_ALL_NS) {
                        status_run(&scene->engine, now_ns);
                        expect_question(scene, i + 1, round);
                        reply(scene, i + 1, round, 1, 0);
                        write_out(scene, i);
                        status_run(&scene->engine, now_ns + INTERVAL_OF_ALL_NS - 1);
                        expect_no_question(scene);
                }
                now_ns += INTERVAL_NS;
        }
}

/* ---- answers ---- */

/* The next frame that the client has, or none. */
static bool hear(int fd, struct proto_header *ret_header, uint8_t *body)
{
        uint8_t frame[4096];
        ssize_t n = recv(fd, frame, sizeof(frame), 0);

        if (n < 0)
                return false;
        assert_int_equal(proto_decode_header(frame, (size_t)n, ret_header), 0);
        memcpy(body, frame + PROTO_HEADER_BYTES, (size_t)n - PROTO_HEADER_BYTES);
        return true;
}

/* Reads all that is there; returns how many rows have come by then. */
static uint32_t read_rows(int fd, uint32_t n)
{
        uint8_t body[4096];
        struct proto_header header;

        while (hear(fd, &header, body)) {
                size_t n_body = header.length - PROTO_HEADER_BYTES;

                if (header.type == MESSAGE_STATUS_UNIT) {
                        struct proto_status_unit unit;

                        assert_int_equal(proto_decode_status_unit(body, n_body, &unit), 0);
                        assert_true(unit.req == 9 && unit.n_traces == n && unit.unit.n_bytes == STATUS_TEXT_BYTES - 1);
                } else {
                        struct proto_status_end end;

                        assert_int_equal(header.type, MESSAGE_STATUS_END);
                        assert_int_equal(proto_decode_status_end(body, n_body, &end), 0);
                        assert_true(end.req == 9 && end.n_omitted == 3 && n == STATUS_MAX_ROWS - 1);
                }
                n++;
        }
        return n;
}

/* Some 3 MiB, where a quarter of one may wait: a client that does not read is neither dropped nor waited for. */
static void test_large_answer(void **state)
{
        struct scene *scene = *state;
        uint32_t n = 0, n_rounds = 0;

        ask(scene, 0, 9, BEGIN_NS);
        expect_question(scene, 1, 9);
        reply(scene, 1, 9, STATUS_MAX_ROWS, 0);
        for (int i = 0; i < 100; i++)
                write_out(scene, 0);
        assert_true(scene->entries[0].peer->wants_write && scene->entries[0].status.rows_fd >= 0);
        assert_true(status_due_ns(&scene->engine) == UINT64_MAX); /* the socket will wake us */
        while (n < STATUS_MAX_ROWS) {
                uint32_t before = n;

                n = read_rows(scene->clients[0], n);
                assert_true(n > before);
                write_out(scene, 0);
                n_rounds++;
        }
        assert_true(n_rounds > 1);
        assert_int_equal(scene->entries[0].status.rows_fd, -1);
        assert_int_equal(read_rows(scene->clients[0], n), STATUS_MAX_ROWS);
}

static void test_errors_are_told(void **state)
{
        struct scene *scene = *state;
        struct proto_header header;
        struct proto_error error;
        uint8_t body[4096];

        ask(scene, 0, 9, BEGIN_NS);
        reply(scene, 1, 9, 0, ENOMEM);
        write_out(scene, 0);
        assert_true(hear(scene->clients[0], &header, body));
        assert_int_equal(header.type, MESSAGE_ERROR);
        assert_int_equal(proto_decode_error(body, header.length - PROTO_HEADER_BYTES, &error), 0);
        assert_true(error.req == 9 && error.error == ENOMEM);
        assert_false(scene->entries[0].status.is_asked);
}

/* To a client that has gone, or has not asked: closed, and no harm done. */
static void test_answers_to_nobody(void **state)
{
        struct scene *scene = *state;

        reply(scene, 1, 9, 1, 0);
        reply(scene, N_CLIENTS + 1, 9, 1, 0);
        ask(scene, 0, 9, BEGIN_NS);
        scene->entries[0].gone = true;
        reply(scene, 1, 9, 1, 0);
        scene->entries[0].gone = false;
        for (size_t i = 0; i < N_CLIENTS; i++)
                assert_int_equal(scene->entries[i].status.rows_fd, -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_pace, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_turns, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_large_answer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_errors_are_told, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_answers_to_nobody, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
