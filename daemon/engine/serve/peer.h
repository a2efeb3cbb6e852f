/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One client: its socket, the conversation up to WELCOME, what it asks (handed to the composition root as commands),
 * and the sending of its queues. Every byte received is hostile; a client that breaks the protocol is told why and
 * dropped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/serve/subscription.h"
#include "proto/proto.h"

#define PEER_MAX_SUBSCRIPTIONS 64

enum peer_drop { /* why we end it */
                 PEER_NOT_DROPPED,
                 PEER_DROP_MALFORMED, /* what it sent is no message of the protocol */
                 PEER_DROP_HELLO,     /* not one HELLO, and first */
                 PEER_DROP_VERSION,   /* another major version */
                 PEER_DROP_CRITICAL,  /* a message that must not be ignored, and is not known */
                 PEER_DROP_DEAF,      /* it does not read the answers to what it asks, or there is no memory for them */
                 N_PEER_DROPS
};

struct peer {
        int fd; /* owned, non-blocking, SOCK_SEQPACKET */
        uint32_t conn;
        bool hide_kernel;
        unsigned int minor;                 /* of its version, as far as it is known; else our own */
        bool greeted;                       /* HELLO was fine */
        bool was_greeted;                   /* by an engine before this one, or not yet: it may greet us again */
        bool closing;                       /* send what waits in `control`, then drop */
        bool failed;                        /* `control` is full or there is no memory for an answer: drop at once */
        enum peer_drop dropped_for;         /* with closing or failed */
        bool wants_write;                   /* the socket was full */
        struct queue control;               /* answers; a client that does not read them is dropped when it is full */
        struct subscription *subscriptions; /* list by next_in_peer, owned */
        size_t n_subscriptions;             /* attach requests under way included: counted by the composition root */
        uint8_t *receive_buffer;            /* PROTO_FRAME_MAX_BYTES */
};

enum peer_command_kind { PEER_COMMAND_ATTACH, PEER_COMMAND_STOP, PEER_COMMAND_RESUME, PEER_COMMAND_STATUS };

struct peer_command {
        enum peer_command_kind kind;
        uint32_t trace; /* STOP, RESUME */
        union {         /* strings borrow the peer's receive buffer until the next peer_receive() */
                struct proto_attach attach;
                struct proto_resume resume;
                struct proto_status status;
        };
};

/* Takes the descriptor on success. greeted: it was an earlier engine's. 0 or -ENOMEM. */
int peer_new(int fd, uint32_t conn, bool hide_kernel, bool greeted, struct peer **ret) MUST_CHECK;
/* The subscriptions must have left their fanouts. Closes the socket; returns NULL. */
struct peer *peer_free(struct peer *peer);

/*
 * Receive one message. 1: *ret is a command; 0: nothing for the caller (handled here, or nothing to read: *ret_again
 * false); -ECONNRESET: the client is gone or was dropped, free it.
 */
int peer_receive(struct peer *peer, struct peer_command *ret, bool *ret_again) MUST_CHECK;

/* Send what waits, until the socket is full. 0; -ECONNRESET. Subscriptions whose END was sent are freed. */
int peer_send(struct peer *peer) MUST_CHECK;

/* Queue an answer; errors end the peer at the next peer_send(). */
void peer_error(struct peer *peer, uint32_t req, int error, const char *text);
void peer_message(struct peer *peer, enum message_type type, const struct proto_buffer *buffer);
