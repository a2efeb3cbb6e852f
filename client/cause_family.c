/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * There are more causes than colours that can be told apart on a dark and on a light terminal. What a family has in
 * common is what a person would do about it: wait for storage, share less, touch less.
 */
#include "client/cause_family.h"

#include "proto/proto.h"

enum cause_family cause_family_of(unsigned int cause)
{
        static const enum cause_family families[N_CAUSES] = {
                [CAUSE_UNKNOWN] = FAMILY_UNKNOWN,       [CAUSE_ZERO_FILL] = FAMILY_NEW,
                [CAUSE_ZERO_PAGE] = FAMILY_NEW,         [CAUSE_COW_COPY] = FAMILY_COPY,
                [CAUSE_COW_REUSE] = FAMILY_COPY,        [CAUSE_FILE_MINOR] = FAMILY_FILE,
                [CAUSE_FILE_MAJOR] = FAMILY_STORAGE,    [CAUSE_FILE_COW] = FAMILY_COPY,
                [CAUSE_MKWRITE] = FAMILY_FILE,          [CAUSE_SHMEM] = FAMILY_SHARED,
                [CAUSE_SWAP_IN] = FAMILY_SWAP,          [CAUSE_STACK_GROW] = FAMILY_NEW,
                [CAUSE_NUMA_HINT] = FAMILY_SERVED,      [CAUSE_USERFAULT] = FAMILY_SERVED,
                [CAUSE_HUGETLB] = FAMILY_NEW,           [CAUSE_RACED] = FAMILY_IDLE,
                [CAUSE_SPURIOUS] = FAMILY_IDLE,         [CAUSE_UNMAPPED] = FAMILY_FAILED,
                [CAUSE_ACCESS_DENIED] = FAMILY_FAILED,  [CAUSE_GUARD_PAGE] = FAMILY_FAILED,
                [CAUSE_STACK_OVERFLOW] = FAMILY_FAILED, [CAUSE_BEYOND_EOF] = FAMILY_FAILED,
                [CAUSE_KERNEL_ADDRESS] = FAMILY_FAILED,
        };

        return cause < N_CAUSES ? families[cause] : FAMILY_UNKNOWN;
}
