/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing is accepted that has no effect on the command: it would be a lie about what follows. */
#include "client/option_table.h"

#include <errno.h>
#include <string.h>

const struct option option_table[] = {
        {"unit", required_argument, NULL, OPTION_UNIT},
        {"follow", no_argument, NULL, OPTION_FOLLOW},
        {"ptrace", required_argument, NULL, OPTION_PTRACE},
        {"unmaps", no_argument, NULL, OPTION_UNMAPS},
        {"stack", optional_argument, NULL, OPTION_STACK},
        {"lines", no_argument, NULL, OPTION_LINES},
        {"no-demangle", no_argument, NULL, OPTION_NO_DEMANGLE},
        {"detail", required_argument, NULL, OPTION_DETAIL},
        {"by", required_argument, NULL, OPTION_BY},
        {"top", required_argument, NULL, OPTION_TOP},
        {"interval", required_argument, NULL, OPTION_INTERVAL},
        {"no-fold", no_argument, NULL, OPTION_NO_FOLD},
        {"live", no_argument, NULL, OPTION_LIVE},
        {"weight", required_argument, NULL, OPTION_WEIGHT},
        {"format", required_argument, NULL, OPTION_FORMAT},
        {"outcome", required_argument, NULL, OPTION_OUTCOME},
        {"cause", required_argument, NULL, OPTION_CAUSE},
        {"access", required_argument, NULL, OPTION_ACCESS},
        {"map", required_argument, NULL, OPTION_MAP},
        {"min-latency", required_argument, NULL, OPTION_MIN_LATENCY},
        {"duration", required_argument, NULL, OPTION_DURATION},
        {"count", required_argument, NULL, OPTION_COUNT},
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"private", no_argument, NULL, OPTION_PRIVATE},
        {"color", required_argument, NULL, OPTION_COLOR},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, OPTION_HELP},
        {"lossless", no_argument, NULL, OPTION_RESERVED},
        {0},
};

#define BIT(action) (1u << (action))
#define TRACES (BIT(ACTION_TRACE) | BIT(ACTION_STAT) | BIT(ACTION_FLAME) | BIT(ACTION_TOP))

static const char *const commands[] = {
        [ACTION_TRACE] = "trace", [ACTION_STAT] = "stat", [ACTION_FLAME] = "flame",
        [ACTION_TOP] = "top",     [ACTION_MAPS] = "maps", [ACTION_WALK] = "walk",
};

/* As a set of commands. */
static unsigned int users_of(int code)
{
        switch (code) {
        case OPTION_BY:
                return BIT(ACTION_STAT) | BIT(ACTION_TOP);
        case OPTION_TOP:
        case OPTION_INTERVAL:
                return BIT(ACTION_STAT);
        case OPTION_WEIGHT:
                return BIT(ACTION_STAT) | BIT(ACTION_FLAME);
        case OPTION_FILE:
                return BIT(ACTION_FLAME);
        case OPTION_NO_FOLD:
                return BIT(ACTION_TRACE);
        case OPTION_LIVE:
                return BIT(ACTION_MAPS);
        case OPTION_PID:
        case OPTION_UNIT:
                return TRACES;
        case OPTION_FORMAT:
                return (TRACES | BIT(ACTION_MAPS) | BIT(ACTION_WALK)) & ~BIT(ACTION_TOP);
        case OPTION_COLOR:
        case OPTION_NO_DEMANGLE:
                return TRACES | BIT(ACTION_MAPS) | BIT(ACTION_WALK);
        case OPTION_HELP:
        case OPTION_VERSION:
        case OPTION_RESERVED:
        case ':':
        case '?':
                return ~0u;
        default: /* how to trace: maps --live does */
                return TRACES | BIT(ACTION_MAPS);
        }
}

static void put_commands(struct text *out, unsigned int set)
{
        bool is_first = true;

        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                if (!(set & BIT(i)))
                        continue;
                set &= ~BIT(i);
                text_printf(out, "%sfaultline %s", is_first ? "" : set ? ", " : " and ", commands[i]);
                is_first = false;
        }
}

int option_check_command(const struct options *options, int code, struct text *complaint)
{
        unsigned int users = users_of(code);

        if (users & BIT(options->action))
                return 0;
        if (code < 256)
                text_printf(complaint, "-%c", code);
        for (const struct option *option = option_table; code >= 256 && option->name; option++)
                if (option->val == code)
                        text_printf(complaint, "--%s", option->name);
        text_put_string(complaint, " belongs to ");
        put_commands(complaint, users & (BIT(ARRAY_SIZE(commands)) - 1));
        return -EINVAL;
}

bool option_find_command(const char *word, enum options_action *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                if (strcmp(word, commands[i]) == 0) {
                        *ret = (enum options_action)i;
                        return true;
                }
        return false;
}
