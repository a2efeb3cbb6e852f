/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trace whose faults are counted in groups, and the tables of these: when it is over, or again and again until then.
 */
#include "client/cmd_stat.h"

#include <string.h>

#include "client/trace.h"
#include "client/view_json.h"
#include "client/view_stat.h"
#include "client/view_text.h"

/* How late an interval may end, if nothing but the clock ends it. */
#define TICK_NS (100 * NSEC_PER_MSEC)

static struct view *make_view(const struct options *options, const struct output *output)
{
        const struct view_text_options text = {.no_faults = true};
        struct view_stat_options stat = {
                .n_by = options->n_by,
                .weight = options->weight,
                .top = options->top,
                .format = options->format,
                .interval_ns = options->interval_ns,
                .notes = options->format == FORMAT_JSON ? view_json_new() : view_text_new(&text),
        };
        struct view *view;

        memcpy(stat.by, options->by, sizeof(stat.by));
        view = stat.notes ? view_stat_new(&stat) : NULL;
        if (!view) {
                (void)trace_free_view(options, stat.notes);
                return NULL;
        }
        view->out.ascii = options->format == FORMAT_TEXT && output->is_terminal && !output_locale_is_utf8();
        return view;
}

static struct view *free_view(const struct options *options, struct view *view)
{
        struct view *notes = view ? view_stat_notes(view) : NULL;

        view = view_stat_free(view);
        (void)trace_free_view(options, notes);
        return view;
}

static void tick(const struct options *options, struct view *view, uint64_t now_ns)
{
        view_stat_tick(view, now_ns);
}

static int finish(const struct options *options, struct view *view)
{
        view_stat_finish(view);
        return 0;
}

int cmd_stat(const struct options *options)
{
        static const struct trace_kind whole = {.make_view = make_view, .free_view = free_view, .finish = finish},
                                       intervals = {.make_view = make_view,
                                                    .free_view = free_view,
                                                    .finish = finish,
                                                    .tick = tick,
                                                    .tick_ns = TICK_NS};

        return trace_run(options, options->interval_ns > 0 ? &intervals : &whole);
}
