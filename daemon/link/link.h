/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How our own processes talk: fixed-size structs in native byte order over a SOCK_SEQPACKET socketpair, descriptors
 * as SCM_RIGHTS. The monitor trusts no engine: it checks every field and binds each request to the credentials it
 * recorded itself. The engine trusts its monitor.
 *
 *   client connects      monitor  CONN (fd) -------------------> engine
 *   client: ATTACH       engine   ATTACH ----------------------> monitor   authorize, pin, open events (disabled)
 *                        monitor  TRACE (fds), RINGS (fds)... -> engine    maps rings, reads /proc maps
 *                        engine   READY -----------------------> monitor   barrier by a tracer, enable
 *                        monitor  STARTED ---------------------> engine    tells the client ATTACHED
 *   names                engine   OPEN ------------------------> monitor
 *                        monitor  OPENED (fd) -----------------> engine
 *   end                  engine   STOP ------------------------> monitor   disable, read the counters
 *                        monitor  COUNTS ----------------------> engine    drains, END to the clients
 *                        engine   CLOSE -----------------------> monitor
 *   target dies          monitor  COUNTS (LINK_EXITED) --------> engine
 *   a child is born      engine   FOLLOW ----------------------> monitor   (with LINK_ATTACH_FOLLOW) pin, authorize
 *                        monitor  FOLLOWED (fds) --------------> engine
 *   all have ended       monitor  EMPTY -----------------------> engine    asks for the last children, or STOPs
 *   exec took the events monitor  IDS (fds) -------------------> engine    opened anew in the exec stop
 *                        monitor  REVOKED ---------------------> engine    the peer may not see the new program
 *   a tracer lets go     monitor  DEGRADED --------------------> engine
 *   news for the journal engine   REPORT ----------------------> monitor   writes it, within bounds
 *   client: STATUS       engine   STATUS ----------------------> monitor   what this client may know of the service
 *                        monitor  STATUS_REPLY (fd) -----------> engine    tells the client STATUS_* messages
 *   engine dies          monitor starts another: TRACE + RINGS + STARTED (restarted) for each trace, no READY awaited;
 *                        then CONN (restarted) for each client
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/link/events.h"
#include "proto/base.h"
#include "proto/proto.h"

#define LINK_TEXT_BYTES 512
#define LINK_PATH_BYTES 4096
#define LINK_NAME_BYTES 256
#define LINK_BUILD_ID_BYTES 20
#define LINK_UNIT_BYTES 512
#define LINK_MAX_FDS 64
#define LINK_MAX_WATCHES 64 /* of one tracer */
#define LINK_RINGS_PER_MESSAGE (LINK_MAX_FDS / 2)

enum link_type {
        LINK_CONN = 1, /* monitor: a client; fd: its socket */
        LINK_TRACE,    /* monitor: answer to ATTACH; fds: LINK_FD_* in this order */
        LINK_RINGS,    /* monitor: fds: fault ring owner, sideband ring owner, for each CPU of the message */
        LINK_STARTED,  /* monitor: the barrier is over, faults are counted */
        LINK_OPENED,   /* monitor: answer to OPEN; one fd unless error */
        LINK_COUNTS,   /* monitor: the trace is disabled, these are its counters */
        LINK_FOLLOWED, /* monitor: answer to FOLLOW, or without one about a process that a unit has; fds: maps, smaps
                          and, with n_threads, threads (memfd), unless error */
        LINK_EMPTY,    /* monitor: FOLLOW: no process that we know of is left; again after each FOLLOWED that finds none
                        */
        LINK_IDS,      /* monitor: events were opened anew after an exec; fds: ids (memfd), maps, smaps, and the text of
                          maps at that time (memfd; nothing or empty = not known) */
        LINK_REVOKED,  /* monitor: from now on this process is not for the peer's eyes: its program changed */
        LINK_DEGRADED, /* monitor: a detail was lost while the trace runs */
        LINK_STATUS_REPLY, /* monitor: answer to STATUS; fd, unless error: struct status_row (status.h, memfd) */

