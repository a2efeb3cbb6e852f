/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three ways to the frames, each for what the one before cannot do: compiled rows over the ring (walk.h), the same over
 * a copy once the images are loaded, libunwind over a copy where a row does not fit (unwind.h). All ask the same
 * question, find_code(): what was executable at an address when the stack was taken. That is why a copy keeps its
 * codemap.
 *
 * Copies are bounded in bytes for the trace. A stack beyond that is missed, and counted; its fault is not.
 */
#include "daemon/engine/stacks.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "daemon/engine/decode/sample.h"
#include "daemon/engine/model/walk.h"

#define TABLE_MAX_STACKS 65536
#define SLOW_MAX_FRAMES 128 /* libunwind takes ten times as long, and a program may be made so that all need it */
#define COPIES_MAX_BYTES ((size_t)128 << 20)
#define CUT_WINDOW 1000 /* stacks */
#define CUT_PERCENT 10  /* of them: worth telling */
#define CUT_COVER 95    /* per cent that the size told holds */

int stacks_init(struct stacks *stacks, uint32_t stack_bytes, bool has_lines, struct unwind *unwind)
{
        *stacks = (struct stacks){.stack_bytes = stack_bytes, .has_lines = has_lines, .unwind = unwind};
        if (!stack_bytes)
                return 0;
        stacks->frames = calloc(CALLSTACK_MAX_FRAMES, sizeof(*stacks->frames));
        stacks->walked = calloc(CALLSTACK_MAX_FRAMES, sizeof(*stacks->walked));
        return stacks->frames && stacks->walked ? callstacks_new(TABLE_MAX_STACKS, &stacks->table) : -ENOMEM;
}

void stacks_deinit(struct stacks *stacks)
{
        callstacks_free(stacks->table);
        free(stacks->frames);
        free(stacks->walked);
        *stacks = (struct stacks){0};
}

/* ---- what is executable where ---- */

struct finder {
        const struct stacks_scene *scene;
        struct codemap *code;
        bool is_last; /* nothing is waited for any more */
};

/* *ret_slot is set with UNWIND_FOUND. */
static enum unwind_answer find_code(const struct finder *finder, uint64_t addr, struct map **ret_map,
                                    uint64_t *ret_vaddr)
{
        const struct stacks_scene *scene = finder->scene;
        struct map *map = codemap_lookup(finder->code, addr);
        struct image_slot *slot;

        if (!map)
                return UNWIND_NOT_CODE;
        places_want(scene->places, scene->addresses, scene->pid, map, scene->now_ns);
        slot = map->image;
        if (!slot)
                return UNWIND_NONE;
        names_want_rows(scene->places->names, slot);
        if (names_rows_are_waiting(slot, scene->now_ns) && !finder->is_last)
                return UNWIND_WAIT;
        *ret_map = map;
        return names_vaddr_of_offset(slot, map->offset + (addr - map->start), ret_vaddr) ? UNWIND_FOUND : UNWIND_NONE;
}

static enum unwind_answer find_rows(void *user, uint64_t addr, struct walk_image *ret)
{
        uint64_t vaddr = 0;
        struct map *map;
        enum unwind_answer answer = find_code(user, addr, &map, &vaddr);

        if (answer == UNWIND_FOUND)
                *ret = (struct walk_image){
                        .rows = map->image->rows, .bias = addr - vaddr, .start = map->start, .end = map->end};
        return answer;
}

static enum unwind_answer find_file(void *user, uint64_t addr, struct unwind_image *ret)
{
        uint64_t vaddr = 0;
        struct map *map;
        enum unwind_answer answer = find_code(user, addr, &map, &vaddr);

        if (answer == UNWIND_FOUND)
                *ret = (struct unwind_image){.fd = map->image->fd,
                                             .bytes = map->image->bytes,
                                             .n_bytes = map->image->n_bytes,
                                             .bias = addr - vaddr};
        return answer;
}

/* ---- walking ---- */

/* A stack as the kernel copied it, in the ring or in a copy of ours. */
struct bytes {
        const uint64_t *registers; /* N_STORY_REGISTERS */
        const uint8_t *stack;
        size_t n_stack_bytes;
        uint64_t stack_start;
        bool is_kernel; /* of a kernel-mode fault */
};

