/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By itself because the kernel's headers and <sched.h>, which <pthread.h> includes, define the same things. */
#include "daemon/engine/slices.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/base.h"

#define SLICE_NS (UINT64_C(100) * NSEC_PER_USEC)

void slices_ask_for_short(void)
{
        struct sched_attr attr = {.size = sizeof(attr),
                                  .sched_policy = SCHED_NORMAL,
                                  .sched_nice = getpriority(PRIO_PROCESS, 0),
                                  .sched_runtime = SLICE_NS};

        (void)syscall(SYS_sched_setattr, 0, &attr, 0); /* as before, then */
}
