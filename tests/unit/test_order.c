/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * order.c against a reference sort. Every set of three short rings over a small alphabet of stamps and damaged records
 * is merged under every bound, in one pass and in two; then many rings with many records, whose heads move a little at
 * a time.
 *
 * Last, a simulation of what makes time alone insufficient: threads that migrate, stamped by somebody else's clock.
 *
 * The reference treats a stamp that runs backwards, and a record that cannot be read, as one of its predecessor's time,
 * and a stamp that is later than its successor's (of another clock) as one of the successor's time.
 *
 * A record is a PERF_RECORD_LOST whose count is its name: ring * 1000 + place in the ring.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/decode/order.h"
#include "tests/support/records.h"

#define BAD 0 /* in place of a stamp: a record too short to be decoded */

#define MAX_RINGS 64
#define MAX_RECORDS 64
#define RECORD_BYTES 48
#define RING_BYTES 4096

static _Alignas(8) uint8_t scratch[RING_SCRATCH_BYTES];

struct fixture {
        size_t n_rings;
        size_t n[MAX_RINGS];
        uint64_t stamps[MAX_RINGS][MAX_RECORDS];
        uint64_t ends[MAX_RINGS][MAX_RECORDS]; /* position behind the record */
        struct ring rings[MAX_RINGS];
        uint8_t data[MAX_RINGS][RING_BYTES] __attribute__((aligned(8)));
};

struct reference {
        uint64_t key; /* greatest stamp so far in its ring */
        size_t ring, place;
};

static struct fixture fixture;

static uint64_t write_record(struct fixture *f, size_t ring, size_t place, uint64_t position)
{
        const struct perf_event_header *header;
        struct record_bytes bytes;

        if (f->stamps[ring][place] == BAD) {
                begin_record(&bytes, PERF_RECORD_LOST, 0);
                put_u64(&bytes, 1);
                header = finish_record(&bytes);
        } else {
                header = encode_lost(&bytes, ring * 1000 + place, f->stamps[ring][place]);
        }
        for (size_t i = 0; i < header->size; i++)
                f->data[ring][(position + i) % RING_BYTES] = bytes.data[i];
        return position + header->size;
}

/* Lay all records out; the rings begin a little before their end, so that records wrap. */
static void write_rings(struct fixture *f)
{
        for (size_t ring = 0; ring < f->n_rings; ring++) {
                uint64_t position = RING_BYTES - 8 - 8 * (ring % 8);

                f->rings[ring] = (struct ring){.data = f->data[ring],
                                               .size_bytes = RING_BYTES,
                                               .tail = position,
                                               .head = position,
                                               .scratch = scratch};
                for (size_t place = 0; place < f->n[ring]; place++) {
                        position = write_record(f, ring, place, position);
                        f->ends[ring][place] = position;
                }
        }
}

static void show_up_to(struct fixture *f, size_t ring, size_t n)
{
        if (n > 0)
                f->rings[ring].head = f->ends[ring][n - 1];
}

static void show_all(struct fixture *f)
{
        for (size_t ring = 0; ring < f->n_rings; ring++)
                show_up_to(f, ring, f->n[ring]);
}

static int compare_references(const void *a, const void *b)
{
        const struct reference *x = a, *y = b;

        if (x->key != y->key)
                return x->key < y->key ? -1 : 1;
        if (x->ring != y->ring)
                return x->ring < y->ring ? -1 : 1;
        return x->place < y->place ? -1 : x->place > y->place;
}

static uint64_t true_stamp(const struct fixture *f, size_t ring, size_t place)
{
        uint64_t stamp = f->stamps[ring][place];
        uint64_t next = place + 1 < f->n[ring] ? f->stamps[ring][place + 1] : BAD;

        return next == BAD ? stamp : MIN_OF(stamp, next);
}

