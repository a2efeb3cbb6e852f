/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Call stacks as values: which are one object, what they hold references of, and what a full table does. */
#include "daemon/engine/model/callstack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "proto/proto.h"

#define CODE UINT64_C(0x7f0000000000)

static void free_stacks(struct callstacks **stacks)
{
        *stacks = callstacks_free(*stacks);
}

static void drop_map(struct map **map)
{
        *map = map_unref(*map);
}

static struct callstacks *new_stacks(size_t n_max)
{
        struct callstacks *stacks = NULL;

        assert_int_equal(callstacks_new(n_max, &stacks), 0);
        return stacks;
}

static struct map *new_map(void)
{
        struct map_spec spec = {.start = CODE, .end = CODE + 4096, .executable = true, .path = ""};
        struct map *map = map_new(&spec);

        assert_non_null(map);
        return map;
}

/* Interned, and let go at once: what remains is the table's. */
static struct callstack *put(struct callstacks *stacks, const struct callstack_frame *frames, size_t n_frames,
                             bool is_cut)
{
        struct callstack *stack = callstacks_intern(stacks, frames, n_frames, is_cut);

        assert_non_null(stack);
        assert_int_equal(stack->n_frames, n_frames);
        assert_int_equal(stack->is_cut, is_cut);
        assert_null(stack->copy);
        for (size_t i = 0; i < n_frames; i++) {
                assert_int_equal(stack->frames[i].addr, frames[i].addr);
                assert_ptr_equal(stack->frames[i].map, frames[i].map);
                assert_int_equal(stack->frames[i].by, frames[i].by);
        }
        callstack_unref(stack);
        return stack;
}

static struct callstack *put_one(struct callstacks *stacks, uint64_t addr)
{
        const struct callstack_frame frame = {.addr = addr, .by = FRAME_BY_REGISTERS};

        return put(stacks, &frame, 1, false);
}

static void test_same(void **state)
{
        struct callstacks *stacks CLEANUP(free_stacks) = new_stacks(100);
        struct map *map CLEANUP(drop_map) = new_map();
        const struct callstack_frame frames[] = {{CODE, map, FRAME_BY_REGISTERS}, {CODE + 8, NULL, FRAME_BY_CFI}};
        struct callstack_frame again[2];
        struct callstack *stack = put(stacks, frames, 2, false);

        memset(again, 0xff, sizeof(again)); /* what is between members counts for nothing */
        for (size_t i = 0; i < 2; i++) {
                again[i].addr = frames[i].addr;
                again[i].map = frames[i].map;
                again[i].by = frames[i].by;
        }
        assert_ptr_equal(put(stacks, again, 2, false), stack);
        stack->def_epoch = 3;
        stack->def_id = 4;
        assert_int_equal(put(stacks, frames, 2, false)->def_id, 4);
}

static void test_different(void **state)
{
        struct callstacks *stacks CLEANUP(free_stacks) = new_stacks(100);
        struct map *map CLEANUP(drop_map) = new_map();
        struct map *other CLEANUP(drop_map) = new_map();
        const struct {
                struct callstack_frame frames[2];
                size_t n;
                bool is_cut;
        } variants[] = {
                {{{CODE, map, FRAME_BY_REGISTERS}, {CODE + 8, map, FRAME_BY_CFI}}, 2, false},
                {{{CODE, map, FRAME_BY_REGISTERS}, {CODE + 8, map, FRAME_BY_CFI}}, 2, true},
                {{{CODE + 1, map, FRAME_BY_REGISTERS}, {CODE + 8, map, FRAME_BY_CFI}}, 2, false},
                {{{CODE, map, FRAME_BY_REGISTERS}, {CODE + 9, map, FRAME_BY_CFI}}, 2, false},
                {{{CODE, map, FRAME_BY_REGISTERS}, {CODE + 8, other, FRAME_BY_CFI}}, 2, false},
                {{{CODE, NULL, FRAME_BY_REGISTERS}, {CODE + 8, map, FRAME_BY_CFI}}, 2, false},
                {{{CODE, map, FRAME_BY_REGISTERS}, {CODE + 8, map, FRAME_BY_POINTER}}, 2, false},
                {{{CODE, map, FRAME_BY_KERNEL}, {CODE + 8, map, FRAME_BY_CFI}}, 2, false},
                {{{CODE + 8, map, FRAME_BY_CFI}, {CODE, map, FRAME_BY_REGISTERS}}, 2, false},
                {{{CODE, map, FRAME_BY_REGISTERS}}, 1, false},
                {{{0}}, 0, false},
                {{{0}}, 1, false},
                {{{0}}, 2, false},
        };
        struct callstack *all[ARRAY_SIZE(variants)];

        for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
                all[i] = put(stacks, variants[i].frames, variants[i].n, variants[i].is_cut);
                for (size_t j = 0; j < i; j++)
                        assert_ptr_not_equal(all[j], all[i]);
        }
}

static void test_no_frames(void **state)
{
        struct callstacks *stacks CLEANUP(free_stacks) = new_stacks(1);
        struct callstack *stack = put(stacks, NULL, 0, true);

        assert_ptr_equal(put(stacks, NULL, 0, true), stack);
}

