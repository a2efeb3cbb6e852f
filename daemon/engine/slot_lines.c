/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table of addresses, open addressing, each with the query that answers it; the queries own the names. One query is
 * under way at a time, so that what comes meanwhile goes together.
 */
#include "daemon/engine/slot_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N_BUCKETS ((size_t)SLOT_LINES_MAX * 2) /* a power of two */
#define N_QUERIES_MAX 1024
#define BYTES_MAX ((size_t)64 << 20) /* of answers; the last one may exceed it */

struct entry {
        uint64_t vaddr;                 /* 0 = the bucket is empty; no code is there */
        const struct line_query *query; /* NULL = not answered yet */
        uint32_t index;
};

struct slot_lines {
        struct line_source *source;
        struct entry *entries; /* N_BUCKETS, from the first question on */
        size_t n_entries;
        struct line_query
                *queries[N_QUERIES_MAX + 2]; /* answered; when there is room, one may be under way, one asked */
        size_t n_queries, n_bytes;
        uint64_t wanted[LINE_QUERY_MAX];
        size_t n_wanted;
        bool is_under_way;
};

int slot_lines_new(struct line_source *source, struct slot_lines **ret)
{
        struct slot_lines *lines = calloc(1, sizeof(*lines));

        if (!lines)
                return -ENOMEM;
        lines->source = source;
        *ret = lines;
        return 0;
}

static void forget(struct slot_lines *lines)
{
        for (size_t i = 0; i < lines->n_queries; i++)
                line_query_free(lines->queries[i]);
        lines->n_queries = lines->n_entries = lines->n_bytes = 0;
        free(lines->entries);
        lines->entries = NULL;
}

struct slot_lines *slot_lines_free(struct slot_lines *lines, struct line_source **ret_source)
{
        *ret_source = lines ? lines->source : NULL;
        if (lines)
                forget(lines);
        free(lines);
        return NULL;
}

static struct entry *find(struct slot_lines *lines, uint64_t vaddr)
{
        size_t i = vaddr * UINT64_C(0x9e3779b97f4a7c15) >> 40;

        while (lines->entries[i % N_BUCKETS].vaddr && lines->entries[i % N_BUCKETS].vaddr != vaddr)
                i++;
        return &lines->entries[i % N_BUCKETS];
}

static bool has_room(const struct slot_lines *lines)
{
        return lines->n_entries < SLOT_LINES_MAX && lines->n_queries < N_QUERIES_MAX && lines->n_bytes < BYTES_MAX;
}

/* Whether it will be asked. */
static bool want(struct slot_lines *lines, uint64_t vaddr)
{
        if (!has_room(lines) && !lines->is_under_way && !lines->n_wanted)
                forget(lines);
        if (!lines->entries)
                lines->entries = calloc(N_BUCKETS, sizeof(*lines->entries));
        if (!lines->entries || !has_room(lines) || lines->n_wanted == LINE_QUERY_MAX)
                return false;
        *find(lines, vaddr) = (struct entry){.vaddr = vaddr};
        lines->n_entries++;
        lines->wanted[lines->n_wanted++] = vaddr;
        return true;
}

size_t slot_lines_find(struct slot_lines *lines, uint64_t vaddr, struct source_line ret[static LINES_MAX_INLINED],
                       bool *ret_waiting)
{
        const struct entry *entry = lines->entries ? find(lines, vaddr) : NULL;

        *ret_waiting = false;
        if (!vaddr)
                return 0;
        if (entry && entry->vaddr && entry->query)
                return line_query_answer(entry->query, entry->index, ret);
        *ret_waiting = (entry && entry->vaddr) || want(lines, vaddr);
        return 0;
}

struct line_query *slot_lines_ask(struct slot_lines *lines)
{
        struct line_query *query;

        if (!lines->n_wanted || lines->is_under_way ||
            line_query_new(lines->source, lines->wanted, lines->n_wanted, &query) < 0)
                return NULL;
        lines->n_wanted = 0;
        lines->is_under_way = true;
        return query;
}

void slot_lines_answered(struct slot_lines *lines, struct line_query *query)
{
        lines->is_under_way = false;
        lines->queries[lines->n_queries++] = query;
        lines->n_bytes += line_query_bytes(query);
        for (size_t i = 0; i < line_query_count(query); i++) {
                struct entry *entry = find(lines, line_query_vaddr(query, i));

                entry->query = query;
                entry->index = (uint32_t)i;
        }
}
