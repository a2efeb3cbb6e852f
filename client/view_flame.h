/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The call stacks of faults gathered into a tree. Pure. */
#pragma once

#include "client/flame.h"
#include "client/tally.h"
#include "client/view.h"

struct view_flame_options {
        enum fault_weight weight;
        struct view *notes; /* the caller's, outlives the view: tells of all but the faults */
        bool notes_for_programs;
};

/* NULL: out of memory. */
struct view *view_flame_new(const struct view_flame_options *options);
struct view *view_flame_free(struct view *view); /* NULL passes; returns NULL */
struct view *view_flame_notes(struct view *view);

struct view_flame_summary {
        struct flame *flame; /* the view's; finished */
        struct measure all;
        uint64_t n_without_stack; /* faults that came without one */
        uint64_t n_cut;           /* whose stack was not whole */
        uint64_t n_homeless;      /* that are missing, or missing frames, because the tree was full */
};

/* 0; -ENOMEM, also when memory ran out earlier. */
int view_flame_finish(struct view *view, struct view_flame_summary *ret) MUST_CHECK;
