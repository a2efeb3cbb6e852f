/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The modes of a terminal device, and how they come back when the program crashes. Inside client/screen/term*.c. */
#pragma once

#include <stddef.h>
#include <termios.h>

#include "proto/base.h"

/* Standard input or the controlling terminal, opened anew; the caller's. -ENOTTY: there is neither. */
int term_tty_open_input(void) MUST_CHECK;

/* Takes effect at once, whatever output is pending. */
void term_tty_set(int fd, const struct termios *modes);

/*
 * When one of the signals of a crash comes: these bytes are written to fd, its modes are set, and then the signal does
 * what it would have done. Copies. One terminal at a time.
 */
#define TERM_CRASH_BYTES_MAX 1024
void term_crash_arm(int fd, const struct termios *modes, const char *bytes, size_t n_bytes);
void term_crash_disarm(void);
