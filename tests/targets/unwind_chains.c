/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dies by SIGSEGV at the end of a chain of calls that it knows exactly: target_unwind_chains CHAIN. It writes the
 * address of its notes to standard output first; who stops it reads them: where it dies, and every return address on
 * the way, outermost first. What needs exact unwind rows, or none at all, is assembly.
 */
#include <alloca.h>
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "proto/base.h"

#define APART __attribute__((noinline))
#define NOTE_CALLER() note(__builtin_return_address(0))
#define KEEP(p) __asm__ volatile("" : : "r"(p) : "memory") /* no tail call, no elision */

struct notes {
        uint64_t ip, n;
        uint64_t callers[62];
} notes;

void note(const void *caller);
void crash(void);
void without_rows(void (*then)(void));
void at_restored_row(void);
void before_another_row(void);
void leap(const void *to);
void restore_without_rows(void);
extern const char crash_here[], restored_here[], jit_start[], jit_end[];

/* No APART: note() is called from assembly. */
void note(const void *caller)
{
        notes.callers[notes.n++] = (uint64_t)caller;
}

APART void crash(void)
{
        NOTE_CALLER();
        notes.ip = (uint64_t)crash_here;
        __asm__ volatile(".globl crash_here\ncrash_here: movl $0, 8(%0)" : : "r"(0L) : "memory");
}

/* clang-format off */
__asm__(".pushsection .text\n"
        /* No unwind data; the frame pointer is all there is. */
        ".globl without_rows\n"
        "without_rows: push %rbp\n"
        "       mov %rsp, %rbp\n"
        "       push %r12\n"
        "       push %rdi\n"
        "       mov 8(%rbp), %rdi\n"
        "       call note\n"
        "       mov (%rsp), %rdi\n"
        "       call *%rdi\n"
        "       leave\n"
        "       ret\n"
        /* The same, to be copied: calls note() by its second argument. */
        ".globl jit_start, jit_end\n"
        "jit_start: push %rbp\n"
        "       mov %rsp, %rbp\n"
        "       push %r12\n"
        "       push %rdi\n"
        "       mov 8(%rbp), %rdi\n"
        "       call *%rsi\n"
        "       mov (%rsp), %rdi\n"
        "       call *%rdi\n"
        "       leave\n"
        "       ret\n"
        "jit_end:\n"
        /* Dies at the first instruction of a block whose row is a restored state. */
        ".globl at_restored_row, restored_here\n"
        "at_restored_row: .cfi_startproc\n"
        "       push %rbx\n"
        "       .cfi_def_cfa_offset 16\n"
        "       .cfi_offset %rbx, -16\n"
        "       mov 8(%rsp), %rdi\n"
        "       call note\n"
        "       xor %eax, %eax\n"
        "       test %eax, %eax\n"
        "       je restored_here\n"
        "       .cfi_remember_state\n"
        "       pop %rbx\n"
        "       .cfi_def_cfa_offset 8\n"
        "       ret\n"
        "       .cfi_restore_state\n"
        "restored_here: movl $0, 8(%rax)\n"
        "       pop %rbx\n"
        "       .cfi_def_cfa_offset 8\n"
        "       ret\n"
        "       .cfi_endproc\n"
        /* A call that does not return, and right behind it a block with another row. */
        ".globl before_another_row\n"
        "before_another_row: .cfi_startproc\n"
        "       sub $24, %rsp\n"
        "       .cfi_def_cfa_offset 32\n"
        "       mov 24(%rsp), %rdi\n"
        "       call note\n"
        "       call crash\n"
        "       .cfi_def_cfa_offset 8\n"
        "       nop\n"
        "       ret\n"
        "       .cfi_endproc\n"
        /* Calls what is not code. */
        ".globl leap\n"
        "leap:  .cfi_startproc\n"
        "       push %rbx\n"
        "       .cfi_def_cfa_offset 16\n"
        "       .cfi_offset %rbx, -16\n"
        "       mov %rdi, %rbx\n"
        "       mov 8(%rsp), %rdi\n"
        "       call note\n"
        "       lea 1f(%rip), %rdi\n"
        "       call note\n"
        "       call *%rbx\n"
        "1:     pop %rbx\n"
        "       .cfi_def_cfa_offset 8\n"
        "       ret\n"
        "       .cfi_endproc\n"
        ".globl restore_without_rows\n"
        "restore_without_rows: mov $15, %rax\n"
        "       syscall\n"
        "       .popsection\n");
/* clang-format on */

static APART int descend(int n)
{
        volatile int below = n;

        NOTE_CALLER();
        if (n > 0)
                below += descend(n - 1);
        else
                crash();
        KEEP(&below);
        return below;
}

static APART void recursion(void)
{
        NOTE_CALLER();
        (void)descend(20);
        KEEP(&notes);
}

static APART void on_allocated_stack(size_t n)
{
        char *p = alloca(n);

        NOTE_CALLER();
        KEEP(p);
        crash();
        KEEP(p);
}

