/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Symbols in three arrays: rows sorted by address, their names in one blob, nothing else.
 *
 * Symbols nest and overlap (a label inside a function, a structure and its first member, hostile files), and the answer
 * is the one that starts last among those that cover an address. Walking back from the last start would answer that,
 * but a file of a million one-byte symbols under one huge one makes each walk a million steps. So symtab_finish()
 * sweeps over the symbols once and cuts the address space into rows: row i answers for [start, the next row's start),
 * as far as its symbol reaches. Where an inner symbol ends inside an outer one, the outer one gets a second row. A
 * lookup is then one binary search whatever the file looks like, and the range of an answer is known without searching.
 *
 * Of several symbols at one address only one has rows; the names of the others are kept apart, as aliases, for who asks
 * where a name is. Nothing is kept to find names faster: who asks so is a person, and reads them all.
 *
 * Invariants once finished: rows[i].start < rows[i + 1].start; rows[i].start < rows[i].end; rows[rows[i].owner].start
 * is where the symbol of row i begins; there are at most two rows a symbol.
 *
 * Time and memory are bounded by SYMTAB_BYTES_MAX: every byte of a name is charged, shared or not, the sort is a radix
 * sort (no input makes it slow), and the search for an equal name gives up after a few probes: sharing saves memory,
 * nothing depends on it.
 */
#include "elf/symtab.h"

#include <errno.h>
#include <string.h>

#define N_PROBES 16
#define N_DIGITS 8 /* of a 64-bit address */
#define DIGIT_VALUES 256

struct entry { /* one symbol as added */
        uint64_t value;
        uint64_t end; /* unsized: the limit */
        uint32_t name;
        uint8_t rank;
        bool unsized;
};

struct row {
        uint64_t start;
        uint64_t end; /* of the symbol, which the next row may cover earlier */
        uint32_t name;
        uint32_t owner : 31;
        uint32_t unsized : 1;
};

struct alias { /* a symbol that another one at its address hides */
        uint64_t value;
        uint32_t name;
};

struct name_slot {
        uint32_t hash;
        uint32_t offset_plus_one; /* 0 = free */
};

/* What building one symbol may cost at its peak: the entry, two rows, the sweep's stack and an alias (the sort's copy
 * is gone by then). */
#define CHARGE_PER_SYMBOL                                                                                              \
        (sizeof(struct entry) + 2 * sizeof(struct row) + sizeof(struct open_symbol) + sizeof(struct alias))

struct open_symbol { /* begun, not yet ended, during the sweep */
        uint64_t end;
        uint32_t entry;
        uint32_t owner;
};

struct symtab {
        struct row *rows;
        size_t n_rows, n_symbols;
        struct alias *aliases; /* by value */
        size_t n_aliases;
        char *names;
        size_t n_names_bytes, n_names_alloc;

        /* Only until finished. */
        struct entry *entries;
        size_t n_entries, n_entries_alloc;
        struct name_slot *slots;
        size_t n_slots, n_slots_used; /* n_slots: a power of two, or 0 */
        uint64_t n_charged_bytes;
};

struct sweep {
        const struct symtab *symtab;
        struct open_symbol *open; /* a stack: the one that started last on top; its end is after the sweep's position */
        size_t n_open;
        struct row *rows;
        size_t n_rows, n_symbols;
        struct alias *aliases;
        size_t n_aliases;
};

int symtab_new(struct symtab **ret)
{
        struct symtab *symtab = calloc(1, sizeof(*symtab));

        if (!symtab)
                return -ENOMEM;
        *ret = symtab;
        return 0;
}

struct symtab *symtab_free(struct symtab *symtab)
{
        if (!symtab)
                return NULL;
        free(symtab->rows);
        free(symtab->aliases);
        free(symtab->names);
        free(symtab->entries);
        free(symtab->slots);
        free(symtab);
        return NULL;
}

static uint32_t name_hash(const char *name, size_t n)
{
        const uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15);
        uint64_t hash = n, word;

        for (; n >= sizeof(word); n -= sizeof(word), name += sizeof(word)) {
                memcpy(&word, name, sizeof(word));
                hash = (hash ^ word) * multiplier;
                hash ^= hash >> 32;
        }
        word = 0;
        memcpy(&word, name, n);
        hash = (hash ^ word) * multiplier;
        return (uint32_t)(hash >> 32);
}

