/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signals, and what following adds to both views: the text byte for byte (golden files view_signal*.txt, written anew
 * with FAULTLINE_GOLDEN_UPDATE=1 in the environment), the JSON field by field.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/signal_names.h"
#include "client/view_json.h"
#include "client/view_text.h"
#include "tests/unit/fake_daemon.h"
#include "tests/unit/golden.h"

static void begin_state(struct state *state)
{
        const struct bytes frame = fake_dict(1);
        const struct proto_attached attached = {.pid = 42, .time_ns = 1000000000, .comm = fake_string("worker")};
        struct proto_header header;

        *state = (struct state){0};
        assert_int_equal(proto_decode_header(frame.data, frame.n_bytes, &header), 0);
        assert_int_equal(state_begin(state, &attached, false), 0);
        assert_int_equal(
                state_define(state, frame.data + PROTO_HEADER_BYTES, frame.n_bytes - PROTO_HEADER_BYTES, header.count),
                0);
}

/* --- signals --- */

static void put_registers(struct proto_signal *signal)
{
        signal->flags |= PROTO_SIGNAL_REGISTERS;
        for (size_t i = 0; i < PROTO_REGISTERS; i++)
                signal->registers.value[i] = i == 7 ? UINT64_C(0x7ffc12345678) : i;
}

/* Every field that a use-after-unmap can have, and a stack with every kind of frame. */
static struct proto_signal full_signal(void)
{
        struct proto_signal signal = fake_bare_signal();

        signal.code = 1;
        signal.addr = 0x500010;
        signal.ip = 0x401007;
        signal.access = ACCESS_WRITE;
        signal.verdict = VERDICT_USE_AFTER_UNMAP;
        signal.flags = PROTO_SIGNAL_INFERRED | PROTO_SIGNAL_STACK_CUT | PROTO_SIGNAL_HAS_FAULT | PROTO_SIGNAL_MANY;
        signal.n_missed = 12;
        signal.code_place = 2;
        signal.nearest = 1;
        signal.above_bytes = 17;
        signal.earlier = 1;
        signal.unmapper = 44;
        signal.unmap_place = 2;
        signal.unmapped_ns = 1000001000;
        signal.text = fake_string("wrote to 0x500010, which was unmapped");
        put_registers(&signal);
        signal.stack = (struct proto_frames){.n = 5,
                                             .frames = {{0x401007, 2, FRAME_BY_REGISTERS},
                                                        {0x401100, 2, FRAME_BY_CFI},
                                                        {0x400110, 1, FRAME_BY_POINTER},
                                                        {0x7f0000001234, 0, FRAME_BY_REGISTERS},
                                                        {0x400000, 99, 77}}};
        return signal;
}

static struct proto_signal denied_signal(void)
{
        struct proto_signal signal = fake_bare_signal();

        signal.tid = 42;
        signal.code = 2;
        signal.addr = 0x400110;
        signal.ip = 0x401007;
        signal.access = ACCESS_WRITE;
        signal.verdict = VERDICT_ACCESS_DENIED;
        signal.missing = 'w';
        signal.map = signal.nearest = signal.place = 1;
        signal.code_place = 2;
        signal.text = fake_string("wrote to read-only memory\033[31m\nforged line");
        signal.flags = PROTO_SIGNAL_32BIT;
        return signal;
}

static struct proto_signal sent_signal(void)
{
        struct proto_signal signal = fake_bare_signal();

        signal.signo = SIGBUS;
        signal.code = 0;
        signal.addr = 0x1234; /* means nothing: si_pid and si_uid are in its place */
        signal.verdict = VERDICT_SENT;
        signal.sender = 77;
        signal.sender_uid = 1000;
        return signal;
}

static struct proto_signal non_canonical_signal(void)
{
        struct proto_signal signal = fake_bare_signal();

        signal.code = 0x80;
        signal.verdict = VERDICT_NON_CANONICAL;
        signal.pointer = UINT64_C(0xdeadbeefdeadbeef);
        signal.ip = 0x999;
        return signal;
}

/* What nobody has defined. */
static struct proto_signal hostile_signal(void)
{
        struct proto_signal signal = fake_bare_signal();

