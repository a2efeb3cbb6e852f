/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ends CASE: the ways in which a trace comes to its end. The ledger is exact in each of them. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

#define N_FAULTS 10000
#define N_WANTED 1000
#define N_POPULATED 64
#define DURATION_NS (200 * NSEC_PER_MSEC)

static void check_reason(const struct client *client, const char *reason)
{
        json_t *end = client_find(client, "end");

        CHECK(end && strcmp(text_of(end, "reason"), reason) == 0, "the end should be \"%s\": %s", reason,
              json_dumps(end, 0));
}

static void start_on(struct client *client, const struct target *target, const char *option)
{
        char pid[16];
        const char *args[] = {"-p", pid, option, NULL};

        (void)snprintf(pid, sizeof(pid), "%d", (int)target->pid);
        client_start(client, args);
        (void)client_wait_for(client, "attached");
}

/* The target leaves right behind its last fault. */
static void test_exit(void)
{
        struct target target;
        struct client client;

        target_start(&target, "anon", "leave", "1000");
        client_attach(&client, target.pid);
        target_open_gate(&target);
        CHECK(client_finish(&client) == 0, "the client failed");
        check_reason(&client, "exited");
        check_nothing_missing(&client);
        compare_faults(&client, &target, COMPARE_ALL);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void test_kill(void)
{
        struct target target;
        struct client client;

        target_start(&target, "anon", "endless", NULL);
        client_attach(&client, target.pid);
        target_open_gate(&target);
        harness_doing("reading faults");
        while (client.n_faults < N_FAULTS)
                CHECK(client_read(&client), "the client ended too early");
        CHECK(kill(target.pid, SIGKILL) == 0, "the target is gone");
        CHECK(client_finish(&client) == 0, "the client failed");
        check_reason(&client, "exited");
        check_nothing_missing(&client);
        client_free(&client);
        CHECK(target_finish(&target) == 128 + SIGKILL, "the target did not die of SIGKILL");
}

static void test_count(void)
{
        struct target target;
        struct client client;

        target_start(&target, "anon", "flood", "10000");
        start_on(&client, &target, "--count=1000");
        target_open_gate(&target);
        CHECK(client_finish(&client) == 0, "the client failed");
        check_reason(&client, "count");
        (void)check_ledger(&client);
        CHECK(client.n_faults == N_WANTED, "%" PRIu64 " faults instead of %d", client.n_faults, N_WANTED);
        client_free(&client);
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target did not run on");
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void test_duration(void)
{
        struct target target;
        struct client client;
        uint64_t begin_ns, end_ns;

        target_start(&target, "anon", "zero-fill", NULL);
        start_on(&client, &target, "--duration=200ms");
        CHECK(client_finish(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        begin_ns = number_of(client_find(&client, "attached"), "time_ns");
        end_ns = number_of(client_find(&client, "end"), "time_ns");
        CHECK(end_ns >= begin_ns + DURATION_NS, "ended after %" PRIu64 " ns", end_ns - begin_ns);
        CHECK(client.n_faults == 0, "the target had not begun");
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* Two targets in one trace: an end line and a ledger for each, every fault with its own pid. */
static void test_two_targets(void)
{
        struct target targets[2];
        struct client client;
        char pids[32];
        const char *args[] = {"-p", pids, NULL};
        json_t *line;
        size_t i, n_of[2] = {0, 0};

        target_start(&targets[0], "anon", "zero-fill", NULL);
        target_start(&targets[1], "anon", "flood", "1000");
        (void)snprintf(pids, sizeof(pids), "%d,%d", (int)targets[0].pid, (int)targets[1].pid);
        client_start(&client, args);
        while (client_n(&client, "attached") < 2)
                CHECK(client_read(&client), "the client ended before it was attached to both");
        target_open_gate(&targets[0]);
        target_open_gate(&targets[1]);
        client_read_until_done(&client, &targets[0]);
        client_read_until_done(&client, &targets[1]);
        CHECK(client_stop(&client) == 0, "the client failed");
        CHECK(client_n(&client, "end") == 2, "%zu end lines instead of two", client_n(&client, "end"));
        json_array_foreach(client.faults, i, line) n_of[number_of(line, "pid") == (uint64_t)targets[1].pid]++;
        CHECK(n_of[0] == target_n_expected(&targets[0]) && n_of[1] == target_n_expected(&targets[1]),
              "%zu and %zu faults", n_of[0], n_of[1]);
        json_array_foreach(client.others, i, line)
        {
                const json_t *ledger = json_object_get(line, "ledger");
                bool second = ledger && number_of(line, "pid") == (uint64_t)targets[1].pid;

                CHECK(!ledger || (number_of(ledger, "kernel") == n_of[second] &&
                                  number_of(ledger, "delivered") == n_of[second]),
                      "the ledger is wrong: %s", json_dumps(line, 0));
        }
        client_free(&client);
        CHECK(target_finish(&targets[0]) == 0 && target_finish(&targets[1]) == 0, "a target failed");
}

/* Pages that the kernel populated without a fault stand beside the ledger, not in it. */
static void test_unseen(void)
{
        struct target target;
        struct client client;
        json_t *ledger;

        target_start(&target, "anon", "populate", NULL);
        client_attach(&client, target.pid);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        ledger = check_ledger(&client);
        CHECK(number_of(ledger, "kernel") == 0 && number_of(ledger, "unseen") == N_POPULATED, "not 0 and %d: %s",
              N_POPULATED, json_dumps(ledger, 0));
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static const struct test_case cases[] = {{"exit", test_exit},     {"kill", test_kill},
                                         {"count", test_count},   {"duration", test_duration},
                                         {"unseen", test_unseen}, {"two-targets", test_two_targets}};

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: ends CASE");
        harness_begin(50);
        harness_need_full();
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