static int grow_slots(struct symtab *symtab)
{
        size_t n_slots = symtab->n_slots ? symtab->n_slots * 2 : 256;
        struct name_slot *slots = calloc(n_slots, sizeof(*slots));

        if (!slots)
                return -ENOMEM;
        for (size_t i = 0; i < symtab->n_slots; i++) {
                size_t at = symtab->slots[i].hash & (n_slots - 1);

                if (!symtab->slots[i].offset_plus_one)
                        continue;
                for (size_t probe = 0; probe < N_PROBES; probe++, at = (at + 1) & (n_slots - 1))
                        if (!slots[at].offset_plus_one) {
                                slots[at] = symtab->slots[i];
                                break;
                        }
        }
        free(symtab->slots);
        symtab->slots = slots;
        symtab->n_slots = n_slots;
        return 0;
}

static bool name_equals(const struct symtab *symtab, uint32_t offset, const char *name, size_t n)
{
        return symtab->n_names_bytes - offset > n && memcmp(symtab->names + offset, name, n) == 0 &&
               symtab->names[offset + n] == '\0';
}

static int append_name(struct symtab *symtab, const char *name, size_t n, uint32_t *ret)
{
        size_t needed = symtab->n_names_bytes + n + 1;

        if (needed > symtab->n_names_alloc) {
                size_t n_alloc = MAX_OF(needed, MAX_OF(symtab->n_names_alloc * 2, (size_t)4096));
                char *names = realloc(symtab->names, n_alloc);

                if (!names)
                        return -ENOMEM;
                symtab->names = names;
                symtab->n_names_alloc = n_alloc;
        }
        memcpy(symtab->names + symtab->n_names_bytes, name, n);
        symtab->names[symtab->n_names_bytes + n] = '\0';
        *ret = (uint32_t)symtab->n_names_bytes;
        symtab->n_names_bytes = needed;
        return 0;
}

/* The offset of an equal name in the blob, or of a new copy. */
static int share_name(struct symtab *symtab, const char *name, size_t n, uint32_t *ret)
{
        uint32_t hash = name_hash(name, n), offset;
        struct name_slot *slot = NULL;
        int r;

        if (symtab->n_slots_used * 2 >= symtab->n_slots) {
                r = grow_slots(symtab);
                if (r < 0)
                        return r;
        }
        for (size_t probe = 0; probe < N_PROBES; probe++) {
                struct name_slot *at = &symtab->slots[(hash + probe) & (symtab->n_slots - 1)];

                if (!at->offset_plus_one) {
                        slot = at;
                        break;
                }
                if (at->hash == hash && name_equals(symtab, at->offset_plus_one - 1, name, n)) {
                        *ret = at->offset_plus_one - 1;
                        return 0;
                }
        }
        r = append_name(symtab, name, n, &offset);
        if (r < 0)
                return r;
        if (slot) {
                *slot = (struct name_slot){.hash = hash, .offset_plus_one = offset + 1};
                symtab->n_slots_used++;
        }
        *ret = offset;
        return 0;
}

