/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The link between our processes: every type survives the way with its descriptors; every imperfect message is refused
 * and leaves no descriptor behind.
 */
#include "daemon/link/link.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

struct pair {
        int a, b;
};

static struct pair pair_open(int flags)
{
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0, fds), 0);
        return (struct pair){fds[0], fds[1]};
}

static void pair_close(struct pair pair)
{
        close(pair.a);
        close(pair.b);
}

static size_t count_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        assert_non_null(dir);
        while (readdir(dir) != NULL)
                n++;
        closedir(dir);
        return n;
}

static const struct {
        uint32_t type;
        size_t n_bytes;
} sizes[] = {
#define SIZE(type, member)                                                                                             \
        {                                                                                                              \
                type, offsetof(struct link_message, member) + sizeof(((struct link_message *)NULL)->member)            \
        }
        SIZE(LINK_CONN, conn),
        SIZE(LINK_TRACE, trace),
        SIZE(LINK_RINGS, rings),
        SIZE(LINK_STARTED, started),
        SIZE(LINK_OPENED, opened),
        SIZE(LINK_COUNTS, counts),
        SIZE(LINK_ATTACH, attach),
        SIZE(LINK_READY, id),
        SIZE(LINK_OPEN, open),
        SIZE(LINK_STOP, id),
        SIZE(LINK_CLOSE, id),
        SIZE(LINK_CONN_CLOSED, id),
        SIZE(LINK_TRACER_STOPPED, tracer),
        SIZE(LINK_TRACER_GO, tracer),
        SIZE(LINK_TRACER_FAILED, tracer),
};

static void test_every_type_round_trip(void **state)
{
        struct pair pair = pair_open(0);

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                struct link_message message;
                struct link_received received;

                memset(&message, (int)(0x40 + i), sizeof(message));
                message.type = sizes[i].type;
                assert_int_equal(link_send(pair.a, &message, NULL, 0), 0);
                assert_int_equal(link_receive(pair.b, &received), 1);
                assert_memory_equal(&received.message, &message, sizes[i].n_bytes);
                assert_int_equal(received.n_fds, 0);
        }
        pair_close(pair);
}

static void test_descriptors_arrive_in_order_and_cloexec(void **state)
{
        struct pair pair = pair_open(0);
        struct link_message message = {.type = LINK_RINGS, .rings = {.trace = 7, .n = LINK_RINGS_PER_MESSAGE}};
        struct link_received received;
        int fds[LINK_MAX_FDS];
        size_t n_before = count_fds();

        for (size_t i = 0; i < LINK_MAX_FDS; i++)
                fds[i] = i % 2 == 0 ? pair.a : pair.b;
        assert_int_equal(link_send(pair.a, &message, fds, LINK_MAX_FDS), 0);
        assert_int_equal(link_receive(pair.b, &received), 1);
        assert_int_equal(received.n_fds, LINK_MAX_FDS);
        for (size_t i = 0; i < LINK_MAX_FDS; i++) {
                struct stat sent, got;

                assert_int_equal(fstat(fds[i], &sent), 0);
                assert_int_equal(fstat(received.fds[i], &got), 0);
                assert_int_equal(sent.st_ino, got.st_ino);
                assert_int_equal(fcntl(received.fds[i], F_GETFD), FD_CLOEXEC);
        }
        link_close_fds(&received);
        assert_int_equal(received.n_fds, 0);
        assert_int_equal(count_fds(), n_before);
        pair_close(pair);
}

static void test_too_many_descriptors_or_unknown_type_is_not_sent(void **state)
{
        struct pair pair = pair_open(SOCK_NONBLOCK);
        struct link_message message = {.type = LINK_RINGS};
        struct link_received received;
        int fds[LINK_MAX_FDS + 1] = {0};

        assert_int_equal(link_send(pair.a, &message, fds, LINK_MAX_FDS + 1), -EINVAL);
        message.type = 12345;
        assert_int_equal(link_send(pair.a, &message, NULL, 0), -EINVAL);
        assert_int_equal(link_receive(pair.b, &received), -EAGAIN);
        pair_close(pair);
}

