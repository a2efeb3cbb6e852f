/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options and commands there are, and which belongs to which. */
#pragma once

#include <getopt.h>
#include <stdbool.h>

#include "client/options.h"

enum option_code {
        OPTION_PID = 'p',
        OPTION_UNIT = 'u',
        OPTION_FOLLOW = 'f',
        OPTION_HELP = 'h',
        OPTION_FILE = 'o',
        OPTION_INTERVAL = 'I',
        OPTION_DETAIL = 256,
        OPTION_PTRACE,
        OPTION_UNMAPS,
        OPTION_STACK,
        OPTION_LINES,
        OPTION_NO_DEMANGLE,
        OPTION_BY,
        OPTION_TOP,
        OPTION_WEIGHT,
        OPTION_NO_FOLD,
        OPTION_LIVE,
        OPTION_FORMAT,
        OPTION_OUTCOME,
        OPTION_CAUSE,
        OPTION_ACCESS,
        OPTION_MAP,
        OPTION_MIN_LATENCY,
        OPTION_DURATION,
        OPTION_COUNT,
        OPTION_SOCKET,
        OPTION_PRIVATE,
        OPTION_COLOR,
        OPTION_VERSION,
        OPTION_RESERVED,
};

extern const struct option option_table[]; /* for getopt_long(3) */

/* The command of this name. */
bool option_find_command(const char *word, enum options_action *ret);

/* 0; -EINVAL with a complaint: the option with this code is not one of options->action. */
int option_check_command(const struct options *options, int code, struct text *complaint) MUST_CHECK;
