/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes in from the session and from the owner goes to whom it concerns: faults to the model and to the picture,
 * everything else to the text view, because its words are good ones and nobody wants to learn others; its lines become
 * our notes, and what is trouble among them is repeated in the header.
 *
 * The states belong to the session and may be gone when the screen is drawn for the last time: what is shown of them is
 * copied while the session calls.
 */
#include "client/view_text.h"

#include <errno.h>

#include "client/escape.h"
#include "client/top/view_top_private.h"

enum { MAPS_EVERY_MS = 1000, COST_EVERY_MS = 1000 };

/* --- notes --- */

static void take_line(struct view_top *v, const char *line, size_t n_bytes)
{
        size_t skipped = n_bytes > 3 && memcmp(line, "-- ", 3) == 0 ? 3 : 0;

        n_bytes = MIN_OF(n_bytes - skipped, sizeof(v->alert));
        memcpy(v->alert, line + skipped, n_bytes);
        v->n_alert = n_bytes;
        v->n_alerts++;
}

/* What the text view has said becomes notes; is_alert: its first line goes to the header as well. */
static void take_words(struct view_top *v, bool is_alert)
{
        struct text *texts[] = {&v->words->out, &v->words->err};

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                const char *end;

                if (texts[i]->n_bytes == 0)
                        continue;
                end = memchr(texts[i]->data, '\n', texts[i]->n_bytes);
                if (end && is_alert)
                        take_line(v, texts[i]->data, (size_t)(end - texts[i]->data));
                notes_add(&v->notes, texts[i]->data, texts[i]->n_bytes);
                text_put(&v->view.err, texts[i]->data, texts[i]->n_bytes);
                texts[i]->n_bytes = 0;
                texts[i]->failed = false; /* then a note is missing; faults are counted elsewhere */
        }
}

/* --- targets --- */

static struct top_target *find_target(struct view_top *v, const struct state *state)
{
        if (v->last_target < v->n_targets && v->targets[v->last_target].state == state)
                return &v->targets[v->last_target];
        for (size_t i = 0; i < v->n_targets; i++)
                if (v->targets[i].state == state) {
                        v->last_target = i;
                        return &v->targets[i];
                }
        return NULL;
}

static struct top_target *add_target(struct view_top *v, const struct state *state)
{
        struct top_target *target = find_target(v, state);

        if (target)
                return target;
        if (v->n_targets == v->size_targets) {
                size_t size = v->size_targets > 0 ? 2 * v->size_targets : 4;
                struct top_target *targets = reallocarray(v->targets, size, sizeof(*targets));

                if (!targets) {
                        v->lacks_memory = true;
                        return NULL;
                }
                v->targets = targets;
                v->size_targets = size;
        }
        target = &v->targets[v->n_targets++];
        *target = (struct top_target){.state = state};
        return target;
}

static void copy_name(struct top_target *target, const char *bytes, size_t n_bytes)
{
        target->n_name = MIN_OF(n_bytes, sizeof(target->name));
        if (target->n_name > 0)
                memcpy(target->name, bytes, target->n_name);
}

static void copy_state(struct top_target *target, const struct state *state)
{
        target->n_received = state->n_received;
        target->n_dropped = state->n_dropped;
        target->n_filtered = state->n_filtered;
        target->n_incomplete = state->n_incomplete;
        target->is_partial = state->is_partial;
}

static void copy_target(struct top_target *target, const struct state *state)
{
        target->pid = state->pid;
        target->follows = state->follows;
        target->stack_bytes = state->stack_bytes;
        target->start_ns = state->start_ns;
        if (state->unit.n_bytes > 0)
                copy_name(target, state->unit.data, state->unit.n_bytes);
        else
                copy_name(target, state->comm.data, state->comm.n_bytes);
        copy_state(target, state);
}

/* --- processes, for the picture --- */

void view_top_show_process(struct view_top *v, int32_t pid)
{
        if (pid <= 0 || v->space_pid == pid)
                return;
        v->space_pid = pid;
        v->maps_ns = 0;
        heat_clear(v->space.heat);
        page_names_clear(v->pages);
}

static void meet_process(struct view_top *v, int32_t pid)
{
        if (pid <= 0)
                return;
        for (size_t i = 0; i < v->n_processes; i++)
                if (v->processes[i] == pid)
                        return;
        if (v->n_processes < TOP_PROCESSES_MAX)
                v->processes[v->n_processes++] = pid;
        if (v->space_pid == 0)
                view_top_show_process(v, pid);
}

static void part_from_process(struct view_top *v, int32_t pid)
{
        for (size_t i = 0; i < v->n_processes; i++)
                if (v->processes[i] == pid) {
                        v->processes[i] = v->processes[--v->n_processes];
                        return;
                }
}

/* --- what the session tells --- */

static void top_attached(struct view *view, const struct state *state, const struct proto_attached *attached)
{
        struct view_top *v = view_top_of(view);
        struct top_target *target = add_target(v, state);

        if (target) {
                copy_target(target, state);
                target->detail = attached->detail;
                target->ptrace = attached->ptrace;
                target->n_threads = attached->n_threads;
        }
        meet_process(v, state->pid);
        v->words->ops->attached(v->words, state, attached);
        take_words(v, false);
}

