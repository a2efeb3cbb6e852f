/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time in slices: a ring of the last ones, each with the sums of the tuples that had faults in it.
 *
 * The clock is what the caller tells and what faults bear, whichever is later. Faults may be late (they are told when
 * they are over, and bear the time when they began), so each slice that is still there takes more. Where a tuple's
 * entry in a slice is, the tuple remembers for one even and one odd slice, which is checked and may be wrong: then the
 * slice gets a second entry of the tuple, and the sums are right all the same. Faults with absurd times cost no more
 * than others: one that claims to be from far ahead of a clock that was told counts as from now.
 */
#include <errno.h>
#include <string.h>

#include "client/top/top_private.h"

enum {
        FIRST_ENTRIES = 32,
        AHEAD_MAX = 120, /* slices that faults may be ahead of the clock that was told: it may be told late */
};

static uint32_t sum_of(uint32_t a, uint32_t b)
{
        uint32_t sum;

        return __builtin_add_overflow(a, b, &sum) ? UINT32_MAX : sum;
}

int top_amount_add(struct top_amount *amount, const struct measure *one, const struct proto_event *event)
{
        measure_add(&amount->sum, one);
        amount->n_outcomes[event->outcome < N_OUTCOMES ? event->outcome : OUTCOME_NONE]++;
        amount->n_causes[event->cause < N_CAUSES ? event->cause : CAUSE_UNKNOWN]++;
        return event->latency_ns == PROTO_UNKNOWN ? 0 : latency_add(&amount->latency, event->latency_ns);
}

static void clear_amount(struct top_amount *amount)
{
        struct latency latency = amount->latency;

        latency_clear(&latency);
        *amount = (struct top_amount){.latency = latency};
}

void top_slices_free(struct top_slices *slices)
{
        for (size_t i = 0; i < TOP_SLICES_MAX; i++) {
                free(slices->ring[i].entries);
                latency_free(&slices->ring[i].amount.latency);
        }
}

/* --- slices come and go --- */

static struct top_slice *slice_at(struct top_slices *slices, uint64_t number)
{
        return &slices->ring[number % TOP_SLICES_MAX];
}

static void drop_oldest(struct top_slices *slices, struct top_tuples *tuples)
{
        struct top_slice *slice = slice_at(slices, slices->oldest);

        slices->oldest++;
        if (slice->amount.sum.count > 0)
                slices->lost_until = slices->oldest;
        for (uint32_t i = 0; i < slice->n_entries; i++)
                tuples->tuples[slice->entries[i].tuple].n_refs--;
        slices->n_entries -= slice->n_entries;
        free(slice->entries);
        slice->entries = NULL;
        slice->n_entries = slice->size_entries = 0;
        slice->is_incomplete = false;
        clear_amount(&slice->amount);
}

/* Hardly anything will come for it any more. */
static void trim(struct top_slices *slices, uint64_t number)
{
        struct top_slice *slice = slice_at(slices, number);
        struct top_entry *entries;

        if (number < slices->oldest || slice->n_entries == slice->size_entries || slice->n_entries == 0)
                return;
        entries = realloc(slice->entries, slice->n_entries * sizeof(*entries));
        if (!entries)
                return;
        slice->entries = entries;
        slice->size_entries = slice->n_entries;
}

/* The slots of what has gone are empty, so beyond the current slice there are only empty ones. */
static void advance(struct top_slices *slices, struct top_tuples *tuples, uint64_t number)
{
        uint64_t oldest = number >= TOP_SLICES_MAX ? number - TOP_SLICES_MAX + 1 : 0;

        while (slices->oldest < oldest && slices->oldest <= slices->current)
                drop_oldest(slices, tuples);
        slices->oldest = MAX_OF(slices->oldest, oldest);
        if (slices->current > 0)
                trim(slices, slices->current - 1);
        if (number > slices->current + 1)
                trim(slices, slices->current);
        slices->current = number;
        slices->current_ns = slices->origin_ns + number * TOP_SLICE_NS;
}

static void begin(struct top_slices *slices, uint64_t time_ns)
{
        if (slices->has_origin)
                return;
        slices->has_origin = true;
        slices->origin_ns = slices->clock_ns = slices->current_ns = time_ns;
}

/* The clock shows at least that. */
static void reach(struct top_slices *slices, struct top_tuples *tuples, uint64_t time_ns)
{
        uint64_t number;

        if (time_ns <= slices->clock_ns)
                return;
        slices->clock_ns = time_ns;
        number = (time_ns - slices->origin_ns) / TOP_SLICE_NS;
        if (number > slices->current)
                advance(slices, tuples, number);
}

void top_slices_tick(struct top_slices *slices, struct top_tuples *tuples, uint64_t now_ns)
{
        begin(slices, now_ns);
        slices->is_ticked = true;
        slices->ticked_ns = MAX_OF(slices->ticked_ns, now_ns);
        reach(slices, tuples, now_ns);
}

static bool is_absurd(const struct top_slices *slices, uint64_t time_ns)
{
        return slices->is_ticked && time_ns > slices->ticked_ns &&
               time_ns - slices->ticked_ns > AHEAD_MAX * TOP_SLICE_NS;
}

