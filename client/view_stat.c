/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every fault that was received is in exactly one group of each table, and the sum of a table is what the ledger calls
 * delivered. A key is rendered when its definitions come for the first time and remembered by their ids, so a fault
 * costs a look into a cache and a few additions for each table.
 *
 * For programs the key of a stack is its frames as JSON, for people its lines; both leave out addresses where there is
 * a name, so that they mean the same groups.
 *
 * Intervals follow the times of the faults, not of their arrival: a fault belongs to the one in which it ended, which
 * is when the daemon tells of it. The first that ended later closes an interval. In silence the clock does, with
 * patience: the daemon keeps faults back, in order, while it looks for the names in them. What comes later still,
 * or from another target whose stream is behind, is counted in the interval that is open then, which says how much that
 * is. Nothing is counted twice or not at all. With an interval its groups are forgotten, so that a trace without end
 * needs no memory without end.
 */
#include "client/view_stat.h"

#include <errno.h>

#include "client/group_key.h"
#include "client/recall.h"
#include "client/slowest.h"
#include "client/view_gather.h"
#include "client/view_json_stack.h"
#include "client/view_stat_report.h"

enum {
        ROWS = 20,
        ROWS_OF_ALL = 10, /* where all tables are shown */
};

#define TABLES_ALL (GROUP_THREAD + 1)

struct stat_table {
        enum group_by by;
        struct tally tally;
        struct recall groups; /* by group_key_ids() */
};

struct view_stat {
        struct view_gather gather;
        struct view_ops ops; /* those of gather with a few of our own before them */
        const struct view_ops *gather_ops;
        struct view_stat_options options;
        struct stat_table tables[N_GROUP_BY];
        size_t n_tables;
        struct tally_sum all; /* of the interval, or of the whole trace */
        struct slowest slowest;
        struct names names;
        struct text key, scratch;
        uint64_t seq; /* of the next fault of the batch */
        bool has_start;
        uint64_t start_ns; /* when the first target was attached to */
        uint64_t from_ns;  /* where the interval begins */
        bool has_news;     /* faults have come since the last tick */
        uint64_t news_ns;  /* the tick behind the last one that came */
        uint64_t n_late;   /* faults counted in it that ended before it */
        uint64_t end_ns;   /* the last thing known to have happened */
        bool has_output;   /* something stands before what comes next */
        bool failed;       /* out of memory */
};

static struct view_stat *view_stat(struct view *view)
{
        return CONTAINER_OF(view, struct view_stat, gather.view);
}

/* --- tables --- */

static uint64_t rows_of(const struct view_stat *v)
{
        if (v->options.top > 0)
                return v->options.top;
        if (v->options.format != FORMAT_TEXT)
                return UINT64_MAX;
        return v->options.n_by > 0 ? ROWS : ROWS_OF_ALL;
}

/* People get an empty line between what is not one thing; a CSV file its titles first. */
static void begin_part(struct view_stat *v)
{
        struct text *out = &v->gather.view.out;

        if (v->options.format == FORMAT_TEXT && v->has_output)
                text_put_char(out, '\n');
        if (v->options.format == FORMAT_CSV && !v->has_output)
                stat_csv_put_header(out, v->options.interval_ns > 0);
        v->has_output = true;
}

static void put_report(struct view_stat *v, const struct stat_report *report)
{
        struct text *out = &v->gather.view.out;

        switch (v->options.format) {
        case FORMAT_TEXT:
                stat_text_put(out, report, v->gather.view.n_columns);
                break;
        case FORMAT_JSON:
                stat_json_put(out, report);
                break;
        case FORMAT_CSV:
                stat_csv_put(out, report);
                break;
        }
}

static void put_table(struct view_stat *v, const struct stat_table *table, const struct stat_span *span)
{
        struct stat_report report = {.by = table->by, .weight = v->options.weight, .span = span, .all = &v->all};

        begin_part(v);
        if (stat_report_make(&report, &table->tally, rows_of(v)) < 0) {
                v->failed = true;
                return;
        }
        put_report(v, &report);
        stat_report_free(&report);
}

static void put_nothing(struct view_stat *v)
{
        begin_part(v);
        if (v->options.format == FORMAT_TEXT)
                text_put_string(&v->gather.view.out, "no faults\n");
}

/* span: NULL: the whole trace. */
static void put_tables(struct view_stat *v, const struct stat_span *span)
{
        if (v->all.measure.count == 0) {
                put_nothing(v);
                return;
        }
        for (size_t i = 0; i < v->n_tables; i++)
                put_table(v, &v->tables[i], span);
}

static void forget(struct view_stat *v)
{
        for (size_t i = 0; i < v->n_tables; i++) {
                tally_free(&v->tables[i].tally);
                recall_free(&v->tables[i].groups);
        }
        tally_sum_free(&v->all);
}

