/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines above everything: who is traced and what of the time is shown, how many faults there are, what they cost,
 * whether any are missing, how they are seen, and the last trouble. When the window is low the last of these go first;
 * when it is narrow, the parts at the right of each.
 */
#include <inttypes.h>
#include <stdio.h>

#include "client/escape.h"
#include "client/figures.h"
#include "client/top/parts.h"
#include "client/top/view_top_private.h"

enum {
        LABEL_CELLS = 10,
        TIDS_FROM_WIDTH = 100,
        LABELS_FROM_WIDTH = 50,
        STATE_FROM_WIDTH = 30,
        N_THREADS_SHOWN = 8,
        TARGETS_NAMED_MAX = 4
};

struct header {
        struct view_top *v;
        struct grid *grid;
        struct top_span span;
};

static struct parts begin_line(const struct header *header, uint32_t y, const char *label)
{
        struct grid *grid = header->grid;
        struct pen pen = pen_at(grid, 0, y, STYLE_TITLE);

        if (grid->width < LABELS_FROM_WIDTH)
                return parts_at(grid, 0, y, grid->width);
        pen_put_string(&pen, label);
        return parts_at(grid, LABEL_CELLS, y, grid->width);
}

/* --- the target --- */

static size_t count_ended(const struct view_top *v)
{
        size_t n = 0;

        for (size_t i = 0; i < v->n_targets; i++)
                n += v->targets[i].has_ended;
        return n;
}

static bool all_ended(const struct view_top *v)
{
        return v->n_targets > 0 && count_ended(v) == v->n_targets;
}

static uint64_t start_of(const struct view_top *v)
{
        uint64_t start = v->n_targets > 0 ? v->targets[0].start_ns : v->now_ns;

        for (size_t i = 1; i < v->n_targets; i++)
                start = MIN_OF(start, v->targets[i].start_ns);
        return start;
}

static uint64_t end_of(const struct view_top *v)
{
        uint64_t end = 0;

        for (size_t i = 0; i < v->n_targets; i++)
                end = MAX_OF(end, v->targets[i].end_ns);
        return end;
}

static uint64_t since(uint64_t start_ns, uint64_t ns)
{
        return ns > start_ns ? ns - start_ns : 0;
}

static void put_target(struct text *out, const struct top_target *target)
{
        if (target->pid == 0) {
                text_put_string(out, "unit ");
                (void)escape_terminal(out, target->name, target->n_name);
                return;
        }
        text_put_i64(out, target->pid);
        if (target->n_name == 0)
                return;
        text_put_char(out, ' ');
        (void)escape_terminal(out, target->name, target->n_name);
}

static void put_targets(struct text *out, const struct view_top *v)
{
        if (v->n_targets == 0) {
                text_put_string(out, v->is_over ? "nothing was traced" : "waiting for faultlined");
                return;
        }
        if (v->n_targets > 1)
                text_printf(out, "%zu processes: ", v->n_targets);
        for (size_t i = 0; i < MIN_OF(v->n_targets, (size_t)TARGETS_NAMED_MAX); i++) {
                if (i > 0)
                        text_put_string(out, ", ");
                put_target(out, &v->targets[i]);
        }
        if (v->n_targets > TARGETS_NAMED_MAX)
                text_put_string(out, ", ...");
        if (v->targets[0].follows && v->targets[0].pid != 0)
                text_put_string(out, " and what it starts");
}

/* How they are seen. */
static void put_attachment(const struct view_top *v, struct parts *parts)
{
        const struct top_target *target = v->targets;
        const char *detail = detail_text(target->detail), *ptrace = ptrace_mode_text(target->ptrace);
        uint64_t n_threads = 0;

        for (size_t i = 0; i < v->n_targets; i++)
                n_threads += v->targets[i].n_threads;
        parts_printf(parts, STYLE_DIM, "%s detail", detail ? detail : "unknown");
        if (ptrace && target->ptrace != PTRACE_MODE_AUTO)
                parts_printf(parts, STYLE_DIM, "ptrace %s", ptrace);
        if (target->stack_bytes > 0)
                parts_printf(parts, STYLE_DIM, "stacks of %s", figure_bytes(target->stack_bytes).text);
        parts_printf(parts, STYLE_DIM, "%" PRIu64 " thread%s at the start", n_threads, n_threads == 1 ? "" : "s");
}

struct state_words {
        char text[96];
        enum style style;
};

static struct state_words state_words(const struct header *header)
{
        const struct view_top *v = header->v;
        struct state_words words = {.style = STYLE_GOOD};
        uint64_t now = top_model_now(v->model);
        struct figure clock = figure_clock(since(start_of(v), all_ended(v) ? end_of(v) : v->now_ns));

