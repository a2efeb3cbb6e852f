/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the parts of the composition root share: the engine's state, and the calls between the parts. Nobody else
 * includes this.
 *
 * messages.c (from the monitor) and clients.c (from the clients) bring news; tracing.c, following.c and attaches.c act
 * on it. messages.c calls the four others, clients.c calls tracing.c and attaches.c, tracing.c calls following.c and
 * attaches.c, and never the other way; reports.c, which clients.c and tracing.c call, only looks; engine.c drives them
 * all, and holds the few functions that everybody needs. There is one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/names.h"
#include "daemon/engine/serve/peer.h"
#include "daemon/engine/status.h"
#include "daemon/engine/trace.h"
#include "daemon/engine/worker.h"
#include "daemon/link/link.h"

#define TICK_NS (UINT64_C(10) * NSEC_PER_MSEC) /* between two passes over the rings while anybody watches */
#define ENOMEM_TEXT "the daemon ran out of memory; try again with fewer traces"

/* What an epoll event is about; it travels in the three lowest bits of the owner's pointer. */
enum source {
        SOURCE_LINK,   /* no owner */
        SOURCE_WORKER, /* owner: struct worker */
        SOURCE_PEER,   /* owner: struct peer_entry */
        SOURCE_RING,   /* no owner: a pass reads all rings, and all stories */
};

struct attach { /* asked of the monitor, not yet started */
        struct attach *next;
        uint32_t req;      /* ours */
        struct peer *peer; /* borrowed: its attaches go before it does */
        uint32_t client_req;
        uint64_t count_limit;
        struct proto_filter filter; /* map_glob owned */
        struct trace *trace;        /* borrowed, once TRACE has come */
        bool is_resume;             /* a trace of a daemon before this one goes on: `resume` */
        struct proto_resume resume; /* its filter is the one above */
};

struct peer_entry { /* a peer and its place in the loop; outlives the peer until no event can name it */
        struct peer_entry *next;
        struct peer *peer; /* owned; NULL once gone */
        bool gone;
        uint32_t watched;     /* events of its socket */
        struct status status; /* status.c */
        bool has_asked;       /* since it is ours: ATTACH or RESUME */
};

enum engine_worker {
        WORKER_PROC = N_NAMES_WORKERS, /* behind those of names.h; /proc files, which may wait for a target's locks */
        N_WORKERS,
};

struct engine {
        int link_fd, epoll_fd, swaps_fd, numa_fd; /* owned; the last two in /proc, -1 = this kernel has none */
        struct worker *workers[N_WORKERS];
        struct names *names;
        struct unwind *unwind;
        struct peer_entry *peers; /* clients.c */
        struct trace *traces;     /* tracing.c */
        struct attach *attaches;  /* attaches.c */
        uint32_t next_req;        /* of attaches; 0 is nobody's */
        uint64_t next_tick_ns;
        uint64_t status_next_ns;   /* no STATUS is passed on before */
        bool is_real_time;         /* this thread (daemon/monitor/urgency.h) */
        uint64_t rested_ns;        /* when it last slept for the others' sake */
        uint64_t settings_read_ns; /* 0 = read them at once */
        bool swap_in_use, numa_balancing;
        bool ring_ready; /* a ring passed its watermark */
        bool backlog;    /* a trace has more records than one pass takes */
        bool stop;
        uint64_t closing_until_ns; /* the monitor has gone: bring clients their END until then; 0 = it is there */
};

/* ---- engine.c ---- */

/* epoll_ctl(2) with op on fd; owner: what source says, from malloc(3). 0 or -errno. */
int engine_watch(struct engine *engine, int op, int fd, uint32_t events, enum source source, void *owner);
/* The counterpart; fd may be one that nobody watches. */
void engine_unwatch(struct engine *engine, int fd);
/* To the monitor; without it the engine has no purpose but to finish. */
void engine_tell(struct engine *engine, const struct link_message *message);
/* A message that consists of one id. */
void engine_tell_id(struct engine *engine, enum link_type type, uint32_t id);
/* NULL = none, which is no error: the monitor's and the clients' messages cross ours on their way. Borrowed. */
struct trace *engine_find_trace(const struct engine *engine, uint32_t id);

/* ---- attaches.c ---- */

/* A client's ATTACH: ask the monitor, or tell the client why not. The strings of request are copied. */
void attaches_ask(struct engine *engine, struct peer *peer, const struct proto_attach *request);
/* A client's RESUME by key, of a trace that a daemon before this one had: the same. */
void attaches_resume(struct engine *engine, struct peer *peer, const struct proto_resume *request);
/* The trace that this attach wanted to go on with is over: what was missed, and its END. Frees it. */
void attaches_tell_over(struct engine *engine, struct attach *attach, const struct link_trace *info);
/* The trace goes on for a client that had it from a daemon before this one, or an engine of this one. NULL: no memory.
 */
