/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An open-addressing hash table that only grows until it is cleared: a dictionary never forgets single entries. */
#include "daemon/engine/serve/idtable.h"

#include <errno.h>
#include <string.h>

#define MIN_SLOTS 64 /* power of two */

struct idtable_entry {
        uint64_t hash;
        size_t n_key;
        uint8_t *key;
};

/* FNV-1a: keys are short, and a hostile target only slows the traces of its own observer. */
static uint64_t hash_key(const uint8_t *key, size_t n_key)
{
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < n_key; i++)
                hash = (hash ^ key[i]) * UINT64_C(0x100000001b3);
        return hash;
}

static size_t find_slot(const struct idtable *table, uint64_t hash, const void *key, size_t n_key)
{
        size_t mask = table->n_slots - 1, i = hash & mask;

        for (; table->slots[i]; i = (i + 1) & mask) {
                const struct idtable_entry *entry = &table->entries[table->slots[i] - 1];

                if (entry->hash == hash && entry->n_key == n_key && memcmp(entry->key, key, n_key) == 0)
                        break;
        }
        return i;
}

static int grow(struct idtable *table)
{
        size_t n_slots = table->n_slots ? table->n_slots * 2 : MIN_SLOTS;
        CLEANUP_FREE uint32_t *slots = calloc(n_slots, sizeof(*slots));
        struct idtable_entry *entries = realloc(table->entries, n_slots / 2 * sizeof(*entries));

        if (entries)
                table->entries = entries;
        if (!slots || !entries)
                return -ENOMEM;
        for (size_t id = 1; id <= table->n; id++) {
                size_t i = table->entries[id - 1].hash & (n_slots - 1);

                while (slots[i])
                        i = (i + 1) & (n_slots - 1);
                slots[i] = (uint32_t)id;
        }
        free(table->slots);
        table->slots = TAKE_PTR(slots);
        table->n_slots = n_slots;
        table->size_entries = n_slots / 2;
        return 0;
}

int idtable_get(struct idtable *table, const void *key, size_t n_key, uint32_t *ret_id)
{
        uint64_t hash = hash_key(key, n_key);
        uint8_t *copy;
        size_t i;
        int r;

        if (table->n == table->size_entries) {
                r = grow(table);
                if (r < 0)
                        return r;
        }
        i = find_slot(table, hash, key, n_key);
        if (table->slots[i]) {
                *ret_id = table->slots[i];
                return IDTABLE_FOUND;
        }
        copy = malloc(n_key ? n_key : 1);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, key, n_key);
        table->entries[table->n] = (struct idtable_entry){.hash = hash, .n_key = n_key, .key = copy};
        table->slots[i] = (uint32_t)++table->n;
        *ret_id = table->slots[i];
        return IDTABLE_ADDED;
}

void idtable_clear(struct idtable *table)
{
        for (size_t i = 0; i < table->n; i++)
                free(table->entries[i].key);
        free(table->entries);
        free(table->slots);
        *table = (struct idtable){0};
}
