/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stat CASE: the tables of faultline stat on targets whose faults are known by number, size, cause and place; as JSON,
 * as CSV (read by Python's csv module) and as text; and in intervals.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

#define PAGE_BYTES 4096
#define N_SLOWEST 10

/* --- what target_anon does: pages of its own .bss, .data and .rodata, one fault each --- */

enum { N_BSS = 8, N_DATA = 8, N_RODATA = 1, N_ALL = N_BSS + N_DATA + N_RODATA };

/* key: the thread's is its pid and its name. Each is 4 KiB. */
static const struct {
        const char *table, *key;
        uint64_t count;
} expected[] = {
        {"cause", "file-cow", N_DATA},
        {"cause", "zero-fill", N_BSS},
        {"cause", "file-minor", N_RODATA},
        {"map", "target_anon", N_DATA + N_RODATA},
        {"map", "anon", N_BSS},
        {"section", "target_anon/.bss", N_BSS},
        {"section", "target_anon/.data", N_DATA},
        {"section", "target_anon/.rodata", N_RODATA},
        {"symbol", "target_anon/.bss/live_bss", N_BSS},
        {"symbol", "target_anon/.data/live_data", N_DATA},
        {"symbol", "target_anon/.rodata/live_rodata", N_RODATA},
        {"code", "target_anon/touch_write", N_BSS + N_DATA},
        {"code", "target_anon/touch_read", N_RODATA},
        {"thread", NULL, N_ALL},
};

static const char *key_of(size_t i, pid_t pid)
{
        static char thread[64];

        (void)snprintf(thread, sizeof(thread), "%d target_anon", (int)pid);
        return expected[i].key ? expected[i].key : thread;
}

static const char *const tables[] = {"cause", "map", "section", "symbol", "code", "thread"};

/* --- running --- */

#define N_ARGS 12

/* args: a command and its options, with room for two more and the end. */
static void put_pid(const char **args, char *number, size_t size, pid_t pid)
{
        size_t n = 0;

        while (args[n])
                n++;
        CHECK(n + 3 <= N_ARGS, "too many arguments");
        (void)snprintf(number, size, "%d", (int)pid);
        args[n] = "-p";
        args[n + 1] = number;
        args[n + 2] = NULL;
}

/* The target waits at its gate, and the client is attached to it. */
static void start_json(struct client *client, const char **args, const struct target *target)
{
        char number[16];

        put_pid(args, number, sizeof(number), target->pid);
        client_start(client, args);
        (void)client_wait_for(client, "attached");
}

static void run_target(struct target *target)
{
        target_open_gate(target);
        CHECK(strcmp(lines_next(&target->child.out), "done") == 0, "the target failed");
}

/* Standard error says that the trace runs: other formats than JSON have no line for it on standard output. */
static void wait_until_attached(const struct child *child)
{
        harness_doing("waiting for the client to say that it is attached");
        for (;;) {
                CLEANUP_FREE char *errors = child_errors(child);

                if (strstr(errors, "-- tracing"))
                        return;
                (void)usleep(1000);
        }
}

static void start_plain(struct child *child, const char **args, const struct target *target)
{
        char number[16];

        put_pid(args, number, sizeof(number), target->pid);
        child_start(child, args, &(struct child_options){.dies_with_us = true});
        wait_until_attached(child);
}

/* What follows "= delivered" in the ledger on standard error. */
static uint64_t delivered_of(const struct child *child)
{
        CLEANUP_FREE char *errors = child_errors(child);
        const char *found = strstr(errors, "= delivered");

        CHECK(found, "no ledger: %s", errors);
        return strtoull(found + strlen("= delivered"), NULL, 10);
}

/* --- JSON --- */

static const json_t *group_of(const struct client *client, const char *table, const char *key)
{
        const json_t *line;
        size_t i;

        json_array_foreach(client->others, i, line)
        {
                if (strcmp(text_of(line, "type"), "group") == 0 && strcmp(text_of(line, "by"), table) == 0 &&
                    strcmp(text_of(line, "key"), key) == 0)
                        return line;
        }
        fail("no group %s in the table %s: %s", key, table, json_dumps(client->others, 0));
}

/* The sum of all groups of a table. */
static uint64_t sum_of(const struct client *client, const char *table, const char *field)
{
        const json_t *line;
        uint64_t sum = 0;
        size_t i;

        json_array_foreach(client->others, i, line)
        {
                if (strcmp(text_of(line, "type"), "group") == 0 && strcmp(text_of(line, "by"), table) == 0)
                        sum += number_of(line, field);
        }
        return sum;
}

static uint64_t delivered(const struct client *client)
{
        return number_of(json_object_get(client_find(client, "end"), "ledger"), "delivered");
}

static void check_quantiles(const json_t *group)
{
        uint64_t p50 = number_of(group, "p50_ns"), p99 = number_of(group, "p99_ns"), max = number_of(group, "max_ns");

        CHECK(0 < p50 && p50 <= p99 && p99 <= max && max <= number_of(group, "time_ns"), "%s", json_dumps(group, 0));
        CHECK(number_of(group, "count") > 1 || p50 == max, "one fault: %s", json_dumps(group, 0));
}

/* In order, and the first one is the maximum of one group in each table. */
static void check_slowest(const struct client *client)
{
        uint64_t last_ns = UINT64_MAX;
        const json_t *line;
        size_t i, n = 0;

        CHECK(client_n(client, "slow") == N_SLOWEST, "%zu slowest faults", client_n(client, "slow"));
        json_array_foreach(client->others, i, line)
        {
                if (strcmp(text_of(line, "type"), "slow") != 0)
                        continue;
                CHECK(number_of(line, "latency_ns") <= last_ns, "not in order: %s", json_dumps(line, 0));
                CHECK(*text_of(line, "cause") && *text_of(line, "comm") && address_of(line, "addr") &&
                              json_object_get(line, "map") && json_object_get(line, "place") &&
                              json_object_get(line, "code"),
                      "not in full: %s", json_dumps(line, 0));
                last_ns = number_of(line, "latency_ns");
                n++;
        }
        for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
                uint64_t max_ns = 0;

                json_array_foreach(client->others, i, line)
                {
                        if (strcmp(text_of(line, "by"), tables[t]) == 0 && number_of(line, "max_ns") > max_ns)
                                max_ns = number_of(line, "max_ns");
                }
                CHECK(max_ns == number_of(client_find(client, "slow"), "latency_ns"), "the slowest of table %s",
                      tables[t]);
        }
        CHECK(n == N_SLOWEST, "%zu slowest faults", n);
}

