/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose a record's call stack is: always somebody's, and never two's. */
#include "tests/unit/pair_feed.h"

#include "daemon/engine/model/callstack.h"
#include "proto/proto.h"

#define MAX_STACKS 8

static struct callstacks *table;
static struct callstack *stacks[MAX_STACKS]; /* the table holds a reference of each */

/* A reference of the caller's to a stack that is like no other. */
static struct callstack *new_stack(size_t i)
{
        struct callstack_frame frame = {.addr = 0x1000 + i, .by = FRAME_BY_REGISTERS};

        assert_true(i < MAX_STACKS);
        stacks[i] = callstacks_intern(table, &frame, 1, false);
        assert_non_null(stacks[i]);
        return stacks[i];
}

static unsigned int n_owners(size_t i)
{
        return stacks[i]->n_refs - 1;
}

static int set_up(void **state)
{
        return callstacks_new(MAX_STACKS, &table);
}

static int tear_down(void **state)
{
        table = callstacks_free(table);
        return 0;
}

static void feed_stack(struct pair *pair, enum event_kind event, uint64_t time_ns, uint64_t addr, size_t stack)
{
        struct record record = fault_record(event, TID, time_ns, addr);

        record.fault.error_code = PF_USER;
        record.fault.callstack = new_stack(stack);
        feed(pair, record);
}

static void expect(struct pair *pair, bool completed, struct callstack *stack)
{
        struct fault fault = next(pair);

        assert_int_equal(fault.completed, completed);
        assert_ptr_equal(fault.stack, stack);
        callstack_unref(fault.stack);
}

static void test_tracepoint(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        feed_stack(pair, EVENT_TP_USER, 10, ADDR, 0);
        entry(pair, TID, 11, ADDR);
        assert_int_equal(n_owners(0), 1);
        completion(pair, TID, 12, ADDR);
        expect(pair, true, stacks[0]);
        assert_int_equal(n_owners(0), 0);
        feed_stack(pair, EVENT_TP_KERNEL, 20, ADDR, 1);
        entry(pair, TID, 21, ADDR);
        tracepoint(pair, TID, 30, ADDR + 0x1000, PF_USER);
        expect(pair, false, stacks[1]);
        assert_int_equal(n_owners(1), 0);
        pair_free(pair);
}

static void test_tracepoint_without_entry(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        feed_stack(pair, EVENT_TP_USER, 10, ADDR, 0);
        feed_stack(pair, EVENT_TP_USER, 11, ADDR, 1);
        assert_int_equal(n_owners(0), 0);
        entry(pair, TID, 12, ADDR + 0x1000); /* of another address */
        assert_int_equal(n_owners(1), 0);
        completion(pair, TID, 13, ADDR + 0x1000);
        expect(pair, true, NULL);
        feed_stack(pair, EVENT_TP_USER, 20, ADDR, 2);
        lost(pair);
        entry(pair, TID, 21, ADDR);
        assert_int_equal(n_owners(2), 0);
        completion(pair, TID, 22, ADDR);
        expect(pair, true, NULL);
        pair_free(pair);
}

static void test_kernel_address(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        feed_stack(pair, EVENT_TP_USER, 10, KERNEL_ADDR, 0);
        assert_int_equal(n_owners(0), 0);
        feed_stack(pair, EVENT_TP_HIGH, 10, KERNEL_ADDR, 1);
        expect(pair, false, stacks[1]);
        assert_int_equal(n_owners(1), 0);
        pair_free(pair);
}

static void test_completion(void **state)
{
        struct pair *pair = new_pair(DETAIL_UNPRIVILEGED);

        feed_stack(pair, EVENT_MIN, 9, ADDR, 0); /* an orphan */
        assert_int_equal(n_owners(0), 0);
        entry(pair, TID, 10, ADDR);
        feed_stack(pair, EVENT_MAJ, 11, ADDR, 1);
        expect(pair, true, stacks[1]);
        assert_int_equal(n_owners(1), 0);
        entry(pair, TID, 20, ADDR);
        feed_stack(pair, EVENT_MIN, 21, ADDR + 0x1000, 2); /* of another address */
        assert_int_equal(n_owners(2), 0);
        pair_free(pair);
        pair = new_pair(DETAIL_BASIC);
        feed_stack(pair, EVENT_MIN, 10, ADDR, 3);
        expect(pair, true, stacks[3]);
        assert_int_equal(n_owners(3), 0);
        pair_free(pair);
}

