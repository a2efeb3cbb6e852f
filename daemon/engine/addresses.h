/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The upkeep of one trace's address space: the snapshot at the attach, the records afterwards, and questions to /proc
 * where a fault contradicts what is known (no event tells of munmap, mremap or a shrinking heap).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/decode/record.h"
#include "daemon/engine/model/aspace.h"
#include "daemon/engine/model/fault.h"

struct address_range {
        uint64_t start, end;
};

struct addresses {
        struct aspace *aspace;
        int maps_fd, smaps_fd;    /* owned, -1 = none */
        uint64_t snapshot_ns;     /* map records stamped earlier are in the snapshot already */
        bool no_query;            /* the kernel has no PROCMAP_QUERY: the whole text is read instead */
        uint64_t text_read_ns;    /* when it was last read */
        unsigned int name_budget; /* questions left in this pass that only serve better names */
        /*
         * The program heap is reported as plain anonymous memory when it first appears, because the kernel names it
         * only once it has grown (mm/mmap.c, brk: the map is made before mm->brk moves). After an exec it is known all
         * the same.
         */
        enum { HEAP_UNKNOWN, HEAP_LOADING, HEAP_EXPECTED } heap;
        uint64_t program_inode, program_end;
        /* Ranges registered with userfaultfd, as last asked. */
        struct address_range *userfault;
        size_t n_userfault, size_userfault;
        bool userfault_known;
        uint64_t userfault_asked_ns, userfault_cost_ns;
};

/* Takes the descriptors. 0 or -ENOMEM. */
int addresses_init(struct addresses *addresses, int maps_fd, int smaps_fd) MUST_CHECK;
void addresses_deinit(struct addresses *addresses);

/* Read /proc/PID/maps and VmFlags: what is mapped now, at the start and after records were lost. 0 or -errno (the
 * process may just have gone: not fatal). */
int addresses_snapshot(struct addresses *addresses) MUST_CHECK;
/* Apply a MAP record. */
int addresses_record(struct addresses *addresses, const struct record *record) MUST_CHECK;
/* After an exec nothing known is true, and the old descriptors answer for the old memory. */
void addresses_exec(struct addresses *addresses);

/*
 * The map at addr, after asking /proc if what is known contradicts the fault: nothing known there, or an access that
 * completed although the map does not permit it, or did not complete although it does. Borrowed.
 */
struct map *addresses_of_fault(struct addresses *addresses, const struct fault *fault, unsigned int access);
/* The map at an address whose access is not in doubt. Borrowed. */
struct map *addresses_lookup(struct addresses *addresses, uint64_t addr);

/* Whether addr is registered with userfaultfd; asks again when it is worth it. *ret_known: false = cannot tell. */
bool addresses_userfault(struct addresses *addresses, uint64_t addr, bool suspicious, bool *ret_known);
