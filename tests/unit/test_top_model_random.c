/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The model of top against the simplest one there is: a list of all faults, gone through for every question. Random
 * targets, epochs, definitions, faults, times and queries, the same ones in every run.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/group_key.h"
#include "client/intern.h"
#include "client/names.h"
#include "tests/unit/top_feed.h"

enum { N_STREAMS = 3000, N_STEPS = 120, N_STATES = 3, FAULTS_MAX = 8 * N_STEPS };

/* --- chance --- */

struct chance {
        uint64_t state;
};

static uint64_t draw(struct chance *chance) /* xorshift64* */
{
        chance->state ^= chance->state >> 12;
        chance->state ^= chance->state << 25;
        chance->state ^= chance->state >> 27;
        return chance->state * UINT64_C(0x2545f4914f6cdd1d);
}

static uint32_t below(struct chance *chance, uint32_t n)
{
        return (uint32_t)((draw(chance) >> 32) % n);
}

/* --- the list --- */

struct listed {
        struct proto_event event;
        uint32_t names[N_GROUP_BY]; /* of keys */
        uint64_t slice;
        bool came_too_late; /* its slice had gone */
        int32_t pid, tid;
        uint64_t since_ns;
};

struct list {
        struct chance chance;
        struct top_model *model;
        struct state states[N_STATES];
        size_t n_states;
        struct names scratch_names;
        struct intern keys;
        struct listed faults[FAULTS_MAX];
        size_t n_faults;
        bool has_origin, is_ticked;
        uint64_t origin_ns, clock_ns, ticked_ns, time_ns;
};

static uint64_t slice_of(const struct list *list, uint64_t time_ns)
{
        return list->has_origin && time_ns > list->origin_ns ? (time_ns - list->origin_ns) / TOP_SLICE_NS : 0;
}

static uint64_t now_of(const struct list *list)
{
        return slice_of(list, list->clock_ns);
}

static uint64_t oldest_of(const struct list *list)
{
        return now_of(list) < TOP_SLICES_MAX ? 0 : now_of(list) - TOP_SLICES_MAX + 1;
}

static uint64_t lost_until(const struct list *list)
{
        uint64_t lost = 0;

        for (size_t i = 0; i < list->n_faults; i++)
                if (list->faults[i].slice < oldest_of(list))
                        lost = MAX_OF(lost, list->faults[i].slice + 1);
        return lost;
}

static uint32_t key_of(struct list *list, struct text *text)
{
        uint32_t key;

        assert_false(text->failed);
        assert_true(intern_put(&list->keys, text->n_bytes ? text->data : "", text->n_bytes, &key) >= 0);
        text->n_bytes = 0;
        return key;
}

static void put_folded(struct text *out, const struct state *state, uint32_t id)
{
        const struct dict_stack *stack = state_stack(state, id);

        text_put_string(out, !stack ? "[no stack]" : stack->is_cut ? "[cut]" : "");
        for (uint32_t i = stack ? stack->n_frames : 0; i-- > 0;) {
                struct state_frame frame;
                size_t start;

                state_frame(state, stack, i, &frame);
                text_put_string(out, out->n_bytes ? ";" : "");
                start = out->n_bytes;
                if (!frame.place || (!frame.place->symbol && !frame.place->image)) {
                        text_put_string(out, "[unknown]");
                } else if (frame.place->symbol) {
                        names_put_symbol(out, state, frame.place->symbol);
                } else {
                        text_put_char(out, '[');
                        names_put_base_name(out, state, frame.place->image);
                        if (frame.addr >= frame.place->base)
                                text_printf(out, "+0x%llx]", (unsigned long long)(frame.addr - frame.place->base));
                        else
                                text_printf(out, "-0x%llx]", (unsigned long long)(frame.place->base - frame.addr));
                }
                for (; start < out->n_bytes; start++)
                        if (out->data[start] == ';')
                                out->data[start] = ':';
        }
}

