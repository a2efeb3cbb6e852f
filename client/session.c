/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table of handlers by message type, and for each target a phase. The daemon is not trusted: what it sends is
 * decoded with bounds, its strings are escaped by the views, frames for traces that are not (or no longer) ours are
 * skipped, and anything that cannot be interpreted ends the conversation with one line that says what it was.
 *
 * A GAP means that the daemon's engine died and a new one has the connection. It knows nothing of us: what was
 * running is resumed with the counts so far, and what was not yet answered is asked again. If the old request did
 * survive, the second answer finds no target that waits for it, and its trace is stopped. Before the welcome there is
 * only the greeting to say again; if the new engine has read the first one too, a second welcome comes.
 */
#include "client/session.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "client/escape.h"
#include "client/ledger.h"
#include "client/session_restart.h"
#include "client/session_send.h"

enum { EVENTS_AT_A_TIME = 64 }; /* few enough to stay in the first-level cache between decoding and rendering */

struct frame_in {
        struct proto_header header;
        const uint8_t *body;
        size_t n_bytes;
};

int session_init(struct session *session, const struct session_options *options, const int32_t *pids, size_t n_pids)
{
        struct target *targets = calloc(n_pids, sizeof(*targets));

        if (!targets)
                return -ENOMEM;
        for (size_t i = 0; i < n_pids; i++) {
                targets[i].pid = pids[i];
                targets[i].state.pid = pids[i];
                targets[i].state.unit = options->unit;
                targets[i].state.follows = options->follow;
                targets[i].state.several = options->follow || n_pids > 1;
                targets[i].state.demangles = options->demangle;
        }
        *session = (struct session){.options = *options, .targets = targets, .n_targets = n_pids};
        return 0;
}

void session_free(struct session *session)
{
        for (size_t i = 0; i < session->n_targets; i++)
                state_free(&session->targets[i].state);
        free(session->targets);
        text_free(&session->reason);
        *session = (struct session){0};
}

bool session_welcomed(const struct session *session)
{
        return session->event_bytes != 0;
}

bool session_done(const struct session *session)
{
        for (size_t i = 0; i < session->n_targets; i++)
                if (session->targets[i].phase < TARGET_ENDED)
                        return false;
        return true;
}

int session_start(struct session *session)
{
        return session_send_hello(session);
}

