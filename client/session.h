/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's side of one conversation with faultlined: HELLO, WELCOME, an ATTACH for each target, what the traces
 * send, RESUME after a GAP, STOP, END. Frames go in, frames come out through a callback, and what they mean goes to a
 * view. No syscalls, no clock: the deadlines are the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/view.h"
#include "proto/proto.h"

struct session_options {
        enum detail detail;
        struct proto_filter filter; /* map_glob: the caller's, outlives the session */
        uint64_t count_limit;
        bool from_exec; /* targets wait before their execve(2) */
        bool follow;    /* children too */
        bool unmaps;    /* have munmap(2) reported */
        bool lines;     /* source lines of the frames of stacks */
        bool demangle;  /* names of C++ and Rust */
        enum ptrace_mode ptrace;
        uint32_t stack_bytes;     /* of each fault's stack to copy: 0, PROTO_STACK_AUTO, or that many */
        struct proto_string unit; /* the caller's, outlives the session; the target's pid is 0 then */
};

enum target_phase {
        TARGET_WAITING,   /* for WELCOME */
        TARGET_ATTACHING, /* ATTACH sent */
        TARGET_RUNNING,
        TARGET_RESUMING,   /* RESUME sent, or to be sent after WELCOME */
        TARGET_RESTARTING, /* END came because the daemon is being restarted; the connection's end is awaited */
        TARGET_ENDED,      /* END came */
        TARGET_FAILED,     /* ERROR came instead */
};

/* What is known of a trace from daemons before the one that is connected. */
struct past {
        bool is_whole;        /* the last one told how it ended, and no other has gone on yet: ->end */
        struct proto_end end; /* without its text */
        uint64_t n_lost, n_dropped_daemon, n_counted; /* terms of the ledger that no frame tells; gaps are counted */
        uint64_t unseen;
};

struct target {
        int32_t pid; /* 0: a unit */
        enum target_phase phase;
        bool was_attached;
        uint32_t req;
        uint32_t trace;
        uint64_t kernel_base, lost_base;
        struct proto_key key; /* by which the trace outlives its daemon; all 0: it does not */
        struct past past;
        struct state state;
};

struct session {
        struct session_options options;
        struct view *view;                                            /* borrowed */
        int (*send)(void *arg, const uint8_t *frame, size_t n_bytes); /* 0 or -errno */
        void *send_arg;
        struct target *targets;
        size_t n_targets;
        uint32_t last_req;
        uint32_t event_bytes; /* 0 before WELCOME */
        bool had_gap;
        bool stopping;
        bool failed;        /* a target could not be traced to its end, or its ledger does not hold */
        struct text reason; /* why the conversation cannot go on, one line without a newline, safe for a terminal */
};

/* 0; -ENOMEM. Nothing is sent yet. */
int session_init(struct session *session, const struct session_options *options, const int32_t *pids,
                 size_t n_pids) MUST_CHECK;
void session_free(struct session *session); /* contents */

/* Send HELLO. 0; what send() returned. */
int session_start(struct session *session) MUST_CHECK;

/*
 * One received frame. 0; negative when the conversation is over: -EPROTO (reason is set: not our protocol, broken, or
 * BYE), -ENOMEM, or what send() returned. Frames that a newer daemon adds are skipped unless they are critical.
 */
int session_receive(struct session *session, const uint8_t *frame, size_t n_bytes) MUST_CHECK;

/* End all traces; idempotent. A target whose ATTACH is not answered yet is stopped as soon as it is. */
int session_stop(struct session *session) MUST_CHECK;

/*
 * The connection has ended without the end of every trace. Whether some of them can be gone on with on a new one
 * (session_restart.c); then those that cannot are told, and have failed, and nothing is sent until session_go_on().
 */
bool session_leave(struct session *session) MUST_CHECK;
/* There is a new one: send HELLO on it; what was running is asked for after WELCOME. 0; what send() returned. */
int session_go_on(struct session *session) MUST_CHECK;
/* There will be none: the traces whose daemon told how they ended have ended so, all others have failed. */
void session_give_up(struct session *session);

bool session_welcomed(const struct session *session);
bool session_done(const struct session *session); /* every target has ended or failed; what comes then says nothing */