static size_t sort_reference(const struct fixture *f, struct reference *ret)
{
        size_t n = 0;

        for (size_t ring = 0; ring < f->n_rings; ring++) {
                uint64_t key = 0;

                for (size_t place = 0; place < f->n[ring]; place++) {
                        key = MAX_OF(key, true_stamp(f, ring, place));
                        ret[n++] = (struct reference){key, ring, place};
                }
        }
        qsort(ret, n, sizeof(*ret), compare_references);
        return n;
}

static void check_one(const struct fixture *f, int outcome, const struct record *record, size_t ring,
                      const struct reference *expected)
{
        uint64_t stamp = f->stamps[expected->ring][expected->place];

        assert_int_equal(outcome, stamp == BAD ? ORDER_BAD : ORDER_RECORD);
        assert_int_equal(ring, expected->ring);
        assert_int_equal(f->rings[ring].tail, f->ends[ring][expected->place]);
        if (outcome == ORDER_RECORD) {
                assert_int_equal(record->kind, RECORD_LOST);
                assert_int_equal(record->lost.n, expected->ring * 1000 + expected->place);
                assert_int_equal(record->time_ns, stamp);
        }
}

/* One pass: exactly the references from *next on with a key up to until_ns. */
static void check_pass(const struct fixture *f, struct order *order, uint64_t until_ns,
                       const struct reference *expected, size_t n_expected, size_t *next)
{
        struct record record, untouched;
        size_t ring = SIZE_MAX;

        order_begin(order, until_ns);
        for (; *next < n_expected && expected[*next].key <= until_ns; (*next)++) {
                int r = order_next(order, &record, &ring);

                check_one(f, r, &record, ring, &expected[*next]);
        }
        memset(&record, 0xa5, sizeof(record));
        memset(&untouched, 0xa5, sizeof(untouched));
        ring = 4711;
        assert_int_equal(order_next(order, &record, &ring), ORDER_END);
        assert_int_equal(order_next(order, &record, &ring), ORDER_END); /* and stays there */
        assert_memory_equal(&record, &untouched, sizeof(record));
        assert_int_equal(ring, 4711);
}

static void check_merge(struct fixture *f, uint64_t until_ns)
{
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};
        struct reference expected[MAX_RINGS * MAX_RECORDS];
        struct order *order = NULL;
        size_t n_expected, next = 0;

        write_rings(f);
        show_all(f);
        n_expected = sort_reference(f, expected);
        assert_int_equal(order_new(f->rings, f->n_rings, &layout, &order), 0);
        check_pass(f, order, until_ns, expected, n_expected, &next);
        check_pass(f, order, UINT64_MAX, expected, n_expected, &next);
        assert_int_equal(next, n_expected);
        assert_null(order_free(order));
}

/* Sequences of up to two of {BAD, 1, 2, 3}: 1 + 4 + 16 of them. */
#define N_SEQUENCES 21

static void set_sequence(struct fixture *f, size_t ring, size_t number)
{
        if (number == 0) {
                f->n[ring] = 0;
        } else if (number < 5) {
                f->n[ring] = 1;
                f->stamps[ring][0] = number - 1;
        } else {
                f->n[ring] = 2;
                f->stamps[ring][0] = (number - 5) / 4;
                f->stamps[ring][1] = (number - 5) % 4;
        }
}

static void test_every_small_case(void **state)
{
        fixture.n_rings = 3;
        for (size_t a = 0; a < N_SEQUENCES; a++) {
                set_sequence(&fixture, 0, a);
                for (size_t b = 0; b < N_SEQUENCES; b++) {
                        set_sequence(&fixture, 1, b);
                        for (size_t c = 0; c < N_SEQUENCES; c++) {
                                set_sequence(&fixture, 2, c);
                                for (uint64_t until_ns = 0; until_ns <= 3; until_ns++)
                                        check_merge(&fixture, until_ns);
                        }
                }
        }
}

/* A linear congruential generator (Knuth's MMIX constants): the same numbers in every run. */
static uint32_t next_random(uint64_t *seed)
{
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t)(*seed >> 33);
}