int session_stop(struct session *session)
{
        if (session->stopping)
                return 0;
        session->stopping = true;
        for (size_t i = 0; i < session->n_targets; i++) {
                struct target *target = &session->targets[i];
                int r = 0;

                if (target->phase == TARGET_RUNNING)
                        r = session_send_stop(session, target->trace);
                else if (target->phase == TARGET_WAITING)
                        target->phase = TARGET_FAILED;
                else if (target->phase < TARGET_ENDED && target->past.is_whole)
                        session_end_as_told(session, target, END_STOPPED);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- receiving --- */

static int broken(struct session *session, const struct frame_in *frame, const char *what)
{
        const char *name = message_text(frame->header.type);

        if (name)
                text_printf(&session->reason, "faultlined sent a message (%s) that %s", name, what);
        else
                text_printf(&session->reason, "faultlined sent a message (type %u) that %s", frame->header.type, what);
        text_put_string(&session->reason, "; check that faultline and faultlined are of the same version");
        return -EPROTO;
}

static int malformed(struct session *session, const struct frame_in *frame, int r)
{
        return r == -EBADMSG ? broken(session, frame, "is malformed") : r;
}

static struct target *find_trace(struct session *session, uint32_t trace)
{
        for (size_t i = 0; i < session->n_targets; i++) {
                struct target *target = &session->targets[i];

                if (trace != 0 && target->trace == trace &&
                    (target->phase == TARGET_RUNNING || target->phase == TARGET_RESUMING))
                        return target;
        }
        return NULL;
}

static struct target *find_request(struct session *session, uint32_t req)
{
        for (size_t i = 0; i < session->n_targets; i++) {
                struct target *target = &session->targets[i];

                if (target->req == req && (target->phase == TARGET_ATTACHING || target->phase == TARGET_RESUMING))
                        return target;
        }
        return NULL;
}

/* What is asked for that a daemon of this minor version does not know; NULL: nothing. */
static const char *too_new_for(const struct session_options *options, unsigned int minor)
{
        if (minor < 1 &&
            (options->follow || options->unmaps || options->ptrace != PTRACE_MODE_AUTO || options->unit.n_bytes > 0))
                return "--follow, --unit, --ptrace and --unmaps";
        return minor < 2 && options->stack_bytes > 0 ? "call stacks (--stack)" : NULL;
}

/* A daemon of another version does not see what it does not know: it would trace less than was asked for. */
static int check_version(struct session *session, const struct proto_welcome *welcome)
{
        const char *too_new = too_new_for(&session->options, welcome->minor);

        if (welcome->major == PROTO_MAJOR && !too_new)
                return 0;
        text_put_string(&session->reason, "faultlined ");
        (void)escape_terminal(&session->reason, welcome->version.data, welcome->version.n_bytes);
        if (welcome->major != PROTO_MAJOR)
                text_printf(&session->reason,
                            " speaks version %u of the protocol and faultline " FAULTLINE_VERSION " version %u",
                            welcome->major, PROTO_MAJOR);
        else
                text_printf(&session->reason, " is too old for %s", too_new);
        text_put_string(&session->reason, "; install faultline and faultlined of the same version");
        return -EPROTO;
}

static int handle_welcome(struct session *session, const struct frame_in *frame)
{
        struct proto_welcome welcome;
        int r;

        r = proto_decode_welcome(frame->body, frame->n_bytes, &welcome);
        if (r < 0)
                return malformed(session, frame, r);
        r = check_version(session, &welcome);
        if (r < 0)
                return r;
        if (session->had_gap && welcome.event_bytes == session->event_bytes)
                return 0;
        if (session_welcomed(session) || welcome.event_bytes < PROTO_EVENT_BYTES ||
            welcome.event_bytes > PROTO_FRAME_MAX_BYTES)
                return broken(session, frame, "is malformed");
        session->event_bytes = welcome.event_bytes;
        for (size_t i = 0; i < session->n_targets; i++) {
                struct target *target = &session->targets[i];

                if (target->phase == TARGET_WAITING && !session->stopping)
                        r = session_send_attach(session, target);
                else if (target->phase == TARGET_RESUMING)
                        r = session_send_resume(session, target);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int handle_attached(struct session *session, const struct frame_in *frame)
{
        struct proto_attached attached;
        struct target *target;
        int r;

        r = proto_decode_attached(frame->body, frame->n_bytes, &attached);
        if (r < 0)
                return malformed(session, frame, r);
        target = find_request(session, attached.req);
        if (!target) /* RESUME was read by two engines: the answer to the second one comes */
                return find_trace(session, frame->header.trace) ? 0 : session_send_stop(session, frame->header.trace);
        if (target->trace == 0)
                session_note_daemon(target);
        target->trace = frame->header.trace;
        target->key = attached.key;
        target->kernel_base = attached.kernel_base;
        target->lost_base = attached.lost_base;
        target->phase = TARGET_RUNNING;
        if (!target->was_attached) {
                r = state_begin(&target->state, &attached, session->options.from_exec);
                if (r < 0)
                        return r;
                target->was_attached = true;
                session->view->ops->attached(session->view, &target->state, &attached);
        }
        return session->stopping ? session_send_stop(session, target->trace) : 0;
}

/* Before the welcome an error is the daemon's answer to our greeting, and the end: nothing can be asked for. */
static void refuse_all(struct session *session)
{
        for (size_t i = 0; i < session->n_targets; i++)
                session->targets[i].phase = TARGET_FAILED;
}

static int handle_error(struct session *session, const struct frame_in *frame)
{
        struct proto_error error;
        struct target *target;
        int r;

        r = proto_decode_error(frame->body, frame->n_bytes, &error);
        if (r < 0)
                return malformed(session, frame, r);
        target = error.req ? find_request(session, error.req) : find_trace(session, frame->header.trace);
        if (error.req && !target && session->had_gap) /* it was asked again */
                return 0;
        session->failed = true;
        session->view->ops->error(session->view, target ? target->pid : 0, &error);
        if (!session_welcomed(session))
                refuse_all(session);
        else if (target && error.req)
                session_fail_target(session, target);
        return 0;
}

static int handle_dict(struct session *session, const struct frame_in *frame)
{
        struct target *target = find_trace(session, frame->header.trace);

        if (!target)
                return 0;
        return malformed(session, frame,
                         state_define(&target->state, frame->body, frame->n_bytes, frame->header.count));
}

static int handle_dict_reset(struct session *session, const struct frame_in *frame)
{
        struct target *target = find_trace(session, frame->header.trace);

        if (!target)
                return 0;
        view_settle(session->view);
        state_reset(&target->state);
        return 0;
}

static void show_events(struct session *session, struct target *target, const uint8_t *records, uint32_t n_events,
                        uint64_t first_seq)
{
        struct proto_event events[EVENTS_AT_A_TIME];
        const struct fault_batch batch = {.events = events, .n_events = n_events, .first_seq = first_seq};

        for (uint32_t i = 0; i < n_events; i++)
                proto_get_event(records + (size_t)i * session->event_bytes, &events[i]);
        state_count_events(&target->state, events, n_events);
        session->view->ops->faults(session->view, &target->state, &batch);
}

static int handle_events(struct session *session, const struct frame_in *frame)
{
        struct target *target = find_trace(session, frame->header.trace);
        const uint8_t *records;
        int r;

        if (!target)
                return 0;
        r = state_receive(&target->state, frame->body, frame->n_bytes, frame->header.count, session->event_bytes,
                          &records);
        if (r < 0)
                return malformed(session, frame, r);
        for (uint32_t done = 0; done < frame->header.count;) {
                uint32_t n = MIN_OF(frame->header.count - done, (uint32_t)EVENTS_AT_A_TIME);

                show_events(session, target, records + (size_t)done * session->event_bytes, n,
                            frame->header.first_seq + done);
                done += n;
        }
        return 0;
}

static int handle_drops(struct session *session, const struct frame_in *frame)
{
        struct target *target = find_trace(session, frame->header.trace);
        struct proto_drops drops = {0};
        int r;

        r = proto_decode_drops(frame->body, frame->n_bytes, &drops);
        if (r < 0)
                return malformed(session, frame, r);
        if (!target)
                return 0;
        state_count_drops(&target->state, &drops);
        session->view->ops->drops(session->view, &target->state, &drops);
        return 0;
}

static int handle_life(struct session *session, const struct frame_in *frame)
{
        struct target *target = find_trace(session, frame->header.trace);
        struct proto_life life;
        int r;

        r = proto_decode_life(frame->body, frame->n_bytes, &life);
        if (r < 0)
                return malformed(session, frame, r);
        if (!target)
                return 0;
        r = state_live(&target->state, &life);
        if (r < 0)
                return r;
        session->view->ops->life(session->view, &target->state, &life);
        return 0;
}

static int handle_degraded(struct session *session, const struct frame_in *frame)
{
        struct target *target = find_trace(session, frame->header.trace);
        struct proto_degraded degraded;
        int r;

        r = proto_decode_degraded(frame->body, frame->n_bytes, &degraded);
        if (r < 0)
                return malformed(session, frame, r);
        if (target)
                session->view->ops->degraded(session->view, &target->state, &degraded);
        return 0;
}

static int handle_signal(struct session *session, const struct frame_in *frame)
{
        struct target *target = find_trace(session, frame->header.trace);
        struct proto_signal signal;
        int r;

        r = proto_decode_signal(frame->body, frame->n_bytes, &signal);
        if (r < 0)
                return malformed(session, frame, r);
        if (target)
                session->view->ops->signal(session->view, &target->state, &signal);
        return 0;
}

static int handle_revoked(struct session *session, const struct frame_in *frame)
{
        struct target *target = find_trace(session, frame->header.trace);
        struct proto_revoked revoked;
        int r;

        r = proto_decode_revoked(frame->body, frame->n_bytes, &revoked);
        if (r < 0)
                return malformed(session, frame, r);
        if (!target)
                return 0;
        target->state.is_partial = true;
        session->view->ops->revoked(session->view, &target->state, &revoked);
        return 0;
}

static int go_on(struct session *session, struct target *target)
{
        switch (target->phase) {
        case TARGET_ATTACHING:
                return session_send_attach(session, target);
        case TARGET_RUNNING:
        case TARGET_RESUMING:
                state_reset(&target->state);
                return session_send_resume(session, target);
        default:
                return 0;
        }
}

/* Else nothing of what is shown is missing. */
static bool any_attached(const struct session *session)
{
        for (size_t i = 0; i < session->n_targets; i++)
                if (session->targets[i].phase == TARGET_RUNNING || session->targets[i].phase == TARGET_RESUMING)
                        return true;
        return false;
}

static int handle_gap(struct session *session, const struct frame_in *frame)
{
        struct proto_gap gap;
        int r;

        r = proto_decode_gap(frame->body, frame->n_bytes, &gap);
        if (r < 0)
                return malformed(session, frame, r);
        if (frame->header.trace != 0) {
                session_note_missed(session, find_trace(session, frame->header.trace), &gap);
                return 0;
        }
        session->had_gap = true;
        if (!session_welcomed(session))
                return session_send_hello(session);
        if (any_attached(session))
                session->view->ops->gap(session->view, NULL, &gap);
        for (size_t i = 0; i < session->n_targets; i++) {
                r = go_on(session, &session->targets[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void check_ledger(struct session *session, const struct target *target, const struct proto_ledger *ledger)
{
        enum ledger_verdict verdict = ledger_check(ledger, target->state.n_received);
        struct text *err = &session->view->err;

        if (verdict == LEDGER_HOLDS)
                return;
        session->failed = true;
        if (target->pid == 0)
                text_put_string(err, "faultline: the unit: ");
        else
                text_printf(err, "faultline: process %d: ", target->pid);
        ledger_put_verdict(err, verdict, ledger, target->state.n_received);
        text_put_char(err, '\n');
}

static int handle_end(struct session *session, const struct frame_in *frame)
{
        struct target *target = find_trace(session, frame->header.trace);
        struct proto_end end;
        int r;

        r = proto_decode_end(frame->body, frame->n_bytes, &end);
        if (r < 0)
                return malformed(session, frame, r);
        if (!target)
                return 0;
        if (end.reason == END_RESTART && proto_key_is_set(&target->key) && !session->stopping) {
                check_ledger(session, target, &end.ledger);
                session_note_end(target, &end);
                return 0;
        }
        target->phase = TARGET_ENDED;
        session->view->ops->end(session->view, &target->state, &end);
        if (end.reason == END_ERROR) {
                const struct proto_error error = {.error = EIO, .text = end.text};

                session->failed = true;
                view_put_error(session->view, target->pid, &error);
        }
        check_ledger(session, target, &end.ledger);
        state_reset(&target->state);
        return 0;
}

static int handle_bye(struct session *session, const struct frame_in *frame)
{
        struct proto_bye bye;
        int r;

        r = proto_decode_bye(frame->body, frame->n_bytes, &bye);
        if (r < 0)
                return malformed(session, frame, r);
        if (session_done(session))
                return 0; /* why has been said, or there is nothing left to say */
        text_put_string(&session->reason, "faultlined ended the connection");
        if (bye.reason.n_bytes > 0) {
                text_put_string(&session->reason, ": ");
                (void)escape_terminal(&session->reason, bye.reason.data, bye.reason.n_bytes);
        }
        return -EPROTO;
}

static int handle_frame(struct session *session, const struct frame_in *frame)
{
        switch (frame->header.type) {
        case MESSAGE_WELCOME:
                return handle_welcome(session, frame);
        case MESSAGE_ATTACHED:
                return handle_attached(session, frame);
        case MESSAGE_ERROR:
                return handle_error(session, frame);
        case MESSAGE_DICT:
                return handle_dict(session, frame);
        case MESSAGE_DICT_RESET:
                return handle_dict_reset(session, frame);
        case MESSAGE_EVENTS:
                return handle_events(session, frame);
        case MESSAGE_DROPS:
                return handle_drops(session, frame);
        case MESSAGE_LIFE:
                return handle_life(session, frame);
        case MESSAGE_DEGRADED:
                return handle_degraded(session, frame);
        case MESSAGE_SIGNAL:
                return handle_signal(session, frame);
        case MESSAGE_REVOKED:
                return handle_revoked(session, frame);
        case MESSAGE_GAP:
                return handle_gap(session, frame);
        case MESSAGE_END:
                return handle_end(session, frame);
        case MESSAGE_BYE:
                return handle_bye(session, frame);
        case MESSAGE_PONG:
                return 0; /* an answer to nobody: this client sends no PING */
        default:
                if (frame->header.flags & PROTO_FLAG_CRITICAL)
                        return broken(session, frame, "this version does not know and may not ignore");
                return 0;
        }
}

int session_receive(struct session *session, const uint8_t *bytes, size_t n_bytes)
{
        struct frame_in frame;
        int r;

        r = proto_decode_header(bytes, n_bytes, &frame.header);
        if (r < 0) {
                text_put_string(&session->reason, "faultlined sent something that is not a message of its protocol; "
                                                  "check that the socket is that of faultlined");
                return -EPROTO;
        }
        frame.body = bytes + PROTO_HEADER_BYTES;
        frame.n_bytes = n_bytes - PROTO_HEADER_BYTES;
        if (!session_welcomed(session) && message_text(frame.header.type) && frame.header.type != MESSAGE_WELCOME &&
            frame.header.type != MESSAGE_ERROR && frame.header.type != MESSAGE_GAP && frame.header.type != MESSAGE_BYE)
                return broken(session, &frame, "may not come before the welcome");
        return handle_frame(session, &frame);
}
