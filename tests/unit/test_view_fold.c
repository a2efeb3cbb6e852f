/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text view for a terminal: runs of faults as one line, colours, plain ASCII, and the summary at the end. Golden
 * files (view_fold*.txt) hold one trace at several widths (FAULTLINE_GOLDEN_UPDATE=1 in the environment writes them
 * anew).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/cause_family.h"
#include "client/color.h"
#include "client/escape.h"
#include "client/view_text.h"
#include "tests/unit/client_talk.h"
#include "tests/unit/fake_state.h"
#include "tests/unit/golden.h"
#include "tests/unit/text_lines.h"

enum { WORKER = 1, APP, DATA, TABLE, MAIN, TEXT, HEAP, KERNEL, COPY, LONG_PATH, LONG_NAME, STACK, WIDE };

static const char *const strings[] = {
        "worker",
        "/usr/bin/app",
        ".data",
        "table",
        "main",
        ".text",
        "[heap]",
        "[kernel]",
        "copy_to_user",
        "/opt/a-directory/a-library-with-quite-a-long-name.so.1.2.3",
        "a_namespace::a_class::a_function_with_a_long_name(int, char const*)",
        "[stack]",
        "名字名字名字名字", /* each of these takes two cells */
};

enum { MAP_APP = 1, MAP_HEAP, MAP_LIBRARY, MAP_STACK, MAP_WIDE };
enum { PLACE_TABLE = 1, PLACE_MAIN, PLACE_COPY, PLACE_LONG, PLACE_WIDE };
enum { THREAD_MAIN = 1, THREAD_OTHER };

static const struct proto_def defs[] = {
        {.kind = DEF_MAP, .id = MAP_APP, .map = {.start = 0x400000, .end = 0x500000, .path = APP}},
        {.kind = DEF_MAP, .id = MAP_HEAP, .map = {.start = 0x600000, .end = 0x900000, .path = HEAP}},
        {.kind = DEF_MAP,
         .id = MAP_LIBRARY,
         .map = {.start = 0x7f1000000000, .end = 0x7f1000900000, .path = LONG_PATH}},
        {.kind = DEF_MAP, .id = MAP_STACK, .map = {.start = 0x7fff00000000, .end = 0x7fff00100000, .path = STACK}},
        {.kind = DEF_MAP, .id = MAP_WIDE, .map = {.start = 0xa00000, .end = 0xb00000, .path = WIDE}},
        {.kind = DEF_PLACE, .id = PLACE_TABLE, .place = {APP, DATA, TABLE, 0x400100}},
        {.kind = DEF_PLACE, .id = PLACE_MAIN, .place = {APP, TEXT, MAIN, 0x401000}},
        {.kind = DEF_PLACE, .id = PLACE_COPY, .place = {KERNEL, TEXT, COPY, 0xffffffff81000000}},
        {.kind = DEF_PLACE, .id = PLACE_LONG, .place = {LONG_PATH, TEXT, LONG_NAME, 0x7f1000000000}},
        {.kind = DEF_PLACE, .id = PLACE_WIDE, .place = {WIDE, 0, WIDE, 0xa00000}},
        {.kind = DEF_THREAD, .id = THREAD_MAIN, .thread = {.pid = 42, .tid = 42, .comm = WORKER}},
        {.kind = DEF_THREAD, .id = THREAD_OTHER, .thread = {.pid = 42, .tid = 43, .comm = WIDE}},
};

static void define_all(struct state *state)
{
        fake_define_all(state, strings, ARRAY_SIZE(strings), defs, ARRAY_SIZE(defs));
}

static struct proto_event heap_fault(uint32_t i)
{
        return (struct proto_event){.time_ns = 1000000000 + i * NSEC_PER_USEC,
                                    .addr = 0x600010 + UINT64_C(4096) * i,
                                    .ip = 0x401007,
                                    .latency_ns = 2000 + i,
                                    .frame = 0xabc + i,
                                    .thread = THREAD_MAIN,
                                    .map = MAP_HEAP,
                                    .code = PLACE_MAIN,
                                    .outcome = OUTCOME_MINOR,
                                    .cause = CAUSE_ZERO_FILL,
                                    .access = ACCESS_WRITE,
                                    .page_shift = 12};
}

