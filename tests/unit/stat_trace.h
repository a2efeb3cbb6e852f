/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trace made by hand for the tests of stat: every kind of name, faults of known sizes and latencies; and its views.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_state.h"
#include "tests/unit/stat_view.h"

#define MS NSEC_PER_MSEC
#define START_NS UINT64_C(1000000000)

/* --- a trace --- */

enum { APP = 1, MAIN, TEXT, DATA, TABLE, KERNEL, COPY, COMM, LIB, LONG, WIDE, HEAP, EVIL };

static const char *const strings[] = {
        "/usr/bin/app",
        "main",
        ".text",
        ".data",
        "table",
        "[kernel.kallsyms]",
        "copy_to_user",
        "worker",
        "/opt/a-directory/a-library-with-quite-a-long-name.so.1.2.3",
        "a_namespace::a_class::a_function_with_a_long_name(int, char const*)",
        "名字名字名字名字名字名字名字名字", /* each of these takes two cells */
        "[heap]",
        "evil \033[31m,\"quoted\"\n=1+1",
};

enum { IN_MAIN = 1, IN_TABLE, IN_COPY, IN_LONG, IN_WIDE, IN_EVIL };

static const struct proto_def defs[] = {
        {.kind = DEF_MAP, .id = 1, .map = {0x400000, 0x500000, 0x1000, APP, {'r', 'w', '-', 'p'}}},
        {.kind = DEF_MAP, .id = 2, .map = {0x600000, 0x700000, 0, HEAP, {'r', 'w', '-', 'p'}}},
        {.kind = DEF_MAP, .id = 3, .map = {0x7f0000000000, 0x7f0000100000, 0, 0, {'r', '-', '-', 's'}}},
        {.kind = DEF_MAP, .id = 4, .map = {0x7f1000000000, 0x7f1000100000, 0x2000, LIB, {'r', '-', 'x', 'p'}}},
        {.kind = DEF_PLACE, .id = IN_MAIN, .place = {APP, TEXT, MAIN, 0x401000}},
        {.kind = DEF_PLACE, .id = IN_TABLE, .place = {APP, DATA, TABLE, 0x404000}},
        {.kind = DEF_PLACE, .id = IN_COPY, .place = {KERNEL, TEXT, COPY, 0xffffffff81000000}},
        {.kind = DEF_PLACE, .id = IN_LONG, .place = {LIB, TEXT, LONG, 0x7f1000000000}},
        {.kind = DEF_PLACE, .id = IN_WIDE, .place = {APP, DATA, WIDE, 0x405000}},
        {.kind = DEF_PLACE, .id = IN_EVIL, .place = {APP, DATA, EVIL, 0x406000}},
        {.kind = DEF_THREAD, .id = 1, .thread = {42, 42, COMM}},
        {.kind = DEF_THREAD, .id = 2, .thread = {42, 43, COMM}},
        {.kind = DEF_THREAD, .id = 3, .thread = {42, 44, EVIL}},
};

static inline void define_all(struct state *state)
{
        static const struct proto_stack_frame frames[] = {
                {.addr = 0x401010, .place = IN_MAIN, .by = FRAME_BY_REGISTERS},
                {.addr = 0x7f1000000010, .place = IN_LONG, .by = FRAME_BY_CFI},
        };
        const struct proto_def stack = {
                .kind = DEF_STACK, .id = 1, .stack = {.n_frames = ARRAY_SIZE(frames), .frames = frames}};

        fake_define_all(state, strings, ARRAY_SIZE(strings), defs, ARRAY_SIZE(defs));
        fake_define(state, &stack);
}

static inline struct state begin(void)
{
        struct state state = {.pid = 42, .start_ns = START_NS};

        define_all(&state);
        return state;
}

/* A first touch of the heap: 4 KiB in 1.5 us. */
static inline struct proto_event touch(void)
{
        return (struct proto_event){.time_ns = START_NS + 1000,
                                    .addr = 0x600010,
                                    .ip = 0x401010,
                                    .latency_ns = 1500,
                                    .frame_before = 0,
                                    .frame = 0x222,
                                    .thread = 1,
                                    .map = 2,
                                    .code = IN_MAIN,
                                    .cpu = 1,
                                    .outcome = OUTCOME_MINOR,
                                    .cause = CAUSE_ZERO_FILL,
                                    .access = ACCESS_WRITE,
                                    .page_shift = 12};
}

