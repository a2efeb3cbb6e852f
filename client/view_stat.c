/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every fault that was received is in exactly one group, and the last row is their sum: it is what the ledger calls
 * delivered. A key is rendered when its definitions come for the first time and remembered by their ids, so a fault
 * costs a look into a cache and a few additions.
 *
 * For programs the key of a stack is its frames as JSON, for people its lines; both leave out addresses where there is
 * a name, so that they mean the same groups.
 */
#include "client/view_stat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "client/group_key.h"
#include "client/json_put.h"
#include "client/recall.h"
#include "client/view_gather.h"
#include "client/view_json_stack.h"

enum { ROWS = 20 };

struct view_stat {
        struct view_gather gather;
        struct view_stat_options options;
        struct tally tally;
        struct recall groups; /* by group_key_ids() */
        struct names names;
        struct text key, scratch;
        bool failed; /* out of memory */
};

static struct view_stat *view_stat(struct view *view)
{
        return CONTAINER_OF(view, struct view_stat, gather.view);
}

/* --- gathering --- */

static void make_key(struct view_stat *v, const struct state *state, const struct proto_event *event)
{
        v->key.n_bytes = 0;
        if (v->options.by == GROUP_STACK && v->options.for_programs)
                json_put_stack_names(&v->key, &v->scratch, state, event->stack);
        else
                group_key_put(v->options.by, &v->names, &v->key, state, event);
}

/* 0; -ENOSPC; -ENOMEM */
static int find_group(struct view_stat *v, const struct state *state, const struct proto_event *event, uint32_t *ret)
{
        uint32_t ids[2];
        int r;

        group_key_ids(v->options.by, event, ids);
        if (recall_find(&v->groups, state, ids, ret))
                return 0;
        make_key(v, state, event);
        if (v->key.failed || v->scratch.failed || v->names.failed)
                return -ENOMEM;
        r = tally_find(&v->tally, v->key.data, v->key.n_bytes, ret);
        if (r == 0)
                recall_keep(&v->groups, state, ids, *ret);
        return r;
}

static void stat_fault(struct view_gather *gather, const struct state *state, const struct proto_event *event)
{
        struct view_stat *v = CONTAINER_OF(gather, struct view_stat, gather);
        const struct measure one = measure_of(event);
        uint32_t group;
        int r;

        r = find_group(v, state, event, &group);
        if (r == 0)
                tally_add(&v->tally, group, &one);
        else
                tally_add_homeless(&v->tally, &one);
        v->failed |= r == -ENOMEM;
}

/* --- the table --- */

static double percent_of(const struct view_stat *v, const struct measure *measure)
{
        uint64_t all = measure_weight(&v->tally.all, v->options.weight);

        return all > 0 ? 100.0 * (double)measure_weight(measure, v->options.weight) / (double)all : 0;
}

/* value in thousandths of a unit of so many ns. */
static void put_time(struct text *out, uint64_t value_ns, uint64_t unit_ns)
{
        char digits[TEXT_U64_MAX_BYTES + 8];

        (void)snprintf(digits, sizeof(digits), "%" PRIu64 ".%03u", value_ns / unit_ns,
                       (unsigned int)(value_ns % unit_ns / (unit_ns / 1000)));
        text_printf(out, " %13s", digits);
}

static void put_row(struct view_stat *v, const struct measure *measure)
{
        struct text *out = &v->gather.view.out;

        text_printf(out, "%10" PRIu64 " %7.2f %14" PRIu64, measure->count, percent_of(v, measure), measure->bytes);
        if (measure->n_timed > 0) {
                put_time(out, measure->time_ns, NSEC_PER_MSEC);
                put_time(out, measure->max_ns, NSEC_PER_USEC);
        } else {
                text_printf(out, " %13s %13s", "-", "-");
        }
}

static void put_title(struct view_stat *v)
{
        struct text *out = &v->gather.view.out;

        text_printf(out, "%10s %7s %14s %13s %13s  ", "COUNT", "%", "BYTES", "TIME-MS", "MAX-US");
        for (const char *p = group_by_text(v->options.by); *p; p++)
                text_put_char(out, (char)(*p - 'a' + 'A'));
        text_put_char(out, '\n');
}

static void put_group(struct view_stat *v, const struct tally_group *group)
{
        struct text *out = &v->gather.view.out;

        put_row(v, group->sum);
        if (v->options.by == GROUP_STACK && group->n_bytes > 0) { /* lines, each with its end */
                text_put_char(out, '\n');
                text_put(out, group->key, group->n_bytes);
                text_put_char(out, '\n');
                return;
        }
        text_put_string(out, "  ");
        if (group->n_bytes > 0)
                text_put(out, group->key, group->n_bytes);
        else
                text_put_string(out, "[no stack]");
        text_put_char(out, '\n');
}

static void put_table(struct view_stat *v, const struct tally_group *groups, size_t n_groups, size_t n_shown)
{
        struct text *out = &v->gather.view.out;

        put_title(v);
        for (size_t i = 0; i < n_shown; i++)
                put_group(v, &groups[i]);
        put_row(v, &v->tally.all);
        text_printf(out, "  all, in %zu group%s", n_groups, n_groups == 1 ? "" : "s");
        if (n_shown < n_groups)
                text_printf(out, " (--top=%zu shows the other %zu)", n_groups, n_groups - n_shown);
        text_put_char(out, '\n');
}

/* --- for programs --- */

static void put_object(struct view_stat *v, const struct tally_group *group)
{
        struct text *out = &v->gather.view.out;

        json_begin_line(out, "group");
        json_put_word(out, "by", group_by_text(v->options.by));
        json_put_number(out, "count", group->sum->count);
        json_put_number(out, "bytes", group->sum->bytes);
        if (group->sum->n_timed > 0) {
                json_put_number(out, "time_ns", group->sum->time_ns);
                json_put_number(out, "max_ns", group->sum->max_ns);
        }
        if (v->options.by != GROUP_STACK) {
                json_put_bytes(out, "key", group->key, group->n_bytes);
        } else if (group->n_bytes > 0) { /* rendered when it was made */
                text_put_char(out, ',');
                text_put(out, group->key, group->n_bytes);
        }
        json_end_line(out);
}

/* --- the view --- */

struct view *view_stat_new(const struct view_stat_options *options)
{
        struct view_stat *v = calloc(1, sizeof(*v));

        if (!v)
                return NULL;
        view_gather_init(&v->gather);
        v->options = *options;
        v->gather.notes = options->notes;
        v->gather.everything = v->gather.ends_last = options->for_programs;
        v->gather.fault = stat_fault;
        return &v->gather.view;
}

struct view *view_stat_free(struct view *view)
{
        struct view_stat *v;

        if (!view)
                return NULL;
        v = view_stat(view);
        view_gather_free(&v->gather);
        tally_free(&v->tally);
        recall_free(&v->groups);
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

void view_stat_finish(struct view *view)
{
        struct view_stat *v = view_stat(view);
        size_t n_groups = 0, n_shown;
        struct tally_group *groups = tally_sort(&v->tally, v->options.weight, &n_groups);

        view->out.failed |= v->failed || !groups;
        n_shown = v->options.top ? v->options.top : v->options.for_programs ? n_groups : ROWS;
        n_shown = MIN_OF(n_shown, n_groups);
        if (groups && !v->options.for_programs)
                put_table(v, groups, n_groups, n_shown);
        for (size_t i = 0; groups && v->options.for_programs && i < n_shown; i++)
                put_object(v, &groups[i]);
        free(groups);
        view_gather_finish(&v->gather);
}
