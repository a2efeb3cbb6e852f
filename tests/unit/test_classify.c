/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * classify.c: the decision table, row by row. A row is what the kernel and /proc said and what follows from it;
 * together the rows reach every outcome, cause and access of the vocabulary.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/model/classify.h"

/* arch/x86/include/asm/trap_pf.h */
#define P 1
#define W 2
#define U 4
#define I 16

#define START UINT64_C(0x7f0000000000)
#define ADDR (START + UINT64_C(0x2010))
#define END (START + UINT64_C(0x4000))
#define IP UINT64_C(0x401000)
#define VSYSCALL UINT64_C(0xffffffffff600400)
#define KERNEL_ADDR UINT64_C(0xffff888000001000)
#define HUGE_BYTES (UINT64_C(2) << 20)

/* Physical addresses of the faulting byte in three pages. */
#define PAGE_A UINT64_C(0x5010)
#define PAGE_B UINT64_C(0x9010)

#define NONE                                                                                                           \
        {                                                                                                              \
                .known = true                                                                                          \
        }
#define ZERO                                                                                                           \
        {                                                                                                              \
                .known = true, .page_bytes = 4096                                                                      \
        }
#define AT(address)                                                                                                    \
        {                                                                                                              \
                .known = true, .physical = (address), .page_bytes = 4096                                               \
        }
#define HUGE_AT(address)                                                                                               \
        {                                                                                                              \
                .known = true, .physical = (address), .page_bytes = HUGE_BYTES                                         \
        }
#define UNKNOWN                                                                                                        \
        {                                                                                                              \
                .known = false                                                                                         \
        }

enum row_flags {
        MAJOR = 1 << 0,
        OVERLAPPED = 1 << 1,
        LOST_RACE = 1 << 2,
        STACK_GREW = 1 << 3,
        INCOMPLETE = 1 << 4,
        ENDED = 1 << 5,
        THREADED = 1 << 6,
        OPEN = 1 << 7, /* not completed */
        LOSS_SEEN = 1 << 8,
        KERNEL_MODE = 1 << 9,
        /* of the context */
        SWAP = 1 << 10,
        NO_USERFAULT = 1 << 11, /* /proc says that there is none */
        USERFAULT = 1 << 12,    /* /proc says that there is one */
        TMPFS = 1 << 13,
        EOF_BEFORE = 1 << 14, /* the file ends before the faulting page */
        EOF_BEHIND = 1 << 15, /* it holds one byte of the faulting page */
        NO_MAP = 1 << 16,
        NUMA = 1 << 17, /* the kernel balances memory between nodes */
        SIGNALLED = 1 << 18,
};

enum above { ABOVE_NONE, ABOVE_ANON, ABOVE_READ_ONLY, ABOVE_STACK, ABOVE_STACK_FAR, ABOVE_ANON_APART };

struct row {
        const char *name;
        const char *path; /* of the map, which begins at START with offset 0x1000 */
        const char *perms;
        int error_code; /* -1 = not known */
        struct page_state before, after;
        unsigned int flags;
        enum above above;
        uint64_t addr, ip; /* 0 = ADDR, IP */
        enum outcome outcome;
        enum cause cause;
        enum access access;
        enum evidence evidence;
};

#define RESULT(o, c, a, e) .outcome = OUTCOME_##o, .cause = CAUSE_##c, .access = ACCESS_##a, .evidence = EVIDENCE_##e

