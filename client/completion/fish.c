/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A complete(1) for each option, under the condition that the command is one of those that have it. */
#include "client/completion/completion.h"

static void put_condition(struct text *out, unsigned int commands)
{
        text_put_string(out, "complete -c faultline -n '__faultline_is");
        for (size_t i = 0; i < n_option_commands; i++)
                if (commands & 1U << option_commands[i].action)
                        text_printf(out, " %s", option_commands[i].name);
        text_put_char(out, '\'');
}

static void put_values(struct text *out, const struct option_line *line)
{
        switch (line->values) {
        case VALUES_NONE:
                text_put_string(out, " -x");
                return;
        case VALUES_PIDS:
                text_put_string(out, " -x -a '(__faultline_list (__faultline_pids))'");
                return;
        case VALUES_UNIT:
                text_put_string(out, " -x -a '(__faultline_units)'");
                return;
        case VALUES_FILE:
                text_put_string(out, " -r -F");
                return;
        default:
                text_put_string(out, completion_is_list(line) ? " -x -a '(__faultline_list " : " -x -a '");
                completion_put_words(out, line);
                text_put_string(out, completion_is_list(line) ? ")'" : "'");
        }
}

static void put_option(struct text *out, const struct option_line *line)
{
        put_condition(out, line->commands);
        if (completion_letter(line))
                text_printf(out, " -s %c", completion_letter(line));
        if (line->name)
                text_printf(out, " -l %s", line->name);
        if (line->has_arg == required_argument)
                put_values(out, line);
        text_put_string(out, " -d ");
        completion_put_quoted(out, line->help);
        text_put_char(out, '\n');
}

void completion_put_fish(struct text *out)
{
        text_put_string(out, "set -g __faultline_commands");
        for (size_t i = 0; i < n_option_commands; i++)
                text_printf(out, " %s", option_commands[i].name);
        text_put_char(out, '\n');
        for (size_t i = 0; i < n_option_commands; i++) {
                text_printf(out, "complete -c faultline -n __faultline_is_first -a %s -d ", option_commands[i].name);
                completion_put_quoted(out, option_commands[i].brief);
                text_put_char(out, '\n');
        }
        for (size_t i = 0; i < n_option_commands; i++)
                if (option_commands[i].words == WORDS_PID || option_commands[i].words == WORDS_PID_WHERE) {
                        text_printf(out, "complete -c faultline -n '__faultline_wants_pid %s'",
                                    option_commands[i].name);
                        text_put_string(out, " -a '(__faultline_pids)'\n");
                }
        for (size_t i = 0; i < n_option_lines; i++)
                if (completion_is_option(&option_lines[i]))
                        put_option(out, &option_lines[i]);
}
