/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record of one fault, the hot path of both programs: written once for all clients, read once by each, half a
 * million times a second.
 *
 * Fixed offsets instead of the bounded cursor: the bound is checked once for a whole frame, and a store to a constant
 * offset is one instruction on a little-endian machine. The table below is the layout, and the assertions prove that
 * its fields follow one another without hole or overlap and fill the record exactly. The last byte is spare, written
 * as 0. New fields go behind PROTO_EVENT_BYTES of today.
 */
#include "proto/proto.h"
#include "proto/wire.h"

/* F(field, bits, offset) */
#define EVENT_FIELDS(F)                                                                                                \
        F(time_ns, 64, 0)                                                                                              \
        F(addr, 64, 8)                                                                                                 \
        F(ip, 64, 16)                                                                                                  \
        F(caller_ip, 64, 24)                                                                                           \
        F(latency_ns, 64, 32)                                                                                          \
        F(frame_before, 64, 40)                                                                                        \
        F(frame, 64, 48)                                                                                               \
        F(thread, 32, 56)                                                                                              \
        F(map, 32, 60)                                                                                                 \
        F(place, 32, 64)                                                                                               \
        F(code, 32, 68)                                                                                                \
        F(caller, 32, 72)                                                                                              \
        F(stack, 32, 76)                                                                                               \
        F(cpu, 16, 80)                                                                                                 \
        F(outcome, 8, 82)                                                                                              \
        F(cause, 8, 83)                                                                                                \
        F(access, 8, 84)                                                                                               \
        F(page_shift, 8, 85)                                                                                           \
        F(flags, 8, 86)
#define EVENT_SPARE_OFFSET 87

/* Byte arrays one after the other have no padding: offsetof() is the sum of the widths before. Never instantiated. */
#define FIELD_BYTES(field, bits, offset) uint8_t field[(bits) / 8];
struct event_layout {
        EVENT_FIELDS(FIELD_BYTES)
        uint8_t spare[1];
};
#define FIELD_CHECK(field, bits, offset)                                                                               \
        _Static_assert(offsetof(struct event_layout, field) == (offset), #field " follows its elder");                 \
        _Static_assert(sizeof(((struct proto_event *)0)->field) == (bits) / 8, #field " keeps its width");
EVENT_FIELDS(FIELD_CHECK)
_Static_assert(offsetof(struct event_layout, spare) == EVENT_SPARE_OFFSET, "the spare byte is the last");
_Static_assert(sizeof(struct event_layout) == PROTO_EVENT_BYTES, "the fields fill the record");

void proto_put_event(uint8_t *to, const struct proto_event *event)
{
#define FIELD_STORE(field, bits, offset) wire_store_u##bits(to + (offset), event->field);
        EVENT_FIELDS(FIELD_STORE)
        to[EVENT_SPARE_OFFSET] = 0;
}

void proto_get_event(const uint8_t *from, struct proto_event *ret)
{
#define FIELD_LOAD(field, bits, offset) ret->field = wire_load_u##bits(from + (offset));
        EVENT_FIELDS(FIELD_LOAD)
}
