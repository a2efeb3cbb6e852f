/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tracer knows of every thread that it traces, and what has to be done at each of their stops. Pure: stops,
 * commands and the time go in, a queue of actions comes out; the tracer (tracer.c) does them in their order, each of
 * them before it looks at the next stop.
 *
 * Words: a tracee is one thread, by its tid; a process is a thread group, by its pid. A watch is one trace that looks
 * on, by a number below N_WATCHES. A watch sees a process if it was told to, or if it follows and saw the parent.
 *
 * A process is asked about at most once at a time, and held meanwhile:
 *   barrier    all its threads are told to stop; STOPPED when they have, or TRACER_STOP_MS after the first one;
 *              FAILED if none has in TRACER_FIRST_MS; held until GO or TRACER_HOLD_MS
 *   exec       EXECED, held until GO or TRACER_EXEC_MS
 * An exec during a barrier is told after the barrier, a barrier during an exec begins after it. Answers that come too
 * late are counted, so that they are not taken for the answer to the next question. Nothing of a process is told to
 * anybody from its exec until every question is answered.
 *
 * Invariant: a process that nobody watches and nobody asks about is detached, each of its threads at its next stop; the
 * last one by the end of the tracer (tracees_is_idle()), which needs no stop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/tracer/tracer.h"
#include "proto/base.h"

#define N_WATCHES 64
/* PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC: what tracees_seized() takes for granted. */
#define TRACEE_SEIZE_OPTIONS 0x18u

enum tracee_state {
        TRACEE_RUNNING,
        TRACEE_LISTENING, /* stopped by job control, and so for its parent; PTRACE_LISTEN */
        TRACEE_HELD,      /* in a ptrace-stop, until we let it go on */
        TRACEE_ZOMBIE,    /* a leader that ended before its threads: stops no more, reports its end with the last one */
};

struct tracee {
        pid_t tid; /* comes first: the key */
        pid_t pid;
        enum tracee_state state;
        int status;                 /* HELD: as waitid(2) had it */
        uint32_t options;           /* PTRACE_O_* that the kernel has; 0 = not known */
        bool is_late;               /* the barrier went on without it: it is not held until GO */
        uint64_t birth_deadline_ns; /* HELD in its first stop until its parent's event comes, at most until then; 0 =
                                       does not wait */
};

enum process_phase {
        PROCESS_FREE,
        PROCESS_STOPPING, /* barrier: on the way */
        PROCESS_STOPPED,  /* barrier: told, until GO */
        PROCESS_EXECED,   /* told, until GO */
};

struct process {
        pid_t pid; /* comes first: the key */
        enum process_phase phase;
        uint64_t deadline_ns; /* of the phase; STOPPING: 0 until the first scan is over */
        uint64_t watches;     /* who may see it: bits */
        uint32_t n_tracees, n_running;
        uint32_t n_unanswered; /* STOPPED and EXECED without their GO */
        bool is_hidden;        /* executed a program, not answered yet */
        bool has_execed;       /* during the barrier: to be told after it */
        bool wants_barrier;    /* asked for during another question */
        bool has_stopped;      /* STOPPING: at least one waits */
        bool is_scanning;      /* SCAN is on its way */
        bool was_running;      /* when it began not all that were known had stopped */
        bool has_unknown;      /* when it ended the process had more threads than it could find */
        uint32_t n_scans, n_new, n_refused;
        int refused_errno;
};

enum tracee_action_kind {
        TRACEE_CONT = 1,   /* tid, signal */
        TRACEE_LISTEN,     /* tid */
        TRACEE_INTERRUPT,  /* tid */
        TRACEE_SETOPTIONS, /* tid, options */
        TRACEE_DETACH,     /* tid, signal */
        TRACEE_REAP,       /* tid: take its end */
        TRACEE_SCAN,       /* pid: seize what is new in its list of threads: tracees_seized(), tracees_refused(),
                              tracees_unknown(); then tracees_scanned() */
        TRACEE_LOOK,       /* tid: if it is a zombie, tracees_zombie() */
        TRACEE_STOPPED,    /* tell the monitor: pid, n_threads, n_unstopped */
        TRACEE_FAILED,     /* tell the monitor: pid, error */
        TRACEE_EXECED,     /* tell the monitor: pid */
        TRACEE_BUSY,       /* tell the monitor: n_signals */
        TRACEE_SIGNAL,     /* story to the watches: tid of pid, in its signal-delivery-stop */
        TRACEE_FORK,       /* story to the watches: child of tid of pid; event */
        TRACEE_EXIT,       /* story to the watches: pid, status as in wait(2) */
};

