/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files on storage. Read faults are FAULT_AROUND_BYTES apart because the kernel maps the cached neighbours of a page
 * with it; write faults never do that. MADV_RANDOM keeps read-ahead from bringing in what a later access should wait
 * for.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "target.h"

#define TMPFS_MAGIC_NUMBER 0x01021994
#define OVERLAY_MAGIC_NUMBER 0x794c7630
#define N_PAGES 16
#define FILE_BYTES (N_PAGES * FAULT_AROUND_BYTES)

static char file_name[] = "faultline-file-XXXXXX";

/* A file in the working directory, its pages clean and in the cache. */
static int make_file(void)
{
        static char block[FAULT_AROUND_BYTES] = {1};
        struct statfs fs;
        int fd = mkstemp(file_name);

        if (fd < 0)
                target_fail("creating a file in the working directory");
        if (fstatfs(fd, &fs) < 0 || fs.f_type == TMPFS_MAGIC_NUMBER || fs.f_type == OVERLAY_MAGIC_NUMBER) {
                (void)unlink(file_name);
                target_skip("the working directory is not on storage");
        }
        for (size_t i = 0; i < FILE_BYTES / sizeof(block); i++)
                if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
                        target_fail("writing the file");
        if (fsync(fd) < 0)
                target_fail("syncing the file");
        return fd;
}

static char *map_file(int fd, int prot, int flags)
{
        char *p = mmap(NULL, FILE_BYTES, prot, flags, fd, 0);

        if (p == MAP_FAILED || madvise(p, FILE_BYTES, MADV_RANDOM) < 0)
                target_fail("mapping the file");
        return p;
}

static void finish(void)
{
        target_done();
        (void)unlink(file_name);
}

static void expect_file(const char *p, const char *cause, const char *access, const char *outcome)
{
        expect(&(struct expectation){.addr = p,
                                     .n = N_PAGES,
                                     .stride = FAULT_AROUND_BYTES,
                                     .cause = cause,
                                     .evidence = outcome[1] == 'a' ? "inferred" : NULL,
                                     .access = access,
                                     .outcome = outcome,
                                     .page_size = PAGE_BYTES,
                                     .code = access[0] == 'r' ? "touch_read" : "touch_write"});
}

static void minor(void)
{
        char *p = map_file(make_file(), PROT_READ, MAP_PRIVATE);

        expect_file(p, "file-minor", "read", "minor");
        target_gate();
        touch_read_each(p, N_PAGES, FAULT_AROUND_BYTES);
        finish();
}

static void major(void)
{
        int fd = make_file();
        unsigned char present[FILE_BYTES / PAGE_BYTES];
        char *p = map_file(fd, PROT_READ, MAP_PRIVATE);

        if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0 || mincore(p, FILE_BYTES, present) < 0)
                target_fail("dropping the file's pages from the cache");
        for (size_t i = 0; i < sizeof(present); i++)
                if (present[i] & 1) {
                        (void)unlink(file_name);
                        target_skip("this file system keeps pages after POSIX_FADV_DONTNEED");
                }
        expect_file(p, "file-major", "read", "major");
        target_gate();
        touch_read_each(p, N_PAGES, FAULT_AROUND_BYTES);
        finish();
}

static void cow_first_touch(void)
{
        char *p = map_file(make_file(), PROT_READ | PROT_WRITE, MAP_PRIVATE);

        expect_file(p, "file-cow", "write", "minor");
        target_gate();
        touch_write_each(p, N_PAGES, FAULT_AROUND_BYTES);
        finish();
}

static void cow_after_read(void)
{
        char *p = map_file(make_file(), PROT_READ | PROT_WRITE, MAP_PRIVATE);

        expect_file(p, "file-minor", "read", "minor");
        expect_file(p, "file-cow", "write", "minor");
        target_gate();
        touch_read_each(p, N_PAGES, FAULT_AROUND_BYTES);
        touch_write_each(p, N_PAGES, FAULT_AROUND_BYTES);
        finish();
}

static void mkwrite_first_touch(void)
{
        char *p = map_file(make_file(), PROT_READ | PROT_WRITE, MAP_SHARED);

        expect_file(p, "mkwrite", "write", "minor");
        target_gate();
        touch_write_each(p, N_PAGES, FAULT_AROUND_BYTES);
        finish();
}

static void mkwrite_after_read(void)
{
        char *p = map_file(make_file(), PROT_READ | PROT_WRITE, MAP_SHARED);

        expect_file(p, "file-minor", "read", "minor");
        expect_file(p, "mkwrite", "write", "minor");
        target_gate();
        touch_read_each(p, N_PAGES, FAULT_AROUND_BYTES);
        touch_write_each(p, N_PAGES, FAULT_AROUND_BYTES);
        finish();
}

const struct target_case target_cases[] = {
        {"file-minor", minor},
        {"file-major", major},
        {"file-cow", cow_first_touch},
        {"file-cow-after-read", cow_after_read},
        {"mkwrite", mkwrite_first_touch},
        {"mkwrite-after-read", mkwrite_after_read},
        {NULL, NULL},
};
