/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is gathered over a whole trace outlives the daemon's dictionaries, whose ids mean something else after a reset:
 * so names are kept here, each once. An open-addressed table of ids over one array of bytes; entries keep their hash,
 * so that growing does not read the strings again and most comparisons are of numbers.
 */
#include "client/intern.h"

#include <errno.h>
#include <string.h>

enum { FIRST_SLOTS = 256, FIRST_ENTRIES = 64, FIRST_BYTES = 4096 };

static uint32_t hash_of(const unsigned char *bytes, size_t n_bytes)
{
        uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, its upper half folded in */

        for (size_t i = 0; i < n_bytes; i++)
                hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
        return (uint32_t)(hash ^ hash >> 32);
}

void intern_free(struct intern *intern)
{
        free(intern->bytes);
        free(intern->entries);
        free(intern->slots);
        *intern = (struct intern){0};
}

const char *intern_bytes(const struct intern *intern, uint32_t id, size_t *ret_n_bytes)
{
        const struct intern_entry *entry = &intern->entries[id];

        *ret_n_bytes = entry->n_bytes;
        return intern->bytes + entry->offset;
}

/* The slot of an equal string, or the free one where it belongs. There is always a free one. */
static uint32_t *find_slot(const struct intern *intern, const void *bytes, size_t n_bytes, uint32_t hash)
{
        for (uint32_t i = hash & (intern->n_slots - 1);; i = (i + 1) & (intern->n_slots - 1)) {
                uint32_t *slot = &intern->slots[i];
                const struct intern_entry *entry;

                if (*slot == 0)
                        return slot;
                entry = &intern->entries[*slot - 1];
                if (entry->hash == hash && entry->n_bytes == n_bytes &&
                    (n_bytes == 0 || memcmp(intern->bytes + entry->offset, bytes, n_bytes) == 0))
                        return slot;
        }
}

/* At least twice as many slots as entries. */
static int grow_slots(struct intern *intern)
{
        uint32_t n_slots = intern->n_slots ? intern->n_slots * 2 : FIRST_SLOTS;
        uint32_t *slots;

        if (intern->n_entries < intern->n_slots / 2)
                return 0;
        slots = calloc(n_slots, sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        for (uint32_t id = 0; id < intern->n_entries; id++) {
                uint32_t i = intern->entries[id].hash & (n_slots - 1);

                while (slots[i] != 0)
                        i = (i + 1) & (n_slots - 1);
                slots[i] = id + 1;
        }
        free(intern->slots);
        intern->slots = slots;
        intern->n_slots = n_slots;
        return 0;
}

static int grow_entries(struct intern *intern)
{
        uint32_t size = intern->size_entries ? intern->size_entries * 2 : FIRST_ENTRIES;
        struct intern_entry *entries;

        if (intern->n_entries < intern->size_entries)
                return 0;
        entries = realloc(intern->entries, size * sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        intern->entries = entries;
        intern->size_entries = size;
        return 0;
}

static int grow_bytes(struct intern *intern, size_t n_more)
{
        size_t size = MAX_OF(intern->size_bytes, (size_t)FIRST_BYTES);
        char *bytes;

        if (intern->size_bytes - intern->n_bytes >= n_more && intern->bytes)
                return 0;
        while (size - intern->n_bytes < n_more)
                size *= 2;
        bytes = realloc(intern->bytes, size);
        if (!bytes)
                return -ENOMEM;
        intern->bytes = bytes;
        intern->size_bytes = size;
        return 0;
}

int intern_put(struct intern *intern, const void *bytes, size_t n_bytes, uint32_t *ret_id)
{
        uint32_t hash = hash_of(bytes, n_bytes);
        uint32_t *slot;
        int r;

        r = grow_slots(intern);
        if (r < 0)
                return r;
        slot = find_slot(intern, bytes, n_bytes, hash);
        if (*slot != 0) {
                *ret_id = *slot - 1;
                return INTERN_OLD;
        }
        if (intern->n_entries >= INTERN_ENTRIES_MAX || n_bytes > INTERN_BYTES_MAX - intern->n_bytes)
                return -ENOSPC;
        r = grow_entries(intern);
        if (r == 0)
                r = grow_bytes(intern, n_bytes);
        if (r < 0)
                return r;
        if (n_bytes > 0)
                memcpy(intern->bytes + intern->n_bytes, bytes, n_bytes);
        intern->entries[intern->n_entries] =
                (struct intern_entry){.offset = intern->n_bytes, .n_bytes = (uint32_t)n_bytes, .hash = hash};
        intern->n_bytes += n_bytes;
        *ret_id = intern->n_entries++;
        *slot = *ret_id + 1;
        return INTERN_NEW;
}
