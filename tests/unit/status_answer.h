/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers to STATUS as a service would send them, frame by frame, into a conversation (client/status_talk.h). */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/status_talk.h"
#include "tests/unit/fake_daemon.h"

#define HOSTILE_NAME "evil\n\033[31m\xe2\x80\xae\xff\"\\"

struct answer {
        struct proto_status_daemon daemon;
        const struct proto_status_engine *engines;
        const struct proto_status_trace *traces;
        const struct proto_status_unit *units;
        size_t n_engines, n_traces, n_units;
        uint32_t n_omitted;
};

#define ANSWER_FAKE(kind)                                                                                              \
        static inline struct bytes fake_status_##kind(const struct proto_status_##kind *original, uint32_t req)        \
        {                                                                                                              \
                struct proto_buffer buffer = fake_buffer();                                                            \
                struct proto_status_##kind message = *original;                                                        \
                int r;                                                                                                 \
                                                                                                                       \
                message.req = req;                                                                                     \
                r = proto_encode_status_##kind(&buffer, 0, &message);                                                  \
                return fake_done(r, &buffer);                                                                          \
        }
ANSWER_FAKE(daemon)
ANSWER_FAKE(engine)
ANSWER_FAKE(trace)
ANSWER_FAKE(unit)
ANSWER_FAKE(end)
#undef ANSWER_FAKE

/* All frames of the answer to request req, each to hear(arg, frame). */
static inline void answer_send(const struct answer *answer, uint32_t req, void (*hear)(void *, struct bytes), void *arg)
{
        const struct proto_status_end end = {.n_omitted = answer->n_omitted};

        hear(arg, fake_status_daemon(&answer->daemon, req));
        for (size_t i = 0; i < answer->n_engines; i++)
                hear(arg, fake_status_engine(&answer->engines[i], req));
        for (size_t i = 0; i < answer->n_traces; i++)
                hear(arg, fake_status_trace(&answer->traces[i], req));
        for (size_t i = 0; i < answer->n_units; i++)
                hear(arg, fake_status_unit(&answer->units[i], req));
        hear(arg, fake_status_end(&end, req));
}

static inline void answer_hear(void *arg, struct bytes frame)
{
        struct proto_header header;
        int r;

        assert_int_equal(proto_decode_header(frame.data, frame.n_bytes, &header), 0);
        r = status_receive(arg, 1, header.type, frame.data + PROTO_HEADER_BYTES, frame.n_bytes - PROTO_HEADER_BYTES);
        assert_int_equal(r, header.type == MESSAGE_STATUS_END ? STATUS_COMPLETE : STATUS_MORE);
}

/* As received. */
static inline void answer_make(const struct answer *answer, struct status *ret)
{
        *ret = (struct status){0};
        answer_send(answer, 1, answer_hear, ret);
        assert_int_equal(ret->n_traces, answer->n_traces);
        assert_int_equal(ret->n_engines, answer->n_engines);
        assert_int_equal(ret->n_units, answer->n_units);
}
