/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One perf record as a value. Strings and pointers borrow the ring (or the ring's scratch) until the next record. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/link/events.h"

struct callstack;

enum record_kind {
        RECORD_FAULT, /* a sample of EVENT_TP_* , EVENT_ENTRY, EVENT_MIN or EVENT_MAJ */
        RECORD_MAP,   /* MMAP2 */
        RECORD_COMM,  /* COMM; exec says whether it came from execve(2) */
        RECORD_FORK,
        RECORD_EXIT,
        RECORD_LOST,  /* LOST: n records of this ring did not fit */
        RECORD_UNMAP, /* a sample of EVENT_TP_MUNMAP or EVENT_TP_MREMAP that takes memory away */
        RECORD_OTHER, /* a type we have no use for (THROTTLE, ...) */
};

struct record_fault {
        enum event_kind event;
        bool has_ip, has_physical, has_registers;
        uint64_t addr;
        uint64_t ip;
        uint64_t physical;   /* physical address, 0 = nothing mapped, the zero page or special memory */
        uint64_t page_bytes; /* 0 = nothing mapped */
        uint64_t error_code; /* EVENT_TP_*: arch/x86/include/asm/trap_pf.h */
        uint64_t user_ip;    /* has_registers: 0 where the task has no user registers */

        /* Of a trace with stacks, the kinds of event_stacks(). */
        const uint64_t *user_registers; /* EVENT_N_STACK_REGS in the order of EVENT_STACK_REGS_MASK; NULL = none */
        uint64_t registers_abi;         /* PERF_SAMPLE_REGS_ABI_* */
        const uint8_t *stack;           /* what is at the stack pointer and above it, aligned to 8; NULL = none */
        uint32_t n_stack_bytes;         /* copied; 0 of 32-bit code */
        const uint64_t *chain;          /* kernel frames, innermost first, between PERF_CONTEXT_* marks; NULL = none */
        uint32_t n_chain;
        struct callstack *callstack; /* not of the record: one reference, put here before pairing (model/pair.h) */
};

struct record_map {
        uint64_t start, len_bytes, offset;
        uint32_t major, minor;
        uint64_t inode;
        uint32_t prot;    /* PROT_* */
        uint32_t flags;   /* MAP_SHARED, MAP_PRIVATE, MAP_HUGETLB, ... */
        const char *path; /* NUL-terminated; "//anon", "[heap]", "/usr/bin/x" */
        size_t n_path;
};

/*
 * Of a call that begins: the range is a valid one, yet the call may still fail. A move to where the kernel chooses is
 * not told (RECORD_OTHER): whether anything moves is known only when the call returns.
 */
struct record_unmap {
        uint64_t start, len_bytes; /* multiples of a page, not empty */
        uint64_t ip;               /* user code behind the system call; 0 = not known */
};

struct record {
        enum record_kind kind;
        uint64_t time_ns; /* CLOCK_MONOTONIC */
        pid_t pid, tid;
        union {
                struct record_fault fault;
                struct record_map map;
                struct record_unmap unmap;
                struct {
                        bool exec;
                        const char *comm; /* NUL-terminated */
                } comm;
                struct {
                        pid_t parent_pid, parent_tid;
                } task; /* FORK, EXIT: pid and tid above are those born or dead */
                struct {
                        uint64_t n;
                } lost;
        };
};
