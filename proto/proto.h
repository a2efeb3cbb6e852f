/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages between faultline and faultlined as C values, and the functions between these and bytes.
 * PROTOCOL.md is the contract; every multi-byte field is little-endian, written and read byte by byte (wire.h).
 *
 * One frame is one SOCK_SEQPACKET message: a 32-byte header, then the body. Encoders append a whole frame (header with
 * the right length included) to a caller-owned buffer and return its length in bytes, or -ENOBUFS when it does not fit
 * or -EMSGSIZE when a string of the message is longer than PROTO_STRING_MAX_BYTES or a stack has more than
 * PROTO_MAX_FRAMES (on an error the buffer keeps its n_bytes, the bytes behind it are unspecified). Decoders take the
 * body (without the header) and return 0 or -EBADMSG; on failure their outputs are untouched. Decoded strings point
 * into the body and live as long as it does; they are not NUL-terminated and hold arbitrary bytes (never trust them on
 * a terminal). A body longer than the fields known here is accepted: newer peers append. Fields that came after version
 * 1.0 read as 0 or empty when an older peer left them out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"
#include "proto/vocabulary.h"

#define PROTO_MAJOR 1
#define PROTO_MINOR 3
#define PROTO_MAGIC UINT32_C(0x4c544c46) /* "FLTL" */
#define PROTO_HEADER_BYTES 32
#define PROTO_FRAME_MAX_BYTES (128 * 1024)
#define PROTO_EVENT_BYTES 88
#define PROTO_EVENTS_PREFIX_BYTES 8 /* u64 n_filtered before the records */
#define PROTO_EVENTS_PER_FRAME 1024
#define PROTO_STRING_MAX_BYTES 4096

/* In the header's flags: a receiver that does not know the message type must give up instead of skipping it. */
#define PROTO_FLAG_CRITICAL 1

enum message_type {
#define X_MESSAGE(name, number, lower, doc) MESSAGE_##name = (number),
#include "proto/messages.def"
};

/* "attach" for MESSAGE_ATTACH; NULL for an unknown number. */
const char *message_text(unsigned int type);

struct proto_header {
        uint32_t length; /* of the whole frame, header included, bytes */
        uint16_t type;   /* enum message_type */
        uint16_t flags;
        uint32_t trace;     /* trace id, 0 = none */
        uint32_t count;     /* records in the body (DICT, EVENTS), else 0 */
        uint64_t first_seq; /* EVENTS: sequence number of the first record within the subscription */
        uint32_t dict_hw;   /* definitions of the current epoch that must have been received before this frame */
        uint32_t crc;       /* files only, 0 on sockets */
};

struct proto_string {
        const char *data; /* not NUL-terminated */
        uint32_t n_bytes;
};

/* A filter: a fault passes when every criterion passes. Masks are bits by enum value; 0 = everything passes. */
struct proto_filter {
        uint32_t outcomes;
        uint32_t causes;
        uint32_t accesses;
        uint64_t min_latency_ns;      /* 0 = off; a fault without latency does not pass a filter that asks for one */
        struct proto_string map_glob; /* fnmatch(3) pattern on the map's path; empty = off */
};

struct proto_hello {
        uint16_t major;
        uint16_t minor;
        uint64_t features;          /* none defined yet */
        struct proto_string client; /* program name and version, for the journal */
};

struct proto_welcome {
        uint16_t major;
        uint16_t minor;
        uint64_t features;
        uint32_t event_bytes; /* size of one record in EVENTS: a client skips the tail; decode refuses <
                                 PROTO_EVENT_BYTES */
        uint32_t frame_max_bytes;
        struct proto_string version; /* the daemon's */
};

#define PROTO_UNIT_MAX_BYTES 511

#define PROTO_ATTACH_FROM_EXEC 1 /* the target waits before its execve(2); count from that exec on */
#define PROTO_ATTACH_FOLLOW 2    /* children too, and what they execute */
#define PROTO_ATTACH_UNMAPS 4    /* have the kernel report munmap(2) and mremap(2), at a price for every process */
#define PROTO_ATTACH_LINES 8     /* source lines and inlined functions of the frames of stacks */

#define PROTO_STACK_AUTO UINT32_MAX           /* in a request: as many bytes as the daemon thinks best */
#define PROTO_STACK_MAX_BYTES UINT32_C(65528) /* perf_event_open(2), sample_stack_user */

