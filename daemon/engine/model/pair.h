/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records of one trace -> faults: tracepoint, entry and completion of the same fault are joined by (tid, address).
 * Pure.
 *
 * A thread has at most one fault open: an entry opens it, a completion at the same address closes it, any other entry
 * or tracepoint of the thread first means it never completed. After a loss in a ring nothing open can be told apart
 * from a fault whose completion was lost: such faults come out as incomplete, never as failed.
 */
#pragma once

#include "daemon/engine/decode/record.h"
#include "daemon/engine/model/callstack.h"
#include "daemon/engine/model/fault.h"
#include "proto/base.h"

struct pair;

struct pair_stats {
        uint64_t n_anchors; /* anchor samples seen; each comes out as exactly one fault */
        uint64_t n_orphans; /* completions whose anchor was lost */
};

/*
 * detail: BASIC has completions only, each a fault of its own. has_tracepoints: an entry is preceded by a tracepoint
 * sample, and one without it is incomplete.
 */
int pair_new(enum detail detail, bool has_tracepoints, struct pair **ret) MUST_CHECK;
struct pair *pair_free(struct pair *pair);

/*
 * Feed one record (FAULT, LOST, FORK, EXIT, MAP for stack growth; others are ignored). Faults that are finished by it
 * come out through pair_next(). cpu: the ring's. Takes the reference that is in a FAULT's callstack, also on failure;
 * it comes out as the stack of the fault that the record is part of. 0 or -ENOMEM.
 */
int pair_feed(struct pair *pair, const struct record *record, uint32_t cpu) MUST_CHECK;
/*
 * Give up faults that opened before `before_ns` and of which is_hopeless() says that they cannot complete (nothing is
 * mapped there), so that they show although the thread does nothing more. 0 or -ENOMEM.
 */
int pair_expire(struct pair *pair, uint64_t before_ns, bool (*is_hopeless)(void *user, const struct fault *fault),
                void *user) MUST_CHECK;
/*
 * The thread was sent a signal for a fault at addr (never one that a process sent): the fault it has open there, or on
 * the same page where addr is not exact, never completed. It is finished at once, with `signalled`, as pair_next() will
 * tell. 1 = there was one; 0 = none is open, because it was given out already or never seen, or records were lost since
 * its entry, so that the signal may be about a later one: then it is finished as incomplete; or -ENOMEM.
 */
int pair_fail(struct pair *pair, pid_t tid, uint64_t addr) MUST_CHECK;
/* The trace ends: everything still open comes out, with `ended`. 0 or -ENOMEM. */
int pair_end(struct pair *pair) MUST_CHECK;
/*
 * The faults open in [start, end) about to be mapped anew by a thread that is not in the kernel's fault handler itself:
 * call found() for each, which may fill in map_then.
 */
void pair_each_open(struct pair *pair, uint64_t start, uint64_t end, void (*found)(void *user, struct fault *fault),
                    void *user);
/* Next finished fault, in order of completion; its references are the caller's. false = none. */
bool pair_next(struct pair *pair, struct fault *ret);
const struct pair_stats *pair_stats(const struct pair *pair);
