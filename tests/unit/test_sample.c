/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sample.c against records written by the manual's generic rule (support/records.h): every kind of event at every level
 * of detail, every truncation (in a heap block of exactly that size), the records without a sample, and the table of
 * ids.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "daemon/engine/decode/sample.h"
#include "tests/support/records.h"

#define FIRST_ID 1000 /* id of a kind is FIRST_ID + kind */

static const struct sample_values values = {
        .ip = 0x401234,
        .time = 0x123456789abcdef,
        .addr = 0x7f0000001238,
        .physical = 0x1234567238,
        .page = 4096,
        .pid = 4242,
        .tid = 4243,
        .raw_addr = 0x7f00deadb000,
        .raw_ip = 0xffffffff81234567,
        .raw_error = 0x17,
        .n_raw_tail = 4,
        .abi = PERF_SAMPLE_REGS_ABI_64,
        .sp = 0x7ffc00001000,
        .user_ip = 0x401777,
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

static bool is_tracepoint(enum event_kind kind)
{
        return kind == EVENT_TP_USER || kind == EVENT_TP_KERNEL || kind == EVENT_TP_HIGH;
}

static void check_tracepoint(const struct record_fault *fault, const struct sample_values *from)
{
        bool has_registers = fault->event == EVENT_TP_KERNEL && from->abi != PERF_SAMPLE_REGS_ABI_NONE;

        assert_true(fault->has_ip);
        assert_false(fault->has_physical);
        assert_int_equal(fault->has_registers, has_registers);
        assert_int_equal(fault->addr, from->raw_addr);
        assert_int_equal(fault->ip, from->raw_ip);
        assert_int_equal(fault->error_code, from->raw_error);
        assert_int_equal(fault->user_ip, has_registers ? from->user_ip : 0);
        assert_int_equal(fault->physical, 0);
        assert_int_equal(fault->page_bytes, 0);
}

static void check_page_event(const struct record_fault *fault, uint64_t type, const struct sample_values *from)
{
        bool has_ip = type & PERF_SAMPLE_IP, physical = type & PERF_SAMPLE_PHYS_ADDR;

        assert_int_equal(fault->has_ip, has_ip);
        assert_int_equal(fault->has_physical, physical);
        assert_false(fault->has_registers);
        assert_int_equal(fault->addr, from->addr);
        assert_int_equal(fault->ip, has_ip ? from->ip : 0);
        assert_int_equal(fault->physical, physical ? from->physical : 0);
        assert_int_equal(fault->page_bytes, physical ? from->page : 0);
        assert_int_equal(fault->error_code, 0);
        assert_int_equal(fault->user_ip, 0);
}

/* Every shorter size is refused without touching the output or a byte beyond the size. */
static void check_truncations(const struct sample_layout *layout, const struct record_bytes *bytes)
{
        for (size_t n = sizeof(struct perf_event_header); n < bytes->n; n++) {
                struct perf_event_header *header = test_malloc(n);
                struct record record, untouched;

                memset(&record, 0xa5, sizeof(record));
                memset(&untouched, 0xa5, sizeof(untouched));
                memcpy(header, bytes->data, n);
                header->size = (uint16_t)n;
                assert_int_equal(sample_decode(layout, header, &record), -EBADMSG);
                assert_memory_equal(&record, &untouched, sizeof(record));
                test_free(header);
        }
}

static void check_sample(const struct sample_layout *layout, enum event_kind kind, struct sample_values from)
{
        uint64_t type = event_sample_type(kind, layout->detail, layout->physical, 0);
        struct sample_look look;
        const struct perf_event_header *header;
        struct record_bytes bytes;
        struct record record;

        from.id = FIRST_ID + kind;
        memset(&record, 0xa5, sizeof(record));
        header = encode_sample(&bytes, type, &from);
        assert_int_equal(sample_look(layout, header, &look), 0);
        assert_int_equal(look.kind, kind);
        assert_true(look.is_ours);
        assert_int_equal(look.tid, from.tid);
        assert_int_equal(look.time_ns, from.time);
        assert_int_equal(look.addr, kind == EVENT_SIDEBAND ? 0 : is_tracepoint(kind) ? from.raw_addr : from.addr);
        assert_int_equal(sample_decode(layout, header, &record), 0);
        assert_int_equal(record.time_ns, from.time);
        assert_int_equal(record.pid, from.pid);
        assert_int_equal(record.tid, from.tid);
        if (kind == EVENT_SIDEBAND) {
                assert_int_equal(record.kind, RECORD_OTHER);
        } else {
                assert_int_equal(record.kind, RECORD_FAULT);
                assert_int_equal(record.fault.event, kind);
                if (is_tracepoint(kind))
                        check_tracepoint(&record.fault, &from);
                else
                        check_page_event(&record.fault, type, &from);
        }
        check_truncations(layout, &bytes);
}

static void test_every_kind(void **state)
{
        static const enum detail details[] = {DETAIL_BASIC, DETAIL_FULL, DETAIL_UNPRIVILEGED};
        struct event_ids *ids = new_ids();

        for (size_t i = 0; i < ARRAY_SIZE(details); i++) {
                for (int physical = 0; physical < 2; physical++) {
                        struct sample_layout layout = {details[i], physical, 0, ids};

                        for (unsigned int kind = 0; kind <= EVENT_SIDEBAND; kind++)
                                check_sample(&layout, (enum event_kind)kind, values);
                }
        }
        event_ids_free(ids);
}

static void test_registers(void **state)
{
        struct event_ids *ids = new_ids();
        struct sample_layout layout = {DETAIL_FULL, true, 0, ids};
        struct sample_values from = values;

        from.abi = PERF_SAMPLE_REGS_ABI_NONE;
        check_sample(&layout, EVENT_TP_KERNEL, from);
        from.abi = PERF_SAMPLE_REGS_ABI_32;
        check_sample(&layout, EVENT_TP_KERNEL, from);
        from.n_raw_tail = 12; /* newer fields behind the error code */
        check_sample(&layout, EVENT_TP_KERNEL, from);
        event_ids_free(ids);
}

/* The raw payload's own size is not to be trusted either. */
static void test_damaged_raw_size(void **state)
{
        struct event_ids *ids = new_ids();
        struct sample_layout layout = {DETAIL_FULL, true, 0, ids};
        struct sample_values from = values;
        struct record_bytes bytes;

        from.id = FIRST_ID + EVENT_TP_KERNEL;
        encode_sample(&bytes, event_sample_type(EVENT_TP_KERNEL, DETAIL_FULL, true, 0), &from);
        for (uint32_t n_raw = 0; n_raw <= 128; n_raw++) {
                struct perf_event_header *header = test_malloc(bytes.n);
                struct record record;
                /* behind the payload there is at least the abi, and if that is not 0, the registers */
                bool fits = n_raw >= 32 && n_raw <= bytes.n - 36 - 8;
                uint64_t abi = 0;

                memcpy(header, bytes.data, bytes.n);
                memcpy((uint8_t *)header + 32, &n_raw, sizeof(n_raw));
                if (fits)
                        memcpy(&abi, (uint8_t *)header + 36 + n_raw, sizeof(abi));
                if (abi != 0 && n_raw > bytes.n - 36 - 24)
                        fits = false;
                assert_int_equal(sample_decode(&layout, header, &record), fits ? 0 : -EBADMSG);
                test_free(header);
        }
        event_ids_free(ids);
}

static void test_unknown_id(void **state)
{
        struct event_ids *ids = new_ids();
        struct sample_layout layout = {DETAIL_FULL, true, 0, ids};
        struct sample_values from = values;
        struct record_bytes bytes;
        struct sample_look look = {.time_ns = 5};
        struct record record;

        for (uint64_t id = FIRST_ID - 1; id <= FIRST_ID + N_EVENT_KINDS; id += N_EVENT_KINDS + 1) {
                from.id = id;
                encode_sample(&bytes, event_sample_type(EVENT_TP_KERNEL, DETAIL_FULL, true, 0), &from);
                put_u64(&bytes, 0);
                assert_int_equal(sample_decode(&layout, finish_record(&bytes), &record), -EBADMSG);
                assert_int_equal(sample_look(&layout, finish_record(&bytes), &look), -EBADMSG);
                assert_int_equal(look.time_ns, 5);
        }
        event_ids_free(ids);
}

/* Another observer's id on our record: its size tells what it is, at every level of detail. */
static void test_foreign_id(void **state)
{
        static const enum event_kind kinds[] = {EVENT_ENTRY, EVENT_MIN, EVENT_MAJ};
        static const enum detail details[] = {DETAIL_BASIC, DETAIL_FULL, DETAIL_UNPRIVILEGED};
        struct event_ids *ids = new_ids();
        struct sample_values from = values;

        from.id = FIRST_ID - 1;
        for (size_t i = 0; i < ARRAY_SIZE(details) * 2; i++) {
                struct sample_layout layout = {details[i / 2], i % 2, 0, ids};

                for (size_t k = details[i / 2] == DETAIL_BASIC ? 1 : 0; k < ARRAY_SIZE(kinds); k++) {
                        uint64_t type = event_sample_type(kinds[k], layout.detail, layout.physical, 0);
                        const struct perf_event_header *header;
                        struct record_bytes bytes;
                        struct sample_look look;
                        struct record record;

                        header = encode_sample(&bytes, type, &from);
                        assert_int_equal(sample_look(&layout, header, &look), 0);
                        assert_int_equal(look.kind, kinds[k]);
                        assert_false(look.is_ours);
                        assert_int_equal(look.addr, from.addr);
                        assert_int_equal(sample_decode(&layout, header, &record), 0);
                        assert_int_equal(record.kind, RECORD_FAULT);
                        assert_int_equal(record.fault.event, kinds[k]);
                        check_page_event(&record.fault, type, &from);
                }
        }
        event_ids_free(ids);
}

static void put_map(struct record_bytes *bytes, uint16_t misc, const char *path)
{
        begin_record(bytes, PERF_RECORD_MMAP2, misc);
        put_u32(bytes, 10);
        put_u32(bytes, 11);
        put_u64(bytes, 0x7f0000000000);
        put_u64(bytes, 0x3000);
        put_u64(bytes, 0x5000);
        put_u32(bytes, 8);
        put_u32(bytes, 3);
        put_u64(bytes, 123456789);
        put_u64(bytes, 99);
        put_u32(bytes, PROT_READ | PROT_EXEC);
        put_u32(bytes, MAP_PRIVATE);
        put_string(bytes, path);
}

static void test_map(void **state)
{
        static const char *const paths[] = {"//anon", "", "[heap]", "/usr/lib/x y.so", "/seven77", "/eight888"};
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                struct record_bytes bytes;
                struct record record;

                put_map(&bytes, 0, paths[i]);
                assert_int_equal(sample_decode(&layout, finish_with_trailer(&bytes, 1, 2, 777, 3), &record), 0);
                assert_int_equal(record.kind, RECORD_MAP);
                assert_int_equal(record.time_ns, 777);
                assert_int_equal(record.pid, 10);
                assert_int_equal(record.tid, 11);
                assert_int_equal(record.map.start, 0x7f0000000000);
                assert_int_equal(record.map.len_bytes, 0x3000);
                assert_int_equal(record.map.offset, 0x5000);
                assert_int_equal(record.map.major, 8);
                assert_int_equal(record.map.minor, 3);
                assert_int_equal(record.map.inode, 123456789);
                assert_int_equal(record.map.prot, PROT_READ | PROT_EXEC);
                assert_int_equal(record.map.flags, MAP_PRIVATE);
                assert_string_equal(record.map.path, paths[i]);
                assert_int_equal(record.map.n_path, strlen(paths[i]));
        }
}

