/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading what the kernel knows of pages: /proc/PID/pagemap by range, /proc/kpageflags and /proc/kpagecount by frame,
 * the page cache by file. Everything only reads; no page is touched, none is brought in. -errno where nothing is said.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

/* /proc/PID/pagemap, by the process's folder; the caller's. -EACCES: no ptrace access (ptrace(2)). */
int pages_open(int folder_fd) MUST_CHECK;

/*
 * The entries of n_pages pages from the one that holds address, for pagemap_decode(). 0; what the kernel has no entry
 * for (beyond what a process can map) is 0, as for a page that nothing is known of.
 */
int pages_read(int pagemap_fd, uint64_t address, size_t n_pages, uint64_t *ret_entries) MUST_CHECK;

/*
 * PAGEMAP_SCAN (since Linux 6.7): the regions from start to end that have any of these categories, enum
 * pagemap_category, and which of them; by address. walk_end: how far the kernel has got, which is the end, or where
 * there was no room for more regions. Returns the number of regions. -ENOTTY: older; -EINVAL: it does not know a
 * category.
 */
struct page_region {
        uint64_t start, end, categories;
};
struct page_scan {
        uint64_t start, end, categories; /* in; whole pages */
        struct page_region *regions;     /* room for n_regions */
        size_t n_regions;
        uint64_t walk_end; /* out */
};
int pages_scan(int pagemap_fd, struct page_scan *scan) MUST_CHECK;

/*
 * The categories of the page that holds address, enum pagemap_category. -ENOTTY: Linux older than 6.7. 0 in *ret: none
 * of them, as for a page that is not present.
 */
int pages_categories(int pagemap_fd, uint64_t address, uint64_t *ret) MUST_CHECK;

/* The words of one frame. -EACCES: only root may. */
int pages_frame_flags(uint64_t frame, uint64_t *ret) MUST_CHECK;
int pages_frame_count(uint64_t frame, uint64_t *ret) MUST_CHECK; /* times that it is mapped */

/*
 * Whether the page of the file with this offset is in the page cache: cachestat(2), since 6.5. -ENOSYS: older; -EPERM:
 * neither the owner of the file nor may write it (since 6.14); -EOPNOTSUPP: a file of hugetlbfs.
 */
struct page_cache {
        bool cached, dirty;
};
int pages_cache(int fd, uint64_t offset, struct page_cache *ret) MUST_CHECK;