static void fill_randomly(struct fixture *f, size_t n_rings, bool backwards, uint64_t *seed)
{
        f->n_rings = n_rings;
        for (size_t ring = 0; ring < n_rings; ring++) {
                uint64_t now = 1 + next_random(seed) % 50;

                f->n[ring] = next_random(seed) % (MAX_RECORDS + 1);
                for (size_t place = 0; place < f->n[ring]; place++) {
                        uint32_t what = next_random(seed) % 32;

                        now += next_random(seed) % 8;
                        f->stamps[ring][place] = what == 0 ? BAD : what == 1 && backwards ? now / 2 + 1 : now;
                }
        }
}

static void test_many_rings(void **state)
{
        uint64_t seed = 1;

        for (size_t n_rings = 0; n_rings <= MAX_RINGS; n_rings++) {
                fill_randomly(&fixture, n_rings, true, &seed);
                check_merge(&fixture, next_random(&seed) % 300);
        }
}

/* As in life: a pass every few ticks, and a ring shows whatever had been stamped by then. */
static void test_many_passes(void **state)
{
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};
        struct reference expected[MAX_RINGS * MAX_RECORDS];
        size_t n_expected, next = 0, shown[MAX_RINGS] = {0};
        struct fixture *f = &fixture;
        struct order *order = NULL;
        uint64_t seed = 2;

        fill_randomly(f, 16, false, &seed);
        write_rings(f);
        n_expected = sort_reference(f, expected);
        assert_int_equal(order_new(f->rings, f->n_rings, &layout, &order), 0);
        for (uint64_t now = 0; now <= 600; now += 1 + next_random(&seed) % 9) {
                uint64_t late = now + next_random(&seed) % 20; /* some heads are read later than the clock */

                for (size_t ring = 0; ring < f->n_rings; ring++) {
                        uint64_t seen_until = ring % 2 ? now : late;

                        while (shown[ring] < f->n[ring] && f->stamps[ring][shown[ring]] <= seen_until)
                                shown[ring]++;
                        show_up_to(f, ring, shown[ring]);
                }
                check_pass(f, order, now, expected, n_expected, &next);
        }
        assert_int_equal(next, n_expected);
        order_free(order);
}

/* A pass that is broken off goes on with the next one. */
static void test_pass_broken_off(void **state)
{
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};
        struct fixture *f = &fixture;
        struct order *order = NULL;
        struct record record;
        size_t ring;

        f->n_rings = 2;
        f->n[0] = f->n[1] = 2;
        for (size_t i = 0; i < 4; i++)
                f->stamps[i % 2][i / 2] = 10 + i;
        write_rings(f);
        show_all(f);
        assert_int_equal(order_new(f->rings, 2, &layout, &order), 0);
        for (size_t i = 0; i < 4; i++) {
                order_begin(order, 100);
                assert_int_equal(order_next(order, &record, &ring), ORDER_RECORD);
                assert_int_equal(record.time_ns, 10 + i);
                assert_int_equal(ring, i % 2);
        }
        assert_int_equal(order_next(order, &record, &ring), ORDER_END);
        order_free(order);
}

/* A record that cannot be read waits for nobody, whatever waited in its place before. */
static void test_bad_record_beside_a_waiting_one(void **state)
{
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};
        struct fixture *f = &fixture;
        struct order *order = NULL;
        struct record record;
        size_t ring = SIZE_MAX;

        f->n_rings = 2;
        f->n[0] = f->n[1] = 1;
        f->stamps[0][0] = BAD;
        f->stamps[1][0] = 500;
        write_rings(f);
        assert_int_equal(order_new(f->rings, 2, &layout, &order), 0);
        show_up_to(f, 1, 1);
        order_begin(order, 100);
        assert_int_equal(order_next(order, &record, &ring), ORDER_END);
        show_up_to(f, 0, 1);
        order_begin(order, 100);
        assert_int_equal(order_next(order, &record, &ring), ORDER_BAD);
        assert_int_equal(ring, 0);
        assert_int_equal(order_next(order, &record, &ring), ORDER_END);
        order_free(order);
}

