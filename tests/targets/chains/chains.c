/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* target_chains CASE: one fault, or a few, each at the end of a chain of calls that is announced exactly (notes.h). */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "../target.h"
#include "notes.h"

#define DEPTH 100
#define DEEP_DEPTH 400 /* more stack than is copied */
#define STACK_BYTES 65536UL
#define JIT_ROOM 4096UL
#define N_PATHS 1100UL
#define PATHS_BATCH 100
#define PATH_LEVELS 900

/* No frame pointer, as in all functions here, and nothing else of note. */
static APART void frameless(char *page)
{
        ENTER(frameless);
        deepest(page);
        KEEP(&notes);
}
CHAIN_CASE(frameless)

static APART int descend(int n, char *page)
{
        volatile int below = n;

        ENTER(descend);
        if (n > 1)
                below += descend(n - 1, page);
        else
                deepest(page);
        KEEP(&below);
        return below;
}

static APART void recursion(char *page)
{
        ENTER(recursion);
        (void)descend(DEPTH, page);
        KEEP(&notes);
}
CHAIN_CASE(recursion)

/* Says where its return address is, so that it is known how many frames the copied bytes hold. */
static APART int deep(int n, char *page)
{
        volatile char room[64];

        ENTER(deep)->slot = (uint64_t)__builtin_dwarf_cfa() - sizeof(void *);
        room[0] = 1;
        if (n > 1)
                room[1] = (char)deep(n - 1, page);
        else
                deepest(page);
        KEEP(room);
        return room[0];
}

static APART void too_deep(char *page)
{
        ENTER(too_deep);
        (void)deep(DEEP_DEPTH, page);
        KEEP(&notes);
}
CHAIN_CASE(too_deep)

static APART void allocating(char *page)
{
        char *room = alloca(100 + notes.n % 2);

        ENTER(allocating);
        KEEP(room);
        deepest(page);
        KEEP(room);
}
CHAIN_CASE(allocating)

/* The compiler has to keep the caller's stack pointer somewhere. */
static APART __attribute__((force_align_arg_pointer)) void realigned(char *page)
{
        _Alignas(128) volatile char aligned[256];
        char *room = alloca(100 + notes.n % 2);

        ENTER(realigned);
        KEEP(aligned);
        KEEP(room);
        deepest(page);
        KEEP(aligned);
        KEEP(room);
}
CHAIN_CASE(realigned)

static APART void pushes(char *page)
{
        char *room = alloca(100 + notes.n % 2);

        ENTER(pushes);
        KEEP(room);
        ENTER_ASSEMBLY(via_pushes);
        via_pushes(page, frameless);
        KEEP(room);
}
CHAIN_CASE(pushes)

static APART void expression(char *page)
{
        ENTER(expression);
        ENTER_ASSEMBLY(via_expression);
        via_expression(page, allocating);
        KEEP(&notes);
}
CHAIN_CASE(expression)

static APART void tail_call(char *page)
{
        ENTER(tail_call);
        via_tail_call(page, frameless);
        KEEP(&notes);
}
CHAIN_CASE(tail_call)

static APART void last_instruction(char *page)
{
        ENTER(last_instruction);
        ENTER_ASSEMBLY(ends_with_call);
        ends_with_call(page, frameless);
        KEEP(&notes);
}
CHAIN_CASE(last_instruction)

static APART int compare_nothing(const void *key, const void *element)
{
        ENTER(compare_nothing);
        deepest(chain_page);
        KEEP(&notes);
        return 0;
}

static APART void plt(char *page)
{
        static const char table[1];
        size_t n = 1;

        ENTER(plt);
        ENTER_ASSEMBLY(via_plt);
        note("lfind", (const void *)(uintptr_t)lfind, plt_return);
        (void)via_plt(table, table, &n, 1, compare_nothing);
        KEEP(&notes);
}
CHAIN_CASE(plt)

