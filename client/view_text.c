/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fault lines and what stands between them. The lines themselves are made in fault_line.c; here is when the header is
 * printed and what the notes say.
 *
 * With folding, faults are held back until the run that they may belong to is over (fold.c). Whatever else is said
 * comes after them: notes settle them first, and so does who reads the stream when it is quiet for a while.
 *
 * A command is attached to before it executes, when its name is still ours: what is said about it then waits until its
 * execution has given it the name by which its user knows it.
 */
#include "client/view_text.h"

#include <inttypes.h>
#include <sys/wait.h>

#include "client/escape.h"
#include "client/fault_line.h"
#include "client/ledger.h"
#include "client/signal_names.h"
#include "client/stack_text.h"
#include "client/story_text.h"
#include "client/summary.h"

/* Of one trace: a target of several has a ledger of its own, and so has a summary. */
struct view_trace {
        const struct state *state; /* borrowed */
        struct summary summary;
        struct view_trace *next;
};

struct view_text {
        struct view view;
        struct fault_line line;
        struct text *notes;      /* view.out or view.err */
        uint32_t header_columns; /* view.n_columns when the header was printed */
        struct fold fold;
        struct view_trace *traces; /* the one that was seen last comes first */
        bool folds;
        bool no_header, header_done;
        bool awaits_exec; /* "tracing" is still to be said, with these: */
        uint8_t detail, ptrace;
        uint32_t n_threads;
};

static struct view_text *view_text(struct view *view)
{
        return CONTAINER_OF(view, struct view_text, view);
}

/* The titles at the beginning, and again when the terminal has got another width. */
static void put_header(struct view_text *v, const struct state *state)
{
        if (v->no_header || (v->header_done && v->header_columns == v->view.n_columns))
                return;
        layout_fit(&v->line.layout, v->view.n_columns, state->several);
        layout_put_header(&v->line.layout, v->line.color, &v->view.out);
        v->header_columns = v->view.n_columns;
        v->header_done = true;
}

static void put_time(struct text *out, const struct state *state, uint64_t time_ns)
{
        char digits[SINCE_MAX_BYTES];
        char *end = digits + sizeof(digits);
        char *begin = format_since(end, state, time_ns);

        text_put(out, begin, (size_t)(end - begin));
}

/* What notes are about: a process, or a unit. */
static void put_subject(struct text *out, const struct state *state)
{
        if (state->unit.n_bytes > 0)
                (void)escape_terminal(out, state->unit.data, state->unit.n_bytes);
        else
                text_put_i64(out, state->pid);
}

static void put_target(struct text *out, const struct state *state)
{
        put_subject(out, state);
        if (state->unit.n_bytes > 0)
                return;
        if (state->comm.n_bytes > 0) {
                text_put_string(out, " (");
                (void)escape_terminal(out, state->comm.data, state->comm.n_bytes);
                text_put_char(out, ')');
        }
}

static void put_proto_string(struct text *out, const struct proto_string *string)
{
        (void)escape_terminal(out, string->data, string->n_bytes);
}

static void put_tracing(struct view_text *v, const struct state *state)
{
        const char *detail = detail_text(v->detail), *ptrace = ptrace_mode_text(v->ptrace);

        v->awaits_exec = false;
        text_put_string(v->notes, "-- tracing ");
        put_target(v->notes, state);
        text_printf(v->notes, ", %s detail, %" PRIu32 " thread%s", detail ? detail : "unknown", v->n_threads,
                    v->n_threads == 1 ? "" : "s");
        if (ptrace && v->ptrace != PTRACE_MODE_AUTO)
                text_printf(v->notes, ", ptrace %s", ptrace);
        if (state->stack_bytes > 0) {
                text_put_string(v->notes, ", stacks of up to ");
                stack_text_put_size(v->notes, state->stack_bytes);
        }
        text_put_char(v->notes, '\n');
}

/* --- faults --- */

