/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walking by rows that are written down here instead of compiled: rows_find() is this file's own. Stacks are words;
 * what stands in them is all that a walk may know.
 */
#include "daemon/engine/model/walk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#define N_WORDS 256
#define STACK UINT64_C(0x7ffc00001000) /* the address of word 0 */
#define WORD(i) (STACK + 8 * (i))
#define FRAMES_MAX 64

/* Where there is what. */
#define PROGRAM UINT64_C(0x400000)
#define LIBRARY UINT64_C(0x7f0000000000)
#define N_LIBRARIES 6
#define LIBRARY_BYTES 0x10000
#define BARE UINT64_C(0x7e0000000000) /* an image without rows */
#define LATE UINT64_C(0x7d0000000000) /* one that is being loaded */
#define JIT UINT64_C(0x10000000)
#define NOWHERE UINT64_C(0x20000000)
#define IMAGE_BYTES 0x10000

/* Functions, as offsets into their image. */
#define LEAF 0x1000     /* nothing pushed */
#define OMITTED 0x1100  /* two words and the return address; no frame pointer */
#define FRAMED 0x1200   /* with frame pointer: at +1 it is pushed, at +4 set */
#define RESTORER 0x1300 /* described from a byte before on, as nothing calls it */
#define OUTERMOST 0x1400
#define DIFFICULT 0x1500
#define UNTOLD 0x1600
#define PLT 0x1700
#define ALIGNED 0x1800
#define STANDING 0x1900 /* CFA = rsp: no progress */
#define SHRINKING 0x1a00

struct rows {
        struct {
                uint64_t vaddr;
                struct row row;
        } lines[13];
};

static const struct rows rows = {{
        {LEAF, {.kind = ROW_SP, .cfa_offset = 8}},
        {OMITTED, {.kind = ROW_SP, .cfa_offset = 24}},
        {FRAMED, {.kind = ROW_SP, .cfa_offset = 8}},
        {FRAMED + 1, {.kind = ROW_SP, .cfa_offset = 16, .bp_saved = true, .bp_offset = -16}},
        {FRAMED + 4, {.kind = ROW_BP, .cfa_offset = 16, .bp_saved = true, .bp_offset = -16}},
        {RESTORER - 1, {.kind = ROW_SIGNAL}},
        {OUTERMOST, {.kind = ROW_END}},
        {DIFFICULT, {.kind = ROW_COMPLEX}},
        {UNTOLD, {.kind = ROW_NONE}},
        {PLT, {.kind = ROW_PLT, .cfa_offset = 8}},
        {ALIGNED, {.kind = ROW_BP_AT, .cfa_offset = -8}},
        {STANDING, {.kind = ROW_SP, .cfa_offset = 0}},
        {SHRINKING, {.kind = ROW_SP, .cfa_offset = -16}},
}};

void rows_find(const struct rows *of, uint64_t vaddr, struct row *ret)
{
        *ret = (struct row){.kind = ROW_NONE};
        for (size_t i = 0; i < ARRAY_SIZE(of->lines); i++)
                if (of->lines[i].vaddr <= vaddr)
                        *ret = of->lines[i].row;
}

struct scene {
        uint64_t words[N_WORDS];
        size_t n_words; /* of them, copied */
        uint64_t rip, rsp, rbp;
        unsigned int n_questions;
};

static bool is_in(uint64_t addr, uint64_t start)
{
        return addr >= start && addr < start + IMAGE_BYTES;
}

static enum unwind_answer find_image(void *user, uint64_t addr, struct walk_image *ret)
{
        struct scene *scene = user;

        scene->n_questions++;
        *ret = (struct walk_image){.rows = &rows, .start = addr - addr % IMAGE_BYTES};
        ret->bias = ret->start == PROGRAM ? PROGRAM : ret->start;
        ret->end = ret->start + IMAGE_BYTES;
        if (is_in(addr, PROGRAM))
                return UNWIND_FOUND;
        for (uint64_t i = 0; i < N_LIBRARIES; i++)
                if (is_in(addr, LIBRARY + i * LIBRARY_BYTES))
                        return UNWIND_FOUND;
        if (is_in(addr, BARE)) {
                ret->rows = NULL;
                return UNWIND_FOUND;
        }
        if (is_in(addr, LATE))
                return UNWIND_WAIT;
        return is_in(addr, JIT) ? UNWIND_NONE : UNWIND_NOT_CODE;
}

