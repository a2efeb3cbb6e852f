/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Definitions: the records of a DICT frame.
 *
 * A record carries its own size, and a reader moves on by that size and not by what it understood: so a kind of
 * definition may grow, and new kinds may appear, without a new version of the protocol. Each record is decoded through
 * a cursor that ends where the record ends; a field cannot reach into its neighbour.
 */
#include "proto/proto.h"

#include <errno.h>

#include "proto/proto_private.h"
#include "proto/wire.h"

#define DEF_HEADER_BYTES 8 /* u16 size, u8 kind, u8 reserved, u32 id */

_Static_assert(DEF_HEADER_BYTES + 2 + PROTO_STRING_MAX_BYTES <= UINT16_MAX, "a record's size fits its u16");
_Static_assert(DEF_HEADER_BYTES + 8 + PROTO_STACK_MAX_FRAMES * PROTO_STACK_FRAME_BYTES <= UINT16_MAX,
               "so does that of the longest stack");

static void put_stack(struct wire_writer *writer, const struct proto_def *def)
{
        wire_put_u8(writer, def->stack.flags);
        wire_put_zeros(writer, 3);
        wire_put_u32(writer, def->stack.n_frames);
        for (uint32_t i = 0; i < def->stack.n_frames; i++) {
                const struct proto_stack_frame *frame = &def->stack.frames[i];

                wire_put_u64(writer, frame->addr);
                wire_put_u32(writer, frame->place);
                wire_put_u32(writer, frame->line);
                wire_put_u8(writer, frame->by);
                wire_put_zeros(writer, 3);
        }
}

/* 0, or -EINVAL for a kind without a layout, or a stack of too many frames. */
static int put_def_fields(struct wire_writer *writer, const struct proto_def *def)
{
        switch (def->kind) {
        case DEF_STRING:
                wire_put_string(writer, PROTO_STRING_MAX_BYTES, def->string.data,
                                MIN_OF(def->string.n_bytes, (uint32_t)PROTO_STRING_MAX_BYTES));
                return 0;
        case DEF_MAP:
                wire_put_u64(writer, def->map.start);
                wire_put_u64(writer, def->map.end);
                wire_put_u64(writer, def->map.offset);
                wire_put_u32(writer, def->map.path);
                wire_put_bytes(writer, def->map.perms, sizeof(def->map.perms));
                return 0;
        case DEF_PLACE:
                wire_put_u32(writer, def->place.image);
                wire_put_u32(writer, def->place.section);
                wire_put_u32(writer, def->place.symbol);
                wire_put_u64(writer, def->place.base);
                return 0;
        case DEF_THREAD:
                wire_put_i32(writer, def->thread.pid);
                wire_put_i32(writer, def->thread.tid);
                wire_put_u32(writer, def->thread.comm);
                return 0;
        case DEF_STACK:
                if (def->stack.n_frames > PROTO_STACK_MAX_FRAMES)
                        return -EINVAL;
                put_stack(writer, def);
                return 0;
        case DEF_LINE:
                wire_put_u32(writer, def->line.function);
                wire_put_u32(writer, def->line.file);
                wire_put_u32(writer, def->line.line);
                wire_put_u32(writer, def->line.outer);
                return 0;
        }
        return -EINVAL;
}

static void get_stack(struct wire_reader *reader, struct proto_def *def)
{
        def->stack.flags = wire_get_u8(reader);
        (void)wire_get_bytes(reader, 3);
        def->stack.n_frames = wire_get_u32(reader);
        reader->failed |= def->stack.n_frames > PROTO_STACK_MAX_FRAMES;
        if (!reader->failed)
                def->stack.encoded = wire_get_bytes(reader, def->stack.n_frames * PROTO_STACK_FRAME_BYTES);
}

struct proto_stack_frame proto_stack_frame(const struct proto_def *def, uint32_t index)
{
        struct wire_reader reader = {.data = def->stack.encoded,
                                     .n_bytes = def->stack.n_frames * PROTO_STACK_FRAME_BYTES,
                                     .offset = index * PROTO_STACK_FRAME_BYTES};

        return (struct proto_stack_frame){.addr = wire_get_u64(&reader),
                                          .place = wire_get_u32(&reader),
                                          .line = wire_get_u32(&reader),
                                          .by = wire_get_u8(&reader)};
}

static void get_def_fields(struct wire_reader *reader, struct proto_def *def)
{
        const uint8_t *perms;

        switch (def->kind) {
        case DEF_STRING:
                wire_get_string(reader, PROTO_STRING_MAX_BYTES, &def->string.data, &def->string.n_bytes);
                break;
        case DEF_MAP:
                def->map.start = wire_get_u64(reader);
                def->map.end = wire_get_u64(reader);
                def->map.offset = wire_get_u64(reader);
                def->map.path = wire_get_u32(reader);
                perms = wire_get_bytes(reader, sizeof(def->map.perms));
                if (perms)
                        memcpy(def->map.perms, perms, sizeof(def->map.perms));
                break;
        case DEF_PLACE:
                def->place.image = wire_get_u32(reader);
                def->place.section = wire_get_u32(reader);
                def->place.symbol = wire_get_u32(reader);
                def->place.base = wire_get_u64(reader);
                break;
        case DEF_THREAD:
                def->thread.pid = wire_get_i32(reader);
                def->thread.tid = wire_get_i32(reader);
                def->thread.comm = wire_get_u32(reader);
                break;
        case DEF_STACK:
                get_stack(reader, def);
                break;
        case DEF_LINE:
                def->line.function = wire_get_u32(reader);
                def->line.file = wire_get_u32(reader);
                def->line.line = wire_get_u32(reader);
                def->line.outer = wire_get_u32(reader);
                break;
        }
}

int proto_append_def(struct proto_buffer *buffer, const struct proto_def *def)
{
        struct wire_writer writer = buffer_writer(buffer);
        size_t start = writer.offset;
        int r;

        wire_put_u16(&writer, 0);
        wire_put_u8(&writer, def->kind);
        wire_put_u8(&writer, 0);
        wire_put_u32(&writer, def->id);
        r = put_def_fields(&writer, def);
        if (r < 0)
                return r;
        r = buffer_commit(buffer, &writer);
        if (r < 0)
                return r;
        wire_store_u16(buffer->data + start, (uint16_t)(writer.offset - start));
        return 0;
}

int proto_decode_def(const uint8_t *body, size_t n_bytes, size_t *offset, struct proto_def *ret)
{
        struct wire_reader reader = {.data = body, .n_bytes = n_bytes, .offset = *offset};
        struct proto_def def = {0};
        uint16_t size;

        if (*offset > n_bytes)
                return -EBADMSG;
        size = wire_get_u16(&reader);
        if (size < DEF_HEADER_BYTES || size > n_bytes - *offset)
                return -EBADMSG;
        reader.n_bytes = *offset + size;
        def.kind = wire_get_u8(&reader);
        (void)wire_get_u8(&reader);
        def.id = wire_get_u32(&reader);
        get_def_fields(&reader, &def);
        if (reader.failed)
                return -EBADMSG;
        *offset += size;
        *ret = def;
        return 0;
}
