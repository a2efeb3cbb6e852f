/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Symbols sorted by address. Built once, then only read: it may be shared between threads once finished. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

struct symtab;

struct symbol {
        uint64_t value;      /* address in the image's own terms (st_value), or a run-time address for the kernel */
        uint64_t size_bytes; /* 0 = reaches to the next symbol or its section's end */
        const char *name;    /* NUL-terminated, owned by the symtab */
};

/* Of several symbols at one address one with a size wins, then the highest rank, the fewest leading underscores, the
 * first by name. */
enum symbol_rank {
        SYMBOL_LOCAL = 0,
        SYMBOL_WEAK = 1,
        SYMBOL_GLOBAL = 2,
};

#define SYMTAB_BYTES_MAX (UINT64_C(512) << 20) /* what building one may hold or read of names, bytes */
#define SYMBOL_NAME_MAX_BYTES 4096             /* longer names are cut: no peer takes longer ones */

int symtab_new(struct symtab **ret) MUST_CHECK;
struct symtab *symtab_free(struct symtab *symtab); /* returns NULL */
/*
 * Copies the name (n bytes). limit: a symbol of size 0 ends there at the latest (its section's end), 0 = unknown. A
 * symbol whose limit is not above its value covers nothing and is dropped, and so is one without a name. 0, -ENOMEM,
 * -E2BIG (SYMTAB_BYTES_MAX).
 */
int symtab_add(struct symtab *symtab, uint64_t value, uint64_t size_bytes, uint64_t limit, enum symbol_rank rank,
               const char *name, size_t n) MUST_CHECK;
/* Sort, drop duplicates, shrink. To be called once, after the last add. 0, -ENOMEM. */
int symtab_finish(struct symtab *symtab) MUST_CHECK;
/* The innermost symbol that covers addr (value <= addr < value + size; nested symbols: the one that starts last). false
 * = none. */
bool symtab_lookup(const struct symtab *symtab, uint64_t addr, struct symbol *ret);
/* The first address above addr for which symtab_lookup() may answer differently; UINT64_MAX = it never does. */
uint64_t symtab_until(const struct symtab *symtab, uint64_t addr);
/*
 * Every name that there is an address for, of several at one address too, in no particular order; a name that was added
 * twice may come twice. name is the symtab's. After symtab_finish().
 */
void symtab_each(const struct symtab *symtab, void (*visit)(void *arg, uint64_t value, const char *name), void *arg);
size_t symtab_count(const struct symtab *symtab); /* before symtab_finish(): of those added */
size_t symtab_bytes(const struct symtab *symtab);

/*
 * The kernel's own symbols from the text of /proc/kallsyms (proc_kallsyms(5)): text and data, modules too. The text has
 * no sizes: a symbol reaches to the next one. *ret: finished symtab. -EACCES when every address is zero (kptr_restrict,
 * or no CAP_SYSLOG); else as symtab_add().
 */
int symtab_from_kallsyms(const char *text, size_t n_text, struct symtab **ret) MUST_CHECK;