/* What a fault of this kind is, apart from its number. */
static void heap(struct proto_event *e, uint32_t i)
{
        (void)e;
        (void)i;
}

static void several_instructions(struct proto_event *e, uint32_t i)
{
        e->ip += i;
}

static void growing_stack(struct proto_event *e, uint32_t i)
{
        e->addr = 0x7fff000ffff8 - UINT64_C(4096) * i;
        e->map = MAP_STACK;
        e->cause = CAUSE_STACK_GROW;
        e->flags = PROTO_EVENT_INFERRED;
}

static void by_the_kernel(struct proto_event *e, uint32_t i)
{
        (void)i;
        e->flags = PROTO_EVENT_KERNEL_MODE;
        e->ip = 0xffffffff81000010;
        e->code = PLACE_COPY;
        e->caller_ip = 0x401020;
        e->caller = PLACE_MAIN;
}

static void slow(struct proto_event *e, uint32_t i)
{
        e->outcome = OUTCOME_MAJOR;
        e->cause = CAUSE_FILE_MAJOR;
        e->access = ACCESS_READ;
        e->addr = 0x7f1000000000 + UINT64_C(4096) * i;
        e->map = MAP_LIBRARY;
        e->place = e->code = PLACE_LONG;
        e->ip = 0x7f1000000042;
        e->latency_ns = (i + 1) * 3 * NSEC_PER_MSEC;
}

static void huge_pages(struct proto_event *e, uint32_t i)
{
        e->addr = 0x7f0000000000 + (UINT64_C(2) << 20) * i;
        e->map = e->code = 0;
        e->page_shift = 21;
        e->latency_ns = 150 * NSEC_PER_USEC;
}

static void without_latency(struct proto_event *e, uint32_t i)
{
        (void)i;
        e->latency_ns = PROTO_UNKNOWN;
        e->access = ACCESS_UNKNOWN;
}

static void wide_names(struct proto_event *e, uint32_t i)
{
        e->thread = THREAD_OTHER;
        e->addr = 0xa00000 + UINT64_C(4096) * i;
        e->map = MAP_WIDE;
        e->place = e->code = PLACE_WIDE;
        e->ip = 0xa00042;
        e->cause = CAUSE_SHMEM;
        e->latency_ns = 300 + i;
}

static void failing(struct proto_event *e, uint32_t i)
{
        (void)i;
        e->outcome = OUTCOME_FAILED;
        e->cause = CAUSE_UNMAPPED;
        e->map = 0;
        e->latency_ns = PROTO_UNKNOWN;
}

static void copied(struct proto_event *e, uint32_t i)
{
        (void)i;
        e->cause = CAUSE_COW_COPY;
        e->frame_before = 0x111;
        e->latency_ns = 12345;
        e->place = PLACE_TABLE;
        e->map = MAP_APP;
        e->addr = 0x400110;
}

static const struct {
        void (*what)(struct proto_event *e, uint32_t i);
        uint32_t n;
} series[] = {
        {heap, 512},
        {heap, 2},
        {several_instructions, 3},
        {growing_stack, 4},
        {by_the_kernel, 100},
        {slow, 1},
        {slow, 4},
        {copied, 1},
        {huge_pages, 5},
        {huge_pages, 1},
        {without_latency, 7},
        {failing, 3},
        {wide_names, 100},
        {copied, 1},
};

static void show(struct view *view, const struct state *state, const struct proto_event *event)
{
        const struct fault_batch batch = {.events = event, .n_events = 1};

        view->ops->faults(view, state, &batch);
}

static void begin_with(struct view *view, struct state *state, bool several)
{
        const struct proto_attached attached = {
                .pid = 42, .detail = DETAIL_FULL, .n_threads = 2, .time_ns = 1000000000, .comm = fake_string("worker")};

        *state = (struct state){.several = several};
        assert_int_equal(state_begin(state, &attached, false), 0);
        define_all(state);
        view->ops->attached(view, state, &attached);
}

