/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Specifications for zsh's _arguments, where [, ], : and \ in a description have a backslash. */
#include "client/completion/completion.h"

/* Within single quotes. */
static void put_escaped(struct text *out, const char *words)
{
        for (const char *p = words; *p; p++) {
                if (strchr("[]:\\", *p))
                        text_put_char(out, '\\');
                if (*p == '\'')
                        text_put_string(out, "'\\''");
                else
                        text_put_char(out, *p);
        }
}

/* An action that begins with a space is called with its own arguments only. */
static void put_action(struct text *out, const struct option_line *line)
{
        switch (line->values) {
        case VALUES_NONE:
                text_put_char(out, ' ');
                return;
        case VALUES_PIDS:
                text_put_string(out, " _faultline_pids");
                return;
        case VALUES_UNIT:
                text_put_string(out, " _faultline_units");
                return;
        case VALUES_FILE:
                text_put_string(out, "_files");
                return;
        default:
                text_put_string(out, completion_is_list(line) ? " _faultline_list " : "(");
                completion_put_words(out, line);
                text_put_string(out, completion_is_list(line) ? "" : ")");
        }
}

/* One form of an option; the other one, if there is one, is not offered once this is there. */
static void put_spec(struct text *out, const struct option_line *line, bool is_long)
{
        static const char *const ends_long[] = {"", "=", "=-"}, *const ends_short[] = {"", "+", "-"};

        text_put_string(out, "                '");
        if (completion_is_list(line) || line->values == VALUES_PIDS)
                text_put_char(out, '*');
        else if (line->name && completion_letter(line))
                text_printf(out, "(-%c --%s)", completion_letter(line), line->name);
        if (is_long)
                text_printf(out, "--%s%s", line->name, ends_long[line->has_arg]);
        else
                text_printf(out, "-%c%s", completion_letter(line), ends_short[line->has_arg]);
        text_put_char(out, '[');
        put_escaped(out, line->help);
        text_put_char(out, ']');
        if (line->has_arg != no_argument) {
                text_put_string(out, line->has_arg == optional_argument ? "::" : ":");
                put_escaped(out, line->argument);
                text_put_char(out, ':');
                put_action(out, line);
        }
        text_put_string(out, "'\n");
}

static void put_command(struct text *out, const struct option_command *command)
{
        text_printf(out, "        %s)\n                specs=(\n", command->name);
        for (size_t i = 0; i < n_option_lines; i++) {
                const struct option_line *line = &option_lines[i];

                if (!completion_is_option(line) || !option_belongs(line, command->action))
                        continue;
                if (completion_letter(line))
                        put_spec(out, line, false);
                if (line->name)
                        put_spec(out, line, true);
        }
        if (command->words == WORDS_PID || command->words == WORDS_PID_WHERE)
                text_put_string(out, "                '1:process:_faultline_pids'\n");
        if (command->words == WORDS_PID_WHERE)
                text_put_string(out, "                '2:address or symbol: '\n");
        text_put_string(out, "                )\n                ;;\n");
}

void completion_put_zsh(struct text *out)
{
        text_put_string(out, "local -a specs subcommands=(\n");
        for (size_t i = 0; i < n_option_commands; i++) {
                text_printf(out, "        '%s:", option_commands[i].name);
                put_escaped(out, option_commands[i].brief);
                text_put_string(out, "'\n");
        }
        text_put_string(out, ")\n\n_faultline_specs()\n{\n        case $1 in\n");
        for (size_t i = 0; i < n_option_commands; i++)
                put_command(out, &option_commands[i]);
        text_put_string(out, "        esac\n}\n");
}
