/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A SIGSEGV or SIGBUS as a block of lines that a person reads. Pure. */
#pragma once

#include <stdbool.h>

#include "client/names.h"
#include "client/state.h"
#include "client/text.h"

struct story_style {
        struct names *names; /* borrowed */
        bool color;
};

/* The block, which begins with "--- " and ends with a newline. */
void story_text_put(const struct story_style *style, struct text *out, const struct state *state,
                    const struct proto_signal *signal);
