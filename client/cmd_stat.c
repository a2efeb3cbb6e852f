/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trace whose faults are counted in groups, and the table of these when it is over. */
#include "client/cmd_stat.h"

#include "client/trace.h"
#include "client/view_json.h"
#include "client/view_stat.h"
#include "client/view_text.h"

static struct view *make_view(const struct options *options, const struct output *output)
{
        const struct view_text_options text = {.no_faults = true};
        bool for_programs = options->format == FORMAT_JSON;
        const struct view_stat_options stat = {.by = options->by,
                                               .weight = options->weight,
                                               .top = options->top,
                                               .for_programs = for_programs,
                                               .notes = for_programs ? view_json_new() : view_text_new(&text)};
        struct view *view = stat.notes ? view_stat_new(&stat) : NULL;

        if (!view)
                (void)trace_free_view(options, stat.notes);
        return view;
}

static struct view *free_view(const struct options *options, struct view *view)
{
        struct view *notes = view ? view_stat_notes(view) : NULL;

        view = view_stat_free(view);
        (void)trace_free_view(options, notes);
        return view;
}

static int finish(const struct options *options, struct view *view)
{
        view_stat_finish(view);
        return 0;
}

int cmd_stat(const struct options *options)
{
        static const struct trace_kind kind = {.make_view = make_view, .free_view = free_view, .finish = finish};

        return trace_run(options, &kind);
}
