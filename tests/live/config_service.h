/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service with a configuration of its own. The test is its service manager: it has the notification socket, so it
 * knows when something is done and waits for nothing else. As in harness.h, what does not go as it should ends the
 * test.
 */
#pragma once

#include "tests/support/harness.h"

struct service {
        struct child child;
        int notify;
        char socket[64], directory[64];
};

/* The notification socket and the directory of the configuration, for a service that the test starts itself. */
void service_prepare(struct service *service);
void service_configure(const struct service *service, const char *config);
/* Started by hand with this configuration, ready, and open to all users. */
void service_start(struct service *service, const char *config);
void service_reload(const struct service *service, const char *config);
void service_stop(struct service *service);
/* What service_stop() does after the end. */
void service_clean(struct service *service);

/* Reads notifications until one that begins so. */
void service_wait(const struct service *service, const char *wanted);
/* On standard error. */
bool service_has_said(const struct service *service, const char *text);

/* faultline -p PID, as this user; attached: waits until it is. */
struct client service_attach(const struct service *service, uid_t uid, pid_t pid);
struct client service_attached(const struct service *service, uid_t uid, pid_t pid);
/* It stops, and ends well. */
void service_client_done(struct client *client);
