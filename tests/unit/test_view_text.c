/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text view, byte for byte: golden files hold what one trace with every kind of line looks like in a pipe, in
 * colour, and on a narrow terminal (FAULTLINE_GOLDEN_UPDATE=1 in the environment writes them anew).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/escape.h"
#include "client/ledger.h"
#include "client/view_text.h"
#include "tests/unit/fake_state.h"
#include "tests/unit/golden.h"
#include "tests/unit/text_lines.h"

static const char *const strings[] = {
        "worker",
        "/usr/bin/app",
        ".data",
        "table",
        "main",
        ".text",
        "[heap]",
        "[kernel.kallsyms]",
        "copy_to_user",
        "evil\033[31m\n",
        "/opt/a-directory/a-library-with-quite-a-long-name.so.1.2.3",
        "a_namespace::a_class::a_function_with_a_long_name(int, char const*)",
        "[anon:a/b]",
        "名字名字名字名字", /* each of these takes two cells */
};

static const struct proto_def defs[] = {
        {.kind = DEF_MAP,
         .id = 1,
         .map = {.start = 0x400000, .end = 0x500000, .path = 2, .perms = {'r', 'w', '-', 'p'}}},
        {.kind = DEF_MAP, .id = 2, .map = {.start = 0x600000, .end = 0x700000, .path = 7}},
        {.kind = DEF_MAP, .id = 3, .map = {.start = 0x7f0000000000, .end = 0x7f0000100000}},
        {.kind = DEF_PLACE, .id = 1, .place = {.image = 2, .section = 3, .symbol = 4, .base = 0x400100}},
        {.kind = DEF_PLACE, .id = 2, .place = {.image = 2, .section = 6, .symbol = 5, .base = 0x401000}},
        {.kind = DEF_PLACE, .id = 3, .place = {.image = 8, .section = 6, .symbol = 9, .base = 0xffffffff81000000}},
        {.kind = DEF_PLACE, .id = 4, .place = {.image = 2, .section = 6, .base = 0x401000}},
        {.kind = DEF_PLACE, .id = 5, .place = {.image = 10, .base = 0x400000}},
        {.kind = DEF_PLACE, .id = 6, .place = {.image = 11, .section = 6, .symbol = 12, .base = 0x7f1000000000}},
        {.kind = DEF_PLACE, .id = 7, .place = {.base = 0x600000}},
        {.kind = DEF_PLACE, .id = 8, .place = {.image = 8, .section = 6, .symbol = 9}},
        {.kind = DEF_PLACE, .id = 9, .place = {.image = 2, .base = 0x3ff000}},
        {.kind = DEF_PLACE, .id = 10, .place = {.image = 14, .symbol = 14, .base = 0x400000}},
        {.kind = DEF_MAP, .id = 4, .map = {.start = 0x800000, .end = 0x900000, .path = 13}},
        {.kind = DEF_THREAD, .id = 1, .thread = {.pid = 42, .tid = 42, .comm = 1}},
        {.kind = DEF_THREAD, .id = 2, .thread = {.pid = 4194300, .tid = 4194301, .comm = 10}},
};

static void define_all(struct state *state)
{
        fake_define_all(state, strings, ARRAY_SIZE(strings), defs, ARRAY_SIZE(defs));
}

static struct proto_event changed(void (*change)(struct proto_event *event))
{
        struct proto_event event = fake_event();

        event.thread = 1;
        change(&event);
        return event;
}

static void plain(struct proto_event *e)
{
        (void)e;
}

static void heap(struct proto_event *e)
{
        *e = (struct proto_event){.time_ns = e->time_ns + 1000,
                                  .addr = 0x600010,
                                  .ip = 0x401010,
                                  .latency_ns = 999,
                                  .frame_before = PROTO_UNKNOWN,
                                  .frame = PROTO_UNKNOWN,
                                  .thread = 1,
                                  .map = 2,
                                  .place = 7,
                                  .code = 4,
                                  .outcome = OUTCOME_MINOR,
                                  .cause = CAUSE_ZERO_PAGE,
                                  .access = ACCESS_READ,
                                  .page_shift = 12};
}

