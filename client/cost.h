/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What processes have used so far, ours or others': proc_pid_stat(5). */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "proto/base.h"

struct cost {
        uint64_t cpu_ns; /* user and system, with children that were reaped */
        uint64_t bytes;  /* resident; what is shared counts with each */
};

/* A process and its descendants, as long as they are there. 0; -errno. */
int cost_of_family(pid_t pid, struct cost *ret) MUST_CHECK;
int cost_of_ourselves(struct cost *ret) MUST_CHECK; /* without children */
