/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON for programs: exact where the text view is readable. A field that is not known is absent.
 *
 * Written by hand because a JSON library costs a quarter of a microsecond for each event; the tests parse every kind
 * of line back with one. The parts that a dictionary entry contributes are rendered once and kept with the entry.
 */
#include "client/view_json.h"

#include <sys/wait.h>

#include "client/json_put.h"
#include "client/signal_names.h"
#include "client/view_json_signal.h"
#include "client/view_json_stack.h"

struct view_json {
        struct view view;
        struct text scratch;
};

static struct view_json *view_json(struct view *view)
{
        return CONTAINER_OF(view, struct view_json, view);
}

/* --- parts rendered once for each dictionary entry --- */

/* "pid":1,"tid":2,"comm":"x" */
static const struct memo *thread_memo(struct view_json *v, const struct state *state, struct dict_thread *thread)
{
        if (thread->memo.data)
                return &thread->memo;
        json_put_signed(&v->scratch, "pid", thread->pid);
        json_put_signed(&v->scratch, "tid", thread->tid);
        json_put_dict_string(&v->scratch, "comm", state, thread->comm);
        return json_keep(&v->scratch, &thread->memo);
}

/* "map":{...} */
static const struct memo *map_memo(struct view_json *v, const struct state *state, struct dict_map *map)
{
        struct text *out = &v->scratch;

        if (map->memo.data)
                return &map->memo;
        json_put_key(out, "map");
        text_put_char(out, '{');
        json_put_map_fields(out, state, map);
        text_put_char(out, '}');
        return json_keep(&v->scratch, &map->memo);
}

/* "image":"a","section":"b","symbol":"c" as far as known; may be empty */
static const struct memo *place_memo(struct view_json *v, const struct state *state, struct dict_place *place)
{
        if (place->memo.data)
                return &place->memo;
        json_put_place_fields(&v->scratch, state, place);
        return json_keep(&v->scratch, &place->memo);
}

/* --- faults: every key has its comma, because "type" is always before it --- */

#define PUT_LITERAL(out, literal) text_put((out), (literal), sizeof(literal) - 1)

static void put_part(struct text *out, const struct memo *memo)
{
        text_put_char(out, ',');
        text_put(out, memo->data, memo->n_bytes);
}

#define NO_OFFSET UINT64_MAX /* as an address: it is not known, and so no offset; no place reaches so far */

/* key: ,"place":{ */
static void put_place(struct view_json *v, const struct state *state, const char *key, uint32_t id, uint64_t addr)
{
        struct text *out = &v->view.out;
        struct dict_place *place = state_place(state, id);
        const struct memo *memo;

        if (!place)
                return;
        memo = place_memo(v, state, place);
        text_put_string(out, key);
        text_put(out, memo->data ? memo->data : "", memo->n_bytes);
        if (addr >= place->base && addr != NO_OFFSET) {
                if (memo->n_bytes > 0)
                        text_put_char(out, ',');
                PUT_LITERAL(out, "\"offset\":");
                text_put_u64(out, addr - place->base);
        }
        text_put_char(out, '}');
}

static void put_fault_word(struct text *out, const char *key, const char *word)
{
        if (!word)
                return;
        text_put_string(out, key);
        text_put_string(out, word);
        text_put_char(out, '"');
}

static void put_fault_words(struct text *out, const struct proto_event *event)
{
        put_fault_word(out, ",\"mode\":\"",
                       mode_text(event->flags & PROTO_EVENT_KERNEL_MODE ? MODE_KERNEL : MODE_USER));
        if (event->access != ACCESS_UNKNOWN)
                put_fault_word(out, ",\"access\":\"", access_text(event->access));
        if (event->outcome != OUTCOME_NONE)
                put_fault_word(out, ",\"outcome\":\"", outcome_text(event->outcome));
        put_fault_word(out, ",\"cause\":\"", cause_text(event->cause));
        put_fault_word(out, ",\"evidence\":\"",
                       evidence_text(event->flags & PROTO_EVENT_INFERRED ? EVIDENCE_INFERRED : EVIDENCE_MEASURED));
}

static void put_known(struct text *out, const char *key, uint64_t value)
{
        if (value == PROTO_UNKNOWN)
                return;
        text_put_string(out, key);
        text_put_u64(out, value);
}

