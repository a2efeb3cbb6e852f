/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The model of top by examples with exact numbers: names, epochs, targets, spans, orders, steps, and every bound that
 * it keeps. test_top_model_random.c compares it with a list of all faults.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/top_feed.h"

#define START_NS (UINT64_C(5000) * NSEC_PER_SEC)
#define SLICE(n) (START_NS + (n)*TOP_SLICE_NS)

static const struct top_span whole = {.until = UINT64_MAX};

/* --- a small program --- */

enum { APP = 1, MAIN, TEXT, DATA, TABLE, KERNEL, COPY, COMM, MANGLED, FILE_C, HEAP, EVIL, WORKER };
enum { IN_MAIN = 1, IN_TABLE, IN_COPY, IN_BAR, IN_TEXT, IN_APP, IN_EVIL };
enum { MAP_HEAP = 1, MAP_ANON, MAP_APP };

static struct state begin(void)
{
        static const char *const strings[] = {"/usr/bin/app", "main",         ".text", ".data",         "table",
                                              "[kernel]",     "copy_to_user", "app 1", "_ZN3foo3barEi", "/src/file.c",
                                              "[heap]",       "a;b\n<",       "worker"};
        struct state state = {.demangles = true, .pid = 42, .start_ns = START_NS - NSEC_PER_SEC};

        for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
                (void)feed_string(&state, strings[i]);
        (void)feed_place(&state, APP, TEXT, MAIN, 0x1000);
        (void)feed_place(&state, APP, DATA, TABLE, 0x3000);
        (void)feed_place(&state, KERNEL, 0, COPY, 0xffffffff81000000);
        (void)feed_place(&state, APP, TEXT, MANGLED, 0x2000);
        (void)feed_place(&state, APP, TEXT, 0, 0x1000);
        (void)feed_place(&state, APP, 0, 0, 0x400);
        (void)feed_place(&state, APP, TEXT, EVIL, 0x7000);
        (void)feed_map(&state, HEAP, 0x5000);
        (void)feed_map(&state, 0, 0x6000);
        (void)feed_map(&state, APP, 0x7000);
        (void)feed_thread(&state, 42, 43, COMM);
        (void)feed_thread(&state, 42, 42, WORKER);
        return state;
}

static struct proto_event event_at(uint64_t time_ns)
{
        return (struct proto_event){.time_ns = time_ns,
                                    .addr = 0x3010,
                                    .ip = 0x1010,
                                    .thread = 1,
                                    .map = MAP_APP,
                                    .place = IN_TABLE,
                                    .code = IN_MAIN,
                                    .outcome = OUTCOME_MINOR,
                                    .cause = CAUSE_ZERO_FILL,
                                    .page_shift = 12,
                                    .latency_ns = 1000};
}

static void expect_name(const struct top_row *row, const char *name)
{
        assert_string_equal(row->name, name);
        assert_int_equal(row->n_name, strlen(name));
}

/* "NAME COUNT, ..." in this order. */
static void expect_counts(struct top_model *model, const struct top_query *query, const char *expected)
{
        struct feed_table *result = feed_query(model, query);
        CLEANUP_TEXT struct text text = {0};
        uint64_t n = 0;

        for (size_t i = 0; i < result->table.n_rows; i++) {
                text_printf(&text, "%s%s %llu", i ? ", " : "", result->rows[i].name,
                            (unsigned long long)result->rows[i].sum.count);
                n += result->rows[i].sum.count;
        }
        text_put_char(&text, '\0');
        assert_string_equal(text.data, expected);
        if (query->first == 0 && result->table.n_all == result->table.n_rows)
                assert_int_equal(result->table.sum.count, n);
        free(result);
}

static void expect_whole(struct top_model *model, enum group_by by, const char *expected)
{
        const struct top_query query = {.span = whole, .by = by};

        expect_counts(model, &query, expected);
}

static bool is_incomplete(struct top_model *model, struct top_span span)
{
        const struct top_query query = {.span = span, .by = GROUP_CAUSE};
        struct feed_table *result = feed_query(model, &query);
        bool answer = result->table.is_incomplete;

        free(result);
        return answer;
}

static uint64_t count_of(struct top_model *model, enum group_by by, struct top_span span, const char *name)
{
        const struct top_query query = {.span = span, .by = by, .search = name};
        struct feed_table *result = feed_query(model, &query);
        uint64_t n = 0;

        for (size_t i = 0; i < result->table.n_rows; i++)
                if (strcmp(result->rows[i].name, name) == 0)
                        n = result->rows[i].sum.count;
        free(result);
        return n;
}

static uint64_t group_named(struct top_model *model, enum group_by by, const char *name)
{
        const struct top_query query = {.span = whole, .by = by, .search = name};
        struct feed_table *result = feed_query(model, &query);
        uint64_t group = UINT64_MAX;

        for (size_t i = 0; i < result->table.n_rows; i++)
                if (strcmp(result->rows[i].name, name) == 0)
                        group = result->rows[i].group;
        free(result);
        assert_true(group != UINT64_MAX);
        return group;
}

/* --- nothing --- */

static void test_empty(void **unused)
{
        struct top_model *model = top_model_new();
        const struct top_query query = {.span = whole, .by = GROUP_MAP};
        struct top_totals totals, none = {0};
        uint32_t history[3 * N_CAUSES], zeros[3 * N_CAUSES] = {0};
        struct top_thread thread;
        struct top_fault fault;
        size_t n;

        for (int round = 0; round < 2; round++) {
                assert_int_equal(top_model_now(model), 0);
                assert_int_equal(top_model_oldest(model), 0);
                expect_counts(model, &query, "");
                assert_false(is_incomplete(model, whole));
                assert_int_equal(top_model_totals(model, &whole, &totals), 0);
                assert_memory_equal(&totals, &none, sizeof(totals));
                top_model_history(model, 5, 3, history);
                assert_memory_equal(history, zeros, sizeof(history));
                assert_int_equal(top_model_threads(model, &whole, &thread, 1), 0);
                assert_false(top_model_fault(model, &query, 0, &fault));
                assert_null(top_model_name(model, GROUP_MAP, 1000, &n));
                top_model_tick(model, START_NS);
        }
        top_model_tick(model, SLICE(7) - 1);
        assert_int_equal(top_model_now(model), 6);
        top_model_tick(model, 0); /* time does not go back */
        assert_int_equal(top_model_now(model), 6);
        assert_null(top_model_free(model));
        assert_null(top_model_free(NULL));
}

