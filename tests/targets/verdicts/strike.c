/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals again and again, what their handler saw, and the calls that led to them. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "verdicts.h"

#define HOLE_BYTES (1UL << 20)
#define ALT_STACK_BYTES (64UL << 10)
#define DEFAULT_TIMES 3

static sigjmp_buf back;
static volatile size_t n_seen;
static volatile int seen_signo, seen_code;
static void *volatile seen_address;
static void (*repair)(char *address);
static char alt_stack[ALT_STACK_BYTES] __attribute__((aligned(4096)));

size_t strike_times(void)
{
        return target_argument(DEFAULT_TIMES);
}

void strike_repair_with(void (*how)(char *address))
{
        repair = how;
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
        (void)context;
        n_seen++;
        seen_signo = signo;
        seen_code = info->si_code;
        seen_address = info->si_code > 0 ? info->si_addr : NULL;
        if (repair)
                repair(info->si_addr);
        else
                siglongjmp(back, 1);
}

static void use_alt_stack(void)
{
        const stack_t stack = {.ss_sp = alt_stack, .ss_size = sizeof(alt_stack)};

        if (sigaltstack(&stack, NULL) < 0)
                target_fail("sigaltstack");
}

void strike_catch(void)
{
        struct sigaction action;

        memset(&action, 0, sizeof(action));
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        use_alt_stack();
        if (strike_times() > 0 && (sigaction(SIGSEGV, &action, NULL) < 0 || sigaction(SIGBUS, &action, NULL) < 0))
                target_fail("sigaction");
}

/* The chain that a stack shows: outer -> middle -> inner -> struck_*. */
ITS_OWN static void inner(void (*how)(const volatile void *), const volatile void *p)
{
        how(p);
        __asm__ volatile("");
}

ITS_OWN static void middle(void (*how)(const volatile void *), const volatile void *p)
{
        inner(how, p);
        __asm__ volatile("");
}

ITS_OWN static void outer(void (*how)(const volatile void *), const volatile void *p)
{
        middle(how, p);
        __asm__ volatile("");
}

void strike_once(void (*how)(const volatile void *), const volatile void *p)
{
        outer(how, p);
}

void strike_repeat(void (*how)(const volatile void *), const volatile void *p)
{
        volatile size_t i = 0;

        do {
                if (sigsetjmp(back, 1) == 0)
                        outer(how, p);
        } while (++i < strike_times());
}

void strike_finish(void)
{
        target_done();
        printf("saw %zu %d %d %p\n", n_seen, seen_signo, seen_code, seen_address);
}

void strike_expect(const char *signo, const char *code, const char *verdict, const char *extra)
{
        printf("{\"n\":%zu,\"signal\":\"%s\",\"si_code\":\"%s\",\"verdict\":\"%s\"%s}\n",
               strike_times() > 0 ? strike_times() : 1, signo, code, verdict, extra);
}

char *lonely_pages(size_t n_pages)
{
        char *p = map_aligned(HOLE_BYTES, FAULT_AROUND_BYTES, 0), *middle_page = p + HOLE_BYTES / 2;

        if (munmap(p, HOLE_BYTES / 2) < 0 ||
            munmap(middle_page + n_pages * PAGE_BYTES, HOLE_BYTES / 2 - n_pages * PAGE_BYTES) < 0)
                target_fail("munmap");
        (void)madvise(middle_page, n_pages * PAGE_BYTES, MADV_NOHUGEPAGE);
        target_populate(middle_page, n_pages * PAGE_BYTES, true);
        return middle_page;
}
