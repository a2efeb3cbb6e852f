/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of a perf map -> symtab, after what is dead has been taken out.
 *
 * A compiler appends a line for each function it makes and never says when one is thrown away; that shows only when
 * later code lies on the same memory. So a line kills every earlier line that it overlaps, also one that a third line
 * has killed before: a function whose memory was reused is gone, even where what replaced it is gone too.
 *
 * That is one sweep over the ranges by address. At any address the ranges that are open there all overlap each other,
 * so of these only the latest line can be alive: a range that begins is dead if the latest open one came after it, else
 * it kills that one. A heap by line number knows the latest; ranges that have ended leave it when they come up.
 *
 * What is left does not overlap, and what symtab does about overlaps is never asked for. A line that does not parse is
 * skipped.
 */
#include "daemon/engine/model/perfmap.h"

#include <errno.h>
#include <string.h>

#include "proto/hex.h"

#define LINES_MAX ((size_t)4 << 20)

struct range {
        uint64_t start, end;
        const char *name;
        uint32_t n_name;
        uint32_t line; /* counted among those that parse; later ones are larger */
};

struct ranges {
        struct range *items;
        size_t n, n_alloc;
};

static void ranges_free(struct ranges *ranges)
{
        free(ranges->items);
}

static int ranges_add(struct ranges *ranges, const struct range *range)
{
        if (ranges->n == LINES_MAX)
                return -E2BIG;
        if (ranges->n == ranges->n_alloc) {
                size_t n_alloc = MAX_OF(ranges->n_alloc * 2, (size_t)256);
                struct range *items = reallocarray(ranges->items, n_alloc, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                ranges->items = items;
                ranges->n_alloc = n_alloc;
        }
        ranges->items[ranges->n++] = *range;
        return 0;
}

/* A hexadecimal number, with or without 0x, and the blank behind it; *at moves. */
static bool parse_number(const char **at, const char *end, uint64_t *ret)
{
        const char *text = *at, *digits;
        uint64_t value = 0;

        if (end - text >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
                text += 2;
        digits = text;
        for (int digit; text < end && (digit = hex_digit(*text)) >= 0; text++) {
                if (value >> 60)
                        return false;
                value = value << 4 | (uint64_t)digit;
        }
        if (text == digits || text == end || *text != ' ')
                return false;
        *at = text + 1;
        *ret = value;
        return true;
}

/* [text, end) is one line without its newline. */
static bool parse_line(const char *text, const char *end, struct range *ret)
{
        uint64_t start, size_bytes;
        size_t n_name;

        if (!parse_number(&text, end, &start) || !parse_number(&text, end, &size_bytes))
                return false;
        n_name = strnlen(text, MIN_OF((size_t)(end - text), (size_t)SYMBOL_NAME_MAX_BYTES));
        if (n_name == 0 || size_bytes == 0 || size_bytes > UINT64_MAX - start)
                return false;
        *ret = (struct range){.start = start, .end = start + size_bytes, .name = text, .n_name = (uint32_t)n_name};
        return true;
}

static int parse_text(const char *text, size_t n_text, struct ranges *ranges)
{
        const char *end = text + n_text, *newline;
        int r = 0;

        while (r == 0 && text < end && (newline = memchr(text, '\n', (size_t)(end - text)))) {
                struct range range;

                if (parse_line(text, newline, &range)) {
                        range.line = (uint32_t)ranges->n;
                        r = ranges_add(ranges, &range);
                }
                text = newline + 1;
        }
        return r;
}

static int by_start(const void *left, const void *right)
{
        const struct range *a = left, *b = right;

        if (a->start != b->start)
                return a->start < b->start ? -1 : 1;
        return (a->line > b->line) - (a->line < b->line);
}

/* Those open at the sweep's address, and some that have ended: indices of ranges, the latest line first. */
struct heap {
        const struct range *ranges;
        uint32_t *items;
        size_t n;
};

static uint32_t line_of(const struct heap *heap, size_t at)
{
        return heap->ranges[heap->items[at]].line;
}

static void heap_swap(struct heap *heap, size_t a, size_t b)
{
        uint32_t item = heap->items[a];

        heap->items[a] = heap->items[b];
        heap->items[b] = item;
}

static void heap_push(struct heap *heap, uint32_t item)
{
        size_t at = heap->n++;

        heap->items[at] = item;
        for (; at > 0 && line_of(heap, at) > line_of(heap, (at - 1) / 2); at = (at - 1) / 2)
                heap_swap(heap, at, (at - 1) / 2);
}

static void heap_pop(struct heap *heap)
{
        size_t at = 0, child;

        heap->items[0] = heap->items[--heap->n];
        while ((child = 2 * at + 1) < heap->n) {
                if (child + 1 < heap->n && line_of(heap, child + 1) > line_of(heap, child))
                        child++;
                if (line_of(heap, at) >= line_of(heap, child))
                        break;
                heap_swap(heap, at, child);
                at = child;
        }
}

/* is_dead[i] for each range, which are in order of their start. */
static void find_dead(struct heap *heap, size_t n, bool *is_dead)
{
        const struct range *ranges = heap->ranges;

        for (uint32_t i = 0; i < n; i++) {
                while (heap->n && ranges[heap->items[0]].end <= ranges[i].start)
                        heap_pop(heap);
                if (heap->n && line_of(heap, 0) > ranges[i].line)
                        is_dead[i] = true;
                else if (heap->n)
                        is_dead[heap->items[0]] = true;
                heap_push(heap, i);
        }
}

static int add_living(struct ranges *ranges, struct symtab *symtab)
{
        uint32_t *items CLEANUP_FREE = calloc(ranges->n, sizeof(*items));
        bool *is_dead CLEANUP_FREE = calloc(ranges->n, sizeof(*is_dead));
        struct heap heap = {.ranges = ranges->items, .items = items};
        int r = items && is_dead ? 0 : -ENOMEM;

        if (r < 0)
                return r;
        qsort(ranges->items, ranges->n, sizeof(*ranges->items), by_start);
        find_dead(&heap, ranges->n, is_dead);
        for (size_t i = 0; r == 0 && i < ranges->n; i++) {
                const struct range *range = &ranges->items[i];

                if (!is_dead[i])
                        r = symtab_add(symtab, range->start, range->end - range->start, 0, SYMBOL_GLOBAL, range->name,
                                       range->n_name);
        }
        return r;
}

static void free_symtab(struct symtab **symtab)
{
        *symtab = symtab_free(*symtab);
}

int perfmap_parse(const char *text, size_t n_text, struct symtab **ret)
{
        struct symtab *symtab CLEANUP(free_symtab) = NULL;
        struct ranges ranges CLEANUP(ranges_free) = {0};
        int r = parse_text(text, n_text, &ranges);

        if (r == 0)
                r = symtab_new(&symtab);
        if (r == 0 && ranges.n > 0)
                r = add_living(&ranges, symtab);
        if (r == 0)
                r = symtab_finish(symtab);
        if (r == 0)
                *ret = TAKE_PTR(symtab);
        return r;
}
