/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dictionaries: dense ids, bounds, resets, and ids that nobody defined. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/state.h"
#include "tests/unit/fake_daemon.h"

static int define(struct state *state, struct bytes frame)
{
        struct proto_header header;

        assert_int_equal(proto_decode_header(frame.data, frame.n_bytes, &header), 0);
        return state_define(state, frame.data + PROTO_HEADER_BYTES, frame.n_bytes - PROTO_HEADER_BYTES, header.count);
}

static struct bytes one_string(uint32_t id, const char *string, size_t n_bytes)
{
        struct proto_buffer buffer = fake_buffer();
        struct proto_header header = {.type = MESSAGE_DICT, .trace = 1, .count = 1};
        const struct proto_def def = {
                .kind = DEF_STRING, .id = id, .string = {.data = string, .n_bytes = (uint32_t)n_bytes}};

        assert_true(proto_begin_frame(&buffer) >= 0);
        assert_int_equal(proto_append_def(&buffer, &def), 0);
        return fake_done(proto_finish_frame(&buffer, &header), &buffer);
}

static void test_definitions(void **unused)
{
        struct state state = {0};

        assert_int_equal(define(&state, fake_dict(1)), 0);
        assert_int_equal(state.n_strings, 6);
        assert_memory_equal(state_string(&state, 2)->data, "/usr/bin/app", 12);
        assert_int_equal(state_string(&state, 2)->n_bytes, 12);
        assert_int_equal(state_map(&state, 1)->start, 0x400000);
        assert_int_equal(state_map(&state, 1)->end, 0x500000);
        assert_int_equal(state_map(&state, 1)->offset, 0x1000);
        assert_memory_equal(state_map(&state, 1)->perms, "rw-p", 4);
        assert_int_equal(state_place(&state, 2)->symbol, 5);
        assert_int_equal(state_place(&state, 2)->base, 0x401000);
        assert_int_equal(state_thread(&state, 1)->pid, 42);
        assert_int_equal(state_thread(&state, 1)->tid, 43);
        state_free(&state);
}

static void test_undefined(void **unused)
{
        struct state state = {0};

        assert_null(state_string(&state, 0));
        assert_null(state_map(&state, 1));
        assert_int_equal(define(&state, fake_dict(1)), 0);
        assert_null(state_string(&state, 0));
        assert_null(state_string(&state, 7));
        assert_null(state_place(&state, 3));
        assert_null(state_thread(&state, UINT32_MAX));
        state_free(&state);
}

static void test_ids_are_dense(void **unused)
{
        struct state state = {0};

        assert_int_equal(define(&state, one_string(2, "x", 1)), -EBADMSG);
        assert_int_equal(define(&state, one_string(0, "x", 1)), -EBADMSG);
        assert_int_equal(define(&state, one_string(1, "x", 1)), 0);
        assert_int_equal(define(&state, one_string(1, "x", 1)), -EBADMSG);
        assert_int_equal(define(&state, one_string(2, "", 0)), 0);
        assert_int_equal(state_string(&state, 2)->n_bytes, 0);
        state_free(&state);
}

static void test_entries_are_bounded(void **unused)
{
        struct state state = {0};

        /* As after so many definitions, which would take too long to make. */
        state.n_strings = STATE_ENTRIES_MAX;
        assert_int_equal(define(&state, one_string(STATE_ENTRIES_MAX + 1, "x", 1)), -EBADMSG);
        state.n_strings = 0;
        state.string_bytes = STATE_STRING_BYTES_MAX - 1;
        assert_int_equal(define(&state, one_string(1, "xy", 2)), -EBADMSG);
        assert_int_equal(define(&state, one_string(1, "x", 1)), 0);
        state_free(&state);
}

static void test_reset(void **unused)
{
        struct state state = {.n_received = 5};

        assert_int_equal(define(&state, fake_dict(1)), 0);
        state_reset(&state);
        assert_null(state_string(&state, 1));
        assert_int_equal(state.n_received, 5);
        assert_int_equal(define(&state, fake_dict(1)), 0);
        state_free(&state);
}

static void test_unknown_kind_is_skipped(void **unused)
{
        struct bytes frame = one_string(1, "x", 1);
        struct state state = {0};

        fake_storage[PROTO_HEADER_BYTES + 2] = 99;
        assert_int_equal(define(&state, frame), 0);
        assert_int_equal(state.n_strings, 0);
        state_free(&state);
}

