/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Faults gathered instead of shown: the keys of groups, the table and its JSON, the paths of stacks through a flame
 * graph, what is passed on, and the options of the commands that gather.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/options.h"
#include "client/view_flame.h"
#include "client/view_json.h"
#include "client/view_text.h"
#include "tests/unit/fake_state.h"
#include "tests/unit/stat_view.h"

enum { APP = 1, MAIN, TEXT, DATA, TABLE, KERNEL, COPY, COMM, JIT, FAST, MANGLED, FILE_C, HEAP, EVIL };

static const char *const strings[] = {
        "/usr/bin/app", "main",  ".text", ".data",         "table",       "[kernel]", "copy_to_user",
        "app 1",        "[jit]", "fast",  "_ZN3foo3barEi", "/src/file.c", "[heap]",   "a;b\n<",
};

enum { IN_MAIN = 1, IN_TABLE, IN_COPY, IN_FAST, IN_BAR, IN_TEXT, IN_APP, IN_HEAP, IN_EVIL };

static const struct proto_def defs[] = {
        {.kind = DEF_PLACE, .id = IN_MAIN, .place = {APP, TEXT, MAIN, 0x1000}},
        {.kind = DEF_PLACE, .id = IN_TABLE, .place = {APP, DATA, TABLE, 0x3000}},
        {.kind = DEF_PLACE, .id = IN_COPY, .place = {KERNEL, 0, COPY, 0xffffffff81000000}},
        {.kind = DEF_PLACE, .id = IN_FAST, .place = {JIT, 0, FAST, 0x9000}},
        {.kind = DEF_PLACE, .id = IN_BAR, .place = {APP, TEXT, MANGLED, 0x2000}},
        {.kind = DEF_PLACE, .id = IN_TEXT, .place = {APP, TEXT, 0, 0x1000}},
        {.kind = DEF_PLACE, .id = IN_APP, .place = {APP, 0, 0, 0x0}},
        {.kind = DEF_PLACE, .id = IN_HEAP, .place = {HEAP, 0, 0, 0x5000}},
        {.kind = DEF_PLACE, .id = IN_EVIL, .place = {APP, TEXT, EVIL, 0x7000}},
        {.kind = DEF_MAP, .id = 1, .map = {.start = 0x5000, .end = 0x6000, .path = HEAP, .perms = "rw-p"}},
        {.kind = DEF_THREAD, .id = 1, .thread = {.pid = 42, .tid = 43, .comm = COMM}},
        {.kind = DEF_LINE, .id = 1, .line = {MAIN, FILE_C, 12, 0}},
        {.kind = DEF_LINE, .id = 2, .line = {MANGLED, FILE_C, 7, 1}},
        {.kind = DEF_LINE, .id = 3, .line = {FAST, 0, 0, 2}},
};

static void define_all(struct state *state)
{
        fake_define_all(state, strings, ARRAY_SIZE(strings), defs, ARRAY_SIZE(defs));
}

static struct state begin(void)
{
        struct state state = {.demangles = true, .pid = 42};

        define_all(&state);
        return state;
}

#define STACK(state, stack_flags, ...)                                                                                 \
        ({                                                                                                             \
                const struct proto_stack_frame _frames[] = {__VA_ARGS__};                                              \
                const struct proto_def _def = {                                                                        \
                        .kind = DEF_STACK,                                                                             \
                        .id = (state)->n_stacks + 1,                                                                   \
                        .stack = {.flags = (stack_flags), .n_frames = ARRAY_SIZE(_frames), .frames = _frames}};        \
                fake_define(state, &_def);                                                                             \
                _def.id;                                                                                               \
        })

/* 4 KiB in 1.5 us. */
static struct proto_event event_of(uint32_t stack)
{
        return (struct proto_event){.thread = 1,
                                    .map = 1,
                                    .place = IN_TABLE,
                                    .code = IN_MAIN,
                                    .ip = 0x1010,
                                    .stack = stack,
                                    .cause = CAUSE_ZERO_FILL,
                                    .page_shift = 12,
                                    .latency_ns = 1500};
}

static void give(struct view *view, struct state *state, struct proto_event event)
{
        const struct fault_batch batch = {.events = &event, .n_events = 1};

        view->ops->faults(view, state, &batch);
}

static void expect_text(struct text *text, const char *expected)
{
        assert_false(text->failed);
        text_put_char(text, '\0');
        assert_string_equal(text->data, expected);
        text->n_bytes = 0;
}

/* --- stat --- */

