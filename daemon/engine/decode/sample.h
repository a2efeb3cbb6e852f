/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes of one perf record -> struct record. Pure. The layout follows link/events.h. */
#pragma once

#include <linux/perf_event.h>
#include <stddef.h>

#include "daemon/engine/decode/event_ids.h"
#include "daemon/engine/decode/record.h"
#include "daemon/link/story.h"
#include "proto/base.h"

struct sample_layout {
        enum detail detail;
        bool physical;
        uint32_t stacks; /* of event_sample_type(); link_trace.stacks */
        const struct event_ids *ids;
};

/* 0; -EBADMSG: the record is shorter than its fields or belongs to an unknown event. Reads within header->size only. */
int sample_decode(const struct sample_layout *layout, const struct perf_event_header *header,
                  struct record *ret) MUST_CHECK;

/* The user registers of a record as those of a story. */
void sample_story_registers(const uint64_t raw[static EVENT_N_STACK_REGS], uint64_t ret[static N_STORY_REGISTERS]);

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
