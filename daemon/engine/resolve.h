/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is on its way out: faults, the signals that end some of them, and what processes do, in one order. They wait
 * there until it is known that they may be shown, what was mapped, and the names of their images; then faults are
 * classified and become protocol events with dictionary ids. Bounded: when too many wait, the oldest go out unresolved.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/model/fault.h"
#include "daemon/engine/places.h"
#include "daemon/engine/processes.h"
#include "daemon/engine/serve/outframe.h"
#include "daemon/engine/signals.h"
#include "daemon/engine/stacks.h"
#include "daemon/engine/threads.h"
#include "proto/proto.h"

struct outgoing {
        struct fault fault; /* references are its own; without a fault only pid, tid and time */
        bool has_fault;
        bool is_unbound;             /* its maps are not attached yet */
        uint64_t seeks_by_ns;        /* what it hit may have been mapped by a process that turns out to share memory */
        bool is_hidden;              /* decided by resolve_next(): not for the peer, to be counted */
        struct process *process;     /* one reference; NULL = nobody's: always shown */
        struct addresses *addresses; /* one reference; those of the process then; NULL = needs none */
        struct told *told;           /* owned: a signal, to be told right behind the fault; NULL = none */
        uint64_t told_by_ns;         /* ... that is sure to come, by then; 0 = is not */
        struct outframe *message;    /* one reference: what happened instead of a fault; NULL = none */
};

struct resolve {
        struct places places;
        struct threads threads;
        uint32_t stack_bytes; /* copied of each fault's stack; 0 = none */
        bool has_lines;       /* with their source lines */
        struct stacks stacks;
        struct unwind *unwind;             /* borrowed */
        const struct processes *processes; /* borrowed: who shares whose memory may still be being asked */
        bool is_held;                      /* signals are told */
        bool numa_balancing;
        bool swap_in_use;
        struct outgoing *waiting; /* ring */
        size_t first, n, size;
        size_t n_faults; /* among those */
};

/* The fields before waiting, and those that places_init() asks for, must be set. */
int resolve_init(struct resolve *resolve) MUST_CHECK;
void resolve_deinit(struct resolve *resolve);

/*
 * Attach maps to a fault as the memory of its process is now, and let it wait. 0 or -ENOMEM (the fault is lost).
 */
int resolve_put(struct resolve *resolve, struct process *process, struct fault *fault, uint64_t now_ns) MUST_CHECK;
/* The same with the signal that the fault ended in. fault NULL: it was not seen. The story is copied. 0 or -ENOMEM. */
int resolve_put_signal(struct resolve *resolve, struct process *process, struct fault *fault, const struct story *story,
                       uint64_t now_ns) MUST_CHECK;
/* A message about a process at time_ns; takes a reference of its own. process NULL: for everybody. 0 or -ENOMEM. */
int resolve_put_message(struct resolve *resolve, struct process *process, uint64_t time_ns,
                        struct outframe *message) MUST_CHECK;
/*
 * The next that can go. true: *ret (the caller's, see resolve_release()), and *ret_event if it has a fault that is not
 * hidden.
 */
bool resolve_next(struct resolve *resolve, uint64_t now_ns, struct outgoing *ret, struct proto_event *ret_event);
/*
 * The SIGNAL message of what has one: after its fault's event has been taken, since both refer to definitions. *ret is
 * the caller's. 0 or -errno.
 */
int resolve_tell(struct resolve *resolve, const struct outgoing *outgoing, uint64_t now_ns,
                 struct outframe **ret) MUST_CHECK;
void resolve_release(struct outgoing *outgoing);
/* The references of a fault that does not go out. */
void resolve_release_fault(struct fault *fault);
/* The stack in a fault's record of this process: the caller's reference; NULL = none. */
struct callstack *resolve_take_stack(struct resolve *resolve, const struct process *process,
                                     const struct record_fault *fault, uint64_t now_ns);
/* Something is mapped in this process: if stacks need it, it is asked for. */
void resolve_want_code(struct resolve *resolve, const struct process *process, struct map *map, uint64_t now_ns);
/* The map at the fault's address in this memory is about to be replaced: keep it if the fault has none kept yet. */
void resolve_keep_map(struct addresses *addresses, struct fault *fault);
