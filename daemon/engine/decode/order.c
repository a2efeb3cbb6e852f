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
 *
 * Page events may be stamped by somebody else's clock (true_time()), so for these time alone does not do. What their
 * thread did before is followed from ring to ring instead; their key then depends on a record of another ring, and is
 * renewed when that one leaves.
 */
#include "daemon/engine/decode/order.h"

#include <errno.h>
#include <stdlib.h>

/*
 * From the tracepoint of a fault to its entry there is nothing but the way into the kernel's handler; the larger bound
 * leaves room for a virtual machine's processor that is taken away in between. Where the id says that somebody else's
 * event was stamped, an accident is the less likely explanation.
 */
#define ENTRY_AFTER_NS (UINT64_C(500) * NSEC_PER_USEC)
#define ENTRY_AFTER_OTHERS_NS (UINT64_C(5) * NSEC_PER_USEC)

/* Records that are looked at behind a page event for one with a stamp of our clock. */
#define MAX_LOOKS 4

#define N_THREADS 1024 /* power of two */

struct key {
        uint64_t time_ns;
        size_t ring;
};

/* A piece of a fault that left: what the next piece of the fault goes by. */
struct step {
        int kind; /* EVENT_TP_USER, EVENT_TP_KERNEL or EVENT_ENTRY, N_EVENT_KINDS = none */
        pid_t tid;
        uint64_t addr;
        uint64_t time_ns;  /* when it was really written */
        bool is_ours;      /* the id of an entry is */
        bool is_foreign;   /* the stamp of an entry is of another clock */
        uint64_t ahead_ns; /* how much its stamp is later, modulo 2^64 */
};

/* The last step of a thread, by hash: a newer one takes an older one's place. */
struct thread {
        struct step step;
        uint64_t awaited_in; /* the pass in which a lane depended on such a thread */
};

struct lane {
        struct sample_look next;
        struct step left;      /* the last record that left, if it was a step */
        bool depends;          /* next is a piece of a fault, but left is not the piece before it */
        uint64_t shown, known; /* the ring's head in this pass, in the pass before */
};

