/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* symtab: hand-made cases for every rule, and random tables against a model that looks at every symbol. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "elf/symtab.h"

static struct symtab *table(void)
{
        struct symtab *symtab;

        assert_int_equal(symtab_new(&symtab), 0);
        return symtab;
}

static void add(struct symtab *symtab, uint64_t value, uint64_t size_bytes, uint64_t limit, enum symbol_rank rank,
                const char *name)
{
        assert_int_equal(symtab_add(symtab, value, size_bytes, limit, rank, name, strlen(name)), 0);
}

static void expect(const struct symtab *symtab, uint64_t addr, const char *name, uint64_t value, uint64_t size_bytes,
                   uint64_t until)
{
        struct symbol symbol;

        assert_true(symtab_lookup(symtab, addr, &symbol));
        assert_string_equal(symbol.name, name);
        assert_int_equal(symbol.value, value);
        assert_int_equal(symbol.size_bytes, size_bytes);
        assert_int_equal(symtab_until(symtab, addr), until);
}

static void expect_none(const struct symtab *symtab, uint64_t addr, uint64_t until)
{
        struct symbol symbol;

        assert_false(symtab_lookup(symtab, addr, &symbol));
        assert_int_equal(symtab_until(symtab, addr), until);
}

static void test_empty(void **state)
{
        struct symtab *symtab = table();

        assert_int_equal(symtab_finish(symtab), 0);
        assert_int_equal(symtab_count(symtab), 0);
        expect_none(symtab, 0, UINT64_MAX);
        expect_none(symtab, UINT64_MAX, UINT64_MAX);
        assert_null(symtab_free(symtab));
        assert_null(symtab_free(NULL));
}

static void test_nested(void **state)
{
        struct symtab *symtab = table();

        add(symtab, 150, 10, 0, SYMBOL_LOCAL, "inner");
        add(symtab, 100, 100, 0, SYMBOL_GLOBAL, "outer");
        add(symtab, 152, 2, 0, SYMBOL_LOCAL, "innermost");
        add(symtab, 190, 30, 0, SYMBOL_LOCAL, "overlapping");
        assert_int_equal(symtab_finish(symtab), 0);
        assert_int_equal(symtab_count(symtab), 4);
        expect_none(symtab, 99, 100);
        expect(symtab, 100, "outer", 100, 100, 150);
        expect(symtab, 151, "inner", 150, 10, 152);
        expect(symtab, 153, "innermost", 152, 2, 154);
        expect(symtab, 154, "inner", 150, 10, 160);
        expect(symtab, 160, "outer", 100, 100, 190);
        expect(symtab, 219, "overlapping", 190, 30, 220);
        expect_none(symtab, 220, UINT64_MAX);
        symtab_free(symtab);
}

static void test_unsized(void **state)
{
        struct symtab *symtab = table();

        add(symtab, 100, 0, 1000, SYMBOL_GLOBAL, "to_the_next");
        add(symtab, 200, 0, 250, SYMBOL_GLOBAL, "to_its_limit");
        add(symtab, 300, 50, 1000, SYMBOL_GLOBAL, "sized");
        add(symtab, 320, 0, 1000, SYMBOL_GLOBAL, "label_inside");
        add(symtab, 400, 0, 400, SYMBOL_GLOBAL, "covers_nothing");
        add(symtab, 500, 0, 0, SYMBOL_GLOBAL, "no_limit");
        assert_int_equal(symtab_finish(symtab), 0);
        assert_int_equal(symtab_count(symtab), 5);
        expect(symtab, 199, "to_the_next", 100, 0, 200);
        expect(symtab, 249, "to_its_limit", 200, 0, 250);
        expect_none(symtab, 250, 300);
        expect(symtab, 319, "sized", 300, 50, 320);
        expect(symtab, 349, "label_inside", 320, 0, 350);
        expect_none(symtab, 350, 500);
        expect_none(symtab, 400, 500);
        expect(symtab, UINT64_MAX - 1, "no_limit", 500, 0, UINT64_MAX);
        symtab_free(symtab);
}