        LINK_ATTACH = 32, /* engine */
        LINK_READY,       /* engine: rings mapped, snapshot read */
        LINK_OPEN,        /* engine: give me a file */
        LINK_STOP,        /* engine: disable and count */
        LINK_CLOSE,       /* engine: forget this trace */
        LINK_CONN_CLOSED, /* engine: the client is gone */
        LINK_FOLLOW,      /* engine: this process descends from the trace's target: may its peer see it? */
        LINK_REPORT,      /* engine: what the administrator may want to know */
        LINK_STATUS,      /* engine: a client asks how the service is; not before the answer to its last STATUS */

        /* With a tracer; the end of this link lets everything go. */
        LINK_TRACER_BARRIER = 64, /* monitor: seize and stop all threads of this process, until GO */
        LINK_TRACER_STOPPED,      /* tracer: answer to BARRIER: reached, or as far as it could be */
        LINK_TRACER_FAILED,       /* tracer: answer to BARRIER: no thread could be had, nothing is stopped */
        LINK_TRACER_WATCH,        /* monitor: hold on after the barrier, and tell stories to this socket (one fd) */
        LINK_TRACER_UNWATCH,      /* monitor: this trace is over, or may not see one process any more */
        LINK_TRACER_EXECED,       /* tracer: this process executes a program and is held in it, until GO; no story of it
                                     before GO, even if it had to be let go */
        LINK_TRACER_GO,           /* monitor: let this process run, after STOPPED or EXECED */
        LINK_TRACER_BUSY,         /* tracer: so many signals have been passed on in the last second */
};

enum link_detail { /* what a trace lacks: bits of link_trace.degraded; degraded_errno[bit] says why */
                   LINK_LACKS_TRACEPOINTS, /* no error code: access, kernel-address faults, exact causes */
                   LINK_LACKS_PHYSICAL,    /* no page frames */
                   LINK_LACKS_KERNEL_MODE, /* exclude_kernel */
                   LINK_LACKS_BARRIER,     /* not stopped while attaching: the first moments may be incomplete */
                   LINK_LACKS_KALLSYMS,    /* no kernel symbols */
                   LINK_LACKS_LOST_COUNT,  /* no PERF_FORMAT_LOST: losses are known from records in the ring only */
                   LINK_LACKS_RING_SIZE,   /* rings smaller than wanted */
                   LINK_LACKS_THREADS,     /* threads born during the attach may be missing */
                   LINK_LACKS_HOLD, /* nobody holds the target: no signal records, no way on after a set-user-ID exec */
                   LINK_LACKS_DESCRIPTORS, /* basic instead of full detail, for want of file descriptors */
                   LINK_LACKS_UNMAPS,      /* --unmaps was asked for and may not be had */
                   LINK_LACKS_UNIT,        /* not cgroup-scope events: processes are followed one by one */
                   LINK_LACKS_STACKS,      /* a 32-bit program: no stacks (found by the engine) */
                   LINK_LACKS_CPUS,       /* a CPU was offline: a cgroup's events are not there at once when it comes */
                   LINK_LACKS_STACK_SIZE, /* smaller copies of stacks than usual, because the rings are small */
                   LINK_LACKS_CHILDREN,   /* resumed: children that were running already are not followed any more */
                   N_LINK_LACKS,
};

/* The word for it, as clients are told: "tracepoints", ... */
const char *link_detail_name(enum link_detail detail);

enum link_stop_reason {
        LINK_STOPPED = 1, /* answer to STOP */
        LINK_EXITED,      /* the target is gone */
        LINK_STRIPPED,    /* an exec took its events, and they could not be opened anew */
        LINK_DISMISSED,   /* its peer is no administrator any more */
        LINK_RESTARTING,  /* the daemon ends and comes back; the trace may be resumed by its key then */
};

/* What the peer may see. */
#define LINK_RIGHT_KERNEL 1 /* page frame numbers, kernel addresses: uid 0 and administrators */
#define LINK_RIGHT_EVER 2   /* every process, now and later, so nothing waits for an answer: uid 0 */

