/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The composition of the client: connection, conversation, view, output and command, driven by one poll(2) loop. All
 * decisions about the stream are in session.c; here are the clock, the signals and the order of things:
 *
 *   - Everything that can be received is received, then rendered output is written once, then we wait.
 *   - A signal or the end of --duration sends STOP, and the traces end when their END has arrived, with the ledger.
 *   - The command is released when its trace runs, and reaped only after its trace has ended: until then its zombie
 *     still holds the counters that the daemon reads for the ledger.
 *
 * Signals arrive through a signalfd, so no code runs in a signal handler.
 */
#include "client/cmd_trace.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "client/child.h"
#include "client/conn.h"
#include "client/escape.h"
#include "client/output.h"
#include "client/session.h"
#include "client/view_json.h"
#include "client/view_text.h"

enum { EXIT_INTERRUPTED = 128 + SIGINT };

enum {
        FRAMES_AT_A_TIME = 64,
        OUTPUT_AT_A_TIME_BYTES = 256 * 1024,
};

#define WELCOME_TIMEOUT_NS (30 * NSEC_PER_SEC)
#define END_TIMEOUT_NS (10 * NSEC_PER_SEC)

struct trace_command {
        const struct options *options;
        struct conn conn;
        struct session session;
        struct child child;
        struct output output;
        struct view *view; /* owned */
        sigset_t old_mask;
        int signal_fd;
        uint64_t duration_end_ns; /* 0: not running yet, or no --duration */
        uint64_t deadline_ns;     /* for WELCOME, then for END; 0: none */
        bool over;                /* nothing more comes from the daemon */
        bool failed;              /* said on standard error */
        bool quiet_end;           /* our reader has gone, nobody wants to hear more */
        bool command_ran;
};

