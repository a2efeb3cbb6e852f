/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one trace has counted, on a page that the engine adds to and the monitor reads: no message is needed to know it,
 * and when an engine dies its successor goes on adding where it stopped.
 *
 * The page is a file in memory (memfd_create(2)) whose size is sealed, so that no engine can cut it from under the
 * monitor's feet (SIGBUS). One thread writes at a time, so a count is a load and a store; the reader may see one count
 * without another that belongs to it. The monitor believes nothing of it but that these are numbers: an engine can lie
 * about the traces of its own user only.
 */
#pragma once

#include <stdint.h>

#include "proto/proto.h"

/* Numbers only, all of them u64: it is also read as an array of these. */
struct figures {
        uint64_t n_by_cause[N_CAUSES]; /* faults that went to the fan-out, before any client's filter */
        uint64_t n_by_outcome[N_OUTCOMES];
        uint64_t n_major_by_latency[PROTO_LATENCY_BUCKETS]; /* of known latency */
        uint64_t major_ns;                                  /* their latencies */
        uint64_t n_incomplete;
        uint64_t n_dropped; /* faults, because a client was too slow; over all clients */
        uint64_t n_lost;    /* records of faults that the kernel had no room for */
        uint64_t n_signals;
        uint64_t lacks; /* bits 1 << enum link_detail: what the engine has found to be missing */
};

#define FIGURES_N (sizeof(struct figures) / sizeof(uint64_t))
#define FIGURES_PAGE_BYTES 4096
_Static_assert(sizeof(struct figures) <= FIGURES_PAGE_BYTES, "one page");

/* Writer. */
static inline void figures_add(uint64_t *figure, uint64_t n)
{
        __atomic_store_n(figure, *figure + n, __ATOMIC_RELAXED);
}

/* The bucket of a latency (proto.h): the first whose bound is not below it. */
static inline unsigned int figures_bucket(uint64_t latency_ns)
{
        uint64_t us = latency_ns > 0 ? (latency_ns - 1) / NSEC_PER_USEC : 0; /* whole ones below it */
        unsigned int bucket = us == 0 ? 0 : 64 - (unsigned int)__builtin_clzll(us);

        return MIN_OF(bucket, PROTO_LATENCY_BUCKETS - 1u);
}

/* Writer: a fault goes out. */
static inline void figures_count(struct figures *figures, const struct proto_event *event)
{
        figures_add(&figures->n_by_cause[event->cause], 1);
        figures_add(&figures->n_by_outcome[event->outcome], 1);
        if (event->flags & PROTO_EVENT_INCOMPLETE)
                figures_add(&figures->n_incomplete, 1);
        if (event->outcome != OUTCOME_MAJOR || event->latency_ns == PROTO_UNKNOWN)
                return;
        figures_add(&figures->n_major_by_latency[figures_bucket(event->latency_ns)], 1);
        figures_add(&figures->major_ns, event->latency_ns);
}

/* Reader: a copy of a page that somebody may be adding to. */
static inline struct figures figures_read(const struct figures *page)
{
        struct figures copy;

        for (size_t i = 0; i < FIGURES_N; i++)
                ((uint64_t *)&copy)[i] = __atomic_load_n((const uint64_t *)page + i, __ATOMIC_RELAXED);
        return copy;
}
