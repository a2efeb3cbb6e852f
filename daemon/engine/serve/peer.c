/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Socket I/O of one client. SOCK_SEQPACKET keeps messages whole: a send succeeds or leaves nothing behind, so a queue
 * is advanced exactly when the kernel has taken the frame, and "delivered" means just that.
 */
#include "daemon/engine/serve/peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CONTROL_LIMIT_BYTES ((size_t)256 << 10)
#define OTHER_MAJOR "this daemon speaks protocol version 1 only: use a client of its own release"
#define SCRATCH_BYTES (PROTO_HEADER_BYTES + PROTO_STRING_MAX_BYTES + 256)

int peer_new(int fd, uint32_t conn, bool hide_kernel, bool greeted, struct peer **ret)
{
        struct peer *peer = calloc(1, sizeof(*peer));

        if (!peer)
                return -ENOMEM;
        peer->receive_buffer = malloc(PROTO_FRAME_MAX_BYTES);
        if (!peer->receive_buffer) {
                free(peer);
                return -ENOMEM;
        }
        peer->fd = fd;
        peer->conn = conn;
        peer->hide_kernel = hide_kernel;
        peer->greeted = peer->was_greeted = greeted;
        peer->minor = PROTO_MINOR;
        queue_init(&peer->control, CONTROL_LIMIT_BYTES);
        *ret = peer;
        return 0;
}

struct peer *peer_free(struct peer *peer)
{
        if (!peer)
                return NULL;
        while (peer->subscriptions) {
                struct subscription *s = peer->subscriptions;

                peer->subscriptions = s->next_in_peer;
                subscription_free(s);
        }
        queue_deinit(&peer->control);
        (void)close(peer->fd);
        free(peer->receive_buffer);
        free(peer);
        return NULL;
}

void peer_message(struct peer *peer, enum message_type type, const struct proto_buffer *buffer)
{
        CLEANUP_OUTFRAME struct outframe *frame = outframe_new(type, buffer->data, buffer->n_bytes);

        /* A client that asks without reading the answers has only itself to blame. */
        if (!frame || queue_push(&peer->control, frame) < 0 || peer->control.n_bytes > CONTROL_LIMIT_BYTES) {
                peer->failed = true;
                if (peer->dropped_for == PEER_NOT_DROPPED)
                        peer->dropped_for = PEER_DROP_DEAF;
        }
}

