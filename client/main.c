/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* faultline: reads the command line and hands over to the command that it names. */
#include <stdio.h>

#include "client/cmd_trace.h"
#include "client/options.h"

enum { EXIT_USAGE = 2 };

static int print(const struct text *text)
{
        if (fwrite(text->data, 1, text->n_bytes, stdout) == text->n_bytes && fflush(stdout) == 0)
                return EXIT_SUCCESS;
        perror("faultline: cannot write to standard output");
        return EXIT_FAILURE;
}

static int complain(const struct text *complaint)
{
        (void)fprintf(stderr, "faultline: %.*s; see faultline --help\n", (int)complaint->n_bytes, complaint->data);
        return EXIT_USAGE;
}

int main(int argc, char **argv)
{
        CLEANUP_TEXT struct text text = {0};
        struct options options;

        if (options_parse(argc, argv, &options, &text) < 0)
                return complain(&text);
        switch (options.action) {
        case ACTION_HELP:
                options_put_help(&text);
                return print(&text);
        case ACTION_VERSION:
                text_put_string(&text, "faultline " FAULTLINE_VERSION "\n");
                return print(&text);
        case ACTION_TRACE:
                break;
        }
        return cmd_trace(&options);
}