static void begin(struct view *view, struct state *state)
{
        begin_with(view, state, false);
}

/* several: the faults of more than one process are shown */
static void play(struct view *view, bool several)
{
        const struct proto_life exited = {.time_ns = 1300000000, .kind = LIFE_EXIT, .pid = 42, .tid = 43};
        const struct proto_end end = {
                .reason = END_EXITED, .time_ns = 3500000000, .ledger = {.kernel = 747, .delivered = 747}};
        struct state state;

        begin_with(view, &state, several);
        for (size_t k = 0; k < ARRAY_SIZE(series); k++) {
                for (uint32_t i = 0; i < series[k].n; i++) {
                        struct proto_event event = heap_fault(i), other = heap_fault(i);

                        series[k].what(&event, i);
                        show(view, &state, &event);
                        if (k > 0 || i % 200 != 100)
                                continue;
                        wide_names(&other, 7 * i); /* in between, and alone */
                        show(view, &state, &other);
                }
        }
        view->ops->life(view, &state, &exited);
        view->ops->end(view, &state, &end);
        state_free(&state);
}

static void test_widths(void **unused)
{
        static const struct {
                const char *golden;
                struct view_text_options options;
                uint32_t n_columns;
                bool several;
        } terminals[] = {
                {"view_fold_80", {.fold = true, .notes_on_out = true}, 80, false},
                {"view_fold_40", {.fold = true, .notes_on_out = true}, 40, false},
                {"view_fold_120", {.fold = true, .notes_on_out = true}, 120, false},
                {"view_fold_200", {.fold = true, .notes_on_out = true}, 200, false},
                {"view_fold_color", {.fold = true, .color = true, .notes_on_out = true}, 160, false},
                {"view_fold_ascii", {.fold = true, .ascii = true, .notes_on_out = true}, 200, false},
                {"view_fold_several", {.fold = true, .notes_on_out = true}, 80, true},
                {"view_fold_unknown_width", {.fold = true, .notes_on_out = true}, 0, false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(terminals); i++) {
                struct view *view = view_text_new(&terminals[i].options);

                assert_non_null(view);
                view->n_columns = terminals[i].n_columns;
                play(view, terminals[i].several);
                assert_golden_text(&view->out, "%s", terminals[i].golden);
                if (i == 0)
                        assert_golden_text(&view->err, "view_fold_err");
                view = view_text_free(view);
        }
}

/* Wherever the edge is: no line goes beyond it, none is broken inside a character, and ASCII is ASCII. */
static void test_every_width(void **unused)
{
        for (uint32_t width = 1; width <= 300; width++) {
                const struct view_text_options options = {.fold = width % 3 != 0, .ascii = width % 2};
                struct view *view = view_text_new(&options);

                assert_non_null(view);
                view->n_columns = width;
                play(view, width % 5 == 0);
                assert_true(assert_lines_fit(&view->out, width) > 0);
                for (size_t c = 0; c < view->out.n_bytes; c++)
                        assert_true((view->out.data[c] & 0x80) == 0 || !options.ascii);
                view = view_text_free(view);
        }
}

static size_t count(const struct text *text, const char *needle)
{
        const char *end = text->data + text->n_bytes, *at = text->data;
        size_t n = 0;

        while (at && (at = memmem(at, (size_t)(end - at), needle, strlen(needle)))) {
                at += strlen(needle);
                n++;
        }
        return n;
}

/* Each fault is in a line of its own or in a number. */
static void test_without_folding_a_line_each(void **unused)
{
        static const struct view_text_options options[] = {{.fold = false}, {.fold = true}};
        size_t n_faults = 3; /* in between */

        for (size_t k = 0; k < ARRAY_SIZE(series); k++)
                n_faults += series[k].n;
        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
                struct view *view = view_text_new(&options[i]);
                const char *at;
                size_t n;

                assert_non_null(view);
                view->n_columns = 200;
                play(view, false);
                n = count(&view->out, "\n") - 1;
                text_put_char(&view->out, '\0');
                for (at = view->out.data; (at = strstr(at, " x ")); at++)
                        n += strtoul(at + 3, NULL, 10) - 1;
                assert_int_equal(n, n_faults);
                assert_int_equal(count(&view->out, " pages"), options[i].fold ? 8 : 0);
                view = view_text_free(view);
        }
}