static int reserve_entry(struct symtab *symtab)
{
        size_t n_alloc = symtab->n_entries_alloc ? symtab->n_entries_alloc * 2 : 64;
        struct entry *entries;

        if (symtab->n_entries < symtab->n_entries_alloc)
                return 0;
        entries = reallocarray(symtab->entries, n_alloc, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        symtab->entries = entries;
        symtab->n_entries_alloc = n_alloc;
        return 0;
}

static uint64_t entry_end(uint64_t value, uint64_t size_bytes, uint64_t limit)
{
        if (size_bytes == 0)
                return limit ? limit : UINT64_MAX;
        return size_bytes > UINT64_MAX - value ? UINT64_MAX : value + size_bytes;
}

int symtab_add(struct symtab *symtab, uint64_t value, uint64_t size_bytes, uint64_t limit, enum symbol_rank rank,
               const char *name, size_t n)
{
        uint64_t end = entry_end(value, size_bytes, limit), charge;
        uint32_t offset;
        int r;

        n = strnlen(name, MIN_OF(n, (size_t)SYMBOL_NAME_MAX_BYTES));
        if (end <= value || n == 0)
                return 0;
        charge = CHARGE_PER_SYMBOL + n + 1;
        if (charge > SYMTAB_BYTES_MAX - symtab->n_charged_bytes)
                return -E2BIG;
        r = reserve_entry(symtab);
        if (r < 0)
                return r;
        r = share_name(symtab, name, n, &offset);
        if (r < 0)
                return r;
        symtab->n_charged_bytes += charge;
        symtab->entries[symtab->n_entries++] = (struct entry){
                .value = value, .end = end, .name = offset, .rank = (uint8_t)rank, .unsized = size_bytes == 0};
        return 0;
}

static unsigned int digit_of(uint64_t value, unsigned int digit)
{
        return (unsigned int)(value >> (8 * digit)) & (DIGIT_VALUES - 1);
}

/* One stable pass by one byte of the address. */
static void radix_pass(const struct entry *from, struct entry *to, size_t n, unsigned int digit, const uint32_t *counts)
{
        uint32_t at[DIGIT_VALUES];
        uint32_t sum = 0;

        for (size_t i = 0; i < DIGIT_VALUES; i++) {
                at[i] = sum;
                sum += counts[i];
        }
        for (size_t i = 0; i < n; i++)
                to[at[digit_of(from[i].value, digit)]++] = from[i];
}

static int sort_entries(struct symtab *symtab)
{
        uint32_t counts[N_DIGITS][DIGIT_VALUES] = {0};
        struct entry *entries = symtab->entries, *scratch;
        size_t n = symtab->n_entries;
        bool sorted = true;

        for (size_t i = 0; i < n; i++) {
                for (unsigned int digit = 0; digit < N_DIGITS; digit++)
                        counts[digit][digit_of(entries[i].value, digit)]++;
                sorted = sorted && (i == 0 || entries[i - 1].value <= entries[i].value);
        }
        if (sorted)
                return 0;
        scratch = reallocarray(NULL, n, sizeof(*scratch));
        if (!scratch)
                return -ENOMEM;
        for (unsigned int digit = 0; digit < N_DIGITS; digit++) {
                struct entry *from = entries;

                if (counts[digit][digit_of(from[0].value, digit)] == n)
                        continue;
                radix_pass(from, scratch, n, digit, counts[digit]);
                entries = scratch;
                scratch = from;
        }
        symtab->entries = entries;
        free(scratch);
        return 0;
}

static bool preferred(const struct symtab *symtab, const struct entry *a, const struct entry *b)
{
        const char *name_a = symtab->names + a->name, *name_b = symtab->names + b->name;
        size_t underscores_a, underscores_b;

        if (a->unsized != b->unsized)
                return b->unsized;
        if (a->rank != b->rank)
                return a->rank > b->rank;
        if (a->name == b->name)
                return false;
        underscores_a = strspn(name_a, "_");
        underscores_b = strspn(name_b, "_");
        if (underscores_a != underscores_b)
                return underscores_a < underscores_b;
        return strcmp(name_a, name_b) < 0;
}

static void sweep_emit(struct sweep *sweep, uint64_t start, const struct open_symbol *open)
{
        const struct entry *entry = &sweep->symtab->entries[open->entry];

        sweep->rows[sweep->n_rows++] = (struct row){.start = start,
                                                    .end = open->end,
                                                    .name = entry->name,
                                                    .owner = open->owner & INT32_MAX,
                                                    .unsized = entry->unsized};
}

static void sweep_open(struct sweep *sweep, size_t entry, uint64_t end)
{
        sweep->open[sweep->n_open++] =
                (struct open_symbol){.end = end, .entry = (uint32_t)entry, .owner = (uint32_t)sweep->n_rows};
        sweep->n_symbols++;
}

/* Close what ends at or before `until`; where an outer symbol shows again before that, give it a row. */
static void sweep_close(struct sweep *sweep, uint64_t until)
{
        while (sweep->n_open && sweep->open[sweep->n_open - 1].end <= until) {
                uint64_t at = sweep->open[--sweep->n_open].end;

                while (sweep->n_open && sweep->open[sweep->n_open - 1].end <= at)
                        sweep->n_open--;
                if (sweep->n_open && at < until)
                        sweep_emit(sweep, at, &sweep->open[sweep->n_open - 1]);
        }
}

/* The names of one address that nobody will be told by sweep_group(), those that are its answer's own aside. */
static void sweep_aliases(struct sweep *sweep, size_t first, size_t last, size_t best)
{
        const struct entry *entries = sweep->symtab->entries;

        for (size_t i = first; i < last; i++)
                if (entries[i].name != entries[best].name)
                        sweep->aliases[sweep->n_aliases++] =
                                (struct alias){.value = entries[i].value, .name = entries[i].name};
}

/*
 * The symbols [first, last) all begin at one address. The preferred one answers; behind its end the longest of the
 * others, if that is longer (a structure behind its first member). next: where the next symbol begins.
 */
static void sweep_group(struct sweep *sweep, size_t first, size_t last, uint64_t next)
{
        const struct entry *entries = sweep->symtab->entries;
        size_t best = first, outer = last;
        uint64_t end, outer_end;

        for (size_t i = first + 1; i < last; i++)
                if (preferred(sweep->symtab, &entries[i], &entries[best]))
                        best = i;
        sweep_aliases(sweep, first, last, best);
        end = entries[best].end;
        if (entries[best].unsized) {
                end = MIN_OF(end, next);
                if (sweep->n_open) /* a label inside a sized symbol does not reach out of it */
                        end = MIN_OF(end, sweep->open[sweep->n_open - 1].end);
        }
        outer_end = end;
        for (size_t i = first; i < last; i++)
                if (!entries[i].unsized && entries[i].end > outer_end) {
                        outer = i;
                        outer_end = entries[i].end;
                }
        if (outer != last)
                sweep_open(sweep, outer, outer_end);
        sweep_open(sweep, best, end);
        sweep_emit(sweep, entries[best].value, &sweep->open[sweep->n_open - 1]);
}

/* How many symbols begin where the one before them does: no more can be hidden. */
static size_t count_hidden(const struct symtab *symtab)
{
        size_t n = 0;

        for (size_t i = 1; i < symtab->n_entries; i++)
                n += symtab->entries[i].value == symtab->entries[i - 1].value;
        return n;
}

static int sweep_entries(struct symtab *symtab)
{
        const struct entry *entries = symtab->entries;
        size_t n = symtab->n_entries, n_hidden = count_hidden(symtab), last;
        struct open_symbol *open CLEANUP_FREE = reallocarray(NULL, n, sizeof(*open));
        struct sweep sweep = {.symtab = symtab, .open = open};

        sweep.rows = reallocarray(NULL, n, 2 * sizeof(*sweep.rows));
        sweep.aliases = reallocarray(NULL, MAX_OF(n_hidden, (size_t)1), sizeof(*sweep.aliases));
        if (!open || !sweep.rows || !sweep.aliases) {
                free(sweep.rows);
                free(sweep.aliases);
                return -ENOMEM;
        }
        for (size_t first = 0; first < n; first = last) {
                for (last = first + 1; last < n && entries[last].value == entries[first].value;)
                        last++;
                sweep_close(&sweep, entries[first].value);
                sweep_group(&sweep, first, last, last < n ? entries[last].value : UINT64_MAX);
        }
        sweep_close(&sweep, UINT64_MAX);
        symtab->rows = sweep.rows;
        symtab->n_rows = sweep.n_rows;
        symtab->n_symbols = sweep.n_symbols;
        symtab->aliases = sweep.aliases;
        symtab->n_aliases = sweep.n_aliases;
        return 0;
}

/* Shrinking may fail; then the larger block stays. */
static void *shrunk(void *block, size_t n_bytes)
{
        void *smaller = realloc(block, n_bytes);

        return smaller ? smaller : block;
}

int symtab_finish(struct symtab *symtab)
{
        int r;

        free(symtab->slots);
        symtab->slots = NULL;
        symtab->n_slots = symtab->n_slots_used = 0;
        if (symtab->n_entries == 0)
                return 0;
        r = sort_entries(symtab);
        if (r < 0)
                return r;
        r = sweep_entries(symtab);
        if (r < 0)
                return r;
        free(symtab->entries);
        symtab->entries = NULL;
        symtab->n_entries = symtab->n_entries_alloc = 0;
        symtab->rows = shrunk(symtab->rows, symtab->n_rows * sizeof(*symtab->rows));
        symtab->aliases = shrunk(symtab->aliases, MAX_OF(symtab->n_aliases, (size_t)1) * sizeof(*symtab->aliases));
        symtab->names = shrunk(symtab->names, symtab->n_names_bytes);
        symtab->n_names_alloc = symtab->n_names_bytes;
        return 0;
}

/* How many rows start at or below addr. */
static size_t rows_up_to(const struct symtab *symtab, uint64_t addr)
{
        const struct row *base = symtab->rows;
        size_t n = symtab->n_rows;

        if (n == 0 || base[0].start > addr)
                return 0;
        while (n > 1) {
                size_t half = n / 2;

                if (base[half].start <= addr)
                        base += half;
                n -= half;
        }
        return (size_t)(base - symtab->rows) + 1;
}

bool symtab_lookup(const struct symtab *symtab, uint64_t addr, struct symbol *ret)
{
        size_t n = rows_up_to(symtab, addr);
        const struct row *row;
        uint64_t value;

        if (n == 0 || symtab->rows[n - 1].end <= addr)
                return false;
        row = &symtab->rows[n - 1];
        value = symtab->rows[row->owner].start;
        *ret = (struct symbol){
                .value = value, .size_bytes = row->unsized ? 0 : row->end - value, .name = symtab->names + row->name};
        return true;
}

uint64_t symtab_until(const struct symtab *symtab, uint64_t addr)
{
        size_t n = rows_up_to(symtab, addr);
        uint64_t next = n < symtab->n_rows ? symtab->rows[n].start : UINT64_MAX;

        if (n > 0 && symtab->rows[n - 1].end > addr)
                return MIN_OF(next, symtab->rows[n - 1].end);
        return next;
}

void symtab_each(const struct symtab *symtab, void (*visit)(void *arg, uint64_t value, const char *name), void *arg)
{
        for (size_t i = 0; i < symtab->n_rows; i++)
                if (symtab->rows[i].owner == i)
                        visit(arg, symtab->rows[i].start, symtab->names + symtab->rows[i].name);
        for (size_t i = 0; i < symtab->n_aliases; i++)
                visit(arg, symtab->aliases[i].value, symtab->names + symtab->aliases[i].name);
}

size_t symtab_count(const struct symtab *symtab)
{
        return symtab->entries ? symtab->n_entries : symtab->n_symbols;
}

size_t symtab_bytes(const struct symtab *symtab)
{
        return sizeof(*symtab) + symtab->n_rows * sizeof(*symtab->rows) + symtab->n_names_alloc +
               symtab->n_aliases * sizeof(*symtab->aliases) + symtab->n_entries_alloc * sizeof(*symtab->entries) +
               symtab->n_slots * sizeof(*symtab->slots);
}
