/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When there is no room for more, the older half goes: that is rare, and what is left are whole lines again. */
#include "client/top/notes.h"

void notes_free(struct notes *notes)
{
        text_free(&notes->text);
        notes->n_gone = 0;
}

static size_t count_lines(const char *bytes, size_t n_bytes)
{
        size_t n = 0;

        for (size_t i = 0; i < n_bytes; i++)
                n += bytes[i] == '\n';
        return n;
}

/* The oldest lines, together at least n_bytes or all. */
static void forget(struct notes *notes, size_t n_bytes)
{
        struct text *text = &notes->text;
        size_t n = MIN_OF(n_bytes, text->n_bytes);

        while (n > 0 && n < text->n_bytes && text->data[n - 1] != '\n')
                n++;
        notes->n_gone += count_lines(text->data, n);
        memmove(text->data, text->data + n, text->n_bytes - n);
        text->n_bytes -= n;
}

void notes_add(struct notes *notes, const char *lines, size_t n_bytes)
{
        if (n_bytes > NOTES_BYTES_MAX / 2)
                n_bytes = NOTES_BYTES_MAX / 2;
        while (n_bytes > 0 && lines[n_bytes - 1] != '\n')
                n_bytes--;
        if (n_bytes == 0)
                return;
        if (notes->text.n_bytes + n_bytes > NOTES_BYTES_MAX)
                forget(notes, NOTES_BYTES_MAX / 2);
        text_put(&notes->text, lines, n_bytes);
        notes->text.failed = false; /* a note that found no memory is gone, later ones may find some */
}
