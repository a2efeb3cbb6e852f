/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Samples with registers and a copy of the stack: real layouts, damaged ones, and those that another observer's event
 * has spoilt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "daemon/engine/decode/sample.h"
#include "tests/support/records.h"

#define FIRST_ID 1000
#define FOREIGN_ID 999
#define STACK_MAX 65528

/* In the order of asm/perf_regs.h: AX BX CX DX SI DI BP SP IP FLAGS R8 to R15. */
static const uint64_t registers[EVENT_N_STACK_REGS] = {
        0xa,   0xb,    0xc,    0xd,  0x51, 0xd1, 0x7ffc00001100, 0x7ffc00001000, 0x401234,
        0x246, 0x8888, 0x9999, 0x10, 0x11, 0x12, 0x13,           0x14,           0x15};
static const uint64_t chain[] = {(uint64_t)PERF_CONTEXT_KERNEL, 0xffffffff81000010, 0xffffffff81000020};
static uint8_t stack_bytes[STACK_MAX];

static const struct sample_values values = {.ip = 0x401230,
                                            .time = 123456789012345,
                                            .addr = 0x7f0000001230,
                                            .physical = 0x12345230,
                                            .page = 4096,
                                            .pid = 100,
                                            .tid = 101,
                                            .raw_addr = 0x7f0000001230,
                                            .raw_ip = 0xffffffff81234567,
                                            .raw_error = 6,
                                            .n_raw_tail = 4,
                                            .abi = PERF_SAMPLE_REGS_ABI_64,
                                            .user_registers = registers,
                                            .stack = stack_bytes,
                                            .n_stack_room = 512,
                                            .n_stack_copied = 512,
                                            .chain = chain,
                                            .n_chain = ARRAY_SIZE(chain)};

/* What a trace may have: with tracepoints and the right to see the kernel, without the right, without tracepoints. */
static const struct {
        enum detail detail;
        bool tracepoints, kernel;
} traces[] = {
        {DETAIL_FULL, true, true},           {DETAIL_FULL, true, false},   {DETAIL_FULL, false, true},
        {DETAIL_UNPRIVILEGED, false, false}, {DETAIL_BASIC, false, false},
};

static struct event_ids *new_ids(void)
{
        struct link_event_id pairs[N_EVENT_KINDS];
        struct event_ids *ids = NULL;

        for (uint32_t kind = 0; kind < N_EVENT_KINDS; kind++)
                pairs[kind] = (struct link_event_id){.id = FIRST_ID + kind, .kind = kind};
        assert_int_equal(event_ids_new(pairs, N_EVENT_KINDS, &ids), 0);
        return ids;
}

static struct sample_layout layout_of(size_t trace, bool physical, const struct event_ids *ids)
{
        return (struct sample_layout){.detail = traces[trace].detail,
                                      .physical = physical,
                                      .stacks = event_stacks(traces[trace].tracepoints, traces[trace].kernel),
                                      .ids = ids};
}

/* The kinds that such a trace opens. */
static uint32_t kinds_of(size_t trace)
{
        uint32_t tracepoints = EVENT_BIT(EVENT_TP_USER) | EVENT_BIT(EVENT_TP_KERNEL) | EVENT_BIT(EVENT_TP_HIGH);
        uint32_t kinds = event_kinds(traces[trace].detail) & ~EVENT_BIT(EVENT_SIDEBAND);

        return traces[trace].tracepoints ? kinds : kinds & ~tracepoints;
}

static const struct perf_event_header *encode(const struct sample_layout *layout, enum event_kind kind,
                                              const struct sample_values *from, struct record_bytes *ret)
{
        return encode_sample(ret, event_sample_type(kind, layout->detail, layout->physical, layout->stacks), from);
}