static void put_fault_numbers(struct text *out, const struct proto_event *event)
{
        put_known(out, ",\"latency_ns\":", event->latency_ns);
        if (event->page_shift > 0 && event->page_shift < 64)
                put_known(out, ",\"page_size\":", UINT64_C(1) << event->page_shift);
        put_known(out, ",\"frame_before\":", event->frame_before);
        put_known(out, ",\"frame\":", event->frame);
        if (event->flags & PROTO_EVENT_INCOMPLETE)
                PUT_LITERAL(out, ",\"incomplete\":true");
        if (event->flags & PROTO_EVENT_UNRESOLVED)
                PUT_LITERAL(out, ",\"unresolved\":true");
}

static void put_fault_address(struct text *out, const char *key, uint64_t value)
{
        text_put_string(out, key);
        text_put_hex(out, value);
        text_put_char(out, '"');
}

static void put_fault(struct view_json *v, const struct state *state, uint64_t seq, const struct proto_event *event)
{
        struct text *out = &v->view.out;
        struct dict_thread *thread = state_thread(state, event->thread);
        struct dict_map *map = state_map(state, event->map);
        bool has_ip = event->ip != 0 && !(event->flags & PROTO_EVENT_IP_HIDDEN);

        PUT_LITERAL(out, "{\"type\":\"fault\",\"seq\":");
        text_put_u64(out, seq);
        PUT_LITERAL(out, ",\"time_ns\":");
        text_put_u64(out, event->time_ns);
        if (thread)
                put_part(out, thread_memo(v, state, thread));
        PUT_LITERAL(out, ",\"cpu\":");
        text_put_u64(out, event->cpu);
        put_fault_address(out, ",\"addr\":\"", event->addr);
        if (has_ip)
                put_fault_address(out, ",\"ip\":\"", event->ip);
        put_fault_words(out, event);
        put_fault_numbers(out, event);
        if (map)
                put_part(out, map_memo(v, state, map));
        put_place(v, state, ",\"place\":{", event->place, event->addr);
        put_place(v, state, ",\"code\":{", event->code, has_ip ? event->ip : NO_OFFSET);
        put_place(v, state, ",\"caller\":{", event->caller, event->caller_ip ? event->caller_ip : NO_OFFSET);
        json_put_stack(out, &v->scratch, state, event->stack);
        json_end_line(out);
}

static void json_faults(struct view *view, const struct state *state, const struct fault_batch *batch)
{
        for (uint32_t i = 0; i < batch->n_events; i++)
                put_fault(view_json(view), state, batch->first_seq + i, &batch->events[i]);
        view->out.failed |= view_json(view)->scratch.failed;
}

/* --- everything else --- */

/* Whom the line is about. */
static void put_target(struct text *out, const struct state *state)
{
        if (state->pid != 0)
                json_put_signed(out, "pid", state->pid);
        json_put_string(out, "unit", &state->unit);
}

static void json_attached(struct view *view, const struct state *state, const struct proto_attached *attached)
{
        struct text *out = &view->out;
        const char *detail = detail_text(attached->detail), *ptrace = ptrace_mode_text(attached->ptrace);

        json_begin_line(out, "attached");
        put_target(out, state);
        json_put_string(out, "comm", &attached->comm);
        if (detail)
                json_put_word(out, "detail", detail);
        if (ptrace && attached->ptrace != PTRACE_MODE_AUTO)
                json_put_word(out, "ptrace", ptrace);
        json_put_number(out, "threads", attached->n_threads);
        if (attached->stack_bytes > 0)
                json_put_number(out, "stack_bytes", attached->stack_bytes);
        json_put_number(out, "time_ns", attached->time_ns);
        json_end_line(out);
}

/* How a process ended, where somebody has seen it. */
static void put_status(struct text *out, int status)
{
        if (WIFEXITED(status)) {
                json_put_signed(out, "status", WEXITSTATUS(status));
        } else if (WIFSIGNALED(status)) {
                json_put_key(out, "signal");
                text_put_char(out, '"');
                signal_put_name(out, WTERMSIG(status));
                text_put_char(out, '"');
        }
}

static void json_life(struct view *view, const struct state *state, const struct proto_life *life)
{
        struct text *out = &view->out;
        const char *kind = life_kind_text(life->kind);

        json_begin_line(out, "life");
        json_put_number(out, "time_ns", life->time_ns);
        if (kind)
                json_put_word(out, "kind", kind);
        json_put_signed(out, "pid", life->pid);
        json_put_signed(out, "tid", life->tid);
        if (life->kind == LIFE_FORK)
                json_put_signed(out, "parent", life->parent);
        json_put_string(out, "comm", &life->comm);
        if (life->has_status)
                put_status(out, life->status);
        json_end_line(out);
}

