/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a record or a story means for its trace: faults are paired and put on their way out, processes come and go, maps
 * change. Called in time order by trace.c, which is where they come from.
 */
#pragma once

#include "daemon/engine/trace.h"

/* ring: the index of the one that it was in. 0 or -errno. */
int feed_record(struct trace *trace, struct record *record, size_t ring, uint64_t now_ns) MUST_CHECK;
/* All records up to the story's time have been fed. 0 or -errno. */
int feed_story(struct trace *trace, const struct story *story, uint64_t now_ns) MUST_CHECK;
/* Everything up to until_ns has been fed: give up what is overdue by then. 0 or -errno. */
int feed_overdue(struct trace *trace, uint64_t until_ns, uint64_t now_ns) MUST_CHECK;
/* Nothing more will come: what is open stays open. 0 or -errno. */
int feed_end(struct trace *trace, uint64_t now_ns) MUST_CHECK;
/* Processes whose end the tracer may still explain. */
bool feed_awaits_status(const struct trace *trace);
/* Tell the ends that have not been told, as far as they are known. 0 or -errno. */
int feed_tell_ends(struct trace *trace, uint64_t now_ns) MUST_CHECK;
