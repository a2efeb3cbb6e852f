/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The arithmetic of an x86-64 virtual address. Every level takes nine bits, because a table is one page of 512 entries
 * of eight bytes; what is left at the bottom, twelve bits, is the place in the page. With five levels the second is
 * called P4D; with four the kernel folds it away and only the four other names remain (pgtable-nop4d.h), so that PGD
 * is always the top. Signed shifts are not used: what they do with a high bit is the compiler's choice.
 */
#include "client/proc/pagetable.h"

enum {
        BITS_PER_LEVEL = 9,
        P4D_LEVEL = 1,
};

static const char *const level_names[N_LEVELS_MAX] = {"PGD", "P4D", "PUD", "PMD", "PTE"};

/* How many bits of an address mean something. */
static unsigned int significant_bits(unsigned int n_levels)
{
        return PAGE_SHIFT_4K + BITS_PER_LEVEL * n_levels;
}

unsigned int pagetable_indices(uint64_t address, unsigned int n_levels, struct pagetable_level ret[static N_LEVELS_MAX])
{
        unsigned int n = 0;

        for (unsigned int name = 0; name < N_LEVELS_MAX; name++) {
                unsigned int shift;

                if (name == P4D_LEVEL && n_levels < N_LEVELS_MAX)
                        continue;
                shift = PAGE_SHIFT_4K + BITS_PER_LEVEL * (n_levels - n - 1);
                ret[n++] = (struct pagetable_level){
                        .name = level_names[name],
                        .shift = shift,
                        .index = address >> shift & ((1U << BITS_PER_LEVEL) - 1),
                        .covers_bytes = UINT64_C(1) << shift,
                };
        }
        return n;
}

uint64_t pagetable_user_end(unsigned int n_levels)
{
        return UINT64_C(1) << (significant_bits(n_levels) - 1);
}

uint64_t pagetable_task_end(unsigned int n_levels)
{
        return pagetable_user_end(n_levels) - (UINT64_C(1) << PAGE_SHIFT_4K);
}

bool pagetable_is_canonical(uint64_t address, unsigned int n_levels)
{
        uint64_t above = address >> (significant_bits(n_levels) - 1);
        uint64_t all_ones = UINT64_MAX >> (significant_bits(n_levels) - 1);

        return above == 0 || above == all_ones;
}
