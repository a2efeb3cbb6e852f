/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ledger goes on over several daemons. Each gets to know what the client accounts for so far, and its END is about
 * all of it. A daemon that ends in order has told its ledger (END_RESTART), and that is what counts. One that died has
 * told nothing: then what has arrived is all that is accounted for, and what was on its way belongs to the gap, which
 * the next daemon finds out with the process's own counters.
 */
#include "client/session_restart.h"

#include <errno.h>

#include "client/session_send.h"

static bool is_unfinished(const struct target *target)
{
        return target->phase == TARGET_RUNNING || target->phase == TARGET_RESUMING ||
               target->phase == TARGET_RESTARTING;
}

static bool can_go_on(const struct session *session)
{
        for (size_t i = 0; i < session->n_targets; i++)
                if (is_unfinished(&session->targets[i]) && proto_key_is_set(&session->targets[i].key))
                        return true;
        return false;
}

void session_note_end(struct target *target, const struct proto_end *end)
{
        struct past *past = &target->past;

        target->phase = TARGET_RESTARTING;
        *past = (struct past){.is_whole = true,
                              .end = *end,
                              .n_lost = end->ledger.lost_kernel,
                              .n_dropped_daemon = end->ledger.dropped_daemon,
                              .n_counted = end->ledger.counted,
                              .unseen = end->ledger.unseen};
        past->end.text = (struct proto_string){0};
        target->state.n_filtered = end->ledger.filtered;
        target->state.n_dropped = end->ledger.dropped_client;
        target->state.n_incomplete = end->ledger.incomplete;
}

void session_note_daemon(struct target *target)
{
        target->past.is_whole = false;
        target->state.n_minor = target->state.n_major = 0;
        target->state.n_filtered_before = target->state.n_filtered;
}

void session_note_missed(struct session *session, struct target *target, const struct proto_gap *gap)
{
        if (!target)
                return;
        if (gap->missed.min_flt != PROTO_UNKNOWN)
                target->past.n_counted += gap->missed.min_flt + gap->missed.maj_flt;
        session->view->ops->gap(session->view, &target->state, gap);
}

void session_end_as_told(struct session *session, struct target *target, enum end_reason reason)
{
        target->past.end.reason = (uint8_t)reason;
        target->phase = TARGET_ENDED;
        session->view->ops->end(session->view, &target->state, &target->past.end);
        state_reset(&target->state);
}

void session_fail_target(struct session *session, struct target *target)
{
        if (target->past.is_whole)
                session_end_as_told(session, target, END_RESTART);
        target->phase = TARGET_FAILED;
}

static void fail_for_want_of_key(struct session *session, struct target *target)
{
        static const char text[] = "faultlined was restarted, and could not keep this trace: run faultline again";
        const struct proto_error error = {.error = ESRCH, .text = {.data = text, .n_bytes = sizeof(text) - 1}};

        session->failed = true;
        session->view->ops->error(session->view, target->pid, &error);
        session_fail_target(session, target);
}

static void leave_daemon(struct session *session, struct target *target)
{
        if (target->phase == TARGET_RUNNING)
                target->past.unseen = PROTO_UNSEEN_UNKNOWN; /* it died without a word of it */
        view_settle(session->view);
        state_reset(&target->state);
        target->trace = 0;
        target->phase = TARGET_RESUMING;
}

bool session_leave(struct session *session)
{
        if (!can_go_on(session))
                return false;
        for (size_t i = 0; i < session->n_targets; i++) {
                struct target *target = &session->targets[i];

                if (target->phase == TARGET_ATTACHING)
                        target->phase = session->stopping ? TARGET_FAILED : TARGET_WAITING;
                else if (is_unfinished(target) && proto_key_is_set(&target->key))
                        leave_daemon(session, target);
                else if (is_unfinished(target))
                        fail_for_want_of_key(session, target);
        }
        return true;
}

int session_go_on(struct session *session)
{
        session->event_bytes = 0;
        session->had_gap = false;
        return session_send_hello(session);
}

void session_give_up(struct session *session)
{
        session->failed = true;
        for (size_t i = 0; i < session->n_targets; i++)
                if (session->targets[i].phase < TARGET_ENDED)
                        session_fail_target(session, &session->targets[i]);
}

void session_put_past(const struct target *target, struct proto_resume *resume)
{
        const struct state *state = &target->state;
        const struct past *past = &target->past;
        uint64_t n_known = state->n_received + state->n_filtered + state->n_dropped + past->n_lost +
                           past->n_dropped_daemon + past->n_counted;

        resume->past = (struct proto_past){
                .key = target->key,
                .is_whole = past->is_whole,
                .n_counted = past->n_counted,
                .unseen = past->unseen,
                .n_minor = state->n_minor + state->n_filtered - state->n_filtered_before,
                .n_major = state->n_major,
        };
        if (target->trace != 0) /* the daemon has it: the bases are its own */
                return;
        resume->kernel_base = 0 - n_known;
        resume->lost_base = 0 - past->n_lost;
}