struct frames {
        struct unwind_frame of[FRAMES_MAX];
        int n;
        bool is_cut;
};

static void walk_in(struct scene *scene, size_t n_room, struct frames *ret)
{
        const struct walk_request request = {.rip = scene->rip,
                                             .rsp = scene->rsp,
                                             .rbp = scene->rbp,
                                             .stack = (const uint8_t *)scene->words,
                                             .n_stack_bytes = scene->n_words * sizeof(uint64_t),
                                             .stack_start = STACK,
                                             .find_image = find_image,
                                             .user = scene};

        scene->n_questions = 0;
        ret->is_cut = false;
        ret->n = walk_stack(&request, ret->of, n_room, &ret->is_cut);
        assert_true(ret->n <= (int)n_room);
}

struct expected {
        uint64_t addr;
        enum frame_method by;
};

static void assert_frames(struct scene *scene, const struct expected *expected, size_t n, bool is_cut)
{
        struct frames frames;

        walk_in(scene, FRAMES_MAX, &frames);
        assert_int_equal(frames.n, n);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(frames.of[i].addr, expected[i].addr);
                assert_int_equal(frames.of[i].by, expected[i].by);
        }
        assert_int_equal(frames.is_cut, is_cut);
}

#define ASSERT_FRAMES(scene, is_cut, ...)                                                                              \
        assert_frames(scene, (const struct expected[]){__VA_ARGS__},                                                   \
                      ARRAY_SIZE(((const struct expected[]){__VA_ARGS__})), is_cut)

#define AT(addr)                                                                                                       \
        {                                                                                                              \
                addr, FRAME_BY_REGISTERS                                                                               \
        }
#define BY_ROW(addr)                                                                                                   \
        {                                                                                                              \
                addr, FRAME_BY_CFI                                                                                     \
        }
#define BY_POINTER(addr)                                                                                               \
        {                                                                                                              \
                addr, FRAME_BY_POINTER                                                                                 \
        }

static void assert_refused(struct scene *scene, int error)
{
        struct frames frames;

        walk_in(scene, FRAMES_MAX, &frames);
        assert_int_equal(frames.n, error);
        assert_false(frames.is_cut); /* as it was */
}

/* A stack of which all words are copied, with the thread at rip and rsp at word 0. */
static struct scene scene_at(uint64_t rip)
{
        return (struct scene){.n_words = N_WORDS, .rip = rip, .rsp = STACK};
}

/* ---- rows ---- */

static void test_stack_pointer(void **state)
{
        struct scene scene = scene_at(LIBRARY + LEAF + 3);

        scene.words[0] = PROGRAM + OMITTED + 9;
        scene.words[3] = PROGRAM + OUTERMOST + 9;
        ASSERT_FRAMES(&scene, false, AT(LIBRARY + LEAF + 3), BY_ROW(PROGRAM + OMITTED + 9),
                      BY_ROW(PROGRAM + OUTERMOST + 9));
}

/* A call may be the last instruction of its function: the row is that of the call, not of where it returns to. */
static void test_return_to_next_function(void **state)
{
        struct scene scene = scene_at(PROGRAM + LEAF);

        scene.words[0] = PROGRAM + FRAMED; /* the end of OMITTED, which has three words */
        scene.words[1] = PROGRAM + OMITTED;
        scene.words[3] = PROGRAM + OUTERMOST + 1;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + LEAF), BY_ROW(PROGRAM + FRAMED), BY_ROW(PROGRAM + OUTERMOST + 1));
}

/* Where the thread is, is not a return address: that very instruction's row. */
static void test_exact(void **state)
{
        struct scene scene = scene_at(PROGRAM + OUTERMOST);

        ASSERT_FRAMES(&scene, false, AT(PROGRAM + OUTERMOST));
        scene.rip = PROGRAM + OMITTED;
        scene.words[2] = PROGRAM + OUTERMOST + 1;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + OMITTED), BY_ROW(PROGRAM + OUTERMOST + 1));
}

