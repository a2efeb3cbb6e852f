/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Golden bytes: what the encoder wrote when a message was defined, kept as hexadecimal text. A difference means that
 * old peers and old recordings no longer understand us, so it is fixed in the code, not in the file; the files are
 * written anew (FAULTLINE_GOLDEN_UPDATE=1 in the environment of the test) only for a message that no release has sent.
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

#define GOLDEN_BYTES_PER_LINE 16
#define GOLDEN_MAX_BYTES 4096

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
        FILE *file = fopen(path, "we");

        if (!file)
                fail_msg("cannot write %s: %s", path, strerror(errno));
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
        file = fopen(path, "re");
        if (!file)
                fail_msg("cannot read %s: %s", path, strerror(errno));
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