static void kernel_mode(struct proto_event *e)
{
        e->flags = PROTO_EVENT_KERNEL_MODE | PROTO_EVENT_INFERRED;
        e->outcome = OUTCOME_MAJOR;
        e->cause = CAUSE_FILE_MAJOR;
        e->ip = 0xffffffff81000010;
        e->code = 3;
        e->caller_ip = 0x401020;
        e->caller = 2;
        e->latency_ns = 1234567890;
        e->frame_before = 0x111;
        e->frame = 0x222;
}

static void kernel_hidden(struct proto_event *e)
{
        kernel_mode(e);
        e->flags |= PROTO_EVENT_IP_HIDDEN;
        e->ip = 0;
        e->code = 0;
}

/* The symbol may be known where the address may not; then its base is not told either. */
static void kernel_hidden_symbol(struct proto_event *e)
{
        kernel_hidden(e);
        e->code = 8;
}

static void named_anonymous(struct proto_event *e)
{
        e->addr = 0x800123;
        e->map = 4;
        e->place = 0;
}

/* A file without sections: the position in its map, not the one in the image. */
static void no_section(struct proto_event *e)
{
        e->place = 9;
}

static void wide_names(struct proto_event *e)
{
        e->place = e->code = 10;
}

static void huge(struct proto_event *e)
{
        e->addr = 0x7f0000012345;
        e->map = 3;
        e->place = 0;
        e->code = 0;
        e->ip = 0x7f2000000000;
        e->page_shift = 21;
        e->frame = 0;
}

static void unmapped(struct proto_event *e)
{
        e->addr = 0;
        e->map = e->place = 0;
        e->outcome = OUTCOME_FAILED;
        e->cause = CAUSE_UNMAPPED;
        e->latency_ns = e->frame = e->frame_before = PROTO_UNKNOWN;
        e->page_shift = 0;
        e->access = ACCESS_EXEC;
}

static void hostile(struct proto_event *e)
{
        e->thread = 2;
        e->place = 5;
        e->addr = 0x3ffff0; /* below its place */
}

static void long_names(struct proto_event *e)
{
        e->addr = e->ip = 0x7f1000000042;
        e->place = e->code = 6;
}

static void undefined(struct proto_event *e)
{
        e->thread = e->map = e->place = e->code = e->caller = 1000;
        e->ip = 0;
        e->outcome = e->cause = e->access = e->page_shift = 200;
}

static void early_and_incomplete(struct proto_event *e)
{
        e->time_ns = 999999000;
        e->flags = PROTO_EVENT_INCOMPLETE;
        e->outcome = OUTCOME_NONE;
        e->cause = CAUSE_UNKNOWN;
        e->access = ACCESS_UNKNOWN;
}

static void (*const changes[])(struct proto_event *) = {
        plain,      heap, kernel_mode, kernel_hidden, kernel_hidden_symbol, named_anonymous, no_section,
        wide_names, huge, unmapped,    hostile,       long_names,           undefined,       early_and_incomplete,
};

static void put_notes(struct view *view, const struct state *state)
{
        const struct proto_life exec = {
                .time_ns = 1200000000, .kind = LIFE_EXEC, .pid = 42, .tid = 42, .comm = fake_string("other\033")};
        const struct proto_life forked = {.time_ns = 1250000000, .kind = LIFE_FORK, .pid = 43, .tid = 43, .parent = 42};
        const struct proto_life exited = {.time_ns = 1300000000, .kind = LIFE_EXIT, .pid = 42, .tid = 44};
        const struct proto_drops drops = {
                .n_faults = {[OUTCOME_MINOR] = 100, [OUTCOME_FAILED] = 2}, .first_seq = 10, .last_seq = 111};
        const struct proto_degraded degraded = {.what = fake_string("frames"), .reason = fake_string("not root")};
        const struct proto_gap gap = {.reason = fake_string("it crashed")};

        view->ops->degraded(view, state, &degraded);
        view->ops->life(view, state, &exec);
        view->ops->life(view, state, &forked);
        view->ops->life(view, state, &exited);
        view->ops->drops(view, state, &drops);
        view->ops->gap(view, NULL, &gap);
}

