/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One conversation at a time reads: the buffer is shared, as one is enough for a test that waits for each answer. */
#include "tests/support/talk.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static uint8_t heard[PROTO_FRAME_MAX_BYTES + 1];

int reach(const struct daemon *daemon)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        int size = 4 * PROTO_FRAME_MAX_BYTES;

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", daemon->socket);
        CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0,
              "connecting to the daemon: %s", strerror(errno));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
        return fd;
}

int reach_as(const struct daemon *daemon, uid_t uid)
{
        int fd;

        CHECK(setgroups(0, NULL) == 0 && setegid(uid) == 0 && seteuid(uid) == 0, "becoming user %u: %s", uid,
              strerror(errno));
        fd = reach(daemon);
        CHECK(seteuid(0) == 0 && setegid(0) == 0, "becoming root again: %s", strerror(errno));
        return fd;
}

void say(int fd, const uint8_t *bytes, size_t n_bytes)
{
        CHECK(send(fd, bytes, n_bytes, MSG_NOSIGNAL) == (ssize_t)n_bytes, "sending %zu bytes: %s", n_bytes,
              strerror(errno));
}

bool hear(int fd, struct answer *ret)
{
        ssize_t n = recv(fd, heard, sizeof(heard), 0);

        if (n == 0 || (n < 0 && errno == ECONNRESET))
                return false;
        CHECK(n > 0 && proto_decode_header(heard, (size_t)n, &ret->header) == 0, "the daemon sent no frame");
        ret->body = heard + PROTO_HEADER_BYTES;
        ret->n_body = (size_t)n - PROTO_HEADER_BYTES;
        return true;
}

struct answer expect_type(int fd, enum message_type type)
{
        struct answer answer;

        harness_doing(message_text(type));
        CHECK(hear(fd, &answer), "the connection ended before %s", message_text(type));
        CHECK(answer.header.type == type, "%s instead of %s", message_text(answer.header.type), message_text(type));
        return answer;
}

void greet_on(int fd)
{
        uint8_t bytes[PROTO_HEADER_BYTES + 64];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_hello hello = {
                .major = PROTO_MAJOR, .minor = PROTO_MINOR, .client = {.data = "test", .n_bytes = 4}};
        struct proto_welcome welcome;
        struct answer answer;
        int n = proto_encode_hello(&buffer, 0, &hello);

        CHECK(n > 0, "encoding HELLO");
        say(fd, bytes, (size_t)n);
        answer = expect_type(fd, MESSAGE_WELCOME);
        CHECK(proto_decode_welcome(answer.body, answer.n_body, &welcome) == 0 && welcome.major == PROTO_MAJOR,
              "WELCOME is malformed");
}
