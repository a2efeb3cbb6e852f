/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The maps of a process with what the kernel says of each: the text of /proc/PID/smaps, or of /proc/PID/maps, which has
 * the ranges only (proc_pid_smaps(5), proc_pid_maps(5); fs/proc/task_mmu.c). Paths hold any bytes but newlines, which
 * the kernel writes as \012; they are given as written. Pure: bytes in, structs out; lines that make no sense end it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

/* In bytes; the text has kB. */
enum smaps_amount {
        SMAPS_RSS,
        SMAPS_PSS,
        SMAPS_SHARED_CLEAN,
        SMAPS_SHARED_DIRTY,
        SMAPS_PRIVATE_CLEAN,
        SMAPS_PRIVATE_DIRTY,
        SMAPS_REFERENCED,
        SMAPS_ANONYMOUS,
        SMAPS_LAZY_FREE,
        SMAPS_ANON_HUGE,
        SMAPS_SHMEM_HUGE,
        SMAPS_FILE_HUGE,
        SMAPS_SHARED_HUGETLB,
        SMAPS_PRIVATE_HUGETLB,
        SMAPS_SWAP,
        SMAPS_SWAP_PSS,
        SMAPS_LOCKED,
        SMAPS_KERNEL_PAGE, /* the size of its pages */
        SMAPS_MMU_PAGE,    /* and that of the processor's, where it is another */
        SMAPS_PSS_DIRTY,
        SMAPS_KSM,
        N_SMAPS_AMOUNTS,
};

struct smaps_map {
        uint64_t start, end, offset;
        char perms[5];         /* "rw-p" */
        uint32_t major, minor; /* of the device */
        uint64_t inode;
        const char *path; /* in the text's copy, NUL-terminated; "" for none */
        bool is_deleted;  /* the path ended in " (deleted)", which is not part of it here */
        bool has_amounts; /* it came from smaps */
        uint64_t amounts[N_SMAPS_AMOUNTS];
        uint32_t known; /* 1 << SMAPS_...: which of the amounts this kernel tells */
        bool is_thp_eligible, knows_thp_eligible;
        uint32_t protection_key; /* pkeys(7) */
        bool knows_protection_key;
        const char *flags; /* VmFlags, "rd wr mr mw me gd ac"; "" for none */
};

struct smaps {
        char *text;             /* owned: paths and flags are in it */
        struct smaps_map *maps; /* by address */
        size_t n_maps;
};

/* Copies. 0; -EBADMSG: not such a text; -ENOMEM. */
int smaps_parse(const char *text, size_t n_bytes, struct smaps *ret) MUST_CHECK;
void smaps_free(struct smaps *smaps); /* contents */

/* The map that holds address; NULL: none. *ret_next (may be NULL): the first map above it; NULL: none. */
const struct smaps_map *smaps_find(const struct smaps *smaps, uint64_t address, const struct smaps_map **ret_next);
bool smaps_has_flag(const struct smaps_map *map, const char flag[static 2]); /* e.g. "gd" */
bool smaps_knows(const struct smaps_map *map, enum smaps_amount amount);
/* Not of a file, a device or shared memory, and not the kernel's own ([vdso] ...): private anonymous memory, [heap] and
 * [stack] included. */
bool smaps_is_anonymous(const struct smaps_map *map);
