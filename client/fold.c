/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that fills a buffer says the same thing five hundred times. What a reader needs of it is where it began,
 * how many pages it was and what it cost, so such faults are held until the run that they make is over.
 *
 * A run is of one thread and goes on while each fault is like the first one and lies on the next page in the same
 * direction; any other fault of the thread ends it. Other threads do not: they take turns with it, and two of them
 * filling memory at the same time would otherwise never be folded. But the order of what comes out is that of first
 * faults, so theirs wait behind it, and therefore not for long.
 *
 * The first two faults of a run are entries of their own until the third makes it one: two faults stay two lines in
 * their places. Every fault comes out exactly once, in one entry's count.
 *
 * Time is that of the faults. Who owns this also closes all when nothing comes any more.
 */
#include "client/fold.h"

#include <assert.h>

enum { SMALLEST_PAGE_SHIFT = 12 };

static struct fold_run *run_at(struct fold *fold, uint32_t index)
{
        return &fold->runs[(fold->first + index) % FOLD_RUNS_MAX];
}

static void close_run(struct fold_run *run)
{
        run->closed = true;
        if (run->second)
                run->second->closed = true;
}

/* --- which faults are alike --- */

/* Completed, without anything about it that a reader would look for. */
static bool is_foldable(const struct proto_event *event)
{
        return (event->outcome == OUTCOME_MINOR || event->outcome == OUTCOME_MAJOR) && event->page_shift < 64;
}

/* Code without a name is the same where its address is. */
static bool same_code(const struct proto_event *a, const struct proto_event *b)
{
        return a->code == b->code && a->caller == b->caller && (a->code != 0 || a->ip == b->ip) &&
               (a->caller != 0 || a->caller_ip == b->caller_ip);
}

static bool alike(const struct proto_event *a, const struct proto_event *b)
{
        return a->outcome == b->outcome && a->cause == b->cause && a->access == b->access && a->map == b->map &&
               a->stack == b->stack && a->page_shift == b->page_shift && a->flags == b->flags && same_code(a, b);
}

/* A size that is not known is taken for the smallest: then the next page is certainly no part of this one. */
static uint64_t page_of(const struct proto_event *event)
{
        bool known = event->page_shift > 0 && event->page_shift < 64;

        return event->addr >> (known ? event->page_shift : SMALLEST_PAGE_SHIFT);
}

static bool continues(const struct fold_run *run, const struct proto_event *event)
{
        uint64_t page = page_of(event);
        bool up = page == run->last_page + 1, down = page + 1 == run->last_page;

        if (!is_foldable(event) || !alike(&run->event, event))
                return false;
        return run->second || run->sum.count > 1 ? (run->down ? down : up) : up || down;
}

/* --- time --- */

static bool longer_ago(uint64_t then_ns, uint64_t now_ns, uint64_t limit_ns)
{
        return now_ns > then_ns && now_ns - then_ns > limit_ns;
}

/* The first entry behind the oldest one that a reader waits for. */
static const struct fold_run *held_behind_oldest(struct fold *fold)
{
        for (uint32_t i = 1; i < fold->n_runs; i++) {
                const struct fold_run *run = run_at(fold, i);

                if (run->sum.count > 0)
                        return run;
        }
        return NULL;
}

static void close_overdue(struct fold *fold, uint64_t now_ns)
{
        const struct fold_run *held = held_behind_oldest(fold);

        for (uint32_t i = 0; i < fold->n_runs; i++) {
                struct fold_run *run = run_at(fold, i);

                if (longer_ago(run->last_ns, now_ns, FOLD_QUIET_NS) ||
                    longer_ago(run->event.time_ns, now_ns, FOLD_LONGEST_NS))
                        close_run(run);
        }
        if (held && longer_ago(held->event.time_ns, now_ns, FOLD_HELD_NS))
                close_run(run_at(fold, 0));
}

/* --- adding --- */

/* The thread's run that is not over: its first entry. */
static struct fold_run *find_open(struct fold *fold, const struct state *state, uint32_t thread)
{
        for (uint32_t i = 0; i < fold->n_runs; i++) {
                struct fold_run *run = run_at(fold, i);

                if (!run->closed && run->event.thread == thread && run->state == state)
                        return run;
        }
        return NULL;
}

static struct fold_run *append(struct fold *fold, const struct state *state, const struct proto_event *event)
{
        struct fold_run *run;

        assert(fold->n_runs < FOLD_RUNS_MAX); /* our caller's promise */
        run = run_at(fold, fold->n_runs++);
        *run = (struct fold_run){.state = state,
                                 .event = *event,
                                 .sum = measure_of(event),
                                 .one_ip = true,
                                 .last_page = page_of(event),
                                 .last_ns = event->time_ns,
                                 .closed = !is_foldable(event)};
        return run;
}

/* The second fault is no line of its own any more. */
static void absorb_second(struct fold_run *run)
{
        struct fold_run *second = run->second;

        measure_add(&run->sum, &second->sum);
        run->second = NULL;
        second->sum.count = 0;
        second->closed = true;
}

static void extend(struct fold *fold, struct fold_run *run, const struct proto_event *event)
{
        const struct measure one = measure_of(event);
        uint64_t page = page_of(event);

        if (run->second)
                absorb_second(run);
        if (run->sum.count == 1) {
                run->down = page < run->last_page;
                run->second = append(fold, run->state, event);
        } else {
                measure_add(&run->sum, &one);
        }
        run->one_ip = run->one_ip && run->event.ip == event->ip && run->event.caller_ip == event->caller_ip;
        run->last_page = page;
        run->last_ns = event->time_ns;
}

void fold_add(struct fold *fold, const struct state *state, const struct proto_event *event)
{
        struct fold_run *run;

        close_overdue(fold, event->time_ns);
        run = find_open(fold, state, event->thread);
        if (run && continues(run, event)) {
                extend(fold, run, event);
        } else {
                if (run)
                        close_run(run);
                (void)append(fold, state, event);
        }
        if (fold->n_runs == FOLD_RUNS_MAX)
                close_run(run_at(fold, 0));
}

/* --- taking out --- */

void fold_close(struct fold *fold)
{
        for (uint32_t i = 0; i < fold->n_runs; i++)
                run_at(fold, i)->closed = true;
}

const struct fold_run *fold_next(struct fold *fold)
{
        while (fold->n_runs > 0) {
                const struct fold_run *run = run_at(fold, 0);

                if (!run->closed)
                        return NULL;
                fold->first = (fold->first + 1) % FOLD_RUNS_MAX;
                fold->n_runs--;
                if (run->sum.count > 0)
                        return run;
        }
        return NULL;
}