/* --- intervals --- */

static void put_interval(struct view_stat *v, uint64_t to_ns)
{
        const struct stat_span span = {.from_ns = v->from_ns, .to_ns = to_ns, .n_late = v->n_late};
        struct text *out = &v->gather.view.out;

        if (v->options.format == FORMAT_TEXT) {
                begin_part(v);
                stat_text_put_span(out, &span, v->start_ns, v->options.interval_ns);
                text_put_string(out, v->all.measure.count == 0 ? ": no faults\n" : "\n");
        }
        if (v->all.measure.count > 0) {
                put_tables(v, &span);
                forget(v);
        }
        v->from_ns = to_ns;
        v->n_late = 0;
}

/* Something happened at time_ns: what ended before is complete. Intervals without faults are told of together. */
static void advance(struct view_stat *v, uint64_t time_ns)
{
        uint64_t interval_ns = v->options.interval_ns, n;

        if (interval_ns == 0 || !v->has_start || time_ns < v->from_ns)
                return;
        n = (time_ns - v->from_ns) / interval_ns;
        if (n > 0 && v->all.measure.count > 0) {
                put_interval(v, v->from_ns + interval_ns);
                n--;
        }
        if (n > 0)
                put_interval(v, v->from_ns + n * interval_ns);
}

static void start(struct view_stat *v, uint64_t time_ns)
{
        if (v->has_start)
                return;
        v->has_start = true;
        v->start_ns = v->from_ns = time_ns;
}

/* --- gathering --- */

static void make_key(struct view_stat *v, enum group_by by, const struct state *state, const struct proto_event *event)
{
        v->key.n_bytes = 0;
        v->key.ascii = v->names.scratch.ascii = v->gather.view.out.ascii;
        if (by == GROUP_STACK && v->options.format == FORMAT_JSON)
                json_put_stack_names(&v->key, &v->scratch, state, event->stack);
        else
                group_key_put(by, &v->names, &v->key, state, event);
}

/* 0; -ENOSPC; -ENOMEM */
static int find_group(struct view_stat *v, struct stat_table *table, const struct state *state,
                      const struct proto_event *event, uint32_t *ret)
{
        uint32_t ids[2];
        int r;

        group_key_ids(table->by, event, ids);
        if (recall_find(&table->groups, state, ids, ret))
                return 0;
        make_key(v, table->by, state, event);
        if (v->key.failed || v->scratch.failed || v->names.failed)
                return -ENOMEM;
        r = tally_find(&table->tally, v->key.data, v->key.n_bytes, ret);
        if (r == 0)
                recall_keep(&table->groups, state, ids, *ret);
        return r;
}

static void count(struct view_stat *v, const struct state *state, const struct proto_event *event)
{
        const struct measure one = measure_of(event);

        for (size_t i = 0; i < v->n_tables; i++) {
                uint32_t group;
                int r = find_group(v, &v->tables[i], state, event, &group);

                if (r == 0)
                        r = tally_add(&v->tables[i].tally, group, &one);
                else
                        tally_add_homeless(&v->tables[i].tally, &one);
                v->failed |= r == -ENOMEM;
        }
        measure_add(&v->all.measure, &one);
        if (one.n_timed > 0 && latency_add(&v->all.latencies, one.time_ns) < 0)
                v->failed = true;
}

/* The JSON view writes the line of a fault; all but its type is right. */
static void put_slow_object(struct view_stat *v, struct text *out, const struct state *state,
                            const struct proto_event *event)
{
        static const char fault[] = "{\"type\":\"fault\"", slow[] = "{\"type\":\"slow\"";
        const struct fault_batch batch = {.events = event, .n_events = 1, .first_seq = v->seq};
        struct view *notes = v->options.notes;

        notes->ops->faults(notes, state, &batch);
        v->failed |= notes->out.failed;
        if (notes->out.n_bytes < sizeof(fault) - 1)
                return;
        text_put_string(out, slow);
        text_put(out, notes->out.data + sizeof(fault) - 1, notes->out.n_bytes - (sizeof(fault) - 1));
        notes->out.n_bytes = 0;
}

static void notice_slow(struct view_stat *v, const struct state *state, const struct proto_event *event)
{
        struct text *text;

        if (v->options.format == FORMAT_CSV || event->latency_ns == PROTO_UNKNOWN ||
            !slowest_wants(&v->slowest, event->latency_ns))
                return;
        text = slowest_insert(&v->slowest, event->latency_ns);
        text->ascii = v->names.scratch.ascii = v->gather.view.out.ascii;
        if (v->options.format == FORMAT_JSON)
                put_slow_object(v, text, state, event);
        else
                stat_slow_put(&v->names, text, state, event);
        v->failed |= text->failed || v->names.failed;
}

