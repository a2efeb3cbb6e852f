/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page of faultline status, byte for byte (FAULTLINE_GOLDEN_UPDATE=1 in the environment writes the golden files
 * anew), and its object, field by field. Names are as hostile as bytes can be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/escape.h"
#include "client/view_status.h"
#include "tests/unit/golden.h"
#include "tests/unit/status_answer.h"
#include "tests/unit/text_lines.h"

#define LONG_UNIT "system-postgresql.slice/postgresql@15-main-with-a-long-name.service"

static const struct status_user users[] = {{0, "root"}, {1000, "alexandra-the-great"}, {1001, HOSTILE_NAME}};

static struct proto_status_daemon busy_daemon(uint64_t now_ns)
{
        return (struct proto_status_daemon){.pid = 812,
                                            .sees_all = true,
                                            .n_users = 3,
                                            .n_clients = 5,
                                            .n_traces = 4,
                                            .now_ns = now_ns,
                                            .started_ns = 5 * NSEC_PER_SEC,
                                            .ring_bytes = UINT64_C(66) << 20,
                                            .ring_limit_bytes = UINT64_C(512) << 20,
                                            .memory_bytes = UINT64_C(12) << 20,
                                            .cpu_ns = 1234567890 + now_ns / 400,
                                            .n_engines_restarted = 1,
                                            .n_refused = 23,
                                            .version = fake_string("0.9.1"),
                                            .degraded = fake_string("kernel symbols, because kptr_restrict is 2; "
                                                                    "write 1 to /proc/sys/kernel/kptr_restrict")};
}

static void make_traces(struct proto_status_trace *traces, uint64_t n_more)
{
        traces[0] = (struct proto_status_trace){.trace = 1,
                                                .uid = 1000,
                                                .client_pid = 4000,
                                                .pid = 4711,
                                                .detail = DETAIL_FULL,
                                                .ptrace = PTRACE_MODE_HOLD,
                                                .n_clients = 2,
                                                .n_threads = 17,
                                                .started_ns = 100 * NSEC_PER_SEC,
                                                .ring_bytes = 1 << 20,
                                                .n_faults = 1234567890 + n_more,
                                                .n_major = 42,
                                                .n_failed = 3,
                                                .n_lost = 7,
                                                .n_incomplete = 2,
                                                .n_dropped = 123456,
                                                .n_signals = 1,
                                                .comm = fake_string("redis-server"),
                                                .unit = fake_string("redis-server.service"),
                                                .degraded = fake_string("frames barrier")};
        traces[1] = (struct proto_status_trace){.trace = 2,
                                                .uid = 0,
                                                .client_pid = 4001,
                                                .detail = DETAIL_BASIC,
                                                .ptrace = PTRACE_MODE_LIGHT,
                                                .n_clients = 1,
                                                .n_threads = 300,
                                                .started_ns = 3000 * NSEC_PER_SEC,
                                                .ring_bytes = 1 << 20,
                                                .stack_bytes = 8192,
                                                .n_faults = 99,
                                                .unit = fake_string(LONG_UNIT)};
        traces[2] = (struct proto_status_trace){.trace = 1,
                                                .uid = 1001,
                                                .client_pid = 4002,
                                                .pid = 1234567,
                                                .detail = DETAIL_FULL,
                                                .ptrace = PTRACE_MODE_OFF,
                                                .n_clients = 1,
                                                .n_threads = 1,
                                                .started_ns = 7000 * NSEC_PER_SEC,
                                                .n_faults = 5000 + n_more / 100,
                                                .comm = fake_string(HOSTILE_NAME),
                                                .unit = fake_string("user@1001.service/" HOSTILE_NAME),
                                                .degraded = fake_string(HOSTILE_NAME " frames")};
        traces[3] = (struct proto_status_trace){.trace = 9,
                                                .uid = 4294967294U,
                                                .client_pid = 4003,
                                                .pid = 1,
                                                .detail = 77, /* of a newer daemon */
                                                .ptrace = 77,
                                                .n_clients = 1,
                                                .n_threads = 1,
                                                .started_ns = 7261 * NSEC_PER_SEC,
                                                .n_faults = 0};
}

static const struct proto_status_engine engines[] = {
        {.uid = 0, .pid = 813, .n_clients = 2, .n_traces = 1, .cpu_ns = 500000000, .memory_bytes = UINT64_C(30) << 20},
        {.uid = 1000,
         .pid = 900,
         .n_clients = 2,
         .n_traces = 1,
         .n_deaths = 1,
         .cpu_ns = 61 * NSEC_PER_SEC,
         .memory_bytes = UINT64_C(2) << 30},
        {.uid = 1001, .n_clients = 1, .n_traces = 1, .n_deaths = 2}, /* it is being started */
};

