/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables of stat for people: byte for byte at several widths (golden files, written anew with
 * FAULTLINE_GOLDEN_UPDATE=1 in the environment), which rows there are, and in which intervals faults are counted.
 */
#include "client/escape.h"
#include "client/view_stat_report.h"
#include "tests/unit/golden.h"
#include "tests/unit/stat_trace.h"
#include "tests/unit/text_lines.h"

/* --- for people --- */

static void test_widths(void **unused)
{
        static const struct {
                const char *golden;
                uint32_t n_columns;
        } terminals[] = {{"view_stat_pipe", 0}, {"view_stat_80", 80}, {"view_stat_200", 200}};

        for (size_t i = 0; i < ARRAY_SIZE(terminals); i++) {
                struct view *view = play_trace((struct view_stat_options){.top = 2}, terminals[i].n_columns);

                assert_golden_text(&view->out, "%s", terminals[i].golden);
                stat_view_free(view, FORMAT_TEXT);
        }
}

/* Wherever the edge is: no line goes beyond it, and there are as many as without one. */
static void test_every_width(void **unused)
{
        size_t n_expected = 0;

        for (uint32_t width = 0; width <= 250; width++) {
                struct view *view = play_trace(
                        (struct view_stat_options){.by = {GROUP_STACK, GROUP_SYMBOL, GROUP_CODE}, .n_by = 3}, width);
                size_t n_lines = assert_lines_fit(&view->out, width);

                n_expected = width == 0 ? n_lines : n_expected;
                assert_int_equal(n_lines, n_expected + (width > 0)); /* one below the ledger */
                stat_view_free(view, FORMAT_TEXT);
        }
}

/* Without latencies there are neither columns for them nor slowest faults. */
static void test_basic_detail(void **unused)
{
        struct proto_event events[] = {touch(), touch(), touch_wide()};
        struct view *view;

        for (size_t i = 0; i < ARRAY_SIZE(events); i++)
                events[i].latency_ns = PROTO_UNKNOWN;
        view = play((struct view_stat_options){.by = {GROUP_CAUSE, GROUP_MAP}, .n_by = 2, .top = 1}, 80, events,
                    ARRAY_SIZE(events));
        expect(&view->out, "\n"
                           "   COUNT     %    BYTES  CAUSE\n"
                           "       3 100.0  2.0 MiB  zero-fill\n"
                           "       3 100.0  2.0 MiB  all, in 1 group\n"
                           "\n"
                           "   COUNT     %    BYTES  MAP\n"
                           "       2  66.7  8.0 KiB  [heap]\n"
                           "       1  33.3  2.0 MiB  1 more\n"
                           "       3 100.0  2.0 MiB  all, in 2 groups\n");
        stat_view_free(view, FORMAT_TEXT);
        view = play((struct view_stat_options){.by = {GROUP_CAUSE}, .n_by = 1, .format = FORMAT_JSON}, 0, events,
                    ARRAY_SIZE(events));
        assert_null(memmem(view->out.data, view->out.n_bytes, "_ns\":0", 6));
        assert_null(memmem(view->out.data, view->out.n_bytes, "p50", 3));
        assert_null(memmem(view->out.data, view->out.n_bytes, "\"slow\"", 6));
        stat_view_free(view, FORMAT_JSON);
}

