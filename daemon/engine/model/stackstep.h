/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every unwinder here shares: reading the copied bytes of a stack, and the two steps to a caller that need no
 * unwind data. Neither proves anything: who takes such a step must ask whether there is code at its return address.
 * Private to walk.c and unwind.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define STACKSTEP_USER_END (UINT64_C(1) << 56) /* 5-level page tables: user addresses have 56 bits */

struct stackstep_bytes {
        const uint8_t *bytes;
        uint64_t start, n_bytes; /* start: the address of bytes[0] */
};

struct stackstep {
        uint64_t rip, rsp, rbp;
};

static inline bool stackstep_read(const struct stackstep_bytes *stack, uint64_t addr, void *ret, size_t n)
{
        uint64_t offset = addr - stack->start;

        if (addr < stack->start || offset > stack->n_bytes || stack->n_bytes - offset < n)
                return false;
        memcpy(ret, stack->bytes + offset, n);
        return true;
}

/* Whether what could not be read there may well be the caller's frame, and just was not copied. */
static inline bool stackstep_goes_on(uint64_t rsp, uint64_t addr)
{
        return addr >= rsp && addr < STACKSTEP_USER_END;
}

/* push %rbp; mov %rsp, %rbp: the caller's frame pointer, and above it the return address. false = the end. */
static inline bool stackstep_by_pointer(const struct stackstep_bytes *stack, const struct stackstep *at,
                                        struct stackstep *ret, bool *ret_cut)
{
        uint64_t caller[2];

        if (at->rbp % sizeof(at->rbp) != 0 || at->rbp < at->rsp)
                return false;
        if (!stackstep_read(stack, at->rbp, caller, sizeof(caller))) {
                *ret_cut = stackstep_goes_on(at->rsp, at->rbp);
                return false;
        }
        *ret = (struct stackstep){.rip = caller[1], .rsp = at->rbp + sizeof(caller), .rbp = caller[0]};
        return true;
}

/* A call to where nothing is has pushed its return address, and no more has happened. false = the end. */
static inline bool stackstep_from_nowhere(const struct stackstep_bytes *stack, const struct stackstep *at,
                                          struct stackstep *ret, bool *ret_cut)
{
        uint64_t rip;

        if (!stackstep_read(stack, at->rsp, &rip, sizeof(rip))) {
                *ret_cut = stackstep_goes_on(at->rsp, at->rsp);
                return false;
        }
        *ret = (struct stackstep){.rip = rip, .rsp = at->rsp + sizeof(rip), .rbp = at->rbp};
        return true;
}
