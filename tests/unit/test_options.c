/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: what it means, and one clear complaint for everything that it does not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/options.h"

enum { ARGS_MAX = 12 };

/* args: one string, words separated by a space. The words live until the next call. */
static int parse(const char *args, struct options *ret, struct text *complaint)
{
        static char words[8192];
        char *argv[ARGS_MAX + 1];
        static char *kept[ARGS_MAX + 1];
        int argc = 0;

        assert_true(strlen(args) < sizeof(words));
        strcpy(words, args);
        for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
                assert_true(argc < ARGS_MAX);
                argv[argc++] = word;
        }
        argv[argc] = NULL;
        memcpy(kept, argv, sizeof(char *) * (size_t)(argc + 1));
        return options_parse(argc, kept, ret, complaint);
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
        struct options options = {.count = 12345};

        assert_int_equal(parse(args, &options, &complaint), -EINVAL);
        assert_int_equal(options.count, 12345);
        if (complaint.n_bytes != strlen(expected) || memcmp(complaint.data, expected, complaint.n_bytes) != 0)
                fail_msg("%s: \"%.*s\" instead of \"%s\"", args, (int)complaint.n_bytes, complaint.data, expected);
}

static void test_targets(void **unused)
{
        struct options options = good("faultline -p 12");

        assert_int_equal(options.action, ACTION_TRACE);
        assert_int_equal(options.n_pids, 1);
        assert_int_equal(options.pids[0], 12);
        assert_null(options.command);
        assert_int_equal(options.detail, DETAIL_AUTO);
        assert_int_equal(options.format, FORMAT_TEXT);
        assert_int_equal(options.color, COLOR_AUTO);

        options = good("faultline trace -p 1,2 -p3,2");
        assert_int_equal(options.n_pids, 3);
        assert_int_equal(options.pids[2], 3);

        options = good("faultline --count=5 -- ls -l --format=json");
        assert_int_equal(options.count, 5);
        assert_string_equal(options.command[0], "ls");
        assert_string_equal(options.command[2], "--format=json");
        assert_null(options.command[3]);
        assert_int_equal(options.format, FORMAT_TEXT);

        options = good("faultline -- top");
        assert_string_equal(options.command[0], "top");
}

static void test_options(void **unused)
{
        struct options options =
                good("faultline -p 1 --detail=basic --format=json --color=never --private --map=*/libc*");

        assert_int_equal(options.detail, DETAIL_BASIC);
        assert_int_equal(options.format, FORMAT_JSON);
        assert_int_equal(options.color, COLOR_NEVER);
        assert_true(options.private_daemon);
        assert_int_equal(options.filter.map_glob.n_bytes, 7);
        assert_memory_equal(options.filter.map_glob.data, "*/libc*", 7);

        options = good("faultline -p 1 --detail=full --socket=/s --color always --min-latency=1.5ms --duration=2");
        assert_int_equal(options.detail, DETAIL_FULL);
        assert_string_equal(options.socket, "/s");
        assert_int_equal(options.color, COLOR_ALWAYS);
        assert_int_equal(options.filter.min_latency_ns, 1500000);
        assert_int_equal(options.duration_ns, 2 * NSEC_PER_SEC);
        assert_int_equal(good("faultline -p 1 --min-latency=7").filter.min_latency_ns, 7000);

        assert_int_equal(good("faultline --help").action, ACTION_HELP);
        assert_int_equal(good("faultline -h").action, ACTION_HELP);
        assert_int_equal(good("faultline --version -p x").action, ACTION_VERSION);
        assert_int_equal(good("faultline").action, ACTION_USAGE);
        assert_int_equal(good("faultline trace").action, ACTION_USAGE);
}

static void test_filters(void **unused)
{
        struct options options =
                good("faultline -p 1 --outcome=major,failed --cause=cow-copy --cause=unknown --access=write");

        assert_int_equal(options.filter.outcomes, 1U << OUTCOME_MAJOR | 1U << OUTCOME_FAILED);
        assert_int_equal(options.filter.causes, 1U << CAUSE_COW_COPY | 1U << CAUSE_UNKNOWN);
        assert_int_equal(options.filter.accesses, 1U << ACCESS_WRITE);
        bad("faultline -p 1 --access=write,touch", "--access: unknown word 'touch'; the words are read, write, exec");
        bad("faultline -p 1 --outcome=", "--outcome: unknown word ''; the words are minor, major, failed, interrupted, "
                                         "emulated, open");
        bad("faultline -p 1 --outcome=minor,", "--outcome: unknown word ''; the words are minor, major, failed, "
                                               "interrupted, emulated, open");
}

