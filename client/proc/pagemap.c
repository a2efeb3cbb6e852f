/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bits of Documentation/admin-guide/mm/pagemap.rst. One of them says less than its name: bit 62, "swapped", is set
 * for every entry that is neither empty nor present (fs/proc/task_mmu.c, pte_to_pagemap_entry()): guard regions,
 * markers of userfaultfd, poisoned and migrating pages, too. Guard regions have a bit of their own since 6.15; markers
 * are known by their number as a swap area, the last of all, 31 (include/linux/swap.h, SWP_PTE_MARKER since 5.19; there
 * are never so many real ones), where that may be read.
 */
#include "client/proc/pagemap.h"

#include "proto/base.h"

enum {
        SWAP_TYPE_BITS = 5,
        SWAP_TYPE_MARKER = 31,
        FRAME_BITS = 55,
        BIT_SOFT_DIRTY = 55,
        BIT_EXCLUSIVE = 56,
        BIT_WRITE_PROTECTED = 57,
        BIT_GUARD = 58,
        BIT_FILE = 61,
        BIT_SWAP = 62,
        BIT_PRESENT = 63,
};

static bool has_bit(uint64_t entry, unsigned int bit)
{
        return entry >> bit & 1;
}

void pagemap_decode(uint64_t entry, struct pagemap_page *ret)
{
        uint64_t number = entry & ((UINT64_C(1) << FRAME_BITS) - 1);
        unsigned int type = number & ((1U << SWAP_TYPE_BITS) - 1);
        bool elsewhere = has_bit(entry, BIT_SWAP) && !has_bit(entry, BIT_PRESENT);
        bool guard = has_bit(entry, BIT_GUARD);

        *ret = (struct pagemap_page){
                .present = has_bit(entry, BIT_PRESENT),
                .guard = guard,
                .swapped = elsewhere && !guard && type != SWAP_TYPE_MARKER,
                .marked = elsewhere && !guard && type == SWAP_TYPE_MARKER,
                .file_or_shared = has_bit(entry, BIT_FILE),
                .exclusive = has_bit(entry, BIT_EXCLUSIVE),
                .soft_dirty = has_bit(entry, BIT_SOFT_DIRTY),
                .write_protected = has_bit(entry, BIT_WRITE_PROTECTED),
        };
        if (ret->present && number != 0) {
                ret->has_frame = true;
                ret->frame = number;
        }
        if ((ret->swapped || ret->marked) && number != 0) {
                ret->has_slot = true;
                ret->swap_type = type;
                ret->swap_offset = number >> SWAP_TYPE_BITS;
        }
}

const char *kpageflag_text(unsigned int bit)
{
        static const char *const words[] = {
                [0] = "locked",         [1] = "error",      [2] = "referenced",   [3] = "uptodate",
                [4] = "dirty",          [5] = "lru",        [6] = "active",       [7] = "slab",
                [8] = "writeback",      [9] = "reclaim",    [10] = "buddy",       [11] = "mmap",
                [12] = "anon",          [13] = "swapcache", [14] = "swapbacked",  [15] = "compound-head",
                [16] = "compound-tail", [17] = "huge",      [18] = "unevictable", [19] = "hwpoison",
                [20] = "nopage",        [21] = "ksm",       [22] = "thp",         [23] = "offline",
                [24] = "zero-page",     [25] = "idle",      [26] = "page-table",
        };

        return bit < ARRAY_SIZE(words) ? words[bit] : NULL;
}
