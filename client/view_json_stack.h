/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The call stack of a fault in the JSON view. Pure. */
#pragma once

#include "client/state.h"
#include "client/text.h"

/* ,"stack":[...] and ,"stack_cut":true; nothing for an id that is not defined. scratch: see json_keep(). */
void json_put_stack(struct text *out, struct text *scratch, const struct state *state, uint32_t stack);

/* The same without the addresses of frames that have an offset into something: they differ from process to process. */
void json_put_stack_names(struct text *out, struct text *scratch, const struct state *state, uint32_t stack);
