/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of tmpfs in its three guises: shared anonymous, a file of /dev/shm, a memfd. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target.h"

#define N_PAGES 32
#define HALF (N_PAGES / 2)

static void expect_shmem(const char *p, size_t n, const char *access)
{
        expect(&(struct expectation){.addr = p,
                                     .n = n,
                                     .stride = PAGE_BYTES,
                                     .cause = "shmem",
                                     .access = access,
                                     .page_size = PAGE_BYTES,
                                     .code = access[0] == 'r' ? "touch_read" : "touch_write"});
}

/* The first half is written, the second read: no page exists before, so none is mapped by a neighbour's fault. */
static void touch_fresh(int fd)
{
        int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
        char *p = mmap(NULL, N_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);

        if (p == MAP_FAILED)
                target_fail("mapping shared memory");
        expect_shmem(p, HALF, "write");
        expect_shmem(p + HALF * PAGE_BYTES, HALF, "read");
        target_gate();
        touch_write_each(p, HALF, PAGE_BYTES);
        touch_read_each(p + HALF * PAGE_BYTES, HALF, PAGE_BYTES);
        target_done();
}

static void anonymous(void)
{
        touch_fresh(-1);
}

static void dev_shm(void)
{
        char name[64];
        int fd;

        (void)snprintf(name, sizeof(name), "/faultline-test-%d", (int)getpid());
        fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || ftruncate(fd, N_PAGES * PAGE_BYTES) < 0)
                target_fail("creating a file in /dev/shm");
        touch_fresh(fd);
        (void)shm_unlink(name);
}

static void memfd(void)
{
        int fd = memfd_create("faultline-test", MFD_CLOEXEC);

        if (fd < 0 || ftruncate(fd, N_PAGES * PAGE_BYTES) < 0)
                target_fail("creating a memfd");
        touch_fresh(fd);
}

const struct target_case target_cases[] = {
        {"anonymous", anonymous}, {"dev-shm", dev_shm}, {"memfd", memfd}, {NULL, NULL}};
