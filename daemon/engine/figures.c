/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything is added, never set: the engine before this one may have counted on the same page. */
#include "daemon/engine/figures.h"

#include <errno.h>
#include <sys/mman.h>

int figures_map(struct trace *trace, int fd)
{
        void *page = mmap(NULL, FIGURES_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (page == MAP_FAILED)
                return -errno;
        trace->figures = page;
        return 0;
}

void figures_unmap(struct trace *trace)
{
        if (trace->figures)
                (void)munmap(trace->figures, FIGURES_PAGE_BYTES);
        trace->figures = NULL;
}

void figures_note(struct trace *trace)
{
        uint64_t n_dropped = fanout_n_dropped(&trace->fanout);

        figures_add(&trace->figures->n_dropped, n_dropped - trace->n_dropped_noted);
        trace->n_dropped_noted = n_dropped;
        __atomic_store_n(&trace->figures->lacks, trace->figures->lacks | trace->started.degraded, __ATOMIC_RELAXED);
}