static void test_wrong_questions(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        struct top_query query = {.span = whole, .by = N_GROUP_BY};
        struct top_table table = {.n_rows = 77};
        struct top_fault fault;

        feed(model, &state, event_at(START_NS));
        assert_int_equal(top_model_table(model, &query, &table), -EINVAL);
        assert_int_equal(table.n_rows, 77);
        assert_false(top_model_fault(model, &query, 0, &fault));
        query = (struct top_query){.span = whole, .n_steps = 1, .steps = {{.by = N_GROUP_BY}}};
        expect_counts(model, &query, "");
        query.steps[0] = (struct top_step){.by = GROUP_MAP, .group = UINT64_MAX};
        expect_counts(model, &query, "");
        assert_false(top_model_fault(model, &query, 0, &fault));
        for (unsigned int sort = 0; sort < N_TOP_SORTS; sort++)
                assert_non_null(top_sort_text(sort));
        assert_null(top_sort_text(N_TOP_SORTS));
        state_free(&state);
        (void)top_model_free(model);
}

/* --- names --- */

static void expect_names(const char *const expected[N_GROUP_BY], struct proto_event event)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        CLEANUP_TEXT struct text row = {0};

        feed(model, &state, event);
        for (enum group_by by = 0; by < N_GROUP_BY; by++) {
                row.n_bytes = 0;
                text_printf(&row, "%s 1%c", expected[by], '\0');
                expect_whole(model, by, row.data);
        }
        state_free(&state);
        (void)top_model_free(model);
}

static void test_names(void **unused)
{
        static const char *const known[N_GROUP_BY] = {[GROUP_CAUSE] = "zero-fill",
                                                      [GROUP_MAP] = "app",
                                                      [GROUP_IMAGE] = "app",
                                                      [GROUP_SECTION] = "app/.data",
                                                      [GROUP_SYMBOL] = "app/.data/table",
                                                      [GROUP_CODE] = "app/main",
                                                      [GROUP_STACK] = "[no stack]",
                                                      [GROUP_THREAD] = "42/43 app 1",
                                                      [GROUP_PROCESS] = "42"};
        static const char *const unknown[N_GROUP_BY] = {"?", "?", "?", "?", "?", "?", "?", "?", "[no stack]"};
        static const char *const evil[N_GROUP_BY] = {[GROUP_CAUSE] = "unknown",
                                                     [GROUP_MAP] = "[heap]",
                                                     [GROUP_IMAGE] = "app",
                                                     [GROUP_SECTION] = "app/.text",
                                                     [GROUP_SYMBOL] = "app/.text/a;b\\x0a<",
                                                     [GROUP_CODE] = "kernel:copy_to_user \u2190 app/a;b\\x0a<",
                                                     [GROUP_STACK] = "[no stack]",
                                                     [GROUP_THREAD] = "42 worker",
                                                     [GROUP_PROCESS] = "42"};
        const struct proto_event none = {.thread = 99, .map = 99, .place = 99, .code = 99, .stack = 99, .cause = 200};
        const struct proto_event others = {
                .thread = 2, .map = MAP_HEAP, .place = IN_EVIL, .code = IN_COPY, .caller = IN_EVIL};

        expect_names(known, event_at(START_NS));
        expect_names(unknown, none);
        expect_names(evil, others);
}

/* Functions from the outermost to the innermost; where only offsets differ, it is one row. */
static void test_names_of_stacks(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        uint32_t line, inlined;
        struct proto_event event = event_at(START_NS);
        struct proto_stack_frame frames[] = {{.addr = 0x3004, .place = IN_TABLE, .by = FRAME_BY_REGISTERS},
                                             {.addr = 0x1234, .place = IN_MAIN, .by = FRAME_BY_CFI},
                                             {.addr = 0x500, .place = IN_APP, .by = FRAME_BY_CFI},
                                             {.addr = 0x7, .place = 0, .by = FRAME_BY_CFI}};

        event.stack = feed_stack(&state, frames, 4, 0);
        feed(model, &state, event);
        frames[1].addr = 0x1300;
        event.stack = feed_stack(&state, frames, 4, 0);
        feed(model, &state, event);
        expect_whole(model, GROUP_STACK, "[unknown];[app+0x100];main;table 2");
        line = feed_define(&state, (struct proto_def){.kind = DEF_LINE, .line = {MAIN, FILE_C, 12, 0}});
        inlined = feed_define(&state, (struct proto_def){.kind = DEF_LINE, .line = {MANGLED, FILE_C, 7, line}});
        frames[0] = (struct proto_stack_frame){.addr = 0x7001, .place = IN_EVIL, .by = FRAME_BY_CFI};
        frames[1].line = inlined;
        event.stack = feed_stack(&state, frames, 2, PROTO_STACK_CUT);
        feed(model, &state, event);
        frames[0] = (struct proto_stack_frame){.addr = 0x2, .place = IN_APP, .line = line, .by = FRAME_BY_CFI};
        event.stack = feed_stack(&state, frames, 1, 0);
        feed(model, &state, event);
        expect_whole(model, GROUP_STACK,
                     "[unknown];[app+0x100];main;table 2, [cut];main;foo::bar(int);a:b\\x0a< 1, main 1");
        state_free(&state);
        (void)top_model_free(model);
}

/* --- epochs and targets --- */

/* The same name is the same group under whatever number; the same number is another group under another name. */
static void test_epochs(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        uint64_t group;

        feed(model, &state, event_at(START_NS));
        group = group_named(model, GROUP_SYMBOL, "app/.data/table");
        state_reset(&state);
        (void)feed_string(&state, "/lib/other.so");
        (void)feed_string(&state, "/opt/app");
        (void)feed_string(&state, ".data");
        (void)feed_string(&state, "table");
        (void)feed_place(&state, 2, 3, 4, 0x9000);
        (void)feed_place(&state, 1, 3, 4, 0x9000);
        feed(model, &state, event_at(START_NS)); /* IN_TABLE is other.so's now */
        feed(model, &state, (struct proto_event){.time_ns = START_NS, .place = 1});
        expect_whole(model, GROUP_SYMBOL, "app/.data/table 2, other.so/.data/table 1");
        assert_true(group_named(model, GROUP_SYMBOL, "app/.data/table") == group);
        expect_whole(model, GROUP_THREAD, "? 2, 42/43 app 1 1");
        state_free(&state);
        (void)top_model_free(model);
}

