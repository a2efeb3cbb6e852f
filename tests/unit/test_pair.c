/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pair.c: every order in which the pieces of a fault can come, or stay away, and the promise that every anchor comes
 * out as exactly one fault. The promise is checked against a model that knows nothing of hash tables: an array by
 * thread.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/model/pair.h"

#define PID 100
#define TID 101
#define OTHER_TID 102
#define CPU 3
#define ADDR UINT64_C(0x7f0000001230)
#define IP UINT64_C(0x400123)
#define KERNEL_IP UINT64_C(0xffffffff81234567)
#define KERNEL_ADDR UINT64_C(0xffff888000001000)
#define VSYSCALL UINT64_C(0xffffffffff600000)

#define PF_PROTECTION 1
#define PF_WRITE 2
#define PF_USER 4
#define PF_FETCH 16

static struct record fault_record(enum event_kind event, pid_t tid, uint64_t time_ns, uint64_t addr)
{
        return (struct record){.kind = RECORD_FAULT,
                               .time_ns = time_ns,
                               .pid = PID,
                               .tid = tid,
                               .fault = {.event = event, .has_ip = true, .addr = addr, .ip = IP}};
}

static void feed(struct pair *pair, struct record record)
{
        assert_int_equal(pair_feed(pair, &record, CPU), 0);
}

static void tracepoint(struct pair *pair, pid_t tid, uint64_t time_ns, uint64_t addr, uint64_t error_code)
{
        struct record record = fault_record(EVENT_TP_USER, tid, time_ns, addr);

        record.fault.error_code = error_code;
        feed(pair, record);
}

static void entry(struct pair *pair, pid_t tid, uint64_t time_ns, uint64_t addr)
{
        feed(pair, fault_record(EVENT_ENTRY, tid, time_ns, addr));
}

static void completion(struct pair *pair, pid_t tid, uint64_t time_ns, uint64_t addr)
{
        feed(pair, fault_record(EVENT_MIN, tid, time_ns, addr));
}

static void lost(struct pair *pair)
{
        feed(pair, (struct record){.kind = RECORD_LOST, .pid = PID, .tid = TID, .lost = {.n = 1}});
}

static void thread_exit(struct pair *pair, pid_t tid)
{
        feed(pair, (struct record){.kind = RECORD_EXIT, .pid = PID, .tid = tid});
}

static struct pair *new_pair(enum detail detail)
{
        struct pair *pair;

        assert_int_equal(pair_new(detail, detail == DETAIL_FULL, &pair), 0);
        return pair;
}

static struct fault next(struct pair *pair)
{
        struct fault fault;

        assert_true(pair_next(pair, &fault));
        return fault;
}

static void assert_none(struct pair *pair)
{
        struct fault fault;

        assert_false(pair_next(pair, &fault));
}

static void test_complete(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        struct record record;
        struct fault fault;

        tracepoint(pair, TID, 1000, ADDR, PF_USER | PF_WRITE);
        record = fault_record(EVENT_ENTRY, TID, 1100, ADDR);
        record.fault.has_physical = true;
        record.fault.physical = 0x5230;
        record.fault.page_bytes = 4096;
        feed(pair, record);
        assert_none(pair);
        record = fault_record(EVENT_MIN, TID, 1700, ADDR);
        record.fault.has_physical = true;
        record.fault.physical = 0x9230;
        record.fault.page_bytes = 4096;
        feed(pair, record);

        fault = next(pair);
        assert_none(pair);
        assert_int_equal(fault.time_ns, 1100);
        assert_int_equal(fault.latency_ns, 600);
        assert_int_equal(fault.addr, ADDR);
        assert_int_equal(fault.ip, IP);
        assert_int_equal(fault.pid, PID);
        assert_int_equal(fault.tid, TID);
        assert_int_equal(fault.cpu, CPU);
        assert_true(fault.has_error_code);
        assert_int_equal(fault.error_code, PF_USER | PF_WRITE);
        assert_int_equal(fault.mode, MODE_USER);
        assert_int_equal(fault.caller_ip, 0);
        assert_true(fault.anchored && fault.completed);
        assert_false(fault.major || fault.incomplete || fault.overlapped || fault.lost_race || fault.loss_seen ||
                     fault.stack_grew || fault.ended);
        assert_true(fault.before.known && fault.after.known);
        assert_int_equal(fault.before.physical, 0x5230);
        assert_int_equal(fault.after.physical, 0x9230);
        assert_int_equal(fault.after.page_bytes, 4096);
        assert_int_equal(pair_stats(pair)->n_anchors, 1);
        assert_int_equal(pair_stats(pair)->n_orphans, 0);
        pair_free(pair);
}