/* When it was over, as far as that is known. */
static uint64_t end_of(const struct proto_event *event)
{
        uint64_t end_ns;

        if (event->latency_ns == PROTO_UNKNOWN)
                return event->time_ns;
        return __builtin_add_overflow(event->time_ns, event->latency_ns, &end_ns) ? UINT64_MAX : end_ns;
}

static void stat_fault(struct view_gather *gather, const struct state *state, const struct proto_event *event)
{
        struct view_stat *v = CONTAINER_OF(gather, struct view_stat, gather);
        uint64_t end_ns = end_of(event);

        start(v, state->start_ns);
        advance(v, end_ns);
        v->n_late += end_ns < v->from_ns;
        v->has_news = true;
        v->end_ns = MAX_OF(v->end_ns, end_ns);
        count(v, state, event);
        notice_slow(v, state, event);
        v->seq++;
}

/* --- the view --- */

static void stat_attached(struct view *view, const struct state *state, const struct proto_attached *attached)
{
        struct view_stat *v = view_stat(view);

        start(v, state->start_ns);
        v->gather_ops->attached(view, state, attached);
}

static void stat_faults(struct view *view, const struct state *state, const struct fault_batch *batch)
{
        struct view_stat *v = view_stat(view);

        v->seq = batch->first_seq;
        v->gather_ops->faults(view, state, batch);
}

static void stat_end(struct view *view, const struct state *state, const struct proto_end *end)
{
        struct view_stat *v = view_stat(view);

        v->end_ns = MAX_OF(v->end_ns, end->time_ns);
        v->gather_ops->end(view, state, end);
}

static void init_tables(struct view_stat *v)
{
        v->n_tables = v->options.n_by > 0 ? v->options.n_by : TABLES_ALL;
        for (size_t i = 0; i < v->n_tables; i++)
                v->tables[i].by = v->options.n_by > 0 ? v->options.by[i] : (enum group_by)i;
}

struct view *view_stat_new(const struct view_stat_options *options)
{
        struct view_stat *v = calloc(1, sizeof(*v));
        bool is_json = options->format == FORMAT_JSON;

        if (!v)
                return NULL;
        view_gather_init(&v->gather);
        v->options = *options;
        v->gather.notes = options->notes;
        v->gather.everything = v->gather.ends_last = is_json;
        v->gather.fault = stat_fault;
        v->gather_ops = v->gather.view.ops;
        v->ops = *v->gather_ops;
        v->ops.attached = stat_attached;
        v->ops.faults = stat_faults;
        v->ops.end = stat_end;
        v->gather.view.ops = &v->ops;
        init_tables(v);
        return &v->gather.view;
}

struct view *view_stat_free(struct view *view)
{
        struct view_stat *v;

        if (!view)
                return NULL;
        v = view_stat(view);
        view_gather_free(&v->gather);
        forget(v);
        slowest_free(&v->slowest);
        names_free(&v->names);
        text_free(&v->key);
        text_free(&v->scratch);
        free(v);
        return NULL;
}

struct view *view_stat_notes(struct view *view)
{
        return view_stat(view)->options.notes;
}

void view_stat_tick(struct view *view, uint64_t now_ns)
{
        struct view_stat *v = view_stat(view);

        if (v->has_news)
                v->news_ns = now_ns;
        v->has_news = false;
        if (now_ns - v->news_ns >= VIEW_STAT_PATIENCE_NS)
                advance(v, now_ns - VIEW_STAT_PATIENCE_NS);
        view->out.failed |= v->failed;
}

/* The last interval ended when the trace did. */
static void put_last_interval(struct view_stat *v)
{
        advance(v, v->end_ns);
        if (v->all.measure.count > 0 || v->end_ns > v->from_ns)
                put_interval(v, MAX_OF(v->end_ns, v->from_ns));
        if (!v->has_output)
                put_nothing(v);
}

static void put_slowest(struct view_stat *v)
{
        struct text *out = &v->gather.view.out;

        if (v->slowest.n == 0)
                return;
        begin_part(v);
        if (v->options.format == FORMAT_TEXT)
                stat_text_put_slowest(out, &v->slowest, v->gather.view.n_columns);
        for (uint32_t i = 0; i < v->slowest.n && v->options.format == FORMAT_JSON; i++)
                text_put(out, v->slowest.faults[i].text.data, v->slowest.faults[i].text.n_bytes);
}

void view_stat_finish(struct view *view)
{
        struct view_stat *v = view_stat(view);

        if (v->options.interval_ns > 0) {
                put_last_interval(v);
        } else {
                v->has_output = v->options.format == FORMAT_TEXT && view->n_columns > 0; /* a terminal has the ledger */
                put_tables(v, NULL);
        }
        put_slowest(v);
        view->out.failed |= v->failed;
        view_gather_finish(&v->gather);
}
