/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one clock of all our processes: CLOCK_MONOTONIC, in which the records are stamped too. */
#pragma once

#include <stdint.h>
#include <time.h>

#include "proto/base.h"

static inline uint64_t monotonic_ns(void)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
        return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}
