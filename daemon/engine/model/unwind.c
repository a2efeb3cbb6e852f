/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libunwind for one thing: given a row of an unwind table and registers, the registers of the caller. All else is here,
 * a step at a time: which image an address belongs to, frame pointers, frames of signals, where to stop. So libunwind
 * never sees run-time addresses of code. Its addresses are an image's number above 48 bits, and the link-time address
 * below: what it remembers of an address stays true when a file is mapped elsewhere, or into another process.
 *
 * The row of a caller is the one of its call instruction, not of the return address, which may belong to the next block
 * or function. Versions of libunwind differ in which they take, and in whether DW_CFA_restore_state counts at the very
 * address where it begins a row. So the first byte of an instruction is never asked for where that can be helped: see
 * row_address().
 *
 * UNW_CACHE_GLOBAL, which takes two rt_sigprocmask(2) for each step: with UNW_CACHE_PER_THREAD one cache serves all
 * address spaces of a thread, told apart by a generation that starts at 0 in each.
 *
 * What a hostile file can do is bounded by unwind_check.h; hostile stacks by this: the stack pointer grows with each
 * frame, or the frame is one of a signal, and there are at most n_room frames.
 */
#include "daemon/engine/model/unwind.h"

#include <errno.h>
#include <libunwind.h>
#include <string.h>
#include <ucontext.h>

#include "daemon/engine/model/stackstep.h"
#include "daemon/engine/model/unwind_check.h"
#include "daemon/engine/model/unwind_image.h"

#define ROWS_CACHED 4096
#define IMAGE_SHIFT 48
#define TABLE (UINT64_C(0xffff) << IMAGE_SHIFT) /* address of the table that find_proc_info() lets be searched */
#define TABLE_LINE UINT64_C(0x80000000)         /* two 32-bit offsets: code from INT32_MIN on, its FDE at 0 */

/* Exported, and perf's way into libunwind too, but declared in none of its installed headers. */
int _Ux86_64_dwarf_search_unwind_table(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *table,
                                       unw_proc_info_t *ret, int need_unwind_info, void *arg);

struct unwind {
        unw_addr_space_t space;
        struct unwind_images *images;
};

enum step { STEP_FRAME, STEP_NO_DATA, STEP_END, STEP_WAIT };

struct walk {
        struct unwind *unwind;
        const struct unwind_request *request;
        struct stackstep_bytes stack;
        uint64_t registers[N_STORY_REGISTERS];
        bool is_exact;         /* rip is where the thread is, or was interrupted; else where it will return to */
        enum frame_method by;  /* how registers were found */
        int image;             /* of rip */
        uint64_t vaddr;        /* of rip, or of the call before */
        bool has_no_data;      /* libunwind asked for a description of vaddr, and there is none */
        uint64_t missing_addr; /* of the stack, what libunwind asked for in vain; 0 = nothing */
        bool is_cut;
};

static const enum story_register registers_of_libunwind[] = {
        [UNW_X86_64_RAX] = STORY_RAX, [UNW_X86_64_RDX] = STORY_RDX, [UNW_X86_64_RCX] = STORY_RCX,
        [UNW_X86_64_RBX] = STORY_RBX, [UNW_X86_64_RSI] = STORY_RSI, [UNW_X86_64_RDI] = STORY_RDI,
        [UNW_X86_64_RBP] = STORY_RBP, [UNW_X86_64_RSP] = STORY_RSP, [UNW_X86_64_R8] = STORY_R8,
        [UNW_X86_64_R9] = STORY_R9,   [UNW_X86_64_R10] = STORY_R10, [UNW_X86_64_R11] = STORY_R11,
        [UNW_X86_64_R12] = STORY_R12, [UNW_X86_64_R13] = STORY_R13, [UNW_X86_64_R14] = STORY_R14,
        [UNW_X86_64_R15] = STORY_R15, [UNW_X86_64_RIP] = STORY_RIP,
};

static uint64_t image_address(const struct walk *walk, uint64_t vaddr)
{
        return ((uint64_t)walk->image + 1) << IMAGE_SHIFT | vaddr;
}

