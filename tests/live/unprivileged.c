/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An ordinary user, a process of his own, no service: less detail, each lack with its reason, and still every fault of
 * user mode.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

#define NOBODY 65534

static int paranoid(void)
{
        int level = -1;
        FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "re");

        if (f) {
                if (fscanf(f, "%d", &level) != 1)
                        level = -1;
                (void)fclose(f);
        }
        return level;
}

static void need_reachable_programs(void)
{
        const char *argv[] = {FAULTLINE_PATH, "--version", NULL};
        struct child child;

        child_start(&child, argv, &(struct child_options){.uid = NOBODY});
        if (child_wait(&child) != 0)
                skip("uid %d cannot execute %s", NOBODY, FAULTLINE_PATH);
        child_close(&child);
}

static void check_degraded(const struct client *client)
{
        json_t *line;
        size_t i;

        CHECK(client_find(client, "degraded"), "nothing said about what is missing");
        json_array_foreach(client->others, i, line)
        {
                if (strcmp(text_of(line, "type"), "degraded") == 0)
                        CHECK(*text_of(line, "what") && *text_of(line, "reason"), "says nothing: %s",
                              json_dumps(line, 0));
        }
}

int main(void)
{
        struct target target;
        struct client client;
        char pid[16];
        const char *args[] = {"-p", pid, NULL};

        harness_begin(30);
        harness_need_root();
        if (paranoid() > 2)
                skip("perf_event_paranoid is %d", paranoid());
        need_reachable_programs();
        target_start_as(&target, NOBODY, "anon", "zero-fill", NULL);
        (void)snprintf(pid, sizeof(pid), "%d", (int)target.pid);
        client_start_as(&client, NOBODY, args);
        CHECK(strcmp(text_of(client_wait_for(&client, "attached"), "detail"), "unprivileged") == 0,
              "not the unprivileged detail: %s", json_dumps(client_find(&client, "attached"), 0));
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_degraded(&client);
        check_nothing_missing(&client);
        compare_faults(&client, &target, COMPARE_OUTCOME | COMPARE_NAMES);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        return 0;
}