/* Frames, or -EAGAIN: images are missing. */
static int walk(struct stacks *stacks, struct finder *finder, const struct bytes *bytes, size_t n_room, bool *ret_cut)
{
        struct walk_request fast = {.rip = bytes->registers[STORY_RIP],
                                    .rsp = bytes->registers[STORY_RSP],
                                    .rbp = bytes->registers[STORY_RBP],
                                    .stack = bytes->stack,
                                    .n_stack_bytes = bytes->n_stack_bytes,
                                    .stack_start = bytes->stack_start,
                                    .find_image = find_rows,
                                    .user = finder};
        struct unwind_request slow = {.registers = bytes->registers,
                                      .stack = bytes->stack,
                                      .n_stack_bytes = bytes->n_stack_bytes,
                                      .stack_start = bytes->stack_start,
                                      .find_image = find_file,
                                      .user = finder};
        int n = walk_stack(&fast, stacks->walked, n_room, ret_cut);

        if (n != -ENODATA)
                return n;
        n_room = MIN_OF(n_room, (size_t)SLOW_MAX_FRAMES);
        n = unwind_stack(stacks->unwind, &slow, stacks->walked, n_room, ret_cut);
        *ret_cut |= n == (int)n_room;
        return n;
}

/* A return address may be the first of the next function: the call is before it. */
static uint64_t code_of(const struct callstack_frame *frame, size_t index)
{
        bool is_exact = index == 0 || frame->by == FRAME_BY_REGISTERS || !frame->addr;

        return is_exact ? frame->addr : frame->addr - 1;
}

static size_t put_kernel(struct callstack_frame *frames, const uint64_t *chain, size_t n_chain)
{
        for (size_t i = 0; i < n_chain; i++)
                frames[i] = (struct callstack_frame){.addr = chain[i], .by = FRAME_BY_KERNEL};
        return n_chain;
}

/* How much of it the stack needed; where that cannot be known, all that was copied. */
static void note_size(struct stacks *stacks, const struct stacks_scene *scene, const struct bytes *bytes, bool is_cut)
{
        const struct map *map = aspace_lookup(scene->addresses->aspace, bytes->stack_start);
        uint64_t needed = is_cut && map ? map->end - bytes->stack_start : bytes->n_stack_bytes;
        size_t i = 0;

        if (stacks->is_cut_told)
                return;
        while (i < STACKS_SIZES - 1 && UINT64_C(4) << i < needed)
                i++;
        stacks->n_needing[i]++;
        stacks->n_window++;
        stacks->n_cut += is_cut && bytes->n_stack_bytes == stacks->stack_bytes;
}

/* *ret: NULL without memory. 0, or -EAGAIN. */
static int make_stack(struct stacks *stacks, struct finder *finder, const struct bytes *bytes, const uint64_t *chain,
                      size_t n_chain, struct callstack **ret)
{
        size_t n_kernel = put_kernel(stacks->frames, chain, n_chain);
        bool is_cut = false;
        int n = walk(stacks, finder, bytes, CALLSTACK_MAX_FRAMES - n_kernel, &is_cut);

        if (n < 0)
                return n;
        if (bytes->is_kernel && !codemap_lookup(finder->code, bytes->registers[STORY_RIP])) {
                n = 0; /* inside an exec: that code is of the program before */
                is_cut = false;
        }
        for (size_t i = 0; i < (size_t)n; i++) {
                struct callstack_frame *frame = &stacks->frames[n_kernel + i];

                *frame = (struct callstack_frame){.addr = stacks->walked[i].addr, .by = (uint8_t)stacks->walked[i].by};
                frame->map = codemap_lookup(finder->code, code_of(frame, i));
        }
        note_size(stacks, finder->scene, bytes, is_cut);
        *ret = callstacks_intern(stacks->table, stacks->frames, n_kernel + (size_t)n, is_cut);
        return 0;
}

/* ---- in ---- */

/* Of the kernel's chain what lies between the fault's instruction and the entry into the kernel. */
static size_t trim_chain(const struct stacks_scene *scene, const struct record_fault *fault, uint64_t *ret,
                         size_t n_room)
{
        bool is_fault = false;
        size_t n = 0;

        for (uint32_t i = 0; i < fault->n_chain && n < n_room && !scene->places->hide_kernel; i++) {
                is_fault |= fault->chain[i] == fault->ip;
                if (is_fault && fault->chain[i] < PERF_CONTEXT_MAX)
                        ret[n++] = fault->chain[i];
        }
        return n;
}

/* code NULL: nothing is known of the memory yet. */
static struct callstack *keep_copy(struct stacks *stacks, struct codemap *code, const struct bytes *bytes,
                                   const uint64_t *chain, size_t n_chain)
{
        size_t n_code_bytes = code == stacks->copied_code ? 0 : codemap_bytes(code); /* most have the same */
        size_t n_bytes = sizeof(struct callstack_copy) + bytes->n_stack_bytes + n_code_bytes;
        struct callstack_copy *copy =
                n_bytes <= COPIES_MAX_BYTES - stacks->n_copied_bytes ? malloc(n_bytes - n_code_bytes) : NULL;

        if (!copy)
                return NULL;
        copy->code = codemap_ref(code);
        stacks->copied_code = code;
        copy->held_bytes = &stacks->n_copied_bytes;
        copy->n_held_bytes = n_bytes;
        stacks->n_copied_bytes += n_bytes;
        memcpy(copy->registers, bytes->registers, sizeof(copy->registers));
        copy->stack_start = bytes->stack_start;
        copy->n_stack_bytes = bytes->n_stack_bytes;
        copy->is_kernel = bytes->is_kernel;
        copy->n_kernel = n_chain;
        memcpy(copy->chain, chain, n_chain * sizeof(*chain));
        if (bytes->n_stack_bytes > 0)
                memcpy(copy->stack, bytes->stack, bytes->n_stack_bytes);
        return callstack_new_copy(copy);
}

