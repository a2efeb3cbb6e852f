/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pair.c: the promise that every anchor comes out as exactly one fault, over random records. It is checked against a
 * model that knows nothing of hash tables: an array by thread.
 */
#include "tests/unit/pair_feed.h"

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
        random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t)(random_state >> 33) % n;
}

/* A naive model: what is open for each thread, by direct index. Numbers so far apart fall on each other in a hash
 * table. */
#define N_TIDS 3000
#define TID_STRIDE 64

struct naive_thread {
        bool has_tracepoint, is_open, lost_since_tracepoint, lost_since_entry, has_error_code;
        uint64_t tp_addr, addr, time_ns;
};

struct naive {
        struct naive_thread threads[N_TIDS];
        uint64_t n_anchors, n_out, n_orphans;
};

static struct naive_thread *naive_thread(struct naive *naive, pid_t tid)
{
        return &naive->threads[tid / TID_STRIDE];
}

static void expect_out(struct pair *pair, struct naive *naive, pid_t tid, bool completed)
{
        const struct naive_thread *thread = naive_thread(naive, tid);
        struct fault fault = next(pair);

        assert_int_equal(fault.tid, tid);
        assert_int_equal(fault.time_ns, thread->time_ns);
        assert_int_equal(fault.addr, thread->addr);
        assert_int_equal(fault.completed, completed);
        assert_int_equal(fault.has_error_code, thread->has_error_code);
        assert_int_equal(fault.incomplete, !thread->has_error_code || (!completed && thread->lost_since_entry));
        assert_int_equal(fault.loss_seen, completed && thread->lost_since_entry);
        naive->n_out++;
}

static void naive_abandon(struct pair *pair, struct naive *naive, pid_t tid)
{
        if (naive_thread(naive, tid)->is_open)
                expect_out(pair, naive, tid, false);
        naive_thread(naive, tid)->is_open = false;
}

static void step_lost(struct pair *pair, struct naive *naive)
{
        lost(pair);
        for (size_t i = 0; i < N_TIDS; i++)
                naive->threads[i].lost_since_entry = naive->threads[i].lost_since_tracepoint = true;
}

static void step_completion(struct pair *pair, struct naive *naive, pid_t tid, uint64_t addr, uint64_t time_ns)
{
        struct naive_thread *thread = naive_thread(naive, tid);

        completion(pair, tid, time_ns, addr);
        if (thread->is_open && thread->addr == addr) {
                expect_out(pair, naive, tid, true);
                thread->is_open = false;
        } else {
                naive->n_orphans++;
        }
}

static void step_entry(struct pair *pair, struct naive *naive, pid_t tid, uint64_t addr, uint64_t time_ns)
{
        struct naive_thread *thread = naive_thread(naive, tid);

        entry(pair, tid, time_ns, addr);
        naive_abandon(pair, naive, tid);
        naive->n_anchors++;
        thread->has_error_code = thread->has_tracepoint && thread->tp_addr == addr && !thread->lost_since_tracepoint;
        thread->has_tracepoint = false;
        thread->is_open = true;
        thread->lost_since_entry = false;
        thread->addr = addr;
        thread->time_ns = time_ns;
}

static void step_tracepoint(struct pair *pair, struct naive *naive, pid_t tid, uint64_t addr, uint64_t time_ns)
{
        struct naive_thread *thread = naive_thread(naive, tid);

        tracepoint(pair, tid, time_ns, addr, PF_USER);
        naive_abandon(pair, naive, tid);
        thread->has_tracepoint = true;
        thread->lost_since_tracepoint = false;
        thread->tp_addr = addr;
}

static void step_kernel_address(struct pair *pair, struct naive *naive, pid_t tid, uint64_t time_ns)
{
        feed(pair, fault_record(EVENT_TP_HIGH, tid, time_ns, KERNEL_ADDR));
        naive_abandon(pair, naive, tid);
        naive->n_anchors++;
        assert_int_equal(next(pair).addr, KERNEL_ADDR);
        naive->n_out++;
}

static void step_exit(struct pair *pair, struct naive *naive, pid_t tid)
{
        thread_exit(pair, tid);
        naive_abandon(pair, naive, tid);
        naive_thread(naive, tid)->has_tracepoint = false;
}

static void step_fail(struct pair *pair, struct naive *naive, pid_t tid, uint64_t addr)
{
        struct naive_thread *thread = naive_thread(naive, tid);
        bool is_it = thread->is_open && thread->addr / 0x1000 == addr / 0x1000;

        assert_int_equal(pair_fail(pair, tid, addr), is_it && !thread->lost_since_entry);
        if (!is_it)
                return;
        expect_out(pair, naive, tid, false);
        thread->is_open = false;
}

