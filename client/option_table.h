/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options and commands there are, and which belongs to which: options.def as values. */
#pragma once

#include <getopt.h>
#include <stdbool.h>

#include "client/options.h"

/* What getopt_long(3) returns: a letter, or a number above all letters. */
enum option_code {
#define X_SHORT(name, letter, ...) OPTION_##name = letter,
#define X_BOTH(name, letter, ...) OPTION_##name = letter,
#include "client/options.def"
        OPTION_LETTERS = 255,
#define X_LONG(name, ...) OPTION_##name,
#include "client/options.def"
};

/* What may be written for the argument of an option. */
enum option_values {
        VALUES_NONE,  /* nothing that could be listed */
        VALUES_THESE, /* the argument itself: words separated by | */
        VALUES_GROUP,
        VALUES_GROUPS, /* several, separated by commas; so are the next four */
        VALUES_OUTCOMES,
        VALUES_CAUSES,
        VALUES_ACCESSES,
        VALUES_PIDS,
        VALUES_UNIT,
        VALUES_FILE,
};

enum command_words { WORDS_NONE, WORDS_TARGET, WORDS_PID, WORDS_PID_WHERE };

struct option_command {
        enum options_action action;
        const char *name;
        enum command_words words;
        const char *form;  /* of the whole line, after "faultline " */
        const char *brief; /* what it does */
};

/*
 * A line of the help. An option has several if it is not the same for all commands; a heading has nothing but its
 * help. Without a help it is not to be told of.
 */
struct option_line {
        int code;         /* enum option_code; 0: no option */
        const char *name; /* the long one, without dashes; NULL: none. Without a code: what is shown in its place */
        int has_arg;      /* as in struct option */
        const char *argument;
        unsigned int commands; /* a set: bits by enum options_action; 0: a heading */
        enum option_values values;
        const char *help;
};

extern const struct option option_table[]; /* for getopt_long(3) */
extern const char option_letters[];        /* likewise; from the second byte on, options may stand behind words, too */

extern const struct option_command option_commands[];
extern const size_t n_option_commands;
extern const struct option_line option_lines[];
extern const size_t n_option_lines;

static inline bool option_belongs(const struct option_line *line, enum options_action action)
{
        return line->commands & 1U << action;
}

/* NULL: the action is no command. */
const struct option_command *option_command_of(enum options_action action);

/* The command of this name. */
bool option_find_command(const char *word, enum options_action *ret);

/* 0; -EINVAL with a complaint: the option with this code is not one of options->action. */
int option_check_command(const struct options *options, int code, struct text *complaint) MUST_CHECK;
