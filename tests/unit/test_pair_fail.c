/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pair.c: a thread is sent a signal for a fault: which of its faults that is, and that it comes out at once. */
#include "tests/unit/pair_feed.h"

#define PAGE (ADDR & ~UINT64_C(0xfff))

static void open_fault(struct pair *pair, pid_t tid, uint64_t time_ns, uint64_t addr)
{
        tracepoint(pair, tid, time_ns, addr, PF_USER | PF_WRITE);
        entry(pair, tid, time_ns + 1, addr);
}

/* Exact, and the first and last byte of the page, where the kernel tells no more. */
static void test_same_page(void **state)
{
        static const uint64_t addresses[] = {ADDR, PAGE, PAGE + 0xfff};

        for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
                struct pair *pair = new_pair(DETAIL_FULL);
                struct fault fault;

                open_fault(pair, TID, 10, ADDR);
                assert_int_equal(pair_fail(pair, TID, addresses[i]), 1);
                fault = next(pair);
                assert_none(pair);
                assert_int_equal(fault.tid, TID);
                assert_int_equal(fault.addr, ADDR);
                assert_int_equal(fault.time_ns, 11);
                assert_true(fault.signalled && fault.anchored && fault.has_error_code);
                assert_false(fault.completed || fault.incomplete || fault.ended);
                assert_int_equal(fault.latency_ns, UINT64_MAX);
                pair_free(pair);
        }
}

static void test_not_this_one(void **state)
{
        static const struct {
                pid_t tid;
                uint64_t addr;
        } cases[] = {{TID, PAGE - 1}, {TID, PAGE + 0x1000}, {TID, 0}, {OTHER_TID, ADDR}, {3, ADDR}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct pair *pair = new_pair(DETAIL_FULL);

                open_fault(pair, TID, 10, ADDR);
                open_fault(pair, OTHER_TID, 20, ADDR + 0x5000);
                assert_int_equal(pair_fail(pair, cases[i].tid, cases[i].addr), 0);
                assert_none(pair);
                completion(pair, TID, 30, ADDR); /* untouched */
                assert_true(next(pair).completed);
                pair_free(pair);
        }
}

static void test_nobody_known(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        assert_int_equal(pair_fail(pair, TID, ADDR), 0);
        tracepoint(pair, TID, 1, ADDR, PF_USER);
        assert_int_equal(pair_fail(pair, TID, ADDR), 0); /* its entry is missing */
        assert_none(pair);
        pair_free(pair);
}

/* Whatever closed the fault before has told it, and it does not come out twice. */
static bool is_any(void *user, const struct fault *fault)
{
        return true;
}

static void test_given_out_already(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        open_fault(pair, TID, 10, ADDR);
        assert_int_equal(pair_expire(pair, 100, is_any, NULL), 0);
        assert_false(next(pair).signalled);
        assert_int_equal(pair_fail(pair, TID, ADDR), 0);

        open_fault(pair, TID, 110, ADDR);
        completion(pair, TID, 112, ADDR);
        assert_true(next(pair).completed);
        assert_int_equal(pair_fail(pair, TID, ADDR), 0);

        open_fault(pair, TID, 120, ADDR);
        tracepoint(pair, TID, 122, ADDR + 0x5000, PF_USER);
        assert_false(next(pair).signalled);
        assert_int_equal(pair_fail(pair, TID, ADDR), 0);

        open_fault(pair, TID, 130, ADDR);
        assert_int_equal(pair_fail(pair, TID, ADDR), 1);
        assert_true(next(pair).signalled);
        assert_int_equal(pair_fail(pair, TID, ADDR), 0);

        open_fault(pair, TID, 140, ADDR);
        thread_exit(pair, TID);
        assert_true(next(pair).ended);
        assert_int_equal(pair_fail(pair, TID, ADDR), 0);
        assert_none(pair);
        assert_int_equal(pair_stats(pair)->n_anchors, 5);
        pair_free(pair);
}