        signal.thread = signal.map = signal.place = signal.code_place = signal.nearest = signal.earlier = 1000;
        signal.signo = -5;
        signal.code = 12345;
        signal.access = signal.verdict = signal.missing = 200;
        return signal;
}

static struct proto_signal (*const signals[])(void) = {full_signal, denied_signal, sent_signal, non_canonical_signal,
                                                       hostile_signal};

/* --- text --- */

static void show_text(struct view *view)
{
        struct state state;

        begin_state(&state);
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
                const struct proto_signal signal = signals[i]();

                view->ops->signal(view, &state, &signal);
        }
        state_free(&state);
}

/* With the notes: a pipe carries faults and nothing else. */
static void test_text(void **unused)
{
        const struct view_text_options options = {0};
        struct view *view = view_text_new(&options);

        assert_non_null(view);
        show_text(view);
        assert_int_equal(view->out.n_bytes, 0);
        assert_golden_text(&view->err, "view_signal");
        view = view_text_free(view);
}

static void test_text_in_colour(void **unused)
{
        const struct view_text_options options = {.color = true, .notes_on_out = true};
        struct view *view = view_text_new(&options);

        assert_non_null(view);
        show_text(view);
        assert_int_equal(view->err.n_bytes, 0);
        assert_golden_text(&view->out, "view_signal_terminal");
        view = view_text_free(view);
}

/* --- JSON --- */

static void assert_line(struct text *out, const char *expected)
{
        json_error_t error;
        json_t *want = json_loads(expected, JSON_REJECT_DUPLICATES, &error), *got;

        assert_non_null(want);
        assert_true(out->n_bytes > 0 && memchr(out->data, '\n', out->n_bytes) == out->data + out->n_bytes - 1);
        got = json_loadb(out->data, out->n_bytes, JSON_REJECT_DUPLICATES, &error);
        if (!got)
                fail_msg("not JSON: %s: %.*s", error.text, (int)out->n_bytes, out->data);
        if (!json_equal(want, got))
                fail_msg("%.*s instead of %s", (int)out->n_bytes, out->data, expected);
        json_decref(want);
        json_decref(got);
        out->n_bytes = 0;
}

#define THREAD "\"type\":\"signal\",\"time_ns\":1000001500,\"pid\":42,\"tid\":43,\"comm\":\"worker\","
#define MAP "\"start\":\"0x400000\",\"end\":\"0x500000\",\"perms\":\"rw-p\",\"offset\":4096,\"path\":\"/usr/bin/app\""
#define MAIN "\"image\":\"/usr/bin/app\",\"section\":\".text\",\"symbol\":\"main\""
#define REGISTERS                                                                                                      \
        "\"registers\":{\"rax\":\"0x0\",\"rbx\":\"0x1\",\"rcx\":\"0x2\",\"rdx\":\"0x3\",\"rsi\":\"0x4\",\"rdi\":"      \
        "\"0x5\",\"rbp\":\"0x6\",\"rsp\":\"0x7ffc12345678\",\"r8\":\"0x8\",\"r9\":\"0x9\",\"r10\":\"0xa\",\"r11\":"    \
        "\"0xb\",\"r12\":\"0xc\",\"r13\":\"0xd\",\"r14\":\"0xe\",\"r15\":\"0xf\",\"rip\":\"0x10\",\"eflags\":"         \
        "\"0x11\"}"

