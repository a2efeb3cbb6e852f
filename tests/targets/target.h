/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every target program shares. A target sets its stage, says what will happen, and then does exactly that:
 *
 *   main()           populates every page the program already has, so that nothing of its own faults later
 *   the case         maps memory, calls expect() for each fault that will follow
 *   target_gate()    prints "ready PID" and waits for a byte on standard input
 *   ...              the faults, and nothing else
 *   target_done()    prints "done" and waits for another byte, or end of file
 *
 * Expectations are JSON lines on standard output before "ready". Between the gate and done a target may call only
 * what is declared here and raw system calls: nothing that allocates, nothing from stdio.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096UL
/* Pages so far apart are never mapped by the fault-around of one another. */
#define FAULT_AROUND_BYTES 65536UL
#define HUGE_BYTES (2UL << 20)

/*
 * n faults at addr, addr + stride, ... NULL or 0 in any other field: not compared. A symbol with several names is
 * "one|other".
 */
struct expectation {
        const volatile void *addr;
        size_t n; /* 0 means 1 */
        size_t stride;
        size_t times; /* faults at each of the n addresses; 0 means 1 */
        const char *cause, *access, *mode, *outcome, *evidence;
        size_t page_size;
        const char *code;             /* symbol of the instruction */
        const char *caller;           /* kernel mode: symbol of the user code that entered the kernel */
        const char *caller_image;     /* its file, without the directory */
        const char *section, *symbol; /* of the address */
        size_t offset;                /* from symbol, of the first fault; compared if symbol is set */
        size_t offset_stride;
};

/* A program is a table of cases, ended by a NULL name; target.c has main(), which runs the case named by argv[1]. */
struct target_case {
        const char *name;
        void (*run)(void);
};
extern const struct target_case target_cases[];
/* The argument after the case's name as a number, or otherwise. */
size_t target_argument(size_t otherwise);

/* Make every page present, writable memory exclusively ours. */
void target_populate(void *addr, size_t n_bytes, bool writable);
/* All maps that the program has now: after a fork, which took the right to write away. skip: left alone, may be NULL.
 */
void target_populate_all_but(const void *skip, size_t n_bytes);
void expect(const struct expectation *e);
void target_gate(void);
void target_done(void);
/* Do not leave this CPU: pages wait in batches of the CPU that made them. */
void target_pin(void);

/* Where the map [stack] begins now. */
char *target_stack_start(void);

/* Fresh private anonymous memory of 4 KiB pages, none present. */
char *map_anon(size_t n_bytes);
/* The same at an address aligned to `align` bytes. */
char *map_aligned(size_t n_bytes, size_t align, int flags);

_Noreturn void target_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void target_fail(const char *what); /* with errno */

/* The instructions that fault. Each is one access of one byte in a function whose name the tests compare. */
void touch_read(const volatile char *p);
void touch_write(volatile char *p);
void touch_call(const void *code);
long touch_syscall(long number, long a, long b, long c);

void touch_read_each(const volatile char *p, size_t n, size_t stride);
void touch_write_each(volatile char *p, size_t n, size_t stride);
