/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Registers and stack as the kernel copies them (kernel/events/core.c, perf_output_sample_regs(),
 * perf_output_sample_ustack()): abi and, unless the task has no user registers, these; then the size that was set aside
 * and, unless it is 0, so many bytes and how many of them could be copied. Nothing is copied here: walking a stack
 * takes hardly longer than copying it would.
 */
#include <errno.h>

#include "daemon/engine/decode/sample_private.h"

#define REGISTERS_BYTES (EVENT_N_STACK_REGS * sizeof(uint64_t))

_Static_assert(EVENT_N_STACK_REGS == N_STORY_REGISTERS, "a story has the same registers");

/* The next u64. 0 or -EBADMSG. */
static int read_u64(const struct perf_event_header *header, size_t *at, uint64_t *ret)
{
        if (*at > header->size || header->size - *at < sizeof(*ret))
                return -EBADMSG;
        *ret = get_u64((const uint8_t *)header + *at);
        *at += sizeof(*ret);
        return 0;
}

static int read_registers(const struct perf_event_header *header, size_t *at, struct user_part *part)
{
        int r = read_u64(header, at, &part->abi);

        if (r < 0 || part->abi == PERF_SAMPLE_REGS_ABI_NONE)
                return r;
        if (part->abi > PERF_SAMPLE_REGS_ABI_64 || header->size - *at < REGISTERS_BYTES)
                return -EBADMSG;
        part->registers = (const uint64_t *)(const void *)((const uint8_t *)header + *at);
        *at += REGISTERS_BYTES;
        return 0;
}

static int read_stack(const struct perf_event_header *header, size_t *at, struct user_part *part)
{
        uint64_t n_room, n_copied;
        size_t begin;
        int r = read_u64(header, at, &n_room);

        if (r < 0 || n_room == 0)
                return r;
        if (n_room % sizeof(uint64_t) != 0 || n_room > header->size - *at)
                return -EBADMSG;
        begin = *at;
        *at += n_room;
        r = read_u64(header, at, &n_copied);
        if (r < 0)
                return r;
        if (n_copied > n_room)
                return -EBADMSG;
        if (part->abi == PERF_SAMPLE_REGS_ABI_64 && n_copied > 0) {
                part->stack = (const uint8_t *)header + begin;
                part->n_stack_bytes = (uint32_t)n_copied;
        }
        return 0;
}

int user_part_read(const struct perf_event_header *header, size_t at, struct user_part *ret)
{
        struct user_part part = {0};
        int r = at % sizeof(uint64_t) != 0 ? -EBADMSG : 0;

        if (r == 0)
                r = read_registers(header, &at, &part);
        if (r == 0)
                r = read_stack(header, &at, &part);
        if (r < 0)
                return r;
        part.end = at;
        *ret = part;
        return 0;
}

void user_part_put(const struct user_part *part, struct record_fault *ret)
{
        ret->user_registers = part->registers;
        ret->registers_abi = part->abi;
        ret->stack = part->stack;
        ret->n_stack_bytes = part->n_stack_bytes;
}

void sample_story_registers(const uint64_t raw[static EVENT_N_STACK_REGS], uint64_t ret[static N_STORY_REGISTERS])
{
        static const enum story_register order[EVENT_N_STACK_REGS] = {
                STORY_RAX,    STORY_RBX, STORY_RCX, STORY_RDX, STORY_RSI, STORY_RDI, STORY_RBP, STORY_RSP, STORY_RIP,
                STORY_EFLAGS, STORY_R8,  STORY_R9,  STORY_R10, STORY_R11, STORY_R12, STORY_R13, STORY_R14, STORY_R15};

        for (size_t i = 0; i < EVENT_N_STACK_REGS; i++)
                ret[order[i]] = raw[i];
}