struct order {
        struct ring *rings;
        struct lane *lanes; /* of each ring */
        size_t n_rings;
        const struct sample_layout *layout;
        uint64_t until_ns;
        struct key *heap;
        size_t n_heap;
        bool top_left;          /* the record of heap[0] has been given away, its key is to be renewed */
        struct thread *threads; /* N_THREADS */
        uint32_t kinds;         /* EVENT_BIT mask of what there is */
        bool completions_ahead; /* one was stamped later than a record behind it */
        uint64_t pass;
        pid_t moved; /* a thread that a lane depended on and of which a step left, 0 = none */
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

static bool has_tracepoints(const struct order *order)
{
        return order->kinds & (EVENT_BIT(EVENT_TP_USER) | EVENT_BIT(EVENT_TP_KERNEL));
}

static struct thread *thread_of(const struct order *order, pid_t tid)
{
        return &order->threads[(uint32_t)tid * UINT32_C(2654435761) >> 22 & (N_THREADS - 1)];
}

static bool leads_to(const struct step *step, const struct sample_look *look)
{
        return step->tid == look->tid && step->addr == look->addr &&
               (look->kind == EVENT_ENTRY ? is_tracepoint(step->kind) : step->kind == EVENT_ENTRY);
}

static bool goes_on(const struct lane *lane)
{
        return leads_to(&lane->left, &lane->next);
}

/* The piece of the same fault right before this one, NULL = it has not left. */
static const struct step *step_before(const struct order *order, const struct lane *lane)
{
        const struct step *step = goes_on(lane) ? &lane->left : &thread_of(order, lane->next.tid)->step;

        return leads_to(step, &lane->next) ? step : NULL;
}

static bool is_foreign_entry(const struct step *tracepoint, const struct sample_look *entry)
{
        return entry->time_ns < tracepoint->time_ns ||
               entry->time_ns - tracepoint->time_ns > (entry->is_ours ? ENTRY_AFTER_NS : ENTRY_AFTER_OTHERS_NS);
}

static bool is_foreign_completion(const struct step *entry, const struct sample_look *completion)
{
        return entry->is_foreign || (entry->is_ours && !completion->is_ours) || completion->time_ns < entry->time_ns;
}

/* The stamp, of our clock, of a record behind: what stands before it was not written later. UINT64_MAX = none is seen.
 */
static uint64_t bound_behind(const struct order *order, struct ring behind)
{
        const struct perf_event_header *header;
        struct sample_look look;

        for (size_t n = 0; n < MAX_LOOKS; n++) {
                if (ring_peek(&behind, &header) != RING_RECORD || sample_look(order->layout, header, &look) < 0)
                        break;
                if (!sample_is_of_page(look.kind) || !has_tracepoints(order))
                        return look.time_ns;
                ring_advance(&behind, header);
        }
        return UINT64_MAX;
}

/* Where both stamps are by the clock of one observer, the entry tells what that is ahead of ours. */
static uint64_t foreign_completion_time(const struct step *entry, const struct sample_look *look, uint64_t latest_ns)
{
        uint64_t time_ns = look->time_ns - entry->ahead_ns;

        if (entry->is_ours || look->is_ours || time_ns < entry->time_ns || time_ns > latest_ns)
                return entry->time_ns;
        return time_ns;
}

static uint64_t completion_time(struct order *order, const struct step *entry, const struct sample_look *look,
                                uint64_t bound_ns, uint64_t latest_ns)
{
        if (is_foreign_completion(entry, look))
                return foreign_completion_time(entry, look, latest_ns);
        if (bound_ns == UINT64_MAX && order->completions_ahead)
                return entry->time_ns;
        order->completions_ahead |= look->time_ns > latest_ns;
        return MIN_OF(look->time_ns, latest_ns);
}

/*
 * When a page event was really written, as far as can be told. Not simply its stamp: where somebody else samples the
 * same event of the same task by another clock, the kernel stamps once for both, by either clock (kernel/events/core.c,
 * perf_prepare_sample); tracepoints are stamped for each. But a thread does one thing after the other. An entry is
 * taken to be of its tracepoint's time, and a completion whose stamp is not of our clock to be as long after its entry
 * as the stamps say, or else of the entry's time.
 *
 * The piece before may be in another ring, because threads migrate, above all those that sleep for storage. A piece
 * that comes before it waits, as long as may be without being late for the record behind it. Where there is none yet,
 * the end of the next pass is late enough: the piece before was written before this one was seen.
 */
static uint64_t true_time(struct order *order, size_t ring, uint64_t bound_ns)
{
        struct lane *lane = &order->lanes[ring];
        bool was_known = order->rings[ring].tail < lane->known;
        uint64_t latest_ns = bound_ns == UINT64_MAX && was_known ? order->until_ns : bound_ns;
        const struct sample_look *look = &lane->next;
        const struct step *before = step_before(order, lane);
        bool is_entry = look->kind == EVENT_ENTRY;

        lane->depends = !goes_on(lane);
        if (lane->depends)
                thread_of(order, look->tid)->awaited_in = order->pass;
        if (before && is_entry)
                return before->time_ns + lane->depends; /* behind one that goes on from there */
        if (before)
                return completion_time(order, before, look, bound_ns, latest_ns);
        if (is_entry ? !has_tracepoints(order) : !(order->kinds & EVENT_BIT(EVENT_ENTRY)))
                return MIN_OF(look->time_ns, latest_ns);
        return latest_ns;
}

static struct step step_of(const struct order *order, const struct key *key)
{
        const struct lane *lane = &order->lanes[key->ring];
        const struct sample_look *look = &lane->next;
        const struct step *before = step_before(order, lane);
        struct step step = {.kind = N_EVENT_KINDS, .tid = look->tid, .addr = look->addr, .is_ours = look->is_ours};