static void test_most_frames(void **state)
{
        struct callstacks *stacks CLEANUP(free_stacks) = new_stacks(2);
        struct callstack_frame frames[CALLSTACK_MAX_FRAMES];
        struct callstack *stack;

        for (size_t i = 0; i < CALLSTACK_MAX_FRAMES; i++)
                frames[i] = (struct callstack_frame){.addr = CODE + i, .by = FRAME_BY_CFI};
        stack = put(stacks, frames, CALLSTACK_MAX_FRAMES, false);
        assert_ptr_equal(put(stacks, frames, CALLSTACK_MAX_FRAMES, false), stack);
        frames[CALLSTACK_MAX_FRAMES - 1].addr++;
        assert_ptr_not_equal(put(stacks, frames, CALLSTACK_MAX_FRAMES, false), stack);
}

static void test_references(void **state)
{
        struct callstacks *stacks CLEANUP(free_stacks) = new_stacks(10);
        struct map *map CLEANUP(drop_map) = new_map();
        const struct callstack_frame frames[] = {{CODE, map, FRAME_BY_REGISTERS}, {CODE, map, FRAME_BY_CFI}};
        struct callstack *stack = callstacks_intern(stacks, frames, 2, false);

        assert_int_equal(stack->n_refs, 2);
        assert_int_equal(map->n_refs, 3);
        assert_ptr_equal(callstacks_intern(stacks, frames, 2, false), stack);
        assert_int_equal(stack->n_refs, 3);
        assert_int_equal(map->n_refs, 3);
        assert_ptr_equal(callstack_ref(stack), stack);
        assert_null(callstack_unref(stack));
        assert_null(callstack_unref(stack));
        stacks = callstacks_free(stacks);
        assert_int_equal(stack->n_refs, 1);
        assert_int_equal(map->n_refs, 3);
        assert_null(callstack_unref(stack));
        assert_int_equal(map->n_refs, 1);
        assert_null(callstack_ref(NULL));
        assert_null(callstack_unref(NULL));
}

/* Full: all are forgotten at once, and whoever holds one goes on holding it. */
static void test_full(void **state)
{
        enum { N = 1000 };
        struct callstacks *stacks CLEANUP(free_stacks) = new_stacks(N);
        struct callstack *held[N];

        for (size_t i = 0; i < N; i++)
                held[i] = callstack_ref(put_one(stacks, i));
        for (size_t i = 0; i < N; i++)
                assert_ptr_equal(put_one(stacks, i), held[i]);
        for (size_t i = 0; i < N; i++)
                assert_int_equal(held[i]->n_refs, 2);
        assert_int_equal(put_one(stacks, N)->n_refs, 1);
        for (size_t i = 0; i < N; i++) {
                assert_int_equal(held[i]->n_refs, 1);
                assert_ptr_not_equal(put_one(stacks, i), held[i]);
                assert_int_equal(held[i]->frames[0].addr, i);
                callstack_unref(held[i]);
        }
}

static size_t bucket_of(uint64_t addr)
{
        struct callstacks *stacks CLEANUP(free_stacks) = new_stacks(1);

        return put_one(stacks, addr)->hash % 512;
}

/* Stacks chosen to collide: looked for in vain in 64 places, the table is taken to be full. */
static void test_collisions(void **state)
{
        enum { N_PROBES = 64 };
        struct callstacks *stacks CLEANUP(free_stacks) = new_stacks(256); /* 512 buckets */
        uint64_t addrs[N_PROBES + 1];
        struct callstack *held[N_PROBES];
        size_t n = 0;

        for (uint64_t addr = 0; n <= N_PROBES; addr++)
                if (bucket_of(addr) == bucket_of(0))
                        addrs[n++] = addr;
        for (size_t i = 0; i < N_PROBES; i++)
                held[i] = callstack_ref(put_one(stacks, addrs[i]));
        for (size_t i = 0; i < N_PROBES; i++) {
                assert_ptr_equal(put_one(stacks, addrs[i]), held[i]);
                assert_int_equal(held[i]->n_refs, 2);
        }
        put_one(stacks, addrs[N_PROBES]);
        for (size_t i = 0; i < N_PROBES; i++) {
                assert_int_equal(held[i]->n_refs, 1);
                callstack_unref(held[i]);
        }
}

static void test_copy(void **state)
{
        struct map *map CLEANUP(drop_map) = new_map();
        struct codemap *code = codemap_new(&map, 1);
        struct callstack_copy *copy = calloc(1, sizeof(*copy) + 16);
        struct callstack *stack;

        copy->code = code;
        copy->n_stack_bytes = 16;
        stack = callstack_new_copy(copy);
        assert_non_null(stack);
        assert_ptr_equal(stack->copy, copy);
        assert_int_equal(stack->n_frames, 0);
        assert_int_equal(stack->n_refs, 1);
        assert_int_equal(map->n_refs, 2);
        assert_null(callstack_unref(stack));
        assert_int_equal(map->n_refs, 1);
        assert_null(callstack_copy_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_same),        cmocka_unit_test(test_different),  cmocka_unit_test(test_no_frames),
                cmocka_unit_test(test_most_frames), cmocka_unit_test(test_references), cmocka_unit_test(test_full),
                cmocka_unit_test(test_collisions),  cmocka_unit_test(test_copy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
