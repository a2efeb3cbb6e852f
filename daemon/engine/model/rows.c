/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two passes over a table: CIEs first, then the FDEs, which are sorted by address and run one after the other; each is
 * cut where the next one begins. A row begins where something changes and holds up to the next; what describes the same
 * as the row before it makes no row, and a gap between functions is a row of its own. So a row is an address and 32
 * bits: kind (3 bits), where rbp is (13 bits, in words below the CFA, 0 = it is unchanged), offset of the CFA (16 bits,
 * in words, signed). Whatever does not fit into that is ROW_COMPLEX, for whoever reads the tables themselves.
 *
 * Addresses are relative to the first function's: 32 bits reach as far as code of one image does (the small and medium
 * models of the ABI). What is further away is left out.
 *
 * Finding a row is the hottest thing in walking a stack. An index over address ranges of equal size, with at most one
 * entry for four rows, tells a handful of rows among which to look, and that search does not branch on what it finds: a
 * wrong guess costs more than the rest of it. Together they are four to six times as fast as a plain binary search.
 */
#include "daemon/engine/model/rows.h"

#include <errno.h>
#include <string.h>

#include "daemon/engine/model/cfi.h"

#define COMMONS_MAX ((size_t)1 << 18) /* linkers merge them in .eh_frame; .debug_frame has one per compiled file */
#define ROWS_PER_RANGE 4
#define WORD_BYTES 8
#define ADDRESSABLE_BYTES (UINT64_C(1) << 32) /* by the 32 bits of a row */

/* Where the kernel saves registers in a signal frame, from the stack pointer when the handler has returned: struct
 * ucontext and struct sigcontext_64, arch/x86/include/uapi/asm. */
#define SIGNAL_RBP 120
#define SIGNAL_RSP 160
#define SIGNAL_RIP 168

struct packed_row {
        uint32_t addr; /* from the base */
        uint32_t kind : 3;
        uint32_t rbp_words : 13;
        int32_t cfa_words : 16;
};

struct rows {
        unsigned int n_references;
        unsigned int range_shift; /* a range is 2 to the power of this many bytes */
        uint64_t base, span;      /* link-time address of the first row; bytes from there to the end of the last */
        size_t n_rows, n_ranges;
        uint64_t restorers[ROWS_RESTORERS_MAX];
        size_t n_restorers;
        struct packed_row *rows;
        uint32_t *ranges; /* n_ranges + 1: the row at the beginning of each; at last the last row */
};

struct compiler {
        struct cfi_table table;
        struct cfi_common *commons; /* by start */
        size_t n_commons, commons_room;
        struct cfi_function *functions;
        size_t n_functions, functions_room;
        struct rows *rows;
        size_t rows_room;
};

/* Room for one item more. */
static int grow(void *items, size_t item_bytes, size_t n, size_t *n_room)
{
        size_t n_grown = MAX_OF(*n_room * 2, (size_t)256);
        void *grown;

        if (n < *n_room)
                return 0;
        grown = reallocarray(*(void **)items, n_grown, item_bytes);
        if (!grown)
                return -ENOMEM;
        *(void **)items = grown;
        *n_room = n_grown;
        return 0;
}

static int read_commons(struct compiler *compiler)
{
        struct cfi_entry entry;

        for (size_t offset = 0; cfi_next(&compiler->table, &offset, &entry);) {
                int r;

                if (!entry.is_common)
                        continue;
                if (compiler->n_commons == COMMONS_MAX)
                        return -E2BIG;
                r = grow(&compiler->commons, sizeof(*compiler->commons), compiler->n_commons, &compiler->commons_room);
                if (r < 0)
                        return r;
                if (cfi_read_common(&compiler->table, &entry, &compiler->commons[compiler->n_commons]))
                        compiler->n_commons++;
        }
        return 0;
}

static int compare_common(const void *key, const void *item)
{
        uint64_t start = *(const uint64_t *)key, other = ((const struct cfi_common *)item)->start;

        return (start > other) - (start < other);
}

/* Entries of one CIE mostly follow each other. */
static const struct cfi_common *find_common(const struct compiler *compiler, const struct cfi_common *last,
                                            uint64_t start)
{
        if (last && last->start == start)
                return last;
        if (compiler->n_commons == 0)
                return NULL;
        return bsearch(&start, compiler->commons, compiler->n_commons, sizeof(*compiler->commons), compare_common);
}

