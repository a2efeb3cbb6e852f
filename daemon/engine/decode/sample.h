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
/* Events were opened anew: theirs too. Errors as above (a duplicate may also be of one known before); then none is. */
int event_ids_add(struct event_ids *ids, const struct link_event_id *pairs, size_t n) MUST_CHECK;
struct event_ids *event_ids_free(struct event_ids *ids); /* returns NULL */
/* enum event_kind, or -ENOENT. */
int event_ids_lookup(const struct event_ids *ids, uint64_t id);
/* EVENT_BIT mask of the kinds that have an id; 0 for NULL. */
uint32_t event_ids_kinds(const struct event_ids *ids);

struct sample_layout {
        enum detail detail;
        bool physical;
        const struct event_ids *ids;
};

/* 0; -EBADMSG: the record is shorter than its fields or belongs to an unknown event. Reads within header->size only. */
int sample_decode(const struct sample_layout *layout, const struct perf_event_header *header,
                  struct record *ret) MUST_CHECK;

/* Of the software events that the kernel prepares once for all observers. */
static inline bool sample_is_of_page(int kind)
{
        return kind == EVENT_ENTRY || kind == EVENT_MIN || kind == EVENT_MAJ;
}

/* What merging needs to know of a record before it is decoded. */
struct sample_look {
        int kind;     /* enum event_kind, N_EVENT_KINDS = no sample */
        bool is_ours; /* false: the id is that of somebody else's event, and so the stamp may be by another clock */
        pid_t tid;    /* of a sample, and so is addr */
        uint64_t time_ns;
        uint64_t addr; /* of the fault, if it is of one */
};
/* 0; -EBADMSG: as sample_decode(), as far as these fields go. */
int sample_look(const struct sample_layout *layout, const struct perf_event_header *header,
                struct sample_look *ret) MUST_CHECK;
