/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lists inside SIGNAL: every frame of the longest stack, lengths that are too large, other sets of registers. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/proto.h"
#include "proto/wire.h"

enum {
        BUFFER_BYTES = 8192,
        TEXT_OFFSET = 144, /* of an empty text; then: */
        REGISTERS_OFFSET = TEXT_OFFSET + 2,
        STACK_OFFSET = REGISTERS_OFFSET + 4 + PROTO_REGISTERS * 8,
        FRAME_BYTES = 16,
};

static uint8_t frame_bytes[BUFFER_BYTES];
static uint8_t *const body = frame_bytes + PROTO_HEADER_BYTES;

/* Encodes into body; returns its length. */
static size_t encode(const struct proto_signal *signal)
{
        struct proto_buffer buffer = {.data = frame_bytes, .size_bytes = sizeof(frame_bytes)};
        int r = proto_encode_signal(&buffer, 7, signal);

        assert_true(r > 0);
        return (size_t)r - PROTO_HEADER_BYTES;
}

static void refuse(size_t n_bytes)
{
        static struct proto_signal signal, before;

        memset(&signal, 0x5a, sizeof(signal));
        memcpy(&before, &signal, sizeof(before));
        assert_int_equal(proto_decode_signal(body, n_bytes, &signal), -EBADMSG);
        assert_memory_equal(&signal, &before, sizeof(signal));
}

static void test_offsets(void **state)
{
        static const struct proto_signal signal;

        assert_int_equal(encode(&signal), STACK_OFFSET + 4);
        assert_int_equal(wire_load_u16(body + TEXT_OFFSET), 0);
        assert_int_equal(wire_load_u32(body + REGISTERS_OFFSET), PROTO_REGISTERS);
        assert_int_equal(wire_load_u32(body + STACK_OFFSET), 0);
}

/* Where PROTOCOL.md says that they are. */
static void test_offsets_of_fields(void **state)
{
#define AT(offset, bits, name)                                                                                         \
        {                                                                                                              \
                offset, bits, offsetof(struct proto_signal, name)                                                      \
        }
        static const struct {
                size_t offset;
                unsigned int bits;
                size_t member;
        } fields[] = {
                AT(0, 64, time_ns),      AT(8, 32, pid),           AT(12, 32, tid),          AT(16, 32, thread),
                AT(20, 32, signo),       AT(24, 32, code),         AT(28, 8, access),        AT(29, 8, verdict),
                AT(30, 8, flags),        AT(31, 8, missing),       AT(32, 64, addr),         AT(40, 64, ip),
                AT(48, 32, n_missed),    AT(52, 32, map),          AT(56, 32, place),        AT(60, 32, code_place),
                AT(64, 32, nearest),     AT(68, 32, earlier),      AT(72, 64, below_bytes),  AT(80, 64, above_bytes),
                AT(88, 64, depth_bytes), AT(96, 64, field_bytes),  AT(104, 64, eof_bytes),   AT(112, 64, pointer),
                AT(120, 32, unmapper),   AT(124, 32, unmap_place), AT(128, 64, unmapped_ns), AT(136, 32, sender),
                AT(140, 32, sender_uid),
        };
#undef AT

        for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
                uint8_t expected[STACK_OFFSET + 4] = {0};
                static struct proto_signal signal;

                signal = (struct proto_signal){0};
                memset((uint8_t *)&signal + fields[i].member, 0xa5, fields[i].bits / 8);
                memset(expected + fields[i].offset, 0xa5, fields[i].bits / 8);
                wire_store_u32(expected + REGISTERS_OFFSET, PROTO_REGISTERS);
                assert_int_equal(encode(&signal), sizeof(expected));
                assert_memory_equal(body, expected, sizeof(expected));
        }
}

