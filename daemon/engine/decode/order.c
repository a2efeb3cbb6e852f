/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rings -> one sequence of records by time: a merge over a heap of the rings that have something left.
 *
 * The heap holds the time of each ring's next record; its top is the ring to read from. After a record the top's key is
 * renewed and sifted down, which ends at once while the ring's next time is still the smallest: long runs on one CPU,
 * the usual case, cost two comparisons a record whatever the number of CPUs. Equal times go by the ring's index, so
 * that the sequence depends on the records alone and not on the history of passes.
 *
 * A key is a time only, never a decoded record: records are decoded when they leave, because the bytes of one that
 * wraps live in a scratch that the rings may share. The renewal waits for the next call for the same reason: what
 * order_next() gave stays valid until then.
 *
 * Within a ring the kernel's own order is the truth. Stamps run backwards there only around PERF_RECORD_LOST, which is
 * stamped after but written before the record that found room again. That needs no care: when the predecessor left,
 * nothing older was left anywhere, so a record with an older stamp is the oldest of all and follows at once. For the
 * same reason 0 does as the stamp of a record that cannot be read.
 */
#include "daemon/engine/decode/order.h"

#include <errno.h>
#include <stdlib.h>

/*
 * From the tracepoint of a fault to its entry there is nothing but the way into the kernel's handler. The bound leaves
 * room for a virtual machine's processor that is taken away in between: taking that for another clock would put the
 * fault before others that were really first.
 */
#define ENTRY_AFTER_NS (UINT64_C(500) * NSEC_PER_USEC)

struct key {
        uint64_t time_ns;
        size_t ring;
};

/* What left a ring last: the pieces of a fault stand one behind the other, and the first is always of our clock. */
struct trail {
        int kind; /* enum event_kind, N_EVENT_KINDS = none of a fault */
        uint64_t tracepoint_ns;
        bool is_foreign; /* kind is EVENT_ENTRY, behind its tracepoint, and its stamp is of another clock */
};

struct order {
        struct ring *rings;
        struct trail *trails; /* of each ring */
        size_t n_rings;
        const struct sample_layout *layout;
        uint64_t until_ns;
        struct key *heap;
        size_t n_heap;
        bool top_left; /* the record of heap[0] has been given away, its key is to be renewed */
};

static bool key_before(const struct key *a, const struct key *b)
{
        return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->ring < b->ring);
}

static void sift_down(struct order *order, size_t i)
{
        struct key *heap = order->heap;
        struct key moving = heap[i];

        for (size_t child = 2 * i + 1; child < order->n_heap; child = 2 * i + 1) {
                if (child + 1 < order->n_heap && key_before(&heap[child + 1], &heap[child]))
                        child++;
                if (!key_before(&heap[child], &moving))
                        break;
                heap[i] = heap[child];
                i = child;
        }
        heap[i] = moving;
}

static bool is_tracepoint(int kind)
{
        return kind == EVENT_TP_USER || kind == EVENT_TP_KERNEL;
}

static bool is_foreign(const struct trail *trail, uint64_t entry_ns)
{
        return is_tracepoint(trail->kind) &&
               (entry_ns < trail->tracepoint_ns || entry_ns - trail->tracepoint_ns > ENTRY_AFTER_NS);
}

/*
 * When a record was really written, as far as can be told. Not simply its stamp: where somebody else samples the same
 * software event of the same task by another clock, the kernel stamps once for both, by either clock
 * (kernel/events/core.c, perf_prepare_sample); tracepoints are stamped for each. So an entry right behind its
 * tracepoint is of that time, and so is a completion right behind such an entry. For the rest the record behind in the
 * ring, which is written in order, is a bound: bound_ns, UINT64_MAX = there is none yet.
 */
static uint64_t true_time(const struct trail *trail, int kind, uint64_t stamp_ns, uint64_t bound_ns)
{
        if (is_tracepoint(kind))
                return stamp_ns;
        if (kind == EVENT_ENTRY && is_foreign(trail, stamp_ns))
                return trail->tracepoint_ns;
        if ((kind == EVENT_MIN || kind == EVENT_MAJ) && trail->kind == EVENT_ENTRY && trail->is_foreign)
                return trail->tracepoint_ns;
        return MIN_OF(stamp_ns, bound_ns);
}

