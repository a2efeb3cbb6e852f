/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* keys.def as values: which key does what on which screen, and how that is told. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/screen/key.h"
#include "client/text.h"

enum top_screen {
        SCREEN_TABLE,
        SCREEN_SPACE,
        SCREEN_DETAILS, /* of a row */
        SCREEN_FAULT,   /* one, in full */
        SCREEN_NOTES,
        SCREEN_HELP,
        SCREEN_SEARCH, /* the table, while one types what to search */
        N_TOP_SCREENS,
};

enum top_action {
        TOP_ACTION_NONE, /* the key means nothing there */
#define ACTION(name, screens, hint, help) TOP_ACTION_##name,
#include "client/top/keys.def"
        N_TOP_ACTIONS,
};

enum top_action keys_find(enum top_screen screen, const struct key *key);

struct key_help {
        const char *hint; /* a word for the last line of the screen; "": none */
        const char *help;
        unsigned int screens; /* bit 1 << enum top_screen: where it can be done */
};
const struct key_help *keys_help(enum top_action action); /* NULL for TOP_ACTION_NONE and unknown ones */

/* The label of the index-th key of an action; NULL: there are no more. */
const char *keys_label(enum top_action action, size_t index);

/* The list for faultline(1), as scdoc(5). */
void keys_put_man(struct text *out);
