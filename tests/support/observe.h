/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a test sees of processes without faultline: to compare with what faultline says and does. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_COUNTERS 64

/* Page faults of all threads that a process has, and of everything that descends from them: perf_event_open(2). */
struct counter {
        int fds[MAX_COUNTERS];
        size_t n;
};

void counter_open(struct counter *counter, pid_t pid);
uint64_t counter_read(const struct counter *counter);

/* Who traces it with ptrace(2); 0 = nobody, or there is no such process. */
pid_t process_tracer(pid_t pid);
/* Until somebody does, or nobody does any more. */
void process_wait_tracer(pid_t pid, bool wanted);
/* The first of its children whose name begins so; 0 = none. */
pid_t process_child_named(pid_t pid, const char *prefix);