#ifndef CHAINS_STATIC
CHAIN_CASE(lazy_entry)
CHAIN_CASE(lazy_header)
#endif

static void note_restorer(const ucontext_t *context)
{
        struct note *restorer = note(NULL, NULL, (const void *)context->uc_mcontext.gregs[REG_RIP]);

        restorer->by = "registers";
}

static APART void on_signal(int signo, siginfo_t *info, void *context)
{
        note_restorer(context);
        ENTER(on_signal);
        deepest(chain_page);
        KEEP(&notes);
}

static void install(int flags)
{
        struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};

        if (notes.rehearsing && sigaction(SIGUSR1, &action, NULL) < 0)
                target_fail("setting a handler with sigaction");
}

static APART void handler(char *page)
{
        ENTER(handler);
        install(0);
        (void)ENTER_ASSEMBLY(interrupted);
        raise_here(getpid(), gettid(), SIGUSR1);
        KEEP(&notes);
}
CHAIN_CASE(handler)

/* What was interrupted is on another stack, which is not copied. */
static APART void alternate(char *page)
{
        static char stack[STACK_BYTES];

        ENTER(alternate);
        if (notes.rehearsing && sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL) < 0)
                target_fail("asking for another stack with sigaltstack");
        install(SA_ONSTACK);
        notes.is_cut = true;
        notes.n = 0;
        (void)ENTER_ASSEMBLY(interrupted);
        raise_here(getpid(), gettid(), SIGUSR1);
        KEEP(&notes);
}
CHAIN_CASE(alternate)

static ucontext_t here, there;

static APART void coroutine_body(void)
{
        notes.n = 0;
        notes.from_main = false;
        ENTER(coroutine_body);
        if (notes.rehearsing)
                note_foundation();
        (void)descend(3, chain_page);
        KEEP(&notes);
}

static void switch_to(char *stack)
{
        if (getcontext(&there) < 0)
                target_fail("getcontext");
        there.uc_stack = (stack_t){.ss_sp = stack, .ss_size = STACK_BYTES};
        there.uc_link = &here;
        makecontext(&there, coroutine_body, 0);
        if (swapcontext(&here, &there) < 0)
                target_fail("swapcontext");
}

static APART void coroutine_mapped(char *page)
{
        static char *stack;

        if (!stack)
                stack = map_anon(STACK_BYTES);
        switch_to(stack);
}
CHAIN_CASE(coroutine_mapped)

static APART void coroutine_allocated(char *page)
{
        static char *stack;

        if (!stack)
                stack = malloc(STACK_BYTES);
        if (!stack)
                target_fail("malloc");
        switch_to(stack);
}
CHAIN_CASE(coroutine_allocated)

static APART void *start_here(void *arg)
{
        notes.n = 0;
        ENTER(start_here);
        perform((chain_function *const[]){recursion}, 1);
        KEEP(&notes);
        return arg;
}

static void run_thread(void)
{
        pthread_t thread;

        errno = pthread_create(&thread, NULL, start_here, NULL);
        if (errno != 0)
                target_fail("pthread_create");
        (void)pthread_join(thread, NULL);
}

static APART void kernel(char *page)
{
        static int fd = -1;

        ENTER(kernel);
        if (fd < 0)
                fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                target_fail("opening /dev/zero");
        notes.ip = (uint64_t)read_return;
        notes.in_kernel = true;
        ENTER_ASSEMBLY(read_here);
        read_here(fd, page, 1);
        KEEP(&notes);
}
CHAIN_CASE(kernel)

/* The vDSO writes to the page itself. */
static APART void vdso(char *page)
{
        ENTER(vdso);
        ENTER_ASSEMBLY(via_vdso);
        note("clock_gettime|__clock_gettime|__clock_gettime64", (const void *)(uintptr_t)clock_gettime, vdso_return);
        note("__vdso_clock_gettime|clock_gettime", NULL, NULL)->image = "[vdso]";
        notes.ip = 0;
        via_vdso(CLOCK_MONOTONIC_COARSE, page);
        KEEP(&notes);
}
CHAIN_CASE(vdso)

