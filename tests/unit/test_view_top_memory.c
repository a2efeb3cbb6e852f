/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the full-screen view remembers beside the model: notes and names of pages, both in bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/top/notes.h"
#include "client/top/page_names.h"
#include "tests/unit/top_feed.h"

static void test_notes(void **unused)
{
        struct notes notes = {0};
        char line[32];
        size_t n_lines = 0;

        notes_add(&notes, "no newline", 10);
        assert_int_equal(notes.text.n_bytes, 0);
        for (unsigned int i = 0; i < 10000; i++) {
                (void)snprintf(line, sizeof(line), "line %07u\n", i); /* 13 bytes */
                notes_add(&notes, line, strlen(line));
                assert_in_range(notes.text.n_bytes, 13, NOTES_BYTES_MAX);
        }
        assert_memory_equal(notes.text.data + notes.text.n_bytes - 13, "line 0009999\n", 13);
        assert_memory_equal(notes.text.data, "line ", 5);
        for (size_t i = 0; i < notes.text.n_bytes; i++)
                n_lines += notes.text.data[i] == '\n';
        assert_int_equal(notes.n_gone + n_lines, 10000);
        notes_free(&notes);
}

static void assert_named(const struct page_names *names, uint64_t address, const char *name)
{
        CLEANUP_TEXT struct text out = {0};

        assert_int_equal(page_names_put(names, address, &out), name != NULL);
        assert_int_equal(out.n_bytes, name ? strlen(name) : 0);
        if (name)
                assert_memory_equal(out.data, name, out.n_bytes);
}

static void test_page_names(void **unused)
{
        struct page_names *names = page_names_new();
        struct state state = {0};
        uint32_t path = feed_string(&state, "/usr/lib/libc.so.6"), heap = feed_string(&state, "[heap]");
        uint32_t text = feed_string(&state, ".text"), symbol = feed_string(&state, "malloc");
        const struct proto_event code = {.addr = 0x7000, .place = feed_place(&state, path, text, symbol, 0x7010)};
        const struct proto_event data = {.addr = 0x9000, .place = feed_place(&state, heap, 0, 0, 0x8000)};
        const struct proto_event unknown = {.addr = 0xb000, .place = 77};

        assert_non_null(names);
        page_names_add(names, &state, &code);
        page_names_add(names, &state, &code);
        page_names_add(names, &state, &data);
        page_names_add(names, &state, &unknown);
        assert_named(names, 0x7020, "libc.so.6 .text malloc+0x10");
        assert_named(names, 0x7000, "libc.so.6 .text malloc"); /* before it begins */
        assert_named(names, 0x9fff, "[heap]+0x1fff");
        assert_named(names, 0xb000, NULL);
        assert_named(names, 0x6fff, NULL);
        state_free(&state);
        assert_named(names, 0x7020, "libc.so.6 .text malloc+0x10"); /* it is our own */
        page_names_clear(names);
        assert_named(names, 0x7020, NULL);
        names = page_names_free(names);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_notes), cmocka_unit_test(test_page_names)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
