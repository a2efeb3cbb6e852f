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

/* The name of a symbol, "?" for a string that is not defined; escaped. */
void names_put_symbol(struct text *out, const struct state *state, uint32_t id);

/* The base name of a path, whole what stands in brackets, "?" for a string that is not defined; escaped. */
void names_put_base_name(struct text *out, const struct state *state, uint32_t id);

/* IMAGE/SECTION/SYMBOL as far as known. */
const struct memo *names_of_place(struct names *names, const struct state *state, struct dict_place *place);

/* As the place of a frame: SYMBOL, else SECTION, else nothing; and apart from that IMAGE. */
const struct memo *names_of_frame_symbol(struct names *names, const struct state *state, struct dict_place *place);
const struct memo *names_of_frame_image(struct names *names, const struct state *state, struct dict_place *place);

/* The function, "?" where it is not known; and FILE:LINE, the base name, as far as known. */
const struct memo *names_of_line(struct names *names, const struct state *state, struct dict_line *line);
const struct memo *names_of_line_where(struct names *names, const struct state *state, struct dict_line *line);

/* The image with this name is the kernel. */
bool names_is_kernel(const struct state *state, uint32_t image);

/* IMAGE/SYMBOL, else IMAGE/SECTION, else IMAGE; the kernel's are kernel:SYMBOL, else [kernel]. */
const struct memo *names_of_code(struct names *names, const struct state *state, struct dict_place *place);
