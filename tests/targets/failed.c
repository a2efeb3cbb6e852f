/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults that end in a signal; a handler jumps back out. Its frame lies on the stack, which is populated. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target.h"

#define N_TIMES 10
#define KERNEL_ADDRESS 0xffffffff81000000UL

static sigjmp_buf back;

static void on_signal(int signo)
{
        (void)signo;
        siglongjmp(back, 1);
}

static void expect_failure(const volatile void *addr, const char *cause, const char *access)
{
        expect(&(struct expectation){.addr = addr,
                                     .n = N_TIMES,
                                     .cause = cause,
                                     .access = access,
                                     .outcome = "failed",
                                     .code = access[0] == 'r'   ? "touch_read"
                                             : access[0] == 'w' ? "touch_write"
                                                                : NULL});
}

static void attempt(char *p, char access)
{
        for (volatile size_t i = 0; i < N_TIMES; i++) {
                if (sigsetjmp(back, 1))
                        continue;
                if (access == 'r')
                        touch_read(p);
                else if (access == 'w')
                        touch_write(p);
                else
                        touch_call(p);
        }
}

static void fail_after(void (*prepare)(void), char *p, const char *cause, const char *access)
{
        struct sigaction action;

        memset(&action, 0, sizeof(action));
        action.sa_handler = on_signal;
        if (sigaction(SIGSEGV, &action, NULL) < 0 || sigaction(SIGBUS, &action, NULL) < 0)
                target_fail("sigaction");
        expect_failure(p, cause, access);
        target_gate();
        if (prepare)
                prepare();
        attempt(p, access[0]);
        target_done();
}

static void fail_at(char *p, const char *cause, const char *access)
{
        fail_after(NULL, p, cause, access);
}

#define LOW_ADDRESS 0x10000UL

/* Far below any map: a neighbour could make it look like something else. */
static void unmapped(void)
{
        fail_at((char *)LOW_ADDRESS, "unmapped", "write");
}

static char *later;

static void unmap_later(void)
{
        (void)syscall(SYS_munmap, later, 64 * PAGE_BYTES);
}

/* There when the trace began, gone since, which no event tells. */
static void unmapped_later(void)
{
        later = map_anon(64 * PAGE_BYTES);
        target_populate(later, 64 * PAGE_BYTES, true);
        fail_after(unmap_later, later + 32 * PAGE_BYTES, "unmapped", "write");
}

/* A page without rights just below memory that grows downwards, as a thread's stack has one. */
static void guard_page(void)
{
        char *p = map_anon(64 * PAGE_BYTES);

        if (mprotect(p + 31 * PAGE_BYTES, PAGE_BYTES, PROT_NONE) < 0)
                target_fail("mprotect");
        target_populate(p + 32 * PAGE_BYTES, 32 * PAGE_BYTES, true);
        fail_at(p + 31 * PAGE_BYTES, "guard-page", "write");
}

/* The main stack may not grow beyond its limit. */
static void stack_overflow(void)
{
        char *low = target_stack_start();
        struct rlimit limit;

        if (getrlimit(RLIMIT_STACK, &limit) < 0)
                target_fail("getrlimit");
        limit.rlim_cur = 2 * PAGE_BYTES;
        if (setrlimit(RLIMIT_STACK, &limit) < 0)
                target_fail("setrlimit");
        fail_at(low - PAGE_BYTES, "stack-overflow", "write");
}

static void read_only(void)
{
        char *p = map_anon(PAGE_BYTES);

        target_populate(p, PAGE_BYTES, true);
        if (mprotect(p, PAGE_BYTES, PROT_READ) < 0)
                target_fail("mprotect");
        fail_at(p, "access-denied", "write");
}

/* The middle of a large map without rights: not a guard page at its edge. */
static void no_access(void)
{
        char *p = map_anon(64 * PAGE_BYTES);

        target_populate(p, 64 * PAGE_BYTES, true);
        if (mprotect(p, 64 * PAGE_BYTES, PROT_NONE) < 0)
                target_fail("mprotect");
        fail_at(p + 32 * PAGE_BYTES, "access-denied", "read");
}

static void no_exec(void)
{
        char *p = map_anon(PAGE_BYTES);

        target_populate(p, PAGE_BYTES, true);
        fail_at(p, "access-denied", "exec");
}

static void beyond_eof(void)
{
        char name[] = "faultline-eof-XXXXXX";
        int fd = mkstemp(name);
        char *p;

        if (fd < 0 || unlink(name) < 0 || ftruncate(fd, PAGE_BYTES) < 0)
                target_fail("creating a file");
        p = mmap(NULL, 4 * PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                target_fail("mapping the file");
        fail_at(p + 2 * PAGE_BYTES, "beyond-eof", "read");
}

static void kernel_address(void)
{
        fail_at((char *)KERNEL_ADDRESS, "kernel-address", "read");
}

const struct target_case target_cases[] = {
        {"unmapped", unmapped},
        {"unmapped-later", unmapped_later},
        {"guard-page", guard_page},
        {"stack-overflow", stack_overflow},
        {"read-only", read_only},
        {"no-access", no_access},
        {"no-exec", no_exec},
        {"beyond-eof", beyond_eof},
        {"kernel-address", kernel_address},
        {NULL, NULL},
};
