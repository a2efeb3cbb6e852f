/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases where an address is what is wrong; the table of all cases. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "verdicts.h"

#define FIELD_BYTES 0x18
#define FILE_BYTES 5000
#define LOW_ADDRESS 0x200000UL
#define KERNEL_ADDRESS 0xffffffff81000000UL
#define POISON 0x6b6b6b6b6b6b6b6bUL

static void (*strike_of(char access))(const volatile void *)
{
        return access == 'r' ? struck_read : access == 'w' ? struck_write : struck_call;
}

/* One access at p, told as verdict; format: more fields. */
static void __attribute__((format(printf, 6, 7)))
strike_at(char access, const volatile void *p, const char *signo, const char *code, const char *verdict,
          const char *format, ...)
{
        const char *name = access == 'r' ? "read" : access == 'w' ? "write" : "exec";
        char extra[1024];
        va_list args;
        int n;

        n = snprintf(extra, sizeof(extra),
                     ",\"addr\":\"0x%lx\",\"access\":\"%s\",\"rdi\":\"0x%lx\","
                     "\"stack\":[%s\"inner\",\"middle\",\"outer\"]",
                     (unsigned long)p, name, (unsigned long)p,
                     access == 'r'   ? "\"struck_read\","
                     : access == 'w' ? "\"struck_write\","
                                     : "null,\"struck_call\",");
        va_start(args, format);
        (void)vsnprintf(extra + n, sizeof(extra) - (size_t)n, format, args);
        va_end(args);
        strike_expect(signo, code, verdict, extra);
        strike_catch();
}

static void strike_now(char access, const volatile void *p)
{
        target_gate();
        strike_repeat(strike_of(access), p);
        strike_finish();
}

static void null_field(void)
{
        strike_at('r', (char *)FIELD_BYTES, "SIGSEGV", "SEGV_MAPERR", "null-dereference", ",\"field_bytes\":%d",
                  FIELD_BYTES);
        strike_now('r', (char *)FIELD_BYTES);
}

static void null_write(void)
{
        strike_at('w', NULL, "SIGSEGV", "SEGV_MAPERR", "null-dereference", ",\"field_bytes\":0");
        strike_now('w', NULL);
}

static void null_call(void)
{
        strike_at('x', NULL, "SIGSEGV", "SEGV_MAPERR", "null-dereference", ",\"field_bytes\":0");
        strike_now('x', NULL);
}

static void expect_nearest(char access, char *addr, const char *page, const char *name, size_t n_bytes)
{
        strike_at(access, addr, "SIGSEGV", "SEGV_MAPERR", "unmapped",
                  ",\"nearest\":{\"start\":\"0x%lx\",\"end\":\"0x%lx\",\"perms\":\"rw-p\",\"%s\":%zu}",
                  (unsigned long)page, (unsigned long)(page + PAGE_BYTES), name, n_bytes);
        strike_now(access, addr);
}

static void behind_map(void)
{
        char *p = lonely_pages(1);

        expect_nearest('w', p + PAGE_BYTES + 100, p, "above_bytes", 101);
}

static void before_map(void)
{
        char *p = lonely_pages(1);

        expect_nearest('r', p - 24, p, "below_bytes", 24);
}

static void behind_heap(void)
{
        char *end = (char *)(((uintptr_t)sbrk(0) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1));

        strike_at('w', end + 7, "SIGSEGV", "SEGV_MAPERR", "unmapped",
                  ",\"nearest\":{\"end\":\"0x%lx\",\"path\":\"[heap]\",\"above_bytes\":8}", (unsigned long)end);
        strike_now('w', end + 7);
}

static void denied(char access, int prot, const char *missing)
{
        char *p = lonely_pages(16);

        if (mprotect(p, 16 * PAGE_BYTES, prot) < 0)
                target_fail("mprotect");
        strike_at(access, p + 8 * PAGE_BYTES + 5, "SIGSEGV", "SEGV_ACCERR", "access-denied",
                  ",\"missing\":\"%s\",\"map\":{\"start\":\"0x%lx\",\"end\":\"0x%lx\"}", missing, (unsigned long)p,
                  (unsigned long)(p + 16 * PAGE_BYTES));
        strike_now(access, p + 8 * PAGE_BYTES + 5);
}

static void read_only(void)
{
        denied('w', PROT_READ, "write");
}

static void no_access(void)
{
        denied('r', PROT_NONE, "read");
}

static void program_text(void)
{
        strike_at('w', (void *)(uintptr_t)struck_push, "SIGSEGV", "SEGV_ACCERR", "access-denied",
                  ",\"missing\":\"write\",\"place\":{\"symbol\":\"struck_push\",\"offset\":0,\"section\":\".text\"}");
        strike_now('w', (void *)(uintptr_t)struck_push);
}