static void test_other_ends(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        unsigned int n_asked = 0;

        feed_stack(pair, EVENT_TP_USER, 10, ADDR, 0);
        entry(pair, TID, 11, ADDR);
        assert_int_equal(pair_fail(pair, TID, ADDR), 1);
        expect(pair, false, stacks[0]);
        feed_stack(pair, EVENT_TP_USER, 20, ADDR, 1);
        entry(pair, TID, 21, ADDR);
        assert_int_equal(pair_expire(pair, 30, is_at_addr, &n_asked), 0);
        expect(pair, false, stacks[1]);
        feed_stack(pair, EVENT_TP_USER, 40, ADDR, 2);
        entry(pair, TID, 41, ADDR);
        feed_stack(pair, EVENT_TP_USER, 50, ADDR, 3);
        thread_exit(pair, TID);
        expect(pair, false, stacks[2]);
        assert_int_equal(n_owners(3), 0);
        feed_stack(pair, EVENT_TP_USER, 60, ADDR, 4);
        entry(pair, TID, 61, ADDR);
        assert_int_equal(pair_end(pair), 0);
        expect(pair, false, stacks[4]);
        assert_none(pair);
        pair_free(pair);
}

static void test_freed_with_the_rest(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        feed_stack(pair, EVENT_TP_USER, 10, ADDR, 0); /* finished, not taken */
        entry(pair, TID, 11, ADDR);
        completion(pair, TID, 12, ADDR);
        feed_stack(pair, EVENT_TP_USER, 20, ADDR, 1); /* open */
        entry(pair, TID, 21, ADDR);
        pair_free(pair);
        pair = new_pair(DETAIL_FULL);
        feed_stack(pair, EVENT_TP_USER, 30, ADDR, 2); /* a tracepoint */
        pair_free(pair);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(n_owners(i), 0);
}

/* --- every short sequence of records --- */

enum action { TP_HERE, TP_THERE, TP_KERNEL, HIGH, ENTRY_HERE, ENTRY_THERE, MIN_HERE, MAJ_THERE, LOST, EXIT, N_ACTIONS };

static void act(struct pair *pair, enum action action, uint64_t time_ns, size_t i)
{
        static const struct {
                enum event_kind event;
                uint64_t addr;
        } faults[] = {
                [TP_HERE] = {EVENT_TP_USER, ADDR},     [TP_THERE] = {EVENT_TP_USER, ADDR + 0x1000},
                [TP_KERNEL] = {EVENT_TP_KERNEL, ADDR}, [HIGH] = {EVENT_TP_HIGH, KERNEL_ADDR},
                [ENTRY_HERE] = {EVENT_ENTRY, ADDR},    [ENTRY_THERE] = {EVENT_ENTRY, ADDR + 0x1000},
                [MIN_HERE] = {EVENT_MIN, ADDR},        [MAJ_THERE] = {EVENT_MAJ, ADDR + 0x1000},
        };

        if (action < LOST)
                feed_stack(pair, faults[action].event, time_ns, faults[action].addr, i);
        else if (action == LOST)
                lost(pair);
        else
                thread_exit(pair, TID);
}

/* Each stack came out with at most one fault, and the end of that fault is its end. */
static void check_sequence(enum detail detail, size_t sequence, size_t n)
{
        struct pair *pair = new_pair(detail);
        unsigned int n_out[MAX_STACKS] = {0};
        struct fault fault;

        memset(stacks, 0, sizeof(stacks));
        for (size_t i = 0; i < n; i++, sequence /= N_ACTIONS) {
                enum action action = (enum action)(sequence % N_ACTIONS);

                act(pair, detail == DETAIL_BASIC && action < LOST ? MIN_HERE : action, 10 * (i + 1), i);
        }
        assert_int_equal(pair_end(pair), 0);
        while (pair_next(pair, &fault)) {
                for (size_t i = 0; i < n; i++)
                        n_out[i] += fault.stack && fault.stack == stacks[i];
                callstack_unref(fault.stack);
        }
        pair_free(pair);
        for (size_t i = 0; i < n; i++) {
                assert_true(n_out[i] <= 1);
                if (stacks[i])
                        assert_int_equal(n_owners(i), 0);
        }
}

static void test_every_sequence(void **state)
{
        static const enum detail details[] = {DETAIL_FULL, DETAIL_UNPRIVILEGED, DETAIL_BASIC};
        size_t n_sequences = 1;

        for (size_t n = 1; n <= 4; n++) {
                n_sequences *= N_ACTIONS;
                for (size_t d = 0; d < ARRAY_SIZE(details); d++)
                        for (size_t sequence = 0; sequence < n_sequences; sequence++)
                                check_sequence(details[d], sequence, n);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_tracepoint, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_tracepoint_without_entry, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_kernel_address, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_completion, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_other_ends, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_freed_with_the_rest, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_every_sequence, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
