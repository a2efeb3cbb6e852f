/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ways to make a piece fit, used only on terminals: in a pipe nothing is ever taken away. A name is shortened in
 * its middle, because images share their beginnings and symbols their endings less often than the other way round: both
 * ends together still tell most names apart.
 */
#include "client/row.h"

#include "client/escape.h"

/* Bytes of the longest beginning that takes at most n_cells, and how many it takes. */
static size_t beginning(const char *bytes, size_t n_bytes, uint32_t n_cells, uint32_t *ret_n_used)
{
        uint32_t used = 0;
        size_t i = 0;

        while (i < n_bytes) {
                uint32_t point = 0;
                size_t length = utf8_decode(bytes + i, n_bytes - i, &point);
                unsigned int width = utf8_cells(point);

                if (length == 0 || width > n_cells - used)
                        break;
                used += width;
                i += length;
        }
        *ret_n_used = used;
        return i;
}

void row_put_cut(struct row *row, const char *bytes, size_t n_bytes)
{
        uint32_t used;

        text_put(row->out, bytes, beginning(bytes, n_bytes, row->limit - row->used, &used));
        row->used += used;
        row->limit = row->used;
}

void row_put_shortened(struct row *row, const char *bytes, size_t n_bytes, uint32_t n_cells, uint32_t room)
{
        static const char ellipsis[] = "\xe2\x80\xa6"; /* U+2026 */
        uint32_t kept = room > 0 ? room - 1 : 0;
        uint32_t head, skipped;
        size_t n_head, n_skipped;

        if (n_cells <= room) {
                row_put(row, bytes, n_bytes, n_cells);
                return;
        }
        n_head = beginning(bytes, n_bytes, kept / 2, &head);
        n_skipped = beginning(bytes, n_bytes, n_cells - (kept - kept / 2), &skipped);
        if (skipped < n_cells - (kept - kept / 2)) { /* a wide character lies across the border: it goes too */
                uint32_t width;

                n_skipped += beginning(bytes + n_skipped, n_bytes - n_skipped, 2, &width);
                skipped += width;
        }
        row_put(row, bytes, n_head, head);
        if (row->out->ascii)
                row_put_ascii(row, "~", 1);
        else
                row_put(row, ellipsis, sizeof(ellipsis) - 1, 1);
        row_put(row, bytes + n_skipped, n_bytes - n_skipped, n_cells - skipped);
}