static uint64_t now_ns(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static void say(const char *format, ...) PRINTF_LIKE(1, 2);
static void say(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        (void)fputs("faultline: ", stderr);
        (void)vfprintf(stderr, format, args);
        (void)fputc('\n', stderr);
        va_end(args);
}

static void say_text(const struct text *text)
{
        if (text->n_bytes > 0)
                say("%.*s", (int)MIN_OF(text->n_bytes, (size_t)INT_MAX), text->data);
}

/* The conversation cannot go on. */
static void fail(struct trace_command *t)
{
        t->over = true;
        t->failed = true;
}

static int send_frame(void *arg, const uint8_t *frame, size_t n_bytes)
{
        struct trace_command *t = arg;

        return conn_send(&t->conn, frame, n_bytes);
}

/* What a step of the conversation returned, said once. */
static void conclude(struct trace_command *t, int r)
{
        if (r >= 0 || t->over || r == -EPIPE || r == -ECONNRESET)
                return; /* with the peer gone, what it said last is still to be received, and then comes the end */
        fail(t);
        if (t->session.reason.n_bytes > 0)
                say_text(&t->session.reason);
        else
                say("the conversation with faultlined failed: %s", strerror(-r));
}

static void stop(struct trace_command *t)
{
        if (t->session.stopping || t->over)
                return;
        t->deadline_ns = now_ns() + END_TIMEOUT_NS;
        conclude(t, session_stop(&t->session));
}

/* --- signals --- */

static void forward(const struct trace_command *t, const struct signalfd_siginfo *info)
{
        /* The terminal has sent its signals to the whole process group already. */
        if (t->command_ran && t->child.pid > 0 && info->ssi_code != SI_KERNEL)
                (void)kill(t->child.pid, (int)info->ssi_signo);
}

static void handle_signals(struct trace_command *t)
{
        struct signalfd_siginfo info;

        while (read(t->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
                if (info.ssi_signo == SIGCHLD)
                        continue;
                forward(t, &info);
                if (info.ssi_signo == SIGINT && t->session.stopping && !t->over && !session_done(&t->session))
                        _exit(EXIT_INTERRUPTED);
                stop(t);
        }
}

static int catch_signals(struct trace_command *t)
{
        static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
        sigset_t mask;

        (void)sigemptyset(&mask);
        for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
                (void)sigaddset(&mask, caught[i]);
        (void)signal(SIGCHLD, SIG_DFL); /* inherited as ignored it would reap our children for us */
        if (sigprocmask(SIG_BLOCK, &mask, &t->old_mask) < 0)
                return -errno;
        t->signal_fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
        return t->signal_fd < 0 ? -errno : 0;
}

/* --- time --- */

static bool any_running(const struct session *session)
{
        for (size_t i = 0; i < session->n_targets; i++)
                if (session->targets[i].phase == TARGET_RUNNING)
                        return true;
        return false;
}

static void check_time(struct trace_command *t)
{
        uint64_t now = now_ns();

        if (t->options->duration_ns > 0 && t->duration_end_ns == 0 && any_running(&t->session) &&
            __builtin_add_overflow(now, t->options->duration_ns, &t->duration_end_ns))
                t->duration_end_ns = UINT64_MAX;
        if (t->duration_end_ns > 0 && now >= t->duration_end_ns)
                stop(t);
        if (!t->session.stopping && session_welcomed(&t->session))
                t->deadline_ns = 0;
        if (t->deadline_ns == 0 || now < t->deadline_ns || t->over)
                return;
        fail(t);
        if (t->session.stopping)
                say("faultlined did not end the trace within %d s; there is no ledger, try again or restart faultlined",
                    (int)(END_TIMEOUT_NS / NSEC_PER_SEC));
        else
                say("faultlined did not answer within %d s; try again, restart faultlined, or use --private",
                    (int)(WELCOME_TIMEOUT_NS / NSEC_PER_SEC));
}

/* Milliseconds for poll(2), rounded up; -1: no limit. */
static int timeout_ms(const struct trace_command *t)
{
        uint64_t next = UINT64_MAX, now;

        if (t->deadline_ns > 0)
                next = t->deadline_ns;
        if (t->duration_end_ns > 0 && !t->session.stopping)
                next = MIN_OF(next, t->duration_end_ns);
        if (next == UINT64_MAX)
                return -1;
        now = now_ns();
        if (next <= now)
                return 0;
        return (int)MIN_OF((next - now) / NSEC_PER_MSEC + 1, (uint64_t)INT_MAX);
}

/* --- output --- */

/* The reader is slow: wait for it, but not deaf. */
static void wait_for_output(struct trace_command *t)
{
        struct pollfd fds[] = {{.fd = t->output.fd, .events = POLLOUT}, {.fd = t->signal_fd, .events = POLLIN}};
        uint64_t deadline = t->deadline_ns;

        t->deadline_ns = 0; /* the daemon is not to blame */
        if (poll(fds, ARRAY_SIZE(fds), timeout_ms(t)) > 0 && fds[1].revents)
                handle_signals(t);
        t->deadline_ns = deadline;
        check_time(t);
        if (t->session.stopping)
                t->deadline_ns = now_ns() + END_TIMEOUT_NS;
}

static void flush_out(struct trace_command *t)
{
        size_t offset = 0;
        int r;

        do {
                r = output_write(&t->output, &t->view->out, &offset);
                if (r == -EAGAIN)
                        wait_for_output(t);
        } while (r == -EAGAIN);
        if (t->view->out.failed)
                r = -ENOMEM;
        t->view->out.n_bytes = 0;
        if (r == 0)
                return;
        fail(t);
        t->quiet_end = r == -EPIPE;
        if (!t->quiet_end)
                say("cannot write to standard output: %s; what follows is missing", strerror(-r));
}

static void flush(struct trace_command *t)
{
        if (t->view->out.n_bytes > 0 || t->view->out.failed)
                flush_out(t);
        if (t->view->err.n_bytes > 0)
                (void)fwrite(t->view->err.data, 1, t->view->err.n_bytes, stderr);
        t->view->err.n_bytes = 0;
}

/* --- the conversation --- */

static void handle_end_of_connection(struct trace_command *t)
{
        CLEANUP_TEXT struct text death = {0};

        t->over = true;
        if (session_done(&t->session))
                return;
        fail(t);
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
                if (r == CONN_ENDED)
                        handle_end_of_connection(t);
                else if (r == CONN_FRAME)
                        conclude(t, session_receive(&t->session, t->conn.buffer, n_bytes));
                else if (r == -EMSGSIZE)
                        text_put_string(&t->session.reason,
                                        "faultlined sent a message longer than any that its protocol "
                                        "has; check that the socket is that of faultlined");
                if (r < 0)
                        conclude(t, r);
                if (t->session.stopping)
                        t->deadline_ns = now_ns() + END_TIMEOUT_NS;
        }
        flush(t);
}

/* --- the command --- */

static void handle_command(struct trace_command *t)
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

static void handle_exec_status(struct trace_command *t)
{
        child_read_status(&t->child);
        if (t->child.exec_error != 0) {
                CLEANUP_TEXT struct text name = {0};

                (void)escape_terminal(&name, t->options->command[0], strlen(t->options->command[0]));
                say("cannot run '%.*s': %s", (int)name.n_bytes, name.data, strerror(t->child.exec_error));
        }
}

/* The trace is over; the command goes on as long as it wants. */
static int wait_for_command(struct trace_command *t)
{
        struct pollfd signals = {.fd = t->signal_fd, .events = POLLIN};
        int status;

        if (t->child.hold_fd >= 0)
                child_close(&t->child);
        if (t->child.status_fd >= 0)
                handle_exec_status(t);
        while (!child_reap(&t->child, &status)) {
                (void)poll(&signals, 1, -1);
                handle_signals(t);
        }
        return status;
}

/* --- the whole --- */

static void step(struct trace_command *t)
{
        struct pollfd fds[] = {
                {.fd = t->conn.fd, .events = POLLIN},
                {.fd = t->signal_fd, .events = POLLIN},
                {.fd = t->child.status_fd, .events = POLLIN},
                {.fd = t->output.fd, .events = 0}, /* a pipe without a reader shows as an error */
        };

        if (poll(fds, ARRAY_SIZE(fds), timeout_ms(t)) < 0 && errno != EINTR) {
                say("cannot wait for faultlined: %s", strerror(errno));
                fail(t);
                return;
        }
        if (fds[1].revents)
                handle_signals(t);
        if (fds[0].revents)
                receive(t);
        handle_command(t);
        if (fds[2].revents && t->command_ran)
                handle_exec_status(t);
        if (fds[3].revents & POLLERR && !t->over) {
                fail(t);
                t->quiet_end = true;
        }
        check_time(t);
}

static struct view *make_view(const struct options *options, const struct output *output)
{
        const char *terminal = getenv("TERM");
        bool capable = output->is_terminal && terminal && strcmp(terminal, "dumb") != 0 && !getenv("NO_COLOR");
        const struct view_text_options text = {
                .color = options->color == COLOR_ALWAYS || (options->color == COLOR_AUTO && capable),
                .notes_on_out = output->is_terminal,
        };

        return options->format == FORMAT_JSON ? view_json_new() : view_text_new(&text);
}

static struct view *free_view(const struct options *options, struct view *view)
{
        return options->format == FORMAT_JSON ? view_json_free(view) : view_text_free(view);
}

static int connect_daemon(struct trace_command *t)
{
        const struct conn_options where = {.socket = t->options->socket, .private_daemon = t->options->private_daemon};
        CLEANUP_TEXT struct text note = {0};
        int r;

        r = conn_open(&where, &t->conn, &note);
        say_text(&note);
        return r;
}

static int start_command(struct trace_command *t)
{
        int r;

        if (!t->options->command)
                return 0;
        r = child_start(t->options->command, &t->old_mask, t->conn.daemon_pid, &t->child);
        if (r < 0)
                say("cannot start the command: %s", strerror(-r));
        return r;
}

static int start_session(struct trace_command *t)
{
        const struct options *options = t->options;
        const int32_t child_pid = t->child.pid;
        const struct session_options what = {.detail = options->detail,
                                             .filter = options->filter,
                                             .count_limit = options->count,
                                             .from_exec = options->command != NULL};
        int r;

        r = options->command ? session_init(&t->session, &what, &child_pid, 1)
                             : session_init(&t->session, &what, options->pids, options->n_pids);
        if (r < 0)
                return r;
        t->session.view = t->view;
        t->session.send = send_frame;
        t->session.send_arg = t;
        t->deadline_ns = now_ns() + WELCOME_TIMEOUT_NS;
        conclude(t, session_start(&t->session));
        return 0;
}

static bool any_attached(const struct session *session)
{
        for (size_t i = 0; i < session->n_targets; i++)
                if (session->targets[i].was_attached)
                        return true;
        return false;
}

static int exit_status(struct trace_command *t)
{
        int command_status = 0;

        if (t->quiet_end)
                return EXIT_FAILURE;
        if (t->child.pid > 0)
                command_status = wait_for_command(t);
        if (t->failed || t->session.failed || !any_attached(&t->session) || t->command_ran != !!t->options->command)
                return EXIT_FAILURE;
        return command_status;
}

static int run(struct trace_command *t)
{
        int r;

        r = catch_signals(t);
        output_open(&t->output);
        t->view = make_view(t->options, &t->output);
        if (r < 0 || !t->view) {
                say("cannot start: %s", strerror(r < 0 ? -r : ENOMEM));
                return EXIT_FAILURE;
        }
        if (connect_daemon(t) < 0 || start_command(t) < 0)
                return EXIT_FAILURE;
        r = start_session(t);
        if (r < 0) {
                say("cannot start: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        while (!t->over && !session_done(&t->session))
                step(t);
        flush(t);
        conn_close(&t->conn);
        return exit_status(t);
}

int cmd_trace(const struct options *options)
{
        struct trace_command t = {
                .options = options,
                .conn = {.fd = -1},
                .child = CHILD_NONE,
                .output = {.fd = STDOUT_FILENO},
                .signal_fd = -1,
        };
        int status = run(&t);

        session_free(&t.session);
        child_close(&t.child);
        conn_close(&t.conn);
        output_close(&t.output);
        t.view = free_view(options, t.view);
        if (t.signal_fd >= 0)
                (void)close(t.signal_fd);
        return status;
}