static void check_stack(const struct record_fault *fault, const struct sample_values *from)
{
        bool has_registers = from->abi != PERF_SAMPLE_REGS_ABI_NONE;
        bool has_stack = from->abi == PERF_SAMPLE_REGS_ABI_64 && from->n_stack_room && from->n_stack_copied;

        assert_int_equal(fault->registers_abi, from->abi);
        assert_int_equal(fault->user_registers != NULL, has_registers);
        if (has_registers)
                assert_memory_equal(fault->user_registers, from->user_registers, sizeof(registers));
        assert_int_equal(fault->n_stack_bytes, has_stack ? from->n_stack_copied : 0);
        assert_int_equal(fault->stack != NULL, has_stack);
        if (has_stack) {
                assert_int_equal((uintptr_t)fault->stack % 8, 0);
                assert_memory_equal(fault->stack, from->stack, from->n_stack_copied);
        }
}

static void check_no_stack(const struct record_fault *fault)
{
        assert_null(fault->user_registers);
        assert_null(fault->stack);
        assert_int_equal(fault->n_stack_bytes, 0);
}

static void check_chain(const struct record_fault *fault, const struct sample_values *from, bool has_chain)
{
        assert_int_equal(fault->n_chain, has_chain ? from->n_chain : 0);
        assert_int_equal(fault->chain != NULL, has_chain && from->n_chain);
        if (fault->chain)
                assert_memory_equal(fault->chain, from->chain, from->n_chain * sizeof(uint64_t));
}

static void check_rest(const struct sample_layout *layout, enum event_kind kind, const struct record_fault *fault,
                       const struct sample_values *from)
{
        assert_int_equal(fault->event, kind);
        assert_null(fault->callstack);
        assert_int_equal(fault->addr, from->addr);
        if (sample_is_of_page(kind)) {
                assert_int_equal(fault->has_physical, layout->physical);
                assert_int_equal(fault->physical, layout->physical ? from->physical : 0);
                assert_int_equal(fault->page_bytes, layout->physical ? from->page : 0);
                assert_false(fault->has_registers);
                return;
        }
        assert_int_equal(fault->ip, from->raw_ip);
        assert_int_equal(fault->error_code, from->raw_error);
        assert_int_equal(fault->has_registers, from->abi != PERF_SAMPLE_REGS_ABI_NONE);
        assert_int_equal(fault->user_ip, fault->has_registers ? registers[8] : 0);
}

static void check_sample(const struct sample_layout *layout, enum event_kind kind, struct sample_values from)
{
        const struct perf_event_header *header;
        struct record_bytes bytes;
        struct sample_look look;
        struct record record;

        from.id = FIRST_ID + kind;
        header = encode(layout, kind, &from, &bytes);
        assert_int_equal(sample_look(layout, header, &look), 0);
        assert_int_equal(look.kind, kind);
        assert_true(look.is_ours);
        assert_int_equal(look.tid, from.tid);
        assert_int_equal(look.time_ns, from.time);
        assert_int_equal(look.addr, from.addr);
        memset(&record, 0xa5, sizeof(record));
        assert_int_equal(sample_decode(layout, header, &record), 0);
        assert_int_equal(record.kind, RECORD_FAULT);
        assert_int_equal(record.pid, from.pid);
        assert_int_equal(record.tid, from.tid);
        assert_int_equal(record.time_ns, from.time);
        check_rest(layout, kind, &record.fault, &from);
        check_chain(&record.fault, &from, kind == EVENT_TP_KERNEL && layout->stacks & EVENT_KERNEL_CHAIN);
        if (layout->stacks & EVENT_BIT(kind))
                check_stack(&record.fault, &from);
        else
                check_no_stack(&record.fault);
}

static void for_each_kind(const struct event_ids *ids,
                          void (*check)(const struct sample_layout *, enum event_kind, struct sample_values),
                          struct sample_values from)
{
        for (size_t trace = 0; trace < ARRAY_SIZE(traces); trace++)
                for (unsigned int physical = 0; physical < 2; physical++)
                        for (uint32_t kind = 0; kind < N_EVENT_KINDS; kind++) {
                                struct sample_layout layout = layout_of(trace, physical, ids);

                                if (kinds_of(trace) & EVENT_BIT(kind))
                                        check(&layout, (enum event_kind)kind, from);
                        }
}

