/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One frame from a stranger. Promises: no decoder reads outside the body; a failed one leaves its output alone; what
 * was decoded can be encoded again, and that encodes to the same bytes for ever (all that the decoder kept is sent).
 */
#include "proto/proto.h"

#include <string.h>

#include "proto/wire.h"
#include "tests/fuzz/fuzz.h"

#define BUFFER_BYTES (16 * 1024) /* the largest message without records: three strings */

#define EVERY_MESSAGE(M)                                                                                               \
        M(hello)                                                                                                       \
        M(attach)                                                                                                      \
        M(resume)                                                                                                      \
        M(ping)                                                                                                        \
        M(welcome)                                                                                                     \
        M(attached)                                                                                                    \
        M(error)                                                                                                       \
        M(drops)                                                                                                       \
        M(life)                                                                                                        \
        M(degraded)                                                                                                    \
        M(gap)                                                                                                         \
        M(end)                                                                                                         \
        M(bye)                                                                                                         \
        M(signal) M(revoked) M(status) M(status_daemon) M(status_engine) M(status_trace) M(status_unit) M(status_end)

#define DEFINE(name)                                                                                                   \
        static void try_##name(const uint8_t *body, size_t n_bytes)                                                    \
        {                                                                                                              \
                uint8_t first[BUFFER_BYTES], second[BUFFER_BYTES];                                                     \
                struct proto_buffer a = {.data = first, .size_bytes = sizeof(first)};                                  \
                struct proto_buffer b = {.data = second, .size_bytes = sizeof(second)};                                \
                struct proto_##name m, before;                                                                         \
                                                                                                                       \
                memset(&m, 0xa5, sizeof(m));                                                                           \
                memset(&before, 0xa5, sizeof(before));                                                                 \
                if (proto_decode_##name(body, n_bytes, &m) < 0) {                                                      \
                        fuzz_promise(memcmp(&m, &before, sizeof(m)) == 0);                                             \
                        return;                                                                                        \
                }                                                                                                      \
                fuzz_promise(proto_encode_##name(&a, 1, &m) > 0);                                                      \
                fuzz_promise(proto_decode_##name(first + PROTO_HEADER_BYTES, a.n_bytes - PROTO_HEADER_BYTES, &m) ==    \
                             0);                                                                                       \
                fuzz_promise(proto_encode_##name(&b, 1, &m) > 0);                                                      \
                fuzz_promise(a.n_bytes == b.n_bytes && memcmp(first, second, a.n_bytes) == 0);                         \
        }
EVERY_MESSAGE(DEFINE)

/* All frames of a decoded stack, as they are sent. */
static struct proto_def with_frames(const struct proto_def *def, struct proto_stack_frame *frames)
{
        struct proto_def again = *def;

        for (uint32_t i = 0; i < def->stack.n_frames; i++)
                frames[i] = proto_stack_frame(def, i);
        again.stack.frames = frames;
        return again;
}

static void try_dict(const uint8_t *body, size_t n_bytes)
{
        struct proto_stack_frame frames[PROTO_STACK_MAX_FRAMES];
        uint8_t data[UINT16_MAX];
        size_t offset = 0, before = 0;
        struct proto_def def;

        while (proto_decode_def(body, n_bytes, &offset, &def) == 0) {
                struct proto_buffer buffer = {.data = data, .size_bytes = sizeof(data)};
                bool known = def.kind >= DEF_STRING && def.kind <= DEF_LINE;

                if (def.kind == DEF_STACK)
                        def = with_frames(&def, frames);
                fuzz_promise(offset > before && offset <= n_bytes);
                fuzz_promise((proto_append_def(&buffer, &def) == 0) == known);
                fuzz_promise(buffer.n_bytes <= offset - before); /* the record may have had a tail */
                before = offset;
        }
        fuzz_promise(offset == before);
}

static void try_events(const uint8_t *body, size_t n_bytes)
{
        for (size_t at = PROTO_EVENTS_PREFIX_BYTES; at <= n_bytes && n_bytes - at >= PROTO_EVENT_BYTES;
             at += PROTO_EVENT_BYTES) {
                uint8_t again[PROTO_EVENT_BYTES];
                struct proto_event event;

                proto_get_event(body + at, &event);
                proto_put_event(again, &event);
                fuzz_promise(memcmp(again, body + at, PROTO_EVENT_BYTES - 1) == 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
        struct proto_header header;

        if (proto_decode_header(data, n_bytes, &header) == 0) {
                fuzz_promise(header.length == n_bytes && n_bytes >= PROTO_HEADER_BYTES);
                (void)message_text(header.type);
        }
        /* Whatever the header says: each decoder stands on its own. */
        if (n_bytes < PROTO_HEADER_BYTES)
                return 0;
        data += PROTO_HEADER_BYTES;
        n_bytes -= PROTO_HEADER_BYTES;
#define TRY(name) try_##name(data, n_bytes);
        EVERY_MESSAGE(TRY)
        try_dict(data, n_bytes);
        try_events(data, n_bytes);
        return 0;
}
