/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* robust CASE: the engine dies, the client stops reading, the client dies. The target never notices, the ledger holds.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/harness.h"
#include "tests/support/observe.h"

#define N_FLOOD 2000000
#define N_FLOOD_TEXT "2000000"
#define N_BEFORE_CRASH 5000
#define N_EARLY_KILLS 200
#define EARLY_STEP_NS (200 * NSEC_PER_USEC) /* from one run to the next: an attach takes some 20 ms */

/* The private daemon is the client's only child, the engine the daemon's once the attach is over. */
static pid_t engine_of(const struct client *client)
{
        pid_t daemon = process_child(client->child.pid), engine;

        CHECK(daemon > 0, "the client has no daemon");
        engine = process_child(daemon);
        CHECK(engine > 0, "the daemon has no engine");
        return engine;
}

static void test_engine_killed(void)
{
        struct target target;
        struct client client;

        target_start(&target, "anon", "flood", "300000");
        client_attach(&client, target.pid);
        client.count_only = true;
        target_open_gate(&target);
        while (client.n_faults < N_BEFORE_CRASH)
                CHECK(client_read(&client), "the client ended too early");
        CHECK(kill(engine_of(&client), SIGKILL) == 0, "the engine is gone");
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        CHECK(client_n(&client, "gap") == 1, "%zu gap lines instead of one", client_n(&client, "gap"));
        CHECK(number_of(check_ledger(&client), "kernel") == target_n_expected(&target), "the ledger forgot some: %s",
              json_dumps(check_ledger(&client), 0));
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static uint64_t now_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

/* The engine, as soon as there is one, or so much later. */
static void kill_engine_after(const struct client *client, uint64_t after_ns)
{
        pid_t daemon, engine;
        uint64_t seen_ns;

        harness_doing("waiting for an engine");
        while ((daemon = process_child(client->child.pid)) == 0 ||
               (engine = process_child_named(daemon, "faultlined-eng")) == 0)
                ;
        seen_ns = now_ns();
        while (now_ns() < seen_ns + after_ns)
                ;
        CHECK(kill(engine, SIGKILL) == 0, "the engine is gone");
        harness_doing("waiting for the client to attach");
}

/* Whatever the client had asked, and whoever had read it, it is attached in the end, once. */
static void test_engine_killed_early(void)
{
        struct target target;
        char pid[16];

        target_start(&target, "anon", "zero-fill", NULL);
        (void)snprintf(pid, sizeof(pid), "%d", (int)target.pid);
        for (uint64_t i = 0; i < N_EARLY_KILLS; i++) {
                struct client client;
                int status;

                client_start(&client, (const char *[]){"-p", pid, NULL});
                kill_engine_after(&client, i * EARLY_STEP_NS);
                (void)client_wait_for(&client, "attached");
                status = client_stop(&client);
                CHECK(status == 0, "killed after %" PRIu64 " us, the client left with %d",
                      i * EARLY_STEP_NS / NSEC_PER_USEC, status);
                (void)check_ledger(&client);
                client_free(&client);
        }
        target_open_gate(&target);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* Until the process has dealt with a signal that was sent to it, and waits again. */
static void wait_until_handled(pid_t pid, int signo)
{
        char path[64], line[128];
        unsigned long long pending = ~0ULL;

        (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        harness_doing("waiting for a signal to be handled");
        while (pending & 1ULL << (signo - 1)) {
                FILE *f = fopen(path, "re");

                CHECK(f, "%s: %s", path, strerror(errno));
                while (fgets(line, sizeof(line), f))
                        (void)sscanf(line, "ShdPnd: %llx", &pending);
                (void)fclose(f);
                (void)poll(NULL, 0, 1);
        }
        process_wait_state(pid, 'S');
}

/* Ctrl-C after the engine died and before there is another: the trace ends with its ledger all the same. */
static void test_stopped_in_gap(void)
{
        struct target target;
        struct client client;
        pid_t daemon, engine;
        int status;

        target_start(&target, "anon", "flood", "300000");
        client_attach(&client, target.pid);
        client.count_only = true;
        target_open_gate(&target);
        while (client.n_faults < N_BEFORE_CRASH)
                CHECK(client_read(&client), "the client ended too early");
        daemon = process_child(client.child.pid);
        engine = engine_of(&client);
        CHECK(kill(daemon, SIGSTOP) == 0 && kill(engine, SIGKILL) == 0, "daemon or engine is gone");
        client_read_until_done(&client, &target);
        CHECK(kill(client.child.pid, SIGINT) == 0, "the client is gone");
        wait_until_handled(client.child.pid, SIGINT);
        CHECK(kill(daemon, SIGCONT) == 0, "the daemon is gone");
        status = client_finish(&client);
        CHECK(status == 0, "the exit status is %d, not 0", status);
        CHECK(number_of(check_ledger(&client), "kernel") == target_n_expected(&target), "the ledger forgot some: %s",
              json_dumps(check_ledger(&client), 0));
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* The target finishes while its watcher stands still: nobody waits for a client. */
static void test_client_stopped(void)
{
        struct target target;
        struct client client;
        json_t *ledger;

        target_start(&target, "anon", "flood", N_FLOOD_TEXT);
        client_attach(&client, target.pid);
        client.count_only = true;
        target_run_unread(&target, client.child.pid);
        CHECK(client_stop(&client) == 0, "the client failed");
        ledger = check_ledger(&client);
        CHECK(number_of(ledger, "kernel") == N_FLOOD && number_of(ledger, "lost_kernel") == 0, "lost: %s",
              json_dumps(ledger, 0));
        CHECK(number_of(ledger, "dropped_client") > 0 && client_n(&client, "drops") > 0, "nothing was dropped: %s",
              json_dumps(ledger, 0));
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void test_client_killed(void)
{
        struct target target;
        struct client client;

        target_start(&target, "anon", "flood", "300000");
        client_attach(&client, target.pid);
        client.count_only = true;
        target_open_gate(&target);
        while (client.n_faults < N_BEFORE_CRASH)
                CHECK(client_read(&client), "the client ended too early");
        CHECK(kill(client.child.pid, SIGKILL) == 0 && child_wait(&client.child) == 128 + SIGKILL, "killing the client");
        harness_doing("waiting for the target after the client died");
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* sched_getscheduler(2) says SCHED_RESET_ON_FORK too. */
static int policy_of(pid_t tid)
{
        return sched_getscheduler(tid) & ~SCHED_RESET_ON_FORK;
}

static bool may_be_real_time(void)
{
        const struct sched_param lowest = {.sched_priority = 1};
        pid_t pid = fork();
        int status;

        if (pid == 0)
                _exit(sched_setscheduler(0, SCHED_RR, &lowest) < 0);
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid, "a child that tries");
        return status == 0;
}

static size_t check_workers(pid_t engine)
{
        char path[64];
        size_t n = 0;
        struct dirent *entry;
        DIR *tasks;

        (void)snprintf(path, sizeof(path), "/proc/%d/task", engine);
        tasks = opendir(path);
        CHECK(tasks, "%s", path);
        while ((entry = readdir(tasks))) {
                pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

                if (tid == 0 || tid == engine)
                        continue;
                CHECK(policy_of(tid) == SCHED_OTHER, "worker %d has policy %d", tid, policy_of(tid));
                n++;
        }
        (void)closedir(tasks);
        return n;
}

/* Who reads the rings comes first, and only that thread; a user who chose otherwise has the say. */
static void test_urgency(void)
{
        struct target target;
        struct client client;

        if (!may_be_real_time())
                skip("this user may not have real-time threads (CAP_SYS_NICE)");
        for (int nice_value = 0; nice_value <= 5; nice_value += 5) {
                CHECK(setpriority(PRIO_PROCESS, 0, nice_value) == 0, "nice %d", nice_value);
                target_start(&target, "anon", "flood", "1000");
                client_attach(&client, target.pid);
                CHECK(policy_of(engine_of(&client)) == (nice_value == 0 ? SCHED_RR : SCHED_OTHER),
                      "at nice %d the engine has policy %d", nice_value, policy_of(engine_of(&client)));
                CHECK(getpriority(PRIO_PROCESS, (id_t)engine_of(&client)) == nice_value, "its nice value changed");
                CHECK(check_workers(engine_of(&client)) > 0, "it has no workers");
                target_open_gate(&target);
                client_read_until_done(&client, &target);
                CHECK(client_stop(&client) == 0, "the client failed");
                client_free(&client);
                CHECK(target_finish(&target) == 0, "the target failed");
        }
}

static const struct test_case cases[] = {
        {"engine-killed", test_engine_killed},   {"engine-killed-early", test_engine_killed_early},
        {"stopped-in-gap", test_stopped_in_gap}, {"client-stopped", test_client_stopped},
        {"client-killed", test_client_killed},   {"urgency", test_urgency}};

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: robust CASE");
        harness_begin(80);
        harness_need_full();
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
