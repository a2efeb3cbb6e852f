/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes of one trace: whose faults may be shown, which memory is whose, who is still alive. Makes no system
 * call but for closing descriptors of memory that is gone; time is passed in.
 *
 * Without LINK_ATTACH_FOLLOW there is exactly one, the target, and every record is its own. With it, a process comes to
 * be by a FORK record or, where that was lost or the trace began with many, by anything that bears its pid; the monitor
 * is then asked once (FOLLOW) whether the peer may see it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/addresses.h"
#include "proto/base.h"

#define PROCESSES_BUCKETS 256
#define PROCESSES_WAIT_NS (UINT64_C(2) * NSEC_PER_SEC)         /* for the monitor's answers; then nothing is shown */
#define PROCESSES_EXEC_WAIT_NS (UINT64_C(500) * NSEC_PER_MSEC) /* ... where the kernel has taken the events */
#define PROCESSES_SHOWN_FOR_EVER UINT64_MAX

enum process_question {
        PROCESS_TO_ASK, /* FOLLOW is to be sent */
        PROCESS_ASKED,
        PROCESS_ANSWERED,
};

struct process {
        struct process *next, *next_in_bucket;
        unsigned int n_refs; /* one is the table's while it holds it */
        pid_t pid;
        struct addresses *addresses; /* one reference; never NULL */
        enum process_question question;
        bool is_granted;        /* before the answer: the peer may see everything anyway */
        uint64_t hidden_ns;     /* what happened from then on is not for the peer; 0 = nothing ever was */
        uint64_t wait_until_ns; /* for the answer, and for what it maps */
        /* What the monitor said then comes true when the records have told of everything before; 0 = nothing. */
        uint64_t revoked_ns, reopened_ns;
        int revoked_errno;                       /* why */
        int reopened_maps_fd, reopened_smaps_fd; /* owned until then; -1 = none */
        char *reopened_maps;                     /* likewise; NULL = none */
        size_t n_reopened_maps;
        bool is_unmapped;    /* nothing is known of its memory yet: /proc is to be asked */
        bool is_being_read;  /* ... and is being asked */
        bool wants_files;    /* new /proc descriptors are to be asked for */
        bool counts_threads; /* seen from its birth, or told of all its threads */
        int64_t n_threads;   /* ... alive, by the records */

        /*
         * After an exec whose program its tracers may not watch (set-user-ID, unreadable) the kernel removes the task's
         * events and reports EXIT although the process lives, before anything of the program is mapped
         * (fs/exec.c, begin_new_exec; kernel/events/core.c, perf_event_exit_task).
         */
        uint64_t executed_ns; /* the last exec seen; 0 = none */
        bool has_mapped;      /* something was mapped since */
        bool is_silent;       /* the events are gone, the process may live */
        bool is_over;         /* it is not known to be alive, nor silent */
        bool is_silence_told; /* its peer knows that nothing more comes of it */
        uint64_t over_ns;     /* of either */
        bool has_status;      /* told by the tracer */
        bool is_told;         /* its end has been told, or is nobody's business */
        int32_t status;
};

struct processes {
        bool follows;
        bool is_trusted;        /* the peer may see everything */
        struct process *target; /* one reference; NULL: a unit has none */
        struct process *first;  /* those that the table holds, by next */
        struct process *last_found;
        struct process *buckets[PROCESSES_BUCKETS];
        uint64_t ended_ns; /* the last time that one of those ended which are no longer in the table */
        uint32_t next_addresses;
        unsigned int name_budget; /* of all their addresses */
};

void processes_init(struct processes *processes, bool follows, bool is_trusted);
void processes_deinit(struct processes *processes);
/* The process that was attached to, of which the monitor has made sure; it has no threads yet. 0 or -ENOMEM. */
int processes_add_target(struct processes *processes, pid_t pid) MUST_CHECK;

/* Whose a record with this pid is: without follow the target, always. NULL = none is known. Borrowed. */
struct process *processes_of(struct processes *processes, pid_t pid);
/* The same, but one that is not known is from now on, with a memory of which nothing is known. 0 or -ENOMEM. */
int processes_get(struct processes *processes, pid_t pid, uint64_t now_ns, struct process **ret) MUST_CHECK;
/* The memory with this id that a process of the table has; NULL = none. Borrowed. */
struct addresses *processes_addresses(const struct processes *processes, uint32_t id);

/* A process is born, with one thread and a copy of its parent's memory. Follow only. 0 or -ENOMEM. */
int processes_fork(struct processes *processes, pid_t pid, pid_t parent, uint64_t now_ns,
                   struct process **ret) MUST_CHECK;
/*
 * It turned out that the memory is not a copy: from now on both have one, which what either of them mapped is in.
 * Nothing, if it has executed something since it was born.
 */
void process_share(struct process *process, const struct process *of);
/* execve(2): a memory of its own, of which everything will be told, and one thread. 0 or -ENOMEM. */
int process_exec(struct processes *processes, struct process *process, uint64_t time_ns) MUST_CHECK;
/*
 * One thread more or less. The end of the last one is that of the process, or of its events; where it is not known how
 * many there are, its leader's is taken for it.
 */
void process_thread_born(struct process *process);
void process_thread_ended(struct process *process, pid_t tid, uint64_t time_ns);
/* The end of this thread would be that of the events alone: see is_silent. */
bool process_is_stripped_by(const struct process *process, pid_t tid);

/*
 * The answer to FOLLOW. error as in struct link_follow; the descriptors are taken. *ret: the process, NULL = not
 * known any more.
 */
struct process *processes_answer(struct processes *processes, pid_t pid, int error, int maps_fd, int smaps_fd);
/* What the process is since its last exec is not for the peer. */
void process_revoke(struct process *process, int error, uint64_t now_ns);
/*
 * Its events were opened anew in the exec. maps (owned, NULL = not known): the text of /proc/PID/maps, read at now_ns
 * from maps_fd; the descriptors, of the new memory, are taken.
 */
void process_reopened(struct process *process, int maps_fd, int smaps_fd, char *maps, size_t n_maps, uint64_t now_ns);
/* The records have told everything up to until_ns. true: the process is revoked, from now on. */
bool process_settle(struct process *process, uint64_t until_ns);

enum process_answer {
        PROCESS_SHOWN,  /* what happened to the process then may be shown */
        PROCESS_HIDDEN, /* ... only be counted */
        PROCESS_WAITS,  /* not known yet: ask again */
};
enum process_answer process_shows(const struct process *process, uint64_t time_ns, uint64_t now_ns);

/* Any question is open, or its answer. */
bool processes_are_asked(const struct processes *processes);
/* Nobody is left whose events go on, and somebody is (or was, before before_ns) who may live without them. */
bool processes_are_silent(const struct processes *processes, uint64_t before_ns);
/* The events were over, up to the last one, when an exec took those of a process. */
bool processes_end_silent(const struct processes *processes);
/* Drop from the table those that are over, told of and answered for. */
void processes_sweep(struct processes *processes);

struct process *process_ref(struct process *process);    /* NULL passes through */
struct process *process_unref(struct process *process);  /* NULL passes through; returns NULL */
bool process_is_threaded(const struct process *process); /* others run in its memory */
