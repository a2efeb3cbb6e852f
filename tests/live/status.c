/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status CASE: what the service says of itself and of its traces, against what the clients of these traces were told
 * and against the ledger. Every figure is compared exactly: the target has taken its last fault when it is asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "proto/vocabulary.h"
#include "tests/support/harness.h"

#define OTHER_USER 65533
#define N_FAULTS "5000"

/* --- the commands --- */

struct run {
        char *text; /* all of standard output */
        size_t n_bytes;
        int status;
        char *errors;
};

/* faultline COMMAND --socket=... [MORE] as this user. */
static struct run run_client(uid_t uid, const char *command, const char *socket, const char *more)
{
        const char *const argv[] = {FAULTLINE_PATH, command, socket, more, NULL};
        const struct child_options options = {.uid = uid, .dies_with_us = true};
        struct run run = {.text = NULL};
        FILE *stream = open_memstream(&run.text, &run.n_bytes);
        struct child child;
        const char *line;

        CHECK(stream, "no memory");
        child_start(&child, argv, &options);
        while ((line = lines_next(&child.out)))
                (void)fprintf(stream, "%s\n", line);
        (void)fclose(stream);
        run.status = child_wait(&child);
        run.errors = child_errors(&child);
        child_check_sanitizers(&child);
        child_close(&child);
        return run;
}

static void run_free(struct run *run)
{
        free(run->text);
        free(run->errors);
}

/* The whole object; the caller's. */
static json_t *ask_status(uid_t uid, const struct daemon *daemon)
{
        CLEANUP_FREE char *socket = daemon_option(daemon);
        struct run run = run_client(uid, "status", socket, "--format=json");
        json_error_t error;
        json_t *object = json_loads(run.text, JSON_REJECT_DUPLICATES, &error);

        CHECK(run.status == 0, "status: exit status %d: %s", run.status, run.errors);
        CHECK(object, "status: %s: %s", error.text, run.text);
        CHECK(strcmp(text_of(object, "type"), "status") == 0, "not a status: %s", run.text);
        run_free(&run);
        return object;
}

static struct run ask_metrics(uid_t uid, const struct daemon *daemon)
{
        CLEANUP_FREE char *socket = daemon_option(daemon);
        struct run run = run_client(uid, "metrics", socket, NULL);

        CHECK(run.status == 0, "metrics: exit status %d: %s", run.status, run.errors);
        CHECK(run.n_bytes > 6 && strcmp(run.text + run.n_bytes - 6, "# EOF\n") == 0, "metrics without an end: %s",
              run.text);
        return run;
}

/* Over all samples that begin so; only those that hold `with`, unless it is NULL. */
static uint64_t sum_of(const struct run *metrics, const char *name, const char *with)
{
        size_t n_name = strlen(name);
        uint64_t sum = 0;

        for (const char *line = metrics->text; *line; line = strchr(line, '\n') + 1) {
                const char *end = strchr(line, '\n'), *value = memrchr(line, ' ', (size_t)(end - line));

                if (strncmp(line, name, n_name) == 0 && (line[n_name] == '{' || line[n_name] == ' ') &&
                    (!with || memmem(line, (size_t)(end - line), with, strlen(with))))
                        sum += strtoull(value, NULL, 10);
        }
        return sum;
}

/* --- comparing --- */

static json_t *only_trace(const json_t *status, pid_t pid)
{
        json_t *traces = json_object_get(status, "traces"), *trace = json_array_get(traces, 0);

        CHECK(json_array_size(traces) == 1, "not one trace: %s", json_dumps(status, 0));
        CHECK(number_of(trace, "pid") == (uint64_t)pid, "not that of %d: %s", (int)pid, json_dumps(trace, 0));
        return trace;
}

static void equal(uint64_t is, uint64_t should_be, const char *what)
{
        CHECK(is == should_be, "%s: %ju instead of %ju", what, (uintmax_t)is, (uintmax_t)should_be);
}

static uint64_t count(const struct client *client, const char *key, const char *word)
{
        json_t *fault;
        uint64_t n = 0;
        size_t i;

        json_array_foreach(client->faults, i, fault) n += strcmp(text_of(fault, key), word) == 0;
        return n;
}