/* A size that makes no record costs what lies up to the head of that ring, in its turn, and nothing of the others. */
static void test_broken_ring(void **state)
{
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};
        struct perf_event_header broken = {.type = PERF_RECORD_LOST, .size = 4};
        struct fixture *f = &fixture;
        struct order *order = NULL;
        struct record record;
        size_t ring;

        f->n_rings = 2;
        f->n[0] = 3;
        f->n[1] = 2;
        for (size_t i = 0; i < 5; i++)
                f->stamps[i % 2][i / 2] = 10 + i;
        write_rings(f);
        show_all(f);
        memcpy(f->data[0] + f->ends[0][0] % RING_BYTES, &broken, sizeof(broken));
        assert_int_equal(order_new(f->rings, 2, &layout, &order), 0);
        order_begin(order, 100);
        assert_int_equal(order_next(order, &record, &ring), ORDER_RECORD);
        assert_int_equal(record.time_ns, 10);
        assert_int_equal(order_next(order, &record, &ring), ORDER_BAD);
        assert_int_equal(ring, 0);
        assert_int_equal(f->rings[0].tail, f->rings[0].head);
        for (uint64_t stamp = 11; stamp <= 13; stamp += 2) {
                assert_int_equal(order_next(order, &record, &ring), ORDER_RECORD);
                assert_int_equal(ring, 1);
                assert_int_equal(record.time_ns, stamp);
        }
        assert_int_equal(order_next(order, &record, &ring), ORDER_END);
        order_free(order);
}

/* What a record points to is its own bytes, though all rings share one scratch and each of these wraps. */
static void test_strings_of_wrapped_records(void **state)
{
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};
        struct fixture *f = &fixture;
        struct order *order = NULL;
        struct record record;
        char comm[8] = "ring-?";
        size_t ring;

        f->n_rings = 8;
        memset(f->n, 0, sizeof(f->n));
        write_rings(f);
        for (size_t i = 0; i < f->n_rings; i++) {
                struct record_bytes bytes;

                f->rings[i].tail = f->rings[i].head = RING_BYTES - 16;
                comm[5] = (char)('0' + i);
                begin_record(&bytes, PERF_RECORD_COMM, 0);
                put_u64(&bytes, i);
                put_string(&bytes, comm);
                finish_with_trailer(&bytes, 1, 2, 100 - i, 3);
                for (size_t at = 0; at < bytes.n; at++)
                        f->data[i][(f->rings[i].head++) % RING_BYTES] = bytes.data[at];
        }
        assert_int_equal(order_new(f->rings, f->n_rings, &layout, &order), 0);
        order_begin(order, 100);
        for (size_t i = f->n_rings; i-- > 0;) {
                assert_int_equal(order_next(order, &record, &ring), ORDER_RECORD);
                assert_int_equal(ring, i);
                comm[5] = (char)('0' + i);
                assert_string_equal(record.comm.comm, comm);
        }
        assert_int_equal(order_next(order, &record, &ring), ORDER_END);
        order_free(order);
}

/* One fault of a thread: tracepoint, entry, completion, the last two stamped by a clock that is `skew` ahead. */
static uint64_t write_fault(struct fixture *f, size_t ring, uint64_t position, uint64_t time_ns, int64_t skew,
                            bool skew_completion)
{
        static const enum event_kind kinds[] = {EVENT_TP_USER, EVENT_ENTRY, EVENT_MIN};

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                bool is_skewed = i == 1 || (i == 2 && skew_completion);
                struct sample_values values = {.id = 1 + kinds[i],
                                               .tid = 7,
                                               .time = time_ns + i * 500 + (is_skewed ? (uint64_t)skew : 0),
                                               .addr = 0x1000 * ring,
                                               .raw_addr = 0x1000 * ring,
                                               .n_raw_tail = 4};
                const struct perf_event_header *header;
                struct record_bytes bytes;

                header = encode_sample(&bytes, event_sample_type(kinds[i], DETAIL_FULL, true, 0), &values);
                memcpy(f->data[ring] + position, header, header->size);
                position += header->size;
        }
        return position;
}

