/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PROCMAP_QUERY, a request on an open /proc/PID/maps (include/uapi/linux/fs.h, since Linux 6.11). Debian 12's headers
 * are older than it, and the monitor, the engine and its sandbox all speak of it.
 */
#pragma once

#include <stdint.h>
#include <sys/ioctl.h>

struct procmap_query {
        uint64_t size, query_flags, query_addr;
        uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset;
        uint64_t inode;
        uint32_t dev_major, dev_minor;
        uint32_t vma_name_size, build_id_size;
        uint64_t vma_name_addr, build_id_addr;
};
_Static_assert(sizeof(struct procmap_query) == 104, "the kernel's struct procmap_query");

#define PROCMAP_QUERY_REQUEST _IOWR('f', 17, struct procmap_query)

enum procmap_query_flags {
        PROCMAP_READABLE = 0x1,
        PROCMAP_WRITABLE = 0x2,
        PROCMAP_EXECUTABLE = 0x4,
        PROCMAP_SHARED = 0x8,
        PROCMAP_COVERING_OR_NEXT = 0x10,
};
