/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Notifications are datagrams in order: whoever has read READY=1 knows that everything before it has been done. The
 * service inherits the address by NOTIFY_SOCKET, as from systemd.
 */
#include "tests/live/config_service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

void service_prepare(struct service *service)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        *service = (struct service){0};
        (void)snprintf(service->socket, sizeof(service->socket), "./config-%d.socket", (int)getpid());
        (void)snprintf(service->directory, sizeof(service->directory), "./config-%d", (int)getpid());
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "./config-%d.notify", (int)getpid());
        (void)unlink(address.sun_path);
        service->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK(service->notify >= 0 && bind(service->notify, (struct sockaddr *)&address, sizeof(address)) == 0,
              "a notification socket: %s", strerror(errno));
        CLEANUP_FREE char *path = realpath(address.sun_path, NULL);
        CHECK(path != NULL && setenv("NOTIFY_SOCKET", path, 1) == 0, "the notification socket has no path");
        config_write(service->directory, NULL);
}

void service_configure(const struct service *service, const char *text)
{
        config_write(service->directory, text);
}

/* The next message that has this line, or begins with it; the lines before it are shown. */
void service_wait(const struct service *service, const char *wanted)
{
        harness_doing(wanted);
        for (;;) {
                char message[4096];
                ssize_t n = recv(service->notify, message, sizeof(message) - 1, 0);

                CHECK(n > 0, "no notification: %s", strerror(errno));
                message[n] = '\0';
                printf("  %s\n", message);
                if (strncmp(message, wanted, strlen(wanted)) == 0)
                        return;
        }
}

void service_start(struct service *service, const char *config)
{
        char socket_option[80], config_option[80];
        const char *argv[] = {FAULTLINED_PATH, socket_option, config_option, NULL};

        service_prepare(service);
        service_configure(service, config);
        (void)unlink(service->socket);
        (void)snprintf(socket_option, sizeof(socket_option), "--socket=%s", service->socket);
        (void)snprintf(config_option, sizeof(config_option), "--config=%s", service->directory);
        child_start(&service->child, argv, &(struct child_options){.dies_with_us = true});
        harness_watch(&service->child);
        service_wait(service, "READY=1");
        CHECK(chmod(service->socket, 0666) == 0, "%s: %s", service->socket, strerror(errno));
}

void service_clean(struct service *service)
{
        char path[128];

        child_check_sanitizers(&service->child);
        (void)unlink(service->socket);
        config_remove(service->directory);
        (void)snprintf(path, sizeof(path), "./config-%d.notify", (int)getpid());
        (void)unlink(path);
        child_close(&service->child);
        (void)close(service->notify);
}

void service_stop(struct service *service)
{
        harness_doing("stopping the service");
        CHECK(kill(service->child.pid, SIGTERM) == 0, "faultlined is gone");
        CHECK(child_wait(&service->child) == 0, "faultlined did not end well: %s", child_errors(&service->child));
        service_clean(service);
}

void service_reload(const struct service *service, const char *config)
{
        service_configure(service, config);
        CHECK(kill(service->child.pid, SIGHUP) == 0, "faultlined is gone");
        service_wait(service, "RELOADING=1\nMONOTONIC_USEC=");
        service_wait(service, "READY=1");
}

bool service_has_said(const struct service *service, const char *text)
{
        CLEANUP_FREE char *errors = child_errors(&service->child);

        return strstr(errors, text) != NULL;
}

struct client service_attach(const struct service *service, uid_t uid, pid_t pid)
{
        char number[16], option[80];
        const char *args[] = {"-p", number, option, NULL};
        struct client client;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        (void)snprintf(option, sizeof(option), "--socket=%s", service->socket);
        client_start_as(&client, uid, args);
        return client;
}

struct client service_attached(const struct service *service, uid_t uid, pid_t pid)
{
        struct client client = service_attach(service, uid, pid);

        (void)client_wait_for(&client, "attached");
        return client;
}

void service_client_done(struct client *client)
{
        CHECK(client_stop(client) == 0, "the client failed: %s", child_errors(&client->child));
        client_free(client);
}
