/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Faults on their way out: they wait in order for the names of their images, are classified, and become protocol events
 * with dictionary ids. Bounded: when too many wait, the oldest go out unresolved.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/addresses.h"
#include "daemon/engine/model/fault.h"
#include "daemon/engine/model/place.h"
#include "daemon/engine/names.h"
#include "daemon/engine/serve/dict.h"
#include "proto/proto.h"

#define RESOLVE_CACHE 1024 /* power of two */

/* A remembered answer: addresses of [start, end) in this map have the place id. */
struct resolve_memo {
        struct map *map; /* referenced; NULL = the kernel, or free when epoch is 0 */
        uint64_t start, end;
        uint32_t epoch, generation, id;
};

struct thread_name {
        pid_t tid;          /* 0 = free */
        uint32_t epoch, id; /* of comm, in the dictionary */
        char comm[16];
};

struct resolve {
        struct names *names;         /* borrowed */
        struct addresses *addresses; /* borrowed */
        struct dict *dict;           /* borrowed */
        uint32_t trace;
        bool hide_kernel; /* kernel addresses are not even shown as a place's base */
        bool numa_balancing;
        bool is_threaded; /* the target has more than one thread */
        bool swap_in_use;
        struct fault *waiting; /* ring */
        size_t first, n, size;
        struct resolve_memo *memos;  /* RESOLVE_CACHE */
        struct thread_name *threads; /* open addressing */
        size_t n_threads, size_threads;
};

/* The borrowed pointers, trace and hide_kernel must be set. */
int resolve_init(struct resolve *resolve) MUST_CHECK;
void resolve_deinit(struct resolve *resolve);

int resolve_thread_name(struct resolve *resolve, pid_t tid, const char *comm) MUST_CHECK;
int resolve_thread_born(struct resolve *resolve, pid_t tid, pid_t parent_tid) MUST_CHECK; /* inherits the name */
void resolve_thread_exited(struct resolve *resolve, pid_t tid);

/* Attach maps to a fault as the address space is now, and let it wait. 0 or -ENOMEM (the fault is lost). */
int resolve_put(struct resolve *resolve, struct fault *fault, uint64_t now_ns) MUST_CHECK;
/*
 * The next fault that can go: its names are there, or have taken too long. true: *ret_fault (its references are the
 * caller's, see resolve_release()) and *ret_event.
 */
bool resolve_next(struct resolve *resolve, uint64_t now_ns, struct fault *ret_fault, struct proto_event *ret_event);
void resolve_release(struct fault *fault);
/* The map at the fault's address is about to be replaced: keep it if the fault has none kept yet. */
void resolve_keep_map(struct resolve *resolve, struct fault *fault);
