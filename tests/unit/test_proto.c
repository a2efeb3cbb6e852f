/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every message with a body that is a structure goes through the same tests: round trips with extreme values, every
 * truncation, longer bodies of newer peers, hostile string lengths, every size of buffer, and golden bytes. The lists
 * of fields are written out here once more, apart from the encoder's, so that a field missing there is seen here.
 */
#include "proto/proto.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/wire.h"
#include "tests/unit/golden.h"

/* FIELDS_name(N, S): N a number, S a string. */
/* clang-format off */
#define FIELDS_FILTER(N, S) \
        N(filter.outcomes) N(filter.causes) N(filter.accesses) N(filter.min_latency_ns) S(filter.map_glob)
#define FIELDS_hello(N, S) N(major) N(minor) N(features) S(client)
#define FIELDS_attach(N, S) N(req) N(pid) N(detail) N(flags) N(count_limit) FIELDS_FILTER(N, S) N(ptrace) S(unit) \
        N(stack_bytes)
#define FIELDS_resume(N, S) \
        N(req) N(kernel_base) N(lost_base) N(n_received) N(n_filtered) N(n_dropped) N(n_incomplete) \
        N(count_limit) FIELDS_FILTER(N, S) N(past.key.high) N(past.key.low) N(past.is_whole) N(past.n_counted) \
        N(past.unseen) N(past.n_minor) N(past.n_major)
#define FIELDS_ping(N, S) N(cookie)
#define FIELDS_welcome(N, S) N(major) N(minor) N(features) N(event_bytes) N(frame_max_bytes) S(version)
#define FIELDS_attached(N, S) \
        N(req) N(pid) N(detail) N(n_threads) N(time_ns) N(kernel_base) N(lost_base) S(comm) N(ptrace) N(stack_bytes) \
        N(key.high) N(key.low)
#define FIELDS_error(N, S) N(req) N(error) S(text)
#define FIELDS_drops(N, S) \
        N(n_faults[0]) N(n_faults[1]) N(n_faults[2]) N(n_faults[3]) N(n_faults[4]) N(n_faults[5]) N(n_faults[6]) \
        N(first_seq) N(last_seq)
#define FIELDS_life(N, S) N(time_ns) N(kind) N(pid) N(tid) N(parent) S(comm) N(has_status) N(status)
#define FIELDS_degraded(N, S) S(what) S(reason)
#define FIELDS_gap(N, S) \
        S(reason) N(missed.min_flt) N(missed.maj_flt) N(missed.since_ns) N(missed.until_ns) N(missed.is_exact)
#define FIELDS_end(N, S) \
        N(reason) N(time_ns) N(ledger.kernel) N(ledger.delivered) N(ledger.filtered) N(ledger.dropped_client) \
        N(ledger.dropped_daemon) N(ledger.lost_kernel) N(ledger.counted) N(ledger.incomplete) N(ledger.unseen) \
        S(text)
#define FIELDS_REGISTERS(N) \
        N(registers.value[0]) N(registers.value[1]) N(registers.value[2]) N(registers.value[3]) \
        N(registers.value[4]) N(registers.value[5]) N(registers.value[6]) N(registers.value[7]) \
        N(registers.value[8]) N(registers.value[9]) N(registers.value[10]) N(registers.value[11]) \
        N(registers.value[12]) N(registers.value[13]) N(registers.value[14]) N(registers.value[15]) \
        N(registers.value[16]) N(registers.value[17])
#define FIELDS_signal(N, S) \
        N(time_ns) N(pid) N(tid) N(thread) N(signo) N(code) N(addr) N(ip) N(access) N(verdict) N(flags) N(missing) \
        N(n_missed) N(map) N(place) N(code_place) N(nearest) N(below_bytes) N(above_bytes) N(depth_bytes) \
        N(field_bytes) N(eof_bytes) N(pointer) N(earlier) N(unmapper) N(unmap_place) N(unmapped_ns) N(sender) \
        N(sender_uid) S(text) FIELDS_REGISTERS(N) N(stack.frames[0].addr) N(stack.frames[0].place) \
        N(stack.frames[0].by) N(stack.frames[1].addr) N(stack.frames[1].place) N(stack.frames[1].by)
#define FIELDS_revoked(N, S) N(time_ns) N(pid) S(reason)
#define FIELDS_bye(N, S) S(reason)
#define FIELDS_status(N, S) N(req) N(flags)
#define FIELDS_status_daemon(N, S) \
        N(req) N(pid) N(sees_all) N(n_users) N(n_clients) N(n_traces) N(now_ns) N(started_ns) N(ring_bytes) \
        N(ring_limit_bytes) N(memory_bytes) N(cpu_ns) N(n_engines_restarted) N(n_refused) S(version) S(degraded)
