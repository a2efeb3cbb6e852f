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

/* --- stacks and lines --- */

/* One definition, in a frame of its own. */
static int define_one(struct state *state, const struct proto_def *def)
{
        struct proto_buffer buffer = fake_buffer();
        struct proto_header header = {.type = MESSAGE_DICT, .trace = 1, .count = 1};

        assert_true(proto_begin_frame(&buffer) >= 0);
        assert_int_equal(proto_append_def(&buffer, def), 0);
        return define(state, fake_done(proto_finish_frame(&buffer, &header), &buffer));
}

static int define_line(struct state *state, uint32_t id, uint32_t function, uint32_t outer)
{
        const struct proto_def def = {
                .kind = DEF_LINE, .id = id, .line = {.function = function, .file = 2, .line = 30 + id, .outer = outer}};

        return define_one(state, &def);
}

static int define_stack(struct state *state, uint32_t id, uint8_t flags, const struct proto_stack_frame *frames,
                        uint32_t n_frames)
{
        const struct proto_def def = {
                .kind = DEF_STACK, .id = id, .stack = {.flags = flags, .n_frames = n_frames, .frames = frames}};

        return define_one(state, &def);
}

static void test_stacks(void **unused)
{
        static const struct proto_stack_frame frames[] = {
                {.addr = 0x401007, .place = 2, .line = 2, .by = FRAME_BY_REGISTERS},
                {.addr = UINT64_MAX, .by = 200},
        };
        struct state state = {0};
        struct state_frame frame;
        const struct dict_stack *stack;

        assert_int_equal(define(&state, fake_dict(1)), 0);
        assert_int_equal(define_line(&state, 1, 5, 0), 0);
        assert_int_equal(define_line(&state, 2, 4, 1), 0);
        assert_int_equal(define_stack(&state, 1, PROTO_STACK_CUT, frames, ARRAY_SIZE(frames)), 0);
        assert_int_equal(define_stack(&state, 2, 0xfe, NULL, 0), 0);
        stack = state_stack(&state, 1);
        assert_int_equal(stack->n_frames, 2);
        assert_true(stack->is_cut);
        state_frame(&state, stack, 0, &frame);
        assert_int_equal(frame.addr, 0x401007);
        assert_ptr_equal(frame.place, state_place(&state, 2));
        assert_int_equal(frame.by, FRAME_BY_REGISTERS);
        assert_int_equal(frame.n_lines, 2);
        assert_ptr_equal(frame.lines[0], state_line(&state, 2));
        assert_ptr_equal(frame.lines[1], state_line(&state, 1));
        assert_int_equal(frame.lines[0]->function, 4);
        assert_int_equal(frame.lines[0]->file, 2);
        assert_int_equal(frame.lines[0]->line, 32);
        state_frame(&state, stack, 1, &frame);
        assert_true(frame.addr == UINT64_MAX);
        assert_null(frame.place);
        assert_int_equal(frame.by, 200);
        assert_int_equal(frame.n_lines, 0);
        assert_int_equal(state_stack(&state, 2)->n_frames, 0);
        assert_false(state_stack(&state, 2)->is_cut);
        assert_null(state_stack(&state, 0));
        assert_null(state_stack(&state, 3));
        assert_null(state_line(&state, 0));
        assert_null(state_line(&state, 3));
        state_free(&state);
}

static void test_stack_ids_are_dense(void **unused)
{
        struct state state = {0};

        assert_int_equal(define_stack(&state, 2, 0, NULL, 0), -EBADMSG);
        assert_int_equal(define_stack(&state, 1, 0, NULL, 0), 0);
        assert_int_equal(define_stack(&state, 1, 0, NULL, 0), -EBADMSG);
        assert_int_equal(define_line(&state, 0, 1, 0), -EBADMSG);
        assert_int_equal(define_line(&state, 1, 1, 0), 0);
        assert_int_equal(define_line(&state, 3, 1, 0), -EBADMSG);
        state_free(&state);
}

static void test_frames_are_bounded(void **unused)
{
        static const struct proto_stack_frame frames[2];
        struct state state = {.n_frames = STATE_FRAMES_MAX - 1};

        assert_int_equal(define_stack(&state, 1, 0, frames, 2), -EBADMSG);
        assert_int_equal(define_stack(&state, 1, 0, frames, 1), 0);
        assert_int_equal(define_stack(&state, 2, 0, frames, 1), -EBADMSG);
        state_free(&state);
}

