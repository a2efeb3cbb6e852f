/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What faultline says about itself: all of it for --help, one command's share for --help after that command, the
 * beginning for somebody who has only typed its name. The words are those of options.def; here they become columns.
 */
#include "client/option_table.h"

enum { HELP_COLUMN = 27, LINE_COLUMNS = 80 };

static const char examples[] = "  faultline -p 1234                      a running process, until Ctrl-C\n"
                               "  faultline --outcome=major -- ./server   what a new process waits for\n"
                               "  faultline -f -- make                   a command with all that it starts\n"
                               "  faultline top -p 1234                  the same as a picture that moves\n"
                               "  faultline stat --by=code -p 1234       which code took how many\n"
                               "  faultline flame -o f.svg -- ./server   by which calls, as a picture\n"
                               "  faultline maps 1234                    what its memory is, without a trace\n";

static void put_usage(struct text *out)
{
        for (size_t i = 0; i < n_option_commands; i++)
                text_printf(out, "%s faultline %s\n", i == 0 ? "Usage:" : "      ", option_commands[i].form);
        text_put_string(out, "Show every page fault of a running process as it happens.\n\n");
        text_put_string(out, examples);
}

void options_put_usage(struct text *out)
{
        put_usage(out);
        text_put_string(out, "\nTARGET is -p PID[,PID...], -u UNIT or -- COMMAND [ARG...].\n"
                             "faultline --help lists the options.\n");
}

/* "  -u, --unit=UNIT"; -p has its argument behind a space. */
static void put_head(struct text *out, const struct option_line *line)
{
        bool has_letter = line->code > 0 && line->code < OPTION_LETTERS;

        text_put_string(out, "  ");
        if (has_letter)
                text_printf(out, "-%c%s", line->code, line->name ? ", " : " ");
        if (line->name)
                text_printf(out, "%s%s", line->code ? "--" : "", line->name);
        if (line->has_arg == optional_argument)
                text_printf(out, "[=%s]", line->argument);
        else if (line->has_arg == required_argument)
                text_printf(out, "%s%s", line->name ? "=" : "", line->argument);
}

/* What belongs to one command or two says so. */
static void put_owners(struct text *out, unsigned int commands)
{
        unsigned int all_but_one = commands & (commands - 1);

        if (all_but_one & (all_but_one - 1))
                return;
        for (unsigned int action = 0; commands != 0; commands &= ~(1U << action++))
                if (commands & 1U << action)
                        text_printf(out, "%s%s", option_command_of((enum options_action)action)->name,
                                    commands >> action > 1 ? ", " : ": ");
}

/* To the help's column: in this line, or, if it has got too far, in the next one. */
static size_t put_column(struct text *out, size_t column)
{
        if (column + 2 > HELP_COLUMN) {
                text_put_char(out, '\n');
                column = 0;
        }
        text_fill(out, ' ', HELP_COLUMN - column);
        return HELP_COLUMN;
}

/* Words from the help's column on, in as many lines as they need. column: where the line is now. */
static void put_wrapped(struct text *out, const char *words, size_t column)
{
        for (bool is_first = true; *words; is_first = false) {
                size_t n_bytes = strcspn(words, " ");

                if (is_first || column + 1 + n_bytes > LINE_COLUMNS) {
                        column = put_column(out, column);
                } else {
                        text_put_char(out, ' ');
                        column++;
                }
                text_put(out, words, n_bytes);
                column += n_bytes;
                words += n_bytes;
                words += strspn(words, " ");
        }
        text_put_char(out, '\n');
}

static void put_line(struct text *out, const struct option_line *line, bool with_owners)
{
        CLEANUP_TEXT struct text help = {0};
        size_t begin = out->n_bytes;

        put_head(out, line);
        if (with_owners)
                put_owners(&help, line->commands);
        text_put_string(&help, line->help);
        text_put_char(&help, '\0');
        if (help.failed) {
                out->failed = true;
                return;
        }
        put_wrapped(out, help.data, out->n_bytes - begin);
}

/* The lines of a set of commands. A heading without a line is left out. */
static void put_lines(struct text *out, unsigned int commands, bool with_owners)
{
        const char *heading = NULL;

        for (size_t i = 0; i < n_option_lines; i++) {
                const struct option_line *line = &option_lines[i];

                if (!line->commands)
                        heading = line->help;
                if (!line->help || !(line->commands & commands))
                        continue;
                if (heading)
                        text_printf(out, "\n%s:\n", heading);
                heading = NULL;
                put_line(out, line, with_owners);
        }
}

static bool takes_time(unsigned int commands)
{
        for (size_t i = 0; i < n_option_lines; i++)
                if (option_lines[i].commands & commands && strcmp(option_lines[i].argument, "TIME") == 0)
                        return true;
        return false;
}

static void put_end(struct text *out, unsigned int commands)
{
        text_put_char(out, '\n');
        if (takes_time(commands))
                text_put_string(out, "TIME is a number with a unit: ns, us, ms, s, min, h.\n");
        text_put_string(out, "See faultline(1) for the columns, the causes and the ledger.\n");
}

void options_put_help(struct text *out)
{
        put_usage(out);
        put_lines(out, ~0U, true);
        put_end(out, ~0U);
}

void options_put_command_help(struct text *out, enum options_action action)
{
        const struct option_command *command = option_command_of(action);

        text_printf(out, "Usage: faultline %s\nShow %s.\n", command->form, command->brief);
        put_lines(out, 1U << action, false);
        put_end(out, 1U << action);
}