struct callstack *stacks_take(struct stacks *stacks, const struct stacks_scene *scene, const struct record_fault *fault)
{
        uint64_t registers[N_STORY_REGISTERS], chain[ARRAY_SIZE(((struct callstack_copy *)NULL)->chain)];
        struct bytes bytes = {.registers = registers,
                              .stack = fault->stack,
                              .n_stack_bytes = fault->n_stack_bytes,
                              .is_kernel = fault->event == EVENT_TP_KERNEL};
        struct finder finder = {.scene = scene,
                                .code = scene->is_unmapped ? NULL : aspace_code(scene->addresses->aspace)};
        struct callstack *stack = NULL;
        size_t n_chain;
        int r;

        if (!fault->user_registers || fault->registers_abi != PERF_SAMPLE_REGS_ABI_64 ||
            (!finder.code && !scene->is_unmapped))
                return NULL;
        sample_story_registers(fault->user_registers, registers);
        bytes.stack_start = registers[STORY_RSP];
        n_chain = trim_chain(scene, fault, chain, ARRAY_SIZE(chain));
        stacks->n_taken++;
        r = finder.code ? make_stack(stacks, &finder, &bytes, chain, n_chain, &stack) : -EAGAIN;
        if (r == -EAGAIN)
                stack = keep_copy(stacks, finder.code, &bytes, chain, n_chain);
        stacks->n_missed += !stack;
        return stack;
}

void stacks_want(struct stacks *stacks, const struct stacks_scene *scene, struct map *map)
{
        if (!stacks->stack_bytes || !map || !map->executable)
                return;
        places_want(scene->places, scene->addresses, scene->pid, map, scene->now_ns);
        if (!map->image)
                return;
        names_want_rows(scene->places->names, map->image);
        if (stacks->has_lines)
                names_want_lines(map->image);
}

/* ---- out ---- */

static void walk_copy(struct stacks *stacks, struct finder *finder, struct callstack **stack)
{
        struct callstack_copy *copy = (*stack)->copy;
        struct bytes bytes = {.registers = copy->registers,
                              .stack = copy->stack,
                              .n_stack_bytes = copy->n_stack_bytes,
                              .stack_start = copy->stack_start,
                              .is_kernel = copy->is_kernel};
        struct callstack *walked = NULL;

        if (!copy->code)
                copy->code = codemap_ref(aspace_code(finder->scene->addresses->aspace));
        finder->code = copy->code;
        if (finder->code && make_stack(stacks, finder, &bytes, copy->chain, copy->n_kernel, &walked) == -EAGAIN)
                return;
        callstack_unref(*stack);
        *stack = walked;
}

/* 0 = nothing is known. */
static size_t find_lines(const struct stacks_scene *scene, const struct callstack_frame *frame, size_t index,
                         struct source_line ret[static LINES_MAX_INLINED], bool *ret_waiting)
{
        struct map *map = frame->map;
        uint64_t addr = code_of(frame, index), vaddr;

        *ret_waiting = false;
        if (!map || !map->image || !names_vaddr_of_offset(map->image, map->offset + (addr - map->start), &vaddr))
                return 0;
        return names_find_lines(scene->places->names, map->image, vaddr, scene->now_ns, ret, ret_waiting);
}

/* All of them, so that what is missing is asked for at once. */
static bool names_wait(const struct stacks *stacks, const struct stacks_scene *scene, const struct callstack *stack)
{
        struct source_line lines[LINES_MAX_INLINED];
        bool waits = false, line_waits;

        for (uint32_t i = 0; i < stack->n_frames; i++) {
                const struct callstack_frame *frame = &stack->frames[i];

                waits |= places_code_wait(scene->addresses, frame->map, code_of(frame, i), scene->now_ns);
                if (stacks->has_lines) {
                        (void)find_lines(scene, frame, i, lines, &line_waits);
                        waits |= line_waits;
                }
        }
        return waits;
}

/* Grows when an image was loaded, or a JIT's names were read: what was nameless may have a name. */
static uint32_t names_state(const struct stacks_scene *scene)
{
        return names_generation(scene->places->names) + scene->addresses->jit.generation;
}

