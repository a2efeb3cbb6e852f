/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue of a holder: processes that its tracer shall stop, one after the other. */
#pragma once

#include <stdbool.h>

#include "daemon/monitor/target.h"

struct attachment;

struct seizure {
        struct seizure *next;
        struct attachment *trace; /* that attaches; NULL: to have the process again, or its trace is over */
        bool is_return;           /* to have the process again */
        pid_t pid;
        uint64_t asked_ns; /* since when the tracer is asked for it; 0 = not yet */
        unsigned int n_refusals;
        int process; /* /proc/PID, for a tracer that begins with it; owned; -1 = it will not be the first one */
};

/* At the end. 0 or -errno. */
int seizure_add(struct seizure **first, struct attachment *trace, const struct target *target) MUST_CHECK;
void seizure_remove_first(struct seizure **first);
/* All of this trace. */
void seizures_remove(struct seizure **first, const struct attachment *trace);
bool seizures_have(const struct seizure *first, const struct attachment *trace);
/* One to have this process again. */
bool seizures_have_return(const struct seizure *first, pid_t pid);
