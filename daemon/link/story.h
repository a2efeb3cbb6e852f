/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tracer tells the engine of what only ptrace sees: signals that end a fault, how a child came to be, how a
 * process ended. Straight from one to the other over a SOCK_SEQPACKET socketpair that the monitor made, because a
 * target whose handler repairs faults brings thousands a second; the monitor never reads it, and keeps an end of it for
 * the engine's successor.
 *
 * One story is one message: the struct, cut behind the stack bytes that it has. Stamped when the thread was stopped,
 * with the clock of the perf events: every record that the thread wrote before is in the rings by then.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STORY_STACK_BYTES 8192

enum story_type {
        STORY_SIGNAL = 1, /* SIGSEGV or SIGBUS is about to be delivered */
        STORY_FORK,       /* a process was born; before it runs */
        STORY_EXIT,       /* a process ended: all its threads have, and it has not been reaped */
};

/* In the order of struct user_regs_struct (sys/user.h) that matters to us. */
enum story_register {
        STORY_RAX,
        STORY_RBX,
        STORY_RCX,
        STORY_RDX,
        STORY_RSI,
        STORY_RDI,
        STORY_RBP,
        STORY_RSP,
        STORY_R8,
        STORY_R9,
        STORY_R10,
        STORY_R11,
        STORY_R12,
        STORY_R13,
        STORY_R14,
        STORY_R15,
        STORY_RIP,
        STORY_EFLAGS,
        N_STORY_REGISTERS
};

struct story_signal {
        int32_t signo, code; /* sigaction(2): SEGV_*, BUS_*, SI_* */
        uint64_t addr;       /* si_addr; meaningless where code is SI_USER and its like, 0 with SI_KERNEL */
        pid_t sender;        /* code <= 0: si_pid, in the tracer's pid namespace; else 0 */
        uid_t sender_uid;
        uint32_t abi; /* 64 or 32 (PTRACE_GETREGSET NT_PRSTATUS is shorter for 32-bit code); 0 = no registers */
        uint32_t n_stack_bytes;
        /*
         * The address of stack[0]: the stack pointer, or the first page above it that is present (a stack that has
         * overflowed). What is absent from memory is not read.
         */
        uint64_t stack_start;
        uint64_t registers[N_STORY_REGISTERS];
};

struct story_fork {
        pid_t child;
        uint32_t shares_memory; /* vfork(2), CLONE_VM */
};

struct story_exit {
        int32_t status; /* wait status, wait(2) */
};

struct story {
        uint32_t type;     /* enum story_type */
        uint32_t n_missed; /* stories before this one that found no room in time */
        uint64_t time_ns;  /* CLOCK_MONOTONIC */
        pid_t pid, tid;
        union {
                struct story_signal signal;
                struct story_fork fork;
                struct story_exit exit;
        };
        uint8_t stack[STORY_STACK_BYTES];
};

#define STORY_HEAD_BYTES offsetof(struct story, stack)
