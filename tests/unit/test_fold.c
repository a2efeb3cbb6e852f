/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs of faults: single cases by hand; random streams of one thread against a naive model that looks at the whole
 * stream at once; random streams of several threads against what a reader relies on: every fault comes out exactly
 * once, in order, and waits for nobody too long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/fold.h"

enum { PAGE_BYTES = 4096, STREAM = 20000 };

static const struct state state, other_state;

static struct proto_event fault_at(uint64_t page)
{
        return (struct proto_event){.addr = page * PAGE_BYTES + 8,
                                    .ip = 0x401000,
                                    .latency_ns = 1000,
                                    .thread = 1,
                                    .map = 1,
                                    .code = 1,
                                    .outcome = OUTCOME_MINOR,
                                    .cause = CAUSE_ZERO_FILL,
                                    .access = ACCESS_WRITE,
                                    .page_shift = 12};
}

static void add(struct fold *fold, struct proto_event event)
{
        fold_add(fold, &state, &event);
}

static void assert_next(struct fold *fold, uint64_t page, uint64_t n_faults)
{
        const struct fold_run *run = fold_next(fold);

        assert_non_null(run);
        assert_int_equal(run->event.addr / PAGE_BYTES, page);
        assert_int_equal(run->sum.count, n_faults);
}

static void test_up_and_down(void **unused)
{
        static const uint64_t pages[] = {100, 101, 102, 103, 50, 49, 48};
        struct fold fold = {0};

        for (size_t i = 0; i < 4; i++) {
                add(&fold, fault_at(pages[i]));
                assert_null(fold_next(&fold));
        }
        add(&fold, fault_at(pages[4]));
        assert_next(&fold, 100, 4);
        assert_null(fold_next(&fold));
        add(&fold, fault_at(pages[5]));
        add(&fold, fault_at(pages[6]));
        fold_close(&fold);
        assert_next(&fold, 50, 3);
        assert_null(fold_next(&fold));
}

/* Up, and then down again: a direction is one run's. */
static void test_two_stay_two(void **unused)
{
        struct fold fold = {0};

        add(&fold, fault_at(100));
        add(&fold, fault_at(101));
        add(&fold, fault_at(100));
        assert_next(&fold, 100, 1);
        assert_next(&fold, 101, 1);
        assert_null(fold_next(&fold));
        fold_close(&fold);
        assert_next(&fold, 100, 1);
}

static void test_sums(void **unused)
{
        struct fold fold = {0};
        struct proto_event event;

        for (uint64_t i = 0; i < 4; i++) {
                event = fault_at(i);
                event.latency_ns = i == 3 ? PROTO_UNKNOWN : 10 + i;
                add(&fold, event);
        }
        fold_close(&fold);
        {
                const struct fold_run *run = fold_next(&fold);

                assert_non_null(run);
                assert_int_equal(run->sum.count, 4);
                assert_int_equal(run->sum.n_timed, 3);
                assert_int_equal(run->sum.time_ns, 33);
                assert_int_equal(run->sum.max_ns, 12);
                assert_true(run->one_ip);
        }
}

static void change_thread(struct proto_event *e)
{
        e->thread = 2;
}

static void change_map(struct proto_event *e)
{
        e->map = 2;
}

static void change_code(struct proto_event *e)
{
        e->code = 2;
}

static void change_caller(struct proto_event *e)
{
        e->caller = 2;
}

static void change_stack(struct proto_event *e)
{
        e->stack = 2;
}

static void change_outcome(struct proto_event *e)
{
        e->outcome = OUTCOME_MAJOR;
}

static void change_cause(struct proto_event *e)
{
        e->cause = CAUSE_ZERO_PAGE;
}

static void change_access(struct proto_event *e)
{
        e->access = ACCESS_READ;
}

static void change_mode(struct proto_event *e)
{
        e->flags = PROTO_EVENT_KERNEL_MODE;
}

static void change_size(struct proto_event *e)
{
        e->page_shift = 21;
}

static void change_page(struct proto_event *e)
{
        e->addr += PAGE_BYTES;
}

static void change_time(struct proto_event *e)
{
        e->time_ns += FOLD_QUIET_NS + 1;
}

static void turn_failed(struct proto_event *e)
{
        e->outcome = OUTCOME_FAILED;
}

static void turn_interrupted(struct proto_event *e)
{
        e->outcome = OUTCOME_INTERRUPTED;
}