static void test_targets(void **unused)
{
        struct top_model *model = top_model_new();
        struct state a = begin(), b = {.start_ns = START_NS};

        (void)feed_string(&b, "/usr/bin/other");
        (void)feed_place(&b, 1, 0, 0, 0);
        (void)feed_place(&b, 1, 0, 0, 0);
        (void)feed_thread(&b, 7, 7, 1);
        for (int i = 0; i < 3; i++) {
                feed(model, &a, event_at(START_NS));
                feed(model, &b, event_at(START_NS));
        }
        feed(model, &b, event_at(START_NS));
        expect_whole(model, GROUP_IMAGE, "other 4, app 3");
        expect_whole(model, GROUP_PROCESS, "7 4, 42 3");
        state_reset(&b);
        feed(model, &b, event_at(START_NS));
        feed(model, &a, event_at(START_NS));
        expect_whole(model, GROUP_PROCESS, "42 4, 7 4, ? 1");
        state_free(&a);
        state_free(&b);
        (void)top_model_free(model);
}

/* More targets than are remembered: it only costs more. */
static void test_very_many_targets(void **unused)
{
        enum { N = 1500 };
        struct top_model *model = top_model_new();
        struct state *states = calloc(N, sizeof(*states));

        assert_non_null(states);
        for (int32_t i = 0; i < N; i++)
                (void)feed_thread(&states[i], i + 1, i + 1, 0);
        for (int round = 0; round < 2; round++)
                for (size_t i = 0; i < N; i++)
                        feed(model, &states[i], event_at(START_NS));
        for (int32_t i = 0; i < N; i += 100) {
                char name[16];

                (void)snprintf(name, sizeof(name), "%d", i + 1);
                assert_int_equal(count_of(model, GROUP_PROCESS, whole, name), 2);
        }
        for (size_t i = 0; i < N; i++)
                state_free(&states[i]);
        free(states);
        (void)top_model_free(model);
}

/* --- sums --- */

static void test_sums(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        const struct top_query query = {.span = whole, .by = GROUP_MAP};
        struct proto_event event = event_at(START_NS);
        struct feed_table *result;
        struct top_totals totals;

        feed(model, &state, event);
        event.outcome = OUTCOME_MAJOR;
        event.cause = CAUSE_FILE_MAJOR;
        event.latency_ns = 5000;
        feed(model, &state, event);
        feed(model, &state, event);
        event.outcome = OUTCOME_FAILED;
        event.latency_ns = PROTO_UNKNOWN;
        event.page_shift = 0;
        event.cause = CAUSE_UNMAPPED;
        feed(model, &state, event);
        event.outcome = 250;
        event.cause = N_CAUSES;
        event.page_shift = 21;
        feed(model, &state, event);
        result = feed_query(model, &query);
        assert_int_equal(result->table.n_all, 1);
        expect_name(&result->rows[0], "app");
        assert_int_equal(result->rows[0].sum.count, 5);
        assert_int_equal(result->rows[0].sum.bytes, 3 * 4096 + (2 << 20));
        assert_int_equal(result->rows[0].sum.time_ns, 11000);
        assert_int_equal(result->rows[0].sum.max_ns, 5000);
        assert_int_equal(result->rows[0].sum.n_timed, 3);
        assert_int_equal(result->rows[0].n_major, 2);
        assert_int_equal(result->rows[0].n_failed, 1);
        assert_int_equal(result->rows[0].cause, CAUSE_FILE_MAJOR);
        assert_memory_equal(&result->table.sum, &result->rows[0].sum, sizeof(result->table.sum));
        free(result);
        assert_int_equal(top_model_totals(model, &whole, &totals), 0);
        assert_int_equal(totals.n_outcomes[OUTCOME_NONE], 1);
        assert_int_equal(totals.n_outcomes[OUTCOME_MINOR], 1);
        assert_int_equal(totals.n_outcomes[OUTCOME_MAJOR], 2);
        assert_int_equal(totals.n_outcomes[OUTCOME_FAILED], 1);
        assert_int_equal(totals.p50_ns, 5000);
        assert_int_equal(totals.p99_ns, 5000);
        assert_int_equal(totals.max_ns, 5000);
        assert_int_equal(totals.log2_counts[9], 1);
        assert_int_equal(totals.log2_counts[12], 2);
        expect_whole(model, GROUP_CAUSE, "file-major 2, ? 1, unmapped 1, zero-fill 1");
        state_free(&state);
        (void)top_model_free(model);
}

/* --- time --- */

static struct top_span span(uint64_t until, uint64_t n_slices)
{
        return (struct top_span){.until = until, .n_slices = n_slices};
}

static double rate_of(struct top_model *model, struct top_span of)
{
        struct top_totals totals;

        assert_int_equal(top_model_totals(model, &of, &totals), 0);
        assert_true(totals.minor_per_second == totals.per_second);
        return totals.per_second;
}

static void test_spans(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        uint32_t history[4 * N_CAUSES];

        top_model_tick(model, START_NS);
        for (uint64_t slice = 0; slice < 5; slice++)
                for (uint64_t i = 0; i <= slice; i++)
                        feed(model, &state, event_at(SLICE(slice) + i));
        feed(model, &state, event_at(SLICE(1) - 1)); /* late */
        assert_int_equal(top_model_now(model), 4);
        assert_int_equal(count_of(model, GROUP_MAP, whole, "app"), 16);
        assert_int_equal(count_of(model, GROUP_MAP, span(4, 0), "app"), 16);
        assert_int_equal(count_of(model, GROUP_MAP, span(3, 0), "app"), 2 + 2 + 3);
        assert_int_equal(count_of(model, GROUP_MAP, span(4, 2), "app"), 3 + 4);
        assert_int_equal(count_of(model, GROUP_MAP, span(4, 100), "app"), 2 + 2 + 3 + 4);
        assert_int_equal(count_of(model, GROUP_MAP, span(9, 1), "app"), 4);
        assert_int_equal(count_of(model, GROUP_MAP, span(1, 1), "app"), 2);
        assert_int_equal(count_of(model, GROUP_MAP, span(0, 1), "app"), 0);
        assert_true(rate_of(model, whole) == 7);
        assert_true(rate_of(model, span(4, 1)) == 8);
        assert_true(rate_of(model, span(1, 0)) == 4);
        assert_true(rate_of(model, span(0, 0)) == 0);
        top_model_history(model, 3, 4, history);
        assert_int_equal(history[CAUSE_ZERO_FILL], 0);
        assert_int_equal(history[N_CAUSES + CAUSE_ZERO_FILL], 2);
        assert_int_equal(history[2 * N_CAUSES + CAUSE_ZERO_FILL], 2);
        assert_int_equal(history[3 * N_CAUSES + CAUSE_ZERO_FILL], 3);
        top_model_tick(model, SLICE(6));
        assert_true(rate_of(model, whole) == 5);
        top_model_tick(model, SLICE(7));
        assert_true(rate_of(model, whole) == 0);
        assert_false(is_incomplete(model, span(7, 7)));
        state_free(&state);
        (void)top_model_free(model);
}