/* clang-format off */
static const struct row rows[] = {
/* Anonymous memory, nothing there. */
{"write", "", "rw-p", U|W, NONE, AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, ZERO_FILL, WRITE, MEASURED)},
{"write, heap", "[heap]", "rw-p", U|W, NONE, AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, ZERO_FILL, WRITE, MEASURED)},
{"write, named", "[anon:x]", "rw-p", U|W, NONE, AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, ZERO_FILL, WRITE, MEASURED)},
{"write by the kernel", "", "rw-p", W, NONE, AT(PAGE_A), NO_USERFAULT|KERNEL_MODE, RESULT(MINOR, ZERO_FILL, WRITE, MEASURED)},
{"write, huge page", "", "rw-p", U|W, NONE, HUGE_AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, ZERO_FILL, WRITE, MEASURED)},
{"write, swap may explain it", "", "rw-p", U|W, NONE, AT(PAGE_A), NO_USERFAULT|SWAP, RESULT(MINOR, ZERO_FILL, WRITE, INFERRED)},
{"write, userfault not asked", "", "rw-p", U|W, NONE, AT(PAGE_A), 0, RESULT(MINOR, ZERO_FILL, WRITE, INFERRED)},
{"write, another thread there", "", "rw-p", U|W, NONE, AT(PAGE_A), NO_USERFAULT|OVERLAPPED, RESULT(MINOR, ZERO_FILL, WRITE, INFERRED)},
{"write, records lost meanwhile", "", "rw-p", U|W, NONE, AT(PAGE_A), NO_USERFAULT|LOSS_SEEN, RESULT(MINOR, ZERO_FILL, WRITE, INFERRED)},
{"write, race lost", "", "rw-p", U|W, NONE, AT(PAGE_A), NO_USERFAULT|OVERLAPPED|LOST_RACE, RESULT(MINOR, RACED, WRITE, INFERRED)},
{"write, no frames", "", "rw-p", U|W, UNKNOWN, UNKNOWN, NO_USERFAULT, RESULT(MINOR, ZERO_FILL, WRITE, INFERRED)},
{"write, no error code", "", "rw-p", -1, NONE, AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, ZERO_FILL, UNKNOWN, INFERRED)},
{"nothing known", "", "rw-p", -1, UNKNOWN, UNKNOWN, 0, RESULT(MINOR, ZERO_FILL, UNKNOWN, INFERRED)},
{"write, tracepoint lost", "", "rw-p", -1, NONE, AT(PAGE_A), NO_USERFAULT|INCOMPLETE, RESULT(MINOR, ZERO_FILL, UNKNOWN, INFERRED)},
{"write, blocked, no swap", "", "rw-p", U|W, NONE, AT(PAGE_A), NO_USERFAULT|MAJOR, RESULT(MAJOR, UNKNOWN, WRITE, INFERRED)},
{"write, blocked, swap", "", "rw-p", U|W, NONE, AT(PAGE_A), NO_USERFAULT|MAJOR|SWAP, RESULT(MAJOR, SWAP_IN, WRITE, INFERRED)},
{"write, userfault", "", "rw-p", U|W, NONE, AT(PAGE_A), USERFAULT, RESULT(MINOR, USERFAULT, WRITE, INFERRED)},
{"write by the kernel, userfault", "", "rw-p", W, NONE, AT(PAGE_A), USERFAULT|MAJOR|KERNEL_MODE, RESULT(MAJOR, USERFAULT, WRITE, INFERRED)},
{"read", "", "rw-p", U, NONE, ZERO, NO_USERFAULT, RESULT(MINOR, ZERO_PAGE, READ, MEASURED)},
{"read, read-only map", "", "r--p", U, NONE, ZERO, NO_USERFAULT, RESULT(MINOR, ZERO_PAGE, READ, MEASURED)},
{"read, huge zero page", "", "rw-p", U, NONE, HUGE_AT(0), NO_USERFAULT, RESULT(MINOR, ZERO_PAGE, READ, MEASURED)},
{"read, another thread there", "", "rw-p", U, NONE, ZERO, NO_USERFAULT|OVERLAPPED, RESULT(MINOR, ZERO_PAGE, READ, INFERRED)},
{"read, records lost meanwhile", "", "rw-p", U, NONE, ZERO, NO_USERFAULT|LOSS_SEEN, RESULT(MINOR, ZERO_PAGE, READ, INFERRED)},
{"read, no error code", "", "rw-p", -1, NONE, ZERO, NO_USERFAULT, RESULT(MINOR, ZERO_PAGE, UNKNOWN, INFERRED)},
{"read of what was somewhere", "", "rw-p", U, NONE, AT(PAGE_A), NO_USERFAULT|SWAP, RESULT(MINOR, SWAP_IN, READ, INFERRED)},
{"read of what was somewhere, no swap", "", "rw-p", U, NONE, AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, UNKNOWN, READ, INFERRED)},
{"read by the map's permissions", "", "r--p", -1, UNKNOWN, UNKNOWN, NO_USERFAULT, RESULT(MINOR, ZERO_PAGE, UNKNOWN, INFERRED)},
{"fetch, no error code", "", "rwxp", -1, UNKNOWN, UNKNOWN, NO_USERFAULT, .ip = ADDR - 14, RESULT(MINOR, ZERO_PAGE, EXEC, INFERRED)},
{"too far for a fetch", "", "rwxp", -1, UNKNOWN, UNKNOWN, NO_USERFAULT, .ip = ADDR - 15, RESULT(MINOR, ZERO_FILL, UNKNOWN, INFERRED)},
{"before the instruction", "", "rwxp", -1, UNKNOWN, UNKNOWN, NO_USERFAULT, .ip = ADDR + 1, RESULT(MINOR, ZERO_FILL, UNKNOWN, INFERRED)},
{"the kernel fetches nothing", "", "rwxp", -1, UNKNOWN, UNKNOWN, NO_USERFAULT|KERNEL_MODE, .ip = ADDR, RESULT(MINOR, ZERO_FILL, UNKNOWN, INFERRED)},
{"fetch", "", "rwxp", U|I, NONE, ZERO, NO_USERFAULT, RESULT(MINOR, ZERO_PAGE, EXEC, MEASURED)},

