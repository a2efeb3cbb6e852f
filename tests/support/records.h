/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Perf records as bytes, for tests. Samples are written by walking the bits of sample_type in the order of
 * perf_event_open(2), so that they do not share a single offset with the decoder under test.
 */
#pragma once

#include <assert.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <string.h>

#include "daemon/link/events.h"

struct record_bytes {
        _Alignas(8) uint8_t data[65536];
        size_t n;
};

struct sample_values {
        uint64_t id, ip, time, addr, physical, page;
        uint32_t pid, tid;
        uint64_t raw_addr, raw_ip, raw_error;
        uint32_t n_raw_tail;       /* bytes behind the error code */
        const uint64_t *arguments; /* the raw payload is that of syscalls:sys_enter_*; NULL = of exceptions:* */
        uint32_t n_arguments;
        uint64_t abi, sp, user_ip;
        const uint64_t *user_registers; /* instead of these two: EVENT_N_STACK_REGS */
        const uint8_t *stack;
        uint64_t n_stack_room, n_stack_copied;
        const uint64_t *chain;
        uint64_t n_chain;
};

static inline void put_bytes(struct record_bytes *to, const void *from, size_t n)
{
        assert(to->n + n <= sizeof(to->data));
        memcpy(to->data + to->n, from, n);
        to->n += n;
}

static inline void put_u32(struct record_bytes *to, uint32_t value)
{
        put_bytes(to, &value, sizeof(value));
}

static inline void put_u64(struct record_bytes *to, uint64_t value)
{
        put_bytes(to, &value, sizeof(value));
}

/* With its NUL and the kernel's padding to 8. */
static inline void put_string(struct record_bytes *to, const char *string)
{
        static const uint8_t zeros[8];

        put_bytes(to, string, strlen(string) + 1);
        put_bytes(to, zeros, (8 - to->n % 8) % 8);
}

static inline void begin_record(struct record_bytes *to, uint32_t type, uint16_t misc)
{
        struct perf_event_header header = {.type = type, .misc = misc};

        to->n = 0;
        put_bytes(to, &header, sizeof(header));
}

static inline const struct perf_event_header *finish_record(struct record_bytes *to)
{
        struct perf_event_header *header = (struct perf_event_header *)(void *)to->data;

        assert(to->n % 8 == 0);
        header->size = (uint16_t)to->n;
        return header;
}

/* sample_id with TID, TIME and IDENTIFIER. */
static inline const struct perf_event_header *finish_with_trailer(struct record_bytes *to, uint32_t pid, uint32_t tid,
                                                                  uint64_t time, uint64_t id)
{
        put_u32(to, pid);
        put_u32(to, tid);
        put_u64(to, time);
        put_u64(to, id);
        return finish_record(to);
}

/* The kernel pads size and payload together to 8 (kernel/trace/trace_syscalls.c, perf_syscall_enter). */
static inline void put_syscall_payload(struct record_bytes *to, const struct sample_values *values)
{
        put_u32(to, 16 + 8 * values->n_arguments + 4);
        put_u64(to, UINT64_C(0x1122334455667788)); /* common_type, flags, preempt_count, pid */
        put_u32(to, 11);                           /* __syscall_nr */
        put_u32(to, 0x99999999);
        for (uint32_t i = 0; i < values->n_arguments; i++)
                put_u64(to, values->arguments[i]);
        put_u32(to, 0x99999999);
}

static inline void put_raw_payload(struct record_bytes *to, const struct sample_values *values)
{
        static const uint8_t zeros[64];

        put_u32(to, 32 + values->n_raw_tail);
        put_u64(to, UINT64_C(0x1122334455667788)); /* common_type, flags, preempt_count, pid */
        put_u64(to, values->raw_addr);
        put_u64(to, values->raw_ip);
        put_u64(to, values->raw_error);
        put_bytes(to, zeros, values->n_raw_tail);
}

static inline void put_user_part(struct record_bytes *to, uint64_t sample_type, const struct sample_values *values)
{
        put_u64(to, values->abi);
        if (values->abi != PERF_SAMPLE_REGS_ABI_NONE && values->user_registers) {
                put_bytes(to, values->user_registers, EVENT_N_STACK_REGS * sizeof(uint64_t));
        } else if (values->abi != PERF_SAMPLE_REGS_ABI_NONE) {
                put_u64(to, values->sp);
                put_u64(to, values->user_ip);
        }
        if (!(sample_type & PERF_SAMPLE_STACK_USER))
                return;
        put_u64(to, values->n_stack_room);
        if (values->n_stack_room) {
                put_bytes(to, values->stack, values->n_stack_room);
                put_u64(to, values->n_stack_copied);
        }
}

static inline const struct perf_event_header *encode_sample(struct record_bytes *to, uint64_t sample_type,
                                                            const struct sample_values *values)
{
        begin_record(to, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
        if (sample_type & PERF_SAMPLE_IDENTIFIER)
                put_u64(to, values->id);
        if (sample_type & PERF_SAMPLE_IP)
                put_u64(to, values->ip);
        if (sample_type & PERF_SAMPLE_TID) {
                put_u32(to, values->pid);
                put_u32(to, values->tid);
        }
        if (sample_type & PERF_SAMPLE_TIME)
                put_u64(to, values->time);
        if (sample_type & PERF_SAMPLE_ADDR)
                put_u64(to, values->addr);
        if (sample_type & PERF_SAMPLE_CPU) {
                put_u32(to, 3);
                put_u32(to, 0);
        }
        if (sample_type & PERF_SAMPLE_PERIOD)
                put_u64(to, 1);
        if (sample_type & PERF_SAMPLE_CALLCHAIN) {
                put_u64(to, values->n_chain);
                put_bytes(to, values->chain, values->n_chain * sizeof(uint64_t));
        }
        if (sample_type & PERF_SAMPLE_RAW && values->arguments)
                put_syscall_payload(to, values);
        else if (sample_type & PERF_SAMPLE_RAW)
                put_raw_payload(to, values);
        if (sample_type & PERF_SAMPLE_REGS_USER)
                put_user_part(to, sample_type, values);
        if (sample_type & PERF_SAMPLE_PHYS_ADDR)
                put_u64(to, values->physical);
        if (sample_type & PERF_SAMPLE_DATA_PAGE_SIZE)
                put_u64(to, values->page);
        return finish_record(to);
}

static inline const struct perf_event_header *encode_lost(struct record_bytes *to, uint64_t n, uint64_t time)
{
        begin_record(to, PERF_RECORD_LOST, 0);
        put_u64(to, 77);
        put_u64(to, n);
        return finish_with_trailer(to, 11, 12, time, 77);
}