        if (v->n_targets == 0 && !v->is_over) {
                words.text[0] = '\0';
        } else if (v->choice.is_paused) {
                struct figure ago = figure_time((now - header->span.until) * TOP_SLICE_NS);
                bool is_now = header->span.until == now;

                words.style = STYLE_WARNING;
                (void)snprintf(words.text, sizeof(words.text), "PAUSED%s%s%s", is_now ? "" : ", ",
                               is_now ? "" : ago.text, is_now ? "" : " ago");
        } else if (all_ended(v)) {
                const char *reason = v->n_targets == 1 ? end_reason_text(v->targets[0].reason) : NULL;

                words.style = STYLE_STRONG;
                (void)snprintf(words.text, sizeof(words.text), "ended at %s%s%s", clock.text, reason ? ", " : "",
                               reason ? reason : "");
        } else if (v->is_over) {
                words.style = STYLE_BAD;
                (void)snprintf(words.text, sizeof(words.text), "over");
        } else if (count_ended(v) > 0) {
                (void)snprintf(words.text, sizeof(words.text), "%zu of %zu ended  %s", count_ended(v), v->n_targets,
                               clock.text);
        } else {
                (void)snprintf(words.text, sizeof(words.text), "live %s", clock.text);
        }
        return words;
}

static void line_target(const struct header *header, uint32_t y)
{
        struct grid *grid = header->grid;
        struct state_words words = state_words(header);
        uint32_t n_words = (uint32_t)strlen(words.text), end = grid->width;
        CLEANUP_TEXT struct text target = {0};
        struct pen pen = pen_at(grid, 0, y, STYLE_STRONG);
        struct parts parts;

        put_targets(&target, header->v);
        if (grid->width >= STATE_FROM_WIDTH && grid->width > n_words + 1) {
                pen_move(&pen, end - n_words);
                pen.style = words.style;
                pen_put_string(&pen, words.text);
                end -= n_words + 1;
        }
        if (grid->width >= LABELS_FROM_WIDTH) {
                pen = pen_at(grid, 0, y, STYLE_TITLE);
                pen_put_string(&pen, "faultline");
        }
        parts = parts_at(grid, grid->width >= LABELS_FROM_WIDTH ? LABEL_CELLS : 0, y, end);
        parts_put(&parts, STYLE_STRONG, target.data, target.n_bytes);
        if (header->v->n_targets > 0)
                put_attachment(header->v, &parts);
}

/* --- how many --- */

static void put_rate(struct parts *parts, const char *what, double per_second, enum style style)
{
        parts_printf(parts, per_second > 0 ? style : STYLE_PLAIN, "%s %s/s", what, figure_rate(per_second).text);
}

static void line_faults(const struct header *header, uint32_t y)
{
        const struct top_totals *totals = &header->v->totals;
        struct parts parts = begin_line(header, y, "faults");
        const struct top_span_choice *span = &top_spans[header->v->choice.span];

        parts_printf(&parts, STYLE_STRONG, "%s/s", figure_rate(totals->per_second).text);
        put_rate(&parts, "minor", totals->minor_per_second, STYLE_PLAIN);
        put_rate(&parts, "major", totals->major_per_second, STYLE_WARNING);
        put_rate(&parts, "failed", totals->failed_per_second, STYLE_BAD);
        parts_printf(&parts, STYLE_PLAIN, "%s: %s", span->n_slices > 0 ? span->text : "so far",
                     figure_exact(totals->sum.count).text);
        if (totals->sum.n_timed > 0)
                parts_printf(&parts, STYLE_PLAIN, "in %s", figure_time(totals->sum.time_ns).text);
        parts_printf(&parts, STYLE_PLAIN, "%s", figure_bytes(totals->sum.bytes).text);
        if (totals->n_outcomes[OUTCOME_MAJOR] > 0)
                parts_printf(&parts, STYLE_WARNING, "%s major", figure_exact(totals->n_outcomes[OUTCOME_MAJOR]).text);
        if (totals->n_outcomes[OUTCOME_FAILED] > 0)
                parts_printf(&parts, STYLE_BAD, "%s failed", figure_exact(totals->n_outcomes[OUTCOME_FAILED]).text);
}

/* --- what they cost --- */

static void put_threads(const struct header *header, struct parts *parts)
{
        const struct top_threads *busiest = fresh_threads(header->v);

        for (size_t i = 0; i < busiest->n; i++) {
                const struct top_thread *thread = &busiest->rows[i];
                CLEANUP_TEXT struct text part = {0};

                if (i == 0)
                        text_put_string(&part, "in faults: ");
                if (header->grid->width >= TIDS_FROM_WIDTH)
                        text_printf(&part, "%d ", thread->tid);
                text_put(&part, thread->comm, thread->n_comm);
                text_printf(&part, " %s %%", figure_share(thread->share).text);
                parts_put(parts, thread->share >= 0.5 ? STYLE_WARNING : STYLE_PLAIN, part.data, part.n_bytes);
        }
}

