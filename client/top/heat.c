/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cell of the picture is anything from a page to terabytes, and ten times a second a few thousand cells are looked
 * up, while faults arrive by the hundred thousand. A list of faults would have to be searched; a tree of blocks would
 * have to allocate. So each fault is written down once for each of six sizes of blocks, each 32 times the last, and a
 * range is looked up in the largest blocks of which it still has a few; only where its ends cut through a block that
 * something happened in, the part inside is looked up in smaller ones. So a fault never shows in the cell beside its
 * own.
 *
 * Entries are direct-mapped and a block's neighbours are its table's neighbours: blocks in a row never displace each
 * other as long as they are fewer than the entries. What two ranges far apart share is hashed apart by the upper bits.
 * The newest fault is in all tables, whatever it displaced there; so what is missing is always what is older.
 */
#include "client/top/heat.h"

#include <string.h>

enum {
        N_LEVELS = 6, /* 4 KiB, 128 KiB, 4 MiB, 128 MiB, 4 GiB, 128 GiB */
        SHIFT_FIRST = 12,
        SHIFT_STEP = 5,
        BLOCKS_PER_LOOK = 32, /* besides as many at either end on each level below */
};

struct block {
        uint64_t number; /* address >> shift */
        uint64_t time_ns;
        uint32_t n; /* 0: the entry is free */
        uint8_t cause;
};

/* Bits of the number of entries: the larger the blocks, the fewer there are. */
static const uint8_t entry_bits[N_LEVELS] = {15, 14, 12, 10, 8, 8};
static const uint16_t first_entry[N_LEVELS] = {0, 0x8000, 0xc000, 0xd000, 0xd400, 0xd500};

enum { N_ENTRIES = 0xd600 };

struct heat {
        struct block blocks[N_ENTRIES]; /* level after level */
};

static unsigned int shift_of(unsigned int level)
{
        return SHIFT_FIRST + SHIFT_STEP * level;
}

static size_t entry_of(unsigned int level, uint64_t number)
{
        uint64_t above = number >> entry_bits[level];

        return first_entry[level] +
               (size_t)((number + above * UINT64_C(0x9e3779b1)) & ((UINT64_C(1) << entry_bits[level]) - 1));
}

struct heat *heat_new(void)
{
        return calloc(1, sizeof(struct heat));
}

struct heat *heat_free(struct heat *heat)
{
        free(heat);
        return NULL;
}

void heat_clear(struct heat *heat)
{
        memset(heat, 0, sizeof(*heat));
}

static void add_to(struct block *block, uint64_t number, uint8_t cause, uint64_t time_ns)
{
        if (block->n == 0 || block->number != number) {
                *block = (struct block){.number = number, .time_ns = time_ns, .n = 1, .cause = cause};
                return;
        }
        if (block->n < UINT32_MAX)
                block->n++;
        if (time_ns < block->time_ns) /* those of several threads may come out of their order */
                return;
        block->time_ns = time_ns;
        block->cause = cause;
}

void heat_add(struct heat *heat, uint64_t address, uint8_t cause, uint64_t time_ns)
{
        for (unsigned int level = 0; level < N_LEVELS; level++) {
                uint64_t number = address >> shift_of(level);

                add_to(&heat->blocks[entry_of(level, number)], number, cause, time_ns);
        }
}

void heat_forget(struct heat *heat, bool (*is_gone)(void *user, uint64_t start, uint64_t end), void *user)
{
        for (unsigned int level = 0; level < N_LEVELS; level++) {
                for (size_t i = 0; i < (size_t)1 << entry_bits[level]; i++) {
                        struct block *block = &heat->blocks[first_entry[level] + i];
                        uint64_t start = block->number << shift_of(level);
                        uint64_t last = start + ((UINT64_C(1) << shift_of(level)) - 1);

                        if (block->n > 0 && is_gone(user, start, last == UINT64_MAX ? last : last + 1))
                                block->n = 0;
                }
        }
}

static const struct block *find(const struct heat *heat, unsigned int level, uint64_t number)
{
        const struct block *block = &heat->blocks[entry_of(level, number)];

        return block->n > 0 && block->number == number ? block : NULL;
}

static void take(struct heat_spot *spot, const struct block *block)
{
        spot->n += block->n;
        if (block->time_ns < spot->time_ns)
                return;
        spot->time_ns = block->time_ns;
        spot->cause = block->cause;
}

static void look(const struct heat *heat, unsigned int level, uint64_t first, uint64_t last, struct heat_spot *spot);

/* As much of the pages [first, last] as is in this block of `level`. */
static void look_into(const struct heat *heat, unsigned int level, const struct block *block, uint64_t first,
                      uint64_t last, struct heat_spot *spot)
{
        unsigned int bits = SHIFT_STEP * level;
        uint64_t pages_less_1 = (UINT64_C(1) << bits) - 1;
        uint64_t from = MAX_OF(first, block->number << bits);
        uint64_t to = MIN_OF(last, block->number << bits | pages_less_1);

        if (to - from == pages_less_1)
                take(spot, block);
        else
                look(heat, level - 1, from, to, spot);
}

/* Of the blocks of a level at most two are cut, one at either end; a level further down the same holds for each. */
static void look(const struct heat *heat, unsigned int level, uint64_t first, uint64_t last, struct heat_spot *spot)
{
        unsigned int bits = SHIFT_STEP * level;

        for (uint64_t number = first >> bits; number <= last >> bits; number++) {
                const struct block *block = find(heat, level, number);

                if (block)
                        look_into(heat, level, block, first, last, spot);
        }
}

/* A range of more of the largest blocks than their table has entries: through the table. */
static void look_everywhere(const struct heat *heat, uint64_t first, uint64_t last, struct heat_spot *spot)
{
        unsigned int level = N_LEVELS - 1, bits = SHIFT_STEP * level;

        for (size_t i = 0; i < (size_t)1 << entry_bits[level]; i++) {
                const struct block *block = &heat->blocks[first_entry[level] + i];

                if (block->n > 0 && block->number >= first >> bits && block->number <= last >> bits)
                        look_into(heat, level, block, first, last, spot);
        }
}

static uint64_t blocks_between(unsigned int level, uint64_t first, uint64_t last)
{
        return (last >> (SHIFT_STEP * level)) - (first >> (SHIFT_STEP * level)) + 1;
}

bool heat_look(const struct heat *heat, uint64_t start, uint64_t end, struct heat_spot *ret)
{
        struct heat_spot spot = {.n = 0};
        uint64_t first = start >> SHIFT_FIRST, last;
        unsigned int level = 0;

        if (end <= start)
                return false;
        last = (end - 1) >> SHIFT_FIRST;
        while (level + 1 < N_LEVELS && blocks_between(level, first, last) > BLOCKS_PER_LOOK)
                level++;
        if (blocks_between(level, first, last) > UINT64_C(1) << entry_bits[level])
                look_everywhere(heat, first, last, &spot);
        else
                look(heat, level, first, last, &spot);
        if (spot.n == 0)
                return false;
        *ret = spot;
        return true;
}
