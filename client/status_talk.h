/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The conversation of a client that only asks how faultlined is: HELLO, WELCOME, STATUS and its answer, any number of
 * times. Pure: frames go out through a callback, deadlines are the caller's.
 */
#pragma once

#include "client/status.h"
#include "client/text.h"

struct status_talk {
        int (*send)(void *arg, const uint8_t *frame, size_t n_bytes); /* 0 or -errno */
        void *send_arg;
        uint32_t flags; /* PROTO_STATUS_* */
        uint32_t req;   /* of the question that is open or was answered last; 0: none yet */
        bool welcomed;
        bool is_asking;
        struct status status; /* the answer; whole when not is_asking */
        struct text reason;   /* why it cannot go on, one line without a newline, safe for a terminal */
};

/* Greet, and ask when we are welcome. send, send_arg and flags are set, the rest is zeroed. 0; what send() returned. */
int status_talk_begin(struct status_talk *talk) MUST_CHECK;

/* Ask again, after an answer; the caller has taken that one out of status, or it is freed. 0; what send() returned. */
int status_talk_ask(struct status_talk *talk) MUST_CHECK;

/* One received frame. 0; -EPROTO (reason is set), -ENOMEM, or what send() returned: it is over. */
int status_talk_receive(struct status_talk *talk, const uint8_t *frame, size_t n_bytes) MUST_CHECK;
void status_talk_free(struct status_talk *talk); /* contents */
