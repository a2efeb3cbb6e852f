/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Call frame information, as compilers write it for unwinding: descriptions of functions (FDE), what many of them have
 * in common (CIE), and the machine whose instructions say, address by address, where the caller's registers are. Of the
 * registers only those are followed that rows.h needs. Private to rows.c; nothing is kept or allocated here. Pure.
 *
 * Formats: DWARF 5, 6.4 and 7.24; .eh_frame: LSB Core, 10.5 and 10.6; registers: System V ABI, AMD64 supplement, figure
 * 3.36.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CFI_RBP 6
#define CFI_RSP 7
#define CFI_RETURN 16

#define CFI_REMEMBERED_MAX 64 /* compilers nest one or two */

struct cfi_table {
        const uint8_t *bytes;
        size_t n_bytes; /* at most UINT32_MAX */
        uint64_t vaddr; /* link-time address of bytes[0] */
        uint64_t text_vaddr, got_vaddr;
        bool is_debug; /* .debug_frame; else .eh_frame */
};

struct cfi_entry {
        size_t start;      /* in the table; its length comes first */
        size_t body, end;  /* behind what tells a CIE from an FDE */
        bool is_common;    /* a CIE */
        uint64_t common;   /* else: start of its CIE, as it claims */
        bool is_supported; /* else of a format that nobody writes */
};

enum cfi_kind {
        CFI_UNSET,
        CFI_UNDEFINED,
        CFI_SAME,
        CFI_AT_CFA, /* saved at CFA + offset */
        CFI_AT,     /* saved at reg + offset; of a CFA: it is what stands there */
        CFI_VALUE,  /* reg + offset */
        CFI_PLT,    /* of a CFA: ROW_PLT */
        CFI_OTHER,
};

struct cfi_rule {
        enum cfi_kind kind : 8;
        uint8_t reg;
        int32_t offset;
};

struct cfi_state {
        struct cfi_rule cfa, rbp, rsp, return_address;
};

struct cfi_common {
        uint32_t start; /* in the table */
        uint32_t code_factor;
        int32_t data_factor;
        uint8_t encoding; /* of addresses, DW_EH_PE_ */
        bool has_augmentation;
        bool is_signal;
        struct cfi_state initial;
};

struct cfi_function {
        uint64_t start;           /* link-time; never 0, which is what linkers leave of functions that they drop */
        uint32_t n_code_bytes;    /* never 0; what is longer is cut to this */
        uint32_t common;          /* for whoever keeps these: 0 */
        uint32_t first, past_end; /* instructions, in the table */
};

struct cfi_machine {
        const struct cfi_table *table;
        const struct cfi_common *common;
        size_t at, end;
        uint64_t location;      /* where the state ceases to hold; UINT64_MAX = never */
        struct cfi_state state; /* that holds up to there */
        size_t n_remembered;
        struct cfi_state remembered[CFI_REMEMBERED_MAX];
};

/* The entry at *offset, which moves behind it. false: no more. */
bool cfi_next(const struct cfi_table *table, size_t *offset, struct cfi_entry *ret);
/* Of an entry that is_common; its instructions are run. false: damaged, or not what unwinders on x86-64 read. */
bool cfi_read_common(const struct cfi_table *table, const struct cfi_entry *entry, struct cfi_common *ret);
/* Of an entry that is not, with its CIE. false: damaged, or of no code. */
bool cfi_read_function(const struct cfi_table *table, const struct cfi_common *common, const struct cfi_entry *entry,
                       struct cfi_function *ret);
/* All three are borrowed by the machine. */
void cfi_start(struct cfi_machine *machine, const struct cfi_table *table, const struct cfi_common *common,
               const struct cfi_function *function);
/* On to the next state. false: damaged. Work is bounded by the instructions read. */
bool cfi_step(struct cfi_machine *machine);