static void test_units(void **unused)
{
        struct options options = good("faultline -u nginx.service");

        assert_int_equal(options.unit.n_bytes, 13);
        assert_memory_equal(options.unit.data, "nginx.service", 13);
        assert_true(options.follow);
        assert_int_equal(options.n_pids, 0);
        assert_null(options.command);
        options = good("faultline --unit=/sys/fs/cgroup/x/y --count=3");
        assert_int_equal(options.unit.n_bytes, 18);
        assert_int_equal(options.count, 3);
        bad("faultline -u a -p 1", "-p and -u together; trace one or the other");
        bad("faultline -p 1 -u a", "-p and -u together; trace one or the other");
        bad("faultline -u a -- ls", "-u and a command together; trace one or the other");
        bad("faultline -p 1 -u a -- ls", "-p and a command together; trace one or the other");
        bad("faultline -u a -u b", "-u more than once; trace one unit at a time");
        bad("faultline --unit= -p 1", "-u: the name of a unit has between 1 and 511 bytes");
        bad("faultline -u a/b\033", "-u 'a/b\\x1b' is neither the name of a unit nor the path of a cgroup; write for "
                                    "example -u nginx.service or -u /sys/fs/cgroup/NAME");
        bad("faultline -u", "option '-u' needs a value");
}

static void test_longest_unit(void **unused)
{
        CLEANUP_TEXT struct text args = {0};

        text_put_string(&args, "faultline -u ");
        text_fill(&args, 'x', PROTO_UNIT_MAX_BYTES);
        text_put_char(&args, '\0');
        assert_int_equal(good(args.data).unit.n_bytes, PROTO_UNIT_MAX_BYTES);
        args.n_bytes--;
        text_put(&args, "x", 2);
        bad(args.data, "-u: the name of a unit has between 1 and 511 bytes");
}

static void test_follow_and_ptrace(void **unused)
{
        struct options options = good("faultline -p 1");

        assert_false(options.follow);
        assert_false(options.unmaps);
        assert_int_equal(options.ptrace, PTRACE_MODE_AUTO);
        assert_true(good("faultline -f -p 1").follow);
        assert_true(good("faultline --follow -- ls -f").follow);
        assert_true(good("faultline --unmaps -p 1").unmaps);
        assert_int_equal(good("faultline -p 1 --ptrace=hold").ptrace, PTRACE_MODE_HOLD);
        assert_int_equal(good("faultline -p 1 --ptrace light").ptrace, PTRACE_MODE_LIGHT);
        assert_int_equal(good("faultline -p 1 --ptrace=off").ptrace, PTRACE_MODE_OFF);
        bad("faultline -p 1 --ptrace=auto", "--ptrace='auto' is not known; write hold or light or off");
        bad("faultline -p 1 --ptrace=", "--ptrace='' is not known; write hold or light or off");
        bad("faultline -p 1 --ptrace", "option '--ptrace' needs a value");
        bad("faultline -p 1 --follow=2", "no value belongs to option '--follow=2'");
        bad("faultline -p 1 --unmaps=1", "no value belongs to option '--unmaps=1'");
}

static void test_usage_errors(void **unused)
{
        bad("faultline --private", "nothing to trace; write -p PID, -u UNIT or -- COMMAND");
        bad("faultline -f", "nothing to trace; write -p PID, -u UNIT or -- COMMAND");
        bad("faultline 1234", "what is '1234'? to trace the process with this id write -p 1234");
        bad("faultline 12ab", "what is '12ab'? to trace a new process write -- before its command");
        bad("faultline --", "no command after --");
        bad("faultline -p 1 -- ls", "-p and a command together; trace one or the other");
        bad("faultline ls -l", "what is 'ls'? to trace a new process write -- before its command");
        bad("faultline -p", "option '-p' needs a value");
        bad("faultline --count", "option '--count' needs a value");
        bad("faultline --private=x -p 1", "no value belongs to option '--private=x'");
        bad("faultline --nonsense", "unknown or ambiguous option '--nonsense'");
        bad("faultline -x", "unknown option '-x'");
        bad("faultline -p 1 --format=xml", "--format='xml' is not known; write text or json");
        bad("faultline -p 1 --detail=auto", "--detail='auto' is not known; write basic or full");
        bad("faultline -p 1 --color=\033", "--color='\\x1b' is not known; write auto or always or never");
        bad("faultline -p 1 --map=", "--map: a pattern has between 1 and 4096 bytes");
        bad("faultline -p 1 --socket=", "--socket: the path is empty");
        bad("faultline -p 1 --socket=/s --private", "--socket and --private together; use one or the other");
        bad("faultline -p 1 --count=0", "--count='0' is not a number of faults; write a whole number above 0");
        bad("faultline -p 1 --count=-1", "--count='-1' is not a number of faults; write a whole number above 0");
        bad("faultline -p 1 --duration=5x",
            "--duration='5x' is not a time; write a number above 0 and ns, us, ms, s, min or h, such as 1.5ms");
}

