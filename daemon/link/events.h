/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The perf events of a trace: what the monitor opens is what the engine decodes, so both read it here.
 *
 * Every event has PERF_SAMPLE_IDENTIFIER, TID and TIME and sample_id_all, so a record's owner and time can be found
 * before its layout is known, and the trailer of a non-sample record is always {pid, tid, time, id} (24 bytes,
 * perf_event_open(2), sample_id). No PERF_SAMPLE_CPU: a ring belongs to one CPU.
 */
#pragma once

#include <linux/perf_event.h>
#include <stdint.h>

#include "proto/vocabulary.h"

enum event_kind {
        EVENT_TP_USER,   /* exceptions:page_fault_user: error code */
        EVENT_TP_KERNEL, /* exceptions:page_fault_kernel on user addresses: error code and the caller's registers */
        EVENT_TP_HIGH,   /* page_fault_user on kernel addresses only (filter): an anchor, PAGE_FAULTS does not see these
                          */
        EVENT_ENTRY,     /* PERF_COUNT_SW_PAGE_FAULTS */
        EVENT_MIN,       /* completion, minor */
        EVENT_MAJ,       /* completion, major */
        EVENT_SIDEBAND,  /* SW_DUMMY: MMAP2, COMM, FORK, EXIT into the sideband ring */
        /* On request only, because enabled syscall tracepoints cost every process of the machine; never anchors. */
        EVENT_TP_MUNMAP, /* syscalls:sys_enter_munmap */
        EVENT_TP_MREMAP, /* syscalls:sys_enter_mremap */
        N_EVENT_KINDS,
};

#define EVENT_BIT(kind) (1u << (kind))
#define EVENT_TRAILER_BYTES 24

/* EVENT_TP_HIGH's filter: from TASK_SIZE_MAX on, a page below the end of the lower half (arch/x86/include/asm/
 * page_64.h). The vsyscall page counts as user memory to the kernel (arch/x86/mm/fault.c, fault_in_kernel_space). */
#define EVENT_HIGH_FILTER "address >= 0x7ffffffff000 && (address < 0xffffffffff600000 || address >= 0xffffffffff601000)"
#define EVENT_LOW_FILTER "address < 0x7ffffffff000"
#define EVENT_USER_END UINT64_C(0x7ffffffff000)

/* What an attach that asks for --unmaps opens in addition. */
#define EVENT_UNMAP_KINDS (EVENT_BIT(EVENT_TP_MUNMAP) | EVENT_BIT(EVENT_TP_MREMAP))

/* Faults, each counted once, of counters by kind: those of the anchor event of this detail. */
static inline uint64_t event_anchors(enum detail detail, const uint64_t of_kind[N_EVENT_KINDS])
{
        if (detail == DETAIL_BASIC)
                return of_kind[EVENT_MIN] + of_kind[EVENT_MAJ];
        return of_kind[EVENT_ENTRY] + of_kind[EVENT_TP_HIGH];
}

/* Kinds that a level of detail opens (EVENT_BIT mask). */
static inline uint32_t event_kinds(enum detail detail)
{
        switch (detail) {
        case DETAIL_FULL:
                return EVENT_BIT(EVENT_TP_USER) | EVENT_BIT(EVENT_TP_KERNEL) | EVENT_BIT(EVENT_TP_HIGH) |
                       EVENT_BIT(EVENT_ENTRY) | EVENT_BIT(EVENT_MIN) | EVENT_BIT(EVENT_MAJ) | EVENT_BIT(EVENT_SIDEBAND);
        case DETAIL_UNPRIVILEGED:
                return EVENT_BIT(EVENT_ENTRY) | EVENT_BIT(EVENT_MIN) | EVENT_BIT(EVENT_MAJ) | EVENT_BIT(EVENT_SIDEBAND);
        default:
                return EVENT_BIT(EVENT_MIN) | EVENT_BIT(EVENT_MAJ) | EVENT_BIT(EVENT_SIDEBAND);
        }
}

