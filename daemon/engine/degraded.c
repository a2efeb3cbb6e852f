/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table: a missing detail must never be silent, and its line must say how to get it. */
#include "daemon/engine/degraded.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
        const char *what, *missing, *remedy;
} table[N_LINK_LACKS] = {
        [LINK_LACKS_TRACEPOINTS] = {"tracepoints",
                                    "no error codes: access is often unknown, causes are inferred, faults on kernel "
                                    "addresses are not seen",
                                    "run as root or through the faultlined service, with tracefs available"},
        [LINK_LACKS_PHYSICAL] = {"frames", "no page frames: causes are inferred",
                                 "run as root, give CAP_PERFMON, or use the faultlined service"},
        [LINK_LACKS_KERNEL_MODE] =
                {"kernel-mode", "faults taken inside system calls are not seen (they are part of unseen)",
                 "run as root, lower kernel.perf_event_paranoid to 1, or use the faultlined service"},
        [LINK_LACKS_BARRIER] = {"barrier",
                                "the target was not stopped for the attach: what it did in these moments may be "
                                "incomplete",
                                NULL}, /* see remedy_of() */
        [LINK_LACKS_KALLSYMS] = {"kernel-symbols", "kernel code is shown without names",
                                 "run as root or use the faultlined service; see kernel.kptr_restrict"},
        [LINK_LACKS_LOST_COUNT] = {"lost-count", "losses are not counted by the kernel",
                                   "a kernel of 6.0 or later counts them"},
        [LINK_LACKS_RING_SIZE] = {"ring-size", "rings are smaller than wanted: a burst may be lost (and is counted)",
                                  "raise kernel.perf_event_mlock_kb or RLIMIT_MEMLOCK, or use the faultlined service"},
        [LINK_LACKS_THREADS] = {"threads", "threads were born while attaching: some of them may be missing",
                                "attach again, or start the program with `--`"},
};

const char *degraded_what(unsigned int bit)
{
        return table[bit].what;
}

/* The barrier fails for reasons that call for different remedies. */
static const char *remedy_of(unsigned int bit, int error)
{
        if (bit != LINK_LACKS_BARRIER)
                return table[bit].remedy;
        switch (error) {
        case EBUSY:
                return "another tracer (gdb, strace) holds the target";
        case EPERM:
        case EACCES:
                return "ptrace is refused: see kernel.yama.ptrace_scope, or use the faultlined service";
        default:
                return "a thread did not stop in time (it may be in a vfork or in one long system call)";
        }
}

void degraded_reason(unsigned int bit, int error, char *ret, size_t n_ret)
{
        if (error)
                (void)snprintf(ret, n_ret, "%s (%s); %s", table[bit].missing, strerror(error), remedy_of(bit, error));
        else
                (void)snprintf(ret, n_ret, "%s; %s", table[bit].missing, remedy_of(bit, error));
}
