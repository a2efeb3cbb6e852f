/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One trace in the engine: rings -> records -> faults -> events for its subscriptions. This is the composition of the
 * pure stages; tracing.c owns the traces and the descriptors' readiness.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/decode/order.h"
#include "daemon/engine/decode/ring.h"
#include "daemon/engine/decode/sample.h"
#include "daemon/engine/model/pair.h"
#include "daemon/engine/names.h"
#include "daemon/engine/processes.h"
#include "daemon/engine/resolve.h"
#include "daemon/engine/serve/subscription.h"
#include "daemon/engine/stories.h"
#include "daemon/link/link.h"

struct trace_ring {
        int fd;     /* owned: the ring owner's, for poll */
        void *base; /* mapped: control page, then the data */
        size_t mapped_bytes;
};

struct figures;

enum trace_state {
        TRACE_OPENING, /* waits for its rings */
        TRACE_READY,   /* the monitor enables it now */
        TRACE_RUNNING,
        TRACE_STOPPING, /* STOP was sent, COUNTS awaited */
        TRACE_ENDING,   /* counted and drained; the last faults wait for their names */
        TRACE_OVER,     /* all subscriptions have ended */
};

struct trace {
        struct trace *next;
        uint32_t id;
        pid_t pid;              /* the target; 0 = a unit */
        struct link_trace info; /* as granted */
        struct link_started started;
        enum trace_state state;
        bool restarted;        /* taken over from an engine that died */
        bool was_resumed;      /* ... and its client has come back */
        uint64_t abandoned_ns; /* no subscription since */

        size_t n_rings_got;      /* of info.n_cpus */
        struct trace_ring *maps; /* 2 x n_cpus: fault rings, then sideband rings */
        struct ring *rings;      /* the same order */
        uint32_t *cpus;          /* of each ring */
        uint8_t *scratch;
        size_t records_per_publish; /* data_tail is published after so many, and when no more are there */
        struct event_ids *ids;
        struct sample_layout layout;
        struct order *order;
        struct figures *figures;  /* mapped: figures.h */
        uint64_t n_dropped_noted; /* on it, by this engine */
        struct stories *stories;
        struct pair *pair;
        struct processes processes;
        struct resolve resolve;
        struct dict *dict;
        struct fanout fanout;

        uint64_t ready_by_ns;    /* OPENING, rings mapped: READY is sent by then, whether /proc has answered or not; 0 =
                                    not yet */
        uint64_t empty_ns;       /* FOLLOW: no process was left then that the monitor knew of; 0 = there are */
        uint64_t drained_ns;     /* every record up to then has been taken */
        bool is_held;            /* since STARTED: the tracer tells stories, of signals and of exits */
        bool lost_maps;          /* the sideband ring lost records */
        uint64_t n_lost_records; /* of any kind that the kernel could not write */
        struct spell losses;     /* of these */
        bool told_stacks, told_stripped; /* to the monitor: reports.c */
        uint64_t n_bad_records;
        uint64_t n_dropped; /* anchors that could not be kept: out of memory */

        /* The counters came while a trace taken over still waited for its client to come back. */
        bool has_held;
        struct link_counts held;

        /* ENDING: */
        struct subscription_totals totals;
        uint64_t rest_until_ns;   /* wait so long for records that the counters say exist */
        uint64_t status_until_ns; /* ... and for how processes ended */
        enum end_reason end_reason;
        const char *end_text;
};

/* Kernel addresses and page frames are for nobody here, whatever the connection may see: its rights were others then.
 */
static inline bool trace_hides_kernel(const struct trace *trace)
{
        return (trace->info.rights & LINK_RIGHT_KERNEL) == 0;
}

/* From TRACE with its descriptors (taken: set to -1 in received). 0 or -errno. */
int trace_new(struct link_received *received, struct names *names, struct unwind *unwind, bool hide_kernel,
              struct trace **ret) MUST_CHECK;
struct trace *trace_free(struct trace *trace);
/* A second TRACE for the same trace before it started: the events were opened anew, their ids changed. */
int trace_replace_ids(struct trace *trace, struct link_received *received) MUST_CHECK;
/* The threads of a process that is followed and was not seen being born, in the third file of FOLLOWED. 0 or -errno. */
int trace_name_threads(struct trace *trace, struct link_received *received) MUST_CHECK;
/* IDS: events of one process were opened anew, and have these ids (descriptor taken). 0 or -errno. */
int trace_add_ids(struct trace *trace, struct link_received *received) MUST_CHECK;
/* RINGS: map them (descriptors taken). 1 = all rings are there; 0 = more to come; -errno. */
int trace_add_rings(struct trace *trace, struct link_received *received) MUST_CHECK;

enum trace_drain_outcome {
        TRACE_DRAINED = 0, /* nothing more up to until_ns */
        TRACE_MORE = 1,    /* the budget of this pass is spent */
};

/*
 * Take records and stories stamped up to until_ns, in one order. The caller read until_ns from the clock before this
 * call, and whatever else the records may depend on (IDS) after that. data_tail is published before anything that
 * follows from the records can be sent: an engine that dies may lose faults, never tell them twice.
 */
int trace_drain(struct trace *trace, uint64_t until_ns, uint64_t now_ns) MUST_CHECK;
/* The same for everything that is there. 0 or -errno. */
int trace_drain_all(struct trace *trace, uint64_t now_ns) MUST_CHECK;
/* What can go (see resolve.h) goes to the subscriptions. Then flush. */
int trace_deliver(struct trace *trace, uint64_t now_ns) MUST_CHECK;
/* A detail was lost: remembered for who joins later, and told. error: an errno number or 0. 0 or -ENOMEM. */
int trace_degrade(struct trace *trace, enum link_detail what, int error) MUST_CHECK;
/*
 * The trace is disabled and these are its counters: take the last records. Then it is ENDING until trace_deliver() has
 * nothing left that waits for names, and ends all subscriptions. text: static or NULL.
 */
int trace_finish(struct trace *trace, const struct link_counts *counts, enum end_reason reason, const char *text,
                 uint64_t now_ns) MUST_CHECK;
/* End all subscriptions at once, with what is known. */
void trace_fail(struct trace *trace, const char *text, uint64_t now_ns);
/* End one subscription of several while the trace goes on. */
void trace_end_one(struct trace *trace, struct subscription *subscription, enum end_reason reason, uint64_t now_ns);