/* At each instruction of its prologue the same caller, whose frame pointer comes back. */
static void test_frame_pointer(void **state)
{
        struct scene scene = {.n_words = N_WORDS};

        scene.words[4] = WORD(10); /* of the caller */
        scene.words[5] = PROGRAM + FRAMED + 20;
        scene.words[10] = WORD(20);
        scene.words[11] = PROGRAM + FRAMED + 30;
        scene.words[21] = PROGRAM + OUTERMOST + 1;
        for (uint64_t offset = 0; offset < 8; offset++) {
                scene.rip = PROGRAM + FRAMED + offset;
                scene.rsp = offset == 0 ? WORD(5) : offset < 4 ? WORD(4) : WORD(2);
                scene.rbp = offset < 4 ? WORD(10) : WORD(4);
                ASSERT_FRAMES(&scene, false, AT(scene.rip), BY_ROW(PROGRAM + FRAMED + 20),
                              BY_ROW(PROGRAM + FRAMED + 30), BY_ROW(PROGRAM + OUTERMOST + 1));
        }
}

/* What rbp was cannot be read, and is not needed before the next frame. */
static void test_lost_frame_pointer(void **state)
{
        struct scene scene = scene_at(PROGRAM + FRAMED + 4);

        scene.rbp = STACK - 8; /* below the copy: rbp's word is missing, the return address is word 0 */
        scene.words[0] = PROGRAM + OMITTED + 1;
        scene.words[3] = PROGRAM + FRAMED + 5;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + FRAMED + 4), BY_ROW(PROGRAM + OMITTED + 1),
                      BY_ROW(PROGRAM + FRAMED + 5));
}

static void test_plt(void **state)
{
        struct scene scene = scene_at(0);

        scene.words[0] = PROGRAM + OUTERMOST + 1;
        scene.words[1] = PROGRAM + OUTERMOST + 2;
        for (uint64_t offset = 0; offset < 32; offset++) {
                uint64_t pushed = offset % 16 >= 11 ? 1 : 0;

                scene.rip = PROGRAM + PLT + offset;
                ASSERT_FRAMES(&scene, false, AT(scene.rip), BY_ROW(PROGRAM + OUTERMOST + 1 + pushed));
        }
}

static void test_cfa_in_memory(void **state)
{
        struct scene scene = scene_at(PROGRAM + ALIGNED + 9);

        scene.rbp = WORD(3);
        scene.words[2] = WORD(9);
        scene.words[3] = WORD(20); /* rbp's own word */
        scene.words[8] = PROGRAM + FRAMED + 5;
        scene.words[21] = PROGRAM + OUTERMOST + 1;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + ALIGNED + 9), BY_ROW(PROGRAM + FRAMED + 5),
                      BY_ROW(PROGRAM + OUTERMOST + 1));
        scene.rbp = WORD(N_WORDS + 1); /* where the CFA stands was not copied */
        ASSERT_FRAMES(&scene, true, AT(PROGRAM + ALIGNED + 9));
        scene.rbp = STACK; /* below the stack pointer */
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + ALIGNED + 9));
}

static void test_too_hard(void **state)
{
        struct scene scene = scene_at(PROGRAM + DIFFICULT);

        assert_refused(&scene, -ENODATA);
        scene.rip = BARE;
        assert_refused(&scene, -ENODATA);
        scene.rip = PROGRAM + LEAF;
        scene.words[0] = PROGRAM + DIFFICULT + 1;
        assert_refused(&scene, -ENODATA);
        scene.words[0] = BARE + 1;
        assert_refused(&scene, -ENODATA);
}

/* ---- signals ---- */

/* A ucontext at a word, of a thread that was at rip, with its stack pointer at word rsp. */
static void put_ucontext(struct scene *scene, size_t at, uint64_t rip, size_t rsp, uint64_t rbp)
{
        ucontext_t *context = (ucontext_t *)&scene->words[at]; /* NOLINT */

        context->uc_mcontext.gregs[REG_RIP] = (greg_t)rip;
        context->uc_mcontext.gregs[REG_RSP] = (greg_t)WORD(rsp);
        context->uc_mcontext.gregs[REG_RBP] = (greg_t)rbp;
}

/*
 * What a signal interrupted is exact again: at the first instruction of a function, with a frame pointer that the
 * handler has not saved.
 */
