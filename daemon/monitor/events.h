/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The perf events of one trace (link/events.h says which): for every thread on every CPU, redirected into the rings.
 * What the kernel refuses is left out step by step and remembered.
 */
#pragma once

#include "daemon/monitor/closer.h"
#include "daemon/monitor/event.h"

struct event_fd {
        int fd;
        uint32_t kind; /* enum event_kind */
};

struct event_set {
        struct event_fd *events;
        size_t n, n_room;
        struct target_threads threads; /* for which the events were opened */
        size_t n_limit;                /* there may be so many now: event_request.n_free */
        size_t n_visited;              /* of them, while opening */
        size_t n_leader_end;           /* events up to the leader's last one; 0 = it has none */
        int n_passes;
        int counters[2];    /* FROM_EXEC: MIN and MAJ counted from now on, not from the exec; else -1 */
        bool is_given_back; /* too few descriptors: these go, then fewer are opened */
        bool is_uncertain;  /* threads were, or may have been, born while we opened: not known to have inherited all */
};

#define EVENT_SET_INIT ((struct event_set){.counters = {-1, -1}})

#define EVENTS_NO_THREAD 2

/*
 * Open events, disabled, with the most detail at or below *level that the kernel allows; *level becomes what it was.
 * Begins with EVENT_SET_INIT. 1 = a slice was opened, call again; 0 = all are open; EVENTS_NO_THREAD = no thread could
 * be had: the process has ended, or one of its threads is just about to take the place of the others (execve(2)), and
 * it may be called again a moment later; -errno with `text` saying why not and what would help, and nothing is open.
 */
int events_open(const struct event_request *request, struct event_level *level, struct closer *closer,
                struct event_set *events, char text[static LINK_TEXT_BYTES]) MUST_CHECK;
/*
 * All events of all threads of a process, at this level, not enabled yet: for one that joins a trace that runs, or
 * executed a program and lost its events. Begins with EVENT_SET_INIT. 0 or -errno, and then nothing is open.
 */
int events_add_process(const struct event_request *request, struct event_level *level, struct closer *closer,
                       struct event_set *events) MUST_CHECK;
/*
 * Events of the request's cgroup on a CPU that has come online, enabled, behind those that there are: 0, or -errno and
 * there are as many as before.
 */
int events_add_cpu(const struct event_request *request, const struct event_level *level, const struct ring_pair *pair,
                   struct closer *closer, struct event_set *events) MUST_CHECK;
void events_close(struct event_set *events, struct closer *closer);
/* Close all of them to open them anew. */
void events_reset(struct event_set *events, struct closer *closer);

/*
 * Begin, end: all events but the sideband's, which runs from the start. A slice from *at on, which is advanced; true =
 * there are more. Faults meanwhile are not atomic across threads.
 */
bool events_enable(const struct event_set *events, size_t *at) MUST_CHECK;
bool events_disable(const struct event_set *events, size_t *at) MUST_CHECK;

struct event_counts {
        uint64_t count[N_EVENT_KINDS], lost[N_EVENT_KINDS];
};

/*
 * Adds a slice from *at on, which is advanced. with_lost: the events were opened with a lost count (event_level). 1 =
 * there are more, 0 = that was all, or -errno.
 */
int events_read(const struct event_set *events, bool with_lost, size_t *at, struct event_counts *counts) MUST_CHECK;
/* Completed faults alone, from FROM_EXEC's own counters where there are any. 0 or -errno. */
int events_read_completions(const struct event_set *events, struct target_faults *ret) MUST_CHECK;
/* How many descriptors that reads. */
size_t events_n_completions(const struct event_set *events) MUST_CHECK;
/* Sealed memfd of struct link_event_id for ->events[first..n); descriptor or -errno. */
int events_make_id_file(const struct event_set *events, size_t first) MUST_CHECK;
/* Sealed memfd of struct link_thread; descriptor or -errno. */
int events_make_thread_file(const struct event_set *events) MUST_CHECK;
/* Sealed memfd of any bytes; descriptor or -errno. */
int make_sealed_file(const char *name, const void *bytes, size_t n_bytes) MUST_CHECK;
