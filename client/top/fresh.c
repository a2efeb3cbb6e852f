/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is dear to compute is computed less often than the screen is drawn: a table is a fold over all tuples, and
 * figures that change ten times a second cannot be read anyway. It is computed anew at once when something else is
 * asked for, a few times a second while faults come, and not at all for a moment that is held.
 *
 * The model owns names only until further faults come, so that of what is kept they are asked for again.
 */
#include <errno.h>

#include "client/top/view_top_private.h"

enum { ANEW_EVERY_MS = 250 };

bool fresh_enough(const struct view_top *v, const struct top_freshness *when)
{
        struct top_span span = choice_span(v);

        if (!when->is_set || when->span.n_slices != span.n_slices || when->is_paused != v->choice.is_paused)
                return false;
        if (when->is_paused)
                return when->span.until == span.until;
        if (when->n_faults == v->n_faults && when->slice == top_model_now(v->model))
                return true;
        return v->now_ns >= when->ns && v->now_ns - when->ns < ANEW_EVERY_MS * NSEC_PER_MSEC;
}

struct top_freshness fresh_now(const struct view_top *v)
{
        return (struct top_freshness){.is_set = true,
                                      .is_paused = v->choice.is_paused,
                                      .span = choice_span(v),
                                      .n_faults = v->n_faults,
                                      .slice = top_model_now(v->model),
                                      .ns = v->now_ns};
}

/* --- rows --- */

int window_init(struct top_window *window, size_t n_room)
{
        window->rows = calloc(n_room, sizeof(*window->rows));
        window->n_room = n_room;
        return window->rows ? 0 : -ENOMEM;
}

void window_free(struct top_window *window)
{
        free(window->rows);
        window->rows = NULL;
}

static bool is_same(const struct top_window *window, const struct top_query *query)
{
        const struct top_query *kept = &window->query;

        if (kept->by != query->by || kept->sort != query->sort || kept->first != query->first ||
            kept->n_steps != query->n_steps || strcmp(window->search, query->search ? query->search : "") != 0)
                return false;
        for (size_t i = 0; i < kept->n_steps; i++)
                if (kept->steps[i].by != query->steps[i].by || kept->steps[i].group != query->steps[i].group)
                        return false;
        return true;
}

int window_get(struct view_top *v, struct top_window *window, const struct top_query *query)
{
        struct top_table table = {.rows = window->rows, .n_room = window->n_room};
        int r;

        if (fresh_enough(v, &window->when) && is_same(window, query))
                return 0;
        window->when.is_set = false;
        window->table = (struct top_table){0}; /* what is there is overwritten, whatever comes of it */
        r = top_model_table(v->model, query, &table);
        if (r < 0)
                return r;
        window->table = table;
        window->first = query->first;
        window->when = fresh_now(v);
        window->query = *query;
        window->query.search = NULL;
        (void)stpncpy(window->search, query->search ? query->search : "", sizeof(window->search) - 1);
        return 0;
}

const char *window_name(const struct view_top *v, const struct top_window *window, const struct top_row *row,
                        size_t *ret_n_name)
{
        return top_model_name(v->model, window->query.by, row->group, ret_n_name);
}

/* --- threads --- */

const struct top_threads *fresh_threads(struct view_top *v)
{
        struct top_threads *busiest = &v->busiest;
        struct top_span span = choice_span(v);

        if (fresh_enough(v, &busiest->when))
                return busiest;
        busiest->n = top_model_threads(v->model, &span, busiest->rows, TOP_THREADS_SHOWN);
        for (size_t i = 0; i < busiest->n; i++) {
                struct top_thread *row = &busiest->rows[i];

                row->n_comm = MIN_OF(row->n_comm, sizeof(busiest->comms[i]));
                if (row->n_comm > 0)
                        memcpy(busiest->comms[i], row->comm, row->n_comm);
                row->comm = busiest->comms[i];
        }
        busiest->when = fresh_now(v);
        return busiest;
}
