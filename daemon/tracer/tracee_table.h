/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables of struct tracees, and what their modules share; nobody else includes this. Pointers to tracees and
 * processes are good until something is added or forgotten. A process exists as long as it has tracees or a barrier on
 * its way.
 */
#pragma once

#include "daemon/tracer/tracee.h"

struct tracee *tracee_find(const struct tracees *tracees, pid_t tid);
struct process *process_find(const struct tracees *tracees, pid_t pid);
/* The tracee of this process with the next higher tid; NULL = that was all. Begin with 0. */
struct tracee *tracee_of_process(const struct tracees *tracees, pid_t pid, pid_t after);

/* Both find what is there already; NULL = out of memory. A tracee is added RUNNING, with its process. */
struct process *process_add(struct tracees *tracees, pid_t pid);
struct tracee *tracee_add(struct tracees *tracees, pid_t tid, pid_t pid, uint32_t options);
void tracee_set_state(struct tracees *tracees, struct tracee *tracee, enum tracee_state state);
void tracee_set_birth(struct tracees *tracees, struct tracee *tracee, uint64_t deadline_ns);
void tracee_forget(struct tracees *tracees, struct tracee *tracee);
void process_forget_if_empty(struct tracees *tracees, pid_t pid);

/* Never NULL. */
struct tracee_action *tracees_act(struct tracees *tracees, enum tracee_action_kind kind, pid_t pid, pid_t tid);

static inline bool process_is_wanted(const struct process *process)
{
        return process->phase != PROCESS_FREE || process->watches != 0;
}

/* tracee.c: of a process whose question has been answered: all that is held goes on; what is not wanted is detached. */
void tracees_release(struct tracees *tracees, pid_t pid);

/* question.c: a thread has stopped or ended, or time has passed: is that the end of a barrier? */
void question_check(struct tracees *tracees, pid_t pid);
/* A thread has stopped: from now on somebody waits. */
void question_stop(const struct tracees *tracees, struct process *process);
/* A thread is held in PTRACE_EVENT_EXEC. */
void question_exec(struct tracees *tracees, struct process *process);
void question_time(struct tracees *tracees);