/* Each of them alone makes a fault that is not like those before it. */
static void test_what_ends_a_run(void **unused)
{
        static void (*const changes[])(struct proto_event *) = {
                change_thread, change_map,  change_code, change_caller, change_stack, change_outcome, change_cause,
                change_access, change_mode, change_size, change_page,   change_time,  turn_failed,    turn_interrupted};

        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                struct proto_event event = fault_at(3);
                struct fold fold = {0};

                for (uint64_t page = 0; page < 3; page++)
                        add(&fold, fault_at(page));
                changes[i](&event);
                add(&fold, event);
                fold_close(&fold);
                assert_next(&fold, 0, 3);
                assert_next(&fold, changes[i] == change_page ? 4 : 3, 1);
                assert_null(fold_next(&fold));
        }
}

/* Failed, interrupted, emulated, open, incomplete ones are each worth a line. */
static void test_what_never_folds(void **unused)
{
        for (unsigned int outcome = 0; outcome < 256; outcome++) {
                struct fold fold = {0};

                if (outcome == OUTCOME_MINOR || outcome == OUTCOME_MAJOR)
                        continue;
                for (uint64_t page = 0; page < 5; page++) {
                        struct proto_event event = fault_at(page);

                        event.outcome = (uint8_t)outcome;
                        add(&fold, event);
                        assert_next(&fold, page, 1);
                }
        }
}

/* Code with a name may have many instructions; without one it is its address. */
static void test_code(void **unused)
{
        struct proto_event events[4];

        for (uint32_t code = 0; code < 2; code++) {
                struct fold fold = {0};

                for (uint64_t i = 0; i < ARRAY_SIZE(events); i++) {
                        events[i] = fault_at(i);
                        events[i].code = code;
                        events[i].ip += i / 3;
                        add(&fold, events[i]);
                }
                fold_close(&fold);
                if (code == 0) {
                        assert_next(&fold, 0, 3);
                        assert_next(&fold, 3, 1);
                } else {
                        const struct fold_run *run = fold_next(&fold);

                        assert_non_null(run);
                        assert_int_equal(run->sum.count, 4);
                        assert_false(run->one_ip);
                }
        }
}

static void test_large_pages(void **unused)
{
        struct fold fold = {0};

        for (uint64_t i = 0; i < 3; i++) {
                struct proto_event event = fault_at(0);

                event.page_shift = 21;
                event.addr = (i << 21) + 4096 * i;
                add(&fold, event);
        }
        fold_close(&fold);
        assert_next(&fold, 0, 3);
}

/* The ends of the address space do not follow each other, and sizes that no page has are left alone. */
static void test_extremes(void **unused)
{
        const uint64_t last = UINT64_MAX / PAGE_BYTES;
        const uint64_t pages[] = {last - 1, last, 0, 1};
        struct fold fold = {0};

        for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
                add(&fold, fault_at(pages[i]));
        fold_close(&fold);
        for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
                assert_next(&fold, pages[i], 1);
        for (unsigned int shift = 0; shift < 256; shift++) {
                for (uint64_t i = 0; i < 4; i++) {
                        struct proto_event event = fault_at(i);

                        event.page_shift = (uint8_t)shift;
                        event.time_ns = shift % 2 ? UINT64_MAX - i : i;
                        add(&fold, event);
                        while (fold_next(&fold))
                                ;
                }
        }
}

static void test_threads_take_turns(void **unused)
{
        struct fold fold = {0};

        for (uint64_t i = 0; i < 10; i++) {
                struct proto_event event = fault_at(i);

                add(&fold, event);
                event = fault_at(1000 + i);
                event.thread = 2;
                add(&fold, event);
                event = fault_at(2000 + i); /* the same number, of another trace */
                fold_add(&fold, &other_state, &event);
                assert_null(fold_next(&fold));
        }
        fold_close(&fold);
        assert_next(&fold, 0, 10);
        assert_next(&fold, 1000, 10);
        assert_next(&fold, 2000, 10);
        assert_null(fold_next(&fold));
}

/* Two faults that did not become three keep their places among those of others. */
static void test_order_of_two(void **unused)
{
        struct fold fold = {0};
        struct proto_event other = fault_at(1000);

        other.thread = 2;
        add(&fold, fault_at(0));
        add(&fold, other);
        add(&fold, fault_at(1));
        fold_close(&fold);
        assert_next(&fold, 0, 1);
        assert_next(&fold, 1000, 1);
        assert_next(&fold, 1, 1);
}