struct proto_attach {
        uint32_t req;         /* chosen by the client, returned in ATTACHED or ERROR */
        int32_t pid;          /* 0 = unit */
        uint8_t detail;       /* enum detail: AUTO, BASIC or FULL */
        uint8_t flags;        /* PROTO_ATTACH_* */
        uint8_t ptrace;       /* enum ptrace_mode */
        uint64_t count_limit; /* end after so many delivered faults; 0 = none */
        struct proto_filter filter;
        struct proto_string unit; /* pid 0: a systemd unit ("nginx.service") or the path of a cgroup; else empty */
        uint32_t stack_bytes;     /* of each fault's stack to copy: 0 = no stacks, PROTO_STACK_AUTO, or that many */
};

/* By which a trace that outlives its daemon is found again; all 0 = none: the trace ends with the daemon. */
struct proto_key {
        uint64_t high, low; /* random */
};

static inline bool proto_key_is_set(const struct proto_key *key)
{
        return (key->high | key->low) != 0;
}

/* What the client knows of a trace beyond the engine's own numbers: of daemons before this one. */
struct proto_past {
        struct proto_key key;
        bool is_whole; /* the daemon before this one said END_RESTART: nothing of what it had counted is missing here */
        uint64_t n_counted; /* of daemons before this one, and in the gaps */
        uint64_t unseen;    /* the same; PROTO_UNSEEN_UNKNOWN = not known */
        /* Completed faults since the last ATTACHED that are accounted for; what was filtered is taken for minor. */
        uint64_t n_minor, n_major;
};

/* What the client had received of the trace when the engine died: the new engine continues the ledger from here. */
struct proto_resume {
        uint32_t req;
        uint64_t kernel_base; /* from ATTACHED; by key: 0 - all faults that the client accounts for, modulo 2^64 */
        uint64_t lost_base;   /* from ATTACHED; by key: 0 - those of them that the kernel had lost */
        uint64_t n_received;
        uint64_t n_filtered;
        uint64_t n_dropped;
        uint64_t n_incomplete;
        uint64_t count_limit;
        struct proto_filter filter;
        struct proto_past past;
};

struct proto_ping {
        uint64_t cookie;
};

struct proto_attached {
        uint32_t req;
        int32_t pid;
        uint8_t detail;       /* enum detail, as granted */
        uint8_t ptrace;       /* enum ptrace_mode, as chosen: never AUTO */
        uint32_t n_threads;   /* traced from the start */
        uint64_t time_ns;     /* CLOCK_MONOTONIC when the faults began to be counted (or when attached, FROM_EXEC) */
        uint64_t kernel_base; /* anchors counted before this subscription began */
        uint64_t lost_base;
        struct proto_string comm;
        uint32_t stack_bytes; /* as granted; 0 = no stacks */
        struct proto_key key; /* for RESUME, when the daemon was restarted */
};

struct proto_error {
        uint32_t req;             /* 0 = not an answer to a request */
        int32_t error;            /* errno number, positive */
        struct proto_string text; /* one line: what failed, on what, why, what to do */
};

struct proto_drops {
        uint64_t n_faults[N_OUTCOMES]; /* by outcome; outcomes that the decoder has no word for are added to
                                          OUTCOME_NONE */
        uint64_t first_seq;
        uint64_t last_seq;
};

enum life_kind {
        LIFE_FORK = 1,
        LIFE_EXEC = 2,
        LIFE_EXIT = 3,
};

struct proto_life {
        uint64_t time_ns;
        uint8_t kind;    /* enum life_kind */
        bool has_status; /* EXIT, where somebody held the process */
        uint16_t status; /* wait status, wait(2) */
        int32_t pid;
        int32_t tid;
        int32_t parent;           /* FORK: pid of the parent; else 0 */
        struct proto_string comm; /* EXEC: the new name */
};

struct proto_degraded {
        struct proto_string what;   /* short word, e.g. "frames", "causes", "barrier" */
        struct proto_string reason; /* one line: why, and what would bring it */
};

