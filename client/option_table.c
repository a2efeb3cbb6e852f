/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nothing is accepted that has no effect on the command: it would be a lie about what follows. An option that several
 * lines tell of belongs to the commands of all of them.
 */
#include "client/option_table.h"

#include <errno.h>
#include <string.h>

#define IN(command) (1U << ACTION_##command)
#define TRACES (IN(TRACE) | IN(STAT) | IN(FLAME) | IN(TOP))
#define ALL (IN(HELP) - 1) /* the commands are the first actions */

const struct option option_table[] = {
#define X_LONG(name, word, has_arg, ...) {word, has_arg, NULL, OPTION_##name},
#define X_BOTH(name, letter, word, has_arg, ...) {word, has_arg, NULL, OPTION_##name},
#include "client/options.def"
        {0},
};

#define COLON_no_argument
#define COLON_required_argument ':',
const char option_letters[] = {
        '+',
        ':',
#define X_SHORT(name, letter, has_arg, ...) letter, COLON_##has_arg
#define X_BOTH(name, letter, word, has_arg, ...) letter, COLON_##has_arg
#include "client/options.def"
        '\0',
};

const struct option_command option_commands[] = {
#define X_COMMAND(name, word, words, form, brief) {ACTION_##name, word, words, form, brief},
#include "client/options.def"
};
const size_t n_option_commands = ARRAY_SIZE(option_commands);

const struct option_line option_lines[] = {
#define X_HEADING(text) {.help = text},
#define X_LINE(head, commands, help) {0, head, no_argument, "", commands, VALUES_NONE, help},
#define X_LONG(name, word, has_arg, argument, commands, values, help)                                                  \
        {OPTION_##name, word, has_arg, argument, commands, values, help},
#define X_AGAIN X_LONG
#define X_SHORT(name, letter, has_arg, argument, commands, values, help)                                               \
        {OPTION_##name, NULL, has_arg, argument, commands, values, help},
#define X_BOTH(name, letter, word, has_arg, argument, commands, values, help)                                          \
        {OPTION_##name, word, has_arg, argument, commands, values, help},
#include "client/options.def"
};
const size_t n_option_lines = ARRAY_SIZE(option_lines);

const struct option_command *option_command_of(enum options_action action)
{
        for (size_t i = 0; i < ARRAY_SIZE(option_commands); i++)
                if (option_commands[i].action == action)
                        return &option_commands[i];
        return NULL;
}

/* As a set; codes that are no option's, such as getopt_long(3)'s complaints, are everybody's. */
static unsigned int users_of(int code)
{
        unsigned int users = 0;

        for (size_t i = 0; i < ARRAY_SIZE(option_lines); i++)
                if (option_lines[i].code == code)
                        users |= option_lines[i].commands;
        return users ? users : ALL;
}

static void put_commands(struct text *out, unsigned int set)
{
        bool is_first = true;

        for (unsigned int action = 0; set != 0; set &= ~(1U << action++)) {
                if (!(set & 1U << action))
                        continue;
                text_printf(out, "%sfaultline %s",
                            is_first            ? ""
                            : set >> action > 1 ? ", "
                                                : " and ",
                            option_command_of((enum options_action)action)->name);
                is_first = false;
        }
}

int option_check_command(const struct options *options, int code, struct text *complaint)
{
        unsigned int users = users_of(code);

        if (users & 1U << options->action)
                return 0;
        if (code < OPTION_LETTERS)
                text_printf(complaint, "-%c", code);
        for (const struct option *option = option_table; code > OPTION_LETTERS && option->name; option++)
                if (option->val == code)
                        text_printf(complaint, "--%s", option->name);
        text_put_string(complaint, " belongs to ");
        put_commands(complaint, users);
        return -EINVAL;
}

bool option_find_command(const char *word, enum options_action *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(option_commands); i++)
                if (strcmp(word, option_commands[i].name) == 0) {
                        *ret = option_commands[i].action;
                        return true;
                }
        return false;
}
