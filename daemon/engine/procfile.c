/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Confirming the address space costs a system call, so it is done by point queries where the kernel has them: half a
 * microsecond each, and under the lock of one map only.
 */
#include "daemon/engine/procfile.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "daemon/link/procmap.h"

#define TEXT_MAX_BYTES ((size_t)256 << 20)

#define HUGE_PAGE_BYTES 4096

static int reserve(char **text, size_t *size, size_t n)
{
        char *larger;

        if (n < *size)
                return 0;
        if (*size >= TEXT_MAX_BYTES)
                return -EFBIG;
        larger = realloc(*text, *size * 2);
        if (!larger)
                return -ENOMEM;
        *text = larger;
        *size *= 2;
        return 0;
}

int procfile_read(int fd, char **ret_text, size_t *ret_n)
{
        size_t size = (size_t)64 << 10, n = 0;
        CLEANUP_FREE char *text = malloc(size);
        ssize_t got;
        int r;

        if (!text)
                return -ENOMEM;
        while ((got = pread(fd, text + n, size - n, (off_t)n)) != 0) {
                if (got < 0 && errno != EINTR)
                        return -errno;
                n += got > 0 ? (size_t)got : 0;
                r = reserve(&text, &size, n);
                if (r < 0)
                        return r;
        }
        if (!n)
                return -ESRCH;
        *ret_text = TAKE_PTR(text);
        *ret_n = n;
        return 0;
}

static void fill_spec(const struct procmap_query *query, const char *name, struct map_spec *ret)
{
        bool is_file = query->inode != 0;

        *ret = (struct map_spec){
                .start = query->vma_start,
                .end = query->vma_end,
                .offset = is_file ? query->vma_offset : 0,
                .readable = query->vma_flags & PROCMAP_READABLE,
                .writable = query->vma_flags & PROCMAP_WRITABLE,
                .executable = query->vma_flags & PROCMAP_EXECUTABLE,
                .shared = query->vma_flags & PROCMAP_SHARED,
                .hugetlb = query->vma_page_size > HUGE_PAGE_BYTES,
                .major = query->dev_major,
                .minor = query->dev_minor,
                .inode = query->inode,
                .path = name,
                .n_path = query->vma_name_size ? query->vma_name_size - 1 : 0,
        };
}

int procfile_query(int maps_fd, uint64_t addr, char *name, size_t n_name, struct map_spec *ret)
{
        struct procmap_query query = {
                .size = sizeof(query),
                .query_flags = PROCMAP_COVERING_OR_NEXT,
                .query_addr = addr,
                .vma_name_size = (uint32_t)n_name,
                .vma_name_addr = (uintptr_t)name,
        };

        if (ioctl(maps_fd, PROCMAP_QUERY_REQUEST, &query) < 0) {
                if (errno != ENOENT)
                        return -errno;
                *ret = (struct map_spec){.start = addr & ~UINT64_C(0xfff), .end = UINT64_C(1) << 47};
                return PROCFILE_GAP;
        }
        if (query.vma_start > addr) {
                *ret = (struct map_spec){.start = addr & ~UINT64_C(0xfff), .end = query.vma_start};
                return PROCFILE_GAP;
        }
        fill_spec(&query, name, ret);
        return PROCFILE_MAP;
}