static void test_more_records_than_bytes(void **unused)
{
        const struct proto_event event = fake_event();
        struct bytes frame = fake_events(1, 0, &event, 3, 8);
        const uint8_t *body = frame.data + PROTO_HEADER_BYTES, *records = NULL;
        size_t n_bytes = frame.n_bytes - PROTO_HEADER_BYTES;
        struct state state = {0};

        assert_int_equal(state_receive(&state, body, n_bytes, 4, PROTO_EVENT_BYTES, &records), -EBADMSG);
        assert_int_equal(state_receive(&state, body, n_bytes, 3, PROTO_EVENT_BYTES + 1, &records), -EBADMSG);
        assert_int_equal(state_receive(&state, body, 7, 0, PROTO_EVENT_BYTES, &records), -EBADMSG);
        assert_null(records);
        assert_int_equal(state.n_received, 0);
        assert_int_equal(state_receive(&state, body, n_bytes, 3, PROTO_EVENT_BYTES, &records), 0);
        assert_ptr_equal(records, body + PROTO_EVENTS_PREFIX_BYTES);
        assert_int_equal(state.n_received, 3);
        assert_int_equal(state.n_filtered, 8);
}

static void test_counts(void **unused)
{
        struct proto_event events[] = {fake_event(), fake_event(), fake_event()};
        const struct proto_drops drops = {.n_faults = {[OUTCOME_NONE] = 1, [OUTCOME_MINOR] = 2, [OUTCOME_OPEN] = 4}};
        struct state state = {0};

        events[1].flags = PROTO_EVENT_INCOMPLETE;
        state_count_events(&state, events, ARRAY_SIZE(events));
        state_count_drops(&state, &drops);
        state_count_drops(&state, &drops);
        assert_int_equal(state.n_incomplete, 1);
        assert_int_equal(state.n_dropped, 14);
}

/* Only the target's own exec gives it a name, and what it is called before that is not its name. */
static void test_name_of_target(void **unused)
{
        const struct proto_attached attached = {.pid = 42, .comm = fake_string("faultline")};
        const struct proto_life other = {.kind = LIFE_EXEC, .pid = 43, .tid = 43, .comm = fake_string("other")};
        const struct proto_life forked = {.kind = LIFE_FORK, .pid = 42, .tid = 42, .comm = fake_string("forked")};
        const struct proto_life exec = {.kind = LIFE_EXEC, .pid = 42, .tid = 42, .comm = fake_string("sh")};
        struct state state = {0};

        assert_int_equal(state_begin(&state, &attached, false), 0);
        assert_int_equal(state.comm.n_bytes, 9);
        assert_int_equal(state_begin(&state, &attached, true), 0);
        assert_int_equal(state_live(&state, &other), 0);
        assert_int_equal(state_live(&state, &forked), 0);
        assert_int_equal(state.comm.n_bytes, 0);
        assert_true(state.before_exec);
        assert_int_equal(state_live(&state, &exec), 0);
        assert_int_equal(state.comm.n_bytes, 2);
        assert_memory_equal(state.comm.data, "sh", 2);
        assert_false(state.before_exec);
        state_free(&state);
}

/* No process of a unit gives it its name, not even one whose id a daemon does not tell. */
static void test_unit_has_no_process(void **unused)
{
        const struct proto_attached attached = {.comm = fake_string("a.service")};
        const struct proto_life exec = {.kind = LIFE_EXEC, .comm = fake_string("sh")};
        struct state state = {.unit = fake_string("a.service"), .follows = true, .several = true};

        assert_int_equal(state_begin(&state, &attached, false), 0);
        assert_int_equal(state_live(&state, &exec), 0);
        assert_int_equal(state.comm.n_bytes, 9);
        assert_int_equal(state.unit.n_bytes, 9);
        assert_true(state.follows && state.several);
        state_free(&state);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_definitions),
                cmocka_unit_test(test_undefined),
                cmocka_unit_test(test_ids_are_dense),
                cmocka_unit_test(test_entries_are_bounded),
                cmocka_unit_test(test_reset),
                cmocka_unit_test(test_unknown_kind_is_skipped),
                cmocka_unit_test(test_more_records_than_bytes),
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_name_of_target),
                cmocka_unit_test(test_unit_has_no_process),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
