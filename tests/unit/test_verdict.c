/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * verdict.c and verdict_text.c: the rules that verdict.h lists, row by row, with the boundaries of each. A row is what
 * the signal said and what was known of the maps, and what follows from it, to the last letter of the sentence.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/model/verdict.h"
#include "daemon/link/events.h"

/* arch/x86/include/asm/trap_pf.h */
#define P 1
#define W 2
#define U 4
#define I 16

#define IP UINT64_C(0x401000)
#define SP UINT64_C(0x7ffd00001000)
#define NOW UINT64_C(5000000000)
#define NOTHING UINT64_MAX
#define KERNEL UINT64_C(0xffff800000000000)
#define BAD UINT64_C(0x4141414141414141)
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)

struct map_row { /* perms NULL: no map */
        uint64_t start, end, offset;
        const char *perms, *path;
};

#define HEAP                                                                                                           \
        {                                                                                                              \
                0x10000000, 0x10021000, 0, "rw-p", "[heap]"                                                            \
        }
#define LIB                                                                                                            \
        {                                                                                                              \
                0x10030000, 0x10040000, 0, "r-xp", "/lib/x.so"                                                         \
        }
#define STACK                                                                                                          \
        {                                                                                                              \
                0x7ffd00000000, 0x7ffd00800000, 0, "rw-p", "[stack]"                                                   \
        }
#define DATA                                                                                                           \
        {                                                                                                              \
                0x10000000, 0x10002000, 0x1000, "r--s", "/data/f"                                                      \
        } /* the second and third page of the file */
#define ANON(start_, end_)                                                                                             \
        {                                                                                                              \
                start_, end_, 0, "rw-p", ""                                                                            \
        }
#define GUARD(start_, end_)                                                                                            \
        {                                                                                                              \
                start_, end_, 0, "---p", ""                                                                            \
        }

enum row_flags {
        FAULT = 1,         /* was among the events, with error_code */
        NO_ERROR_CODE = 2, /* ... without */
        NO_REGISTERS = 4,
        BURIED = 8,      /* what .buried says, nobody knows when and by whom */
        SEEN = 16,       /* ... by thread 123, 1.25 ms before */
        SIZE_KNOWN = 32, /* file_bytes */
};

struct row {
        const char *name;
        int signo, code;
        uint64_t addr;
        unsigned int flags, error_code;
        struct map_row map, below, above, stack, buried;
        uint64_t ip, sp; /* 0 = IP, SP */
        uint64_t file_bytes;
        /* the answer */
        enum verdict_kind kind;
        enum access access;
        enum evidence evidence;
        char missing;
        const char *nearest;          /* path, NULL = none */
        uint64_t below_by, above_by;  /* 0 = says nothing: a map is missed by at least a byte */
        uint64_t depth;               /* ... and a stack that overflows has one */
        uint64_t field, eof, pointer; /* compared for the verdicts that have them */
        const char *text;
};

#define SEGV(code_, addr_) .signo = SIGSEGV, .code = SEGV_##code_, .addr = (addr_)
#define BUS(code_, addr_) .signo = SIGBUS, .code = BUS_##code_, .addr = (addr_)
#define WITH(code_) .flags = FAULT, .error_code = (code_)
#define ANSWER(k, a, e) .kind = VERDICT_##k, .access = ACCESS_##a, .evidence = EVIDENCE_##e