static int access_mem(unw_addr_space_t space, unw_word_t addr, unw_word_t *value, int write, void *arg)
{
        struct walk *walk = arg;

        if (write)
                return -UNW_EINVAL;
        if (addr == TABLE) {
                *value = TABLE_LINE;
                return 0;
        }
        if (addr >> IMAGE_SHIFT == (uint64_t)walk->image + 1)
                return unwind_images_read(walk->unwind->images, walk->image, addr - image_address(walk, 0), value,
                                          sizeof(*value))
                               ? 0
                               : -UNW_EINVAL;
        if (stackstep_read(&walk->stack, addr, value, sizeof(*value)))
                return 0;
        walk->missing_addr = addr;
        return -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write, void *arg)
{
        const struct walk *walk = arg;

        if (write || number < 0 || (size_t)number >= ARRAY_SIZE(registers_of_libunwind))
                return -UNW_EBADREG;
        *value = walk->registers[registers_of_libunwind[number]];
        return 0;
}

static int access_fpreg(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write, void *arg)
{
        return -UNW_EBADREG;
}

/*
 * The description is found and checked here. libunwind reads it in the course of a search, so it gets a table to
 * search: of one line, which is that of every address.
 */
static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *ret, int need_unwind_info, void *arg)
{
        struct walk *walk = arg;
        uint64_t description;
        unw_dyn_info_t table;

        if (!unwind_images_entry(walk->unwind->images, walk->image, walk->vaddr, &description) ||
            !unwind_check(walk->unwind->images, walk->image, description, walk->vaddr)) {
                walk->has_no_data = true;
                return -UNW_ENOINFO;
        }
        table = (unw_dyn_info_t){
                .start_ip = image_address(walk, 0),
                .end_ip = image_address(walk, (UINT64_C(1) << IMAGE_SHIFT) - 1),
                .format = UNW_INFO_FORMAT_REMOTE_TABLE,
                .u.rti = {.segbase = image_address(walk, description), .table_data = TABLE, .table_len = 1},
        };
        return _Ux86_64_dwarf_search_unwind_table(space, image_address(walk, walk->vaddr), &table, ret,
                                                  need_unwind_info, arg);
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *arg)
{
}

static int get_dyn_info_list_addr(unw_addr_space_t space, unw_word_t *ret, void *arg)
{
        return -UNW_ENOINFO;
}

static int resume(unw_addr_space_t space, unw_cursor_t *cursor, void *arg)
{
        return -UNW_EINVAL;
}

int unwind_new(struct unwind **ret)
{
        unw_accessors_t accessors = {.find_proc_info = find_proc_info,
                                     .put_unwind_info = put_unwind_info,
                                     .get_dyn_info_list_addr = get_dyn_info_list_addr,
                                     .access_mem = access_mem,
                                     .access_reg = access_reg,
                                     .access_fpreg = access_fpreg,
                                     .resume = resume};
        struct unwind *unwind = calloc(1, sizeof(*unwind));

        if (!unwind)
                return -ENOMEM;
        unwind->space = unw_create_addr_space(&accessors, 0);
        if (!unwind->space || unwind_images_new(&unwind->images) < 0 ||
            unw_set_caching_policy(unwind->space, UNW_CACHE_GLOBAL) < 0 ||
            unw_set_cache_size(unwind->space, ROWS_CACHED, 0) < 0) {
                (void)unwind_free(unwind);
                return -ENOMEM;
        }
        *ret = unwind;
        return 0;
}

struct unwind *unwind_free(struct unwind *unwind)
{
        if (!unwind)
                return NULL;
        if (unwind->space)
                unw_destroy_addr_space(unwind->space);
        unwind->images = unwind_images_free(unwind->images);
        free(unwind);
        return NULL;
}

void unwind_forget(struct unwind *unwind)
{
        unw_flush_cache(unwind->space, 0, 0);
        unwind_images_forget(unwind->images);
}

/* Instructions of one byte, after any of which the stack pointer may be another one; prefixes are none. */
static bool is_one_byte_long(uint8_t opcode)
{
        return (opcode >= 0x50 && opcode <= 0x5f) /* push, pop */ ||
               (opcode >= 0x6c && opcode <= 0x6f) /* ins, outs */ || (opcode >= 0x90 && opcode <= 0x9f) ||
               (opcode >= 0xa4 && opcode <= 0xa7) /* movs, cmps */ ||
               (opcode >= 0xaa && opcode <= 0xaf) /* stos, lods, scas */ || opcode == 0xc3 /* ret */ ||
               opcode == 0xc9 /* leave */ || opcode == 0xcc /* int3 */ || opcode == 0xf4 /* hlt */;
}

