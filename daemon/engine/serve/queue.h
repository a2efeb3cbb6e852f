/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What waits for one slow client. The daemon never waits: over the limit the oldest EVENTS, SIGNAL and LIFE frames go,
 * faults counted exactly. Definitions are never dropped; DICT_RESET makes all that went before useless, so that a
 * client that never reads holds at most one epoch of definitions. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/serve/outframe.h"

struct queue {
        struct outframe **frames; /* ring */
        size_t first, n, size;
        size_t n_bytes, limit_bytes; /* limit for what may go; the rest is bounded by the dictionary's cap */
        struct proto_drops pending;  /* drops not yet told to the client */
        bool has_pending;
        uint64_t n_dropped; /* faults, in all */
};

void queue_init(struct queue *queue, size_t limit_bytes);
void queue_deinit(struct queue *queue);
/* Takes a reference of its own. 0; -ENOMEM: nothing was queued (an EVENTS frame then counts as dropped). */
int queue_push(struct queue *queue, struct outframe *frame);
/* Faults that never became a frame: they count as dropped. */
void queue_count_drop(struct queue *queue, uint64_t first_seq, uint64_t last_seq,
                      const uint64_t n_faults[static N_OUTCOMES]);
/* The next frame to send, borrowed; NULL = empty. Pending drops must be sent first: see queue_take_drops(). */
struct outframe *queue_peek(const struct queue *queue);
void queue_pop(struct queue *queue);
/* Drops to tell before the next frame: true and they are handed over. */
bool queue_take_drops(struct queue *queue, struct proto_drops *ret);
/* The message could not be sent after all: they are pending again. */
void queue_return_drops(struct queue *queue, const struct proto_drops *drops);