static void put_fault(struct view_text *v, const struct state *state, const struct proto_event *event)
{
        fault_line_put(&v->line, &v->view.out, state, event);
        stack_text_put(&v->line.names, &v->view.out, state, event->stack, v->line.layout.limit);
}

/* The runs that are over. */
static void put_runs(struct view_text *v)
{
        const struct fold_run *run;

        while ((run = fold_next(&v->fold))) {
                put_header(v, run->state);
                if (run->sum.count == 1) {
                        put_fault(v, run->state, &run->event);
                        continue;
                }
                fault_line_put_run(&v->line, &v->view.out, run);
                stack_text_put(&v->line.names, &v->view.out, run->state, run->event.stack, v->line.layout.limit);
        }
        v->view.holds_back = v->fold.n_runs > 0;
        v->view.out.failed |= v->line.names.failed;
}

static void settle_runs(struct view_text *v)
{
        if (!v->view.holds_back)
                return;
        fold_close(&v->fold);
        put_runs(v);
}

static void put_faults(struct view_text *v, const struct state *state, const struct fault_batch *batch)
{
        for (uint32_t i = 0; i < batch->n_events; i++) {
                if (v->folds) {
                        fold_add(&v->fold, state, &batch->events[i]);
                        put_runs(v);
                } else {
                        put_fault(v, state, &batch->events[i]);
                }
        }
        v->view.out.failed |= v->line.names.failed;
}

/* --- what they come to --- */

/* Made when its first faults come; NULL: out of memory. */
static struct view_trace *trace_of(struct view_text *v, const struct state *state)
{
        struct view_trace **link = &v->traces, *trace;

        while (*link && (*link)->state != state)
                link = &(*link)->next;
        trace = *link;
        if (trace)
                *link = trace->next;
        else
                trace = calloc(1, sizeof(*trace));
        if (!trace)
                return NULL;
        trace->state = state;
        trace->next = v->traces;
        v->traces = trace;
        return trace;
}

static void free_first_trace(struct view_text *v)
{
        struct view_trace *trace = v->traces;

        v->traces = trace->next;
        summary_free(&trace->summary);
        free(trace);
}

static void free_traces(struct view_text *v)
{
        while (v->traces)
                free_first_trace(v);
}

static void put_summary(struct view_text *v, const struct state *state, uint64_t end_ns)
{
        struct view_trace *trace = trace_of(v, state);

        if (!trace)
                return;
        summary_put(&trace->summary, &v->line.names, state, end_ns, &v->view.err);
        free_first_trace(v);
}

static void count_faults(struct view_text *v, const struct state *state, const struct fault_batch *batch)
{
        struct view_trace *trace = trace_of(v, state);

        if (trace)
                summary_add(&trace->summary, state, batch->events, batch->n_events);
        else
                v->view.out.failed = true;
}

/* Definitions are about to be forgotten, or there is time. */
static void text_settle(struct view *view)
{
        struct view_text *v = view_text(view);

        settle_runs(v);
        for (struct view_trace *trace = v->traces; trace; trace = trace->next)
                summary_settle(&trace->summary, &v->line.names, trace->state);
}

static void text_attached(struct view *view, const struct state *state, const struct proto_attached *attached)
{
        struct view_text *v = view_text(view);

        v->detail = attached->detail;
        v->ptrace = attached->ptrace;
        v->n_threads = attached->n_threads;
        if (state->before_exec) {
                v->awaits_exec = true;
                return;
        }
        put_tracing(v, state);
        put_header(v, state);
}

static void text_faults(struct view *view, const struct state *state, const struct fault_batch *batch)
{
        struct view_text *v = view_text(view);

        if (v->awaits_exec)
                put_tracing(v, state);
        if (!v->folds)
                put_header(v, state);
        put_faults(v, state, batch);
        if (batch->n_events > 0)
                count_faults(v, state, batch);
}

/* --- notes --- */

/* Notes that come before the name that "tracing" waits for: it will not come in time. */
static struct text *begin_notes(struct view *view, const struct state *state)
{
        struct view_text *v = view_text(view);