/* --- when what is held back is shown --- */

static struct view *new_folding(struct state *state)
{
        static const struct view_text_options options = {.fold = true, .notes_on_out = true};
        struct view *view = view_text_new(&options);

        assert_non_null(view);
        begin(view, state);
        assert_false(view->holds_back);
        return view;
}

static void show_run(struct view *view, const struct state *state, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                const struct proto_event event = heap_fault(i);

                show(view, state, &event);
        }
}

static void test_shown_when_it_is_quiet(void **unused)
{
        struct state state;
        struct view *view = new_folding(&state);

        show_run(view, &state, 5);
        assert_true(view->holds_back);
        assert_int_equal(count(&view->out, "x 5 pages"), 0);
        view_settle(view);
        assert_int_equal(count(&view->out, "x 5 pages, 10.0 us"), 1);
        assert_false(view->holds_back);
        view_settle(view);
        assert_int_equal(count(&view->out, " pages"), 1);
        state_free(&state);
        view = view_text_free(view);
}

/* Nothing is said of what comes after a fault before the fault is shown. */
static void test_notes_come_behind(void **unused)
{
        const struct proto_life life = {.kind = LIFE_EXIT, .pid = 42, .tid = 43};
        const struct proto_signal signal = {.signo = 11, .pid = 42, .tid = 42, .pointer = PROTO_UNKNOWN};
        const struct proto_revoked revoked = {.pid = 42};
        const struct proto_drops drops = {.first_seq = 1};
        const struct proto_degraded degraded = {.what = fake_string("frames")};
        const struct proto_gap gap = {.reason = fake_string("it crashed")};
        const struct proto_end end = {.reason = END_EXITED};
        struct state state;
        struct view *view = new_folding(&state);

        for (unsigned int i = 0; i < 7; i++) {
                view->out.n_bytes = 0;
                show_run(view, &state, 5);
                switch (i) {
                case 0:
                        view->ops->life(view, &state, &life);
                        break;
                case 1:
                        view->ops->signal(view, &state, &signal);
                        break;
                case 2:
                        view->ops->revoked(view, &state, &revoked);
                        break;
                case 3:
                        view->ops->drops(view, &state, &drops);
                        break;
                case 4:
                        view->ops->degraded(view, &state, &degraded);
                        break;
                case 5:
                        view->ops->gap(view, NULL, &gap);
                        break;
                case 6:
                        view->ops->end(view, &state, &end);
                        break;
                }
                assert_false(view->holds_back);
                assert_int_equal(count(&view->out, "x 5 pages"), 1);
                text_put_char(&view->out, '\0');
                if (i < 6)
                        assert_true(strstr(view->out.data, "x 5 pages") < strstr(view->out.data, "--"));
        }
        state_free(&state);
        view = view_text_free(view);
}

/* A fault that nobody has to wait for is not kept waiting either. */
static void test_one_behind_the_other(void **unused)
{
        struct state state;
        struct view *view = new_folding(&state);
        struct proto_event event = heap_fault(0);

        for (uint32_t i = 0; i < 10; i++) {
                event.addr += 3 * 4096;
                show(view, &state, &event);
                assert_int_equal(count(&view->out, "zero-fill"), i);
        }
        state_free(&state);
        view = view_text_free(view);
}