struct tracee_action {
        enum tracee_action_kind kind;
        pid_t pid, tid;
        union {
                int signal; /* CONT, DETACH, SIGNAL */
                uint32_t options;
                int status;
                int error; /* errno number */
                uint32_t n_signals;
                struct {
                        uint32_t n_threads, n_unstopped;
                };
                struct {
                        pid_t child;
                        int event; /* PTRACE_EVENT_* */
                };
        };
        uint64_t watches; /* SIGNAL, FORK, EXIT: never 0 */
};

/* A stop as waitid(2) shows it, with what belongs to it. */
struct tracee_stop {
        pid_t tid;
        int status;      /* si_status: signal, or event << 8 | signal */
        pid_t message;   /* CLONE, FORK, VFORK: the child; EXEC: the former tid (PTRACE_GETEVENTMSG) */
        pid_t child_pid; /* CLONE, FORK, VFORK: the child's process; 0 = it is not our tracee (any more) */
        pid_t pid;       /* of a tid that tracees_find() does not know: its process; 0 = could not be found out */
};

/* Signals passed on, for TRACEE_BUSY. */
struct signal_rate {
        uint64_t times_ns[TRACER_BUSY_SIGNALS]; /* a ring, 0 = not used */
        uint32_t next;
        uint64_t told_ns;
};

struct tracees {
        struct tracee *tracees; /* by tid */
        size_t n_tracees, n_tracees_room;
        struct process *processes; /* by pid */
        size_t n_processes, n_processes_room;
        struct tracee_action *actions; /* a queue from first_action on */
        size_t first_action, n_actions, n_actions_room;
        uint64_t now_ns;
        uint64_t watches, followers; /* bits */
        size_t n_untaken;            /* tracees HELD in a signal-delivery-stop: waitid(P_ALL) shows these for ever */
        size_t n_births;             /* tracees that wait for their parent's event */
        struct signal_rate rate;
        struct tracee_action spare; /* written to when there is no memory */
        bool is_out_of_memory;      /* what is known is no longer complete: end, which sets all free */
};

void tracees_free(struct tracees *tracees);

/* The time (CLOCK_MONOTONIC): before anything else that is put in, and when tracees_deadline() has come. */
void tracees_time(struct tracees *tracees, uint64_t now_ns);
/* When tracees_time() has something to do; UINT64_MAX = never. All actions have to be done by then. */
uint64_t tracees_deadline(const struct tracees *tracees);

/* The next action, in order. false = none. */
bool tracees_next(struct tracees *tracees, struct tracee_action *ret);

void tracees_stop(struct tracees *tracees, const struct tracee_stop *stop);
/* The end of a thread, or with the leader's of its process: status as in wait(2). Always answered by REAP. */
void tracees_exit(struct tracees *tracees, pid_t tid, int status);

/* Stop all threads of the process; answered by STOPPED or FAILED. */
void tracees_barrier(struct tracees *tracees, pid_t pid);
void tracees_go(struct tracees *tracees, pid_t pid);
/* The watch may see this process, and what descends from it if it follows. watch < N_WATCHES. */
void tracees_watch(struct tracees *tracees, unsigned int watch, pid_t pid, bool follows);
/* It may no longer see this process; 0: any, and it is over. */
void tracees_unwatch(struct tracees *tracees, unsigned int watch, pid_t pid);

/* Answers to SCAN: a thread was seized; or it is our tracee already although tracees_find() does not know it. */
void tracees_seized(struct tracees *tracees, pid_t tid, pid_t pid);
/* ... one could not be had: EBUSY = another tracer has it. */
void tracees_refused(struct tracees *tracees, pid_t pid, int error);
/* ... the process has other threads than those that are known now. */
void tracees_unknown(struct tracees *tracees, pid_t pid);
/* ... that was all; error: the list could not be read. */
void tracees_scanned(struct tracees *tracees, pid_t pid, int error);
/* Answer to LOOK; also at any time. */
void tracees_zombie(struct tracees *tracees, pid_t tid);

/* Borrowed until the next call that puts something in; NULL = not known. */
const struct tracee *tracees_find(const struct tracees *tracees, pid_t tid);
/* The one with the next higher tid, or the first one after the last; NULL = there is none at all. */
const struct tracee *tracees_round(const struct tracees *tracees, pid_t tid);
/* Nobody watches and nothing is asked: there is nothing left to do. */
bool tracees_is_idle(const struct tracees *tracees);
