/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Written to be obvious rather than fast: names are looked at once, not for each fault. iswprint(3) is not used: its
 * answer depends on the locale, and output must not.
 */
#include "proto/utf8.h"

bool utf8_in_ranges(const struct utf8_range *ranges, size_t n_ranges, uint32_t point)
{
        for (size_t i = 0; i < n_ranges; i++)
                if (point >= ranges[i].first && point <= ranges[i].last)
                        return true;
        return false;
}

bool utf8_is_safe(uint32_t point)
{
        static const struct utf8_range unsafe[] = {
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

        return !utf8_in_ranges(unsafe, ARRAY_SIZE(unsafe), point);
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
