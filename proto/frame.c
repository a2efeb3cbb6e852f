/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes collected until a frame is whole.
 *
 * Collecting happens in two steps with one loop: first up to the four bytes that say how long the frame is, then up to
 * that length. The length is checked before a byte behind it is taken, so memory is bounded by the caller's buffer,
 * whatever the stream claims. Frames are always copied, also where a piece holds them whole: a second path without
 * copying would save little (128 KiB at most, about to be decoded anyway) and be the path that fails at odd splits.
 */
#include "proto/frame.h"

#include <errno.h>

#include "proto/wire.h"

#define LENGTH_BYTES 4

void frame_reader_init(struct frame_reader *reader, uint8_t *buffer, size_t size_bytes)
{
        *reader = (struct frame_reader){
                .buffer = buffer,
                .size_bytes = MIN_OF(size_bytes, (size_t)PROTO_FRAME_MAX_BYTES),
        };
}

/* Collect until n_wanted bytes are there or the piece is used up. */
static bool collect(struct frame_reader *reader, size_t n_wanted, const uint8_t **data, size_t *n_bytes)
{
        size_t n = MIN_OF(n_wanted - reader->n_bytes, *n_bytes);

        if (n > 0) {
                memcpy(reader->buffer + reader->n_bytes, *data, n);
                reader->n_bytes += n;
                *data += n;
                *n_bytes -= n;
        }
        return reader->n_bytes == n_wanted;
}

static int learn_length(struct frame_reader *reader)
{
        uint32_t length = wire_load_u32(reader->buffer);

        if (length < PROTO_HEADER_BYTES || length > reader->size_bytes)
                return -EBADMSG;
        reader->length = length;
        return 0;
}

/* The frame is whole: hand it out and begin anew. */
static int deliver(struct frame_reader *reader, struct frame *ret)
{
        struct frame frame = {
                .body = reader->buffer + PROTO_HEADER_BYTES,
                .n_body_bytes = reader->length - PROTO_HEADER_BYTES,
        };
        int r = proto_decode_header(reader->buffer, reader->length, &frame.header);

        if (r < 0)
                return r;
        reader->n_bytes = 0;
        reader->length = 0;
        *ret = frame;
        return FRAME_READY;
}

int frame_reader_feed(struct frame_reader *reader, const uint8_t **data, size_t *n_bytes, struct frame *ret)
{
        if (reader->error)
                return reader->error;
        if (reader->length == 0) {
                if (!collect(reader, LENGTH_BYTES, data, n_bytes))
                        return FRAME_MORE;
                reader->error = learn_length(reader);
                if (reader->error)
                        return reader->error;
        }
        if (!collect(reader, reader->length, data, n_bytes))
                return FRAME_MORE;
        return deliver(reader, ret);
}

int frame_reader_end(const struct frame_reader *reader)
{
        if (reader->error)
                return reader->error;
        return reader->n_bytes == 0 ? 0 : -ENODATA;
}
