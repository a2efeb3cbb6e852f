/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two parsers read this text: that of OpenMetrics, which is strict, and that of Prometheus' older format, which is all
 * that node_exporter's textfile collector has. Each line is valid in both; where they differ:
 *
 *  - "# EOF" has to be the last line of the one and is a comment in the other; so is "# UNIT".
 *  - A counter is declared without its "_total" in the one and with it in the other. Declared without it, as here, the
 *    older parser takes its samples for a metric of no declared type. No query asks for the type, so nothing is lost.
 *    The other way round the strict parser would refuse the whole file.
 *  - "info", "stateset" and "unknown" are types that make the older parser refuse the file: faultline_build_info is a
 *    gauge, as build_info is everywhere.
 *  - Help texts have no quotes and no backslashes, which the two would read differently.
 *
 * Two units must never get the same labels, whatever their names are: node_exporter would refuse this file and with it
 * everything else that it reports. A process may choose the name of a cgroup beneath its own, so this would be a way to
 * blind the monitoring of a whole machine.
 *
 * For the same reason the engines of one user are told of together. What they have used is a gauge: it is gone with
 * them, and a counter that falls is taken for one that began anew.
 *
 * All causes and outcomes of a unit are there from the beginning, also those that are 0: a counter that appears with
 * its first fault has hidden this fault from everything that looks at increases.
 */
#include "client/metrics.h"

#include <inttypes.h>

#include "client/escape.h"

enum { REPLACEMENT_POINT = 0xfffd };

void metrics_put_label(struct text *out, const char *bytes, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes;) {
                uint32_t point = 0;
                size_t length = utf8_decode(bytes + i, n_bytes - i, &point);

                if (point == '\n' && length > 0) {
                        text_put(out, "\\n", 2);
                } else if (length == 0 || !utf8_is_safe(point) || point == REPLACEMENT_POINT) {
                        length = MAX_OF(length, (size_t)1);
                        for (size_t k = 0; k < length; k++)
                                text_printf(out, "\xef\xbf\xbd%02x", (unsigned char)bytes[i + k]);
                } else {
                        if (point == '"' || point == '\\')
                                text_put_char(out, '\\');
                        text_put(out, bytes + i, length);
                }
                i += length;
        }
}

/* --- families and samples --- */

static void begin_family(struct text *out, const char *name, const char *type, const char *unit, const char *help)
{
        text_printf(out, "# TYPE faultline_%s %s\n", name, type);
        if (unit)
                text_printf(out, "# UNIT faultline_%s %s\n", name, unit);
        text_printf(out, "# HELP faultline_%s %s\n", name, help);
}

/* Exact, without an exponent. */
static void put_seconds(struct text *out, uint64_t ns)
{
        uint64_t rest = ns % NSEC_PER_SEC;
        int n_digits = 9;

        for (; n_digits > 1 && rest % 10 == 0; n_digits--)
                rest /= 10;
        text_printf(out, "%" PRIu64 ".%0*" PRIu64, ns / NSEC_PER_SEC, n_digits, rest);
}

static void put_value(struct text *out, uint64_t value)
{
        text_put_char(out, ' ');
        text_put_u64(out, value);
        text_put_char(out, '\n');
}

static void put_time(struct text *out, uint64_t ns)
{
        text_put_char(out, ' ');
        put_seconds(out, ns);
        text_put_char(out, '\n');
}

static void put_gauge(struct text *out, const char *name, const char *help, uint64_t value)
{
        begin_family(out, name, "gauge", NULL, help);
        text_printf(out, "faultline_%s", name);
        put_value(out, value);
}

static void put_bytes(struct text *out, const char *name, const char *help, uint64_t value)
{
        begin_family(out, name, "gauge", "bytes", help);
        text_printf(out, "faultline_%s", name);
        put_value(out, value);
}

static void put_counter(struct text *out, const char *name, const char *help, uint64_t value)
{
        begin_family(out, name, "counter", NULL, help);
        text_printf(out, "faultline_%s_total", name);
        put_value(out, value);
}

/* faultline_NAME{unit="..." and what follows of labels, without their end */
static void begin_sample(struct text *out, const char *name, const struct proto_status_unit *unit)
{
        text_printf(out, "faultline_%s{unit=\"", name);
        metrics_put_label(out, unit->unit.data, unit->unit.n_bytes);
        text_put_char(out, '"');
}