static void not_executable(void)
{
        char *p = lonely_pages(1);

        strike_at('x', p + 16, "SIGSEGV", "SEGV_ACCERR", "not-executable",
                  ",\"missing\":\"exec\",\"map\":{\"start\":\"0x%lx\"}", (unsigned long)p);
        strike_now('x', p + 16);
}

/* A page without rights just below memory that grows downwards, and the stack pointer is elsewhere. */
static void guard_page(void)
{
        char *p = lonely_pages(16);

        if (mprotect(p, PAGE_BYTES, PROT_NONE) < 0)
                target_fail("mprotect");
        strike_at('w', p + PAGE_BYTES - 8, "SIGSEGV", "SEGV_ACCERR", "guard-page", ",\"map\":{\"start\":\"0x%lx\"}",
                  (unsigned long)p);
        strike_now('w', p + PAGE_BYTES - 8);
}

static void beyond_eof(void)
{
        char name[] = "faultline-eof-XXXXXX";
        int fd = mkstemp(name);
        char *p;

        if (fd < 0 || ftruncate(fd, FILE_BYTES) < 0) /* left to the folder's owner: it must be found when we are dead */
                target_fail("creating a file");
        p = mmap(NULL, 4 * PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                target_fail("mapping the file");
        strike_at('r', p + 2 * PAGE_BYTES + 100, "SIGBUS", "BUS_ADRERR", "beyond-eof",
                  ",\"eof_bytes\":%lu,\"map\":{\"start\":\"0x%lx\"}", 2 * PAGE_BYTES + 100 - FILE_BYTES,
                  (unsigned long)p);
        strike_now('r', p + 2 * PAGE_BYTES + 100);
}

static void use_after_unmap(void)
{
        char *p = lonely_pages(4);

        strike_at('w', p + PAGE_BYTES + 40, "SIGSEGV", "SEGV_MAPERR", "use-after-unmap",
                  ",\"earlier\":{\"start\":\"0x%lx\",\"end\":\"0x%lx\"}", (unsigned long)p,
                  (unsigned long)(p + 4 * PAGE_BYTES));
        target_gate();
        (void)syscall(SYS_munmap, p, 4 * PAGE_BYTES);
        strike_repeat(strike_of('w'), p + PAGE_BYTES + 40);
        strike_finish();
}

static void kernel_address(void)
{
        strike_at('r', (char *)KERNEL_ADDRESS, "SIGSEGV", "SEGV_MAPERR", "kernel-address", "%s", "");
        strike_now('r', (char *)KERNEL_ADDRESS);
}

/* The processor says no without an address; it is in a register. */
static void non_canonical(void)
{
        char extra[256];

        (void)snprintf(extra, sizeof(extra),
                       ",\"pointer\":\"0x%lx\",\"rdi\":\"0x%lx\",\"stack\":[\"struck_read\",\"inner\",\"middle\","
                       "\"outer\"],\"no_addr\":true",
                       POISON, POISON);
        strike_expect("SIGSEGV", "SI_KERNEL", "non-canonical", extra);
        strike_catch();
        strike_now('r', (char *)POISON);
}

/* A write barrier: every write is caught, allowed, and done again. */

static void allow(char *address)
{
        (void)syscall(SYS_mprotect, (uintptr_t)address & ~(PAGE_BYTES - 1), PAGE_BYTES, PROT_READ | PROT_WRITE);
}

static void barrier(void)
{
        char *p = lonely_pages(1);

        if (mprotect(p, PAGE_BYTES, PROT_READ) < 0)
                target_fail("mprotect");
        strike_repair_with(allow);
        strike_at('w', p + 64, "SIGSEGV", "SEGV_ACCERR", "access-denied", ",\"missing\":\"write\"");
        target_gate();
        for (size_t i = 0; i < (strike_times() > 0 ? strike_times() : 1); i++) {
                strike_once(strike_of('w'), p + 64);
                (void)syscall(SYS_mprotect, p, PAGE_BYTES, PROT_READ);
        }
        strike_finish();
}

static void unmapped(void)
{
        strike_at('r', (char *)LOW_ADDRESS, "SIGSEGV", "SEGV_MAPERR", "unmapped", "%s", "");
        strike_now('r', (char *)LOW_ADDRESS);
}

const struct target_case target_cases[] = {
        {"null-field", null_field},
        {"null-write", null_write},
        {"null-call", null_call},
        {"unmapped", unmapped},
        {"behind-map", behind_map},
        {"before-map", before_map},
        {"behind-heap", behind_heap},
        {"read-only", read_only},
        {"no-access", no_access},
        {"program-text", program_text},
        {"not-executable", not_executable},
        {"guard-page", guard_page},
        {"main-stack", main_stack},
        {"thread-stack", thread_stack},
        {"own-stack", own_stack},
        {"beyond-eof", beyond_eof},
        {"use-after-unmap", use_after_unmap},
        {"kernel-address", kernel_address},
        {"non-canonical", non_canonical},
        {"sent", sent},
        {"barrier", barrier},
        {NULL, NULL},
};