static void test_major(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        struct fault fault;

        tracepoint(pair, TID, 1, ADDR, PF_USER);
        entry(pair, TID, 2, ADDR);
        feed(pair, fault_record(EVENT_MAJ, TID, 3, ADDR));
        fault = next(pair);
        assert_true(fault.completed && fault.major);
        assert_false(fault.after.known);
        pair_free(pair);
}

static void test_kernel_mode(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        struct record record = fault_record(EVENT_TP_KERNEL, TID, 1, ADDR);
        struct fault fault;

        record.fault.ip = KERNEL_IP;
        record.fault.error_code = PF_WRITE;
        record.fault.has_registers = true;
        record.fault.user_ip = IP;
        feed(pair, record);
        record = fault_record(EVENT_ENTRY, TID, 2, ADDR);
        record.fault.ip = KERNEL_IP;
        feed(pair, record);
        completion(pair, TID, 3, ADDR);
        fault = next(pair);
        assert_int_equal(fault.mode, MODE_KERNEL);
        assert_int_equal(fault.ip, KERNEL_IP);
        assert_int_equal(fault.caller_ip, IP);
        pair_free(pair);
}

/* Without error codes the mode is told by the instruction's address; the vsyscall page is user memory. */
static void test_mode_by_address(void **state)
{
        static const struct {
                uint64_t ip;
                enum mode mode;
        } cases[] = {{IP, MODE_USER}, {KERNEL_IP, MODE_KERNEL}, {VSYSCALL, MODE_USER}, {VSYSCALL + 0x400, MODE_USER}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct pair *pair = new_pair(DETAIL_BASIC);
                struct record record = fault_record(EVENT_MIN, TID, 1, ADDR);

                record.fault.ip = cases[i].ip;
                feed(pair, record);
                assert_int_equal(next(pair).mode, cases[i].mode);
                pair_free(pair);
        }
}

/*
 * The three pieces of one fault in every order and selection, each followed by a second, whole fault of the thread.
 * What comes out is told by which pieces stood in the only order that the kernel writes.
 */
enum piece { TP = 1, EN, CO };

static void feed_piece(struct pair *pair, enum piece piece, uint64_t time_ns)
{
        if (piece == TP)
                tracepoint(pair, TID, time_ns, ADDR, PF_USER);
        else if (piece == EN)
                entry(pair, TID, time_ns, ADDR);
        else
                completion(pair, TID, time_ns, ADDR);
}

static void test_all_orders(void **state)
{
        static const struct {
                enum piece pieces[3];
                size_t n;
                bool comes_out, has_error_code, completed;
                uint64_t n_orphans;
        } cases[] = {
                {{TP}, 1, false, false, false, 0},        {{EN}, 1, true, false, false, 0},
                {{CO}, 1, false, false, false, 1},        {{TP, EN}, 2, true, true, false, 0},
                {{EN, TP}, 2, true, false, false, 0},     {{TP, CO}, 2, false, false, false, 1},
                {{CO, TP}, 2, false, false, false, 1},    {{EN, CO}, 2, true, false, true, 0},
                {{CO, EN}, 2, true, false, false, 1},     {{TP, EN, CO}, 3, true, true, true, 0},
                {{TP, CO, EN}, 3, true, true, false, 1},  {{EN, TP, CO}, 3, true, false, false, 1},
                {{EN, CO, TP}, 3, true, false, true, 0},  {{CO, TP, EN}, 3, true, true, false, 1},
                {{CO, EN, TP}, 3, true, false, false, 1},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct pair *pair = new_pair(DETAIL_FULL);
                struct fault fault;

                for (size_t j = 0; j < cases[i].n; j++)
                        feed_piece(pair, cases[i].pieces[j], 10 + j);
                tracepoint(pair, TID, 20, ADDR + 0x5000, PF_USER);
                entry(pair, TID, 21, ADDR + 0x5000);
                completion(pair, TID, 22, ADDR + 0x5000);
                if (cases[i].comes_out) {
                        fault = next(pair);
                        assert_int_equal(fault.addr, ADDR);
                        assert_int_equal(fault.has_error_code, cases[i].has_error_code);
                        assert_int_equal(fault.incomplete, !cases[i].has_error_code);
                        assert_int_equal(fault.completed, cases[i].completed);
                }
                fault = next(pair);
                assert_int_equal(fault.addr, ADDR + 0x5000);
                assert_true(fault.completed && fault.has_error_code);
                assert_false(fault.incomplete);
                assert_none(pair);
                assert_int_equal(pair_stats(pair)->n_anchors, 1 + cases[i].comes_out);
                assert_int_equal(pair_stats(pair)->n_orphans, cases[i].n_orphans);
                pair_free(pair);
        }
}

