/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What systemctl status shows of the service in one line: STATUS= of sd_notify(3). */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "proto/base.h"

#define ANNOUNCE_TEXT_BYTES 512

struct context;

struct announcer {
        sd_event_source *timer; /* something has changed, and will be said */
        uint64_t said_usec;     /* CLOCK_MONOTONIC, the last time; 0 = never */
        char text[ANNOUNCE_TEXT_BYTES];
};

struct announce_figures {
        size_t n_traces; /* that run */
        size_t n_users;  /* whose traces these are */
        size_t n_clients;
};

/* Something that the line tells has changed, or may have: at most one a second is sent. Nothing from a private daemon.
 */
void announce_later(struct context *context);
void announce_deinit(struct announcer *announcer);

/* What the service lacks as a whole: "no tracepoints (Permission denied), ..."; empty = nothing. */
void announce_degradations(const struct context *context, char text[static ANNOUNCE_TEXT_BYTES]);
/* Pure: "2 traces of 1 user, 3 clients; degraded: ...", without the latter where it is empty. */
void announce_format(const struct announce_figures *figures, const char *degradations,
                     char text[static ANNOUNCE_TEXT_BYTES]);
