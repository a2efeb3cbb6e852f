/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unwind tables by hand, entry by entry: what compilers write, and what none would. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/model/rows.h"

#define CFI_VADDR UINT64_C(0x100000)  /* of the table */
#define CFI_CODE UINT64_C(0x1000)     /* of the function that cfi_of() describes */
#define CFI_CODE_BYTES UINT64_C(0x20) /* of it */

struct cfi_writer {
        uint8_t *bytes;
        size_t n_bytes, n_room;
        size_t entry; /* where its length is */
        bool is_long; /* 64-bit DWARF */
};

static inline void put_bytes(struct cfi_writer *writer, const void *bytes, size_t n)
{
        if (writer->n_bytes + n > writer->n_room) {
                writer->n_room = 2 * (writer->n_room + n);
                writer->bytes = realloc(writer->bytes, writer->n_room);
                assert_non_null(writer->bytes);
        }
        memcpy(writer->bytes + writer->n_bytes, bytes, n);
        writer->n_bytes += n;
}

/* The low n bytes of a number, little-endian. */
static inline void put(struct cfi_writer *writer, uint64_t value, size_t n)
{
        put_bytes(writer, &value, n);
}

static inline void begin_entry(struct cfi_writer *writer)
{
        writer->entry = writer->n_bytes;
        if (writer->is_long)
                put(writer, UINT32_MAX, 4);
        put(writer, 0, writer->is_long ? 8 : 4);
}

static inline void end_entry(struct cfi_writer *writer)
{
        size_t length_bytes = writer->is_long ? 8 : 4, at = writer->entry + (writer->is_long ? 4 : 0);
        uint64_t n = writer->n_bytes - at - length_bytes;

        memcpy(writer->bytes + at, &n, length_bytes);
}

/* From the version on; the caller adds instructions and ends it. */
static inline size_t begin_common(struct cfi_writer *writer, uint8_t version, const char *letters, int data_factor)
{
        begin_entry(writer);
        put(writer, 0, 4);
        put(writer, version, 1);
        put_bytes(writer, letters, strlen(letters) + 1);
        if (version == 4)
                put(writer, 8, 2); /* bytes of an address, and of a segment selector */
        put(writer, 1, 1);
        put(writer, (uint64_t)data_factor & 0x7f, 1);
        put(writer, 16, 1);
        return writer->entry;
}

/* CFA = rsp + 8, the return address below it: what all compilers begin with. */
static inline void put_entry_state(struct cfi_writer *writer)
{
        put_bytes(writer, "\x0c\x07\x08\x90\x01", 5);
}

/* The CIE "zR" of all compilers: pcrel, sdata4. */
static inline size_t put_common(struct cfi_writer *writer)
{
        size_t common = begin_common(writer, 1, "zR", -8);

        put_bytes(writer, "\x01\x1b", 2);
        put_entry_state(writer);
        end_entry(writer);
        return common;
}

/* An FDE of that CIE. */
static inline void put_function(struct cfi_writer *writer, size_t common, uint64_t start, uint32_t n_code_bytes,
                                const void *instructions, size_t n)
{
        begin_entry(writer);
        put(writer, writer->n_bytes - common, 4);
        put(writer, start - (CFI_VADDR + writer->n_bytes), 4);
        put(writer, n_code_bytes, 4);
        put(writer, 0, 1);
        put_bytes(writer, instructions, n);
        end_entry(writer);
}

static inline void cfi_writer_free(struct cfi_writer *writer)
{
        free(writer->bytes);
}
#define CFI_WRITER CLEANUP(cfi_writer_free)

static inline void rows_cleanup(struct rows **rows)
{
        *rows = rows_unref(*rows);
}
#define ROWS CLEANUP(rows_cleanup)

/* Compile it as .eh_frame, from memory of exactly its size. */
static inline int compile_eh_frame(const struct cfi_writer *writer, struct rows **ret)
{
        uint8_t *copy = malloc(writer->n_bytes);
        struct rows_source source = {
                .eh_frame = {.bytes = copy, .n_bytes = writer->n_bytes, .vaddr = CFI_VADDR},
                .text_vaddr = 0x500,
                .got_vaddr = 0x800,
        };
        int r;

        assert_non_null(copy);
        memcpy(copy, writer->bytes, writer->n_bytes);
        r = rows_compile(&source, ret);
        free(copy);
        return r;
}
