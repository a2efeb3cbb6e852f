/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of the tracer share; nobody else includes this. One thread, the only one that may call ptrace(2). */
#pragma once

#include "daemon/link/story.h"
#include "daemon/tracer/tracee.h"

/* A trace that looks on. */
struct watch {
        int fd; /* socket to its engine, owned; -1 = not in use */
        uint32_t trace;
        uint32_t n_missed; /* stories that found no room since the last one that did */
};

struct tracer {
        struct tracees tracees;
        int link, signals; /* signals: signalfd(2) */
        int process;       /* /proc directory of the first process, O_PATH */
        pid_t first_pid;   /* 0: it had ended before we began */
        pid_t last_looked; /* stop.c: where the round among all tracees goes on */
        bool is_over;      /* the link ended */
        struct watch watches[N_WATCHES];
};

/* What /proc says of a thread (proc_pid_status(5)). */
struct facts {
        char state;
        pid_t pid, tracer;
};

/* attach.c. 0 or -errno. */
int facts_read(int directory, const char *path, struct facts *ret) MUST_CHECK;
/* Of one of our tracees; if it is not (any more), -ESRCH. */
int facts_of_tracee(pid_t tid, struct facts *ret) MUST_CHECK;
/* TRACEE_SCAN: seize what is new among the threads of a process, and tell the tracees. Can block for ever. */
void attach_scan(struct tracer *tracer, pid_t pid);

/* stop.c: look at what has stopped or ended, a bounded number of times. Does what is to be done by tracer_act().
 * true = nothing more is to be seen before the next SIGCHLD. */
bool stops_sweep(struct tracer *tracer);

/* tracer.c: do all that the tracees ask for. */
void tracer_act(struct tracer *tracer);

/* story.c: TRACEE_SIGNAL, TRACEE_FORK, TRACEE_EXIT. */
void story_tell(struct tracer *tracer, const struct tracee_action *action);
/* Make the socket as roomy as we may. */
void story_prepare(int fd);
