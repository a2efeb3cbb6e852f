/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A signal or the end of --duration sends STOP, and the traces end when their END has arrived, with the ledger. The
 * daemon has bounded time for its answers. Signals arrive through a signalfd, so no code runs in a signal handler.
 */
#include "client/trace.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "client/say.h"

enum { EXIT_INTERRUPTED = 128 + SIGINT };

#define WELCOME_TIMEOUT_NS (30 * NSEC_PER_SEC)
#define END_TIMEOUT_NS (30 * NSEC_PER_SEC) /* a second Ctrl-C does not wait */

/* So long after the last word of the daemon what the view holds back is shown: before anybody notices. */
enum { HOLD_BACK_MS = 50 };

/* timeout(1) and others send their signal to the process and then to its group: that is one request, not two. */
#define SAME_REQUEST_NS (300 * NSEC_PER_MSEC)

uint64_t trace_now_ns(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

void trace_fail(struct trace_command *t)
{
        t->over = true;
        t->failed = true;
}

void trace_conclude(struct trace_command *t, int r)
{
        if (r >= 0 || t->over || r == -EPIPE || r == -ECONNRESET)
                return; /* with the peer gone, what it said last is still to be received, and then comes the end */
        trace_fail(t);
        if (t->session.reason.n_bytes > 0)
                say_text(&t->session.reason);
        else
                say("the conversation with faultlined failed: %s", strerror(-r));
}

void trace_await_welcome(struct trace_command *t)
{
        t->deadline_ns = trace_now_ns() + WELCOME_TIMEOUT_NS;
}

void trace_await_end(struct trace_command *t)
{
        t->deadline_ns = trace_now_ns() + END_TIMEOUT_NS;
}

void trace_stop(struct trace_command *t)
{
        if (t->session.stopping || t->over)
                return;
        t->stop_ns = trace_now_ns();
        trace_await_end(t);
        trace_conclude(t, session_stop(&t->session));
}

/* --- signals --- */

static void forward(const struct trace_command *t, const struct signalfd_siginfo *info)
{
        /* The terminal has sent its signals to the whole process group already. */
        if (t->command_ran && t->child.pid > 0 && info->ssi_code != SI_KERNEL)
                (void)kill(t->child.pid, (int)info->ssi_signo);
}

/* The command waits to be run: it is not, and there is nothing to trace, nor to tell. */
static void cancel(struct trace_command *t, int signal)
{
        t->cancelled = signal;
        t->over = true;
}

static bool is_second_request(const struct trace_command *t)
{
        return t->session.stopping && !t->over && !session_done(&t->session) &&
               trace_now_ns() - t->stop_ns > SAME_REQUEST_NS;
}

void trace_handle_signals(struct trace_command *t)
{
        struct signalfd_siginfo info;

        while (read(t->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
                if (info.ssi_signo == SIGCHLD) {
                        trace_notice_child(t);
                        continue;
                }
                if (trace_screen_handle_signal(t, &info))
                        continue;
                if (t->child.hold_fd >= 0) {
                        cancel(t, (int)info.ssi_signo);
                        continue;
                }
                forward(t, &info);
                if (info.ssi_signo == SIGINT && is_second_request(t)) {
                        trace_screen_end(t);
                        _exit(EXIT_INTERRUPTED);
                }
                trace_screen_leave(t);
                trace_stop(t);
        }
}

int trace_catch_signals(struct trace_command *t)
{
        /* SIGPIPE is only blocked: a reader that has gone shows as EPIPE, and the command gets our old mask back. */
        static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
        sigset_t mask;

        (void)sigemptyset(&mask);
        for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
                (void)sigaddset(&mask, caught[i]);
        trace_screen_add_signals(t, &mask);
        (void)signal(SIGCHLD, SIG_DFL); /* inherited as ignored it would reap our children for us */
        (void)sigaddset(&mask, SIGPIPE);
        if (sigprocmask(SIG_BLOCK, &mask, &t->old_mask) < 0)
                return -errno;
        (void)sigdelset(&mask, SIGPIPE);
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

void trace_check_time(struct trace_command *t)
{
        uint64_t now = trace_now_ns();

        if (t->options->duration_ns > 0 && t->duration_end_ns == 0 && any_running(&t->session) &&
            __builtin_add_overflow(now, t->options->duration_ns, &t->duration_end_ns))
                t->duration_end_ns = UINT64_MAX;
        if (t->duration_end_ns > 0 && now >= t->duration_end_ns)
                trace_stop(t);
        if (!t->session.stopping && session_welcomed(&t->session))
                t->deadline_ns = 0;
        if (t->deadline_ns == 0 || now < t->deadline_ns || t->over)
                return;
        trace_fail(t);
        if (t->session.stopping)
                say("faultlined did not end the trace within %d s; there is no ledger, try again or restart faultlined",
                    (int)(END_TIMEOUT_NS / NSEC_PER_SEC));
        else
                say("faultlined did not answer within %d s; try again, restart faultlined, or use --private",
                    (int)(WELCOME_TIMEOUT_NS / NSEC_PER_SEC));
}

void trace_tick(struct trace_command *t)
{
        uint64_t now;

        if (!t->kind->tick || t->over)
                return;
        now = trace_now_ns();
        if (now < t->tick_end_ns)
                return;
        t->tick_end_ns = now + t->kind->tick_ns;
        t->view->n_columns = output_columns(&t->output);
        t->kind->tick(t->options, t->view, now);
        trace_flush(t);
}

int trace_timeout_ms(const struct trace_command *t)
{
        const int patience_ms = t->view->holds_back ? HOLD_BACK_MS : INT_MAX;
        uint64_t next = UINT64_MAX, now;

        if (t->deadline_ns > 0)
                next = t->deadline_ns;
        if (t->duration_end_ns > 0 && !t->session.stopping)
                next = MIN_OF(next, t->duration_end_ns);
        next = MIN_OF(next, trace_reconnect_due_ns(t));
        if (next == UINT64_MAX)
                return t->view->holds_back ? patience_ms : -1;
        now = trace_now_ns();
        if (next <= now)
                return 0;
        return (int)MIN_OF((next - now) / NSEC_PER_MSEC + 1, (uint64_t)patience_ms);
}
