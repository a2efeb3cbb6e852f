/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Call stacks of faults in both views, byte for byte and field for field: frames, inlined functions, how they were
 * found, what is cut, and what a hostile daemon or target puts there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/stack_text.h"
#include "client/view_json.h"
#include "client/view_text.h"
#include "tests/unit/fake_state.h"

enum { IMAGE = 1, SYMBOL, SECTION, KERNEL, COPY, MANGLED, FILE_C, FILE_H, RUST, EVIL, WIDE };

static const char *const strings[] = {
        "/usr/lib/libfoo.so.1",
        "main",
        ".text",
        "[kernel]",
        "copy_to_user",
        "_ZN3foo3barEi",
        "/src/foo/file.c",
        "/src/foo/file.h",
        "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE",
        "evil\033[31m\n\\",
        "名字名字名字名字名字", /* each of these takes two cells */
};

enum { FRAME_MAIN = 1, FRAME_SECTION, FRAME_IMAGE, FRAME_COPY, FRAME_BAR, FRAME_EVIL, FRAME_WIDE, FRAME_NOWHERE };

static const struct proto_def places[] = {
        {.kind = DEF_PLACE, .id = FRAME_MAIN, .place = {IMAGE, SECTION, SYMBOL, 0x1000}},
        {.kind = DEF_PLACE, .id = FRAME_SECTION, .place = {IMAGE, SECTION, 0, 0x1000}},
        {.kind = DEF_PLACE, .id = FRAME_IMAGE, .place = {IMAGE, 0, 0, 0x1000}},
        {.kind = DEF_PLACE, .id = FRAME_COPY, .place = {KERNEL, 0, COPY, 0xffffffff81000000}},
        {.kind = DEF_PLACE, .id = FRAME_BAR, .place = {IMAGE, SECTION, MANGLED, 0x1000}},
        {.kind = DEF_PLACE, .id = FRAME_EVIL, .place = {EVIL, EVIL, EVIL, 0x1000}},
        {.kind = DEF_PLACE, .id = FRAME_WIDE, .place = {IMAGE, SECTION, WIDE, 0x1000}},
        {.kind = DEF_PLACE, .id = FRAME_NOWHERE, .place = {999, 999, 999, 0x1000}},
};

enum { LINE_MAIN = 1, LINE_BAR, LINE_PAD, LINE_BARE, LINE_SELF, LINE_NOWHERE, LINE_EVIL };

static const struct proto_def lines[] = {
        {.kind = DEF_LINE, .id = LINE_MAIN, .line = {SYMBOL, FILE_C, 12, 0}},
        {.kind = DEF_LINE, .id = LINE_BAR, .line = {MANGLED, FILE_H, 7, LINE_MAIN}},
        {.kind = DEF_LINE, .id = LINE_PAD, .line = {RUST, FILE_H, 0, LINE_BAR}},
        {.kind = DEF_LINE, .id = LINE_BARE, .line = {0, 0, 5, LINE_MAIN}},
        {.kind = DEF_LINE, .id = LINE_SELF, .line = {SYMBOL, 0, 0, LINE_SELF}},
        {.kind = DEF_LINE, .id = LINE_NOWHERE, .line = {999, 999, 1, 999}},
        {.kind = DEF_LINE, .id = LINE_EVIL, .line = {EVIL, EVIL, UINT32_MAX, 0}},
};

struct fixture {
        struct state state;
        struct names names;
        struct view *view;
        uint32_t n_stacks;
};

static void begin(struct fixture *f)
{
        *f = (struct fixture){.state.demangles = true, .state.stack_bytes = 8192, .view = view_json_new()};
        assert_non_null(f->view);
        fake_define_all(&f->state, strings, ARRAY_SIZE(strings), places, ARRAY_SIZE(places));
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
                fake_define(&f->state, &lines[i]);
}

static void end(struct fixture *f)
{
        state_free(&f->state);
        names_free(&f->names);
        f->view = view_json_free(f->view);
}