static void line_latency(const struct header *header, uint32_t y)
{
        const struct top_totals *totals = &header->v->totals;
        struct parts parts = begin_line(header, y, "latency");

        if (totals->sum.n_timed == 0) {
                parts_printf(&parts, STYLE_DIM, totals->sum.count > 0 ? "not known" : "-");
        } else {
                parts_printf(&parts, STYLE_PLAIN, "p50 %s", figure_time(totals->p50_ns).text);
                parts_printf(&parts, STYLE_PLAIN, "p99 %s", figure_time(totals->p99_ns).text);
                parts_printf(&parts, STYLE_PLAIN, "max %s", figure_time(totals->max_ns).text);
        }
        put_threads(header, &parts);
}

/* --- the ledger --- */

struct sums {
        uint64_t n_received, n_dropped, n_filtered, n_incomplete;
        struct proto_ledger ledger; /* of those that have ended */
        bool is_partial, is_wrong;
};

static struct sums sum_targets(const struct view_top *v)
{
        struct sums sums = {.n_received = 0};

        for (size_t i = 0; i < v->n_targets; i++) {
                const struct top_target *target = &v->targets[i];
                const struct proto_ledger *ledger = &target->ledger;

                sums.n_received += target->n_received;
                sums.n_dropped += target->n_dropped;
                sums.n_filtered += target->n_filtered;
                sums.n_incomplete += target->n_incomplete;
                sums.is_partial |= target->is_partial;
                sums.is_wrong |= target->has_ended && ledger_check(ledger, target->n_received) != LEDGER_HOLDS;
                sums.ledger.kernel += ledger->kernel;
                sums.ledger.delivered += ledger->delivered;
                sums.ledger.filtered += ledger->filtered;
                sums.ledger.dropped_client += ledger->dropped_client;
                sums.ledger.dropped_daemon += ledger->dropped_daemon;
                sums.ledger.lost_kernel += ledger->lost_kernel;
                sums.ledger.counted += ledger->counted;
                sums.ledger.incomplete += ledger->incomplete;
        }
        return sums;
}

static void put_lost(struct parts *parts, uint64_t n, const char *how)
{
        if (n > 0)
                parts_printf(parts, STYLE_BAD, "%s %s", figure_exact(n).text, how);
}

/* What the daemon's ledger comes to; its table is among the notes. */
static void put_ended(struct parts *parts, const struct sums *sums)
{
        const struct proto_ledger *l = &sums->ledger;
        bool is_complete = (l->dropped_client | l->dropped_daemon | l->lost_kernel | l->counted | l->incomplete) == 0;

        if (sums->is_wrong)
                parts_printf(parts, STYLE_BAD, "it does not add up: this is a bug in faultlined, see the notes");
        else if (is_complete && l->delivered == l->kernel)
                parts_printf(parts, STYLE_GOOD, "complete: every fault%s was shown",
                             sums->is_partial ? " that could be seen" : "");
        else
                parts_printf(parts, is_complete ? STYLE_GOOD : STYLE_BAD, "%s: %s of %s shown",
                             is_complete ? "complete" : "NOT complete", figure_exact(l->delivered).text,
                             figure_exact(l->kernel).text);
        put_lost(parts, l->dropped_client, "dropped here: too slow");
        put_lost(parts, l->lost_kernel, "lost: kernel buffer full");
        put_lost(parts, l->dropped_daemon, "lost in faultlined");
        put_lost(parts, l->counted, "only counted");
        put_lost(parts, l->incomplete, "lack details");
        if (l->filtered > 0)
                parts_printf(parts, STYLE_PLAIN, "%s filtered", figure_exact(l->filtered).text);
}

static void put_running(struct parts *parts, const struct sums *sums)
{
        if (sums->n_dropped > 0)
                parts_printf(parts, STYLE_WARNING, "%s faults not shown here: the client was too slow",
                             figure_exact(sums->n_dropped).text);
        else
                parts_printf(parts, STYLE_GOOD, "complete so far: %s", figure_exact(sums->n_received).text);
        if (sums->n_incomplete > 0)
                parts_printf(parts, STYLE_WARNING, "%s lack details", figure_exact(sums->n_incomplete).text);
        if (sums->is_partial)
                parts_printf(parts, STYLE_WARNING, "not all may be seen");
        if (sums->n_filtered > 0)
                parts_printf(parts, STYLE_PLAIN, "%s filtered", figure_exact(sums->n_filtered).text);
        if (sums->n_dropped > 0)
                parts_printf(parts, STYLE_PLAIN, "%s received", figure_exact(sums->n_received).text);
}

