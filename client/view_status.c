/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page of faultline status: a few lines about the service, then a line for each trace and each engine. A narrow
 * terminal has no room for all that there is to say of a trace; what its line leaves out follows beneath it in words,
 * but only where it says something: nothing lost is no news, faults lost are.
 *
 * From EXACT_CELLS on, and in a pipe, numbers are exact; below they have three digits and a unit.
 */
#include "client/view_status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/color.h"
#include "client/escape.h"
#include "client/figures.h"
#include "client/row.h"
#include "client/status_table.h"

enum {
        EXACT_CELLS = 140,
        LABEL_CELLS = 10,
        NOTE_CELLS = 8, /* where notes begin, beneath a trace */
        USER_CELLS = 12,
        COMM_CELLS = 16,
        UNIT_CELLS = 32,
        LACKS_CELLS = 40,
};

struct page {
        struct text *out;
        const struct status_report *report;
        const struct view_status_options *options;
        uint32_t limit;
        bool exact;
        struct text line; /* scratch */
};

const char *view_status_user(const struct status_report *report, uint32_t uid)
{
        for (size_t i = 0; i < report->n_users; i++)
                if (report->users[i].uid == uid)
                        return report->users[i].name;
        return NULL;
}

/* --- the service --- */

static void put_line(struct page *page, const char *label)
{
        text_put_string(page->out, label);
        text_fill(page->out, ' ', LABEL_CELLS - strlen(label));
        if (page->line.failed)
                page->out->failed = true;
        else
                status_put_wrapped(page->out, page->line.data, page->line.n_bytes, LABEL_CELLS, LABEL_CELLS,
                                   page->limit);
        page->line.n_bytes = 0;
}

static void put_counted(struct text *line, uint64_t n, const char *one, const char *many)
{
        text_printf(line, "%" PRIu64 " %s", n, n == 1 ? one : many);
}

static void put_title(struct page *page)
{
        const struct proto_status_daemon *daemon = &page->report->status->daemon;
        uint64_t age_ns = daemon->now_ns - MIN_OF(daemon->started_ns, daemon->now_ns);

        text_put_string(&page->line, "faultlined ");
        (void)escape_terminal(&page->line, daemon->version.data, daemon->version.n_bytes);
        text_printf(&page->line, ", process %" PRId32 ", has run for %s", daemon->pid, figure_clock(age_ns).text);
        if (page->options->color)
                text_put_string(page->out, COLOR_BOLD);
        status_put_wrapped(page->out, page->line.data, page->line.n_bytes, 0, 0, page->limit);
        if (page->options->color && !page->out->failed) { /* before the end of the line */
                page->out->n_bytes--;
                text_put_string(page->out, COLOR_RESET "\n");
        }
        page->line.n_bytes = 0;
}

static void put_serving(struct page *page)
{
        const struct proto_status_daemon *daemon = &page->report->status->daemon;

        put_counted(&page->line, daemon->n_traces, "trace", "traces");
        text_put_string(&page->line, " for ");
        put_counted(&page->line, daemon->n_clients, "client", "clients");
        text_put_string(&page->line, " of ");
        put_counted(&page->line, daemon->n_users, "user", "users");
        put_line(page, "serves");
}

static void put_memory(struct page *page)
{
        const struct proto_status_daemon *daemon = &page->report->status->daemon;

        text_printf(&page->line, "rings %s", figure_bytes(daemon->ring_bytes).text);
        if (daemon->ring_limit_bytes > 0)
                text_printf(&page->line, " of at most %s", figure_bytes(daemon->ring_limit_bytes).text);
        if (daemon->sees_all)
                text_printf(&page->line, ", monitor %s", figure_bytes(daemon->memory_bytes).text);
        put_line(page, "memory");
}