static void test_json(void)
{
        const char *args[N_ARGS] = {"stat"};
        struct target target;
        struct client client;

        target_start(&target, "anon", "symbols", NULL);
        start_json(&client, args, &target);
        run_target(&target);
        CHECK(client_stop(&client) == 0, "the client failed");
        CHECK(delivered(&client) == N_ALL, "%s", json_dumps(client.others, 0));
        for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
                const json_t *group = group_of(&client, expected[i].table, key_of(i, target.pid));

                CHECK(number_of(group, "count") == expected[i].count &&
                              number_of(group, "bytes") == expected[i].count * PAGE_BYTES,
                      "%s", json_dumps(group, 0));
                check_quantiles(group);
        }
        CHECK(client_n(&client, "group") == ARRAY_SIZE(expected), "further groups: %s", json_dumps(client.others, 0));
        for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
                CHECK(sum_of(&client, tables[t], "count") == N_ALL, "the sum of table %s", tables[t]);
                CHECK(sum_of(&client, tables[t], "time_ns") == sum_of(&client, "cause", "time_ns"),
                      "the time in table %s", tables[t]);
        }
        check_slowest(&client);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* Without entries there are no latencies: no field says 0. */
static void test_basic(void)
{
        const char *args[N_ARGS] = {"stat", "--detail=basic"};
        struct target target;
        struct client client;
        const json_t *line;
        size_t i;

        target_start(&target, "anon", "symbols", NULL);
        start_json(&client, args, &target);
        run_target(&target);
        CHECK(client_stop(&client) == 0, "the client failed");
        CHECK(client_n(&client, "slow") == 0, "slow faults without latency");
        json_array_foreach(client.others, i, line)
        {
                if (strcmp(text_of(line, "type"), "group") == 0)
                        CHECK(!json_object_get(line, "time_ns") && !json_object_get(line, "p50_ns") &&
                                      !json_object_get(line, "max_ns"),
                              "%s", json_dumps(line, 0));
        }
        for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
                CHECK(sum_of(&client, tables[t], "count") == delivered(&client) && delivered(&client) > 0,
                      "the sum of table %s", tables[t]);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* --- CSV --- */

/* A line for each record, in the order of the file: what every reader of CSV sees. */
static const char csv_script[] = "import csv, sys\n"
                                 "for row in csv.DictReader(open(sys.argv[1], newline='')):\n"
                                 "    assert None not in row and None not in row.values(), row\n"
                                 "    timed = int(row['p50_ns']) <= int(row['p99_ns']) <= int(row['max_ns'])\n"
                                 "    print(row['table'], row['group'], row['count'], row['bytes'],\n"
                                 "          'ok' if timed and row['others'] == '' else row, sep='|')\n";

static void write_lines(struct lines *lines, const char *name)
{
        FILE *file = fopen(name, "we");

        CHECK(file, "%s: %s", name, strerror(errno));
        for (const char *line; (line = lines_next(lines));)
                (void)fprintf(file, "%s\n", line);
        CHECK(fclose(file) == 0, "%s: %s", name, strerror(errno));
}

static void check_csv(const char *name, pid_t pid)
{
        const char *python[] = {"python3", "-c", csv_script, name, NULL};
        struct child child;

        child_start(&child, python, &(struct child_options){.dies_with_us = true});
        for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
                const char *line = lines_next(&child.out);
                char text[256];

                (void)snprintf(text, sizeof(text), "%s|%s|%" PRIu64 "|%" PRIu64 "|ok", expected[i].table,
                               key_of(i, pid), expected[i].count, expected[i].count * PAGE_BYTES);
                CHECK(line && strcmp(line, text) == 0, "%s instead of %s; %s", line, text, child_errors(&child));
        }
        CHECK(!lines_next(&child.out), "further records");
        CHECK(child_wait(&child) == 0, "python3: %s", child_errors(&child));
        child_close(&child);
}

