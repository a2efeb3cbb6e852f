/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to tell a user whom the kernel refused perf events: on what, why, and the ways out. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/link/link.h"

/* What was to be opened. */
struct refused_events {
        pid_t pid; /* 0: a unit */
        size_t n_threads, n_cpus;
        size_t n_events;    /* for each thread on each CPU */
        size_t n_open;      /* of them, when it was refused */
        uint64_t n_allowed; /* by DescriptorsPerUser=, if it was that; else 0 */
};

/* An event of the target failed with this errno number. */
void refusal_of_events(const struct refused_events *refused, int error, char text[static LINK_TEXT_BYTES]);
/*
 * `what` of the process was refused for want of rights. Said in terms of what we are: privileged, there is no user to
 * run as that would help.
 */
void refusal_of_rights(pid_t pid, const char *what, char text[static LINK_TEXT_BYTES]);
/* Not even an event on ourselves that measures nothing was given: all perf events are refused. */
void refusal_of_everything(pid_t pid, char text[static LINK_TEXT_BYTES]);
