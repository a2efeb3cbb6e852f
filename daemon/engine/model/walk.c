/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way from a frame to its caller by rows, beside that of libunwind (unwind.c), because it is taken for every fault:
 * three registers instead of seventeen, no table that is read again, no calls back but for an image that was not asked
 * for just now. The two must find the same frames; a test holds one against the other on stacks of real programs.
 *
 * As in unwind.c: the row of a caller is the one of its call instruction, so where a frame is a return address, one
 * less is looked up. Where a signal interrupted, the kernel saved the registers, and the address is exact again, as
 * that of the first frame is. Only rows and signals vouch for a return address; all others must be one of code.
 *
 * Work is bounded on hostile stacks and rows: the stack pointer grows with each frame, or the frame is one of a signal,
 * and there are at most n_room frames, each with at most two questions to find_image().
 */
#include "daemon/engine/model/walk.h"

#include <errno.h>
#include <ucontext.h>

#include "daemon/engine/model/stackstep.h"

#define N_RECENT 4 /* most stacks are in two or three images */

enum step { STEP_FRAME, STEP_END, STEP_WAIT, STEP_TOO_HARD };

struct walk {
        const struct walk_request *request;
        struct stackstep_bytes stack;
        struct stackstep at;
        bool is_exact;        /* at.rip is where the thread is, or was interrupted; else where it will return to */
        enum frame_method by; /* how at was found */
        bool is_cut;
        struct walk_image recent[N_RECENT]; /* found; an empty range holds no address */
        unsigned int n_found;
};

static enum unwind_answer ask(struct walk *walk, uint64_t addr, const struct walk_image **ret)
{
        struct walk_image *image = &walk->recent[walk->n_found % N_RECENT];
        enum unwind_answer answer;

        *image = (struct walk_image){0};
        answer = walk->request->find_image(walk->request->user, addr, image);
        if (answer == UNWIND_FOUND) {
                *ret = image;
                walk->n_found++;
        } else {
                *image = (struct walk_image){0};
        }
        return answer;
}

static inline enum unwind_answer find_image(struct walk *walk, uint64_t addr, const struct walk_image **ret)
{
        for (size_t i = 0; i < N_RECENT; i++) {
                const struct walk_image *image = &walk->recent[i];

                if (addr - image->start < image->end - image->start) {
                        *ret = image;
                        return UNWIND_FOUND;
                }
        }
        return ask(walk, addr, ret);
}

/* Go on at a return address that nothing vouches for, if it is one. */
static enum step step_to(struct walk *walk, const struct stackstep *caller)
{
        enum unwind_answer answer = UNWIND_NOT_CODE;
        const struct walk_image *image;

        if (caller->rip != 0)
                answer = find_image(walk, caller->rip - 1, &image);
        if (answer == UNWIND_NOT_CODE || answer == UNWIND_WAIT)
                return answer == UNWIND_WAIT ? STEP_WAIT : STEP_END;
        walk->at = *caller;
        walk->is_exact = false;
        walk->by = FRAME_BY_POINTER;
        return STEP_FRAME;
}

static enum step step_by_pointer(struct walk *walk)
{
        struct stackstep caller;

        return stackstep_by_pointer(&walk->stack, &walk->at, &caller, &walk->is_cut) ? step_to(walk, &caller)
                                                                                     : STEP_END;
}

static enum step step_from_nowhere(struct walk *walk)
{
        struct stackstep caller;

        return walk->is_exact && stackstep_from_nowhere(&walk->stack, &walk->at, &caller, &walk->is_cut)
                       ? step_to(walk, &caller)
                       : STEP_END;
}

/*
 * The handler has returned: the stack pointer is at the ucontext of struct rt_sigframe
 * (arch/x86/include/asm/sigframe.h).
 */
static enum step step_by_signal(struct walk *walk)
{
        uint64_t saved = walk->at.rsp + offsetof(ucontext_t, uc_mcontext.gregs);
        gregset_t registers;

        if (!stackstep_read(&walk->stack, saved, registers, sizeof(registers))) {
                walk->is_cut = stackstep_goes_on(walk->at.rsp, saved);
                return STEP_END;
        }
        walk->at = (struct stackstep){.rip = (uint64_t)registers[REG_RIP],
                                      .rsp = (uint64_t)registers[REG_RSP],
                                      .rbp = (uint64_t)registers[REG_RBP]};
        walk->is_exact = true;
        walk->by = FRAME_BY_REGISTERS;
        return STEP_FRAME;
}