static void test_signal(void **state)
{
        struct scene scene = scene_at(PROGRAM + LEAF);

        scene.words[0] = LIBRARY + RESTORER;
        put_ucontext(&scene, 1, PROGRAM + FRAMED + 4, 200, WORD(210));
        scene.words[211] = PROGRAM + OUTERMOST + 1;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + LEAF), BY_ROW(LIBRARY + RESTORER), AT(PROGRAM + FRAMED + 4),
                      BY_ROW(PROGRAM + OUTERMOST + 1));
        put_ucontext(&scene, 1, PROGRAM + OUTERMOST, 200, 0);
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + LEAF), BY_ROW(LIBRARY + RESTORER), AT(PROGRAM + OUTERMOST));
}

/* An alternate stack lies anywhere; the interrupted stack pointer may be below. */
static void test_alternate_stack(void **state)
{
        struct scene scene = scene_at(PROGRAM + LEAF);

        scene.rsp = WORD(100);
        scene.words[100] = LIBRARY + RESTORER;
        put_ucontext(&scene, 101, PROGRAM + LEAF, 50, 0);
        scene.words[50] = PROGRAM + OUTERMOST + 1;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + LEAF), BY_ROW(LIBRARY + RESTORER), AT(PROGRAM + LEAF),
                      BY_ROW(PROGRAM + OUTERMOST + 1));
}

static void test_cut_signal(void **state)
{
        struct scene scene = scene_at(PROGRAM + LEAF);

        scene.words[0] = LIBRARY + RESTORER;
        put_ucontext(&scene, 1, PROGRAM + OUTERMOST, 200, 0);
        scene.n_words = 1 + (offsetof(ucontext_t, uc_mcontext.gregs) + sizeof(gregset_t)) / 8;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + LEAF), BY_ROW(LIBRARY + RESTORER), AT(PROGRAM + OUTERMOST));
        scene.n_words--;
        ASSERT_FRAMES(&scene, true, AT(PROGRAM + LEAF), BY_ROW(LIBRARY + RESTORER));
}

/* A handler was called where there is nothing: the call that brought the thread there is followed. */
static void test_signal_at_nowhere(void **state)
{
        struct scene scene = scene_at(PROGRAM + LEAF);

        scene.words[0] = LIBRARY + RESTORER;
        put_ucontext(&scene, 1, NOWHERE, 200, 0);
        scene.words[200] = PROGRAM + OUTERMOST + 1;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + LEAF), BY_ROW(LIBRARY + RESTORER), AT(NOWHERE),
                      BY_POINTER(PROGRAM + OUTERMOST + 1));
}

static void test_endless_signals(void **state)
{
        struct scene scene = scene_at(PROGRAM + RESTORER);
        struct frames frames;

        put_ucontext(&scene, 0, PROGRAM + RESTORER, 0, 0);
        walk_in(&scene, FRAMES_MAX, &frames);
        assert_int_equal(frames.n, FRAMES_MAX);
        assert_false(frames.is_cut);
}

/* ---- without rows ---- */

static void check_pointers(uint64_t rip)
{
        struct scene scene = scene_at(rip);

        scene.rbp = WORD(4);
        scene.words[4] = WORD(8);
        scene.words[5] = JIT + 77;
        scene.words[8] = WORD(12);
        scene.words[9] = PROGRAM + FRAMED + 5;
        scene.words[13] = PROGRAM + OUTERMOST + 1;
        ASSERT_FRAMES(&scene, false, AT(rip), BY_POINTER(JIT + 77), BY_POINTER(PROGRAM + FRAMED + 5),
                      BY_ROW(PROGRAM + OUTERMOST + 1));
        scene.words[9] = NOWHERE;
        ASSERT_FRAMES(&scene, false, AT(rip), BY_POINTER(JIT + 77));
        scene.words[9] = 0;
        ASSERT_FRAMES(&scene, false, AT(rip), BY_POINTER(JIT + 77));
        scene.words[4] = WORD(8) + 1;
        ASSERT_FRAMES(&scene, false, AT(rip), BY_POINTER(JIT + 77));
        scene.words[4] = WORD(4); /* its own caller */
        ASSERT_FRAMES(&scene, false, AT(rip), BY_POINTER(JIT + 77));
        scene.words[4] = WORD(N_WORDS - 1); /* the return address is not copied */
        ASSERT_FRAMES(&scene, true, AT(rip), BY_POINTER(JIT + 77));
        scene.words[4] = UINT64_MAX - 7;
        ASSERT_FRAMES(&scene, false, AT(rip), BY_POINTER(JIT + 77));
        scene.rbp = STACK - 8;
        ASSERT_FRAMES(&scene, false, AT(rip));
        scene.rbp = 0;
        ASSERT_FRAMES(&scene, false, AT(rip));
}