static void put_end(struct view *view, const struct state *state)
{
        const struct proto_end end = {.reason = END_EXITED,
                                      .time_ns = 2500000000,
                                      .ledger = {.kernel = 122,
                                                 .delivered = 10,
                                                 .filtered = 4,
                                                 .dropped_client = 102,
                                                 .dropped_daemon = 3,
                                                 .lost_kernel = 2,
                                                 .counted = 1,
                                                 .incomplete = 1,
                                                 .unseen = 7}};
        struct proto_end other = end;

        view->ops->end(view, state, &end);
        other.reason = END_STRIPPED;
        other.ledger.unseen = PROTO_UNSEEN_UNKNOWN;
        other.text = fake_string("it is setuid");
        view->ops->end(view, state, &other);
}

static void play(struct view *view)
{
        const struct proto_attached attached = {
                .pid = 42, .detail = DETAIL_FULL, .n_threads = 2, .time_ns = 1000000000, .comm = fake_string("worker")};
        struct state state = {0};

        assert_int_equal(state_begin(&state, &attached, false), 0);
        define_all(&state);
        view->ops->attached(view, &state, &attached);
        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                const struct proto_event event = changed(changes[i]);
                const struct fault_batch batch = {.events = &event, .n_events = 1, .first_seq = i};

                view->ops->faults(view, &state, &batch);
                view->ops->faults(view, &state, &batch); /* from the memos, so the same */
        }
        put_notes(view, &state);
        put_end(view, &state);
        state_free(&state);
}

static void test_pipe(void **unused)
{
        const struct view_text_options options = {0};
        struct view *view = view_text_new(&options);

        assert_non_null(view);
        play(view);
        assert_golden_text(&view->out, "view_text_out");
        assert_golden_text(&view->err, "view_text_err");
        view = view_text_free(view);
}

static void test_terminal(void **unused)
{
        const struct view_text_options options = {.color = true, .notes_on_out = true};
        struct view *view = view_text_new(&options);

        assert_non_null(view);
        play(view);
        assert_golden_text(&view->out, "view_text_terminal");
        view = view_text_free(view);
}

/* Wherever the edge is: no line goes beyond it, and none is broken inside a character. */
static void test_every_width(void **unused)
{
        const struct view_text_options options = {0};

        for (uint32_t width = 1; width <= 300; width++) {
                struct view *view = view_text_new(&options);

                assert_non_null(view);
                view->n_columns = width;
                play(view);
                assert_int_equal(assert_lines_fit(&view->out, width), 1 + 2 * ARRAY_SIZE(changes));
                view = view_text_free(view);
        }
}

static void test_narrow_terminals(void **unused)
{
        static const struct {
                const char *golden;
                uint32_t n_columns;
        } terminals[] = {{"view_text_40", 40}, {"view_text_80", 80}, {"view_text_120", 120}, {"view_text_200", 200}};
        const struct view_text_options options = {0};

        for (size_t i = 0; i < ARRAY_SIZE(terminals); i++) {
                struct view *view = view_text_new(&options);

                assert_non_null(view);
                view->n_columns = terminals[i].n_columns;
                play(view);
                assert_golden_text(&view->out, "%s", terminals[i].golden);
                view = view_text_free(view);
        }
}

