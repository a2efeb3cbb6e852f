/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tmux(1) as a terminal that a test can type on and read from. Its server has a socket in the working directory. */
#include "tests/support/tmux.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/harness.h"

enum { LOOK_EVERY_MS = 20 };

#define PROMPT "ready>"

static char server[64];
static pid_t owner; /* of the server: a child that fails must not take it away */

void terminal_doing(const char *format, ...)
{
        static char text[256];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        harness_doing(text);
}

/* Runs tmux with these arguments, NULL-terminated; what it prints, freed by the caller. */
char *tmux(const char *first, ...)
{
        const char *argv[MAX_ARGS] = {"tmux", "-S", server, "-f", "/dev/null", first};
        struct child child;
        char *printed = NULL;
        size_t n = 6, n_bytes = 0;
        va_list args;
        FILE *f;

        va_start(args, first);
        while (n < MAX_ARGS - 1 && (argv[n] = va_arg(args, const char *)))
                n++;
        va_end(args);
        child_start(&child, argv, NULL);
        f = open_memstream(&printed, &n_bytes);
        CHECK(f, "out of memory");
        for (const char *line; (line = lines_next(&child.out));)
                (void)fprintf(f, "%s\n", line);
        (void)fclose(f);
        if (child_wait(&child) != 0)
                fail("tmux %s: %s", first, child_errors(&child));
        child_close(&child);
        return printed;
}

static void end_server(void)
{
        if (getpid() != owner)
                return;
        free(tmux("kill-server", NULL));
        (void)unlink(server);
}

char *terminal_screen(void)
{
        return tmux("capture-pane", "-p", NULL);
}

char *terminal_styles(void)
{
        return tmux("capture-pane", "-p", "-e", NULL);
}

/* A variable of tmux's formats(7). */
long terminal_flag(const char *name)
{
        CLEANUP_FREE char *text = tmux("display-message", "-p", name, NULL);

        return strtol(text, NULL, 10);
}

void terminal_look_again(void)
{
        (void)poll(NULL, 0, LOOK_EVERY_MS);
}

void terminal_await(const char *text)
{
        terminal_doing("waiting for \"%s\" on the screen", text);
        for (;; terminal_look_again()) {
                CLEANUP_FREE char *shown = terminal_screen();

                if (strstr(shown, text))
                        return;
        }
}

void terminal_await_no(const char *text)
{
        terminal_doing("waiting for \"%s\" to leave the screen", text);
        for (;; terminal_look_again()) {
                CLEANUP_FREE char *shown = terminal_screen();

                if (!strstr(shown, text))
                        return;
        }
}

void terminal_await_flag(const char *name, long value)
{
        terminal_doing("waiting for %s to be %ld", name, value);
        while (terminal_flag(name) != value)
                terminal_look_again();
}

/* A key by tmux's name for it. */
void terminal_press(const char *key)
{
        free(tmux("send-keys", key, NULL));
}

void terminal_type_line(const char *line)
{
        free(tmux("send-keys", "-l", line, NULL));
        terminal_press("Enter");
}

/* Runs a line in the shell and waits until it has: nothing else is on the screen then but what it printed. */
void terminal_run_line(const char *line)
{
        static unsigned int n_lines; /* so that none is taken for one before it */
        char whole[1024], end[32];

        (void)snprintf(whole, sizeof(whole), "clear; %s; echo over''=$?; echo line''-%u-", line, ++n_lines);
        (void)snprintf(end, sizeof(end), "line-%u-", n_lines);
        terminal_type_line(whole);
        terminal_await(end);
}

void terminal_start(const char *environment)
{
        char command[256];

        harness_need_program("tmux");
        (void)snprintf(server, sizeof(server), "./terminal-%d.socket", (int)getpid());
        (void)snprintf(command, sizeof(command), "env -u NO_COLOR -u ENV PS1='" PROMPT " ' LC_ALL=C.UTF-8 %s sh",
                       environment);
        owner = getpid();
        free(tmux("new-session", "-d", "-x", "100", "-y", "30", command, NULL));
        (void)atexit(end_server);
        terminal_await(PROMPT);
}