/* Anonymous memory, something there, and a write. */
{"copied", "", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_B), NO_USERFAULT, RESULT(MINOR, COW_COPY, WRITE, MEASURED)},
{"copied by the kernel", "", "rw-p", W|P, AT(PAGE_A), AT(PAGE_B), NO_USERFAULT|KERNEL_MODE, RESULT(MINOR, COW_COPY, WRITE, MEASURED)},
{"copied, another thread there", "", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_B), NO_USERFAULT|OVERLAPPED, RESULT(MINOR, COW_COPY, WRITE, INFERRED)},
{"copied, blocked", "", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_B), NO_USERFAULT|MAJOR, RESULT(MAJOR, COW_COPY, WRITE, MEASURED)},
{"copied, no error code", "", "rw-p", -1, AT(PAGE_A), AT(PAGE_B), NO_USERFAULT, RESULT(MINOR, COW_COPY, UNKNOWN, INFERRED)},
{"reused", "", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, COW_REUSE, WRITE, MEASURED)},
{"reused, threads", "", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_A), NO_USERFAULT|THREADED, RESULT(MINOR, COW_REUSE, WRITE, INFERRED)},
{"reused, huge page", "", "rw-p", U|W|P, HUGE_AT(PAGE_A), HUGE_AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, COW_REUSE, WRITE, MEASURED)},
{"reused, private file", "/lib/x", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_A), 0, RESULT(MINOR, COW_REUSE, WRITE, MEASURED)},
{"reused, userfault not asked", "", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_A), 0, RESULT(MINOR, COW_REUSE, WRITE, INFERRED)},
{"write-protected by userfaultfd", "", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_A), USERFAULT, RESULT(MINOR, USERFAULT, WRITE, INFERRED)},
{"reused, another thread there", "", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_A), NO_USERFAULT|OVERLAPPED, RESULT(MINOR, COW_REUSE, WRITE, INFERRED)},
{"reused by another thread", "", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_A), NO_USERFAULT|OVERLAPPED|LOST_RACE, RESULT(MINOR, RACED, WRITE, INFERRED)},
{"write to the zero page", "", "rw-p", U|W|P, ZERO, AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, ZERO_FILL, WRITE, MEASURED)},
{"protected, no frames", "", "rw-p", U|W|P, UNKNOWN, UNKNOWN, NO_USERFAULT, RESULT(MINOR, UNKNOWN, WRITE, INFERRED)},
{"protected, gone when the kernel looked", "", "rw-p", U|W|P, NONE, AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, UNKNOWN, WRITE, INFERRED)},
{"read of what is there", "", "rw-p", U|P, AT(PAGE_A), AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, SPURIOUS, READ, MEASURED)},
{"fetch of what is there", "", "r-xp", -1, AT(PAGE_A), AT(PAGE_A), NO_USERFAULT, .ip = ADDR, RESULT(MINOR, SPURIOUS, EXEC, INFERRED)},

/* The processor saw nothing, the kernel did. */
{"appeared", "", "rw-p", U|W, AT(PAGE_A), AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, RACED, WRITE, MEASURED)},
{"appeared, file", "/lib/x", "r--p", U, AT(PAGE_A), AT(PAGE_A), 0, RESULT(MINOR, RACED, READ, MEASURED)},
{"entry without a frame that may be used", "", "rw-p", U, ZERO, AT(PAGE_A), NUMA, RESULT(MINOR, NUMA_HINT, READ, INFERRED)},
{"the same, but nobody balances", "", "rw-p", U, ZERO, AT(PAGE_A), 0, RESULT(MINOR, RACED, READ, INFERRED)},
{"appeared, zero page", "", "rw-p", U, ZERO, ZERO, NO_USERFAULT|NUMA, RESULT(MINOR, RACED, READ, INFERRED)},

/* Stacks and huge pages. */
{"stack grows", "[stack]", "rw-p", U|W, NONE, AT(PAGE_A), STACK_GREW, RESULT(MINOR, STACK_GROW, WRITE, MEASURED)},
{"stack has room", "[stack]", "rw-p", U|W, NONE, AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, ZERO_FILL, WRITE, MEASURED)},
{"hugetlb", "/anon_hugepage (deleted)", "rw-s", U|W, NONE, HUGE_AT(PAGE_A), 0, RESULT(MINOR, HUGETLB, WRITE, MEASURED)},
{"hugetlb, copied", "/anon_hugepage (deleted)", "rw-p", U|W|P, HUGE_AT(PAGE_A), HUGE_AT(PAGE_B), 0, RESULT(MINOR, HUGETLB, WRITE, MEASURED)},
{"hugetlb, basic", "/anon_hugepage (deleted)", "rw-s", -1, UNKNOWN, UNKNOWN, 0, RESULT(MINOR, HUGETLB, UNKNOWN, MEASURED)},

