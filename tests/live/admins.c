/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * admins CASE: members of AdminGroup= may trace what is not theirs and see frames, nobody else may, and a reload takes
 * it away. The group is a number of no account, so that nothing on this machine gives it to anybody.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/live/config_service.h"

#define GROUP "54321"

/* The client of a user who has this group (primary or supplementary), behind a wrapper if there is one; follow: a
 * further option, or NULL. */
static struct client attach_in_group(const struct service *service, const char *primary, const char *supplementary,
                                     const char *wrapper, pid_t pid, const char *follow)
{
        char number[16], option[80], group[32] = "--clear-groups";
        const char *argv[16] = {"setpriv", "--reuid", "65534", "--regid", primary, group, "--pdeathsig", "KILL"};
        struct client client = {.faults = json_array(), .others = json_array()};
        size_t n = 8;

        if (supplementary != NULL)
                (void)snprintf(group, sizeof(group), "--groups=%s", supplementary);
        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        (void)snprintf(option, sizeof(option), "--socket=%s", service->socket);
        if (wrapper != NULL) {
                argv[n++] = wrapper;
                argv[n++] = "--user";
        }
        argv[n++] = FAULTLINE_PATH;
        argv[n++] = "--format=json";
        argv[n++] = option;
        argv[n++] = "-p";
        argv[n++] = number;
        argv[n++] = follow;
        child_start(&client.child, argv, NULL);
        harness_watch(&client.child);
        return client;
}

/* Standard output of faultline COMMAND [MORE], said by user 65534 with this supplementary group or with none. */
static char *ask(const struct service *service, const char *group, const char *command, const char *more)
{
        char socket[80], groups[32] = "--clear-groups";
        const char *argv[] = {"setpriv", "--reuid",      "65534", "--regid", "65534", groups, "--pdeathsig",
                              "KILL",    FAULTLINE_PATH, command, socket,    more,    NULL};
        struct child child;
        char *text = NULL;
        size_t n_bytes;
        FILE *stream = open_memstream(&text, &n_bytes);

        if (group != NULL)
                (void)snprintf(groups, sizeof(groups), "--groups=%s", group);
        (void)snprintf(socket, sizeof(socket), "--socket=%s", service->socket);
        CHECK(stream != NULL, "no memory");
        child_start(&child, argv, NULL);
        for (const char *line; (line = lines_next(&child.out)) != NULL;)
                (void)fprintf(stream, "%s\n", line);
        (void)fclose(stream);
        CHECK(child_wait(&child) == 0, "%s failed: %s", command, child_errors(&child));
        child_close(&child);
        return text;
}

static void check_status(const struct service *service, const char *group, size_t n_engines, const pid_t *pids,
                         size_t n_pids)
{
        CLEANUP_FREE char *text = ask(service, group, "status", "--format=json");
        json_t *status = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *traces = json_object_get(status, "traces");

        CHECK(status != NULL, "no status: %s", text);
        CHECK(json_is_true(json_object_get(status, "sees_all")) == (group != NULL), "who sees all: %s", text);
        CHECK(json_array_size(json_object_get(status, "engines")) == n_engines, "not %zu engines: %s", n_engines, text);
        CHECK(number_of(status, "n_traces") == n_pids && json_array_size(traces) == n_pids, "not %zu traces: %s",
              n_pids, text);
        CHECK(number_of(status, "n_clients") == n_pids + 1, "not %zu clients: %s", n_pids + 1, text);
        for (size_t i = 0; i < n_pids; i++)
                CHECK(number_of(json_array_get(traces, i), "pid") == (uint64_t)pids[i], "not that of %d: %s",
                      (int)pids[i], text);
        json_decref(status);
}

/* Over all units; -1: there are none. */
static long n_started(const struct service *service, const char *group)
{
        CLEANUP_FREE char *text = ask(service, group, "metrics", NULL);
        long n = -1;

        for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
                if (strncmp(line, "faultline_unit_traces_started_total{", 36) == 0)
                        n = MAX_OF(n, 0L) + strtol(memrchr(line, ' ', strcspn(line, "\n")), NULL, 10);
        return n;
}

static size_t count_engines(const struct service *service)
{
        char path[64], line[64];
        DIR *directory = opendir("/proc");
        const struct dirent *entry;
        size_t n = 0;

        CHECK(directory != NULL, "/proc: %s", strerror(errno));
        while ((entry = readdir(directory)) != NULL) {
                int parent = 0;
                FILE *file;

                (void)snprintf(path, sizeof(path), "/proc/%.16s/stat", entry->d_name);
                file = fopen(path, "re");
                if (file == NULL)
                        continue;
                if (fgets(line, sizeof(line), file) != NULL)
                        n += sscanf(line, "%*d (faultlined-eng) %*c %d", &parent) == 1 && parent == service->child.pid;
                (void)fclose(file);
        }
        (void)closedir(directory);
        return n;
}

static bool shows_frames(const struct client *client)
{
        json_t *fault;
        size_t i, n = 0;

        json_array_foreach(client->faults, i, fault) n += json_object_get(fault, "frame") != NULL;
        CHECK(n == 0 || client->n_faults > 0, "there are no faults");
        return n > 0;
}