static void send_raw(int fd, const void *bytes, size_t n_bytes, size_t n_fds)
{
        struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n_bytes};
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(253 * sizeof(int))];
        } control = {0};
        struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

        if (n_fds > 0) {
                header.msg_control = &control;
                header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                struct cmsghdr *c = CMSG_FIRSTHDR(&header);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                for (size_t i = 0; i < n_fds; i++)
                        memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
        }
        assert_int_equal(sendmsg(fd, &header, 0), n_bytes);
}

/* A bad message with 3 descriptors: refused, `ret` untouched, the descriptors closed, the next message intact. */
static void check_refused(const void *bytes, size_t n_bytes, size_t n_fds)
{
        struct pair pair = pair_open(SOCK_NONBLOCK);
        size_t n_before = count_fds();
        struct link_received received, untouched;
        struct link_message next = {.type = LINK_READY, .id = {.id = 99}};

        memset(&received, 0xa5, sizeof(received));
        untouched = received;
        send_raw(pair.a, bytes, n_bytes, n_fds);
        assert_int_equal(link_send(pair.a, &next, NULL, 0), 0);
        assert_int_equal(link_receive(pair.b, &received), -EBADMSG);
        assert_memory_equal(&received, &untouched, sizeof(received));
        assert_int_equal(count_fds(), n_before);
        assert_int_equal(link_receive(pair.b, &received), 1);
        assert_int_equal(received.message.id.id, 99);
        pair_close(pair);
}

static void test_wrong_lengths_are_refused(void **state)
{
        char bytes[sizeof(struct link_message) + 64] = {0};

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                memcpy(bytes, &sizes[i].type, sizeof(uint32_t));
                check_refused(bytes, sizes[i].n_bytes - 1, 3);
                check_refused(bytes, sizes[i].n_bytes + 1, 3);
                check_refused(bytes, sizeof(bytes), 3);
        }
        for (size_t n = 1; n < 8; n++)
                check_refused(bytes, n, 3);
}

static void test_unknown_types_are_refused(void **state)
{
        static const uint32_t types[] = {0, 7, 31, 38, 63, 67, UINT32_MAX};
        char bytes[sizeof(struct link_message)] = {0};

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                memcpy(bytes, &types[i], sizeof(uint32_t));
                check_refused(bytes, sizeof(bytes), 3);
                check_refused(bytes, 8, 3);
        }
}

static void test_too_many_descriptors_are_closed(void **state)
{
        struct link_message message = {.type = LINK_READY};

        check_refused(&message, sizes[7].n_bytes, LINK_MAX_FDS + 1);
        check_refused(&message, sizes[7].n_bytes, 253);
}

static void test_empty_message_with_descriptors_is_refused(void **state)
{
        check_refused("", 0, 3);
}

static void test_other_side_gone(void **state)
{
        struct pair pair = pair_open(0);
        struct link_message message = {.type = LINK_READY};
        struct link_received received;

        close(pair.a);
        assert_int_equal(link_receive(pair.b, &received), 0);
        assert_int_equal(link_send(pair.b, &message, NULL, 0), -EPIPE);
        close(pair.b);
}

static void test_closed_with_unread_messages_is_gone(void **state)
{
        struct pair pair = pair_open(0);
        struct link_message message = {.type = LINK_READY};
        struct link_received received;

        assert_int_equal(link_send(pair.b, &message, NULL, 0), 0);
        close(pair.a); /* a never read it: b gets ECONNRESET once */
        assert_int_equal(link_receive(pair.b, &received), 0);
        close(pair.b);
}

static void test_full_socket_says_so(void **state)
{
        struct pair pair = pair_open(SOCK_NONBLOCK);
        struct link_message message = {.type = LINK_OPEN};
        int r;

        do
                r = link_send(pair.a, &message, NULL, 0);
        while (r == 0);
        assert_int_equal(r, -EAGAIN);
        pair_close(pair);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_type_round_trip),
                cmocka_unit_test(test_descriptors_arrive_in_order_and_cloexec),
                cmocka_unit_test(test_too_many_descriptors_or_unknown_type_is_not_sent),
                cmocka_unit_test(test_wrong_lengths_are_refused),
                cmocka_unit_test(test_unknown_types_are_refused),
                cmocka_unit_test(test_too_many_descriptors_are_closed),
                cmocka_unit_test(test_empty_message_with_descriptors_is_refused),
                cmocka_unit_test(test_other_side_gone),
                cmocka_unit_test(test_closed_with_unread_messages_is_gone),
                cmocka_unit_test(test_full_socket_says_so),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