static void put_cpu(struct page *page)
{
        const struct proto_status_daemon *daemon = &page->report->status->daemon;
        const struct status_rate *now = &page->report->rates->cpu;

        if (!daemon->sees_all)
                return;
        text_printf(&page->line, "monitor %s", figure_time(daemon->cpu_ns).text);
        if (now->is_known)
                text_printf(&page->line, ", now %s %%", figure_share(now->per_second).text);
        put_line(page, "CPU");
}

static void put_troubles(struct page *page)
{
        const struct proto_status_daemon *daemon = &page->report->status->daemon;

        if (daemon->n_engines_restarted > 0) {
                put_counted(&page->line, daemon->n_engines_restarted, "engine died and was replaced",
                            "engines died and were replaced");
                put_line(page, "restarts");
        }
        if (daemon->n_refused > 0) {
                put_counted(&page->line, daemon->n_refused, "request to trace a process",
                            "requests to trace a process");
                put_line(page, "refused");
        }
        if (daemon->degraded.n_bytes > 0) {
                (void)escape_terminal(&page->line, daemon->degraded.data, daemon->degraded.n_bytes);
                put_line(page, "lacks");
        }
}

/* What the page does not tell. */
static void put_limits(struct page *page)
{
        const struct status *status = page->report->status;

        if (!status->daemon.sees_all) {
                text_put_string(&page->line, "your own traces; root and members of the service's admin group see those "
                                             "of all users");
                put_line(page, "shown");
        }
        if (status->n_omitted > 0) {
                text_printf(&page->line, "%" PRIu32 " traces and engines, for which the answer had no room",
                            status->n_omitted);
                put_line(page, "not shown");
        }
}

/* --- cells --- */

static void add_number(const struct page *page, struct status_table *table, uint64_t n, bool is_loss)
{
        char digits[TEXT_U64_MAX_BYTES + 1];

        (void)snprintf(digits, sizeof(digits), "%" PRIu64, n);
        status_table_add(table, page->exact ? digits : figure_count(n).text, is_loss && n > 0 ? COLOR_BOLD_RED : NULL);
}

static void add_rate(const struct page *page, struct status_table *table, const struct status_rate *rate)
{
        if (!rate->is_known)
                status_table_add(table, "-", NULL);
        else if (page->exact && rate->per_second >= 10 && rate->per_second < 1e18)
                add_number(page, table, (uint64_t)(rate->per_second + 0.5), false);
        else
                status_table_add(table, figure_rate(rate->per_second).text, NULL);
}

static void add_pid(struct status_table *table, int32_t pid)
{
        char digits[16];

        (void)snprintf(digits, sizeof(digits), "%" PRId32, pid);
        status_table_add(table, pid > 0 ? digits : "-", NULL);
}

static void add_user(const struct page *page, struct status_table *table, uint32_t uid)
{
        const char *name = view_status_user(page->report, uid);
        char digits[16];

        (void)snprintf(digits, sizeof(digits), "%" PRIu32, uid);
        if (name)
                status_table_add_name(table, name, strlen(name), NULL);
        else
                status_table_add(table, digits, NULL);
}

static void add_string(struct status_table *table, const struct proto_string *string, const char *color)
{
        if (string->n_bytes > 0)
                status_table_add_name(table, string->data, string->n_bytes, color);
        else
                status_table_add(table, "-", NULL);
}

/* --- traces --- */

enum trace_column {
        TRACE_PID,
        TRACE_COMM,
        TRACE_USER,
        TRACE_UNIT,
        TRACE_DETAIL,
        TRACE_CLIENTS,
        TRACE_SINCE,
        TRACE_FAULTS,
        TRACE_RATE,
        TRACE_MAJOR,
        TRACE_FAILED,
        TRACE_LOST,
        TRACE_DROPPED,
        TRACE_INCOMPLETE,
        TRACE_LACKS,
        N_TRACE_COLUMNS,
};

