/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jit.c: when the names of generated code are asked for, and how long an address waits for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/jit.h"

#define NOW (UINT64_C(100) * NSEC_PER_SEC)
#define CODE UINT64_C(0x7f0000001000)

static struct symtab *names_of(uint64_t start, const char *name)
{
        struct symtab *symtab;

        assert_int_equal(symtab_new(&symtab), 0);
        assert_int_equal(symtab_add(symtab, start, 16, 0, SYMBOL_GLOBAL, name, strlen(name)), 0);
        assert_int_equal(symtab_finish(symtab), 0);
        return symtab;
}

static void test_asked_once_and_found(void **state)
{
        struct jit jit = {0};
        struct symbol symbol;

        assert_int_equal(jit_find(&jit, CODE + 3, NOW, &symbol), JIT_WAIT);
        assert_true(jit.is_wanted);
        jit.is_wanted = false;
        assert_int_equal(jit_find(&jit, CODE + 3, NOW + NSEC_PER_MSEC, &symbol), JIT_WAIT);
        assert_false(jit.is_wanted);
        jit_take(&jit, names_of(CODE, "f"), NOW + 2 * NSEC_PER_MSEC);
        assert_int_equal(jit_find(&jit, CODE + 3, NOW + 3 * NSEC_PER_MSEC, &symbol), JIT_FOUND);
        assert_string_equal(symbol.name, "f");
        assert_false(jit.is_wanted);
        jit_deinit(&jit);
}

/* Compiled since: but not more often than once a second. */
static void test_read_again_when_missed(void **state)
{
        struct jit jit = {0};
        struct symbol symbol;

        assert_int_equal(jit_find(&jit, CODE, NOW, &symbol), JIT_WAIT);
        jit_take(&jit, names_of(CODE, "f"), NOW);
        assert_int_equal(jit_find(&jit, CODE + 64, NOW + NSEC_PER_SEC - 1, &symbol), JIT_UNKNOWN);
        assert_false(jit.is_wanted);
        assert_int_equal(jit_find(&jit, CODE + 64, NOW + NSEC_PER_SEC, &symbol), JIT_WAIT);
        assert_true(jit.is_wanted);
        assert_int_equal(jit_find(&jit, CODE, NOW + NSEC_PER_SEC, &symbol), JIT_FOUND);
        jit_take(&jit, names_of(CODE + 64, "g"), NOW + NSEC_PER_SEC);
        assert_int_equal(jit_find(&jit, CODE + 64, NOW + NSEC_PER_SEC, &symbol), JIT_FOUND);
        jit_deinit(&jit);
}

/* What takes a second to read is read every ten. */
static void test_costly_ones_less_often(void **state)
{
        struct jit jit = {0};
        struct symbol symbol;
        uint64_t answered = NOW + NSEC_PER_SEC;

        assert_int_equal(jit_find(&jit, CODE, NOW, &symbol), JIT_WAIT);
        jit_take(&jit, names_of(CODE, "f"), answered);
        assert_int_equal(jit_find(&jit, CODE + 64, answered + 10 * NSEC_PER_SEC - 1, &symbol), JIT_UNKNOWN);
        assert_int_equal(jit_find(&jit, CODE + 64, answered + 10 * NSEC_PER_SEC, &symbol), JIT_WAIT);
        jit_deinit(&jit);
}

/* What is known stays so; nothing is waited for. */
static void test_over(void **state)
{
        struct jit jit = {0};
        struct symbol symbol;

        assert_int_equal(jit_find(&jit, CODE, NOW, &symbol), JIT_WAIT);
        jit_take(&jit, names_of(CODE, "f"), NOW);
        assert_int_equal(jit.generation, 1);
        jit.is_over = true;
        assert_int_equal(jit_find(&jit, CODE, NOW + 10 * NSEC_PER_SEC, &symbol), JIT_FOUND);
        assert_int_equal(jit_find(&jit, CODE + 64, NOW + 10 * NSEC_PER_SEC, &symbol), JIT_UNKNOWN);
        assert_false(jit.is_wanted);
        jit_deinit(&jit);
}

static void test_no_file(void **state)
{
        struct jit jit = {0};
        struct symbol symbol;

        assert_int_equal(jit_find(&jit, CODE, NOW, &symbol), JIT_WAIT);
        jit_take(&jit, NULL, NOW + 1);
        assert_int_equal(jit_find(&jit, CODE, NOW + 2, &symbol), JIT_UNKNOWN);
        jit_deinit(&jit);
}

/* An answer that does not come is not waited for, nor asked for again. */
static void test_no_answer(void **state)
{
        struct jit jit = {0};
        struct symbol symbol;

        assert_int_equal(jit_find(&jit, CODE, NOW, &symbol), JIT_WAIT);
        jit.is_wanted = false;
        assert_int_equal(jit_find(&jit, CODE, NOW + 2 * NSEC_PER_SEC, &symbol), JIT_UNKNOWN);
        assert_false(jit.is_wanted);
        jit_deinit(&jit);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_asked_once_and_found),
                cmocka_unit_test(test_read_again_when_missed),
                cmocka_unit_test(test_costly_ones_less_often),
                cmocka_unit_test(test_no_file),
                cmocka_unit_test(test_no_answer),
                cmocka_unit_test(test_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