/* Files. */
{"file read", "/lib/x", "r--p", U, NONE, AT(PAGE_A), 0, RESULT(MINOR, FILE_MINOR, READ, MEASURED)},
{"file fetch", "/lib/x", "r-xp", U|I, NONE, AT(PAGE_A), 0, RESULT(MINOR, FILE_MINOR, EXEC, MEASURED)},
{"private file read, swap may explain it", "/lib/x", "r--p", U, NONE, AT(PAGE_A), SWAP, RESULT(MINOR, FILE_MINOR, READ, INFERRED)},
{"shared file read, swap cannot", "/tmp/x", "rw-s", U, NONE, AT(PAGE_A), SWAP, RESULT(MINOR, FILE_MINOR, READ, MEASURED)},
{"file, basic", "/lib/x", "rw-p", -1, UNKNOWN, UNKNOWN, 0, RESULT(MINOR, FILE_MINOR, UNKNOWN, INFERRED)},
{"file, blocked", "/lib/x", "r--p", U, NONE, AT(PAGE_A), MAJOR, RESULT(MAJOR, FILE_MAJOR, READ, INFERRED)},
{"private file write, blocked", "/lib/x", "rw-p", U|W, NONE, AT(PAGE_A), MAJOR, RESULT(MAJOR, FILE_MAJOR, WRITE, INFERRED)},
{"private file write", "/lib/x", "rw-p", U|W, NONE, AT(PAGE_A), 0, RESULT(MINOR, FILE_COW, WRITE, MEASURED)},
{"private file write, swap", "/lib/x", "rw-p", U|W, NONE, AT(PAGE_A), SWAP, RESULT(MINOR, FILE_COW, WRITE, INFERRED)},
{"private file write after read", "/lib/x", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_B), 0, RESULT(MINOR, FILE_COW, WRITE, INFERRED)},
{"shared file write", "/tmp/x", "rw-s", U|W, NONE, AT(PAGE_A), 0, RESULT(MINOR, MKWRITE, WRITE, MEASURED)},
{"shared file write after read", "/tmp/x", "rw-s", U|W|P, AT(PAGE_A), AT(PAGE_A), 0, RESULT(MINOR, MKWRITE, WRITE, MEASURED)},
{"shared file write after read, no frames", "/tmp/x", "rw-s", U|W|P, UNKNOWN, UNKNOWN, 0, RESULT(MINOR, MKWRITE, WRITE, INFERRED)},
{"file read, race lost", "/lib/x", "r--p", U, NONE, AT(PAGE_A), OVERLAPPED|LOST_RACE, RESULT(MINOR, RACED, READ, INFERRED)},
{"vdso", "[vdso]", "r-xp", U|I, NONE, AT(PAGE_A), 0, RESULT(MINOR, FILE_MINOR, EXEC, INFERRED)},

/* Shared memory. */
{"memfd write", "/memfd:x (deleted)", "rw-s", U|W, NONE, AT(PAGE_A), 0, RESULT(MINOR, SHMEM, WRITE, MEASURED)},
{"memfd read", "/memfd:x (deleted)", "rw-s", U, NONE, AT(PAGE_A), 0, RESULT(MINOR, SHMEM, READ, MEASURED)},
{"tmpfs write", "/tmp/x", "rw-s", U|W, NONE, AT(PAGE_A), TMPFS, RESULT(MINOR, SHMEM, WRITE, MEASURED)},
{"memfd, swap may explain it", "/memfd:x (deleted)", "rw-s", U|W, NONE, AT(PAGE_A), SWAP, RESULT(MINOR, SHMEM, WRITE, INFERRED)},
{"memfd, blocked", "/memfd:x (deleted)", "rw-s", U|W, NONE, AT(PAGE_A), MAJOR, RESULT(MAJOR, SHMEM, WRITE, INFERRED)},
{"memfd, blocked, swap", "/memfd:x (deleted)", "rw-s", U|W, NONE, AT(PAGE_A), MAJOR|SWAP, RESULT(MAJOR, SWAP_IN, WRITE, INFERRED)},
{"memfd, userfault", "/memfd:x (deleted)", "rw-s", U|W, NONE, AT(PAGE_A), USERFAULT, RESULT(MINOR, USERFAULT, WRITE, INFERRED)},
{"memfd, private write", "/memfd:x (deleted)", "rw-p", U|W, NONE, AT(PAGE_A), 0, RESULT(MINOR, FILE_COW, WRITE, MEASURED)},
{"memfd, private write, swap", "/memfd:x (deleted)", "rw-p", U|W, NONE, AT(PAGE_A), SWAP, RESULT(MINOR, FILE_COW, WRITE, INFERRED)},
{"memfd, private write after read", "/memfd:x (deleted)", "rw-p", U|W|P, AT(PAGE_A), AT(PAGE_B), 0, RESULT(MINOR, FILE_COW, WRITE, INFERRED)},
{"memfd, same page", "/memfd:x (deleted)", "rw-s", U|W|P, AT(PAGE_A), AT(PAGE_A), NO_USERFAULT, RESULT(MINOR, SPURIOUS, WRITE, INFERRED)},
{"memfd, protected, no frames", "/memfd:x (deleted)", "rw-s", U|W|P, UNKNOWN, UNKNOWN, 0, RESULT(MINOR, SHMEM, WRITE, INFERRED)},

