/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pair.c: every order in which the pieces of a fault can come, or stay away, and what else ends a fault.
 */
#include "tests/unit/pair_feed.h"

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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