static void test_slices_go(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();

        feed(model, &state, event_at(SLICE(0)));
        feed(model, &state, event_at(SLICE(2)));
        top_model_tick(model, SLICE(TOP_SLICES_MAX) - 1);
        assert_int_equal(top_model_oldest(model), 0);
        assert_int_equal(count_of(model, GROUP_MAP, span(10, 0), "app"), 2);
        top_model_tick(model, SLICE(TOP_SLICES_MAX));
        assert_int_equal(top_model_oldest(model), 1);
        assert_int_equal(count_of(model, GROUP_MAP, span(10, 0), "app"), 1);
        assert_true(is_incomplete(model, span(10, 0)));
        assert_false(is_incomplete(model, span(10, 9)));
        assert_false(is_incomplete(model, whole));
        assert_int_equal(count_of(model, GROUP_MAP, whole, "app"), 2);
        feed(model, &state, event_at(SLICE(0))); /* too late for its slice, not for the trace */
        assert_int_equal(count_of(model, GROUP_MAP, whole, "app"), 3);
        assert_int_equal(count_of(model, GROUP_MAP, span(10, 0), "app"), 1);
        top_model_tick(model, SLICE(UINT64_C(1000000)));
        assert_int_equal(top_model_oldest(model), 1000000 - TOP_SLICES_MAX + 1);
        assert_false(is_incomplete(model, span(1000000, 600)));
        assert_true(is_incomplete(model, span(1000000, 1000000 - 2)));
        assert_false(is_incomplete(model, span(1000000, 1000000 - 3))); /* nothing was there */
        feed(model, &state, event_at(SLICE(UINT64_C(1000000))));
        top_model_tick(model, SLICE(UINT64_C(1000001)));
        assert_int_equal(count_of(model, GROUP_MAP, span(UINT64_MAX, 600), "app"), 1);
        state_free(&state);
        (void)top_model_free(model);
}

static void test_absurd_times(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();

        top_model_tick(model, SLICE(0));
        feed(model, &state, event_at(UINT64_MAX));
        feed(model, &state, event_at(SLICE(0) + 60 * NSEC_PER_SEC + 1));
        assert_int_equal(top_model_now(model), 0);
        feed(model, &state, event_at(0));
        feed(model, &state, event_at(SLICE(0) + 60 * NSEC_PER_SEC));
        assert_int_equal(top_model_now(model), 120);
        assert_int_equal(count_of(model, GROUP_MAP, span(1, 1), "app"), 3);
        top_model_tick(model, UINT64_MAX);
        assert_int_equal(count_of(model, GROUP_MAP, whole, "app"), 4);
        feed(model, &state, event_at(UINT64_MAX));
        assert_int_equal(count_of(model, GROUP_MAP, whole, "app"), 5);
        (void)top_model_free(model);

        model = top_model_new(); /* the first one decides where time begins */
        feed(model, &state, event_at(UINT64_MAX));
        feed(model, &state, event_at(0));
        feed(model, &state, event_at(SLICE(5)));
        assert_int_equal(top_model_now(model), 0);
        assert_int_equal(count_of(model, GROUP_MAP, whole, "app"), 3);
        (void)top_model_free(model);
        state_free(&state);
}

/* Where a tuple is in a slice is remembered for one even and one odd slice only: sums are right all the same. */
static void test_alternating_slices(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        struct proto_event event = event_at(SLICE(4));

        top_model_tick(model, START_NS);
        event.cause = CAUSE_SHMEM;
        feed(model, &state, event);
        for (unsigned int i = 0; i < 1000; i++) {
                feed(model, &state, event_at(SLICE(2)));
                feed(model, &state, event_at(SLICE(4)));
                event.time_ns = i % 2 ? SLICE(2) : SLICE(0);
                feed(model, &state, event);
        }
        top_model_tick(model, SLICE(5));
        assert_int_equal(count_of(model, GROUP_CAUSE, span(3, 1), "zero-fill"), 1000);
        assert_int_equal(count_of(model, GROUP_CAUSE, span(5, 1), "zero-fill"), 1000);
        assert_int_equal(count_of(model, GROUP_CAUSE, span(3, 1), "shmem"), 500);
        assert_int_equal(count_of(model, GROUP_CAUSE, span(1, 1), "shmem"), 500);
        assert_int_equal(count_of(model, GROUP_CAUSE, span(5, 1), "shmem"), 1);
        assert_int_equal(count_of(model, GROUP_MAP, whole, "app"), 3001);
        assert_false(is_incomplete(model, span(5, 5)));
        state_free(&state);
        (void)top_model_free(model);
}

/* --- choosing --- */

static struct proto_event in_map(uint32_t map, uint8_t cause)
{
        struct proto_event event = event_at(START_NS);

        event.map = map;
        event.place = 0;
        event.cause = cause;
        return event;
}