{"completed where nothing is known", "", "rw-p", U|W, NONE, AT(PAGE_A), NO_MAP, RESULT(MINOR, UNKNOWN, WRITE, INFERRED)},

/* Not completed. */
{"unmapped", "", "rw-p", U, NONE, UNKNOWN, OPEN|NO_MAP, RESULT(FAILED, UNMAPPED, READ, INFERRED)},
{"unmapped, then the thread died", "", "rw-p", U|W, NONE, UNKNOWN, OPEN|NO_MAP|ENDED, RESULT(FAILED, UNMAPPED, WRITE, INFERRED)},
{"unmapped below other memory", "", "rw-p", U, NONE, UNKNOWN, OPEN|NO_MAP, .above = ABOVE_ANON, RESULT(FAILED, UNMAPPED, READ, INFERRED)},
{"write to read-only", "", "r--p", U|W|P, AT(PAGE_A), UNKNOWN, OPEN, RESULT(FAILED, ACCESS_DENIED, WRITE, INFERRED)},
{"fetch from data", "", "rw-p", U|I|P, AT(PAGE_A), UNKNOWN, OPEN, RESULT(FAILED, ACCESS_DENIED, EXEC, INFERRED)},
{"no access", "", "---p", U, NONE, UNKNOWN, OPEN, RESULT(FAILED, ACCESS_DENIED, READ, INFERRED)},
{"system call on no access", "", "---p", W, NONE, UNKNOWN, OPEN|KERNEL_MODE, RESULT(FAILED, ACCESS_DENIED, WRITE, INFERRED)},
{"guard page", "", "---p", U|W, NONE, UNKNOWN, OPEN, .above = ABOVE_ANON, RESULT(FAILED, GUARD_PAGE, WRITE, INFERRED)},
{"no guard: a gap above", "", "---p", U|W, NONE, UNKNOWN, OPEN, .above = ABOVE_ANON_APART, RESULT(FAILED, ACCESS_DENIED, WRITE, INFERRED)},
{"no guard: not writable above", "", "---p", U|W, NONE, UNKNOWN, OPEN, .above = ABOVE_READ_ONLY, RESULT(FAILED, ACCESS_DENIED, WRITE, INFERRED)},
{"no guard: readable", "", "r--p", U|W, NONE, UNKNOWN, OPEN, .above = ABOVE_ANON, RESULT(FAILED, ACCESS_DENIED, WRITE, INFERRED)},
{"stack overflow", "", "rw-p", U|W, NONE, UNKNOWN, OPEN|NO_MAP, .above = ABOVE_STACK, RESULT(FAILED, STACK_OVERFLOW, WRITE, INFERRED)},
{"too far below the stack", "", "rw-p", U|W, NONE, UNKNOWN, OPEN|NO_MAP, .above = ABOVE_STACK_FAR, RESULT(FAILED, UNMAPPED, WRITE, INFERRED)},
{"beyond the end of the file", "/tmp/x", "rw-s", U, NONE, UNKNOWN, OPEN|EOF_BEFORE, RESULT(FAILED, BEYOND_EOF, READ, INFERRED)},
{"on the file's last page", "/tmp/x", "rw-s", U, NONE, UNKNOWN, OPEN|EOF_BEHIND, RESULT(FAILED, UNKNOWN, READ, INFERRED)},
{"a file of unknown size", "/tmp/x", "rw-s", U, NONE, UNKNOWN, OPEN, RESULT(FAILED, BEYOND_EOF, READ, INFERRED)},
{"a file of unknown size, the thread ended", "/tmp/x", "rw-s", U, NONE, UNKNOWN, OPEN|ENDED, RESULT(OPEN, UNKNOWN, READ, INFERRED)},
{"beyond the end, access not permitted", "/tmp/x", "r--s", U|W, NONE, UNKNOWN, OPEN|EOF_BEFORE, RESULT(FAILED, ACCESS_DENIED, WRITE, INFERRED)},
{"beyond the end, access not known", "/tmp/x", "r--s", -1, NONE, UNKNOWN, OPEN|EOF_BEFORE, RESULT(FAILED, BEYOND_EOF, UNKNOWN, INFERRED)},
{"read-only, access not known", "/tmp/x", "r--s", -1, NONE, UNKNOWN, OPEN|EOF_BEHIND, RESULT(FAILED, ACCESS_DENIED, UNKNOWN, INFERRED)},
{"no access, access not known", "/tmp/x", "---s", -1, NONE, UNKNOWN, OPEN|EOF_BEFORE, RESULT(FAILED, ACCESS_DENIED, UNKNOWN, INFERRED)},
{"anonymous memory has no end", "", "rw-p", U, NONE, UNKNOWN, OPEN|EOF_BEFORE, RESULT(INTERRUPTED, UNKNOWN, READ, INFERRED)},
{"permitted, the thread went on", "", "rw-p", U|W, NONE, UNKNOWN, OPEN, RESULT(INTERRUPTED, UNKNOWN, WRITE, INFERRED)},
{"permitted, the thread ended", "", "rw-p", U|W, NONE, UNKNOWN, OPEN|ENDED, RESULT(OPEN, UNKNOWN, WRITE, INFERRED)},
{"incomplete is never failed", "", "rw-p", U|W, NONE, UNKNOWN, OPEN|NO_MAP|INCOMPLETE, RESULT(NONE, UNKNOWN, WRITE, INFERRED)},
{"incomplete and ended", "", "---p", U|W, NONE, UNKNOWN, OPEN|INCOMPLETE|ENDED, RESULT(NONE, UNKNOWN, WRITE, INFERRED)},
/* The same, and the thread was seen to be sent a signal for it. */
{"signal, unmapped", "", "rw-p", U, NONE, UNKNOWN, OPEN|NO_MAP|SIGNALLED, RESULT(FAILED, UNMAPPED, READ, MEASURED)},
{"signal, write to read-only", "", "r--p", U|W|P, AT(PAGE_A), UNKNOWN, OPEN|SIGNALLED, RESULT(FAILED, ACCESS_DENIED, WRITE, MEASURED)},
{"signal, read-only, access not known", "/tmp/x", "r--s", -1, NONE, UNKNOWN, OPEN|SIGNALLED|EOF_BEHIND, RESULT(FAILED, ACCESS_DENIED, UNKNOWN, INFERRED)},
{"signal, guard page", "", "---p", U|W, NONE, UNKNOWN, OPEN|SIGNALLED, .above = ABOVE_ANON, RESULT(FAILED, GUARD_PAGE, WRITE, INFERRED)},
{"signal, stack overflow", "", "rw-p", U|W, NONE, UNKNOWN, OPEN|NO_MAP|SIGNALLED, .above = ABOVE_STACK, RESULT(FAILED, STACK_OVERFLOW, WRITE, INFERRED)},
{"signal, beyond the end of the file", "/tmp/x", "rw-s", U, NONE, UNKNOWN, OPEN|EOF_BEFORE|SIGNALLED, RESULT(FAILED, BEYOND_EOF, READ, INFERRED)},
{"signal, a file of unknown size", "/tmp/x", "rw-s", U, NONE, UNKNOWN, OPEN|SIGNALLED, RESULT(FAILED, BEYOND_EOF, READ, INFERRED)},
{"signal, on the file's last page", "/tmp/x", "rw-s", U, NONE, UNKNOWN, OPEN|EOF_BEHIND|SIGNALLED, RESULT(FAILED, UNKNOWN, READ, INFERRED)},
{"signal, permitted", "", "rw-p", U|W, NONE, UNKNOWN, OPEN|SIGNALLED, RESULT(FAILED, UNKNOWN, WRITE, INFERRED)},
{"signal, incomplete", "", "rw-p", U|W, NONE, UNKNOWN, OPEN|NO_MAP|INCOMPLETE|SIGNALLED, RESULT(FAILED, UNMAPPED, WRITE, MEASURED)},
{"signal, kernel address", "", "rw-p", U|P, UNKNOWN, UNKNOWN, OPEN|NO_MAP|SIGNALLED, .addr = KERNEL_ADDR, RESULT(FAILED, KERNEL_ADDRESS, READ, MEASURED)},
{"kernel address", "", "rw-p", U|P, UNKNOWN, UNKNOWN, OPEN|NO_MAP, .addr = KERNEL_ADDR, RESULT(FAILED, KERNEL_ADDRESS, READ, MEASURED)},
{"vsyscall", "", "rw-p", U|I, UNKNOWN, UNKNOWN, OPEN|NO_MAP, .addr = VSYSCALL, .ip = VSYSCALL, RESULT(EMULATED, UNKNOWN, EXEC, MEASURED)},
{"vsyscall, no error code", "", "rw-p", -1, UNKNOWN, UNKNOWN, OPEN|NO_MAP, .addr = VSYSCALL, .ip = VSYSCALL, RESULT(EMULATED, UNKNOWN, EXEC, MEASURED)},
{"read of the vsyscall page", "", "rw-p", U, UNKNOWN, UNKNOWN, OPEN|NO_MAP, .addr = VSYSCALL, RESULT(FAILED, KERNEL_ADDRESS, READ, MEASURED)},
};
/* clang-format on */