/* What is held back is shown with the names that it came with. */
static void test_definitions_are_forgotten(void **unused)
{
        const struct view_text_options options = {.fold = true, .notes_on_out = true};
        const struct proto_event event = fake_event();

        for (unsigned int i = 0; i < 2; i++) {
                struct view *view = view_text_new(&options);
                struct talk talk;

                assert_non_null(view);
                talk_run(&talk);
                talk.session.view = view;
                assert_int_equal(hear(&talk, fake_events(7, 0, &event, 3, 0)), 0);
                assert_int_equal(count(&view->out, "app/.data/table"), 2);
                assert_true(view->holds_back);
                assert_int_equal(hear(&talk, i == 0 ? fake_empty(7, MESSAGE_DICT_RESET) : fake_gap()), 0);
                assert_int_equal(count(&view->out, "app/.data/table"), 3);
                assert_false(view->holds_back);
                talk_end(&talk);
                view = view_text_free(view);
        }
}

static void test_stacks(void **unused)
{
        static const struct proto_stack_frame frames[] = {
                {.addr = 0x401007, .place = PLACE_MAIN, .by = FRAME_BY_REGISTERS}};
        struct state state;
        struct view *view = new_folding(&state);

        for (uint32_t id = 1; id <= 2; id++) {
                const struct proto_def def = {
                        .kind = DEF_STACK, .id = id, .stack = {.n_frames = 1, .frames = frames, .flags = 0}};

                fake_define(&state, &def);
        }
        for (uint32_t i = 0; i < 6; i++) {
                struct proto_event event = heap_fault(i);

                event.stack = 1 + i / 3;
                show(view, &state, &event);
        }
        view_settle(view);
        assert_int_equal(count(&view->out, "x 3 pages"), 2);
        assert_int_equal(count(&view->out, "\n        main+0x7  (app)\n"), 2);
        state_free(&state);
        view = view_text_free(view);
}

/* --- emphasis --- */

static void test_latency_by_size(void **unused)
{
        static const struct {
                uint64_t ns;
                const char *on_terminal, *in_color, *in_pipe;
        } cases[] = {
                {0, " 0.000 ", COLOR_DIM, " 0.000 "},
                {999, " 0.999 ", COLOR_DIM, " 0.999 "},
                {1000, " 1.000 ", COLOR_NONE, " 1.000 "},
                {99999, " 99.999 ", COLOR_NONE, " 99.999 "},
                {100000, " 100.000 ", COLOR_BOLD, " 100.000 "},
                {999999, " 999.999 ", COLOR_BOLD, " 999.999 "},
                {1000000, " 1.0 ms ", COLOR_BOLD_YELLOW, " 1000.000 "},
                {10000000, " 10.0 ms ", COLOR_BOLD_RED, " 10000.000 "},
                {1234567890, " 1.2 s ", COLOR_BOLD_RED, " 1234567.890 "},
                {PROTO_UNKNOWN, " - ", COLOR_NONE, " - "},
        };

        for (size_t i = 0; i < 3 * ARRAY_SIZE(cases); i++) {
                const struct view_text_options options = {.color = i % 3 == 1};
                struct view *view = view_text_new(&options);
                struct proto_event event = heap_fault(0);
                const char *expected = i % 3 == 2 ? cases[i / 3].in_pipe : cases[i / 3].on_terminal;
                const char *color = cases[i / 3].in_color;
                struct state state;
                char cell[64];

                assert_non_null(view);
                view->n_columns = i % 3 == 2 ? 0 : 120;
                begin(view, &state);
                event.latency_ns = cases[i / 3].ns;
                show(view, &state, &event);
                if (options.color && color[0]) {
                        (void)snprintf(cell, sizeof(cell), "%.*s" COLOR_RESET, (int)strlen(expected) - 1, expected);
                        assert_int_equal(count(&view->out, color), strcmp(color, COLOR_BOLD) == 0 ? 2 : 1);
                        expected = cell;
                }
                assert_int_equal(count(&view->out, expected), 1);
                if (!options.color)
                        assert_int_equal(count(&view->out, "\033"), 0);
                state_free(&state);
                view = view_text_free(view);
        }
}

/* Whoever adds a cause decides how it looks. */
static void test_every_cause_has_a_family(void **unused)
{
        for (unsigned int cause = 0; cause < 256; cause++)
                assert_int_equal(cause_family_of(cause) != FAMILY_UNKNOWN, cause != CAUSE_UNKNOWN && cause < N_CAUSES);
        assert_int_equal(cause_family_of(UINT32_MAX), FAMILY_UNKNOWN);
}

