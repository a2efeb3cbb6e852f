/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the faults of one group have in common, as it is shown. Pure. */
#pragma once

#include "client/names.h"
#include "client/options.h"

/* The definitions that the key is made of: the same ids of the same state, the same key. */
void group_key_ids(enum group_by by, const struct proto_event *event, uint32_t ret_ids[static 2]);

/*
 * Appends the key: a name as in the fault lines of the text view; of GROUP_STACK, the lines of the stack, empty where
 * there is none. Names that could not be made because memory ran out set names->failed.
 */
void group_key_put(enum group_by by, struct names *names, struct text *out, const struct state *state,
                   const struct proto_event *event);
