/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A byte stream cut into frames: for recordings and pipes, where nothing keeps the message boundaries that
 * SOCK_SEQPACKET keeps. Pieces of any size go in, whole frames come out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"
#include "proto/proto.h"

struct frame {
        struct proto_header header;
        const uint8_t *body; /* header.length - PROTO_HEADER_BYTES bytes, in the reader's buffer until the next call */
        size_t n_body_bytes;
};

struct frame_reader {
        uint8_t *buffer; /* the caller's */
        size_t size_bytes;
        size_t n_bytes;  /* collected of the frame under way */
        uint32_t length; /* of the frame under way; 0 until known */
        int error;
};

/*
 * `buffer` belongs to the caller and outlives the reader. A frame longer than size_bytes or PROTO_FRAME_MAX_BYTES is
 * refused as soon as its length is known. size_bytes is at least PROTO_HEADER_BYTES.
 */
void frame_reader_init(struct frame_reader *reader, uint8_t *buffer, size_t size_bytes);

enum frame_result {
        FRAME_MORE = 0,  /* all bytes are taken, no frame is complete */
        FRAME_READY = 1, /* *ret is a frame; call again with the bytes that are left */
};

/*
 * Take bytes from *data up to the end of a frame, and move *data and *n_bytes behind what was taken. enum frame_result,
 * or -EBADMSG when the stream holds something that cannot be a frame. A stream has no mark to find the next frame by,
 * so the failure is final: every later call returns it.
 */
int frame_reader_feed(struct frame_reader *reader, const uint8_t **data, size_t *n_bytes, struct frame *ret) MUST_CHECK;

/* At the end of the stream: 0 when it ended between two frames, -ENODATA when it ended inside one, or the failure. */
int frame_reader_end(const struct frame_reader *reader) MUST_CHECK;
