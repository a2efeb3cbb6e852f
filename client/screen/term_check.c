/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asked before anything is started, so that the answer is one line on an untouched terminal. Apart from term.c because
 * of <term.h>, whose macros take common words.
 */
#include <curses.h>
#include <errno.h>
#include <string.h>
#include <term.h>
#include <unistd.h>

#include "client/escape.h"
#include "client/screen/term.h"
#include "client/screen/term_tty.h"

#define INSTEAD "; use \"faultline stat\" or \"faultline trace\" there"

/* A full screen needs to move the cursor, to clear, and characters that stay where they are put. */
static bool is_capable(void)
{
        static const char *const needed[] = {"cup", "clear"};

        for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
                const char *sequence = tigetstr(needed[i]);

                if (!sequence || sequence == (const char *)-1)
                        return false;
        }
        return tigetflag("hc") <= 0;
}

static int check_type(const char *type, struct text *complaint)
{
        int error = 0;
        bool found = setupterm(type, STDOUT_FILENO, &error) == OK;
        bool capable = found && is_capable();

        if (found)
                (void)del_curterm(cur_term);
        if (capable)
                return 0;
        text_put_string(complaint, "the terminal (TERM=");
        (void)escape_terminal(complaint, type, strlen(type));
        text_printf(complaint, ") %s" INSTEAD,
                    found ? "cannot show a full screen" : "is not known to the terminfo database here");
        return -ENOTTY;
}

int term_check(struct text *complaint)
{
        const char *type = getenv("TERM");
        int in_fd;

        if (!isatty(STDOUT_FILENO)) {
                text_put_string(complaint, "standard output is not a terminal" INSTEAD);
                return -ENOTTY;
        }
        if (!type || !*type || strcmp(type, "dumb") == 0) {
                text_printf(complaint, "TERM is %s: the terminal cannot show a full screen" INSTEAD,
                            type && *type ? "dumb" : "not set");
                return -ENOTTY;
        }
        in_fd = term_tty_open_input();
        if (in_fd < 0) {
                text_put_string(complaint, "there is no terminal to read keys from" INSTEAD);
                return -ENOTTY;
        }
        (void)close(in_fd);
        return check_type(type, complaint);
}
