/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages whose state is known, each touched once. Before the gate a case says of every page where it is, what the kernel
 * should show of it, and how it will be touched; behind the gate it does that, and then says which signal came, if any.
 * What the touch will bring is for the test to foresee: "way" is only which of two answers will be true where nobody
 * outside can know.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define N_TOUCHES_MAX 64
#define FILE_PAGES 256
#define CODE_RETURN 0xc3

/* What pagemap shows; a field of 0 is false. */
struct shown {
        bool present, exclusive, file, zero, guard, huge;
};

static const struct shown absent = {.present = false};
static const struct shown own = {.present = true, .exclusive = true};
static const struct shown zero = {.present = true, .zero = true};
static const struct shown of_file = {.present = true, .file = true, .exclusive = true};

struct touch {
        char *addr;
        char access; /* r, w, x */
        int signo, code;
        uintptr_t signal_addr;
};

static struct touch touches[N_TOUCHES_MAX];
static size_t n_touches;
static volatile size_t current;
static sigjmp_buf back;
static volatile char output_buffer; /* target.c has one too: a name that two things have */
static char file_name[] = "faultline-walk-XXXXXX";

static void on_signal(int signo, siginfo_t *info, void *context)
{
        struct touch *touch = &touches[current];

        (void)context;
        touch->signo = signo;
        touch->code = info->si_code;
        touch->signal_addr = (uintptr_t)info->si_addr;
        siglongjmp(back, 1);
}

/* shown NULL: there is no map. */
static void plan(const char *name, char *addr, char access, const struct shown *shown, int way)
{
        const char *word = access == 'r' ? "read" : access == 'w' ? "write" : "exec";

        if (n_touches == N_TOUCHES_MAX)
                abort();
        touches[n_touches++] = (struct touch){.addr = addr, .access = access};
        printf("{\"name\":\"%s\",\"addr\":\"0x%lx\",\"access\":\"%s\",\"way\":%d", name, (unsigned long)addr, word,
               way);
        if (shown)
                printf(",\"page\":{\"present\":%s,\"exclusive\":%s,\"file_or_shared\":%s,\"zero\":%s,\"guard\":%s,"
                       "\"huge\":%s}",
                       shown->present ? "true" : "false", shown->exclusive ? "true" : "false",
                       shown->file ? "true" : "false", shown->zero ? "true" : "false", shown->guard ? "true" : "false",
                       shown->huge ? "true" : "false");
        printf("}\n");
}

static void touch_all(void)
{
        for (current = 0; current < n_touches; current++) {
                const struct touch *touch = &touches[current];

                if (sigsetjmp(back, 1))
                        continue;
                if (touch->access == 'r')
                        touch_read(touch->addr);
                else if (touch->access == 'w')
                        touch_write(touch->addr);
                else
                        touch_call(touch->addr);
        }
}

/* All that was planned, and then what it brought. */
static void go(void)
{
        struct sigaction action;

        memset(&action, 0, sizeof(action));
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        if (sigaction(SIGSEGV, &action, NULL) < 0 || sigaction(SIGBUS, &action, NULL) < 0)
                target_fail("sigaction");
        output_buffer = 1;
        if (sigsetjmp(back, 1) == 0) /* once, so that nothing of it is new later */
                siglongjmp(back, 1);
        target_gate();
        touch_all();
        target_done();
        for (size_t i = 0; i < n_touches; i++)
                printf("{\"signo\":%d,\"si_code\":%d,\"si_addr\":\"0x%lx\"}\n", touches[i].signo, touches[i].code,
                       (unsigned long)touches[i].signal_addr);
        if (fflush(stdout) != 0)
                _exit(1);
}

