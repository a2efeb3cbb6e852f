/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Standard output without waiting behind it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/options.h"
#include "client/text.h"

struct output {
        int fd; /* to write to; owned when it is not STDOUT_FILENO */
        bool is_terminal;
};

void output_open(struct output *ret);
void output_close(struct output *output);

/* What --color says, and for auto: a terminal that knows escape sequences, and no NO_COLOR (https://no-color.org). */
bool output_wants_color(const struct output *output, enum color_choice choice);

/*
 * The characters of our user's locale are UTF-8; false: a terminal gets ASCII. The process's own locale is neither used
 * nor changed.
 */
bool output_locale_is_utf8(void);

/* The terminal's width in columns now; 0: not a terminal, or not known. */
unsigned int output_columns(const struct output *output);

/*
 * Write from *offset on, and move it. 0: all is written; -EAGAIN: the reader is slow, call again when fd is writable;
 * other -errno.
 */
int output_write(const struct output *output, const struct text *text, size_t *offset) MUST_CHECK;
