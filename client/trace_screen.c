/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames follow the clock, not the faults: at most ten a second, however many come; when nothing comes, one a second,
 * because rates fall also when nothing happens. The stream is received in slices (cmd_trace.c) and keys are looked at
 * after each, so a flood delays an answer by a slice and a frame at most.
 *
 * Nobody else may write to the terminal meanwhile. Our own lines and those of the view wait in memory; the command and
 * the private daemon get a file in memory where they have the terminal for their standard output or error, and the
 * command does not get our keys: its standard input is /dev/null if ours is the terminal.
 *
 * The terminal is taken when the first target is attached, not before: that there is no such process, or no right to
 * trace it, is said as by the other commands, on a screen that nobody has touched. It is kept when the trace has ended,
 * until the user has seen enough.
 */
#include "client/trace_screen.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/capture.h"
#include "client/say.h"
#include "client/screen/term.h"
#include "client/trace.h"

enum {
        KEYS_AT_A_TIME = 256, /* pasted text is no reason not to receive */
        HELD_BYTES_MAX = 64 * 1024,
};

struct trace_screen {
        const struct trace_screen_kind *kind;
        bool monochrome;
        struct term *term; /* NULL: not taken yet, or given back */
        struct grid grid;
        struct text held;               /* said while the screen was there */
        struct capture command, daemon; /* what these write */
        int null_fd;                    /* the command's standard input; -1: ours */
        bool command_writes[3];         /* which streams of the command go to its capture */
        uint64_t frame_ns;              /* when the last one was begun */
        bool is_changed, is_leaving, is_over, was_open;
};