static double known_sum(double a, double b)
{
        return MAX_OF(a, 0.0) + MAX_OF(b, 0.0);
}

static uint64_t known_bytes(uint64_t n_bytes)
{
        return n_bytes == PROTO_UNKNOWN ? 0 : n_bytes;
}

static void put_cost_of(struct parts *parts, const char *who, double cpus, uint64_t n_bytes)
{
        if (cpus >= 0 && n_bytes != PROTO_UNKNOWN)
                parts_printf(parts, STYLE_DIM, "%s %s %% %s", who, figure_share(cpus).text, figure_bytes(n_bytes).text);
        else
                parts_printf(parts, STYLE_DIM, "%s not known", who);
}

/* What is known of it together, then of whom. */
static void put_cost(struct parts *parts, const struct top_rates *rates)
{
        uint64_t n_bytes = known_bytes(rates->cost.client_bytes) + known_bytes(rates->cost.daemon_bytes);

        if (rates->client < 0 && rates->daemon < 0)
                return;
        parts_printf(parts, STYLE_PLAIN, "own cost: %s %% CPU, %s",
                     figure_share(known_sum(rates->client, rates->daemon)).text, figure_bytes(n_bytes).text);
        put_cost_of(parts, "client", rates->client, rates->cost.client_bytes);
        put_cost_of(parts, "daemon", rates->daemon, rates->cost.daemon_bytes);
}

static void line_ledger(const struct header *header, uint32_t y)
{
        const struct view_top *v = header->v;
        struct parts parts = begin_line(header, y, "ledger");
        struct sums sums = sum_targets(v);

        if (v->lacks_memory)
                parts_printf(&parts, STYLE_BAD, "out of memory: some faults are in no row");
        if (v->n_targets == 0)
                parts_printf(&parts, STYLE_DIM, "-");
        else if (all_ended(v))
                put_ended(&parts, &sums);
        else if (v->is_over)
                parts_printf(&parts, STYLE_BAD, "not known: the trace did not end as it should");
        else
                put_running(&parts, &sums);
        if (v->rates.cost_ns > 0)
                put_cost(&parts, &v->rates);
}

/* --- trouble --- */

static void line_alert(const struct header *header, uint32_t y)
{
        const struct view_top *v = header->v;
        struct parts parts = begin_line(header, y, "note");

        if (v->is_over && v->why[0] != '\0') {
                parts_printf(&parts, STYLE_BAD, "%s", v->why);
                return;
        }
        if (v->n_alerts > 1)
                parts_printf(&parts, STYLE_WARNING, "%u, the last:", v->n_alerts);
        parts.pen.style = STYLE_WARNING;
        pen_fill(&parts.pen, v->n_alerts > 1, ' ');
        pen_put(&parts.pen, v->alert, v->n_alert);
}

static bool has_alert(const struct view_top *v)
{
        return v->n_alerts > 0 || (v->is_over && v->why[0] != '\0');
}

/* --- the lines --- */

enum { LINE_TARGET, LINE_FAULTS, LINE_LATENCY, LINE_LEDGER, LINE_ALERT, N_HEADER_LINES };

uint32_t draw_header_lines(const struct view_top *v)
{
        return has_alert(v) ? N_HEADER_LINES : N_HEADER_LINES - 1;
}

void draw_header(struct view_top *v, struct grid *grid, uint32_t n_lines)
{
        static void (*const lines[N_HEADER_LINES])(const struct header *header, uint32_t y) = {
                [LINE_TARGET] = line_target, [LINE_FAULTS] = line_faults, [LINE_LATENCY] = line_latency,
                [LINE_LEDGER] = line_ledger, [LINE_ALERT] = line_alert,
        };
        static const unsigned int by_importance[N_HEADER_LINES] = {LINE_TARGET, LINE_FAULTS, LINE_LEDGER, LINE_ALERT,
                                                                   LINE_LATENCY};
        struct header header = {.v = v, .grid = grid, .span = choice_span(v)};
        bool is_shown[N_HEADER_LINES] = {false};
        uint32_t y = 0;

        for (unsigned int i = 0; i < N_HEADER_LINES && n_lines > 0; i++)
                if (by_importance[i] != LINE_ALERT || has_alert(v)) {
                        is_shown[by_importance[i]] = true;
                        n_lines--;
                }
        for (unsigned int i = 0; i < N_HEADER_LINES; i++)
                if (is_shown[i])
                        lines[i](&header, y++);
}