/* With one more label, or none. */
static void put_sample(struct text *out, const char *name, const struct proto_status_unit *unit, const char *label,
                       const char *word, uint64_t value)
{
        begin_sample(out, name, unit);
        if (label)
                text_printf(out, ",%s=\"%s\"", label, word);
        text_put_char(out, '}');
        put_value(out, value);
}

/* --- the service --- */

static void put_daemon(struct text *out, const struct proto_status_daemon *daemon)
{
        put_gauge(out, "up", "Whether faultlined answered.", 1);
        begin_family(out, "build_info", "gauge", NULL, "The version of faultlined, always 1.");
        text_put_string(out, "faultline_build_info{version=\"");
        metrics_put_label(out, daemon->version.data, daemon->version.n_bytes);
        text_put_string(out, "\"} 1\n");
        put_gauge(out, "sees_all_users", "Whether these figures are about all users, not only about the one who asks.",
                  daemon->sees_all);
        begin_family(out, "uptime_seconds", "gauge", "seconds", "Time since faultlined started.");
        text_put_string(out, "faultline_uptime_seconds");
        put_time(out, daemon->now_ns - MIN_OF(daemon->started_ns, daemon->now_ns));
        put_gauge(out, "users", "Users that have clients.", daemon->n_users);
        put_gauge(out, "clients", "Clients that are connected.", daemon->n_clients);
        put_gauge(out, "traces", "Traces that run.", daemon->n_traces);
        put_bytes(out, "ring_memory_bytes", "Memory of the rings of all traces, locked.", daemon->ring_bytes);
        if (daemon->ring_limit_bytes > 0)
                put_bytes(out, "ring_memory_limit_bytes", "The most that rings may take.", daemon->ring_limit_bytes);
        put_counter(out, "engine_restarts", "Engines that died and were replaced.", daemon->n_engines_restarted);
        put_counter(out, "refused_requests", "Requests to trace a process that were denied.", daemon->n_refused);
        if (!daemon->sees_all)
                return;
        put_bytes(out, "resident_memory_bytes", "Resident memory of the monitor.", daemon->memory_bytes);
        begin_family(out, "cpu_seconds", "counter", "seconds",
                     "CPU time of the monitor and of those of its children that have ended.");
        text_put_string(out, "faultline_cpu_seconds_total");
        put_time(out, daemon->cpu_ns);
}

/* The first of those that serve this user: he may have two, one of them with an administrator's rights. */
static bool is_first_of_user(const struct status *status, size_t index)
{
        for (size_t i = 0; i < index; i++)
                if (status->engines[i].uid == status->engines[index].uid)
                        return false;
        return true;
}

static void begin_engines(struct text *out, const char *name, uint32_t uid)
{
        text_printf(out, "faultline_%s{uid=\"%" PRIu32 "\"}", name, uid);
}

static void put_engine_times(struct text *out, const struct status *status)
{
        begin_family(out, "engine_cpu_seconds", "gauge", "seconds",
                     "CPU time so far of the engines that serve this user now.");
        for (size_t i = 0; i < status->n_engines; i++) {
                uint64_t ns = 0;

                if (!is_first_of_user(status, i))
                        continue;
                for (size_t k = i; k < status->n_engines; k++)
                        ns += status->engines[k].uid == status->engines[i].uid ? status->engines[k].cpu_ns : 0;
                begin_engines(out, "engine_cpu_seconds", status->engines[i].uid);
                put_time(out, ns);
        }
}

static void put_engine_memory(struct text *out, const struct status *status)
{
        begin_family(out, "engine_resident_memory_bytes", "gauge", "bytes", "Resident memory of these engines.");
        for (size_t i = 0; i < status->n_engines; i++) {
                uint64_t n_bytes = 0;

                if (!is_first_of_user(status, i))
                        continue;
                for (size_t k = i; k < status->n_engines; k++)
                        n_bytes +=
                                status->engines[k].uid == status->engines[i].uid ? status->engines[k].memory_bytes : 0;
                begin_engines(out, "engine_resident_memory_bytes", status->engines[i].uid);
                put_value(out, n_bytes);
        }
}