static uint32_t define_stack(struct fixture *f, uint8_t flags, const struct proto_stack_frame *frames, uint32_t n)
{
        const struct proto_def def = {
                .kind = DEF_STACK, .id = ++f->n_stacks, .stack = {.flags = flags, .n_frames = n, .frames = frames}};

        fake_define(&f->state, &def);
        return def.id;
}

#define STACK(f, flags, ...)                                                                                           \
        define_stack(f, flags, (const struct proto_stack_frame[]){__VA_ARGS__},                                        \
                     ARRAY_SIZE(((const struct proto_stack_frame[]){__VA_ARGS__})))

static void assert_text(struct fixture *f, uint32_t stack, uint32_t limit, const char *expected)
{
        for (int again = 0; again < 2; again++) { /* the second time from the memos */
                CLEANUP_TEXT struct text out = {0};

                stack_text_put(&f->names, &out, &f->state, stack, limit);
                if (out.n_bytes != strlen(expected) || (out.n_bytes && memcmp(out.data, expected, out.n_bytes) != 0))
                        fail_msg("\"%.*s\" instead of \"%s\"", (int)out.n_bytes, out.data, expected);
        }
}

/* The stack fields of a fault's line. expected: an object of these. */
static void assert_json(struct fixture *f, uint32_t stack, const char *expected)
{
        json_t *want = json_loads(expected, JSON_REJECT_DUPLICATES, NULL);
        struct text *out = &f->view->out;

        assert_non_null(want);
        for (int again = 0; again < 2; again++) {
                const struct proto_event event = {.stack = stack};
                const struct fault_batch batch = {.events = &event, .n_events = 1};
                json_t *got, *only = json_object();

                out->n_bytes = 0;
                f->view->ops->faults(f->view, &f->state, &batch);
                got = json_loadb(out->data, out->n_bytes, JSON_REJECT_DUPLICATES, NULL);
                if (!got)
                        fail_msg("not JSON: %.*s", (int)out->n_bytes, out->data);
                for (size_t i = 0; i < 2; i++) {
                        static const char *const keys[] = {"stack", "stack_cut"};
                        json_t *value = json_object_get(got, keys[i]);

                        if (value)
                                assert_int_equal(json_object_set(only, keys[i], value), 0);
                }
                if (!json_equal(want, only))
                        fail_msg("%.*s instead of %s", (int)out->n_bytes, out->data, expected);
                json_decref(got);
                json_decref(only);
        }
        json_decref(want);
}

/* --- text --- */

static void test_text(void **unused)
{
        struct fixture f;
        uint32_t stack;

        begin(&f);
        stack = STACK(&f, 0, {.addr = 0xffffffff81000010, .place = FRAME_COPY, .by = FRAME_BY_KERNEL},
                      {.addr = 0x1007, .place = FRAME_MAIN, .by = FRAME_BY_REGISTERS},
                      {.addr = 0x1008, .place = FRAME_BAR, .by = FRAME_BY_CFI},
                      {.addr = 0x1009, .place = FRAME_SECTION, .by = FRAME_BY_POINTER},
                      {.addr = 0x100a, .place = FRAME_IMAGE, .by = FRAME_BY_CFI}, {.addr = 0x100b, .by = FRAME_BY_CFI},
                      {.addr = 0xff0, .place = FRAME_MAIN, .by = 99});
        assert_text(&f, stack, ROW_ENDLESS,
                    "        copy_to_user+0x10  [kernel]\n"
                    "        main+0x7  (libfoo.so.1)  [registers]\n"
                    "        foo::bar(int)+0x8  (libfoo.so.1)\n"
                    "        .text+0x9  (libfoo.so.1)  [fp]\n"
                    "        0x100a  (libfoo.so.1)\n"
                    "        0x100b\n"
                    "        main-0x10  (libfoo.so.1)  [?]\n");
        stack = STACK(&f, 0, {.addr = 0x1007, .place = FRAME_MAIN, .by = FRAME_BY_REGISTERS});
        assert_text(&f, stack, ROW_ENDLESS, "        main+0x7  (libfoo.so.1)\n"); /* where the thread is: the rule */
        end(&f);
}