static const struct status_column trace_columns[N_TRACE_COLUMNS] = {
        [TRACE_PID] = {"PID", true, 0, 0},
        [TRACE_COMM] = {"COMMAND", false, COMM_CELLS, 0},
        [TRACE_USER] = {"USER", false, USER_CELLS, 11},
        [TRACE_UNIT] = {"UNIT", false, UNIT_CELLS, 2},
        [TRACE_DETAIL] = {"DETAIL", false, 0, 8},
        [TRACE_CLIENTS] = {"CLIENTS", true, 0, 7},
        [TRACE_SINCE] = {"SINCE", true, 0, 9},
        [TRACE_FAULTS] = {"FAULTS", true, 0, 0},
        [TRACE_RATE] = {"PER-S", true, 0, 0},
        [TRACE_MAJOR] = {"MAJOR", true, 0, 10},
        [TRACE_FAILED] = {"FAILED", true, 0, 1},
        [TRACE_LOST] = {"LOST", true, 0, 6},
        [TRACE_DROPPED] = {"DROPPED", true, 0, 5},
        [TRACE_INCOMPLETE] = {"INCOMPLETE", true, 0, 4},
        [TRACE_LACKS] = {"LACKS", false, LACKS_CELLS, 3},
};

static void add_trace(const struct page *page, struct status_table *table, size_t index)
{
        const struct status *status = page->report->status;
        const struct proto_status_trace *trace = &status->traces[index];
        const char *detail = detail_text(trace->detail);
        uint64_t now_ns = status->daemon.now_ns;

        add_pid(table, trace->pid);
        add_string(table, trace->comm.n_bytes > 0 ? &trace->comm : &trace->unit, NULL);
        add_user(page, table, trace->uid);
        add_string(table, &trace->unit, NULL);
        status_table_add(table, detail ? detail : "?", NULL);
        add_number(page, table, trace->n_clients, false);
        status_table_add(table, figure_clock(now_ns - MIN_OF(trace->started_ns, now_ns)).text, NULL);
        add_number(page, table, trace->n_faults, false);
        add_rate(page, table, &page->report->rates->traces[index]);
        add_number(page, table, trace->n_major, false);
        add_number(page, table, trace->n_failed, false);
        add_number(page, table, trace->n_lost, true);
        add_number(page, table, trace->n_dropped, true);
        add_number(page, table, trace->n_incomplete, true);
        add_string(table, &trace->degraded, COLOR_YELLOW);
}

static void note_count(struct page *page, const struct status_table *table, enum trace_column column, uint64_t n,
                       const char *what)
{
        if (table->shown[column] || n == 0)
                return;
        text_printf(&page->line, "%s%s %s", page->line.n_bytes > 0 ? ", " : "",
                    page->exact ? figure_exact(n).text : figure_count(n).text, what);
}

static void note_string(struct page *page, const struct status_table *table, enum trace_column column,
                        const struct proto_string *string, const char *what)
{
        if (table->shown[column] || string->n_bytes == 0)
                return;
        text_printf(&page->line, "%s%s ", page->line.n_bytes > 0 ? ", " : "", what);
        (void)escape_terminal(&page->line, string->data, string->n_bytes);
}

static void note_user(struct page *page, uint32_t uid)
{
        const char *name = view_status_user(page->report, uid);

        text_put_string(&page->line, "user ");
        if (name)
                (void)escape_terminal(&page->line, name, strlen(name));
        else
                text_printf(&page->line, "%" PRIu32, uid);
}