struct link_conn {
        uint32_t conn;
        uid_t uid;
        gid_t gid;
        pid_t pid;
        uint32_t rights;
        uint32_t restarted; /* an engine before this one had served it */
};

#define LINK_ATTACH_FROM_EXEC 1
#define LINK_ATTACH_FOLLOW 2 /* children, and what they execute */
#define LINK_ATTACH_UNMAPS 4 /* syscall tracepoints for munmap(2) and mremap(2): admins only */
#define LINK_ATTACH_LINES                                                                                              \
        8 /* source lines for the frames of stacks: the engine's own business, kept here for the next                  \
             one */

#define LINK_STACK_AUTO UINT32_MAX
#define LINK_STACK_MAX_BYTES 65528u /* perf_event_open(2), sample_stack_user */

struct link_attach {
        uint32_t conn;
        uint32_t req;               /* the engine's own number, returned in TRACE */
        pid_t pid;                  /* 0 = unit */
        uint32_t detail;            /* enum detail: AUTO, BASIC, FULL */
        uint32_t flags;             /* LINK_ATTACH_* */
        uint32_t ptrace;            /* enum ptrace_mode */
        uint32_t stack_bytes;       /* of each stack to copy: 0 = none, LINK_STACK_AUTO, or at most LINK_STACK_MAX */
        char unit[LINK_UNIT_BYTES]; /* pid 0: a systemd unit or the path of a cgroup */

        /* Set: a trace that a daemon before this one had begun goes on (proto_past); what is above is the monitor's. */
        struct proto_key key;
        uint32_t is_whole;
        uint64_t n_minor, n_major;
};

enum link_trace_fd {
        LINK_FD_IDS,
        LINK_FD_THREADS,
        LINK_FD_MAPS,
        LINK_FD_SMAPS,
        LINK_FD_STORIES, /* daemon/link/story.h */
        LINK_FD_FIGURES, /* daemon/link/figures.h: a page for the engine to count on */
        N_LINK_TRACE_FDS
};

struct link_trace {
        uint32_t conn;
        uint32_t req;
        uint32_t trace; /* chosen by the monitor, never 0, never reused */
        int32_t error;  /* 0 or an errno number; then text says it all and there are no fds */
        char text[LINK_TEXT_BYTES];
        pid_t pid;
        char comm[16];
        uint32_t detail;     /* enum detail as granted */
        uint32_t physical;   /* PHYS_ADDR and DATA_PAGE_SIZE are sampled */
        uint32_t flags;      /* LINK_ATTACH_*, as granted */
        uint32_t ptrace;     /* enum ptrace_mode as chosen: never AUTO */
        uint32_t n_cpus;     /* rings that follow */
        uint32_t n_ids;      /* struct link_event_id in LINK_FD_IDS */
        uint32_t n_threads;  /* struct link_thread in LINK_FD_THREADS */
        uint32_t ring_bytes; /* data area of a fault ring, power of two; the control page comes before it */
        uint32_t side_bytes;
        uint32_t stack_bytes; /* copied at most of each stack, as granted: a multiple of 8, 0 = no stacks */
        uint32_t stacks;      /* which samples have one: event_sample_type() */
        uint32_t degraded;    /* bits 1 << enum link_detail */
        int32_t degraded_errno[N_LINK_LACKS];
        uint32_t rights;    /* of the peer that asked: LINK_RIGHT_* */
        uint32_t restarted; /* sent again to the successor of an engine that died; comes before the connections */
        uint32_t is_over;   /* it was to be resumed and its target has ended meanwhile: there are no fds and no trace */
        struct proto_missed missed; /* is_over: since the daemon before this one */
};

struct link_event_id { /* file of LINK_FD_IDS (memfd) */
        uint64_t id;
        uint32_t kind; /* enum event_kind */
        uint32_t reserved;
};

struct link_thread { /* file of LINK_FD_THREADS (memfd): the threads at the attach */
        pid_t tid;
        char comm[16];
};

