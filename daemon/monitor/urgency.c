/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By itself because the kernel's headers and <sched.h>, which <pthread.h> includes, define the same things. */
#include "daemon/monitor/urgency.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/base.h"

#define SLICE_NS (UINT64_C(100) * NSEC_PER_USEC)

static bool nobody_chose(void)
{
        struct sched_attr now = {0};

        return syscall(SYS_sched_getattr, 0, &now, sizeof(now), 0) == 0 && now.sched_policy == SCHED_NORMAL &&
               now.sched_nice == 0;
}

void urgency_take(void)
{
        const struct sched_attr real_time = {.size = sizeof(real_time),
                                             .sched_policy = SCHED_RR,
                                             .sched_flags = SCHED_FLAG_RESET_ON_FORK,
                                             .sched_priority = 1};
        const struct sched_attr short_slices = {.size = sizeof(short_slices),
                                                .sched_policy = SCHED_NORMAL,
                                                .sched_flags = SCHED_FLAG_RESET_ON_FORK,
                                                .sched_runtime = SLICE_NS};
        const struct rlimit limit = {URGENCY_LIMIT_USEC, URGENCY_LIMIT_USEC};

        if (!nobody_chose() || setrlimit(RLIMIT_RTTIME, &limit) < 0)
                return;
        if (syscall(SYS_sched_setattr, 0, &real_time, 0) < 0)
                (void)syscall(SYS_sched_setattr, 0, &short_slices, 0); /* as before, then */
}