static void list_fault(struct list *list, const struct state *state, const struct proto_event *event)
{
        struct listed *fault = &list->faults[list->n_faults];
        const struct dict_thread *thread = state_thread(state, event->thread);
        CLEANUP_TEXT struct text text = {0};

        if (!list->has_origin)
                list->origin_ns = list->clock_ns = event->time_ns;
        list->has_origin = true;
        if (!list->is_ticked || event->time_ns <= list->ticked_ns ||
            event->time_ns - list->ticked_ns <= 60 * NSEC_PER_SEC)
                list->clock_ns = MAX_OF(list->clock_ns, event->time_ns);
        *fault = (struct listed){.event = *event, .slice = MIN_OF(slice_of(list, event->time_ns), now_of(list))};
        fault->came_too_late = fault->slice < oldest_of(list);
        for (enum group_by by = 0; by < N_GROUP_BY; by++) {
                if (by == GROUP_STACK)
                        put_folded(&text, state, event->stack);
                else
                        group_key_put(by, &list->scratch_names, &text, state, event);
                fault->names[by] = key_of(list, &text);
        }
        fault->pid = thread ? thread->pid : 0;
        fault->tid = thread ? thread->tid : 0;
        fault->since_ns = event->time_ns > state->start_ns ? event->time_ns - state->start_ns : 0;
        list->n_faults++;
}

/* --- streams --- */

static void define_names(struct list *list, struct state *state)
{
        static const char *const names[] = {"/usr/lib/libc.so.6",
                                            "/opt/App",
                                            "[heap]",
                                            ".text",
                                            ".data",
                                            "malloc",
                                            "Main",
                                            "main",
                                            "a;b\n<",
                                            "x\\y",
                                            "\x1b[2J",
                                            "_ZN3foo3barEi",
                                            "[kernel]",
                                            "(other)",
                                            "?"};
        uint32_t n = 1 + below(&list->chance, ARRAY_SIZE(names));

        for (uint32_t i = 0; i < n; i++)
                (void)feed_string(state, names[below(&list->chance, ARRAY_SIZE(names))]);
}

static uint32_t any_string(struct list *list, const struct state *state)
{
        return below(&list->chance, state->n_strings + 2); /* none and undefined ones too */
}

static void define_stacks(struct list *list, struct state *state)
{
        for (uint32_t i = below(&list->chance, 4); i > 0; i--) {
                struct proto_stack_frame frames[3];
                uint32_t n = 1 + below(&list->chance, 3);

                for (uint32_t k = 0; k < n; k++)
                        frames[k] = (struct proto_stack_frame){.addr = below(&list->chance, 3) * 0x1000,
                                                               .place = below(&list->chance, state->n_places + 2),
                                                               .by = FRAME_BY_CFI};
                (void)feed_stack(state, frames, n, below(&list->chance, 4) == 0 ? PROTO_STACK_CUT : 0);
        }
}

static void define_all(struct list *list, struct state *state)
{
        define_names(list, state);
        for (uint32_t i = below(&list->chance, 4); i > 0; i--)
                (void)feed_map(state, any_string(list, state), 0x1000 * i);
        for (uint32_t i = below(&list->chance, 7); i > 0; i--)
                (void)feed_place(state, any_string(list, state), any_string(list, state), any_string(list, state),
                                 0x1000 * i);
        for (uint32_t i = below(&list->chance, 4); i > 0; i--)
                (void)feed_thread(state, 1 + (int32_t)below(&list->chance, 2), 1 + (int32_t)below(&list->chance, 3),
                                  any_string(list, state));
        define_stacks(list, state);
}

static uint64_t any_time(struct list *list)
{
        uint64_t step = draw(&list->chance);

        switch (below(&list->chance, 400)) {
        case 0:
                return 0;
        case 1:
                return UINT64_MAX;
        case 2:
                return step;
        case 3:
        case 4:
                list->time_ns += step % (700 * TOP_SLICE_NS);
                break;
        case 5 ... 20: /* late */
                return list->time_ns - MIN_OF(list->time_ns, step % (20 * TOP_SLICE_NS));
        case 21:
                return list->time_ns - MIN_OF(list->time_ns, step % (1000 * TOP_SLICE_NS));
        case 22 ... 100:
                list->time_ns += step % (3 * TOP_SLICE_NS);
                break;
        default:
                list->time_ns += step % (50 * NSEC_PER_MSEC);
                break;
        }
        return list->time_ns;
}

