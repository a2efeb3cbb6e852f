/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pure part of a conversation (client/session.h), driven frame by frame, with JSON as its view. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/session.h"
#include "client/view_json.h"
#include "tests/unit/fake_daemon.h"

enum { SENT_MAX = 16 };

struct talk {
        struct session session;
        struct view *view;
        struct proto_header sent[SENT_MAX];
        uint8_t bodies[SENT_MAX][512];
        size_t n_sent;
};

static inline int record_sent(void *arg, const uint8_t *frame, size_t n_bytes)
{
        struct talk *talk = arg;

        assert_true(talk->n_sent < SENT_MAX);
        assert_int_equal(proto_decode_header(frame, n_bytes, &talk->sent[talk->n_sent]), 0);
        assert_true(n_bytes - PROTO_HEADER_BYTES <= sizeof(talk->bodies[0]));
        memcpy(talk->bodies[talk->n_sent], frame + PROTO_HEADER_BYTES, n_bytes - PROTO_HEADER_BYTES);
        talk->n_sent++;
        return 0;
}

static inline void talk_begin_with(struct talk *talk, const struct session_options *options, const int32_t *pids,
                                   size_t n_pids)
{
        *talk = (struct talk){.view = view_json_new()};
        assert_non_null(talk->view);
        assert_int_equal(session_init(&talk->session, options, pids, n_pids), 0);
        talk->session.view = talk->view;
        talk->session.send = record_sent;
        talk->session.send_arg = talk;
        assert_int_equal(session_start(&talk->session), 0);
}

static inline void talk_begin(struct talk *talk, size_t n_pids)
{
        static const int32_t pids[] = {42, 50};
        const struct session_options options = {.detail = DETAIL_AUTO, .count_limit = 100};

        talk_begin_with(talk, &options, pids, n_pids);
}

static inline void talk_end(struct talk *talk)
{
        session_free(&talk->session);
        talk->view = view_json_free(talk->view);
}

static inline int hear(struct talk *talk, struct bytes frame)
{
        return session_receive(&talk->session, frame.data, frame.n_bytes);
}

static inline bool holds(const struct text *text, const char *needle)
{
        return text->n_bytes > 0 && memmem(text->data, text->n_bytes, needle, strlen(needle));
}

/* A trace of process 42 with id 7 runs, and its definitions are known. */
static inline void talk_run(struct talk *talk)
{
        talk_begin(talk, 1);
        assert_int_equal(hear(talk, fake_welcome(PROTO_MAJOR, PROTO_EVENT_BYTES)), 0);
        assert_int_equal(hear(talk, fake_attached(7, 1, 42)), 0);
        assert_int_equal(hear(talk, fake_dict(7)), 0);
}
