/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was made of definitions, remembered by their ids: faults refer to the same few again and again. Pure. */
#pragma once

#include <stdbool.h>

#include "client/state.h"

struct recall_entry {
        const struct state *state; /* NULL: free */
        uint32_t epoch;
        uint32_t ids[2];
        uint32_t value;
};

/* Contents only. An all-zero struct remembers nothing. */
struct recall {
        struct recall_entry *entries;
};

void recall_free(struct recall *recall);

/* What was kept last for these two ids of the state as it is defined now; false: that is not remembered. */
bool recall_find(const struct recall *recall, const struct state *state, const uint32_t ids[2], uint32_t *ret_value);

/* May forget something else. Without memory it forgets at once. */
void recall_keep(struct recall *recall, const struct state *state, const uint32_t ids[2], uint32_t value);
