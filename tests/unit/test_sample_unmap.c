/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sample.c: which memory goes by munmap(2) and mremap(2), as their system calls begin. A row is the arguments of one
 * call and the range that the kernel takes away if the call succeeds, none where the kernel refuses or nothing goes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/decode/sample.h"
#include "tests/support/records.h"

#define MUNMAP_ID 500
#define MREMAP_ID 501
#define TIME UINT64_C(0x123456789abcdef)
#define PID 4242
#define TID 4243
#define USER_IP UINT64_C(0x401777)

#define START UINT64_C(0x7f0000000000)
#define USER_END UINT64_C(0x7ffffffff000)
/* linux/mman.h */
#define MAYMOVE 1
#define FIXED 2
#define DONTUNMAP 4

struct row {
        enum event_kind kind;
        uint64_t arguments[5];
        uint64_t start, len_bytes; /* len_bytes 0: nothing goes */
};

#define MUNMAP(addr, len)                                                                                              \
        EVENT_TP_MUNMAP,                                                                                               \
        {                                                                                                              \
                addr, len                                                                                              \
        }
#define MREMAP(addr, old, new, flags)                                                                                  \
        EVENT_TP_MREMAP,                                                                                               \
        {                                                                                                              \
                addr, old, new, flags, 0x7e0000000000                                                                  \
        }

/* clang-format off */
static const struct row rows[] = {
{MUNMAP(START, 0x1000), START, 0x1000},
{MUNMAP(START, 0x123000), START, 0x123000},
{MUNMAP(START, 1), START, 0x1000},
{MUNMAP(START, 0x1001), START, 0x2000},
{MUNMAP(0, 0x1000), 0, 0x1000},
{MUNMAP(START, 0), 0, 0},
{MUNMAP(START + 1, 0x1000), 0, 0},
{MUNMAP(START + 0x800, 0x1000), 0, 0},
{MUNMAP(USER_END - 0x1000, 0x1000), USER_END - 0x1000, 0x1000},
{MUNMAP(USER_END - 0x1000, 0x1001), 0, 0},
{MUNMAP(USER_END, 0x1000), 0, 0},
{MUNMAP(START, UINT64_MAX), 0, 0},
{MUNMAP(START, UINT64_MAX - START + 1), 0, 0},
{MUNMAP(UINT64_MAX - 0xfff, 0x1000), 0, 0},
/* Shrunk in place, or first shrunk and then moved. */
{MREMAP(START, 0x5000, 0x2000, 0), START + 0x2000, 0x3000},
{MREMAP(START, 0x5000, 0x2000, MAYMOVE), START + 0x2000, 0x3000},
{MREMAP(START, 0x5000, 0x1001, 0), START + 0x2000, 0x3000},
{MREMAP(START, 0x4001, 0x2000, 0), START + 0x2000, 0x3000},
{MREMAP(START, 0x1fff, 0x1001, 0), 0, 0},
{MREMAP(START, 0x5000, 0, 0), 0, 0},
{MREMAP(START + 1, 0x5000, 0x1000, 0), 0, 0},
/* Grown, or perhaps moved to where the kernel likes. */
{MREMAP(START, 0x2000, 0x2000, 0), 0, 0},
{MREMAP(START, 0x2000, 0x5000, 0), 0, 0},
{MREMAP(START, 0x2000, 0x5000, MAYMOVE), 0, 0},
{MREMAP(START, 0x2000, UINT64_MAX, 0), 0, 0},
{MREMAP(START, UINT64_MAX, 0x1000, 0), 0, 0},
/* Moved to a fixed address. */
{MREMAP(START, 0x5000, 0x5000, MAYMOVE | FIXED), START, 0x5000},
{MREMAP(START, 0x5000, 0x2000, MAYMOVE | FIXED), START, 0x5000},
{MREMAP(START, 0x5000, 0x9000, MAYMOVE | FIXED), START, 0x5000},
{MREMAP(START, 0x4fff, 0x9000, MAYMOVE | FIXED), START, 0x5000},
{MREMAP(START, 0, 0x5000, MAYMOVE | FIXED), 0, 0}, /* a second view of shared memory */
{MREMAP(START, 0x5000, 0, MAYMOVE | FIXED), 0, 0},
{MREMAP(START, 0x5000, 0x5000, FIXED), 0, 0},
{MREMAP(START, 0x5000, 0x5000, MAYMOVE | FIXED | DONTUNMAP), 0, 0},
{MREMAP(START, 0x5000, 0x5000, MAYMOVE | DONTUNMAP), 0, 0},
/* Addresses that would wrap. */
{MREMAP(UINT64_MAX - 0xfff, 0x5000, 0x1000, 0), 0, 0},
{MREMAP(USER_END, 0x5000, 0x1000, 0), 0, 0},
};
/* clang-format on */

static struct event_ids *new_ids(void)
{
        const struct link_event_id pairs[] = {{.id = MUNMAP_ID, .kind = EVENT_TP_MUNMAP},
                                              {.id = MREMAP_ID, .kind = EVENT_TP_MREMAP}};
        struct event_ids *ids = NULL;

        assert_int_equal(event_ids_new(pairs, ARRAY_SIZE(pairs), &ids), 0);
        return ids;
}

