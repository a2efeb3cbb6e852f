/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The name of a row, as it is shown. Pure. */
#pragma once

#include "client/options.h"
#include "client/text.h"

/* name: as struct top_row has it; NULL, or nothing: "?". Of a stack: its functions, the innermost first. ascii: nothing
 * else is to be appended where it is ours. */
void row_name_put(struct text *out, enum group_by by, bool ascii, const char *name, size_t n_name);
