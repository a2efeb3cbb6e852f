/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Little-endian numbers and strings in byte buffers: fixed-offset stores and loads, and a bounded cursor over each kind
 * of buffer. A cursor never leaves its bounds and fails for good at the first step that would: callers put or get a
 * whole structure and look at the outcome once. A string is a u16 length and as many bytes.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/base.h"

static inline void wire_store_u8(uint8_t *to, uint8_t value)
{
        *to = value;
}

static inline void wire_store_u16(uint8_t *to, uint16_t value)
{
        uint16_t le = htole16(value);

        memcpy(to, &le, sizeof(le));
}

static inline void wire_store_u32(uint8_t *to, uint32_t value)
{
        uint32_t le = htole32(value);

        memcpy(to, &le, sizeof(le));
}

static inline void wire_store_u64(uint8_t *to, uint64_t value)
{
        uint64_t le = htole64(value);

        memcpy(to, &le, sizeof(le));
}

static inline uint8_t wire_load_u8(const uint8_t *from)
{
        return *from;
}

static inline uint16_t wire_load_u16(const uint8_t *from)
{
        uint16_t le;

        memcpy(&le, from, sizeof(le));
        return le16toh(le);
}

static inline uint32_t wire_load_u32(const uint8_t *from)
{
        uint32_t le;

        memcpy(&le, from, sizeof(le));
        return le32toh(le);
}

static inline uint64_t wire_load_u64(const uint8_t *from)
{
        uint64_t le;

        memcpy(&le, from, sizeof(le));
        return le64toh(le);
}

/* Reads data[offset .. n_bytes). Once failed it stays failed, does not move, and every number reads as 0. */
struct wire_reader {
        const uint8_t *data;
        size_t n_bytes;
        size_t offset; /* at most n_bytes */
        bool failed;
};

uint8_t wire_get_u8(struct wire_reader *reader);
uint16_t wire_get_u16(struct wire_reader *reader);
uint32_t wire_get_u32(struct wire_reader *reader);
uint64_t wire_get_u64(struct wire_reader *reader);
int32_t wire_get_i32(struct wire_reader *reader);

/* Step over n_bytes; returns where they are, NULL when there are not so many. */
const uint8_t *wire_get_bytes(struct wire_reader *reader, size_t n_bytes);

/* A string of at most max_bytes, where it lies in the reader's data. The outputs are untouched on failure. */
void wire_get_string(struct wire_reader *reader, size_t max_bytes, const char **ret_data, uint32_t *ret_n_bytes);

/*
 * Writes data[offset .. size_bytes). The first failure stays in `error`: -ENOBUFS, no room; -EMSGSIZE, a string longer
 * than its limit. Nothing is written from then on.
 */
struct wire_writer {
        uint8_t *data;
        size_t size_bytes;
        size_t offset; /* may begin beyond size_bytes: then there is no room */
        int error;
};

void wire_put_u8(struct wire_writer *writer, uint8_t value);
void wire_put_u16(struct wire_writer *writer, uint16_t value);
void wire_put_u32(struct wire_writer *writer, uint32_t value);
void wire_put_u64(struct wire_writer *writer, uint64_t value);
void wire_put_i32(struct wire_writer *writer, int32_t value);
void wire_put_bytes(struct wire_writer *writer, const void *data, size_t n_bytes);
void wire_put_zeros(struct wire_writer *writer, size_t n_bytes);

/* max_bytes is at most UINT16_MAX. */
void wire_put_string(struct wire_writer *writer, size_t max_bytes, const char *data, size_t n_bytes);