static void test_preference(void **state)
{
        struct symtab *symtab = table();

        add(symtab, 100, 8, 0, SYMBOL_LOCAL, "local");
        add(symtab, 100, 8, 0, SYMBOL_GLOBAL, "_z");
        add(symtab, 100, 8, 0, SYMBOL_GLOBAL, "__a");
        add(symtab, 100, 8, 0, SYMBOL_WEAK, "weak");
        add(symtab, 100, 8, 0, SYMBOL_GLOBAL, "_b");
        add(symtab, 200, 0, 300, SYMBOL_GLOBAL, "__bss_start");
        add(symtab, 200, 1, 300, SYMBOL_LOCAL, "completed.0");
        add(symtab, 300, 64, 0, SYMBOL_LOCAL, "structure");
        add(symtab, 300, 8, 0, SYMBOL_GLOBAL, "first_member");
        assert_int_equal(symtab_finish(symtab), 0);
        expect(symtab, 100, "_b", 100, 8, 108);
        expect(symtab, 200, "completed.0", 200, 1, 201);
        expect_none(symtab, 201, 300);
        expect(symtab, 307, "first_member", 300, 8, 308);
        expect(symtab, 308, "structure", 300, 64, 364);
        symtab_free(symtab);
}

struct named {
        const char *name;
        uint64_t value;
        unsigned int n;
};

static void count_named(void *arg, uint64_t value, const char *name)
{
        struct named *named = arg;

        if (strcmp(named->name, name) == 0) {
                named->value = value;
                named->n++;
        }
}

static void expect_named(const struct symtab *symtab, const char *name, uint64_t value, unsigned int n)
{
        struct named named = {.name = name};

        symtab_each(symtab, count_named, &named);
        assert_int_equal(named.n, n);
        assert_int_equal(named.value, value);
}

/* Each name has its address, also those that a lookup never gives: beaten at the same address, or seen only behind. */
static void test_every_name(void **state)
{
        struct symtab *symtab = table();

        symtab_each(symtab, count_named, &(struct named){.name = ""});
        add(symtab, 100, 8, 0, SYMBOL_GLOBAL, "best");
        add(symtab, 100, 8, 0, SYMBOL_GLOBAL, "__alias");
        add(symtab, 100, 8, 0, SYMBOL_LOCAL, "__alias_2");
        add(symtab, 100, 8, 0, SYMBOL_GLOBAL, "best");
        add(symtab, 100, 64, 0, SYMBOL_LOCAL, "structure");
        add(symtab, 104, 2, 0, SYMBOL_LOCAL, "inner");
        add(symtab, 200, 0, 300, SYMBOL_LOCAL, "twice");
        add(symtab, 300, 0, 400, SYMBOL_LOCAL, "twice");
        add(symtab, 300, 0, 300, SYMBOL_LOCAL, "covers_nothing");
        assert_int_equal(symtab_finish(symtab), 0);
        expect_named(symtab, "best", 100, 1);
        expect_named(symtab, "__alias", 100, 1);
        expect_named(symtab, "__alias_2", 100, 1);
        expect_named(symtab, "structure", 100, 1);
        expect_named(symtab, "inner", 104, 1);
        expect_named(symtab, "twice", 300, 2);
        expect_named(symtab, "covers_nothing", 0, 0);
        symtab_free(symtab);
}

static void test_edges_of_the_address_space(void **state)
{
        struct symtab *symtab = table();
        char name[] = {'c', 'u', 't', 'X'};

        add(symtab, 0, 1, 0, SYMBOL_LOCAL, "zero");
        add(symtab, UINT64_MAX - 1, UINT64_MAX, 0, SYMBOL_LOCAL, "saturates");
        add(symtab, UINT64_MAX, 1, 0, SYMBOL_LOCAL, "nothing_left");
        assert_int_equal(symtab_add(symtab, 10, 1, 0, SYMBOL_LOCAL, name, 3), 0);
        assert_int_equal(symtab_add(symtab, 20, 1, 0, SYMBOL_LOCAL, "a\0b", 3), 0);
        assert_int_equal(symtab_finish(symtab), 0);
        expect(symtab, 0, "zero", 0, 1, 1);
        expect(symtab, 10, "cut", 10, 1, 11);
        expect(symtab, 20, "a", 20, 1, 21);
        expect(symtab, UINT64_MAX - 1, "saturates", UINT64_MAX - 1, 1, UINT64_MAX);
        expect_none(symtab, UINT64_MAX, UINT64_MAX);
        symtab_free(symtab);
}

