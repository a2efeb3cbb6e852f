/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command is released when its trace runs, and reaped only after its trace has ended: until then its zombie still
 * holds the counters that the daemon reads for the ledger. After that it goes on as long as it wants.
 *
 * With --follow the trace ends with the last process that the command has left behind, which may be a long time after
 * the command itself. It is then reaped as soon as it has ended: nobody should find a zombie of it meanwhile.
 */
#include "client/trace.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "client/escape.h"
#include "client/say.h"

enum { PASS_ON_MS = 100 }; /* what the command writes into memory does not wake us */

int trace_start_command(struct trace_command *t)
{
        const struct child_streams streams = trace_screen_streams(t);
        int r;

        if (!t->options->command)
                return 0;
        r = child_start(t->options->command, &t->old_mask, t->conn.daemon_pid, &streams, &t->child);
        if (r < 0)
                say("cannot start the command: %s", strerror(-r));
        return r;
}

void trace_handle_command(struct trace_command *t)
{
        if (t->child.hold_fd < 0)
                return;
        if (t->session.targets[0].was_attached && !t->session.stopping) {
                int r = child_release(&t->child);

                t->command_ran = r == 0;
                if (r < 0)
                        say("the command was killed before it could be run");
        } else if (t->session.stopping || session_done(&t->session)) {
                child_close(&t->child); /* asked to stop before it began, or refused: do not run it untraced */
        }
}

void trace_handle_exec_status(struct trace_command *t)
{
        child_read_status(&t->child);
        if (t->child.exec_error != 0) {
                CLEANUP_TEXT struct text name = {0};

                (void)escape_terminal(&name, t->options->command[0], strlen(t->options->command[0]));
                say("cannot run '%.*s': %s", (int)name.n_bytes, name.data, strerror(t->child.exec_error));
        }
}

void trace_notice_child(struct trace_command *t)
{
        if (t->options->follow && t->command_ran)
                (void)child_reap(&t->child);
}

int trace_wait_for_command(struct trace_command *t)
{
        struct pollfd signals = {.fd = t->signal_fd, .events = POLLIN};
        bool waits = false;

        if (t->child.hold_fd >= 0)
                child_close(&t->child);
        if (t->child.status_fd >= 0)
                trace_handle_exec_status(t);
        while (!child_reap(&t->child)) {
                if (poll(&signals, 1, t->screen ? PASS_ON_MS : -1) == 0 && !waits) {
                        say("the command runs on, waiting for it; Ctrl-C interrupts it");
                        waits = true;
                }
                trace_handle_signals(t);
                trace_screen_pass_on(t);
        }
        trace_screen_pass_on(t);
        return t->child.status;
}