#define FIELDS_status_engine(N, S) \
        N(req) N(uid) N(pid) N(n_clients) N(n_traces) N(n_deaths) N(cpu_ns) N(memory_bytes)
#define FIELDS_status_trace(N, S) \
        N(req) N(trace) N(uid) N(client_pid) N(pid) N(detail) N(ptrace) N(n_clients) N(n_threads) N(started_ns) \
        N(ring_bytes) N(stack_bytes) N(n_faults) N(n_major) N(n_failed) N(n_lost) N(n_incomplete) N(n_dropped) \
        N(n_signals) S(comm) S(unit) S(degraded)
#define FIELDS_status_unit(N, S) \
        N(req) N(n_running) N(n_traces) N(n_lost) N(n_dropped) N(n_incomplete) N(major_ns) S(unit) N(n_by_cause[0]) \
        N(n_by_cause[1]) N(n_by_cause[2]) N(n_by_cause[3]) N(n_by_cause[4]) N(n_by_cause[5]) N(n_by_cause[6]) \
        N(n_by_cause[7]) N(n_by_cause[8]) N(n_by_cause[9]) N(n_by_cause[10]) N(n_by_cause[11]) N(n_by_cause[12]) \
        N(n_by_cause[13]) N(n_by_cause[14]) N(n_by_cause[15]) N(n_by_cause[16]) N(n_by_cause[17]) N(n_by_cause[18]) \
        N(n_by_cause[19]) N(n_by_cause[20]) N(n_by_cause[21]) N(n_by_cause[22]) N(n_by_outcome[0]) \
        N(n_by_outcome[1]) N(n_by_outcome[2]) N(n_by_outcome[3]) N(n_by_outcome[4]) N(n_by_outcome[5]) \
        N(n_by_outcome[6]) N(n_major_by_latency[0]) N(n_major_by_latency[1]) N(n_major_by_latency[2]) \
        N(n_major_by_latency[3]) N(n_major_by_latency[4]) N(n_major_by_latency[5]) N(n_major_by_latency[6]) \
        N(n_major_by_latency[7]) N(n_major_by_latency[8]) N(n_major_by_latency[9]) N(n_major_by_latency[10]) \
        N(n_major_by_latency[11]) N(n_major_by_latency[12]) N(n_major_by_latency[13]) N(n_major_by_latency[14]) \
        N(n_major_by_latency[15]) N(n_major_by_latency[16]) N(n_major_by_latency[17]) N(n_major_by_latency[18]) \
        N(n_major_by_latency[19]) N(n_major_by_latency[20]) N(n_major_by_latency[21])
#define FIELDS_status_end(N, S) N(req) N(n_omitted)
/* clang-format on */

/* What version 1.3 appended. */
#define N_KEY 16
#define N_PAST (N_KEY + 8 + 4 * 8)
#define N_MISSED (4 * 8 + 8)
#define LONGEST_TAIL_OF_SIGNAL (4 + PROTO_REGISTERS * 8 + 4 + PROTO_MAX_FRAMES * 16)
#define TAIL_OF_STATUS_UNIT (3 * 4 + (N_CAUSES + N_OUTCOMES + PROTO_LATENCY_BUCKETS) * 8)

/*
 * M(name, TYPE, number of strings, bytes that the longest message has behind its last string); MESSAGES_OF_1_0 are as
 * version 1.0 had them.
 */
#define MESSAGES_OF_1_0(M)                                                                                             \
        M(hello, HELLO, 1, 0)                                                                                          \
        M(ping, PING, 0, 0)                                                                                            \
        M(welcome, WELCOME, 1, 0)                                                                                      \
        M(error, ERROR, 1, 0)                                                                                          \
        M(drops, DROPS, 0, 0)                                                                                          \
        M(degraded, DEGRADED, 2, 0)                                                                                    \
        M(end, END, 1, 0)                                                                                              \
        M(bye, BYE, 1, 0)
#define MESSAGES_THAT_GREW_IN_1_1(M) M(life, LIFE, 1, 0)
#define MESSAGES_THAT_GREW_IN_1_2(M) M(attach, ATTACH, 2, 4)
#define MESSAGES_THAT_GREW_IN_1_3(M)                                                                                   \
        M(attached, ATTACHED, 1, 4 + N_KEY)                                                                            \
        M(resume, RESUME, 1, N_PAST)                                                                                   \
        M(gap, GAP, 1, N_MISSED)
