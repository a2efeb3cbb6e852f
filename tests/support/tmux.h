/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A shell on a real terminal, which is tmux(1): what is typed, and what is on the screen. As in harness.h every
 * function does what it says or ends the test; what is waited for and never comes ends it by its alarm.
 */
#pragma once

#include <stdbool.h>

#include "proto/base.h"

/* Of 100 x 30 cells, with a shell; environment: assignments for it. One for each test. Skips it without tmux. */
void terminal_start(const char *environment);

/* Runs tmux with these arguments, the last one NULL; what it prints, freed by the caller. */
char *tmux(const char *first, ...) __attribute__((sentinel));
char *terminal_screen(void);          /* freed by the caller */
char *terminal_styles(void);          /* the same with escape sequences for its attributes */
long terminal_flag(const char *name); /* a variable of tmux's formats, "#{alternate_on}" */

void terminal_press(const char *key); /* by tmux's name for it */
void terminal_type_line(const char *line);
/* Types a line for the shell and waits until it has run: what is on the screen then is what it printed, and "over="
 * with its status. */
void terminal_run_line(const char *line);

void terminal_await(const char *text);
void terminal_await_no(const char *text);
void terminal_await_flag(const char *name, long value);
void terminal_look_again(void);                                 /* after a moment, for loops that look themselves */
void terminal_doing(const char *format, ...) PRINTF_LIKE(1, 2); /* said when the time is up */
