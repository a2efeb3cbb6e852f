/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The monitor: the process of the daemon that holds the power and parses nothing. It accepts clients, opens what the
 * kernel gives only to the privileged, and passes descriptors to engines and tracers, which it starts. ARCHITECTURE.md
 * draws the picture.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "proto/base.h"

#define MONITOR_SOCKET_PATH "/run/faultline/faultline.sock"

struct monitor_options {
        const char *socket_path; /* NULL = MONITOR_SOCKET_PATH; not used when systemd passed a socket */
        int private_fd;          /* >= 0: this connected socket is the only client; owned by the monitor from now on */
        uint64_t ring_budget_bytes; /* of locked memory for the rings of all traces; 0 = RingMemory= of the settings */
        const char *const *config_directories; /* ends with NULL, the most important one first; NULL = none is read */

        /* What the child processes run; given here so that the monitor never includes their headers. Each is called in
         * a forked process of its own and returns that process's exit status. */
        int (*engine_main)(int link_fd);
        int (*tracer_main)(int link_fd, int process_fd); /* process_fd: directory /proc/PID (O_PATH) */
};

/*
 * Run until SIGTERM or SIGINT, or, with private_fd, until that client is gone. Returns the exit status of the program:
 * 0, or 1 after an error that has been logged.
 */
int monitor_run(const struct monitor_options *options) MUST_CHECK;