/* Not completed, and the thread went on: at another address, at another instruction, or with the very same fault. */
static void test_uncompleted(void **state)
{
        static const struct {
                uint64_t addr, ip;
        } cases[] = {{ADDR + 8, IP}, {ADDR, IP + 1}, {ADDR, IP}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                for (int by_entry = 0; by_entry < 2; by_entry++) {
                        struct pair *pair = new_pair(by_entry ? DETAIL_UNPRIVILEGED : DETAIL_FULL);
                        struct record record =
                                fault_record(by_entry ? EVENT_ENTRY : EVENT_TP_USER, TID, 5, cases[i].addr);
                        struct fault fault;

                        if (!by_entry)
                                tracepoint(pair, TID, 1, ADDR, PF_USER);
                        entry(pair, TID, 2, ADDR);
                        record.fault.ip = cases[i].ip;
                        feed(pair, record);
                        fault = next(pair);
                        assert_int_equal(fault.time_ns, 2);
                        assert_int_equal(fault.latency_ns, UINT64_MAX);
                        assert_false(fault.completed || fault.ended || fault.incomplete);
                        assert_none(pair);
                        pair_free(pair);
                }
        }
}

static void note_open(void *user, struct fault *fault)
{
        *(uint64_t *)user += fault->addr;
        fault->has_map_then = true;
}

/* Only faults that are open, and in the range; what is noted in them comes out with them. */
static void test_each_open(void **state)
{
        struct pair *pair = new_pair(DETAIL_UNPRIVILEGED);
        uint64_t sum = 0;

        entry(pair, TID, 1, ADDR);
        entry(pair, TID + 1, 2, ADDR + 4096);
        entry(pair, TID + 2, 3, ADDR + 8192);
        pair_each_open(pair, ADDR, ADDR, note_open, &sum);
        assert_int_equal(sum, 0);
        pair_each_open(pair, ADDR + 4096, ADDR + 8192, note_open, &sum);
        assert_int_equal(sum, ADDR + 4096);
        assert_int_equal(pair_end(pair), 0);
        for (int i = 0; i < 3; i++) {
                struct fault fault = next(pair);

                assert_int_equal(fault.has_map_then, fault.addr == ADDR + 4096);
        }
        pair_each_open(pair, 0, UINT64_MAX, note_open, &sum);
        assert_int_equal(sum, ADDR + 4096);
        assert_none(pair);
        pair_free(pair);
}

static void test_ended(void **state)
{
        for (int by_exit = 0; by_exit < 2; by_exit++) {
                struct pair *pair = new_pair(DETAIL_FULL);
                struct fault fault;

                tracepoint(pair, TID, 1, ADDR, PF_USER);
                entry(pair, TID, 2, ADDR);
                if (by_exit)
                        thread_exit(pair, TID);
                else
                        assert_int_equal(pair_end(pair), 0);
                fault = next(pair);
                assert_true(fault.ended);
                assert_false(fault.completed || fault.incomplete);
                assert_none(pair);
                pair_free(pair);
        }
}

/* A thread that is gone leaves nothing behind for the next one with its number. */
static void test_exit_forgets(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        struct fault fault;

        thread_exit(pair, TID); /* before anything is known */
        tracepoint(pair, TID, 1, ADDR, PF_USER | PF_WRITE);
        thread_exit(pair, TID);
        thread_exit(pair, TID);
        entry(pair, TID, 2, ADDR);
        completion(pair, TID, 3, ADDR);
        fault = next(pair);
        assert_false(fault.has_error_code);
        assert_true(fault.incomplete);
        pair_free(pair);
}

