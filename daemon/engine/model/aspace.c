/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The maps of one process, sorted by address, disjoint.
 *
 * An array and not a tree: lookups outnumber changes by far and mostly hit the map of the lookup before, a binary
 * search over 65 000 entries stays in few cache lines, and the memmove of a change is one pass over at most some 1.5
 * MB. The entries repeat the extents of their maps so that the search does not touch the maps themselves.
 *
 * There is one way to change it, replace(): take out what lies in a range, put the remainders of what was cut back, and
 * in between at most one new map. All that can fail happens before the first entry moves, so a failed change is no
 * change.
 *
 * Neighbours with equal attributes are not merged: the kernel merges VMAs by rules that a record does not tell, and
 * says what came out of it by the extents of its next record.
 *
 * What is taken out and not replaced is buried: a ring of the latest burials, in the order of their times, for the
 * verdict on a signal. A search for an address goes through them backwards, which a signal is rare enough for; a tree
 * of ranges would have to be kept for each of many removals that nobody ever asks about.
 *
 * The executable maps are kept once more as a value of their own (codemap.h), from the time it is asked for until one
 * of them changes: stacks are many, changes of code few, while a heap grows all the time.
 */
#include "daemon/engine/model/aspace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The smallest page: extents of VMAs are multiples of it (mmap(2)). */
#define PAGE_BYTES 4096

struct entry {
        uint64_t start, end;
        struct map *map; /* one reference */
};

struct aspace {
        struct entry *entries;
        size_t n_entries;
        size_t n_allocated;
        size_t last_hit;      /* an index that may be out of date or out of bounds: checked before use */
        struct codemap *code; /* one reference; NULL = to be made when it is asked for */
        /* A ring once there are ASPACE_MAX_BURIALS: the oldest is at first_burial, which is 0 until then. */
        struct burial *burials;
        size_t first_burial, n_burials, size_burials;
};

int aspace_new(struct aspace **ret)
{
        struct aspace *aspace = calloc(1, sizeof(*aspace));

        if (!aspace)
                return -ENOMEM;
        *ret = aspace;
        return 0;
}

void aspace_clear(struct aspace *aspace)
{
        for (size_t i = 0; i < aspace->n_entries; i++)
                map_unref(aspace->entries[i].map);
        for (size_t i = 0; i < aspace->n_burials; i++)
                map_unref(aspace->burials[i].map);
        codemap_unref(aspace->code);
        free(aspace->entries);
        free(aspace->burials);
        *aspace = (struct aspace){0};
}

struct aspace *aspace_free(struct aspace *aspace)
{
        if (aspace) {
                aspace_clear(aspace);
                free(aspace);
        }
        return NULL;
}

/* Index of the first map that ends above addr: the one that holds it, or else its upper neighbour; n_entries = none. */
static size_t first_ending_above(const struct aspace *aspace, uint64_t addr)
{
        size_t low = 0, high = aspace->n_entries;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (aspace->entries[middle].end > addr)
                        high = middle;
                else
                        low = middle + 1;
        }
        return low;
}