static uint64_t any_latency(struct chance *chance)
{
        switch (below(chance, 10)) {
        case 0:
                return PROTO_UNKNOWN;
        case 1:
                return 0;
        case 2:
                return draw(chance) % NSEC_PER_SEC;
        default:
                return 100 * below(chance, 20);
        }
}

static struct proto_event any_event(struct list *list, const struct state *state)
{
        struct chance *chance = &list->chance;

        return (struct proto_event){
                .time_ns = any_time(list),
                .addr = below(chance, 8) * 4096,
                .ip = below(chance, 8) * 16,
                .latency_ns = any_latency(chance),
                .thread = below(chance, state->n_threads + 2),
                .map = below(chance, state->n_maps + 2),
                .place = below(chance, state->n_places + 2),
                .code = below(chance, state->n_places + 2),
                .caller = below(chance, 3) ? 0 : below(chance, state->n_places + 2),
                .stack = below(chance, state->n_stacks + 2),
                .outcome = (uint8_t)below(chance, N_OUTCOMES + 2),
                .cause = (uint8_t)(below(chance, 20) ? below(chance, 4) : below(chance, N_CAUSES + 3)),
                .page_shift = (uint8_t)(below(chance, 8) ? 12 : below(chance, 256))};
}

static void add_batch(struct list *list)
{
        struct state *state = &list->states[below(&list->chance, (uint32_t)list->n_states)];
        struct proto_event events[8];
        size_t n = below(&list->chance, ARRAY_SIZE(events) + 1);

        for (size_t i = 0; i < n; i++) {
                events[i] = any_event(list, state);
                list_fault(list, state, &events[i]);
        }
        assert_int_equal(top_model_add(list->model, state, events, n), 0);
}

static void tick(struct list *list)
{
        uint64_t now_ns = list->time_ns + draw(&list->chance) % TOP_SLICE_NS;

        if (!list->has_origin)
                list->origin_ns = list->clock_ns = now_ns;
        list->has_origin = list->is_ticked = true;
        list->ticked_ns = MAX_OF(list->ticked_ns, now_ns);
        list->clock_ns = MAX_OF(list->clock_ns, now_ns);
        top_model_tick(list->model, now_ns);
}

static void reset(struct list *list)
{
        struct state *state = &list->states[below(&list->chance, (uint32_t)list->n_states)];

        state_reset(state);
        define_all(list, state);
}

/* --- queries --- */

struct range {
        uint64_t start, until, n_last;
        bool is_whole, is_incomplete;
};

static struct range range_of(const struct list *list, const struct top_span *span)
{
        struct range range = {.until = MIN_OF(span->until, now_of(list))};

        range.is_whole = span->n_slices == 0 && span->until >= now_of(list);
        range.start = span->n_slices == 0 || span->n_slices > range.until ? 0 : range.until - span->n_slices;
        range.is_incomplete = !range.is_whole && range.start < lost_until(list);
        range.n_last = MIN_OF(range.until - range.start, 2U);
        return range;
}

static bool is_in(const struct list *list, const struct range *range, const struct listed *fault)
{
        return range->is_whole || (!fault->came_too_late && fault->slice >= oldest_of(list) &&
                                   fault->slice >= range->start && fault->slice < range->until);
}

static bool is_last(const struct list *list, const struct range *range, const struct listed *fault)
{
        return !fault->came_too_late && fault->slice >= oldest_of(list) && fault->slice < range->until &&
               fault->slice >= range->until - range->n_last;
}

struct asked {
        struct top_query query;
        uint32_t steps[TOP_DEPTH_MAX]; /* keys */
};

static bool passes(const struct asked *asked, const struct listed *fault)
{
        for (size_t i = 0; i < asked->query.n_steps; i++)
                if (fault->names[asked->query.steps[i].by] != asked->steps[i])
                        return false;
        return true;
}