/* In parentheses: each is one string. */
static const char *const lines[] = {
        ("{" THREAD "\"signal\":\"SIGSEGV\",\"si_code\":\"SEGV_MAPERR\",\"addr\":\"0x500010\",\"ip\":\"0x401007\","
         "\"access\":\"write\",\"verdict\":\"use-after-unmap\",\"evidence\":\"inferred\",\"text\":\"wrote to 0x500010, "
         "which was unmapped\",\"code\":{" MAIN ",\"offset\":7},\"nearest\":{" MAP ",\"above_bytes\":17},\"earlier\":"
         "{" MAP ",\"tid\":44,\"code\":{" MAIN
         "},\"time_ns\":1000001000},\"n_missed\":12,\"fault_seen\":true," REGISTERS
         ",\"stack\":[{\"addr\":\"0x401007\",\"image\":\"/usr/bin/app\",\"symbol\":\"main\",\"offset\":7,\"by\":"
         "\"registers\"},{\"addr\":\"0x401100\",\"image\":\"/usr/bin/app\",\"symbol\":\"main\",\"offset\":256,\"by\":"
         "\"cfi\"},{\"addr\":\"0x400110\",\"image\":\"/usr/bin/app\",\"symbol\":\"table\",\"offset\":16,\"by\":"
         "\"pointer\"},{\"addr\":\"0x7f0000001234\",\"by\":\"registers\"},{\"addr\":\"0x400000\"}],\"stack_cut\":"
         "true}"),

        ("{\"type\":\"signal\",\"time_ns\":1000001500,\"pid\":42,\"tid\":42,\"comm\":\"worker\",\"signal\":\"SIGSEGV\","
         "\"si_code\":\"SEGV_ACCERR\",\"addr\":\"0x400110\",\"ip\":\"0x401007\",\"access\":\"write\",\"verdict\":"
         "\"access-denied\",\"evidence\":\"measured\",\"text\":\"wrote to read-only memory\\u001b[31m\\nforged "
         "line\",\"missing\":\"write\",\"map\":{" MAP "},\"place\":{\"image\":\"/usr/bin/app\",\"section\":\".data\","
         "\"symbol\":\"table\",\"offset\":16},\"code\":{" MAIN ",\"offset\":7},\"nearest\":{" MAP "},\"abi\":32}"),

        ("{" THREAD "\"signal\":\"SIGBUS\",\"si_code\":\"SI_USER\",\"verdict\":\"sent\",\"evidence\":\"measured\","
         "\"sender\":{\"pid\":77,\"uid\":1000}}"),

        ("{" THREAD "\"signal\":\"SIGSEGV\",\"si_code\":\"SI_KERNEL\",\"ip\":\"0x999\",\"verdict\":\"non-canonical\","
         "\"evidence\":\"measured\",\"pointer\":\"0xdeadbeefdeadbeef\"}"),

        ("{\"type\":\"signal\",\"time_ns\":1000001500,\"pid\":42,\"tid\":43,\"signal\":\"-5\",\"si_code\":\"12345\","
         "\"addr\":\"0x0\",\"evidence\":\"measured\"}"),
};
_Static_assert(ARRAY_SIZE(lines) == ARRAY_SIZE(signals), "a line for each signal");

static void test_json(void **unused)
{
        struct view *view = view_json_new();
        struct state state;

        assert_non_null(view);
        begin_state(&state);
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
                const struct proto_signal signal = signals[i]();

                view->ops->signal(view, &state, &signal);
                assert_line(&view->out, lines[i]);
        }
        assert_int_equal(view->err.n_bytes, 0);
        state_free(&state);
        view = view_json_free(view);
}

/* The fields of single verdicts, one at a time: nothing else may appear with them. */
static void test_json_details(void **unused)
{
        static const struct {
                size_t offset;
                const char *field;
        } details[] = {
                {offsetof(struct proto_signal, depth_bytes), "\"depth_bytes\":8}"},
                {offsetof(struct proto_signal, field_bytes), "\"field_bytes\":8}"},
                {offsetof(struct proto_signal, eof_bytes), "\"eof_bytes\":8}"},
                {offsetof(struct proto_signal, pointer), "\"pointer\":\"0x8\"}"},
        };
        struct view *view = view_json_new();
        struct state state;

        assert_non_null(view);
        begin_state(&state);
        for (size_t i = 0; i < ARRAY_SIZE(details); i++) {
                struct proto_signal signal = fake_bare_signal();
                const uint64_t eight = 8;
                char line[512];

                memcpy((char *)&signal + details[i].offset, &eight, sizeof(eight));
                view->ops->signal(view, &state, &signal);
                (void)snprintf(line, sizeof(line),
                               "{" THREAD "\"signal\":\"SIGSEGV\",\"si_code\":\"SI_USER\",\"verdict\":\"unknown\","
                               "\"evidence\":\"measured\",%s",
                               details[i].field);
                assert_line(&view->out, line);
        }
        state_free(&state);
        view = view_json_free(view);
}

