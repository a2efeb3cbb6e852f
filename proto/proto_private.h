/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the encoder share: a bounded cursor at the end of a caller's buffer. Not for use outside proto/. */
#pragma once

#include "proto/proto.h"
#include "proto/wire.h"

/* Bounded by the buffer and by the size of the frame that is being built. */
static inline struct wire_writer buffer_writer(const struct proto_buffer *buffer)
{
        return (struct wire_writer){
                .data = buffer->data,
                .size_bytes = MIN_OF(buffer->size_bytes, buffer->frame_start + PROTO_FRAME_MAX_BYTES),
                .offset = buffer->n_bytes,
        };
}

/* Take over what was written, unless something failed. 0 or the writer's error. */
static inline int buffer_commit(struct proto_buffer *buffer, const struct wire_writer *writer)
{
        if (writer->error)
                return writer->error;
        buffer->n_bytes = writer->offset;
        return 0;
}