static APART void allocating(void)
{
        NOTE_CALLER();
        on_allocated_stack(100 + notes.n);
        KEEP(&notes);
}

static APART void bare(void)
{
        NOTE_CALLER();
        without_rows(crash);
        KEEP(&notes);
}

static APART void generated(void)
{
        void (*code)(void (*then)(void), void (*noting)(const void *));

        NOTE_CALLER();
        code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (code == MAP_FAILED)
                err(1, "mmap");
        memcpy((void *)(uintptr_t)code, jit_start, (size_t)(jit_end - jit_start));
        code(crash, note);
        KEEP(&notes);
}

static APART void restored(void)
{
        NOTE_CALLER();
        notes.ip = (uint64_t)restored_here;
        at_restored_row();
        KEEP(&notes);
}

static APART void noreturn(void)
{
        NOTE_CALLER();
        before_another_row();
        KEEP(&notes);
}

static APART void to_null(void)
{
        NOTE_CALLER();
        leap(NULL);
        KEEP(&notes);
}

static APART void to_data(void)
{
        NOTE_CALLER();
        notes.ip = (uint64_t)&notes;
        leap(&notes);
        KEEP(&notes);
}

static APART void on_signal(int signo, siginfo_t *info, void *context)
{
        const ucontext_t *interrupted = context;

        note((void *)interrupted->uc_mcontext.gregs[REG_RIP]);
        NOTE_CALLER();
        crash();
        KEEP(&notes);
}

/* The signal comes within this function, not in one of the C library. */
static APART void interrupt_here(void)
{
        long r;

        NOTE_CALLER();
        __asm__ volatile("syscall"
                         : "=a"(r)
                         : "0"(SYS_tgkill), "D"(getpid()), "S"(getpid()), "d"(SIGUSR1)
                         : "rcx", "r11", "memory");
        KEEP(&r);
}

static APART void handler(void)
{
        struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

        NOTE_CALLER();
        if (sigaction(SIGUSR1, &action, NULL) < 0)
                err(1, "sigaction");
        interrupt_here();
        KEEP(&notes);
}

static APART void alternate(void)
{
        static char stack[65536];
        struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        stack_t alternate_stack = {.ss_sp = stack, .ss_size = sizeof(stack)};

        NOTE_CALLER();
        if (sigaltstack(&alternate_stack, NULL) < 0 || sigaction(SIGUSR1, &action, NULL) < 0)
                err(1, "sigaltstack");
        interrupt_here();
        KEEP(&notes);
}

/* As a C library without unwind data does it; struct kernel_sigaction of the kernel's ABI. */
static APART void restorer(void)
{
        struct {
                void (*handler)(int, siginfo_t *, void *);
                unsigned long flags;
                void (*restorer)(void);
                unsigned long mask;
        } action = {on_signal, SA_SIGINFO | 0x04000000 /* SA_RESTORER */, restore_without_rows, 0};

        NOTE_CALLER();
        if (syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, sizeof(action.mask)) < 0)
                err(1, "rt_sigaction");
        interrupt_here();
        KEEP(&notes);
}

/* Noted once: all further calls come from the same place. */
static APART int deeper(int n)
{
        static volatile int never; /* what the compiler does not know */
        volatile char filling[512];

        if (n == 1)
                NOTE_CALLER();
        if (n == never - 1)
                return n;
        KEEP(filling); /* all of it */
        filling[0] = 1;
        return filling[0] + deeper(n + 1) + filling[0];
}

static APART void overflow(void)
{
        (void)deeper(0);
        KEEP(&notes);
}

static APART void vdso(void)
{
        NOTE_CALLER();
        (void)clock_gettime(CLOCK_MONOTONIC_COARSE, (struct timespec *)8);
        KEEP(&notes);
}

static void *run_thread(void *arg)
{
        NOTE_CALLER();
        recursion();
        return arg;
}

static APART void thread(void)
{
        pthread_t started;

        if (pthread_create(&started, NULL, run_thread, NULL) != 0)
                errx(1, "pthread_create");
        (void)pthread_join(started, NULL);
}

static const struct {
        const char *name;
        void (*run)(void);
} chains[] = {
        {"recursion", recursion}, {"alloca", allocating},   {"bare", bare},         {"generated", generated},
        {"restored", restored},   {"noreturn", noreturn},   {"to_null", to_null},   {"to_data", to_data},
        {"handler", handler},     {"alternate", alternate}, {"restorer", restorer}, {"overflow", overflow},
        {"vdso", vdso},           {"thread", thread},
};

int main(int argc, char **argv)
{
        const struct notes *address = &notes;

        if (argc != 2 || write(STDOUT_FILENO, &address, sizeof(address)) != sizeof(address))
                errx(2, "usage: target_unwind_chains CHAIN > PIPE");
        for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
                if (strcmp(chains[i].name, argv[1]) == 0) {
                        if (chains[i].run != thread && chains[i].run != overflow)
                                NOTE_CALLER();
                        chains[i].run();
                }
        }
        errx(1, "%s: not a chain, or it survived", argv[1]);
}
