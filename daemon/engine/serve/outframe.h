/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One encoded frame, immutable once made and counted by reference, so that it is encoded once and waits in the queues
 * of many clients. Single-threaded. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/proto.h"

struct outframe {
        unsigned int n_refs;
        enum message_type type;
        uint64_t first_seq, last_seq;  /* EVENTS */
        uint64_t n_faults[N_OUTCOMES]; /* EVENTS: what is lost when it is dropped */
        size_t n_bytes;
        uint8_t data[];
};

/* Copies n_bytes of an encoded frame; one reference is the caller's. NULL: out of memory. */
struct outframe *outframe_new(enum message_type type, const uint8_t *bytes, size_t n_bytes);
struct outframe *outframe_ref(struct outframe *frame);
struct outframe *outframe_unref(struct outframe *frame); /* NULL passes through; returns NULL */
uint64_t outframe_n_faults(const struct outframe *frame);

static inline void cleanup_outframe(struct outframe **frame)
{
        outframe_unref(*frame);
}
#define CLEANUP_OUTFRAME CLEANUP(cleanup_outframe)
