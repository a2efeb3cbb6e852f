/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The output of one batch of frames is gathered in one buffer and written once: half a million lines a second leave no
 * room for stdio's locks or for snprintf(3). Numbers are formatted backwards from their end, which needs neither a
 * count of digits first nor a copy afterwards.
 */
#include "client/text.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_FIRST_BYTES = 4096 };

void text_free(struct text *text)
{
        free(text->data);
        *text = (struct text){0};
}

bool text_grow(struct text *text, size_t n_bytes)
{
        size_t needed, size;
        char *data;

        if (text->failed || __builtin_add_overflow(text->n_bytes, n_bytes, &needed) || needed > SIZE_MAX / 2) {
                text->failed = true;
                return false;
        }
        size = MAX_OF(text->size_bytes, (size_t)TEXT_FIRST_BYTES);
        while (size < needed)
                size *= 2;
        data = realloc(text->data, size);
        if (!data) {
                text->failed = true;
                return false;
        }
        text->data = data;
        text->size_bytes = size;
        return true;
}

void text_printf(struct text *text, const char *format, ...)
{
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(NULL, 0, format, args);
        va_end(args);
        if (n < 0 || (text->size_bytes - text->n_bytes <= (size_t)n && !text_grow(text, (size_t)n + 1)))
                return;
        va_start(args, format);
        (void)vsnprintf(text->data + text->n_bytes, (size_t)n + 1, format, args);
        va_end(args);
        text->n_bytes += (size_t)n;
}

char *text_format_u64(char *end, uint64_t value)
{
        static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                    "8081828384858687888990919293949596979899";

        while (value >= 100) {
                end -= 2;
                memcpy(end, pairs + value % 100 * 2, 2);
                value /= 100;
        }
        if (value >= 10) {
                end -= 2;
                memcpy(end, pairs + value * 2, 2);
                return end;
        }
        *--end = (char)('0' + value);
        return end;
}

char *text_format_hex(char *end, uint64_t value)
{
        do
                *--end = "0123456789abcdef"[value & 15];
        while (value >>= 4);
        *--end = 'x';
        *--end = '0';
        return end;
}
