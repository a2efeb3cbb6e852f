/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The service is restarted, or has crashed and is started again: the traces that it can still know go on. Its socket is
 * the service manager's and mostly takes the connection at once, however long it is until somebody answers; one that is
 * bound by the daemon itself comes back with it. Both is waited for, for some seconds, and never for a service that
 * ends in order without coming back: that one ends its traces itself (END_STOPPED), for connecting would start it.
 */
#include "client/trace.h"

#include <errno.h>
#include <string.h>

#include "client/say.h"

#define PATIENCE_NS (10 * NSEC_PER_SEC)
#define INTERVAL_NS (100 * NSEC_PER_MSEC)

bool trace_reconnect(struct trace_command *t)
{
        uint64_t now = trace_now_ns();

        if (t->conn.daemon_pid != 0 || !session_leave(&t->session))
                return false;
        conn_hang_up(&t->conn);
        if (t->reconnect_end_ns == 0) {
                t->reconnect_end_ns = now + PATIENCE_NS;
                t->reconnect_next_ns = now;
        } else { /* whoever took it went away as well */
                t->reconnect_next_ns = now + INTERVAL_NS;
        }
        return true;
}

static void give_up(struct trace_command *t)
{
        t->reconnect_end_ns = 0;
        conn_hang_up(&t->conn);
        session_give_up(&t->session);
        trace_fail(t);
        say("faultlined has gone before the trace ended and did not come back within %d s; its journal says why: "
            "journalctl -u faultlined",
            (int)(PATIENCE_NS / NSEC_PER_SEC));
}

static void try_again(struct trace_command *t, uint64_t now)
{
        const struct conn_options where = {.socket = t->options->socket, .daemon_log_fd = -1};
        int r = conn_reopen(&where, &t->conn);

        if (r < 0) {
                t->conn = (struct conn){.fd = -1};
                t->reconnect_next_ns = now + INTERVAL_NS;
                return;
        }
        t->reconnect_next_ns = UINT64_MAX;
        trace_conclude(t, session_go_on(&t->session));
}

void trace_reconnect_run(struct trace_command *t)
{
        uint64_t now;

        if (t->reconnect_end_ns == 0 || t->over)
                return;
        if (t->conn.fd >= 0 && session_welcomed(&t->session)) {
                t->reconnect_end_ns = 0;
                return;
        }
        now = trace_now_ns();
        if (now >= t->reconnect_end_ns)
                give_up(t);
        else if (now >= t->reconnect_next_ns)
                try_again(t, now);
}

uint64_t trace_reconnect_due_ns(const struct trace_command *t)
{
        if (t->reconnect_end_ns == 0 || t->over)
                return UINT64_MAX;
        return MIN_OF(t->reconnect_next_ns, t->reconnect_end_ns);
}