static void test_order(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        struct top_query query = {.span = whole, .by = GROUP_MAP};
        struct proto_event event;

        for (int i = 0; i < 3; i++)
                feed(model, &state, in_map(MAP_HEAP, CAUSE_ZERO_FILL));
        for (int i = 0; i < 3; i++)
                feed(model, &state, in_map(MAP_ANON, CAUSE_ZERO_FILL));
        event = in_map(MAP_APP, CAUSE_FILE_MAJOR);
        event.outcome = OUTCOME_MAJOR;
        event.latency_ns = 100000;
        event.page_shift = 21;
        feed(model, &state, event);
        expect_counts(model, &query, "[heap] 3, anon 3, app 1");
        query.sort = TOP_SORT_TIME;
        expect_counts(model, &query, "app 1, [heap] 3, anon 3");
        query.sort = TOP_SORT_BYTES;
        expect_counts(model, &query, "app 1, [heap] 3, anon 3");
        query.sort = TOP_SORT_MAJOR;
        expect_counts(model, &query, "app 1, [heap] 3, anon 3");
        event = in_map(MAP_ANON, CAUSE_ZERO_FILL);
        event.time_ns = SLICE(3);
        feed(model, &state, event);
        top_model_tick(model, SLICE(4));
        query.sort = TOP_SORT_RATE;
        expect_counts(model, &query, "anon 4, [heap] 3, app 1");
        query.first = 1;
        expect_counts(model, &query, "[heap] 3, app 1");
        query.first = 3;
        expect_counts(model, &query, "");
        query.first = SIZE_MAX;
        expect_counts(model, &query, "");
        state_free(&state);
        (void)top_model_free(model);
}

/* Any window of many rows is what it would be of all of them sorted. */
static void test_windows(void **unused)
{
        enum { N = 3000 };
        struct top_model *model = top_model_new();
        struct state state = {0};
        struct top_query query = {.span = whole, .by = GROUP_PROCESS};

        for (int32_t i = 0; i < N; i++)
                (void)feed_thread(&state, 10000 + i, 1, 0);
        for (uint32_t i = 0; i < N; i++)
                for (uint32_t k = 0; k <= i / 1000; k++)
                        feed(model, &state, (struct proto_event){.thread = i + 1, .time_ns = START_NS});
        for (size_t first = 0; first < N; first += 17) {
                struct feed_table *result;

                query.first = first;
                result = feed_query(model, &query);
                assert_int_equal(result->table.n_all, N);
                for (size_t i = 0; i < result->table.n_rows; i++) {
                        size_t rank = first + i, thousand = 2 - rank / 1000;
                        char name[16];

                        (void)snprintf(name, sizeof(name), "%zu", 10000 + thousand * 1000 + rank % 1000);
                        expect_name(&result->rows[i], name);
                        assert_int_equal(result->rows[i].sum.count, thousand + 1);
                }
                free(result);
        }
        state_free(&state);
        (void)top_model_free(model);
}

static void test_steps(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        struct top_query query = {.span = whole, .by = GROUP_CODE};
        struct proto_event event = event_at(START_NS);
        struct top_fault fault;

        feed(model, &state, event);
        event.code = IN_BAR;
        feed(model, &state, event);
        feed(model, &state, event);
        event.cause = CAUSE_COW_COPY;
        feed(model, &state, event);
        event.thread = 2;
        feed(model, &state, event);
        event.map = MAP_HEAP;
        feed(model, &state, event);
        expect_counts(model, &query, "app/foo::bar(int) 5, app/main 1");
        query.steps[query.n_steps++] =
                (struct top_step){.by = GROUP_MAP, .group = group_named(model, GROUP_MAP, "app")};
        expect_counts(model, &query, "app/foo::bar(int) 4, app/main 1");
        query.steps[query.n_steps++] =
                (struct top_step){.by = GROUP_THREAD, .group = group_named(model, GROUP_THREAD, "42/43 app 1")};
        expect_counts(model, &query, "app/foo::bar(int) 3, app/main 1");
        query.steps[query.n_steps++] =
                (struct top_step){.by = GROUP_CAUSE, .group = group_named(model, GROUP_CAUSE, "cow-copy")};
        expect_counts(model, &query, "app/foo::bar(int) 1");
        assert_true(top_model_fault(model, &query, 0, &fault));
        assert_int_equal(fault.event->code, IN_BAR);
        assert_int_equal(fault.event->thread, 1);
        assert_int_equal(fault.event->cause, CAUSE_COW_COPY);
        assert_false(top_model_fault(model, &query, 1, &fault));
        query.by = GROUP_CAUSE;
        expect_counts(model, &query, "cow-copy 1");
        query.steps[0].group = group_named(model, GROUP_CAUSE, "cow-copy"); /* no map */
        expect_counts(model, &query, "");
        state_free(&state);
        (void)top_model_free(model);
}

static void test_search(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        struct top_query query = {.span = whole, .by = GROUP_SYMBOL, .search = "TAB"};
        struct proto_event event = event_at(START_NS);

        feed(model, &state, event);
        event.place = IN_MAIN;
        feed(model, &state, event);
        event.place = IN_EVIL;
        feed(model, &state, event);
        expect_counts(model, &query, "app/.data/table 1");
        query.search = "app/.tEXt";
        expect_counts(model, &query, "app/.text/a;b\\x0a< 1, app/.text/main 1");
        query.search = "nowhere";
        expect_counts(model, &query, "");
        query.search = "";
        expect_counts(model, &query, "app/.data/table 1, app/.text/a;b\\x0a< 1, app/.text/main 1");
        query.search = "app/.text/mainx";
        expect_counts(model, &query, "");
        query.search = "main";
        expect_counts(model, &query, "app/.text/main 1");
        event.place = IN_BAR; /* a name that comes while it is searched for */
        state_reset(&state);
        (void)feed_string(&state, "domain");
        (void)feed_place(&state, 1, 0, 1, 0);
        event.place = 1;
        feed(model, &state, event);
        expect_counts(model, &query, "app/.text/main 1, domain/domain 1");
        state_free(&state);
        (void)top_model_free(model);
}

/* --- threads --- */

static void test_threads(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        struct proto_event event = event_at(SLICE(1));
        struct top_thread threads[3];

        top_model_tick(model, SLICE(0));
        event.latency_ns = 100 * NSEC_PER_MSEC;
        feed(model, &state, event);
        event.thread = 2;
        event.latency_ns = 400 * NSEC_PER_MSEC;
        feed(model, &state, event);
        event.thread = 3; /* not defined, and without latency */
        event.latency_ns = PROTO_UNKNOWN;
        feed(model, &state, event);
        top_model_tick(model, SLICE(2));
        assert_int_equal(top_model_threads(model, &whole, threads, 3), 2);
        assert_int_equal(threads[0].pid, 42);
        assert_int_equal(threads[0].tid, 42);
        assert_int_equal(threads[0].n_comm, 6);
        assert_memory_equal(threads[0].comm, "worker", 6);
        assert_true(threads[0].share == 0.4);
        assert_int_equal(threads[1].tid, 43);
        assert_memory_equal(threads[1].comm, "app 1", 5);
        assert_true(threads[1].share == 0.1);
        assert_int_equal(top_model_threads(model, &(struct top_span){.until = 2, .n_slices = 1}, threads, 1), 1);
        assert_true(threads[0].share == 0.8);
        assert_int_equal(top_model_threads(model, &(struct top_span){.until = 1, .n_slices = 1}, threads, 3), 0);
        assert_int_equal(top_model_threads(model, &whole, threads, 0), 0);
        event.thread = 2;
        event.latency_ns = UINT64_MAX - 1;
        feed(model, &state, event);
        assert_int_equal(top_model_threads(model, &whole, threads, 3), 2);
        assert_true(threads[0].share == 1);
        state_free(&state);
        (void)top_model_free(model);
}