/* What the line of a trace had no room for. */
static void put_notes(struct page *page, const struct status_table *table, const struct proto_status_trace *trace)
{
        const char *detail = detail_text(trace->detail);

        if (!table->shown[TRACE_USER])
                note_user(page, trace->uid);
        note_string(page, table, TRACE_UNIT, &trace->unit, "unit");
        if (!table->shown[TRACE_DETAIL] && detail)
                text_printf(&page->line, "%s%s detail", page->line.n_bytes > 0 ? ", " : "", detail);
        if (trace->n_clients != 1)
                note_count(page, table, TRACE_CLIENTS, trace->n_clients, "clients");
        note_count(page, table, TRACE_MAJOR, trace->n_major, "major");
        note_count(page, table, TRACE_FAILED, trace->n_failed, "failed");
        note_count(page, table, TRACE_LOST, trace->n_lost, trace->n_lost == 1 ? "record lost" : "records lost");
        note_count(page, table, TRACE_DROPPED, trace->n_dropped, "dropped");
        note_count(page, table, TRACE_INCOMPLETE, trace->n_incomplete, "incomplete");
        note_string(page, table, TRACE_LACKS, &trace->degraded, "lacks");
        if (page->line.n_bytes == 0)
                return;
        text_fill(page->out, ' ', NOTE_CELLS);
        status_put_wrapped(page->out, page->line.data, page->line.n_bytes, NOTE_CELLS, NOTE_CELLS, page->limit);
        page->line.n_bytes = 0;
}

static void put_traces(struct page *page)
{
        const struct status *status = page->report->status;
        struct status_table table;

        if (status->n_traces == 0)
                return;
        status_table_begin(&table, trace_columns, N_TRACE_COLUMNS, page->options->n_columns, page->out->ascii,
                           page->options->color);
        for (size_t i = 0; i < status->n_traces; i++)
                add_trace(page, &table, i);
        status_table_fit(&table);
        text_put_char(page->out, '\n');
        status_table_put_titles(&table, page->out);
        for (size_t i = 0; i < status->n_traces; i++) {
                status_table_put_row(&table, i, page->out);
                put_notes(page, &table, &status->traces[i]);
        }
        status_table_free(&table);
}

/* --- engines --- */

static const struct status_column engine_columns[] = {
        {"ENGINE", true, 0, 0}, {"USER", false, USER_CELLS, 0}, {"CLIENTS", true, 0, 2}, {"TRACES", true, 0, 3},
        {"CPU", true, 0, 4},    {"CPU-%", true, 0, 0},          {"MEMORY", true, 0, 0},  {"DEATHS", true, 0, 1},
};

static void add_engine(const struct page *page, struct status_table *table, size_t index)
{
        const struct proto_status_engine *engine = &page->report->status->engines[index];
        const struct status_rate *cpu = &page->report->rates->engines[index];

        add_pid(table, engine->pid);
        add_user(page, table, engine->uid);
        add_number(page, table, engine->n_clients, false);
        add_number(page, table, engine->n_traces, false);
        status_table_add(table, figure_time(engine->cpu_ns).text, NULL);
        status_table_add(table, cpu->is_known ? figure_share(cpu->per_second).text : "-", NULL);
        status_table_add(table, figure_bytes(engine->memory_bytes).text, NULL);
        add_number(page, table, engine->n_deaths, true);
}

static void put_engines(struct page *page)
{
        const struct status *status = page->report->status;
        struct status_table table;

        if (status->n_engines == 0)
                return;
        status_table_begin(&table, engine_columns, ARRAY_SIZE(engine_columns), page->options->n_columns,
                           page->out->ascii, page->options->color);
        for (size_t i = 0; i < status->n_engines; i++)
                add_engine(page, &table, i);
        status_table_fit(&table);
        text_put_char(page->out, '\n');
        status_table_put_titles(&table, page->out);
        for (size_t i = 0; i < status->n_engines; i++)
                status_table_put_row(&table, i, page->out);
        status_table_free(&table);
}

void view_status_put_text(struct text *out, const struct status_report *report,
                          const struct view_status_options *options)
{
        uint32_t n_columns = options->n_columns;
        struct page page = {.out = out,
                            .report = report,
                            .options = options,
                            .limit = n_columns > 0 ? n_columns : ROW_ENDLESS,
                            .exact = n_columns == 0 || n_columns >= EXACT_CELLS,
                            .line = {.ascii = out->ascii}};

        put_title(&page);
        put_serving(&page);
        put_memory(&page);
        put_cpu(&page);
        put_troubles(&page);
        put_limits(&page);
        put_traces(&page);
        put_engines(&page);
        out->failed |= page.line.failed;
        text_free(&page.line);
}
