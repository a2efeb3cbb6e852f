/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each key of the full screen does, as seen on the screen: one walk through all of client/top/keys.def. */
#pragma once

#include <stddef.h>

enum seen {
        SHOWS, /* this text is on the screen */
        HIDES, /* it is not */
        MARKS, /* it stands there in reverse video */
        ROW,   /* the row of this number in the table is the chosen one; "last" */
        LINE,  /* the line with this text is another one than before */
};

struct key_step {
        const char *action, *label; /* of keys.def; NULL: only on the way to another one */
        const char *keys[8];        /* names as tmux(1) has them, or one of the following */
        enum seen seen;
        const char *text;
};

#define KEY_AGAIN "again"     /* faultline is started anew */
#define KEY_GARBAGE "garbage" /* somebody else writes that word to the terminal */
#define KEY_BYTES "bytes:"    /* these, in hexadecimal */
#define KEY_CLICK_ON "click:" /* the mouse, on this text */

extern const struct key_step key_steps[];
extern const size_t n_key_steps;

void key_step_do(const struct key_step *step);
void key_steps_check_complete(void); /* every key of keys.def is in a step */
