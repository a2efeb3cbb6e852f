/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Causes that a reader looks at as one kind: each family has one colour, in the text view and in top. Pure. */
#pragma once

enum cause_family {
        FAMILY_UNKNOWN, /* also the causes of a newer daemon */
        FAMILY_NEW,     /* memory that was not there before: zero-fill, zero-page, stack-grow, hugetlb */
        FAMILY_COPY,    /* a private page on its first write: cow-copy, cow-reuse, file-cow */
        FAMILY_FILE,    /* the page cache had it: file-minor, mkwrite */
        FAMILY_STORAGE, /* waited for storage: file-major */
        FAMILY_SHARED,  /* shmem */
        FAMILY_SWAP,    /* swap-in */
        FAMILY_SERVED,  /* somebody took the page away or provides it: userfault, numa-hint */
        FAMILY_IDLE,    /* nothing was left to do: raced, spurious */
        FAMILY_FAILED,  /* no page came of it: unmapped, access-denied, guard-page, stack-overflow, ... */
        N_FAMILIES,
};

enum cause_family cause_family_of(unsigned int cause); /* of enum cause, or any number */
