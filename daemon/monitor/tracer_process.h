/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One tracer process and the link to it. What it is for is holders.c's business. */
#pragma once

#include "daemon/link/link.h"
#include "daemon/monitor/context.h"

struct tracer_process {
        struct child *child;     /* NULL = none runs */
        int link;                /* -1 = it was told to let go, or killed: its end is waited for */
        sd_event_source *source; /* of the link */

        /* What happens to it, called from the event loop. received(): false = it may not say that now, and is killed.
         */
        bool (*received)(void *user, const struct link_message *message);
        void (*exited)(void *user, bool is_clean); /* is_clean: by itself, with status 0 */
        void *user;
};

/*
 * Start one; process: /proc directory of the first process that it traces. ->received, ->exited and ->user are the
 * caller's; exited() is called when the process is gone, ->child is NULL then. 0 or -errno.
 */
int tracer_process_start(struct context *context, int process, struct tracer_process *tracer) MUST_CHECK;
/* Send it a message, with a descriptor unless fd is -1. One that does not read is killed. */
void tracer_process_tell(struct tracer_process *tracer, enum link_type type, struct link_tracer body, int fd);
/* The end of the link: it lets everything go and ends. */
void tracer_process_let_go(struct tracer_process *tracer);
/* Sets everything free as well, at once. */
void tracer_process_kill(struct tracer_process *tracer);