static size_t count(const struct text *text, const char *needle)
{
        const char *end = text->data + text->n_bytes, *at = text->data;
        size_t n = 0;

        while ((at = memmem(at, (size_t)(end - at), needle, strlen(needle)))) {
                at += strlen(needle);
                n++;
        }
        return n;
}

/* The titles come again when the columns have moved, and not otherwise. */
static void test_resize(void **unused)
{
        const struct view_text_options options = {0};
        const struct proto_event event = changed(plain);
        const struct fault_batch batch = {.events = &event, .n_events = 1};
        static const uint32_t widths[] = {200, 200, 80, 80, 200};
        struct view *view = view_text_new(&options);
        struct state state = {0};

        assert_non_null(view);
        define_all(&state);
        for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
                view->n_columns = widths[i];
                view->ops->faults(view, &state, &batch);
        }
        assert_int_equal(count(&view->out, "CAUSE"), 3);
        assert_int_equal(count(&view->out, "FRAME"), 2);
        assert_int_equal(count(&view->out, "0xabc"), 3);
        state_free(&state);
        view = view_text_free(view);
}

/* A command is announced under the name that it gets, not under that of the faultline that has forked it. */
static void test_command_has_its_own_name(void **unused)
{
        const struct proto_attached attached = {
                .pid = 42, .detail = DETAIL_FULL, .n_threads = 1, .comm = fake_string("faultline")};
        const struct proto_life exec = {.kind = LIFE_EXEC, .pid = 42, .tid = 42, .comm = fake_string("sh")};
        const struct proto_end end = {.reason = END_EXITED};
        const struct view_text_options options = {0};
        struct view *view = view_text_new(&options);
        struct state state = {0};

        assert_non_null(view);
        assert_int_equal(state_begin(&state, &attached, true), 0);
        view->ops->attached(view, &state, &attached);
        assert_int_equal(view->err.n_bytes + view->out.n_bytes, 0);
        assert_int_equal(state_live(&state, &exec), 0);
        view->ops->life(view, &state, &exec);
        view->ops->end(view, &state, &end);
        assert_int_equal(count(&view->err, "-- tracing 42 (sh), full detail, 1 thread\n"), 1);
        assert_int_equal(count(&view->err, "-- 42 (sh): trace ended"), 1);
        assert_int_equal(count(&view->err, "faultline"), 0);
        assert_int_equal(count(&view->out, "CAUSE"), 1);
        state_free(&state);
        view = view_text_free(view);
}

/* ... and where it does not get one, what is said of it comes behind the announcement all the same. */
static void test_command_ends_before_its_exec(void **unused)
{
        static const char revoked_notes[] =
                "-- tracing 42, full detail, 1 thread\n"
                "-- 0.000002 revoked: 42, nothing more of it is shown: it is secret\n"
                "-- 42: trace ended at 0.000003 s, it executed a program that it may not be traced in, and the kernel "
                "removed the events\n  complete: no fault could be seen\n";
        static const char exit_notes[] = "-- tracing 42, full detail, 1 thread\n"
                                         "-- 0.000002 exit: 42, status 126\n"
                                         "-- 42: trace ended at 0.000003 s, the process ended\n"
                                         "  complete: there was no fault\n";
        static const char end_notes[] = "-- tracing 42, full detail, 1 thread\n"
                                        "-- 42: trace ended at 0.000003 s, the process ended\n"
                                        "  complete: there was no fault\n";
        const char *const expected[] = {revoked_notes, exit_notes, end_notes};
        const struct proto_attached attached = {
                .pid = 42, .detail = DETAIL_FULL, .n_threads = 1, .comm = fake_string("faultline")};
        const struct proto_revoked revoked = {.time_ns = 2000, .pid = 42, .reason = fake_string("it is secret")};
        const struct proto_life life = {
                .time_ns = 2000, .kind = LIFE_EXIT, .pid = 42, .tid = 42, .has_status = true, .status = 126 << 8};
        const struct view_text_options options = {0};

        for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
                const struct proto_end end = {.time_ns = 3000, .reason = i == 0 ? END_STRIPPED : END_EXITED};
                struct view *view = view_text_new(&options);
                struct state state = {0};

                assert_non_null(view);
                assert_int_equal(state_begin(&state, &attached, true), 0);
                view->ops->attached(view, &state, &attached);
                state.is_partial = i == 0;
                if (i == 0)
                        view->ops->revoked(view, &state, &revoked);
                else if (i == 1)
                        view->ops->life(view, &state, &life);
                view->ops->end(view, &state, &end);
                assert_true(view->err.n_bytes > strlen(expected[i]));
                assert_memory_equal(view->err.data, expected[i], strlen(expected[i]));
                state_free(&state);
                view = view_text_free(view);
        }
}