/* So many lines; what follows does not matter. */
static void expect_lines(struct text *text, size_t n_lines, const char *expected)
{
        size_t n = 0;

        for (; n_lines > 0 && n < text->n_bytes; n++)
                n_lines -= text->data[n] == '\n';
        assert_int_equal(n_lines, 0);
        text->n_bytes = n;
        expect_text(text, expected);
}

/* The key of the only group. */
static void expect_key(enum group_by by, struct proto_event event, const char *expected)
{
        struct state state = begin();
        struct view *view = stat_view_new((struct view_stat_options){.by = {by}, .n_by = 1, .format = FORMAT_JSON});
        CLEANUP_TEXT struct text line = {0};

        give(view, &state, event);
        give(view, &state, event);
        view_stat_finish(view);
        text_printf(&line,
                    "{\"type\":\"group\",\"by\":\"%s\",\"count\":2,\"bytes\":8192,\"time_ns\":3000,"
                    "\"p50_ns\":1500,\"p99_ns\":1500,\"max_ns\":1500,\"key\":\"%s\"}\n%c",
                    group_by_text(by), expected, '\0');
        expect_lines(&view->out, 1, line.data);
        stat_view_free(view, FORMAT_JSON);
        state_free(&state);
}

static void test_keys(void **unused)
{
        struct proto_event event = event_of(0), in_kernel = event_of(0),
                           nowhere = {.page_shift = 12, .latency_ns = 1500};

        expect_key(GROUP_CAUSE, event, "zero-fill");
        expect_key(GROUP_CAUSE, nowhere, "unknown");
        nowhere.cause = N_CAUSES;
        expect_key(GROUP_CAUSE, nowhere, "?");
        expect_key(GROUP_CODE, event, "app/main");
        in_kernel.code = IN_COPY;
        in_kernel.caller = IN_BAR;
        expect_key(GROUP_CODE, in_kernel, "kernel:copy_to_user \u2190 app/foo::bar(int)");
        expect_key(GROUP_CODE, nowhere, "?");
        expect_key(GROUP_MAP, event, "[heap]");
        expect_key(GROUP_MAP, nowhere, "?");
        expect_key(GROUP_SECTION, event, "app/.data");
        expect_key(GROUP_SYMBOL, event, "app/.data/table");
        event.place = IN_HEAP;
        expect_key(GROUP_SECTION, event, "[heap]");
        expect_key(GROUP_SYMBOL, event, "[heap]");
        expect_key(GROUP_SYMBOL, nowhere, "?");
        expect_key(GROUP_THREAD, event, "42/43 app 1");
        expect_key(GROUP_THREAD, nowhere, "?");
        event.place = IN_TABLE;
        expect_key(GROUP_IMAGE, event, "app");
        expect_key(GROUP_IMAGE, nowhere, "?");
        expect_key(GROUP_PROCESS, event, "42");
        expect_key(GROUP_PROCESS, nowhere, "?");
        event.code = IN_EVIL;
        expect_key(GROUP_CODE, event, "app/a;b\\\\x0a<");
}

#define TWO_FRAMES                                                                                                     \
        {.addr = 0x1010, .place = IN_MAIN, .by = FRAME_BY_REGISTERS},                                                  \
        {                                                                                                              \
                .addr = 0x2004, .place = IN_BAR, .by = FRAME_BY_CFI                                                    \
        }

static void test_stack_table(void **unused)
{
        struct state state = begin();
        struct view *view = stat_view_new((struct view_stat_options){.by = {GROUP_STACK}, .n_by = 1});
        uint32_t stack = STACK(&state, PROTO_STACK_CUT, TWO_FRAMES), same = STACK(&state, PROTO_STACK_CUT, TWO_FRAMES);

        give(view, &state, event_of(stack));
        give(view, &state, event_of(same));
        give(view, &state, event_of(0));
        view_stat_finish(view);
        expect_lines(&view->out, 8,
                     "     COUNT       %          BYTES       TIME-US      P50-US      P99-US      MAX-US  STACK\n"
                     "         2   66.67           8192         3.000       1.500       1.500       1.500\n"
                     "        main+0x10  (app)\n"
                     "        foo::bar(int)+0x4  (app)\n"
                     "        ... (stack cut)\n"
                     "\n"
                     "         1   33.33           4096         1.500       1.500       1.500       1.500  [no stack]\n"
                     "         3  100.00          12288         4.500       1.500       1.500       1.500  all, in 2 "
                     "groups\n");
        stat_view_free(view, FORMAT_TEXT);
        state_free(&state);
}

