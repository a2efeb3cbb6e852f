/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys (byte strings) -> dense ids from 1, for the dictionary. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

struct idtable {
        struct idtable_entry *entries; /* entry of id i at i - 1 */
        uint32_t *slots;               /* open addressing: ids, 0 = free */
        size_t n, size_entries, n_slots;
};

enum idtable_outcome {
        IDTABLE_FOUND = 0,
        IDTABLE_ADDED = 1,
};

/* The id of the key, added if it is new (the bytes are copied). enum idtable_outcome or -ENOMEM. */
int idtable_get(struct idtable *table, const void *key, size_t n_key, uint32_t *ret_id) MUST_CHECK;
/* Forget all; the table can be used again. A zeroed struct is an empty table. */
void idtable_clear(struct idtable *table);