static void step(struct pair *pair, struct naive *naive, uint32_t n_tids, uint64_t time_ns)
{
        pid_t tid = (pid_t)(1 + random_below(n_tids)) * TID_STRIDE;
        uint64_t addr = UINT64_C(0x10000) + random_below(4) * UINT64_C(0x800);
        uint32_t kind = random_below(100);

        if (kind < 35)
                step_entry(pair, naive, tid, addr, time_ns);
        else if (kind < 65)
                step_tracepoint(pair, naive, tid, addr, time_ns);
        else if (kind < 90)
                step_completion(pair, naive, tid, addr, time_ns);
        else if (kind < 93)
                step_kernel_address(pair, naive, tid, time_ns);
        else if (kind < 97)
                step_exit(pair, naive, tid);
        else if (kind < 99)
                step_fail(pair, naive, tid, addr);
        else if (random_below(20) == 0)
                step_lost(pair, naive);
        assert_none(pair);
}

static void test_against_model(void **state)
{
        static const uint32_t populations[] = {1, 3, 40, 300, N_TIDS - 1};

        for (size_t i = 0; i < ARRAY_SIZE(populations); i++) {
                struct pair *pair = new_pair(DETAIL_FULL);
                struct naive *naive = calloc(1, sizeof(*naive));
                uint64_t n_open = 0;

                assert_non_null(naive);
                random_state = 42 + i;
                for (uint64_t t = 1; t <= 60000; t++)
                        step(pair, naive, populations[i], t);
                for (size_t j = 0; j < N_TIDS; j++)
                        n_open += naive->threads[j].is_open;
                assert_int_equal(pair_end(pair), 0);
                for (; n_open; n_open--) {
                        assert_true(next(pair).ended);
                        naive->n_out++;
                }
                assert_none(pair);
                assert_int_equal(naive->n_out, naive->n_anchors);
                assert_int_equal(pair_stats(pair)->n_anchors, naive->n_anchors);
                assert_int_equal(pair_stats(pair)->n_orphans, naive->n_orphans);
                free(naive);
                pair_free(pair);
        }
}

/*
 * The promise alone, over records of every kind at every detail, with faults taken out only now and then: anchors fed =
 * faults out, and the i-th anchor of a thread is its i-th fault.
 */
static void drain(struct pair *pair, uint64_t *n_out, uint64_t *last_time_of)
{
        struct fault fault;

        while (pair_next(pair, &fault)) {
                ++*n_out;
                assert_true(fault.anchored);
                assert_true(fault.time_ns > last_time_of[fault.tid]);
                last_time_of[fault.tid] = fault.time_ns;
        }
}

static bool is_anchor(enum detail detail, enum event_kind event)
{
        if (detail == DETAIL_BASIC)
                return event == EVENT_MIN || event == EVENT_MAJ;
        return event == EVENT_ENTRY || event == EVENT_TP_HIGH;
}

static bool is_opened(enum detail detail, enum event_kind event)
{
        return event_kinds(detail) & EVENT_BIT(event);
}

static void run_stream(enum detail detail, uint64_t seed)
{
        static const enum record_kind kinds[] = {RECORD_FAULT, RECORD_FAULT, RECORD_FAULT, RECORD_FAULT, RECORD_MAP,
                                                 RECORD_COMM,  RECORD_FORK,  RECORD_EXIT,  RECORD_LOST,  RECORD_OTHER};
        struct pair *pair = new_pair(detail);
        uint64_t n_anchors = 0, n_out = 0, last_time_of[21] = {0};
        unsigned int n_asked = 0;

        random_state = seed;
        for (uint64_t t = 1; t <= 3000; t++) {
                enum record_kind kind = kinds[random_below(ARRAY_SIZE(kinds))];
                enum event_kind event = (enum event_kind)random_below(EVENT_SIDEBAND);
                uint64_t addr = event == EVENT_TP_HIGH ? KERNEL_ADDR : ADDR + random_below(3) * UINT64_C(0x1000);
                struct record record = fault_record(event, (pid_t)(1 + random_below(20)), t, addr);

                record.kind = kind;
                if (kind == RECORD_FAULT && !is_opened(detail, event))
                        continue;
                if (kind == RECORD_MAP)
                        record = map_record(record.tid, addr & ~UINT64_C(0xfff), 0x1000);
                n_anchors += kind == RECORD_FAULT && is_anchor(detail, event);
                feed(pair, record);
                if (random_below(50) == 0)
                        assert_return_code(pair_fail(pair, record.tid, addr), 0);
                if (random_below(50) == 0)
                        assert_int_equal(pair_expire(pair, t - random_below(100), is_at_addr, &n_asked), 0);
                if (random_below(100) == 0)
                        drain(pair, &n_out, last_time_of);
        }
        assert_int_equal(pair_end(pair), 0);
        drain(pair, &n_out, last_time_of);
        assert_int_equal(n_out, n_anchors);
        assert_int_equal(pair_stats(pair)->n_anchors, n_anchors);
        pair_free(pair);
}

static void test_every_anchor_once(void **state)
{
        static const enum detail details[] = {DETAIL_FULL, DETAIL_BASIC, DETAIL_UNPRIVILEGED};

        for (size_t i = 0; i < ARRAY_SIZE(details); i++)
                for (uint64_t seed = 1; seed <= 100; seed++)
                        run_stream(details[i], seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_against_model),
                cmocka_unit_test(test_every_anchor_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