static void json_revoked(struct view *view, const struct state *state, const struct proto_revoked *revoked)
{
        json_begin_line(&view->out, "revoked");
        json_put_number(&view->out, "time_ns", revoked->time_ns);
        json_put_signed(&view->out, "pid", revoked->pid);
        json_put_string(&view->out, "reason", &revoked->reason);
        json_end_line(&view->out);
}

static void json_drops(struct view *view, const struct state *state, const struct proto_drops *drops)
{
        struct text *out = &view->out;

        json_begin_line(out, "drops");
        put_target(out, state);
        json_put_number(out, "first_seq", drops->first_seq);
        json_put_number(out, "last_seq", drops->last_seq);
        json_put_key(out, "faults");
        text_put_char(out, '{');
        for (unsigned int i = 0; i < N_OUTCOMES; i++)
                if (drops->n_faults[i] > 0)
                        json_put_number(out, outcome_text(i), drops->n_faults[i]);
        text_put_char(out, '}');
        json_end_line(out);
}

static void json_degraded(struct view *view, const struct state *state, const struct proto_degraded *degraded)
{
        json_begin_line(&view->out, "degraded");
        put_target(&view->out, state);
        json_put_string(&view->out, "what", &degraded->what);
        json_put_string(&view->out, "reason", &degraded->reason);
        json_end_line(&view->out);
}

static void put_count_or_null(struct text *out, const char *key, uint64_t n)
{
        if (n != PROTO_UNKNOWN) {
                json_put_number(out, key, n);
                return;
        }
        json_put_key(out, key);
        text_put_string(out, "null");
}

static void put_missed(struct text *out, const struct proto_missed *missed)
{
        put_count_or_null(out, "min_flt", missed->min_flt);
        put_count_or_null(out, "maj_flt", missed->maj_flt);
        json_put_number(out, "since_ns", missed->since_ns);
        json_put_number(out, "until_ns", missed->until_ns);
        json_put_key(out, "exact");
        text_put_string(out, missed->is_exact ? "true" : "false");
}

static void json_gap(struct view *view, const struct state *state, const struct proto_gap *gap)
{
        json_begin_line(&view->out, "gap");
        if (state)
                put_target(&view->out, state);
        json_put_string(&view->out, "reason", &gap->reason);
        if (state && gap->missed.until_ns != 0)
                put_missed(&view->out, &gap->missed);
        json_end_line(&view->out);
}

static void json_error(struct view *view, int32_t pid, const struct proto_error *error)
{
        json_begin_line(&view->out, "error");
        if (pid != 0)
                json_put_signed(&view->out, "pid", pid);
        json_put_signed(&view->out, "errno", error->error);
        json_put_string(&view->out, "text", &error->text);
        json_end_line(&view->out);
        view_put_error(view, pid, error);
}

static void put_ledger(struct text *out, const struct proto_ledger *l)
{
        json_put_key(out, "ledger");
        text_put_char(out, '{');
        json_put_number(out, "kernel", l->kernel);
        json_put_number(out, "delivered", l->delivered);
        json_put_number(out, "filtered", l->filtered);
        json_put_number(out, "dropped_client", l->dropped_client);
        json_put_number(out, "dropped_daemon", l->dropped_daemon);
        json_put_number(out, "lost_kernel", l->lost_kernel);
        json_put_number(out, "counted", l->counted);
        json_put_number(out, "incomplete", l->incomplete);
        put_count_or_null(out, "unseen", l->unseen);
        text_put_char(out, '}');
}

static void json_end(struct view *view, const struct state *state, const struct proto_end *end)
{
        struct text *out = &view->out;
        const char *reason = end_reason_text(end->reason);

        json_begin_line(out, "end");
        put_target(out, state);
        if (reason)
                json_put_word(out, "reason", reason);
        json_put_number(out, "time_ns", end->time_ns);
        json_put_string(out, "text", &end->text);
        put_ledger(out, &end->ledger);
        json_end_line(out);
}

static const struct view_ops json_ops = {
        .attached = json_attached,
        .faults = json_faults,
        .life = json_life,
        .signal = view_json_signal,
        .revoked = json_revoked,
        .drops = json_drops,
        .degraded = json_degraded,
        .gap = json_gap,
        .error = json_error,
        .end = json_end,
};

struct view *view_json_new(void)
{
        struct view_json *v = calloc(1, sizeof(*v));

        if (!v)
                return NULL;
        v->view.ops = &json_ops;
        return &v->view;
}

struct view *view_json_free(struct view *view)
{
        struct view_json *v;

        if (!view)
                return NULL;
        v = view_json(view);
        text_free(&v->view.out);
        text_free(&v->view.err);
        text_free(&v->scratch);
        free(v);
        return NULL;
}
