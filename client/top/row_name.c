/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model names stacks as folded lines do, from the outermost function to the innermost. Who looks at a row begins at
 * its left, and wants to see there who faulted. */
#include "client/top/row_name.h"

/* Names of code and caller have it between them. */
static const char arrow[] = "\u2190";

static void put_frames(struct text *out, const char *name, size_t n_name)
{
        while (n_name > 0) {
                const char *semicolon = memrchr(name, ';', n_name);
                const char *frame = semicolon ? semicolon + 1 : name;

                text_put(out, frame, n_name - (size_t)(frame - name));
                n_name = semicolon ? (size_t)(semicolon - name) : 0;
                if (n_name > 0)
                        text_put_string(out, " < ");
        }
}

static void put_code(struct text *out, const char *name, size_t n_name)
{
        const char *at = memmem(name, n_name, arrow, sizeof(arrow) - 1);

        if (at) {
                text_put(out, name, (size_t)(at - name));
                text_put_char(out, '<');
                n_name -= (size_t)(at - name) + sizeof(arrow) - 1;
                name = at + sizeof(arrow) - 1;
        }
        text_put(out, name, n_name);
}

void row_name_put(struct text *out, enum group_by by, bool ascii, const char *name, size_t n_name)
{
        if (!name || n_name == 0)
                text_put_char(out, '?');
        else if (by == GROUP_STACK)
                put_frames(out, name, n_name);
        else if (by == GROUP_CODE && ascii)
                put_code(out, name, n_name);
        else
                text_put(out, name, n_name);
}