struct naive_row {
        uint32_t key;
        struct measure sum;
        uint64_t n_major, n_failed, n_last;
        uint64_t causes[N_CAUSES];
};

struct naive {
        const struct list *list;
        enum top_sort sort;
        size_t n_rows;
        struct naive_row rows[FAULTS_MAX];
};

static struct naive_row *naive_row(struct naive *naive, uint32_t key)
{
        for (size_t i = 0; i < naive->n_rows; i++)
                if (naive->rows[i].key == key)
                        return &naive->rows[i];
        naive->rows[naive->n_rows] = (struct naive_row){.key = key};
        return &naive->rows[naive->n_rows++];
}

static char lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool has(const struct list *list, uint32_t key, const char *search)
{
        size_t n_bytes, n_search = search ? strlen(search) : 0;
        const char *name = intern_bytes(&list->keys, key, &n_bytes);

        for (size_t start = 0; start + n_search <= n_bytes; start++) {
                size_t i = 0;

                while (i < n_search && lower(name[start + i]) == lower(search[i]))
                        i++;
                if (i == n_search)
                        return true;
        }
        return false;
}

static uint64_t weight(const struct naive_row *row, enum top_sort sort)
{
        const uint64_t weights[N_TOP_SORTS] = {[TOP_SORT_COUNT] = row->sum.count,
                                               [TOP_SORT_RATE] = row->n_last,
                                               [TOP_SORT_TIME] = row->sum.time_ns,
                                               [TOP_SORT_BYTES] = row->sum.bytes,
                                               [TOP_SORT_MAJOR] = row->n_major};

        return weights[sort];
}

static int compare(const void *left, const void *right, void *arg)
{
        const struct naive *naive = arg;
        const struct naive_row *a = left, *b = right;
        uint64_t weight_a = weight(a, naive->sort), weight_b = weight(b, naive->sort);
        size_t n_a, n_b;
        const char *name_a = intern_bytes(&naive->list->keys, a->key, &n_a);
        const char *name_b = intern_bytes(&naive->list->keys, b->key, &n_b);
        int order = memcmp(name_a, name_b, MIN_OF(n_a, n_b));

        if (weight_a != weight_b)
                return weight_a > weight_b ? -1 : 1;
        return order ? order : n_a < n_b ? -1 : n_a > n_b;
}

static void naive_fold(const struct list *list, const struct asked *asked, struct naive *ret)
{
        const struct range range = range_of(list, &asked->query.span);

        *ret = (struct naive){.list = list, .sort = asked->query.sort};
        for (size_t i = 0; i < list->n_faults; i++) {
                const struct listed *fault = &list->faults[i];
                const struct measure one = measure_of(&fault->event);
                struct naive_row *row;

                if (!passes(asked, fault) || !has(list, fault->names[asked->query.by], asked->query.search) ||
                    !is_in(list, &range, fault))
                        continue;
                row = naive_row(ret, fault->names[asked->query.by]);
                measure_add(&row->sum, &one);
                row->n_major += fault->event.outcome == OUTCOME_MAJOR;
                row->n_failed += fault->event.outcome == OUTCOME_FAILED;
                row->n_last += is_last(list, &range, fault);
                row->causes[fault->event.cause < N_CAUSES ? fault->event.cause : 0]++;
        }
        qsort_r(ret->rows, ret->n_rows, sizeof(ret->rows[0]), compare, ret);
}

static void expect_measure(const struct measure *sum, const struct measure *expected)
{
        assert_memory_equal(sum, expected, sizeof(*sum));
}

