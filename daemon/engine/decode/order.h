/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Merge rings by time. Pure.
 *
 * The rule that makes it exact without waiting a round: the caller reads the clock (CLOCK_MONOTONIC, as the records),
 * THEN reads every ring's data_head, and passes that clock value as `until_ns`. A record stamped later than until_ns
 * stays for the next pass. Whatever causally precedes an emitted record was committed before it was stamped, hence
 * before until_ns, hence is visible: the kernel disables preemption from the stamp to the commit, so a thread cannot go
 * on (nor migrate) with its record half written.
 */
#pragma once

#include "daemon/engine/decode/ring.h"
#include "daemon/engine/decode/sample.h"

struct order;

/*
 * rings: n of them (the caller moves their heads, and they may share one scratch); they and the layout are borrowed for
 * the life of the order. *ret is the caller's. -ENOMEM.
 */
int order_new(struct ring *rings, size_t n, const struct sample_layout *layout, struct order **ret) MUST_CHECK;
struct order *order_free(struct order *order);

/* Begin a pass: call after the heads have been moved. */
void order_begin(struct order *order, uint64_t until_ns);

enum order_outcome {
        ORDER_END = 0, /* nothing more up to until_ns */
        ORDER_RECORD = 1,
        ORDER_BAD = 2, /* a record could not be decoded: *ret_ring has it skipped; count it */
};

/*
 * Next record of the pass in time order, equal times by ring index. The pieces of a fault leave in the order of their
 * making also where a stamp is of another clock (link/events.h, event_sample_type()). Within one ring records are never
 * reordered: one whose stamp runs backwards, or that is bad, follows its predecessor at once. *ret is set with
 * ORDER_RECORD only. The ring's tail has moved behind the record when this returns, its bytes stay valid until the next
 * call.
 */
int order_next(struct order *order, struct record *ret, size_t *ret_ring);
