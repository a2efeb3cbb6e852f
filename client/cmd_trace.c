/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The composition of the client: connection, conversation, view, output and command, driven by one poll(2) loop. All
 * decisions about the stream are in session.c; here is the order of things.
 */
#include "client/cmd_trace.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "client/say.h"
#include "client/trace.h"

enum {
        FRAMES_AT_A_TIME = 64,
        OUTPUT_AT_A_TIME_BYTES = 256 * 1024,
};

static int send_frame(void *arg, const uint8_t *frame, size_t n_bytes)
{
        struct trace_command *t = arg;

        return conn_send(&t->conn, frame, n_bytes);
}

/* --- the conversation --- */

static void handle_end_of_connection(struct trace_command *t)
{
        CLEANUP_TEXT struct text death = {0};

        if (!session_done(&t->session) && trace_reconnect(t))
                return;
        t->over = true;
        if (session_done(&t->session))
                return;
        trace_fail(t);
        conn_put_death(&t->conn, &death);
        text_put_char(&death, '\0');
        if (death.failed)
                return;
        if (session_welcomed(&t->session))
                say("faultlined has gone%s before the trace ended; there is no ledger, run faultline again",
                    death.data);
        else
                say("faultlined did not start or refused the connection%s; its own messages say why%s", death.data,
                    t->conn.daemon_pid || death.n_bytes > 1 ? "" : ": journalctl -u faultlined");
}

static void receive(struct trace_command *t)
{
        t->view->n_columns = output_columns(&t->output);
        for (int i = 0; i < FRAMES_AT_A_TIME && t->view->out.n_bytes < OUTPUT_AT_A_TIME_BYTES && !t->over; i++) {
                size_t n_bytes = 0;
                int r = conn_receive(&t->conn, &n_bytes);

                if (r == CONN_EMPTY)
                        break;
                if (r == CONN_ENDED) {
                        handle_end_of_connection(t);
                        break;
                }
                if (r == CONN_FRAME)
                        trace_conclude(t, session_receive(&t->session, t->conn.buffer, n_bytes));
                else if (r == -EMSGSIZE)
                        text_put_string(&t->session.reason,
                                        "faultlined sent a message longer than any that its protocol "
                                        "has; check that the socket is that of faultlined");
                if (r < 0)
                        trace_conclude(t, r);
                if (t->session.stopping)
                        trace_await_end(t);
        }
        trace_screen_note_change(t);
        trace_flush(t);
}

/* --- the whole --- */

static bool any_attached(const struct session *session)
{
        for (size_t i = 0; i < session->n_targets; i++)
                if (session->targets[i].was_attached)
                        return true;
        return false;
}

/* A kind that ticks is not left waiting for longer; waiting for the output is another matter. */
static int patience_ms(const struct trace_command *t)
{
        int tick_ms = (int)(t->kind->tick_ns / NSEC_PER_MSEC), ms = t->over ? -1 : trace_timeout_ms(t);

        if (t->kind->tick && (ms < 0 || ms > tick_ms))
                ms = tick_ms;
        return trace_screen_patience_ms(t, ms);
}

/* Nothing more comes, but the screen may stay: whoever is traced is let go now. */
static void notice_end(struct trace_command *t)
{
        if (!trace_screen_is_open(t) || (!t->over && !session_done(&t->session)))
                return;
        t->over = true;
        conn_hang_up(&t->conn);
        trace_screen_note_end(t);
}

static void step(struct trace_command *t)
{
        enum { N_FDS = 4 };
        struct pollfd fds[N_FDS + N_TRACE_SCREEN_FDS] = {
                {.fd = t->conn.fd, .events = POLLIN},
                {.fd = t->signal_fd, .events = POLLIN},
                {.fd = t->child.status_fd, .events = POLLIN},
                {.fd = t->output.fd, .events = 0}, /* a pipe without a reader shows as an error */
        };
        int n;

        trace_screen_poll(t, fds + N_FDS);
        n = poll(fds, ARRAY_SIZE(fds), patience_ms(t));

        if (n < 0 && errno != EINTR) {
                say("cannot wait for faultlined: %s", strerror(errno));
                trace_fail(t);
                return;
        }
        if (n == 0)
                trace_settle(t);
        if (fds[1].revents)
                trace_handle_signals(t);
        if (t->cancelled)
                return;
        if (fds[0].revents)
                receive(t);
        trace_reconnect_run(t);
        if (any_attached(&t->session))
                trace_screen_begin(t);
        trace_handle_command(t);
        if (fds[2].revents && t->command_ran)
                trace_handle_exec_status(t);
        if (fds[3].revents & POLLERR && !t->over) {
                trace_fail(t);
                t->quiet_end = true;
        }
        trace_check_time(t);
        trace_tick(t);
        notice_end(t);
        trace_screen_run(t, fds + N_FDS);
}

