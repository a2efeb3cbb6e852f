/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that can be received is received, then rendered output is written once. Standard error is written only
 * after the standard output that came before it, so that both keep their order on a terminal.
 *
 * A reader that does not read holds up nothing but our own output: the daemon drops what we do not fetch and counts it,
 * signals and --duration end the trace all the same, and the time that we wait here is not the daemon's.
 */
#include "client/trace.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "client/say.h"
#include "client/view_json.h"
#include "client/view_text.h"

struct view *trace_make_view(const struct options *options, const struct output *output)
{
        const struct view_text_options text = {
                .color = output_wants_color(output, options->color),
                .fold = output->is_terminal && !options->no_fold,
                .ascii = output->is_terminal && !output_locale_is_utf8(),
                .notes_on_out = output->is_terminal,
        };

        return options->format == FORMAT_JSON ? view_json_new() : view_text_new(&text);
}

struct view *trace_free_view(const struct options *options, struct view *view)
{
        return options->format == FORMAT_JSON ? view_json_free(view) : view_text_free(view);
}

/* The reader is slow: wait for it, but not deaf. */
static void wait_for_output(struct trace_command *t)
{
        struct pollfd fds[] = {{.fd = t->output.fd, .events = POLLOUT}, {.fd = t->signal_fd, .events = POLLIN}};
        uint64_t deadline = t->deadline_ns;

        t->deadline_ns = 0; /* the daemon is not to blame */
        if (poll(fds, ARRAY_SIZE(fds), trace_timeout_ms(t)) > 0 && fds[1].revents)
                trace_handle_signals(t);
        trace_check_time(t);
        if (t->session.stopping)
                trace_await_end(t);
        else
                t->deadline_ns = deadline;
}

/* Names in it were made for standard output, which may be another place. */
static void put_errors_as_ascii(const struct text *err)
{
        for (size_t i = 0; i < err->n_bytes; i++) {
                unsigned char byte = (unsigned char)err->data[i];

                (void)fprintf(stderr, byte > 0x7f ? "\\x%02x" : "%c", byte);
        }
}

static void put_errors(struct trace_command *t)
{
        struct text *err = &t->view->err;

        if (err->n_bytes > 0 && err->ascii)
                put_errors_as_ascii(err);
        else if (err->n_bytes > 0)
                (void)fwrite(err->data, 1, err->n_bytes, stderr);
        err->n_bytes = 0;
}

static void put_output(struct trace_command *t)
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
        trace_fail(t);
        t->quiet_end = r == -EPIPE;
        t->view->holds_back = false; /* there is nowhere to put it */
        put_errors(t);               /* was said before */
        if (!t->quiet_end)
                say("cannot write to standard output: %s; what follows is missing", strerror(-r));
}

void trace_flush(struct trace_command *t)
{
        if (trace_screen_is_open(t))
                return; /* it would spoil the screen; trace_screen_end() calls again */
        if (t->view->out.n_bytes > 0 || t->view->out.failed)
                put_output(t);
        put_errors(t);
}

void trace_settle(struct trace_command *t)
{
        if (!t->view->holds_back)
                return;
        t->view->n_columns = output_columns(&t->output);
        view_settle(t->view);
        trace_flush(t);
}
