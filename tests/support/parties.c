/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The three parties of a live test: a target that waits at its gate, a client whose lines are read as they come, and a
 * daemon where the test wants one of its own. The client's output is read while the target works: a client that is
 * not read from is a slow client, and that is another test.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "harness.h"

#define MAX_CLIENTS 8

/* Until "ready PID". */
static void target_read_expectations(struct target *target)
{
        char *line;

        while ((line = lines_next(&target->child.out))) {
                json_t *expectation;

                if (strncmp(line, "skip ", 5) == 0)
                        skip("%s", line + 5);
                if (sscanf(line, "ready %d", &target->pid) == 1)
                        return;
                expectation = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
                CHECK(expectation, "the target says: %s", line);
                json_array_append_new(target->expected, expectation);
        }
        child_show_errors(&target->child);
        fail("the target ended before it was ready");
}

void target_start_as(struct target *target, uid_t uid, const char *name, const char *which, const char *argument)
{
        char path[4096];
        const char *argv[] = {path, which, argument, NULL};
        struct child_options options = {.uid = uid};

        harness_doing("starting the target");
        (void)snprintf(path, sizeof(path), TARGETS_DIR "/target_%s", name);
        if (access(path, X_OK) < 0)
                skip("%s was not built: something that it needs is not installed", path);
        target->expected = json_array();
        child_start(&target->child, argv, &options);
        target_read_expectations(target);
}

void target_start_program(struct target *target, const char *const *argv)
{
        harness_doing("starting the target");
        target->expected = json_array();
        child_start(&target->child, argv, NULL);
        target_read_expectations(target);
}

void target_start(struct target *target, const char *name, const char *which, const char *argument)
{
        target_start_as(target, 0, name, which, argument);
}

void target_open_gate(struct target *target)
{
        child_release(&target->child);
}

void target_run_unread(struct target *target, pid_t reader)
{
        CHECK(kill(reader, SIGSTOP) == 0, "process %d is gone", (int)reader);
        process_wait_state(reader, 'T');
        harness_doing("waiting for the target while its reader is stopped");
        target_open_gate(target);
        CHECK(strcmp(lines_next(&target->child.out), "done") == 0, "the target failed");
        CHECK(kill(reader, SIGCONT) == 0, "process %d is gone", (int)reader);
}

int target_finish(struct target *target)
{
        int status;

        (void)close(target->child.in_fd);
        target->child.in_fd = -1;
        status = child_wait(&target->child);
        json_decref(target->expected);
        child_close(&target->child);
        return status;
}

size_t target_n_expected(const struct target *target)
{
        size_t i, n = 0;
        json_t *e;

        json_array_foreach(target->expected, i, e)
        {
                json_int_t times = json_integer_value(json_object_get(e, "times"));

                n += number_of(e, "n") * (uint64_t)(times ? times : 1);
        }
        return n;
}

static size_t count_args(const char *const *args)
{
        size_t n = 0;

        while (args[n])
                n++;
        return n;
}

static bool listens(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        return fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static void remove_config_file(const char *directory)
{
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/faultlined.conf", directory);
        CHECK(unlink(path) == 0 || errno == ENOENT, "%s: %s", path, strerror(errno));
}

void config_write(const char *directory, const char *text)
{
        char path[128];
        FILE *file;

        CHECK(mkdir(directory, 0755) == 0 || errno == EEXIST, "%s: %s", directory, strerror(errno));
        CHECK(chmod(directory, 0755) == 0, "%s: %s", directory, strerror(errno));
        if (text == NULL) {
                remove_config_file(directory);
                return;
        }
        (void)snprintf(path, sizeof(path), "%s/faultlined.conf", directory);
        file = fopen(path, "we");
        CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, "%s: %s", path, strerror(errno));
}

void config_remove(const char *directory)
{
        remove_config_file(directory);
        (void)rmdir(directory);
}

void daemon_start(struct daemon *daemon, const char *const *wrapper)
{
        daemon_start_configured(daemon, wrapper, NULL);
}