static void test_json_below_the_nearest(void **unused)
{
        struct proto_signal signal = fake_bare_signal();
        struct view *view = view_json_new();
        struct state state;

        assert_non_null(view);
        begin_state(&state);
        signal.nearest = 1;
        signal.below_bytes = 40;
        signal.missing = 'x';
        signal.flags = PROTO_SIGNAL_REGISTERS; /* ip 0 is what the thread jumped to */
        view->ops->signal(view, &state, &signal);
        assert_non_null(memmem(view->out.data, view->out.n_bytes, ",\"below_bytes\":40}", 18));
        assert_non_null(memmem(view->out.data, view->out.n_bytes, "\"missing\":\"exec\"", 16));
        assert_non_null(memmem(view->out.data, view->out.n_bytes, "\"ip\":\"0x0\"", 10));
        state_free(&state);
        view = view_json_free(view);
}

/* --- what following and holding add --- */

static const struct proto_life lives[] = {
        {.time_ns = 1000002000, .kind = LIFE_FORK, .pid = 43, .tid = 43, .parent = 42},
        {.time_ns = 1000003000, .kind = LIFE_EXIT, .pid = 43, .tid = 43},
        {.time_ns = 1000004000, .kind = LIFE_EXIT, .pid = 44, .tid = 44, .has_status = true, .status = 0},
        {.time_ns = 1000004000, .kind = LIFE_EXIT, .pid = 44, .tid = 44, .has_status = true, .status = 3 << 8},
        {.time_ns = 1000005000, .kind = LIFE_EXIT, .pid = 45, .tid = 45, .has_status = true, .status = SIGTERM},
        {.time_ns = 1000005000, .kind = LIFE_EXIT, .pid = 45, .tid = 45, .has_status = true, .status = 0x80 | SIGSEGV},
        {.time_ns = 1000005000, .kind = LIFE_EXIT, .pid = 45, .tid = 45, .has_status = true, .status = 0x7f},
};

static void test_lives(void **unused)
{
        static const char *const json[ARRAY_SIZE(lives)] = {
                "{\"type\":\"life\",\"time_ns\":1000002000,\"kind\":\"fork\",\"pid\":43,\"tid\":43,\"parent\":42}",
                "{\"type\":\"life\",\"time_ns\":1000003000,\"kind\":\"exit\",\"pid\":43,\"tid\":43}",
                "{\"type\":\"life\",\"time_ns\":1000004000,\"kind\":\"exit\",\"pid\":44,\"tid\":44,\"status\":0}",
                "{\"type\":\"life\",\"time_ns\":1000004000,\"kind\":\"exit\",\"pid\":44,\"tid\":44,\"status\":3}",
                "{\"type\":\"life\",\"time_ns\":1000005000,\"kind\":\"exit\",\"pid\":45,\"tid\":45,\"signal\":"
                "\"SIGTERM\"}",
                "{\"type\":\"life\",\"time_ns\":1000005000,\"kind\":\"exit\",\"pid\":45,\"tid\":45,\"signal\":"
                "\"SIGSEGV\"}",
                "{\"type\":\"life\",\"time_ns\":1000005000,\"kind\":\"exit\",\"pid\":45,\"tid\":45}",
        };
        static const char *const text[ARRAY_SIZE(lives)] = {
                "-- 0.000002 fork: 43 from 42\n",
                "-- 0.000003 exit: 43\n",
                "-- 0.000004 exit: 44, status 0\n",
                "-- 0.000004 exit: 44, status 3\n",
                "-- 0.000005 exit: 45, killed by SIGTERM\n",
                "-- 0.000005 exit: 45, killed by SIGSEGV (core dumped)\n",
                "-- 0.000005 exit: 45\n",
        };
        const struct view_text_options options = {0};
        struct view *json_view = view_json_new(), *text_view = view_text_new(&options);
        struct state state;

        assert_non_null(json_view);
        assert_non_null(text_view);
        begin_state(&state);
        for (size_t i = 0; i < ARRAY_SIZE(lives); i++) {
                json_view->ops->life(json_view, &state, &lives[i]);
                assert_line(&json_view->out, json[i]);
                text_view->ops->life(text_view, &state, &lives[i]);
                assert_int_equal(text_view->err.n_bytes, strlen(text[i]));
                assert_memory_equal(text_view->err.data, text[i], strlen(text[i]));
                text_view->err.n_bytes = 0;
        }
        state_free(&state);
        json_view = view_json_free(json_view);
        text_view = view_text_free(text_view);
}

