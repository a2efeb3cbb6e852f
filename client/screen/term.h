/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The terminal: grids go out, keys come in. There is one in a process, because a terminal library and the signals of a
 * crash are the process's own. Nothing here waits for a terminal that does not read, but the two that give it back
 * (term_close(), term_suspend()), and these for a second at most.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/screen/grid.h"
#include "client/screen/key.h"
#include "client/text.h"

struct term; /* opaque */

/*
 * Whether standard output is a terminal that can do what a full screen needs, and there is one to read keys from:
 * standard input, or else the controlling terminal. 0; -ENOTTY with one line in *complaint about what to do.
 */
int term_check(struct text *complaint) MUST_CHECK;

struct term_options {
        int out_fd;      /* the terminal, borrowed; best one of its own that does not block */
        bool monochrome; /* no colours, whatever the terminal has */
};

/* Takes the terminal: its modes, its alternate screen. 0; -errno with one line in *complaint. */
int term_open(const struct term_options *options, struct term **ret, struct text *complaint) MUST_CHECK;
/* Gives it back as it was. NULL passes; returns NULL. */
struct term *term_close(struct term *term);

bool term_is_ascii(const struct term *term); /* the locale is not one of UTF-8: show nothing but ASCII */

/* Its size now, at least one cell. */
void term_size(const struct term *term, uint32_t *ret_width, uint32_t *ret_height);

/* To poll(2) for keys, and for room when term_is_busy(). */
int term_in_fd(const struct term *term);
int term_out_fd(const struct term *term);
bool term_is_busy(const struct term *term);

/* Does not wait. 1: *ret; 0: none has come; -EIO: the terminal has gone. */
int term_read_key(struct term *term, struct key *ret) MUST_CHECK;

/* Changes the screen to this grid, which has the size of the terminal. 0; -EAGAIN: the last one is not written out
 * yet, try again when there is room; -EIO: the terminal has gone; -ENOMEM. */
int term_show(struct term *term, const struct grid *grid) MUST_CHECK;
/* Goes on writing. As term_show(). */
int term_flush(struct term *term) MUST_CHECK;

/* The next grid is painted from scratch: somebody else may have written to the terminal. */
void term_repaint(struct term *term);

/* Before we are stopped, and when we go on. */
void term_suspend(struct term *term);
void term_resume(struct term *term);