static int read_functions(struct compiler *compiler)
{
        const struct cfi_common *common = NULL;
        struct cfi_entry entry;

        for (size_t offset = 0; cfi_next(&compiler->table, &offset, &entry);) {
                struct cfi_function *function;
                int r = grow(&compiler->functions, sizeof(*function), compiler->n_functions, &compiler->functions_room);

                if (r < 0)
                        return r;
                common = entry.is_common ? common : find_common(compiler, common, entry.common);
                function = &compiler->functions[compiler->n_functions];
                if (entry.is_common || !common || !cfi_read_function(&compiler->table, common, &entry, function))
                        continue;
                function->common = (uint32_t)(common - compiler->commons);
                compiler->n_functions++;
        }
        return 0;
}

static int by_address(const void *left, const void *right)
{
        const struct cfi_function *a = left, *b = right;

        if (a->start != b->start)
                return a->start > b->start ? 1 : -1;
        return (a->first > b->first) - (a->first < b->first);
}

static bool is_words(int32_t bytes, int32_t min_words, int32_t max_words)
{
        return bytes % WORD_BYTES == 0 && bytes / WORD_BYTES >= min_words && bytes / WORD_BYTES <= max_words;
}

static struct packed_row row_of(enum row_kind kind)
{
        return (struct packed_row){.kind = kind};
}

/* The caller's rbp is below the CFA, or where it was. */
static bool pack_rbp(const struct cfi_rule *rbp, struct packed_row *row)
{
        switch (rbp->kind) {
        case CFI_UNSET:
        case CFI_UNDEFINED:
        case CFI_SAME:
                return true;
        case CFI_AT_CFA:
                if (!is_words(rbp->offset, -0x1fff, -1))
                        return false;
                row->rbp_words = (uint32_t)(-rbp->offset / WORD_BYTES) & 0x1fff;
                return true;
        default:
                return false;
        }
}

static bool is_at(const struct cfi_rule *rule, uint8_t reg, int32_t offset)
{
        return rule->kind == CFI_AT && rule->reg == reg && rule->offset == offset;
}

static struct packed_row pack_signal(const struct cfi_state *state)
{
        bool fits = is_at(&state->cfa, CFI_RSP, SIGNAL_RSP) && is_at(&state->return_address, CFI_RSP, SIGNAL_RIP) &&
                    is_at(&state->rbp, CFI_RSP, SIGNAL_RBP) &&
                    (state->rsp.kind == CFI_UNSET || is_at(&state->rsp, CFI_RSP, SIGNAL_RSP));

        return row_of(fits ? ROW_SIGNAL : ROW_COMPLEX);
}

static enum row_kind kind_of_cfa(const struct cfi_state *state)
{
        const struct cfi_rule *cfa = &state->cfa;

        if (cfa->kind == CFI_PLT)
                return ROW_PLT;
        if (cfa->kind == CFI_VALUE && cfa->reg == CFI_RSP)
                return ROW_SP;
        if (cfa->kind == CFI_VALUE && cfa->reg == CFI_RBP)
                return ROW_BP;
        if (cfa->kind == CFI_AT && cfa->reg == CFI_RBP && is_at(&state->rbp, CFI_RBP, 0))
                return ROW_BP_AT;
        return ROW_COMPLEX;
}

static struct packed_row pack(const struct cfi_state *state, bool is_signal)
{
        const struct cfi_rule *ra = &state->return_address;
        struct packed_row row = row_of(kind_of_cfa(state));
        int32_t cfa_offset = row.kind == ROW_PLT ? WORD_BYTES : state->cfa.offset;

        if (ra->kind == CFI_UNDEFINED)
                return row_of(ROW_END);
        if (is_signal)
                return pack_signal(state);
        if (row.kind == ROW_COMPLEX || ra->kind != CFI_AT_CFA || ra->offset != -WORD_BYTES ||
            state->rsp.kind != CFI_UNSET || !is_words(cfa_offset, INT16_MIN, INT16_MAX))
                return row_of(ROW_COMPLEX);
        if (row.kind != ROW_BP_AT && !pack_rbp(&state->rbp, &row))
                return row_of(ROW_COMPLEX);
        row.cfa_words = cfa_offset / WORD_BYTES;
        return row;
}