void daemon_start_configured(struct daemon *daemon, const char *const *wrapper, const char *config)
{
        const char *argv[MAX_ARGS];
        char option[160], config_option[160];
        size_t n = 0;

        harness_doing("starting a daemon");
        (void)snprintf(daemon->socket, sizeof(daemon->socket), "./faultlined-%d.socket", (int)getpid());
        (void)snprintf(daemon->config, sizeof(daemon->config), "./faultlined-%d.config", (int)getpid());
        (void)snprintf(option, sizeof(option), "--socket=%s", daemon->socket);
        (void)snprintf(config_option, sizeof(config_option), "--config=%s", daemon->config);
        (void)unlink(daemon->socket);
        config_write(daemon->config, config);
        while (wrapper && wrapper[n]) {
                argv[n] = wrapper[n];
                n++;
        }
        argv[n++] = FAULTLINED_PATH;
        argv[n++] = option;
        argv[n++] = config_option;
        argv[n] = NULL;
        child_start(&daemon->child, argv, &(struct child_options){.dies_with_us = true});
        harness_watch(&daemon->child);
        while (!listens(daemon->socket)) {
                CHECK(waitpid(daemon->child.pid, NULL, WNOHANG) == 0, "faultlined ended");
                (void)poll(NULL, 0, 1);
        }
}

void daemon_stop(struct daemon *daemon)
{
        harness_doing("stopping the daemon");
        CHECK(kill(daemon->child.pid, SIGTERM) == 0, "faultlined is gone");
        CHECK(child_wait(&daemon->child) == 0, "faultlined did not end well: %s", child_errors(&daemon->child));
        child_check_sanitizers(&daemon->child);
        (void)unlink(daemon->socket);
        config_remove(daemon->config);
        child_close(&daemon->child);
}

void daemon_open_to_all(const struct daemon *daemon)
{
        CHECK(chmod(daemon->socket, 0666) == 0, "%s: %s", daemon->socket, strerror(errno));
}

char *daemon_option(const struct daemon *daemon)
{
        char *option;

        CHECK(asprintf(&option, "--socket=%s", daemon->socket) > 0, "out of memory");
        return option;
}

static bool names_a_socket(const char *const *args)
{
        for (; *args; args++)
                if (strncmp(*args, "--socket=", 9) == 0)
                        return true;
        return false;
}

void client_start_as(struct client *client, uid_t uid, const char *const *args)
{
        const char *argv[MAX_ARGS] = {FAULTLINE_PATH};
        size_t n = 1;
        struct child_options options = {.uid = uid, .dies_with_us = true};

        harness_doing("starting the client");
        CHECK(count_args(args) + 4 < MAX_ARGS, "too many arguments");
        if (*args && **args != '-') /* a command */
                argv[n++] = *args++;
        argv[n++] = "--format=json";
        if (!names_a_socket(args))
                argv[n++] = "--private";
        while (*args)
                argv[n++] = *args++;
        memset(client, 0, sizeof(*client));
        client->faults = json_array();
        client->others = json_array();
        child_start(&client->child, argv, &options);
        harness_watch(&client->child);
}

void client_start(struct client *client, const char *const *args)
{
        client_start_as(client, 0, args);
}

void client_attach_as(struct client *client, uid_t uid, pid_t pid, const struct daemon *daemon)
{
        CLEANUP_FREE char *option = daemon ? daemon_option(daemon) : NULL;
        char number[16];
        const char *args[] = {"-p", number, option, NULL};

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        client_start_as(client, uid, args);
        (void)client_wait_for(client, "attached");
}

void client_attach(struct client *client, pid_t pid)
{
        client_attach_as(client, 0, pid, NULL);
}

static void client_take(struct client *client, const char *line)
{
        json_error_t error;
        json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);

        CHECK(object, "not JSON (%s): %s", error.text, line);
        CHECK(json_is_object(object) && json_is_string(json_object_get(object, "type")), "no type: %s", line);
        if (strcmp(text_of(object, "type"), "fault") != 0) {
                json_array_append_new(client->others, object);
                return;
        }
        client->n_faults++;
        if (client->count_only)
                json_decref(object);
        else
                json_array_append_new(client->faults, object);
}