        settle_runs(v);
        if (v->awaits_exec)
                put_tracing(v, state);
        return v->notes;
}

/* What the process was called when something of it was last shown; NULL = not known. */
static const struct dict_string *name_of(const struct state *state, int32_t pid)
{
        for (uint32_t id = state->n_threads; id > 0; id--) {
                const struct dict_thread *thread = state_thread(state, id);

                if (thread->pid == pid && thread->tid == pid)
                        return state_string(state, thread->comm);
        }
        return NULL;
}

/* How a process ended, where somebody has seen it. */
static void put_status(struct text *out, int status)
{
        if (WIFEXITED(status)) {
                text_printf(out, ", status %d", WEXITSTATUS(status));
        } else if (WIFSIGNALED(status)) {
                text_put_string(out, ", killed by ");
                signal_put_name(out, WTERMSIG(status));
                if (WCOREDUMP(status))
                        text_put_string(out, " (core dumped)");
        }
}

static void text_life(struct view *view, const struct state *state, const struct proto_life *life)
{
        struct view_text *v = view_text(view);
        struct text *notes = v->notes;
        const char *kind = life_kind_text(life->kind);

        if (v->awaits_exec && life->kind == LIFE_EXEC) { /* the one that was waited for is no news of its own */
                put_tracing(v, state);
                put_header(v, state);
                return;
        }
        (void)begin_notes(view, state);
        text_put_string(notes, "-- ");
        put_time(notes, state, life->time_ns);
        text_printf(notes, " %s: %d", kind ? kind : "unknown event", life->pid);
        if (life->tid != life->pid)
                text_printf(notes, "/%d", life->tid);
        if (life->kind == LIFE_FORK)
                text_printf(notes, " from %d", life->parent);
        if (life->comm.n_bytes > 0) {
                text_put_string(notes, " is now ");
                put_proto_string(notes, &life->comm);
        }
        if (life->has_status)
                put_status(notes, life->status);
        text_put_char(notes, '\n');
}

static void text_signal(struct view *view, const struct state *state, const struct proto_signal *signal)
{
        struct view_text *v = view_text(view);
        const struct story_style style = {.names = &v->line.names, .color = v->line.color};

        story_text_put(&style, begin_notes(view, state), state, signal);
        view->out.failed |= v->line.names.failed;
}

static void text_revoked(struct view *view, const struct state *state, const struct proto_revoked *revoked)
{
        struct text *notes = begin_notes(view, state);
        const struct dict_string *name = name_of(state, revoked->pid);

        text_put_string(notes, "-- ");
        put_time(notes, state, revoked->time_ns);
        text_printf(notes, " revoked: %d", revoked->pid);
        if (name) {
                text_put_string(notes, " (");
                (void)escape_terminal(notes, name->data, name->n_bytes);
                text_put_char(notes, ')');
        }
        text_put_string(notes, ", nothing more of it is shown: ");
        put_proto_string(notes, &revoked->reason);
        text_put_char(notes, '\n');
}

static void text_drops(struct view *view, const struct state *state, const struct proto_drops *drops)
{
        struct text *notes = begin_notes(view, state);
        const char *separator = " (";

        text_put_string(notes, "-- ");
        put_subject(notes, state);
        text_printf(notes, ": faults %" PRIu64 " to %" PRIu64 " dropped, the output was too slow", drops->first_seq,
                    drops->last_seq);
        for (unsigned int i = 0; i < N_OUTCOMES; i++) {
                if (drops->n_faults[i] == 0)
                        continue;
                text_printf(notes, "%s%s %" PRIu64, separator, i == OUTCOME_NONE ? "incomplete" : outcome_text(i),
                            drops->n_faults[i]);
                separator = ", ";
        }
        text_put_string(notes, separator[0] == ',' ? ")\n" : "\n");
}

static void text_degraded(struct view *view, const struct state *state, const struct proto_degraded *degraded)
{
        struct text *notes = view_text(view)->notes;

        settle_runs(view_text(view));
        text_put_string(notes, "-- ");
        put_subject(notes, state);
        text_put_string(notes, ": without ");
        put_proto_string(notes, &degraded->what);
        text_put_string(notes, ": ");
        put_proto_string(notes, &degraded->reason);
        text_put_char(notes, '\n');
}

