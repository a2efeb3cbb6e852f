/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pieces that the decoder of samples is made of. For sample*.c only. */
#pragma once

#include <string.h>

#include "daemon/engine/decode/sample.h"

/*
 * Where things are in a sample, in bytes from the header (perf_event_open(2), PERF_RECORD_SAMPLE): id, [ip,] pid and
 * tid, time, then addr, [cpu, period,] or [chain,] raw payload, then [registers, stack,] [physical address, page size].
 */
#define SAMPLE_ID 8
#define SAMPLE_IP 16
#define SAMPLE_OWNER 16 /* pid, tid; 8 more where an ip comes before */
#define OWNER_TIME 8    /* from pid and tid on */
#define OWNER_ADDR 16

static inline uint32_t get_u32(const uint8_t *from)
{
        uint32_t value;

        memcpy(&value, from, sizeof(value));
        return value;
}

static inline uint64_t get_u64(const uint8_t *from)
{
        uint64_t value;

        memcpy(&value, from, sizeof(value));
        return value;
}

static inline void put_owner(struct record *ret, enum record_kind kind, const uint8_t *owner, uint64_t time_ns)
{
        ret->kind = kind;
        ret->time_ns = time_ns;
        ret->pid = (pid_t)get_u32(owner);
        ret->tid = (pid_t)get_u32(owner + 4);
}

/* --- sample_stack.c --- */

struct user_part { /* PERF_SAMPLE_REGS_USER with EVENT_STACK_REGS_MASK, then PERF_SAMPLE_STACK_USER */
        uint64_t abi;
        const uint64_t *registers; /* EVENT_N_STACK_REGS, NULL = the task has none */
        const uint8_t *stack;      /* NULL = none */
        uint32_t n_stack_bytes;
        size_t end; /* of it, from the header */
};

/* The part that begins at an offset of the record. 0 or -EBADMSG: it does not fit, or contradicts itself. */
int user_part_read(const struct perf_event_header *header, size_t at, struct user_part *ret) MUST_CHECK;
void user_part_put(const struct user_part *part, struct record_fault *ret);

/* --- sample_page.c: EVENT_ENTRY, EVENT_MIN, EVENT_MAJ --- */

/* Offset of pid and tid, which time and address follow. */
size_t page_owner_offset(const struct sample_layout *layout, enum event_kind kind);
/* Bytes that a sample has at least, up to the address and what stands between it and the user part. */
size_t page_head_bytes(const struct sample_layout *layout, enum event_kind kind);
/* enum event_kind of a sample with the id of somebody else's event, or -EBADMSG. */
int page_kind(const struct sample_layout *layout, const struct perf_event_header *header) MUST_CHECK;
/* As sample_decode(). */
int page_decode(const struct sample_layout *layout, const struct perf_event_header *header, enum event_kind kind,
                struct record *ret) MUST_CHECK;
