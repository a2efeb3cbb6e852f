/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the tracepoints of page faults enabled from the first trace that needs them until a while after the last. */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "daemon/monitor/closer.h"
#include "daemon/monitor/tracefs.h"

struct warm {
        sd_event *event;       /* borrowed */
        struct closer *closer; /* borrowed */
        int fds[2];            /* events of our own that count nothing; -1 = refused */
        size_t n;              /* of them that were asked for */
        sd_event_source *timer;
};

/*
 * Another trace needs them: enables the next one. true = that was done, which takes long, so others are to have their
 * turn before this is called again; false = all are enabled, or refused, which will be seen with the events that
 * matter.
 */
bool warm_up(struct warm *warm, const struct tracefs *tracefs) MUST_CHECK;
/* Nobody traces any more. */
void warm_linger(struct warm *warm);
/* Does not wait for the kernel: the closer does. */
void warm_deinit(struct warm *warm);