#define MESSAGES_OF_1_1(M)                                                                                             \
        M(signal, SIGNAL, 1, LONGEST_TAIL_OF_SIGNAL)                                                                   \
        M(revoked, REVOKED, 1, 0)
#define MESSAGES_OF_1_3(M)                                                                                             \
        M(status, STATUS, 0, 0)                                                                                        \
        M(status_daemon, STATUS_DAEMON, 2, 0)                                                                          \
        M(status_engine, STATUS_ENGINE, 0, 0)                                                                          \
        M(status_trace, STATUS_TRACE, 3, 0)                                                                            \
        M(status_unit, STATUS_UNIT, 1, TAIL_OF_STATUS_UNIT)                                                            \
        M(status_end, STATUS_END, 0, 0)
#define EVERY_MESSAGE(M)                                                                                               \
        MESSAGES_OF_1_0(M)                                                                                             \
        MESSAGES_THAT_GREW_IN_1_1(M)                                                                                   \
        MESSAGES_THAT_GREW_IN_1_2(M) MESSAGES_THAT_GREW_IN_1_3(M) MESSAGES_OF_1_1(M) MESSAGES_OF_1_3(M)

_Static_assert(N_OUTCOMES == 7, "FIELDS_drops and FIELDS_status_unit list every outcome");
_Static_assert(N_CAUSES == 23, "FIELDS_status_unit lists every cause");
_Static_assert(PROTO_LATENCY_BUCKETS == 22, "FIELDS_status_unit lists every bucket");

#define TRACE 0xfedcba98u
#define BUFFER_BYTES (32 * 1024)

static char long_text[PROTO_STRING_MAX_BYTES + 1];

/* A way to fill a structure: each byte of each number the same, or (sample) a number of its own for each field. */
struct fill {
        bool sample;
        int byte;
        struct proto_string text;
};

static const struct fill fills[] = {
        {.byte = 0x00, .text = {.data = "", .n_bytes = 0}},
        {.byte = 0xff, .text = {.data = long_text, .n_bytes = PROTO_STRING_MAX_BYTES}},
        {.byte = 0x80, .text = {.data = "\xff", .n_bytes = 1}},
        {.byte = 0x7f, .text = {.data = "a\0\x1b[2J", .n_bytes = 6}},
        {.sample = true, .text = {.data = "text", .n_bytes = 4}},
};
static const struct fill *const sample_fill = &fills[ARRAY_SIZE(fills) - 1];

static void assert_same_string(const struct proto_string *a, const struct proto_string *b)
{
        assert_int_equal(a->n_bytes, b->n_bytes);
        assert_memory_equal(a->data, b->data, b->n_bytes);
}

/* WELCOME's record size has a lower bound, a flag is a flag, a stack has a length. */
#define BOUNDED_hello(m)
#define BOUNDED_attach(m)
#define BOUNDED_resume(m) (m)->past.is_whole = fill->sample || fill->byte != 0;
#define BOUNDED_ping(m)
#define BOUNDED_welcome(m) (m)->event_bytes = MAX_OF((m)->event_bytes, (uint32_t)PROTO_EVENT_BYTES);
#define BOUNDED_attached(m)
#define BOUNDED_error(m)
#define BOUNDED_drops(m)
#define BOUNDED_life(m) (m)->has_status = fill->sample || fill->byte != 0;
#define BOUNDED_degraded(m)
#define BOUNDED_gap(m) (m)->missed.is_exact = fill->sample || fill->byte != 0;
#define BOUNDED_end(m)
#define BOUNDED_signal(m) (m)->stack.n = fill->sample ? 2 : fill->byte ? PROTO_MAX_FRAMES : 0;
#define BOUNDED_revoked(m)
#define BOUNDED_bye(m)
#define BOUNDED_status(m)
#define BOUNDED_status_daemon(m) (m)->sees_all = fill->sample || fill->byte != 0;
#define BOUNDED_status_engine(m)
#define BOUNDED_status_trace(m)
#define BOUNDED_status_unit(m)
#define BOUNDED_status_end(m)

#define FILL_NUMBER(field) m->field = (__typeof__(m->field))(UINT64_C(0x8877665544332200) + ++k);
#define FILL_STRING(field) m->field = fill->text;
#define IGNORE(field)
#define SAME_NUMBER(field) assert_true(a->field == b->field);
#define SAME_STRING(field) assert_same_string(&a->field, &b->field);