/*
 * A thread that goes from CPU to CPU while somebody else samples its software events by another clock, ahead or behind:
 * its faults come out one after the other, each in one piece.
 */
static void test_foreign_stamps(void **state)
{
        static const int64_t skews[] = {0, 1200000, -1200000, 1000000000000, -1000000000};
        struct link_event_id pairs[N_EVENT_KINDS];
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};
        struct event_ids *ids = NULL;

        for (uint32_t kind = 0; kind < N_EVENT_KINDS; kind++)
                pairs[kind] = (struct link_event_id){.id = 1 + kind, .kind = kind};
        assert_int_equal(event_ids_new(pairs, N_EVENT_KINDS, &ids), 0);
        layout.ids = ids;
        for (size_t i = 0; i < ARRAY_SIZE(skews) * 2; i++) {
                struct order *order = NULL;
                struct record record;
                size_t ring;

                for (ring = 0; ring < 4; ring++) {
                        uint64_t start = UINT64_C(2000000000) + (3 - ring) * 10000; /* the last ring is the first CPU */

                        fixture.rings[ring] =
                                (struct ring){.data = fixture.data[ring], .size_bytes = RING_BYTES, .scratch = scratch};
                        fixture.rings[ring].head = write_fault(&fixture, ring, 0, start, skews[i / 2], i % 2);
                }
                assert_int_equal(order_new(fixture.rings, 4, &layout, &order), 0);
                order_begin(order, UINT64_C(2000100000));
                for (size_t n = 0; n < 12; n++) {
                        static const enum event_kind kinds[] = {EVENT_TP_USER, EVENT_ENTRY, EVENT_MIN};

                        assert_int_equal(order_next(order, &record, &ring), ORDER_RECORD);
                        assert_int_equal(ring, 3 - n / 3);
                        assert_int_equal(record.fault.event, kinds[n % 3]);
                }
                assert_int_equal(order_next(order, &record, &ring), ORDER_END);
                assert_null(order_free(order));
        }
        event_ids_free(ids);
}

/*
 * Threads that fault, sleep, fail, and are moved from CPU to CPU between any two pieces of a fault, as the kernel would
 * write it down while somebody else samples some of their software events by another clock.
 */
#define SIM_THREADS 5
#define SIM_RINGS 4
#define SIM_RING_BYTES (1u << 16)
#define SIM_RECORDS 1500

struct observer {
        uint32_t kinds; /* that it samples: these have its clock */
        bool has_ids;   /* and its ids */
        int64_t skew_ns;
        bool no_retries; /* two faults of a thread on one address, the first of which failed, cannot be told apart */
};

struct written {
        uint64_t true_ns, end; /* end: position behind it in its ring */
        size_t ring;
        uint32_t tid, kind;
        uint64_t addr;
};

struct sim {
        uint64_t seed, now_ns;
        struct observer observer;
        struct {
                size_t cpu;
                bool retries;  /* the address of the fault before, which failed */
                uint32_t next; /* kind of the next piece */
                uint64_t addr, wakes_ns;
        } threads[SIM_THREADS];
        struct ring rings[SIM_RINGS];
        struct written written[SIM_RECORDS];
        size_t n;
};

static struct sim sim;
static uint8_t sim_data[SIM_RINGS][SIM_RING_BYTES] __attribute__((aligned(8)));

static bool sim_chance(struct sim *s, uint32_t one_in)
{
        return next_random(&s->seed) % one_in == 0;
}

static void sim_write(struct sim *s, uint32_t thread)
{
        uint32_t kind = s->threads[thread].next;
        bool foreign = s->observer.kinds & EVENT_BIT(kind);
        struct written *written = &s->written[s->n++];
        const struct perf_event_header *header;
        struct record_bytes bytes;
        struct sample_values values = {.id = foreign && s->observer.has_ids ? 1000 : 1 + kind,
                                       .pid = 100,
                                       .tid = 100 + thread,
                                       .time = s->now_ns + (foreign ? (uint64_t)s->observer.skew_ns : 0),
                                       .addr = s->threads[thread].addr,
                                       .raw_addr = s->threads[thread].addr,
                                       .n_raw_tail = 4};

        header = encode_sample(&bytes, event_sample_type((enum event_kind)kind, DETAIL_FULL, true, 0), &values);
        *written = (struct written){s->now_ns, 0, s->threads[thread].cpu, values.tid, kind, values.addr};
        memcpy(sim_data[written->ring] + s->rings[written->ring].head, header, header->size);
        s->rings[written->ring].head += header->size;
        written->end = s->rings[written->ring].head;
        assert_true(written->end <= SIM_RING_BYTES);
}

