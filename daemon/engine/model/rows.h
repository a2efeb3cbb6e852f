/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an image's unwind tables (.eh_frame, or .debug_frame where that is all there is) say about three registers, as
 * rows of eight bytes in address order: from the row of an instruction follow the caller's instruction pointer, stack
 * pointer and frame pointer. Nothing else is needed to walk nearly every stack; what a row cannot say is marked, and
 * left to whoever can (unwind.h). Built by a worker, then only read: it may be shared between threads and traces. Pure;
 * every byte of the tables is hostile, and work and memory are bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

#define ROWS_MAX ((size_t)16 << 20)             /* of one image; more: -E2BIG */
#define ROWS_TABLE_BYTES_MAX ((size_t)64 << 20) /* likewise */

enum row_kind {
        ROW_NONE,    /* no function is known here: no unwind data */
        ROW_SP,      /* CFA = rsp + cfa_offset */
        ROW_BP,      /* CFA = rbp + cfa_offset */
        ROW_BP_AT,   /* CFA = [rbp + cfa_offset], and the caller's rbp is at rbp itself: realigned stacks */
        ROW_PLT,     /* CFA = rsp + cfa_offset, and 8 more from byte 11 of the 16-byte entry on (lazy PLT) */
        ROW_SIGNAL,  /* the return from a signal handler: rsp is at the ucontext; all registers are in it, and exact */
        ROW_END,     /* the outermost function: the return address is undefined */
        ROW_COMPLEX, /* there is data that does not fit here */
};

/* The return address is at CFA - 8 in all kinds that have a CFA. */
struct row {
        enum row_kind kind;
        int32_t cfa_offset;
        bool bp_saved;     /* ROW_SP, ROW_BP, ROW_PLT: the caller's rbp is at CFA + bp_offset; else it is unchanged */
        int32_t bp_offset; /* negative */
};

struct rows;

/* A table as in the file. bytes is borrowed while compiling; n_bytes 0 = there is none. */
struct rows_table {
        const uint8_t *bytes;
        size_t n_bytes;
        uint64_t vaddr; /* link-time address of bytes[0]; 0 for .debug_frame */
};

#define ROWS_RESTORERS_MAX 4
#define ROWS_RESTORER_BYTES 9 /* mov $15, %rax; syscall */

struct rows_source {
        struct rows_table eh_frame;
        struct rows_table debug_frame;  /* read only if eh_frame describes nothing */
        uint64_t text_vaddr, got_vaddr; /* bases of DW_EH_PE_textrel and _datarel; 0 = not known */
        /* Where code calls rt_sigreturn(2) as C libraries have handlers return to: ROW_SIGNAL even if no table says so.
         */
        uint64_t restorers[ROWS_RESTORERS_MAX];
        size_t n_restorers;
};

/*
 * 0; -ENODATA: the tables describe nothing; -E2BIG; -ENOMEM. A damaged entry is left out (ROW_NONE), or is ROW_COMPLEX
 * from its first to its last address where only its instructions are damaged; what was read of the others stays. Where
 * entries overlap, the one that begins last describes the address, as for a binary search; of those that begin at one
 * address, the first in the file.
 */
int rows_compile(const struct rows_source *source, struct rows **ret) MUST_CHECK;
struct rows *rows_ref(struct rows *rows);   /* NULL passes through; may be called by any thread */
struct rows *rows_unref(struct rows *rows); /* likewise; returns NULL */
size_t rows_count(const struct rows *rows);
size_t rows_bytes(const struct rows *rows); /* of memory it holds */
/* The row that describes the instruction at a link-time address. *ret is always set. */
void rows_find(const struct rows *rows, uint64_t vaddr, struct row *ret);
