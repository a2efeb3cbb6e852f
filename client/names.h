/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of dictionary entries as the text view shows them, rendered when an entry is first shown and kept with it.
 * Pure. */
#pragma once

#include <stdbool.h>

#include "client/state.h"
#include "client/text.h"

struct names {
        struct text scratch;
        bool failed; /* out of memory: a "?" was shown instead of a name */
};

void names_free(struct names *names); /* contents */

/* All return a memo that lives as long as its entry, never NULL; memos without data mean an empty name. */
const struct memo *names_unknown(void); /* "?" */
const struct memo *names_of_thread(struct names *names, struct dict_thread *thread);
const struct memo *names_of_comm(struct names *names, const struct state *state, struct dict_thread *thread);

/* The base name of its path, whole what stands in brackets, "anon" without either. */
const struct memo *names_of_map(struct names *names, const struct state *state, struct dict_map *map);

/* The base name of a path, whole what stands in brackets, "?" for a string that is not defined; escaped. */
void names_put_base_name(struct text *out, const struct state *state, uint32_t id);

/* IMAGE/SECTION/SYMBOL as far as known. */
const struct memo *names_of_place(struct names *names, const struct state *state, struct dict_place *place);

/* IMAGE/SYMBOL, else IMAGE/SECTION, else IMAGE; the kernel's are kernel:SYMBOL, else [kernel]. */
const struct memo *names_of_code(struct names *names, const struct state *state, struct dict_place *place);
