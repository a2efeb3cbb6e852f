/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A test in the service manager's place: it holds the daemon's socket and what the daemon has it keep
 * (sd_listen_fds(3), sd_notify(3)), starts the daemon with both, as often as it likes, and answers on a system bus of
 * its own whether the daemon is being restarted. As in the harness, each function does what it says or ends the test.
 */
#pragma once

#include <pthread.h>

#include "tests/support/harness.h"

#define MANAGER_MAX_KEPT 128

struct manager {
        struct daemon daemon;          /* its socket, at all times; its process, while there is one */
        char bus[64], notify_path[64]; /* paths of the other sockets */
        int listener, notify, bus_listener;
        pthread_t notify_thread, bus_thread;
        pthread_mutex_t mutex; /* over what follows */
        pthread_cond_t news;
        struct {
                char name[32];
                int fd;
        } kept[MANAGER_MAX_KEPT];
        size_t n_kept;
        bool is_ready;
        unsigned int n_syncs;
        const char *job; /* what the bus says of our unit: a type of jobs; "" none; NULL: it never answers */
};

/* Everybody may connect. */
void manager_begin(struct manager *manager);
/* The daemon is dead. */
void manager_end(struct manager *manager);
/* With all that is kept; until it is ready. */
void manager_start(struct manager *manager);
/* Send it this signal and wait for its end: the exit status as a shell has it. What it had to say has been heard then.
 */
int manager_kill(struct manager *manager, int signo);
/* What the bus is to say from now on. */
void manager_set_job(struct manager *manager, const char *job);
/* Until so many descriptors are kept whose name begins so. */
void manager_await_kept(struct manager *manager, const char *start_of_name, size_t n);
/* As a manager that drops what hangs up: those are not kept any more. */
void manager_drop(struct manager *manager, const char *start_of_name);