static void test_map_with_build_id(void **state)
{
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};
        struct record_bytes bytes;
        struct record record;

        put_map(&bytes, PERF_RECORD_MISC_MMAP_BUILD_ID, "/usr/bin/x");
        assert_int_equal(sample_decode(&layout, finish_with_trailer(&bytes, 1, 2, 777, 3), &record), 0);
        assert_int_equal(record.map.major, 0);
        assert_int_equal(record.map.minor, 0);
        assert_int_equal(record.map.inode, 0);
        assert_int_equal(record.map.prot, PROT_READ | PROT_EXEC);
        assert_string_equal(record.map.path, "/usr/bin/x");
}

static void put_comm(struct record_bytes *bytes, uint16_t misc, const char *comm)
{
        begin_record(bytes, PERF_RECORD_COMM, misc);
        put_u32(bytes, 10);
        put_u32(bytes, 11);
        put_string(bytes, comm);
}

static void test_comm(void **state)
{
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};

        for (int exec = 0; exec < 2; exec++) {
                struct record_bytes bytes;
                struct record record;

                put_comm(&bytes, exec ? PERF_RECORD_MISC_COMM_EXEC : 0, "fifteen-letters");
                assert_int_equal(sample_decode(&layout, finish_with_trailer(&bytes, 1, 2, 777, 3), &record), 0);
                assert_int_equal(record.kind, RECORD_COMM);
                assert_int_equal(record.pid, 10);
                assert_int_equal(record.tid, 11);
                assert_int_equal(record.time_ns, 777);
                assert_int_equal(record.comm.exec, exec);
                assert_string_equal(record.comm.comm, "fifteen-letters");
        }
}