/* Every cause and every outcome as often as the client saw it. */
static void compare_words(const struct run *metrics, const struct client *client)
{
        char label[64];

        for (unsigned int i = 0; i < N_CAUSES; i++) {
                (void)snprintf(label, sizeof(label), "cause=\"%s\"", cause_text(i));
                equal(sum_of(metrics, "faultline_faults_total", label), count(client, "cause", cause_text(i)), label);
        }
        for (unsigned int i = 1; i < N_OUTCOMES; i++) { /* the first is none: the client's line has no word then */
                (void)snprintf(label, sizeof(label), "outcome=\"%s\"", outcome_text(i));
                equal(sum_of(metrics, "faultline_fault_outcomes_total", label),
                      count(client, "outcome", outcome_text(i)), label);
        }
}

/* What a client was told the service has counted. */
static void read_all(struct client *client, struct target *target)
{
        client_read_until_done(client, target);
        harness_doing("reading the last faults");
        while (client->n_faults < target_n_expected(target))
                CHECK(client_read(client), "the client ended too early");
}

static void compare_trace(const json_t *trace, const struct client *client)
{
        equal(number_of(trace, "n_faults"), client->n_faults, "n_faults");
        equal(number_of(trace, "n_major"), count(client, "outcome", "major"), "n_major");
        equal(number_of(trace, "n_failed"), count(client, "outcome", "failed"), "n_failed");
        equal(number_of(trace, "n_lost"), 0, "n_lost");
        equal(number_of(trace, "n_dropped"), 0, "n_dropped");
        equal(number_of(trace, "n_incomplete"), 0, "n_incomplete");
        equal(number_of(trace, "n_clients"), 1, "n_clients");
        CHECK(json_real_value(json_object_get(trace, "faults_per_s")) == 0, "a target that waits has a rate: %s",
              json_dumps(trace, 0));
}

/* --- cases --- */

/* The status and the metrics of a trace are its ledger; the metrics still are when it has ended. */
static void test_totals(void)
{
        struct daemon daemon;
        struct target target;
        struct client client;
        struct run metrics;
        json_t *status, *ledger;

        daemon_start(&daemon, NULL);
        target_start(&target, "anon", "flood", N_FAULTS);
        client_attach_as(&client, 0, target.pid, &daemon);
        target_open_gate(&target);
        read_all(&client, &target);
        harness_doing("asking while the trace runs");
        status = ask_status(0, &daemon);
        compare_trace(only_trace(status, target.pid), &client);
        equal(number_of(status, "n_traces"), 1, "n_traces");
        CHECK(json_is_true(json_object_get(status, "sees_all")), "root does not see all: %s", json_dumps(status, 0));
        metrics = ask_metrics(0, &daemon);
        compare_words(&metrics, &client);
        equal(sum_of(&metrics, "faultline_unit_traces", NULL), 1, "faultline_unit_traces");
        run_free(&metrics);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        ledger = json_object_get(client_find(&client, "end"), "ledger");
        equal(number_of(only_trace(status, target.pid), "n_faults"), number_of(ledger, "kernel"), "the ledger");
        harness_doing("asking when it has ended");
        metrics = ask_metrics(0, &daemon);
        compare_words(&metrics, &client);
        equal(sum_of(&metrics, "faultline_faults_total", NULL), number_of(ledger, "kernel"), "faultline_faults_total");
        equal(sum_of(&metrics, "faultline_unit_traces", NULL), 0, "faultline_unit_traces");
        equal(sum_of(&metrics, "faultline_unit_traces_started_total", NULL), 1, "faultline_unit_traces_started_total");
        run_free(&metrics);
        json_decref(status);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
}

