/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text without colours, for a terminal of some width; include it behind cmocka.h. */
#pragma once

#include <string.h>

#include "client/escape.h"
#include "client/text.h"

/*
 * Every line ends, takes at most n_columns (0: as many as it likes) and has nothing but whole characters that may be
 * shown. Returns the number of lines.
 */
static inline size_t assert_lines_fit(const struct text *text, uint32_t n_columns)
{
        size_t n_lines = 0, begin = 0, length;
        uint32_t n_cells = 0;

        assert_false(text->failed);
        for (size_t i = 0; i < text->n_bytes; i += length) {
                uint32_t point = 0;

                length = utf8_decode(text->data + i, text->n_bytes - i, &point);
                assert_true(length > 0);
                if (point == '\n') {
                        n_cells = 0;
                        n_lines++;
                        begin = i + 1;
                        continue;
                }
                assert_true(utf8_is_safe(point));
                n_cells += utf8_cells(point);
                if (n_columns > 0 && n_cells > n_columns)
                        fail_msg("wider than %u: %.*s", n_columns, (int)(i + length - begin), text->data + begin);
        }
        assert_true(text->n_bytes == 0 || text->data[text->n_bytes - 1] == '\n');
        return n_lines;
}
