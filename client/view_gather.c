/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The notes of a trace are the same whatever is made of its faults, so the view that shows faults writes them here too.
 * In lines for programs the end of a trace is its last line, although the gathered groups come when all traces are
 * over: ends wait for them. People are told at once.
 */
#include "client/view_gather.h"

static struct view_gather *gather_of(struct view *view)
{
        return CONTAINER_OF(view, struct view_gather, view);
}

static void move_text(struct text *to, struct text *from)
{
        if (from->n_bytes > 0)
                text_put(to, from->data, from->n_bytes);
        to->failed |= from->failed;
        from->n_bytes = 0;
}

static void pass_on(struct view_gather *g)
{
        move_text(&g->view.out, &g->notes->out);
        move_text(&g->view.err, &g->notes->err);
}

static void gather_attached(struct view *view, const struct state *state, const struct proto_attached *attached)
{
        struct view_gather *g = gather_of(view);

        g->notes->ops->attached(g->notes, state, attached);
        pass_on(g);
}

/* The notes may have waited for the first fault. */
static void gather_faults(struct view *view, const struct state *state, const struct fault_batch *batch)
{
        const struct fault_batch none = {.first_seq = batch->first_seq};
        struct view_gather *g = gather_of(view);

        g->notes->ops->faults(g->notes, state, &none);
        pass_on(g);
        for (uint32_t i = 0; i < batch->n_events; i++)
                g->fault(g, state, &batch->events[i]);
}

/* The target's own execution gives it the name by which the notes call it. */
static void gather_life(struct view *view, const struct state *state, const struct proto_life *life)
{
        struct view_gather *g = gather_of(view);

        if (!g->everything && (life->kind != LIFE_EXEC || life->pid != state->pid))
                return;
        g->notes->ops->life(g->notes, state, life);
        pass_on(g);
}

static void gather_signal(struct view *view, const struct state *state, const struct proto_signal *signal)
{
        struct view_gather *g = gather_of(view);

        if (!g->everything)
                return;
        g->notes->ops->signal(g->notes, state, signal);
        pass_on(g);
}

static void gather_revoked(struct view *view, const struct state *state, const struct proto_revoked *revoked)
{
        struct view_gather *g = gather_of(view);

        g->notes->ops->revoked(g->notes, state, revoked);
        pass_on(g);
}

static void gather_drops(struct view *view, const struct state *state, const struct proto_drops *drops)
{
        struct view_gather *g = gather_of(view);

        g->notes->ops->drops(g->notes, state, drops);
        pass_on(g);
}

static void gather_degraded(struct view *view, const struct state *state, const struct proto_degraded *degraded)
{
        struct view_gather *g = gather_of(view);

        g->notes->ops->degraded(g->notes, state, degraded);
        pass_on(g);
}

static void gather_gap(struct view *view, const struct state *state, const struct proto_gap *gap)
{
        struct view_gather *g = gather_of(view);

        g->notes->ops->gap(g->notes, state, gap);
        pass_on(g);
}

static void gather_error(struct view *view, int32_t pid, const struct proto_error *error)
{
        struct view_gather *g = gather_of(view);

        g->notes->ops->error(g->notes, pid, error);
        pass_on(g);
}

static void gather_end(struct view *view, const struct state *state, const struct proto_end *end)
{
        struct view_gather *g = gather_of(view);

        g->notes->ops->end(g->notes, state, end);
        if (g->ends_last)
                move_text(&g->ends, &g->notes->out);
        pass_on(g);
}

static const struct view_ops gather_ops = {
        .attached = gather_attached,
        .faults = gather_faults,
        .life = gather_life,
        .signal = gather_signal,
        .revoked = gather_revoked,
        .drops = gather_drops,
        .degraded = gather_degraded,
        .gap = gather_gap,
        .error = gather_error,
        .end = gather_end,
};

void view_gather_init(struct view_gather *gather)
{
        *gather = (struct view_gather){.view.ops = &gather_ops};
}

void view_gather_free(struct view_gather *gather)
{
        text_free(&gather->view.out);
        text_free(&gather->view.err);
        text_free(&gather->ends);
}

void view_gather_finish(struct view_gather *gather)
{
        move_text(&gather->view.out, &gather->ends);
}
