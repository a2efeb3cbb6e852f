/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of stat as JSON and CSV: against sums that are computed from the faults alone, and field by field. */
#include <jansson.h>

#include "client/slowest.h"
#include "tests/unit/stat_trace.h"

static json_t *parse_line(const char **at, const char *text_end)
{
        const char *line_end = memchr(*at, '\n', (size_t)(text_end - *at));
        json_error_t error;
        json_t *object;

        assert_non_null(line_end);
        object = json_loadb(*at, (size_t)(line_end - *at), JSON_REJECT_DUPLICATES, &error);
        if (!object)
                fail_msg("%s: %.*s", error.text, (int)(line_end - *at), *at);
        *at = line_end + 1;
        return object;
}

/* All lines; the caller's. */
static json_t *parse(const struct text *text)
{
        const char *at = text->data, *text_end = text->data + text->n_bytes;
        json_t *lines = json_array();

        while (at < text_end)
                assert_int_equal(json_array_append_new(lines, parse_line(&at, text_end)), 0);
        return lines;
}

static uint64_t number(const json_t *object, const char *key)
{
        const json_t *value = json_object_get(object, key);

        assert_true(json_is_integer(value));
        return (uint64_t)json_integer_value(value);
}

static bool is(const json_t *object, const char *key, const char *word)
{
        const char *value = json_string_value(json_object_get(object, key));

        return value && strcmp(value, word) == 0;
}

/* The sums of all group lines of a table. */
static struct measure sum_of_table(const json_t *lines, const char *by)
{
        struct measure sum = {0};
        const json_t *line;
        size_t i;

        json_array_foreach(lines, i, line)
        {
                if (!is(line, "type", "group") || !is(line, "by", by))
                        continue;
                sum.count += number(line, "count");
                sum.bytes += number(line, "bytes");
                if (!json_object_get(line, "time_ns"))
                        continue;
                sum.time_ns += number(line, "time_ns");
                sum.max_ns = MAX_OF(sum.max_ns, number(line, "max_ns"));
        }
        return sum;
}

static const json_t *group(const json_t *lines, const char *by, const char *key)
{
        const json_t *line;
        size_t i;

        json_array_foreach(lines, i, line) if (is(line, "type", "group") && is(line, "by", by) &&
                                               is(line, "key", key)) return line;
        fail_msg("no group %s of %s", key, by);
        return NULL;
}

/* Computed from the faults alone. */
static struct measure sum_of_events(const struct proto_event *events, size_t n)
{
        struct measure sum = {.count = n};

        for (size_t i = 0; i < n; i++) {
                sum.bytes += events[i].page_shift ? UINT64_C(1) << events[i].page_shift : 0;
                if (events[i].latency_ns == PROTO_UNKNOWN)
                        continue;
                sum.time_ns += events[i].latency_ns;
                sum.max_ns = MAX_OF(sum.max_ns, events[i].latency_ns);
        }
        return sum;
}

static void check_table(const json_t *lines, const char *by, const struct measure *expected)
{
        struct measure sum = sum_of_table(lines, by);

        assert_int_equal(sum.count, expected->count);
        assert_int_equal(sum.bytes, expected->bytes);
        assert_int_equal(sum.time_ns, expected->time_ns);
        assert_int_equal(sum.max_ns, expected->max_ns);
}

static void check_json(uint64_t top)
{
        static const char *const tables[] = {"cause", "map", "section", "symbol", "code", "thread"};
        struct proto_event events[N_TRACE];
        struct measure expected;
        struct view *view = play_trace((struct view_stat_options){.format = FORMAT_JSON, .top = top}, 0);
        json_t *lines = parse(&view->out);

        make_trace(events);
        expected = sum_of_events(events, N_TRACE);
        for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
                check_table(lines, tables[i], &expected);
        json_decref(lines);
        stat_view_free(view, FORMAT_JSON);
}

static void test_json_sums(void **unused)
{
        check_json(0);
        check_json(1);
        check_json(3);
}

static void test_json(void **unused)
{
        struct view *view = play_trace((struct view_stat_options){.format = FORMAT_JSON}, 0);
        json_t *lines = parse(&view->out);
        const json_t *line = group(lines, "cause", "zero-fill");

        /* 12 touches of 1500 to 12500 ns and 2 of 900: half of them took 5500 ns or less; the bucket ends at 5631 */
        assert_int_equal(number(line, "count"), N_TOUCHES + 2);
        assert_int_equal(number(line, "p50_ns"), 5631);
        assert_int_equal(number(line, "p99_ns"), 12500);
        assert_int_equal(number(line, "max_ns"), 12500);
        line = group(lines, "code",
                     "kernel:copy_to_user \u2190 a-library-with-quite-a-long-name.so.1.2.3/"
                     "a_namespace::a_class::a_function_with_a_long_name(int, char const*)");
        assert_int_equal(number(line, "p50_ns"), 1234567);
        assert_int_equal(number(line, "p99_ns"), 1234567);
        line = group(lines, "cause", "access-denied");
        assert_null(json_object_get(line, "time_ns"));
        assert_null(json_object_get(line, "p50_ns"));
        assert_int_equal(number(line, "bytes"), 0);
        assert_null(json_object_get(line, "interval"));
        assert_null(json_object_get(line, "others"));
        json_decref(lines);
        stat_view_free(view, FORMAT_JSON);

        view = play_trace(
                (struct view_stat_options){
                        .by = {GROUP_CAUSE}, .n_by = 1, .top = 1, .format = FORMAT_JSON, .weight = WEIGHT_TIME},
                0);
        lines = parse(&view->out);
        line = json_array_get(lines, 1); /* behind "attached" */
        assert_true(is(line, "key", "file-major"));
        line = json_array_get(lines, 2);
        assert_int_equal(number(line, "others"), 2);
        assert_int_equal(number(line, "count"), N_TRACE - 1);
        assert_int_equal(number(line, "max_ns"), 12500);
        assert_null(json_object_get(line, "key"));
        json_decref(lines);
        stat_view_free(view, FORMAT_JSON);
}

