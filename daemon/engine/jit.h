/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names of code that a process generates (/tmp/perf-PID.map, model/perfmap.h), for one memory. The file grows while
 * the program runs, so it is read again when an address is not in it, at intervals that keep the reading cheap.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "elf/symtab.h"

struct jit {
        struct symtab *symtab; /* owned; NULL = no file, or not read yet */
        bool is_wanted;        /* its owner is to ask for the file, and bring it by jit_take() */
        bool is_pending;       /* ... and has not yet */
        bool is_over;          /* nobody has the memory any more, so nobody asks */
        uint32_t generation;   /* grows with every answer: what was said before may be said otherwise now */
        uint64_t asked_ns, answered_ns;
};

enum jit_answer {
        JIT_FOUND,
        JIT_UNKNOWN,
        JIT_WAIT, /* the file is being read: ask again */
};
/* The function at a run-time address of generated code. *ret is set with JIT_FOUND, and good until the next jit_take().
 */
enum jit_answer jit_find(struct jit *jit, uint64_t addr, uint64_t now_ns, struct symbol *ret);
/* What was read, taken; NULL = there is no such file, or it is not for us. */
void jit_take(struct jit *jit, struct symtab *symtab, uint64_t now_ns);
void jit_deinit(struct jit *jit);