/* Faults that wait for storage: their latencies are in the histogram, each once, and add up. */
static void test_major(void)
{
        struct daemon daemon;
        struct target target;
        struct client client;
        struct run metrics;
        json_t *fault;
        uint64_t n = 0;
        size_t i;

        daemon_start(&daemon, NULL);
        target_start(&target, "file", "file-major", NULL);
        client_attach_as(&client, 0, target.pid, &daemon);
        target_open_gate(&target);
        read_all(&client, &target);
        metrics = ask_metrics(0, &daemon);
        compare_words(&metrics, &client);
        json_array_foreach(client.faults, i, fault) n +=
                strcmp(text_of(fault, "outcome"), "major") == 0 && json_object_get(fault, "latency_ns");
        CHECK(n > 0, "no major fault with a latency");
        equal(sum_of(&metrics, "faultline_major_fault_latency_seconds_count", NULL), n, "the histogram's count");
        equal(sum_of(&metrics, "faultline_major_fault_latency_seconds_bucket", "le=\"+Inf\""), n, "its last bucket");
        run_free(&metrics);
        CHECK(client_stop(&client) == 0, "the client failed");
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
}

/* -p PID through the daemon, with one more option; waits until attached. */
static void attach_with(struct client *client, pid_t pid, const struct daemon *daemon, const char *option)
{
        CLEANUP_FREE char *socket = daemon_option(daemon);
        char number[16];
        const char *args[] = {"-p", number, socket, option, NULL};

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        client_start(client, args);
        (void)client_wait_for(client, "attached");
}

/* What a client does not get has been counted all the same: the sums are the kernel's count. */
static void compare_sums(const struct daemon *daemon, const json_t *ledger)
{
        struct run metrics = ask_metrics(0, daemon);

        equal(sum_of(&metrics, "faultline_faults_total", NULL), number_of(ledger, "kernel"), "faultline_faults_total");
        equal(sum_of(&metrics, "faultline_fault_outcomes_total", NULL), number_of(ledger, "kernel"),
              "faultline_fault_outcomes_total");
        equal(sum_of(&metrics, "faultline_dropped_faults_total", NULL), number_of(ledger, "dropped_client"),
              "faultline_dropped_faults_total");
        equal(sum_of(&metrics, "faultline_incomplete_faults_total", NULL), number_of(ledger, "incomplete"),
              "faultline_incomplete_faults_total");
        run_free(&metrics);
}

static void test_filtered(void)
{
        struct daemon daemon;
        struct target target;
        struct client client;
        json_t *ledger;

        daemon_start(&daemon, NULL);
        target_start(&target, "anon", "flood", N_FAULTS);
        attach_with(&client, target.pid, &daemon, "--outcome=major");
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        ledger = check_ledger(&client);
        CHECK(number_of(ledger, "filtered") > 0 && number_of(ledger, "lost_kernel") == 0, "the ledger: %s",
              json_dumps(ledger, 0));
        compare_sums(&daemon, ledger);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
}

/* A client that does not read while more comes than its queue holds. */
static void test_dropped(void)
{
        struct daemon daemon;
        struct target target;
        struct client client;
        json_t *ledger;

        daemon_start(&daemon, NULL);
        target_start(&target, "anon", "flood", "300000");
        client_attach_as(&client, 0, target.pid, &daemon);
        client.count_only = true;
        target_run_unread(&target, client.child.pid);
        CHECK(client_stop(&client) == 0, "the client failed");
        ledger = check_ledger(&client);
        CHECK(number_of(ledger, "dropped_client") > 0 && number_of(ledger, "lost_kernel") == 0, "the ledger: %s",
              json_dumps(ledger, 0));
        compare_sums(&daemon, ledger);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
}