static void put_task(struct record_bytes *bytes, uint32_t type)
{
        begin_record(bytes, type, 0);
        put_u32(bytes, 20);
        put_u32(bytes, 21);
        put_u32(bytes, 22);
        put_u32(bytes, 23);
        put_u64(bytes, 780); /* the body's own time, a little later than the trailer's */
}

static void test_task(void **state)
{
        static const uint32_t types[] = {PERF_RECORD_FORK, PERF_RECORD_EXIT};
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                const struct perf_event_header *header;
                struct record_bytes bytes;
                struct record record;
                struct sample_look look;

                put_task(&bytes, types[i]);
                header = finish_with_trailer(&bytes, 1, 2, 777, 3);
                assert_int_equal(sample_decode(&layout, header, &record), 0);
                assert_int_equal(record.kind, types[i] == PERF_RECORD_FORK ? RECORD_FORK : RECORD_EXIT);
                assert_int_equal(record.pid, 20);
                assert_int_equal(record.task.parent_pid, 21);
                assert_int_equal(record.tid, 22);
                assert_int_equal(record.task.parent_tid, 23);
                assert_int_equal(sample_look(&layout, header, &look), 0);
                assert_int_equal(record.time_ns, 777);
                assert_int_equal(look.time_ns, 777);
                check_truncations(&layout, &bytes);
        }
}

