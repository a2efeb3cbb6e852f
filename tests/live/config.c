/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config CASE: what the limits of a configuration refuse is refused with the name of the key, and a reload lifts it; a
 * service that was started by its socket ends when nobody needs it, and no other does; what is wrong is said.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/live/config_service.h"

#define OTHER_USER 65533
#define IDLE "[Daemon]\nIdleExitSec=1ms\n"

static void refused(const struct service *service, uid_t uid, pid_t pid, const char *text)
{
        struct client client = service_attach(service, uid, pid);

        check_refused(&client, text, text);
        client_free(&client);
}

static void targets_start(struct target *targets, size_t n, uid_t uid)
{
        for (size_t i = 0; i < n; i++)
                target_start_as(&targets[i], uid, "anon", "zero-fill", NULL);
}

static void targets_finish(struct target *targets, size_t n)
{
        for (size_t i = 0; i < n; i++)
                CHECK(target_finish(&targets[i]) == 0, "target %zu failed", i);
}

/* Connections and traces of one user; nobody is thrown out when there may be fewer. */
static void test_numbers(void)
{
        struct target targets[2];
        struct service service;
        struct client one, two;

        service_start(&service, IDLE "[Limits]\nClientsPerUser=1\nTracesPerUser=1\n");
        targets_start(targets, 2, NOBODY);
        one = service_attached(&service, NOBODY, targets[0].pid);
        refused(&service, NOBODY, targets[1].pid,
                "as many connections as ClientsPerUser=1 (faultlined.conf(5)) allows");
        service_reload(&service, IDLE "[Limits]\nTracesPerUser=1\n");
        refused(&service, NOBODY, targets[1].pid, "as many traces as TracesPerUser=1 (faultlined.conf(5)) allows");
        service_reload(&service, IDLE "[Limits]\nTracesPerUser=2\n");
        two = service_attached(&service, NOBODY, targets[1].pid);
        service_reload(&service, IDLE "[Limits]\nClientsPerUser=1\nTracesPerUser=1\n");
        target_open_gate(&targets[0]);
        client_read_until_done(&one, &targets[0]);
        service_client_done(&one);
        service_client_done(&two);
        targets_finish(targets, 2);
        service_stop(&service);
}

static void test_users(void)
{
        struct target targets[2];
        struct service service;
        struct client one, two;

        service_start(&service, IDLE "[Limits]\nUsers=1\n");
        targets_start(&targets[0], 1, NOBODY);
        targets_start(&targets[1], 1, OTHER_USER);
        one = service_attached(&service, NOBODY, targets[0].pid);
        refused(&service, OTHER_USER, targets[1].pid,
                "as many users are served as Users=1 (faultlined.conf(5)) allows");
        two = service_attached(&service, 0, targets[1].pid); /* who could help must not be kept out */
        service_client_done(&two);
        service_reload(&service, IDLE "[Limits]\nUsers=2\n");
        two = service_attached(&service, OTHER_USER, targets[1].pid);
        service_client_done(&one);
        service_client_done(&two);
        targets_finish(targets, 2);
        service_stop(&service);
}

#define MOST_TRACES 16

/* How many fit depends on the processors; the first that does not says why, whatever the number. */
static void test_memory(void)
{
        struct target targets[MOST_TRACES];
        struct client clients[MOST_TRACES], more;
        struct service service;
        size_t n = 0;

        service_start(&service, IDLE "[Limits]\nRingMemory=1G\nRingMemoryPerUser=1M\n");
        targets_start(targets, MOST_TRACES, NOBODY);
        for (;;) {
                CHECK(n < MOST_TRACES, "%d traces have rings within 1 MiB", MOST_TRACES);
                clients[n] = service_attach(&service, NOBODY, targets[n].pid);
                while (client_read(&clients[n]) && !client_find(&clients[n], "attached"))
                        continue;
                if (!client_find(&clients[n], "attached"))
                        break;
                n++;
        }
        check_refused(&clients[n], "memory",
                      "the 1024 KiB that this user may have (RingMemoryPerUser= in faultlined.conf(5))");
        client_free(&clients[n]);
        service_reload(&service, IDLE "[Limits]\nRingMemory=1M\n");
        refused(&service, 0, targets[n].pid,
                "the 1024 KiB that all traces may have together (RingMemory= in faultlined.conf(5))");
        service_reload(&service, IDLE "[Limits]\nRingMemory=1G\n");
        more = service_attached(&service, NOBODY, targets[n].pid);
        for (size_t i = 0; i < n; i++)
                service_client_done(&clients[i]);
        service_client_done(&more);
        targets_finish(targets, MOST_TRACES);
        service_stop(&service);
}

