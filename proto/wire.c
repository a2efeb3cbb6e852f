/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bounded cursors of wire.h.
 *
 * Everything that comes from another process passes through here, so the two bounds checks of the protocol are the two
 * functions reader_take() and writer_take(), and both subtract instead of adding: no length, however hostile, can
 * overflow them. Failure is sticky because a check after every field is a check that gets forgotten once; the price,
 * some fields decoded as 0 before somebody looks, is nothing, as decoders hand out a structure only as a whole.
 */
#include "proto/wire.h"

#include <errno.h>

static const uint8_t *reader_take(struct wire_reader *reader, size_t n_bytes)
{
        const uint8_t *at;

        if (reader->failed || n_bytes > reader->n_bytes - reader->offset) {
                reader->failed = true;
                return NULL;
        }
        at = reader->data + reader->offset;
        reader->offset += n_bytes;
        return at;
}

uint8_t wire_get_u8(struct wire_reader *reader)
{
        const uint8_t *from = reader_take(reader, sizeof(uint8_t));

        return from ? wire_load_u8(from) : 0;
}

uint16_t wire_get_u16(struct wire_reader *reader)
{
        const uint8_t *from = reader_take(reader, sizeof(uint16_t));

        return from ? wire_load_u16(from) : 0;
}

uint32_t wire_get_u32(struct wire_reader *reader)
{
        const uint8_t *from = reader_take(reader, sizeof(uint32_t));

        return from ? wire_load_u32(from) : 0;
}

uint64_t wire_get_u64(struct wire_reader *reader)
{
        const uint8_t *from = reader_take(reader, sizeof(uint64_t));

        return from ? wire_load_u64(from) : 0;
}

int32_t wire_get_i32(struct wire_reader *reader)
{
        return (int32_t)wire_get_u32(reader);
}

const uint8_t *wire_get_bytes(struct wire_reader *reader, size_t n_bytes)
{
        return reader_take(reader, n_bytes);
}

void wire_get_string(struct wire_reader *reader, size_t max_bytes, const char **ret_data, uint32_t *ret_n_bytes)
{
        uint16_t n_bytes = wire_get_u16(reader);
        const uint8_t *data;

        if (n_bytes > max_bytes)
                reader->failed = true;
        data = reader_take(reader, n_bytes);
        if (!data)
                return;
        *ret_data = (const char *)data;
        *ret_n_bytes = n_bytes;
}

static uint8_t *writer_take(struct wire_writer *writer, size_t n_bytes)
{
        uint8_t *at;

        if (writer->error)
                return NULL;
        if (writer->offset > writer->size_bytes || n_bytes > writer->size_bytes - writer->offset) {
                writer->error = -ENOBUFS;
                return NULL;
        }
        at = writer->data + writer->offset;
        writer->offset += n_bytes;
        return at;
}

void wire_put_u8(struct wire_writer *writer, uint8_t value)
{
        uint8_t *to = writer_take(writer, sizeof(value));

        if (to)
                wire_store_u8(to, value);
}

void wire_put_u16(struct wire_writer *writer, uint16_t value)
{
        uint8_t *to = writer_take(writer, sizeof(value));

        if (to)
                wire_store_u16(to, value);
}

void wire_put_u32(struct wire_writer *writer, uint32_t value)
{
        uint8_t *to = writer_take(writer, sizeof(value));

        if (to)
                wire_store_u32(to, value);
}

void wire_put_u64(struct wire_writer *writer, uint64_t value)
{
        uint8_t *to = writer_take(writer, sizeof(value));

        if (to)
                wire_store_u64(to, value);
}

void wire_put_i32(struct wire_writer *writer, int32_t value)
{
        wire_put_u32(writer, (uint32_t)value);
}

void wire_put_bytes(struct wire_writer *writer, const void *data, size_t n_bytes)
{
        uint8_t *to = writer_take(writer, n_bytes);

        if (to && n_bytes > 0)
                memcpy(to, data, n_bytes);
}

void wire_put_zeros(struct wire_writer *writer, size_t n_bytes)
{
        uint8_t *to = writer_take(writer, n_bytes);

        if (to && n_bytes > 0)
                memset(to, 0, n_bytes);
}

void wire_put_string(struct wire_writer *writer, size_t max_bytes, const char *data, size_t n_bytes)
{
        if (n_bytes > max_bytes && !writer->error)
                writer->error = -EMSGSIZE;
        wire_put_u16(writer, (uint16_t)n_bytes);
        wire_put_bytes(writer, data, n_bytes);
}
