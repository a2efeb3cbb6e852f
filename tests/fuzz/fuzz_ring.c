/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arbitrary bytes as perf rings: nothing is read beyond a ring, every pass ends, and every step moves exactly one ring.
 *
 * Input: detail, physical and stacks, number of rings, size of a ring, until_ns; for each ring the low bits of its tail
 * and how much of it is filled; then what every ring holds from its tail on, repeated until it is full. The ids are 1
 * to N_EVENT_KINDS.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine/decode/order.h"
#include "tests/fuzz/fuzz.h"

#define MAX_RINGS 4
#define SETTINGS_BYTES (5 + 2 * MAX_RINGS)

static _Alignas(8) uint8_t scratch[RING_SCRATCH_BYTES];

/* Touch every string to its end, so that a sanitizer sees where it lies. */
static void read_strings(const struct record *record)
{
        if (record->kind == RECORD_MAP)
                fuzz_promise(strlen(record->map.path) == record->map.n_path);
        else if (record->kind == RECORD_COMM)
                fuzz_promise(strlen(record->comm.comm) < RING_SCRATCH_BYTES);
}

/* What is walked in place lies in the record. */
static void read_stack(const struct record_fault *fault)
{
        uint64_t sum = 0;

        fuzz_promise(!fault->stack || (fault->user_registers && (uintptr_t)fault->stack % 8 == 0));
        fuzz_promise((fault->n_stack_bytes > 0) == (fault->stack != NULL));
        fuzz_promise((fault->n_chain > 0) == (fault->chain != NULL));
        for (size_t i = 0; fault->user_registers && i < EVENT_N_STACK_REGS; i++)
                sum += fault->user_registers[i];
        for (size_t i = 0; i < fault->n_stack_bytes; i++)
                sum += fault->stack[i];
        for (size_t i = 0; i < fault->n_chain; i++)
                sum += fault->chain[i];
        __asm__ volatile("" : : "r"(sum));
}

/* What the address space is asked to unmap is a range that it takes. */
static void check_unmap(const struct record *record)
{
        const struct record_unmap *unmap = &record->unmap;

        fuzz_promise(unmap->len_bytes > 0 && unmap->start % 4096 == 0 && unmap->len_bytes % 4096 == 0);
        fuzz_promise(unmap->start < EVENT_USER_END && unmap->len_bytes <= EVENT_USER_END - unmap->start);
}

static void run_pass(struct order *order, struct ring *rings, size_t n_rings, uint64_t until_ns)
{
        struct record record;
        size_t index;
        int r;

        order_begin(order, until_ns);
        for (;;) {
                uint64_t tails[MAX_RINGS];

                for (size_t i = 0; i < n_rings; i++)
                        tails[i] = rings[i].tail;
                r = order_next(order, &record, &index);
                if (r == ORDER_END)
                        break;
                fuzz_promise(r == ORDER_RECORD || r == ORDER_BAD);
                fuzz_promise(index < n_rings);
                fuzz_promise(rings[index].tail != tails[index]);
                fuzz_promise(rings[index].head - rings[index].tail <= rings[index].head - tails[index]);
                for (size_t i = 0; i < n_rings; i++)
                        fuzz_promise(i == index || rings[i].tail == tails[i]);
                if (r == ORDER_RECORD)
                        read_strings(&record);
                if (r == ORDER_RECORD && record.kind == RECORD_FAULT)
                        read_stack(&record.fault);
                if (r == ORDER_RECORD && record.kind == RECORD_UNMAP)
                        check_unmap(&record);
        }
}

static struct event_ids *new_ids(void)
{
        struct link_event_id pairs[N_EVENT_KINDS];
        struct event_ids *ids = NULL;

        for (uint32_t kind = 0; kind < N_EVENT_KINDS; kind++)
                pairs[kind] = (struct link_event_id){.id = kind + 1, .kind = kind};
        fuzz_promise(event_ids_new(pairs, N_EVENT_KINDS, &ids) == 0);
        return ids;
}

static void fill(struct ring *ring, uint8_t *to, const uint8_t *data, size_t n_bytes)
{
        for (size_t i = 0; i < ring->size_bytes; i++)
                to[(ring->tail + i) % ring->size_bytes] = data[i % n_bytes];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
        const uint32_t stacks[] = {0, event_stacks(0, 0), event_stacks(1, 0), event_stacks(1, 1)};
        struct sample_layout layout = {0};
        struct ring rings[MAX_RINGS];
        struct event_ids *ids;
        struct order *order = NULL;
        size_t n_rings, ring_bytes;

        if (n_bytes <= SETTINGS_BYTES)
                return 0;
        ids = new_ids();
        layout = (struct sample_layout){.detail = (enum detail)(data[0] % 4),
                                        .physical = data[1] & 1,
                                        .stacks = stacks[data[1] >> 1 & 3],
                                        .ids = ids};
        n_rings = 1 + data[2] % MAX_RINGS;
        ring_bytes = (size_t)64 << data[3] % 7;
        for (size_t i = 0; i < n_rings; i++) {
                uint8_t *bytes = malloc(ring_bytes);
                uint64_t tail = data[5 + 2 * i], n_filled = data[6 + 2 * i];

                fuzz_promise(bytes != NULL);
                rings[i] = (struct ring){.data = bytes, .size_bytes = ring_bytes, .tail = tail, .scratch = scratch};
                rings[i].head = tail + n_filled * ring_bytes / 240; /* above 240: more than it holds */
                fill(&rings[i], bytes, data + SETTINGS_BYTES, n_bytes - SETTINGS_BYTES);
        }
        fuzz_promise(order_new(rings, n_rings, &layout, &order) == 0);
        run_pass(order, rings, n_rings, data[4]);
        run_pass(order, rings, n_rings, UINT64_MAX);
        for (size_t i = 0; i < n_rings; i++)
                fuzz_promise(rings[i].tail == rings[i].head);
        order_free(order);
        event_ids_free(ids);
        for (size_t i = 0; i < n_rings; i++)
                free((void *)(uintptr_t)rings[i].data);
        return 0;
}