static void test_text_lines(void **unused)
{
        struct fixture f;
        uint32_t stack;

        begin(&f);
        stack = STACK(&f, 0, {.addr = 0x1007, .place = FRAME_MAIN, .line = LINE_PAD, .by = FRAME_BY_REGISTERS},
                      {.addr = 0x1008, .place = FRAME_MAIN, .line = LINE_MAIN, .by = FRAME_BY_POINTER},
                      {.addr = 0x1009, .place = FRAME_MAIN, .line = LINE_BARE, .by = FRAME_BY_CFI});
        assert_text(&f, stack, ROW_ENDLESS,
                    "        core::fmt::Formatter::pad  (inlined)  file.h\n"
                    "        foo::bar(int)  (inlined)  file.h:7\n"
                    "        main+0x7  (libfoo.so.1)  file.c:12\n"
                    "        main+0x8  (libfoo.so.1)  file.c:12  [fp]\n"
                    "        ?  (inlined)\n"
                    "        main+0x9  (libfoo.so.1)  file.c:12\n");
        end(&f);
}

static void test_text_cut(void **unused)
{
        struct fixture f;
        uint32_t stack;

        begin(&f);
        stack = STACK(&f, PROTO_STACK_CUT, {.addr = 0x1007, .place = FRAME_MAIN, .by = FRAME_BY_REGISTERS});
        assert_text(&f, stack, ROW_ENDLESS, "        main+0x7  (libfoo.so.1)\n        ... (stack cut at 8 KiB)\n");
        f.state.stack_bytes = 1000;
        assert_text(&f, stack, ROW_ENDLESS, "        main+0x7  (libfoo.so.1)\n        ... (stack cut at 1000 bytes)\n");
        f.state.stack_bytes = 0;
        assert_text(&f, stack, ROW_ENDLESS, "        main+0x7  (libfoo.so.1)\n        ... (stack cut)\n");
        assert_text(&f, define_stack(&f, 0, NULL, 0), ROW_ENDLESS, "");
        assert_text(&f, 0, ROW_ENDLESS, "");
        assert_text(&f, 999, ROW_ENDLESS, "");
        end(&f);
}

/* On a terminal the symbol gives way, and where that is not enough the line ends at the edge. */
static void test_text_widths(void **unused)
{
        struct fixture f;
        uint32_t bar, wide, inlined;

        begin(&f);
        bar = STACK(&f, 0, {.addr = 0x1008, .place = FRAME_BAR, .line = LINE_MAIN, .by = FRAME_BY_CFI});
        wide = STACK(&f, 0, {.addr = 0x1008, .place = FRAME_WIDE, .by = FRAME_BY_CFI});
        inlined = STACK(&f, 0, {.addr = 0x1008, .line = LINE_PAD, .by = FRAME_BY_CFI});
        assert_text(&f, bar, 52, "        foo::bar(int)+0x8  (libfoo.so.1)  file.c:12\n");
        assert_text(&f, bar, 50, "        foo::…r(int)+0x8  (libfoo.so.1)  file.c:12\n");
        assert_text(&f, bar, 46, "        foo…int)+0x8  (libfoo.so.1)  file.c:12\n");
        assert_text(&f, bar, 40, "        foo…int)+0x8  (libfoo.so.1)  fil\n");
        assert_text(&f, bar, 8, "        \n");
        assert_text(&f, wide, 40, "        名字名…字名字+0x8  (libfoo.so.1)\n");
        assert_text(&f, inlined, 40,
                    "        core::…r::pad  (inlined)  file.h\n"
                    "        foo::…(int)  (inlined)  file.h:7\n"
                    "        0x1008  file.c:12\n");
        end(&f);
}

static void test_text_hostile(void **unused)
{
        struct fixture f;
        uint32_t stack;

        begin(&f);
        stack = STACK(&f, 0, {.addr = 0x1007, .place = FRAME_EVIL, .line = LINE_EVIL, .by = FRAME_BY_CFI},
                      {.addr = 0x1008, .place = FRAME_NOWHERE, .line = LINE_NOWHERE, .by = FRAME_BY_CFI},
                      {.addr = 0x1009, .place = 999, .line = 999, .by = 0});
        assert_text(&f, stack, ROW_ENDLESS,
                    "        evil\\x1b[31m\\x0a\\\\+0x7  (evil\\x1b[31m\\x0a\\\\)  evil\\x1b[31m\\x0a\\\\:4294967295\n"
                    "        ?+0x8  (?)  ?:1\n"
                    "        0x1009  [?]\n");
        end(&f);
}