/* clang-format off */
static const struct row rows[] = {
/* Sent. */
{"kill", SIGSEGV, SI_USER, 77, ANSWER(SENT, UNKNOWN, MEASURED),
 .text = "sent by process 4321 of user 1000; no access to memory caused it"},
{"tgkill", SIGBUS, SI_TKILL, 77, ANSWER(SENT, UNKNOWN, MEASURED),
 .text = "sent by process 4321 of user 1000; no access to memory caused it"},
{"sigqueue", SIGSEGV, SI_QUEUE, 0, ANSWER(SENT, UNKNOWN, MEASURED),
 .text = "sent by process 4321 of user 1000; no access to memory caused it"},
{"timer", SIGSEGV, SI_TIMER, 0, ANSWER(SENT, UNKNOWN, MEASURED),
 .text = "sent by a timer or another notification of the program's own; no access to memory caused it"},

/* Hardware, and what SIGBUS says besides. */
{"damaged", BUS(MCEERR_AR, 0x10000123), ANSWER(HARDWARE, UNKNOWN, MEASURED),
 .text = "the memory at 0x10000123 is damaged: the hardware reported an error"},
{"damaged, found early", BUS(MCEERR_AO, 0x10000000), ANSWER(HARDWARE, UNKNOWN, MEASURED),
 .text = "the memory at 0x10000000 is damaged: the hardware reported an error"},
{"object error", BUS(OBJERR, 0x10), ANSWER(HARDWARE, UNKNOWN, MEASURED),
 .text = "the memory at 0x10 is damaged: the hardware reported an error"},
{"misaligned", BUS(ADRALN, 0), ANSWER(UNKNOWN, UNKNOWN, INFERRED),
 .text = "misaligned: a locked access across cache lines, or alignment is being checked"},
{"another code", SIGBUS, 6, 0, ANSWER(UNKNOWN, UNKNOWN, INFERRED),
 .text = "the kernel says no more than SIGBUS with code 6"},

/* Behind the end of a file. Its size is 0x1fa0 or as said; the map begins at its offset 0x1000. */
{"beyond eof", BUS(ADRERR, 0x10001004), .flags = FAULT | SIZE_KNOWN, .error_code = U, .map = DATA, .file_bytes = 0x1fa0,
 .eof = 100, ANSWER(BEYOND_EOF, READ, MEASURED),
 .text = "read 0x10001004, 100 bytes behind the end of /data/f (r--s), whose file has 8096 bytes"},
{"beyond eof, whole pages", BUS(ADRERR, 0x10001000), .flags = FAULT | SIZE_KNOWN, .error_code = U | W, .map = DATA,
 .file_bytes = 0x2000, .eof = 0, ANSWER(BEYOND_EOF, WRITE, MEASURED),
 .text = "wrote to 0x10001000, right at the end of /data/f (r--s), whose file has 8192 bytes"},
{"one byte", BUS(ADRERR, 0x10001001), .flags = FAULT | SIZE_KNOWN, .error_code = U, .map = DATA, .file_bytes = 0x2000,
 .eof = 1, ANSWER(BEYOND_EOF, READ, MEASURED),
 .text = "read 0x10001001, 1 byte behind the end of /data/f (r--s), whose file has 8192 bytes"},
{"empty file", BUS(ADRERR, 0x10000000), .flags = SIZE_KNOWN, .map = DATA, .file_bytes = 0,
 .eof = 0x1000, ANSWER(BEYOND_EOF, UNKNOWN, MEASURED),
 .text = "accessed 0x10000000, 4096 bytes behind the end of /data/f (r--s), whose file has 0 bytes"},
{"size not known", BUS(ADRERR, 0x10001004), WITH(U), .map = DATA, .eof = NOTHING, ANSWER(BEYOND_EOF, READ, INFERRED),
 .text = "read 0x10001004, behind the end of /data/f (r--s)"},
{"shared memory", BUS(ADRERR, 0x10000004), .flags = SIZE_KNOWN, .file_bytes = 0,
 .map = {0x10000000, 0x10002000, 0, "rw-s", "/memfd:m (deleted)"}, .eof = 4, ANSWER(BEYOND_EOF, UNKNOWN, MEASURED),
 .text = "accessed 0x10000004, 4 bytes behind the end of /memfd:m (deleted) (rw-s), whose file has 0 bytes"},
{"within the file", BUS(ADRERR, 0x10001004), .flags = FAULT | SIZE_KNOWN, .error_code = U, .map = DATA,
 .file_bytes = 0x2001, ANSWER(UNKNOWN, READ, INFERRED),
 .text = "read 0x10001004, in /data/f (r--s), for which the kernel had no page: an error of the storage, or no memory left"},
{"huge pages used up", BUS(ADRERR, 0x10000000), WITH(U | W), .map = {0x10000000, 0x10200000, 0, "rw-p", "/anon_hugepage (deleted)"},
 ANSWER(UNKNOWN, WRITE, INFERRED),
 .text = "wrote to 0x10000000, in /anon_hugepage (deleted) (rw-p), for which the kernel had no page: an error of the storage, or no memory left"},
{"huge file", BUS(ADRERR, 0x10200010), .flags = SIZE_KNOWN, .file_bytes = 0x200000, .eof = 0x10,
 .map = {0x10000000, 0x10400000, 0, "rw-s", "/anon_hugepage (deleted)"}, ANSWER(BEYOND_EOF, UNKNOWN, MEASURED),
 .text = "accessed 0x10200010, 16 bytes behind the end of /anon_hugepage (deleted) (rw-s), whose file has 2097152 bytes"},
{"no page, anonymous", BUS(ADRERR, 0x10000000), WITH(U), .map = HEAP, ANSWER(UNKNOWN, READ, INFERRED),
 .text = "read 0x10000000, in [heap] (rw-p), for which the kernel had no page: an error of the storage, or no memory left"},
{"no page, no map", BUS(ADRERR, 0x10000000), ANSWER(UNKNOWN, UNKNOWN, INFERRED),
 .text = "accessed 0x10000000, for which the kernel had no page: an error of the storage, or no memory left"},

/* A null pointer. */
{"null", SEGV(MAPERR, 0), WITH(U), .above = LIB, .field = 0, ANSWER(NULL_DEREFERENCE, READ, INFERRED),
 .text = "read through a null pointer"},
{"field of null", SEGV(MAPERR, 24), WITH(U), .above = LIB, .field = 24, ANSWER(NULL_DEREFERENCE, READ, INFERRED),
 .text = "read through a null pointer, at offset 24 of what it should point to"},
{"written field of null", SEGV(MAPERR, 24), WITH(U | W), .field = 24, ANSWER(NULL_DEREFERENCE, WRITE, INFERRED),
 .text = "wrote through a null pointer, at offset 24 of what it should point to"},
{"null, no fault seen", SEGV(MAPERR, 8), .field = 8, ANSWER(NULL_DEREFERENCE, UNKNOWN, INFERRED),
 .text = "used memory through a null pointer, at offset 8 of what it should point to"},
{"last field of null", SEGV(MAPERR, 0xffff), WITH(U), .field = 0xffff, ANSWER(NULL_DEREFERENCE, READ, INFERRED),
 .text = "read through a null pointer, at offset 65535 of what it should point to"},
{"no more null", SEGV(MAPERR, 0x10000), WITH(U), ANSWER(UNMAPPED, READ, MEASURED),
 .text = "read 0x10000, which nothing maps"},
{"jump through null", SEGV(MAPERR, 0), .ip = 0, .flags = NO_REGISTERS | FAULT, .error_code = U | I, .field = 0,
 ANSWER(NULL_DEREFERENCE, EXEC, INFERRED), .text = "jumped through a null pointer"},
{"jump, no fault seen", SEGV(MAPERR, 0x18), .ip = 0x18, .field = 0x18, ANSWER(NULL_DEREFERENCE, EXEC, INFERRED),
 .text = "jumped through a null pointer, to 0x18"},
{"low memory that was mapped", SEGV(MAPERR, 0x1010), .flags = FAULT | BURIED, .error_code = U, .buried = {0x1000, 0x2000, 0, "rw-p", ""},
 ANSWER(USE_AFTER_UNMAP, READ, INFERRED), .text = "read 0x1010, memory that was unmapped: earlier it was [anon] (rw-p)"},

/* The kernel's half. */
{"kernel", SEGV(MAPERR, KERNEL), WITH(U | P), ANSWER(KERNEL_ADDRESS, READ, MEASURED),
 .text = "read 0xffff800000000000, which belongs to the kernel"},
{"below the kernel", SEGV(MAPERR, KERNEL - 1), WITH(U), ANSWER(UNMAPPED, READ, MEASURED),
 .text = "read 0xffff7fffffffffff, which nothing maps"},
{"vsyscall page", SEGV(MAPERR, 0xffffffffff600000), WITH(U | P), ANSWER(KERNEL_ADDRESS, READ, MEASURED),
 .text = "read 0xffffffffff600000, which belongs to the kernel"},
{"MAP_FAILED", SEGV(MAPERR, UINT64_MAX), WITH(U | W), ANSWER(KERNEL_ADDRESS, WRITE, MEASURED),
 .text = "wrote to 0xffffffffffffffff, which belongs to the kernel: 1 byte before a null pointer, or error -1 taken for a pointer"},
{"the last error", SEGV(MAPERR, UINT64_MAX - 4095), ANSWER(KERNEL_ADDRESS, UNKNOWN, MEASURED),
 .text = "accessed 0xfffffffffffff000, which belongs to the kernel: 4096 bytes before a null pointer, or error -4096 taken for a pointer"},
{"no error", SEGV(MAPERR, UINT64_MAX - 4096), ANSWER(KERNEL_ADDRESS, UNKNOWN, MEASURED),
 .text = "accessed 0xffffffffffffefff, which belongs to the kernel"},
{"kernel, protected", SEGV(ACCERR, KERNEL), WITH(U | I), ANSWER(KERNEL_ADDRESS, EXEC, MEASURED),
 .text = "jumped to 0xffff800000000000, which belongs to the kernel"},

/* Nothing there. */
{"behind", SEGV(MAPERR, 0x10021027), WITH(U | W), .below = HEAP, .above = LIB, .nearest = "[heap]", .above_by = 40,
 ANSWER(UNMAPPED, WRITE, MEASURED), .text = "wrote to 0x10021027, which nothing maps: 40 bytes behind the end of [heap] (rw-p)"},
{"right behind", SEGV(MAPERR, 0x10021000), WITH(U | W), .below = HEAP, .above = LIB, .nearest = "[heap]", .above_by = 1,
 ANSWER(UNMAPPED, WRITE, MEASURED), .text = "wrote to 0x10021000, which nothing maps: 1 byte behind the end of [heap] (rw-p)"},
{"before", SEGV(MAPERR, 0x1002fff8), WITH(U), .below = HEAP, .above = LIB, .nearest = "/lib/x.so", .below_by = 8,
 ANSWER(UNMAPPED, READ, MEASURED), .text = "read 0x1002fff8, which nothing maps: 8 bytes before the start of /lib/x.so (r-xp)"},
{"in the middle, nearer to the end", SEGV(MAPERR, 0x100287ff), WITH(U), .below = HEAP, .above = LIB, .nearest = "[heap]",
 .above_by = 0x7800, ANSWER(UNMAPPED, READ, MEASURED),
 .text = "read 0x100287ff, which nothing maps: 30720 bytes behind the end of [heap] (rw-p)"},
{"in the middle, nearer to the start", SEGV(MAPERR, 0x10028801), WITH(U), .below = HEAP, .above = LIB, .nearest = "/lib/x.so",
 .below_by = 0x77ff, ANSWER(UNMAPPED, READ, MEASURED),
 .text = "read 0x10028801, which nothing maps: 30719 bytes before the start of /lib/x.so (r-xp)"},
{"just between", SEGV(MAPERR, 0x10000fff), WITH(U), .below = ANON(0xffff000, 0x10000000), .above = LIB,
 .nearest = "", .above_by = 0x1000, ANSWER(UNMAPPED, READ, MEASURED),
 .text = "read 0x10000fff, which nothing maps: 4096 bytes behind the end of [anon] (rw-p)"},
{"as far from both", SEGV(MAPERR, 0x10000fff), WITH(U), .below = ANON(0xffff000, 0x10000000),
 .above = {0x10001fff, 0x10003fff, 0, "r--p", "/x"}, .nearest = "", .above_by = 0x1000, ANSWER(UNMAPPED, READ, MEASURED),
 .text = "read 0x10000fff, which nothing maps: 4096 bytes behind the end of [anon] (rw-p)"},
{"below all", SEGV(MAPERR, 0xfff0000), WITH(U), .above = HEAP, .nearest = "[heap]", .below_by = 0x10000,
 ANSWER(UNMAPPED, READ, MEASURED), .text = "read 0xfff0000, which nothing maps: 65536 bytes before the start of [heap] (rw-p)"},
{"above all", SEGV(MAPERR, 0x10040000), WITH(U), .below = LIB, .nearest = "/lib/x.so", .above_by = 1,
 ANSWER(UNMAPPED, READ, MEASURED), .text = "read 0x10040000, which nothing maps: 1 byte behind the end of /lib/x.so (r-xp)"},
{"jump", SEGV(MAPERR, 0xdeadbeef), .ip = 0xdeadbeef, ANSWER(UNMAPPED, EXEC, MEASURED),
 .text = "jumped to 0xdeadbeef, which nothing maps"},
{"fetch that crosses a page", SEGV(MAPERR, 0x10021000), .ip = 0x10020ffe, ANSWER(UNMAPPED, EXEC, MEASURED),
 .text = "jumped to 0x10021000, which nothing maps"},
{"too far for a fetch", SEGV(MAPERR, 0x10021000), .ip = 0x10020ff1, ANSWER(UNMAPPED, UNKNOWN, MEASURED),
 .text = "accessed 0x10021000, which nothing maps"},
{"fault without error code", SEGV(MAPERR, 0x10050000), .flags = FAULT | NO_ERROR_CODE, ANSWER(UNMAPPED, UNKNOWN, MEASURED),
 .text = "accessed 0x10050000, which nothing maps"},
{"no registers", SEGV(MAPERR, 0x10050000), .flags = NO_REGISTERS, .ip = 0x10050000, ANSWER(UNMAPPED, UNKNOWN, MEASURED),
 .text = "accessed 0x10050000, which nothing maps"},

/* Something was there. */
{"unmapped, unseen", SEGV(MAPERR, 0x10021027), .flags = FAULT | BURIED, .error_code = U, .buried = {0x10021000, 0x10022000, 0, "r--p", "/data/f"},
 .below = HEAP, .nearest = "[heap]", .above_by = 40, ANSWER(USE_AFTER_UNMAP, READ, INFERRED),
 .text = "read 0x10021027, memory that was unmapped: earlier it was /data/f (r--p)"},
{"unmapped, seen", SEGV(MAPERR, 0x10021027), .flags = FAULT | BURIED | SEEN, .error_code = U | W,
 .buried = {0x10021000, 0x10022000, 0, "rw-p", ""}, ANSWER(USE_AFTER_UNMAP, WRITE, MEASURED),
 .text = "wrote to 0x10021027, memory that was unmapped: until 1.2 ms before it was [anon] (rw-p), unmapped by thread 123"},
{"jump into what was unloaded", SEGV(MAPERR, 0x10030010), .ip = 0x10030010, .flags = BURIED, .buried = LIB,
 ANSWER(USE_AFTER_UNMAP, EXEC, INFERRED), .text = "jumped to 0x10030010, memory that was unmapped: earlier it was /lib/x.so (r-xp)"},
{"unmapped unseen, not found out", SEGV(MAPERR, 0x10000010), WITH(U), .map = HEAP, ANSWER(USE_AFTER_UNMAP, READ, INFERRED),
 .text = "read 0x10000010, memory that was unmapped: earlier it was [heap] (rw-p)"},
{"the stack pointer below it", SEGV(MAPERR, 0x10000010), WITH(U), .map = HEAP, .sp = 0xffff000, ANSWER(USE_AFTER_UNMAP, READ, INFERRED),
 .text = "read 0x10000010, memory that was unmapped: earlier it was [heap] (rw-p)"},
{"mapped again since, then unmapped unseen", SEGV(MAPERR, 0x10000010), .flags = FAULT | BURIED | SEEN, .error_code = U,
 .map = HEAP, .buried = LIB, ANSWER(USE_AFTER_UNMAP, READ, INFERRED),
 .text = "read 0x10000010, memory that was unmapped: earlier it was [heap] (rw-p)"},

/* The stack of the first thread, 8 MiB, at its limit. */
{"push", SEGV(MAPERR, 0x7ffcfffffff8), WITH(U | W), .above = STACK, .stack = STACK, .sp = 0x7ffd00000000, .nearest = "[stack]",
 .below_by = 8, .depth = 8 * MIB + 8, ANSWER(STACK_OVERFLOW, WRITE, INFERRED),
 .text = "the stack overflowed: 8388616 bytes deep, wrote to 0x7ffcfffffff8, 8 bytes below the start of [stack] (rw-p)"},
{"one byte", SEGV(MAPERR, 0x7ffcffffffff), WITH(U | W), .stack = STACK, .sp = 0x7ffd00000000, .nearest = "[stack]",
 .below_by = 1, .depth = 8 * MIB + 1, ANSWER(STACK_OVERFLOW, WRITE, INFERRED),
 .text = "the stack overflowed: 8388609 bytes deep, wrote to 0x7ffcffffffff, 1 byte below the start of [stack] (rw-p)"},
{"just near the stack pointer", SEGV(MAPERR, 0x7ffcffff1000), .stack = STACK, .sp = 0x7ffd00001000, .nearest = "[stack]",
 .below_by = 0xf000, .depth = 8 * MIB + 0xf000, ANSWER(STACK_OVERFLOW, UNKNOWN, INFERRED),
 .text = "the stack overflowed: 8450048 bytes deep, accessed 0x7ffcffff1000, 61440 bytes below the start of [stack] (rw-p)"},
{"not near the stack pointer", SEGV(MAPERR, 0x7ffcffff0fff), .above = STACK, .stack = STACK, .sp = 0x7ffd00001000,
 .nearest = "[stack]", .below_by = 0xf001, ANSWER(UNMAPPED, UNKNOWN, MEASURED),
 .text = "accessed 0x7ffcffff0fff, which nothing maps: 61441 bytes before the start of [stack] (rw-p)"},
{"a large frame, its upper end", SEGV(MAPERR, 0x7ffcfffffff0), WITH(U | W), .stack = STACK, .sp = 0x7ffcfff00000,
 .nearest = "[stack]", .below_by = 0x10, .depth = 9 * MIB, ANSWER(STACK_OVERFLOW, WRITE, INFERRED),
 .text = "the stack overflowed: 9437184 bytes deep, wrote to 0x7ffcfffffff0, 16 bytes below the start of [stack] (rw-p)"},
{"the largest frame", SEGV(MAPERR, 0x7ffcff800000), WITH(U | W), .stack = STACK, .sp = 0x7ffcff800000,
 .nearest = "[stack]", .below_by = 8 * MIB, .depth = 16 * MIB, ANSWER(STACK_OVERFLOW, WRITE, INFERRED),
 .text = "the stack overflowed: 16777216 bytes deep, wrote to 0x7ffcff800000, 8388608 bytes below the start of [stack] (rw-p)"},
{"a stack pointer gone astray", SEGV(MAPERR, 0x7ffcff7fffff), WITH(U | W), .above = STACK, .stack = STACK, .sp = 0x7ffcff7fffff,
 .nearest = "[stack]", .below_by = 8 * MIB + 1, ANSWER(UNMAPPED, WRITE, MEASURED),
 .text = "wrote to 0x7ffcff7fffff, which nothing maps: 8388609 bytes before the start of [stack] (rw-p)"},
{"a stack pointer in read-only memory", SEGV(MAPERR, 0x1002fff8), WITH(U | W), .above = LIB, .stack = LIB, .sp = 0x10030000,
 .nearest = "/lib/x.so", .below_by = 8, ANSWER(UNMAPPED, WRITE, MEASURED),
 .text = "wrote to 0x1002fff8, which nothing maps: 8 bytes before the start of /lib/x.so (r-xp)"},
{"a stack pointer right above its map", SEGV(MAPERR, 0x1002fff8), WITH(U | W), .above = ANON(0x10030000, 0x10031000),
 .stack = ANON(0x10030000, 0x10031000), .sp = 0x10031000, .nearest = "", .below_by = 8, ANSWER(UNMAPPED, WRITE, MEASURED),
 .text = "wrote to 0x1002fff8, which nothing maps: 8 bytes before the start of [anon] (rw-p)"},
{"above the stack", SEGV(MAPERR, 0x7ffd00800000), WITH(U), .below = STACK, .stack = STACK, .sp = 0x7ffd007ffff0,
 .nearest = "[stack]", .above_by = 1, ANSWER(UNMAPPED, READ, MEASURED),
 .text = "read 0x7ffd00800000, which nothing maps: 1 byte behind the end of [stack] (rw-p)"},
{"overflow, and something was there", SEGV(MAPERR, 0x7ffcfffffff8), .flags = FAULT | BURIED, .error_code = U | W,
 .buried = {0x7ffcfffff000, 0x7ffd00000000, 0, "rw-p", ""}, .stack = STACK, .sp = 0x7ffd00000000, .nearest = "[stack]",
 .below_by = 8, .depth = 8 * MIB + 8, ANSWER(STACK_OVERFLOW, WRITE, INFERRED),
 .text = "the stack overflowed: 8388616 bytes deep, wrote to 0x7ffcfffffff8, 8 bytes below the start of [stack] (rw-p)"},
{"overflow into what is not there any more", SEGV(MAPERR, 0x7ffcfffffff8), WITH(U | W), .map = ANON(0x7ffcfff00000, 0x7ffd00000000),
 .stack = STACK, .sp = 0x7ffd00000000, .nearest = "[stack]", .below_by = 8, .depth = 8 * MIB + 8, ANSWER(STACK_OVERFLOW, WRITE, INFERRED),
 .text = "the stack overflowed: 8388616 bytes deep, wrote to 0x7ffcfffffff8, 8 bytes below the start of [stack] (rw-p)"},
{"overflow without registers", SEGV(MAPERR, 0x7ffcfffffff8), .flags = FAULT | NO_REGISTERS, .error_code = U | W, .stack = STACK,
 .above = STACK, .sp = 0x7ffd00000000, .nearest = "[stack]", .below_by = 8, ANSWER(UNMAPPED, WRITE, MEASURED),
 .text = "wrote to 0x7ffcfffffff8, which nothing maps: 8 bytes before the start of [stack] (rw-p)"},

/* The stack of another thread, 256 KiB above a guard. */
{"guard of a stack", SEGV(ACCERR, 0x20000ff0), WITH(U | W), .map = GUARD(0x20000000, 0x20001000), .above = ANON(0x20001000, 0x20041000),
 .stack = ANON(0x20001000, 0x20041000), .sp = 0x20000ff0, .nearest = "", .below_by = 16, .depth = 256 * KIB + 16,
 ANSWER(STACK_OVERFLOW, WRITE, INFERRED),
 .text = "the stack overflowed: 262160 bytes deep, wrote to 0x20000ff0, 16 bytes below the start of [anon] (rw-p)"},
{"guard, the stack pointer above it", SEGV(ACCERR, 0x20000ff8), WITH(U | W), .map = GUARD(0x20000000, 0x20001000),
 .above = ANON(0x20001000, 0x20041000), .sp = 0x20001000, .nearest = "", .below_by = 8, .depth = 256 * KIB + 8,
 ANSWER(STACK_OVERFLOW, WRITE, INFERRED),
 .text = "the stack overflowed: 262152 bytes deep, wrote to 0x20000ff8, 8 bytes below the start of [anon] (rw-p)"},
{"guard, the stack pointer elsewhere", SEGV(ACCERR, 0x20000ff0), WITH(U | W), .map = GUARD(0x20000000, 0x20001000),
 .above = ANON(0x20001000, 0x20041000), .stack = STACK, .nearest = "", .below_by = 16, ANSWER(GUARD_PAGE, WRITE, INFERRED),
 .text = "wrote to 0x20000ff0, in the guard 16 bytes below the start of [anon] (rw-p)"},
{"guard, the stack pointer high above", SEGV(ACCERR, 0x20000ff0), WITH(U | W), .map = GUARD(0x20000000, 0x20001000),
 .above = ANON(0x20001000, 0x20041000), .sp = 0x20010ff1, .nearest = "", .below_by = 16, ANSWER(GUARD_PAGE, WRITE, INFERRED),
 .text = "wrote to 0x20000ff0, in the guard 16 bytes below the start of [anon] (rw-p)"},
{"guard, apart from what is above", SEGV(ACCERR, 0x20000ff0), WITH(U | W), .map = GUARD(0x20000000, 0x20001000),
 .above = ANON(0x20002000, 0x20041000), .missing = 'w', ANSWER(ACCESS_DENIED, WRITE, MEASURED),
 .text = "wrote to 0x20000ff0, in [anon] (---p), which permits no access"},
{"guard below what cannot be written", SEGV(ACCERR, 0x1002fff0), WITH(U), .map = GUARD(0x10020000, 0x10030000), .above = LIB,
 .missing = 'r', ANSWER(ACCESS_DENIED, READ, MEASURED), .text = "read 0x1002fff0, in [anon] (---p), which permits no access"},
{"jump into a guard", SEGV(ACCERR, 0x20000ff0), .ip = 0x20000ff0, .map = GUARD(0x20000000, 0x20001000),
 .above = ANON(0x20001000, 0x20041000), .missing = 'x', ANSWER(NOT_EXECUTABLE, EXEC, MEASURED),
 .text = "jumped to 0x20000ff0, in [anon] (---p), which permits no access"},

/* Guards that madvise(2) made: to the kernel nothing is mapped there. */
{"hidden guard of a stack", SEGV(MAPERR, 0x20001ff8), WITH(U | W), .map = ANON(0x20001000, 0x20041000), .sp = 0x20002000,
 .depth = 0x3f008, ANSWER(STACK_OVERFLOW, WRITE, INFERRED),
 .text = "the stack overflowed: 258056 bytes deep, wrote to 0x20001ff8, a guard page at its end"},
{"hidden guard, the stack pointer in it", SEGV(MAPERR, 0x20001ff8), WITH(U | W), .map = ANON(0x20001000, 0x20041000),
 .sp = 0x20001000, .depth = 0x40000, ANSWER(STACK_OVERFLOW, WRITE, INFERRED),
 .text = "the stack overflowed: 262144 bytes deep, wrote to 0x20001ff8, a guard page at its end"},
{"hidden guard, a page above", SEGV(MAPERR, 0x20002000), WITH(U | W), .map = ANON(0x20001000, 0x20041000),
 .sp = 0x20001000, ANSWER(GUARD_PAGE, WRITE, INFERRED), .text = "wrote to 0x20002000, a guard page in [anon] (rw-p)"},
{"hidden guard, not near", SEGV(MAPERR, 0x20001fff), WITH(U | W), .map = ANON(0x20001000, 0x20041000),
 .sp = 0x20012000, ANSWER(GUARD_PAGE, WRITE, INFERRED), .text = "wrote to 0x20001fff, a guard page in [anon] (rw-p)"},
{"hidden guard, just near", SEGV(MAPERR, 0x20002000), WITH(U | W), .map = ANON(0x20001000, 0x20041000),
 .sp = 0x20012000, .depth = 0x3f000, ANSWER(STACK_OVERFLOW, WRITE, INFERRED),
 .text = "the stack overflowed: 258048 bytes deep, wrote to 0x20002000, a guard page at its end"},

/* Permissions. */
{"jump to the stack", SEGV(ACCERR, SP + 16), WITH(U | I | P), .map = STACK, .missing = 'x', ANSWER(NOT_EXECUTABLE, EXEC, MEASURED),
 .text = "jumped to 0x7ffd00001010, in [stack] (rw-p), which is not executable"},
{"jump, no fault seen", SEGV(ACCERR, 0x10000010), .ip = 0x10000010, .map = HEAP, .missing = 'x',
 ANSWER(NOT_EXECUTABLE, EXEC, MEASURED), .text = "jumped to 0x10000010, in [heap] (rw-p), which is not executable"},
{"fetch across a page, no fault seen", SEGV(ACCERR, 0x10000000), .ip = 0xffffffe, .map = HEAP, .missing = 'x',
 ANSWER(NOT_EXECUTABLE, EXEC, INFERRED), .text = "jumped to 0x10000000, in [heap] (rw-p), which is not executable"},
{"data at the instruction", SEGV(ACCERR, IP), WITH(U | W | P), .map = LIB, .missing = 'w', ANSWER(ACCESS_DENIED, WRITE, MEASURED),
 .text = "wrote to 0x401000, in /lib/x.so (r-xp), which is not writable"},
{"jump, the map is gone", SEGV(ACCERR, 0x10000010), .ip = 0x10000010, .missing = 'x', ANSWER(NOT_EXECUTABLE, EXEC, MEASURED),
 .text = "jumped to 0x10000010, which is not executable"},
{"write", SEGV(ACCERR, 0x10030010), WITH(U | W | P), .map = LIB, .missing = 'w', ANSWER(ACCESS_DENIED, WRITE, MEASURED),
 .text = "wrote to 0x10030010, in /lib/x.so (r-xp), which is not writable"},
{"write, by elimination", SEGV(ACCERR, 0x10030010), .map = LIB, .missing = 'w', ANSWER(ACCESS_DENIED, WRITE, INFERRED),
 .text = "wrote to 0x10030010, in /lib/x.so (r-xp), which is not writable"},
{"write to nothing, access not known", SEGV(ACCERR, 0x20000010), .map = GUARD(0x20000000, 0x20001000),
 ANSWER(ACCESS_DENIED, UNKNOWN, INFERRED), .text = "accessed 0x20000010, in [anon] (---p), which permits no access"},
{"read of nothing", SEGV(ACCERR, 0x20000010), WITH(U), .map = GUARD(0x20000000, 0x20001000), .missing = 'r',
 ANSWER(ACCESS_DENIED, READ, MEASURED), .text = "read 0x20000010, in [anon] (---p), which permits no access"},
{"read of code only", SEGV(ACCERR, 0x20000010), WITH(U), .map = {0x20000000, 0x20001000, 0, "--xp", "/x"}, .missing = 'r',
 ANSWER(ACCESS_DENIED, READ, MEASURED), .text = "read 0x20000010, in /x (--xp), which is not readable"},
{"permitted meanwhile", SEGV(ACCERR, 0x10000010), .map = HEAP, ANSWER(ACCESS_DENIED, UNKNOWN, INFERRED),
 .text = "accessed 0x10000010, in [heap] (rw-p), which does not permit it"},
{"write, the map is gone", SEGV(ACCERR, 0x10000010), WITH(U | W | P), .missing = 'w', ANSWER(ACCESS_DENIED, WRITE, MEASURED),
 .text = "wrote to 0x10000010, which is not writable"},
{"nothing known", SEGV(ACCERR, 0x10000010), .flags = NO_REGISTERS, ANSWER(ACCESS_DENIED, UNKNOWN, INFERRED),
 .text = "accessed 0x10000010, which does not permit it"},
{"key, write", SEGV(PKUERR, 0x10000010), WITH(U | W | P), .map = HEAP, .missing = 'w', ANSWER(ACCESS_DENIED, WRITE, MEASURED),
 .text = "wrote to 0x10000010, in [heap] (rw-p), whose protection key forbids it"},
{"key, read", SEGV(PKUERR, 0x10000010), WITH(U | P), .map = HEAP, .missing = 'r', ANSWER(ACCESS_DENIED, READ, MEASURED),
 .text = "read 0x10000010, in [heap] (rw-p), whose protection key forbids it"},
{"key, not known", SEGV(PKUERR, 0x10000010), .map = HEAP, ANSWER(ACCESS_DENIED, UNKNOWN, MEASURED),
 .text = "accessed 0x10000010, in [heap] (rw-p), whose protection key forbids it"},
{"key of code only", SEGV(PKUERR, 0x20000010), WITH(U | P), .map = {0x20000000, 0x20001000, 0, "--xp", "/x"}, .missing = 'r',
 ANSWER(ACCESS_DENIED, READ, MEASURED), .text = "read 0x20000010, in /x (--xp), which is not readable"},

/* The rest. */
{"shadow stack", SIGSEGV, 10, 0, ANSWER(UNKNOWN, UNKNOWN, INFERRED),
 .text = "the shadow stack forbids it: a return to where nothing called from"},
{"bounds", SIGSEGV, SEGV_BNDERR, 0x10, ANSWER(UNKNOWN, UNKNOWN, INFERRED),
 .text = "the kernel says no more than SIGSEGV with code 3"},
};
/* clang-format on */