static void test_every_kind(void **state)
{
        static const uint64_t copied[] = {0, 1, 8, 511, 512};
        struct event_ids *ids = new_ids();
        struct sample_values from = values;

        for (uint64_t abi = 0; abi <= PERF_SAMPLE_REGS_ABI_64; abi++)
                for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
                        from.abi = abi;
                        from.n_stack_room = abi == PERF_SAMPLE_REGS_ABI_NONE ? 0 : 512;
                        from.n_stack_copied = copied[i];
                        for_each_kind(ids, check_sample, from);
                }
        event_ids_free(ids);
}

/* A stack pointer that points to nothing of the user's: no room is set aside, and no size follows. */
static void test_no_room(void **state)
{
        struct event_ids *ids = new_ids();
        struct sample_values from = values;

        from.n_stack_room = 0;
        for_each_kind(ids, check_sample, from);
        from.n_chain = 0;
        for_each_kind(ids, check_sample, from);
        event_ids_free(ids);
}

/* As large as a record can be. */
static void test_largest(void **state)
{
        struct event_ids *ids = new_ids();
        struct sample_values from = values;

        from.n_stack_room = from.n_stack_copied = STACK_MAX - 512;
        for_each_kind(ids, check_sample, from);
        event_ids_free(ids);
}

/* Header, id, [ip,] owner, time, address, [cpu, period]: what a completion has before registers and stack. */
static size_t head_bytes(const struct sample_layout *layout, enum event_kind kind)
{
        return 40 + (layout->detail == DETAIL_BASIC ? 8 : 0) + (kind == EVENT_MAJ ? 16 : 0);
}

/* Whatever is missing at the end, nothing behind it is read; a page event keeps what is whole. */
static void check_cut(const struct sample_layout *layout, enum event_kind kind, struct sample_values from)
{
        struct record_bytes bytes;
        struct record record, untouched;

        from.id = FIRST_ID + kind;
        encode(layout, kind, &from, &bytes);
        for (size_t n = sizeof(struct perf_event_header); n < bytes.n; n++) {
                struct perf_event_header *header = test_malloc(n);
                bool keeps =
                        sample_is_of_page(kind) && layout->stacks & EVENT_BIT(kind) && n >= head_bytes(layout, kind);

                memset(&record, 0xa5, sizeof(record));
                memset(&untouched, 0xa5, sizeof(untouched));
                memcpy(header, bytes.data, n);
                header->size = (uint16_t)n;
                assert_int_equal(sample_decode(layout, header, &record), keeps ? 0 : -EBADMSG);
                if (!keeps) {
                        assert_memory_equal(&record, &untouched, sizeof(record));
                } else {
                        assert_int_equal(record.fault.addr, from.addr);
                        assert_false(record.fault.has_physical);
                        if (n < bytes.n - (layout->physical ? 16 : 0))
                                check_no_stack(&record.fault);
                        else
                                check_stack(&record.fault, &from);
                }
                test_free(header);
        }
}

static void test_truncations(void **state)
{
        struct event_ids *ids = new_ids();
        struct sample_values from = values;

        from.n_stack_room = 40;
        from.n_stack_copied = 37;
        for_each_kind(ids, check_cut, from);
        event_ids_free(ids);
}

static void assert_within(const struct perf_event_header *header, const void *from, size_t n_bytes)
{
        const uint8_t *start = (const uint8_t *)header, *at = from;

        assert_true(at >= start && at <= start + header->size);
        assert_true(n_bytes <= header->size - (size_t)(at - start));
        assert_int_equal((uintptr_t)at % 8, 0);
}