struct link_rings {
        uint32_t trace;
        uint32_t first; /* index of the first ring pair in this message */
        uint32_t n;
        uint32_t cpu[LINK_RINGS_PER_MESSAGE]; /* CPU numbers */
};

struct link_started {
        uint32_t trace;
        uint32_t n_threads;
        uint32_t n_unstopped; /* threads that did not stop in time: released and traced all the same */
        uint32_t degraded;    /* as in link_trace, now final */
        int32_t degraded_errno[N_LINK_LACKS];
        uint32_t ptrace;            /* as in link_trace, now final: what was refused in the barrier is OFF */
        uint64_t time_ns;           /* CLOCK_MONOTONIC when enabled */
        struct proto_key key;       /* by which it can be resumed when the daemon was restarted; all 0 = it cannot */
        struct proto_missed missed; /* since the daemon before this one; until_ns 0 = it begins here */
};

enum link_open_kind {
        LINK_OPEN_IMAGE = 1, /* the file mapped at addr; path, major, minor, inode are what the records said */
        LINK_OPEN_BUILD_ID,  /* the debug file of a build id, under /usr/lib/debug/.build-id */
        LINK_OPEN_DEBUGLINK, /* name = checked base name; near the image that OPEN_IMAGE request `image_req` opened */
        LINK_OPEN_KALLSYMS,  /* once for an engine */
        LINK_OPEN_MAPS,      /* /proc/PID/maps anew (after an exec the old descriptor answers for the old memory) */
        LINK_OPEN_SMAPS,
        LINK_OPEN_PERF_MAP, /* /tmp/perf-PID.map of the process, with the PID that it has for itself, in its /tmp */
};

struct link_open {
        uint32_t trace;
        uint32_t req;
        uint32_t kind;
        pid_t pid; /* FOLLOW: of this process; 0 = the trace's target */
        uint64_t addr;
        uint64_t inode;
        uint32_t major, minor;
        uint32_t n_build_id;
        uint8_t build_id[LINK_BUILD_ID_BYTES];
        char path[LINK_PATH_BYTES]; /* NUL-terminated: OPEN_IMAGE the mapped path, OPEN_DEBUGLINK the image's path */
        char name[LINK_NAME_BYTES]; /* OPEN_DEBUGLINK */
};

struct link_opened {
        uint32_t trace;
        uint32_t req;
        uint32_t kind;
        int32_t error; /* 0 or an errno number */
};

struct link_counts {
        uint32_t trace;
        uint32_t reason; /* enum link_stop_reason */
        uint64_t count[N_EVENT_KINDS];
        uint64_t lost[N_EVENT_KINDS]; /* PERF_FORMAT_LOST; 0 where the kernel has none (then see degraded) */
        uint64_t unseen;              /* PROTO_UNSEEN_UNKNOWN = not known */
        uint64_t time_ns;
};

struct link_follow { /* FOLLOW, FOLLOWED, REVOKED */
        uint32_t trace;
        pid_t pid;
        int32_t error; /* FOLLOWED: 0; ESRCH: it ended before it could be asked about, which is no reason to hide
                          what is there; another errno: not for this peer */
        pid_t shares_memory_of; /* FOLLOWED: of this process, kcmp(2) KCMP_VM; 0 = its memory is its own, or not known
                                 */
        uint32_t n_threads;     /* FOLLOW: not 0: it was not seen being born, its threads are wanted; FOLLOWED: struct
                                   link_thread in the third file, if they were wanted and could be had */
};

struct link_ids { /* IDS */
        uint32_t trace;
        pid_t pid;        /* the process whose events they are */
        uint32_t n_ids;   /* struct link_event_id */
        uint64_t time_ns; /* no later than the text of maps */
};

struct link_degraded { /* DEGRADED */
        uint32_t trace;
        uint32_t what; /* enum link_detail */
        int32_t error;
};

