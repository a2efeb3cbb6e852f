/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A byte stream from a stranger. The first byte chooses the sizes of the pieces it comes in. Promise: the frames, and
 * the way it ends, are the same as for the stream in one piece.
 */
#include "proto/frame.h"

#include "tests/fuzz/fuzz.h"

#define SMALL_BYTES 1024 /* a cap that inputs of a fuzzer reach */

struct outcome_of_stream {
        uint64_t n_frames;
        uint64_t hash; /* FNV-1a over headers' lengths and types and all bodies */
        int end;
};

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t n_bytes)
{
        const uint8_t *bytes = data;

        for (size_t i = 0; i < n_bytes; i++)
                hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
        return hash;
}

static struct outcome_of_stream read_stream(const uint8_t *data, size_t n_bytes, uint8_t pieces, size_t cap)
{
        static uint8_t buffer[PROTO_FRAME_MAX_BYTES];
        struct outcome_of_stream outcome = {.hash = UINT64_C(0xcbf29ce484222325)};
        struct frame_reader reader;
        int r = FRAME_MORE;

        frame_reader_init(&reader, buffer, cap);
        for (size_t piece = pieces; n_bytes > 0 && r >= 0; piece = (piece * 5 + 3) % 97) {
                size_t n_piece = pieces ? MIN_OF(n_bytes, piece) : n_bytes, n_left = n_piece;
                struct frame frame;

                while ((r = frame_reader_feed(&reader, &data, &n_left, &frame)) == FRAME_READY) {
                        fuzz_promise(frame.header.length <= cap);
                        fuzz_promise(frame.n_body_bytes == frame.header.length - PROTO_HEADER_BYTES);
                        outcome.n_frames++;
                        outcome.hash = hash_bytes(outcome.hash, &frame.header.length, sizeof(frame.header.length));
                        outcome.hash = hash_bytes(outcome.hash, &frame.header.type, sizeof(frame.header.type));
                        outcome.hash = hash_bytes(outcome.hash, frame.body, frame.n_body_bytes);
                }
                fuzz_promise(r < 0 || n_left == 0);
                n_bytes -= n_piece;
        }
        outcome.end = frame_reader_end(&reader);
        fuzz_promise(r >= 0 || r == outcome.end);
        return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
        static const size_t caps[] = {PROTO_HEADER_BYTES, SMALL_BYTES, PROTO_FRAME_MAX_BYTES};

        if (n_bytes == 0)
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
                struct outcome_of_stream whole = read_stream(data + 1, n_bytes - 1, 0, caps[i]);
                struct outcome_of_stream cut = read_stream(data + 1, n_bytes - 1, (uint8_t)(data[0] | 1), caps[i]);

                fuzz_promise(whole.n_frames == cut.n_frames && whole.hash == cut.hash && whole.end == cut.end);
        }
        return 0;
}
