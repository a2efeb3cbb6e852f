/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a chain of calls knows itself exactly. Every function on the way notes who it is and where it returns to; each
 * chain runs twice from the same place: a rehearsal on a page that is present, which fills the notes, then, after the
 * gate, for real on a fresh page, whose notes must be the same. So the announced stack is what happened, instruction
 * by instruction. Who called main() or a thread's first function is asked of libgcc's unwinder.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APART __attribute__((noinline))
#define KEEP(p) __asm__ volatile("" : : "r"(p) : "memory") /* no tail call, no elision */
#define MAX_NOTES 512

/* A function that was entered. NULL or 0: not known, nobody compares it. */
struct note {
        const char *symbol; /* "one|other": either */
        const void *base;   /* of the symbol */
        const char *image;  /* NULL: found by the address */
        uint64_t returns;   /* to the one that was entered before */
        uint64_t slot;      /* address of that return address on the stack */
        const char *by;     /* how the one before is found; NULL: by cfi */
};

struct notes {
        struct note note[MAX_NOTES];
        size_t n;
        uint64_t ip, sp; /* where the fault is */
        uint64_t fault;  /* its address; 0: the page */
        bool rehearsing;
        bool from_main; /* main() entered the first one */
        bool in_kernel; /* the kernel takes the fault: its own frames come first */
        bool is_cut;    /* the stack goes on where its bytes are not copied: nothing is known behind the notes */
};

extern struct notes notes;
extern uint64_t *chain_slot; /* where assembly notes its caller */
extern char *chain_page;     /* the page of this run, for those who cannot be handed it */

static inline __attribute__((always_inline)) struct note *note(const char *symbol, const void *base,
                                                               const void *returns)
{
        struct note *p = &notes.note[notes.n++ % MAX_NOTES];

        *p = (struct note){.symbol = symbol, .base = base, .returns = (uint64_t)returns};
        return p;
}

#define ENTER(function) note(#function, (const void *)(uintptr_t)(function), __builtin_return_address(0))

/* Before a function of code.S is called: it notes its caller itself. */
static inline __attribute__((always_inline)) struct note *note_assembly(const char *symbol, const void *base)
{
        struct note *p = note(symbol, base, NULL);

        chain_slot = &p->returns;
        return p;
}

#define ENTER_ASSEMBLY(function) note_assembly(#function, (const void *)(uintptr_t)(function))

typedef void chain_function(char *page);

/* What is below the function that was noted first: only while rehearsing. */
void note_foundation(void);
/* A leaf without a frame: the end of most chains. */
void deepest(char *page);
/* Wait for the next byte from whoever holds the gate. */
void wait_for_step(void);
/* Rehearse, announce, open the gate, do, be done. */
void perform(chain_function *const *chains, size_t n_chains);

/* A case of the same name that performs one chain. */
#define CHAIN_CASE(chain)                                                                                              \
        static APART void run_##chain(void)                                                                            \
        {                                                                                                              \
                ENTER(run_##chain);                                                                                    \
                notes.from_main = true;                                                                                \
                perform((chain_function *const[]){chain}, 1);                                                          \
                KEEP(&notes);                                                                                          \
        }

/* library.c: two chains, one after the other, through two libraries at the same address. */
void run_libraries(void);
/* lazy.c: the table through which shared libraries are called. */
chain_function lazy_entry, lazy_header;

/* code.S */
void via_pushes(char *page, chain_function *then);
void via_expression(char *page, chain_function *then);
void via_tail_call(char *page, chain_function *then);
void ends_with_call(char *page, chain_function *then);
void *via_plt(const void *key, const void *base, size_t *n, size_t width, int (*compare)(const void *, const void *));
void via_lazy(const void *function, size_t room);
void push_twice(void);
const uint8_t *getppid_entry(void);
const uint8_t *getpgrp_entry(void);
void via_vdso(int clock, char *page);
void read_here(int fd, char *page, size_t n);
void raise_here(int pid, int tid, int signo);
void interrupted(void);
void choose(char *page, unsigned long path, long levels);
extern uint64_t lazy_fault;
extern const char *const plt_return, *const lazy_return, *const vdso_return, *const read_return;
extern const char *const choose_left, *const choose_right, *const choose_touch;
extern const char jit_start[], jit_outer[], jit_inner[], jit_touch[], jit_end[];
