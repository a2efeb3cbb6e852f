/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A 32-bit target: its faults with their names, its signal with registers; no stacks, and that is said. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

/* Without anybody at its gate the target runs through. */
static void need_32bit(void)
{
        const char *argv[] = {TARGETS_DIR "/target_thirtytwo", NULL};
        struct child child;

        child_start(&child, argv, NULL);
        (void)close(child.in_fd);
        child.in_fd = -1;
        if (child_wait(&child) != 0)
                skip("this kernel does not run 32-bit programs: %s", child_errors(&child));
        child_close(&child);
}

static void check_degraded(const struct client *client)
{
        json_t *line;
        size_t i, n = 0;

        json_array_foreach(client->others, i, line) if (strcmp(text_of(line, "type"), "degraded") == 0 &&
                                                        strcmp(text_of(line, "what"), "stacks") == 0)
        {
                CHECK(strstr(text_of(line, "reason"), "32-bit"), "it does not say why: %s", json_dumps(line, 0));
                n++;
        }
        CHECK(n == 1, "said %zu times that there are no stacks", n);
}

static void check_signal(const struct client *client)
{
        const json_t *line = client_find(client, "signal");

        CHECK(client_n(client, "signal") == 1, "%zu signals", client_n(client, "signal"));
        CHECK(strcmp(text_of(line, "verdict"), "null-dereference") == 0 && number_of(line, "field_bytes") == 0x18 &&
                      strcmp(text_of(json_object_get(line, "code"), "symbol"), "touch_null") == 0 &&
                      strcmp(text_of(json_object_get(line, "registers"), "rsi"), "0x3201") == 0,
              "the signal: %s", json_dumps(line, 0));
        CHECK(!json_object_get(line, "stack"), "a stack of a 32-bit program: %s", json_dumps(line, 0));
}

static void run(const char *argument)
{
        struct target target;
        struct client client;

        target_start(&target, "thirtytwo", argument, NULL);
        client_attach(&client, target.pid);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        child_release(&target.child);
        CHECK(client_finish(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        check_degraded(&client);
        if (argument)
                check_signal(&client);
        else
                compare_faults(&client, &target, COMPARE_ALL);
        client_free(&client);
        CHECK(target_finish(&target) == (argument ? 128 + SIGSEGV : 0), "the target ended otherwise");
}

int main(void)
{
        harness_begin(50);
        harness_need_full();
        need_32bit();
        run(NULL);
        run("null");
        return 0;
}