static inline struct proto_event wait_for_storage(void)
{
        return (struct proto_event){.time_ns = START_NS + 5000000,
                                    .addr = 0x404010,
                                    .ip = 0xffffffff81000010,
                                    .caller_ip = 0x7f1000000020,
                                    .latency_ns = 1234567,
                                    .frame_before = 0x111,
                                    .frame = 0x333,
                                    .thread = 2,
                                    .map = 1,
                                    .place = IN_TABLE,
                                    .code = IN_COPY,
                                    .caller = IN_LONG,
                                    .stack = 1,
                                    .outcome = OUTCOME_MAJOR,
                                    .cause = CAUSE_FILE_MAJOR,
                                    .access = ACCESS_READ,
                                    .page_shift = 14,
                                    .flags = PROTO_EVENT_KERNEL_MODE | PROTO_EVENT_INFERRED};
}

static inline struct proto_event fail_somewhere(void)
{
        return (struct proto_event){.time_ns = START_NS + 6000000,
                                    .addr = 0x406010,
                                    .ip = 0x1234,
                                    .latency_ns = PROTO_UNKNOWN,
                                    .frame_before = PROTO_UNKNOWN,
                                    .frame = PROTO_UNKNOWN,
                                    .thread = 3,
                                    .map = 3,
                                    .place = IN_EVIL,
                                    .outcome = OUTCOME_FAILED,
                                    .cause = CAUSE_ACCESS_DENIED,
                                    .access = ACCESS_WRITE};
}

static inline struct proto_event touch_wide(void)
{
        struct proto_event event = touch();

        event.latency_ns = 900;
        event.map = 4;
        event.place = IN_WIDE;
        event.addr = 0x405000;
        event.page_shift = 21;
        event.access = ACCESS_UNKNOWN;
        event.frame = event.frame_before = PROTO_UNKNOWN;
        return event;
}

enum { N_TOUCHES = 12, N_TRACE = N_TOUCHES + 4 };

/* Twelve touches of 1500, 2500, ... 12500 ns, and four other faults. */
static inline void make_trace(struct proto_event ret[static N_TRACE])
{
        for (unsigned int i = 0; i < N_TOUCHES; i++) {
                ret[i] = touch();
                ret[i].time_ns += i * 1000000;
                ret[i].latency_ns += (uint64_t)i * 1000;
        }
        ret[N_TOUCHES] = wait_for_storage();
        ret[N_TOUCHES + 1] = fail_somewhere();
        ret[N_TOUCHES + 2] = touch_wide();
        ret[N_TOUCHES + 3] = touch_wide();
}

/* --- a view --- */

static inline struct view *new_view(struct view_stat_options options, uint32_t n_columns)
{
        struct view *view = stat_view_new(options);

        view->n_columns = n_columns;
        return view;
}

static inline void attach(struct view *view, const struct state *state)
{
        const struct proto_attached attached = {
                .pid = 42, .detail = DETAIL_FULL, .n_threads = 1, .time_ns = START_NS, .comm = fake_string("worker")};

        view->ops->attached(view, state, &attached);
}

static inline void give(struct view *view, const struct state *state, const struct proto_event *events, uint32_t n)
{
        const struct fault_batch batch = {.events = events, .n_events = n, .first_seq = 100};

        view->ops->faults(view, state, &batch);
}

static inline void end(struct view *view, const struct state *state, uint64_t time_ns)
{
        const struct proto_end end = {.reason = END_EXITED, .time_ns = time_ns};

        view->ops->end(view, state, &end);
}

/* What a trace of these faults comes to. */
static inline struct view *play(struct view_stat_options options, uint32_t n_columns, const struct proto_event *events,
                                uint32_t n)
{
        struct state state = begin();
        struct view *view = new_view(options, n_columns);

        attach(view, &state);
        give(view, &state, events, n);
        end(view, &state, START_NS + 20000000);
        view_stat_finish(view);
        state_free(&state);
        assert_false(view->out.failed);
        return view;
}

static inline struct view *play_trace(struct view_stat_options options, uint32_t n_columns)
{
        struct proto_event trace[N_TRACE];

        make_trace(trace);
        return play(options, n_columns, trace, N_TRACE);
}

static inline void expect(struct text *text, const char *expected)
{
        assert_false(text->failed);
        text_put_char(text, '\0');
        assert_string_equal(text->data, expected);
        text->n_bytes = 0;
}

static inline size_t count(const struct text *text, const char *needle)
{
        const char *text_end = text->data + text->n_bytes, *at = text->data;
        size_t n = 0;

        while (text->n_bytes > 0 && (at = memmem(at, (size_t)(text_end - at), needle, strlen(needle)))) {
                at += strlen(needle);
                n++;
        }
        return n;
}

static inline struct proto_event at(uint64_t since_start_ns, uint64_t latency_ns)
{
        struct proto_event event = touch();

        event.time_ns = START_NS + since_start_ns;
        event.latency_ns = latency_ns;
        return event;
}
