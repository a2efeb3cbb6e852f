/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A view for commands that gather faults instead of showing them: it hands each fault to its owner, and what else is
 * told of a trace to another view. Pure.
 */
#pragma once

#include <stdbool.h>

#include "client/view.h"

struct view_gather {
        struct view view;
        struct view *notes; /* borrowed: tells of beginnings, ends and what is missing; of faults it gets none */
        bool everything;    /* pass on what lives and dies and gets signals, too */
        bool ends_last;     /* ends come when view_gather_finish() is called, behind what was gathered */
        struct text ends;
        void (*fault)(struct view_gather *gather, const struct state *state, const struct proto_event *event);
};

/* The other members are the caller's to set. */
void view_gather_init(struct view_gather *gather);
void view_gather_free(struct view_gather *gather); /* contents */

/* What was kept for the end goes to view.out. */
void view_gather_finish(struct view_gather *gather);
