/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fault on its way into the model: the daemon's numbers become ours (top_wire.c), these make a tuple (top_tuples.c),
 * the tuple gets a sum in the slice of the fault's time (top_slices.c), and the fault itself is kept for a while
 * (top_recent.c). In the steady state that is four look-ups by number, one by hash, and some additions; nothing is
 * allocated, nothing is rendered.
 *
 * All of it is bounded, whatever the daemon sends. Where a bound is met what is lost is the name, never the count.
 */
#include "client/top/top_model.h"

#include <errno.h>
#include <string.h>

#include "client/top/top_private.h"

/* --- beginning and end --- */

static int name_causes(struct top_model *model)
{
        for (unsigned int cause = 0; cause < N_CAUSES; cause++) {
                const char *word = cause_text(cause);
                int r = top_names_put(&model->names, word, strlen(word), &model->cause_names[cause]);

                if (r < 0)
                        return r;
        }
        return 0;
}

struct top_model *top_model_new(void)
{
        struct top_model *model = calloc(1, sizeof(*model));

        if (!model)
                return NULL;
        if (top_names_init(&model->names) < 0 || name_causes(model) < 0 || top_wire_init(&model->wire) < 0 ||
            top_tuples_init(&model->tuples, model->cause_names) < 0 || top_recent_init(&model->recent) < 0)
                return top_model_free(model);
        return model;
}

struct top_model *top_model_free(struct top_model *model)
{
        if (!model)
                return NULL;
        top_names_free(&model->names);
        top_wire_free(&model->wire);
        top_tuples_free(&model->tuples);
        top_slices_free(&model->slices);
        top_recent_free(&model->recent);
        latency_free(&model->all.latency);
        top_scratch_free(&model->scratch);
        free(model);
        return NULL;
}

/* --- names that nobody needs any more --- */

static void sweep(struct top_model *model)
{
        for (size_t cause = 0; cause < N_CAUSES; cause++)
                top_names_use(&model->names, model->cause_names[cause]);
        for (uint32_t i = 0; i < model->tuples.n_tuples; i++) {
                const struct top_tuple *tuple = &model->tuples.tuples[i];

                for (size_t by = 0; tuple->sum.measure.count > 0 && by < N_GROUP_BY; by++)
                        top_names_use(&model->names, tuple->groups[by]);
        }
        top_recent_use_names(&model->recent, &model->names);
        top_names_sweep(&model->names);
        top_wire_clear(&model->wire);
        top_scratch_forget_names(&model->scratch);
}

/*
 * When tuples hold too many names, the least of them go. Should that not be enough either, because all are of the last
 * minutes, it is tried again when the next slice begins.
 */
static void make_room_for_names(struct top_model *model)
{
        const uint64_t many = TOP_NAMES_MAX_BYTES / 4 * 3;

        if (model->swept_at == model->slices.current + 1)
                return;
        sweep(model);
        if (model->names.n_bytes <= many)
                return;
        top_tuples_evict(&model->tuples);
        sweep(model);
        if (model->names.n_bytes > many)
                model->swept_at = model->slices.current + 1;
}

/* --- a fault --- */

struct fault {
        const struct state *state;
        const struct proto_event *event;
        const struct top_wire_entry *wire[N_WIRE_KINDS];
        uint32_t groups[N_GROUP_BY];
        uint32_t hash;
        uint8_t cause; /* below N_CAUSES */
};

static void find_names(struct top_model *model, uint32_t context, struct fault *f)
{
        const bool is_known = f->event->cause < N_CAUSES;
        const struct top_wire_entry *place, *thread;

        top_wire_make_room(&model->wire);
        for (enum top_wire_kind kind = 0; kind < N_WIRE_KINDS; kind++)
                f->wire[kind] = top_wire_find(&model->wire, &model->names, context, f->state, kind, f->event);
        place = f->wire[WIRE_PLACE];
        thread = f->wire[WIRE_THREAD];
        f->cause = is_known ? f->event->cause : CAUSE_UNKNOWN;
        f->groups[GROUP_CAUSE] = is_known ? model->cause_names[f->cause] : (uint32_t)TOP_NAME_UNKNOWN;
        f->groups[GROUP_MAP] = place->names[PLACE_MAP];
        f->groups[GROUP_SECTION] = place->names[PLACE_SECTION];
        f->groups[GROUP_SYMBOL] = place->names[PLACE_SYMBOL];
        f->groups[GROUP_IMAGE] = place->names[PLACE_IMAGE];
        f->groups[GROUP_CODE] = f->wire[WIRE_CODE]->names[CODE_BOTH];
        f->groups[GROUP_THREAD] = thread->names[THREAD_ITSELF];
        f->groups[GROUP_PROCESS] = thread->names[THREAD_PROCESS];
        f->groups[GROUP_STACK] = f->wire[WIRE_STACK]->names[STACK_FOLDED];
        f->hash = top_hash(top_hash(top_hash(place->hash, f->wire[WIRE_CODE]->hash),
                                    top_hash(thread->hash, f->wire[WIRE_STACK]->hash)),
                           f->groups[GROUP_CAUSE]);
}

