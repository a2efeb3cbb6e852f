/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An ordinary user, a process of his own, no service: less detail, each lack with its reason, and still every fault of
 * user mode.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

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

        harness_begin(30);
        harness_need_root();
        if (paranoid() > 2)
                skip("perf_event_paranoid is %d", paranoid());
        harness_need_reachable(NOBODY);
        target_start_as(&target, NOBODY, "anon", "zero-fill", NULL);
        client_attach_as(&client, NOBODY, target.pid, NULL);
        CHECK(strcmp(text_of(client_find(&client, "attached"), "detail"), "unprivileged") == 0,
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
