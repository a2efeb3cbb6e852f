/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cache links only what is open, and only while a query runs, so the pipeline's thread and the worker's meet nowhere
 * but in the worker's own list of jobs.
 *
 * Answers are kept as offsets into one block of names, because the block moves while it grows.
 */
#include "daemon/engine/line_query.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define OPENS_MAX 16 /* of one source because it was full: each may cost seconds of a hostile file */

struct line_cache {
        size_t n_max_bytes;
        struct line_source *open; /* the one used last first */
};

struct line_source {
        struct line_cache *cache;
        int fd;
        struct lines *lines;      /* NULL = closed */
        struct line_source *next; /* in the cache, while open */
        unsigned int n_opens;
        int error; /* of opening it: it stays */
};

struct answer_line {
        uint32_t function, file; /* offset of the name, plus one; 0 = not known */
        uint32_t line;
};

struct answer {
        uint32_t first;
        uint32_t n;
};

struct line_query {
        struct line_source *source;
        bool is_closing;
        size_t n;
        struct answer *answers;
        struct answer_line *lines;
        size_t n_lines, n_lines_alloc;
        char *names;
        size_t n_names_bytes, n_names_alloc;
        uint64_t vaddrs[];
};

int line_cache_new(size_t n_max_bytes, struct line_cache **ret)
{
        struct line_cache *cache = calloc(1, sizeof(*cache));

        if (!cache)
                return -ENOMEM;
        cache->n_max_bytes = n_max_bytes;
        *ret = cache;
        return 0;
}

struct line_cache *line_cache_free(struct line_cache *cache)
{
        free(cache);
        return NULL;
}

int line_source_new(struct line_cache *cache, int fd, struct line_source **ret)
{
        struct line_source *source = calloc(1, sizeof(*source));

        if (!source) {
                (void)close(fd);
                return -ENOMEM;
        }
        source->cache = cache;
        source->fd = fd;
        *ret = source;
        return 0;
}

static void unlink_source(struct line_source *source)
{
        struct line_source **at = &source->cache->open;

        while (*at && *at != source)
                at = &(*at)->next;
        if (*at)
                *at = source->next;
        source->next = NULL;
}

static void close_source(struct line_source *source)
{
        if (source->lines)
                unlink_source(source);
        source->lines = lines_close(source->lines);
}

struct line_source *line_source_free(struct line_source *source)
{
        if (source) {
                close_source(source);
                cleanup_close(&source->fd);
                free(source);
        }
        return NULL;
}

/* Opens it if need be, and puts it first among those open. */
static int use_source(struct line_source *source)
{
        if (source->lines) {
                unlink_source(source);
        } else if (source->error == 0) {
                int fd = fcntl(source->fd, F_DUPFD_CLOEXEC, 0);
                int r = fd < 0 ? -errno : lines_open(fd, &source->lines);

                source->n_opens++;
                if (r < 0 && r != -ENOMEM)
                        source->error = r;
                if (r < 0)
                        return r;
        } else {
                return source->error;
        }
        source->next = source->cache->open;
        source->cache->open = source;
        return 0;
}

/* Those used longest ago go, but never the first. */
static void trim_cache(struct line_cache *cache)
{
        size_t n_bytes = 0;
        struct line_source *source = cache->open;

        while (source) {
                struct line_source *next = source->next;

                n_bytes += lines_bytes(source->lines);
                if (n_bytes > cache->n_max_bytes && source != cache->open)
                        close_source(source);
                source = next;
        }
}

int line_query_new(struct line_source *source, const uint64_t *vaddrs, size_t n, struct line_query **ret)
{
        struct line_query *query = calloc(1, sizeof(*query) + n * sizeof(*vaddrs));

        if (!query)
                return -ENOMEM;
        query->source = source;
        query->n = n;
        query->answers = calloc(MAX_OF(n, (size_t)1), sizeof(*query->answers));
        if (!query->answers) {
                free(query);
                return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++)
                query->vaddrs[i] = vaddrs[i];
        *ret = query;
        return 0;
}

int line_query_new_closing(struct line_source *source, struct line_query **ret)
{
        int r = line_query_new(source, NULL, 0, ret);

        if (r < 0)
                (void)line_source_free(source);
        else
                (*ret)->is_closing = true;
        return r;
}

struct line_query *line_query_free(struct line_query *query)
{
        if (!query)
                return NULL;
        if (query->is_closing)
                (void)line_source_free(query->source);
        free(query->answers);
        free(query->lines);
        free(query->names);
        free(query);
        return NULL;
}

