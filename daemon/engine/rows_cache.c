/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list, the most recently found first: there are as many entries as libraries that processes map, and one is looked
 * for only when a file is loaded.
 */
#include "daemon/engine/rows_cache.h"

#include <errno.h>
#include <string.h>

struct entry {
        struct entry *next;
        struct rows *rows; /* one reference */
        unsigned int n_users;
        struct rows_key key;
};

struct rows_cache {
        struct entry *first;
        size_t n_bytes, max_bytes;
};

int rows_cache_new(size_t max_bytes, struct rows_cache **ret)
{
        struct rows_cache *cache = calloc(1, sizeof(*cache));

        if (!cache)
                return -ENOMEM;
        cache->max_bytes = max_bytes;
        *ret = cache;
        return 0;
}

static void remove_entry(struct rows_cache *cache, struct entry **at)
{
        struct entry *entry = *at;

        *at = entry->next;
        cache->n_bytes -= rows_bytes(entry->rows);
        rows_unref(entry->rows);
        free(entry);
}

struct rows_cache *rows_cache_free(struct rows_cache *cache)
{
        if (!cache)
                return NULL;
        while (cache->first)
                remove_entry(cache, &cache->first);
        free(cache);
        return NULL;
}

static void move_to_front(struct rows_cache *cache, struct entry **at)
{
        struct entry *entry = *at;

        *at = entry->next;
        entry->next = cache->first;
        cache->first = entry;
}

static bool is_same(const struct rows_key *a, const struct rows_key *b)
{
        return a->n_build_id == b->n_build_id && memcmp(a->build_id, b->build_id, sizeof(a->build_id)) == 0 &&
               a->device == b->device && a->inode == b->inode && a->n_bytes == b->n_bytes &&
               a->changed_sec == b->changed_sec && a->changed_nsec == b->changed_nsec;
}

struct rows *rows_cache_find(struct rows_cache *cache, const struct rows_key *key)
{
        for (struct entry **at = &cache->first; *at; at = &(*at)->next)
                if (is_same(&(*at)->key, key)) {
                        move_to_front(cache, at);
                        cache->first->n_users++;
                        return cache->first->rows;
                }
        return NULL;
}

/* The last entry that nobody uses; NULL = all are in use. */
static struct entry **find_unused(struct rows_cache *cache)
{
        struct entry **found = NULL;

        for (struct entry **at = &cache->first; *at; at = &(*at)->next)
                if (!(*at)->n_users)
                        found = at;
        return found;
}

static bool make_room(struct rows_cache *cache, size_t n_bytes)
{
        struct entry **unused;

        while (n_bytes > cache->max_bytes - MIN_OF(cache->n_bytes, cache->max_bytes)) {
                unused = find_unused(cache);
                if (!unused)
                        return false;
                remove_entry(cache, unused);
        }
        return true;
}

bool rows_cache_add(struct rows_cache *cache, const struct rows_key *key, struct rows *rows)
{
        struct entry *entry = make_room(cache, rows_bytes(rows)) ? calloc(1, sizeof(*entry)) : NULL;

        if (!entry) {
                rows_unref(rows);
                return false;
        }
        *entry = (struct entry){.next = cache->first, .rows = rows, .n_users = 1, .key = *key};
        cache->n_bytes += rows_bytes(rows);
        cache->first = entry;
        return true;
}

void rows_cache_release(struct rows_cache *cache, const struct rows *rows)
{
        for (struct entry *entry = cache->first; rows && entry; entry = entry->next)
                if (entry->rows == rows) {
                        entry->n_users--;
                        return;
                }
}