static void test_ledger_in_one_line(void **unused)
{
        static const struct {
                struct proto_ledger ledger;
                const char *line;
                bool is_partial;
        } cases[] = {
                {{0}, "  complete: there was no fault\n", false},
                {{.kernel = 3, .delivered = 3}, "  complete: every fault was shown\n", false},
                {{.kernel = 5, .delivered = 3, .filtered = 2}, "  complete: 3 of 5 faults shown, 2 filtered\n", false},
                {{.kernel = 3, .delivered = 3, .incomplete = 1},
                 "  NOT complete: every fault was shown, 1 without some of their details\n",
                 false},
                {{.kernel = 15, .dropped_client = 4, .dropped_daemon = 5, .lost_kernel = 6},
                 "  NOT complete: 0 of 15 faults shown, 4 dropped because the output was too slow, 5 lost inside "
                 "faultlined, 6 lost because the kernel's buffer was full\n",
                 false},
                {{.kernel = 7, .counted = 7}, "  NOT complete: 0 of 7 faults shown, 7 only counted\n", false},
                {{0}, "  complete: no fault could be seen\n", true},
                {{.kernel = 3, .delivered = 3}, "  complete: every fault that could be seen was shown\n", true},
                {{.kernel = 5, .delivered = 3, .filtered = 2}, "  complete: 3 of 5 faults shown, 2 filtered\n", true},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CLEANUP_TEXT struct text out = {0};

                ledger_put(&out, &cases[i].ledger, cases[i].is_partial);
                assert_true(out.n_bytes > strlen(cases[i].line));
                assert_memory_equal(out.data, cases[i].line, strlen(cases[i].line));
        }
}

/* With the columns' titles above their cells. */
static void test_header_above_cells(void **unused)
{
        static const struct {
                const char *title, *cell;
        } columns[] = {{"PID/TID", "42 "},       {"COMM", "worker"},
                       {"OUTCOME", "minor"},     {"CAUSE", "zero-fill"},
                       {"ACCESS", "write"},      {"ADDRESS", "0x400110"},
                       {"SIZE", "4K"},           {"PLACE", "app/.data/table+0x10"},
                       {"CODE", "app/main+0x7"}, {"FRAME", "0xabc"}};
        const struct view_text_options options = {0};
        struct view *view = view_text_new(&options);
        const char *line;

        assert_non_null(view);
        play(view);
        line = strchr(view->out.data, '\n') + 1;
        for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
                const char *title = strstr(view->out.data, columns[i].title);

                assert_non_null(title);
                assert_memory_equal(line + (title - view->out.data), columns[i].cell, strlen(columns[i].cell));
        }
        view = view_text_free(view);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pipe),
                cmocka_unit_test(test_terminal),
                cmocka_unit_test(test_every_width),
                cmocka_unit_test(test_narrow_terminals),
                cmocka_unit_test(test_resize),
                cmocka_unit_test(test_command_has_its_own_name),
                cmocka_unit_test(test_command_ends_before_its_exec),
                cmocka_unit_test(test_ledger_in_one_line),
                cmocka_unit_test(test_header_above_cells),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