static bool says_the_same(const struct packed_row *a, const struct packed_row *b)
{
        return a->kind == b->kind && a->rbp_words == b->rbp_words && a->cfa_words == b->cfa_words;
}

static int add_row(struct compiler *compiler, uint64_t addr, struct packed_row row)
{
        struct rows *rows = compiler->rows;
        int r;

        if (rows->n_rows > 0 && says_the_same(&rows->rows[rows->n_rows - 1], &row))
                return 0;
        if (rows->n_rows == ROWS_MAX)
                return -E2BIG;
        r = grow(&rows->rows, sizeof(row), rows->n_rows, &compiler->rows_room);
        if (r < 0)
                return r;
        row.addr = (uint32_t)(addr - rows->base);
        rows->rows[rows->n_rows++] = row;
        return 0;
}

/* The rows of one function up to end; where it is damaged, one that says so. */
static int add_function(struct compiler *compiler, const struct cfi_function *function, uint64_t end)
{
        const struct cfi_common *common = &compiler->commons[function->common];
        size_t n_before = compiler->rows->n_rows;
        struct cfi_machine machine;
        uint64_t start;
        int r;

        cfi_start(&machine, &compiler->table, common, function);
        do {
                start = machine.location;
                if (!cfi_step(&machine)) {
                        compiler->rows->n_rows = n_before;
                        return add_row(compiler, function->start, row_of(ROW_COMPLEX));
                }
                r = add_row(compiler, start, pack(&machine.state, common->is_signal));
        } while (r == 0 && machine.location < end);
        return r;
}

/* Those that begin where the one before them does, or too far from the first, say nothing. */
static void sort_functions(struct compiler *compiler)
{
        struct cfi_function *functions = compiler->functions;
        size_t n = 1;

        qsort(functions, compiler->n_functions, sizeof(*functions), by_address);
        for (size_t i = 1; i < compiler->n_functions; i++)
                if (functions[i].start != functions[n - 1].start &&
                    functions[i].start - functions[0].start < ADDRESSABLE_BYTES)
                        functions[n++] = functions[i];
        compiler->n_functions = n;
}

static int add_functions(struct compiler *compiler)
{
        struct rows *rows = compiler->rows;
        uint64_t end = compiler->functions[0].start;

        rows->base = end;
        for (size_t i = 0; i < compiler->n_functions; i++) {
                const struct cfi_function *function = &compiler->functions[i];
                int r = end < function->start ? add_row(compiler, end, row_of(ROW_NONE)) : 0;

                end = function->start + function->n_code_bytes;
                if (i + 1 < compiler->n_functions)
                        end = MIN_OF(end, function[1].start);
                if (end - rows->base > ADDRESSABLE_BYTES)
                        end = rows->base + ADDRESSABLE_BYTES;
                if (r == 0)
                        r = add_function(compiler, function, end);
                if (r < 0)
                        return r;
        }
        rows->span = end - rows->base;
        return 0;
}

/* Of the rows [low, high], the last that begins at or below an address; the first does. */
static size_t search(const struct packed_row *rows, size_t low, size_t high, uint32_t addr)
{
        for (size_t n = high - low + 1; n > 1;) {
                size_t half = n / 2;

                low += rows[low + half].addr <= addr ? half : 0;
                n -= half;
        }
        return low;
}

static int add_ranges(struct rows *rows)
{
        size_t row = 0;

        while (rows->span >> rows->range_shift > rows->n_rows / ROWS_PER_RANGE)
                rows->range_shift++;
        rows->n_ranges = (size_t)((rows->span - 1) >> rows->range_shift) + 1;
        rows->ranges = calloc(rows->n_ranges + 1, sizeof(*rows->ranges));
        if (!rows->ranges)
                return -ENOMEM;
        for (size_t i = 0; i < rows->n_ranges; i++) {
                while (row + 1 < rows->n_rows && rows->rows[row + 1].addr <= (uint64_t)i << rows->range_shift)
                        row++;
                rows->ranges[i] = (uint32_t)row;
        }
        rows->ranges[rows->n_ranges] = (uint32_t)(rows->n_rows - 1);
        return 0;
}