static void test_pointers(void **state)
{
        check_pointers(JIT + 5);
        check_pointers(PROGRAM + UNTOLD + 5);
        check_pointers(PROGRAM); /* before the first row */
}

static void test_call_to_nowhere(void **state)
{
        struct scene scene = scene_at(NOWHERE);

        scene.words[0] = PROGRAM + FRAMED + 9;
        scene.rbp = WORD(4);
        scene.words[5] = PROGRAM + OUTERMOST + 1;
        ASSERT_FRAMES(&scene, false, AT(NOWHERE), BY_POINTER(PROGRAM + FRAMED + 9), BY_ROW(PROGRAM + OUTERMOST + 1));
        scene.rip = 0;
        ASSERT_FRAMES(&scene, false, AT(0), BY_POINTER(PROGRAM + FRAMED + 9), BY_ROW(PROGRAM + OUTERMOST + 1));
        scene.words[0] = NOWHERE + 8;
        ASSERT_FRAMES(&scene, false, AT(0));
        scene.words[0] = 0;
        ASSERT_FRAMES(&scene, false, AT(0));
        scene.n_words = 0;
        ASSERT_FRAMES(&scene, true, AT(0));
}

/* A row vouches for its return address: it is shown, but from there the way is not known. */
static void test_return_to_nowhere(void **state)
{
        struct scene scene = scene_at(PROGRAM + LEAF);

        scene.words[0] = NOWHERE;
        scene.words[1] = PROGRAM + OUTERMOST + 1;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + LEAF), BY_ROW(NOWHERE));
}

/* ---- ends ---- */

static void test_end_of_chain(void **state)
{
        struct scene scene = scene_at(PROGRAM + LEAF);

        ASSERT_FRAMES(&scene, false, AT(PROGRAM + LEAF)); /* a return address of 0 */
        scene.rip = PROGRAM + STANDING;
        scene.words[0] = PROGRAM + LEAF + 1;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + STANDING));
        scene.rsp = WORD(9);
        scene.words[8] = PROGRAM + LEAF + 1;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + STANDING));
        scene.rip = PROGRAM + SHRINKING;
        scene.words[6] = PROGRAM + LEAF + 1;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + SHRINKING));
}

/* What lies above the stack pointer, where a process may have memory, can be missing; all else is no stack. */
static void test_wild_registers(void **state)
{
        static const uint64_t code[] = {LEAF, OMITTED, FRAMED + 1, FRAMED + 4, RESTORER, PLT + 11};
        static const uint64_t possible[] = {0, 1, STACK - 4096, (UINT64_C(1) << 56) - 4096};
        static const uint64_t impossible[] = {UINT64_C(1) << 56, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
        struct scene scene = scene_at(0);

        memset(scene.words, 0xff, sizeof(scene.words));
        for (size_t i = 0; i < ARRAY_SIZE(code); i++)
                for (size_t j = 0; j < ARRAY_SIZE(possible); j++) {
                        scene.rip = PROGRAM + code[i];
                        scene.rsp = scene.rbp = possible[j];
                        ASSERT_FRAMES(&scene, true, AT(scene.rip));
                        scene.rsp = scene.rbp = impossible[j];
                        ASSERT_FRAMES(&scene, false, AT(scene.rip));
                }
}

static void test_all_ff(void **state)
{
        struct scene scene = scene_at(PROGRAM + LEAF);

        memset(scene.words, 0xff, sizeof(scene.words));
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + LEAF), BY_ROW(UINT64_MAX));
        scene.rip = PROGRAM + RESTORER;
        ASSERT_FRAMES(&scene, false, AT(PROGRAM + RESTORER), AT(UINT64_MAX));
        scene.rip = JIT;
        scene.rbp = STACK;
        ASSERT_FRAMES(&scene, false, AT(JIT));
}

