/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * images truncated|rubbish: mapped files that are no images any more, or never were. The daemon reads them while the
 * target uses them; it may find no names, but it finds every fault, and it lives to serve the next client.
 */
#include <string.h>

#include "tests/support/harness.h"

#define FIELDS (COMPARE_CAUSE | COMPARE_ACCESS | COMPARE_OUTCOME | COMPARE_NAMES)
#define N_BEFORE 9 /* faults that the target takes before it truncates its file */

static void finish(struct client *client, struct target *target)
{
        CHECK(client_stop(client) == 0, "the client failed");
        check_nothing_missing(client);
        compare_faults(client, target, FIELDS);
        CHECK(client_n(client, "gap") == 0, "an engine died");
        client_free(client);
        CHECK(target_finish(target) == 0, "the target failed");
}

static void test_truncated(const struct daemon *daemon)
{
        struct target target;
        struct client client;

        target_start(&target, "images", "truncated", NULL);
        client_attach_as(&client, 0, target.pid, daemon);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        harness_doing("waiting for the faults of the whole file");
        while (client.n_faults < N_BEFORE)
                CHECK(client_read(&client), "the client ended too early");
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        finish(&client, &target);
}

static void test_rubbish(const struct daemon *daemon)
{
        struct target target;
        struct client client;

        target_start(&target, "images", "rubbish", NULL);
        client_attach_as(&client, 0, target.pid, daemon);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        finish(&client, &target);
}

int main(int argc, char **argv)
{
        struct daemon daemon;
        bool rubbish;

        CHECK(argc == 2, "usage: images truncated|rubbish");
        rubbish = strcmp(argv[1], "rubbish") == 0;
        harness_begin(50);
        harness_need_full();
        daemon_start(&daemon, NULL);
        for (size_t i = 0; i < 2; i++)
                if (rubbish)
                        test_rubbish(&daemon);
                else
                        test_truncated(&daemon);
        daemon_stop(&daemon);
        return 0;
}