/* Give back what growing took too much. */
static void trim(struct rows *rows)
{
        struct packed_row *trimmed = reallocarray(rows->rows, rows->n_rows, sizeof(*trimmed));

        if (trimmed)
                rows->rows = trimmed;
}

/* -ENODATA: it describes nothing. */
static int compile_table(struct compiler *compiler)
{
        int r = read_commons(compiler);

        if (r == 0)
                r = read_functions(compiler);
        if (r < 0)
                return r;
        if (compiler->n_functions == 0)
                return -ENODATA;
        sort_functions(compiler);
        r = add_functions(compiler);
        if (r < 0)
                return r;
        trim(compiler->rows);
        return add_ranges(compiler->rows);
}

static void free_compiler(struct compiler *compiler)
{
        free(compiler->commons);
        free(compiler->functions);
        (void)rows_unref(compiler->rows);
}

static int compile(const struct rows_table *table, const struct rows_source *source, bool is_debug, struct rows **ret)
{
        struct compiler compiler CLEANUP(free_compiler) = {.table = {.bytes = table->bytes,
                                                                     .n_bytes = table->n_bytes,
                                                                     .vaddr = table->vaddr,
                                                                     .text_vaddr = source->text_vaddr,
                                                                     .got_vaddr = source->got_vaddr,
                                                                     .is_debug = is_debug}};
        int r;

        if (table->n_bytes > ROWS_TABLE_BYTES_MAX)
                return -E2BIG;
        compiler.rows = calloc(1, sizeof(*compiler.rows));
        if (!compiler.rows)
                return -ENOMEM;
        compiler.rows->n_references = 1;
        compiler.rows->n_restorers = MIN_OF(source->n_restorers, (size_t)ROWS_RESTORERS_MAX);
        memcpy(compiler.rows->restorers, source->restorers, sizeof(compiler.rows->restorers));
        r = compile_table(&compiler);
        if (r == 0)
                *ret = TAKE_PTR(compiler.rows);
        return r;
}

int rows_compile(const struct rows_source *source, struct rows **ret)
{
        int r = compile(&source->eh_frame, source, false, ret);

        return r == -ENODATA ? compile(&source->debug_frame, source, true, ret) : r;
}

struct rows *rows_ref(struct rows *rows)
{
        if (rows)
                __atomic_add_fetch(&rows->n_references, 1, __ATOMIC_RELAXED);
        return rows;
}

struct rows *rows_unref(struct rows *rows)
{
        if (!rows || __atomic_sub_fetch(&rows->n_references, 1, __ATOMIC_ACQ_REL) > 0)
                return NULL;
        free(rows->rows);
        free(rows->ranges);
        free(rows);
        return NULL;
}

size_t rows_count(const struct rows *rows)
{
        return rows->n_rows;
}

size_t rows_bytes(const struct rows *rows)
{
        return sizeof(*rows) + rows->n_rows * sizeof(*rows->rows) + (rows->n_ranges + 1) * sizeof(*rows->ranges);
}

/* Nothing calls it, so its first byte is also looked for as the return address that it is, less one. */
static enum row_kind kind_without_rows(const struct rows *rows, uint64_t vaddr)
{
        for (size_t i = 0; i < rows->n_restorers; i++)
                if (vaddr - rows->restorers[i] + 1 < ROWS_RESTORER_BYTES + 1)
                        return ROW_SIGNAL;
        return ROW_NONE;
}

void rows_find(const struct rows *rows, uint64_t vaddr, struct row *ret)
{
        uint64_t addr = vaddr - rows->base; /* below the base it wraps around, beyond the span */
        const struct packed_row *row;
        size_t range;

        if (addr >= rows->span) {
                *ret = (struct row){.kind = kind_without_rows(rows, vaddr)};
                return;
        }
        range = (size_t)(addr >> rows->range_shift);
        row = &rows->rows[search(rows->rows, rows->ranges[range], rows->ranges[range + 1], (uint32_t)addr)];
        *ret = (struct row){.kind = row->kind,
                            .cfa_offset = row->cfa_words * WORD_BYTES,
                            .bp_saved = row->rbp_words > 0,
                            .bp_offset = -(int32_t)row->rbp_words * WORD_BYTES};
        if (ret->kind == ROW_NONE)
                ret->kind = kind_without_rows(rows, vaddr);
}
