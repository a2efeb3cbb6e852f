/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a table may be made by, all at once, is a tuple; a fault adds to one of them. They are the rows of one array,
 * found by a table of their hashes; slices refer to them by number.
 *
 * There is a limit, and programs that go beyond it: then tuples that no slice refers to any more give up their numbers,
 * those of the fewest faults first, and their sums go to the "other" tuple of their cause. So tables by cause stay
 * exact, and those by anything else keep what matters.
 */
#include <errno.h>
#include <string.h>

#include "client/top/top_private.h"

enum { FIRST_TUPLES = 1024 };

uint32_t top_hash_names(const uint32_t *names, size_t n)
{
        uint32_t hash = 1;

        for (size_t i = 0; i < n; i++)
                hash = top_hash(hash, names[i]);
        return hash ? hash : 1;
}

static uint64_t sum_of(uint64_t a, uint64_t b)
{
        uint64_t sum;

        return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void top_sum_add(struct top_sum *to, const struct top_sum *more)
{
        measure_add(&to->measure, &more->measure);
        to->n_major = sum_of(to->n_major, more->n_major);
        to->n_failed = sum_of(to->n_failed, more->n_failed);
}

static void place_tuple(struct top_tuples *tuples, uint32_t number)
{
        uint32_t hash = tuples->tuples[number].hash, i = hash & (tuples->n_slots - 1);

        while (tuples->slots[i].number != 0)
                i = (i + 1) & (tuples->n_slots - 1);
        tuples->slots[i] = (struct top_tuple_slot){.hash = hash, .number = number + 1};
}

static bool is_free(const struct top_tuples *tuples, uint32_t number)
{
        return number >= N_CAUSES && tuples->tuples[number].sum.measure.count == 0;
}

static void fill_slots(struct top_tuples *tuples)
{
        for (uint32_t number = 0; number < tuples->n_tuples; number++)
                if (!is_free(tuples, number))
                        place_tuple(tuples, number);
}

/* Twice as many slots as tuples. */
static int grow(struct top_tuples *tuples)
{
        uint32_t size = tuples->size_tuples ? tuples->size_tuples * 2 : FIRST_TUPLES;
        struct top_tuple_slot *slots = calloc((size_t)size * 2, sizeof(*slots));
        struct top_tuple *grown = slots ? realloc(tuples->tuples, size * sizeof(*grown)) : NULL;

        if (!grown) {
                free(slots);
                return -ENOMEM;
        }
        free(tuples->slots);
        tuples->tuples = grown;
        tuples->size_tuples = size;
        tuples->slots = slots;
        tuples->n_slots = size * 2;
        fill_slots(tuples);
        return 0;
}

/* A number for a new tuple. 0; -ENOMEM. */
static int take_number(struct top_tuples *tuples, uint32_t *ret_number)
{
        if (!tuples->free_head && tuples->n_tuples == TOP_TUPLES_SIZE_MAX)
                top_tuples_evict(tuples);
        if (tuples->free_head) {
                *ret_number = tuples->free_head - 1;
                tuples->free_head = tuples->tuples[*ret_number].n_refs;
                return 0;
        }
        if (tuples->n_tuples == tuples->size_tuples && grow(tuples) < 0)
                return -ENOMEM;
        *ret_number = tuples->n_tuples++;
        return 0;
}

static int add(struct top_tuples *tuples, const uint32_t groups[N_GROUP_BY], uint32_t hash, uint8_t cause,
               uint32_t *ret_number)
{
        struct top_tuple *tuple;
        uint32_t number;
        int r;

        r = take_number(tuples, &number);
        if (r < 0)
                return r;
        tuple = &tuples->tuples[number];
        *tuple = (struct top_tuple){.hash = hash, .cause = cause};
        memcpy(tuple->groups, groups, sizeof(tuple->groups));
        for (size_t by = 0; by < N_GROUP_BY; by++)
                tuple->is_other |= groups[by] == TOP_NAME_OTHER;
        tuples->n_used++;
        place_tuple(tuples, number);
        *ret_number = number;
        return 0;
}

int top_tuples_init(struct top_tuples *tuples, const uint32_t cause_names[static N_CAUSES])
{
        int r = grow(tuples);

        for (uint8_t cause = 0; r == 0 && cause < N_CAUSES; cause++) {
                uint32_t groups[N_GROUP_BY] = {[GROUP_CAUSE] = cause_names[cause]}, number;

                /* a hash that is none: faults come here because there is no room, not because their names say so */
                r = add(tuples, groups, 0, cause, &number);
        }
        return r;
}

void top_tuples_free(struct top_tuples *tuples)
{
        free(tuples->tuples);
        free(tuples->slots);
        *tuples = (struct top_tuples){0};
}

int top_tuples_find(struct top_tuples *tuples, const uint32_t groups[static N_GROUP_BY], uint32_t hash, uint8_t cause,
                    uint32_t *ret_number)
{
        for (uint32_t i = hash & (tuples->n_slots - 1); tuples->slots[i].number != 0;
             i = (i + 1) & (tuples->n_slots - 1)) {
                uint32_t number = tuples->slots[i].number - 1;

                if (tuples->slots[i].hash != hash ||
                    memcmp(tuples->tuples[number].groups, groups, sizeof(tuples->tuples[number].groups)) != 0)
                        continue;
                *ret_number = number;
                return 0;
        }
        return add(tuples, groups, hash, cause, ret_number);
}

/* --- too many --- */

static bool may_go(const struct top_tuples *tuples, uint32_t number)
{
        return number >= N_CAUSES && !is_free(tuples, number) && tuples->tuples[number].n_refs == 0;
}

static unsigned int size_of(const struct top_tuples *tuples, uint32_t number)
{
        return 63U - (unsigned int)__builtin_clzll(tuples->tuples[number].sum.measure.count);
}

/* Those with so many faults, as a power of two, or fewer are enough of them. */
static unsigned int largest_to_go(const struct top_tuples *tuples, uint32_t n_wanted)
{
        uint32_t n_by_size[64] = {0}, n = 0;
        unsigned int size = 0;

        for (uint32_t number = 0; number < tuples->n_tuples; number++)
                if (may_go(tuples, number))
                        n_by_size[size_of(tuples, number)]++;
        while (size < 63 && n + n_by_size[size] < n_wanted)
                n += n_by_size[size++];
        return size;
}

static void let_go(struct top_tuples *tuples, uint32_t number)
{
        struct top_tuple *tuple = &tuples->tuples[number];

        top_sum_add(&tuples->tuples[tuple->cause].sum, &tuple->sum);
        *tuple = (struct top_tuple){.n_refs = tuples->free_head};
        tuples->free_head = number + 1;
        tuples->n_used--;
        tuples->has_evicted = true;
}

void top_tuples_evict(struct top_tuples *tuples)
{
        uint32_t n_wanted = TOP_TUPLES_SIZE_MAX / 4;
        unsigned int largest = largest_to_go(tuples, n_wanted);

        for (uint32_t number = 0; number < tuples->n_tuples && n_wanted > 0; number++) {
                if (!may_go(tuples, number) || size_of(tuples, number) > largest)
                        continue;
                let_go(tuples, number);
                n_wanted--;
        }
        memset(tuples->slots, 0, tuples->n_slots * sizeof(*tuples->slots));
        fill_slots(tuples);
}