/* Every word of a record with every value that may be a wrong size: what comes out lies within the record. */
static void check_damaged(const struct sample_layout *layout, enum event_kind kind, struct sample_values from)
{
        static const uint64_t wrong[] = {0,      1,          2,          3,           7,           8,          16,
                                         32,     36,         40,         48,          511,         512,        520,
                                         0xfff8, 0xffffffff, 0xfffffff8, 0x100000000, 1ull << 61,  1ull << 63, ~0ull,
                                         ~7ull,  ~0ull >> 1, 0x2000000,  0x24,        0x200000024, 0x1fffff};
        struct record_bytes bytes;

        from.id = FIRST_ID + kind;
        encode(layout, kind, &from, &bytes);
        for (size_t at = 16; at + 8 <= bytes.n; at += 8)
                for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                        struct perf_event_header *header = test_malloc(bytes.n);
                        struct record record = {0};
                        struct sample_look look;

                        memcpy(header, bytes.data, bytes.n);
                        memcpy((uint8_t *)header + at, &wrong[i], 8);
                        if (sample_decode(layout, header, &record) == 0) {
                                const struct record_fault *fault = &record.fault;

                                if (fault->user_registers)
                                        assert_within(header, fault->user_registers, sizeof(registers));
                                if (fault->stack)
                                        assert_within(header, fault->stack, fault->n_stack_bytes);
                                if (fault->chain)
                                        assert_within(header, fault->chain, fault->n_chain * sizeof(uint64_t));
                        }
                        (void)!sample_look(layout, header, &look);
                        header->size -= 8;
                        (void)!sample_decode(layout, header, &record);
                        (void)!sample_look(layout, header, &look);
                        test_free(header);
                }
}

static void test_damaged(void **state)
{
        struct event_ids *ids = new_ids();
        struct sample_values from = values;

        from.n_stack_room = 64;
        from.n_stack_copied = 64;
        for_each_kind(ids, check_damaged, from);
        event_ids_free(ids);
}

/*
 * Another observer's event on the same task: its id, and in addition the size of what it has (a call chain: stale bytes
 * follow), or less than is written (a smaller stack: the end is missing). The kind and the fault are found all the
 * same. As measured on Linux 6.18.
 */
static void check_foreign(const struct sample_layout *layout, enum event_kind kind, struct sample_values from)
{
        struct record_bytes bytes;
        size_t n_written;

        if (!sample_is_of_page(kind))
                return;
        from.id = FOREIGN_ID;
        encode(layout, kind, &from, &bytes);
        n_written = bytes.n;
        memset(bytes.data + bytes.n, 0x5a, 256);
        for (size_t n = n_written; n <= n_written + 256; n += 8) {
                struct perf_event_header *header = test_malloc(n);
                struct sample_look look;
                struct record record;

                memcpy(header, bytes.data, n);
                header->size = (uint16_t)n;
                assert_int_equal(sample_look(layout, header, &look), 0);
                assert_int_equal(look.kind, kind);
                assert_false(look.is_ours);
                assert_int_equal(look.tid, from.tid);
                assert_int_equal(look.addr, from.addr);
                assert_int_equal(sample_decode(layout, header, &record), 0);
                check_rest(layout, kind, &record.fault, &from);
                if (layout->stacks & EVENT_BIT(kind))
                        check_stack(&record.fault, &from);
                test_free(header);
        }
}

static void test_foreign(void **state)
{
        struct event_ids *ids = new_ids();
        struct sample_values from = values;

        for_each_kind(ids, check_foreign, from);
        from.n_stack_room = 1024; /* theirs */
        from.n_stack_copied = 1024;
        for_each_kind(ids, check_foreign, from);
        from.n_stack_copied = 3;
        for_each_kind(ids, check_foreign, from);
        from.abi = PERF_SAMPLE_REGS_ABI_NONE;
        from.n_stack_room = 0;
        for_each_kind(ids, check_foreign, from);
        event_ids_free(ids);
}

