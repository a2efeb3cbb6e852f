/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of keys, looked up. It is short: a key is found by going through it. */
#include "client/top/keys.h"

#include <ctype.h>

#include "proto/base.h"

#define IN_TABLE (1U << SCREEN_TABLE)
#define IN_SPACE (1U << SCREEN_SPACE)
#define IN_DETAILS (1U << SCREEN_DETAILS)
#define IN_FAULT (1U << SCREEN_FAULT)
#define IN_NOTES (1U << SCREEN_NOTES)
#define IN_HELP (1U << SCREEN_HELP)
#define IN_SEARCH (1U << SCREEN_SEARCH)
#define IN_ALL (IN_TABLE | IN_SPACE | IN_DETAILS | IN_FAULT | IN_NOTES | IN_HELP)

static const struct key_help actions[] = {
        [TOP_ACTION_NONE] = {.hint = "", .help = ""},
#define ACTION(name, where, short_help, long_help)                                                                     \
        [TOP_ACTION_##name] = {.hint = (short_help), .help = (long_help), .screens = (where)},
#include "client/top/keys.def"
};

struct bound_key {
        enum top_action action;
        enum key_code code;
        uint32_t point;
        const char *label;
};

static const struct bound_key bound_keys[] = {
#define KEY(name, key_code, key_point, key_label)                                                                      \
        {.action = TOP_ACTION_##name, .code = (key_code), .point = (key_point), .label = (key_label)},
#include "client/top/keys.def"
};

enum top_action keys_find(enum top_screen screen, const struct key *key)
{
        if (screen == SCREEN_SEARCH && key->code == KEY_CODE_CHAR && key->point >= ' ')
                return TOP_ACTION_NONE; /* it is typed */
        for (size_t i = 0; i < ARRAY_SIZE(bound_keys); i++) {
                const struct bound_key *bound = &bound_keys[i];

                if (bound->code != key->code || !(actions[bound->action].screens & 1U << screen))
                        continue;
                if (key->code != KEY_CODE_CHAR || bound->point == key->point)
                        return bound->action;
        }
        return TOP_ACTION_NONE;
}

const struct key_help *keys_help(enum top_action action)
{
        return action > TOP_ACTION_NONE && action < N_TOP_ACTIONS ? &actions[action] : NULL;
}

const char *keys_label(enum top_action action, size_t index)
{
        for (size_t i = 0; i < ARRAY_SIZE(bound_keys); i++)
                if (bound_keys[i].action == action && index-- == 0)
                        return bound_keys[i].label;
        return NULL;
}

/* --- the man page --- */

/* What scdoc(5) would take for markup. */
static void put_escaped(struct text *out, const char *string)
{
        for (; *string; string++) {
                if (*string == '*' || *string == '_' || *string == '\\')
                        text_put_char(out, '\\');
                text_put_char(out, *string);
        }
}

static void put_labels(struct text *out, enum top_action action)
{
        const char *label;

        for (size_t i = 0; (label = keys_label(action, i)); i++) {
                text_put_string(out, i > 0 ? ", *" : "*");
                put_escaped(out, label);
                text_put_char(out, '*');
        }
}

void keys_put_man(struct text *out)
{
        for (enum top_action action = TOP_ACTION_NONE + 1; action < N_TOP_ACTIONS; action++) {
                put_labels(out, action);
                if (actions[action].screens == IN_SEARCH)
                        text_put_string(out, " (search)");
                text_put_string(out, "\n\t");
                text_put_char(out, (char)toupper((unsigned char)actions[action].help[0]));
                put_escaped(out, actions[action].help + 1);
                text_put_string(out, ".\n\n");
        }
}
