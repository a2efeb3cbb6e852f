/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A growing buffer of output and the number formats of the views. Appending never fails visibly: when memory runs out
 * the buffer remembers it in `failed` and takes nothing more, and whoever writes the buffer out checks that once.
 * The functions of the hot path are inline: a fault line is some twenty appends. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/base.h"

struct text {
        char *data;
        size_t n_bytes;
        size_t size_bytes;
        bool failed; /* out of memory: something is missing from data */
        bool ascii;  /* for who appends: what shows it knows nothing beyond ASCII */
};

#define TEXT_U64_MAX_BYTES 20 /* decimal digits of UINT64_MAX */
#define TEXT_HEX_MAX_BYTES 18 /* "0x" and 16 digits */

void text_free(struct text *text);                 /* the contents; the struct is the caller's and empty afterwards */
bool text_grow(struct text *text, size_t n_bytes); /* room for n_bytes more; false: failed is set */
void text_printf(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* Write the digits right-aligned, the last one before `end`, and return where they begin. No NUL. */
char *text_format_u64(char *end, uint64_t value);
/* With "0x", no leading zeros. */
char *text_format_hex(char *end, uint64_t value);

static inline void text_put(struct text *text, const char *bytes, size_t n_bytes)
{
        if (n_bytes == 0 || (text->size_bytes - text->n_bytes < n_bytes && !text_grow(text, n_bytes)))
                return;
        memcpy(text->data + text->n_bytes, bytes, n_bytes);
        text->n_bytes += n_bytes;
}

static inline void text_fill(struct text *text, char c, size_t n_bytes)
{
        if (n_bytes == 0 || (text->size_bytes - text->n_bytes < n_bytes && !text_grow(text, n_bytes)))
                return;
        memset(text->data + text->n_bytes, c, n_bytes);
        text->n_bytes += n_bytes;
}

static inline void text_put_char(struct text *text, char c)
{
        text_put(text, &c, 1);
}

static inline void text_put_string(struct text *text, const char *string)
{
        text_put(text, string, strlen(string));
}

static inline void text_put_u64(struct text *text, uint64_t value)
{
        char digits[TEXT_U64_MAX_BYTES];
        char *end = digits + sizeof(digits);
        char *begin = text_format_u64(end, value);

        text_put(text, begin, (size_t)(end - begin));
}

static inline void text_put_hex(struct text *text, uint64_t value)
{
        char digits[TEXT_HEX_MAX_BYTES];
        char *end = digits + sizeof(digits);
        char *begin = text_format_hex(end, value);

        text_put(text, begin, (size_t)(end - begin));
}

static inline void text_put_i64(struct text *text, int64_t value)
{
        if (value < 0)
                text_put_char(text, '-');
        text_put_u64(text, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

#define CLEANUP_TEXT CLEANUP(text_free)