/* The same code elsewhere, as in a process of its own, and after all was defined anew under other ids. */
static void test_stack_groups(void **unused)
{
        struct state state = begin();
        struct view *view =
                stat_view_new((struct view_stat_options){.by = {GROUP_STACK}, .n_by = 1, .format = FORMAT_JSON});
        struct proto_event unplaced = event_of(0);

        give(view, &state, event_of(STACK(&state, 0, TWO_FRAMES)));
        state_reset(&state);
        define_all(&state);
        (void)STACK(&state, 0, {.addr = 1, .by = FRAME_BY_CFI});
        give(view, &state, event_of(STACK(&state, 0, TWO_FRAMES)));
        unplaced.stack = 1;
        unplaced.latency_ns = 1;
        give(view, &state, unplaced);
        view_stat_finish(view);
        expect_lines(&view->out, 2,
                     "{\"type\":\"group\",\"by\":\"stack\",\"count\":2,\"bytes\":8192,\"time_ns\":3000,"
                     "\"p50_ns\":1500,\"p99_ns\":1500,\"max_ns\":1500,"
                     "\"stack\":[{\"image\":\"/usr/bin/app\",\"symbol\":\"main\",\"offset\":16,\"by\":\"registers\"},"
                     "{\"image\":\"/usr/bin/app\",\"symbol\":\"foo::bar(int)\",\"offset\":4,\"by\":\"cfi\"}]}\n"
                     "{\"type\":\"group\",\"by\":\"stack\",\"count\":1,\"bytes\":4096,\"time_ns\":1,"
                     "\"p50_ns\":1,\"p99_ns\":1,\"max_ns\":1,"
                     "\"stack\":[{\"addr\":\"0x1\",\"by\":\"cfi\"}]}\n");
        stat_view_free(view, FORMAT_JSON);
        state_free(&state);
}

/* What is told of a trace beside its faults. */
static void test_notes(void **unused)
{
        const struct proto_attached attached = {
                .pid = 42, .detail = DETAIL_FULL, .n_threads = 1, .comm = fake_string("a")};
        const struct proto_life fork = {.kind = LIFE_FORK, .pid = 43, .tid = 43, .parent = 42};
        const struct proto_end end = {.reason = END_EXITED};
        struct state state = begin();
        struct view *people = stat_view_new((struct view_stat_options){.by = {GROUP_CAUSE}, .n_by = 1}),
                    *programs = stat_view_new(
                            (struct view_stat_options){.by = {GROUP_CAUSE}, .n_by = 1, .format = FORMAT_JSON});
        struct view *views[] = {people, programs};

        for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
                views[i]->ops->attached(views[i], &state, &attached);
                give(views[i], &state, event_of(0));
                views[i]->ops->life(views[i], &state, &fork);
        }
        expect_text(&people->err, "-- tracing 42, full detail, 1 thread\n");
        assert_int_equal(people->out.n_bytes, 0);
        expect_text(&programs->out,
                    "{\"type\":\"attached\",\"pid\":42,\"comm\":\"a\",\"detail\":\"full\",\"threads\":1,"
                    "\"time_ns\":0}\n"
                    "{\"type\":\"life\",\"time_ns\":0,\"kind\":\"fork\",\"pid\":43,\"tid\":43,"
                    "\"parent\":42}\n");
        people->ops->end(people, &state, &end);
        assert_true(people->err.n_bytes > 0); /* the ledger comes at once */
        programs->ops->end(programs, &state, &end);
        assert_int_equal(programs->out.n_bytes, 0); /* the end waits for the groups */
        view_stat_finish(programs);
        assert_memory_equal(programs->out.data, "{\"type\":\"group\"", 15);
        assert_non_null(memmem(programs->out.data, programs->out.n_bytes, "}\n{\"type\":\"end\"", 15));
        stat_view_free(people, FORMAT_TEXT);
        stat_view_free(programs, FORMAT_JSON);
        state_free(&state);
}

/* --- flame --- */

struct flaming {
        struct state state;
        struct view *notes, *view;
};

static struct flaming flaming(enum fault_weight weight)
{
        struct flaming f = {.state = begin(), .notes = view_text_new(&(struct view_text_options){.no_faults = true})};

        assert_non_null(f.notes);
        f.view = view_flame_new(&(struct view_flame_options){.weight = weight, .notes = f.notes});
        assert_non_null(f.view);
        return f;
}

