/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines for the user on standard error. */
#pragma once

#include "client/text.h"

/* "faultline: ..." and a newline. What comes from outside must be safe for a terminal already (escape.h). */
void say(const char *format, ...) PRINTF_LIKE(1, 2);

/* From here on lines go to the end of this text instead: standard error would spoil what is on the screen. NULL: to
 * standard error again. */
void say_hold(struct text *held);

/* The same as say() for a text; nothing when it is empty. */
void say_text(const struct text *text);