static struct map *new_map(const struct map_row *from)
{
        struct map_spec spec = {.start = from->start, .end = from->end, .offset = from->offset};

        if (!from->perms)
                return NULL;
        spec.readable = from->perms[0] == 'r';
        spec.writable = from->perms[1] == 'w';
        spec.executable = from->perms[2] == 'x';
        spec.shared = from->perms[3] == 's';
        spec.path = from->path;
        spec.n_path = strlen(from->path);
        return map_new(&spec);
}

/* A context and what it points to. */
struct scene {
        struct story_signal signal;
        struct fault fault;
        struct burial burial;
        struct map *maps[5];
        struct verdict_context context;
};

static void scene_init(struct scene *scene, const struct row *row)
{
        const struct map_row *from[] = {&row->map, &row->below, &row->above, &row->stack, &row->buried};

        *scene = (struct scene){.signal = {.signo = row->signo, .code = row->code, .addr = row->addr}};
        scene->signal.sender = row->code <= 0 ? 4321 : 0;
        scene->signal.sender_uid = row->code <= 0 ? 1000 : 0;
        scene->signal.abi = row->flags & NO_REGISTERS ? 0 : 64;
        scene->signal.registers[STORY_RIP] = row->ip ? row->ip : IP;
        scene->signal.registers[STORY_RSP] = row->sp ? row->sp : SP;
        for (size_t i = 0; i < ARRAY_SIZE(from); i++)
                scene->maps[i] = new_map(from[i]);
        scene->fault = (struct fault){.addr = row->addr,
                                      .ip = row->ip ? row->ip : IP,
                                      .mode = MODE_USER,
                                      .has_error_code = !(row->flags & NO_ERROR_CODE),
                                      .error_code = row->error_code};
        scene->burial = (struct burial){.map = scene->maps[4],
                                        .start = row->buried.start,
                                        .end = row->buried.end,
                                        .time_ns = row->flags & SEEN ? NOW - 1250000 : 0,
                                        .tid = row->flags & SEEN ? 123 : 0};
        scene->context = (struct verdict_context){.signal = &scene->signal,
                                                  .time_ns = NOW,
                                                  .fault = row->flags & FAULT ? &scene->fault : NULL,
                                                  .map = scene->maps[0],
                                                  .below = scene->maps[1],
                                                  .above = scene->maps[2],
                                                  .stack = scene->maps[3],
                                                  .burial = row->flags & BURIED ? &scene->burial : NULL,
                                                  .file_size_known = row->flags & SIZE_KNOWN,
                                                  .file_bytes = row->file_bytes};
}

