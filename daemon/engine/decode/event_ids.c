/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which event an id belongs to: asked for every sample, so the usual answer is one load from an array. Ids that are far
 * from the first (events that were opened much later, while the machine opened many) are searched for instead of making
 * the array as long as they like.
 */
#include "daemon/engine/decode/event_ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Ids closer than this to the smallest one are looked up by index. */
#define NEAR_PER_ID 16
#define NEAR_MIN 4096
#define NO_KIND UINT8_MAX

struct event_ids {
        uint32_t kinds; /* EVENT_BIT mask */
        uint64_t first;
        uint64_t n_near;
        uint8_t *near; /* enum event_kind of first + index, or NO_KIND */
        size_t n_far;
        struct link_event_id *far; /* by id, ascending */
};

static int compare_ids(const void *a, const void *b)
{
        const struct link_event_id *left = a, *right = b;

        return (left->id > right->id) - (left->id < right->id);
}

/* Sorted by id. 0, or -EINVAL for what event_ids_new() refuses. */
static int check_pairs(const struct link_event_id *sorted, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (sorted[i].kind >= N_EVENT_KINDS)
                        return -EINVAL;
                if (i > 0 && sorted[i].id == sorted[i - 1].id)
                        return -EINVAL;
        }
        return 0;
}

/* Takes the sorted pairs over and makes their front the array. */
static int index_pairs(struct event_ids *ids, size_t n)
{
        uint64_t window = MAX_OF((uint64_t)NEAR_MIN, (uint64_t)n * NEAR_PER_ID);
        size_t n_in_window = 0;

        if (n == 0)
                return 0;
        ids->first = ids->far[0].id;
        while (n_in_window < n && ids->far[n_in_window].id - ids->first < window)
                n_in_window++;
        ids->n_near = ids->far[n_in_window - 1].id - ids->first + 1;
        ids->near = malloc(ids->n_near);
        if (!ids->near)
                return -ENOMEM;
        memset(ids->near, NO_KIND, ids->n_near);
        for (size_t i = 0; i < n_in_window; i++)
                ids->near[ids->far[i].id - ids->first] = (uint8_t)ids->far[i].kind;
        ids->n_far = n - n_in_window;
        memmove(ids->far, ids->far + n_in_window, ids->n_far * sizeof(*ids->far));
        return 0;
}

int event_ids_new(const struct link_event_id *pairs, size_t n, struct event_ids **ret)
{
        struct event_ids *ids;
        int r;

        ids = calloc(1, sizeof(*ids));
        if (!ids)
                return -ENOMEM;
        if (n > 0) {
                ids->far = calloc(n, sizeof(*ids->far));
                if (!ids->far) {
                        event_ids_free(ids);
                        return -ENOMEM;
                }
                memcpy(ids->far, pairs, n * sizeof(*pairs));
                qsort(ids->far, n, sizeof(*ids->far), compare_ids);
        }
        r = check_pairs(ids->far, n);
        if (r == 0)
                r = index_pairs(ids, n);
        if (r < 0) {
                event_ids_free(ids);
                return r;
        }
        for (size_t i = 0; i < n; i++)
                ids->kinds |= EVENT_BIT(pairs[i].kind);
        *ret = ids;
        return 0;
}

static bool any_known(const struct event_ids *ids, const struct link_event_id *pairs, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (event_ids_lookup(ids, pairs[i].id) >= 0)
                        return true;
        return false;
}

/* They are put behind the stragglers and looked at there; then those that lie in the array go there. */
int event_ids_add(struct event_ids *ids, const struct link_event_id *pairs, size_t n)
{
        struct link_event_id *far = reallocarray(ids->far, MAX_OF(ids->n_far + n, (size_t)1), sizeof(*far)), *fresh;

        if (!far)
                return -ENOMEM;
        ids->far = far;
        fresh = far + ids->n_far;
        for (size_t i = 0; i < n; i++)
                fresh[i] = pairs[i];
        qsort(fresh, n, sizeof(*fresh), compare_ids);
        if (check_pairs(fresh, n) < 0 || any_known(ids, fresh, n))
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                uint64_t index = fresh[i].id - ids->first;

                ids->kinds |= EVENT_BIT(fresh[i].kind);
                if (index < ids->n_near)
                        ids->near[index] = (uint8_t)fresh[i].kind;
                else
                        far[ids->n_far++] = fresh[i];
        }
        qsort(far, ids->n_far, sizeof(*far), compare_ids);
        return 0;
}

struct event_ids *event_ids_free(struct event_ids *ids)
{
        if (ids) {
                free(ids->near);
                free(ids->far);
                free(ids);
        }
        return NULL;
}

uint32_t event_ids_kinds(const struct event_ids *ids)
{
        return ids ? ids->kinds : 0;
}

static int lookup_far(const struct event_ids *ids, uint64_t id)
{
        struct link_event_id key = {.id = id};
        const struct link_event_id *found = NULL;

        if (ids->n_far > 0)
                found = bsearch(&key, ids->far, ids->n_far, sizeof(*ids->far), compare_ids);
        return found ? (int)found->kind : -ENOENT;
}

int event_ids_lookup(const struct event_ids *ids, uint64_t id)
{
        uint64_t index = id - ids->first; /* an id below the first wraps to a huge index */

        if (index >= ids->n_near)
                return lookup_far(ids, id);
        return ids->near[index] == NO_KIND ? -ENOENT : ids->near[index];
}