/* The same as the line of the fault, but for its type. */
static void test_slow_lines(void **unused)
{
        struct proto_event events[N_TRACE];
        struct state state = begin();
        struct view *stat = play_trace((struct view_stat_options){.format = FORMAT_JSON}, 0), *json = view_json_new();
        json_t *lines = parse(&stat->out), *faults, *line;
        static const size_t slowest[SLOWEST_MAX] = {12, 11, 10, 9, 8, 7, 6, 5, 4, 3};
        size_t i, n = 0;

        assert_non_null(json);
        make_trace(events);
        give(json, &state, events, N_TRACE);
        faults = parse(&json->out);
        json_array_foreach(lines, i, line)
        {
                if (!is(line, "type", "slow"))
                        continue;
                assert_true(n < SLOWEST_MAX);
                assert_int_equal(json_object_set_new(line, "type", json_string("fault")), 0);
                assert_true(json_equal(line, json_array_get(faults, slowest[n])));
                n++;
        }
        assert_int_equal(n, SLOWEST_MAX);
        assert_true(is(json_array_get(lines, json_array_size(lines) - 1), "type", "end"));
        json_decref(lines);
        json_decref(faults);
        json = view_json_free(json);
        stat_view_free(stat, FORMAT_JSON);
        state_free(&state);
}

static void test_csv(void **unused)
{
        struct view *view = play_trace((struct view_stat_options){.by = {GROUP_SYMBOL, GROUP_STACK, GROUP_CAUSE},
                                                                  .n_by = 3,
                                                                  .format = FORMAT_CSV},
                                       80);

        expect(&view->out,
               "table,group,count,bytes,time_ns,p50_ns,p99_ns,max_ns,others\r\n"
               "symbol,[heap],12,49152,84000,6655,12500,12500,\r\n"
               "symbol,app/.data/名字名字名字名字名字名字名字名字,2,4194304,1800,900,900,900,\r\n"
               "symbol,\"app/.data/evil \\x1b[31m,\"\"quoted\"\"\\x0a=1+1\",1,0,,,,,\r\n"
               "symbol,app/.data/table,1,16384,1234567,1234567,1234567,1234567,\r\n"
               "stack,,15,4243456,85800,5631,12500,12500,\r\n"
               "stack,\"main+0x10  (app) \u2190 a_namespace::a_class::a_function_with_a_long_name(int, char "
               "const*)+0x10  (a-library-with-quite-a-long-name.so.1.2.3)\",1,16384,1234567,1234567,1234567,1234567,"
               "\r\n"
               "cause,zero-fill,14,4243456,85800,5631,12500,12500,\r\n"
               "cause,access-denied,1,0,,,,,\r\n"
               "cause,file-major,1,16384,1234567,1234567,1234567,1234567,\r\n");
        stat_view_free(view, FORMAT_CSV);
        view = play_trace(
                (struct view_stat_options){
                        .by = {GROUP_CAUSE}, .n_by = 1, .format = FORMAT_CSV, .top = 1, .interval_ns = NSEC_PER_SEC},
                0);
        expect(&view->out, "table,group,count,bytes,time_ns,p50_ns,p99_ns,max_ns,others,from_ns,to_ns,late\r\n"
                           "cause,zero-fill,14,4243456,85800,5631,12500,12500,,1000000000,1020000000,0\r\n"
                           "cause,,2,16384,1234567,1234567,1234567,1234567,2,1000000000,1020000000,0\r\n");
        stat_view_free(view, FORMAT_CSV);
}

/* --- intervals --- */

/* What the intervals hold is what there was, whatever they are; and nothing in two of them. */
static void test_intervals_add_up(void **unused)
{
        enum { N = 500 };
        static const uint64_t lengths[] = {1, 777, 1 * MS, 10 * MS, 999 * MS, 5000 * MS};
        struct proto_event events[N];
        struct measure expected;
        uint64_t seed = 1;

        for (uint32_t i = 0; i < N; i++) {
                seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
                events[i] = at((uint64_t)i * 4 * MS, (seed >> 33) % (20 * MS));
                events[i].cause = (uint8_t)(seed >> 60 & 3);
        }
        expected = sum_of_events(events, N);
        for (size_t k = 0; k < ARRAY_SIZE(lengths); k++) {
                struct view *view = play((struct view_stat_options){.format = FORMAT_JSON, .interval_ns = lengths[k]},
                                         0, events, N);
                json_t *lines = parse(&view->out);
                uint64_t last_ns = 0;
                const json_t *line;
                size_t i;

                check_table(lines, "cause", &expected);
                check_table(lines, "thread", &expected);
                json_array_foreach(lines, i, line)
                {
                        const json_t *interval = json_object_get(line, "interval");

                        if (!interval)
                                continue;
                        assert_true(number(interval, "from_ns") >= last_ns || is(line, "by", "cause") ||
                                    number(interval, "to_ns") > last_ns);
                        assert_true(number(interval, "to_ns") >= number(interval, "from_ns"));
                        assert_int_equal((number(interval, "from_ns") - START_NS) % lengths[k], 0);
                        last_ns = number(interval, "from_ns");
                }
                json_decref(lines);
                stat_view_free(view, FORMAT_JSON);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_json_sums),        cmocka_unit_test(test_json),
                cmocka_unit_test(test_slow_lines),       cmocka_unit_test(test_csv),
                cmocka_unit_test(test_intervals_add_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