/* Faults that nobody watched. Both counts PROTO_UNKNOWN: they could not be read. */
struct proto_missed {
        uint64_t min_flt, maj_flt; /* of the process (proc_pid_stat(5)) */
        uint64_t since_ns;         /* CLOCK_MONOTONIC */
        uint64_t until_ns; /* events count again since then; 0 = there is nothing to tell: no fault was missed */
        bool is_exact;     /* not one was counted twice or left out; else see PROTOCOL.md */
};

struct proto_gap {
        struct proto_string reason;
        struct proto_missed missed;
};

enum end_reason {
        END_STOPPED = 1,  /* the client asked */
        END_EXITED = 2,   /* the target is gone */
        END_COUNT = 3,    /* count_limit reached */
        END_STRIPPED = 4, /* the kernel removed the events at an exec */
        END_ERROR = 5,    /* the daemon could not go on; text says why */
        END_RESTART = 6,  /* the daemon is being restarted: RESUME by the key of ATTACHED */
};

#define PROTO_UNSEEN_UNKNOWN UINT64_MAX

/* kernel = delivered + filtered + dropped_client + dropped_daemon + lost_kernel + counted (design: ledger). */
struct proto_ledger {
        uint64_t kernel;
        uint64_t delivered;
        uint64_t filtered;
        uint64_t dropped_client;
        uint64_t dropped_daemon;
        uint64_t lost_kernel;
        uint64_t counted;
        uint64_t incomplete; /* part of delivered or filtered: faults without their companion records */
        uint64_t unseen;     /* PROTO_UNSEEN_UNKNOWN = not known */
};

struct proto_end {
        uint8_t reason; /* enum end_reason */
        uint64_t time_ns;
        struct proto_ledger ledger;
        struct proto_string text; /* may be empty */
};

/* The frames of a call stack, innermost first. */
#define PROTO_MAX_FRAMES 128
#define PROTO_REGISTERS 18 /* rax rbx rcx rdx rsi rdi rbp rsp r8 .. r15 rip eflags */

enum frame_method {
        FRAME_BY_REGISTERS = 1, /* where the thread was, or was interrupted by a signal */
        FRAME_BY_CFI = 2,       /* unwind tables */
        FRAME_BY_POINTER = 3,   /* frame pointer */
        FRAME_BY_KERNEL = 4,    /* the kernel's own chain, of kernel code */
};

struct proto_frame {
        uint64_t addr;
        uint32_t place; /* definition id, 0 = none */
        uint8_t by;     /* enum frame_method */
};

struct proto_frames {
        uint32_t n;
        struct proto_frame frames[PROTO_MAX_FRAMES];
};

struct proto_registers {
        uint64_t value[PROTO_REGISTERS];
};

#define PROTO_SIGNAL_INFERRED 1   /* the verdict is a conclusion, not the kernel's word */
#define PROTO_SIGNAL_REGISTERS 2  /* registers are there */
#define PROTO_SIGNAL_32BIT 4      /* the thread ran 32-bit code: no stack */
#define PROTO_SIGNAL_STACK_CUT 8  /* the stack goes on above the last frame */
#define PROTO_SIGNAL_HAS_FAULT 16 /* the failed fault was among the events, just before this */
#define PROTO_SIGNAL_MANY 32      /* signals before this one could not be told in time: n_missed */

/* Distances are in bytes; map ids 0 and distances PROTO_UNKNOWN where they say nothing. */
struct proto_signal {
        uint64_t time_ns; /* CLOCK_MONOTONIC when the thread was stopped for it */
        int32_t pid, tid;
        uint32_t thread; /* definition id */
        int32_t signo, code;
        uint64_t addr, ip;
        uint8_t access;  /* enum access */
        uint8_t verdict; /* enum verdict_kind */
        uint8_t flags;   /* PROTO_SIGNAL_* */
        uint8_t missing; /* ACCESS_DENIED, NOT_EXECUTABLE: the permission that is missing, 'r', 'w' or 'x'; else 0 */
        uint32_t n_missed;
        uint32_t map, place, code_place; /* of addr, addr, ip */
        uint32_t nearest;                /* the map that addr missed by least */
        uint64_t below_bytes;            /* addr lies so far before the start of nearest, or PROTO_UNKNOWN */
        uint64_t above_bytes;            /* addr lies so far behind the last byte of nearest, or PROTO_UNKNOWN */
        uint64_t depth_bytes;            /* STACK_OVERFLOW: how deep the stack is */
        uint64_t field_bytes;            /* NULL_DEREFERENCE: the offset from a null pointer */
        uint64_t eof_bytes;              /* BEYOND_EOF: so far behind the end of the file */
        uint64_t pointer;                /* NON_CANONICAL: the address, from a register */
        uint32_t earlier;                /* USE_AFTER_UNMAP: what was mapped here */
        int32_t unmapper;                /* ... the thread that unmapped it, 0 = not known */
        uint32_t unmap_place;            /* ... and by which code */
        uint64_t unmapped_ns;            /* ... and when; 0 = not known */
        int32_t sender;                  /* SENT: process id, 0 = not known */
        uint32_t sender_uid;
        struct proto_string text; /* the verdict as a sentence */
        struct proto_registers registers;
        struct proto_frames stack;
};

