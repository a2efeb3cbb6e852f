/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The option table: what is told of each command is what the parser accepts with it, on lines that fit a terminal.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/option_table.h"

enum { LINE_COLUMNS = 80 };

static void expect_columns(const struct text *text)
{
        const char *end = text->data + text->n_bytes;

        for (const char *line = text->data, *newline; line < end; line = newline + 1) {
                newline = memchr(line, '\n', (size_t)(end - line));
                assert_non_null(newline);
                if (newline - line > LINE_COLUMNS)
                        fail_msg("more than %d columns: %.*s", LINE_COLUMNS, (int)(newline - line), line);
                assert_true(newline == line || newline[-1] != ' ');
        }
}

static void test_columns(void **unused)
{
        CLEANUP_TEXT struct text help = {0}, short_help = {0};

        options_put_help(&help);
        expect_columns(&help);
        options_put_usage(&short_help);
        expect_columns(&short_help);
        for (size_t i = 0; i < n_option_commands; i++) {
                CLEANUP_TEXT struct text of_command = {0};

                options_put_command_help(&of_command, option_commands[i].action);
                expect_columns(&of_command);
        }
}

static void test_command_help(void **unused)
{
        static const char expected[] = "Usage: faultline walk PID ADDRESS|SYMBOL\n"
                                       "Show one address of a process explained.\n"
                                       "\n"
                                       "Options:\n"
                                       "  --no-demangle            names of C++ and Rust as the linker knows them\n"
                                       "  --format=text|json       for people, or an object a line (default: text)\n"
                                       "  --color=auto|always|never\n"
                                       "                           colours (default: auto, on a terminal)\n"
                                       "  --version                print the version\n"
                                       "  -h, --help               print this, or after a command what belongs to it\n"
                                       "\n"
                                       "See faultline(1) for the columns, the causes and the ledger.\n";
        CLEANUP_TEXT struct text help = {0};

        options_put_command_help(&help, ACTION_WALK);
        text_put_char(&help, '\0');
        assert_string_equal(help.data, expected);
}

static void test_owners(void **unused)
{
        CLEANUP_TEXT struct text help = {0};

        options_put_help(&help);
        text_put_char(&help, '\0');
        assert_non_null(strstr(help.data, "\n  --weight=count|bytes|time\n"
                                          "                           stat, flame: what a fault weighs "
                                          "(default: count)\n"));
        assert_non_null(strstr(help.data, "\n  -u, --unit=UNIT          all processes of"));
        assert_non_null(strstr(help.data, "\n  --stack[=BYTES]          call stacks"));
        assert_non_null(strstr(help.data, "\n  -p PID[,PID...]          running processes\n"));
        assert_null(strstr(help.data, "lossless"));
}

static bool is_told(const struct text *help, const struct option_line *line)
{
        char head[64];

        if (line->code < OPTION_LETTERS)
                (void)snprintf(head, sizeof(head), "\n  -%c%s%s", (char)line->code, line->name ? ", --" : " ",
                               line->name ? line->name : "");
        else
                (void)snprintf(head, sizeof(head), "\n  --%s%s", line->name,
                               line->has_arg == required_argument   ? "="
                               : line->has_arg == optional_argument ? "["
                                                                    : " ");
        return strstr(help->data, head);
}

static bool is_accepted(enum options_action action, int code)
{
        CLEANUP_TEXT struct text complaint = {0};
        struct options options = {.action = action};
        int r = option_check_command(&options, code, &complaint);

        assert_true(r == 0 || r == -EINVAL);
        assert_int_equal(complaint.n_bytes > 0, r < 0);
        return r == 0;
}

/* Of each option and each command. */
static void test_told_is_accepted(void **unused)
{
        size_t n_told = 0, n_refused = 0;

        for (size_t i = 0; i < n_option_commands; i++) {
                enum options_action action = option_commands[i].action;
                CLEANUP_TEXT struct text help = {0};

                options_put_command_help(&help, action);
                text_put_char(&help, '\0');
                for (size_t j = 0; j < n_option_lines; j++) {
                        const struct option_line *line = &option_lines[j];

                        if (line->code == 0 || !line->help)
                                continue;
                        assert_int_equal(is_told(&help, line), is_accepted(action, line->code));
                        n_told += is_told(&help, line);
                        n_refused += !is_told(&help, line);
                }
        }
        assert_true(n_told > 0);
        assert_true(n_refused > 0);
}

/* getopt_long(3) knows what the table has: each letter, with its argument, and each long name. */
static void test_getopt(void **unused)
{
        assert_memory_equal(option_letters, "+:", 2);
        for (size_t i = 0; i < n_option_lines; i++) {
                const struct option_line *line = &option_lines[i];
                const struct option *option = option_table;

                if (line->code == 0)
                        continue;
                if (line->code < OPTION_LETTERS) {
                        const char *letter = strchr(option_letters + 2, line->code);

                        assert_non_null(letter);
                        assert_int_equal(letter[1] == ':', line->has_arg == required_argument);
                }
                if (!line->name)
                        continue;
                while (option->name && strcmp(option->name, line->name) != 0)
                        option++;
                assert_string_equal(option->name, line->name);
                assert_int_equal(option->val, line->code);
                assert_int_equal(option->has_arg, line->has_arg);
        }
}

static void test_parse_help(void **unused)
{
        static const struct {
                const char *args;
                enum options_action help_of;
        } cases[] = {
                {"faultline --help", ACTION_HELP},
                {"faultline trace -h", ACTION_TRACE},
                {"faultline stat --top=5 --help", ACTION_STAT},
                {"faultline maps 1 --help", ACTION_MAPS},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CLEANUP_TEXT struct text complaint = {0};
                struct options options;
                char words[64], *argv[5] = {NULL};
                int argc = 0;

                assert_true(strlen(cases[i].args) < sizeof(words));
                strcpy(words, cases[i].args);
                for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
                        argv[argc++] = word;
                assert_int_equal(options_parse(argc, argv, &options, &complaint), 0);
                assert_int_equal(options.action, ACTION_HELP);
                assert_int_equal(options.help_of, cases[i].help_of);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_columns), cmocka_unit_test(test_command_help),
                cmocka_unit_test(test_owners),  cmocka_unit_test(test_told_is_accepted),
                cmocka_unit_test(test_getopt),  cmocka_unit_test(test_parse_help),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
