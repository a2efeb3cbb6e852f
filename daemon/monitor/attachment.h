/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One attachment of a target, from the request to the last descriptor:
 *
 *   authorize -> open rings and events -> authorize again -> OPENED -> (READY) -> barrier -> enable -> RUNNING
 *             -> disable, count -> STOPPED
 *
 * It answers to its engine's outbox, which also tells whose trace it is. Everything here is called from the event loop.
 */
#pragma once

#include "daemon/link/link.h"
#include "daemon/monitor/context.h"
#include "daemon/monitor/counting.h"
#include "daemon/monitor/events.h"
#include "daemon/monitor/helper.h"
#include "daemon/monitor/outbox.h"
#include "daemon/monitor/peer.h"
#include "daemon/monitor/target.h"

enum attachment_state {
        ATTACHMENT_OPENING, /* being authorized and opened: its engine knows nothing of it yet */
        ATTACHMENT_OPENED,  /* LINK_TRACE was sent */
        ATTACHMENT_BARRIER, /* READY came; the tracer stops the threads, or serves another trace first */
        ATTACHMENT_ENABLING,
        ATTACHMENT_RUNNING,  /* LINK_STARTED was sent */
        ATTACHMENT_STOPPING, /* being disabled and counted */
        ATTACHMENT_STOPPED,  /* LINK_COUNTS was sent */
};

struct added;      /* added.c: events that were opened anew */
struct ask;        /* asks.c: a question about the peer's rights */
struct exec_visit; /* execs.c: an exec under way */
struct following;  /* follow.c: a request under way */
struct holder;     /* holders.c: a tracer process */
struct member;     /* follow.c: a process beside the target */
struct opening;    /* opens.c: a file request under way */
struct stored;     /* store.c: what is kept for the next daemon */
struct unit;       /* unit.c: a cgroup as a target */

struct attachment {
        struct context *context;
        struct attachment *next;
        struct outbox *outbox; /* borrowed: the engine's */
        struct peer peer;      /* of the client that asked; owned */
        bool needs_check;      /* the peer's rights must be asked for */
        struct link_attach request;
        uint32_t id;
        enum attachment_state state;
        struct target target;
        struct unit *unit;     /* NULL = one process is asked for */
        struct stored *stored; /* store.h: by which it outlives the daemon; NULL = it does not */
        struct event_level level;
        struct event_set events;
        struct ring_set rings;
        int ids_file, threads_file;
        int maps, smaps; /* between being opened and being sent */
        int stories[2];  /* the tracer's end and the engine's, for every tracer and engine of this trace */
        uint32_t n_ids, n_threads;

        void (*resent)(void *user); /* attachments_resend(): waits for this trace; else NULL */
        void *resent_user;
        struct helper *authorizing;
        void (*authorized)(struct attachment *trace, int result); /* what comes after it */

        sd_event_source *turn; /* attachment_later(); NULL when nothing is to be gone on with */
        void (*step)(struct attachment *trace);
        size_t n_done; /* events enabled, disabled or read by the steps so far */
        struct event_counts reading;
        unsigned int n_retries; /* attachment_retry() */

        bool is_exited;
        sd_event_source *exit_source;
        enum ptrace_mode mode; /* as chosen, then as granted; not AUTO */
        struct holder *holder; /* that stops or holds the target for this trace, or is about to; else NULL */
        bool is_watching;      /* the tracer was told of this trace (WATCH) */
        bool is_stopped;       /* the tracer has stopped the target for our attach */
        uint32_t n_unstopped;
        uint64_t held_since_ns;

        bool has_difference; /* counting.h, at the beginning */
        struct counting_difference difference;
        struct link_started started;
        struct link_counts counts;

        /* records.c */
        bool is_told;      /* that it was granted, and not yet that it ended */
        bool is_revoked;   /* that a process of it was hidden */
        bool lacks_stacks; /* that it has none of some code */

        struct opening *openings;
        size_t n_openings;
        struct ask *asks;
        struct exec_visit *exec_visits;
        struct member *members;
        size_t n_members;
        struct following *followings;
        size_t n_followings;

        int figures_file;              /* figures.c */
        const struct figures *figures; /* mapped; an engine writes */
        char unit_name[TALLY_UNIT_BYTES];
        bool is_tallied;
        size_t tally; /* of the context's, is_tallied */

        struct added *added;
        uint32_t n_added_ids;
        struct event_counts retired;    /* of those of them that are closed */
        const struct added *counted_at; /* added_set(): being disabled or read; NULL = ->events */
};

/* Begin. The answer, LINK_TRACE with or without an error, goes to the outbox now or later. */
void attachment_request(struct context *context, struct outbox *outbox, const struct peer *peer,
                        const struct link_attach *request);
/* A trace of this engine, or NULL. */
struct attachment *attachment_find(const struct context *context, const struct outbox *outbox, uint32_t id);
/* Detaches in whatever state it is; the target runs on. Returns NULL. */
struct attachment *attachment_free(struct attachment *trace);

/*
 * Ask whether the peer may trace the target, then call then() with 0 or -errno, at once where there is nothing to ask.
 * What is handed out afterwards must have been opened before the call.
 */
void attachment_authorize(struct attachment *trace, void (*then)(struct attachment *trace, int result));
/* Tell the engine that there will be no trace, and free it. error: an errno number. */
void attachment_fail(struct attachment *trace, int error, const char *text);

/*
 * Something long is done in steps: call step(trace) in a later turn of the event loop, after what others wait for. One
 * at a time; a trace that is freed takes its step with it.
 */
void attachment_later(struct attachment *trace, void (*step)(struct attachment *trace));
/*
 * The same a millisecond later: what was not found just now will be, if the process is in the middle of an exec. false
 * = it has ended, or it has been tried for a second; step is not called.
 */
bool attachment_retry(struct attachment *trace, void (*step)(struct attachment *trace)) MUST_CHECK;
/* Call the step now. */
void attachment_take_turn(struct attachment *trace);

/* The client is gone: what it asked for and has not got yet is refused. */
void attachments_forget_client(struct context *context, struct outbox *outbox, uint32_t conn);
/* No trace is that of an administrator any more (engines_forget_admins()): what it asks from now on is asked of the
 * kernel. */
void attachments_forget_admins(struct context *context);
void attachments_free_of(struct context *context, const struct outbox *outbox);
bool attachments_have(const struct context *context, const struct outbox *outbox);