static void check_member(const struct service *service, const char *primary, const char *supplementary)
{
        struct target target;
        struct client client;

        target_start(&target, "anon", "zero-fill", NULL);
        client = attach_in_group(service, primary, supplementary, NULL, target.pid, NULL);
        (void)client_wait_for(&client, "attached");
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        compare_faults(&client, &target, COMPARE_ALL);
        CHECK(shows_frames(&client), "an administrator sees no frames");
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void check_stranger(const struct service *service, const char *what, const char *primary,
                           const char *supplementary, const char *wrapper, pid_t pid)
{
        struct client client = attach_in_group(service, primary, supplementary, wrapper, pid, NULL);

        check_refused(&client, what, "user 65534 may not trace it");
        client_free(&client);
}

static bool can_unshare(void)
{
        struct child child;
        const char *argv[] = {"setpriv",        "--reuid", "65534",  "--regid", "65534",
                              "--clear-groups", "unshare", "--user", "true",    NULL};
        int status;

        child_start(&child, argv, NULL);
        status = child_wait(&child);
        child_close(&child);
        return status == 0;
}

static void test_admins(void)
{
        struct service service;
        struct target target;

        service_start(&service, "[Daemon]\nAdminGroup=" GROUP "\n");
        check_member(&service, "65534", "4711," GROUP ",4712");
        check_member(&service, GROUP, NULL);
        target_start(&target, "anon", "zero-fill", NULL);
        check_stranger(&service, "another group", "65534", "54320,54322", NULL, target.pid);
        check_stranger(&service, "no group", "65534", NULL, NULL, target.pid);
        if (can_unshare())
                check_stranger(&service, "another user namespace", "65534", GROUP, "unshare", target.pid);
        else
                printf("not tried: users may make no user namespaces here\n");
        service_reload(&service, "[Daemon]\nAdminGroup=\n");
        check_stranger(&service, "no admin group", "65534", GROUP, NULL, target.pid);
        CHECK(target_finish(&target) == 0, "the target failed");
        service_stop(&service);
}

/* One user, with the power and without it at the same time: two engines, and only one sees frames and both traces. */
static void test_two_powers(void)
{
        struct target roots, own;
        struct service service;
        struct client admin, plain;

        service_start(&service, "[Daemon]\nAdminGroup=" GROUP "\n");
        target_start(&roots, "anon", "zero-fill", NULL);
        target_start_as(&own, NOBODY, "anon", "zero-fill", NULL);
        admin = attach_in_group(&service, "65534", GROUP, NULL, roots.pid, NULL);
        (void)client_wait_for(&admin, "attached");
        plain = service_attached(&service, NOBODY, own.pid);
        CHECK(count_engines(&service) == 2, "%zu engines", count_engines(&service));
        check_status(&service, NULL, 1, &own.pid, 1);
        check_status(&service, GROUP, 2, (pid_t[]){own.pid, roots.pid}, 2);
        CHECK(n_started(&service, NULL) == 1, "an ordinary connection is told of %ld traces",
              n_started(&service, NULL));
        CHECK(n_started(&service, GROUP) == 2, "an administrator is told of %ld traces", n_started(&service, GROUP));
        target_open_gate(&own);
        client_read_until_done(&plain, &own);
        service_client_done(&admin);
        CHECK(n_started(&service, NULL) == 1, "when it has ended, an ordinary connection is told of %ld traces",
              n_started(&service, NULL));
        CHECK(client_stop(&plain) == 0, "the client failed");
        check_nothing_missing(&plain);
        CHECK(!shows_frames(&plain), "an ordinary connection of an administrator sees frames");
        client_free(&plain);
        CHECK(target_finish(&roots) == 0 && target_finish(&own) == 0, "a target failed");
        service_stop(&service);
}

/* The group is taken away while a trace runs: it ends, says why, and shows nothing of what comes. */
static void test_revoked(void)
{
        struct service service;
        struct target target;
        struct client client;
        json_t *end;

        service_start(&service, "[Daemon]\nAdminGroup=" GROUP "\n");
        target_start(&target, "anon", "zero-fill", NULL);
        client = attach_in_group(&service, "65534", GROUP, NULL, target.pid, "--follow");
        (void)client_wait_for(&client, "attached");
        service_reload(&service, "[Daemon]\nAdminGroup=\n");
        end = client_wait_for(&client, "end");
        CHECK(strcmp(text_of(end, "reason"), "error") == 0 && strstr(text_of(end, "text"), "AdminGroup="),
              "the trace ended otherwise: %s", json_dumps(end, 0));
        target_open_gate(&target);
        CHECK(client_finish(&client) == 1, "the client did not fail");
        CHECK(client.n_faults == 0, "%lu faults are shown", (unsigned long)client.n_faults);
        (void)check_ledger(&client);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        service_stop(&service);
}

int main(int argc, char *argv[])
{
        static const struct test_case cases[] = {
                {"members", test_admins},
                {"two-powers", test_two_powers},
                {"revoked", test_revoked},
        };

        CHECK(argc == 2, "usage: admins CASE");
        harness_begin(50);
        harness_need_full();
        harness_need_root();
        harness_need_reachable(NOBODY);
        harness_need_program("setpriv");
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