static void test_names_are_cut_and_shared(void **state)
{
        static char name[SYMBOL_NAME_MAX_BYTES + 2];
        struct symtab *symtab = table();
        struct symbol symbol, other;

        memset(name, 'n', SYMBOL_NAME_MAX_BYTES + 1);
        for (uint64_t i = 0; i < 1000; i++)
                add(symtab, i * 16, 16, 0, SYMBOL_LOCAL, name);
        assert_int_equal(symtab_finish(symtab), 0);
        assert_true(symtab_lookup(symtab, 0, &symbol));
        assert_true(symtab_lookup(symtab, 16 * 999, &other));
        assert_int_equal(strlen(symbol.name), SYMBOL_NAME_MAX_BYTES);
        assert_ptr_equal(symbol.name, other.name);
        assert_true(symtab_bytes(symtab) < 1000 * 24 + SYMBOL_NAME_MAX_BYTES + 1024);
        symtab_free(symtab);
}

static void test_byte_cap(void **state)
{
        static char name[SYMBOL_NAME_MAX_BYTES + 1];
        struct symtab *symtab = table();
        uint64_t n = 0;
        int r;

        memset(name, 'n', SYMBOL_NAME_MAX_BYTES);
        while ((r = symtab_add(symtab, n, 1, 0, SYMBOL_LOCAL, name, SYMBOL_NAME_MAX_BYTES)) == 0)
                n++;
        assert_int_equal(r, -E2BIG);
        assert_true(n > SYMTAB_BYTES_MAX / (2 * SYMBOL_NAME_MAX_BYTES) && n < SYMTAB_BYTES_MAX / SYMBOL_NAME_MAX_BYTES);
        assert_true(symtab_bytes(symtab) < SYMTAB_BYTES_MAX);
        symtab_free(symtab);
}

/* A million symbols inside one: a lookup that walks back would take a day here. */
static void test_a_million_inside_one(void **state)
{
        struct symtab *symtab = table();
        char name[32];

        add(symtab, 0, UINT64_C(1) << 40, 0, SYMBOL_GLOBAL, "all");
        for (uint64_t i = 1; i <= 1000000; i++) {
                (void)snprintf(name, sizeof(name), "symbol_%lu", (unsigned long)i);
                add(symtab, i * 16, 8, 0, SYMBOL_LOCAL, name);
        }
        assert_int_equal(symtab_finish(symtab), 0);
        assert_int_equal(symtab_count(symtab), 1000001);
        for (uint64_t i = 1; i < 1000000; i++)
                expect(symtab, i * 16 + 8, "all", 0, UINT64_C(1) << 40, i * 16 + 16);
        expect(symtab, 16 * 4711 + 7, "symbol_4711", 16 * 4711, 8, 16 * 4711 + 8);
        symtab_free(symtab);
}

#define N_RANDOM 24
#define SPAN 64

struct model_symbol {
        uint64_t value, end;
        unsigned int name;
        enum symbol_rank rank;
        bool unsized;
};

static uint64_t next_random(uint64_t *seed)
{
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return *seed >> 33;
}

static const struct model_symbol *model_lookup(const struct model_symbol *symbols, size_t n, uint64_t addr)
{
        const struct model_symbol *found = NULL;

        for (size_t i = 0; i < n; i++) {
                const struct model_symbol *symbol = &symbols[i];

                if (addr < symbol->value || addr >= symbol->end)
                        continue;
                if (!found || symbol->value > found->value ||
                    (symbol->value == found->value && symbol->end < found->end))
                        found = symbol;
        }
        return found;
}