static void scene_deinit(struct scene *scene)
{
        for (size_t i = 0; i < ARRAY_SIZE(scene->maps); i++)
                map_unref(scene->maps[i]);
}

static uint64_t or_nothing(uint64_t n)
{
        return n ? n : NOTHING;
}

static bool check(const char *what, uint64_t is, uint64_t expected)
{
        if (is != expected)
                print_error("    %s is %#llx, expected %#llx\n", what, (unsigned long long)is,
                            (unsigned long long)expected);
        return is == expected;
}

static bool check_earlier(const struct scene *scene, const struct verdict *verdict)
{
        bool is_it = verdict->kind == VERDICT_USE_AFTER_UNMAP;
        const struct map *map = scene->context.map ? scene->context.map : scene->burial.map;
        const struct burial *burial = scene->context.map ? NULL : &scene->burial;

        return check("earlier", (uintptr_t)verdict->earlier, is_it ? (uintptr_t)map : 0) &&
               check("burial", (uintptr_t)verdict->burial, is_it ? (uintptr_t)burial : 0);
}

static bool check_nearest(const struct verdict *verdict, const struct row *row)
{
        bool same = !verdict->nearest == !row->nearest &&
                    (!row->nearest || strcmp(verdict->nearest->path, row->nearest) == 0);

        if (!same)
                print_error("    nearest is %s\n", verdict->nearest ? verdict->nearest->path : "none");
        return same && check("below_bytes", verdict->below_bytes, or_nothing(row->below_by)) &&
               check("above_bytes", verdict->above_bytes, or_nothing(row->above_by));
}

