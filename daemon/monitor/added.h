/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events that a trace was given for one process while it runs: after an exec that took the first ones, or because it
 * has come into a unit.
 */
#pragma once

#include "daemon/monitor/attachment.h"

struct added; /* the events of one process */

/*
 * Open all events of this process, of all its threads, at the trace's level of detail. On success *ret_ids is a file of
 * *ret_n_ids struct link_event_id, the caller's, and ->ids_file has them as well. 0 or -errno. They count nothing
 * before added_enable(), which is for when the peer was found to have the right to see what they are of.
 */
int added_open(struct attachment *trace, const struct target *process, int *ret_ids, uint32_t *ret_n_ids) MUST_CHECK;
void added_enable(struct attachment *trace, pid_t pid);
/* ->ids_file, which is for the next engine, has these n ids (struct link_event_id) as well from now on. 0 or -errno. */
int added_join_ids(struct attachment *trace, int fd, uint32_t n) MUST_CHECK;
/* It has such events. */
bool added_has(const struct attachment *trace, pid_t pid);
/* Number of such processes; into ret, unless it is NULL. */
size_t added_pids(const struct attachment *trace, pid_t *ret);
/* The process ended, or lost these as well: count and close them. */
void added_retire(struct attachment *trace, pid_t pid);
void added_free(struct attachment *trace);

/*
 * The sets of a trace, one after the other: those of the attach for NULL, then the added ones. *at moves to the next;
 * returns false after the last.
 */
const struct event_set *added_set(const struct attachment *trace, const struct added *at);
bool added_next(const struct attachment *trace, const struct added **at);