static void test_mode_is_told(void **unused)
{
        static const struct {
                uint8_t mode;
                const char *json, *text;
        } cases[] = {
                {PTRACE_MODE_AUTO, "", ""}, /* a daemon that does not tell */
                {PTRACE_MODE_HOLD, "\"ptrace\":\"hold\",", ", ptrace hold"},
                {PTRACE_MODE_LIGHT, "\"ptrace\":\"light\",", ", ptrace light"},
                {PTRACE_MODE_OFF, "\"ptrace\":\"off\",", ", ptrace off"},
                {99, "", ""},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const struct proto_attached attached = {
                        .pid = 42, .detail = DETAIL_FULL, .ptrace = cases[i].mode, .n_threads = 1};
                const struct view_text_options options = {0};
                struct view *json_view = view_json_new(), *text_view = view_text_new(&options);
                struct state state;
                char line[256];

                assert_non_null(json_view);
                assert_non_null(text_view);
                begin_state(&state);
                json_view->ops->attached(json_view, &state, &attached);
                (void)snprintf(line, sizeof(line),
                               "{\"type\":\"attached\",\"pid\":42,\"detail\":\"full\",%s\"threads\":1,\"time_ns\":0}",
                               cases[i].json);
                assert_line(&json_view->out, line);
                text_view->ops->attached(text_view, &state, &attached);
                (void)snprintf(line, sizeof(line), "-- tracing 42 (worker), full detail, 1 thread%s\n", cases[i].text);
                assert_int_equal(text_view->err.n_bytes, strlen(line));
                assert_memory_equal(text_view->err.data, line, strlen(line));
                state_free(&state);
                json_view = view_json_free(json_view);
                text_view = view_text_free(text_view);
        }
}

static void assert_notes(struct view *view, const char *expected)
{
        if (view->err.n_bytes != strlen(expected) || memcmp(view->err.data, expected, view->err.n_bytes) != 0)
                fail_msg("\"%.*s\" instead of \"%s\"", (int)view->err.n_bytes, view->err.data, expected);
        view->err.n_bytes = 0;
}

/* A unit has a name instead of a process id, in every note. */
static void test_notes_of_a_unit(void **unused)
{
        const struct proto_attached attached = {.detail = DETAIL_FULL, .n_threads = 2, .comm = fake_string("x")};
        const struct proto_degraded degraded = {.what = fake_string("unit"), .reason = fake_string("no cgroups")};
        const struct proto_drops drops = {.n_faults = {[OUTCOME_MINOR] = 2}, .first_seq = 1, .last_seq = 2};
        const struct proto_revoked revoked = {.pid = 55, .reason = fake_string("it is set-user-ID\033")};
        const struct view_text_options options = {0};
        const struct proto_end end = {.reason = END_EXITED};
        struct view *view = view_text_new(&options);
        struct state state = {.unit = fake_string("a\033.service"), .follows = true, .several = true};
        static const char ended[] = "-- a\\x1b.service: trace ended at 0.000000 s, its last process ended\n";

        assert_non_null(view);
        assert_int_equal(state_begin(&state, &attached, false), 0);
        view->ops->attached(view, &state, &attached);
        assert_notes(view, "-- tracing a\\x1b.service, full detail, 2 threads\n");
        view->ops->degraded(view, &state, &degraded);
        assert_notes(view, "-- a\\x1b.service: without unit: no cgroups\n");
        view->ops->drops(view, &state, &drops);
        assert_notes(view, "-- a\\x1b.service: faults 1 to 2 dropped, the output was too slow (minor 2)\n");
        view->ops->revoked(view, &state, &revoked);
        assert_notes(view, "-- 0.000000 revoked: 55, nothing more of it is shown: it is set-user-ID\\x1b\n");
        view->ops->end(view, &state, &end);
        assert_true(view->err.n_bytes > strlen(ended));
        assert_memory_equal(view->err.data, ended, strlen(ended));
        state_free(&state);
        view = view_text_free(view);
}

