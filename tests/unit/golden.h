/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Golden files, written anew with FAULTLINE_GOLDEN_UPDATE=1 in the environment of the test.
 *
 * Golden bytes: what the encoder wrote when a message was defined, kept as hexadecimal text. A difference means that
 * old peers and old recordings no longer understand us, so it is fixed in the code, not in the file; the files are
 * written anew only for a message that no release has sent.
 *
 * Golden text: what is shown, byte for byte; a wanted difference is written anew and read through.
 */
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "client/text.h"

#define GOLDEN_BYTES_PER_LINE 16
#define GOLDEN_MAX_BYTES 4096
#define GOLDEN_TEXT_MAX_BYTES (UINT32_C(1) << 18)

static inline FILE *golden_open(const char *path, const char *mode)
{
        FILE *file = fopen(path, mode);

        if (!file)
                fail_msg("cannot open %s: %s", path, strerror(errno));
        return file;
}

static inline int golden_digit(int c)
{
        const char *digits = "0123456789abcdef", *at = c > 0 ? strchr(digits, c) : NULL;

        return at ? (int)(at - digits) : -1;
}

/* Reads pairs of hexadecimal digits up to the end of the file or any other word; returns the number of bytes. */
static inline size_t golden_read(FILE *file, uint8_t *to, size_t size_bytes)
{
        char pair[3];
        size_t n = 0;

        while (fscanf(file, " %2[0-9a-f]", pair) == 1 && strlen(pair) == 2) {
                assert_true(n < size_bytes);
                to[n++] = (uint8_t)(golden_digit(pair[0]) << 4 | golden_digit(pair[1]));
        }
        return n;
}

static inline void golden_write(const char *path, const uint8_t *data, size_t n_bytes)
{
        FILE *file = golden_open(path, "we");

        for (size_t i = 0; i < n_bytes; i++)
                fprintf(file, "%02x%c", data[i], i + 1 == n_bytes || (i + 1) % GOLDEN_BYTES_PER_LINE == 0 ? '\n' : ' ');
        assert_int_equal(fclose(file), 0);
}

/* The bytes of GOLDEN_DIR/NAME.hex; returns their number. */
static inline size_t golden_load(const char *name, uint8_t to[static GOLDEN_MAX_BYTES])
{
        char path[4096];
        FILE *file;
        size_t n;

        snprintf(path, sizeof(path), "%s/%s.hex", GOLDEN_DIR, name);
        file = golden_open(path, "re");
        n = golden_read(file, to, GOLDEN_MAX_BYTES);
        fclose(file);
        return n;
}

/* The bytes are those of GOLDEN_DIR/NAME.hex. */
static inline void assert_golden(const char *name, const uint8_t *data, size_t n_bytes)
{
        uint8_t golden[GOLDEN_MAX_BYTES];
        char path[4096];

        snprintf(path, sizeof(path), "%s/%s.hex", GOLDEN_DIR, name);
        if (getenv("FAULTLINE_GOLDEN_UPDATE"))
                golden_write(path, data, n_bytes);
        assert_int_equal(golden_load(name, golden), n_bytes);
        assert_memory_equal(golden, data, n_bytes);
}

/* The text is that of GOLDEN_DIR/NAME.txt, NAME as printf(3) makes it. */
PRINTF_LIKE(2, 3)
static inline void assert_golden_text(const struct text *text, const char *name_format, ...)
{
        static char golden[GOLDEN_TEXT_MAX_BYTES];
        char name[256], path[4096];
        va_list arguments;
        FILE *file;
        size_t n;

        va_start(arguments, name_format);
        (void)vsnprintf(name, sizeof(name), name_format, arguments);
        va_end(arguments);
        (void)snprintf(path, sizeof(path), "%s/%s.txt", GOLDEN_DIR, name);
        assert_false(text->failed);
        if (getenv("FAULTLINE_GOLDEN_UPDATE")) {
                file = golden_open(path, "we");
                assert_int_equal(fwrite(text->data, 1, text->n_bytes, file), text->n_bytes);
                assert_int_equal(fclose(file), 0);
        }
        file = golden_open(path, "re");
        n = fread(golden, 1, sizeof(golden), file);
        (void)fclose(file);
        if (n != text->n_bytes || memcmp(golden, text->data, n) != 0)
                fail_msg("not as in %s:\n%.*s", path, (int)text->n_bytes, text->data);
}
