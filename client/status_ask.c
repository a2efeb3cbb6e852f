/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the service is activated by its socket, connecting starts it: whoever asks how it is gets an answer, even if it
 * is "I do nothing". Who must not start it asks systemd first (faultline-metrics.service).
 *
 * An answer that does not come within ANSWER_TIMEOUT_NS does not come: a monitor that is stuck is ended by its watchdog
 * later than that, and a monitoring system does not wait so long.
 */
#include "client/status_ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "client/escape.h"
#include "client/say.h"

#define ANSWER_TIMEOUT_NS (10 * NSEC_PER_SEC)

static int send_frame(void *arg, const uint8_t *frame, size_t n_bytes)
{
        return conn_send(arg, frame, n_bytes);
}

static void complain_unreachable(const char *socket, int error)
{
        CLEANUP_TEXT struct text line = {0};

        if (!socket && (error == -ENOENT || error == -ECONNREFUSED)) {
                say("no faultlined runs as a service: nothing listens at " CONN_SERVICE_SOCKET
                    "; systemctl start faultlined.socket starts it, --socket=PATH names another one");
                return;
        }
        text_put_string(&line, "cannot connect to faultlined at ");
        (void)escape_terminal(&line, socket ? socket : CONN_SERVICE_SOCKET,
                              strlen(socket ? socket : CONN_SERVICE_SOCKET));
        text_printf(&line, ": %s; check the path and that faultlined listens there", strerror(-error));
        say_text(&line);
}

int status_ask_open(const char *socket, uint32_t flags, struct status_ask *ret)
{
        const struct conn_options options = {.socket = socket ? socket : CONN_SERVICE_SOCKET, .daemon_log_fd = -1};
        CLEANUP_TEXT struct text note = {0}; /* about other ways to trace, of which none leads to the service */
        struct status_ask ask = {.conn = {.fd = -1}, .talk = {.flags = flags, .send = send_frame}, .socket = socket};
        int r = conn_open(&options, &ask.conn, &note);

        if (r < 0) {
                complain_unreachable(socket, r);
                return r;
        }
        *ret = ask;
        return 0;
}

void status_ask_close(struct status_ask *ask)
{
        status_talk_free(&ask->talk);
        conn_close(&ask->conn);
}

/* --- answers --- */

static uint64_t now_ns(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/* 0: something can be received, or the time is over and *ret_over says so; -errno. */
static int await(const struct status_ask *ask, uint64_t deadline_ns, bool *ret_over)
{
        uint64_t now = now_ns();
        struct pollfd ready = {.fd = ask->conn.fd, .events = POLLIN};
        int ms = now < deadline_ns ? (int)((deadline_ns - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC) : 0;
        int n = poll(&ready, 1, ms);

        if (n < 0 && errno != EINTR)
                return -errno;
        *ret_over = n == 0;
        return 0;
}

/* One frame, if there is one. */
static int receive(struct status_ask *ask)
{
        size_t n_bytes = 0;
        int r = conn_receive(&ask->conn, &n_bytes);

        switch (r) {
        case CONN_EMPTY:
                return 0;
        case CONN_FRAME:
                return status_talk_receive(&ask->talk, ask->conn.buffer, n_bytes);
        case CONN_ENDED:
                text_put_string(&ask->talk.reason, "faultlined ended the connection without an answer; journalctl -u "
                                                   "faultlined says why");
                return -EPIPE;
        case -EMSGSIZE:
                text_put_string(&ask->talk.reason, "faultlined sent a message longer than any that its protocol has; "
                                                   "check that the socket is that of faultlined");
                return -EPROTO;
        default:
                return r;
        }
}

static int converse(struct status_ask *ask)
{
        uint64_t deadline_ns = now_ns() + ANSWER_TIMEOUT_NS;
        bool is_over = false;
        int r = 0;

        ask->talk.send_arg = &ask->conn;
        r = ask->talk.welcomed ? status_talk_ask(&ask->talk) : status_talk_begin(&ask->talk);
        while (r == 0 && ask->talk.is_asking && !is_over) {
                r = await(ask, deadline_ns, &is_over);
                if (r == 0)
                        r = receive(ask);
        }
        if (r < 0 || !ask->talk.is_asking)
                return r;
        text_printf(&ask->talk.reason, "faultlined did not answer within %u s; see journalctl -u faultlined",
                    (unsigned int)(ANSWER_TIMEOUT_NS / NSEC_PER_SEC));
        return -ETIMEDOUT;
}

int status_ask_next(struct status_ask *ask, struct status *ret)
{
        int r = converse(ask);

        if (r == 0) {
                *ret = ask->talk.status;
                ask->talk.status = (struct status){0};
        } else if (ask->talk.reason.n_bytes > 0) {
                say_text(&ask->talk.reason);
        } else {
                say("cannot ask faultlined: %s", strerror(-r));
        }
        return r;
}