static void picture_fault(struct view_top *v, const struct state *state, const struct proto_event *event)
{
        const struct dict_thread *thread = state_thread(state, event->thread);

        if (!thread)
                return;
        if (thread->pid != v->space_pid) {
                meet_process(v, thread->pid);
                if (thread->pid != v->space_pid)
                        return;
        }
        heat_add(v->space.heat, event->addr, event->cause, event->time_ns);
        page_names_add(v->pages, state, event);
}

static void top_faults(struct view *view, const struct state *state, const struct fault_batch *batch)
{
        struct view_top *v = view_top_of(view);
        struct top_target *target = find_target(v, state);

        if (target)
                copy_state(target, state);
        v->n_faults += batch->n_events;
        if (top_model_add(v->model, state, batch->events, batch->n_events) < 0)
                v->lacks_memory = true;
        for (uint32_t i = 0; i < batch->n_events; i++)
                picture_fault(v, state, &batch->events[i]);
}

static void top_life(struct view *view, const struct state *state, const struct proto_life *life)
{
        struct view_top *v = view_top_of(view);
        struct top_target *target = find_target(v, state);

        if (life->kind == LIFE_EXIT && life->pid == life->tid)
                part_from_process(v, life->pid);
        if (life->kind == LIFE_FORK && life->pid == life->tid)
                meet_process(v, life->pid);
        if (life->kind == LIFE_EXEC && life->pid == v->space_pid) { /* nothing is where it was */
                v->space_pid = 0;
                view_top_show_process(v, life->pid);
        }
        if (life->kind == LIFE_EXEC && target && life->pid == target->pid)
                copy_target(target, state);
        v->words->ops->life(v->words, state, life);
        take_words(v, false);
}

static void top_signal(struct view *view, const struct state *state, const struct proto_signal *signal)
{
        struct view_top *v = view_top_of(view);

        v->words->ops->signal(v->words, state, signal);
        take_words(v, true);
}

static void top_revoked(struct view *view, const struct state *state, const struct proto_revoked *revoked)
{
        struct view_top *v = view_top_of(view);
        struct top_target *target = find_target(v, state);

        if (target)
                copy_state(target, state);
        v->words->ops->revoked(v->words, state, revoked);
        take_words(v, true);
}

/* A client that is too slow once is so again and again: one note, and the sum in the header. */
static void top_drops(struct view *view, const struct state *state, const struct proto_drops *drops)
{
        struct view_top *v = view_top_of(view);
        struct top_target *target = find_target(v, state);

        if (target)
                copy_state(target, state);
        if (v->drops_noted)
                return;
        v->drops_noted = true;
        v->words->ops->drops(v->words, state, drops);
        take_words(v, false);
}

static void top_degraded(struct view *view, const struct state *state, const struct proto_degraded *degraded)
{
        struct view_top *v = view_top_of(view);

        v->words->ops->degraded(v->words, state, degraded);
        take_words(v, true);
}

static void top_gap(struct view *view, const struct state *state, const struct proto_gap *gap)
{
        struct view_top *v = view_top_of(view);

        v->words->ops->gap(v->words, state, gap);
        take_words(v, true);
}

static void top_error(struct view *view, int32_t pid, const struct proto_error *error)
{
        struct view_top *v = view_top_of(view);

        v->words->ops->error(v->words, pid, error);
        take_words(v, true);
}

static void top_end(struct view *view, const struct state *state, const struct proto_end *end)
{
        struct view_top *v = view_top_of(view);
        struct top_target *target = add_target(v, state);

        if (target) {
                copy_state(target, state);
                target->is_partial |= end->reason == END_STRIPPED;
                target->has_ended = true;
                target->reason = end->reason;
                target->end_ns = end->time_ns;
                target->ledger = end->ledger;
        }
        v->words->ops->end(v->words, state, end);
        take_words(v, end->reason == END_ERROR || end->reason == END_STRIPPED);
}

/* --- what the owner tells --- */

static double cpus(uint64_t before_ns, uint64_t after_ns, uint64_t wall_ns)
{
        if (before_ns == PROTO_UNKNOWN || after_ns == PROTO_UNKNOWN || after_ns < before_ns)
                return -1;
        return (double)(after_ns - before_ns) / (double)wall_ns;
}

void view_top_set_cost(struct view *view, const struct top_cost *cost, uint64_t now_ns)
{
        struct top_rates *rates = &view_top_of(view)->rates;
        uint64_t wall_ns = now_ns - rates->cost_ns;

        if (rates->cost_ns == 0) {
                *rates = (struct top_rates){.cost = *cost, .cost_ns = now_ns, .client = -1, .daemon = -1};
        } else if (now_ns > rates->cost_ns && wall_ns >= COST_EVERY_MS * NSEC_PER_MSEC) {
                rates->client = cpus(rates->cost.client_cpu_ns, cost->client_cpu_ns, wall_ns);
                rates->daemon = cpus(rates->cost.daemon_cpu_ns, cost->daemon_cpu_ns, wall_ns);
                rates->cost = *cost;
                rates->cost_ns = now_ns;
        }
}