static void put_engines(struct text *out, const struct status *status)
{
        if (status->n_engines == 0)
                return;
        put_engine_times(out, status);
        put_engine_memory(out, status);
}

/* --- units --- */

static void put_causes(struct text *out, const struct status *status)
{
        begin_family(out, "faults", "counter", NULL, "Page faults of traced processes, by cause.");
        for (size_t i = 0; i < status->n_units; i++)
                for (unsigned int cause = 0; cause < N_CAUSES; cause++)
                        put_sample(out, "faults_total", &status->units[i], "cause", cause_text(cause),
                                   status->units[i].n_by_cause[cause]);
}

static void put_outcomes(struct text *out, const struct status *status)
{
        begin_family(out, "fault_outcomes", "counter", NULL, "The same page faults, by outcome.");
        for (size_t i = 0; i < status->n_units; i++)
                for (unsigned int outcome = 0; outcome < N_OUTCOMES; outcome++)
                        put_sample(out, "fault_outcomes_total", &status->units[i], "outcome", outcome_text(outcome),
                                   status->units[i].n_by_outcome[outcome]);
}

static void put_losses(struct text *out, const struct status *status)
{
        begin_family(out, "lost_records", "counter", NULL,
                     "Records that the kernel had no room for, up to three of one page fault.");
        for (size_t i = 0; i < status->n_units; i++)
                put_sample(out, "lost_records_total", &status->units[i], NULL, NULL, status->units[i].n_lost);
        begin_family(out, "dropped_faults", "counter", NULL,
                     "Page faults that were not sent because a client was too slow, over all clients.");
        for (size_t i = 0; i < status->n_units; i++)
                put_sample(out, "dropped_faults_total", &status->units[i], NULL, NULL, status->units[i].n_dropped);
        begin_family(out, "incomplete_faults", "counter", NULL,
                     "Page faults of which the kernel lost a part, so that their cause and outcome are not known.");
        for (size_t i = 0; i < status->n_units; i++)
                put_sample(out, "incomplete_faults_total", &status->units[i], NULL, NULL,
                           status->units[i].n_incomplete);
}

static void put_buckets(struct text *out, const struct proto_status_unit *unit)
{
        uint64_t n = 0;

        for (unsigned int i = 0; i < PROTO_LATENCY_BUCKETS; i++) {
                n += unit->n_major_by_latency[i];
                begin_sample(out, "major_fault_latency_seconds_bucket", unit);
                text_put_string(out, ",le=\"");
                if (i + 1 < PROTO_LATENCY_BUCKETS)
                        put_seconds(out, PROTO_LATENCY_BOUND_NS(i));
                else
                        text_put_string(out, "+Inf");
                text_put_string(out, "\"}");
                put_value(out, n);
        }
        put_sample(out, "major_fault_latency_seconds_count", unit, NULL, NULL, n);
        begin_sample(out, "major_fault_latency_seconds_sum", unit);
        text_put_char(out, '}');
        put_time(out, unit->major_ns);
}

static void put_units(struct text *out, const struct status *status)
{
        if (status->n_units == 0)
                return;
        put_causes(out, status);
        put_outcomes(out, status);
        begin_family(out, "major_fault_latency_seconds", "histogram", "seconds",
                     "Time that major page faults took, from entry to completion.");
        for (size_t i = 0; i < status->n_units; i++)
                put_buckets(out, &status->units[i]);
        put_losses(out, status);
        begin_family(out, "unit_traces", "gauge", NULL, "Traces of processes of this unit that run.");
        for (size_t i = 0; i < status->n_units; i++)
                put_sample(out, "unit_traces", &status->units[i], NULL, NULL, status->units[i].n_running);
        begin_family(out, "unit_traces_started", "counter", NULL, "Traces of processes of this unit that have begun.");
        for (size_t i = 0; i < status->n_units; i++)
                put_sample(out, "unit_traces_started_total", &status->units[i], NULL, NULL, status->units[i].n_traces);
}

void metrics_put(struct text *out, const struct status *status)
{
        put_daemon(out, &status->daemon);
        put_engines(out, status);
        put_units(out, status);
        put_gauge(out, "omitted", "Engines, traces and units for which the answer had no room.", status->n_omitted);
        text_put_string(out, "# EOF\n");
}
