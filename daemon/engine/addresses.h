/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The upkeep of one address space: the snapshot at the attach, the records afterwards, and questions to /proc where a
 * fault contradicts what is known (no event tells of munmap, mremap or a shrinking heap, unless --unmaps is given).
 *
 * There is one for each memory, not for each process: children of vfork(2) and of clone(2) with CLONE_VM share it. It
 * is counted by reference, because faults that wait to be shown outlive an exec.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/decode/record.h"
#include "daemon/engine/jit.h"
#include "daemon/engine/model/aspace.h"
#include "daemon/engine/model/fault.h"

struct address_range {
        uint64_t start, end;
};

struct addresses {
        unsigned int n_refs;
        unsigned int n_processes; /* that have this memory now */
        uint32_t id;              /* within the trace, never used again: answers that come late name it */
        struct aspace *aspace;
        int maps_fd, smaps_fd;     /* owned, -1 = none */
        uint64_t snapshot_ns;      /* map records stamped earlier are in the snapshot already */
        bool no_query;             /* the kernel has no PROCMAP_QUERY: the whole text is read instead */
        uint64_t text_read_ns;     /* when it was last read */
        unsigned int *name_budget; /* borrowed: questions left in this pass that only serve better names */
        /*
         * The program heap is reported as plain anonymous memory when it first appears, because the kernel names it
         * only once it has grown (mm/mmap.c, brk: the map is made before mm->brk moves). After an exec it is known all
         * the same.
         */
        enum { HEAP_UNKNOWN, HEAP_LOADING, HEAP_EXPECTED } heap;
        uint64_t program_inode, program_end;
        struct jit jit; /* names of the code that the program generates */
        /* Ranges registered with userfaultfd, as last asked. */
        struct address_range *userfault;
        size_t n_userfault, size_userfault;
        bool userfault_known;
        bool userfault_wanted;  /* the owner is to read VmFlags and bring them by addresses_take_smaps() */
        bool userfault_pending; /* ... and has not yet */
        uint64_t userfault_wanted_ns, userfault_asked_ns, userfault_answered_ns, userfault_cost_ns;
};

/* Empty, without descriptors; one reference is the caller's. 0 or -ENOMEM. */
int addresses_new(uint32_t id, unsigned int *name_budget, struct addresses **ret) MUST_CHECK;
/* fork(2): what is mapped is the same, from now on each has its own. Errors as above. */
int addresses_fork(const struct addresses *parent, uint32_t id, struct addresses **ret) MUST_CHECK;
/*
 * They were one all the time: what `from` knows where this knows nothing is mapped in both. false: they contradict each
 * other, and which of them is newer only /proc can tell (or there was no memory for all).
 */
bool addresses_join(struct addresses *addresses, const struct addresses *from) MUST_CHECK;
struct addresses *addresses_ref(struct addresses *addresses);
struct addresses *addresses_unref(struct addresses *addresses); /* NULL passes through; returns NULL */
/* Of its /proc files; taken, -1 = none. */
void addresses_give(struct addresses *addresses, int maps_fd, int smaps_fd);
/* No process has this memory any more: nothing can be asked about it. */
void addresses_abandon(struct addresses *addresses);

/* Read /proc/PID/maps now. 0 or -errno (the process may just have gone: not fatal). */
int addresses_snapshot(struct addresses *addresses) MUST_CHECK;
/* The same from a text that somebody else has begun to read at begun_ns, before any record was applied. 0 or -ENOMEM.
 */
int addresses_take_maps(struct addresses *addresses, const char *text, size_t n_text, uint64_t begun_ns) MUST_CHECK;
/* The VmFlags that were wanted; n_text 0 = they could not be had. */
void addresses_take_smaps(struct addresses *addresses, const char *text, size_t n_text, uint64_t begun_ns,
                          uint64_t ended_ns);
/* Apply a MAP record. */
int addresses_record(struct addresses *addresses, const struct record *record) MUST_CHECK;
/* Apply an UNMAP record: what went is remembered, with who did it. */
int addresses_unmap(struct addresses *addresses, const struct record *record) MUST_CHECK;
/* This new memory is that of a program which the kernel loads now, seen from its first map on. */
void addresses_begin_program(struct addresses *addresses);

/*
 * The map at addr, after asking /proc if what is known contradicts the fault: nothing known there, or an access that
 * completed although the map does not permit it, or did not complete although it does. Borrowed.
 */
struct map *addresses_of_fault(struct addresses *addresses, const struct fault *fault, unsigned int access);
/* The map at an address whose access is not in doubt. Borrowed. */
struct map *addresses_lookup(struct addresses *addresses, uint64_t addr);

/* Whether addr is registered with userfaultfd, as last asked. *ret_known: false = cannot tell. */
bool addresses_userfault(const struct addresses *addresses, uint64_t addr, bool *ret_known);
/*
 * A fault that ended at end_ns waited long enough to have waited for user space: have VmFlags read if that is worth it.
 * true: the answer is on its way.
 */
bool addresses_await_userfault(struct addresses *addresses, uint64_t end_ns, uint64_t now_ns);