static void test_every_frame(void **state)
{
        static struct proto_signal signal, decoded;
        size_t n_bytes;

        signal.stack.n = PROTO_MAX_FRAMES;
        for (uint32_t i = 0; i < PROTO_MAX_FRAMES; i++)
                signal.stack.frames[i] =
                        (struct proto_frame){.addr = UINT64_C(0x7f0000000000) + i, .place = i * 3, .by = i % 4};
        n_bytes = encode(&signal);
        assert_int_equal(n_bytes, STACK_OFFSET + 4 + PROTO_MAX_FRAMES * FRAME_BYTES);
        assert_int_equal(proto_decode_signal(body, n_bytes, &decoded), 0);
        assert_int_equal(decoded.stack.n, PROTO_MAX_FRAMES);
        for (uint32_t i = 0; i < PROTO_MAX_FRAMES; i++) {
                assert_int_equal(decoded.stack.frames[i].addr, signal.stack.frames[i].addr);
                assert_int_equal(decoded.stack.frames[i].place, signal.stack.frames[i].place);
                assert_int_equal(decoded.stack.frames[i].by, signal.stack.frames[i].by);
        }
}

static void test_too_many_frames_are_not_sent(void **state)
{
        struct proto_buffer buffer = {.data = frame_bytes, .size_bytes = sizeof(frame_bytes)};
        static struct proto_signal signal = {.stack = {.n = PROTO_MAX_FRAMES + 1}};

        assert_int_equal(proto_encode_signal(&buffer, 7, &signal), -EMSGSIZE);
        signal.stack.n = UINT32_MAX;
        assert_int_equal(proto_encode_signal(&buffer, 7, &signal), -EMSGSIZE);
        assert_int_equal(buffer.n_bytes, 0);
}

/* Whether or not the bytes for them are there. */
static void test_too_many_frames_are_refused(void **state)
{
        static const uint32_t counts[] = {PROTO_MAX_FRAMES + 1, PROTO_MAX_FRAMES + 2, UINT16_MAX, UINT32_MAX};
        static const struct proto_signal signal = {.stack = {.n = PROTO_MAX_FRAMES}};
        size_t n_bytes = encode(&signal);

        for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
                wire_store_u32(body + STACK_OFFSET, counts[i]);
                refuse(n_bytes);
                refuse(n_bytes + 2 * FRAME_BYTES);
        }
}

/* A peer that has n registers, the i-th holding 100 + i; returns the body's length. */
static size_t make_registers(uint32_t n)
{
        static const struct proto_signal signal;

        (void)encode(&signal);
        wire_store_u32(body + REGISTERS_OFFSET, n);
        for (uint32_t i = 0; i < n; i++)
                wire_store_u64(body + REGISTERS_OFFSET + 4 + i * 8, 100 + i);
        wire_store_u32(body + REGISTERS_OFFSET + 4 + n * 8, 1);
        memset(body + REGISTERS_OFFSET + 4 + n * 8 + 4, 0x11, FRAME_BYTES);
        return REGISTERS_OFFSET + 4 + (size_t)n * 8 + 4 + FRAME_BYTES;
}

static void test_registers_of_other_peers(void **state)
{
        static const uint32_t counts[] = {0, 1, PROTO_REGISTERS - 1, PROTO_REGISTERS, PROTO_REGISTERS + 1, 200};

        for (size_t k = 0; k < ARRAY_SIZE(counts); k++) {
                size_t n_bytes = make_registers(counts[k]);
                static struct proto_signal signal;

                assert_int_equal(proto_decode_signal(body, n_bytes, &signal), 0);
                for (uint32_t i = 0; i < PROTO_REGISTERS; i++)
                        assert_int_equal(signal.registers.value[i], i < counts[k] ? 100 + i : 0);
                assert_int_equal(signal.stack.n, 1);
                assert_int_equal(signal.stack.frames[0].addr, UINT64_C(0x1111111111111111));
                refuse(n_bytes - 1);
        }
        (void)make_registers(PROTO_REGISTERS);
        wire_store_u32(body + REGISTERS_OFFSET, UINT32_MAX);
        refuse(BUFFER_BYTES - PROTO_HEADER_BYTES);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_offsets),
                cmocka_unit_test(test_offsets_of_fields),
                cmocka_unit_test(test_every_frame),
                cmocka_unit_test(test_too_many_frames_are_not_sent),
                cmocka_unit_test(test_too_many_frames_are_refused),
                cmocka_unit_test(test_registers_of_other_peers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