bool client_read(struct client *client)
{
        char *line = lines_next(&client->child.out);

        if (line)
                client_take(client, line);
        return line;
}

json_t *client_find_degraded(const struct client *client, const char *what)
{
        json_t *line;
        size_t i;

        json_array_foreach(client->others, i, line) if (strcmp(text_of(line, "type"), "degraded") == 0 &&
                                                        strcmp(text_of(line, "what"), what) == 0) return line;
        return NULL;
}

json_t *client_find(const struct client *client, const char *type)
{
        size_t i;
        json_t *line;

        json_array_foreach(client->others, i, line) if (strcmp(text_of(line, "type"), type) == 0) return line;
        return NULL;
}

size_t client_n(const struct client *client, const char *type)
{
        size_t i, n = 0;
        json_t *line;

        json_array_foreach(client->others, i, line) n += strcmp(text_of(line, "type"), type) == 0;
        return n;
}

json_t *client_wait_for(struct client *client, const char *type)
{
        json_t *line;

        harness_doing(type);
        while (!(line = client_find(client, type)))
                CHECK(client_read(client), "the client ended, and never wrote a line of type %s", type);
        return line;
}

/* What the client has said so far. */
static void client_read_some(struct client *client)
{
        char *line;

        lines_fill(&client->child.out);
        while ((line = lines_take(&client->child.out)))
                client_take(client, line);
}

/* One poll for a target (or NULL) and what clients have said; true: a client may still say something. */
static bool read_any(struct client *const *clients, size_t n_clients, struct target *target)
{
        struct pollfd fds[MAX_CLIENTS + 1] = {{.fd = target ? target->child.out.fd : -1, .events = POLLIN}};
        bool open = false;

        CHECK(n_clients <= MAX_CLIENTS, "too many clients");
        for (size_t i = 0; i < n_clients; i++) {
                bool eof = clients[i]->child.out.eof;

                fds[i + 1] = (struct pollfd){.fd = eof ? -1 : clients[i]->child.out.fd, .events = POLLIN};
                open |= !eof;
        }
        if ((!open && !target) || poll(fds, (nfds_t)n_clients + 1, -1) < 0)
                return open;
        if (fds[0].revents)
                lines_fill(&target->child.out);
        for (size_t i = 0; i < n_clients; i++)
                if (fds[i + 1].revents)
                        client_read_some(clients[i]);
        return open;
}

void clients_read_until_done(struct client *const *clients, size_t n_clients, struct target *target)
{
        char *line;

        harness_doing("waiting for the target to be done");
        while (!(line = lines_take(&target->child.out))) {
                (void)read_any(clients, n_clients, target);
                CHECK(!target->child.out.eof, "the target died");
        }
        CHECK(strcmp(line, "done") == 0, "the target says: %s", line);
}

void client_read_until_done(struct client *client, struct target *target)
{
        clients_read_until_done(&client, 1, target);
}

void clients_stop(struct client *const *clients, size_t n_clients)
{
        harness_doing("waiting for the clients to end");
        for (size_t i = 0; i < n_clients; i++)
                CHECK(kill(clients[i]->child.pid, SIGINT) == 0, "client %zu is gone", i);
        while (read_any(clients, n_clients, NULL))
                ;
        for (size_t i = 0; i < n_clients; i++) {
                int status = client_finish(clients[i]);

                CHECK(status == 0, "client %zu left with %d: %s", i, status, child_errors(&clients[i]->child));
        }
}

int client_finish(struct client *client)
{
        int status;

        harness_doing("waiting for the client to end");
        while (client_read(client))
                ;
        status = child_wait(&client->child);
        child_check_sanitizers(&client->child);
        return status;
}

int client_stop(struct client *client)
{
        CHECK(kill(client->child.pid, SIGINT) == 0, "the client is gone");
        return client_finish(client);
}

void client_free(struct client *client)
{
        json_decref(client->faults);
        json_decref(client->others);
        child_close(&client->child);
}
