/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tracing_unmaps WHO: --unmaps. The story of a use after unmap says which thread unmapped the memory, in which code and
 * when; what is mapped there since is not taken for what was there before, and that is known although nobody can be
 * asked: the target dies of it. Who may not have it is told so, and what it would cost, and gets the story without a
 * doer.
 *
 *   root     everything
 *   without  root, who does not ask for it
 *   nobody   through a service
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/harness.h"

#define N_PAGES 32
#define N_REUSED 16
#define PAGE_BYTES 4096

static const struct who {
        const char *name;
        uid_t uid;
        bool asks, sees;
} whos[] = {{"root", 0, true, true}, {"without", 0, false, false}, {"nobody", NOBODY, true, false}};

static void check_degraded(const struct client *client, const struct who *who)
{
        const json_t *line = client_find_degraded(client, "unmaps");

        CHECK((line != NULL) == (who->asks && !who->sees), "unmaps are lacking: %s",
              line ? json_dumps(line, 0) : "no line");
        CHECK(!line || strstr(text_of(line, "reason"), "tax every process"), "no price: %s", json_dumps(line, 0));
}

/* Which map each fault in the area hit: the old one once in each page, then the new one. */
static void check_faults(const struct client *client, const json_t *expected, bool reused)
{
        uint64_t start = address_of(expected, "start"), end = address_of(expected, "end");
        size_t n_old = 0, n_new = 0, i;
        json_t *fault;

        json_array_foreach(client->faults, i, fault)
        {
                const json_t *map = json_object_get(fault, "map");
                uint64_t addr = address_of(fault, "addr");
                bool is_new = n_old == N_PAGES;

                if (addr < start || addr >= end || strcmp(text_of(fault, "outcome"), "failed") == 0)
                        continue;
                CHECK(map && address_of(map, "start") == start &&
                              strcmp(text_of(map, "perms"), is_new ? "rw-s" : "rw-p") == 0 &&
                              address_of(map, "end") == address_of(expected, is_new ? "reused_end" : "end"),
                      "not the map that was there: %s", json_dumps(fault, 0));
                CHECK(strcmp(text_of(fault, "cause"), is_new ? "shmem" : "zero-fill") == 0, "another cause: %s",
                      json_dumps(fault, 0));
                n_new += is_new;
                n_old += !is_new;
        }
        CHECK(n_old == N_PAGES && n_new == (reused ? N_REUSED : 0), "%zu and %zu faults", n_old, n_new);
}

static void check_doer(const json_t *signal, const json_t *expected, const struct who *who)
{
        const json_t *earlier = json_object_get(signal, "earlier");

        CHECK(earlier && address_of(earlier, "end") == address_of(expected, "end"), "earlier: %s",
              json_dumps(signal, 0));
        if (!who->sees) {
                CHECK(!json_object_get(earlier, "tid") && !json_object_get(earlier, "code") &&
                              !json_object_get(earlier, "time_ns"),
                      "nobody saw who it was: %s", json_dumps(signal, 0));
                CHECK(strcmp(text_of(signal, "evidence"), "inferred") == 0, "evidence: %s", json_dumps(signal, 0));
                return;
        }
        CHECK(strcmp(text_of(signal, "evidence"), "measured") == 0, "evidence: %s", json_dumps(signal, 0));
        CHECK(number_of(earlier, "tid") == number_of(expected, "tid"), "another thread than %" PRIu64 ": %s",
              number_of(expected, "tid"), json_dumps(signal, 0));
        CHECK(strcmp(text_of(json_object_get(earlier, "code"), "symbol"), text_of(expected, "code")) == 0,
              "other code: %s", json_dumps(signal, 0));
        CHECK(number_of(earlier, "time_ns") < number_of(signal, "time_ns"), "later: %s", json_dumps(signal, 0));
}

static void run(const struct who *who, const char *which)
{
        CLEANUP_FREE char *socket_option = NULL;
        char pid[16];
        const char *args[] = {"--ptrace=hold", "-p", pid, NULL, NULL, NULL};
        struct daemon daemon;
        struct target target;
        struct client client;
        const json_t *signal, *expected;

        daemon_start(&daemon, NULL);
        daemon_open_to_all(&daemon);
        args[3] = socket_option = daemon_option(&daemon);
        args[4] = who->asks ? "--unmaps" : NULL;
        target_start_as(&target, who->uid, "unmaps", which, NULL);
        expected = json_array_get(target.expected, 0);
        (void)snprintf(pid, sizeof(pid), "%d", (int)target.pid);
        client_start_as(&client, who->uid, args);
        CHECK(strcmp(text_of(client_wait_for(&client, "attached"), "ptrace"), "hold") == 0, "the target is not held");
        target_open_gate(&target);
        CHECK(client_finish(&client) == 0, "the client failed");
        CHECK(client_n(&client, "signal") == 1, "%zu signals", client_n(&client, "signal"));
        signal = client_find(&client, "signal");
        CHECK(strcmp(text_of(signal, "verdict"), "use-after-unmap") == 0 &&
                      address_of(signal, "addr") == address_of(expected, "addr"),
              "another story: %s", json_dumps(signal, 0));
        check_doer(signal, expected, who);
        check_degraded(&client, who);
        check_faults(&client, expected, strcmp(which, "reused") == 0);
        check_nothing_missing(&client);
        CHECK(target_finish(&target) == 128 + SIGSEGV, "the target did not die of it");
        client_free(&client);
        daemon_stop(&daemon);
}

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: tracing_unmaps WHO");
        harness_begin(50);
        harness_need_full();
        harness_need_reachable(NOBODY);
        CHECK(setrlimit(RLIMIT_CORE, &(struct rlimit){0}) == 0, "setrlimit");
        for (size_t i = 0; i < ARRAY_SIZE(whos); i++)
                if (strcmp(whos[i].name, argv[1]) == 0) {
                        run(&whos[i], "gone");
                        run(&whos[i], "reused");
                        return 0;
                }
        fail("no case %s", argv[1]);
}