struct scene {
        struct status before, after;
        struct status_rates rates;
        struct status_report report;
};

static void scene_rate(struct scene *scene, bool twice)
{
        assert_int_equal(status_rates_make(twice ? &scene->before : NULL, &scene->after, &scene->rates), 0);
        scene->report = (struct status_report){
                .status = &scene->after, .rates = &scene->rates, .users = users, .n_users = ARRAY_SIZE(users)};
}

/* Two answers 500 ms apart; the last trace began in between. */
static void scene_busy(struct scene *scene)
{
        struct proto_status_engine earlier[ARRAY_SIZE(engines)];
        struct proto_status_trace traces[4];
        struct answer answer = {.daemon = busy_daemon(7262 * NSEC_PER_SEC),
                                .engines = earlier,
                                .traces = traces,
                                .n_engines = ARRAY_SIZE(engines),
                                .n_traces = 3,
                                .n_omitted = 2};

        *scene = (struct scene){.report = {.users = NULL}};
        memcpy(earlier, engines, sizeof(engines));
        earlier[1].cpu_ns -= 450 * NSEC_PER_MSEC;
        make_traces(traces, 0);
        answer_make(&answer, &scene->before);
        answer.daemon = busy_daemon(7262 * NSEC_PER_SEC + 500 * NSEC_PER_MSEC);
        answer.engines = engines;
        answer.n_traces = 4;
        make_traces(traces, 61234);
        answer_make(&answer, &scene->after);
        scene_rate(scene, true);
}

/* One who may not see others, and whom nothing is told of the service. */
static void scene_idle(struct scene *scene)
{
        const struct answer answer = {.daemon = {.pid = 812,
                                                 .n_users = 1,
                                                 .n_clients = 1,
                                                 .now_ns = 60 * NSEC_PER_SEC,
                                                 .started_ns = 53 * NSEC_PER_SEC,
                                                 .version = fake_string("0.9.1")}};

        *scene = (struct scene){.report = {.users = NULL}};
        answer_make(&answer, &scene->after);
        scene_rate(scene, false);
}

static void scene_end(struct scene *scene)
{
        status_free(&scene->before);
        status_free(&scene->after);
        status_rates_free(&scene->rates);
}

/* --- text --- */

static void check_text(const struct scene *scene, const char *name, uint32_t n_columns, bool ascii)
{
        CLEANUP_TEXT struct text text = {.ascii = ascii};

        view_status_put_text(&text, &scene->report, &(struct view_status_options){.n_columns = n_columns});
        (void)assert_lines_fit(&text, n_columns);
        for (size_t i = 0; i < text.n_bytes; i++)
                assert_false(ascii && (text.data[i] & 0x80));
        assert_golden_text(&text, "status_%s_%u%s", name, n_columns, ascii ? "_ascii" : "");
}

static void test_text(void **unused)
{
        static const uint32_t widths[] = {0, 40, 80, 120, 200};
        struct scene busy, idle;

        scene_busy(&busy);
        scene_idle(&idle);
        for (size_t i = 0; i < ARRAY_SIZE(widths); i++)
                check_text(&busy, "busy", widths[i], false);
        check_text(&busy, "busy", 80, true);
        check_text(&idle, "idle", 80, false);
        scene_end(&busy);
        scene_end(&idle);
}

/* Whatever the width, no line is wider, and no name gets a control character through. */
static void test_widths(void **unused)
{
        struct scene busy;

        scene_busy(&busy);
        for (uint32_t n_columns = 20; n_columns <= 260; n_columns++) {
                CLEANUP_TEXT struct text text = {.ascii = n_columns % 2};

                view_status_put_text(&text, &busy.report, &(struct view_status_options){.n_columns = n_columns});
                (void)assert_lines_fit(&text, n_columns);
        }
        scene_end(&busy);
}

/* Colours are added, and nothing else is changed. */
static void test_colors(void **unused)
{
        CLEANUP_TEXT struct text plain = {0};
        CLEANUP_TEXT struct text colored = {0};
        CLEANUP_TEXT struct text without = {0};
        struct scene busy;

        scene_busy(&busy);
        view_status_put_text(&plain, &busy.report, &(struct view_status_options){.n_columns = 200});
        view_status_put_text(&colored, &busy.report, &(struct view_status_options){.n_columns = 200, .color = true});
        for (size_t i = 0; i < colored.n_bytes; i++) {
                if (colored.data[i] == '\033')
                        while (colored.data[i] != 'm')
                                i++;
                else
                        text_put_char(&without, colored.data[i]);
        }
        assert_true(colored.n_bytes > plain.n_bytes);
        assert_int_equal(without.n_bytes, plain.n_bytes);
        assert_memory_equal(without.data, plain.data, plain.n_bytes);
        scene_end(&busy);
}

/* --- JSON --- */

