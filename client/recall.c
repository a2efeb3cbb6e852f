/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cache of fixed size in which every pair of ids has one place: what is forgotten is made again, so it needs neither
 * growth nor a rule about what to keep. The epoch is part of the question, because ids mean something else after it.
 */
#include "client/recall.h"

enum { N_ENTRIES = 1 << 16 };

void recall_free(struct recall *recall)
{
        free(recall->entries);
        *recall = (struct recall){0};
}

static struct recall_entry *place_of(const struct recall *recall, const uint32_t ids[2])
{
        uint64_t hash = ((uint64_t)ids[1] << 32 | ids[0]) * UINT64_C(0x9e3779b97f4a7c15);

        return &recall->entries[hash >> 48 & (N_ENTRIES - 1)];
}

bool recall_find(const struct recall *recall, const struct state *state, const uint32_t ids[2], uint32_t *ret_value)
{
        const struct recall_entry *entry;

        if (!recall->entries)
                return false;
        entry = place_of(recall, ids);
        if (entry->state != state || entry->epoch != state->epoch || entry->ids[0] != ids[0] || entry->ids[1] != ids[1])
                return false;
        *ret_value = entry->value;
        return true;
}

void recall_keep(struct recall *recall, const struct state *state, const uint32_t ids[2], uint32_t value)
{
        if (!recall->entries)
                recall->entries = calloc(N_ENTRIES, sizeof(*recall->entries));
        if (recall->entries)
                *place_of(recall, ids) = (struct recall_entry){
                        .state = state, .epoch = state->epoch, .ids = {ids[0], ids[1]}, .value = value};
}