/* Root sees the traces of everybody, an ordinary user his own and that he is told no more. */
static void test_users(void)
{
        static const uid_t uids[] = {NOBODY, OTHER_USER};
        struct client clients[ARRAY_SIZE(uids)];
        struct target targets[ARRAY_SIZE(uids)];
        struct daemon daemon;
        struct run text;
        json_t *status;
        CLEANUP_FREE char *socket = NULL;

        daemon_start(&daemon, NULL);
        daemon_open_to_all(&daemon);
        for (size_t i = 0; i < ARRAY_SIZE(uids); i++) {
                target_start_as(&targets[i], uids[i], "anon", "zero-fill", NULL);
                client_attach_as(&clients[i], uids[i], targets[i].pid, &daemon);
        }
        status = ask_status(0, &daemon);
        equal(json_array_size(json_object_get(status, "traces")), ARRAY_SIZE(uids), "traces that root sees");
        json_decref(status);
        for (size_t i = 0; i < ARRAY_SIZE(uids); i++) {
                status = ask_status(uids[i], &daemon);
                equal(number_of(only_trace(status, targets[i].pid), "uid"), uids[i], "uid");
                CHECK(json_is_false(json_object_get(status, "sees_all")), "he sees all: %s", json_dumps(status, 0));
                CHECK(!json_object_get(status, "memory_bytes"), "he is told of the monitor: %s", json_dumps(status, 0));
                json_decref(status);
        }
        socket = daemon_option(&daemon);
        text = run_client(NOBODY, "status", socket, NULL);
        CHECK(text.status == 0 && strstr(text.text, "your own traces"), "he is not told so: %s%s", text.text,
              text.errors);
        run_free(&text);
        for (size_t i = 0; i < ARRAY_SIZE(uids); i++) {
                CHECK(client_stop(&clients[i]) == 0, "client %zu failed", i);
                client_free(&clients[i]);
                CHECK(target_finish(&targets[i]) == 0, "target %zu failed", i);
        }
        daemon_stop(&daemon);
}

/* Nobody listens: one line, exit status 1, and no daemon is started to be asked. */
static void test_nobody(void)
{
        static const char *const commands[] = {"status", "metrics"};

        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                struct run run = run_client(0, commands[i], "--socket=/nonexistent/faultline.sock", NULL);

                CHECK(run.status == 1 && run.n_bytes == 0, "%s: exit status %d: %s", commands[i], run.status, run.text);
                CHECK(strchr(run.errors, '\n') == run.errors + strlen(run.errors) - 1 &&
                              strstr(run.errors, "cannot connect to faultlined at /nonexistent/faultline.sock"),
                      "not one clear line: %s", run.errors);
                CHECK(process_child(getpid()) == 0, "something was left running");
                run_free(&run);
        }
}

/* Whoever opens the file, however often it is written anew meanwhile, finds all of it. */
static void test_file(void)
{
        enum { N_WRITES = 40 };
        char path[64], option[80];
        CLEANUP_FREE char *socket = NULL;
        struct daemon daemon;
        size_t n_reads = 0;

        daemon_start(&daemon, NULL);
        socket = daemon_option(&daemon);
        (void)snprintf(path, sizeof(path), "faultline-test-%d.prom", (int)getpid());
        (void)snprintf(option, sizeof(option), "-o%s", path);
        for (int i = 0; i < N_WRITES; i++) {
                const char *const argv[] = {FAULTLINE_PATH, "metrics", socket, option, NULL};
                const struct child_options options = {.dies_with_us = true};
                struct child child;

                child_start(&child, argv, &options);
                while (process_state(child.pid) != 'Z') {
                        char text[65536];
                        int fd = open(path, O_RDONLY | O_CLOEXEC);
                        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));

                        CHECK(fd >= 0 || (errno == ENOENT && i == 0), "cannot open the file: %s", strerror(errno));
                        CHECK(fd < 0 || (n > 6 && memcmp(text + n - 6, "# EOF\n", 6) == 0), "half a file: %zd bytes",
                              n);
                        n_reads += fd >= 0;
                        cleanup_close(&fd);
                }
                CHECK(child_wait(&child) == 0, "metrics failed: %s", child_errors(&child));
                child_close(&child);
        }
        printf("read %zu times\n", n_reads);
        CHECK(n_reads > 0, "never read");
        CHECK(unlink(path) == 0, "cannot remove %s", path);
        daemon_stop(&daemon);
}

static const struct test_case cases[] = {{"totals", test_totals},   {"major", test_major}, {"filtered", test_filtered},
                                         {"dropped", test_dropped}, {"users", test_users}, {"nobody", test_nobody},
                                         {"file", test_file}};

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: status CASE");
        harness_begin(50);
        harness_need_full();
        harness_need_reachable(NOBODY);
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
