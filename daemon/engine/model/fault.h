/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one value that travels from pairing to encoding. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/model/callstack.h"
#include "daemon/engine/model/map.h"
#include "proto/vocabulary.h"

struct page_state { /* of the faulting page, sampled by the kernel at an event */
        bool known;
        uint64_t physical;   /* physical address of the faulting byte, 0 = none, the zero page or special memory */
        uint64_t page_bytes; /* 0 = nothing mapped */
};

struct fault {
        uint64_t time_ns;
        uint64_t addr;
        uint64_t ip;
        uint64_t caller_ip;  /* kernel mode: user code that entered the kernel; 0 = not known */
        uint64_t latency_ns; /* UINT64_MAX = not known */
        uint64_t error_code; /* valid if has_error_code */
        pid_t pid, tid;
        uint32_t cpu;
        bool has_error_code;
        bool anchored; /* false: a completion without entry at a level that has entries (its anchor was lost) */
        bool completed, major;
        bool incomplete; /* companion records were lost */
        bool overlapped; /* another thread had a fault open on the same page at the same time */
        bool lost_race;  /* ... and completed it before this one did */
        bool loss_seen;  /* records were lost while it was open: the completion may be that of a later fault */
        bool stack_grew; /* the kernel grew [stack] over addr during this fault */
        bool ended;      /* not completed, and the thread or the trace ended meanwhile */
        bool signalled;  /* not completed: the thread was seen to be sent SIGSEGV or SIGBUS for it */
        enum mode mode;
        struct page_state before, after;

        /* Filled on the way; references are the fault's. */
        struct map *map, *code_map, *caller_map;
        /*
         * Not completed, and the map at addr was replaced before that was known (a SIGSEGV handler that calls
         * mprotect(2)): the one that the fault hit, NULL = none.
         */
        struct map *map_then;
        bool has_map_then;
        char comm[16];           /* the thread's name at the time; not NUL-terminated when full */
        struct callstack *stack; /* NULL = none came with it, or not in time; a reference */
        struct map *above;       /* not completed: the first map above addr (guard pages, stack overflow) */
        enum outcome outcome;
        enum cause cause;
        enum access access;
        enum evidence evidence;
        bool unresolved;
};