/* Rows begin where instructions do: an address within the instruction has its row, and no other. */
static uint64_t row_address(const struct walk *walk)
{
        uint8_t opcode;

        if (!walk->is_exact) /* the last byte of the call */
                return walk->vaddr;
        if (!unwind_images_read(walk->unwind->images, walk->image, walk->vaddr, &opcode, sizeof(opcode)) ||
            is_one_byte_long(opcode))
                return walk->vaddr;
        return walk->vaddr + 1;
}

/* What the caller of a function finds as it was (System V ABI, AMD64 supplement, 3.2.1); 0 where it was not copied. */
static void restore_preserved(struct walk *walk, unw_cursor_t *cursor)
{
        static const unw_regnum_t preserved[] = {UNW_X86_64_RBX, UNW_X86_64_RBP, UNW_X86_64_R12,
                                                 UNW_X86_64_R13, UNW_X86_64_R14, UNW_X86_64_R15};
        unw_word_t values[ARRAY_SIZE(preserved)];

        for (size_t i = 0; i < ARRAY_SIZE(preserved); i++) /* all, before any is changed: some still are registers */
                if (unw_get_reg(cursor, preserved[i], &values[i]) < 0)
                        values[i] = 0;
        for (size_t i = 0; i < ARRAY_SIZE(preserved); i++)
                walk->registers[registers_of_libunwind[preserved[i]]] = values[i];
}

static enum step step_by_row(struct walk *walk)
{
        uint64_t rip = walk->registers[STORY_RIP];
        unw_word_t caller_ip, caller_sp;
        unw_cursor_t cursor;
        int r;

        walk->has_no_data = false;
        walk->missing_addr = 0;
        walk->registers[STORY_RIP] = image_address(walk, row_address(walk));
        r = unw_init_remote(&cursor, walk->unwind->space, walk);
        if (r >= 0)
                r = unw_step(&cursor);
        if (walk->has_no_data) {
                walk->registers[STORY_RIP] = rip;
                return STEP_NO_DATA;
        }
        walk->is_cut = r < 0 && stackstep_goes_on(walk->registers[STORY_RSP], walk->missing_addr);
        if (r <= 0 || unw_get_reg(&cursor, UNW_REG_IP, &caller_ip) < 0 ||
            unw_get_reg(&cursor, UNW_REG_SP, &caller_sp) < 0 || caller_ip == 0 ||
            caller_sp <= walk->registers[STORY_RSP])
                return STEP_END;
        restore_preserved(walk, &cursor);
        walk->registers[STORY_RSP] = caller_sp;
        walk->registers[STORY_RIP] = caller_ip;
        walk->is_exact = false;
        walk->by = FRAME_BY_CFI;
        return STEP_FRAME;
}

/* mov $15, %rax; syscall: what the C libraries give the kernel to return to from a handler (rt_sigreturn(2)). */
static bool is_sigreturn(const struct walk *walk, uint64_t vaddr)
{
        static const uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
        uint8_t bytes[sizeof(code)];

        return unwind_images_read(walk->unwind->images, walk->image, vaddr, bytes, sizeof(bytes)) &&
               memcmp(bytes, code, sizeof(code)) == 0;
}

/*
 * The handler has returned: the stack pointer is at the ucontext of struct rt_sigframe
 * (arch/x86/include/asm/sigframe.h). This is as exact as unwind data, which not every C library has there.
 */
static enum step step_by_signal(struct walk *walk)
{
        static const int places[N_STORY_REGISTERS] = {
                [STORY_RAX] = REG_RAX, [STORY_RBX] = REG_RBX,   [STORY_RCX] = REG_RCX, [STORY_RDX] = REG_RDX,
                [STORY_RSI] = REG_RSI, [STORY_RDI] = REG_RDI,   [STORY_RBP] = REG_RBP, [STORY_RSP] = REG_RSP,
                [STORY_R8] = REG_R8,   [STORY_R9] = REG_R9,     [STORY_R10] = REG_R10, [STORY_R11] = REG_R11,
                [STORY_R12] = REG_R12, [STORY_R13] = REG_R13,   [STORY_R14] = REG_R14, [STORY_R15] = REG_R15,
                [STORY_RIP] = REG_RIP, [STORY_EFLAGS] = REG_EFL};
        uint64_t saved = walk->registers[STORY_RSP] + offsetof(ucontext_t, uc_mcontext.gregs);
        gregset_t registers;