static void test_bad_pids(void **unused)
{
        static const char *const lists[] = {
                "0", "-1", "1,", ",1", "1,,2", "x", "1x", "2147483648", "99999999999999999999"};

        for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
                CLEANUP_TEXT struct text args = {0};
                CLEANUP_TEXT struct text expected = {0};

                text_printf(&args, "faultline -p %s%c", lists[i], '\0');
                text_printf(&expected,
                            "-p '%s' is not a list of process ids; write for example -p 1234 or -p 12,34 "
                            "(pgrep -l NAME finds the id of a program)%c",
                            lists[i], '\0');
                bad(args.data, expected.data);
        }
}

static void test_too_many_pids(void **unused)
{
        CLEANUP_TEXT struct text args = {0};

        text_put_string(&args, "faultline -p 1");
        for (int i = 2; i <= OPTIONS_PIDS_MAX; i++)
                text_printf(&args, ",%d", i);
        text_put_char(&args, '\0');
        assert_int_equal(good(args.data).n_pids, OPTIONS_PIDS_MAX);
        args.n_bytes--;
        text_printf(&args, ",%d%c", OPTIONS_PIDS_MAX + 1, '\0');
        bad(args.data, "more than 1024 processes in one -p; trace fewer at a time");
}

static void test_reserved(void **unused)
{
        static const char *const words[] = {"record", "replay", "export", "--lossless"};

        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                CLEANUP_TEXT struct text args = {0};
                CLEANUP_TEXT struct text expected = {0};

                text_printf(&args, "faultline %s x%c", words[i], '\0');
                text_printf(&expected, "'%s' is not available in this version of faultline%c", words[i], '\0');
                bad(args.data, expected.data);
        }
        bad("faultline -p 1 top", "the command comes first: faultline top TARGET ...");
}

static void test_status_and_metrics(void **unused)
{
        struct options options = good("faultline status");

        assert_int_equal(options.action, ACTION_STATUS);
        assert_int_equal(options.format, FORMAT_TEXT);
        options = good("faultline status --format=json --socket=/s --color=never");
        assert_int_equal(options.format, FORMAT_JSON);
        assert_string_equal(options.socket, "/s");
        options = good("faultline metrics");
        assert_int_equal(options.action, ACTION_METRICS);
        assert_null(options.file);
        assert_string_equal(good("faultline metrics -o any.name --socket=/s").file, "any.name");
        bad("faultline status x", "what is 'x'? write faultline status [options]");
        bad("faultline metrics -- ls", "what is 'ls'? write faultline metrics [-o FILE]");
        bad("faultline status --private",
            "--private belongs to faultline trace, faultline stat, faultline flame, faultline top and faultline maps");
        bad("faultline status --format=csv", "--format='csv' is not known; write text or json");
        bad("faultline -p 1 metrics", "the command comes first: faultline metrics");
}

static void test_maps_and_walk(void **unused)
{
        struct options options = good("faultline maps 12 --format=json");

        assert_int_equal(options.action, ACTION_MAPS);
        assert_int_equal(options.pids[0], 12);
        assert_int_equal(options.format, FORMAT_JSON);
        assert_true(good("faultline maps --live 12").live);
        options = good("faultline walk 12 malloc --no-demangle");
        assert_int_equal(options.action, ACTION_WALK);
        assert_string_equal(options.where, "malloc");
        bad("faultline maps 1 2", "write faultline maps [--live] PID");
        bad("faultline maps x", "'x' is not the id of a process; write faultline maps [--live] PID");
        bad("faultline maps 1,2", "'1,2' is not the id of a process; write faultline maps [--live] PID");
        bad("faultline maps 0", "'0' is not the id of a process; write faultline maps [--live] PID");
        bad("faultline maps 2147483648", "'2147483648' is not the id of a process; write faultline maps [--live] PID");
        bad("faultline walk 1", "write faultline walk PID ADDRESS|SYMBOL");
        bad("faultline walk -p 1 x",
            "-p belongs to faultline trace, faultline stat, faultline flame and faultline top");
        bad("faultline -p 1 --live", "--live belongs to faultline maps");
}