/* Ten rows of each of all tables, twenty of those asked for, or as many as asked for; what is left out is summed up. */
static void test_rows(void **unused)
{
        static const struct {
                size_t n_by;
                uint64_t top;
                size_t n_rows;
                const char *rest;
        } cases[] = {{0, 0, 10, "20 more\n"}, {1, 0, 20, "10 more\n"}, {1, 29, 29, "1 more\n"}, {1, 30, 30, NULL}};
        enum { N = 30 };
        struct proto_event events[N];

        for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
                struct view *view;

                for (unsigned int i = 0; i < N; i++) {
                        events[i] = touch();
                        events[i].cause = (uint8_t)(i < N_CAUSES ? i : 0);
                        events[i].thread = 0;
                        events[i].latency_ns = PROTO_UNKNOWN;
                }
                view = new_view(
                        (struct view_stat_options){.by = {GROUP_THREAD}, .n_by = cases[c].n_by, .top = cases[c].top},
                        0);
                {
                        struct state state = begin();

                        for (uint32_t i = 0; i < N; i++) {
                                const struct proto_def thread = {
                                        .kind = DEF_THREAD,
                                        .id = 4 + i,
                                        .thread = {1000 + (int32_t)i, 1000 + (int32_t)i, MAIN}};

                                fake_define(&state, &thread);
                                events[i].thread = thread.id;
                        }
                        give(view, &state, events, N);
                        view_stat_finish(view);
                        state_free(&state);
                }
                assert_int_equal(count(&view->out, " main\n"), cases[c].n_rows);
                if (cases[c].rest)
                        assert_int_equal(count(&view->out, cases[c].rest), 1);
                else
                        assert_int_equal(count(&view->out, " more\n"), 0);
                assert_int_equal(count(&view->out, "all, in 30 groups\n"), 1);
                stat_view_free(view, FORMAT_TEXT);
        }
}

static void test_without_faults(void **unused)
{
        struct view *view = play((struct view_stat_options){.weight = WEIGHT_TIME}, 80, NULL, 0);

        expect(&view->out, "\nno faults\n");
        stat_view_free(view, FORMAT_TEXT);
        view = play((struct view_stat_options){.format = FORMAT_CSV}, 0, NULL, 0);
        expect(&view->out, "table,group,count,bytes,time_ns,p50_ns,p99_ns,max_ns,others\r\n");
        stat_view_free(view, FORMAT_CSV);
        view = play((struct view_stat_options){.format = FORMAT_CSV, .interval_ns = NSEC_PER_SEC}, 0, NULL, 0);
        expect(&view->out, "table,group,count,bytes,time_ns,p50_ns,p99_ns,max_ns,others,from_ns,to_ns,late\r\n");
        stat_view_free(view, FORMAT_CSV);
}

static void add(struct tally *tally, struct tally_sum *all, const char *key, uint64_t latency_ns)
{
        const struct measure one = {
                .count = 1, .bytes = 4096, .time_ns = latency_ns, .max_ns = latency_ns, .n_timed = 1};
        uint32_t number;

        assert_int_equal(tally_find(tally, key, strlen(key), &number), 0);
        assert_int_equal(tally_add(tally, number, &one), 0);
        measure_add(&all->measure, &one);
        assert_int_equal(latency_add(&all->latencies, latency_ns), 0);
}

static void expect_report(const struct tally *tally, const struct tally_sum *all, uint64_t n_most, const char *expected)
{
        struct stat_report report = {.by = GROUP_CAUSE, .all = all};
        struct text out = {0};

        assert_int_equal(stat_report_make(&report, tally, n_most), 0);
        stat_text_put(&out, &report, 80);
        expect(&out, expected);
        text_free(&out);
        stat_report_free(&report);
}

/* More groups than there is memory for: said, and still summed up. */
static void test_limits(void **unused)
{
        const struct measure one = {.count = 1, .bytes = 4096};
        struct tally_sum all = {0};
        struct tally tally = {0};
        char key[32];

        add(&tally, &all, "a", 1000);
        tally_add_homeless(&tally, &one);
        measure_add(&all.measure, &one);
        expect_report(&tally, &all, 1,
                      "   COUNT     %    BYTES    TIME     P50     P99     MAX  CAUSE\n"
                      "       1  50.0  4.0 KiB  1.0 us  1.0 us  1.0 us  1.0 us  a\n"
                      "       1  50.0  4.0 KiB       -       -       -       -  in no group: too many\n"
                      "       2 100.0  8.0 KiB  1.0 us  1.0 us  1.0 us  1.0 us  all, in 1 group\n");
        add(&tally, &all, "a", 1000);
        add(&tally, &all, "b", 1000);
        expect_report(&tally, &all, 1,
                      "   COUNT     %    BYTES    TIME     P50     P99     MAX  CAUSE\n"
                      "       2  50.0  8.0 KiB  2.0 us  1.0 us  1.0 us  1.0 us  a\n"
                      "       2  50.0  8.0 KiB  1.0 us  1.0 us  1.0 us  1.0 us  1 more, and in no group\n"
                      "       4 100.0 16.0 KiB  3.0 us  1.0 us  1.0 us  1.0 us  all, in 2 groups\n");
        for (unsigned int i = 0; i < 2 * TALLY_DISTRIBUTIONS_MAX; i++) {
                (void)snprintf(key, sizeof(key), "%u", i / 2);
                add(&tally, &all, key, 1000);
        }
        for (unsigned int i = 0; i < 3; i++)
                add(&tally, &all, "late", 1000);
        expect_report(&tally, &all, 1,
                      "   COUNT     %    BYTES    TIME     P50     P99     MAX  CAUSE\n"
                      "       3   0.0 12.0 KiB  3.0 us       ?       ?  1.0 us  late\n"
                      "   16388 100.0 64.0 MiB 16.4 ms       ?       ?  1.0 us  8194 more, …in no group\n"
                      "   16391 100.0 64.0 MiB 16.4 ms  1.0 us  1.0 us  1.0 us  all, in 8195 groups\n"
                      "-- ?: P50 and P99 are kept of 8192 groups, those that came first\n");
        tally_free(&tally);
        tally_sum_free(&all);
}

