/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * refusing WHAT: a kernel that refuses something (tests/support/refuse.c). The trace says what it lacks and goes on
 * with what is left, every fault is still there; where nothing is left, one line says what to do.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

static const struct refusal {
        const char *what;
        const char *target, *which;
        const char *degraded; /* a "degraded" line with this word; NULL: nothing is lacking to the user */
        unsigned int fields;  /* what is still exact */
} refusals[] = {
        {"tracefs", "anon", "zero-fill", "tracepoints", COMPARE_OUTCOME | COMPARE_NAMES | COMPARE_CAUSE},
        {"physical", "anon", "zero-fill", "frames", COMPARE_OUTCOME | COMPARE_NAMES | COMPARE_CAUSE | COMPARE_ACCESS},
        {"lost", "anon", "zero-fill", "lost-count", COMPARE_ALL},
        {"kernel", "anon", "zero-fill", "kernel-mode", COMPARE_OUTCOME | COMPARE_NAMES},
        {"procmap", "maps", "many", NULL, COMPARE_ALL},
        {"ptrace", "threads", "existing", "barrier", COMPARE_ALL},
};

static bool said(const struct client *client, const char *what)
{
        json_t *line;
        size_t i;

        json_array_foreach(client->others, i, line)
        {
                if (strcmp(text_of(line, "type"), "degraded") == 0 && strcmp(text_of(line, "what"), what) == 0)
                        return *text_of(line, "reason");
        }
        return false;
}

static void show_degraded(const struct client *client)
{
        json_t *line;
        size_t i;

        json_array_foreach(client->others, i, line)
        {
                if (strcmp(text_of(line, "type"), "degraded") == 0)
                        printf("%s: %s\n", text_of(line, "what"), text_of(line, "reason"));
        }
}

static void test_refusal(const struct refusal *refusal)
{
        struct target target;
        struct client client;

        target_start(&target, refusal->target, refusal->which, NULL);
        CHECK(setenv("LD_PRELOAD", REFUSE_PATH, 1) == 0, "setenv");
        client_attach(&client, target.pid);
        CHECK(unsetenv("LD_PRELOAD") == 0, "unsetenv");
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        show_degraded(&client);
        if (refusal->degraded)
                CHECK(said(&client, refusal->degraded), "nothing said about %s", refusal->degraded);
        else
                CHECK(!client_find(&client, "degraded"), "says that something is lacking");
        check_nothing_missing(&client);
        compare_faults(&client, &target, refusal->fields);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* As perf_event_paranoid 3 and a container do. */
static void test_no_perf(void)
{
        struct target target;
        struct client client;
        CLEANUP_FREE char *errors = NULL;
        char pid[16];
        const char *args[] = {"-p", pid, NULL};

        target_start(&target, "anon", "zero-fill", NULL);
        (void)snprintf(pid, sizeof(pid), "%d", (int)target.pid);
        CHECK(setenv("LD_PRELOAD", REFUSE_PATH, 1) == 0, "setenv");
        client_start(&client, args);
        CHECK(client_finish(&client) == 1, "the exit status is not 1");
        errors = child_errors(&client.child);
        printf("%s", errors);
        CHECK(strstr(errors, "perf_event_paranoid"), "the sysctl is not named: %s", errors);
        CHECK(strchr(errors, '\n') == errors + strlen(errors) - 1, "not one line: %s", errors);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: refusing WHAT");
        harness_begin(60);
        harness_need_full();
        CHECK(setenv("FAULTLINE_TEST_REFUSE", argv[1], 1) == 0, "setenv");
        if (strcmp(argv[1], "perf") == 0) {
                test_no_perf();
                return 0;
        }
        for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
                if (strcmp(refusals[i].what, argv[1]) == 0) {
                        test_refusal(&refusals[i]);
                        return 0;
                }
        fail("no refusal %s", argv[1]);
}
