/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the trace command share: cmd_trace.c, trace_control.c, trace_output.c, trace_child.c,
 * trace_screen.c, trace_reconnect.c. */
#pragma once

#include <signal.h>

#include "client/child.h"
#include "client/conn.h"
#include "client/options.h"
#include "client/output.h"
#include "client/session.h"
#include "client/trace_screen.h"
#include "client/view.h"

/* What a command makes of a trace. */
struct trace_kind {
        struct view *(*make_view)(const struct options *options, const struct output *output); /* NULL: out of memory */
        struct view *(*free_view)(const struct options *options, struct view *view);           /* returns NULL */
        /*
         * All is received, or nothing more will come: what was gathered goes to view->out, or to where it belongs. 0;
         * negative: that failed, and why has been said. NULL: nothing is gathered.
         */
        int (*finish)(const struct options *options, struct view *view);
        /*
         * Every tick_ns while the trace runs, or a little later: now_ns is CLOCK_MONOTONIC. What it puts into view->out
         * is written. NULL: nothing has to be done without a word from the daemon.
         */
        void (*tick)(const struct options *options, struct view *view, uint64_t now_ns);
        uint64_t tick_ns; /* a millisecond at least */
        /* The view has the whole terminal; NULL: it writes lines. */
        const struct trace_screen_kind *screen;
};

/* cmd_trace.c: the process's exit status, as cmd_trace(). */
int trace_run(const struct options *options, const struct trace_kind *kind);

struct trace_command {
        const struct options *options;
        const struct trace_kind *kind;
        struct conn conn;
        struct session session;
        struct child child;
        struct output output;
        struct view *view;           /* owned */
        struct trace_screen *screen; /* owned; NULL: the view writes lines */
        sigset_t old_mask;
        int signal_fd;
        uint64_t duration_end_ns;   /* 0: not running yet, or no --duration */
        uint64_t stop_ns;           /* when the end was asked for */
        uint64_t deadline_ns;       /* for WELCOME, then for END; 0: none */
        uint64_t tick_end_ns;       /* when kind->tick is to be called again */
        uint64_t reconnect_end_ns;  /* the service has gone and is waited for until then; 0: it is there */
        uint64_t reconnect_next_ns; /* when to try again; UINT64_MAX: its WELCOME is awaited */
        bool over;                  /* nothing more comes from the daemon */
        bool failed;                /* said on standard error */
        int cancelled;              /* this signal came before the command was run, and it is not; 0: none did */
        bool quiet_end;             /* our reader has gone, nobody wants to hear more */
        bool command_ran;
};

/* --- trace_control.c: what ends a trace --- */

uint64_t trace_now_ns(void); /* CLOCK_MONOTONIC */

/* The conversation cannot go on. */
void trace_fail(struct trace_command *t);

/* The traces are to end: their ends are still to come. Idempotent. */
void trace_stop(struct trace_command *t);

/* What a step of the conversation returned, said once. */
void trace_conclude(struct trace_command *t, int r);

/* Signals come through signal_fd from here on. 0; -errno. */
int trace_catch_signals(struct trace_command *t) MUST_CHECK;
void trace_handle_signals(struct trace_command *t);

void trace_await_welcome(struct trace_command *t);
void trace_await_end(struct trace_command *t); /* anew with each sign of life */
void trace_check_time(struct trace_command *t);
int trace_timeout_ms(const struct trace_command *t); /* for poll(2), rounded up; -1: no limit */
void trace_tick(struct trace_command *t);            /* if the kind wants it now */

/* --- trace_reconnect.c --- */

/* The connection has ended. False: nothing can be gone on with. */
bool trace_reconnect(struct trace_command *t) MUST_CHECK;
/* Go on with that, if it is under way. */
void trace_reconnect_run(struct trace_command *t);
uint64_t trace_reconnect_due_ns(const struct trace_command *t); /* when it wants to; UINT64_MAX: never */

/* --- trace_output.c --- */

struct view *trace_make_view(const struct options *options, const struct output *output); /* NULL: out of memory */
struct view *trace_free_view(const struct options *options, struct view *view);           /* returns NULL */

/* Write out what the view has. Waits while the reader is slow, but not deaf to signals and the clock. */
void trace_flush(struct trace_command *t);

/* It is quiet, or all is over: what the view holds back is written out, too. */
void trace_settle(struct trace_command *t);

/* --- trace_child.c: "-- COMMAND" --- */

int trace_start_command(struct trace_command *t) MUST_CHECK; /* 0, also without one; -errno, said */
void trace_handle_command(struct trace_command *t);          /* release it, or do not run it at all */
void trace_handle_exec_status(struct trace_command *t);      /* child.status_fd is readable */
void trace_notice_child(struct trace_command *t);            /* after SIGCHLD */
int trace_wait_for_command(struct trace_command *t);         /* the trace is over; returns its status */
