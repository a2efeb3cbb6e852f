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
 *   engine dies          monitor starts another: TRACE + RINGS + STARTED (restarted) for each trace, no READY awaited;
 *                        then CONN (restarted) for each client
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/link/events.h"
#include "proto/base.h"

#define LINK_TEXT_BYTES 512
#define LINK_PATH_BYTES 4096
#define LINK_NAME_BYTES 256
#define LINK_BUILD_ID_BYTES 20
#define LINK_MAX_FDS 64
#define LINK_RINGS_PER_MESSAGE (LINK_MAX_FDS / 2)

enum link_type {
        LINK_CONN = 1, /* monitor: a client; fd: its socket */
        LINK_TRACE,    /* monitor: answer to ATTACH; fds: LINK_FD_* in this order */
        LINK_RINGS,    /* monitor: fds: fault ring owner, sideband ring owner, for each CPU of the message */
        LINK_STARTED,  /* monitor: the barrier is over, faults are counted */
        LINK_OPENED,   /* monitor: answer to OPEN; one fd unless error */
        LINK_COUNTS,   /* monitor: the trace is disabled, these are its counters */

        LINK_ATTACH = 32, /* engine */
        LINK_READY,       /* engine: rings mapped, snapshot read */
        LINK_OPEN,        /* engine: give me a file */
        LINK_STOP,        /* engine: disable and count */
        LINK_CLOSE,       /* engine: forget this trace */
        LINK_CONN_CLOSED, /* engine: the client is gone */

        LINK_TRACER_STOPPED = 64, /* tracer: barrier reached, or as far as it could be */
        LINK_TRACER_GO,           /* monitor: release and detach */
        LINK_TRACER_FAILED,       /* tracer: no thread could be seized */
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
                   N_LINK_LACKS,
};

enum link_stop_reason {
        LINK_STOPPED = 1, /* answer to STOP */
        LINK_EXITED,      /* the target is gone */
};

/* What the peer may see. */
#define LINK_RIGHT_KERNEL 1 /* page frame numbers, kernel addresses: uid 0 */

struct link_conn {
        uint32_t conn;
        uid_t uid;
        gid_t gid;
        pid_t pid;
        uint32_t rights;
        uint32_t restarted; /* an engine before this one had served it */
};

#define LINK_ATTACH_FROM_EXEC 1

struct link_attach {
        uint32_t conn;
        uint32_t req; /* the engine's own number, returned in TRACE */
        pid_t pid;
        uint32_t detail; /* enum detail: AUTO, BASIC, FULL */
        uint32_t flags;
};

enum link_trace_fd { LINK_FD_IDS, LINK_FD_THREADS, LINK_FD_MAPS, LINK_FD_SMAPS, N_LINK_TRACE_FDS };

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
        uint32_t flags;      /* LINK_ATTACH_* */
        uint32_t n_cpus;     /* rings that follow */
        uint32_t n_ids;      /* struct link_event_id in LINK_FD_IDS */
        uint32_t n_threads;  /* struct link_thread in LINK_FD_THREADS */
        uint32_t ring_bytes; /* data area of a fault ring, power of two; the control page comes before it */
        uint32_t side_bytes;
        uint32_t degraded; /* bits 1 << enum link_detail */
        int32_t degraded_errno[N_LINK_LACKS];
        uint32_t rights;    /* of the peer that asked: LINK_RIGHT_* */
        uint32_t restarted; /* sent again to the successor of an engine that died; comes before the connections */
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
        uint64_t time_ns; /* CLOCK_MONOTONIC when enabled */
};

enum link_open_kind {
        LINK_OPEN_IMAGE = 1, /* the file mapped at addr; path, major, minor, inode are what the records said */
        LINK_OPEN_BUILD_ID,  /* the debug file of a build id, under /usr/lib/debug/.build-id */
        LINK_OPEN_DEBUGLINK, /* name = checked base name; near the image that OPEN_IMAGE request `image_req` opened */
        LINK_OPEN_KALLSYMS,  /* once for an engine */
        LINK_OPEN_MAPS,      /* /proc/PID/maps anew (after an exec the old descriptor answers for the old memory) */
        LINK_OPEN_SMAPS,
};

struct link_open {
        uint32_t trace;
        uint32_t req;
        uint32_t kind;
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

struct link_id { /* READY, STOP, CLOSE: a trace; CONN_CLOSED: a connection */
        uint32_t id;
};

struct link_tracer { /* TRACER_STOPPED, TRACER_GO, TRACER_FAILED */
        int32_t error;
        uint32_t n_threads;
        uint32_t n_unstopped;
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