static inline enum step step_by_cfa(struct walk *walk, uint64_t cfa, uint64_t caller_rbp)
{
        struct stackstep caller = {.rsp = cfa, .rbp = caller_rbp};

        if (!stackstep_read(&walk->stack, cfa - sizeof(caller.rip), &caller.rip, sizeof(caller.rip))) {
                walk->is_cut = stackstep_goes_on(walk->at.rsp, cfa - sizeof(caller.rip));
                return STEP_END;
        }
        if (caller.rip == 0 || cfa <= walk->at.rsp)
                return STEP_END;
        walk->at = caller;
        walk->is_exact = false;
        walk->by = FRAME_BY_CFI;
        return STEP_FRAME;
}

/* Where it was not copied it is taken to be 0: no frame pointer, should one be needed. */
static inline uint64_t read_rbp(const struct walk *walk, uint64_t addr)
{
        uint64_t rbp;

        return stackstep_read(&walk->stack, addr, &rbp, sizeof(rbp)) ? rbp : 0;
}

static inline enum step step_by_offset(struct walk *walk, const struct row *row, uint64_t cfa)
{
        return step_by_cfa(walk, cfa,
                           row->bp_saved ? read_rbp(walk, cfa + (uint64_t)(int64_t)row->bp_offset) : walk->at.rbp);
}

static enum step step_by_cfa_at(struct walk *walk, uint64_t addr)
{
        uint64_t cfa;

        if (stackstep_read(&walk->stack, addr, &cfa, sizeof(cfa)))
                return step_by_cfa(walk, cfa, read_rbp(walk, walk->at.rbp));
        walk->is_cut = stackstep_goes_on(walk->at.rsp, addr);
        return STEP_END;
}

/* The last instruction of a lazy PLT entry is at byte 11 of 16; before it, the index was pushed. */
static uint64_t pushed_by_plt(uint64_t addr)
{
        return addr % 16 >= 11 ? 8 : 0;
}

static inline enum step step_by_row(struct walk *walk, const struct row *row, uint64_t addr)
{
        uint64_t cfa_offset = (uint64_t)(int64_t)row->cfa_offset;

        switch (row->kind) {
        case ROW_SP:
                return step_by_offset(walk, row, walk->at.rsp + cfa_offset);
        case ROW_BP:
                return step_by_offset(walk, row, walk->at.rbp + cfa_offset);
        case ROW_BP_AT:
                return step_by_cfa_at(walk, walk->at.rbp + cfa_offset);
        case ROW_PLT:
                return step_by_offset(walk, row, walk->at.rsp + cfa_offset + pushed_by_plt(addr));
        case ROW_SIGNAL:
                return step_by_signal(walk);
        case ROW_NONE:
                return step_by_pointer(walk);
        case ROW_END:
                return STEP_END;
        case ROW_COMPLEX:
                break;
        }
        return STEP_TOO_HARD;
}

static inline enum step step(struct walk *walk)
{
        uint64_t addr = walk->at.rip - (walk->is_exact ? 0 : 1);
        const struct walk_image *image;
        struct row row;

        switch (find_image(walk, addr, &image)) {
        case UNWIND_WAIT:
                return STEP_WAIT;
        case UNWIND_NOT_CODE:
                return step_from_nowhere(walk);
        case UNWIND_NONE:
                return step_by_pointer(walk);
        case UNWIND_FOUND:
                break;
        }
        if (!image->rows)
                return STEP_TOO_HARD;
        rows_find(image->rows, addr - image->bias, &row);
        return step_by_row(walk, &row, addr);
}

int walk_stack(const struct walk_request *request, struct unwind_frame *frames, size_t n_room, bool *ret_cut)
{
        struct walk walk = {.request = request,
                            .stack = {request->stack, request->stack_start, request->n_stack_bytes},
                            .at = {request->rip, request->rsp, request->rbp},
                            .is_exact = true,
                            .by = FRAME_BY_REGISTERS};
        enum step r = STEP_FRAME;
        size_t n;

        for (n = 0; n < n_room && r == STEP_FRAME; n++) {
                frames[n] = (struct unwind_frame){.addr = walk.at.rip, .by = walk.by};
                r = n + 1 < n_room ? step(&walk) : STEP_END;
        }
        if (r == STEP_WAIT)
                return -EAGAIN;
        if (r == STEP_TOO_HARD)
                return -ENODATA;
        *ret_cut = walk.is_cut;
        return (int)n;
}