/* --- faults in full --- */

static void test_fault(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        const struct top_query query = {.span = whole, .by = GROUP_CAUSE};
        const struct proto_stack_frame frames[] = {{.addr = 0x1010, .place = IN_MAIN, .by = FRAME_BY_REGISTERS},
                                                   {.addr = 0x2020, .place = IN_BAR, .by = FRAME_BY_CFI}};
        struct proto_event event = event_at(START_NS);
        struct top_fault fault;

        event.stack = feed_stack(&state, frames, 2, 0);
        event.caller = IN_BAR;
        event.caller_ip = 0x2024;
        feed(model, &state, event);
        feed(model, &state,
             (struct proto_event){.time_ns = 1, .ip = 0x55, .code = 99, .thread = 99, .map = MAP_HEAP, .addr = 0x5008});
        event = event_at(START_NS);
        event.map = 0;
        event.place = IN_APP; /* only the image */
        event.flags = PROTO_EVENT_KERNEL_MODE | PROTO_EVENT_IP_HIDDEN;
        feed(model, &state, event);
        for (int round = 0; round < 2; round++) { /* also when the definitions have gone */
                assert_true(top_model_fault(model, &query, 2, &fault));
                assert_int_equal(fault.time_ns, NSEC_PER_SEC);
                assert_int_equal(fault.event->addr, 0x3010);
                assert_string_equal(fault.map, "app");
                assert_string_equal(fault.place, "app/.data/table+0x10");
                assert_string_equal(fault.code, "app/main+0x10");
                assert_string_equal(fault.caller, "app/foo::bar(int)+0x24");
                assert_string_equal(fault.comm, "app 1");
                assert_int_equal(fault.pid, 42);
                assert_int_equal(fault.tid, 43);
                assert_string_equal(fault.stack, "        main+0x10  (app)\n        foo::bar(int)+0x20  (app)\n");
                assert_true(top_model_fault(model, &query, 1, &fault));
                assert_int_equal(fault.time_ns, 0);
                assert_string_equal(fault.map, "[heap]");
                assert_string_equal(fault.place, "[heap]+0x8");
                assert_string_equal(fault.code, "0x55");
                assert_string_equal(fault.caller, "");
                assert_string_equal(fault.comm, "");
                assert_int_equal(fault.pid, 0);
                assert_string_equal(fault.stack, "");
                assert_true(top_model_fault(model, &query, 0, &fault));
                assert_string_equal(fault.map, "");
                assert_string_equal(fault.place, "app+0x2c10");
                assert_string_equal(fault.code, "app/main");
                assert_false(top_model_fault(model, &query, 3, &fault));
                state_reset(&state);
        }
        state_free(&state);
        (void)top_model_free(model);
}

static void test_recent_faults_only(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin();
        const struct top_query query = {.span = whole, .by = GROUP_CAUSE};
        struct proto_event event = event_at(START_NS);
        struct top_fault fault;

        for (uint64_t i = 0; i < TOP_RECENT_MAX + 10; i++) {
                event.addr = i;
                feed(model, &state, event);
        }
        assert_true(top_model_fault(model, &query, 0, &fault));
        assert_int_equal(fault.event->addr, TOP_RECENT_MAX + 9);
        assert_true(top_model_fault(model, &query, TOP_RECENT_MAX - 1, &fault));
        assert_int_equal(fault.event->addr, 10);
        assert_false(top_model_fault(model, &query, TOP_RECENT_MAX, &fault));
        state_free(&state);
        (void)top_model_free(model);
}

/* --- bounds --- */

/* A program of very many tuples: each of N_MANY * N_MANY pairs of code and caller is one. */
enum { N_MANY = 800 };

static struct state begin_many(void)
{
        struct state state = {.start_ns = START_NS};
        uint32_t image = feed_string(&state, "image");
        char name[16];

        for (unsigned int i = 0; i < N_MANY; i++) {
                (void)snprintf(name, sizeof(name), "f%u", i);
                (void)feed_place(&state, image, 0, feed_string(&state, name), 0);
        }
        return state;
}

static struct proto_event many_event(uint32_t i, uint64_t time_ns)
{
        return (struct proto_event){.time_ns = time_ns,
                                    .code = 1 + i % N_MANY,
                                    .caller = 1 + i / N_MANY % N_MANY,
                                    .cause = i % 2 ? CAUSE_ZERO_FILL : CAUSE_SHMEM,
                                    .latency_ns = PROTO_UNKNOWN};
}

static void test_too_many_in_a_slice(void **unused)
{
        enum { N = TOP_SLICE_TUPLES_MAX + 1000 };
        struct top_model *model = top_model_new();
        struct state state = begin_many();
        struct top_query query = {.span = span(1, 1), .by = GROUP_CAUSE};

        for (int round = 0; round < 2; round++)
                for (uint32_t i = 0; i < N; i++)
                        feed(model, &state, many_event(i, SLICE(0)));
        top_model_tick(model, SLICE(1));
        assert_int_equal(count_of(model, GROUP_CODE, span(1, 1), "(other)"), 2000);
        assert_int_equal(count_of(model, GROUP_CODE, span(1, 1), "image/f0 \u2190 image/f0"), 2);
        expect_counts(model, &query, "shmem 9192, zero-fill 9192");
        assert_true(is_incomplete(model, span(1, 1)));
        query.steps[query.n_steps++] = (struct top_step){
                .by = GROUP_CODE, .group = group_named(model, GROUP_CAUSE, "shmem")}; /* no code at all */
        expect_counts(model, &query, "");
        assert_false(is_incomplete(model, whole));
        assert_int_equal(count_of(model, GROUP_CODE, whole, "(other)"), 0);
        assert_int_equal(count_of(model, GROUP_CODE, whole, "image/f391 \u2190 image/f11"), 2); /* the last one */
        state_free(&state);
        (void)top_model_free(model);
}

