/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The records of a perf ring, in place.
 *
 * The kernel writes records back to back, each a multiple of 8 bytes (kernel/events/core.c: perf_prepare_header() warns
 * about any other size, and the variable records are padded to u64), and positions only ever grow. So every record
 * starts at a multiple of 8, its header never wraps, and a position modulo the ring's size is its place. What breaks
 * that rule is no record: without a believable size there is no next record either, and only the head is a safe place
 * to go on from. That is why the answer is "skip to head" rather than a search for the next plausible header.
 *
 * Only a record whose body wraps is copied, once a revolution; everything else is read where it lies.
 */
#include "daemon/engine/decode/ring.h"

#include <errno.h>
#include <string.h>

#define RECORD_ALIGN 8

static const struct perf_event_header *unwrap(struct ring *ring, uint64_t offset, size_t n_bytes)
{
        size_t n_first = ring->size_bytes - offset;

        memcpy(ring->scratch, ring->data + offset, n_first);
        memcpy(ring->scratch + n_first, ring->data, n_bytes - n_first);
        return (const struct perf_event_header *)(const void *)ring->scratch;
}

int ring_peek(struct ring *ring, const struct perf_event_header **ret)
{
        uint64_t n_available = ring->head - ring->tail;
        uint64_t offset = ring->tail & (ring->size_bytes - 1);
        const struct perf_event_header *header;

        if (n_available == 0)
                return RING_EMPTY;
        if (n_available < sizeof(*header) || n_available > ring->size_bytes || offset % RECORD_ALIGN != 0)
                return -EBADMSG;
        header = (const struct perf_event_header *)(const void *)(ring->data + offset);
        if (header->size < sizeof(*header) || header->size > n_available || header->size % RECORD_ALIGN != 0)
                return -EBADMSG;
        *ret = offset + header->size <= ring->size_bytes ? header : unwrap(ring, offset, header->size);
        return RING_RECORD;
}

void ring_advance(struct ring *ring, const struct perf_event_header *header)
{
        ring->tail += header->size;
}