static bool check_row(const struct row *row)
{
        struct scene scene;
        struct verdict verdict;
        char text[512];
        bool good;

        scene_init(&scene, row);
        verdict = verdict_find(&scene.context);
        verdict_sentence(&scene.context, &verdict, text, sizeof(text));
        good = check("kind", verdict.kind, row->kind) && check("access", verdict.access, row->access) &&
               check("evidence", verdict.evidence, row->evidence) &&
               check("missing", (uint64_t)verdict.missing, (uint64_t)row->missing) && check_nearest(&verdict, row) &&
               check_earlier(&scene, &verdict) && check("depth_bytes", verdict.depth_bytes, or_nothing(row->depth)) &&
               check("field_bytes", verdict.field_bytes,
                     row->kind == VERDICT_NULL_DEREFERENCE ? row->field : NOTHING) &&
               check("eof_bytes", verdict.eof_bytes, row->kind == VERDICT_BEYOND_EOF ? row->eof : NOTHING) &&
               check("pointer", verdict.pointer, NOTHING);
        if (good && strcmp(text, row->text) != 0) {
                print_error("    %s\n", text);
                good = false;
        }
        scene_deinit(&scene);
        return good;
}

static void test_rows(void **state)
{
        size_t n_bad = 0;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (!check_row(&rows[i])) {
                        print_error("row \"%s\"\n", rows[i].name);
                        n_bad++;
                }
        assert_int_equal(n_bad, 0);
}

