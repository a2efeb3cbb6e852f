/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A view of stat together with the view of its notes; include it behind cmocka.h. */
#pragma once

#include "client/view_json.h"
#include "client/view_stat.h"
#include "client/view_text.h"

static inline struct view *stat_view_new(struct view_stat_options options)
{
        struct view *view;

        options.notes = options.format == FORMAT_JSON ? view_json_new()
                                                      : view_text_new(&(struct view_text_options){.no_faults = true});
        assert_non_null(options.notes);
        view = view_stat_new(&options);
        assert_non_null(view);
        return view;
}

static inline void stat_view_free(struct view *view, enum output_format format)
{
        struct view *notes = view_stat_notes(view);

        (void)view_stat_free(view);
        (void)(format == FORMAT_JSON ? view_json_free(notes) : view_text_free(notes));
}
