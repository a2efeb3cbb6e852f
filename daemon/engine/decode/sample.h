/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes of one perf record -> struct record. Pure. The layout follows link/events.h. */
#pragma once

#include <linux/perf_event.h>
#include <stddef.h>

#include "daemon/engine/decode/record.h"
#include "daemon/link/link.h"
#include "proto/base.h"

/*
 * Which event an id belongs to. The kernel hands ids out one after the other, so those of a trace lie close together:
 * an array from the smallest on, and a sorted list for the rare stragglers.
 */
struct event_ids;
/* Copies the n pairs. *ret is the caller's; -EINVAL: an unknown kind or a duplicate id; -ENOMEM. */
int event_ids_new(const struct link_event_id *pairs, size_t n, struct event_ids **ret) MUST_CHECK;
struct event_ids *event_ids_free(struct event_ids *ids); /* returns NULL */
/* enum event_kind, or -ENOENT. */
int event_ids_lookup(const struct event_ids *ids, uint64_t id);

struct sample_layout {
        enum detail detail;
        bool physical;
        const struct event_ids *ids;
};

/* 0; -EBADMSG: the record is shorter than its fields or belongs to an unknown event. Reads within header->size only. */
int sample_decode(const struct sample_layout *layout, const struct perf_event_header *header,
                  struct record *ret) MUST_CHECK;
/* Only the time, for merging: 0 or -EBADMSG. */
int sample_time(const struct sample_layout *layout, const struct perf_event_header *header,
                uint64_t *ret_time_ns) MUST_CHECK;
/* The same, and which event it is of: enum event_kind, N_EVENT_KINDS for a record that is no sample, or -EBADMSG. */
int sample_stamp(const struct sample_layout *layout, const struct perf_event_header *header,
                 uint64_t *ret_time_ns) MUST_CHECK;