/* Whoever generates code names it a while later: that is asked for as long as it is missed (jit.c: seldom). */
static bool has_nameless(const struct stacks_scene *scene, const struct callstack *stack)
{
        struct symbol symbol;

        for (uint32_t i = 0; stack->has_generated && i < stack->n_frames; i++) {
                const struct callstack_frame *frame = &stack->frames[i];

                if (places_is_generated(frame->map) &&
                    jit_find(&scene->addresses->jit, code_of(frame, i), scene->now_ns, &symbol) == JIT_WAIT)
                        return true;
        }
        return false;
}

static bool is_defined(const struct stacks_scene *scene, const struct callstack *stack)
{
        return stack->def_epoch == dict_epoch(scene->places->dict) && stack->def_names == names_state(scene) &&
               !has_nameless(scene, stack);
}

bool stacks_wait(struct stacks *stacks, const struct stacks_scene *scene, uint64_t until_ns, struct callstack **stack)
{
        struct finder finder = {.scene = scene, .is_last = scene->now_ns >= until_ns};

        if (!*stack)
                return false;
        if ((*stack)->copy) {
                if (scene->is_unmapped && !finder.is_last)
                        return true;
                walk_copy(stacks, &finder, stack);
                if (*stack && (*stack)->copy)
                        return true;
        }
        return *stack && !finder.is_last && !is_defined(scene, *stack) && names_wait(stacks, scene, *stack);
}

static uint32_t place_of(const struct stacks_scene *scene, const struct callstack_frame *frame, size_t index)
{
        if (frame->by == FRAME_BY_KERNEL)
                return places_kernel_id(scene->places, frame->addr, scene->now_ns);
        return places_code_id(scene->places, scene->addresses, frame->map, code_of(frame, index), scene->now_ns);
}

static uint32_t text_id(struct dict *dict, const char *text)
{
        return text ? dict_string(dict, text, strlen(text)) : 0;
}

/* The innermost function's; each refers to the one that it is inlined into. */
static uint32_t line_of(const struct stacks_scene *scene, const struct callstack_frame *frame, size_t index)
{
        struct dict *dict = scene->places->dict;
        struct source_line lines[LINES_MAX_INLINED];
        bool waits;
        size_t n = find_lines(scene, frame, index, lines, &waits);
        uint32_t id = 0;

        while (n-- > 0) {
                struct dict_line line = {.line = lines[n].line, .outer = id};

                line.function = text_id(dict, lines[n].function);
                line.file = text_id(dict, lines[n].file);
                id = dict_line(dict, &line);
        }
        return id;
}

uint32_t stacks_id(struct stacks *stacks, const struct stacks_scene *scene, struct callstack *stack)
{
        struct dict *dict = scene->places->dict;
        struct proto_stack_frame frames[CALLSTACK_MAX_FRAMES];

        _Static_assert(CALLSTACK_MAX_FRAMES == PROTO_STACK_MAX_FRAMES, "whatever is walked can be told");
        if (!stack || stack->copy)
                return 0;
        if (is_defined(scene, stack))
                return stack->def_id;
        for (uint32_t i = 0; i < stack->n_frames; i++)
                frames[i] =
                        (struct proto_stack_frame){.addr = stack->frames[i].addr,
                                                   .place = place_of(scene, &stack->frames[i], i),
                                                   .line = stacks->has_lines ? line_of(scene, &stack->frames[i], i) : 0,
                                                   .by = stack->frames[i].by};
        stack->def_id = dict_stack(dict, frames, stack->n_frames, stack->is_cut);
        stack->def_epoch = dict_epoch(dict);
        stack->def_names = names_state(scene);
        return stack->def_id;
}

/* ---- how large they are ---- */

/* The smallest size that holds most; 0 = none does. */
static uint32_t size_for_most(const struct stacks *stacks)
{
        uint64_t n = 0;

        for (size_t i = 0; i < STACKS_SIZES; i++) {
                n += stacks->n_needing[i];
                if (n * 100 >= (uint64_t)stacks->n_window * CUT_COVER && i < STACKS_SIZES - 1)
                        return MIN_OF(UINT32_C(4) << i, PROTO_STACK_MAX_BYTES);
        }
        return 0;
}

bool stacks_are_cut(struct stacks *stacks, unsigned int *ret_percent, uint32_t *ret_bytes)
{
        if (stacks->n_window < CUT_WINDOW)
                return false;
        *ret_percent = stacks->n_cut * 100 / stacks->n_window;
        *ret_bytes = size_for_most(stacks);
        stacks->is_cut_told = *ret_percent >= CUT_PERCENT;
        stacks->n_window = stacks->n_cut = 0;
        memset(stacks->n_needing, 0, sizeof(stacks->n_needing));
        return stacks->is_cut_told;
}
