/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text view: one aligned line for each fault, notes beginning with "--", and the ledger at the end. Pure. */
#pragma once

#include <stdbool.h>

#include "client/view.h"

struct view_text_options {
        bool color;
        bool fold;         /* faults that follow each other from page to page become one line; for terminals */
        bool ascii;        /* standard output is a terminal that knows nothing else */
        bool notes_on_out; /* notes go between the fault lines (a terminal) instead of to standard error */
        bool no_faults;    /* there will be no fault lines, and so no titles above them */
};

/* NULL: out of memory. */
struct view *view_text_new(const struct view_text_options *options);
struct view *view_text_free(struct view *view); /* NULL passes; returns NULL */