        if (is_tracepoint(look->kind)) {
                step.kind = look->kind;
                step.time_ns = look->time_ns;
        } else if (look->kind == EVENT_ENTRY) {
                step.kind = look->kind;
                step.time_ns = before ? before->time_ns : MIN_OF(look->time_ns, key->time_ns);
                step.is_foreign = before && is_foreign_entry(before, look);
                step.ahead_ns = look->time_ns - step.time_ns;
        }
        return step;
}

/* A record leaves. */
static void follow(struct order *order, const struct key *key)
{
        struct lane *lane = &order->lanes[key->ring];
        struct step step = step_of(order, key);

        lane->left = step;
        if (sample_is_of_page(lane->next.kind) || is_tracepoint(lane->next.kind)) {
                struct thread *thread = thread_of(order, step.tid);

                thread->step = step;
                if (step.kind != N_EVENT_KINDS && thread->awaited_in == order->pass)
                        order->moved = step.tid;
        }
}

/* The key of a ring's next record. false = the ring is empty. */
static bool next_key(struct order *order, size_t ring, struct key *ret)
{
        struct ring ahead = order->rings[ring];
        struct lane *lane = &order->lanes[ring];
        const struct perf_event_header *header;
        int r;

        r = ring_peek(&ahead, &header);
        if (r == RING_EMPTY)
                return false;
        *ret = (struct key){.ring = ring};
        lane->depends = false;
        lane->next = (struct sample_look){.kind = N_EVENT_KINDS};
        if (r != RING_RECORD || sample_look(order->layout, header, &lane->next) < 0)
                return true;
        ret->time_ns = lane->next.time_ns;
        if (is_tracepoint(lane->next.kind))
                return true;
        ring_advance(&ahead, header);
        if (sample_is_of_page(lane->next.kind))
                ret->time_ns = true_time(order, ring, bound_behind(order, ahead));
        else
                ret->time_ns = MIN_OF(lane->next.time_ns, bound_behind(order, ahead));
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

static void build_heap(struct order *order)
{
        for (size_t i = order->n_heap / 2; i-- > 0;)
                sift_down(order, i);
}

/* The thread that wrote this had ended the fault before, if that was ended at all. */
static bool begins_fault(const struct order *order, const struct sample_look *look)
{
        return is_tracepoint(look->kind) || look->kind == EVENT_TP_HIGH ||
               (look->kind == EVENT_ENTRY && !has_tracepoints(order));
}

/* Whether a completion's stamp may be of another clock, and so not tell when it was written. */
static bool is_doubtful(const struct step *entry, const struct sample_look *completion)
{
        return entry->is_foreign || entry->ahead_ns > ENTRY_AFTER_OTHERS_NS || !completion->is_ours;
}

/* The completion of this entry is among the next records of a ring, and nothing else of its thread before it. */
static bool has_completion(const struct order *order, struct ring ahead, const struct step *entry)
{
        const struct perf_event_header *header;
        struct sample_look look;

        for (size_t n = 0; n < MAX_LOOKS; n++) {
                if (ring_peek(&ahead, &header) != RING_RECORD || sample_look(order->layout, header, &look) < 0)
                        return false;
                if (look.kind != N_EVENT_KINDS && look.tid == entry->tid)
                        return look.addr == entry->addr && (look.kind == EVENT_MIN || look.kind == EVENT_MAJ) &&
                               is_doubtful(entry, &look);
                ring_advance(&ahead, header);
        }
        return false;
}

/*
 * A thread begins a fault while its last one is still open: either that one failed, or its completion is in another
 * ring with a stamp that is later than the truth, by less than what shows at the entry (ENTRY_AFTER_NS). What stands
 * there up to the completion was written before, and goes first. A fault on the same address again tells nothing.
 */
static void put_completion_first(struct order *order)
{
        const struct sample_look *look = &order->lanes[order->heap[0].ring].next;
        const struct step *entry = &thread_of(order, look->tid)->step;

        if (!begins_fault(order, look) || entry->kind != EVENT_ENTRY || entry->tid != look->tid ||
            entry->addr == look->addr)
                return;
        for (size_t i = 1; i < order->n_heap; i++)
                if (has_completion(order, order->rings[order->heap[i].ring], entry)) {
                        order->heap[i].time_ns = 0;
                        build_heap(order);
                        return;
                }
}

/* A step of this thread left: what depends on it has another key now. */
static void renew_dependent(struct order *order, pid_t tid)
{
        for (size_t i = 0; i < order->n_heap; i++) {
                const struct lane *lane = &order->lanes[order->heap[i].ring];

                if (lane->depends && lane->next.tid == tid)
                        (void)next_key(order, order->heap[i].ring, &order->heap[i]); /* what is in the heap has one */
        }
        build_heap(order);
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
        order->lanes = calloc(MAX_OF(n, (size_t)1), sizeof(*order->lanes));
        order->threads = calloc(N_THREADS, sizeof(*order->threads));
        if (!order->heap || !order->lanes || !order->threads) {
                order_free(order);
                return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++)
                order->lanes[i].left.kind = N_EVENT_KINDS;
        for (size_t i = 0; i < N_THREADS; i++)
                order->threads[i].step.kind = N_EVENT_KINDS;
        *ret = order;
        return 0;
}

struct order *order_free(struct order *order)
{
        if (order) {
                free(order->heap);
                free(order->lanes);
                free(order->threads);
                free(order);
        }
        return NULL;
}

void order_begin(struct order *order, uint64_t until_ns)
{
        order->until_ns = until_ns;
        order->kinds = event_ids_kinds(order->layout->ids);
        order->top_left = false;
        order->pass++;
        order->moved = 0;
        order->n_heap = 0;
        for (size_t i = 0; i < order->n_rings; i++) {
                order->lanes[i].known = order->lanes[i].shown;
                order->lanes[i].shown = order->rings[i].head;
                if (next_key(order, i, &order->heap[order->n_heap]))
                        order->n_heap++;
        }
        build_heap(order);
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
        if (order->top_left) {
                order->top_left = false;
                renew_top(order);
        }
        if (order->moved) {
                renew_dependent(order, order->moved);
                order->moved = 0;
        }
        if (order->n_heap == 0 || order->heap[0].time_ns > order->until_ns)
                return ORDER_END;
        put_completion_first(order);
        order->top_left = true;
        *ret_ring = order->heap[0].ring;
        follow(order, &order->heap[0]);
        return take(order, &order->rings[*ret_ring], ret);
}
