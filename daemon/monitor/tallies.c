/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of units come from control groups, which users make and name as they like, by the million if they like: so the
 * number of tallies is bounded, for each user and for all of them. What finds no room is added to the rest, never
 * dropped and never put in the place of another: a sum that was told once must not become smaller.
 */
#include "daemon/monitor/tallies.h"

#include <errno.h>
#include <string.h>

#define FIRST_SIZE 8

/* FNV-1a; nothing depends on it but the time that it takes to find a name. */
static uint32_t hash_of(uid_t uid, const char *unit)
{
        uint32_t hash = UINT32_C(2166136261) ^ uid;

        for (; *unit != '\0'; unit++)
                hash = (hash ^ (uint8_t)*unit) * UINT32_C(16777619);
        return hash;
}

static bool find(const struct tallies *tallies, uid_t uid, const char *unit, size_t *ret_index)
{
        uint32_t hash = hash_of(uid, unit);

        for (size_t i = 0; i < tallies->n; i++)
                if (tallies->hashes[i] == hash && tallies->tallies[i].uid == uid &&
                    strcmp(tallies->tallies[i].unit, unit) == 0) {
                        *ret_index = i;
                        return true;
                }
        return false;
}

static int make_room(struct tallies *tallies)
{
        size_t size = MAX_OF(tallies->size * 2, (size_t)FIRST_SIZE);
        struct tally *grown;

        if (tallies->n < tallies->size)
                return 0;
        grown = reallocarray(tallies->tallies, size, sizeof(*grown));
        if (grown == NULL)
                return -ENOMEM;
        tallies->tallies = grown;
        tallies->size = size;
        return 0;
}

static int find_or_add(struct tallies *tallies, uid_t uid, const char *unit, size_t *ret_index)
{
        struct tally *tally;
        int r;

        if (find(tallies, uid, unit, ret_index))
                return 0;
        r = make_room(tallies);
        if (r < 0)
                return r;
        tally = &tallies->tallies[tallies->n];
        *tally = (struct tally){.uid = uid};
        strcpy(tally->unit, unit); /* of a tally's size: tallies_get() */
        tallies->hashes[tallies->n] = hash_of(uid, unit);
        *ret_index = tallies->n++;
        return 0;
}

static size_t count_of_user(const struct tallies *tallies, uid_t uid)
{
        size_t n = 0;

        for (size_t i = 0; i < tallies->n; i++)
                n += tallies->tallies[i].uid == uid;
        return n;
}

/* The last place of all is for everybody's rest, the last of a user for his. */
static bool has_room(const struct tallies *tallies, uid_t uid, size_t n_kept)
{
        return tallies->n + 1 < TALLIES_MAX &&
               (tallies->max_of_user == 0 || count_of_user(tallies, uid) + n_kept < tallies->max_of_user);
}

int tallies_get(struct tallies *tallies, uid_t uid, const char *unit, size_t *ret_index)
{
        char name[TALLY_UNIT_BYTES] = "";

        strncat(name, unit, sizeof(name) - 1);
        if (find(tallies, uid, name, ret_index))
                return 0;
        if (has_room(tallies, uid, 1))
                return find_or_add(tallies, uid, name, ret_index);
        if (find(tallies, uid, TALLY_REST, ret_index))
                return 0;
        return find_or_add(tallies, has_room(tallies, uid, 0) ? uid : TALLY_NOBODY, TALLY_REST, ret_index);
}

static void add(uint64_t *to, uint64_t n)
{
        if (__builtin_add_overflow(*to, n, to))
                *to = UINT64_MAX;
}

void tallies_add(struct tally *tally, uint64_t n_traces, const struct figures *figures)
{
        uint64_t *sums = (uint64_t *)&tally->sums;
        const uint64_t *more = (const uint64_t *)figures;

        add(&tally->n_traces, n_traces);
        for (size_t i = 0; i < FIGURES_N; i++)
                add(&sums[i], more[i]);
}

void tallies_deinit(struct tallies *tallies)
{
        free(tallies->tallies);
        tallies->tallies = NULL;
        tallies->n = tallies->size = 0;
}
