/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One perf event, and the level of detail that the kernel allows: the only caller of perf_event_open(2) for faults. */
#pragma once

#include "daemon/monitor/rings.h"
#include "daemon/monitor/target.h"
#include "daemon/monitor/tracefs.h"

/* What the events of a trace can tell: begins with all that was asked for, loses what is refused. */
struct event_level {
        enum detail detail; /* as granted: never AUTO */
        bool physical, kernel_mode, tracepoints, lost_count;
        bool unmaps;          /* asked for, and not refused */
        uint32_t stack_bytes; /* to copy of each stack, a multiple of 8; 0 = no stacks */
        bool kernel_chain;    /* the peer may see the frames of the kernel */
        uint32_t degraded;    /* bits 1 << enum link_detail */
        int32_t degraded_errno[N_LINK_LACKS];
};

void event_level_init(struct event_level *level, enum detail wanted);
void event_level_lack(struct event_level *level, enum link_detail what, int error);
/* The kinds of events to open (EVENT_BIT mask). */
uint32_t event_level_kinds(const struct event_level *level) MUST_CHECK;
/* Which of them have a copy of the stack: `stacks` of event_sample_type(). */
uint32_t event_level_stacks(const struct event_level *level) MUST_CHECK;
/*
 * The next level below, after an event of `kind` was refused with `error`. false = there is none, or the error has
 * nothing to do with the level.
 */
bool event_level_down(struct event_level *level, enum event_kind kind, int error) MUST_CHECK;
/*
 * The level that needs the fewest descriptors, after `error` (EMFILE, ENFILE) said that there are not enough for this
 * one. false = it is that already.
 */
bool event_level_fewer(struct event_level *level, int error) MUST_CHECK;

struct warm;

struct event_request {
        const struct target *target;
        const struct ring_set *rings;
        const struct tracefs *tracefs;
        struct warm *warm; /* warm.h; NULL: the tracepoints are not kept */
        bool from_exec;    /* fault events begin at the next execve(2) of a thread */
        bool follow;       /* children that are processes of their own inherit the events, too */
        bool is_cgroup; /* the events are those of a cgroup, on each CPU: whoever runs in it, target is not looked at */
        int cgroup;     /* is_cgroup: its directory */
        bool is_stopped;    /* no thread can be born meanwhile: one pass is enough */
        uint64_t n_free;    /* descriptors that the user has left, of DescriptorsPerUser=; UINT64_MAX = no such limit */
        uint64_t n_allowed; /* DescriptorsPerUser= itself */
};

bool event_is_tracepoint(enum event_kind kind);
/*
 * Open one, disabled, redirected into the pair's ring: the thread's or, whatever the number, the cgroup's. Descriptor
 * or -errno.
 */
int event_open(const struct event_request *request, const struct event_level *level, pid_t tid,
               const struct ring_pair *pair, enum event_kind kind) MUST_CHECK;
/* An event of a tracepoint, on ourselves alone, that counts nothing. Descriptor or -1. */
int event_open_idle(uint64_t tracepoint);
/* Whether the kernel has events of cgroups (CONFIG_CGROUP_PERF): 0 or -errno. */
int event_try_cgroup(int cgroup) MUST_CHECK;
/* A count of the process from now on, with its children: config is one of PERF_COUNT_SW_*. Descriptor or -errno. */
int event_open_counter(const struct event_level *level, pid_t pid, uint64_t config) MUST_CHECK;