static void test_lost_and_other(void **state)
{
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};
        struct record_bytes bytes;
        struct record record;

        assert_int_equal(sample_decode(&layout, encode_lost(&bytes, 31, 888), &record), 0);
        assert_int_equal(record.kind, RECORD_LOST);
        assert_int_equal(record.lost.n, 31);
        assert_int_equal(record.pid, 11);
        assert_int_equal(record.tid, 12);
        assert_int_equal(record.time_ns, 888);
        check_truncations(&layout, &bytes);

        begin_record(&bytes, PERF_RECORD_THROTTLE, 0);
        assert_int_equal(sample_decode(&layout, finish_with_trailer(&bytes, 1, 2, 889, 3), &record), 0);
        assert_int_equal(record.kind, RECORD_OTHER);
        assert_int_equal(record.pid, 1);
        assert_int_equal(record.tid, 2);
        assert_int_equal(record.time_ns, 889);
        check_truncations(&layout, &bytes);
}

/*
 * A record with a string cannot know its own length: cut short, it may still look whole with its last bytes for a
 * trailer. It must be refused where the fields before the string do not fit, and where the string does not end.
 */
static void check_string_truncations(const struct record_bytes *bytes, size_t n_fixed)
{
        struct sample_layout layout = {DETAIL_FULL, true, 0, NULL};

        for (size_t n = sizeof(struct perf_event_header); n < bytes->n; n++) {
                struct perf_event_header *header = test_malloc(n);
                bool ends = n > n_fixed + EVENT_TRAILER_BYTES &&
                            memchr(bytes->data + n_fixed, '\0', n - n_fixed - EVENT_TRAILER_BYTES);
                struct record record;

                memcpy(header, bytes->data, n);
                header->size = (uint16_t)n;
                assert_int_equal(sample_decode(&layout, header, &record), ends ? 0 : -EBADMSG);
                test_free(header);
        }
}

static void test_truncated_strings(void **state)
{
        struct record_bytes bytes;

        put_map(&bytes, 0, "/usr/lib/somewhere");
        finish_with_trailer(&bytes, UINT32_MAX, UINT32_MAX, UINT64_MAX, UINT64_MAX);
        check_string_truncations(&bytes, 72);
        put_comm(&bytes, 0, "comm");
        finish_with_trailer(&bytes, UINT32_MAX, UINT32_MAX, UINT64_MAX, UINT64_MAX);
        check_string_truncations(&bytes, 16);
}

