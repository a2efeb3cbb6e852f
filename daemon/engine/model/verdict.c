/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a signal to a verdict: the rules that verdict.h lists.
 *
 * The order of trust is the kernel's word (code and address of the signal), then the processor's (error code of the
 * fault), then what we know of the maps, which may be behind the times: the kernel does not report munmap(2). So where
 * the kernel says that nothing is mapped and we know of a map, the map is what was unmapped, with one exception: pages
 * that madvise(2) made guards are reported as if nothing was mapped there (mm/memory.c, handle_pte_marker()), and C
 * libraries guard the stacks of threads so. That shows in the stack pointer being in that very map.
 *
 * Without a fault among the events there is no error code, and the signal does not carry it: reads and writes are told
 * apart only by what the map permits. An instruction fetch shows in the instruction pointer.
 *
 * A general protection fault tells no address. A processor raises it for an address that is not canonical, unless the
 * address is relative to rsp or rbp, which makes it a stack segment fault, and that becomes SIGBUS (Intel SDM 3A 6.15,
 * arch/x86/kernel/traps.c). Which operand it was only the instruction's bytes would tell, which nobody reads here;
 * values that are no addresses are rare enough in registers to name the first of them, in the order in which compilers
 * like to put pointers there.
 */
#include "daemon/engine/model/verdict.h"

#include <signal.h>

#include "daemon/engine/model/classify.h"
#include "daemon/link/events.h"

#define CANONICAL_BYTES UINT64_C(0x800000000000) /* of either half, with four levels of page tables */
#define PAGE_BYTES UINT64_C(4096)
/* vm.mmap_min_addr as distributed: nothing can be mapped below, and what is near it is an offset, not an address. */
#define NULL_REACH_BYTES UINT64_C(0x10000)
/* How far below the stack pointer a program writes before it moves it: push and call do by 8, the red zone is 128, and
 * enter(2) as well as probes of large frames reach further. */
#define STACK_REACH_BYTES UINT64_C(0x10000)
/* How far one frame takes the stack pointer below its map: as much as a whole stack has by default. */
#define FRAME_MAX_BYTES (UINT64_C(8) << 20)

struct view {
        const struct verdict_context *context;
        struct verdict *verdict;
        uint64_t addr, sp, ip;
        bool has_registers;
        bool access_measured;
};

static void answer(struct view *view, enum verdict_kind kind, bool measured)
{
        view->verdict->kind = kind;
        view->verdict->evidence = measured ? EVIDENCE_MEASURED : EVIDENCE_INFERRED;
}

static bool is_canonical(uint64_t value)
{
        return value < CANONICAL_BYTES || value >= -CANONICAL_BYTES;
}

int verdict_bad_register(const struct story_signal *signal)
{
        static const enum story_register of_segv[] = {
                STORY_RIP, STORY_RAX, STORY_RDI, STORY_RSI, STORY_RDX, STORY_RCX, STORY_RBX, STORY_R8,
                STORY_R9,  STORY_R10, STORY_R11, STORY_R12, STORY_R13, STORY_R14, STORY_R15, STORY_RBP,
        };
        static const enum story_register of_bus[] = {STORY_RIP, STORY_RSP, STORY_RBP};
        const enum story_register *order = signal->signo == SIGBUS ? of_bus : of_segv;
        size_t n = signal->signo == SIGBUS ? ARRAY_SIZE(of_bus) : ARRAY_SIZE(of_segv);

        for (size_t i = 0; signal->abi && i < n; i++)
                if (!is_canonical(signal->registers[order[i]]))
                        return (int)order[i];
        return -1;
}

static void find_bad_pointer(struct view *view)
{
        const struct story_signal *signal = view->context->signal;
        int bad = verdict_bad_register(signal);

        if (bad < 0)
                return;
        answer(view, VERDICT_NON_CANONICAL, bad == STORY_RIP);
        view->verdict->pointer = signal->registers[bad];
        if (bad == STORY_RIP)
                view->verdict->access = ACCESS_EXEC;
}