/* Registers of EVENT_TP_KERNEL, EVENT_TP_MUNMAP and EVENT_TP_MREMAP, in the order of their bits: RSP, RIP
 * (asm/perf_regs.h: PERF_REG_X86_SP 7, _IP 8). */
#define EVENT_REGS_MASK ((1ull << 7) | (1ull << 8))

/* Registers where a copy of the stack goes with them: AX BX CX DX SI DI BP SP IP FLAGS, R8 to R15 (asm/perf_regs.h). */
#define EVENT_STACK_REGS_MASK (UINT64_C(0x3ff) | UINT64_C(0xff) << 16)
#define EVENT_N_STACK_REGS 18
enum { EVENT_STACK_REG_SP = 7, EVENT_STACK_REG_IP = 8 };

/* EVENT_TP_KERNEL also has the chain of kernel frames. */
#define EVENT_KERNEL_CHAIN (1u << 31)

/*
 * `stacks` of event_sample_type() for a trace with stacks: EVENT_BIT of the kinds that have registers and a copy of the
 * user stack, and EVENT_KERNEL_CHAIN, or 0 for a trace without. They ride on what begins a fault, so that one that is
 * never completed has its stack too; but never on EVENT_ENTRY, which shares its fields with whoever else samples page
 * faults (below).
 */
static inline uint32_t event_stacks(int tracepoints, int kernel_chain)
{
        if (!tracepoints)
                return EVENT_BIT(EVENT_MIN) | EVENT_BIT(EVENT_MAJ);
        return EVENT_BIT(EVENT_TP_USER) | EVENT_BIT(EVENT_TP_KERNEL) | EVENT_BIT(EVENT_TP_HIGH) |
               (kernel_chain ? EVENT_KERNEL_CHAIN : 0);
}

/*
 * sample_type of a kind. physical: PHYS_ADDR and DATA_PAGE_SIZE are granted (they need CAP_PERFMON). stacks: of
 * event_stacks(). A completion that has an entry before it need not repeat the instruction pointer.
 *
 * Where two observers have the same software event on one task, the kernel fills in the common fields once and writes
 * them to both: the second one's records carry the id, and the time by the clock, of the first
 * (kernel/events/core.c, do_perf_sw_event, perf_prepare_sample: what sample_flags names is kept). The id then says
 * nothing, and with what the first has of variable length neither does the size. So ENTRY, MIN and MAJ differ in what
 * stands where at every level of detail (engine/decode/sample_page.c tells them apart).
 */
static inline uint64_t event_sample_type(enum event_kind kind, enum detail detail, int physical, uint32_t stacks)
{
        uint64_t base = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
        uint64_t page = physical ? PERF_SAMPLE_PHYS_ADDR | PERF_SAMPLE_DATA_PAGE_SIZE : 0;
        uint64_t stack = stacks & EVENT_BIT(kind) ? PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER : 0;

        switch (kind) {
        case EVENT_TP_USER:
        case EVENT_TP_HIGH:
                return base | PERF_SAMPLE_RAW | stack;
        case EVENT_TP_KERNEL:
                return base | PERF_SAMPLE_RAW | PERF_SAMPLE_REGS_USER | stack |
                       (stacks & EVENT_KERNEL_CHAIN ? PERF_SAMPLE_CALLCHAIN : 0);
        case EVENT_TP_MUNMAP:
        case EVENT_TP_MREMAP:
                return base | PERF_SAMPLE_RAW | PERF_SAMPLE_REGS_USER;
        case EVENT_ENTRY:
                return base | PERF_SAMPLE_IP | PERF_SAMPLE_ADDR | page;
        case EVENT_MIN:
                return base | (detail == DETAIL_BASIC ? PERF_SAMPLE_IP : 0) | PERF_SAMPLE_ADDR | page | stack;
        case EVENT_MAJ: /* two fields more than MIN, to be told from it */
                return base | (detail == DETAIL_BASIC ? PERF_SAMPLE_IP : 0) | PERF_SAMPLE_ADDR | PERF_SAMPLE_CPU |
                       PERF_SAMPLE_PERIOD | page | stack;
        default:
                return base;
        }
}
