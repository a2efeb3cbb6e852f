/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two functions: the options of a command, and what an option of a command takes. */
#include "client/completion/completion.h"

static void put_options(struct text *out, enum options_action action)
{
        for (size_t i = 0; i < n_option_lines; i++) {
                const struct option_line *line = &option_lines[i];

                if (!completion_is_option(line) || !option_belongs(line, action))
                        continue;
                if (completion_letter(line))
                        text_printf(out, " -%c", completion_letter(line));
                if (line->name)
                        text_printf(out, " --%s%s", line->name, line->has_arg == required_argument ? "=" : "");
        }
}

static void put_pattern(struct text *out, const struct option_line *line)
{
        const char *separator = "";

        for (size_t i = 0; i < n_option_commands; i++) {
                const struct option_command *command = &option_commands[i];

                if (!option_belongs(line, command->action))
                        continue;
                if (completion_letter(line)) {
                        text_printf(out, "%s%s:-%c", separator, command->name, completion_letter(line));
                        separator = " | ";
                }
                if (line->name)
                        text_printf(out, "%s%s:--%s", separator, command->name, line->name);
                separator = " | ";
        }
}

static const char *kind_of(const struct option_line *line)
{
        switch (line->values) {
        case VALUES_NONE:
                return "any";
        case VALUES_PIDS:
                return "pids";
        case VALUES_UNIT:
                return "unit";
        case VALUES_FILE:
                return "file";
        default:
                return completion_is_list(line) ? "list" : "one";
        }
}

static void put_values(struct text *out, const struct option_line *line)
{
        text_put_string(out, "        ");
        put_pattern(out, line);
        text_printf(out, ") values=%s words='", kind_of(line));
        completion_put_words(out, line);
        text_put_string(out, "' ;;\n");
}

static const char *words_of(const struct option_command *command)
{
        return command->words == WORDS_PID || command->words == WORDS_PID_WHERE ? "pids" : "";
}

void completion_put_bash(struct text *out)
{
        text_put_string(out, "__faultline_commands='");
        for (size_t i = 0; i < n_option_commands; i++)
                text_printf(out, "%s%s", i == 0 ? "" : " ", option_commands[i].name);
        text_put_string(out, "'\n\n# COMMAND: its options, and what its first word is.\n__faultline_command()\n{\n"
                             "        case $1 in\n");
        for (size_t i = 0; i < n_option_commands; i++) {
                text_printf(out, "        %s) first=%s options='", option_commands[i].name,
                            words_of(&option_commands[i]));
                put_options(out, option_commands[i].action);
                text_put_string(out, "' ;;\n");
        }
        text_put_string(out, "        esac\n}\n\n# COMMAND:OPTION: what its value is; empty if it wants none.\n"
                             "__faultline_values()\n{\n        values= words=\n        case $1 in\n");
        for (size_t i = 0; i < n_option_lines; i++)
                if (completion_is_option(&option_lines[i]) && option_lines[i].has_arg == required_argument)
                        put_values(out, &option_lines[i]);
        text_put_string(out, "        esac\n}\n");
}