/* A line that says to be inlined into itself is a chain of as many as are followed, and no more. */
static void test_endless_chain(void **unused)
{
        CLEANUP_TEXT struct text expected = {0};
        struct fixture f;
        uint32_t stack;

        begin(&f);
        stack = STACK(&f, 0, {.addr = 0x1007, .place = FRAME_MAIN, .line = LINE_SELF, .by = FRAME_BY_CFI});
        for (int i = 1; i < STATE_LINES_MAX; i++)
                text_put_string(&expected, "        main  (inlined)\n");
        text_put_string(&expected, "        main+0x7  (libfoo.so.1)\n");
        text_put_char(&expected, '\0');
        assert_text(&f, stack, ROW_ENDLESS, expected.data);
        end(&f);
}

static void test_raw_names(void **unused)
{
        struct fixture f;
        uint32_t stack;

        begin(&f);
        f.state.demangles = false;
        stack = STACK(&f, 0, {.addr = 0x1008, .place = FRAME_BAR, .line = LINE_BAR, .by = FRAME_BY_CFI});
        assert_text(&f, stack, ROW_ENDLESS,
                    "        _ZN3foo3barEi  (inlined)  file.h:7\n"
                    "        _ZN3foo3barEi+0x8  (libfoo.so.1)  file.c:12\n");
        end(&f);
}

/* --- JSON --- */

static void test_json(void **unused)
{
        struct fixture f;
        uint32_t stack;

        begin(&f);
        stack = STACK(&f, PROTO_STACK_CUT, {.addr = 0xffffffff81000010, .place = FRAME_COPY, .by = FRAME_BY_KERNEL},
                      {.addr = 0x1007, .place = FRAME_MAIN, .line = LINE_MAIN, .by = FRAME_BY_REGISTERS},
                      {.addr = 0x1009, .place = FRAME_SECTION, .by = FRAME_BY_POINTER},
                      {.addr = 0x100a, .place = FRAME_IMAGE, .by = FRAME_BY_CFI}, {.addr = 0x100b, .by = 99},
                      {.addr = 0xff0, .place = FRAME_BAR, .by = FRAME_BY_CFI});
        assert_json(&f, stack,
                    "{\"stack\":[{\"addr\":\"0xffffffff81000010\",\"image\":\"[kernel]\",\"symbol\":\"copy_to_user\","
                    "\"offset\":16,\"by\":\"kernel\"},"
                    "{\"addr\":\"0x1007\",\"image\":\"/usr/lib/libfoo.so.1\",\"symbol\":\"main\",\"offset\":7,"
                    "\"by\":\"registers\",\"file\":\"/src/foo/file.c\",\"line\":12},"
                    "{\"addr\":\"0x1009\",\"image\":\"/usr/lib/libfoo.so.1\",\"section\":\".text\",\"offset\":9,"
                    "\"by\":\"pointer\"},"
                    "{\"addr\":\"0x100a\",\"image\":\"/usr/lib/libfoo.so.1\",\"offset\":10,\"by\":\"cfi\"},"
                    "{\"addr\":\"0x100b\"},"
                    "{\"addr\":\"0xff0\",\"image\":\"/usr/lib/libfoo.so.1\",\"symbol\":\"foo::bar(int)\","
                    "\"by\":\"cfi\"}],\"stack_cut\":true}");
        assert_json(&f, 0, "{}");
        assert_json(&f, 999, "{}");
        assert_json(&f, define_stack(&f, 0, NULL, 0), "{\"stack\":[]}");
        end(&f);
}

