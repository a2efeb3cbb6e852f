/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * service CASE: a daemon with privileges that everyone may connect to, and clients without any. What an ordinary user
 * may trace he gets in full detail, without the page frames and kernel addresses that are none of his business; what he
 * may not is refused with one line and no trace.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

#define OTHER_USER 65533

static void serve(struct daemon *daemon)
{
        daemon_start(daemon, NULL);
        daemon_open_to_all(daemon);
}

static void check_detail(const struct client *client)
{
        json_t *attached = client_find(client, "attached");

        CHECK(strcmp(text_of(attached, "detail"), "full") == 0, "not at full detail: %s", json_dumps(attached, 0));
}

static void check_hidden(const struct client *client)
{
        json_t *fault;
        size_t i;

        json_array_foreach(client->faults, i, fault)
        {
                bool in_kernel = strcmp(text_of(fault, "mode"), "kernel") == 0;

                CHECK(!json_object_get(fault, "frame") && !json_object_get(fault, "frame_before"),
                      "a page frame is shown to an ordinary user: %s", json_dumps(fault, 0));
                CHECK(!json_object_get(fault, "ip") == in_kernel, "the wrong instruction addresses are hidden: %s",
                      json_dumps(fault, 0));
        }
}

/* Everything that a fault has, but for frames. */
#define HIDDEN_FIELDS (COMPARE_CAUSE | COMPARE_ACCESS | COMPARE_OUTCOME | COMPARE_NAMES)

static void trace_own(const char *name, const char *which)
{
        struct daemon daemon;
        struct target target;
        struct client client;

        serve(&daemon);
        target_start_as(&target, NOBODY, name, which, NULL);
        client_attach_as(&client, NOBODY, target.pid, &daemon);
        check_detail(&client);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        check_hidden(&client);
        compare_faults(&client, &target, HIDDEN_FIELDS);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
}

static void test_own(void)
{
        trace_own("anon", "zero-fill");
}

static void test_system_call(void)
{
        trace_own("syscall", "read");
}

static void refuse(const struct daemon *daemon, const char *what, pid_t pid)
{
        CLEANUP_FREE char *option = daemon_option(daemon);
        char number[16];
        const char *args[] = {"-p", number, option, NULL};
        struct client client;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        client_start_as(&client, NOBODY, args);
        check_refused(&client, what, number);
        client_free(&client);
}

static void test_other(void)
{
        struct daemon daemon;
        struct target targets[2];

        serve(&daemon);
        target_start(&targets[0], "anon", "zero-fill", NULL);
        target_start_as(&targets[1], OTHER_USER, "anon", "zero-fill", NULL);
        refuse(&daemon, "a process of root", targets[0].pid);
        refuse(&daemon, "a process of another user", targets[1].pid);
        refuse(&daemon, "the service itself", daemon.child.pid);
        refuse(&daemon, "init", 1);
        for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
                CHECK(target_finish(&targets[i]) == 0, "target %zu failed", i);
        daemon_stop(&daemon);
}

/* Each with a process of his own, at the same time. */
static void test_two_users(void)
{
        static const uid_t uids[] = {NOBODY, OTHER_USER};
        struct client clients[ARRAY_SIZE(uids)];
        struct target targets[ARRAY_SIZE(uids)];
        struct client *const each[] = {&clients[0], &clients[1]};
        struct daemon daemon;

        serve(&daemon);
        for (size_t i = 0; i < ARRAY_SIZE(uids); i++) {
                target_start_as(&targets[i], uids[i], "anon", "flood", "5000");
                client_attach_as(&clients[i], uids[i], targets[i].pid, &daemon);
        }
        for (size_t i = 0; i < ARRAY_SIZE(uids); i++)
                target_open_gate(&targets[i]);
        for (size_t i = 0; i < ARRAY_SIZE(uids); i++)
                clients_read_until_done(each, ARRAY_SIZE(uids), &targets[i]);
        clients_stop(each, ARRAY_SIZE(uids));
        for (size_t i = 0; i < ARRAY_SIZE(uids); i++) {
                check_nothing_missing(&clients[i]);
                check_hidden(&clients[i]);
                compare_faults(&clients[i], &targets[i], HIDDEN_FIELDS);
                client_free(&clients[i]);
                CHECK(target_finish(&targets[i]) == 0, "target %zu failed", i);
        }
        daemon_stop(&daemon);
}

/* The service is told to end while it traces: the client says so and leaves, the target runs on. */
static void test_terminated(void)
{
        struct daemon daemon;
        struct target target;
        struct client client;
        CLEANUP_FREE char *errors = NULL;
        int status;

        serve(&daemon);
        target_start_as(&target, NOBODY, "anon", "flood", "300000");
        client_attach_as(&client, NOBODY, target.pid, &daemon);
        client.count_only = true;
        target_open_gate(&target);
        harness_doing("reading the first faults");
        while (client.n_faults < 1000)
                CHECK(client_read(&client), "the client ended too early");
        daemon_stop(&daemon);
        status = client_finish(&client);
        errors = child_errors(&client.child);
        printf("exit status %d: %s", status, errors);
        if (client_find(&client, "end"))
                (void)check_ledger(&client);
        else
                CHECK(status == 1 && strchr(errors, '\n') == errors + strlen(errors) - 1,
                      "no ledger, and not one clear line with exit status 1 (%d): %s", status, errors);
        client_free(&client);
        harness_doing("waiting for the target after the service ended");
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target did not run on");
        CHECK(target_finish(&target) == 0, "the target failed");
}

static const struct test_case cases[] = {{"own", test_own},
                                         {"system-call", test_system_call},
                                         {"other", test_other},
                                         {"two-users", test_two_users},
                                         {"terminated", test_terminated}};

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: service CASE");
        harness_begin(50);
        harness_need_full();
        harness_need_reachable(NOBODY);
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