static void find_access(struct view *view)
{
        struct fault unseen = {.addr = view->addr, .ip = view->ip, .mode = MODE_USER};
        const struct fault *fault = view->context->fault;

        view->access_measured = fault && fault->has_error_code;
        if (fault)
                view->verdict->access = classify_access(fault);
        else if (view->has_registers)
                view->verdict->access = classify_access(&unseen);
}

/* BUS_ADRERR: there is a map, and the kernel found no page to put there. */
static void find_absent_page(struct view *view)
{
        const struct verdict_context *context = view->context;
        const struct map *map = context->map;
        bool is_file = map && (map->kind == MAP_KIND_FILE || map->kind == MAP_KIND_SHMEM);
        uint64_t offset;

        if (!is_file && !(map && map->kind == MAP_KIND_HUGETLB && context->file_size_known))
                return;
        offset = view->addr - map->start + map->offset;
        if (!context->file_size_known) {
                answer(view, VERDICT_BEYOND_EOF, false);
        } else if ((offset & ~(PAGE_BYTES - 1)) >= context->file_bytes) {
                answer(view, VERDICT_BEYOND_EOF, true);
                view->verdict->eof_bytes = offset - context->file_bytes;
        }
}

static void find_bus(struct view *view)
{
        switch (view->context->signal->code) {
        case BUS_MCEERR_AR:
        case BUS_MCEERR_AO:
        case BUS_OBJERR:
                answer(view, VERDICT_HARDWARE, true);
                break;
        case BUS_ADRERR:
                find_access(view);
                find_absent_page(view);
                break;
        default:
                break;
        }
}

static bool holds(const struct map *map, uint64_t addr)
{
        return addr >= map->start && addr < map->end;
}

/* The stack pointer is in the map or has just left it, and the address is below the map, near the stack pointer or in
 * the frame that the stack pointer was moved over. */
static bool overflows(const struct view *view, const struct map *stack)
{
        return view->has_registers && stack && stack->writable && view->addr < stack->start && view->sp < stack->end &&
               (view->sp >= stack->start || stack->start - view->sp <= FRAME_MAX_BYTES) &&
               (view->addr >= view->sp || view->sp - view->addr <= STACK_REACH_BYTES);
}

static void answer_overflow(struct view *view, const struct map *stack)
{
        answer(view, VERDICT_STACK_OVERFLOW, false);
        view->verdict->depth_bytes = stack->end - MIN_OF(view->sp, view->addr);
        if (view->addr >= stack->start)
                return;
        view->verdict->nearest = stack;
        view->verdict->below_bytes = stack->start - view->addr;
}

/* Of two that are missed by as much: a program rather runs over an end than below a start. */
static void find_nearest(struct view *view)
{
        const struct map *below = view->context->below, *above = view->context->above;
        uint64_t above_bytes = below ? view->addr - below->end + 1 : UINT64_MAX;
        uint64_t below_bytes = above ? above->start - view->addr : UINT64_MAX;

        if (below && above_bytes <= below_bytes) {
                view->verdict->nearest = below;
                view->verdict->above_bytes = above_bytes;
        } else if (above) {
                view->verdict->nearest = above;
                view->verdict->below_bytes = below_bytes;
        }
}

/* The kernel says that nothing is mapped at a page of the map that the thread's stack is in. */
static void find_hidden_guard(struct view *view)
{
        bool is_near = view->addr >= view->sp ? view->addr - view->sp < PAGE_BYTES
                                              : view->sp - view->addr <= STACK_REACH_BYTES;

        if (is_near)
                answer_overflow(view, view->context->map);
        else
                answer(view, VERDICT_GUARD_PAGE, false);
}

static void find_earlier(struct view *view)
{
        const struct verdict_context *context = view->context;

        /* A map that we still know of is newer than any burial. */
        view->verdict->burial = context->map ? NULL : context->burial;
        view->verdict->earlier = context->map ? context->map : context->burial->map;
        answer(view, VERDICT_USE_AFTER_UNMAP, view->verdict->burial && view->verdict->burial->tid);
        find_nearest(view);
}

