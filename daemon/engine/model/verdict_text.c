/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A verdict as a sentence, for people: what the program did, to what, and what stood in the way. Numbers are exact and
 * in bytes, addresses as everywhere. Names come from the target and are cut so that the rest of the sentence always
 * fits, but not escaped: only who shows them knows for what.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/engine/model/verdict.h"

#ifndef SEGV_CPERR
#define SEGV_CPERR 10 /* asm-generic/siginfo.h, since Linux 6.6 */
#endif

#define MAX_NAME_BYTES 120
#define CUT_MARK "..."
/* So close below address 0, an error number of the kernel or MAP_FAILED was taken for a pointer, or a field was looked
 * for before a null pointer. */
#define ERROR_REACH_BYTES UINT64_C(4096)

struct sentence {
        char *at;
        size_t n_left; /* with the NUL */
};

static void say(struct sentence *sentence, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(struct sentence *sentence, const char *format, ...)
{
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(sentence->at, sentence->n_left, format, args);
        va_end(args);
        n = MIN_OF(n, (int)sentence->n_left - 1);
        sentence->at += n;
        sentence->n_left -= (size_t)n;
}

/* The name of a map, its end if it is long (what differs between files is there), and what it permits. */
static void say_map(struct sentence *sentence, const struct map *map)
{
        const char *name = map->path[0] ? map->path : "[anon]";
        size_t n = strlen(name);
        bool is_cut = n > MAX_NAME_BYTES;

        if (is_cut)
                name += n - (MAX_NAME_BYTES - strlen(CUT_MARK));
        while (is_cut && ((unsigned char)*name & 0xc0) == 0x80) /* within a UTF-8 character */
                name++;
        say(sentence, "%s%s (%c%c%c%c)", is_cut ? CUT_MARK : "", name, map->readable ? 'r' : '-',
            map->writable ? 'w' : '-', map->executable ? 'x' : '-', map->shared ? 's' : 'p');
}

static void say_bytes(struct sentence *sentence, uint64_t n)
{
        say(sentence, n == 1 ? "%" PRIu64 " byte" : "%" PRIu64 " bytes", n);
}

/* Two digits or more, rounded down. */
static void say_duration(struct sentence *sentence, uint64_t ns)
{
        static const struct {
                uint64_t unit_ns;
                const char *name;
        } units[] = {{NSEC_PER_SEC, "s"}, {NSEC_PER_MSEC, "ms"}, {NSEC_PER_USEC, "us"}};

        for (size_t i = 0; i < ARRAY_SIZE(units); i++)
                if (ns >= units[i].unit_ns) {
                        say(sentence, "%" PRIu64 ".%" PRIu64 " %s", ns / units[i].unit_ns,
                            ns % units[i].unit_ns * 10 / units[i].unit_ns, units[i].name);
                        return;
                }
        say(sentence, "%" PRIu64 " ns", ns);
}

/* "wrote to 0x7f..." */
static void say_access(struct sentence *sentence, const struct verdict_context *context, const struct verdict *verdict)
{
        const char *verb = verdict->access == ACCESS_READ    ? "read"
                           : verdict->access == ACCESS_WRITE ? "wrote to"
                           : verdict->access == ACCESS_EXEC  ? "jumped to"
                                                             : "accessed";

        say(sentence, "%s 0x%" PRIx64, verb, context->signal->addr);
}

static void say_sent(struct sentence *sentence, const struct story_signal *signal)
{
        bool by_process = signal->code == SI_USER || signal->code == SI_QUEUE || signal->code == SI_TKILL;

        if (by_process && signal->sender)
                say(sentence, "sent by process %d of user %u; no access to memory caused it", (int)signal->sender,
                    (unsigned int)signal->sender_uid);
        else if (by_process)
                say(sentence, "sent by a process that is not visible from here; no access to memory caused it");
        else
                say(sentence, "sent by a timer or another notification of the program's own; no access to memory "
                              "caused it");
}

static void say_bad_pointer(struct sentence *sentence, const struct verdict_context *context,
                            const struct verdict *verdict)
{
        static const char names[N_STORY_REGISTERS][8] = {
                [STORY_RAX] = "rax", [STORY_RBX] = "rbx", [STORY_RCX] = "rcx", [STORY_RDX] = "rdx",
                [STORY_RSI] = "rsi", [STORY_RDI] = "rdi", [STORY_RBP] = "rbp", [STORY_RSP] = "rsp",
                [STORY_R8] = "r8",   [STORY_R9] = "r9",   [STORY_R10] = "r10", [STORY_R11] = "r11",
                [STORY_R12] = "r12", [STORY_R13] = "r13", [STORY_R14] = "r14", [STORY_R15] = "r15",
        };
        int bad = verdict_bad_register(context->signal);

        if (bad == STORY_RIP)
                say(sentence, "jumped to 0x%" PRIx64 ", which is not an address", verdict->pointer);
        else if (bad >= 0)
                say(sentence, "used a pointer that is not an address: %s holds 0x%" PRIx64, names[bad],
                    verdict->pointer);
}

static void say_beyond_eof(struct sentence *sentence, const struct verdict_context *context,
                           const struct verdict *verdict)
{
        say_access(sentence, context, verdict);
        say(sentence, ", ");
        if (verdict->eof_bytes == UINT64_MAX) {
                say(sentence, "behind the end of ");
        } else if (verdict->eof_bytes == 0) {
                say(sentence, "right at the end of ");
        } else {
                say_bytes(sentence, verdict->eof_bytes);
                say(sentence, " behind the end of ");
        }
        say_map(sentence, context->map);
        if (!context->file_size_known)
                return;
        say(sentence, ", whose file has ");
        say_bytes(sentence, context->file_bytes);
}

static void say_kernel_address(struct sentence *sentence, const struct verdict_context *context,
                               const struct verdict *verdict)
{
        uint64_t below_zero = -context->signal->addr;

        say_access(sentence, context, verdict);
        say(sentence, ", which belongs to the kernel");
        if (below_zero > ERROR_REACH_BYTES)
                return;
        say(sentence, ": ");
        say_bytes(sentence, below_zero);
        say(sentence, " before a null pointer, or error -%" PRIu64 " taken for a pointer", below_zero);
}

static void say_null(struct sentence *sentence, const struct verdict *verdict)
{
        const char *verb = verdict->access == ACCESS_READ    ? "read"
                           : verdict->access == ACCESS_WRITE ? "wrote"
                           : verdict->access == ACCESS_EXEC  ? "jumped"
                                                             : "used memory";

        say(sentence, "%s through a null pointer", verb);
        if (verdict->field_bytes && verdict->access == ACCESS_EXEC)
                say(sentence, ", to 0x%" PRIx64, verdict->field_bytes);
        else if (verdict->field_bytes)
                say(sentence, ", at offset %" PRIu64 " of what it should point to", verdict->field_bytes);
}

static void say_overflow(struct sentence *sentence, const struct verdict_context *context,
                         const struct verdict *verdict)
{
        say(sentence, "the stack overflowed: ");
        say_bytes(sentence, verdict->depth_bytes);
        say(sentence, " deep, ");
        say_access(sentence, context, verdict);
        if (verdict->nearest) {
                say(sentence, ", ");
                say_bytes(sentence, verdict->below_bytes);
                say(sentence, " below the start of ");
                say_map(sentence, verdict->nearest);
        } else {
                say(sentence, ", a guard page at its end");
        }
}

static void say_guard(struct sentence *sentence, const struct verdict_context *context, const struct verdict *verdict)
{
        say_access(sentence, context, verdict);
        if (verdict->nearest) {
                say(sentence, ", in the guard ");
                say_bytes(sentence, verdict->below_bytes);
                say(sentence, " below the start of ");
                say_map(sentence, verdict->nearest);
        } else {
                say(sentence, ", a guard page in ");
                say_map(sentence, context->map);
        }
}

static void say_earlier(struct sentence *sentence, const struct verdict_context *context, const struct verdict *verdict)
{
        const struct burial *burial = verdict->burial;

        say_access(sentence, context, verdict);
        say(sentence, ", memory that was unmapped: ");
        if (burial && burial->time_ns && burial->time_ns <= context->time_ns) {
                say(sentence, "until ");
                say_duration(sentence, context->time_ns - burial->time_ns);
                say(sentence, " before it was ");
        } else {
                say(sentence, "earlier it was ");
        }
        say_map(sentence, verdict->earlier);
        if (burial && burial->tid)
                say(sentence, ", unmapped by thread %d", (int)burial->tid);
}

static void say_unmapped(struct sentence *sentence, const struct verdict_context *context,
                         const struct verdict *verdict)
{
        bool is_above = verdict->above_bytes != UINT64_MAX;

        say_access(sentence, context, verdict);
        say(sentence, ", which nothing maps");
        if (!verdict->nearest)
                return;
        say(sentence, ": ");
        say_bytes(sentence, is_above ? verdict->above_bytes : verdict->below_bytes);
        say(sentence, is_above ? " behind the end of " : " before the start of ");
        say_map(sentence, verdict->nearest);
}

static const char *reason_of(const struct map *map, char missing)
{
        if (map && !map->readable && !map->writable && !map->executable)
                return "which permits no access";
        return missing == 'w'   ? "which is not writable"
               : missing == 'r' ? "which is not readable"
               : missing == 'x' ? "which is not executable"
                                : "which does not permit it";
}

static void say_denied(struct sentence *sentence, const struct verdict_context *context, const struct verdict *verdict)
{
        const struct map *map = context->map;
        bool by_key = context->signal->code == SEGV_PKUERR && map && map->readable;

        say_access(sentence, context, verdict);
        if (map) {
                say(sentence, ", in ");
                say_map(sentence, map);
        }
        say(sentence, ", %s", by_key ? "whose protection key forbids it" : reason_of(map, verdict->missing));
}

static void say_unknown(struct sentence *sentence, const struct verdict_context *context, const struct verdict *verdict)
{
        const struct story_signal *signal = context->signal;
        bool is_bus = signal->signo == SIGBUS;

        if (signal->code == SI_KERNEL && is_bus) {
                say(sentence, "a stack segment fault, but the stack pointer is good");
        } else if (signal->code == SI_KERNEL) {
                say(sentence, "a general protection fault, but no register holds a bad address: a return to a bad "
                              "address, an instruction for the kernel only, or misaligned operands of a vector "
                              "instruction");
        } else if (is_bus && signal->code == BUS_ADRALN) {
                say(sentence, "misaligned: a locked access across cache lines, or alignment is being checked");
        } else if (is_bus && signal->code == BUS_ADRERR) {
                say_access(sentence, context, verdict);
                if (context->map) {
                        say(sentence, ", in ");
                        say_map(sentence, context->map);
                }
                say(sentence, ", for which the kernel had no page: an error of the storage, or no memory left");
        } else if (!is_bus && signal->code == SEGV_CPERR) {
                say(sentence, "the shadow stack forbids it: a return to where nothing called from");
        } else {
                say(sentence, "the kernel says no more than %s with code %d", is_bus ? "SIGBUS" : "SIGSEGV",
                    signal->code);
        }
}

void verdict_sentence(const struct verdict_context *context, const struct verdict *verdict, char *text, size_t n_text)
{
        struct sentence sentence = {text, n_text};

        switch (verdict->kind) {
        case VERDICT_UNMAPPED:
                say_unmapped(&sentence, context, verdict);
                break;
        case VERDICT_ACCESS_DENIED:
        case VERDICT_NOT_EXECUTABLE:
                say_denied(&sentence, context, verdict);
                break;
        case VERDICT_GUARD_PAGE:
                say_guard(&sentence, context, verdict);
                break;
        case VERDICT_STACK_OVERFLOW:
                say_overflow(&sentence, context, verdict);
                break;
        case VERDICT_BEYOND_EOF:
                say_beyond_eof(&sentence, context, verdict);
                break;
        case VERDICT_KERNEL_ADDRESS:
                say_kernel_address(&sentence, context, verdict);
                break;
        case VERDICT_NULL_DEREFERENCE:
                say_null(&sentence, verdict);
                break;
        case VERDICT_USE_AFTER_UNMAP:
                say_earlier(&sentence, context, verdict);
                break;
        case VERDICT_NON_CANONICAL:
                say_bad_pointer(&sentence, context, verdict);
                break;
        case VERDICT_SENT:
                say_sent(&sentence, context->signal);
                break;
        case VERDICT_HARDWARE:
                say(&sentence, "the memory at 0x%" PRIx64 " is damaged: the hardware reported an error",
                    context->signal->addr);
                break;
        default:
                say_unknown(&sentence, context, verdict);
                break;
        }
}
