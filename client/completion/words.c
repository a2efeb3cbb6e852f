/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words that an option takes, from where the parser has them, so that no shell offers what is then refused.
 */
#include "client/completion/completion.h"
#include "client/option_values.h"

static const struct option_words *vocabulary(enum option_values values)
{
        switch (values) {
        case VALUES_OUTCOMES:
                return &option_outcomes;
        case VALUES_CAUSES:
                return &option_causes;
        case VALUES_ACCESSES:
                return &option_accesses;
        default:
                return NULL;
        }
}

static void put_separated(struct text *out, const char *word, bool is_first)
{
        if (!is_first)
                text_put_char(out, ' ');
        text_put_string(out, word);
}

void completion_put_words(struct text *out, const struct option_line *line)
{
        const struct option_words *words = vocabulary(line->values);

        for (unsigned int i = words ? words->first : 0; words && i < words->n_words; i++)
                put_separated(out, words->text(i), i == words->first);
        if (line->values == VALUES_GROUP || line->values == VALUES_GROUPS)
                for (unsigned int i = 0; i < N_GROUP_BY; i++)
                        put_separated(out, group_by_text(i), i == 0);
        if (line->values == VALUES_THESE)
                for (const char *p = line->argument; *p; p++)
                        text_put_char(out, *p == '|' ? ' ' : *p);
}

bool completion_is_list(const struct option_line *line)
{
        return line->values == VALUES_GROUPS || vocabulary(line->values);
}

void completion_put_quoted(struct text *out, const char *words)
{
        text_put_char(out, '\'');
        for (const char *p = words; *p; p++)
                if (*p == '\'')
                        text_put_string(out, "'\\''");
                else
                        text_put_char(out, *p);
        text_put_char(out, '\'');
}