static void expect_row(const struct list *list, const struct asked *asked, const struct top_row *row,
                       const struct naive_row *expected)
{
        const struct range range = range_of(list, &asked->query.span);
        size_t n_bytes, n_name;
        const char *name = intern_bytes(&list->keys, expected->key, &n_bytes), *found;
        uint8_t most = 0;

        assert_int_equal(row->n_name, n_bytes);
        assert_memory_equal(row->name, name, n_bytes);
        assert_int_equal(row->name[n_bytes], '\0');
        expect_measure(&row->sum, &expected->sum);
        assert_int_equal(row->n_major, expected->n_major);
        assert_int_equal(row->n_failed, expected->n_failed);
        assert_true(row->per_second == (range.n_last ? (double)expected->n_last / ((double)range.n_last * 0.5) : 0));
        for (uint8_t cause = 0; cause < N_CAUSES; cause++)
                if (expected->causes[cause] > expected->causes[most])
                        most = cause;
        assert_int_equal(row->cause, most);
        found = top_model_name(list->model, asked->query.by, row->group, &n_name);
        assert_ptr_equal(found, row->name);
        assert_int_equal(n_name, n_bytes);
}

static struct top_span any_span(struct list *list)
{
        uint64_t now = top_model_now(list->model);

        switch (below(&list->chance, 6)) {
        case 0:
                return (struct top_span){.until = now, .n_slices = 1 + below(&list->chance, 10)};
        case 1:
                return (struct top_span){.until = now - MIN_OF(now, below(&list->chance, 30)),
                                         .n_slices = below(&list->chance, 20)};
        case 2:
                return (struct top_span){.until = draw(&list->chance) % (now + 2),
                                         .n_slices = draw(&list->chance) % (now + 2)};
        case 3:
                return (struct top_span){.until = UINT64_MAX, .n_slices = below(&list->chance, 3)};
        default:
                return (struct top_span){.until = now};
        }
}

/* A row of some table of the whole trace. */
static void add_step(struct list *list, struct asked *asked)
{
        const struct top_query query = {.span = {.until = UINT64_MAX},
                                        .by = (enum group_by)below(&list->chance, N_GROUP_BY)};
        struct feed_table *result = feed_query(list->model, &query);
        struct top_step *step = &asked->query.steps[asked->query.n_steps];

        if (result->table.n_rows > 0) {
                const struct top_row *row = &result->rows[below(&list->chance, (uint32_t)result->table.n_rows)];

                *step = (struct top_step){.by = query.by, .group = row->group};
                assert_int_equal(intern_put(&list->keys, row->name, row->n_name, &asked->steps[asked->query.n_steps]),
                                 INTERN_OLD);
                asked->query.n_steps++;
        }
        free(result);
}

static struct asked any_query(struct list *list)
{
        static const char *const searches[] = {"",     "m",  "MAIN",    "lib",   "\\", "[",
                                               "zero", "/.", "(other)", "mainx", "1"};
        struct asked asked = {.query = {.by = (enum group_by)below(&list->chance, N_GROUP_BY),
                                        .sort = (enum top_sort)below(&list->chance, N_TOP_SORTS),
                                        .span = any_span(list)}};

        for (uint32_t i = below(&list->chance, 4); i > 0; i--)
                add_step(list, &asked);
        if (below(&list->chance, 3) == 0)
                asked.query.search = searches[below(&list->chance, ARRAY_SIZE(searches))];
        if (below(&list->chance, 3) == 0)
                asked.query.first = below(&list->chance, 12);
        return asked;
}

static void check_table(struct list *list, const struct asked *asked)
{
        static struct naive naive;
        struct top_row rows[8];
        struct top_table table = {.rows = rows, .n_room = below(&list->chance, ARRAY_SIZE(rows) + 1)};
        struct measure all = {0};
        size_t first;

        assert_int_equal(top_model_table(list->model, &asked->query, &table), 0);
        naive_fold(list, asked, &naive);
        assert_int_equal(table.n_all, naive.n_rows);
        first = MIN_OF(asked->query.first, naive.n_rows);
        assert_int_equal(table.n_rows, MIN_OF(naive.n_rows - first, table.n_room));
        for (size_t i = 0; i < naive.n_rows; i++)
                measure_add(&all, &naive.rows[i].sum);
        expect_measure(&table.sum, &all);
        assert_int_equal(table.is_incomplete, range_of(list, &asked->query.span).is_incomplete);
        for (size_t i = 0; i < table.n_rows; i++)
                expect_row(list, asked, &rows[i], &naive.rows[first + i]);
}

