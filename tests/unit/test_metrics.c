/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The metrics as text, byte for byte where they are short, and as two parsers that are not ours read them: every figure
 * of every unit has to come out of both under its name and labels, hostile names included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/metrics.h"
#include "tests/unit/golden.h"
#include "tests/unit/status_answer.h"

#define REPLACED "\xef\xbf\xbd"

static const struct {
        const char *name, *label; /* as a parser has to read it back */
} names[] = {
        {"nginx.service", "nginx.service"},
        {"", ""},
        {"dev-disk\\x2dby.mount", "dev-disk\\x2dby.mount"},
        {"quote\"} 1\nfaultline_up 0\n# EOF\n", "quote\"} 1\nfaultline_up 0\n# EOF\n"},
        {HOSTILE_NAME, "evil\n" REPLACED "1b[31m" REPLACED "e2" REPLACED "80" REPLACED "ae" REPLACED "ff\"\\"},
        {"a\xff.service", "a" REPLACED "ff.service"},
        {"a\xfe.service", "a" REPLACED "fe.service"},
        {"a" REPLACED "ff.service", "a" REPLACED "ef" REPLACED "bf" REPLACED "bdff.service"},
        {"\xc3\xa4\xf0\x9f\x98\x80.service", "\xc3\xa4\xf0\x9f\x98\x80.service"},
};

enum { N_NAMES = ARRAY_SIZE(names) };

/* Another figure everywhere. */
static void fill_units(struct proto_status_unit *units)
{
        for (size_t i = 0; i < N_NAMES; i++) {
                struct proto_status_unit *unit = &units[i];
                uint64_t n = (i + 1) * 1000;

                *unit = (struct proto_status_unit){.n_running = (uint32_t)i,
                                                   .n_traces = n,
                                                   .n_lost = n + 1,
                                                   .n_dropped = n + 2,
                                                   .n_incomplete = n + 3,
                                                   .major_ns = 1234567890123 + i,
                                                   .unit = fake_string(names[i].name)};
                n += 4;
                for (size_t k = 0; k < N_CAUSES; k++)
                        unit->n_by_cause[k] = n++;
                for (size_t k = 0; k < N_OUTCOMES; k++)
                        unit->n_by_outcome[k] = n++;
                for (size_t k = 0; k < PROTO_LATENCY_BUCKETS; k++)
                        unit->n_major_by_latency[k] = n++;
        }
}

static const struct proto_status_engine engines[] = {
        {.uid = 0, .pid = 5, .cpu_ns = 1, .memory_bytes = 4096},
        {.uid = 4294967294U, .pid = 6, .cpu_ns = 7 * NSEC_PER_SEC, .memory_bytes = 8192},
        {.uid = 0, .cpu_ns = 2, .memory_bytes = 100}}; /* the same user, with another's rights */

static const struct proto_status_daemon whole_daemon = {.pid = 812,
                                                        .sees_all = true,
                                                        .n_users = 2,
                                                        .n_clients = 3,
                                                        .n_traces = 4,
                                                        .now_ns = 90 * NSEC_PER_SEC + 250 * NSEC_PER_MSEC,
                                                        .started_ns = 80 * NSEC_PER_SEC,
                                                        .ring_bytes = 5 << 20,
                                                        .ring_limit_bytes = 6 << 20,
                                                        .memory_bytes = 7 << 20,
                                                        .cpu_ns = 1500000001,
                                                        .n_engines_restarted = 8,
                                                        .n_refused = 9,
                                                        .version = {"0.9\"\\", 5}};

static void put(struct text *out, const struct answer *answer)
{
        struct status status;

        answer_make(answer, &status);
        metrics_put(out, &status);
        assert_false(out->failed);
        status_free(&status);
}

static void put_all(struct text *out, struct proto_status_unit units[static N_NAMES])
{
        const struct answer answer = {.daemon = whole_daemon,
                                      .engines = engines,
                                      .units = units,
                                      .n_engines = ARRAY_SIZE(engines),
                                      .n_units = N_NAMES,
                                      .n_omitted = 3};

        fill_units(units);
        put(out, &answer);
}

/* One unit, and one who is told little. */
static void test_golden(void **unused)
{
        struct proto_status_unit units[N_NAMES];
        struct answer answer = {
                .daemon = whole_daemon, .engines = engines, .units = units, .n_engines = 1, .n_units = 1};
        CLEANUP_TEXT struct text one = {0};
        CLEANUP_TEXT struct text little = {0};

        fill_units(units);
        put(&one, &answer);
        assert_golden_text(&one, "metrics_one");
        answer = (struct answer){.daemon = {.pid = 1, .version = fake_string("0.9")}};
        put(&little, &answer);
        assert_golden_text(&little, "metrics_little");
}