static void test_every_kind(void **state)
{
        bool has_kind[VERDICT_HARDWARE + 1] = {[VERDICT_NON_CANONICAL] = true}; /* below */

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                has_kind[rows[i].kind] = true;
        for (size_t i = 0; i < ARRAY_SIZE(has_kind); i++)
                assert_true(has_kind[i]);
}

/* No address from the kernel: a register gives it away, or none does. */
static void test_bad_pointer(void **state)
{
        static const struct {
                int signo;
                int bad[3]; /* enum story_register, -1 = no more */
                int expected;
                enum evidence evidence;
                const char *text;
        } cases[] = {
                {SIGSEGV,
                 {STORY_RAX, -1},
                 STORY_RAX,
                 EVIDENCE_INFERRED,
                 "used a pointer that is not an address: rax holds 0x4141414141414141"},
                {SIGSEGV,
                 {STORY_R15, -1},
                 STORY_R15,
                 EVIDENCE_INFERRED,
                 "used a pointer that is not an address: r15 holds 0x4141414141414141"},
                {SIGSEGV,
                 {STORY_R8, STORY_RDI, -1},
                 STORY_RDI,
                 EVIDENCE_INFERRED,
                 "used a pointer that is not an address: rdi holds 0x4141414141414141"},
                {SIGSEGV,
                 {STORY_RBP, STORY_R14, -1},
                 STORY_R14,
                 EVIDENCE_INFERRED,
                 "used a pointer that is not an address: r14 holds 0x4141414141414141"},
                {SIGSEGV,
                 {STORY_RBP, -1},
                 STORY_RBP,
                 EVIDENCE_INFERRED,
                 "used a pointer that is not an address: rbp holds 0x4141414141414141"},
                {SIGSEGV,
                 {STORY_RAX, STORY_RIP, -1},
                 STORY_RIP,
                 EVIDENCE_MEASURED,
                 "jumped to 0x4141414141414141, which is not an address"},
                {SIGBUS,
                 {STORY_RSP, STORY_RAX, -1},
                 STORY_RSP,
                 EVIDENCE_INFERRED,
                 "used a pointer that is not an address: rsp holds 0x4141414141414141"},
                {SIGBUS,
                 {STORY_RBP, STORY_RAX, -1},
                 STORY_RBP,
                 EVIDENCE_INFERRED,
                 "used a pointer that is not an address: rbp holds 0x4141414141414141"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct story_signal signal = {.signo = cases[i].signo, .code = SI_KERNEL, .abi = 64};
                struct verdict_context context = {.signal = &signal};
                struct verdict verdict;
                char text[512];

                for (size_t j = 0; j < N_STORY_REGISTERS; j++)
                        signal.registers[j] = j % 2 ? EVENT_USER_END - 1 : KERNEL;
                signal.registers[STORY_RIP] = IP;
                for (size_t j = 0; cases[i].bad[j] >= 0; j++)
                        signal.registers[cases[i].bad[j]] = BAD;
                verdict = verdict_find(&context);
                verdict_sentence(&context, &verdict, text, sizeof(text));
                assert_int_equal(verdict_bad_register(&signal), cases[i].expected);
                assert_int_equal(verdict.kind, VERDICT_NON_CANONICAL);
                assert_int_equal(verdict.evidence, cases[i].evidence);
                assert_int_equal(verdict.pointer, BAD);
                assert_int_equal(verdict.access, cases[i].expected == STORY_RIP ? ACCESS_EXEC : ACCESS_UNKNOWN);
                assert_string_equal(text, cases[i].text);
        }
}

static void test_no_bad_pointer(void **state)
{
        static const char general[] =
                "a general protection fault, but no register holds a bad address: a return to a bad address, an "
                "instruction for the kernel only, or misaligned operands of a vector instruction";
        static const struct {
                int signo;
                uint32_t abi;
                enum story_register bad;
                const char *text;
        } cases[] = {
                {SIGSEGV, 64, STORY_EFLAGS, general},
                {SIGSEGV, 64, STORY_RSP, general}, /* that would have been SIGBUS */
                {SIGSEGV, 0, STORY_RAX, general},  /* there are no registers */
                {SIGBUS, 64, STORY_RAX, "a stack segment fault, but the stack pointer is good"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct story_signal signal = {.signo = cases[i].signo, .code = SI_KERNEL, .abi = cases[i].abi};
                struct verdict_context context = {.signal = &signal};
                struct verdict verdict;
                char text[512];

                signal.registers[cases[i].bad] = BAD;
                verdict = verdict_find(&context);
                verdict_sentence(&context, &verdict, text, sizeof(text));
                assert_int_equal(verdict_bad_register(&signal), -1);
                assert_int_equal(verdict.kind, VERDICT_UNKNOWN);
                assert_int_equal(verdict.pointer, NOTHING);
                assert_string_equal(text, cases[i].text);
        }
}

/* The edges of what an address can be. */
static void test_canonical(void **state)
{
        static const struct {
                uint64_t value;
                bool is_bad;
        } cases[] = {{0, false},
                     {UINT64_C(0x800000000000) - 1, false},
                     {UINT64_C(0x800000000000), true},
                     {KERNEL - 1, true},
                     {KERNEL, false},
                     {UINT64_MAX, false}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct story_signal signal = {.signo = SIGSEGV, .code = SI_KERNEL, .abi = 64};

                signal.registers[STORY_RBX] = cases[i].value;
                assert_int_equal(verdict_bad_register(&signal), cases[i].is_bad ? STORY_RBX : -1);
        }
}

static void test_invisible_sender(void **state)
{
        struct story_signal signal = {.signo = SIGSEGV, .code = SI_USER};
        struct verdict_context context = {.signal = &signal};
        struct verdict verdict = verdict_find(&context);
        char text[512];

        verdict_sentence(&context, &verdict, text, sizeof(text));
        assert_string_equal(text, "sent by a process that is not visible from here; no access to memory caused it");
}

static void test_durations(void **state)
{
        static const struct {
                uint64_t ago_ns;
                const char *text;
        } cases[] = {{0, "0 ns"},          {999, "999 ns"},     {1000, "1.0 us"},
                     {999999, "999.9 us"}, {1000000, "1.0 ms"}, {59960000000, "59.9 s"}};
        struct row row = {.signo = SIGSEGV,
                          .code = SEGV_MAPERR,
                          .addr = 0x20000000,
                          .flags = BURIED | SEEN,
                          .buried = ANON(0x20000000, 0x20001000)};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct verdict verdict;
                char text[512], expected[512];
                struct scene scene;

                scene_init(&scene, &row);
                scene.context.time_ns = scene.burial.time_ns + cases[i].ago_ns;
                verdict = verdict_find(&scene.context);
                verdict_sentence(&scene.context, &verdict, text, sizeof(text));
                snprintf(expected, sizeof(expected),
                         "accessed 0x20000000, memory that was unmapped: until %s before it was [anon] (rw-p), "
                         "unmapped by thread 123",
                         cases[i].text);
                assert_string_equal(text, expected);
                scene_deinit(&scene);
        }
}

/* Names of any length leave room for the rest, and are cut where they are least telling, between characters. */
static void test_long_names(void **state)
{
        for (size_t n = 100; n <= 4000; n += n < 140 ? 1 : 193) {
                char path[4096], text[512], expected[512];
                struct row row = {.signo = SIGSEGV,
                                  .code = SEGV_MAPERR,
                                  .addr = 0x10001000,
                                  .flags = NO_REGISTERS,
                                  .below = {0x10000000, 0x10001000, 0, "r--p", path}};
                struct verdict verdict;
                struct scene scene;
                size_t skip = n <= 120 ? 0 : n - 117;

                for (size_t i = 0; i < n; i++)
                        path[i] = "\xc3\xa4"[i % 2]; /* two bytes a character */
                path[0] = '/';
                path[1] = '_';
                path[n - 1] = 'z';
                path[n] = '\0';
                skip += skip % 2; /* to the beginning of a character */
                scene_init(&scene, &row);
                verdict = verdict_find(&scene.context);
                verdict_sentence(&scene.context, &verdict, text, sizeof(text));
                snprintf(expected, sizeof(expected),
                         "accessed 0x10001000, which nothing maps: 1 byte behind the end of %s%.120s (r--p)",
                         skip ? "..." : "", path + skip);
                assert_string_equal(text, expected);
                scene_deinit(&scene);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),        cmocka_unit_test(test_every_kind),
                cmocka_unit_test(test_bad_pointer), cmocka_unit_test(test_no_bad_pointer),
                cmocka_unit_test(test_canonical),   cmocka_unit_test(test_invisible_sender),
                cmocka_unit_test(test_durations),   cmocka_unit_test(test_long_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
