/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a user did at the terminal, whatever terminal that is. */
#pragma once

#include <stdint.h>

enum key_code {
        KEY_CODE_CHAR, /* a character: point; control characters too (Ctrl-L: 'L' - '@'), but those that follow */
        KEY_CODE_ENTER,
        KEY_CODE_ESCAPE,
        KEY_CODE_BACKSPACE,
        KEY_CODE_TAB,
        KEY_CODE_UP,
        KEY_CODE_DOWN,
        KEY_CODE_LEFT,
        KEY_CODE_RIGHT,
        KEY_CODE_PAGE_UP,
        KEY_CODE_PAGE_DOWN,
        KEY_CODE_HOME,
        KEY_CODE_END,
        KEY_CODE_CLICK, /* at x, y */
        KEY_CODE_WHEEL_UP,
        KEY_CODE_WHEEL_DOWN,
        N_KEY_CODES,
};

struct key {
        enum key_code code;
        uint32_t point; /* Unicode */
        uint32_t x, y;  /* cells */
};