/* What the thread does next, and when: on its way through a fault it is quick, unless it has to wait for storage. */
static void sim_step(struct sim *s, uint32_t thread)
{
        uint32_t done = s->threads[thread].next, next = EVENT_TP_USER;
        bool fails = done == EVENT_ENTRY && sim_chance(s, 10);
        uint64_t pause_ns = 500 + next_random(&s->seed) % 1000;

        if (done == EVENT_TP_USER) {
                next = EVENT_ENTRY;
                pause_ns = 200 + next_random(&s->seed) % 200;
        } else if (fails) {
                pause_ns += 5000; /* a signal is delivered */
        } else if (done == EVENT_ENTRY) {
                next = sim_chance(s, 2) ? EVENT_MAJ : EVENT_MIN;
                pause_ns += sim_chance(s, 2) ? next_random(&s->seed) % 2000000 : 0;
        }
        if (next == EVENT_TP_USER) {
                s->threads[thread].retries = fails && !s->observer.no_retries && sim_chance(s, 2);
                s->threads[thread].addr += s->threads[thread].retries ? 0 : 0x1000;
        }
        /* Seldom in the few instructions before the entry; twice in a row, and all on one address: not at all. */
        if (sim_chance(s, next != EVENT_ENTRY ? 2 : s->threads[thread].retries ? UINT32_MAX : 50))
                s->threads[thread].cpu = next_random(&s->seed) % SIM_RINGS;
        s->threads[thread].next = next;
        s->threads[thread].wakes_ns = s->now_ns + pause_ns;
}

static void sim_run(struct sim *s, size_t n_threads)
{
        while (s->n < SIM_RECORDS) {
                uint32_t first = 0;

                for (uint32_t i = 1; i < n_threads; i++)
                        if (s->threads[i].wakes_ns < s->threads[first].wakes_ns)
                                first = i;
                s->now_ns = MAX_OF(s->now_ns + 1, s->threads[first].wakes_ns);
                sim_write(s, first);
                sim_step(s, first);
        }
}

static void sim_begin(struct sim *s, uint64_t seed, const struct observer *observer, size_t n_threads)
{
        memset(s, 0, sizeof(*s));
        s->seed = seed;
        s->observer = *observer;
        s->now_ns = UINT64_C(3000000000);
        for (uint32_t i = 0; i < n_threads; i++) {
                s->threads[i].next = EVENT_TP_USER;
                s->threads[i].addr = UINT64_C(0x100000000) * (1 + i);
                s->threads[i].wakes_ns = s->now_ns + i * 100;
        }
        for (size_t i = 0; i < SIM_RINGS; i++)
                s->rings[i] = (struct ring){.data = sim_data[i], .size_bytes = SIM_RING_BYTES, .scratch = scratch};
}

/* The heads as they are read one after the other, a moment after the clock. */
static void sim_show(struct sim *s, uint64_t now_ns)
{
        uint64_t seen_ns[SIM_RINGS];

        for (size_t i = 0; i < SIM_RINGS; i++)
                seen_ns[i] = now_ns += next_random(&s->seed) % 5000;
        for (size_t i = 0; i < s->n; i++)
                if (s->written[i].true_ns <= seen_ns[s->written[i].ring] &&
                    s->written[i].end > s->rings[s->written[i].ring].head)
                        s->rings[s->written[i].ring].head = s->written[i].end;
}

