/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * follow CASE MODE: a target and what descends from it. In the areas that the target announced every fault is there
 * once, of the process that made it and in the map that this process had there; of all faults the number is that of a
 * counting event which the kernel hands down to the same processes.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"
#include "tests/support/observe.h"

#define MAX_PROCESSES 16
#define ENGINE_NAME "faultlined-eng"
#define N_EARLY 2 /* early-and-late: expectations that come true before the first "done" */

struct process {
        char name[16];
        pid_t pid, parent;
};

static struct process processes[MAX_PROCESSES];
static size_t n_processes;

static void read_processes(struct target *target)
{
        struct process *p;
        char *line;

        processes[n_processes++] = (struct process){.name = "self", .pid = target->pid};
        while ((line = lines_next(&target->child.out))) {
                CHECK(n_processes < MAX_PROCESSES, "too many processes");
                p = &processes[n_processes];
                CHECK(sscanf(line, "who %15s %d %d", p->name, &p->pid, &p->parent) == 3, "the target says: %s", line);
                if (strcmp(p->name, "end") == 0)
                        return;
                n_processes++;
        }
        fail("the target did not say who its processes are");
}

static const char *name_of(pid_t pid)
{
        for (size_t i = 0; i < n_processes; i++)
                if (processes[i].pid == pid)
                        return processes[i].name;
        fail("a fault of process %d, which is none of the target's", (int)pid);
}

/* The fault lies in an announced area; the expectation of this process for it, or NULL. */
static json_t *find_expectation(const json_t *expected, uint64_t addr, const char *who, bool *ret_in_area)
{
        json_t *e, *found = NULL;
        size_t i;

        *ret_in_area = false;
        json_array_foreach((json_t *)(uintptr_t)expected, i, e)
        {
                uint64_t start = address_of(e, "addr"), end = start + number_of(e, "n") * number_of(e, "stride");

                if (addr < start || addr >= end)
                        continue;
                *ret_in_area = true;
                if (strcmp(text_of(e, "who"), who) == 0)
                        found = e;
        }
        return found;
}

static void check_fault(const json_t *fault, json_t *e)
{
        const json_t *map = json_object_get(fault, "map");
        uint64_t addr = address_of(fault, "addr"), index = (addr - address_of(e, "addr")) / number_of(e, "stride");
        char key[32];

        CHECK(strcmp(text_of(fault, "cause"), text_of(e, "cause")) == 0 &&
                      strcmp(text_of(fault, "access"), text_of(e, "access")) == 0,
              "not %s: %s", json_dumps(e, 0), json_dumps(fault, 0));
        CHECK(map && address_of(map, "start") <= addr && addr < address_of(map, "end") &&
                      strcmp(text_of(map, "path"), text_of(e, "path")) == 0,
              "not in the map of its process (%s): %s", text_of(e, "path"), json_dumps(fault, 0));
        (void)snprintf(key, sizeof(key), "seen %" PRIu64, index);
        CHECK(!json_object_get(e, key), "twice: %s", json_dumps(fault, 0));
        json_object_set_new(e, key, json_true());
}

static void check_faults(const struct client *client, const struct target *target)
{
        uint64_t n_expected = 0, n_seen = 0;
        json_t *fault, *e;
        size_t i;

        json_array_foreach(target->expected, i, e) n_expected += number_of(e, "n");
        json_array_foreach(client->faults, i, fault)
        {
                bool in_area;

                e = find_expectation(target->expected, address_of(fault, "addr"),
                                     name_of((pid_t)number_of(fault, "pid")), &in_area);
                CHECK(!in_area || e, "a fault of another process than announced: %s", json_dumps(fault, 0));
                if (!e)
                        continue;
                check_fault(fault, e);
                n_seen++;
        }
        CHECK(n_seen == n_expected, "%" PRIu64 " of %" PRIu64 " announced faults", n_seen, n_expected);
}

static const json_t *find_life(const struct client *client, const char *kind, pid_t pid)
{
        json_t *line, *found = NULL;
        size_t i;

        json_array_foreach(client->others, i, line) if (strcmp(text_of(line, "type"), "life") == 0 &&
                                                        strcmp(text_of(line, "kind"), kind) == 0 &&
                                                        number_of(line, "pid") == (uint64_t)pid &&
                                                        number_of(line, "tid") == (uint64_t)pid)
        {
                CHECK(!found, "twice: %s", json_dumps(line, 0));
                found = line;
        }
        return found;
}