struct proto_revoked {
        uint64_t time_ns;
        int32_t pid;
        struct proto_string reason;
};

struct proto_bye {
        struct proto_string reason;
};

#define PROTO_STATUS_UNITS 1 /* the sums by unit too */

struct proto_status {
        uint32_t req;   /* returned in every frame of the answer, or in ERROR */
        uint32_t flags; /* PROTO_STATUS_* */
};

/* The service as a whole; what the asking user may not see of others is not counted in (sees_all false). */
struct proto_status_daemon {
        uint32_t req;
        int32_t pid;   /* of the monitor */
        bool sees_all; /* the answer is about all users, not only about the one who asks */
        uint32_t n_users;
        uint32_t n_clients;
        uint32_t n_traces;         /* running */
        uint64_t now_ns;           /* CLOCK_MONOTONIC when the answer was made */
        uint64_t started_ns;       /* CLOCK_MONOTONIC when the service started */
        uint64_t ring_bytes;       /* taken by the rings of the traces counted here */
        uint64_t ring_limit_bytes; /* of all users together, or of this one; 0 = not known */
        uint64_t memory_bytes;     /* resident, of the monitor; 0 when not sees_all */
        uint64_t cpu_ns;           /* of the monitor and the children that it has reaped; 0 when not sees_all */
        uint64_t n_engines_restarted;
        uint64_t n_refused; /* attach requests denied */
        struct proto_string version;
        struct proto_string degraded; /* what the service lacks as a whole, one line; empty = nothing */
};

struct proto_status_engine {
        uint32_t req;
        uint32_t uid; /* whom it serves */
        int32_t pid;  /* 0 = it is being started */
        uint32_t n_clients;
        uint32_t n_traces;
        uint32_t n_deaths;     /* engines of this user that died and were replaced */
        uint64_t cpu_ns;       /* since this engine began */
        uint64_t memory_bytes; /* resident */
};

/* A running trace. Figures count from its start, for all its clients together. */
struct proto_status_trace {
        uint32_t req;
        uint32_t trace; /* its id; the header's is 0 */
        uint32_t uid;   /* whose */
        int32_t client_pid;
        int32_t pid;    /* target; 0 = a unit */
        uint8_t detail; /* enum detail, as granted */
        uint8_t ptrace; /* enum ptrace_mode, as chosen */
        uint32_t n_clients;
        uint32_t n_threads;
        uint64_t started_ns; /* CLOCK_MONOTONIC */
        uint64_t ring_bytes;
        uint32_t stack_bytes;  /* of each fault's stack; 0 = no stacks */
        uint64_t n_faults;     /* before the filters of its clients */
        uint64_t n_major;      /* part of n_faults */
        uint64_t n_failed;     /* part of n_faults */
        uint64_t n_lost;       /* by the kernel: the rings were full */
        uint64_t n_incomplete; /* part of n_faults */
        uint64_t n_dropped;    /* faults dropped because a client was too slow, over all clients */
        uint64_t n_signals;    /* SIGSEGV and SIGBUS explained */
        struct proto_string comm;
        struct proto_string unit;     /* the target's systemd unit; empty = none */
        struct proto_string degraded; /* the short words of its DEGRADED, separated by spaces; empty = nothing lacks */
};

/*
 * Latencies of major faults by powers of two: bucket i has those of at most PROTO_LATENCY_BOUND_NS(i) that are in no
 * bucket before it, the last one all that are longer than its forerunner's bound.
 */