static void remember(struct top_recent *recent, const struct fault *f, uint64_t slice)
{
        const struct top_wire_entry *code = f->wire[WIRE_CODE];
        struct top_recent_fault *fault = &recent->faults[recent->n_faults++ % TOP_RECENT_MAX];

        fault->event = *f->event;
        fault->start_ns = f->state->start_ns;
        fault->slice = slice;
        fault->place_base = f->wire[WIRE_PLACE]->bases[0];
        fault->code_base = code->bases[0];
        fault->caller_base = code->bases[1];
        memcpy(fault->groups, f->groups, sizeof(fault->groups));
        fault->code = code->names[CODE_OWN];
        fault->caller = code->names[CODE_CALLER];
        fault->lines = f->wire[WIRE_STACK]->names[STACK_LINES];
}

/* All the same all is counted that can be. */
static int worse_of(int r, int more)
{
        return r < 0 ? r : more;
}

static int add(struct top_model *model, uint32_t context, const struct state *state, const struct proto_event *event)
{
        struct fault f = {.state = state, .event = event};
        struct top_sum one = {.measure = measure_of(event),
                              .n_major = event->outcome == OUTCOME_MAJOR,
                              .n_failed = event->outcome == OUTCOME_FAILED};
        uint64_t slice = top_slices_of(&model->slices, &model->tuples, event->time_ns);
        uint32_t number;
        int r;

        if (model->names.n_bytes > model->names.sweep_at)
                make_room_for_names(model);
        find_names(model, context, &f);
        remember(&model->recent, &f, slice);
        r = top_tuples_find(&model->tuples, f.groups, f.hash, f.cause, &number);
        if (r < 0)
                number = f.cause;
        top_sum_add(&model->tuples.tuples[number].sum, &one);
        model->is_incomplete |= model->tuples.tuples[number].is_other;
        r = worse_of(r, top_amount_add(&model->all, &one.measure, event));
        return worse_of(r, top_slices_add(&model->slices, &model->tuples, slice, number, &one, event));
}

int top_model_add(struct top_model *model, const struct state *state, const struct proto_event *events, size_t n_events)
{
        uint32_t context = top_wire_context(&model->wire, state);
        int r = 0;

        for (size_t i = 0; i < n_events; i++)
                r = worse_of(r, add(model, context, state, &events[i]));
        if (model->wire.failed)
                r = worse_of(r, -ENOMEM);
        model->wire.failed = false;
        return r;
}

/* --- time --- */

void top_model_tick(struct top_model *model, uint64_t now_ns)
{
        top_slices_tick(&model->slices, &model->tuples, now_ns);
}

uint64_t top_model_now(const struct top_model *model)
{
        return model->slices.current;
}

uint64_t top_model_oldest(const struct top_model *model)
{
        return model->slices.oldest;
}

/* --- all faults --- */

static int sum_range(const struct top_slices *slices, const struct top_range *range, struct top_amount *ret)
{
        int r = 0;

        for (uint64_t number = range->start; r == 0 && number < range->until; number++) {
                const struct top_amount *amount = &top_slice_at(slices, number)->amount;

                measure_add(&ret->sum, &amount->sum);
                for (size_t i = 0; i < N_OUTCOMES; i++)
                        ret->n_outcomes[i] += amount->n_outcomes[i];
                r = latency_merge(&ret->latency, &amount->latency);
        }
        return r;
}

static void fill_totals(const struct top_amount *amount, struct top_totals *ret)
{
        ret->sum = amount->sum;
        memcpy(ret->n_outcomes, amount->n_outcomes, sizeof(ret->n_outcomes));
        ret->p50_ns = latency_quantile(&amount->latency, 50);
        ret->p99_ns = latency_quantile(&amount->latency, 99);
        ret->max_ns = amount->latency.max_ns;
        latency_log2(&amount->latency, ret->log2_counts);
}

static void fill_rates(const struct top_slices *slices, const struct top_range *range, struct top_totals *ret)
{
        uint64_t n = 0, n_outcomes[N_OUTCOMES] = {0};

        for (uint64_t number = MAX_OF(range->until - range->n_last, slices->oldest); number < range->until; number++) {
                const struct top_amount *amount = &top_slice_at(slices, number)->amount;

                n += amount->sum.count;
                for (size_t i = 0; i < N_OUTCOMES; i++)
                        n_outcomes[i] += amount->n_outcomes[i];
        }
        ret->per_second = top_range_rate(range, n);
        ret->minor_per_second = top_range_rate(range, n_outcomes[OUTCOME_MINOR]);
        ret->major_per_second = top_range_rate(range, n_outcomes[OUTCOME_MAJOR]);
        ret->failed_per_second = top_range_rate(range, n_outcomes[OUTCOME_FAILED]);
}

int top_model_totals(struct top_model *model, const struct top_span *span, struct top_totals *ret)
{
        const struct top_range range = top_slices_range(&model->slices, span);
        struct top_amount amount = {0};
        int r = 0;

        if (!range.is_whole)
                r = sum_range(&model->slices, &range, &amount);
        if (r == 0) {
                *ret = (struct top_totals){0};
                fill_totals(range.is_whole ? &model->all : &amount, ret);
                fill_rates(&model->slices, &range, ret);
        }
        latency_free(&amount.latency);
        return r;
}

void top_model_history(const struct top_model *model, uint64_t until, size_t n, uint32_t *ret)
{
        const struct top_slices *slices = &model->slices;

        memset(ret, 0, n * N_CAUSES * sizeof(*ret));
        until = MIN_OF(until, slices->current);
        for (size_t i = 1; i <= MIN_OF(n, (size_t)TOP_SLICES_MAX) && i <= until - MIN_OF(until, slices->oldest); i++)
                memcpy(&ret[(n - i) * N_CAUSES], top_slice_at(slices, until - i)->amount.n_causes,
                       N_CAUSES * sizeof(*ret));
}