static void find_unmapped(struct view *view)
{
        const struct verdict_context *context = view->context;

        if (context->map && view->has_registers && holds(context->map, view->sp)) {
                find_hidden_guard(view);
        } else if (!context->map && !context->burial && view->addr < NULL_REACH_BYTES) {
                answer(view, VERDICT_NULL_DEREFERENCE, false);
                view->verdict->field_bytes = view->addr;
        } else if (overflows(view, context->stack)) {
                answer_overflow(view, context->stack);
        } else if (context->map || context->burial) {
                find_earlier(view);
        } else {
                answer(view, VERDICT_UNMAPPED, true);
                find_nearest(view);
        }
}

static void find_missing(struct view *view)
{
        const struct map *map = view->context->map;
        struct verdict *verdict = view->verdict;

        if (verdict->access == ACCESS_UNKNOWN && map && map_permits(map, ACCESS_READ) && !map->writable)
                verdict->access = ACCESS_WRITE;
        if (verdict->access != ACCESS_UNKNOWN)
                verdict->missing = verdict->access == ACCESS_WRITE ? 'w' : 'r';
}

static void find_denied(struct view *view)
{
        const struct verdict_context *context = view->context;
        bool at_ip = view->has_registers && view->addr == view->ip;

        if (view->verdict->access == ACCESS_EXEC || (!view->access_measured && at_ip)) {
                answer(view, VERDICT_NOT_EXECUTABLE, view->access_measured || at_ip);
                view->verdict->access = ACCESS_EXEC;
                view->verdict->missing = 'x';
        } else if (context->map && classify_is_guard(context->map, context->above)) {
                answer(view, VERDICT_GUARD_PAGE, false);
                view->verdict->nearest = context->above;
                view->verdict->below_bytes = context->above->start - view->addr;
                if (overflows(view, context->above))
                        answer_overflow(view, context->above);
        } else {
                find_missing(view);
                answer(view, VERDICT_ACCESS_DENIED, view->access_measured);
        }
}

static void find_key(struct view *view)
{
        answer(view, VERDICT_ACCESS_DENIED, true);
        if (view->verdict->access == ACCESS_READ || view->verdict->access == ACCESS_WRITE)
                view->verdict->missing = view->verdict->access == ACCESS_WRITE ? 'w' : 'r';
}

static void find_segv(struct view *view)
{
        int code = view->context->signal->code;

        if (code != SEGV_MAPERR && code != SEGV_ACCERR && code != SEGV_PKUERR)
                return;
        find_access(view);
        if (view->addr >= -CANONICAL_BYTES)
                answer(view, VERDICT_KERNEL_ADDRESS, true);
        else if (code == SEGV_MAPERR)
                find_unmapped(view);
        else if (code == SEGV_ACCERR)
                find_denied(view);
        else
                find_key(view);
}

struct verdict verdict_find(const struct verdict_context *context)
{
        const struct story_signal *signal = context->signal;
        struct verdict verdict = {
                .kind = VERDICT_UNKNOWN,
                .access = ACCESS_UNKNOWN,
                .evidence = EVIDENCE_INFERRED,
                .below_bytes = UINT64_MAX,
                .above_bytes = UINT64_MAX,
                .depth_bytes = UINT64_MAX,
                .field_bytes = UINT64_MAX,
                .eof_bytes = UINT64_MAX,
                .pointer = UINT64_MAX,
        };
        struct view view = {
                .context = context,
                .verdict = &verdict,
                .addr = signal->addr,
                .sp = signal->registers[STORY_RSP],
                .ip = signal->registers[STORY_RIP],
                .has_registers = signal->abi != 0,
        };

        if (signal->code <= 0)
                answer(&view, VERDICT_SENT, true);
        else if (signal->code == SI_KERNEL)
                find_bad_pointer(&view);
        else if (signal->signo == SIGBUS)
                find_bus(&view);
        else
                find_segv(&view);
        return verdict;
}