static void follow(struct trail *trail, const struct record *record)
{
        int kind = record->kind == RECORD_FAULT ? (int)record->fault.event : N_EVENT_KINDS;

        trail->is_foreign = kind == EVENT_ENTRY && is_foreign(trail, record->time_ns);
        trail->kind = kind;
        if (is_tracepoint(kind))
                trail->tracepoint_ns = record->time_ns;
}

/* The key of a ring's next record. false = the ring is empty. */
static bool next_key(struct order *order, size_t ring, struct key *ret)
{
        struct ring ahead = order->rings[ring];
        const struct perf_event_header *header;
        uint64_t stamp_ns, bound_ns = UINT64_MAX;
        int r, kind;

        r = ring_peek(&ahead, &header);
        if (r == RING_EMPTY)
                return false;
        *ret = (struct key){.ring = ring};
        if (r != RING_RECORD)
                return true;
        kind = sample_stamp(order->layout, header, &stamp_ns);
        if (kind < 0)
                return true;
        ring_advance(&ahead, header);
        if (ring_peek(&ahead, &header) == RING_RECORD && sample_time(order->layout, header, &bound_ns) < 0)
                bound_ns = UINT64_MAX;
        ret->time_ns = true_time(&order->trails[ring], kind, stamp_ns, bound_ns);
        return true;
}

static void renew_top(struct order *order)
{
        if (!next_key(order, order->heap[0].ring, &order->heap[0])) {
                order->n_heap--;
                order->heap[0] = order->heap[order->n_heap];
        }
        if (order->n_heap > 1)
                sift_down(order, 0);
}

int order_new(struct ring *rings, size_t n, const struct sample_layout *layout, struct order **ret)
{
        struct order *order;

        order = calloc(1, sizeof(*order));
        if (!order)
                return -ENOMEM;
        order->rings = rings;
        order->n_rings = n;
        order->layout = layout;
        order->heap = calloc(MAX_OF(n, (size_t)1), sizeof(*order->heap));
        order->trails = calloc(MAX_OF(n, (size_t)1), sizeof(*order->trails));
        if (!order->heap || !order->trails) {
                order_free(order);
                return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++)
                order->trails[i].kind = N_EVENT_KINDS;
        *ret = order;
        return 0;
}

struct order *order_free(struct order *order)
{
        if (order) {
                free(order->heap);
                free(order->trails);
                free(order);
        }
        return NULL;
}

void order_begin(struct order *order, uint64_t until_ns)
{
        order->until_ns = until_ns;
        order->top_left = false;
        order->n_heap = 0;
        for (size_t i = 0; i < order->n_rings; i++)
                if (next_key(order, i, &order->heap[order->n_heap]))
                        order->n_heap++;
        for (size_t i = order->n_heap / 2; i-- > 0;)
                sift_down(order, i);
}

/* Take the record at a ring's tail, or, where no record can be made out, everything up to the head. */
static int take(struct order *order, struct ring *ring, struct record *ret)
{
        const struct perf_event_header *header;
        int r;

        if (ring_peek(ring, &header) != RING_RECORD) {
                ring->tail = ring->head;
                return ORDER_BAD;
        }
        r = sample_decode(order->layout, header, ret);
        ring_advance(ring, header);
        return r < 0 ? ORDER_BAD : ORDER_RECORD;
}

int order_next(struct order *order, struct record *ret, size_t *ret_ring)
{
        int r;

        if (order->top_left) {
                order->top_left = false;
                renew_top(order);
        }
        if (order->n_heap == 0 || order->heap[0].time_ns > order->until_ns)
                return ORDER_END;
        order->top_left = true;
        *ret_ring = order->heap[0].ring;
        r = take(order, &order->rings[*ret_ring], ret);
        if (r == ORDER_RECORD)
                follow(&order->trails[*ret_ring], ret);
        else
                order->trails[*ret_ring].kind = N_EVENT_KINDS;
        return r;
}