int32_t view_top_space_pid(const struct view *view)
{
        return view_top_const(view)->space_pid;
}

static bool picture_is_live(const struct view_top *v)
{
        return v->space_pid > 0 && !v->is_over && choice_base(v) == SCREEN_SPACE;
}

bool view_top_wants_maps(const struct view *view, uint64_t now_ns)
{
        const struct view_top *v = view_top_const(view);

        if (!picture_is_live(v) || (v->choice.is_paused && v->maps_ns != 0))
                return false;
        return v->maps_ns == 0 || now_ns < v->maps_ns || now_ns - v->maps_ns >= MAPS_EVERY_MS * NSEC_PER_MSEC;
}

void view_top_set_maps(struct view *view, int32_t pid, struct smaps *maps, int error, uint64_t now_ns)
{
        struct view_top *v = view_top_of(view);

        if (pid != v->space_pid) { /* it was asked for before the user chose another one */
                smaps_free(maps);
                return;
        }
        space_set_maps(&v->space, pid, maps, error);
        v->maps_ns = MAX_OF(now_ns, (uint64_t)1);
}

bool view_top_wants_pages(const struct view *view, uint64_t *ret_start, size_t *ret_n_pages)
{
        const struct view_top *v = view_top_const(view);

        if (!picture_is_live(v) || v->maps_ns == 0 || v->choice.is_paused)
                return false;
        return space_wants_pages(&v->space, ret_start, ret_n_pages);
}

int view_top_set_pages(struct view *view, uint64_t start, const uint64_t *entries, size_t n_pages)
{
        return space_set_pages(&view_top_of(view)->space, start, entries, n_pages);
}

int view_top_set_marks(struct view *view, const struct space_mark *marks, size_t n_marks)
{
        return space_set_marks(&view_top_of(view)->space, marks, n_marks);
}

bool view_top_wants_name(const struct view *view, uint64_t *ret_address)
{
        const struct view_top *v = view_top_const(view);

        return picture_is_live(v) && v->maps_ns != 0 && space_wants_name(&v->space, ret_address);
}

void view_top_set_name(struct view *view, uint64_t address, const char *name, size_t n_bytes)
{
        space_set_name(&view_top_of(view)->space, address, name, n_bytes);
}

void view_top_set_over(struct view *view, const char *why)
{
        struct view_top *v = view_top_of(view);
        CLEANUP_TEXT struct text safe = {0};

        v->is_over = true;
        v->window.when.is_set = v->busiest.when.is_set = false; /* time stands still: these would stay as they are */
        for (size_t i = 0; i < TOP_BLOCKS_MAX; i++)
                v->blocks[i].when.is_set = false;
        v->why[0] = '\0';
        if (!why)
                return;
        (void)escape_terminal(&safe, why, strnlen(why, sizeof(v->why) / 4 - 1)); /* a byte becomes four at most */
        if (safe.n_bytes > 0)
                memcpy(v->why, safe.data, safe.n_bytes);
        v->why[safe.n_bytes] = '\0';
}

/* --- lifetime --- */

static const struct view_ops top_ops = {
        .attached = top_attached,
        .faults = top_faults,
        .life = top_life,
        .signal = top_signal,
        .revoked = top_revoked,
        .drops = top_drops,
        .degraded = top_degraded,
        .gap = top_gap,
        .error = top_error,
        .end = top_end,
};

static int init(struct view_top *v)
{
        const struct view_text_options words = {.notes_on_out = true, .no_faults = true};

        if (space_init(&v->space) < 0)
                return -ENOMEM;
        v->words = view_text_new(&words);
        v->model = top_model_new();
        v->pages = page_names_new();
        if (!v->words || !v->model || !v->pages || window_init(&v->window, TOP_WINDOW_ROWS) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < TOP_BLOCKS_MAX; i++)
                if (window_init(&v->blocks[i], TOP_BLOCK_ROWS) < 0)
                        return -ENOMEM;
        return 0;
}

struct view *view_top_new(const struct view_top_options *options)
{
        struct view_top *v = calloc(1, sizeof(*v));

        if (!v)
                return NULL;
        v->view.ops = &top_ops;
        if (init(v) < 0)
                return view_top_free(&v->view);
        choice_init(&v->choice, options);
        if (options->n_levels > 0)
                v->space.n_levels = options->n_levels;
        return &v->view;
}

struct view *view_top_free(struct view *view)
{
        struct view_top *v;

        if (!view)
                return NULL;
        v = view_top_of(view);
        v->words = view_text_free(v->words);
        if (v->model)
                v->model = top_model_free(v->model);
        if (v->pages)
                v->pages = page_names_free(v->pages);
        space_free(&v->space);
        notes_free(&v->notes);
        fault_copy_free(&v->choice.held);
        free(v->targets);
        window_free(&v->window);
        for (size_t i = 0; i < TOP_BLOCKS_MAX; i++)
                window_free(&v->blocks[i]);
        text_free(&view->out);
        text_free(&view->err);
        free(v);
        return NULL;
}