static void test_descriptors(void)
{
        struct service service;
        struct target target;
        struct client client;

        service_start(&service, IDLE "[Limits]\nDescriptorsPerUser=64\n");
        target_start_as(&target, NOBODY, "threads", "existing", "100");
        refused(&service, NOBODY, target.pid,
                "all traces of this user together may have 64 (DescriptorsPerUser= in faultlined.conf(5))");
        client = service_attached(&service, 0, target.pid); /* root has no share */
        service_client_done(&client);
        service_reload(&service, IDLE "[Limits]\nDescriptorsPerUser=9000\n");
        client = service_attached(&service, NOBODY, target.pid);
        CHECK(client_find_degraded(&client, "descriptors") == NULL, "degraded for want of descriptors");
        service_client_done(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        service_stop(&service);
}

/* A file with an error changes nothing at all, and says so. */
static void test_bad_reload(void)
{
        struct target targets[2];
        struct service service;
        struct client one;

        service_start(&service, IDLE "[Limits]\nTracesPerUser=1\n");
        targets_start(targets, 2, NOBODY);
        one = service_attached(&service, NOBODY, targets[0].pid);
        service_reload(&service, IDLE "[Limits]\nTracesPerUser=2\nUsers=none\n");
        CHECK(service_has_said(&service, "faultlined.conf:5: Users=none is not a whole number from 1 to 65536"),
              "nothing is said of the error: %s", child_errors(&service.child));
        CHECK(service_has_said(&service, "all settings stay as they were"), "nothing is said of what holds");
        refused(&service, NOBODY, targets[1].pid, "TracesPerUser=1 (faultlined.conf(5))");
        service_client_done(&one);
        targets_finish(targets, 2);
        service_stop(&service);
}

/* --- started by its socket --- */

static int listen_at(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0); /* not close-on-exec: it is passed on */

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        (void)unlink(path);
        CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 16) == 0, "%s: %s",
              path, strerror(errno));
        CHECK(chmod(path, 0666) == 0, "%s: %s", path, strerror(errno));
        return fd;
}

/* sd_listen_fds(3): descriptor 3, and LISTEN_PID is who becomes faultlined. */
static void activate(struct service *service, int listener)
{
        char script[160], config_option[80];
        const char *argv[] = {"sh", "-c", script, "sh", FAULTLINED_PATH, config_option, NULL};

        (void)snprintf(script, sizeof(script),
                       "LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID; exec \"$@\" 3<&%d", listener);
        (void)snprintf(config_option, sizeof(config_option), "--config=%s", service->directory);
        child_start(&service->child, argv, &(struct child_options){.dies_with_us = true});
        harness_watch(&service->child);
}

static void expect_end(struct service *service)
{
        service_wait(service, "STOPPING=1");
        CHECK(child_wait(&service->child) == 0, "faultlined did not end well: %s", child_errors(&service->child));
        CHECK(service_has_said(service, "nobody has needed the service for 1ms"), "it does not say why it ends: %s",
              child_errors(&service->child));
        child_check_sanitizers(&service->child);
}

/*
 * Nobody comes: it ends. A client that comes then waits in the socket, is served by the next one, which stays as long
 * as it is needed, a thousand times longer than it would otherwise, and then ends as well.
 */
static void test_idle(void)
{
        struct service service;
        struct target target;
        struct client client;
        int listener;

        service_prepare(&service);
        service_configure(&service, IDLE);
        listener = listen_at(service.socket);
        activate(&service, listener);
        expect_end(&service);
        child_close(&service.child);
        target_start_as(&target, NOBODY, "anon", "flood", "100000");
        client = service_attach(&service, NOBODY, target.pid);
        client.count_only = true;
        CHECK(poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, -1) == 1, "no connection comes");
        activate(&service, listener);
        (void)client_wait_for(&client, "attached");
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        service_client_done(&client);
        expect_end(&service);
        CHECK(target_finish(&target) == 0, "the target failed");
        (void)close(listener);
        service_clean(&service);
}

/* What --check-config says is what the service takes, or not. */
static void test_check(void)
{
        struct service service;
        char option[80];
        const char *argv[] = {FAULTLINED_PATH, "--check-config", option, NULL};

        service_prepare(&service);
        (void)snprintf(option, sizeof(option), "--config=%s", service.directory);
        service_configure(&service, "[Limits]\nUsers=5\n");
        child_start(&service.child, argv, NULL);
        CHECK(child_wait(&service.child) == 0, "a good configuration is refused: %s", child_errors(&service.child));
        CHECK(!service_has_said(&service, "faultlined"), "there are complaints");
        child_close(&service.child);
        service_configure(&service, "[Limits]\nUsers=5\nTraces=3\n");
        child_start(&service.child, argv, NULL);
        CHECK(child_wait(&service.child) == 1, "a bad configuration is taken");
        CHECK(service_has_said(&service, "/faultlined.conf:3: [Limits] has no key Traces, see faultlined.conf(5)\n"),
              "it says: %s", child_errors(&service.child));
        service_clean(&service);
}

/* What systemctl status shows. */
static void test_status(void)
{
        struct service service;
        struct target target;
        struct client client;

        service_start(&service, "");
        service_wait(&service, "STATUS=no traces, no clients");
        target_start_as(&target, NOBODY, "anon", "zero-fill", NULL);
        client = service_attached(&service, NOBODY, target.pid);
        service_wait(&service, "STATUS=1 trace of 1 user, 1 client");
        service_client_done(&client);
        service_wait(&service, "STATUS=no traces, no clients");
        service_reload(&service, "nonsense");
        service_wait(&service, "STATUS=no traces, no clients; degraded: errors in the configuration");
        CHECK(target_finish(&target) == 0, "the target failed");
        service_stop(&service);
}

int main(int argc, char *argv[])
{
        static const struct test_case cases[] = {
                {"numbers", test_numbers},       {"users", test_users},
                {"memory", test_memory},         {"descriptors", test_descriptors},
                {"bad-reload", test_bad_reload}, {"idle", test_idle},
                {"check", test_check},           {"status", test_status},
        };

        CHECK(argc == 2, "usage: config CASE");
        harness_begin(50);
        harness_need_full();
        harness_need_root();
        harness_need_reachable(NOBODY);
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