static void test_csv(void)
{
        const char *args[N_ARGS] = {FAULTLINE_PATH, "stat", "--private", "--format=csv"};
        struct target target;
        struct child client;
        char name[64];

        harness_need_program("python3");
        target_start(&target, "anon", "symbols", NULL);
        start_plain(&client, args, &target);
        run_target(&target);
        CHECK(kill(client.pid, SIGINT) == 0, "the client is gone");
        (void)snprintf(name, sizeof(name), "./faultline-stat-%d.csv", (int)getpid());
        write_lines(&client.out, name);
        CHECK(child_wait(&client) == 0, "the client failed: %s", child_errors(&client));
        CHECK(delivered_of(&client) == N_ALL, "the ledger: %s", child_errors(&client));
        check_csv(name, target.pid);
        (void)unlink(name);
        child_close(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* --- text --- */

/* A row of a pipe: count, share, bytes, four times, name. */
static void check_row(const char *line, uint64_t count, const char *name)
{
        uint64_t n_counted, n_bytes;
        double share;
        int n_name = 0;

        CHECK(line &&
                      sscanf(line, "%" SCNu64 " %lf %" SCNu64 " %*f %*f %*f %*f  %n", &n_counted, &share, &n_bytes,
                             &n_name) == 3 &&
                      n_name > 0,
              "no row of %s: %s", name, line);
        CHECK(strcmp(line + n_name, name) == 0, "%s instead of %s", line + n_name, name);
        CHECK(n_counted == count && n_bytes == count * PAGE_BYTES, "%s", line);
        CHECK((uint64_t)(share * N_ALL / 100 + 0.5) == count, "%s", line);
}

static void check_text_table(struct child *client, const char *table, pid_t pid)
{
        char title[16], all[32];
        size_t n = 0;
        const char *line = lines_next(&client->out);

        for (; table[n]; n++)
                title[n] = (char)(table[n] - 'a' + 'A');
        title[n] = '\0';
        CHECK(line && strlen(line) > n && strcmp(line + strlen(line) - n, title) == 0, "no table %s: %s", title, line);
        n = 0;
        for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
                if (strcmp(expected[i].table, table) == 0) {
                        check_row(lines_next(&client->out), expected[i].count, key_of(i, pid));
                        n++;
                }
        (void)snprintf(all, sizeof(all), "all, in %zu group%s", n, n == 1 ? "" : "s");
        check_row(lines_next(&client->out), N_ALL, all);
        line = lines_next(&client->out);
        CHECK(line && !*line, "no empty line behind a table: %s", line);
}

static void test_text(void)
{
        const char *args[N_ARGS] = {FAULTLINE_PATH, "stat", "--private"};
        struct target target;
        struct child client;
        size_t n_slow = 0;
        const char *line;

        target_start(&target, "anon", "symbols", NULL);
        start_plain(&client, args, &target);
        run_target(&target);
        CHECK(kill(client.pid, SIGINT) == 0, "the client is gone");
        for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
                check_text_table(&client, tables[t], target.pid);
        line = lines_next(&client.out);
        CHECK(line && strcmp(line, "The ten slowest faults") == 0, "%s", line);
        while ((line = lines_next(&client.out)))
                n_slow += strncmp(line, "    place   target_anon/", strlen("    place   target_anon/")) == 0;
        CHECK(n_slow == N_SLOWEST, "%zu slowest faults", n_slow);
        CHECK(child_wait(&client) == 0, "the client failed: %s", child_errors(&client));
        CHECK(delivered_of(&client) == N_ALL, "the ledger: %s", child_errors(&client));
        child_close(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* --- intervals --- */

/* They follow one another, each as long as asked for but the last; what they hold is what was delivered. */
static void check_intervals(const struct client *client, uint64_t length_ns)
{
        uint64_t start_ns = number_of(client_find(client, "attached"), "time_ns"), from_ns = 0, to_ns = start_ns;
        uint64_t end_ns = number_of(client_find(client, "end"), "time_ns");
        const json_t *line;
        size_t i, n = 0;

        json_array_foreach(client->others, i, line)
        {
                const json_t *interval = json_object_get(line, "interval");

                if (strcmp(text_of(line, "type"), "group") != 0)
                        continue;
                CHECK(interval, "no interval: %s", json_dumps(line, 0));
                if (number_of(interval, "from_ns") != from_ns) {
                        CHECK(number_of(interval, "from_ns") >= to_ns, "overlapping: %s", json_dumps(line, 0));
                        from_ns = number_of(interval, "from_ns");
                        n++;
                }
                to_ns = number_of(interval, "to_ns");
                CHECK((from_ns - start_ns) % length_ns == 0, "it begins between two: %s", json_dumps(line, 0));
                CHECK(to_ns == from_ns + length_ns || (to_ns == end_ns && to_ns - from_ns < length_ns) ||
                              (to_ns == from_ns && json_object_get(interval, "late")),
                      "neither whole nor the last nor late: %s", json_dumps(line, 0));
        }
        CHECK(n > 0, "no intervals");
        for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
                CHECK(sum_of(client, tables[t], "count") == delivered(client), "the intervals' sum of table %s",
                      tables[t]);
}

#define N_FLOOD "60000"

static void test_intervals(void)
{
        const char *args[N_ARGS] = {"stat", "-I", "0.02"};
        struct target target;
        struct client client;

        target_start(&target, "anon", "flood", N_FLOOD);
        start_json(&client, args, &target);
        run_target(&target);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_intervals(&client, 20 * NSEC_PER_MSEC);
        CHECK(client_n(&client, "group") > ARRAY_SIZE(tables), "all in one interval");
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* The target ends long before the interval does. */
static void test_partial(void)
{
        const char *args[N_ARGS] = {"stat", "-I", "1h"};
        struct target target;
        struct client client;
        const json_t *group;

        target_start(&target, "anon", "leave", "64");
        start_json(&client, args, &target);
        target_open_gate(&target);
        CHECK(client_finish(&client) == 0, "the client failed");
        check_intervals(&client, 3600 * NSEC_PER_SEC);
        group = group_of(&client, "cause", "zero-fill");
        CHECK(number_of(group, "count") == 64, "%s", json_dumps(group, 0));
        CHECK(number_of(json_object_get(group, "interval"), "to_ns") ==
                      number_of(client_find(&client, "end"), "time_ns"),
              "it does not end with the trace: %s", json_dumps(group, 0));
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* Where nothing happens, that is said in time. */
static void test_idle(void)
{
        const char *args[N_ARGS] = {FAULTLINE_PATH, "stat", "--private", "--by=cause", "-I", "0.2"};
        struct target target;
        struct child client;
        const char *line;

        target_start(&target, "anon", "symbols", NULL);
        start_plain(&client, args, &target);
        harness_doing("waiting for the end of an interval without faults");
        line = lines_next(&client.out);
        CHECK(line && strncmp(line, "-- 0.0 s to 0.", strlen("-- 0.0 s to 0.")) == 0 && strstr(line, " s: no faults"),
              "%s", line);
        CHECK(kill(client.pid, SIGINT) == 0, "the client is gone");
        while (lines_next(&client.out))
                ;
        CHECK(child_wait(&client) == 0, "the client failed: %s", child_errors(&client));
        child_close(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* --- a reader that has gone --- */

static void check_quiet_end(struct child *client, struct target *target)
{
        CLEANUP_FREE char *errors = NULL;

        (void)close(client->out.fd);
        client->out.fd = -1;
        CHECK(child_wait(client) == 1, "exit status");
        errors = child_errors(client);
        CHECK(!strstr(errors, "faultline:"), "it complains: %s", errors);
        child_close(client);
        CHECK(target_finish(target) == 0, "the target failed");
}

static void test_closed_pipe(void)
{
        const char *whole[N_ARGS] = {FAULTLINE_PATH, "stat", "--private"},
                   *intervals[N_ARGS] = {FAULTLINE_PATH, "stat", "--private", "-I", "0.05"};
        struct target target;
        struct child client;

        target_start(&target, "anon", "symbols", NULL);
        start_plain(&client, whole, &target);
        check_quiet_end(&client, &target);
        target_start(&target, "anon", "symbols", NULL);
        start_plain(&client, intervals, &target);
        CHECK(lines_next(&client.out), "no interval");
        check_quiet_end(&client, &target);
}

int main(int argc, char **argv)
{
        static const struct test_case cases[] = {
                {"json", test_json}, {"basic", test_basic},         {"csv", test_csv},
                {"text", test_text}, {"intervals", test_intervals}, {"partial", test_partial},
                {"idle", test_idle}, {"pipe", test_closed_pipe},
        };

        harness_begin(50);
        harness_need_full();
        harness_run_case(cases, ARRAY_SIZE(cases), argc > 1 ? argv[1] : "");
        return 0;
}
