/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One place where lines of our own get their prefix and their end, so that all of them look alike. */
#include "client/say.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

void say(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        (void)fputs("faultline: ", stderr);
        (void)vfprintf(stderr, format, args);
        (void)fputc('\n', stderr);
        va_end(args);
}

void say_text(const struct text *text)
{
        if (text->n_bytes > 0)
                say("%.*s", (int)MIN_OF(text->n_bytes, (size_t)INT_MAX), text->data);
}