void peer_error(struct peer *peer, uint32_t req, int error, const char *text)
{
        uint8_t bytes[SCRATCH_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_error message = {
                .req = req,
                .error = error,
                .text = {.data = text, .n_bytes = (uint32_t)strnlen(text, PROTO_STRING_MAX_BYTES)},
        };

        if (proto_encode_error(&buffer, 0, &message) >= 0)
                peer_message(peer, MESSAGE_ERROR, &buffer);
}

static int drop(struct peer *peer, enum peer_drop reason, const char *why)
{
        uint8_t bytes[SCRATCH_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_bye bye = {.reason = {.data = why, .n_bytes = (uint32_t)strlen(why)}};

        if (proto_encode_bye(&buffer, 0, &bye) >= 0)
                peer_message(peer, MESSAGE_BYE, &buffer);
        peer->closing = true;
        peer->dropped_for = reason;
        return 0;
}

static int receive_hello(struct peer *peer, const uint8_t *body, size_t n_body)
{
        uint8_t bytes[SCRATCH_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_hello hello;
        struct proto_welcome welcome = {
                .major = PROTO_MAJOR,
                .minor = PROTO_MINOR,
                .event_bytes = PROTO_EVENT_BYTES,
                .frame_max_bytes = PROTO_FRAME_MAX_BYTES,
                .version = {.data = FAULTLINE_VERSION, .n_bytes = sizeof(FAULTLINE_VERSION) - 1},
        };

        if (proto_decode_hello(body, n_body, &hello) < 0)
                return drop(peer, PEER_DROP_HELLO, "the first message was no HELLO of this protocol");
        if (peer->greeted && !peer->was_greeted)
                return drop(peer, PEER_DROP_HELLO, "a second HELLO");
        if (hello.major != PROTO_MAJOR) {
                peer_error(peer, 0, EPROTONOSUPPORT, OTHER_MAJOR);
                return drop(peer, PEER_DROP_VERSION, OTHER_MAJOR);
        }
        if (proto_encode_welcome(&buffer, 0, &welcome) < 0)
                return drop(peer, PEER_DROP_HELLO, "the daemon could not encode its greeting");
        peer->greeted = true;
        peer->minor = hello.minor;
        peer_message(peer, MESSAGE_WELCOME, &buffer);
        return 0;
}

static int receive_ping(struct peer *peer, const uint8_t *body, size_t n_body)
{
        uint8_t bytes[SCRATCH_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_ping ping;

        if (proto_decode_ping(body, n_body, &ping) < 0)
                return drop(peer, PEER_DROP_MALFORMED, "a PING was malformed");
        if (proto_encode_pong(&buffer, 0, &ping) >= 0)
                peer_message(peer, MESSAGE_PONG, &buffer);
        return 0;
}

/* 1 = *ret is a command. */
static int dispatch(struct peer *peer, const struct proto_header *header, const uint8_t *body, size_t n_body,
                    struct peer_command *ret)
{
        if (!peer->greeted && header->type != MESSAGE_HELLO)
                return drop(peer, PEER_DROP_HELLO, "the first message was no HELLO");
        ret->trace = header->trace;
        switch (header->type) {
        case MESSAGE_HELLO:
                return receive_hello(peer, body, n_body);
        case MESSAGE_PING:
                return receive_ping(peer, body, n_body);
        case MESSAGE_ATTACH:
                ret->kind = PEER_COMMAND_ATTACH;
                return proto_decode_attach(body, n_body, &ret->attach) < 0
                               ? drop(peer, PEER_DROP_MALFORMED, "an ATTACH was malformed")
                               : 1;
        case MESSAGE_RESUME:
                ret->kind = PEER_COMMAND_RESUME;
                return proto_decode_resume(body, n_body, &ret->resume) < 0
                               ? drop(peer, PEER_DROP_MALFORMED, "a RESUME was malformed")
                               : 1;
        case MESSAGE_STOP:
                ret->kind = PEER_COMMAND_STOP;
                return 1;
        case MESSAGE_STATUS:
                ret->kind = PEER_COMMAND_STATUS;
                return proto_decode_status(body, n_body, &ret->status) < 0
                               ? drop(peer, PEER_DROP_MALFORMED, "a STATUS was malformed")
                               : 1;
        default:
                if (header->flags & PROTO_FLAG_CRITICAL)
                        return drop(peer, PEER_DROP_CRITICAL,
                                    "a critical message is not known to this daemon: it is older than the client");
                return 0;
        }
}

int peer_receive(struct peer *peer, struct peer_command *ret, bool *ret_again)
{
        struct iovec iov = {.iov_base = peer->receive_buffer, .iov_len = PROTO_FRAME_MAX_BYTES};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1}; /* no room for descriptors: the kernel drops any */
        struct proto_header header;
        ssize_t n = recvmsg(peer->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        *ret_again = false;
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -ECONNRESET;
        if (n == 0)
                return -ECONNRESET;
        if (peer->closing)
                return 0;
        *ret_again = true;
        if (message.msg_flags & MSG_TRUNC || proto_decode_header(peer->receive_buffer, (size_t)n, &header) < 0)
                return drop(peer, PEER_DROP_MALFORMED, "a frame was malformed");
        return dispatch(peer, &header, peer->receive_buffer + PROTO_HEADER_BYTES, (size_t)n - PROTO_HEADER_BYTES, ret);
}

/* 1 = sent, 0 = the socket is full, -ECONNRESET. */
static int send_bytes(struct peer *peer, const uint8_t *bytes, size_t n_bytes)
{
        ssize_t n = send(peer->fd, bytes, n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n >= 0)
                return 1;
        if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
                return -ECONNRESET;
        peer->wants_write = true;
        return 0;
}

static int send_drops(struct peer *peer, struct subscription *s)
{
        uint8_t bytes[SCRATCH_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_drops drops;
        int r;

        if (!queue_take_drops(&s->queue, &drops))
                return 1;
        r = proto_encode_drops(&buffer, s->trace, &drops);
        if (r >= 0)
                r = send_bytes(peer, bytes, buffer.n_bytes);
        if (r <= 0)
                queue_return_drops(&s->queue, &drops);
        return r;
}

static int send_end(struct peer *peer, struct subscription *s)
{
        uint8_t bytes[SCRATCH_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_end end;
        int r;

        if (!subscription_take_end(s, &end))
                return 0;
        if (end.reason == END_RESTART && peer->minor < 3) /* it does not know how to come back */
                end.reason = END_STOPPED;
        r = proto_encode_end(&buffer, s->trace, &end);
        return r < 0 ? r : send_bytes(peer, bytes, buffer.n_bytes);
}

static int send_queue(struct peer *peer, struct queue *queue, uint64_t *n_delivered)
{
        struct outframe *frame;
        int r = 1;

        while (r > 0 && (frame = queue_peek(queue))) {
                r = send_bytes(peer, frame->data, frame->n_bytes);
                if (r > 0) {
                        *n_delivered += outframe_n_faults(frame);
                        queue_pop(queue);
                }
        }
        return r;
}

/* 1 = everything that waits was sent and more may come, 2 = END was sent, 0 = the socket is full. */
static int send_subscription(struct peer *peer, struct subscription *s)
{
        int r = send_drops(peer, s);

        if (r > 0)
                r = send_queue(peer, &s->queue, &s->n_delivered);
        if (r > 0 && s->ended) {
                r = send_end(peer, s);
                return r > 0 ? 2 : r;
        }
        return r;
}

int peer_send(struct peer *peer)
{
        uint64_t n_none = 0;
        int r;

        peer->wants_write = false;
        if (peer->failed)
                return -ECONNRESET;
        r = send_queue(peer, &peer->control, &n_none);
        if (r > 0 && peer->closing)
                return -ECONNRESET;
        for (struct subscription **at = &peer->subscriptions; *at && r > 0;) {
                struct subscription *s = *at;

                r = send_subscription(peer, s);
                if (r == 2) {
                        *at = s->next_in_peer;
                        peer->n_subscriptions--;
                        subscription_free(s);
                } else {
                        at = &s->next_in_peer;
                }
        }
        return r < 0 ? r : 0;
}
