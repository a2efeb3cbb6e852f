/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One decision, "may this character be shown as it is?", and two spellings for those that may not. Escaping is done
 * once for each dictionary entry and not for each fault, so this is written to be obvious rather than fast.
 *
 * iswprint(3) is not used: its answer depends on the locale, and output must not.
 */
#include "client/escape.h"

struct point_range {
        uint32_t first, last;
};

static bool in_ranges(const struct point_range *ranges, size_t n_ranges, uint32_t point)
{
        for (size_t i = 0; i < n_ranges; i++)
                if (point >= ranges[i].first && point <= ranges[i].last)
                        return true;
        return false;
}

bool escape_is_safe(uint32_t point)
{
        static const struct point_range unsafe[] = {
                {0x00, 0x1f},       /* C0 controls */
                {0x7f, 0x9f},       /* DEL and the C1 controls, where 0x9b begins an escape sequence */
                {0xad, 0xad},       /* soft hyphen */
                {0x61c, 0x61c},     /* Arabic letter mark */
                {0x180e, 0x180e},   /* invisible */
                {0x200b, 0x200f},   /* zero width, direction marks */
                {0x2028, 0x202e},   /* line and paragraph separators, direction embedding and override */
                {0x2060, 0x206f},   /* invisible operators, direction isolates */
                {0xfeff, 0xfeff},   /* byte order mark */
                {0xfff9, 0xfffb},   /* interlinear annotation */
                {0xe0000, 0xe0fff}, /* tags */
        };

        return !in_ranges(unsafe, ARRAY_SIZE(unsafe), point);
}

unsigned int utf8_cells(uint32_t point)
{
        /* Generous: a line cut one column early is fine, one that wraps is not. */
        static const struct point_range wide[] = {
                {0x1100, 0x115f}, {0x231a, 0x231b}, {0x2600, 0x27bf}, {0x2e80, UINT32_MAX}};

        return in_ranges(wide, ARRAY_SIZE(wide), point) ? 2 : 1;
}

size_t utf8_decode(const char *s, size_t n_bytes, uint32_t *ret_point)
{
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        unsigned char first;
        uint32_t point;
        size_t length;

        if (n_bytes == 0)
                return 0;
        first = (unsigned char)s[0];
        if (first < 0x80) {
                *ret_point = first;
                return 1;
        }
        length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        if (first < 0xc0 || first > 0xf4 || length > n_bytes)
                return 0;
        point = first & (0x7fU >> length);
        for (size_t i = 1; i < length; i++) {
                if (((unsigned char)s[i] & 0xc0) != 0x80)
                        return 0;
                point = point << 6 | ((unsigned char)s[i] & 0x3f);
        }
        if (point < smallest[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
                return 0;
        *ret_point = point;
        return length;
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

                if (length == 0 || !escape_is_safe(point) || (out->ascii && point > 0x7f)) {
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

                if (length == 0 || !escape_is_safe(point)) {
                        put_json_escape(out, point);
                } else {
                        if (point == '"' || point == '\\')
                                text_put_char(out, '\\');
                        text_put(out, s + i, length);
                }
                i += MAX_OF(length, (size_t)1);
        }
}
