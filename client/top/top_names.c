/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every name once, under a number. Programs come and go, and with them names: so those that no tuple and no recent
 * fault refers to any more are swept away when that is worth it, and their numbers are given out again. A group, as the
 * callers know it, is such a number together with its generation, so that one that has gone is never taken for another.
 *
 * Unlike client/intern.h, which is for names that are kept until the end.
 */
#include <errno.h>
#include <string.h>

#include "client/top/top_private.h"

enum { FIRST_SLOTS = 1024, ALLOCATION_BYTES = 16 };

static uint32_t hash_of(const char *bytes, size_t n_bytes)
{
        uint64_t hash = n_bytes * UINT64_C(0x9e3779b97f4a7c15), word;

        for (; n_bytes >= sizeof(word); bytes += sizeof(word), n_bytes -= sizeof(word)) {
                memcpy(&word, bytes, sizeof(word));
                hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 32;
        }
        word = 0;
        if (n_bytes > 0)
                memcpy(&word, bytes, n_bytes);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        return (uint32_t)(hash >> 32);
}

static uint64_t cost_of(size_t n_bytes)
{
        return sizeof(struct top_name) + 2 * sizeof(uint32_t) + ALLOCATION_BYTES + n_bytes + 1;
}

/* The slot of an equal name, or the free one where it belongs. There is always a free one. */
static uint32_t *find_slot(const struct top_names *names, const char *bytes, size_t n_bytes, uint32_t hash)
{
        for (uint32_t i = hash & (names->n_slots - 1);; i = (i + 1) & (names->n_slots - 1)) {
                uint32_t *slot = &names->slots[i];
                const struct top_name *entry;

                if (*slot == 0)
                        return slot;
                entry = &names->entries[*slot - 1];
                if (entry->hash == hash && entry->n_bytes == n_bytes && memcmp(entry->bytes, bytes, n_bytes) == 0)
                        return slot;
        }
}

static void fill_slots(struct top_names *names)
{
        for (uint32_t name = 0; name < names->n_entries; name++) {
                uint32_t i = names->entries[name].hash & (names->n_slots - 1);

                if (!names->entries[name].bytes || name == TOP_NAME_OTHER)
                        continue;
                while (names->slots[i] != 0)
                        i = (i + 1) & (names->n_slots - 1);
                names->slots[i] = name + 1;
        }
}

/* At least twice as many slots as names. */
static int grow_slots(struct top_names *names)
{
        uint32_t n_slots = names->n_slots ? names->n_slots * 2 : FIRST_SLOTS;
        uint32_t *slots;

        if (names->n_used < names->n_slots / 2)
                return 0;
        slots = calloc(n_slots, sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        free(names->slots);
        names->slots = slots;
        names->n_slots = n_slots;
        fill_slots(names);
        return 0;
}

static int grow_entries(struct top_names *names)
{
        uint32_t size = names->size_entries ? names->size_entries * 2 : FIRST_SLOTS / 2;
        struct top_name *entries;

        if (names->free_head || names->n_entries < names->size_entries)
                return 0;
        entries = realloc(names->entries, size * sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        names->entries = entries;
        names->size_entries = size;
        return 0;
}

static uint32_t take_number(struct top_names *names)
{
        uint32_t name = names->free_head;

        if (name) {
                names->free_head = names->entries[name].next_free;
                return name;
        }
        names->entries[names->n_entries] = (struct top_name){0};
        return names->n_entries++;
}

static uint32_t keep(struct top_names *names, char *copy, size_t n_bytes, uint32_t hash)
{
        uint32_t name = take_number(names);

        names->entries[name] = (struct top_name){.bytes = copy,
                                                 .n_bytes = (uint32_t)n_bytes,
                                                 .hash = hash,
                                                 .generation = names->entries[name].generation};
        names->n_used++;
        names->n_bytes += cost_of(n_bytes);
        return name;
}

/* As much of it as may be kept, in whole characters. */
static size_t cut(const char *bytes, size_t n_bytes)
{
        if (n_bytes <= TOP_NAME_MAX_BYTES)
                return n_bytes;
        for (n_bytes = TOP_NAME_MAX_BYTES; n_bytes > 0 && ((unsigned char)bytes[n_bytes] & 0xc0) == 0x80; n_bytes--)
                ;
        return n_bytes;
}

int top_names_put(struct top_names *names, const char *bytes, size_t n_bytes, uint32_t *ret_name)
{
        uint32_t hash, *slot;
        char *copy;

        if (grow_slots(names) < 0)
                return -ENOMEM;
        n_bytes = cut(bytes, n_bytes);
        hash = hash_of(bytes, n_bytes);
        slot = find_slot(names, bytes, n_bytes, hash);
        if (*slot != 0) {
                *ret_name = *slot - 1;
                return 0;
        }
        if (names->n_bytes + cost_of(n_bytes) > TOP_NAMES_MAX_BYTES)
                return -ENOSPC;
        if (grow_entries(names) < 0)
                return -ENOMEM;
        copy = malloc(n_bytes + 1);
        if (!copy)
                return -ENOMEM;
        if (n_bytes > 0)
                memcpy(copy, bytes, n_bytes);
        copy[n_bytes] = '\0';
        *ret_name = keep(names, copy, n_bytes, hash);
        *slot = *ret_name + 1;
        return 0;
}

int top_names_init(struct top_names *names)
{
        static const char other[] = "(other)";
        uint32_t unknown;
        char *copy;

        names->sweep_at = TOP_NAMES_LEAST_BYTES;
        if (grow_slots(names) < 0 || grow_entries(names) < 0)
                return -ENOMEM;
        copy = strdup(other);
        if (!copy)
                return -ENOMEM;
        (void)keep(names, copy, sizeof(other) - 1, 0); /* in no slot: a name that reads the same is another */
        return top_names_put(names, "?", 1, &unknown);
}

void top_names_free(struct top_names *names)
{
        for (uint32_t name = 0; name < names->n_entries; name++)
                free(names->entries[name].bytes);
        free(names->entries);
        free(names->slots);
        *names = (struct top_names){0};
}

static void drop(struct top_names *names, uint32_t name)
{
        struct top_name *entry = &names->entries[name];

        names->n_bytes -= cost_of(entry->n_bytes);
        names->n_used--;
        free(entry->bytes);
        *entry = (struct top_name){.generation = entry->generation + 1, .next_free = names->free_head};
        names->free_head = name;
}

void top_names_sweep(struct top_names *names)
{
        top_names_use(names, TOP_NAME_OTHER);
        top_names_use(names, TOP_NAME_UNKNOWN);
        for (uint32_t name = names->n_entries; name-- > 0;) {
                struct top_name *entry = &names->entries[name];

                if (entry->bytes && !entry->is_used)
                        drop(names, name);
                entry->is_used = false;
        }
        memset(names->slots, 0, names->n_slots * sizeof(*names->slots));
        fill_slots(names);
        names->sweep_at = MIN_OF(MAX_OF(names->n_bytes * 2, TOP_NAMES_LEAST_BYTES), TOP_NAMES_MAX_BYTES / 8 * 7);
}

bool top_name_of_group(const struct top_names *names, uint64_t group, uint32_t *ret_name)
{
        uint32_t name = (uint32_t)group;

        if (name >= names->n_entries || !names->entries[name].bytes || names->entries[name].generation != group >> 32)
                return false;
        *ret_name = name;
        return true;
}