static struct map *new_map(uint64_t start, uint64_t end, const char *path, const char *perms)
{
        struct map_spec spec = {
                .start = start,
                .end = end,
                .offset = 0x1000,
                .readable = perms[0] == 'r',
                .writable = perms[1] == 'w',
                .executable = perms[2] == 'x',
                .shared = perms[3] == 's',
                .inode = path[0] == '/' ? 7 : 0,
                .path = path,
                .n_path = strlen(path),
        };
        struct map *map = map_new(&spec);

        assert_non_null(map);
        return map;
}

static struct map *new_above(enum above above, uint64_t addr)
{
        switch (above) {
        case ABOVE_ANON:
                return new_map(END, END + 0x8000, "", "rw-p");
        case ABOVE_ANON_APART:
                return new_map(END + 0x1000, END + 0x8000, "", "rw-p");
        case ABOVE_READ_ONLY:
                return new_map(END, END + 0x8000, "", "r--p");
        case ABOVE_STACK:
                return new_map(addr + 0x10000, addr + 0x20000, "[stack]", "rw-p");
        case ABOVE_STACK_FAR:
                return new_map(addr + 0x10001, addr + 0x20000, "[stack]", "rw-p");
        default:
                return NULL;
        }
}

static struct fault fault_of(const struct row *row)
{
        unsigned int flags = row->flags;