/* No word of the fault is beyond the cut. */
static void check_foreign_cut(const struct sample_layout *layout, enum event_kind kind, struct sample_values from)
{
        size_t head = head_bytes(layout, kind);
        struct record_bytes bytes;

        if (!sample_is_of_page(kind) || !(layout->stacks & EVENT_BIT(kind)))
                return;
        from.id = FOREIGN_ID;
        encode(layout, kind, &from, &bytes);
        for (size_t n = head + 16; n < bytes.n; n += 8) {
                struct perf_event_header *header = test_malloc(n);
                struct record record;

                memcpy(header, bytes.data, n);
                header->size = (uint16_t)n;
                assert_int_equal(sample_decode(layout, header, &record), 0);
                assert_int_equal(record.fault.event, kind);
                assert_int_equal(record.fault.addr, from.addr);
                assert_int_equal(record.tid, from.tid);
                test_free(header);
        }
}

static void test_foreign_cut(void **state)
{
        struct event_ids *ids = new_ids();

        for_each_kind(ids, check_foreign_cut, values);
        event_ids_free(ids);
}

/* Registers that look like what the other kind has there: the whole of the record tells. */
static void test_alike(void **state)
{
        struct event_ids *ids = new_ids();
        uint64_t alike[EVENT_N_STACK_REGS];
        struct sample_values from = values;

        for (uint64_t abi = 0; abi <= PERF_SAMPLE_REGS_ABI_64; abi++)
                for (uint64_t second = 0; second < 3; second++) {
                        memset(alike, 0, sizeof(alike));
                        alike[0] = 1; /* the period of EVENT_MAJ */
                        alike[1] = second;
                        from.abi = abi;
                        from.user_registers = alike;
                        from.n_stack_room = from.n_stack_copied = abi ? 512 : 0;
                        for (size_t trace = 0; trace < ARRAY_SIZE(traces); trace++)
                                for (unsigned int physical = 0; physical < 2; physical++) {
                                        struct sample_layout layout = layout_of(trace, physical, ids);
                                        struct record_bytes bytes;
                                        struct sample_look look;

                                        from.id = FOREIGN_ID;
                                        for (uint32_t kind = EVENT_MIN; kind <= EVENT_MAJ; kind++) {
                                                encode(&layout, (enum event_kind)kind, &from, &bytes);
                                                assert_int_equal(sample_look(&layout, (void *)bytes.data, &look), 0);
                                                assert_int_equal(look.kind, kind);
                                        }
                                }
                }
        event_ids_free(ids);
}

static void test_story_registers(void **state)
{
        static const uint64_t expected[N_STORY_REGISTERS] = {[STORY_RAX] = 0xa,
                                                             [STORY_RBX] = 0xb,
                                                             [STORY_RCX] = 0xc,
                                                             [STORY_RDX] = 0xd,
                                                             [STORY_RSI] = 0x51,
                                                             [STORY_RDI] = 0xd1,
                                                             [STORY_RBP] = 0x7ffc00001100,
                                                             [STORY_RSP] = 0x7ffc00001000,
                                                             [STORY_R8] = 0x8888,
                                                             [STORY_R9] = 0x9999,
                                                             [STORY_R10] = 0x10,
                                                             [STORY_R11] = 0x11,
                                                             [STORY_R12] = 0x12,
                                                             [STORY_R13] = 0x13,
                                                             [STORY_R14] = 0x14,
                                                             [STORY_R15] = 0x15,
                                                             [STORY_RIP] = 0x401234,
                                                             [STORY_EFLAGS] = 0x246};
        uint64_t got[N_STORY_REGISTERS];

        sample_story_registers(registers, got);
        assert_memory_equal(got, expected, sizeof(got));
        assert_int_equal(__builtin_popcountll(EVENT_STACK_REGS_MASK), EVENT_N_STACK_REGS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_kind),      cmocka_unit_test(test_no_room),
                cmocka_unit_test(test_largest),         cmocka_unit_test(test_truncations),
                cmocka_unit_test(test_damaged),         cmocka_unit_test(test_foreign),
                cmocka_unit_test(test_foreign_cut),     cmocka_unit_test(test_alike),
                cmocka_unit_test(test_story_registers),
        };

        for (size_t i = 0; i < sizeof(stack_bytes); i++)
                stack_bytes[i] = (uint8_t)(i * 7 + i / 256 + 3);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
