/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * together private|service|details: several clients watch one target at once, through a private daemon each, through
 * one service, or through one service at different levels of detail. Each of them gets every fault and an exact ledger,
 * although the kernel, where several observers have the same software event, writes what it prepared for the first of
 * them (id, time) into the records of the others.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

#define N_CLIENTS 2
#define N_FLOOD "10000"

/* Basic detail has no error code: what was accessed is not known, and every cause but that follows from frames. */
static const unsigned int basic_fields = COMPARE_OUTCOME | COMPARE_NAMES;

static void start_at(struct client *client, const struct target *target, const struct daemon *daemon,
                     const char *detail)
{
        CLEANUP_FREE char *option = daemon_option(daemon);
        char pid[16];
        const char *args[] = {"-p", pid, option, detail, NULL};

        (void)snprintf(pid, sizeof(pid), "%d", (int)target->pid);
        client_start(client, args);
        (void)client_wait_for(client, "attached");
}

static void check_client(struct client *client, const struct target *target, unsigned int fields)
{
        harness_watch(&client->child);
        check_nothing_missing(client);
        compare_faults(client, target, fields);
        CHECK(client->n_faults == target_n_expected(target), "not as many faults as announced");
}

/* The target does its work under all eyes. fields: for each client. */
static void run(struct target *target, struct client *clients, const unsigned int *fields)
{
        struct client *const each[N_CLIENTS] = {&clients[0], &clients[1]};

        target_open_gate(target);
        clients_read_until_done(each, N_CLIENTS, target);
        clients_stop(each, N_CLIENTS);
        for (size_t i = 0; i < N_CLIENTS; i++) {
                check_client(&clients[i], target, fields[i]);
                client_free(&clients[i]);
        }
        CHECK(target_finish(target) == 0, "the target failed");
}

static void test_private(void)
{
        const unsigned int fields[N_CLIENTS] = {COMPARE_ALL, COMPARE_ALL};
        struct client clients[N_CLIENTS];
        struct target target;

        target_start(&target, "anon", "flood", N_FLOOD);
        for (size_t i = 0; i < N_CLIENTS; i++)
                client_attach(&clients[i], target.pid);
        run(&target, clients, fields);
}

static void test_service(const char *second_detail)
{
        const unsigned int fields[N_CLIENTS] = {COMPARE_ALL, second_detail ? basic_fields : COMPARE_ALL};
        struct client clients[N_CLIENTS];
        struct target target;
        struct daemon daemon;

        daemon_start(&daemon, NULL);
        target_start(&target, "anon", "flood", N_FLOOD);
        start_at(&clients[0], &target, &daemon, NULL);
        start_at(&clients[1], &target, &daemon, second_detail);
        run(&target, clients, fields);
        daemon_stop(&daemon);
}

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: together private|service|details");
        harness_begin(50);
        harness_need_full();
        if (strcmp(argv[1], "private") == 0)
                test_private();
        else
                test_service(strcmp(argv[1], "details") == 0 ? "--detail=basic" : NULL);
        return 0;
}