/* ... also where faults alternate between two full slices, in which "other" tuples came in another order. */
static void test_too_many_in_two_slices(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin_many();

        for (uint32_t i = 0; i < TOP_SLICE_TUPLES_MAX; i++)
                feed(model, &state, many_event(i, SLICE(0)));
        for (uint32_t i = 0; i < TOP_SLICE_TUPLES_MAX; i++)
                feed(model, &state, many_event(i, SLICE(2)));
        for (uint32_t i = 0; i < 300; i++) {
                feed(model, &state, many_event(TOP_SLICE_TUPLES_MAX + i, SLICE(0)));
                feed(model, &state, many_event(TOP_SLICE_TUPLES_MAX + i + 1, SLICE(2)));
        }
        top_model_tick(model, SLICE(3));
        assert_int_equal(count_of(model, GROUP_CODE, span(1, 1), "(other)"), 300);
        assert_int_equal(count_of(model, GROUP_CODE, span(3, 1), "(other)"), 300);
        assert_int_equal(count_of(model, GROUP_CAUSE, span(1, 1), "shmem"), TOP_SLICE_TUPLES_MAX / 2 + 150);
        assert_int_equal(count_of(model, GROUP_CAUSE, span(3, 1), "shmem"), TOP_SLICE_TUPLES_MAX / 2 + 150);
        assert_int_equal(top_model_oldest(model), 0);
        state_free(&state);
        (void)top_model_free(model);
}

/* Beyond TOP_TUPLES_MAX the oldest slices go; beyond twice as many tuples, the smallest that are in no slice. */
static void test_too_many_in_all(void **unused)
{
        enum { PER_SLICE = 8000, N_SLICES = 70, N_KEPT = TOP_TUPLES_MAX / PER_SLICE };
        struct top_model *model = top_model_new();
        struct state state = begin_many();
        struct top_query query = {.span = whole, .by = GROUP_CAUSE};
        uint32_t n = 0;

        for (int i = 0; i < 100; i++)
                feed(model, &state, many_event(N_MANY * N_MANY - 1, SLICE(0)));
        for (uint64_t slice = 0; slice < N_SLICES; slice++)
                for (uint32_t i = 0; i < PER_SLICE; i++)
                        feed(model, &state, many_event(n++, SLICE(slice)));
        top_model_tick(model, SLICE(N_SLICES));
        assert_int_equal(top_model_oldest(model), N_SLICES - N_KEPT);
        assert_int_equal(count_of(model, GROUP_CAUSE, span(N_SLICES, 1), "shmem"), PER_SLICE / 2);
        assert_true(is_incomplete(model, span(N_SLICES, N_SLICES)));
        assert_false(is_incomplete(model, span(N_SLICES, N_KEPT - 1)));
        assert_true(is_incomplete(model, whole));
        expect_counts(model, &query, "zero-fill 280100, shmem 280000");
        assert_int_equal(count_of(model, GROUP_CODE, whole, "image/f799 \u2190 image/f799"), 100);
        assert_int_equal(count_of(model, GROUP_CODE, whole, "(other)"), TOP_TUPLES_MAX / 2);
        assert_int_equal(count_of(model, GROUP_CODE, whole, "image/f799 \u2190 image/f699"), 1); /* the last one */
        state_free(&state);
        (void)top_model_free(model);
}

/* A name of 16 KiB. */
static uint32_t define_long(struct state *state, unsigned int number)
{
        char name[PROTO_STRING_MAX_BYTES];

        memset(name, '\1', sizeof(name)); /* each is four bytes escaped */
        (void)snprintf(name, sizeof(name), "%u", number);
        return feed_bytes(state, name, sizeof(name));
}

static void feed_long(struct top_model *model, struct state *state, unsigned int number, uint64_t time_ns)
{
        uint32_t image = feed_string(state, "image"),
                 place = feed_place(state, image, 0, define_long(state, number), 0);

        feed(model, state, (struct proto_event){.time_ns = time_ns, .place = place, .latency_ns = PROTO_UNKNOWN});
        state_reset(state);
}

/* Names of tuples that have gone go too, and are never taken for those that come after them. */
static void test_names_go(void **unused)
{
        enum { N = 6000 };
        struct top_model *model = top_model_new();
        struct state state = {.start_ns = START_NS};
        struct top_query query = {.span = whole, .by = GROUP_SYMBOL, .search = "/0\\x00"};
        struct feed_table *result;
        uint64_t first;
        size_t n;

        feed_long(model, &state, 0, SLICE(0));
        result = feed_query(model, &query);
        assert_int_equal(result->table.n_all, 1);
        first = result->rows[0].group;
        free(result);
        for (unsigned int i = 1; i < N; i++)
                feed_long(model, &state, i, SLICE((uint64_t)i));
        assert_null(top_model_name(model, GROUP_SYMBOL, first, &n));
        expect_counts(model, &query, "");
        query = (struct top_query){.span = whole, .by = GROUP_SYMBOL, .search = "/5999\\x00"};
        result = feed_query(model, &query);
        assert_int_equal(result->table.n_all, 1);
        assert_int_equal(result->rows[0].sum.count, 1);
        assert_true(result->table.is_incomplete);
        assert_non_null(top_model_name(model, GROUP_SYMBOL, result->rows[0].group, &n));
        free(result);
        query = (struct top_query){.span = whole, .by = GROUP_CAUSE};
        expect_counts(model, &query, "unknown 6000");
        query.steps[query.n_steps++] = (struct top_step){.by = GROUP_SYMBOL, .group = first};
        expect_counts(model, &query, "");
        assert_false(is_incomplete(model, span(UINT64_MAX, 500)));
        state_free(&state);
        (void)top_model_free(model);
}

static void expect_fault_in_full(struct top_model *model, size_t index)
{
        const struct top_query query = {.span = whole, .by = GROUP_CAUSE};
        struct top_fault fault;

        assert_true(top_model_fault(model, &query, index, &fault));
        assert_string_equal(fault.place, "app/.data/table+0x10");
        assert_string_equal(fault.code, "app/main+0x10");
        assert_string_equal(fault.comm, "app 1");
        assert_string_equal(fault.stack, "        main+0x10  (app)\n        foo::bar(int)+0x20  (app)\n");
}