static const struct perf_event_header *encode_call(struct record_bytes *bytes, const struct row *row, uint64_t abi)
{
        bool is_munmap = row->kind == EVENT_TP_MUNMAP;
        const struct sample_values values = {
                .id = is_munmap ? MUNMAP_ID : MREMAP_ID,
                .time = TIME,
                .pid = PID,
                .tid = TID,
                .arguments = row->arguments,
                .n_arguments = is_munmap ? 2 : 5,
                .abi = abi,
                .sp = 0x7ffc00001000,
                .user_ip = USER_IP,
        };

        return encode_sample(bytes, event_sample_type(row->kind, DETAIL_FULL, true, 0), &values);
}

static void test_rows(void **state)
{
        struct event_ids *ids = new_ids();
        struct sample_layout layout = {DETAIL_FULL, true, 0, ids};

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const struct perf_event_header *header;
                struct record_bytes bytes;
                struct sample_look look;
                struct record record;

                memset(&record, 0xa5, sizeof(record));
                header = encode_call(&bytes, &rows[i], PERF_SAMPLE_REGS_ABI_64);
                assert_int_equal(sample_look(&layout, header, &look), 0);
                assert_int_equal(look.kind, rows[i].kind);
                assert_int_equal(look.tid, TID);
                assert_int_equal(look.time_ns, TIME);
                assert_int_equal(sample_decode(&layout, header, &record), 0);
                assert_int_equal(record.time_ns, TIME);
                assert_int_equal(record.pid, PID);
                assert_int_equal(record.tid, TID);
                if (record.kind != (rows[i].len_bytes ? RECORD_UNMAP : RECORD_OTHER))
                        fail_msg("row %zu: kind %d", i, (int)record.kind);
                if (!rows[i].len_bytes)
                        continue;
                assert_int_equal(record.unmap.start, rows[i].start);
                assert_int_equal(record.unmap.len_bytes, rows[i].len_bytes);
                assert_int_equal(record.unmap.ip, USER_IP);
        }
        event_ids_free(ids);
}

/* A task without user registers; the address of the caller is not known then. */
static void test_no_registers(void **state)
{
        static const struct row row = {MUNMAP(START, 0x1000), START, 0x1000};
        struct event_ids *ids = new_ids();
        struct sample_layout layout = {DETAIL_FULL, true, 0, ids};
        struct record_bytes bytes;
        struct record record;

        assert_int_equal(sample_decode(&layout, encode_call(&bytes, &row, PERF_SAMPLE_REGS_ABI_NONE), &record), 0);
        assert_int_equal(record.kind, RECORD_UNMAP);
        assert_int_equal(record.unmap.start, START);
        assert_int_equal(record.unmap.ip, 0);
        event_ids_free(ids);
}

/* Every shorter record, in a block of exactly that size, is refused and leaves the output alone. */
static void test_truncations(void **state)
{
        static const struct row calls[] = {{MUNMAP(START, 0x1000), 0, 0}, {MREMAP(START, 0x5000, 0x1000, 0), 0, 0}};
        struct event_ids *ids = new_ids();
        struct sample_layout layout = {DETAIL_FULL, true, 0, ids};

        for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
                struct record_bytes bytes;

                encode_call(&bytes, &calls[i], PERF_SAMPLE_REGS_ABI_64);
                for (size_t n = sizeof(struct perf_event_header); n < bytes.n; n++) {
                        struct perf_event_header *header = test_malloc(n);
                        struct record record, untouched;

                        memset(&record, 0xa5, sizeof(record));
                        memset(&untouched, 0xa5, sizeof(untouched));
                        memcpy(header, bytes.data, n);
                        header->size = (uint16_t)n;
                        assert_int_equal(sample_decode(&layout, header, &record), -EBADMSG);
                        assert_memory_equal(&record, &untouched, sizeof(record));
                        test_free(header);
                }
        }
        event_ids_free(ids);
}

/* The payload's own size says less than its fields need, or more than the record holds. */
static void test_damaged_raw_size(void **state)
{
        static const struct row calls[] = {{MUNMAP(START, 0x1000), 0, 0}, {MREMAP(START, 0x5000, 0x1000, 0), 0, 0}};
        struct event_ids *ids = new_ids();
        struct sample_layout layout = {DETAIL_FULL, true, 0, ids};

        for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
                uint32_t n_min = calls[i].kind == EVENT_TP_MUNMAP ? 32 : 56;
                struct record_bytes bytes;
                struct record record;

                encode_call(&bytes, &calls[i], PERF_SAMPLE_REGS_ABI_NONE);
                put_u64(&bytes, 0);
                for (uint32_t n_raw = 0; n_raw <= 160; n_raw += 4) {
                        uint64_t abi = 0;
                        size_t abi_at = 36 + (size_t)n_raw;
                        bool fits = n_raw >= n_min && abi_at + 8 <= bytes.n;

                        memcpy(bytes.data + 32, &n_raw, sizeof(n_raw));
                        if (fits)
                                memcpy(&abi, bytes.data + abi_at, sizeof(abi));
                        if (abi != 0 && abi_at + 24 > bytes.n)
                                fits = false;
                        assert_int_equal(sample_decode(&layout, finish_record(&bytes), &record), fits ? 0 : -EBADMSG);
                }
        }
        event_ids_free(ids);
}

/* No level of detail opens them by itself. */
static void test_opt_in(void **state)
{
        static const enum detail details[] = {DETAIL_BASIC, DETAIL_FULL, DETAIL_UNPRIVILEGED};

        for (size_t i = 0; i < ARRAY_SIZE(details); i++)
                assert_int_equal(event_kinds(details[i]) & EVENT_UNMAP_KINDS, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),        cmocka_unit_test(test_no_registers),
                cmocka_unit_test(test_truncations), cmocka_unit_test(test_damaged_raw_size),
                cmocka_unit_test(test_opt_in),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
