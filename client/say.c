/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One place where lines of our own get their prefix and their end, so that all of them look alike. */
#include "client/say.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

static struct text *held;

void say_hold(struct text *to)
{
        held = to;
}

__attribute__((format(printf, 1, 0))) static void hold(const char *format, va_list args)
{
        CLEANUP_FREE char *line = NULL;

        if (vasprintf(&line, format, args) < 0)
                line = NULL; /* not defined then */
        if (line)
                text_printf(held, "faultline: %s\n", line);
        else
                held->failed = true;
}

void say(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        if (held) {
                hold(format, args);
                va_end(args);
                return;
        }
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
