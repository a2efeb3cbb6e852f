/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files are read with pread(2): one descriptor serves any number of ranges, and nobody's position moves. What the
 * kernel is handed (struct page_region too) is written out here because the headers of the build machine may be older
 * than the kernel that we run on; all of it is fixed by its interface (include/uapi/linux/fs.h,
 * include/uapi/linux/mman.h).
 */
#include "client/proc/pages_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "client/proc/pagemap.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

struct scan_arguments {
        uint64_t size_bytes, flags, start, end, walk_end, regions, n_regions, max_pages;
        uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arguments)

int pages_open(int folder_fd)
{
        int fd = openat(folder_fd, "pagemap", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* All of it, or -errno; what is beyond the end of the file is *ret_n short. */
static int read_at(int fd, void *to, size_t n_bytes, uint64_t offset, size_t *ret_n)
{
        size_t n_done = 0;

        while (n_done < n_bytes) {
                ssize_t n = pread(fd, (char *)to + n_done, n_bytes - n_done, (off_t)(offset + n_done));

                if (n == 0)
                        break;
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        n_done += (size_t)n;
        }
        *ret_n = n_done;
        return 0;
}

int pages_read(int pagemap_fd, uint64_t address, size_t n_pages, uint64_t *ret_entries)
{
        uint64_t offset = address / PAGEMAP_PAGE_BYTES * sizeof(uint64_t);
        size_t n_bytes = n_pages * sizeof(uint64_t), n_read;
        int r = read_at(pagemap_fd, ret_entries, n_bytes, offset, &n_read);

        if (r < 0)
                return r;
        n_read -= n_read % sizeof(uint64_t);
        memset((char *)ret_entries + n_read, 0, n_bytes - n_read);
        return 0;
}

int pages_scan(int pagemap_fd, struct page_scan *scan)
{
        struct scan_arguments arguments = {
                .size_bytes = sizeof(arguments),
                .start = scan->start,
                .end = scan->end,
                .regions = (uintptr_t)scan->regions,
                .n_regions = scan->n_regions,
                .category_anyof_mask = scan->categories,
                .return_mask = scan->categories,
        };
        int n = ioctl(pagemap_fd, SCAN_IOCTL, &arguments);

        if (n < 0)
                return -errno;
        scan->walk_end = arguments.walk_end;
        return n;
}

int pages_categories(int pagemap_fd, uint64_t address, uint64_t *ret)
{
        uint64_t page = address - address % PAGEMAP_PAGE_BYTES;
        struct page_region region = {0};
        struct page_scan scan = {
                .start = page,
                .end = page + PAGEMAP_PAGE_BYTES,
                .categories =
                        PAGEMAP_IS_FILE | PAGEMAP_IS_PRESENT | PAGEMAP_IS_SWAPPED | PAGEMAP_IS_ZERO | PAGEMAP_IS_HUGE,
                .regions = &region,
                .n_regions = 1,
        };
        int n = pages_scan(pagemap_fd, &scan);

        if (n < 0)
                return n;
        *ret = n > 0 ? region.categories : 0;
        return 0;
}

/* One number of a file that has one for each frame. */
static int read_of_frame(const char *path, uint64_t frame, uint64_t *ret)
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        uint64_t value;
        size_t n_read;
        int r;

        if (fd < 0)
                return -errno;
        r = read_at(fd, &value, sizeof(value), frame * sizeof(value), &n_read);
        if (r < 0)
                return r;
        if (n_read != sizeof(value))
                return -ENODATA;
        *ret = value;
        return 0;
}

int pages_frame_flags(uint64_t frame, uint64_t *ret)
{
        return read_of_frame("/proc/kpageflags", frame, ret);
}

int pages_frame_count(uint64_t frame, uint64_t *ret)
{
        return read_of_frame("/proc/kpagecount", frame, ret);
}

int pages_cache(int fd, uint64_t offset, struct page_cache *ret)
{
        struct {
                uint64_t offset, n_bytes;
        } range = {offset - offset % PAGEMAP_PAGE_BYTES, PAGEMAP_PAGE_BYTES};
        struct {
                uint64_t n_cached, n_dirty, n_writeback, n_evicted, n_recently_evicted;
        } counts = {0};

        if (syscall(SYS_cachestat, (unsigned int)fd, &range, &counts, 0U) < 0)
                return -errno;
        *ret = (struct page_cache){.cached = counts.n_cached > 0, .dirty = counts.n_dirty > 0};
        return 0;
}