enum link_report_kind {
        LINK_REPORT_CLIENT_DROPPED = 1, /* conn, reason; counts of all its subscriptions; comes before CONN_CLOSED */
        LINK_REPORT_CLIENT_LOSES,       /* conn, trace: faults have begun to be dropped for it */
        LINK_REPORT_CLIENT_LOST,        /* conn, trace: no more are; the counts are of this time */
        LINK_REPORT_TRACE_LOSES,        /* trace: the kernel has begun to find its rings full */
        LINK_REPORT_TRACE_LOST,         /* trace: it does not any more; n_lost is of this time */
        LINK_REPORT_STRIPPED,           /* trace: it ended because an exec took its events, unseen by the monitor */
        LINK_REPORT_LACKS,              /* trace, reason: enum link_detail, which the engine alone can find out */
        N_LINK_REPORTS
};

/* reason of CLIENT_DROPPED */
enum link_drop {
        LINK_DROP_MALFORMED = 1, /* what it sent is no message of the protocol */
        LINK_DROP_HELLO,         /* not one HELLO, and first */
        LINK_DROP_VERSION,       /* another major version */
        LINK_DROP_CRITICAL,      /* a message that we must not ignore, and do not know */
        LINK_DROP_DEAF,          /* it asks and does not read the answers */
        N_LINK_DROPS
};

struct link_report {
        uint32_t kind; /* enum link_report_kind; what it does not name is 0 */
        uint32_t conn;
        uint32_t trace;
        uint32_t reason;
        uint64_t n_delivered; /* faults */
        uint64_t n_dropped;   /* faults */
        uint64_t n_lost;      /* records of any kind */
};

struct link_status { /* STATUS, STATUS_REPLY */
        uint32_t conn;
        uint32_t req;    /* the client's */
        uint32_t flags;  /* STATUS: PROTO_STATUS_* */
        uint32_t n_rows; /* STATUS_REPLY */
        int32_t error;   /* STATUS_REPLY: 0 or an errno number */
};

struct link_id { /* READY, STOP, CLOSE, EMPTY: a trace; CONN_CLOSED: a connection */
        uint32_t id;
};

struct link_tracer { /* TRACER_* */
        pid_t pid; /* BARRIER, STOPPED, FAILED, EXECED, GO; WATCH: the trace's target: of this process, and with FOLLOW
                      of what descends from it, are its stories, of no other; UNWATCH: no more of this process and what
                      descends from it (its program is not for the trace's peer), 0 = the trace is over */
        int32_t error; /* FAILED: errno number; EBUSY = another tracer has it */
        uint32_t n_threads;
        uint32_t n_unstopped;
        uint32_t trace;     /* WATCH, UNWATCH */
        uint32_t flags;     /* WATCH: LINK_ATTACH_FOLLOW */
        uint32_t n_signals; /* BUSY */
};

struct link_message {
        uint32_t type; /* enum link_type */
        uint32_t reserved;
        union {
                struct link_conn conn;
                struct link_attach attach;
                struct link_trace trace;
                struct link_rings rings;
                struct link_started started;
                struct link_open open;
                struct link_opened opened;
                struct link_counts counts;
                struct link_follow follow;
                struct link_ids ids;
                struct link_degraded degraded;
                struct link_report report;
                struct link_status status;
                struct link_id id;
                struct link_tracer tracer;
        };
};

/* A message with the descriptors that came with it. The receiver owns them: link_close_fds() or take them by -1. */
struct link_received {
        struct link_message message;
        int fds[LINK_MAX_FDS];
        size_t n_fds;
};

/*
 * Send one message; the descriptors stay the caller's. Blocks until there is room unless the socket is non-blocking
 * (then -EAGAIN). 0 or -errno.
 */
int link_send(int socket, const struct link_message *message, const int *fds, size_t n_fds) MUST_CHECK;

/* Receive one. 1 = received, 0 = the other side is gone, -EAGAIN, or -EBADMSG (truncated, wrong size for its type:
 * nothing is kept). */
int link_receive(int socket, struct link_received *ret) MUST_CHECK;

void link_close_fds(struct link_received *received);