/* Whatever was open when records were lost never counts as failed. */
static void test_loss_while_open(void **state)
{
        for (int how = 0; how < 4; how++) {
                struct pair *pair = new_pair(DETAIL_FULL);
                struct fault fault;

                tracepoint(pair, TID, 1, ADDR, PF_USER);
                entry(pair, TID, 2, ADDR);
                lost(pair);
                if (how == 0)
                        tracepoint(pair, TID, 3, ADDR + 0x1000, PF_USER);
                else if (how == 1)
                        entry(pair, TID, 3, ADDR);
                else if (how == 2)
                        thread_exit(pair, TID);
                else
                        assert_int_equal(pair_end(pair), 0);
                fault = next(pair);
                assert_int_equal(fault.time_ns, 2);
                assert_true(fault.incomplete);
                assert_false(fault.completed);
                assert_int_equal(fault.ended, how >= 2);
                pair_free(pair);
        }
}

/* The completion behind a loss may be another fault's: it closes this one, but its time proves nothing. */
static void test_loss_before_completion(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        struct fault fault;

        tracepoint(pair, TID, 1, ADDR, PF_USER);
        entry(pair, TID, 2, ADDR);
        lost(pair);
        completion(pair, TID, 3, ADDR);
        fault = next(pair);
        assert_true(fault.completed && fault.loss_seen);
        assert_false(fault.incomplete);
        assert_int_equal(fault.latency_ns, UINT64_MAX);

        tracepoint(pair, TID, 4, ADDR, PF_USER);
        entry(pair, TID, 5, ADDR);
        completion(pair, TID, 6, ADDR);
        fault = next(pair);
        assert_false(fault.loss_seen || fault.incomplete);
        assert_int_equal(fault.latency_ns, 1);
        pair_free(pair);
}

/* A tracepoint from before a loss may belong to a fault whose entry was lost. */
static void test_loss_after_tracepoint(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        struct fault fault;

        tracepoint(pair, TID, 1, ADDR, PF_USER | PF_WRITE);
        lost(pair);
        entry(pair, TID, 2, ADDR);
        completion(pair, TID, 3, ADDR);
        fault = next(pair);
        assert_false(fault.has_error_code);
        assert_true(fault.incomplete && fault.completed);
        assert_int_equal(fault.latency_ns, 1);
        pair_free(pair);
}

static void test_tracepoint_of_another_address(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        struct fault fault;

        tracepoint(pair, TID, 1, ADDR + 1, PF_USER);
        entry(pair, TID, 2, ADDR);
        completion(pair, TID, 3, ADDR);
        fault = next(pair);
        assert_true(fault.incomplete && fault.completed);
        assert_false(fault.has_error_code);
        pair_free(pair);
}

static void test_orphans(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        completion(pair, TID, 1, ADDR);
        assert_none(pair);
        tracepoint(pair, TID, 2, ADDR, PF_USER);
        entry(pair, TID, 3, ADDR);
        completion(pair, TID, 4, ADDR + 0x1000);
        assert_none(pair);
        completion(pair, TID, 5, ADDR);
        assert_true(next(pair).completed);
        completion(pair, TID, 6, ADDR);
        assert_none(pair);
        assert_int_equal(pair_stats(pair)->n_orphans, 3);
        assert_int_equal(pair_stats(pair)->n_anchors, 1);
        pair_free(pair);
}

/* Stamps that run backwards say nothing about how long it took; the time shown is one that the others allow. */
static void test_time_backwards(void **state)
{
        static const struct {
                uint64_t tp_ns, entry_ns, completion_ns, time_ns, latency_ns;
        } cases[] = {
                {10, 20, 30, 20, 10},         {20, 20, 20, 20, 0},          {10, 30, 29, 29, UINT64_MAX},
                {20, 10, 30, 20, UINT64_MAX}, {20, 10, 15, 15, UINT64_MAX},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct pair *pair = new_pair(DETAIL_FULL);
                struct fault fault;

                tracepoint(pair, TID, cases[i].tp_ns, ADDR, PF_USER);
                entry(pair, TID, cases[i].entry_ns, ADDR);
                completion(pair, TID, cases[i].completion_ns, ADDR);
                fault = next(pair);
                assert_true(fault.completed && fault.has_error_code);
                assert_int_equal(fault.time_ns, cases[i].time_ns);
                assert_int_equal(fault.latency_ns, cases[i].latency_ns);
                /* The next fault of the thread is not touched by it. */
                tracepoint(pair, TID, 40, ADDR, PF_USER);
                entry(pair, TID, 41, ADDR);
                completion(pair, TID, 45, ADDR);
                fault = next(pair);
                assert_int_equal(fault.time_ns, 41);
                assert_int_equal(fault.latency_ns, 4);
                pair_free(pair);
        }
}