/* --- all faults --- */

static void check_totals(struct list *list)
{
        struct top_span span = any_span(list);
        const struct range range = range_of(list, &span);
        const double seconds = (double)range.n_last * 0.5;
        uint64_t n_outcomes[N_OUTCOMES] = {0}, n_last[N_OUTCOMES] = {0}, n_all_last = 0, log2_counts[64];
        struct latency latency = {0};
        struct measure sum = {0};
        struct top_totals totals;

        assert_int_equal(top_model_totals(list->model, &span, &totals), 0);
        for (size_t i = 0; i < list->n_faults; i++) {
                const struct listed *fault = &list->faults[i];
                const struct measure one = measure_of(&fault->event);
                uint8_t outcome = fault->event.outcome < N_OUTCOMES ? fault->event.outcome : 0;

                if (!is_in(list, &range, fault))
                        continue;
                measure_add(&sum, &one);
                n_outcomes[outcome]++;
                n_last[outcome] += is_last(list, &range, fault);
                n_all_last += is_last(list, &range, fault);
                if (fault->event.latency_ns != PROTO_UNKNOWN)
                        assert_int_equal(latency_add(&latency, fault->event.latency_ns), 0);
        }
        expect_measure(&totals.sum, &sum);
        assert_memory_equal(totals.n_outcomes, n_outcomes, sizeof(n_outcomes));
        assert_true(totals.per_second == (seconds > 0 ? (double)n_all_last / seconds : 0));
        assert_true(totals.minor_per_second == (seconds > 0 ? (double)n_last[OUTCOME_MINOR] / seconds : 0));
        assert_true(totals.major_per_second == (seconds > 0 ? (double)n_last[OUTCOME_MAJOR] / seconds : 0));
        assert_true(totals.failed_per_second == (seconds > 0 ? (double)n_last[OUTCOME_FAILED] / seconds : 0));
        assert_int_equal(totals.p50_ns, latency_quantile(&latency, 50));
        assert_int_equal(totals.p99_ns, latency_quantile(&latency, 99));
        assert_int_equal(totals.max_ns, latency.max_ns);
        latency_log2(&latency, log2_counts);
        assert_memory_equal(totals.log2_counts, log2_counts, sizeof(log2_counts));
        latency_free(&latency);
}

static void check_history(struct list *list)
{
        enum { N = 40 };
        uint64_t until = any_span(list).until, end = MIN_OF(until, now_of(list));
        uint32_t history[N * N_CAUSES], expected[N * N_CAUSES] = {0};

        memset(history, 0xff, sizeof(history));
        top_model_history(list->model, until, N, history);
        for (size_t i = 0; i < list->n_faults; i++) {
                const struct listed *fault = &list->faults[i];
                uint8_t cause = fault->event.cause < N_CAUSES ? fault->event.cause : 0;

                if (fault->came_too_late || fault->slice < oldest_of(list) || fault->slice >= end ||
                    end - fault->slice > N)
                        continue;
                expected[(N - (end - fault->slice)) * N_CAUSES + cause]++;
        }
        assert_memory_equal(history, expected, sizeof(history));
}

static double wall_ns(const struct list *list, const struct range *range)
{
        uint64_t start = MAX_OF(range->start, oldest_of(list));

        if (range->is_whole)
                return (double)(list->clock_ns - list->origin_ns);
        return range->until > start ? (double)(range->until - start) * (double)TOP_SLICE_NS : 0;
}