static void test_ids_with_gaps(void **state)
{
        const struct link_event_id pairs[] = {
                {.id = 500, .kind = EVENT_MIN},      {.id = 3000000000, .kind = EVENT_TP_HIGH},
                {.id = 100, .kind = EVENT_ENTRY},    {.id = UINT64_MAX, .kind = EVENT_SIDEBAND},
                {.id = 4195, .kind = EVENT_TP_USER}, {.id = 4196, .kind = EVENT_MAJ},
        };
        struct event_ids *ids = NULL;
        uint32_t kinds = 0;

        assert_int_equal(event_ids_new(pairs, ARRAY_SIZE(pairs), &ids), 0);
        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
                kinds |= EVENT_BIT(pairs[i].kind);
        assert_int_equal(event_ids_kinds(ids), kinds);
        assert_int_equal(event_ids_kinds(NULL), 0);
        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
                uint64_t id = pairs[i].id;

                assert_int_equal(event_ids_lookup(ids, id), pairs[i].kind);
                if (id - 1 != 4195)
                        assert_int_equal(event_ids_lookup(ids, id - 1), -ENOENT);
                if (id + 1 != 4196)
                        assert_int_equal(event_ids_lookup(ids, id + 1), -ENOENT);
        }
        event_ids_free(ids);
}

static void test_many_ids(void **state)
{
        enum { N = 20000, STEP = 7 };
        struct link_event_id *pairs = test_calloc(N, sizeof(*pairs));
        struct event_ids *ids = NULL;

        for (uint32_t i = 0; i < N; i++) {
                uint32_t shuffled = (uint32_t)((uint64_t)i * 7919 % N); /* 7919 is prime to N: each once */

                pairs[i] = (struct link_event_id){.id = 12345 + (uint64_t)shuffled * STEP,
                                                  .kind = shuffled % N_EVENT_KINDS};
        }
        assert_int_equal(event_ids_new(pairs, N, &ids), 0);
        for (uint64_t id = 12345 - STEP; id < 12345 + (N + 1) * STEP; id++) {
                bool known = id >= 12345 && id < 12345 + N * STEP && (id - 12345) % STEP == 0;

                assert_int_equal(event_ids_lookup(ids, id),
                                 known ? (int)((id - 12345) / STEP % N_EVENT_KINDS) : -ENOENT);
        }
        event_ids_free(ids);
        test_free(pairs);
}

static void test_refused_ids(void **state)
{
        struct link_event_id pairs[] = {{.id = 7, .kind = EVENT_MIN}, {.id = 9}, {.id = 7, .kind = EVENT_MIN}};
        struct event_ids *ids = NULL;

        assert_int_equal(event_ids_new(pairs, 3, &ids), -EINVAL);
        pairs[2].id = 8;
        pairs[2].kind = N_EVENT_KINDS;
        assert_int_equal(event_ids_new(pairs, 3, &ids), -EINVAL);
        assert_null(ids);
        assert_int_equal(event_ids_new(NULL, 0, &ids), 0);
        assert_int_equal(event_ids_lookup(ids, 0), -ENOENT);
        assert_int_equal(event_ids_lookup(ids, 7), -ENOENT);
        assert_null(event_ids_free(ids));
        assert_null(event_ids_free(NULL));
}

/* Into holes of the array, behind it and before it, in any order; what was known stays. */
static void test_added_ids(void **state)
{
        static const struct link_event_id first[] = {
                {.id = 1000, .kind = EVENT_ENTRY}, {.id = 1002, .kind = EVENT_MIN}, {.id = 1 << 30, .kind = EVENT_MAJ}};
        static const struct link_event_id more[] = {{.id = (1 << 30) + 1, .kind = EVENT_SIDEBAND},
                                                    {.id = 1001, .kind = EVENT_TP_USER},
                                                    {.id = 7, .kind = EVENT_MAJ},
                                                    {.id = (1 << 30) - 1, .kind = EVENT_MIN}};
        static const struct link_event_id last[] = {{.id = 8, .kind = EVENT_MIN}};
        const uint32_t kinds = EVENT_BIT(EVENT_ENTRY) | EVENT_BIT(EVENT_MIN) | EVENT_BIT(EVENT_MAJ);
        struct event_ids *ids = NULL;

        assert_int_equal(event_ids_new(first, ARRAY_SIZE(first), &ids), 0);
        assert_int_equal(event_ids_add(ids, NULL, 0), 0);
        assert_int_equal(event_ids_kinds(ids), kinds);
        assert_int_equal(event_ids_add(ids, more, ARRAY_SIZE(more)), 0);
        assert_int_equal(event_ids_add(ids, last, ARRAY_SIZE(last)), 0);
        assert_int_equal(event_ids_kinds(ids), kinds | EVENT_BIT(EVENT_SIDEBAND) | EVENT_BIT(EVENT_TP_USER));
        for (size_t i = 0; i < ARRAY_SIZE(first); i++)
                assert_int_equal(event_ids_lookup(ids, first[i].id), first[i].kind);
        for (size_t i = 0; i < ARRAY_SIZE(more); i++)
                assert_int_equal(event_ids_lookup(ids, more[i].id), more[i].kind);
        assert_int_equal(event_ids_lookup(ids, 8), EVENT_MIN);
        assert_int_equal(event_ids_lookup(ids, 6), -ENOENT);
        assert_int_equal(event_ids_lookup(ids, 9), -ENOENT);
        assert_int_equal(event_ids_lookup(ids, 999), -ENOENT);
        assert_int_equal(event_ids_lookup(ids, 1003), -ENOENT);
        event_ids_free(ids);
}