        return (struct fault){.addr = row->addr ? row->addr : ADDR,
                              .ip = row->ip ? row->ip : IP,
                              .error_code = row->error_code < 0 ? 0 : (uint64_t)row->error_code,
                              .has_error_code = row->error_code >= 0,
                              .anchored = true,
                              .completed = !(flags & OPEN),
                              .major = flags & MAJOR,
                              .incomplete = flags & INCOMPLETE,
                              .overlapped = flags & OVERLAPPED,
                              .lost_race = flags & LOST_RACE,
                              .loss_seen = flags & LOSS_SEEN,
                              .stack_grew = flags & STACK_GREW,
                              .ended = flags & ENDED,
                              .signalled = flags & SIGNALLED,
                              .mode = flags & KERNEL_MODE ? MODE_KERNEL : MODE_USER,
                              .before = row->before,
                              .after = row->after};
}

static struct classify_context context_of(const struct row *row)
{
        unsigned int flags = row->flags;
        /* The faulting page is the map's third; the map begins with the file's second. */
        uint64_t page_offset = 0x3000;

        return (struct classify_context){.swap_in_use = flags & SWAP,
                                         .is_threaded = flags & THREADED,
                                         .numa_balancing = flags & NUMA,
                                         .userfault = flags & USERFAULT,
                                         .userfault_known = flags & (USERFAULT | NO_USERFAULT),
                                         .file_is_shmem = flags & TMPFS,
                                         .file_size_known = flags & (EOF_BEFORE | EOF_BEHIND),
                                         .file_bytes = flags & EOF_BEHIND ? page_offset + 1 : page_offset};
}

static void classify_row(const struct row *row, struct fault *fault)
{
        struct classify_context context = context_of(row);
        struct map *map = row->flags & NO_MAP ? NULL : new_map(START, END, row->path, row->perms);

        *fault = fault_of(row);
        fault->map = map;
        fault->above = new_above(row->above, fault->addr);
        classify(fault, &context);
        map_unref(map);
        fault->above = map_unref(fault->above);
}

static void test_rows(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct fault fault;

                classify_row(&rows[i], &fault);
                if (fault.outcome != rows[i].outcome || fault.cause != rows[i].cause ||
                    fault.access != rows[i].access || fault.evidence != rows[i].evidence)
                        fail_msg("row \"%s\": %s, %s, %s, %s instead of %s, %s, %s, %s", rows[i].name,
                                 outcome_text(fault.outcome), cause_text(fault.cause), access_text(fault.access),
                                 evidence_text(fault.evidence), outcome_text(rows[i].outcome),
                                 cause_text(rows[i].cause), access_text(rows[i].access),
                                 evidence_text(rows[i].evidence));
        }
}