static void test_tables(void **unused)
{
        struct options options = good("faultline stat --by=map,cause,map -I 2 -p 1");

        assert_int_equal(options.n_by, 2);
        assert_int_equal(options.by[0], GROUP_MAP);
        assert_int_equal(options.by[1], GROUP_CAUSE);
        assert_int_equal(options.interval_ns, 2 * NSEC_PER_SEC);
        assert_int_equal(good("faultline stat --format=csv -p 1").format, FORMAT_CSV);
        assert_true(good("faultline --no-fold -p 1").no_fold);
        assert_int_equal(good("faultline top --by=code -p 1").by[0], GROUP_CODE);
        bad("faultline top --by=code,map -p 1", "--by: top shows one table; its keys switch to the others");
        bad("faultline -p 1 --format=csv", "--format='csv' is not known; write text or json");
        bad("faultline -p 1 --by=map", "--by belongs to faultline stat and faultline top");
        bad("faultline stat --no-fold -p 1", "--no-fold belongs to faultline trace");
}

static void test_stacks(void **unused)
{
        static const struct {
                const char *args;
                uint32_t bytes;
        } sizes[] = {
                {"faultline -p 1", 0},
                {"faultline -p 1 --stack", PROTO_STACK_AUTO},
                {"faultline -p 1 --lines", PROTO_STACK_AUTO},
                {"faultline -p 1 --stack=8", 8},
                {"faultline -p 1 --stack=9", 16},
                {"faultline -p 1 --stack=16K", 16384},
                {"faultline -p 1 --lines --stack=63K", 64512},
                {"faultline -p 1 --stack=65528 --lines", 65528},
        };
        static const char *const bad_sizes[] = {"",
                                                "0",
                                                "7",
                                                "K",
                                                "0K",
                                                "64K",
                                                "65529",
                                                "-8",
                                                "8k",
                                                "8KB",
                                                "+8",
                                                "1.5K",
                                                "18446744073709551616",
                                                "18014398509481985K"};

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
                assert_int_equal(good(sizes[i].args).stack_bytes, sizes[i].bytes);
        for (size_t i = 0; i < ARRAY_SIZE(bad_sizes); i++) {
                CLEANUP_TEXT struct text args = {0}, expected = {0};

                text_printf(&args, "faultline -p 1 --stack=%s%c", bad_sizes[i], '\0');
                text_printf(&expected,
                            "--stack='%s' is not a size of stacks; write a number of bytes from 8 to 65528, or such as "
                            "16K%c",
                            bad_sizes[i], '\0');
                bad(args.data, expected.data);
        }
        assert_false(good("faultline -p 1 --stack").lines);
        assert_true(good("faultline -p 1 --lines").lines);
        bad("faultline -p 1 --lines=2", "no value belongs to option '--lines=2'");
        assert_false(good("faultline -p 1").raw_symbols);
        assert_true(good("faultline -p 1 --no-demangle").raw_symbols);
}

static void test_times(void **unused)
{
        static const struct {
                const char *word;
                uint64_t ns;
        } times[] = {
                {"1ns", 1},
                {"1us", 1000},
                {"1ms", 1000000},
                {"1s", NSEC_PER_SEC},
                {"2min", 120 * NSEC_PER_SEC},
                {"1h", 3600 * NSEC_PER_SEC},
                {"3", 3000},
                {"1.5us", 1500},
                {"0.25s", 250000000},
                {"0.0019us", 1},
                {"0.9ns", 0},
                {"1.50", 1500},
        };
        static const char *const bad_times[] = {"",    "s",   "-1s",  "+1s",  " 1s", "1 s",
                                                "1.s", ".5s", "1e3s", "1sec", "1S"};
        uint64_t ns = 77;

        for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
                assert_int_equal(options_parse_time(times[i].word, NSEC_PER_USEC, &ns), 0);
                assert_int_equal(ns, times[i].ns);
        }
        ns = 77;
        for (size_t i = 0; i < ARRAY_SIZE(bad_times); i++)
                assert_int_equal(options_parse_time(bad_times[i], NSEC_PER_USEC, &ns), -EINVAL);
        assert_int_equal(options_parse_time("18446744073709551616ns", 1, &ns), -ERANGE);
        assert_int_equal(options_parse_time("18446744074s", 1, &ns), -ERANGE);
        assert_int_equal(ns, 77);
        assert_int_equal(options_parse_time("18446744073709551615ns", 1, &ns), 0);
        assert_int_equal(ns, UINT64_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_targets),
                cmocka_unit_test(test_options),
                cmocka_unit_test(test_filters),
                cmocka_unit_test(test_usage_errors),
                cmocka_unit_test(test_bad_pids),
                cmocka_unit_test(test_too_many_pids),
                cmocka_unit_test(test_reserved),
                cmocka_unit_test(test_maps_and_walk),
                cmocka_unit_test(test_tables),
                cmocka_unit_test(test_stacks),
                cmocka_unit_test(test_times),
                cmocka_unit_test(test_units),
                cmocka_unit_test(test_longest_unit),
                cmocka_unit_test(test_follow_and_ptrace),
                cmocka_unit_test(test_status_and_metrics),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