static void test_added_to_none(void **state)
{
        static const struct link_event_id pairs[] = {{.id = 9, .kind = EVENT_MIN}, {.id = 3, .kind = EVENT_MAJ}};
        struct event_ids *ids = NULL;

        assert_int_equal(event_ids_new(NULL, 0, &ids), 0);
        assert_int_equal(event_ids_add(ids, pairs, ARRAY_SIZE(pairs)), 0);
        assert_int_equal(event_ids_lookup(ids, 3), EVENT_MAJ);
        assert_int_equal(event_ids_lookup(ids, 9), EVENT_MIN);
        assert_int_equal(event_ids_lookup(ids, 0), -ENOENT);
        event_ids_free(ids);
}

/* All or none. */
static void test_refused_added_ids(void **state)
{
        static const struct link_event_id first[] = {{.id = 1000, .kind = EVENT_ENTRY},
                                                     {.id = 1 << 30, .kind = EVENT_MAJ}};
        static const struct link_event_id refused[] = {{.id = 1000, .kind = EVENT_MIN},    /* known, in the array */
                                                       {.id = 1 << 30, .kind = EVENT_MAJ}, /* known, a straggler */
                                                       {.id = 5, .kind = EVENT_MIN},       /* twice */
                                                       {.id = 1001, .kind = EVENT_MIN},
                                                       {.id = 6, .kind = N_EVENT_KINDS}};
        struct event_ids *ids = NULL;

        assert_int_equal(event_ids_new(first, ARRAY_SIZE(first), &ids), 0);
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
                const struct link_event_id pairs[] = {
                        {.id = 1001, .kind = EVENT_MIN}, {.id = 5, .kind = EVENT_MIN}, refused[i]};

                assert_int_equal(event_ids_add(ids, pairs, ARRAY_SIZE(pairs)), -EINVAL);
                assert_int_equal(event_ids_lookup(ids, 5), -ENOENT);
                assert_int_equal(event_ids_lookup(ids, 6), -ENOENT);
                assert_int_equal(event_ids_lookup(ids, 1001), -ENOENT);
                assert_int_equal(event_ids_lookup(ids, 1000), EVENT_ENTRY);
                assert_int_equal(event_ids_lookup(ids, 1 << 30), EVENT_MAJ);
                assert_int_equal(event_ids_kinds(ids), EVENT_BIT(EVENT_ENTRY) | EVENT_BIT(EVENT_MAJ));
        }
        event_ids_free(ids);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_kind),
                cmocka_unit_test(test_registers),
                cmocka_unit_test(test_damaged_raw_size),
                cmocka_unit_test(test_unknown_id),
                cmocka_unit_test(test_foreign_id),
                cmocka_unit_test(test_map),
                cmocka_unit_test(test_map_with_build_id),
                cmocka_unit_test(test_comm),
                cmocka_unit_test(test_task),
                cmocka_unit_test(test_lost_and_other),
                cmocka_unit_test(test_truncated_strings),
                cmocka_unit_test(test_ids_with_gaps),
                cmocka_unit_test(test_many_ids),
                cmocka_unit_test(test_refused_ids),
                cmocka_unit_test(test_added_ids),
                cmocka_unit_test(test_added_to_none),
                cmocka_unit_test(test_refused_added_ids),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