static uint64_t now_ns(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/* --- before and after --- */

/* https://no-color.org: set and not empty; who says --color=always has said so later. */
static bool wants_monochrome(const struct options *options)
{
        const char *no_color = getenv("NO_COLOR");

        return options->color == COLOR_NEVER || (options->color == COLOR_AUTO && no_color && *no_color);
}

static int open_captures(struct trace_screen *screen, bool with_command)
{
        int r = isatty(STDERR_FILENO) ? capture_open(&screen->daemon) : 0;

        if (r < 0 || !with_command)
                return r;
        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
                screen->command_writes[fd] = isatty(fd);
        if (isatty(STDIN_FILENO)) {
                screen->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
                if (screen->null_fd < 0)
                        return -errno;
        }
        return capture_open(&screen->command);
}

int trace_screen_init(struct trace_command *t)
{
        CLEANUP_TEXT struct text complaint = {0};
        int r;

        if (!t->kind->screen)
                return 0;
        r = term_check(&complaint);
        say_text(&complaint);
        if (r < 0)
                return r;
        t->screen = calloc(1, sizeof(*t->screen));
        if (t->screen) {
                *t->screen = (struct trace_screen){
                        .kind = t->kind->screen,
                        .monochrome = wants_monochrome(t->options),
                        .command = CAPTURE_NONE,
                        .daemon = CAPTURE_NONE,
                        .null_fd = -1,
                };
                r = open_captures(t->screen, t->options->command != NULL);
        } else {
                r = -ENOMEM;
        }
        if (r < 0)
                say("cannot start: %s", strerror(-r));
        return r;
}

void trace_screen_free(struct trace_command *t)
{
        struct trace_screen *screen = t->screen;

        if (!screen)
                return;
        trace_screen_end(t);
        capture_close(&screen->command);
        capture_close(&screen->daemon);
        if (screen->null_fd >= 0)
                (void)close(screen->null_fd);
        grid_free(&screen->grid);
        text_free(&screen->held);
        free(screen);
        t->screen = NULL;
}

bool trace_screen_is_open(const struct trace_command *t)
{
        return t->screen && t->screen->term;
}

bool trace_screen_stays(const struct trace_command *t)
{
        return trace_screen_is_open(t) && !t->screen->is_leaving;
}

void trace_screen_leave(struct trace_command *t)
{
        if (t->screen)
                t->screen->is_leaving = true;
}

void trace_screen_begin(struct trace_command *t)
{
        struct trace_screen *screen = t->screen;
        CLEANUP_TEXT struct text complaint = {0};

        if (!screen || screen->was_open)
                return;
        screen->was_open = true;
        if (term_open(&(struct term_options){.out_fd = t->output.fd, .monochrome = screen->monochrome}, &screen->term,
                      &complaint) < 0) {
                say_text(&complaint);
                trace_fail(t);
                return;
        }
        screen->grid.ascii = term_is_ascii(screen->term);
        t->view->err.ascii = screen->grid.ascii && isatty(STDERR_FILENO);
        screen->is_changed = true;
        say_hold(&screen->held);
}

static void give_captured(struct capture *capture, int fd, const char *whose)
{
        uint64_t left_out;

        if (!capture_has_more(capture))
                return;
        left_out = capture_give(capture, fd);
        if (left_out > 0)
                say("before that, %" PRIu64 " bytes of output of %s are left out", left_out, whose);
}

void trace_screen_pass_on(struct trace_command *t)
{
        if (!t->screen || t->screen->term)
                return;
        give_captured(&t->screen->daemon, STDERR_FILENO, "faultlined");
        give_captured(&t->screen->command, STDOUT_FILENO, "the command");
}

void trace_screen_end(struct trace_command *t)
{
        struct trace_screen *screen = t->screen;

        if (!trace_screen_is_open(t))
                return;
        screen->term = term_close(screen->term);
        say_hold(NULL);
        trace_screen_pass_on(t);
        trace_flush(t);
        if (screen->held.n_bytes > 0)
                (void)fwrite(screen->held.data, 1, screen->held.n_bytes, stderr);
        screen->held.n_bytes = 0;
}

/* --- what others write --- */

struct child_streams trace_screen_streams(const struct trace_command *t)
{
        struct child_streams streams = {{-1, -1, -1}};

        if (!t->screen)
                return streams;
        streams.fds[STDIN_FILENO] = t->screen->null_fd;
        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
                if (t->screen->command_writes[fd])
                        streams.fds[fd] = t->screen->command.fd;
        return streams;
}

int trace_screen_log_fd(const struct trace_command *t)
{
        return t->screen ? t->screen->daemon.fd : -1;
}

/* Only the end of it: a trace may run for days. */
static void drop_oldest_lines(struct text *text)
{
        const char *newline;
        size_t n_gone;

        if (text->n_bytes <= HELD_BYTES_MAX)
                return;
        n_gone = text->n_bytes - HELD_BYTES_MAX / 2;
        newline = memchr(text->data + n_gone, '\n', text->n_bytes - n_gone);
        n_gone = newline ? (size_t)(newline + 1 - text->data) : text->n_bytes;
        memmove(text->data, text->data + n_gone, text->n_bytes - n_gone);
        text->n_bytes -= n_gone;
}

static void bound_memory(struct trace_command *t)
{
        capture_trim(&t->screen->command);
        capture_trim(&t->screen->daemon);
        drop_oldest_lines(&t->screen->held);
        drop_oldest_lines(&t->view->err);
}

/* --- signals --- */

void trace_screen_add_signals(const struct trace_command *t, sigset_t *set)
{
        static const int caught[] = {SIGWINCH, SIGTSTP, SIGCONT};

        if (t->kind->screen)
                for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
                        (void)sigaddset(set, caught[i]);
}

/* As if we had not caught it. Returns when somebody has continued us, or at once where there is nobody who could: the
 * kernel does not stop orphaned process groups so. */
static void stop_ourselves(void)
{
        sigset_t stop, before;

        (void)sigemptyset(&stop);
        (void)sigaddset(&stop, SIGTSTP);
        (void)raise(SIGTSTP);
        (void)sigprocmask(SIG_UNBLOCK, &stop, &before);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
}

bool trace_screen_handle_signal(struct trace_command *t, const struct signalfd_siginfo *info)
{
        struct term *term = t->screen ? t->screen->term : NULL;

        switch (info->ssi_signo) {
        case SIGTSTP:
                if (term)
                        term_suspend(term);
                stop_ourselves();
                break;
        case SIGCONT: /* also after SIGSTOP, which has left the terminal to whoever came then */
        case SIGWINCH:
                break;
        default:
                return false;
        }
        if (term && info->ssi_signo != SIGWINCH)
                term_resume(term);
        if (t->screen)
                t->screen->is_changed = true;
        return true;
}

/* --- the loop --- */

void trace_screen_poll(const struct trace_command *t, struct pollfd ret[static N_TRACE_SCREEN_FDS])
{
        const struct term *term = t->screen ? t->screen->term : NULL;

        ret[0] = (struct pollfd){.fd = term ? term_in_fd(term) : -1, .events = POLLIN};
        ret[1] = (struct pollfd){.fd = term && term_is_busy(term) ? term_out_fd(term) : -1, .events = POLLOUT};
}

static uint64_t due_ns(const struct trace_screen *screen)
{
        return screen->frame_ns + (screen->is_changed ? TRACE_FRAME_NS : TRACE_IDLE_FRAME_NS);
}

int trace_screen_patience_ms(const struct trace_command *t, int timeout_ms)
{
        uint64_t now, due;
        int ms = 0;

        if (!trace_screen_is_open(t) || term_is_busy(t->screen->term))
                return timeout_ms;
        now = now_ns();
        due = due_ns(t->screen);
        if (due > now)
                ms = (int)((due - now) / NSEC_PER_MSEC) + 1;
        return timeout_ms < 0 ? ms : MIN_OF(ms, timeout_ms);
}

void trace_screen_note_change(struct trace_command *t)
{
        if (t->screen)
                t->screen->is_changed = true;
}

/* The terminal has gone, or there is no memory for what it should show. */
static void give_up(struct trace_command *t, int r)
{
        trace_screen_leave(t);
        if (r == -EIO)
                t->quiet_end = true;
        else
                say("cannot draw: %s", strerror(-r));
        if (!t->over)
                trace_fail(t);
        t->failed = true;
}

static void quit(struct trace_command *t)
{
        trace_screen_leave(t);
        trace_stop(t);
}

static void read_keys(struct trace_command *t, uint64_t now)
{
        struct trace_screen *screen = t->screen;
        struct key key;
        int r = 1;

        for (int i = 0; i < KEYS_AT_A_TIME && !screen->is_leaving; i++) {
                enum trace_key_answer answer;

                r = term_read_key(screen->term, &key);
                if (r <= 0)
                        break;
                screen->is_changed = true;
                answer = screen->kind->key(t->view, &key, now);
                if (answer == TRACE_KEY_QUIT)
                        quit(t);
                else if (answer == TRACE_KEY_REPAINT)
                        term_repaint(screen->term);
        }
        if (r < 0)
                give_up(t, r);
}

static int draw(struct trace_command *t, uint64_t now)
{
        struct trace_screen *screen = t->screen;
        uint32_t width, height;
        int r = 0;

        term_size(screen->term, &width, &height);
        if (width != screen->grid.width || height != screen->grid.height)
                r = grid_resize(&screen->grid, width, height);
        if (r < 0)
                return r;
        r = screen->kind->draw(t->view, &screen->grid, now);
        if (r == 0)
                r = term_show(screen->term, &screen->grid);
        screen->is_changed |= screen->kind->fetch(screen->kind->user, t, now);
        return r;
}

void trace_screen_run(struct trace_command *t, const struct pollfd fds[static N_TRACE_SCREEN_FDS])
{
        struct trace_screen *screen = t->screen;
        uint64_t now;
        int r = 0;

        if (!trace_screen_is_open(t))
                return;
        now = now_ns();
        if (fds[0].revents)
                read_keys(t, now);
        if (fds[1].revents)
                r = term_flush(screen->term);
        if ((r == 0 || r == -EAGAIN) && !term_is_busy(screen->term) && now >= due_ns(screen)) {
                screen->frame_ns = now;
                screen->is_changed = false;
                bound_memory(t);
                r = draw(t, now);
        }
        if (r < 0 && r != -EAGAIN)
                give_up(t, r);
}

/* The last line that was said, without its prefix: only failures are. */
static void put_reason(const struct text *held, struct text *out)
{
        static const char prefix[] = "faultline: ";
        const char *line = held->data, *end = held->data + held->n_bytes;

        for (const char *p = line; p + 1 < end; p++)
                if (*p == '\n')
                        line = p + 1;
        if ((size_t)(end - line) > strlen(prefix))
                text_put(out, line + strlen(prefix), (size_t)(end - line) - strlen(prefix) - 1);
        text_put_char(out, '\0');
}

void trace_screen_note_end(struct trace_command *t)
{
        CLEANUP_TEXT struct text why = {0};
        struct trace_screen *screen = t->screen;

        if (!trace_screen_is_open(t) || screen->is_over)
                return;
        screen->is_over = true;
        screen->is_changed = true;
        put_reason(&screen->held, &why);
        screen->kind->over(t->view, !why.failed && why.n_bytes > 1 ? why.data : NULL);
}
