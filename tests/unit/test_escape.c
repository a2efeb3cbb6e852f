/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What hostile names look like on a terminal and in JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/escape.h"

struct sample {
        const char *bytes;
        size_t n_bytes;
        const char *terminal;
        uint32_t n_cells;
        const char *json;
};

#define SAMPLE(bytes, terminal, n_cells, json)                                                                         \
        {                                                                                                              \
                (bytes), sizeof(bytes) - 1, (terminal), (n_cells), (json)                                              \
        }

static const struct sample samples[] = {
        SAMPLE("", "", 0, ""),
        SAMPLE("libc.so.6", "libc.so.6", 9, "libc.so.6"),
        SAMPLE("a b\"c", "a b\"c", 5, "a b\\\"c"),
        SAMPLE("a\\b", "a\\\\b", 4, "a\\\\b"),
        SAMPLE("a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd", 16, "a\\u000ab\\u0009c\\u000dd"),
        SAMPLE("\0", "\\x00", 4, "\\u0000"),
        SAMPLE("\033]0;x\007", "\\x1b]0;x\\x07", 12, "\\u001b]0;x\\u0007"),
        SAMPLE("\177", "\\x7f", 4, "\\u007f"),
        SAMPLE("\xc2\x9b", "\\xc2\\x9b", 8, "\\u009b"),                           /* C1: CSI */
        SAMPLE("\xe2\x80\xae", "\\xe2\\x80\\xae", 12, "\\u202e"),                 /* right-to-left override */
        SAMPLE("\xf3\xa0\x80\x81", "\\xf3\\xa0\\x80\\x81", 16, "\\udb40\\udc01"), /* a tag, beyond 16 bits */
        SAMPLE("\xc3\xa9", "\xc3\xa9", 1, "\xc3\xa9"),
        SAMPLE("\xe6\xbc\xa2", "\xe6\xbc\xa2", 2, "\xe6\xbc\xa2"),
        SAMPLE("\xff", "\\xff", 4, "\\ufffd"),
        SAMPLE("\xc3", "\\xc3", 4, "\\ufffd"),                 /* cut short */
        SAMPLE("\xc0\xaf", "\\xc0\\xaf", 8, "\\ufffd\\ufffd"), /* overlong slash */
        SAMPLE("\xe0\x80\xaf", "\\xe0\\x80\\xaf", 12, "\\ufffd\\ufffd\\ufffd"),
        SAMPLE("\xed\xa0\x80", "\\xed\\xa0\\x80", 12, "\\ufffd\\ufffd\\ufffd"),                 /* surrogate */
        SAMPLE("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", 16, "\\ufffd\\ufffd\\ufffd\\ufffd"), /* above U+10FFFF */
        SAMPLE("\xe2(\xa1", "\\xe2(\\xa1", 9, "\\ufffd(\\ufffd"),
};

static void assert_text(const struct text *text, const char *expected)
{
        assert_int_equal(text->n_bytes, strlen(expected));
        if (text->n_bytes > 0)
                assert_memory_equal(text->data, expected, text->n_bytes);
}

static void test_samples(void **unused)
{
        for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
                CLEANUP_TEXT struct text terminal = {0};
                CLEANUP_TEXT struct text json = {0};

                assert_int_equal(escape_terminal(&terminal, samples[i].bytes, samples[i].n_bytes), samples[i].n_cells);
                assert_text(&terminal, samples[i].terminal);
                escape_json(&json, samples[i].bytes, samples[i].n_bytes);
                assert_text(&json, samples[i].json);
        }
}

/* Every pair of bytes: no control character survives, and JSON always parses. */
static void test_every_pair(void **unused)
{
        for (unsigned int pair = 0; pair < 0x10000; pair++) {
                const char bytes[] = {(char)(pair >> 8), (char)pair};
                CLEANUP_TEXT struct text terminal = {0};
                CLEANUP_TEXT struct text json = {0};
                json_t *parsed;

                (void)escape_terminal(&terminal, bytes, sizeof(bytes));
                for (size_t i = 0; i < terminal.n_bytes; i++)
                        assert_true((unsigned char)terminal.data[i] >= 0x20 && terminal.data[i] != 0x7f);
                text_put_char(&json, '"');
                escape_json(&json, bytes, sizeof(bytes));
                text_put_char(&json, '"');
                parsed = json_loadb(json.data, json.n_bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                assert_non_null(parsed);
                json_decref(parsed);
        }
}

static void assert_number(uint64_t value, const char *decimal, const char *hex)
{
        CLEANUP_TEXT struct text text = {0};

        text_put_u64(&text, value);
        assert_text(&text, decimal);
        text.n_bytes = 0;
        text_put_hex(&text, value);
        assert_text(&text, hex);
}

static void test_numbers(void **unused)
{
        CLEANUP_TEXT struct text text = {0};

        assert_number(0, "0", "0x0");
        assert_number(9, "9", "0x9");
        assert_number(10, "10", "0xa");
        assert_number(99, "99", "0x63");
        assert_number(100, "100", "0x64");
        assert_number(12345, "12345", "0x3039");
        assert_number(UINT64_MAX, "18446744073709551615", "0xffffffffffffffff");
        text_put_i64(&text, INT64_MIN);
        assert_text(&text, "-9223372036854775808");
}

static void test_buffer_too_large(void **unused)
{
        CLEANUP_TEXT struct text text = {0};

        assert_false(text_grow(&text, SIZE_MAX));
        assert_true(text.failed);
        text_put_string(&text, "nothing more is taken");
        assert_int_equal(text.n_bytes, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_samples),
                cmocka_unit_test(test_every_pair),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_buffer_too_large),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