/* Different names are different labels, whatever bytes they have: all of two bytes, and each with a tail. */
static void test_labels_differ(void **unused)
{
        enum { N = 256 };
        static struct text labels[N * N];

        for (size_t i = 0; i < N * N; i++) {
                const char name[] = {(char)(i / N), (char)(i % N)};

                metrics_put_label(&labels[i], name, sizeof(name));
                assert_null(memchr(labels[i].data, '\n', labels[i].n_bytes));
        }
        for (size_t i = 0; i < N * N; i += 251) /* a prime: every byte in both places */
                for (size_t k = 0; k < N * N; k++)
                        assert_true(i == k || labels[i].n_bytes != labels[k].n_bytes ||
                                    memcmp(labels[i].data, labels[k].data, labels[i].n_bytes) != 0);
        for (size_t i = 0; i < N * N; i++)
                text_free(&labels[i]);
}

/* --- read by others --- */

enum { EXIT_SKIPPED = 77 };

static bool has_no_parser;

static json_t *parse(const struct text *text, const char *python)
{
        char path[] = "/tmp/faultline-test-XXXXXX", command[4096];
        int fd = mkstemp(path), status;
        json_t *answer;
        FILE *pipe;

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text->data, text->n_bytes), text->n_bytes);
        assert_int_equal(close(fd), 0);
        (void)snprintf(command, sizeof(command), "exec %s '%s/../unit/parse_metrics.py' < '%s'", python, FIXTURE_DIR,
                       path);
        pipe = popen(command, "re");
        assert_non_null(pipe);
        answer = json_loadf(pipe, 0, NULL);
        status = pclose(pipe);
        assert_int_equal(unlink(path), 0);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == EXIT_SKIPPED || WEXITSTATUS(status) == 127)
                return NULL;
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_non_null(answer);
        return answer;
}

/* The value of the only sample of this name that has this unit, and where word is not NULL this label. */
static double value_of(const json_t *samples, const char *name, const char *unit, const char *label, const char *word)
{
        const json_t *sample;
        double value = -1;
        size_t i, n = 0;

        json_array_foreach(samples, i, sample)
        {
                const json_t *labels = json_array_get(sample, 1);
                const char *has_unit = json_string_value(json_object_get(labels, "unit")),
                           *has = label ? json_string_value(json_object_get(labels, label)) : NULL;

                if (strcmp(json_string_value(json_array_get(sample, 0)), name) != 0 ||
                    (label && strcmp(has, word) != 0))
                        continue;
                if (unit && strcmp(has_unit ? has_unit : "", unit) != 0)
                        continue;
                value = json_number_value(json_array_get(sample, 2));
                n++;
        }
        if (n != 1)
                fail_msg("%zu samples %s of \"%s\" with %s", n, name, unit ? unit : "", word ? word : "nothing");
        return value;
}

static void check_buckets(const json_t *samples, const struct proto_status_unit *unit, const char *label)
{
        static const char *const bounds[PROTO_LATENCY_BUCKETS] = {
                "0.000001", "0.000002", "0.000004", "0.000008", "0.000016", "0.000032", "0.000064", "0.000128",
                "0.000256", "0.000512", "0.001024", "0.002048", "0.004096", "0.008192", "0.016384", "0.032768",
                "0.065536", "0.131072", "0.262144", "0.524288", "1.048576", "+Inf"};
        uint64_t n = 0;

        for (size_t i = 0; i < PROTO_LATENCY_BUCKETS; i++) {
                n += unit->n_major_by_latency[i];
                assert_true(value_of(samples, "faultline_major_fault_latency_seconds_bucket", label, "le", bounds[i]) ==
                            (double)n);
        }
        assert_true(value_of(samples, "faultline_major_fault_latency_seconds_count", label, NULL, NULL) == (double)n);
        assert_true(value_of(samples, "faultline_major_fault_latency_seconds_sum", label, NULL, NULL) ==
                    (double)unit->major_ns / 1e9);
}