static struct view_flame_summary expect_folded(struct flaming *f, const char *expected)
{
        struct view_flame_summary summary;
        CLEANUP_TEXT struct text out = {0};

        assert_int_equal(view_flame_finish(f->view, &summary), 0);
        flame_put_folded(summary.flame, &out);
        expect_text(&out, expected);
        (void)view_flame_free(f->view);
        (void)view_text_free(f->notes);
        state_free(&f->state);
        return summary;
}

static void test_paths(void **unused)
{
        struct flaming f = flaming(WEIGHT_COUNT);
        struct view_flame_summary summary;
        uint32_t kernel = STACK(&f.state, PROTO_STACK_CUT,
                                {.addr = 0xffffffff81000010, .place = IN_COPY, .by = FRAME_BY_KERNEL}, TWO_FRAMES);

        give(f.view, &f.state, event_of(kernel));
        give(f.view, &f.state, event_of(kernel));
        give(f.view, &f.state,
             event_of(STACK(&f.state, 0, {.addr = 0x9001, .place = IN_FAST, .by = FRAME_BY_POINTER},
                            {.addr = 0x1234, .place = IN_TEXT}, {.addr = 0x1234, .place = IN_APP}, {.addr = 0x1234},
                            {.addr = 0x7000, .place = IN_EVIL})));
        give(f.view, &f.state, event_of(STACK(&f.state, 0, {.addr = 0x1010, .place = IN_MAIN, .line = 3})));
        give(f.view, &f.state, event_of(STACK(&f.state, 0, {.addr = 0x1010, .place = IN_APP, .line = 1})));
        summary = expect_folded(&f, "app_1;[cut];foo::bar(int);main;copy_to_user_[k] 2\n"
                                    "app_1;a:b\\x0a<;[unknown];[app+0x1234];[app/.text+0x234];fast_[j] 1\n"
                                    "app_1;main 1\n"
                                    "app_1;main;foo::bar(int)_[i];fast_[i] 1\n");
        assert_int_equal(summary.all.count, 5);
        assert_int_equal(summary.n_cut, 2);
        assert_int_equal(summary.n_without_stack, 0);
        assert_int_equal(summary.n_homeless, 0);
}

static void test_without_stack(void **unused)
{
        struct flaming f = flaming(WEIGHT_BYTES);
        struct proto_event event = event_of(0), nowhere = {.latency_ns = PROTO_UNKNOWN, .page_shift = 13};

        give(f.view, &f.state, event);
        event.code = IN_COPY;
        event.flags = PROTO_EVENT_KERNEL_MODE;
        event.caller = IN_BAR;
        give(f.view, &f.state, event);
        give(f.view, &f.state, nowhere);
        assert_int_equal(expect_folded(&f, "[unknown];[no_stack];[unknown] 8192\n"
                                           "app_1;[no_stack];foo::bar(int);copy_to_user_[k] 4096\n"
                                           "app_1;[no_stack];main 4096\n")
                                 .n_without_stack,
                         3);
}

/* A stack that has the id of another one since the definitions were forgotten is another stack. */
static void test_reset(void **unused)
{
        struct flaming f = flaming(WEIGHT_TIME);
        struct proto_event untimed;

        give(f.view, &f.state, event_of(STACK(&f.state, 0, {.addr = 0x1010, .place = IN_MAIN})));
        state_reset(&f.state);
        define_all(&f.state);
        untimed = event_of(STACK(&f.state, 0, {.addr = 0x2010, .place = IN_BAR}));
        give(f.view, &f.state, untimed);
        untimed.latency_ns = PROTO_UNKNOWN;
        give(f.view, &f.state, untimed);
        assert_int_equal(expect_folded(&f, "app_1;foo::bar(int) 1500\napp_1;main 1500\n").all.n_timed, 2);
}

/* --- options --- */

static int parse(const char *args, struct options *ret, struct text *complaint)
{
        static char words[1024];
        static char *argv[16];
        int argc = 0;

        assert_true(strlen(args) < sizeof(words));
        strcpy(words, args);
        for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
                assert_true(argc < 15);
                argv[argc++] = word;
        }
        argv[argc] = NULL;
        return options_parse(argc, argv, ret, complaint);
}

static struct options good(const char *args)
{
        CLEANUP_TEXT struct text complaint = {0};
        struct options options;

        if (parse(args, &options, &complaint) != 0)
                fail_msg("%s: %.*s", args, (int)complaint.n_bytes, complaint.data);
        return options;
}

