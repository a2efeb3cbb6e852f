/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A view turns what the stream means into bytes for standard output and standard error. It writes to buffers only; who
 * owns the view writes these out and empties them. Pure.
 */
#pragma once

#include "client/state.h"
#include "client/text.h"
#include "proto/proto.h"

struct view;

/* Faults in a row, decoded. */
struct fault_batch {
        const struct proto_event *events;
        uint32_t n_events;
        uint64_t first_seq; /* sequence number of the first */
};

struct view_ops {
        void (*attached)(struct view *view, const struct state *state, const struct proto_attached *attached);
        void (*faults)(struct view *view, const struct state *state, const struct fault_batch *batch);
        void (*life)(struct view *view, const struct state *state, const struct proto_life *life);
        void (*signal)(struct view *view, const struct state *state, const struct proto_signal *signal);
        void (*revoked)(struct view *view, const struct state *state, const struct proto_revoked *revoked);
        void (*drops)(struct view *view, const struct state *state, const struct proto_drops *drops);
        void (*degraded)(struct view *view, const struct state *state, const struct proto_degraded *degraded);
        /* state: whose trace it is about; NULL: all of them. */
        void (*gap)(struct view *view, const struct state *state, const struct proto_gap *gap);
        /* A request that failed: the target's pid (0: none), errno number, one line (may be empty). */
        void (*error)(struct view *view, int32_t pid, const struct proto_error *error);
        void (*end)(struct view *view, const struct state *state, const struct proto_end *end);
        /*
         * Show what is held back: nothing has come for a while, or the definitions that it refers to are about to be
         * forgotten. NULL: the view holds back nothing and keeps no ids.
         */
        void (*settle)(struct view *view);
};

struct view {
        const struct view_ops *ops;
        struct text out;    /* for standard output */
        struct text err;    /* for standard error */
        uint32_t n_columns; /* cut fault lines to this terminal width; 0: never */
        bool holds_back;    /* something waits for what comes next, or for settle() */
};

static inline void view_settle(struct view *view)
{
        if (view->ops->settle)
                view->ops->settle(view);
}

/* "faultline: TEXT" on standard error; the errno's own words and the pid when the daemon gave none. */
void view_put_error(struct view *view, int32_t pid, const struct proto_error *error);

const char *end_reason_text(unsigned int reason); /* "stopped", ...; NULL for an unknown number */
const char *frame_method_text(unsigned int by);   /* "cfi", ...; NULL for an unknown number */
const char *life_kind_text(unsigned int kind);    /* "fork", ...; NULL for an unknown number */
