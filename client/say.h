/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines for the user on standard error. */
#pragma once

#include "client/text.h"

/* "faultline: ..." and a newline. What comes from outside must be safe for a terminal already (escape.h). */
void say(const char *format, ...) PRINTF_LIKE(1, 2);

/* The same for a text; nothing when it is empty. */
void say_text(const struct text *text);
