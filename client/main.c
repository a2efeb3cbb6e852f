/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* faultline: reads the command line and hands over to the command that it names. */
#include <fcntl.h>
#include <stdio.h>

#include "client/cmd_flame.h"
#include "client/cmd_maps.h"
#include "client/cmd_metrics.h"
#include "client/cmd_stat.h"
#include "client/cmd_status.h"
#include "client/cmd_top.h"
#include "client/cmd_trace.h"
#include "client/cmd_walk.h"
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

/*
 * With one of the standard descriptors closed, the next file that is opened would get its number: our connection would
 * then receive what is meant for standard output. Reading and writing what is opened here fails.
 */
static void occupy_standard_descriptors(void)
{
        int fd;

        do
                fd = open("/", O_PATH);
        while (fd >= 0 && fd <= STDERR_FILENO);
        if (fd >= 0)
                (void)close(fd);
}

int main(int argc, char **argv)
{
        CLEANUP_TEXT struct text text = {0};
        struct options options;

        occupy_standard_descriptors();
        if (options_parse(argc, argv, &options, &text) < 0)
                return complain(&text);
        switch (options.action) {
        case ACTION_HELP:
                if (options.help_of == ACTION_HELP)
                        options_put_help(&text);
                else
                        options_put_command_help(&text, options.help_of);
                return print(&text);
        case ACTION_VERSION:
                text_put_string(&text, "faultline " FAULTLINE_VERSION "\n");
                return print(&text);
        case ACTION_USAGE:
                options_put_usage(&text);
                (void)fwrite(text.data, 1, text.n_bytes, stderr);
                return EXIT_USAGE;
        case ACTION_STAT:
                return cmd_stat(&options);
        case ACTION_FLAME:
                return cmd_flame(&options);
        case ACTION_TOP:
                return cmd_top(&options);
        case ACTION_MAPS:
                return options.live ? cmd_top(&options) : cmd_maps(&options);
        case ACTION_WALK:
                return cmd_walk(&options);
        case ACTION_STATUS:
                return cmd_status(&options);
        case ACTION_METRICS:
                return cmd_metrics(&options);
        case ACTION_TRACE:
                break;
        }
        return cmd_trace(&options);
}