/* Terminals that know ASCII only. */
static void test_ascii(void **unused)
{
        struct proto_event events[N_TRACE];
        struct state state = begin();
        struct view *view = new_view((struct view_stat_options){.top = 100}, 100);

        view->out.ascii = true;
        make_trace(events);
        give(view, &state, events, N_TRACE);
        view_stat_finish(view);
        for (size_t i = 0; i < view->out.n_bytes; i++)
                assert_true((unsigned char)view->out.data[i] <= 0x7e);
        stat_view_free(view, FORMAT_TEXT);
        state_free(&state);
}

/* --- intervals --- */

#define TITLE "   COUNT     %    BYTES    TIME     P50     P99     MAX  CAUSE\n"
#define ONE                                                                                                            \
        "       1 100.0  4.0 KiB  1.0 us  1.0 us  1.0 us  1.0 us  zero-fill\n"                                         \
        "       1 100.0  4.0 KiB  1.0 us  1.0 us  1.0 us  1.0 us  all, in 1 group\n"
#define TWO                                                                                                            \
        "       2 100.0  8.0 KiB  2.0 us  1.0 us  1.0 us  1.0 us  zero-fill\n"                                         \
        "       2 100.0  8.0 KiB  2.0 us  1.0 us  1.0 us  1.0 us  all, in 1 group\n"

struct watched {
        struct state state;
        struct view *view;
};

static struct watched watch(uint64_t interval_ns)
{
        struct watched w = {.state = begin()};

        w.view = new_view((struct view_stat_options){.by = {GROUP_CAUSE}, .n_by = 1, .interval_ns = interval_ns}, 80);
        attach(w.view, &w.state);
        return w;
}

static void happen(struct watched *w, uint64_t since_start_ns)
{
        const struct proto_event event = at(since_start_ns - 1000, 1000);

        give(w->view, &w->state, &event, 1);
}

static void tick(struct watched *w, uint64_t since_start_ns)
{
        view_stat_tick(w->view, START_NS + since_start_ns);
}

static void stop(struct watched *w)
{
        stat_view_free(w->view, FORMAT_TEXT);
        state_free(&w->state);
}

/* The times of the faults decide, by their ends: the one at the border belongs to what comes. */
static void test_intervals(void **unused)
{
        struct watched w = watch(1000 * MS);

        happen(&w, 1000);
        happen(&w, 999999999);
        assert_int_equal(w.view->out.n_bytes, 0);
        happen(&w, 1000 * MS);
        expect(&w.view->out, "-- 0.0 s to 1.0 s\n\n" TITLE TWO);
        happen(&w, 900 * MS); /* told of too late: not lost */
        assert_int_equal(w.view->out.n_bytes, 0);
        happen(&w, 4500 * MS);
        expect(&w.view->out,
               "\n-- 1.0 s to 2.0 s, with 1 fault from before\n\n" TITLE TWO "\n-- 2.0 s to 4.0 s: no faults\n");
        end(w.view, &w.state, START_NS + 4567 * MS + 891234);
        view_stat_finish(w.view);
        w.view->out.n_bytes =
                (size_t)((char *)memmem(w.view->out.data, w.view->out.n_bytes, "\nThe ", 5) - w.view->out.data);
        expect(&w.view->out, "\n-- 4.0 s to 4.567 s\n\n" TITLE ONE);
        stop(&w);
}