static char *jit_code;
static char jit_map[64];

static void remove_jit_map(void)
{
        (void)unlink(jit_map);
}

/* As a JIT that speaks to perf does: perf-PID.map of tools/perf/Documentation/jit-interface.txt in the kernel. */
static void generate(void)
{
        FILE *map;

        jit_code = mmap(NULL, JIT_ROOM, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (jit_code == MAP_FAILED)
                target_fail("mapping memory for code");
        memcpy(jit_code, jit_start, (size_t)(jit_end - jit_start));
        (void)snprintf(jit_map, sizeof(jit_map), "/tmp/perf-%d.map", (int)getpid());
        map = fopen(jit_map, "wxe");
        if (!map)
                target_fail(jit_map);
        (void)atexit(remove_jit_map);
        (void)fprintf(map, "%lx %lx generated outer\n%lx %lx generated inner\n", (unsigned long)jit_code,
                      (unsigned long)(jit_inner - jit_start), (unsigned long)(jit_code + (jit_inner - jit_start)),
                      (unsigned long)(jit_end - jit_inner));
        (void)fclose(map);
}

static struct note *note_generated(const char *symbol, const char *base)
{
        struct note *p = note(symbol, jit_code + (base - jit_start), NULL);

        p->image = "[jit]";
        p->by = "pointer";
        return p;
}

static APART void generated(char *page)
{
        void (*code)(char *, uint64_t *, uint64_t *);
        struct note *outer, *inner;

        ENTER(generated);
        if (!jit_code)
                generate();
        outer = note_generated("generated outer", jit_outer);
        inner = note_generated("generated inner", jit_inner);
        notes.ip = (uint64_t)(jit_code + (jit_touch - jit_start));
        memcpy(&code, &jit_code, sizeof(code));
        code(page, &outer->returns, &inner->returns);
        KEEP(&notes);
}
CHAIN_CASE(generated)

/*
 * As many different stacks as there are pages, of so many frames that no dictionary holds them all. A batch at a time,
 * so that whoever reads them keeps up.
 */
static void run_paths(void)
{
        static char present;
        char *pages = map_anon(N_PATHS * PAGE_BYTES);

        printf("{\"addr\":\"%p\",\"n\":%lu,\"batch\":%d,\"levels\":%d,\"touch\":\"%p\",\"left\":\"%p\",\"right\":\"%"
               "p\"}\n",
               pages, N_PATHS, PATHS_BATCH, PATH_LEVELS, choose_touch, choose_left, choose_right);
        choose(&present, 0, PATH_LEVELS); /* the stack's pages */
        target_gate();
        for (unsigned long i = 0; i < N_PATHS; i++) {
                choose(pages + i * PAGE_BYTES, i, PATH_LEVELS);
                if ((i + 1) % PATHS_BATCH == 0)
                        wait_for_step();
        }
        target_done();
}

#define CASE(name)                                                                                                     \
        {                                                                                                              \
#name, run_##name                                                                                      \
        }

const struct target_case target_cases[] = {CASE(frameless),
                                           CASE(recursion),
                                           CASE(too_deep),
                                           CASE(allocating),
                                           CASE(realigned),
                                           CASE(pushes),
                                           CASE(expression),
                                           CASE(tail_call),
                                           CASE(last_instruction),
                                           CASE(plt),
                                           CASE(handler),
                                           CASE(alternate),
                                           CASE(coroutine_mapped),
                                           CASE(coroutine_allocated),
                                           CASE(thread),
                                           CASE(kernel),
                                           CASE(vdso),
                                           CASE(generated),
                                           CASE(paths),
#ifndef CHAINS_STATIC
                                           CASE(lazy_entry),
                                           CASE(lazy_header),
                                           CASE(libraries),
#endif
                                           {NULL, NULL}};
