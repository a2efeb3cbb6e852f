/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * completions bash|zsh|fish <TEMPLATE >SCRIPT: run by the build. The line @TABLES@ of the template becomes the option
 * table in the language of that shell; everything else is copied. A program of its own, so that faultline does not
 * carry for ever what is needed once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "client/completion/completion.h"

static const struct {
        const char *name;
        void (*put)(struct text *out);
} shells[] = {
        {"bash", completion_put_bash},
        {"zsh", completion_put_zsh},
        {"fish", completion_put_fish},
};

static int fill_template(void (*put)(struct text *out))
{
        CLEANUP_TEXT struct text out = {0};
        char line[1024];
        int n_markers = 0;

        while (fgets(line, sizeof(line), stdin)) {
                if (strcmp(line, "@TABLES@\n") != 0) {
                        text_put_string(&out, line);
                        continue;
                }
                put(&out);
                n_markers++;
        }
        if (n_markers != 1) {
                (void)fprintf(stderr, "completions: the template has %d lines @TABLES@ instead of one\n", n_markers);
                return EXIT_FAILURE;
        }
        if (!out.failed && fwrite(out.data, 1, out.n_bytes, stdout) == out.n_bytes && fflush(stdout) == 0)
                return EXIT_SUCCESS;
        perror("completions: cannot write the script");
        return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(shells); i++)
                if (strcmp(argv[1], shells[i].name) == 0)
                        return fill_template(shells[i].put);
        (void)fprintf(stderr, "usage: completions bash|zsh|fish <TEMPLATE >SCRIPT\n");
        return 2;
}