/* page_fault_user fires for such a fault too, in either order: the anchor is EVENT_TP_HIGH alone. */
static void test_kernel_address(void **state)
{
        for (int high_first = 0; high_first < 2; high_first++) {
                struct pair *pair = new_pair(DETAIL_FULL);
                struct record records[2] = {fault_record(EVENT_TP_USER, TID, 5, KERNEL_ADDR),
                                            fault_record(EVENT_TP_HIGH, TID, 5, KERNEL_ADDR)};
                struct fault fault;

                records[0].fault.error_code = records[1].fault.error_code = PF_USER | PF_PROTECTION;
                feed(pair, records[high_first]);
                feed(pair, records[!high_first]);
                fault = next(pair);
                assert_none(pair);
                assert_int_equal(fault.addr, KERNEL_ADDR);
                assert_true(fault.anchored && fault.has_error_code);
                assert_int_equal(fault.error_code, PF_USER | PF_PROTECTION);
                assert_false(fault.completed || fault.incomplete || fault.ended);
                assert_int_equal(fault.latency_ns, UINT64_MAX);
                assert_int_equal(pair_stats(pair)->n_anchors, 1);
                assert_int_equal(pair_end(pair), 0);
                assert_none(pair);
                pair_free(pair);
        }
}

/* A fault on a kernel address ends what was open before it, and comes out behind it. */
static void test_kernel_address_after_failed(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        tracepoint(pair, TID, 1, ADDR, PF_USER);
        entry(pair, TID, 2, ADDR);
        feed(pair, fault_record(EVENT_TP_HIGH, TID, 3, KERNEL_ADDR));
        assert_int_equal(next(pair).addr, ADDR);
        assert_int_equal(next(pair).addr, KERNEL_ADDR);
        assert_none(pair);
        pair_free(pair);
}

/* The vsyscall page lies among the kernel's addresses, yet PAGE_FAULTS counts it: its anchor is the entry. */
static void test_vsyscall(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        struct fault fault;

        tracepoint(pair, TID, 1, VSYSCALL, PF_USER | PF_FETCH);
        entry(pair, TID, 2, VSYSCALL);
        assert_int_equal(pair_end(pair), 0);
        fault = next(pair);
        assert_true(fault.has_error_code);
        assert_int_equal(fault.mode, MODE_USER);
        assert_none(pair);
        pair_free(pair);
}

static void overlapping(struct pair *pair, uint64_t other_addr)
{
        tracepoint(pair, TID, 1, ADDR, PF_USER);
        entry(pair, TID, 2, ADDR);
        tracepoint(pair, OTHER_TID, 3, other_addr, PF_USER);
        entry(pair, OTHER_TID, 4, other_addr);
}

static void test_overlap(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        struct fault winner, loser;

        overlapping(pair, ADDR ^ 0xff0); /* another address of the same page */
        completion(pair, OTHER_TID, 5, ADDR ^ 0xff0);
        completion(pair, TID, 6, ADDR);
        winner = next(pair);
        loser = next(pair);
        assert_int_equal(winner.tid, OTHER_TID);
        assert_int_equal(loser.tid, TID);
        assert_true(winner.overlapped && loser.overlapped && loser.lost_race);
        assert_false(winner.lost_race);
        pair_free(pair);
}

static void test_neighbours_do_not_overlap(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        overlapping(pair, ADDR + 0x1000);
        completion(pair, TID, 5, ADDR);
        completion(pair, OTHER_TID, 6, ADDR + 0x1000);
        for (int i = 0; i < 2; i++) {
                struct fault fault = next(pair);

                assert_false(fault.overlapped || fault.lost_race);
        }
        pair_free(pair);
}