static int reserve(struct aspace *aspace, size_t n)
{
        size_t n_wanted = MAX_OF(MAX_OF(n, 2 * aspace->n_allocated), (size_t)16);
        struct entry *entries;

        if (n <= aspace->n_allocated)
                return 0;
        entries = reallocarray(aspace->entries, n_wanted, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        aspace->entries = entries;
        aspace->n_allocated = n_wanted;
        return 0;
}

/* The part [start, end) of a map, as a map of its own. NULL: out of memory. */
static struct map *cut(const struct map *map, uint64_t start, uint64_t end)
{
        struct map_spec spec = map_spec_of(map);
        struct map *part;

        spec.start = start;
        spec.end = end;
        spec.offset += start - map->start;
        part = map_new(&spec);
        if (part) {
                part->named = map->named;
                part->image = map->image;
                part->image_start = map->image_start;
                part->image_offset = map->image_offset;
        }
        return part;
}

/*
 * What to put in the place of the entries [first, first + n_out): up to three maps, left remainder, middle, right
 * remainder. Owns its maps until they are moved into the address space.
 */
struct change {
        size_t first, n_out;
        struct map *in[3];
        size_t n_in;
};

static void change_deinit(struct change *change)
{
        for (size_t i = 0; i < change->n_in; i++)
                map_unref(change->in[i]);
        change->n_in = 0;
}

/* Add the part of a map to the change; an empty part is none. */
static int change_add_cut(struct change *change, const struct map *map, uint64_t start, uint64_t end)
{
        struct map *part;

        if (start >= end)
                return 0;
        part = cut(map, start, end);
        if (!part)
                return -ENOMEM;
        change->in[change->n_in++] = part;
        return 0;
}

static int change_prepare(struct aspace *aspace, uint64_t start, uint64_t end, struct map *middle,
                          struct change *change)
{
        const struct map *lowest = NULL, *highest = NULL;
        int r = 0;

        if (change->n_out > 0) {
                lowest = aspace->entries[change->first].map;
                highest = aspace->entries[change->first + change->n_out - 1].map;
        }
        if (lowest)
                r = change_add_cut(change, lowest, lowest->start, start);
        if (r == 0 && middle)
                change->in[change->n_in++] = map_ref(middle);
        if (r == 0 && highest)
                r = change_add_cut(change, highest, end, highest->end);
        if (r == 0)
                r = reserve(aspace, aspace->n_entries - change->n_out + change->n_in);
        return r;
}

/* Whether an executable map comes or goes; where one is cut, both. */
static bool change_is_of_code(const struct aspace *aspace, const struct change *change)
{
        for (size_t i = 0; i < change->n_out; i++)
                if (aspace->entries[change->first + i].map->executable)
                        return true;
        for (size_t i = 0; i < change->n_in; i++)
                if (change->in[i]->executable)
                        return true;
        return false;
}

static void change_apply(struct aspace *aspace, struct change *change)
{
        struct entry *at = aspace->entries + change->first;
        size_t n_behind = aspace->n_entries - change->first - change->n_out;

        if (change_is_of_code(aspace, change))
                aspace->code = codemap_unref(aspace->code);
        for (size_t i = 0; i < change->n_out; i++)
                map_unref(at[i].map);
        if (n_behind > 0 && change->n_in != change->n_out)
                memmove(at + change->n_in, at + change->n_out, n_behind * sizeof(*at));
        for (size_t i = 0; i < change->n_in; i++)
                at[i] = (struct entry){change->in[i]->start, change->in[i]->end, change->in[i]};
        aspace->n_entries += change->n_in - change->n_out;
        change->n_in = 0;
}

/* The entries that [start, end) touches. */
static struct change change_of_range(const struct aspace *aspace, uint64_t start, uint64_t end)
{
        struct change change = {.first = first_ending_above(aspace, start)};

        while (change.first + change.n_out < aspace->n_entries &&
               aspace->entries[change.first + change.n_out].start < end)
                change.n_out++;
        return change;
}

/* Room for n more burials, as far as they are kept. */
static int reserve_burials(struct aspace *aspace, size_t n)
{
        size_t n_wanted = MIN_OF(aspace->n_burials + n, (size_t)ASPACE_MAX_BURIALS);
        size_t size = MIN_OF(MAX_OF(n_wanted, 2 * aspace->size_burials), (size_t)ASPACE_MAX_BURIALS);
        struct burial *burials;

        if (n_wanted <= aspace->size_burials)
                return 0;
        burials = reallocarray(aspace->burials, size, sizeof(*burials));
        if (!burials)
                return -ENOMEM;
        aspace->burials = burials;
        aspace->size_burials = size;
        return 0;
}

static void put_burial(struct aspace *aspace, const struct burial *burial)
{
        struct burial *at;

        if (aspace->n_burials < ASPACE_MAX_BURIALS) {
                at = &aspace->burials[aspace->n_burials++];
        } else {
                at = &aspace->burials[aspace->first_burial];
                aspace->first_burial = (aspace->first_burial + 1) % ASPACE_MAX_BURIALS;
                map_unref(at->map);
        }
        *at = *burial;
        map_ref(at->map);
}

/* Remember the entries of the change, as far as [start, end) takes them away. Needs reserve_burials(). */
static void bury(struct aspace *aspace, const struct change *change, uint64_t start, uint64_t end,
                 const struct burial *doer)
{
        for (size_t i = 0; i < change->n_out; i++) {
                const struct entry *entry = &aspace->entries[change->first + i];
                struct burial burial = {
                        .map = entry->map,
                        .start = MAX_OF(start, entry->start),
                        .end = MIN_OF(end, entry->end),
                        .time_ns = doer->time_ns,
                        .tid = doer->tid,
                        .ip = doer->ip,
                };

                put_burial(aspace, &burial);
        }
}

/* middle: borrowed. */
static int replace(struct aspace *aspace, uint64_t start, uint64_t end, struct map *middle)
{
        CLEANUP(change_deinit) struct change change = change_of_range(aspace, start, end);
        int r = change_prepare(aspace, start, end, middle, &change);

        if (r == 0)
                change_apply(aspace, &change);
        return r;
}

static bool is_range(uint64_t start, uint64_t end)
{
        return start < end && start % PAGE_BYTES == 0 && end % PAGE_BYTES == 0;
}

/* Equal in what was reported; names and images found out later do not count. */
static bool same_map(const struct map *a, const struct map *b)
{
        return a->start == b->start && a->end == b->end && a->offset == b->offset && a->kind == b->kind &&
               a->readable == b->readable && a->writable == b->writable && a->executable == b->executable &&
               a->shared == b->shared && a->major == b->major && a->minor == b->minor && a->inode == b->inode &&
               strcmp(a->path, b->path) == 0;
}

int aspace_overlay(struct aspace *aspace, const struct map_spec *spec)
{
        struct map *map;
        size_t i;
        int r = 0;

        if (!is_range(spec->start, spec->end))
                return -EINVAL;
        map = map_new(spec);
        if (!map)
                return -ENOMEM;
        i = first_ending_above(aspace, spec->start);
        if (i == aspace->n_entries || !same_map(aspace->entries[i].map, map))
                r = replace(aspace, spec->start, spec->end, map);
        map_unref(map);
        return r;
}

int aspace_unmap(struct aspace *aspace, uint64_t start, uint64_t end, const struct burial *doer)
{
        CLEANUP(change_deinit) struct change change = {0};
        int r;

        if (!is_range(start, end))
                return -EINVAL;
        change = change_of_range(aspace, start, end);
        if (change.n_out == 0)
                return 0;
        r = reserve_burials(aspace, change.n_out);
        if (r == 0)
                r = change_prepare(aspace, start, end, NULL, &change);
        if (r < 0)
                return r;
        bury(aspace, &change, start, end, doer);
        change_apply(aspace, &change);
        return 0;
}

int aspace_remove(struct aspace *aspace, uint64_t start, uint64_t end)
{
        const struct burial nobody = {0};

        return aspace_unmap(aspace, start, end, &nobody);
}

const struct burial *aspace_burial(const struct aspace *aspace, uint64_t addr)
{
        for (size_t i = aspace->n_burials; i-- > 0;) {
                const struct burial *burial = &aspace->burials[(aspace->first_burial + i) % ASPACE_MAX_BURIALS];

                if (addr >= burial->start && addr < burial->end)
                        return burial;
        }
        return NULL;
}

int aspace_copy(const struct aspace *aspace, struct aspace **ret)
{
        struct aspace *copy = NULL;
        int r = aspace_new(&copy);

        if (r == 0)
                r = reserve(copy, aspace->n_entries);
        if (r == 0)
                r = reserve_burials(copy, aspace->n_burials);
        if (r < 0) {
                aspace_free(copy);
                return r;
        }
        for (size_t i = 0; i < aspace->n_entries; i++) {
                copy->entries[i] = aspace->entries[i];
                map_ref(copy->entries[i].map);
        }
        copy->n_entries = aspace->n_entries;
        copy->code = codemap_ref(aspace->code);
        for (size_t i = 0; i < aspace->n_burials; i++)
                put_burial(copy, &aspace->burials[(aspace->first_burial + i) % ASPACE_MAX_BURIALS]);
        *ret = copy;
        return 0;
}

struct map *aspace_lookup(struct aspace *aspace, uint64_t addr)
{
        size_t i = aspace->last_hit;

        if (i >= aspace->n_entries || addr < aspace->entries[i].start || addr >= aspace->entries[i].end) {
                i = first_ending_above(aspace, addr);
                if (i == aspace->n_entries || addr < aspace->entries[i].start)
                        return NULL;
                aspace->last_hit = i;
        }
        return aspace->entries[i].map;
}

struct map *aspace_below(struct aspace *aspace, uint64_t addr)
{
        size_t i = first_ending_above(aspace, addr);

        return i > 0 ? aspace->entries[i - 1].map : NULL;
}

struct map *aspace_above(struct aspace *aspace, uint64_t addr)
{
        size_t i = first_ending_above(aspace, addr);

        if (i < aspace->n_entries && aspace->entries[i].start <= addr)
                i++;
        return i < aspace->n_entries ? aspace->entries[i].map : NULL;
}

struct codemap *aspace_code(struct aspace *aspace)
{
        struct map **maps CLEANUP_FREE = NULL;
        size_t n = 0;

        if (aspace->code)
                return aspace->code;
        maps = reallocarray(NULL, aspace->n_entries + 1, sizeof(struct map *));
        if (!maps)
                return NULL;
        for (size_t i = 0; i < aspace->n_entries; i++)
                if (aspace->entries[i].map->executable)
                        maps[n++] = aspace->entries[i].map;
        aspace->code = codemap_new(maps, n);
        return aspace->code;
}

size_t aspace_count(const struct aspace *aspace)
{
        return aspace->n_entries;
}

struct map *aspace_at(const struct aspace *aspace, size_t index)
{
        return aspace->entries[index].map;
}
