/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The option table as data of a shell. What is done with it stands in the templates faultline.bash, .zsh and .fish. */
#pragma once

#include "client/option_table.h"

/* The tables that the template of this shell needs. */
void completion_put_bash(struct text *out);
void completion_put_zsh(struct text *out);
void completion_put_fish(struct text *out);

/* The words that may be written for the argument of this option, separated by spaces; none if they cannot be listed. */
void completion_put_words(struct text *out, const struct option_line *line);

/* Several of the words may be written, separated by commas. */
bool completion_is_list(const struct option_line *line);

/* In quotes that all three shells understand. */
void completion_put_quoted(struct text *out, const char *words);

/* There is something to complete: an option or its values. Neither headings nor what is not there yet. */
static inline bool completion_is_option(const struct option_line *line)
{
        return line->code != 0 && line->help;
}

static inline char completion_letter(const struct option_line *line)
{
        return line->code < OPTION_LETTERS ? (char)line->code : '\0';
}