/* However narrow the terminal: whose fault it was can be read. */
static void test_processes_are_told_apart(void **unused)
{
        for (uint32_t n_columns = 60; n_columns <= 200; n_columns++) {
                const struct view_text_options options = {.notes_on_out = true};
                const struct proto_event event = fake_event();
                const struct fault_batch batch = {.events = &event, .n_events = 1};
                struct view *view = view_text_new(&options);
                struct state state;

                assert_non_null(view);
                view->n_columns = n_columns;
                begin_state(&state);
                state.several = true;
                view->ops->faults(view, &state, &batch);
                assert_non_null(memmem(view->out.data, view->out.n_bytes, "PID/TID", 7));
                assert_non_null(memmem(view->out.data, view->out.n_bytes, "42/43 ", 6));
                state_free(&state);
                view = view_text_free(view);
        }
}

/* --- names --- */

static void assert_name(void (*put)(struct text *out, int signo, int code), int signo, int code, const char *expected)
{
        CLEANUP_TEXT struct text out = {0};

        put(&out, signo, code);
        assert_int_equal(out.n_bytes, strlen(expected));
        assert_memory_equal(out.data, expected, out.n_bytes);
}

static void put_signal_name(struct text *out, int signo, int code)
{
        signal_put_name(out, signo);
}

static void test_names(void **unused)
{
        static const struct {
                int signo, code;
                const char *name;
        } codes[] = {
                {SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR"},
                {SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR"},
                {SIGSEGV, SEGV_BNDERR, "SEGV_BNDERR"},
                {SIGSEGV, SEGV_PKUERR, "SEGV_PKUERR"},
                {SIGSEGV, 10, "SEGV_CPERR"},
                {SIGBUS, BUS_ADRALN, "BUS_ADRALN"},
                {SIGBUS, BUS_ADRERR, "BUS_ADRERR"},
                {SIGBUS, BUS_OBJERR, "BUS_OBJERR"},
                {SIGBUS, BUS_MCEERR_AR, "BUS_MCEERR_AR"},
                {SIGBUS, BUS_MCEERR_AO, "BUS_MCEERR_AO"},
                {SIGSEGV, SI_USER, "SI_USER"},
                {SIGBUS, SI_KERNEL, "SI_KERNEL"},
                {SIGSEGV, SI_QUEUE, "SI_QUEUE"},
                {SIGSEGV, SI_TIMER, "SI_TIMER"},
                {SIGSEGV, SI_TKILL, "SI_TKILL"},
                {SIGSEGV, 99, "99"},
                {SIGTERM, 1, "1"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
                assert_name(signal_put_code, codes[i].signo, codes[i].code, codes[i].name);
        for (int signo = 1; signo < 32; signo++) {
                char name[32];

                assert_non_null(sigabbrev_np(signo));
                (void)snprintf(name, sizeof(name), "SIG%s",
                               signo == SIGPOLL ? "IO" : sigabbrev_np(signo)); /* signal(7): the same, by either name */
                assert_name(put_signal_name, signo, 0, name);
        }
        assert_name(put_signal_name, SIGRTMIN, 0, "SIGRTMIN+0");
        assert_name(put_signal_name, SIGRTMAX, 0, "SIGRTMIN+30");
        assert_name(put_signal_name, 0, 0, "0");
        assert_name(put_signal_name, 32, 0, "32");
        assert_name(put_signal_name, 65, 0, "65");
        assert_string_equal(register_name(0), "rax");
        assert_string_equal(register_name(7), "rsp");
        assert_string_equal(register_name(16), "rip");
        assert_string_equal(register_name(PROTO_REGISTERS - 1), "eflags");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_text_in_colour),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_json_details),
                cmocka_unit_test(test_json_below_the_nearest),
                cmocka_unit_test(test_lives),
                cmocka_unit_test(test_mode_is_told),
                cmocka_unit_test(test_notes_of_a_unit),
                cmocka_unit_test(test_processes_are_told_apart),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
