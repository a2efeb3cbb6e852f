/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * causes TARGET CASE [ARGUMENT]: attach to a target that waits, let it do what it announced, and compare all that the
 * client said with it. No fault may be missing, none may be there that was not announced.
 */
#include <inttypes.h>
#include <string.h>

#include "tests/support/harness.h"

/* A thread that a busy machine does not stop within the bound is no fault of the trace: this target waits at its gate.
 */
static bool is_late_barrier(const json_t *line)
{
        return strcmp(text_of(line, "type"), "degraded") == 0 && strcmp(text_of(line, "what"), "barrier") == 0;
}

/* Everything is known on this machine, and everything worked. */
static void check_no_trouble(const struct client *client)
{
        static const char *const usual[] = {"attached", "life", "signal", "end"};
        json_t *line;
        size_t i;

        json_array_foreach(client->others, i, line)
        {
                bool fine = is_late_barrier(line);

                for (size_t k = 0; k < ARRAY_SIZE(usual); k++)
                        fine |= strcmp(text_of(line, "type"), usual[k]) == 0;
                CHECK(fine, "unexpected line: %s", json_dumps(line, 0));
        }
}

static void check_counts(const struct client *client, const struct target *target)
{
        json_t *ledger = check_ledger(client);

        check_nothing_missing(client);
        CHECK(number_of(ledger, "kernel") == target_n_expected(target), "the target announced %zu faults: %s",
              target_n_expected(target), json_dumps(ledger, 0));
}

int main(int argc, char **argv)
{
        struct target target;
        struct client client;
        int status;

        CHECK(argc == 3 || argc == 4, "usage: causes TARGET CASE [ARGUMENT]");
        harness_begin(50);
        harness_need_full();
        target_start(&target, argv[1], argv[2], argc > 3 ? argv[3] : NULL);
        client_attach(&client, target.pid);
        CHECK(strcmp(text_of(client_find(&client, "attached"), "detail"), "full") == 0, "not at full detail: %s",
              json_dumps(client_find(&client, "attached"), 0));
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        status = client_stop(&client);
        CHECK(status == 0, "the client's exit status is %d", status);
        compare_faults(&client, &target, COMPARE_ALL);
        check_counts(&client, &target);
        check_no_trouble(&client);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed after the trace");
        return 0;
}