/* Chains that lead nowhere, to themselves, or on for longer than anybody inlines. */
static void test_chains_of_lines_end(void **unused)
{
        struct proto_stack_frame frames[] = {{.line = 1}, {.line = 2}, {.line = 4}, {.line = 99}};
        struct state state = {0};
        struct state_frame frame;

        assert_int_equal(define_line(&state, 1, 1, 99), 0);
        assert_int_equal(define_line(&state, 2, 1, 3), 0);
        assert_int_equal(define_line(&state, 3, 1, 2), 0);
        assert_int_equal(define_line(&state, 4, 1, 0), 0);
        for (uint32_t id = 5; id < 5 + 2 * STATE_LINES_MAX; id++)
                assert_int_equal(define_line(&state, id, 1, id - 1), 0);
        frames[2].line = 4 + 2 * STATE_LINES_MAX;
        assert_int_equal(define_stack(&state, 1, 0, frames, ARRAY_SIZE(frames)), 0);
        state_frame(&state, state_stack(&state, 1), 0, &frame);
        assert_int_equal(frame.n_lines, 1);
        state_frame(&state, state_stack(&state, 1), 1, &frame);
        assert_int_equal(frame.n_lines, STATE_LINES_MAX);
        state_frame(&state, state_stack(&state, 1), 2, &frame);
        assert_int_equal(frame.n_lines, STATE_LINES_MAX);
        assert_ptr_equal(frame.lines[STATE_LINES_MAX - 1], state_line(&state, 5 + STATE_LINES_MAX));
        state_frame(&state, state_stack(&state, 1), 3, &frame);
        assert_int_equal(frame.n_lines, 0);
        state_free(&state);
}

static void test_stacks_are_forgotten(void **unused)
{
        static const struct proto_stack_frame frames[2];
        struct state state = {0};

        for (uint32_t epoch = 0; epoch < 3; epoch++) {
                assert_int_equal(state.epoch, epoch);
                assert_int_equal(define_line(&state, 1, 1, 0), 0);
                assert_int_equal(define_stack(&state, 1, 0, frames, 2), 0);
                assert_int_equal(state.n_frames, 2);
                state_reset(&state);
                assert_int_equal(state.n_frames, 0);
                assert_null(state_stack(&state, 1));
                assert_null(state_line(&state, 1));
        }
        state_free(&state);
}

static void assert_symbol(const struct state *state, uint32_t id, const char *expected)
{
        const struct proto_string symbol = state_symbol(state, id);

        assert_int_equal(symbol.n_bytes, strlen(expected));
        assert_memory_equal(symbol.data, expected, symbol.n_bytes);
}

static void test_symbols(void **unused)
{
        struct state state = {.demangles = true};

        assert_int_equal(define(&state, one_string(1, "_ZN3foo3barEi", 13)), 0);
        assert_int_equal(define(&state, one_string(2, "main", 4)), 0);
        assert_int_equal(define(&state, one_string(3, "_Znot", 5)), 0);
        assert_int_equal(define(&state, one_string(4, "", 0)), 0);
        assert_symbol(&state, 1, "foo::bar(int)");
        assert_ptr_equal(state_symbol(&state, 1).data, state_symbol(&state, 1).data); /* made once */
        assert_symbol(&state, 2, "main");
        assert_symbol(&state, 3, "_Znot");
        assert_int_equal(state_symbol(&state, 4).n_bytes, 0);
        assert_null(state_symbol(&state, 0).data);
        assert_null(state_symbol(&state, 5).data);
        state_reset(&state);
        assert_null(state_symbol(&state, 1).data);
        state.demangles = false;
        assert_int_equal(define(&state, one_string(1, "_ZN3foo3barEi", 13)), 0);
        assert_symbol(&state, 1, "_ZN3foo3barEi");
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
                cmocka_unit_test(test_stacks),
                cmocka_unit_test(test_stack_ids_are_dense),
                cmocka_unit_test(test_frames_are_bounded),
                cmocka_unit_test(test_chains_of_lines_end),
                cmocka_unit_test(test_stacks_are_forgotten),
                cmocka_unit_test(test_symbols),
                cmocka_unit_test(test_unknown_kind_is_skipped),
                cmocka_unit_test(test_more_records_than_bytes),
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_name_of_target),
                cmocka_unit_test(test_unit_has_no_process),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