#define PROTO_LATENCY_BUCKETS 22
#define PROTO_LATENCY_BOUND_NS(i) (UINT64_C(1000) << (i)) /* i below PROTO_LATENCY_BUCKETS - 1: 1 us ... 1.05 s */

/* What all traces of targets in one systemd unit have counted since the service started. It never goes backwards. */
struct proto_status_unit {
        uint32_t req;
        uint32_t n_running; /* traces that run now */
        uint64_t n_traces;  /* that have begun, those too */
        uint64_t n_lost;
        uint64_t n_dropped;
        uint64_t n_incomplete;
        uint64_t major_ns;                                  /* sum of the latencies in n_major_by_latency */
        struct proto_string unit;                           /* empty = targets in no unit */
        uint64_t n_by_cause[N_CAUSES];                      /* of causes without a word here: CAUSE_UNKNOWN */
        uint64_t n_by_outcome[N_OUTCOMES];                  /* of outcomes without a word here: OUTCOME_NONE */
        uint64_t n_major_by_latency[PROTO_LATENCY_BUCKETS]; /* major faults whose latency is known */
};

struct proto_status_end {
        uint32_t req;
        uint32_t n_omitted; /* engines, traces and units that the answer had no room for */
};

/* Definitions: records of a DICT frame. Ids are dense from 1 per kind and epoch; 0 = none. */
enum def_kind {
        DEF_STRING = 1,
        DEF_MAP = 2,
        DEF_PLACE = 3,
        DEF_THREAD = 4,
        DEF_STACK = 5,
        DEF_LINE = 6,
};

#define PROTO_STACK_MAX_FRAMES 1024
#define PROTO_STACK_FRAME_BYTES 20
#define PROTO_STACK_CUT 1 /* the stack goes on above the last frame: its bytes were not copied */

/* A frame of a DEF_STACK. */
struct proto_stack_frame {
        uint64_t addr;
        uint32_t place; /* definition id, 0 = none; of a return address: that of the call before it */
        uint32_t line;  /* definition id, 0 = none */
        uint8_t by;     /* enum frame_method */
};

struct proto_def {
        uint8_t kind; /* enum def_kind; a decoder returns kinds it does not know, with id, for the caller to skip */
        uint32_t id;
        union {
                struct proto_string string;
                struct {
                        uint64_t start, end, offset;
                        uint32_t path; /* string id */
                        char perms[4]; /* "rwxp" style, '-' for absent */
                } map;
                struct {
                        uint32_t image, section, symbol; /* string ids, 0 = not known */
                        uint64_t base; /* run-time address where the symbol (or else section, image, map) begins */
                } place;
                struct {
                        int32_t pid, tid;
                        uint32_t comm; /* string id */
                } thread;
                struct {
                        uint8_t flags; /* PROTO_STACK_* */
                        uint32_t n_frames;
                        /* To encode: frames, innermost first. Decoded: encoded, to be read by proto_stack_frame(). */
                        const struct proto_stack_frame *frames;
                        const uint8_t *encoded;
                } stack;
                struct {
                        uint32_t function, file; /* string ids, 0 = not known */
                        uint32_t line;           /* 0 = not known */
                        uint32_t outer;          /* DEF_LINE of the function that this one is inlined into; 0 = none */
                } line;
        };
};

#define PROTO_EVENT_KERNEL_MODE 1 /* enum mode is KERNEL, else USER */
#define PROTO_EVENT_INFERRED 2    /* enum evidence is INFERRED, else MEASURED */
#define PROTO_EVENT_INCOMPLETE 4  /* companion records were lost */
#define PROTO_EVENT_UNRESOLVED 8  /* an image was not loaded in time: names are missing */
#define PROTO_EVENT_IP_HIDDEN 16  /* this client may not know kernel addresses: ip is 0 */

#define PROTO_UNKNOWN UINT64_MAX /* a frame number or latency that is not known */

struct proto_event {
        uint64_t time_ns; /* CLOCK_MONOTONIC at entry (at completion where entry is not seen) */
        uint64_t addr;
        uint64_t ip;
        uint64_t caller_ip;    /* 0 = none */
        uint64_t latency_ns;   /* PROTO_UNKNOWN = not known */
        uint64_t frame_before; /* page frame number, 0 = nothing mapped or zero page, PROTO_UNKNOWN = not known */
        uint64_t frame;        /* same, after */
        uint32_t thread;       /* definition ids */
        uint32_t map;
        uint32_t place;  /* of addr */
        uint32_t code;   /* place of ip */
        uint32_t caller; /* place of caller_ip */
        uint32_t stack;  /* 0: stacks are not collected, or this one could not be */
        uint16_t cpu;
        uint8_t outcome;
        uint8_t cause;
        uint8_t access;
        uint8_t page_shift; /* page size after the fault is 1 << this; 0 = not known */
        uint8_t flags;      /* PROTO_EVENT_* */
};