/* What leaves is the next thing that its thread did. */
static void sim_check(struct sim *s, struct order *order, size_t *next)
{
        struct record record;
        size_t ring;
        int r;

        while ((r = order_next(order, &record, &ring)) != ORDER_END) {
                size_t *at = &next[record.tid - 100];

                assert_int_equal(r, ORDER_RECORD);
                while (s->written[*at].tid != (uint32_t)record.tid)
                        (*at)++;
                assert_int_equal(record.fault.addr, s->written[*at].addr);
                assert_int_equal(record.fault.event, s->written[*at].kind);
                assert_int_equal(ring, s->written[*at].ring);
                (*at)++;
        }
}

static void sim_pass_all(struct sim *s, const struct sample_layout *layout, uint64_t step_ns)
{
        size_t next[SIM_THREADS] = {0};
        struct order *order = NULL;

        for (size_t i = 0; i < SIM_RINGS; i++)
                s->rings[i].head = 0;
        assert_int_equal(order_new(s->rings, SIM_RINGS, layout, &order), 0);
        for (uint64_t now_ns = UINT64_C(3000000000); now_ns < s->now_ns;
             now_ns += 20000 + next_random(&s->seed) % step_ns) {
                sim_show(s, now_ns);
                order_begin(order, now_ns);
                sim_check(s, order, next);
        }
        sim_show(s, s->now_ns);
        order_begin(order, UINT64_MAX);
        sim_check(s, order, next);
        for (size_t i = 0; i < SIM_RINGS; i++)
                assert_int_equal(s->rings[i].tail, s->rings[i].head);
        order_free(order);
}

static void test_migrating_threads(void **state)
{
        static const uint32_t entries = EVENT_BIT(EVENT_ENTRY),
                              completions = EVENT_BIT(EVENT_MIN) | EVENT_BIT(EVENT_MAJ);
        const struct observer observers[] = {
                {0, false, 0, false},
                {entries | completions, true, 0, false},
                {entries | completions, true, 970000, false},
                {entries | completions, true, 300000, false},
                {entries | completions, true, -300000, false},
                {entries | completions, true, 1000000000000, false},
                {entries | completions, true, -1000000000, false},
                {entries | completions, false, 970000, true},
                {entries | completions, false, 346000, true},
                {entries | completions, false, 20000, true},
                {entries | completions, false, -300000, true},
                {entries, false, 970000, true},
                {entries, false, 300000, true},
                {entries, false, -970000, true},
                {completions, true, 970000, true},
                {completions, true, -970000, true},
                {completions, false, -970000, true},
                {EVENT_BIT(EVENT_MAJ), true, 300000, true},
                {EVENT_BIT(EVENT_MAJ), false, -300000, true},
        };
        struct link_event_id pairs[N_EVENT_KINDS];
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};
        struct event_ids *ids = NULL;

        for (uint32_t kind = 0; kind < N_EVENT_KINDS; kind++)
                pairs[kind] = (struct link_event_id){.id = 1 + kind, .kind = kind};
        assert_int_equal(event_ids_new(pairs, N_EVENT_KINDS, &ids), 0);
        layout.ids = ids;
        for (size_t i = 0; i < ARRAY_SIZE(observers); i++)
                for (size_t n_threads = 1; n_threads <= SIM_THREADS; n_threads++)
                        for (uint64_t seed = 0; seed < 8; seed++) {
                                sim_begin(&sim, 1 + seed, &observers[i], n_threads);
                                sim_run(&sim, n_threads);
                                sim_pass_all(&sim, &layout, seed % 2 ? 200000 : 20000000);
                        }
        event_ids_free(ids);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_small_case),
                cmocka_unit_test(test_many_rings),
                cmocka_unit_test(test_many_passes),
                cmocka_unit_test(test_foreign_stamps),
                cmocka_unit_test(test_migrating_threads),
                cmocka_unit_test(test_pass_broken_off),
                cmocka_unit_test(test_broken_ring),
                cmocka_unit_test(test_bad_record_beside_a_waiting_one),
                cmocka_unit_test(test_strings_of_wrapped_records),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