/* A handler repairs and the instruction is run again: a fault of its own, whose completion is no orphan. */
static void test_repaired(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        for (uint64_t t = 10; t < 1000; t += 10) {
                struct fault fault;

                open_fault(pair, TID, t, ADDR);
                assert_int_equal(pair_fail(pair, TID, ADDR), 1);
                open_fault(pair, TID, t + 4, ADDR);
                completion(pair, TID, t + 6, ADDR);
                fault = next(pair);
                assert_true(fault.signalled && !fault.completed);
                fault = next(pair);
                assert_true(fault.completed && !fault.signalled && !fault.overlapped);
                assert_int_equal(fault.latency_ns, 1);
                assert_none(pair);
        }
        assert_int_equal(pair_stats(pair)->n_orphans, 0);
        pair_free(pair);
}

/* What was lost since the entry may have been its completion, and a second entry that the signal is about. */
static void test_loss(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        struct fault fault;

        open_fault(pair, TID, 10, ADDR);
        lost(pair);
        assert_int_equal(pair_fail(pair, TID, ADDR), 0);
        fault = next(pair);
        assert_true(fault.incomplete);
        assert_false(fault.signalled || fault.completed);

        lost(pair); /* before the entry: its tracepoint is missing, which fault it is cannot be mistaken */
        entry(pair, TID, 20, ADDR);
        assert_int_equal(pair_fail(pair, TID, ADDR), 1);
        fault = next(pair);
        assert_true(fault.signalled && fault.incomplete);
        assert_none(pair);
        pair_free(pair);
}

/* read(2) into bad memory: EFAULT and no signal. The fault waits for what its thread does next, as ever. */
static void test_kernel_mode_is_left(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        struct record record = fault_record(EVENT_TP_KERNEL, TID, 1, ADDR);
        struct fault fault;

        record.fault.ip = KERNEL_IP;
        record.fault.error_code = PF_WRITE;
        feed(pair, record);
        entry(pair, TID, 2, ADDR);
        open_fault(pair, TID, 3, ADDR + 0x10); /* the program uses the same page itself */
        assert_int_equal(pair_fail(pair, TID, ADDR + 0x10), 1);
        fault = next(pair);
        assert_int_equal(fault.mode, MODE_KERNEL);
        assert_false(fault.signalled || fault.completed || fault.incomplete);
        fault = next(pair);
        assert_int_equal(fault.mode, MODE_USER);
        assert_true(fault.signalled);
        assert_none(pair);
        pair_free(pair);
}

/* Without entries nothing is ever open; without tracepoints it is. */
static void test_other_details(void **state)
{
        struct pair *pair = new_pair(DETAIL_BASIC);

        completion(pair, TID, 1, ADDR);
        assert_int_equal(pair_fail(pair, TID, ADDR), 0);
        assert_true(next(pair).completed);
        assert_none(pair);
        pair_free(pair);

        pair = new_pair(DETAIL_UNPRIVILEGED);
        entry(pair, TID, 1, ADDR);
        assert_int_equal(pair_fail(pair, TID, ADDR), 1);
        assert_true(next(pair).signalled);
        assert_none(pair);
        pair_free(pair);
}

/* The fault is anchored elsewhere and went out by itself: an address of the kernel has no entry. */
static void test_kernel_address(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        feed(pair, fault_record(EVENT_TP_HIGH, TID, 1, KERNEL_ADDR));
        assert_int_equal(pair_fail(pair, TID, KERNEL_ADDR), 0);
        assert_int_equal(next(pair).addr, KERNEL_ADDR);
        assert_none(pair);
        pair_free(pair);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_same_page),
                cmocka_unit_test(test_not_this_one),
                cmocka_unit_test(test_nobody_known),
                cmocka_unit_test(test_given_out_already),
                cmocka_unit_test(test_repaired),
                cmocka_unit_test(test_loss),
                cmocka_unit_test(test_kernel_mode_is_left),
                cmocka_unit_test(test_other_details),
                cmocka_unit_test(test_kernel_address),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