/* A caller-owned output buffer; encoders append at n_bytes. frame_start belongs to the encoders: initialise with names.
 */
struct proto_buffer {
        uint8_t *data;
        size_t n_bytes;
        size_t size_bytes;
        size_t frame_start; /* where the frame that is being built begins */
};

/* Parse the 32 header bytes. 0; -EBADMSG when the length is below 32, above PROTO_FRAME_MAX_BYTES, or not n_bytes. */
int proto_decode_header(const uint8_t *bytes, size_t n_bytes, struct proto_header *ret) MUST_CHECK;

/* One encoder and one decoder for each message whose body is a struct; trace goes to the header. */
#define PROTO_DECLARE(name)                                                                                            \
        int proto_encode_##name(struct proto_buffer *buffer, uint32_t trace, const struct proto_##name *m) MUST_CHECK; \
        int proto_decode_##name(const uint8_t *body, size_t n_bytes, struct proto_##name *ret) MUST_CHECK
PROTO_DECLARE(hello);
PROTO_DECLARE(attach);
PROTO_DECLARE(resume);
PROTO_DECLARE(ping);
PROTO_DECLARE(welcome);
PROTO_DECLARE(attached);
PROTO_DECLARE(error);
PROTO_DECLARE(drops);
PROTO_DECLARE(life);
PROTO_DECLARE(degraded);
PROTO_DECLARE(gap);
PROTO_DECLARE(end);
PROTO_DECLARE(signal);
PROTO_DECLARE(revoked);
PROTO_DECLARE(bye);
PROTO_DECLARE(status);
PROTO_DECLARE(status_daemon);
PROTO_DECLARE(status_engine);
PROTO_DECLARE(status_trace);
PROTO_DECLARE(status_unit);
PROTO_DECLARE(status_end);
#undef PROTO_DECLARE
/* PONG has PING's body. */
int proto_encode_pong(struct proto_buffer *buffer, uint32_t trace, const struct proto_ping *m) MUST_CHECK;
/* STOP and DICT_RESET have no body. */
int proto_encode_empty(struct proto_buffer *buffer, uint32_t trace, enum message_type type) MUST_CHECK;

/*
 * Frames built record by record (DICT, EVENTS): begin, append each record, finish. begin() reserves the header,
 * finish() sets header->length, writes the header and returns the frame's length. A frame does not grow beyond
 * PROTO_FRAME_MAX_BYTES: append returns -ENOBUFS and adds nothing, finish returns -ENOBUFS and takes the frame back.
 * append_def() cuts a DEF_STRING at PROTO_STRING_MAX_BYTES (it is a name to be shown); -EINVAL for a kind that is not
 * in enum def_kind and for a DEF_STACK of more than PROTO_STACK_MAX_FRAMES.
 */
int proto_begin_frame(struct proto_buffer *buffer) MUST_CHECK;
int proto_append_def(struct proto_buffer *buffer, const struct proto_def *def) MUST_CHECK;
int proto_append_u64(struct proto_buffer *buffer, uint64_t value) MUST_CHECK;
int proto_finish_frame(struct proto_buffer *buffer, struct proto_header *header);

/* The hot path: exactly PROTO_EVENT_BYTES. The reader of a frame checks n_bytes >= count * event_bytes once. */
void proto_put_event(uint8_t *to, const struct proto_event *event);
void proto_get_event(const uint8_t *from, struct proto_event *ret);

/* Next definition of a DICT body at *offset, which advances. 0; -EBADMSG. An unknown kind sets kind and id only. */
int proto_decode_def(const uint8_t *body, size_t n_bytes, size_t *offset, struct proto_def *ret) MUST_CHECK;
/* Frame `index` (below n_frames) of a decoded DEF_STACK. */
struct proto_stack_frame proto_stack_frame(const struct proto_def *def, uint32_t index);