/* 0, -ENOMEM, or -E2BIG: LINE_QUERY_MAX_BYTES. */
static int keep_name(struct line_query *query, const char *name, uint32_t *ret)
{
        size_t n, needed;

        *ret = 0;
        if (!name)
                return 0;
        n = strnlen(name, LINE_NAME_MAX_BYTES);
        needed = query->n_names_bytes + n + 1;
        if (needed > LINE_QUERY_MAX_BYTES)
                return -E2BIG;
        if (needed > query->n_names_alloc) {
                size_t n_alloc = MAX_OF(needed, query->n_names_alloc * 2);
                char *names = realloc(query->names, n_alloc);

                if (!names)
                        return -ENOMEM;
                query->names = names;
                query->n_names_alloc = n_alloc;
        }
        memcpy(query->names + query->n_names_bytes, name, n);
        query->names[needed - 1] = '\0';
        *ret = (uint32_t)query->n_names_bytes + 1;
        query->n_names_bytes = needed;
        return 0;
}

static int reserve_lines(struct line_query *query, size_t n)
{
        size_t n_alloc = MAX_OF(query->n_lines + n, query->n_lines_alloc * 2);
        struct answer_line *lines;

        if (query->n_lines + n <= query->n_lines_alloc)
                return 0;
        lines = reallocarray(query->lines, n_alloc, sizeof(*lines));
        if (!lines)
                return -ENOMEM;
        query->lines = lines;
        query->n_lines_alloc = n_alloc;
        return 0;
}

/* An answer is kept whole, or not at all. */
static int keep_answer(struct line_query *query, struct answer *answer, const struct source_line *found, size_t n)
{
        const char *last_file = NULL;
        uint32_t last = 0;
        int r = reserve_lines(query, n);

        for (size_t i = 0; r == 0 && i < n; i++) {
                struct answer_line *line = &query->lines[query->n_lines + i];

                line->line = found[i].line;
                r = keep_name(query, found[i].function, &line->function);
                if (r == 0 && found[i].file && found[i].file == last_file)
                        line->file = last;
                else if (r == 0)
                        r = keep_name(query, found[i].file, &line->file);
                last_file = found[i].file;
                last = line->file;
        }
        if (r < 0)
                return r;
        *answer = (struct answer){.first = (uint32_t)query->n_lines, .n = (uint32_t)n};
        query->n_lines += n;
        return 0;
}

static int find_answers(struct line_query *query, struct lines *lines)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < query->n; i++) {
                struct source_line found[LINES_MAX_INLINED];
                size_t n = lines_find(lines, query->vaddrs[i], found);

                r = keep_answer(query, &query->answers[i], found, n);
        }
        return r == -E2BIG ? 0 : r;
}

int line_query_run(struct line_query *query)
{
        struct line_source *source = query->source;
        int r;

        if (query->is_closing) {
                query->is_closing = false;
                query->source = line_source_free(source);
                return 0;
        }
        r = use_source(source);
        if (r < 0)
                return r;
        r = find_answers(query, source->lines);
        if (lines_is_full(source->lines) && source->n_opens < OPENS_MAX)
                close_source(source);
        trim_cache(source->cache);
        return r;
}

size_t line_query_bytes(const struct line_query *query)
{
        return sizeof(*query) + query->n * (sizeof(query->vaddrs[0]) + sizeof(query->answers[0])) +
               query->n_lines_alloc * sizeof(query->lines[0]) + query->n_names_alloc;
}

size_t line_query_count(const struct line_query *query)
{
        return query->n;
}

uint64_t line_query_vaddr(const struct line_query *query, size_t index)
{
        return query->vaddrs[index];
}

static const char *name_at(const struct line_query *query, uint32_t offset_plus_one)
{
        return offset_plus_one ? query->names + offset_plus_one - 1 : NULL;
}

size_t line_query_answer(const struct line_query *query, size_t index, struct source_line ret[static LINES_MAX_INLINED])
{
        const struct answer *answer = &query->answers[index];

        for (size_t i = 0; i < answer->n; i++) {
                const struct answer_line *line = &query->lines[answer->first + i];

                ret[i] = (struct source_line){.function = name_at(query, line->function),
                                              .file = name_at(query, line->file),
                                              .line = line->line};
        }
        return answer->n;
}
