/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walk the records of one perf ring between two positions, in place. A record that wraps is copied into the scratch.
 * Pure: the barriers and the publishing of data_tail belong to whoever maps the ring (perf_event_open(2), data_head).
 */
#pragma once

#include <linux/perf_event.h>
#include <stdint.h>

#include "proto/base.h"

#define RING_SCRATCH_BYTES 65536 /* perf_event_header.size is 16 bits */

struct ring {
        const uint8_t *data;
        uint64_t size_bytes; /* power of two */
        uint64_t tail;       /* position of the next record to read */
        uint64_t head;       /* position behind the last one that may be read */
        uint8_t *scratch;    /* RING_SCRATCH_BYTES, aligned to 8, caller's */
};

enum ring_outcome {
        RING_EMPTY = 0,
        RING_RECORD = 1,
};

/*
 * The record at tail, without moving on. RING_RECORD: *ret is header->size contiguous bytes, valid until the next call
 * or until data_tail is published. RING_EMPTY: tail reached head. -EBADMSG: the bytes make no record (size below 8, no
 * multiple of 8, or beyond head); the caller must skip to head and count the loss.
 */
int ring_peek(struct ring *ring, const struct perf_event_header **ret) MUST_CHECK;
/* Move behind the record that ring_peek() gave. */
void ring_advance(struct ring *ring, const struct perf_event_header *header);
