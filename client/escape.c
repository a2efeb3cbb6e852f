/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One decision, "may this character be shown as it is?", and two spellings for those that may not. Escaping is done
 * once for each dictionary entry and not for each fault, so this is written to be obvious rather than fast.
 */
#include "client/escape.h"

unsigned int utf8_cells(uint32_t point)
{
        /* Generous: a line cut one column early is fine, one that wraps is not. */
        static const struct utf8_range wide[] = {
                {0x1100, 0x115f}, {0x231a, 0x231b}, {0x2600, 0x27bf}, {0x2e80, UINT32_MAX}};

        return utf8_in_ranges(wide, ARRAY_SIZE(wide), point) ? 2 : 1;
}

uint32_t utf8_text_cells(const char *s, size_t n_bytes)
{
        uint32_t n_cells = 0;

        for (size_t i = 0; i < n_bytes;) {
                uint32_t point;
                size_t length = utf8_decode(s + i, n_bytes - i, &point);

                n_cells += length > 0 ? utf8_cells(point) : 1;
                i += length > 0 ? length : 1;
        }
        return n_cells;
}

static uint32_t put_hex_bytes(struct text *out, const char *s, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i++)
                text_printf(out, "\\x%02x", (unsigned char)s[i]);
        return (uint32_t)(4 * n_bytes);
}

uint32_t escape_terminal(struct text *out, const char *s, size_t n_bytes)
{
        uint32_t n_cells = 0;

        for (size_t i = 0; i < n_bytes;) {
                uint32_t point = 0;
                size_t length = utf8_decode(s + i, n_bytes - i, &point);

                if (length == 0 || !utf8_is_safe(point) || (out->ascii && point > 0x7f)) {
                        length = MAX_OF(length, (size_t)1);
                        n_cells += put_hex_bytes(out, s + i, length);
                } else {
                        if (point == '\\') {
                                text_put_char(out, '\\');
                                n_cells++;
                        }
                        text_put(out, s + i, length);
                        n_cells += utf8_cells(point);
                }
                i += length;
        }
        return n_cells;
}

static void put_json_escape(struct text *out, uint32_t point)
{
        if (point > 0xffff) {
                point -= 0x10000;
                text_printf(out, "\\u%04x\\u%04x", 0xd800 + (point >> 10), 0xdc00 + (point & 0x3ff));
        } else {
                text_printf(out, "\\u%04x", point);
        }
}

void escape_json(struct text *out, const char *s, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes;) {
                uint32_t point = 0xfffd;
                size_t length = utf8_decode(s + i, n_bytes - i, &point);

                if (length == 0 || !utf8_is_safe(point)) {
                        put_json_escape(out, point);
                } else {
                        if (point == '"' || point == '\\')
                                text_put_char(out, '\\');
                        text_put(out, s + i, length);
                }
                i += MAX_OF(length, (size_t)1);
        }
}