static json_t *parse(const struct scene *scene, const char *name)
{
        CLEANUP_TEXT struct text text = {0};
        json_error_t error;
        json_t *object;

        view_status_put_json(&text, &scene->report);
        assert_int_equal(assert_lines_fit(&text, 0), 1);
        assert_golden_text(&text, "status_%s_json", name);
        object = json_loadb(text.data, text.n_bytes, JSON_REJECT_DUPLICATES, &error);
        if (!object)
                fail_msg("%s: %.*s", error.text, (int)text.n_bytes, text.data);
        return object;
}

static json_int_t number(const json_t *object, const char *key)
{
        assert_true(json_is_integer(json_object_get(object, key)));
        return json_integer_value(json_object_get(object, key));
}

static const char *string(const json_t *object, const char *key)
{
        const char *word = json_string_value(json_object_get(object, key));

        assert_non_null(word);
        return word;
}

static void check_json_daemon(const json_t *object)
{
        assert_string_equal(string(object, "type"), "status");
        assert_string_equal(string(object, "version"), "0.9.1");
        assert_true(json_is_true(json_object_get(object, "sees_all")));
        assert_int_equal(number(object, "pid"), 812);
        assert_int_equal(number(object, "time_ns"), 7262500000000);
        assert_int_equal(number(object, "started_ns"), 5000000000);
        assert_int_equal(number(object, "interval_ns"), 500000000);
        assert_int_equal(number(object, "n_users"), 3);
        assert_int_equal(number(object, "n_clients"), 5);
        assert_int_equal(number(object, "n_traces"), 4);
        assert_int_equal(number(object, "ring_bytes"), 66 << 20);
        assert_int_equal(number(object, "ring_limit_bytes"), 512 << 20);
        assert_int_equal(number(object, "memory_bytes"), 12 << 20);
        assert_int_equal(number(object, "n_engines_restarted"), 1);
        assert_int_equal(number(object, "n_refused"), 23);
        assert_int_equal(number(object, "n_omitted"), 2);
        assert_true(json_real_value(json_object_get(object, "cpu_share")) == 0.003); /* 1/400, to three decimals */
}

static void check_json_traces(const json_t *traces)
{
        const json_t *redis = json_array_get(traces, 0), *unit = json_array_get(traces, 1),
                     *evil = json_array_get(traces, 2), *late = json_array_get(traces, 3);

        assert_int_equal(json_array_size(traces), 4);
        assert_int_equal(number(redis, "n_faults"), 1234567890 + 61234);
        assert_true(json_real_value(json_object_get(redis, "faults_per_s")) == 122468.0);
        assert_int_equal(number(redis, "n_lost"), 7);
        assert_int_equal(number(redis, "n_dropped"), 123456);
        assert_int_equal(number(redis, "n_incomplete"), 2);
        assert_string_equal(string(redis, "user"), "alexandra-the-great");
        assert_string_equal(string(redis, "detail"), "full");
        assert_string_equal(string(redis, "ptrace"), "hold");
        assert_string_equal(json_string_value(json_array_get(json_object_get(redis, "degraded"), 1)), "barrier");
        assert_null(json_object_get(unit, "pid"));
        assert_string_equal(string(unit, "unit"), LONG_UNIT);
        assert_int_equal(json_array_size(json_object_get(unit, "degraded")), 0);
        assert_string_equal(string(evil, "comm"), "evil\n\033[31m\xe2\x80\xae\xef\xbf\xbd\"\\");
        assert_null(json_object_get(late, "faults_per_s"));
        assert_null(json_object_get(late, "user"));
        assert_null(json_object_get(late, "detail"));
        assert_int_equal(number(late, "uid"), 4294967294);
}

static void test_json(void **unused)
{
        struct scene busy, idle;
        json_t *object;

        scene_busy(&busy);
        object = parse(&busy, "busy");
        check_json_daemon(object);
        check_json_traces(json_object_get(object, "traces"));
        assert_int_equal(json_array_size(json_object_get(object, "engines")), 3);
        assert_null(json_object_get(json_array_get(json_object_get(object, "engines"), 2), "pid"));
        assert_true(json_real_value(json_object_get(json_array_get(json_object_get(object, "engines"), 1),
                                                    "cpu_share")) == 0.9);
        json_decref(object);
        scene_end(&busy);
        scene_idle(&idle);
        object = parse(&idle, "idle");
        assert_null(json_object_get(object, "memory_bytes"));
        assert_null(json_object_get(object, "cpu_ns"));
        assert_null(json_object_get(object, "ring_limit_bytes"));
        assert_null(json_object_get(object, "interval_ns"));
        json_decref(object);
        scene_end(&idle);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_widths),
                cmocka_unit_test(test_colors),
                cmocka_unit_test(test_json),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
