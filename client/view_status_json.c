/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fields are those of faultline-json(5): what is not known or not told is absent. */
#include <string.h>

#include "client/escape.h"
#include "client/json_put.h"
#include "client/view_status.h"

/* Three decimals with a point, in every locale. */
static void put_rate(struct text *out, const char *key, const struct status_rate *rate)
{
        uint64_t thousandths;

        if (!rate->is_known)
                return;
        thousandths =
                rate->per_second < 1e15 ? (uint64_t)(rate->per_second * 1000 + 0.5) : UINT64_C(1000000000000000000);
        json_put_key(out, key);
        text_put_u64(out, thousandths / 1000);
        text_printf(out, ".%03u", (unsigned int)(thousandths % 1000));
}

static void put_user(struct text *out, const struct status_report *report, uint32_t uid)
{
        const char *name = view_status_user(report, uid);

        json_put_number(out, "uid", uid);
        if (name)
                json_put_bytes(out, "user", name, strlen(name));
}

static void begin_item(struct text *out)
{
        if (out->n_bytes > 0 && out->data[out->n_bytes - 1] != '[')
                text_put_char(out, ',');
        text_put_char(out, '{');
}

static void put_engine(struct text *out, const struct status_report *report, size_t index)
{
        const struct proto_status_engine *engine = &report->status->engines[index];

        begin_item(out);
        put_user(out, report, engine->uid);
        if (engine->pid > 0)
                json_put_signed(out, "pid", engine->pid);
        json_put_number(out, "n_clients", engine->n_clients);
        json_put_number(out, "n_traces", engine->n_traces);
        json_put_number(out, "n_deaths", engine->n_deaths);
        json_put_number(out, "cpu_ns", engine->cpu_ns);
        put_rate(out, "cpu_share", &report->rates->engines[index]);
        json_put_number(out, "memory_bytes", engine->memory_bytes);
        text_put_char(out, '}');
}

/* Words separated by blanks. */
static void put_words(struct text *out, const char *key, const struct proto_string *words)
{
        const char *end = words->data + words->n_bytes;

        json_put_key(out, key);
        text_put_char(out, '[');
        for (const char *word = words->data, *stop; word && word < end; word = stop + 1) {
                stop = memchr(word, ' ', (size_t)(end - word));
                stop = stop ? stop : end;
                if (stop == word)
                        continue;
                if (out->n_bytes > 0 && out->data[out->n_bytes - 1] != '[')
                        text_put_char(out, ',');
                text_put_char(out, '"');
                escape_json(out, word, (size_t)(stop - word));
                text_put_char(out, '"');
        }
        text_put_char(out, ']');
}

static void put_trace_figures(struct text *out, const struct proto_status_trace *trace, const struct status_rate *rate)
{
        json_put_number(out, "n_faults", trace->n_faults);
        put_rate(out, "faults_per_s", rate);
        json_put_number(out, "n_major", trace->n_major);
        json_put_number(out, "n_failed", trace->n_failed);
        json_put_number(out, "n_lost", trace->n_lost);
        json_put_number(out, "n_dropped", trace->n_dropped);
        json_put_number(out, "n_incomplete", trace->n_incomplete);
        json_put_number(out, "n_signals", trace->n_signals);
}

static void put_trace(struct text *out, const struct status_report *report, size_t index)
{
        const struct proto_status_trace *trace = &report->status->traces[index];

        begin_item(out);
        json_put_number(out, "trace", trace->trace);
        put_user(out, report, trace->uid);
        json_put_signed(out, "client_pid", trace->client_pid);
        if (trace->pid > 0)
                json_put_signed(out, "pid", trace->pid);
        json_put_string(out, "comm", &trace->comm);
        json_put_string(out, "unit", &trace->unit);
        if (detail_text(trace->detail))
                json_put_word(out, "detail", detail_text(trace->detail));
        if (ptrace_mode_text(trace->ptrace))
                json_put_word(out, "ptrace", ptrace_mode_text(trace->ptrace));
        json_put_number(out, "n_clients", trace->n_clients);
        json_put_number(out, "n_threads", trace->n_threads);
        json_put_number(out, "started_ns", trace->started_ns);
        json_put_number(out, "ring_bytes", trace->ring_bytes);
        json_put_number(out, "stack_bytes", trace->stack_bytes);
        put_trace_figures(out, trace, &report->rates->traces[index]);
        put_words(out, "degraded", &trace->degraded);
        text_put_char(out, '}');
}

static void put_daemon(struct text *out, const struct status_report *report)
{
        const struct proto_status_daemon *daemon = &report->status->daemon;

        json_put_string(out, "version", &daemon->version);
        json_put_signed(out, "pid", daemon->pid);
        json_put_bool(out, "sees_all", daemon->sees_all);
        json_put_number(out, "time_ns", daemon->now_ns);
        json_put_number(out, "started_ns", daemon->started_ns);
        if (report->rates->interval_ns > 0)
                json_put_number(out, "interval_ns", report->rates->interval_ns);
        json_put_number(out, "n_users", daemon->n_users);
        json_put_number(out, "n_clients", daemon->n_clients);
        json_put_number(out, "n_traces", daemon->n_traces);
        json_put_number(out, "ring_bytes", daemon->ring_bytes);
        if (daemon->ring_limit_bytes > 0)
                json_put_number(out, "ring_limit_bytes", daemon->ring_limit_bytes);
        if (daemon->sees_all) {
                json_put_number(out, "memory_bytes", daemon->memory_bytes);
                json_put_number(out, "cpu_ns", daemon->cpu_ns);
                put_rate(out, "cpu_share", &report->rates->cpu);
        }
        json_put_number(out, "n_engines_restarted", daemon->n_engines_restarted);
        json_put_number(out, "n_refused", daemon->n_refused);
        json_put_string(out, "degraded", &daemon->degraded);
}

void view_status_put_json(struct text *out, const struct status_report *report)
{
        json_begin_line(out, "status");
        put_daemon(out, report);
        json_put_key(out, "engines");
        text_put_char(out, '[');
        for (size_t i = 0; i < report->status->n_engines; i++)
                put_engine(out, report, i);
        text_put_char(out, ']');
        json_put_key(out, "traces");
        text_put_char(out, '[');
        for (size_t i = 0; i < report->status->n_traces; i++)
                put_trace(out, report, i);
        text_put_char(out, ']');
        json_put_number(out, "n_omitted", report->status->n_omitted);
        json_end_line(out);
}