static void test_rows_cover_the_vocabulary(void **state)
{
        bool outcomes[N_OUTCOMES] = {false}, causes[N_CAUSES] = {false}, accesses[N_ACCESSES] = {false};

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                outcomes[rows[i].outcome] = causes[rows[i].cause] = accesses[rows[i].access] = true;
        for (unsigned int i = 0; i < N_OUTCOMES; i++)
                if (!outcomes[i])
                        fail_msg("no row for outcome %s", outcome_text(i));
        for (unsigned int i = 0; i < N_CAUSES; i++)
                if (!causes[i])
                        fail_msg("no row for cause %s", cause_text(i));
        for (unsigned int i = 0; i < N_ACCESSES; i++)
                if (!accesses[i])
                        fail_msg("no row for access %s", access_text(i));
}

/*
 * Over every combination of inputs: what was completed has the kernel's word for it, nothing incomplete is called
 * failed, and no heuristic cause is called measured.
 */
static void check_invariants(const struct fault *fault, unsigned int flags)
{
        static const enum cause never_measured[] = {CAUSE_FILE_MAJOR, CAUSE_SWAP_IN,    CAUSE_NUMA_HINT,
                                                    CAUSE_USERFAULT,  CAUSE_GUARD_PAGE, CAUSE_STACK_OVERFLOW,
                                                    CAUSE_BEYOND_EOF};

        assert_in_range(fault->outcome, 0, N_OUTCOMES - 1);
        assert_in_range(fault->cause, 0, N_CAUSES - 1);
        if (fault->completed)
                assert_int_equal(fault->outcome, fault->major ? OUTCOME_MAJOR : OUTCOME_MINOR);
        else if (fault->signalled)
                assert_int_equal(fault->outcome, OUTCOME_FAILED);
        else if (fault->incomplete)
                assert_int_equal(fault->outcome, OUTCOME_NONE);
        else
                assert_true(fault->outcome >= OUTCOME_FAILED);
        for (size_t i = 0; i < ARRAY_SIZE(never_measured); i++)
                if (fault->cause == never_measured[i])
                        assert_int_equal(fault->evidence, EVIDENCE_INFERRED);
        if (!fault->signalled && (fault->cause == CAUSE_UNMAPPED || fault->cause == CAUSE_ACCESS_DENIED))
                assert_int_equal(fault->evidence, EVIDENCE_INFERRED);
        if (fault->cause == CAUSE_ZERO_FILL && fault->evidence == EVIDENCE_MEASURED)
                assert_true(fault->has_error_code && !fault->overlapped && !fault->loss_seen &&
                            (fault->error_code & P || (!(flags & SWAP) && (flags & NO_USERFAULT))));
}

static void test_invariants(void **state)
{
        static const char *const paths[] = {
                "", "[stack]", "/lib/x", "/memfd:x (deleted)", "[vdso]", "/anon_hugepage (deleted)"};
        static const char *const perms[] = {"rw-p", "r--p", "---p", "rw-s", "r-xp"};
        static const int codes[] = {-1, 0, U, U | W, U | W | P, U | I, U | P, W};
        static const struct page_state states[] = {UNKNOWN, NONE, ZERO, AT(PAGE_A), AT(PAGE_B)};
        static const unsigned int flags[] = {0,
                                             MAJOR,
                                             OVERLAPPED,
                                             OVERLAPPED | LOST_RACE,
                                             LOSS_SEEN,
                                             SWAP,
                                             NO_USERFAULT,
                                             USERFAULT,
                                             NO_USERFAULT | SWAP | MAJOR,
                                             OPEN,
                                             OPEN | ENDED,
                                             OPEN | INCOMPLETE,
                                             OPEN | SIGNALLED,
                                             OPEN | SIGNALLED | INCOMPLETE,
                                             OPEN | EOF_BEFORE,
                                             NO_MAP,
                                             OPEN | NO_MAP};

        for (size_t i = 0; i < ARRAY_SIZE(paths) * ARRAY_SIZE(perms); i++)
                for (size_t j = 0; j < ARRAY_SIZE(codes) * ARRAY_SIZE(flags); j++)
                        for (size_t k = 0; k < ARRAY_SIZE(states) * ARRAY_SIZE(states); k++) {
                                struct row row = {.path = paths[i / ARRAY_SIZE(perms)],
                                                  .perms = perms[i % ARRAY_SIZE(perms)],
                                                  .error_code = codes[j / ARRAY_SIZE(flags)],
                                                  .flags = flags[j % ARRAY_SIZE(flags)],
                                                  .before = states[k / ARRAY_SIZE(states)],
                                                  .after = states[k % ARRAY_SIZE(states)]};
                                struct fault fault;

                                classify_row(&row, &fault);
                                check_invariants(&fault, row.flags);
                        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_rows_cover_the_vocabulary),
                cmocka_unit_test(test_invariants),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
