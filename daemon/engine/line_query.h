/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source lines by job: many addresses of one image in, copies of what its DWARF says out (JOB_LINES, worker.h). Open
 * DWARF is large and slow to open, so it stays open between jobs, up to a limit for all images together; it belongs to
 * the worker, which alone touches it, and is closed by a job too.
 *
 * Who owns what: the pipeline makes a cache for a worker and a source for each image, and never looks inside. Jobs of a
 * cache go to one worker only, which takes them in order; so a source may be given to its closing query as soon as no
 * further query of it will be submitted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/model/lines.h"
#include "proto/base.h"

#define LINE_QUERY_MAX ((size_t)4096)           /* addresses of one query */
#define LINE_QUERY_MAX_BYTES ((size_t)16 << 20) /* of names in its answers; beyond, nothing is known */
#define LINE_NAME_MAX_BYTES ((size_t)4096)      /* of one; longer ones are cut: no peer takes them */

struct line_cache;
struct line_source;
struct line_query;

/* n_max_bytes: of memory that open DWARF holds; the file at hand may exceed it. 0 or -ENOMEM. */
int line_cache_new(size_t n_max_bytes, struct line_cache **ret) MUST_CHECK;
/* When all its sources are gone. NULL passes through; returns NULL. */
struct line_cache *line_cache_free(struct line_cache *cache);

/* fd: the image, or its debug file (lines_open()); taken, also on failure. Opens nothing yet. 0 or -ENOMEM. */
int line_source_new(struct line_cache *cache, int fd, struct line_source **ret) MUST_CHECK;
/* Where no worker can have a query of it any more. NULL passes through; returns NULL. */
struct line_source *line_source_free(struct line_source *source);

/* The source is borrowed. vaddrs are copied, at most LINE_QUERY_MAX. 0 or -ENOMEM. */
int line_query_new(struct line_source *source, const uint64_t *vaddrs, size_t n, struct line_query **ret) MUST_CHECK;
/* A query of no addresses that takes the source, also on failure, and frees it when it is run or freed. */
int line_query_new_closing(struct line_source *source, struct line_query **ret) MUST_CHECK;
struct line_query *line_query_free(struct line_query *query); /* NULL passes through; returns NULL */
/* By the worker. 0; as lines_open(): then every answer is empty, and so are those of later queries; -ENOMEM. */
int line_query_run(struct line_query *query) MUST_CHECK;

size_t line_query_bytes(const struct line_query *query); /* of memory its answers hold, about */
size_t line_query_count(const struct line_query *query); /* of addresses */
uint64_t line_query_vaddr(const struct line_query *query, size_t index);
/* After it was run: what lines_find() said of the address. Strings are the query's. Number of entries, 0 = nothing. */
size_t line_query_answer(const struct line_query *query, size_t index,
                         struct source_line ret[static LINES_MAX_INLINED]);
