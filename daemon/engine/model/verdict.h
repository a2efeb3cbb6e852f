/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A SIGSEGV or SIGBUS, explained: from what the signal says, the fault that led to it where there is one, and what was
 * mapped around the address. The cause of a fault (classify.h) is the kernel's view; the verdict is the programmer's.
 * Pure.
 *
 * The rules; the first that holds wins. "Near" the stack pointer begins 64 KiB below it; a stack pointer that has left
 * its map is at most 8 MiB below it. The access is known by the error code of the fault, or because the instruction
 * itself is at the address. What an answer rests on, measured (m) or inferred (i):
 *
 * - sent: the code says that a process, a timer or the like sent it (m)
 * - non-canonical: the kernel gives no address (SI_KERNEL), and a register holds a value that is none: the instruction
 *   pointer (m), else rsp or rbp for SIGBUS (stack segment), any other for SIGSEGV (i)
 * - hardware: BUS_MCEERR_AR, BUS_MCEERR_AO, BUS_OBJERR (m)
 * - beyond-eof: BUS_ADRERR on a file's page that begins at or behind the end of the file (m), or of a file whose size
 *   is not known (i)
 * - kernel-address: SIGSEGV in the upper half of the address space (m)
 * - stack-overflow: SEGV_MAPERR in the map that the stack pointer is in, and near it (pages that madvise(2) made
 *   guards); SEGV_MAPERR, or SEGV_ACCERR in a guard, below the writable map that the stack pointer is in or has just
 *   left, near the stack pointer or above it (i)
 * - guard-page: SEGV_MAPERR elsewhere in the map that the stack pointer is in; SEGV_ACCERR of anything but an
 *   instruction fetch in a map that permits nothing, right below writable anonymous memory or a stack (i)
 * - null-dereference: SEGV_MAPERR below 64 KiB, where nothing is known to have been mapped (i)
 * - use-after-unmap: SEGV_MAPERR where something was mapped earlier in this trace (m if it was seen who unmapped it)
 * - unmapped: any other SEGV_MAPERR (m)
 * - not-executable: SEGV_ACCERR of an instruction fetch (m by the error code, or if the instruction pointer is the
 *   address; else i)
 * - access-denied: any other SEGV_ACCERR (m by the error code); an access that is not known was a write where the map
 *   permits reading and no writing (i). SEGV_PKUERR: the protection key (m)
 * - unknown: none of these (BUS_ADRALN, SEGV_CPERR, ...)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/model/aspace.h"
#include "daemon/engine/model/fault.h"
#include "daemon/engine/model/map.h"
#include "daemon/link/story.h"
#include "proto/base.h"

struct verdict_context {
        const struct story_signal *signal;
        uint64_t time_ns;                /* when the thread was stopped for it, 0 = not known */
        const struct fault *fault;       /* NULL: it was not among the events (basic detail, no fault at all) */
        const struct map *map;           /* at the address, as the fault hit it; NULL = none */
        const struct map *below, *above; /* neighbours of the address, mapped or not (aspace_below()); NULL = none */
        const struct map *stack;         /* holds the stack pointer; where nothing writable does, the next above */
        const struct burial *burial;     /* NULL = nothing is known to have been here */
        bool file_size_known;
        uint64_t file_bytes;
};

/* Maps are borrowed from the context, NULL = none. UINT64_MAX bytes: says nothing. */
struct verdict {
        enum verdict_kind kind;
        enum access access;
        enum evidence evidence;
        char missing; /* 'r', 'w', 'x' or 0 */
        const struct map *nearest;
        uint64_t below_bytes; /* the address lies so far before the start of nearest */
        uint64_t above_bytes; /* ... so far behind its last byte */
        uint64_t depth_bytes, field_bytes, eof_bytes, pointer;
        const struct map *earlier;   /* USE_AFTER_UNMAP: what was mapped here */
        const struct burial *burial; /* ... and how that went; NULL = only that it did */
};

struct verdict verdict_find(const struct verdict_context *context);
/* One sentence for people, without the place and code names, which the caller's records carry. n_text >= 512. */
void verdict_sentence(const struct verdict_context *context, const struct verdict *verdict, char *text, size_t n_text);

/* Where the kernel gives no address: the register (enum story_register) that holds a value that is none, -1 = none. */
int verdict_bad_register(const struct story_signal *signal);