#define DEFINE(name, type, n_strings, n_behind)                                                                        \
        static void fill_##name(struct proto_##name *m, const struct fill *fill)                                       \
        {                                                                                                              \
                unsigned int k = 0;                                                                                    \
                                                                                                                       \
                memset(m, fill->byte, sizeof(*m));                                                                     \
                if (fill->sample) {                                                                                    \
                        FIELDS_##name(FILL_NUMBER, IGNORE)                                                             \
                }                                                                                                      \
                (void)k;                                                                                               \
                FIELDS_##name(IGNORE, FILL_STRING) BOUNDED_##name(m)                                                   \
        }                                                                                                              \
                                                                                                                       \
        static void same_##name(const struct proto_##name *a, const struct proto_##name *b)                            \
        {                                                                                                              \
                FIELDS_##name(SAME_NUMBER, SAME_STRING)                                                                \
        }                                                                                                              \
                                                                                                                       \
        static int encode_##name(struct proto_buffer *buffer, const struct fill *fill)                                 \
        {                                                                                                              \
                struct proto_##name m;                                                                                 \
                                                                                                                       \
                fill_##name(&m, fill);                                                                                 \
                return proto_encode_##name(buffer, TRACE, &m);                                                         \
        }                                                                                                              \
                                                                                                                       \
        static void expect_##name(const uint8_t *body, size_t n_bytes, const struct fill *fill)                        \
        {                                                                                                              \
                struct proto_##name m, expected;                                                                       \
                                                                                                                       \
                fill_##name(&expected, fill);                                                                          \
                assert_int_equal(proto_decode_##name(body, n_bytes, &m), 0);                                           \
                same_##name(&m, &expected);                                                                            \
        }                                                                                                              \
                                                                                                                       \
        static void refuse_##name(const uint8_t *body, size_t n_bytes)                                                 \
        {                                                                                                              \
                struct proto_##name m, before;                                                                         \
                                                                                                                       \
                memset(&m, 0xa5, sizeof(m));                                                                           \
                memset(&before, 0xa5, sizeof(before));                                                                 \
                assert_int_equal(proto_decode_##name(body, n_bytes, &m), -EBADMSG);                                    \
                assert_memory_equal(&m, &before, sizeof(m));                                                           \
        }
EVERY_MESSAGE(DEFINE)

static const struct message {
        const char *name;
        enum message_type type;
        int n_strings;
        size_t n_behind; /* bytes behind the last string of the longest message */
        int (*encode)(struct proto_buffer *buffer, const struct fill *fill);
        void (*expect)(const uint8_t *body, size_t n_bytes, const struct fill *fill);
        void (*refuse)(const uint8_t *body, size_t n_bytes);
} messages[] = {
#define ENTRY(name, type, n_strings, n_behind)                                                                         \
        {#name, MESSAGE_##type, n_strings, n_behind, encode_##name, expect_##name, refuse_##name},
        EVERY_MESSAGE(ENTRY)};

#define FOR_EACH_MESSAGE(m) for (const struct message *m = messages; m < messages + ARRAY_SIZE(messages); m++)
#define FOR_EACH_FILL(f) for (const struct fill *f = fills; f < fills + ARRAY_SIZE(fills); f++)

static uint8_t buffer_data[BUFFER_BYTES];

/* The frame of a message in an otherwise empty buffer. */
static struct proto_buffer encoded(const struct message *message, const struct fill *fill)
{
        struct proto_buffer buffer = {.data = buffer_data, .size_bytes = sizeof(buffer_data)};
        int r = message->encode(&buffer, fill);

        assert_int_equal(r, buffer.n_bytes);
        assert_true(buffer.n_bytes >= PROTO_HEADER_BYTES);
        return buffer;
}

/* A copy of its own, so that the address sanitizer sees a read of one byte too many. */
static uint8_t *exact_copy(const uint8_t *data, size_t n_bytes)
{
        uint8_t *copy = malloc(n_bytes ? n_bytes : 1);

        assert_non_null(copy);
        memcpy(copy, data, n_bytes);
        return copy;
}

static void test_round_trip(void **state)
{
        FOR_EACH_MESSAGE(message)
        FOR_EACH_FILL(fill)
        {
                struct proto_buffer buffer = encoded(message, fill);
                size_t n_bytes = buffer.n_bytes - PROTO_HEADER_BYTES;
                CLEANUP_FREE uint8_t *body = exact_copy(buffer.data + PROTO_HEADER_BYTES, n_bytes);

                message->expect(body, n_bytes, fill);
        }
}

static void test_headers_of_messages(void **state)
{
        FOR_EACH_MESSAGE(message)
        {
                struct proto_buffer buffer = encoded(message, sample_fill);
                struct proto_header header;

                assert_int_equal(proto_decode_header(buffer.data, buffer.n_bytes, &header), 0);
                assert_int_equal(header.length, buffer.n_bytes);
                assert_int_equal(header.type, message->type);
                assert_int_equal(header.flags, 0);
                assert_int_equal(header.trace, TRACE);
                assert_int_equal(header.count, 0);
                assert_true(header.first_seq == 0);
                assert_int_equal(header.dict_hw, 0);
                assert_int_equal(header.crc, 0);
        }
}

/*
 * ATTACH of version 1.0 ended before its unit, that of 1.1 and ATTACHED before the bytes of the stack; 1.3 appended
 * what a restart of the daemon needs.
 */
static bool is_whole_for_an_older_peer(const struct message *message, const struct fill *fill, size_t n_missing)
{
        const size_t n_stack = sizeof(uint32_t), n_unit = 2 + (size_t)fill->text.n_bytes;

        if (message->type == MESSAGE_ATTACH)
                return n_missing == n_stack || n_missing == n_stack + n_unit;
        if (message->type == MESSAGE_ATTACHED)
                return n_missing == N_KEY || n_missing == N_KEY + n_stack;
        return (message->type == MESSAGE_RESUME && n_missing == N_PAST) ||
               (message->type == MESSAGE_GAP && n_missing == N_MISSED);
}

static void test_every_truncation_is_refused(void **state)
{
        FOR_EACH_MESSAGE(message)
        FOR_EACH_FILL(fill)
        {
                struct proto_buffer buffer = encoded(message, fill);

                for (size_t n = 0; n < buffer.n_bytes - PROTO_HEADER_BYTES; n++) {
                        CLEANUP_FREE uint8_t *body = exact_copy(buffer.data + PROTO_HEADER_BYTES, n);

                        if (is_whole_for_an_older_peer(message, fill, buffer.n_bytes - PROTO_HEADER_BYTES - n))
                                continue;
                        message->refuse(body, n);
                }
        }
}

/* Cutting a tail that a newer peer appended leaves a body that we know. */
static void test_appended_fields_are_skipped(void **state)
{
        FOR_EACH_MESSAGE(message)
        FOR_EACH_FILL(fill)
        {
                struct proto_buffer buffer = encoded(message, fill);

                memset(buffer.data + buffer.n_bytes, 0xff, 64);
                for (size_t tail = 1; tail <= 64; tail++) {
                        size_t n_bytes = buffer.n_bytes - PROTO_HEADER_BYTES + tail;
                        CLEANUP_FREE uint8_t *body = exact_copy(buffer.data + PROTO_HEADER_BYTES, n_bytes);

                        message->expect(body, n_bytes, fill);
                }
        }
}

static void test_buffers_of_every_size(void **state)
{
        FOR_EACH_MESSAGE(message)
        {
                size_t n_whole = encoded(message, sample_fill).n_bytes;

                for (size_t room = 0; room <= n_whole; room++) {
                        struct proto_buffer buffer = {.data = buffer_data, .n_bytes = 100, .size_bytes = 100 + room};
                        int r = message->encode(&buffer, sample_fill);

                        assert_int_equal(r, room < n_whole ? -ENOBUFS : (int)n_whole);
                        assert_int_equal(buffer.n_bytes, room < n_whole ? 100 : 100 + n_whole);
                }
        }
}

static void test_too_long_strings_are_not_sent(void **state)
{
        const struct fill fill = {.text = {.data = long_text, .n_bytes = PROTO_STRING_MAX_BYTES + 1}};

        FOR_EACH_MESSAGE(message)
        {
                struct proto_buffer buffer = {.data = buffer_data, .n_bytes = 8, .size_bytes = sizeof(buffer_data)};

                if (message->n_strings == 0)
                        continue;
                assert_int_equal(message->encode(&buffer, &fill), -EMSGSIZE);
                assert_int_equal(buffer.n_bytes, 8);
        }
}

/* The last string's length set to what is not there, and to more than may be there. */
static void test_hostile_string_lengths(void **state)
{
        const struct fill *longest = &fills[1];

        FOR_EACH_MESSAGE(message)
        {
                struct proto_buffer buffer = encoded(message, longest);
                size_t n_body = buffer.n_bytes - PROTO_HEADER_BYTES;
                uint8_t *body = buffer.data + PROTO_HEADER_BYTES, *length;

                if (message->n_strings == 0)
                        continue;
                length = body + n_body - message->n_behind - PROTO_STRING_MAX_BYTES - 2;
                assert_int_equal(wire_load_u16(length), PROTO_STRING_MAX_BYTES);
                for (uint32_t n = PROTO_STRING_MAX_BYTES + 1; n <= UINT16_MAX; n++) {
                        wire_store_u16(length, (uint16_t)n);
                        message->refuse(body, n_body);
                }
                wire_store_u16(length, PROTO_STRING_MAX_BYTES + 1);
                message->refuse(body, n_body + 1);
        }
}

static void check_golden(const char *name, enum message_type type)
{
        FOR_EACH_MESSAGE(message)
        {
                struct proto_buffer buffer;

                if (message->type != type)
                        continue;
                buffer = encoded(message, sample_fill);
                assert_golden(name, buffer.data, buffer.n_bytes);
        }
}

/* The files of messages that have grown are called after the version in which they did. */
static void test_golden_bytes(void **state)
{
#define CHECK(name, type, n_strings, n_behind) check_golden(#name, MESSAGE_##type);
        MESSAGES_OF_1_0(CHECK)
        MESSAGES_OF_1_1(CHECK)
        MESSAGES_OF_1_3(CHECK)
#undef CHECK
#define CHECK(name, type, n_strings, n_behind) check_golden(#name "_1_1", MESSAGE_##type);
        MESSAGES_THAT_GREW_IN_1_1(CHECK)
#undef CHECK
#define CHECK(name, type, n_strings, n_behind) check_golden(#name "_1_2", MESSAGE_##type);
        MESSAGES_THAT_GREW_IN_1_2(CHECK)
#undef CHECK
#define CHECK(name, type, n_strings, n_behind) check_golden(#name "_1_3", MESSAGE_##type);
        MESSAGES_THAT_GREW_IN_1_3(CHECK)
#undef CHECK
}

/* What version 1.2 sent is understood, and what it did not send is 0. */
static void test_bytes_of_version_1_2(void **state)
{
        uint8_t bytes[GOLDEN_MAX_BYTES];
        struct proto_attached attached, old_attached;
        struct proto_resume resume, old_resume;
        struct proto_gap gap, old_gap;
        size_t n;

        fill_attached(&attached, sample_fill);
        attached.key = (struct proto_key){0};
        n = golden_load("attached_1_2", bytes);
        assert_int_equal(proto_decode_attached(bytes + PROTO_HEADER_BYTES, n - PROTO_HEADER_BYTES, &old_attached), 0);
        same_attached(&old_attached, &attached);

        fill_resume(&resume, sample_fill);
        resume.past = (struct proto_past){0};
        n = golden_load("resume", bytes);
        assert_int_equal(proto_decode_resume(bytes + PROTO_HEADER_BYTES, n - PROTO_HEADER_BYTES, &old_resume), 0);
        same_resume(&old_resume, &resume);

        fill_gap(&gap, sample_fill);
        gap.missed = (struct proto_missed){0};
        n = golden_load("gap", bytes);
        assert_int_equal(proto_decode_gap(bytes + PROTO_HEADER_BYTES, n - PROTO_HEADER_BYTES, &old_gap), 0);
        same_gap(&old_gap, &gap);
}

/* What version 1.1 sent is understood, and what it did not send is 0. */
static void test_bytes_of_version_1_1(void **state)
{
        uint8_t bytes[GOLDEN_MAX_BYTES];
        struct proto_attached attached, old_attached;
        struct proto_attach attach, old_attach;
        size_t n;

        fill_attach(&attach, sample_fill);
        attach.stack_bytes = 0;
        n = golden_load("attach_1_1", bytes);
        assert_int_equal(proto_decode_attach(bytes + PROTO_HEADER_BYTES, n - PROTO_HEADER_BYTES, &old_attach), 0);
        same_attach(&old_attach, &attach);

        fill_attached(&attached, sample_fill);
        attached.stack_bytes = 0;
        attached.key = (struct proto_key){0};
        n = golden_load("attached_1_1", bytes);
        assert_int_equal(proto_decode_attached(bytes + PROTO_HEADER_BYTES, n - PROTO_HEADER_BYTES, &old_attached), 0);
        same_attached(&old_attached, &attached);
}

/* What version 1.0 sent is understood, and what it did not send is empty. */
static void test_bytes_of_version_1_0(void **state)
{
        uint8_t bytes[GOLDEN_MAX_BYTES];
        struct proto_attached attached, old_attached;
        struct proto_attach attach, old_attach;
        struct proto_life life, old_life;
        size_t n;

        fill_attach(&attach, sample_fill);
        attach.ptrace = PTRACE_MODE_AUTO;
        attach.stack_bytes = 0;
        attach.unit = (struct proto_string){0};
        n = golden_load("attach", bytes);
        assert_int_equal(proto_decode_attach(bytes + PROTO_HEADER_BYTES, n - PROTO_HEADER_BYTES, &old_attach), 0);
        assert_true(old_attach.unit.n_bytes == 0 && old_attach.ptrace == PTRACE_MODE_AUTO);
        attach.unit = old_attach.unit;
        same_attach(&old_attach, &attach);

        fill_attached(&attached, sample_fill);
        attached.ptrace = 0;
        attached.stack_bytes = 0;
        attached.key = (struct proto_key){0};
        n = golden_load("attached", bytes);
        assert_int_equal(proto_decode_attached(bytes + PROTO_HEADER_BYTES, n - PROTO_HEADER_BYTES, &old_attached), 0);
        same_attached(&old_attached, &attached);

        fill_life(&life, sample_fill);
        life.has_status = false;
        life.status = 0;
        n = golden_load("life", bytes);
        assert_int_equal(proto_decode_life(bytes + PROTO_HEADER_BYTES, n - PROTO_HEADER_BYTES, &old_life), 0);
        same_life(&old_life, &life);
}

static void test_pong_is_ping_with_another_type(void **state)
{
        uint8_t ping_bytes[64], pong_bytes[64];
        struct proto_buffer ping = {.data = ping_bytes, .size_bytes = sizeof(ping_bytes)};
        struct proto_buffer pong = {.data = pong_bytes, .size_bytes = sizeof(pong_bytes)};
        const struct proto_ping m = {.cookie = UINT64_C(0x8877665544332201)};
        struct proto_header header;

        assert_int_equal(proto_encode_ping(&ping, TRACE, &m), PROTO_HEADER_BYTES + 8);
        assert_int_equal(proto_encode_pong(&pong, TRACE, &m), PROTO_HEADER_BYTES + 8);
        assert_int_equal(proto_decode_header(pong_bytes, pong.n_bytes, &header), 0);
        assert_int_equal(header.type, MESSAGE_PONG);
        wire_store_u16(ping_bytes + 4, MESSAGE_PONG);
        assert_memory_equal(ping_bytes, pong_bytes, ping.n_bytes);
        assert_golden("pong", pong_bytes, pong.n_bytes);
}

static void test_messages_without_a_body(void **state)
{
        static const struct {
                enum message_type type;
                const char *name;
        } empty[] = {{MESSAGE_STOP, "stop"}, {MESSAGE_DICT_RESET, "dict_reset"}};

        for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
                uint8_t bytes[PROTO_HEADER_BYTES];
                struct proto_buffer small = {.data = bytes, .size_bytes = sizeof(bytes) - 1};
                struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};

                assert_int_equal(proto_encode_empty(&small, 9, empty[i].type), -ENOBUFS);
                assert_int_equal(small.n_bytes, 0);
                assert_int_equal(proto_encode_empty(&buffer, 9, empty[i].type), PROTO_HEADER_BYTES);
                assert_golden(empty[i].name, bytes, buffer.n_bytes);
        }
}

/* The table of this file and messages.def are the same list, but for those with other tests. */
static void test_no_message_is_missing_here(void **state)
{
        static const enum message_type elsewhere[] = {MESSAGE_STOP, MESSAGE_DICT, MESSAGE_DICT_RESET, MESSAGE_EVENTS,
                                                      MESSAGE_PONG};
        size_t n = 0;

#define X_MESSAGE(name, number, lower, doc) n++;
#include "proto/messages.def"
        assert_int_equal(n, ARRAY_SIZE(messages) + ARRAY_SIZE(elsewhere));
        FOR_EACH_MESSAGE(message)
        assert_string_equal(message_text(message->type), message->name);
}

static void test_magic_is_checked(void **state)
{
        FOR_EACH_MESSAGE(message)
        {
                struct proto_buffer buffer = encoded(message, sample_fill);

                if (message->type != MESSAGE_HELLO && message->type != MESSAGE_WELCOME)
                        continue;
                assert_memory_equal(buffer.data + PROTO_HEADER_BYTES, "FLTL", 4);
                for (size_t i = 0; i < 4; i++) {
                        buffer.data[PROTO_HEADER_BYTES + i] ^= 0x20;
                        message->refuse(buffer.data + PROTO_HEADER_BYTES, buffer.n_bytes - PROTO_HEADER_BYTES);
                        buffer.data[PROTO_HEADER_BYTES + i] ^= 0x20;
                }
        }
}

/* A client steps through EVENTS by this size, so a smaller one (or 0) must not get that far. */
static void test_small_event_records_are_refused(void **state)
{
        for (uint32_t event_bytes = 0; event_bytes < PROTO_EVENT_BYTES; event_bytes++) {
                struct proto_buffer buffer = {.data = buffer_data, .size_bytes = sizeof(buffer_data)};
                const struct proto_welcome m = {.event_bytes = event_bytes};

                assert_true(proto_encode_welcome(&buffer, 0, &m) > 0);
                refuse_welcome(buffer.data + PROTO_HEADER_BYTES, buffer.n_bytes - PROTO_HEADER_BYTES);
        }
}

/* DROPS of a peer with other outcomes than ours: first_seq 1, last_seq 2, then n counts of 10, 11, 12 ... */
static size_t make_drops(uint8_t *body, uint32_t n_outcomes)
{
        wire_store_u64(body, 1);
        wire_store_u64(body + 8, 2);
        wire_store_u32(body + 16, n_outcomes);
        for (uint32_t i = 0; i < n_outcomes; i++)
                wire_store_u64(body + 20 + i * 8, 10 + i);
        return 20 + (size_t)n_outcomes * 8;
}

static void test_drops_of_a_newer_peer(void **state)
{
        uint8_t body[20 + 9 * 8];
        size_t n_bytes = make_drops(body, 9);
        struct proto_drops drops;

        assert_int_equal(proto_decode_drops(body, n_bytes, &drops), 0);
        assert_true(drops.n_faults[OUTCOME_NONE] == 10 + 17 + 18);
        for (size_t i = 1; i < N_OUTCOMES; i++)
                assert_true(drops.n_faults[i] == 10 + i);
        for (size_t n = 0; n < n_bytes; n++)
                refuse_drops(body, n);
}

static void test_drops_of_an_older_peer(void **state)
{
        uint8_t body[20 + 2 * 8];
        size_t n_bytes = make_drops(body, 2);
        struct proto_drops drops;

        assert_int_equal(proto_decode_drops(body, n_bytes, &drops), 0);
        assert_true(drops.n_faults[0] == 10);
        assert_true(drops.n_faults[1] == 11);
        for (size_t i = 2; i < N_OUTCOMES; i++)
                assert_true(drops.n_faults[i] == 0);
}

static void test_hostile_drops(void **state)
{
        uint8_t body[20 + 8 * 8];
        size_t n_bytes = make_drops(body, 8);

        wire_store_u64(body + 20 + 7 * 8, UINT64_MAX - 9);
        refuse_drops(body, n_bytes); /* the sum does not fit */
        wire_store_u32(body + 16, UINT32_MAX);
        refuse_drops(body, n_bytes);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_headers_of_messages),
                cmocka_unit_test(test_every_truncation_is_refused),
                cmocka_unit_test(test_appended_fields_are_skipped),
                cmocka_unit_test(test_buffers_of_every_size),
                cmocka_unit_test(test_too_long_strings_are_not_sent),
                cmocka_unit_test(test_hostile_string_lengths),
                cmocka_unit_test(test_golden_bytes),
                cmocka_unit_test(test_bytes_of_version_1_2),
                cmocka_unit_test(test_bytes_of_version_1_1),
                cmocka_unit_test(test_bytes_of_version_1_0),
                cmocka_unit_test(test_pong_is_ping_with_another_type),
                cmocka_unit_test(test_messages_without_a_body),
                cmocka_unit_test(test_no_message_is_missing_here),
                cmocka_unit_test(test_magic_is_checked),
                cmocka_unit_test(test_small_event_records_are_refused),
                cmocka_unit_test(test_drops_of_a_newer_peer),
                cmocka_unit_test(test_drops_of_an_older_peer),
                cmocka_unit_test(test_hostile_drops),
        };

        memset(long_text, 'x', sizeof(long_text));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