static void bad(const char *args, const char *expected)
{
        CLEANUP_TEXT struct text complaint = {0};
        struct options options;

        assert_int_equal(parse(args, &options, &complaint), -EINVAL);
        expect_text(&complaint, expected);
}

static void test_options(void **unused)
{
        struct options options = good("faultline stat -p 1");

        assert_int_equal(options.action, ACTION_STAT);
        assert_int_equal(options.n_by, 0);
        assert_int_equal(options.weight, WEIGHT_COUNT);
        assert_int_equal(options.top, 0);
        assert_int_equal(options.stack_bytes, 0);
        options = good("faultline stat --by=stack --weight=time --top=5 -- ls stat");
        assert_int_equal(options.n_by, 1);
        assert_int_equal(options.by[0], GROUP_STACK);
        assert_int_equal(options.weight, WEIGHT_TIME);
        assert_int_equal(options.top, 5);
        assert_int_equal(options.interval_ns, 0);
        assert_true(options.stack_bytes == PROTO_STACK_AUTO);
        assert_string_equal(options.command[1], "stat");
        assert_int_equal(good("faultline stat --by=stack --stack=4096 -p 1").stack_bytes, 4096);
        for (unsigned int by = 0; group_by_text(by); by++) {
                CLEANUP_TEXT struct text args = {0};

                text_printf(&args, "faultline stat --by=%s -p 1%c", group_by_text(by), '\0');
                assert_int_equal(good(args.data).by[0], by);
        }
        options = good("faultline stat --by=thread,cause,thread -I 2.5 --format=csv -p 1");
        assert_int_equal(options.n_by, 2);
        assert_int_equal(options.by[0], GROUP_THREAD);
        assert_int_equal(options.by[1], GROUP_CAUSE);
        assert_int_equal(options.interval_ns, 2500 * NSEC_PER_MSEC);
        assert_int_equal(options.format, FORMAT_CSV);
        options = good("faultline flame -p 1 -o a.svg --weight=bytes");
        assert_int_equal(options.action, ACTION_FLAME);
        assert_string_equal(options.file, "a.svg");
        assert_int_equal(options.file_kind, FLAME_SVG);
        assert_int_equal(options.weight, WEIGHT_BYTES);
        assert_true(options.stack_bytes == PROTO_STACK_AUTO);
        assert_int_equal(good("faultline flame -o /x/a.svg.folded -- ls").file_kind, FLAME_FOLDED);
        assert_int_equal(good("faultline stat --help").action, ACTION_HELP);
        assert_int_equal(good("faultline flame").action, ACTION_USAGE);
}

static void test_wrong_options(void **unused)
{
        bad("faultline flame -p 1", "flame writes a file; name it with -o FILE.svg or -o FILE.folded");
        bad("faultline flame -p 1 -o a.png", "-o 'a.png': the name says what to write; end it in .folded or .svg");
        bad("faultline flame -p 1 -o .svg", "-o '.svg': the name says what to write; end it in .folded or .svg");
        bad("faultline -p 1 -o a.svg", "-o belongs to faultline flame and faultline metrics");
        bad("faultline stat -p 1 -o a.svg", "-o belongs to faultline flame and faultline metrics");
        bad("faultline -p 1 --by=stack", "--by belongs to faultline stat and faultline top");
        bad("faultline flame --by=stack -p 1", "--by belongs to faultline stat and faultline top");
        bad("faultline trace -p 1 --top=5", "--top belongs to faultline stat");
        bad("faultline -p 1 --weight=time", "--weight belongs to faultline stat and faultline flame");
        bad("faultline stat -p 1 --by=page", "--by='page' is not known; write cause or map or section or symbol or "
                                             "code or thread or image or process or "
                                             "stack");
        bad("faultline stat -p 1 --weight=mass", "--weight='mass' is not known; write count or bytes or time");
        bad("faultline stat -p 1 --top=0", "--top='0' is not a number of groups; write a whole number above 0");
        bad("faultline -p 1 flame", "the command comes first: faultline flame TARGET ...");
        bad("faultline stat --private", "nothing to trace; write -p PID, -u UNIT or -- COMMAND");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_keys),  cmocka_unit_test(test_stack_table), cmocka_unit_test(test_stack_groups),
                cmocka_unit_test(test_notes), cmocka_unit_test(test_paths),       cmocka_unit_test(test_without_stack),
                cmocka_unit_test(test_reset), cmocka_unit_test(test_options),     cmocka_unit_test(test_wrong_options),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