struct subscription *attaches_go_on(struct trace *trace, struct peer *peer, const struct proto_resume *resume);
/* The attach that was asked for under our number req; NULL = its client has gone, or there was none. Borrowed. */
struct attach *attaches_find(const struct engine *engine, uint32_t req);
/* Tell the client of this attach that there will be none; frees it. error: an errno number. */
void attaches_refuse(struct engine *engine, struct attach *attach, int error, const char *text);
/* The same for all that wait for trace. */
void attaches_refuse_trace(struct engine *engine, const struct trace *trace, int error, const char *text);
/* The trace runs: all that wait for it become subscriptions, and are told what they got and what it lacks. */
void attaches_finish(struct engine *engine, struct trace *trace);
/* Whether any attach waits for trace. */
bool attaches_await(const struct engine *engine, const struct trace *trace);
/* Forget, telling nobody, what peer has asked for; peer NULL: what anybody has. */
void attaches_forget(struct engine *engine, const struct peer *peer);
/* Join the trace. The subscription is its fanout's and spec->peer's (see fanout_join()); NULL: out of memory. */
struct subscription *attaches_subscribe(struct trace *trace, const struct subscription_spec *spec);
/* Queue ATTACHED as the answer to the client's request client_req. */
void attaches_tell(struct trace *trace, const struct subscription *subscription, uint32_t client_req);

/* ---- tracing.c ---- */

/*
 * One pass over all traces: drain what is due up to now_ns, deliver, end. Sets the next tick. now_ns was read
 * from the clock before the last message of the monitor was.
 */
void tracing_run(struct engine *engine, uint64_t now_ns);
/* Close what nobody waits for any more; to be called after clients_write(), which sends what was still to be told. */
void tracing_close_unused(struct engine *engine, uint64_t now_ns);
/* STOP, unless it has been sent. */
void tracing_stop(struct engine *engine, struct trace *trace);
/* All rings are mapped: watch them, and learn what is mapped before READY is sent. 0 or -errno. */
int tracing_prepare(struct engine *engine, struct trace *trace) MUST_CHECK;
/* A job of WORKER_PROC is done; takes it. */
void tracing_file_read(struct engine *engine, struct job *job);
/* COUNTS: the kernel's last word on a trace. One that waits for its clients to come back keeps it for them. */
void tracing_take_counts(struct engine *engine, const struct link_counts *counts);
/* End one subscription; the trace with it if it is the last. It must not have ended. */
void tracing_end_subscription(struct engine *engine, struct trace *trace, struct subscription *subscription,
                              enum end_reason reason);
/* Free all traces; the monitor is told nothing: it learns by the link. Nobody is subscribed or waits any more. */
void tracing_deinit(struct engine *engine);

/* ---- status.c ---- */

/* A client's STATUS: passed on, or held until it may be. */
void status_ask(struct engine *engine, struct peer_entry *entry, const struct proto_status *request, uint64_t now_ns);
/* STATUS_REPLY; takes the descriptor. 0 or -errno. */
int status_take_reply(struct engine *engine, struct link_received *received) MUST_CHECK;
/* Pass on one that was held, if its time has come. */
void status_run(struct engine *engine, uint64_t now_ns);
/* When there is something to do, by status_run() or clients_write(), that no event will tell of; UINT64_MAX = never. */
uint64_t status_due_ns(const struct engine *engine);
/* Queue of the answer what there is room for. */
void status_fill(struct peer_entry *entry);
/* The answer is not wanted any more. */
void status_forget(struct peer_entry *entry);

/* ---- reports.c ---- */

/* Tell the monitor what has happened since the last time; before clients_write(), which frees what has ended. */
void reports_look(struct engine *engine, uint64_t now_ns);
/* The last word on a trace, and on a client with all of its subscriptions: before the monitor forgets them. */
void reports_trace_closes(struct engine *engine, struct trace *trace);
void reports_peer_goes(struct engine *engine, struct peer *peer);

/* ---- following.c ---- */

/* FOLLOWED: the answer about a process; takes the descriptors. */
int following_take_answer(struct engine *engine, struct link_received *received);
/* EMPTY: the monitor knows of no process any more. */
void following_take_empty(struct engine *engine, uint32_t trace);
/* IDS: a process goes on under other events. 0 or -errno. */
int following_take_ids(struct engine *engine, struct link_received *received) MUST_CHECK;
/* REVOKED */
void following_take_revoked(struct engine *engine, const struct link_follow *revoked);
/* OPENED of a /proc file, asked for by following_ask(); takes the descriptor. */
void following_take_file(struct engine *engine, const struct link_opened *opened, int fd);
/* Ask the monitor and WORKER_PROC what there is to be asked about the trace's processes. */
void following_ask(struct engine *engine, struct trace *trace);
/* Nobody is left, and nobody can appear any more. */
bool following_is_over(const struct trace *trace);
/* Have a /proc file of a memory read; the job has a descriptor of its own. 0 or -errno. */
int following_read(struct engine *engine, const struct trace *trace, const struct addresses *addresses,
                   enum job_kind kind) MUST_CHECK;

/* ---- messages.c ---- */

/* Take all messages of the monitor that are there, or learn that the monitor has gone. */
void messages_read(struct engine *engine);

/* ---- clients.c ---- */

/* CONN: a client, with its socket (taken: set to -1 in received). 0 or -errno. */
int clients_add(struct engine *engine, struct link_received *received) MUST_CHECK;
/* Take what the client has sent, a bounded number of messages, and do it. May drop the client. events: of epoll(7). */
void clients_read(struct engine *engine, struct peer_entry *entry, uint32_t events);
/* Send to all clients what waits for them, as far as their sockets take it. */
void clients_write(struct engine *engine);
/* Free the entries of clients that are gone. Not before the events at hand, which may name them, are handled. */
void clients_forget_gone(struct engine *engine);
/* Drop all clients. */
void clients_deinit(struct engine *engine);
