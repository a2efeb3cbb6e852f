/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers of the tracepoints that we may open, read once at start while the rights to do so are still there. */
#pragma once

#include <stdint.h>

struct tracefs {
        int error; /* 0, or the errno number for which there are no tracepoints */
        uint64_t page_fault_user, page_fault_kernel;
        uint64_t munmap, mremap; /* the calls of these, 0 = this kernel has none (CONFIG_FTRACE_SYSCALLS) */
};

void tracefs_read(struct tracefs *ret);