/* Where no fault closes an interval the clock does, with patience; what comes after that has its place, too. */
static void test_ticks(void **unused)
{
        const uint64_t patience = VIEW_STAT_PATIENCE_NS;
        struct watched w = watch(250 * MS);

        tick(&w, 250 * MS);
        happen(&w, 249 * MS);
        tick(&w, 900 * MS + patience); /* the stream is behind, but flows */
        tick(&w, 900 * MS + 2 * patience - 1);
        assert_int_equal(w.view->out.n_bytes, 0);
        happen(&w, 249 * MS);
        tick(&w, 1000 * MS + patience);
        tick(&w, 1000 * MS + 2 * patience - 1);
        assert_int_equal(w.view->out.n_bytes, 0);
        tick(&w, 1000 * MS + 2 * patience);
        expect(&w.view->out, "-- 0.00 s to 0.25 s\n\n" TITLE TWO "\n-- 0.25 s to 3.00 s: no faults\n");
        tick(&w, 1249 * MS + 2 * patience);
        assert_int_equal(w.view->out.n_bytes, 0);
        tick(&w, 1250 * MS + 2 * patience);
        expect(&w.view->out, "\n-- 3.00 s to 3.25 s: no faults\n");
        happen(&w, 3249 * MS);
        happen(&w, 3250 * MS);
        assert_int_equal(w.view->out.n_bytes, 0);
        tick(&w, 1500 * MS + 2 * patience);
        tick(&w, 1500 * MS + 3 * patience);
        expect(&w.view->out,
               "\n-- 3.25 s to 3.50 s, with 1 fault from before\n\n" TITLE TWO "\n-- 3.50 s to 5.50 s: no faults\n");
        end(w.view, &w.state, START_NS + 5500 * MS);
        view_stat_finish(w.view);
        w.view->out.n_bytes = 13;
        expect(&w.view->out, "\nThe 4 slowes");
        stop(&w);
}

/* Neither before there is a target, nor of times that cannot be. */
static void test_odd_times(void **unused)
{
        struct watched w = {.state = begin()};
        struct proto_event before = at(0, 5), endless = at(10, UINT64_MAX - 1);

        w.view = new_view((struct view_stat_options){.by = {GROUP_CAUSE}, .n_by = 1, .interval_ns = 1000 * MS}, 80);
        tick(&w, 5000 * MS);
        view_stat_tick(w.view, 0);
        assert_int_equal(w.view->out.n_bytes, 0);
        before.time_ns = 3;
        give(w.view, &w.state, &before, 1);
        assert_int_equal(w.view->out.n_bytes, 0);
        give(w.view, &w.state, &endless, 1);
        assert_int_equal(count(&w.view->out, "-- 0.0 s to 1.0 s, with 1 fault from before\n"), 1);
        view_stat_finish(w.view);
        assert_false(w.view->out.failed);
        stop(&w);
}

/* --- the slowest --- */

/* What the ids of a fault mean is written down before it is forgotten. */
static void test_slowest_after_reset(void **unused)
{
        struct proto_event event = wait_for_storage();
        struct state state = begin();
        struct view *view = new_view((struct view_stat_options){.by = {GROUP_CAUSE}, .n_by = 1}, 0);

        give(view, &state, &event, 1);
        state_reset(&state);
        view_stat_finish(view);
        assert_int_equal(count(&view->out, "place   app/.data/table+0x10\n"), 1);
        assert_int_equal(count(&view->out, "The slowest fault\n"), 1);
        stat_view_free(view, FORMAT_TEXT);
        state_free(&state);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_widths),
                cmocka_unit_test(test_every_width),
                cmocka_unit_test(test_basic_detail),
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_without_faults),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_ascii),
                cmocka_unit_test(test_intervals),
                cmocka_unit_test(test_ticks),
                cmocka_unit_test(test_odd_times),
                cmocka_unit_test(test_slowest_after_reset),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
