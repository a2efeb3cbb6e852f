/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fault + map -> outcome, access, cause, evidence: one decision table, whose rows ARCHITECTURE.md repeats. Pure. */
#pragma once

#include <stdbool.h>

#include "daemon/engine/model/fault.h"

struct classify_context {
        bool is_threaded;    /* other threads may have stale translations of the same page */
        bool numa_balancing; /* the kernel makes pages fault to see who uses them (kernel.numa_balancing) */
        bool swap_in_use;    /* the machine has swap space */
        bool userfault; /* the map is registered with userfaultfd (VmFlags um, uw, ui), or it is not known that it is
                           not */
        bool userfault_known; /* /proc has been asked */
        bool file_is_shmem;   /* the mapped file lies on tmpfs (statfs of the image) */
        bool file_size_known;
        uint64_t file_bytes; /* its size now, for beyond-eof */
};

/* What the fault wanted to do: by the error code, or that it fetched an instruction, or ACCESS_UNKNOWN. */
enum access classify_access(const struct fault *fault);

/* The map permits nothing, and right above it is writable anonymous memory or a stack. above may be NULL. */
bool classify_is_guard(const struct map *map, const struct map *above);

/* Sets fault->outcome, access, cause, evidence. */
void classify(struct fault *fault, const struct classify_context *context);
