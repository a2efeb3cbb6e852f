/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service that was started by its socket ends when nobody has needed it for IdleExitSec= (faultlined.conf(5)). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

struct context;

struct idle {
        bool is_activated;    /* a service manager holds the socket, and starts us again for the next connection */
        uint64_t needed_usec; /* CLOCK_MONOTONIC: when it last traced, or started */
        sd_event_source *timer;
};

/* Whoever may have become the first or the last to need the service calls this. */
void idle_look(struct context *context);
/* A trace ends: the time begins anew. Clients that trace nothing (status, metrics) do not keep the service. */
void idle_needed(struct context *context);
void idle_deinit(struct idle *idle);
