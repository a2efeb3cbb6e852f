/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has been found out of the source lines of one image, by link-time address: answers are kept, questions collected
 * until there is a query to be made of them (line_query.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/line_query.h"

#define SLOT_LINES_MAX 65536 /* addresses of an image; then what is known is forgotten */

struct slot_lines;

/* The source is taken. 0 or -ENOMEM. */
int slot_lines_new(struct line_source *source, struct slot_lines **ret) MUST_CHECK;
/* *ret_source: the caller's again, to be closed by who reads it. NULL passes through, as NULL; returns NULL. */
struct slot_lines *slot_lines_free(struct slot_lines *lines, struct line_source **ret_source);
/*
 * The lines at an address, as lines_find(). Number of entries, 0 = nothing is known, or nothing yet. *ret_waiting: it
 * has been asked for. Strings are good until the next slot_lines_answered().
 */
size_t slot_lines_find(struct slot_lines *lines, uint64_t vaddr, struct source_line ret[static LINES_MAX_INLINED],
                       bool *ret_waiting);
/* The questions so far. NULL: there are none, one query is under way, or there is no memory. */
struct line_query *slot_lines_ask(struct slot_lines *lines);
/* The query has been run, or could not be; taken. */
void slot_lines_answered(struct slot_lines *lines, struct line_query *query);
