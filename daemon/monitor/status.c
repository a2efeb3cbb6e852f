/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One answer is one walk over the engines, the traces and the sums, copied into a file in memory: whoever reads it does
 * so at his own pace and never makes the monitor wait. Who may see what is decided here alone, by the credentials that
 * the monitor recorded: everything is asked about its user before it is counted or copied, totals too. One user can
 * have connections of different power, each power in an engine of its own (engines.c): what an administrator traces is
 * not told to the same user's other programs, so traces and engines are asked about the engine.
 */
#include "daemon/monitor/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon/link/clock.h"
#include "daemon/link/status.h"
#include "daemon/monitor/announce.h"
#include "daemon/monitor/attachment.h"
#include "daemon/monitor/engines.h"
#include "daemon/monitor/process_cost.h"

struct view {
        struct engines *engines; /* borrowed */
        struct context *context; /* borrowed */
        const struct outbox *to; /* of the engine that serves who asks */
        uid_t uid;               /* who asks */
        bool sees_all;
        uint32_t req;
        struct status_row *rows; /* owned */
        size_t n, size;
        uint32_t n_omitted;
        int error; /* 0 or -errno: no answer */
};

struct status_user *status_user_of(struct status_users *users, uid_t uid)
{
        struct status_user *last = &users->users[STATUS_MAX_USERS - 1];

        for (size_t i = 0; i < users->n; i++)
                if (users->users[i].uid == uid)
                        return &users->users[i];
        if (users->n == STATUS_MAX_USERS)
                return last;
        users->users[users->n].uid = users->n == STATUS_MAX_USERS - 1 ? TALLY_NOBODY : uid;
        return &users->users[users->n++];
}

static bool may_see(const struct view *view, uid_t uid)
{
        return view->sees_all || view->uid == uid;
}

/* An engine, or a trace of it. */
static bool may_see_of(const struct view *view, const struct outbox *outbox)
{
        return view->sees_all || view->to == outbox;
}

/* ---- rows ---- */

/* An empty one, or NULL: there is no room for it. One place is kept for the last row. */
static struct status_row *add_row(struct view *view, enum message_type type)
{
        size_t size = MAX_OF(view->size * 2, (size_t)16);
        struct status_row *row;

        if (view->error < 0 || (view->n + 1 >= STATUS_MAX_ROWS && type != MESSAGE_STATUS_END)) {
                view->n_omitted++;
                return NULL;
        }
        if (view->n == view->size) {
                struct status_row *grown = reallocarray(view->rows, size, sizeof(*grown));

                if (grown == NULL) {
                        view->error = -ENOMEM;
                        return NULL;
                }
                view->rows = grown;
                view->size = size;
        }
        row = &view->rows[view->n++];
        memset(row, 0, sizeof(*row)); /* it is handed to an engine, gaps and all */
        row->type = type;
        return row;
}

static void put_text(struct status_row *row, enum status_text which, const char *text)
{
        memcpy(row->text[which], text, strnlen(text, STATUS_TEXT_BYTES - 1)); /* of a row of zeros */
}

/* ---- the service ---- */

static void sum_of_users(const struct view *view, uint64_t *ret_refused, uint64_t *ret_restarted)
{
        const struct status_users *users = &view->context->users;

        for (size_t i = 0; i < users->n; i++)
                if (may_see(view, users->users[i].uid)) {
                        *ret_refused += users->users[i].n_refused;
                        *ret_restarted += users->users[i].n_restarted;
                }
}

static uint64_t cpu_of(int who)
{
        struct rusage usage;

        if (getrusage(who, &usage) < 0)
                return 0;
        return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NSEC_PER_SEC +
               (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NSEC_PER_USEC;
}

static void put_cost(struct proto_status_daemon *daemon)
{
        uint64_t cpu_ns;

        process_cost_read(getpid(), &cpu_ns, &daemon->memory_bytes);
        daemon->cpu_ns = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN);
}