static void check_threads(struct list *list)
{
        static struct naive naive;
        struct asked asked = {.query = {.by = GROUP_THREAD, .sort = TOP_SORT_TIME, .span = any_span(list)}};
        const struct range range = range_of(list, &asked.query.span);
        struct top_thread threads[4];
        size_t n_room = below(&list->chance, ARRAY_SIZE(threads) + 1), n_expected = 0;
        double wall = wall_ns(list, &range);
        size_t n = top_model_threads(list->model, &asked.query.span, threads, n_room);

        naive_fold(list, &asked, &naive);
        while (n_expected < MIN_OF(n_room, naive.n_rows) && naive.rows[n_expected].sum.time_ns > 0)
                n_expected++;
        assert_int_equal(n, n_expected);
        for (size_t i = 0; i < n; i++) {
                double share = wall > 0 ? (double)naive.rows[i].sum.time_ns / wall : 0;
                char name[256];
                size_t n_key;
                const char *key = intern_bytes(&list->keys, naive.rows[i].key, &n_key);
                int n_name;

                assert_true(threads[i].share == MIN_OF(share, 1.0));
                if (threads[i].pid == 0)
                        n_name = snprintf(name, sizeof(name), "%.*s", (int)threads[i].n_comm, threads[i].comm);
                else if (threads[i].pid == threads[i].tid)
                        n_name = snprintf(name, sizeof(name), "%d %.*s", threads[i].pid, (int)threads[i].n_comm,
                                          threads[i].comm);
                else
                        n_name = snprintf(name, sizeof(name), "%d/%d %.*s", threads[i].pid, threads[i].tid,
                                          (int)threads[i].n_comm, threads[i].comm);
                assert_int_equal(n_name, n_key);
                assert_memory_equal(name, key, n_key);
        }
}

static void check_faults(struct list *list, const struct asked *asked)
{
        const struct range range = range_of(list, &asked->query.span);
        struct top_fault fault;
        size_t index = 0;

        for (size_t i = list->n_faults; i-- > 0;) {
                const struct listed *expected = &list->faults[i];

                if (!passes(asked, expected) || !has(list, expected->names[asked->query.by], asked->query.search) ||
                    !(range.is_whole ||
                      (expected->slice >= MAX_OF(range.start, oldest_of(list)) && expected->slice < range.until)))
                        continue;
                assert_true(top_model_fault(list->model, &asked->query, index++, &fault));
                assert_memory_equal(fault.event, &expected->event, sizeof(*fault.event));
                assert_int_equal(fault.pid, expected->pid);
                assert_int_equal(fault.tid, expected->tid);
                assert_int_equal(fault.time_ns, expected->since_ns);
        }
        assert_false(top_model_fault(list->model, &asked->query, index, &fault));
}

/* --- runs --- */

static void check(struct list *list)
{
        struct asked asked = any_query(list);

        assert_int_equal(top_model_now(list->model), now_of(list));
        assert_int_equal(top_model_oldest(list->model), oldest_of(list));
        check_table(list, &asked);
        switch (below(&list->chance, 8)) {
        case 0:
                check_totals(list);
                break;
        case 1:
                check_history(list);
                break;
        case 2:
                check_threads(list);
                break;
        case 3:
                check_faults(list, &asked);
                break;
        }
}

static void run(struct list *list, uint64_t seed)
{
        *list = (struct list){.chance = {seed * UINT64_C(0x9e3779b97f4a7c15) + 1}, .time_ns = 1000 * NSEC_PER_SEC};
        list->model = top_model_new();
        list->n_states = 1 + below(&list->chance, N_STATES);
        assert_non_null(list->model);
        for (size_t i = 0; i < list->n_states; i++) {
                list->states[i].demangles = true;
                list->states[i].start_ns = 999 * NSEC_PER_SEC;
                define_all(list, &list->states[i]);
        }
        for (size_t i = 0; i < N_STEPS; i++) {
                uint32_t what = below(&list->chance, 40);

                if (what == 0)
                        reset(list);
                else if (what < 5)
                        tick(list);
                else if (what < 20)
                        add_batch(list);
                else if (what < 22)
                        check(list);
        }
        for (size_t i = 0; i < 8; i++)
                check(list);
        list->model = top_model_free(list->model);
        for (size_t i = 0; i < list->n_states; i++)
                state_free(&list->states[i]);
        names_free(&list->scratch_names);
        intern_free(&list->keys);
}

static void test_random_streams(void **unused)
{
        static struct list list;

        for (uint64_t seed = 1; seed <= N_STREAMS; seed++)
                run(&list, seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_streams)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
