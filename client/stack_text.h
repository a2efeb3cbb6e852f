/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The call stack of a fault as indented lines below it. Pure. */
#pragma once

#include "client/names.h"
#include "client/row.h"
#include "client/state.h"
#include "client/text.h"

/*
 * A line for each frame and each inlined function, innermost first, each with its newline; nothing for an id that is
 * not defined. limit: cells of a line, ROW_ENDLESS where nothing may be cut.
 */
void stack_text_put(struct names *names, struct text *out, const struct state *state, uint32_t stack, uint32_t limit);

/* "8 KiB", "1000 bytes" */
void stack_text_put_size(struct text *out, uint32_t n_bytes);