static void add_daemon(struct view *view)
{
        const struct ring_budget *budget = &view->context->budget;
        struct status_row *row = add_row(view, MESSAGE_STATUS_DAEMON);
        char degradations[ANNOUNCE_TEXT_BYTES];
        struct engine_figures engine;

        if (row == NULL)
                return;
        row->daemon = (struct proto_status_daemon){
                .req = view->req,
                .pid = getpid(),
                .sees_all = view->sees_all,
                .now_ns = monotonic_ns(),
                .started_ns = view->context->started_ns,
                .n_users = view->sees_all ? (uint32_t)engines_n_users(view->engines) : 1,
                .ring_limit_bytes =
                        view->sees_all ? budget->size_bytes : view->context->settings.limits.ring_memory_per_user_bytes,
        };
        for (const struct engine *e = NULL; (e = engines_next(view->engines, e, &engine)) != NULL;)
                if (may_see_of(view, engine.outbox))
                        row->daemon.n_clients += engine.n_clients;
        for (const struct attachment *t = view->context->attachments; t != NULL; t = t->next)
                if (may_see_of(view, t->outbox)) {
                        row->daemon.n_traces += t->is_tallied;
                        row->daemon.ring_bytes += t->rings.charged_bytes;
                }
        sum_of_users(view, &row->daemon.n_refused, &row->daemon.n_engines_restarted);
        if (view->sees_all)
                put_cost(&row->daemon);
        put_text(row, STATUS_TEXT_VERSION, FAULTLINE_VERSION);
        announce_degradations(view->context, degradations);
        put_text(row, STATUS_TEXT_DEGRADED, degradations);
}

/* ---- engines and traces ---- */

static uint32_t count_traces(const struct view *view, const struct outbox *outbox)
{
        uint32_t n = 0;

        for (const struct attachment *t = view->context->attachments; t != NULL; t = t->next)
                n += t->outbox == outbox && t->is_tallied;
        return n;
}

static void add_engines(struct view *view)
{
        struct engine_figures engine;

        for (const struct engine *e = NULL; (e = engines_next(view->engines, e, &engine)) != NULL;) {
                struct status_row *row = may_see_of(view, engine.outbox) ? add_row(view, MESSAGE_STATUS_ENGINE) : NULL;

                if (row == NULL)
                        continue;
                row->engine = (struct proto_status_engine){
                        .req = view->req,
                        .uid = engine.uid,
                        .pid = engine.pid,
                        .n_clients = engine.n_clients,
                        .n_traces = count_traces(view, engine.outbox),
                        .n_deaths = engine.n_deaths,
                        .cpu_ns = engine.cpu_ns,
                        .memory_bytes = engine.memory_bytes,
                };
        }
}

static void put_trace_lacks(struct status_row *row, uint32_t lacks)
{
        char *text = row->text[STATUS_TEXT_DEGRADED];

        for (int i = 0; i < N_LINK_LACKS; i++) {
                size_t n = strlen(text);

                if ((lacks & 1u << i) != 0)
                        (void)snprintf(text + n, STATUS_TEXT_BYTES - n, "%s%s", n > 0 ? " " : "",
                                       link_detail_name((enum link_detail)i));
        }
}

static void add_trace(struct view *view, const struct attachment *trace)
{
        struct status_row *row = add_row(view, MESSAGE_STATUS_TRACE);
        struct figures figures = figures_read(trace->figures);
        uint64_t n_faults = 0;

        if (row == NULL)
                return;
        for (size_t i = 0; i < N_OUTCOMES; i++)
                n_faults += figures.n_by_outcome[i];
        row->trace = (struct proto_status_trace){
                .req = view->req,
                .trace = trace->id,
                .uid = trace->peer.uid,
                .client_pid = trace->peer.pid,
                .pid = trace->request.pid,
                .detail = (uint8_t)trace->level.detail,
                .ptrace = (uint8_t)trace->started.ptrace,
                .n_clients = engines_have_client(view->engines, trace->outbox, trace->request.conn),
                .n_threads = trace->started.n_threads,
                .started_ns = trace->started.time_ns,
                .ring_bytes = trace->rings.charged_bytes,
                .stack_bytes = trace->level.stack_bytes,
                .n_faults = n_faults,
                .n_major = figures.n_by_outcome[OUTCOME_MAJOR],
                .n_failed = figures.n_by_outcome[OUTCOME_FAILED],
                .n_lost = figures.n_lost,
                .n_incomplete = figures.n_incomplete,
                .n_dropped = figures.n_dropped,
                .n_signals = figures.n_signals,
        };
        memcpy(row->text[STATUS_TEXT_COMM], trace->target.comm, sizeof(trace->target.comm));
        put_text(row, STATUS_TEXT_UNIT, trace->unit_name);
        put_trace_lacks(row, trace->level.degraded | (uint32_t)figures.lacks);
}