/* Nothing that is remembered by the number of a name outlives it; faults that are kept in full keep theirs. */
static void test_what_names_leave_behind(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin(), flood = {.start_ns = START_NS};
        const struct proto_stack_frame frames[] = {{.addr = 0x1010, .place = IN_MAIN, .by = FRAME_BY_REGISTERS},
                                                   {.addr = 0x2020, .place = IN_BAR, .by = FRAME_BY_CFI}};
        struct proto_event event = event_at(SLICE(0));
        unsigned int i = 0;

        event.stack = feed_stack(&state, frames, 2, 0);
        feed(model, &state, event);
        expect_fault_in_full(model, 0);
        for (; i < TOP_RECENT_MAX - 1; i++)
                feed_long(model, &flood, i, SLICE((uint64_t)i));
        assert_int_equal(count_of(model, GROUP_SYMBOL, whole, "app/.data/table"), 0); /* its tuple has gone */
        expect_fault_in_full(model, TOP_RECENT_MAX - 1);
        assert_int_equal(count_of(model, GROUP_SYMBOL, whole, "app/.data/table"), 0); /* nor any other name so far */
        for (; i < 7000; i++)
                feed_long(model, &flood, i, SLICE((uint64_t)i));
        event.time_ns = SLICE((uint64_t)i);
        feed(model, &state, event);
        assert_int_equal(count_of(model, GROUP_SYMBOL, whole, "app/.data/table"), 1);
        assert_int_equal(count_of(model, GROUP_STACK, whole, "foo::bar(int);main"), 1);
        assert_int_equal(count_of(model, GROUP_THREAD, whole, "42/43 app 1"), 1);
        expect_fault_in_full(model, 0);
        state_free(&state);
        state_free(&flood);
        (void)top_model_free(model);
}

/* A name that gets the number of one that was searched in vain is searched itself. */
static void test_search_while_names_go(void **unused)
{
        enum { N = 6000 };
        struct top_model *model = top_model_new();
        struct state state = {.start_ns = START_NS};
        const struct top_query query = {
                .span = {.until = UINT64_MAX, .n_slices = 100}, .by = GROUP_SYMBOL, .search = "here"};

        for (unsigned int i = 0; i < N; i++) {
                struct feed_table *result;
                char name[32];

                feed_long(model, &state, i, SLICE((uint64_t)i));
                if (i % 3 == 0)
                        feed_long(model, &state, N + i, SLICE((uint64_t)i));
                (void)snprintf(name, sizeof(name), "here %u", i);
                (void)feed_place(&state, feed_string(&state, name), 0, 1, 0);
                feed(model, &state, (struct proto_event){.time_ns = SLICE((uint64_t)i), .place = 1});
                state_reset(&state);
                if (i < 100 || i % 50 != 0)
                        continue;
                result = feed_query(model, &query);
                assert_int_equal(result->table.n_all, 100);
                free(result);
        }
        state_free(&state);
        (void)top_model_free(model);
}

/* When all names are of the last minutes there is no room for more, until these have gone. */
static void test_too_many_names(void **unused)
{
        enum { N = 6000 };
        struct top_model *model = top_model_new();
        struct state state = {.start_ns = START_NS};

        for (unsigned int i = 0; i < N; i++)
                feed_long(model, &state, i, SLICE(0));
        assert_int_equal(count_of(model, GROUP_CAUSE, whole, "unknown"), N);
        assert_in_range(count_of(model, GROUP_SYMBOL, whole, "(other)"), N - 4096, N - 3000);
        assert_true(is_incomplete(model, whole));
        top_model_tick(model, SLICE(1000));
        feed_long(model, &state, N, SLICE(1000));
        feed_long(model, &state, N, SLICE(1000));
        top_model_tick(model, SLICE(1001));
        assert_false(is_incomplete(model, span(1001, 1)));
        assert_int_equal(count_of(model, GROUP_SYMBOL, span(1001, 1), "(other)"), 0);
        assert_int_equal(count_of(model, GROUP_CAUSE, whole, "unknown"), N + 2);
        state_free(&state);
        (void)top_model_free(model);
}

/* A real name that reads like ours is another group. */
static void test_namesake(void **unused)
{
        struct top_model *model = top_model_new();
        struct state state = begin_many();
        struct top_query query = {.span = span(1, 1), .by = GROUP_CODE, .search = "(other)"};
        struct feed_table *result;
        uint32_t place = feed_place(&state, feed_string(&state, "(other)"), 0, 0, 0);

        feed(model, &state, (struct proto_event){.time_ns = SLICE(0), .code = place});
        for (uint32_t i = 0; i < TOP_SLICE_TUPLES_MAX; i++)
                feed(model, &state, many_event(i, SLICE(0)));
        top_model_tick(model, SLICE(1));
        result = feed_query(model, &query);
        assert_int_equal(result->table.n_all, 2);
        expect_name(&result->rows[0], "(other)");
        expect_name(&result->rows[1], "(other)");
        assert_int_equal(result->rows[0].sum.count, 1);
        assert_int_equal(result->rows[1].sum.count, 1);
        assert_true(result->rows[0].group != result->rows[1].group);
        free(result);
        state_free(&state);
        (void)top_model_free(model);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_wrong_questions),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_names_of_stacks),
                cmocka_unit_test(test_epochs),
                cmocka_unit_test(test_targets),
                cmocka_unit_test(test_very_many_targets),
                cmocka_unit_test(test_sums),
                cmocka_unit_test(test_spans),
                cmocka_unit_test(test_slices_go),
                cmocka_unit_test(test_absurd_times),
                cmocka_unit_test(test_alternating_slices),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_windows),
                cmocka_unit_test(test_steps),
                cmocka_unit_test(test_search),
                cmocka_unit_test(test_threads),
                cmocka_unit_test(test_fault),
                cmocka_unit_test(test_recent_faults_only),
                cmocka_unit_test(test_too_many_in_a_slice),
                cmocka_unit_test(test_too_many_in_two_slices),
                cmocka_unit_test(test_too_many_in_all),
                cmocka_unit_test(test_names_go),
                cmocka_unit_test(test_what_names_leave_behind),
                cmocka_unit_test(test_search_while_names_go),
                cmocka_unit_test(test_too_many_names),
                cmocka_unit_test(test_namesake),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