/* --- the summary --- */

static void assert_summary(const struct view *view, const char *expected)
{
        if (count(&view->err, expected) != 1)
                fail_msg("\"%s\" is not in \"%.*s\"", expected, (int)view->err.n_bytes, view->err.data);
}

/* The names of maps outlive their definitions, and targets are summed up apart. */
static void test_summary_of_two(void **unused)
{
        const struct view_text_options options = {0};
        const struct proto_end end = {.reason = END_EXITED, .time_ns = 2000000000};
        struct view *view = view_text_new(&options);
        struct proto_event event = heap_fault(0);
        struct state one, other;

        assert_non_null(view);
        begin(view, &one);
        begin(view, &other);
        show(view, &one, &event);
        show(view, &one, &event);
        view_settle(view);
        state_reset(&one);
        define_all(&one);
        show(view, &one, &event);
        event.map = MAP_APP;
        event.outcome = OUTCOME_OPEN;
        event.latency_ns = PROTO_UNKNOWN;
        show(view, &other, &event);
        event.map = 77;
        event.cause = 200;
        event.outcome = 201;
        show(view, &other, &event);
        view->ops->end(view, &one, &end);
        assert_summary(view, "  3 faults in 1.0 s (3.0/s): 3 minor, 0 major, 0 failed\n"
                             "  6.0 us in faults: p50 2.0 us, p99 2.0 us, max 2.0 us\n"
                             "  zero-fill 3 (6.0 us)\n"
                             "  in [heap] 3\n");
        view->err.n_bytes = 0;
        view->ops->end(view, &other, &end);
        assert_summary(view, "  2 faults in 1.0 s (2.0/s): 0 minor, 0 major, 0 failed, 1 open, 1 of another kind\n"
                             "  unknown 1, zero-fill 1\n"
                             "  in ? 1, app 1\n");
        state_free(&one);
        state_free(&other);
        view = view_text_free(view);
}

/* One for each cause and more maps than are named; nothing at all without a fault. */
static void test_summary_names_the_largest(void **unused)
{
        const struct view_text_options options = {0};
        const struct proto_end end = {.reason = END_EXITED, .time_ns = 1000000000};
        struct view *view = view_text_new(&options);
        struct state state;

        assert_non_null(view);
        begin(view, &state);
        view->ops->end(view, &state, &end);
        assert_int_equal(count(&view->err, "  in "), 0);
        view->err.n_bytes = 0;
        for (uint32_t i = 0; i < N_CAUSES; i++) {
                struct proto_event event = heap_fault(0);

                event.cause = (uint8_t)i;
                event.map = 1 + i % 5;
                event.latency_ns = 1;
                show(view, &state, &event);
                if (i == CAUSE_SHMEM)
                        show(view, &state, &event);
        }
        view->ops->end(view, &state, &end);
        assert_summary(view, "  24 faults: 24 minor, 0 major, 0 failed\n"
                             "  24 ns in faults: p50 1 ns, p99 1 ns, max 1 ns\n"
                             "  mostly shmem 2 (2 ns), unknown 1 (1 ns), zero-fill 1 (1 ns)\n"
                             "  in [heap] 5, a-library-with-quite-a-long-name.so.1.2.3 5, app 5, and 2 more\n");
        state_free(&state);
        view = view_text_free(view);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_widths),
                cmocka_unit_test(test_every_width),
                cmocka_unit_test(test_without_folding_a_line_each),
                cmocka_unit_test(test_shown_when_it_is_quiet),
                cmocka_unit_test(test_notes_come_behind),
                cmocka_unit_test(test_one_behind_the_other),
                cmocka_unit_test(test_definitions_are_forgotten),
                cmocka_unit_test(test_stacks),
                cmocka_unit_test(test_latency_by_size),
                cmocka_unit_test(test_every_cause_has_a_family),
                cmocka_unit_test(test_summary_of_two),
                cmocka_unit_test(test_summary_names_the_largest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
