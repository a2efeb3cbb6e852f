/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trace whose view has the whole terminal: the terminal's side of the loop in cmd_trace.c. All of these do nothing
 * for a trace whose view writes lines.
 */
#pragma once

#include <poll.h>
#include <sys/signalfd.h>

#include "client/child.h"
#include "client/screen/grid.h"
#include "client/screen/key.h"
#include "client/view.h"

struct trace_command;
struct trace_screen; /* opaque */

enum trace_key_answer {
        TRACE_KEY_OK,
        TRACE_KEY_QUIT,
        TRACE_KEY_REPAINT, /* the terminal is to be painted anew */
};

/* What a view with a screen can do. now_ns is CLOCK_MONOTONIC everywhere. */
struct trace_screen_kind {
        void *user; /* for fetch() */
        /* After each frame: what the next one needs is fetched. true: something has come. */
        bool (*fetch)(void *user, struct trace_command *t, uint64_t now_ns);
        int (*draw)(struct view *view, struct grid *grid, uint64_t now_ns); /* 0; -ENOMEM */
        enum trace_key_answer (*key)(struct view *view, const struct key *key, uint64_t now_ns);
        /* Nothing more will come. why: one line if that is a failure, else NULL. The screen stays until the user quits.
         */
        void (*over)(struct view *view, const char *why);
};

#define TRACE_FRAME_NS (100 * NSEC_PER_MSEC) /* between two frames, at least */
#define TRACE_IDLE_FRAME_NS NSEC_PER_SEC     /* when nothing has changed: the time has */

/* Before anything is started: is there a terminal that can do it? 0; negative, said. */
int trace_screen_init(struct trace_command *t) MUST_CHECK;
void trace_screen_free(struct trace_command *t);

/* The terminal is taken, once; later calls do nothing. What is said from here on is held back. */
void trace_screen_begin(struct trace_command *t);
/* The terminal is given back, and what was held back is said. Idempotent. */
void trace_screen_end(struct trace_command *t);

bool trace_screen_is_open(const struct trace_command *t);
bool trace_screen_stays(const struct trace_command *t); /* open, and nobody wants to leave yet */
void trace_screen_leave(struct trace_command *t);       /* somebody does */

/* Where the command and the private daemon write, so that they leave the screen alone; -1: where we do. */
struct child_streams trace_screen_streams(const struct trace_command *t);
int trace_screen_log_fd(const struct trace_command *t);
/* The screen has gone: what the command has written since goes to standard output. */
void trace_screen_pass_on(struct trace_command *t);

/* The signals that it needs, added to the set. */
void trace_screen_add_signals(const struct trace_command *t, sigset_t *set);
bool trace_screen_handle_signal(struct trace_command *t, const struct signalfd_siginfo *info); /* false: not its own */

enum { N_TRACE_SCREEN_FDS = 2 };
void trace_screen_poll(const struct trace_command *t, struct pollfd ret[static N_TRACE_SCREEN_FDS]);
int trace_screen_patience_ms(const struct trace_command *t, int timeout_ms); /* not longer than until the next frame */
void trace_screen_note_change(struct trace_command *t);                      /* the view has something new */
/* Keys, and a frame if one is due. */
void trace_screen_run(struct trace_command *t, const struct pollfd fds[static N_TRACE_SCREEN_FDS]);
void trace_screen_note_end(struct trace_command *t); /* nothing more will come */