uint64_t top_slices_of(struct top_slices *slices, struct top_tuples *tuples, uint64_t time_ns)
{
        begin(slices, time_ns);
        if (time_ns > slices->clock_ns && !is_absurd(slices, time_ns))
                reach(slices, tuples, time_ns);
        if (time_ns >= slices->current_ns)
                return slices->current;
        return time_ns > slices->origin_ns ? (time_ns - slices->origin_ns) / TOP_SLICE_NS : 0;
}

/* --- faults of a slice --- */

static struct top_entry *find_entry(struct top_slice *slice, struct top_tuples *tuples, uint64_t number, uint32_t tuple)
{
        uint32_t at = tuples->tuples[tuple].at[number & 1];

        return at < slice->n_entries && slice->entries[at].tuple == tuple ? &slice->entries[at] : NULL;
}

/* "Other" tuples come behind all that had room. */
static struct top_entry *find_other(struct top_slice *slice, uint32_t tuple)
{
        for (uint32_t i = TOP_SLICE_TUPLES_MAX; i < slice->n_entries; i++)
                if (slice->entries[i].tuple == tuple)
                        return &slice->entries[i];
        return NULL;
}

static int grow(struct top_slice *slice)
{
        uint32_t size = slice->size_entries ? slice->size_entries * 2 : FIRST_ENTRIES;
        struct top_entry *entries;

        if (slice->n_entries < slice->size_entries)
                return 0;
        size = MIN_OF(size, TOP_SLICE_TUPLES_MAX + N_CAUSES);
        entries = realloc(slice->entries, size * sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        slice->entries = entries;
        slice->size_entries = size;
        return 0;
}

/* 0, and NULL when the slice has gone to make room; -ENOMEM. */
static int add_entry(struct top_slices *slices, struct top_tuples *tuples, uint64_t number, uint32_t tuple,
                     struct top_entry **ret)
{
        struct top_slice *slice = slice_at(slices, number);

        while (slices->n_entries >= TOP_TUPLES_MAX && slices->oldest <= number)
                drop_oldest(slices, tuples);
        if (number < slices->oldest) {
                *ret = NULL;
                return 0;
        }
        if (grow(slice) < 0)
                return -ENOMEM;
        tuples->tuples[tuple].at[number & 1] = slice->n_entries;
        tuples->tuples[tuple].n_refs++;
        slices->n_entries++;
        *ret = &slice->entries[slice->n_entries++];
        **ret = (struct top_entry){.tuple = tuple};
        return 0;
}

/* 0, and NULL when the slice has gone; -ENOMEM. */
static int entry_of(struct top_slices *slices, struct top_tuples *tuples, uint64_t number, uint32_t tuple,
                    struct top_entry **ret)
{
        struct top_slice *slice = slice_at(slices, number);
        struct top_entry *entry = find_entry(slice, tuples, number, tuple);

        if (!entry && slice->n_entries >= TOP_SLICE_TUPLES_MAX) {
                slice->is_incomplete = true;
                tuple = tuples->tuples[tuple].cause;
                entry = find_other(slice, tuple);
        }
        if (!entry)
                return add_entry(slices, tuples, number, tuple, ret);
        *ret = entry;
        return 0;
}

static void add_sum(struct top_entry *entry, const struct top_sum *one)
{
        struct measure sum = {.bytes = entry->bytes, .time_ns = entry->time_ns, .max_ns = entry->max_ns};

        measure_add(&sum, &one->measure);
        entry->bytes = sum.bytes;
        entry->time_ns = sum.time_ns;
        entry->max_ns = sum.max_ns;
        entry->count = sum_of(entry->count, (uint32_t)one->measure.count);
        entry->n_timed = sum_of(entry->n_timed, (uint32_t)one->measure.n_timed);
        entry->n_major = sum_of(entry->n_major, (uint32_t)one->n_major);
        entry->n_failed = sum_of(entry->n_failed, (uint32_t)one->n_failed);
}

int top_slices_add(struct top_slices *slices, struct top_tuples *tuples, uint64_t number, uint32_t tuple,
                   const struct top_sum *one, const struct proto_event *event)
{
        struct top_slice *slice = slice_at(slices, number);
        struct top_entry *entry;
        int r, with_latency;

        if (number < slices->oldest) {
                slices->lost_until = MAX_OF(slices->lost_until, number + 1);
                return 0;
        }
        slice->is_incomplete |= tuples->tuples[tuple].is_other;
        with_latency = top_amount_add(&slice->amount, &one->measure, event);
        r = entry_of(slices, tuples, number, tuple, &entry);
        if (r < 0) {
                slice->is_incomplete = true;
                return r;
        }
        if (entry)
                add_sum(entry, one);
        return with_latency;
}

/* --- spans --- */

struct top_range top_slices_range(const struct top_slices *slices, const struct top_span *span)
{
        struct top_range range = {.until = MIN_OF(span->until, slices->current)};

        if (span->n_slices == 0)
                range.is_whole = span->until >= slices->current;
        else if (span->n_slices < range.until)
                range.start = range.until - span->n_slices;
        range.is_incomplete = !range.is_whole && range.start < slices->lost_until;
        range.n_last = MIN_OF(range.until - range.start, 2U);
        range.start = MAX_OF(range.start, slices->oldest);
        range.until = MAX_OF(range.until, range.start);
        return range;
}

double top_range_rate(const struct top_range *range, uint64_t n)
{
        return range->n_last ? (double)n / ((double)range->n_last * (double)TOP_SLICE_NS / (double)NSEC_PER_SEC) : 0;
}