static void test_nobody_waits_long(void **unused)
{
        struct fold fold = {0};
        struct proto_event event;
        uint64_t time_ns = 0, n = 0;

        for (uint64_t i = 0; !fold_next(&fold); i++, n++) { /* one run, without end */
                time_ns += 10 * NSEC_PER_MSEC;
                event = fault_at(i);
                event.time_ns = time_ns;
                add(&fold, event);
                assert_true(i < 1000);
        }
        assert_int_equal(n, FOLD_LONGEST_NS / (10 * NSEC_PER_MSEC) + 2);
        for (uint64_t i = 0; i < 5; i++) {
                event = fault_at(1000 + i);
                event.time_ns = time_ns + i * FOLD_QUIET_NS / 2;
                add(&fold, event);
                if (i == 0)
                        (void)fold_next(&fold); /* what was left */
                event = fault_at(5000 + 2 * i);
                event.time_ns = time_ns + i * FOLD_QUIET_NS / 2;
                event.thread = 2 + (uint32_t)i;
                add(&fold, event);
        }
        add(&fold, (event.time_ns += FOLD_HELD_NS - FOLD_QUIET_NS, event.thread = 99, event));
        assert_next(&fold, 1000, 5);
}

static void test_as_many_as_there_is_room_for(void **unused)
{
        struct fold fold = {0};

        for (uint32_t i = 0; i + 1 < FOLD_RUNS_MAX; i++) {
                struct proto_event event = fault_at(10 * i);

                event.thread = 1 + i;
                add(&fold, event);
                assert_null(fold_next(&fold));
        }
        for (uint32_t i = 0; i < 100; i++) {
                struct proto_event event = fault_at(7000 + i * 10);

                event.thread = 5000 + i;
                add(&fold, event);
                assert_non_null(fold_next(&fold));
                assert_null(fold_next(&fold));
        }
}

/* --- random streams --- */

struct stream {
        struct proto_event events[STREAM];
        uint64_t seed;
};

static uint32_t random_below(struct stream *stream, uint32_t n)
{
        stream->seed = stream->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t)(stream->seed >> 33) % n;
}

/* Faults that are often alike; `frame` holds their number. */
static void make_stream(struct stream *stream, uint64_t seed, uint32_t n_threads)
{
        uint64_t pages[16] = {0}, time_ns = 0;

        stream->seed = seed;
        for (uint32_t i = 0; i < STREAM; i++) {
                struct proto_event *event = &stream->events[i];
                uint32_t thread = random_below(stream, n_threads);

                if (random_below(stream, 5) == 0)
                        pages[thread] = random_below(stream, 8);
                else
                        pages[thread] += random_below(stream, 10) == 0 ? -UINT64_C(1) : UINT64_C(1);
                pages[thread] &= 0xffff;
                *event = fault_at(pages[thread]);
                event->thread = thread;
                event->frame = i;
                event->latency_ns = random_below(stream, 20) == 0 ? PROTO_UNKNOWN : random_below(stream, 1000);
                event->code = random_below(stream, 30) == 0 ? 0 : 1;
                event->ip += random_below(stream, 3);
                event->cause = random_below(stream, 30) == 0 ? CAUSE_COW_COPY : CAUSE_ZERO_FILL;
                event->outcome = random_below(stream, 40) == 0 ? OUTCOME_FAILED : OUTCOME_MINOR;
                time_ns += random_below(stream, 100) == 0 ? random_below(stream, 150) * NSEC_PER_MSEC
                                                          : random_below(stream, 3 * NSEC_PER_MSEC);
                event->time_ns = time_ns;
        }
}

/* The same kind of fault on the next page. */
static bool follows(const struct proto_event *before, const struct proto_event *after, int64_t direction)
{
        return before->outcome == OUTCOME_MINOR && after->outcome == OUTCOME_MINOR && before->cause == after->cause &&
               before->code == after->code && (before->code != 0 || before->ip == after->ip) &&
               (int64_t)(after->addr / PAGE_BYTES) - (int64_t)(before->addr / PAGE_BYTES) == direction;
}

/* How many faults of the one thread from here on are one run. */
static uint32_t naive_length(const struct proto_event *events, uint32_t n)
{
        uint32_t best = 1;

        for (int64_t direction = -1; direction <= 1; direction += 2) {
                uint32_t length = 1;

                while (length < n && follows(&events[length - 1], &events[length], direction) &&
                       events[length].time_ns - events[length - 1].time_ns <= FOLD_QUIET_NS &&
                       events[length].time_ns - events[0].time_ns <= FOLD_LONGEST_NS)
                        length++;
                best = MAX_OF(best, length);
        }
        return best;
}

