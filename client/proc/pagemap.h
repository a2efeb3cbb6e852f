/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel tells of a page: an entry of /proc/PID/pagemap, the categories of the ioctl PAGEMAP_SCAN, and a word
 * of /proc/kpageflags (Documentation/admin-guide/mm/pagemap.rst; fs/proc/task_mmu.c; fs/proc/page.c). Pure: numbers in,
 * facts out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGEMAP_PAGE_BYTES UINT64_C(4096)

/*
 * One entry. Frame, swap type and swap offset are 0 for whoever has no CAP_SYS_ADMIN: has_frame and has_slot are false
 * then. A frame of number 0 is nobody's on x86-64, so the two are not confused.
 */
struct pagemap_page {
        bool present;         /* a page is mapped here, be it behind PROT_NONE */
        bool swapped;         /* in swap space, and not a guard region or another marker */
        bool marked;          /* neither: something else that the kernel keeps in an entry that is not present */
        bool guard;           /* MADV_GUARD_INSTALL (since Linux 6.15) */
        bool file_or_shared;  /* of a file, or of shared memory, or the huge page of zeros; otherwise anonymous, or the
                                 small one */
        bool exclusive;       /* mapped once (since 4.2); never set for the zero page */
        bool soft_dirty;      /* written since /proc/PID/clear_refs was; never set by kernels without such bits */
        bool write_protected; /* by userfaultfd (since 5.13) */
        bool has_frame;       /* present: */
        uint64_t frame;       /* physical page frame number */
        bool has_slot;        /* swapped or marked: */
        unsigned int swap_type; /* number of the swap area, in the order of /proc/swaps */
        uint64_t swap_offset;   /* in pages */
};

void pagemap_decode(uint64_t entry, struct pagemap_page *ret);

/* Categories of PAGEMAP_SCAN (since 6.7), which need no more rights than pagemap itself; include/uapi/linux/fs.h. */
enum pagemap_category {
        PAGEMAP_IS_FILE = 1 << 2,
        PAGEMAP_IS_PRESENT = 1 << 3,
        PAGEMAP_IS_SWAPPED = 1 << 4,
        PAGEMAP_IS_ZERO = 1 << 5,  /* the shared zero page, small or huge */
        PAGEMAP_IS_HUGE = 1 << 6,  /* mapped by an entry of a level above the last, or of hugetlbfs */
        PAGEMAP_IS_GUARD = 1 << 8, /* since 6.16 */
};

/* Bits of kpageflags that decide something here; include/uapi/linux/kernel-page-flags.h. */
#define KPAGEFLAG_DIRTY (UINT64_C(1) << 4)
#define KPAGEFLAG_ZERO_PAGE (UINT64_C(1) << 24)

/* "dirty", "lru" ...; NULL for a bit without a meaning that is documented (those from 32 on are for who works on
 * the kernel, and change). */
const char *kpageflag_text(unsigned int bit);
#define N_KPAGEFLAGS 64