/* However little was copied, what is shown is true, and it is said that there is more. */
static void test_cut(void **state)
{
        struct scene scene = scene_at(PROGRAM + LEAF);
        struct frames whole, part;

        for (size_t i = 0; i < 20; i++)
                scene.words[3 * i] = LIBRARY + i % N_LIBRARIES * LIBRARY_BYTES + OMITTED + 1 + i;
        scene.words[60] = PROGRAM + OUTERMOST + 1;
        walk_in(&scene, FRAMES_MAX, &whole);
        assert_int_equal(whole.n, 22);
        for (scene.n_words = 0; scene.n_words <= 61; scene.n_words++) {
                walk_in(&scene, FRAMES_MAX, &part);
                assert_int_equal(part.n, 1 + (scene.n_words + 2) / 3);
                for (int i = 0; i < part.n; i++)
                        assert_int_equal(part.of[i].addr, whole.of[i].addr);
                assert_int_equal(part.is_cut, part.n < whole.n);
        }
}

/* As many as there is room for; that there would be more is not for the copy to answer for. */
static void test_room(void **state)
{
        struct scene scene = scene_at(PROGRAM + LEAF);
        struct frames frames;

        for (size_t i = 0; i < N_WORDS; i++)
                scene.words[i] = PROGRAM + LEAF + 1;
        for (size_t n_room = 0; n_room <= FRAMES_MAX; n_room++) {
                walk_in(&scene, n_room, &frames);
                assert_int_equal(frames.n, n_room);
                assert_false(frames.is_cut);
        }
        scene.words[0] = PROGRAM + DIFFICULT + 1; /* not needed any more */
        walk_in(&scene, 2, &frames);
        assert_int_equal(frames.n, 2);
}

/* ---- questions ---- */

static void test_wait(void **state)
{
        struct scene scene = scene_at(LATE + LEAF);

        assert_refused(&scene, -EAGAIN);
        scene.rip = PROGRAM + LEAF;
        scene.words[0] = LATE + LEAF;
        assert_refused(&scene, -EAGAIN);
        scene.rip = NOWHERE;
        assert_refused(&scene, -EAGAIN);
        scene.rip = JIT;
        scene.rbp = WORD(9);
        scene.words[10] = LATE + LEAF;
        assert_refused(&scene, -EAGAIN);
}

static unsigned int questions_of(struct scene *scene, size_t n_images)
{
        struct frames frames;

        for (size_t i = 0; i < 30; i++)
                scene->words[i] = LIBRARY + i % n_images * LIBRARY_BYTES + LEAF + 1;
        scene->words[30] = LIBRARY + OUTERMOST + 1;
        scene->rip = LIBRARY + LEAF;
        walk_in(scene, FRAMES_MAX, &frames);
        assert_int_equal(frames.n, 32);
        return scene->n_questions;
}

/* Images are asked for once while a stack stays within four. */
static void test_questions(void **state)
{
        struct scene scene = scene_at(0);

        for (unsigned int n = 1; n <= 4; n++)
                assert_int_equal(questions_of(&scene, n), n);
        /* The first, which is asked for again only once four others have been. */
        assert_true(questions_of(&scene, 5) > 5);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stack_pointer),
                cmocka_unit_test(test_return_to_next_function),
                cmocka_unit_test(test_exact),
                cmocka_unit_test(test_frame_pointer),
                cmocka_unit_test(test_lost_frame_pointer),
                cmocka_unit_test(test_plt),
                cmocka_unit_test(test_cfa_in_memory),
                cmocka_unit_test(test_too_hard),
                cmocka_unit_test(test_signal),
                cmocka_unit_test(test_alternate_stack),
                cmocka_unit_test(test_cut_signal),
                cmocka_unit_test(test_signal_at_nowhere),
                cmocka_unit_test(test_endless_signals),
                cmocka_unit_test(test_pointers),
                cmocka_unit_test(test_call_to_nowhere),
                cmocka_unit_test(test_return_to_nowhere),
                cmocka_unit_test(test_end_of_chain),
                cmocka_unit_test(test_wild_registers),
                cmocka_unit_test(test_all_ff),
                cmocka_unit_test(test_cut),
                cmocka_unit_test(test_room),
                cmocka_unit_test(test_wait),
                cmocka_unit_test(test_questions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