/* What a huge page answered: every fault open in its range has lost the race, and none beyond. */
static void test_overlap_of_huge_page(void **state)
{
        static const struct {
                uint64_t other, page_bytes;
                bool overlaps;
        } cases[] = {
                {UINT64_C(0x7f00001ff000), 2 << 20, true},  {UINT64_C(0x7f0000200000), 2 << 20, false},
                {UINT64_C(0x7efffffff000), 2 << 20, false}, {UINT64_C(0x7f0000003000), 8192, false},
                {UINT64_C(0x7f0000000000), 8192, true},     {UINT64_C(0x7f0000002000), 3 << 12, false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct pair *pair = new_pair(DETAIL_FULL);
                struct record record = fault_record(EVENT_MIN, TID, 5, ADDR);
                struct fault winner, other;

                overlapping(pair, cases[i].other);
                record.fault.has_physical = true;
                record.fault.physical = 0x200000;
                record.fault.page_bytes = cases[i].page_bytes;
                feed(pair, record);
                completion(pair, OTHER_TID, 6, cases[i].other);
                winner = next(pair);
                other = next(pair);
                assert_int_equal(winner.overlapped, cases[i].overlaps);
                assert_false(winner.lost_race);
                assert_int_equal(other.overlapped, cases[i].overlaps);
                assert_int_equal(other.lost_race, cases[i].overlaps);
                pair_free(pair);
        }
}

static struct record map_record(pid_t tid, uint64_t start, uint64_t len_bytes)
{
        return (struct record){.kind = RECORD_MAP,
                               .pid = PID,
                               .tid = tid,
                               .map = {.start = start, .len_bytes = len_bytes, .path = "[stack]", .n_path = 7}};
}

static void test_stack_growth(void **state)
{
        static const struct {
                pid_t tid;
                uint64_t start, len_bytes;
                bool grew;
        } cases[] = {
                {TID, ADDR & ~UINT64_C(0xfff), 0x3000, true},
                {TID, ADDR, 1, true},
                {TID, (ADDR & ~UINT64_C(0xfff)) + 0x1000, 0x3000, false},
                {TID, ADDR - 0x1000, 0x1000, false},
                {TID, ADDR - 1, UINT64_MAX, true},
                {OTHER_TID, ADDR & ~UINT64_C(0xfff), 0x3000, false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct pair *pair = new_pair(DETAIL_FULL);

                feed(pair, map_record(cases[i].tid, cases[i].start, cases[i].len_bytes)); /* nobody known */
                tracepoint(pair, TID, 1, ADDR, PF_USER | PF_WRITE);
                feed(pair, map_record(cases[i].tid, cases[i].start, cases[i].len_bytes)); /* nothing open */
                entry(pair, TID, 2, ADDR);
                feed(pair, map_record(cases[i].tid, cases[i].start, cases[i].len_bytes));
                completion(pair, TID, 3, ADDR);
                assert_int_equal(next(pair).stack_grew, cases[i].grew);
                entry(pair, TID, 4, ADDR);
                completion(pair, TID, 5, ADDR);
                assert_false(next(pair).stack_grew);
                pair_free(pair);
        }
}

static void test_basic(void **state)
{
        struct pair *pair = new_pair(DETAIL_BASIC);
        struct record record = fault_record(EVENT_MAJ, TID, 7, ADDR);
        struct fault fault;

        record.fault.has_physical = true;
        record.fault.physical = 0x7230;
        record.fault.page_bytes = 4096;
        feed(pair, record);
        completion(pair, TID, 8, ADDR);
        fault = next(pair);
        assert_true(fault.anchored && fault.completed && fault.major && fault.after.known);
        assert_false(fault.before.known || fault.has_error_code || fault.incomplete);
        assert_int_equal(fault.latency_ns, UINT64_MAX);
        assert_int_equal(fault.time_ns, 7);
        assert_int_equal(fault.cpu, CPU);
        fault = next(pair);
        assert_false(fault.major);
        assert_int_equal(pair_end(pair), 0);
        assert_none(pair);
        assert_int_equal(pair_stats(pair)->n_anchors, 2);
        pair_free(pair);
}

static void test_unprivileged_has_no_tracepoints(void **state)
{
        struct pair *pair = new_pair(DETAIL_UNPRIVILEGED);
        struct fault fault;

        entry(pair, TID, 1, ADDR);
        completion(pair, TID, 2, ADDR);
        fault = next(pair);
        assert_false(fault.incomplete || fault.has_error_code);
        assert_int_equal(fault.latency_ns, 1);
        pair_free(pair);
}

static bool is_at_addr(void *user, const struct fault *fault)
{
        ++*(unsigned int *)user;
        return fault->addr == ADDR;
}

static void test_expire(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);
        unsigned int n_asked = 0;
        struct fault fault;

        for (pid_t tid = 1; tid <= 4; tid++) { /* 1 and 3 at ADDR, 4 too late */
                tracepoint(pair, tid, 10, tid == 2 ? ADDR + 0x1000 : ADDR, PF_USER);
                entry(pair, tid, tid == 4 ? 20 : 10, tid == 2 ? ADDR + 0x1000 : ADDR);
        }
        assert_int_equal(pair_expire(pair, 20, is_at_addr, &n_asked), 0);
        assert_int_equal(n_asked, 3);
        assert_int_equal(next(pair).tid + next(pair).tid, 1 + 3);
        assert_none(pair);
        /* The given-up thread goes on: its fault does not come out twice. */
        completion(pair, 1, 21, ADDR);
        tracepoint(pair, 3, 22, ADDR, PF_USER);
        assert_none(pair);
        /* After a loss nothing is hopeless. */
        lost(pair);
        assert_int_equal(pair_expire(pair, 100, is_at_addr, &n_asked), 0);
        assert_none(pair);
        assert_int_equal(pair_end(pair), 0);
        for (int i = 0; i < 2; i++) {
                fault = next(pair);
                assert_true(fault.incomplete && fault.ended);
        }
        assert_none(pair);
        assert_int_equal(pair_stats(pair)->n_anchors, 4);
        pair_free(pair);
}

static void test_other_records_change_nothing(void **state)
{
        struct pair *pair = new_pair(DETAIL_FULL);

        tracepoint(pair, TID, 1, ADDR, PF_USER);
        entry(pair, TID, 2, ADDR);
        feed(pair, (struct record){.kind = RECORD_COMM, .pid = PID, .tid = TID, .comm = {.comm = "x"}});
        feed(pair, (struct record){.kind = RECORD_FORK, .pid = PID, .tid = OTHER_TID});
        feed(pair, (struct record){.kind = RECORD_OTHER, .pid = PID, .tid = TID});
        assert_none(pair);
        completion(pair, TID, 3, ADDR);
        assert_false(next(pair).incomplete);
        pair_free(pair);
}

static void test_free_accepts_null(void **state)
{
        assert_null(pair_free(NULL));
        assert_null(pair_free(new_pair(DETAIL_FULL)));
}

/* ---- properties ---- */

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
        else if (kind < 99)
                step_exit(pair, naive, tid);
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
                cmocka_unit_test(test_complete),
                cmocka_unit_test(test_major),
                cmocka_unit_test(test_kernel_mode),
                cmocka_unit_test(test_mode_by_address),
                cmocka_unit_test(test_all_orders),
                cmocka_unit_test(test_uncompleted),
                cmocka_unit_test(test_each_open),
                cmocka_unit_test(test_ended),
                cmocka_unit_test(test_exit_forgets),
                cmocka_unit_test(test_loss_while_open),
                cmocka_unit_test(test_loss_before_completion),
                cmocka_unit_test(test_loss_after_tracepoint),
                cmocka_unit_test(test_tracepoint_of_another_address),
                cmocka_unit_test(test_orphans),
                cmocka_unit_test(test_time_backwards),
                cmocka_unit_test(test_kernel_address),
                cmocka_unit_test(test_kernel_address_after_failed),
                cmocka_unit_test(test_vsyscall),
                cmocka_unit_test(test_overlap),
                cmocka_unit_test(test_neighbours_do_not_overlap),
                cmocka_unit_test(test_overlap_of_huge_page),
                cmocka_unit_test(test_stack_growth),
                cmocka_unit_test(test_basic),
                cmocka_unit_test(test_unprivileged_has_no_tracepoints),
                cmocka_unit_test(test_expire),
                cmocka_unit_test(test_other_records_change_nothing),
                cmocka_unit_test(test_free_accepts_null),
                cmocka_unit_test(test_against_model),
                cmocka_unit_test(test_every_anchor_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