static void add_traces(struct view *view)
{
        for (const struct attachment *t = view->context->attachments; t != NULL; t = t->next)
                if (t->is_tallied && may_see_of(view, t->outbox))
                        add_trace(view, t);
}

/* ---- units ---- */

/* One tally for each unit, whoever traced in it. n_running, of each tally, is counted apart. */
static int merge(const struct view *view, struct tallies *units, uint32_t n_running[static TALLIES_MAX])
{
        const struct tallies *tallies = &view->context->tallies;
        size_t at;
        int r = 0;

        for (size_t i = 0; i < tallies->n && r == 0; i++)
                if (may_see(view, tallies->tallies[i].uid)) {
                        r = tallies_get(units, 0, tallies->tallies[i].unit, &at);
                        if (r == 0)
                                tallies_add(&units->tallies[at], tallies->tallies[i].n_traces,
                                            &tallies->tallies[i].sums);
                }
        for (const struct attachment *t = view->context->attachments; t != NULL && r == 0; t = t->next)
                if (t->is_tallied && may_see(view, tallies->tallies[t->tally].uid)) {
                        r = tallies_get(units, 0, tallies->tallies[t->tally].unit, &at);
                        if (r == 0) {
                                struct figures figures = figures_read(t->figures);

                                tallies_add(&units->tallies[at], 0, &figures);
                                n_running[at]++;
                        }
                }
        return r;
}

static void add_unit(struct view *view, const struct tally *tally, uint32_t n_running)
{
        struct status_row *row = add_row(view, MESSAGE_STATUS_UNIT);
        const struct figures *sums = &tally->sums;

        if (row == NULL)
                return;
        row->unit = (struct proto_status_unit){
                .req = view->req,
                .n_running = n_running,
                .n_traces = tally->n_traces,
                .n_lost = sums->n_lost,
                .n_dropped = sums->n_dropped,
                .n_incomplete = sums->n_incomplete,
                .major_ns = sums->major_ns,
        };
        memcpy(row->unit.n_by_cause, sums->n_by_cause, sizeof(sums->n_by_cause));
        memcpy(row->unit.n_by_outcome, sums->n_by_outcome, sizeof(sums->n_by_outcome));
        memcpy(row->unit.n_major_by_latency, sums->n_major_by_latency, sizeof(sums->n_major_by_latency));
        put_text(row, STATUS_TEXT_UNIT, tally->unit);
}

static void add_units(struct view *view)
{
        uint32_t n_running[TALLIES_MAX] = {0};
        CLEANUP(tallies_deinit) struct tallies units = {0};
        int r = merge(view, &units, n_running);

        for (size_t i = 0; i < units.n && r == 0; i++)
                add_unit(view, &units.tallies[i], n_running[i]);
        if (r < 0)
                view->error = r;
}

/* ---- the answer ---- */

static void fill(struct view *view, uint32_t flags)
{
        struct status_row *end;

        add_daemon(view);
        add_engines(view);
        add_traces(view);
        if ((flags & PROTO_STATUS_UNITS) != 0)
                add_units(view);
        end = add_row(view, MESSAGE_STATUS_END);
        if (end != NULL)
                end->end = (struct proto_status_end){.req = view->req, .n_omitted = view->n_omitted};
}

void status_answer(struct engines *engines, struct outbox *to, const struct peer *peer,
                   const struct link_status *request)
{
        struct link_message message = {.type = LINK_STATUS_REPLY,
                                       .status = {.conn = request->conn, .req = request->req}};
        struct view view = {
                .engines = engines,
                .context = engines->context,
                .to = to,
                .uid = peer->uid,
                .sees_all = engines->is_private || (peer_rights(peer) & LINK_RIGHT_KERNEL) != 0,
                .req = request->req,
        };
        CLEANUP_CLOSE int fd = -1;

        fill(&view, request->flags);
        fd = view.error < 0 ? view.error : make_sealed_file("faultline-status", view.rows, view.n * sizeof(*view.rows));
        message.status.error = fd < 0 ? -fd : 0;
        message.status.n_rows = (uint32_t)view.n;
        outbox_send(to, &message, &fd, fd < 0 ? 0 : 1);
        free(view.rows);
}