static void put_missed(struct text *notes, const struct proto_missed *missed)
{
        uint64_t span_ms =
                missed->until_ns > missed->since_ns ? (missed->until_ns - missed->since_ns) / NSEC_PER_MSEC : 0;

        if (missed->min_flt == PROTO_UNKNOWN)
                text_put_string(notes, "the faults meanwhile were not counted");
        else
                text_printf(notes, "%s%" PRIu64 " minor and %" PRIu64 " major faults were only counted",
                            missed->is_exact ? "" : "about ", missed->min_flt, missed->maj_flt);
        text_printf(notes, " (%" PRIu64 ".%03" PRIu64 " s)", span_ms / 1000, span_ms % 1000);
}

static void text_gap(struct view *view, const struct state *state, const struct proto_gap *gap)
{
        struct text *notes = view_text(view)->notes;

        text_settle(view);
        if (!state) {
                text_put_string(notes, "-- faultlined's engine was restarted, going on: ");
                put_proto_string(notes, &gap->reason);
        } else {
                text_put_string(notes, "-- ");
                put_subject(notes, state);
                text_put_string(notes, ": going on: ");
                put_proto_string(notes, &gap->reason);
                text_put_string(notes, "; ");
                put_missed(notes, &gap->missed);
        }
        text_put_char(notes, '\n');
}

static const char *end_words(const struct state *state, unsigned int reason)
{
        switch (reason) {
        case END_STOPPED:
                return "stopped on request";
        case END_EXITED:
                return state->follows ? "its last process ended" : "the process ended";
        case END_COUNT:
                return "--count reached";
        case END_STRIPPED:
                return "it executed a program that it may not be traced in, and the kernel removed the events";
        case END_ERROR:
                return "faultlined could not go on";
        case END_RESTART:
                return "faultlined was restarted and could not go on with it";
        }
        return "for a reason unknown to this version";
}

static void text_end(struct view *view, const struct state *state, const struct proto_end *end)
{
        struct view_text *v = view_text(view);
        struct text *err = &view->err;

        (void)begin_notes(view, state);
        text_put_string(err, "-- ");
        put_target(err, state);
        text_put_string(err, ": trace ended at ");
        put_time(err, state, end->time_ns);
        text_printf(err, " s, %s", end_words(state, end->reason));
        if (end->text.n_bytes > 0 && end->reason != END_ERROR) { /* an error has a line of its own */
                text_put_string(err, ": ");
                put_proto_string(err, &end->text);
        }
        text_put_char(err, '\n');
        put_summary(v, state, end->time_ns);
        ledger_put(err, &end->ledger, state->is_partial || end->reason == END_STRIPPED);
}

static const struct view_ops text_ops = {
        .attached = text_attached,
        .faults = text_faults,
        .life = text_life,
        .signal = text_signal,
        .revoked = text_revoked,
        .drops = text_drops,
        .degraded = text_degraded,
        .gap = text_gap,
        .error = view_put_error,
        .end = text_end,
        .settle = text_settle,
};

struct view *view_text_new(const struct view_text_options *options)
{
        struct view_text *v = calloc(1, sizeof(*v));

        if (!v)
                return NULL;
        v->view.ops = &text_ops;
        fault_line_init(&v->line, options->color);
        v->notes = options->notes_on_out ? &v->view.out : &v->view.err;
        v->folds = options->fold;
        v->no_header = options->no_faults;
        v->view.out.ascii = v->line.names.scratch.ascii = options->ascii;
        return &v->view;
}

struct view *view_text_free(struct view *view)
{
        struct view_text *v;

        if (!view)
                return NULL;
        v = view_text(view);
        text_free(&v->view.out);
        text_free(&v->view.err);
        fault_line_free(&v->line);
        free_traces(v);
        free(v);
        return NULL;
}
