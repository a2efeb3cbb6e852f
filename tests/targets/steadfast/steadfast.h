/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A target that knows its own state, so that whoever disturbs it is found out: what it keeps in memory, every signal it
 * was sent, every child, thread and timer, what its system calls return.
 *
 * Two processes: the worker is the one to trace. The supervisor, its parent, tells it to end, and sees what only a
 * parent sees: reports of stops, the exit status. Both count in one report, which survives the worker's exec.
 */
#pragma once

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/targets/target.h"

enum count {
        COUNT_ROUNDS,
        COUNT_SENT, /* signals */
        COUNT_RECEIVED,
        COUNT_LOST,
        COUNT_DOUBLED, /* or out of order within their queue */
        COUNT_CHILDREN,
        COUNT_THREADS,
        COUNT_EXECS,
        COUNT_STOPS,
        COUNT_CONTINUES,
        COUNT_REPAIRS,
        COUNT_TIMERS,
        COUNT_WAKES,
        COUNT_EINTR,         /* where a call is to be restarted, signal(7) */
        COUNT_EINTR_ALLOWED, /* epoll_wait(2), which a tracer's or a stop's interruption does end */
        N_COUNTS
};

struct report {
        atomic_bool stop; /* the supervisor to the worker */
        atomic_bool changed;
        char what[240]; /* the first deviation */
        _Atomic uint64_t n[N_COUNTS];
        _Atomic uint64_t pinged, ponged; /* queued by the supervisor, received by the worker */
        uint64_t carried;                /* through exec: the last number that the worker queued to itself */
};
extern struct report *report;

/* The state is not what it should be. Only the first is kept; errno is left alone. */
void changed(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t count(enum count which, uint64_t n);
uint64_t counted(enum count which);
bool told_to_stop(void);
uint64_t now_ns(void);
/* Sleeps; an EINTR is a deviation, and so is an early return. */
void rest_ns(uint64_t ns);

/* What every worker has. state_check() also rewrites a part. */
void state_begin(void);
void state_check(void);
/* The memory is as it was left; also in a forked child. */
bool state_holds(void);
/* In a forked child: write to every private page. */
void state_scribble(void);

/* A number that comes with a signal, within one queue: each once, in order. */
struct sequence {
        const char *name;
        uint64_t n_sent;
        _Atomic uint64_t n_received;
};
/* For handlers. */
void sequence_take(struct sequence *sequence, uint64_t number);
/* With all signals blocked while it runs, and SA_RESTART. */
void on_signal(int signo, void (*handler)(int, siginfo_t *, void *));

struct variant {
        const char *name;
        void (*begin)(void); /* each may be NULL */
        void (*round)(void);
        void (*end)(void);
};
extern const struct variant variant_running, variant_sleeping, variant_stopped, variant_threads, variant_forking,
        variant_vforking, variant_execing, variant_signals, variant_repairing, variant_storm;
/* Of a program that the worker executes: this file, as an argument. */
#define STEADFAST_PATH "/proc/self/exe"
/* execve(2) of the same variant, with the report. Returns on failure only. */
void execute_again(void);
/* The supervisor's side of variant_stopped and variant_signals: one turn. */
void supervise_stop(pid_t worker);
void supervise_signals(pid_t worker);

/* n turns of a loop with known values in all registers; 0: all of them still held theirs. */
int steadfast_spin(uint64_t n);
