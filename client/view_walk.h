/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One address explained, as text for people and as one JSON object. Pure: who asks the kernel is cmd_walk.c. */
#pragma once

#include <stdbool.h>

#include "client/proc/process_walk.h"
#include "client/text.h"

/* n_columns: where lines are broken; 0: nowhere. */
void view_walk_put_text(struct text *out, const struct walk *walk, unsigned int n_columns, bool color);
void view_walk_put_json(struct text *out, const struct walk *walk);

/* For both: the level whose entry maps the page itself (NULL: not known, or nothing is mapped); how many bits of the
 * address are the offset below it; what a lack is called and what it takes. */
const char *view_walk_leaf(const struct walk *walk);
unsigned int view_walk_offset_bits(const struct walk *walk);
const char *view_walk_lack_word(enum walk_lack lack);
const char *view_walk_lack_text(enum walk_lack lack);
