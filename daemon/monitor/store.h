/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What outlives the daemon. The service manager keeps descriptors for a service that is to be restarted
 * (sd_pid_notify_with_fds(3), FDSTORE=1): memory with the table of all traces (sessions.h) and, for each trace of a
 * process, a pidfd, which means that process for ever, whatever happens to its number. When the daemon is back, whether
 * it was restarted, killed or had crashed, a client goes on with its trace by the key that it was given: it is
 * authorized anew, the process is attached to anew, and it is told how many faults the process's own counters saw
 * meanwhile.
 *
 * Events and rings are not kept: nobody would read them, and enabled tracepoints cost every process of the machine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "daemon/monitor/sessions.h"

#define STORE_PATIENCE_USEC (30 * 1000 * 1000) /* for clients to come back; then their traces are forgotten */

struct attachment;
struct context;

/* A descriptor that the service manager had kept. */
struct store_handed {
        uint64_t serial; /* of the trace whose process it is; 0 = the table */
        int fd;          /* owned; -1 = none */
};

struct stored {                        /* what belongs to a record of the table while this daemon runs */
        struct session_record *record; /* borrowed; NULL = free */
        struct attachment *trace;      /* borrowed; NULL = it waits for its client */
        int pidfd;                     /* owned, while it waits; -1 = its process is gone, or it is a unit's */
        bool was_taken;                /* from a daemon before this one, and not resumed yet */
        bool has_difference;           /* between the process's counters and the events' */
        bool is_fresh;                 /* it was read just now, not once before */
        uint64_t ahead_minor, ahead_major;
};

struct store {
        struct context *context; /* borrowed */
        struct sessions *table;  /* mapped; NULL = nothing outlives this daemon */
        int fd;                  /* owned: of the table */
        struct stored traces[SESSIONS_MAX];
        sd_event_source *checkpoints, *patience;
        size_t n_resumed, n_forgotten;
        bool is_leaving;    /* the daemon ends and comes back: the table is left as it is */
        bool is_full_noted; /* in the log */
};

/*
 * Take over what was handed on (its descriptors are taken in any case: -1 afterwards), and begin to keep what comes.
 * Does nothing where no service manager keeps anything. It never fails: what cannot be kept is said in the log.
 */
void store_init(struct store *store, struct context *context, struct store_handed *handed, size_t n);
void store_deinit(struct store *store);
/* Traces wait for their clients. */
bool store_is_waiting(const struct store *store);
/* Some trace is kept. */
bool store_has_any(const struct store *store);

/*
 * The trace that this peer wants to go on with. 0, and *ret_wish is an attach with the options that the trace had (and
 * the request's connection and number); -ESRCH: there is none, or it is another user's, or already goes on.
 */
int store_find(struct store *store, uid_t uid, const struct link_attach *request, struct stored **ret,
               struct link_attach *ret_wish) MUST_CHECK;
/* It becomes this trace, whose ->request is the wish. */
void store_claim(struct stored *stored, struct attachment *trace);
/*
 * Pin the trace's process. 0; -ESRCH: it has ended, and *ret_missed tells what its counters said in the end, if
 * anything.
 */
int store_pin(struct attachment *trace, struct proto_missed *ret_missed) MUST_CHECK;
/* It has not begun and waits for its client again. */
void store_release(struct attachment *trace);
/* It is over. */
void store_forget(struct attachment *trace);

/* The events count: keep it from now on, and fill in trace->started.key and .missed. */
void store_started(struct attachment *trace);
/* The trace will be ended so that it can be gone on with. */
bool store_keeps(const struct attachment *trace);
/* Before and after its events were disabled for the end of the daemon. */
void store_stopping(struct attachment *trace);
void store_stopped(struct attachment *trace);

/* The daemon ends. comes_back: it is being restarted; else everything is taken out of the store. */
void store_leave(struct store *store, bool comes_back);