static void check_unit(const json_t *samples, const struct proto_status_unit *unit, const char *label)
{
        for (unsigned int i = 0; i < N_CAUSES; i++)
                assert_true(value_of(samples, "faultline_faults_total", label, "cause", cause_text(i)) ==
                            (double)unit->n_by_cause[i]);
        for (unsigned int i = 0; i < N_OUTCOMES; i++)
                assert_true(value_of(samples, "faultline_fault_outcomes_total", label, "outcome", outcome_text(i)) ==
                            (double)unit->n_by_outcome[i]);
        check_buckets(samples, unit, label);
        assert_true(value_of(samples, "faultline_lost_records_total", label, NULL, NULL) == (double)unit->n_lost);
        assert_true(value_of(samples, "faultline_dropped_faults_total", label, NULL, NULL) == (double)unit->n_dropped);
        assert_true(value_of(samples, "faultline_incomplete_faults_total", label, NULL, NULL) ==
                    (double)unit->n_incomplete);
        assert_true(value_of(samples, "faultline_unit_traces", label, NULL, NULL) == unit->n_running);
        assert_true(value_of(samples, "faultline_unit_traces_started_total", label, NULL, NULL) ==
                    (double)unit->n_traces);
}

static void check_service(const json_t *samples)
{
        static const struct {
                const char *name;
                double value;
        } figures[] = {{"up", 1},
                       {"sees_all_users", 1},
                       {"uptime_seconds", 10.25},
                       {"users", 2},
                       {"clients", 3},
                       {"traces", 4},
                       {"ring_memory_bytes", 5 << 20},
                       {"ring_memory_limit_bytes", 6 << 20},
                       {"resident_memory_bytes", 7 << 20},
                       {"cpu_seconds_total", 1.500000001},
                       {"engine_restarts_total", 8},
                       {"refused_requests_total", 9},
                       {"omitted", 3}};
        char name[64];

        for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
                (void)snprintf(name, sizeof(name), "faultline_%s", figures[i].name);
                assert_true(value_of(samples, name, NULL, NULL, NULL) == figures[i].value);
        }
        assert_true(value_of(samples, "faultline_build_info", NULL, "version", "0.9\"\\") == 1);
        assert_true(value_of(samples, "faultline_engine_cpu_seconds", NULL, "uid", "0") == 3e-9);
        assert_true(value_of(samples, "faultline_engine_cpu_seconds", NULL, "uid", "4294967294") == 7);
        assert_true(value_of(samples, "faultline_engine_resident_memory_bytes", NULL, "uid", "0") == 4196);
}

static void check_types(const json_t *types, bool knows_totals)
{
        const char *counter = json_string_value(json_object_get(types, "faultline_faults"));
        const char *histogram = json_string_value(json_object_get(types, "faultline_major_fault_latency_seconds"));
        const char *gauge = json_string_value(json_object_get(types, "faultline_build_info"));

        assert_string_equal(counter, "counter");
        assert_string_equal(histogram, "histogram");
        assert_string_equal(gauge, "gauge");
        /* what metrics.c says of the older format: the samples of a counter have no declared type there */
        assert_int_equal(!json_object_get(types, "faultline_faults_total"), knows_totals);
}

static void test_parsers(void **unused)
{
        static const char *const parsers[] = {"openmetrics", "prometheus"};
        enum { OF_SERVICE = 18, OF_UNIT = N_CAUSES + N_OUTCOMES + PROTO_LATENCY_BUCKETS + 7 };
        struct proto_status_unit units[N_NAMES];
        CLEANUP_TEXT struct text text = {0};
        json_t *answer;

        put_all(&text, units);
        answer = parse(&text, "/usr/bin/python3"); /* the system's own, for which packages are */
        if (!answer)
                answer = parse(&text, "python3");
        if (!answer) {
                print_message(
                        "no Python with prometheus_client: nothing parses the metrics (python3-prometheus-client)\n");
                has_no_parser = true;
                skip();
        }
        for (size_t i = 0; i < ARRAY_SIZE(parsers); i++) {
                const json_t *read = json_object_get(answer, parsers[i]), *samples = json_object_get(read, "samples");

                assert_int_equal(json_array_size(samples), OF_SERVICE + N_NAMES * OF_UNIT);
                check_types(json_object_get(read, "types"), i == 0);
                check_service(samples);
                for (size_t k = 0; k < N_NAMES; k++)
                        check_unit(samples, &units[k], names[k].label);
        }
        json_decref(answer);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),
                cmocka_unit_test(test_labels_differ),
                cmocka_unit_test(test_parsers),
        };

        int n_failed = cmocka_run_group_tests(tests, NULL, NULL);

        return n_failed == 0 && has_no_parser ? EXIT_SKIPPED : n_failed;
}