static void test_one_thread_against_model(void **unused)
{
        static struct stream stream;

        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct fold fold = {0};
                uint32_t expected = 0, left = 0; /* the next fault to come out; of a run of two */
                size_t n_folded = 0;

                make_stream(&stream, seed, 1);
                for (uint32_t i = 0; i <= STREAM; i++) {
                        const struct fold_run *run;

                        if (i < STREAM)
                                add(&fold, stream.events[i]);
                        else
                                fold_close(&fold);
                        while ((run = fold_next(&fold))) {
                                uint32_t length =
                                        left ? left : naive_length(&stream.events[expected], STREAM - expected);
                                uint32_t n = length < FOLD_LEAST ? 1 : length;

                                assert_int_equal(run->event.frame, expected);
                                assert_int_equal(run->sum.count, n);
                                left = length - n;
                                expected += n;
                                n_folded += n > 1;
                        }
                }
                assert_int_equal(expected, STREAM);
                assert_true(n_folded > STREAM / 100);
        }
}

/* What has come out of several threads' faults. */
struct account {
        const struct stream *stream;
        bool out[STREAM];
        uint64_t n_out, time_ns, n_timed;
        uint64_t last; /* the first fault of the last run */
};

/* Take the run's faults out: the next `count` of its thread, which must follow each other. */
static void account_for(struct account *a, const struct fold_run *run)
{
        const struct proto_event *before = NULL;
        uint64_t n = 0;
        int64_t direction = 0;

        assert_true(run->sum.count == 1 || run->sum.count >= FOLD_LEAST);
        assert_true(a->n_out == 0 || run->event.frame > a->last);
        a->last = run->event.frame;
        for (uint64_t i = run->event.frame; n < run->sum.count; i++) {
                const struct proto_event *event = &a->stream->events[i];

                assert_true(i < STREAM);
                if (event->thread != run->event.thread)
                        continue;
                assert_false(a->out[i]);
                a->out[i] = true;
                if (before && direction == 0)
                        direction = event->addr > before->addr ? 1 : -1;
                if (before)
                        assert_true(follows(before, event, direction));
                before = event;
                n++;
        }
        a->n_out += n;
        a->time_ns += run->sum.time_ns;
        a->n_timed += run->sum.n_timed;
}

static void test_many_threads(void **unused)
{
        static struct stream stream;
        static struct account account;

        for (uint64_t seed = 1; seed <= 64; seed++) {
                struct fold fold = {0};
                uint64_t time_ns = 0, n_timed = 0;
                uint32_t oldest = 0; /* that has not come out */

                make_stream(&stream, seed, 1 + (uint32_t)(seed % 16));
                account = (struct account){.stream = &stream};
                for (uint32_t i = 0; i <= STREAM; i++) {
                        const struct fold_run *run;

                        if (i < STREAM)
                                add(&fold, stream.events[i]);
                        else
                                fold_close(&fold);
                        while ((run = fold_next(&fold)))
                                account_for(&account, run);
                        while (oldest < i && account.out[oldest])
                                oldest++;
                        if (i < STREAM) {
                                assert_true(stream.events[i].time_ns - stream.events[oldest].time_ns <=
                                            FOLD_LONGEST_NS + FOLD_HELD_NS);
                                if (stream.events[i].latency_ns != PROTO_UNKNOWN) {
                                        time_ns += stream.events[i].latency_ns;
                                        n_timed++;
                                }
                        }
                }
                assert_int_equal(account.n_out, STREAM);
                assert_int_equal(account.time_ns, time_ns);
                assert_int_equal(account.n_timed, n_timed);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_up_and_down),
                cmocka_unit_test(test_two_stay_two),
                cmocka_unit_test(test_sums),
                cmocka_unit_test(test_what_ends_a_run),
                cmocka_unit_test(test_what_never_folds),
                cmocka_unit_test(test_code),
                cmocka_unit_test(test_large_pages),
                cmocka_unit_test(test_extremes),
                cmocka_unit_test(test_threads_take_turns),
                cmocka_unit_test(test_order_of_two),
                cmocka_unit_test(test_nobody_waits_long),
                cmocka_unit_test(test_as_many_as_there_is_room_for),
                cmocka_unit_test(test_one_thread_against_model),
                cmocka_unit_test(test_many_threads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