/* Every birth and every end once; how it ended, where somebody held it. */
static void check_lives(const struct client *client, const char *mode)
{
        bool held = strcmp(mode, "hold") == 0;

        for (size_t i = 0; i < n_processes; i++) {
                const struct process *p = &processes[i];
                const json_t *born = find_life(client, "fork", p->pid), *ended = find_life(client, "exit", p->pid);

                CHECK(!p->parent == !born, "the birth of %s", p->name);
                CHECK(!born || number_of(born, "parent") == (uint64_t)p->parent, "another parent: %s",
                      json_dumps(born, 0));
                CHECK(ended, "the end of %s", p->name);
                CHECK(!!json_object_get(ended, "status") == held, "the end of %s: %s", p->name, json_dumps(ended, 0));
                CHECK(!held || number_of(ended, "status") == 0, "the end of %s: %s", p->name, json_dumps(ended, 0));
        }
}

static void check_end(const struct client *client, uint64_t counted)
{
        json_t *ledger;

        CHECK(strcmp(text_of(client_find(client, "end"), "reason"), "exited") == 0, "the end: %s",
              json_dumps(client_find(client, "end"), 0));
        check_nothing_missing(client);
        ledger = check_ledger(client);
        CHECK(number_of(ledger, "kernel") == counted, "a counter says %" PRIu64 ": %s", counted, json_dumps(ledger, 0));
}

/* The fault lies in an area that was announced, for whichever process. */
static bool is_announced(const json_t *expected, const json_t *fault)
{
        bool in_area;

        (void)find_expectation(expected, address_of(fault, "addr"), "", &in_area);
        return in_area;
}

/* Until there are all faults of the first so many expectations, which are the first to happen. */
static void read_announced(struct client *client, const struct target *target, size_t n_expectations)
{
        uint64_t n_expected = 0;

        for (size_t i = 0; i < n_expectations; i++)
                n_expected += number_of(json_array_get(target->expected, i), "n");
        harness_doing("waiting for the announced faults");
        for (size_t i = 0; n_expected > 0; i++) {
                while (json_array_size(client->faults) == i)
                        CHECK(client_read(client), "%" PRIu64 " announced faults are missing", n_expected);
                n_expected -= is_announced(target->expected, json_array_get(client->faults, i));
        }
}

static void kill_engine(const struct client *client)
{
        pid_t daemon = process_child(client->child.pid), engine = daemon ? process_child_named(daemon, ENGINE_NAME) : 0;

        CHECK(engine > 0 && kill(engine, SIGKILL) == 0, "there is no engine");
}

/* Nothing happens at the moment when the engine dies; what follows is its successor's. */
static void run_to_done(struct client *client, struct target *target, const char *which)
{
        size_t n_gaps = strcmp(which, "early-and-late") == 0;

        target_open_gate(target);
        client_read_until_done(client, target);
        if (n_gaps) {
                read_announced(client, target, N_EARLY);
                kill_engine(client);
                child_release(&target->child);
                client_read_until_done(client, target);
        }
        /* As long as all live, what they have and what they share can be found out even where nobody held them. */
        if (n_gaps || strcmp(which, "sharing") == 0)
                read_announced(client, target, json_array_size(target->expected));
        child_release(&target->child);
        read_processes(target);
        /* The last process ends, and the trace with it. */
        CHECK(client_finish(client) == 0, "the client failed");
        CHECK(client_n(client, "gap") == n_gaps, "%zu gap lines", client_n(client, "gap"));
}

int main(int argc, char **argv)
{
        char option[32], pid[16];
        const char *args[] = {"--follow", option, "-p", pid, NULL};
        struct target target;
        struct client client;
        struct counter counter;

        CHECK(argc == 3, "usage: follow CASE MODE");
        harness_begin(50);
        harness_need_full();
        target_start(&target, "follow", argv[1], NULL);
        (void)snprintf(option, sizeof(option), "--ptrace=%s", argv[2]);
        (void)snprintf(pid, sizeof(pid), "%d", (int)target.pid);
        counter_open(&counter, target.pid);
        client_start(&client, args);
        CHECK(strcmp(text_of(client_wait_for(&client, "attached"), "ptrace"), argv[2]) == 0, "not as asked for: %s",
              json_dumps(client_find(&client, "attached"), 0));
        run_to_done(&client, &target, argv[1]);
        check_faults(&client, &target);
        check_lives(&client, argv[2]);
        check_end(&client, counter_read(&counter));
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        return 0;
}