static bool model_prefers(const struct model_symbol *a, const struct model_symbol *b)
{
        if (a->unsized != b->unsized)
                return b->unsized;
        return a->rank != b->rank ? a->rank > b->rank : a->name < b->name;
}

/* What symtab_finish() keeps, by its documentation. */
static size_t model_keep(const struct model_symbol *all, size_t n, struct model_symbol *kept)
{
        size_t n_kept = 0;

        for (uint64_t value = 0; value < SPAN; value++) {
                const struct model_symbol *best = NULL, *outer = NULL, *around = model_lookup(kept, n_kept, value);
                struct model_symbol winner;

                for (size_t i = 0; i < n; i++)
                        if (all[i].value == value && (!best || model_prefers(&all[i], best)))
                                best = &all[i];
                if (!best)
                        continue;
                winner = *best;
                for (size_t i = 0; best->unsized && i < n; i++)
                        if (all[i].value > value && all[i].value < winner.end)
                                winner.end = all[i].value;
                if (best->unsized && around && around->end < winner.end)
                        winner.end = around->end;
                for (size_t i = 0; i < n; i++)
                        if (all[i].value == value && !all[i].unsized && all[i].end > winner.end &&
                            (!outer || all[i].end > outer->end))
                                outer = &all[i];
                if (outer)
                        kept[n_kept++] = *outer;
                kept[n_kept++] = winner;
        }
        return n_kept;
}

static void check_random_table(uint64_t seed)
{
        struct model_symbol all[N_RANDOM], kept[2 * N_RANDOM];
        struct symtab *symtab = table();
        size_t n_kept;

        for (unsigned int i = 0; i < N_RANDOM; i++) {
                uint64_t value = next_random(&seed) % (SPAN - 1),
                         size_bytes = next_random(&seed) % 3 ? next_random(&seed) % 20 : 0;
                uint64_t limit = value + 1 + next_random(&seed) % 10;
                char name[] = {(char)('A' + i), '\0'};

                all[i] = (struct model_symbol){.value = value,
                                               .end = size_bytes ? value + size_bytes : limit,
                                               .name = i,
                                               .rank = (enum symbol_rank)(next_random(&seed) % 3),
                                               .unsized = size_bytes == 0};
                add(symtab, value, size_bytes, limit, all[i].rank, name);
        }
        assert_int_equal(symtab_finish(symtab), 0);
        n_kept = model_keep(all, N_RANDOM, kept);
        assert_int_equal(symtab_count(symtab), n_kept);
        for (uint64_t addr = 0, until = 0; addr < 2 * SPAN; addr++) {
                const struct model_symbol *want = model_lookup(kept, n_kept, addr);
                const struct model_symbol *before = addr ? model_lookup(kept, n_kept, addr - 1) : NULL;
                struct symbol symbol;

                assert_true(want == before || addr == 0 || addr == until);
                assert_int_equal(symtab_lookup(symtab, addr, &symbol), want != NULL);
                if (want) {
                        assert_int_equal(symbol.name[0], 'A' + (int)want->name);
                        assert_int_equal(symbol.value, want->value);
                        assert_int_equal(symbol.size_bytes, want->unsized ? 0 : want->end - want->value);
                }
                until = symtab_until(symtab, addr);
                assert_true(until > addr);
        }
        symtab_free(symtab);
}

static void test_random_tables(void **state)
{
        for (uint64_t seed = 1; seed <= 20000; seed++)
                check_random_table(seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_nested),
                cmocka_unit_test(test_unsized),
                cmocka_unit_test(test_preference),
                cmocka_unit_test(test_every_name),
                cmocka_unit_test(test_edges_of_the_address_space),
                cmocka_unit_test(test_names_are_cut_and_shared),
                cmocka_unit_test(test_byte_cap),
                cmocka_unit_test(test_a_million_inside_one),
                cmocka_unit_test(test_random_tables),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