/* One page with nothing mapped on either side, in this state. */
static char *lonely(int prot)
{
        char *room = mmap(NULL, 3 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (room == MAP_FAILED || munmap(room, PAGE_BYTES) < 0 || munmap(room + 2 * PAGE_BYTES, PAGE_BYTES) < 0)
                target_fail("mapping a page");
        if (madvise(room + PAGE_BYTES, PAGE_BYTES, MADV_NOHUGEPAGE) < 0 && errno != EINVAL)
                target_fail("asking for small pages");
        if (prot != (PROT_READ | PROT_WRITE) && mprotect(room + PAGE_BYTES, PAGE_BYTES, prot) < 0)
                target_fail("mprotect");
        return room + PAGE_BYTES;
}

static char *fresh(void)
{
        return lonely(PROT_READ | PROT_WRITE);
}

static char *with_zero(void)
{
        char *p = fresh();

        target_populate(p, PAGE_BYTES, false);
        return p;
}

static char *written(int prot)
{
        char *p = fresh();

        memset(p, CODE_RETURN, PAGE_BYTES);
        if (prot != (PROT_READ | PROT_WRITE) && mprotect(p, PAGE_BYTES, prot) < 0)
                target_fail("mprotect");
        return p;
}

/* --- cases --- */

static void anon(void)
{
        const int rw = PROT_READ | PROT_WRITE;
        char *p;

        plan("untouched, read", fresh(), 'r', &absent, 0);
        plan("untouched, written", fresh(), 'w', &absent, 0);
        plan("untouched, executed", fresh(), 'x', &absent, 0);
        plan("page of zeros, read", with_zero(), 'r', &zero, 0);
        plan("page of zeros, written", with_zero(), 'w', &zero, 0);
        plan("page of zeros, executed", with_zero(), 'x', &zero, 0);
        plan("own, read", written(rw), 'r', &own, 0);
        plan("own, written", written(rw), 'w', &own, 0);
        plan("own, executed", written(rw), 'x', &own, 0);
        plan("code, executed", written(PROT_READ | PROT_EXEC), 'x', &own, 0);
        plan("code, written", written(PROT_READ | PROT_EXEC), 'w', &own, 0);
        plan("read-only, read", written(PROT_READ), 'r', &own, 0);
        plan("read-only, written", written(PROT_READ), 'w', &own, 0);
        plan("read-only and back, written", p = written(PROT_READ), 'w', &own, 0);
        if (mprotect(p, PAGE_BYTES, rw) < 0)
                target_fail("mprotect");
        plan("nothing permitted, untouched, read", lonely(PROT_NONE), 'r', &absent, 0);
        plan("nothing permitted, read", written(PROT_NONE), 'r', &own, 0);
        plan("nothing permitted, written", written(PROT_NONE), 'w', &own, 0);
        plan("nothing permitted, executed", written(PROT_NONE), 'x', &own, 0);
        plan("write-only, read", lonely(PROT_WRITE), 'r', &absent, 0);
        plan("given back, read", p = written(rw), 'r', &absent, 0);
        if (madvise(p, PAGE_BYTES, MADV_DONTNEED) < 0)
                target_fail("MADV_DONTNEED");
        plan("locked, written", p = fresh(), 'w', &own, 0);
        if (mlock(p, PAGE_BYTES) < 0)
                target_fail("mlock");
        go();
}

static void unmapped(void)
{
        char *p = mmap(NULL, 4 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED || munmap(p, PAGE_BYTES) < 0 || munmap(p + 3 * PAGE_BYTES, PAGE_BYTES) < 0 ||
            mprotect(p + PAGE_BYTES, PAGE_BYTES, PROT_NONE) < 0)
                target_fail("mapping a guarded page");
        plan("guard page, read", p + PAGE_BYTES + 8, 'r', &absent, 0);
        plan("guard page, written", p + PAGE_BYTES + 8, 'w', &absent, 0);
        plan("behind a map, read", p + 3 * PAGE_BYTES + 1, 'r', NULL, 0);
        plan("behind a map, written", p + 3 * PAGE_BYTES + 2, 'w', NULL, 0);
        plan("behind a map, executed", p + 3 * PAGE_BYTES + 3, 'x', NULL, 0);
        plan("null, read", NULL, 'r', NULL, 0);
        plan("null, executed", NULL, 'x', NULL, 0);
        plan("behind the last that can be mapped, read", (char *)0x7ffffffff123UL, 'r', NULL, 0);
        plan("kernel, read", (char *)0xffffffff81000000UL, 'r', NULL, 0);
        plan("kernel, written", (char *)0xffff888000000000UL, 'w', NULL, 0);
        plan("not canonical, read", (char *)0x800000000000UL, 'r', NULL, 0);
        plan("not canonical, written", (char *)0x6b6b6b6b6b6b6b6bUL, 'w', NULL, 0);
        go();
}

static void guard(void)
{
        char *p = map_anon(4 * PAGE_BYTES);

        memset(p, 1, 4 * PAGE_BYTES);
        if (madvise(p + PAGE_BYTES, PAGE_BYTES, MADV_GUARD_INSTALL) < 0)
                target_skip("no guard regions here: %s", strerror(errno));
        plan("beside a guard region", p, 'w', &own, 0);
        plan("guard region, read", p + PAGE_BYTES, 'r', &(struct shown){.guard = true}, 0);
        plan("guard region, written", p + PAGE_BYTES + 1, 'w', &(struct shown){.guard = true}, 0);
        plan("guard region, executed", p + PAGE_BYTES + 2, 'x', &(struct shown){.guard = true}, 0);
        go();
}

/* After a fork: shared with a child that lives, and alone again but write-protected still. */
static void forked(void)
{
        const struct shown shared = {.present = true};
        char *zeros = map_anon(4 * PAGE_BYTES), *copied = zeros + PAGE_BYTES, *read_only = zeros + 2 * PAGE_BYTES;
        char *reused = zeros + 3 * PAGE_BYTES, byte;
        int gone[2];
        pid_t child;

        target_populate(zeros, PAGE_BYTES, false);
        memset(copied, 1, 3 * PAGE_BYTES);
        if (pipe(gone) < 0 || (child = fork()) < 0)
                target_fail("fork");
        if (child == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (munmap(reused, PAGE_BYTES) < 0 || write(gone[1], "", 1) != 1)
                        _exit(1);
                for (;;)
                        (void)pause();
        }
        if (read(gone[0], &byte, 1) != 1)
                target_fail("waiting for the child");
        target_populate_all_but(zeros, 4 * PAGE_BYTES);
        plan("shared with a child, read", read_only, 'r', &shared, 0);
        plan("shared with a child, written", copied, 'w', &shared, 0);
        plan("page of zeros after a fork, written", zeros, 'w', &zero, 0);
        plan("alone again after a fork, written", reused, 'w', &own, 1);
        go();
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
}

/* A file in the working directory, all of its pages clean and in the page cache. */
static int make_file(char *name)
{
        static char block[PAGE_BYTES] = {1};
        int fd = mkstemp(name);

        if (fd < 0)
                target_fail("creating a file in the working directory");
        (void)unlink(name);
        for (size_t i = 0; i < FILE_PAGES; i++)
                if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
                        target_fail("writing the file");
        if (fsync(fd) < 0)
                target_fail("syncing the file");
        return fd;
}

/* One page of it, each time another one: its neighbours are not there to be mapped with it. */
static char *map_page(int fd, int prot, int flags)
{
        static off_t page;
        char *p = mmap(NULL, PAGE_BYTES, prot, flags, fd, page++ * (off_t)PAGE_BYTES);

        if (p == MAP_FAILED || madvise(p, PAGE_BYTES, MADV_RANDOM) < 0)
                target_fail("mapping a page of the file");
        return p;
}

static char *map_present(int fd, int prot, int flags, bool write)
{
        char *p = map_page(fd, prot, flags);

        target_populate(p, PAGE_BYTES, write);
        return p;
}

static void file(void)
{
        const int rw = PROT_READ | PROT_WRITE;
        int fd = make_file(file_name);
        off_t first;

        plan("private, untouched, read", map_page(fd, rw, MAP_PRIVATE), 'r', &absent, 0);
        plan("private, untouched, written", map_page(fd, rw, MAP_PRIVATE), 'w', &absent, 0);
        plan("private, untouched, executed", map_page(fd, rw, MAP_PRIVATE), 'x', &absent, 0);
        plan("private, clean, read", map_present(fd, rw, MAP_PRIVATE, false), 'r', &of_file, 0);
        plan("private, clean, written", map_present(fd, rw, MAP_PRIVATE, false), 'w', &of_file, 0);
        plan("private, copied, read", map_present(fd, rw, MAP_PRIVATE, true), 'r', &own, 0);
        plan("private, copied, written", map_present(fd, rw, MAP_PRIVATE, true), 'w', &own, 0);
        plan("private, read-only, written", map_page(fd, PROT_READ, MAP_PRIVATE), 'w', &absent, 0);
        plan("shared, untouched, read", map_page(fd, rw, MAP_SHARED), 'r', &absent, 0);
        plan("shared, untouched, written", map_page(fd, rw, MAP_SHARED), 'w', &absent, 0);
        plan("shared, clean, read", map_present(fd, rw, MAP_SHARED, false), 'r', &of_file, 0);
        plan("shared, clean, written", map_present(fd, rw, MAP_SHARED, false), 'w', &of_file, 0);
        plan("shared, dirty, written", map_present(fd, rw, MAP_SHARED, true), 'w', &of_file, 0);
        first = (off_t)n_touches * (off_t)PAGE_BYTES;
        plan("shared, dirty by another, written", map_present(fd, rw, MAP_SHARED, false), 'w', &of_file, 1);
        if (pwrite(fd, "", 1, first) != 1)
                target_fail("writing the file");
        go();
}

/* Not in the page cache, in front of what is; and behind the end of the file. */
static void storage(void)
{
        const int rw = PROT_READ | PROT_WRITE;
        int fd = make_file(file_name);
        char *private, *shared;

        plan("private, on storage, read", map_page(fd, rw, MAP_PRIVATE), 'r', &absent, 0);
        plan("private, on storage, written", map_page(fd, rw, MAP_PRIVATE), 'w', &absent, 0);
        plan("shared, on storage, read", map_page(fd, rw, MAP_SHARED), 'r', &absent, 0);
        plan("shared, on storage, written", map_page(fd, rw, MAP_SHARED), 'w', &absent, 0);
        private = mmap(NULL, 4 * PAGE_BYTES, rw, MAP_PRIVATE, fd, (FILE_PAGES - 2) * (off_t)PAGE_BYTES);
        shared = mmap(NULL, 4 * PAGE_BYTES, rw, MAP_SHARED, fd, (FILE_PAGES - 2) * (off_t)PAGE_BYTES);
        if (private == MAP_FAILED || shared == MAP_FAILED ||
            ftruncate(fd, (FILE_PAGES - 2) * (off_t)PAGE_BYTES + 10) < 0)
                target_fail("mapping beyond the end of the file");
        plan("private, behind the end, read", private + PAGE_BYTES, 'r', &absent, 0);
        plan("private, behind the end, written", private + PAGE_BYTES + 7, 'w', &absent, 0);
        plan("private, behind the end, executed", private + 2 * PAGE_BYTES, 'x', &absent, 0);
        plan("shared, behind the end, read", shared + 3 * PAGE_BYTES, 'r', &absent, 0);
        plan("shared, behind the end, written", shared + PAGE_BYTES, 'w', &absent, 0);
        if (fsync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
                target_fail("letting go of the page cache");
        go();
}

static void shmem(void)
{
        const int rw = PROT_READ | PROT_WRITE;
        const struct shown twice = {.present = true, .file = true};
        int fd = memfd_create("walk", MFD_CLOEXEC);
        char *other;

        if (fd < 0 || ftruncate(fd, FILE_PAGES * (off_t)PAGE_BYTES) < 0)
                target_fail("memfd_create");
        plan("anonymous, untouched, read", map_page(-1, rw, MAP_SHARED | MAP_ANONYMOUS), 'r', &absent, 0);
        plan("anonymous, untouched, written", map_page(-1, rw, MAP_SHARED | MAP_ANONYMOUS), 'w', &absent, 0);
        plan("anonymous, read", map_present(-1, rw, MAP_SHARED | MAP_ANONYMOUS, true), 'r', &of_file, 0);
        plan("anonymous, written", map_present(-1, rw, MAP_SHARED | MAP_ANONYMOUS, true), 'w', &of_file, 0);
        plan("read before, written", map_present(-1, rw, MAP_SHARED | MAP_ANONYMOUS, false), 'w', &of_file, 0);
        plan("memfd, untouched, read", map_page(fd, rw, MAP_SHARED), 'r', &absent, 0);
        plan("memfd, private, untouched, read", map_page(fd, rw, MAP_PRIVATE), 'r', &absent, 0);
        plan("memfd, private, untouched, written", map_page(fd, rw, MAP_PRIVATE), 'w', &absent, 0);
        plan("memfd, private, read before, written", map_present(fd, rw, MAP_PRIVATE, false), 'w', &of_file, 0);
        plan("memfd, private, copied, written", map_present(fd, rw, MAP_PRIVATE, true), 'w', &own, 0);
        other = mmap(NULL, 2 * PAGE_BYTES, rw, MAP_SHARED, fd, 100 * PAGE_BYTES);
        if (other == MAP_FAILED)
                target_fail("mapping a memfd");
        memset(other, 1, PAGE_BYTES);
        plan("memfd, mapped twice, written", other, 'w', &twice, 0);
        other = mmap(NULL, PAGE_BYTES, rw, MAP_SHARED, fd, 100 * PAGE_BYTES);
        if (other == MAP_FAILED)
                target_fail("mapping a memfd");
        target_populate(other, PAGE_BYTES, true);
        plan("memfd, behind the end, read", mmap(NULL, PAGE_BYTES, rw, MAP_SHARED, fd, FILE_PAGES * (off_t)PAGE_BYTES),
             'r', &absent, 0);
        go();
}

static char *map_huge(bool write)
{
        char *p = map_aligned(HUGE_BYTES, HUGE_BYTES, 0);

        if (madvise(p, HUGE_BYTES, MADV_HUGEPAGE) < 0)
                target_skip("no transparent huge pages here: %s", strerror(errno));
        target_populate(p, PAGE_BYTES, write);
        return p;
}

static void huge(void)
{
        char *p = map_huge(true);

        plan("huge, read", p + 0x12345, 'r', &(struct shown){.present = true, .exclusive = true, .huge = true}, 0);
        plan("huge, written", p + 0x1ff000, 'w', &(struct shown){.present = true, .exclusive = true, .huge = true}, 0);
        plan("huge page of zeros, read", map_huge(false) + 0x10000, 'r',
             &(struct shown){.present = true, .zero = true, .file = true, .huge = true}, 0);
        plan("huge page of zeros, written", map_huge(false) + 0x10000, 'w',
             &(struct shown){.present = true, .zero = true, .file = true, .huge = true}, 0);
        go();
}

static void stack(void)
{
        char *start = target_stack_start();

        plan("below the stack, executed", start - 4 * PAGE_BYTES, 'x', NULL, 0);
        plan("below the stack, read", start - 6 * PAGE_BYTES, 'r', NULL, 0);
        plan("below the stack, written", start - 8 * PAGE_BYTES, 'w', NULL, 0);
        plan("far below the stack, written", start - 64 * (1UL << 20), 'w', NULL, 0);
        go();
}

const struct target_case target_cases[] = {
        {"anon", anon},       {"unmapped", unmapped}, {"guard", guard}, {"fork", forked}, {"file", file},
        {"storage", storage}, {"shmem", shmem},       {"huge", huge},   {"stack", stack}, {NULL, NULL},
};