        if (!stackstep_read(&walk->stack, saved, registers, sizeof(registers))) {
                walk->is_cut = stackstep_goes_on(walk->registers[STORY_RSP], saved);
                return STEP_END;
        }
        for (size_t i = 0; i < N_STORY_REGISTERS; i++)
                walk->registers[i] = (uint64_t)registers[places[i]];
        walk->is_exact = true;
        walk->by = FRAME_BY_REGISTERS;
        return STEP_FRAME;
}

/* Go on at a return address that nothing vouches for, if it is one. */
static enum step step_to(struct walk *walk, const struct stackstep *caller)
{
        struct unwind_image image;
        enum unwind_answer answer = UNWIND_NOT_CODE;

        if (caller->rip != 0)
                answer = walk->request->find_image(walk->request->user, caller->rip - 1, &image);
        if (answer == UNWIND_NOT_CODE || answer == UNWIND_WAIT)
                return answer == UNWIND_WAIT ? STEP_WAIT : STEP_END;
        walk->registers[STORY_RIP] = caller->rip;
        walk->registers[STORY_RSP] = caller->rsp;
        walk->registers[STORY_RBP] = caller->rbp;
        walk->is_exact = false;
        walk->by = FRAME_BY_POINTER;
        return STEP_FRAME;
}

static struct stackstep step_at(const struct walk *walk)
{
        return (struct stackstep){.rip = walk->registers[STORY_RIP],
                                  .rsp = walk->registers[STORY_RSP],
                                  .rbp = walk->registers[STORY_RBP]};
}

static enum step step_by_pointer(struct walk *walk)
{
        struct stackstep at = step_at(walk), caller;

        return stackstep_by_pointer(&walk->stack, &at, &caller, &walk->is_cut) ? step_to(walk, &caller) : STEP_END;
}

static enum step step_from_nowhere(struct walk *walk)
{
        struct stackstep at = step_at(walk), caller;

        return walk->is_exact && stackstep_from_nowhere(&walk->stack, &at, &caller, &walk->is_cut)
                       ? step_to(walk, &caller)
                       : STEP_END;
}

static enum step step_in_image(struct walk *walk, const struct unwind_image *image)
{
        uint64_t rip = walk->registers[STORY_RIP], before = walk->is_exact ? 0 : 1;

        walk->vaddr = rip - image->bias - before;
        walk->image = unwind_images_find(walk->unwind->images, image);
        if (walk->image < 0 || walk->vaddr >> UNWIND_VADDR_BITS != 0)
                return STEP_NO_DATA;
        return is_sigreturn(walk, walk->vaddr + before) ? step_by_signal(walk) : step_by_row(walk);
}

static enum step step(struct walk *walk)
{
        uint64_t addr = walk->registers[STORY_RIP] - (walk->is_exact ? 0 : 1);
        struct unwind_image image = {.fd = -1};
        enum step r = STEP_NO_DATA;

        switch (walk->request->find_image(walk->request->user, addr, &image)) {
        case UNWIND_WAIT:
                return STEP_WAIT;
        case UNWIND_NOT_CODE:
                return step_from_nowhere(walk);
        case UNWIND_FOUND:
                r = step_in_image(walk, &image);
                break;
        case UNWIND_NONE:
                break;
        }
        return r == STEP_NO_DATA ? step_by_pointer(walk) : r;
}

int unwind_stack(struct unwind *unwind, const struct unwind_request *request, struct unwind_frame *frames,
                 size_t n_room, bool *ret_cut)
{
        struct walk walk = {.unwind = unwind,
                            .request = request,
                            .stack = {request->stack, request->stack_start, request->n_stack_bytes},
                            .is_exact = true,
                            .by = FRAME_BY_REGISTERS};
        enum step r = STEP_FRAME;
        size_t n;

        if (unwind_images_are_full(unwind->images))
                unwind_forget(unwind);
        memcpy(walk.registers, request->registers, sizeof(walk.registers));
        for (n = 0; n < n_room && r == STEP_FRAME; n++) {
                frames[n] = (struct unwind_frame){.addr = walk.registers[STORY_RIP], .by = walk.by};
                r = n + 1 < n_room ? step(&walk) : STEP_END;
        }
        if (r == STEP_WAIT)
                return -EAGAIN;
        *ret_cut = walk.is_cut;
        return (int)n;
}