static int connect_daemon(struct trace_command *t)
{
        const struct conn_options where = {.socket = t->options->socket,
                                           .private_daemon = t->options->private_daemon,
                                           .daemon_log_fd = trace_screen_log_fd(t)};
        CLEANUP_TEXT struct text note = {0};
        int r;

        r = conn_open(&where, &t->conn, &note);
        say_text(&note);
        return r;
}

static int start_session(struct trace_command *t)
{
        const struct options *options = t->options;
        const int32_t child_pid = t->child.pid; /* 0: a unit */
        const struct session_options what = {.detail = options->detail,
                                             .filter = options->filter,
                                             .count_limit = options->count,
                                             .from_exec = options->command != NULL,
                                             .follow = options->follow,
                                             .unmaps = options->unmaps,
                                             .lines = options->lines,
                                             .demangle = !options->raw_symbols,
                                             .ptrace = options->ptrace,
                                             .stack_bytes = options->stack_bytes,
                                             .unit = options->unit};
        int r;

        r = options->n_pids > 0 ? session_init(&t->session, &what, options->pids, options->n_pids)
                                : session_init(&t->session, &what, &child_pid, 1);
        if (r < 0)
                return r;
        t->session.view = t->view;
        t->session.send = send_frame;
        t->session.send_arg = t;
        trace_await_welcome(t);
        trace_conclude(t, session_start(&t->session));
        return 0;
}

static int exit_status(struct trace_command *t)
{
        int command_status = 0;

        if (t->quiet_end)
                return EXIT_FAILURE;
        if (t->options->command)
                command_status = trace_wait_for_command(t);
        if (t->cancelled)
                return 128 + t->cancelled;
        if (t->failed || t->session.failed || !any_attached(&t->session) || t->command_ran != !!t->options->command)
                return EXIT_FAILURE;
        return command_status;
}

static void finish(struct trace_command *t)
{
        if (!t->kind->finish || t->cancelled || t->quiet_end || !any_attached(&t->session))
                return;
        if (t->kind->finish(t->options, t->view) < 0)
                t->failed = true;
        trace_flush(t);
}

static int run(struct trace_command *t)
{
        int r;

        r = trace_catch_signals(t);
        if (r == 0 && trace_screen_init(t) < 0)
                return EXIT_FAILURE;
        output_open(&t->output);
        t->view = t->kind->make_view(t->options, &t->output);
        if (r < 0 || !t->view) {
                say("cannot start: %s", strerror(r < 0 ? -r : ENOMEM));
                return EXIT_FAILURE;
        }
        t->view->err.ascii = isatty(STDERR_FILENO) && !output_locale_is_utf8();
        if (connect_daemon(t) < 0 || trace_start_command(t) < 0)
                return EXIT_FAILURE;
        r = start_session(t);
        if (r < 0) {
                say("cannot start: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        while ((!t->over && !session_done(&t->session)) || trace_screen_stays(t))
                step(t);
        trace_screen_end(t);
        trace_settle(t);
        trace_flush(t);
        conn_hang_up(&t->conn);
        finish(t);
        return exit_status(t);
}

int trace_run(const struct options *options, const struct trace_kind *kind)
{
        struct trace_command t = {
                .options = options,
                .kind = kind,
                .conn = {.fd = -1},
                .child = CHILD_NONE,
                .output = {.fd = STDOUT_FILENO},
                .signal_fd = -1,
        };
        int status = run(&t);

        trace_screen_free(&t);
        session_free(&t.session);
        child_close(&t.child);
        conn_close(&t.conn);
        output_close(&t.output);
        t.view = kind->free_view(options, t.view);
        if (t.signal_fd >= 0)
                (void)close(t.signal_fd);
        return status;
}

int cmd_trace(const struct options *options)
{
        static const struct trace_kind kind = {.make_view = trace_make_view, .free_view = trace_free_view};

        return trace_run(options, &kind);
}
