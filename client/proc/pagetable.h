/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How x86-64 takes an address apart: nine bits an index, from the highest level down to the offset in the page (Intel
 * SDM vol. 3, 4.5; Documentation/arch/x86/x86_64/5level-paging.rst). The one place that knows. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PAGE_SHIFT_4K 12
#define N_LEVELS_MAX 5

struct pagetable_level {
        const char *name;      /* "PGD", "P4D", "PUD", "PMD", "PTE", as in the kernel */
        unsigned int shift;    /* the lowest of its nine bits */
        unsigned int index;    /* 0 to 511 */
        uint64_t covers_bytes; /* what one entry of it maps */
};

/* From the top down; n_levels is 4 or 5. With 4 there is no P4D. Returns n_levels. */
unsigned int pagetable_indices(uint64_t address, unsigned int n_levels,
                               struct pagetable_level ret[static N_LEVELS_MAX]);

/* The first address that user space cannot have: 1 << 47 or 1 << 56. Whether the address is canonical: the bits above
 * the highest index repeat its highest bit. */
uint64_t pagetable_user_end(unsigned int n_levels);
/* TASK_SIZE_MAX, a page below that: nothing can be mapped from here on, and the kernel takes accesses for ones to its
 * own addresses (arch/x86/mm/fault.c, fault_in_kernel_space()). */
uint64_t pagetable_task_end(unsigned int n_levels);
bool pagetable_is_canonical(uint64_t address, unsigned int n_levels);
