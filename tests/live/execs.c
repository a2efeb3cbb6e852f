/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * execs MODE: attach, again and again, to a process that executes programs all the time, every other one from a thread
 * that takes the leader's place. While that goes on neither the leader nor that thread can be had; the process lives
 * all the same, so none of the attaches may be refused, and each trace is of the process that there is then.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

#define N_ATTACHES 50

static void attach_once(const struct target *target, const struct daemon *daemon, const char *mode)
{
        CLEANUP_FREE char *socket_option = daemon_option(daemon);
        char mode_option[32], pid[16];
        const char *args[] = {socket_option, "-p", pid, mode_option, NULL};
        struct client client;
        int status;

        (void)snprintf(pid, sizeof(pid), "%d", (int)target->pid);
        (void)snprintf(mode_option, sizeof(mode_option), "--ptrace=%s", mode);
        if (strcmp(mode, "auto") == 0)
                args[3] = NULL;
        client_start(&client, args);
        harness_watch(&client.child);
        client.count_only = true;
        (void)client_wait_for(&client, "attached");
        while (client.n_faults == 0)
                CHECK(client_read(&client), "the client ended before the first fault of a new program, after %s",
                      json_dumps(client.others, 0));
        status = client_stop(&client);
        CHECK(status == 0, "the exit status is %d, not 0", status);
        CHECK(strcmp(text_of(client_find(&client, "end"), "reason"), "stopped") == 0, "it ended: %s",
              json_dumps(client_find(&client, "end"), 0));
        (void)check_ledger(&client);
        client_free(&client);
}

int main(int argc, char **argv)
{
        struct target target;
        struct daemon daemon;
        const char *line;

        CHECK(argc == 2, "usage: execs MODE");
        harness_begin(180); /* 50 attaches, each retried for up to a second or two beside other work */
        harness_need_full();
        target_start(&target, "steadfast", "execing", NULL);
        daemon_start(&daemon, NULL);
        for (int i = 0; i < N_ATTACHES; i++)
                attach_once(&target, &daemon, argv[1]);
        daemon_stop(&daemon);
        child_release(&target.child);
        harness_doing("asking the target");
        line = lines_next(&target.child.out);
        CHECK(line && strstr(line, "\"verdict\":\"unchanged\""), "the target says: %s", line ? line : "nothing");
        (void)target_finish(&target);
        return 0;
}