static void test_json_lines(void **unused)
{
        struct fixture f;
        uint32_t stack;

        begin(&f);
        stack = STACK(&f, 0, {.addr = 0x1007, .line = LINE_PAD, .by = FRAME_BY_CFI},
                      {.addr = 0x1008, .line = LINE_BARE, .by = FRAME_BY_CFI});
        assert_json(&f, stack,
                    "{\"stack\":[{\"addr\":\"0x1007\",\"by\":\"cfi\",\"file\":\"/src/foo/file.c\",\"line\":12,"
                    "\"inlined\":[{\"symbol\":\"core::fmt::Formatter::pad\",\"file\":\"/src/foo/file.h\"},"
                    "{\"symbol\":\"foo::bar(int)\",\"file\":\"/src/foo/file.h\",\"line\":7}]},"
                    "{\"addr\":\"0x1008\",\"by\":\"cfi\",\"file\":\"/src/foo/file.c\",\"line\":12,"
                    "\"inlined\":[{\"line\":5}]}]}");
        end(&f);
}

static void test_json_hostile(void **unused)
{
        struct fixture f;
        uint32_t stack;

        begin(&f);
        stack = STACK(&f, 0, {.addr = 0x1007, .place = FRAME_EVIL, .line = LINE_EVIL, .by = FRAME_BY_CFI},
                      {.addr = 0x1008, .place = FRAME_NOWHERE, .line = LINE_NOWHERE});
        assert_json(&f, stack,
                    "{\"stack\":[{\"addr\":\"0x1007\",\"image\":\"evil\\u001b[31m\\n\\\\\","
                    "\"symbol\":\"evil\\u001b[31m\\n\\\\\",\"offset\":7,\"by\":\"cfi\","
                    "\"file\":\"evil\\u001b[31m\\n\\\\\",\"line\":4294967295},"
                    "{\"addr\":\"0x1008\",\"offset\":8,\"line\":1}]}");
        assert_null(memchr(f.view->out.data, '\033', f.view->out.n_bytes));
        end(&f);
}

/* --- where stacks stand --- */

/* Below the line of their fault, and told once at the beginning. */
static void test_below_the_fault(void **unused)
{
        const struct view_text_options options = {.notes_on_out = true};
        const struct proto_attached attached = {
                .pid = 42, .comm = fake_string("a"), .detail = DETAIL_FULL, .n_threads = 1, .stack_bytes = 8192};
        struct proto_event event = {.latency_ns = PROTO_UNKNOWN, .frame = PROTO_UNKNOWN};
        const struct fault_batch batch = {.events = &event, .n_events = 1};
        struct view *view = view_text_new(&options);
        struct fixture f;

        begin(&f);
        assert_non_null(view);
        event.stack = STACK(&f, 0, {.addr = 0x1007, .place = FRAME_MAIN, .by = FRAME_BY_REGISTERS});
        assert_int_equal(state_begin(&f.state, &attached, false), 0);
        view->ops->attached(view, &f.state, &attached);
        assert_non_null(memmem(view->out.data, view->out.n_bytes,
                               "-- tracing 42 (a), full detail, 1 thread, stacks of up to 8 KiB\n", 64));
        view->out.n_bytes = 0;
        view->ops->faults(view, &f.state, &batch);
        view->ops->faults(view, &f.state, &batch);
        for (int i = 0; i < 2; i++) {
                static const char stack[] = "\n        main+0x7  (libfoo.so.1)\n";
                const char *at = memmem(view->out.data, view->out.n_bytes, stack, sizeof(stack) - 1);
                size_t done;

                assert_non_null(at);
                done = (size_t)(at - view->out.data) + sizeof(stack) - 1;
                memmove(view->out.data, view->out.data + done, view->out.n_bytes - done);
                view->out.n_bytes -= done;
        }
        assert_int_equal(view->out.n_bytes, 0);
        view = view_text_free(view);
        end(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_text_lines),
                cmocka_unit_test(test_text_cut),
                cmocka_unit_test(test_text_widths),
                cmocka_unit_test(test_text_hostile),
                cmocka_unit_test(test_endless_chain),
                cmocka_unit_test(test_raw_names),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_json_lines),
                cmocka_unit_test(test_json_hostile),
                cmocka_unit_test(test_below_the_fault),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
