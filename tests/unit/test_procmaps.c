/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* procmaps.c: text as kernels write it, names that try to look like something else, and lines that are no maps. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/decode/procmaps.h"

struct expected {
        uint64_t start, end;
        const char *perms;
        uint64_t offset;
        uint32_t major, minor;
        uint64_t inode;
        const char *path;
};

static void check_line(const struct procmaps_line *line, const struct expected *expected)
{
        assert_int_equal(line->start, expected->start);
        assert_int_equal(line->end, expected->end);
        assert_memory_equal(line->perms, expected->perms, 4);
        assert_int_equal(line->offset, expected->offset);
        assert_int_equal(line->major, expected->major);
        assert_int_equal(line->minor, expected->minor);
        assert_int_equal(line->inode, expected->inode);
        assert_int_equal(line->n_path, strlen(expected->path));
        assert_memory_equal(line->path, expected->path, line->n_path);
}

/* The lines of a text are exactly these; the text is copied so that a sanitizer sees a byte too many. */
static void check_text(const char *text, const struct expected *expected, size_t n_expected)
{
        size_t n = strlen(text), offset = 0;
        char *copy = test_malloc(n + 1);
        struct procmaps_line line;

        memcpy(copy, text, n);
        copy[n] = 'x'; /* not a NUL: nothing may depend on one */
        for (size_t i = 0; i < n_expected; i++) {
                assert_int_equal(procmaps_next(copy, n, &offset, &line), 1);
                check_line(&line, &expected[i]);
        }
        assert_int_equal(procmaps_next(copy, n, &offset, &line), 0);
        assert_int_equal(offset, n);
        test_free(copy);
}

static void test_ordinary_text(void **state)
{
        static const char text[] =
                "55d0c8a00000-55d0c8a02000 r--p 00000000 fe:01 1835041                    /usr/bin/cat\n"
                "55d0c8a02000-55d0c8a06000 r-xp 00002000 fe:01 1835041                    /usr/bin/cat\n"
                "55d0c9f3a000-55d0c9f5b000 rw-p 00000000 00:00 0                          [heap]\n"
                "7f0a4c000000-7f0a4c021000 rw-p 00000000 00:00 0 \n"
                "7f0a50000000-7f0a50100000 rw-s 00000000 00:01 3078                       /dev/zero (deleted)\n"
                "7f0a51000000-7f0a51001000 rw-s 00001000 00:01 18446744073709551615       /memfd:a b (deleted)\n"
                "7f0a52000000-7f0a52001000 ---p 00000000 00:00 0                          [anon:guard page]\n"
                "7ffd1c000000-7ffd1c021000 rwxp 00000000 00:00 0                          [stack]\n"
                "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";
        static const struct expected expected[] = {
                {0x55d0c8a00000, 0x55d0c8a02000, "r--p", 0, 0xfe, 1, 1835041, "/usr/bin/cat"},
                {0x55d0c8a02000, 0x55d0c8a06000, "r-xp", 0x2000, 0xfe, 1, 1835041, "/usr/bin/cat"},
                {0x55d0c9f3a000, 0x55d0c9f5b000, "rw-p", 0, 0, 0, 0, "[heap]"},
                {0x7f0a4c000000, 0x7f0a4c021000, "rw-p", 0, 0, 0, 0, ""},
                {0x7f0a50000000, 0x7f0a50100000, "rw-s", 0, 0, 1, 3078, "/dev/zero (deleted)"},
                {0x7f0a51000000, 0x7f0a51001000, "rw-s", 0x1000, 0, 1, UINT64_MAX, "/memfd:a b (deleted)"},
                {0x7f0a52000000, 0x7f0a52001000, "---p", 0, 0, 0, 0, "[anon:guard page]"},
                {0x7ffd1c000000, 0x7ffd1c021000, "rwxp", 0, 0, 0, 0, "[stack]"},
                {0xffffffffff600000, 0xffffffffff601000, "--xp", 0, 0, 0, 0, "[vsyscall]"},
        };

        check_text(text, expected, ARRAY_SIZE(expected));
}

static void test_odd_names(void **state)
{
        static const char text[] =
                "00400000-00401000 r--p 00000000 08:02 12                                 /srv/a b/c  d.so (deleted)\n"
                "00401000-00402000 r--p 00000000 08:02 13                                 /srv/line\\012break\\134\n"
                "00402000-00403000 r--p 00000000 08:02 14                                 /srv/end in space \n"
                "00403000-00404000 r--p 00000000 08:02 15                                 /00404000-00405000 r--p "
                "00000000 08:02 16 /x\n"
                "00404000-00405000 r--p 00000000 103:100000 17                            /srv/\xff\xfe\x01\n"
                "00405000-00406000 rw-s 00000000 00:0e 18                                 anon_inode:[perf_event]";
        static const struct expected expected[] = {
                {0x400000, 0x401000, "r--p", 0, 8, 2, 12, "/srv/a b/c  d.so (deleted)"},
                {0x401000, 0x402000, "r--p", 0, 8, 2, 13, "/srv/line\nbreak\\134"},
                {0x402000, 0x403000, "r--p", 0, 8, 2, 14, "/srv/end in space "},
                {0x403000, 0x404000, "r--p", 0, 8, 2, 15, "/00404000-00405000 r--p 00000000 08:02 16 /x"},
                {0x404000, 0x405000, "r--p", 0, 0x103, 0x100000, 17, "/srv/\xff\xfe\x01"},
                {0x405000, 0x406000, "rw-s", 0, 0, 0xe, 18, "anon_inode:[perf_event]"},
        };

        check_text(text, expected, ARRAY_SIZE(expected));
}

/* Only what the kernel writes as \012 is a newline; everything else is the name's own. */
static void test_escapes(void **state)
{
        static const char text[] = "00400000-00401000 r--p 00000000 08:02 12 \\012\n"
                                   "00401000-00402000 r--p 00000000 08:02 13 /\\012\\012a\\012\n"
                                   "00402000-00403000 r--p 00000000 08:02 14 /\\01\\0122\\\\012\n"
                                   "00403000-00404000 r--p 00000000 08:02 15 /\\011\\040\\12\\01\n"
                                   "00404000-00405000 rw-s 00000000 00:01 16 /memfd:a\\012b (deleted)";
        static const struct expected expected[] = {
                {0x400000, 0x401000, "r--p", 0, 8, 2, 12, "\n"},
                {0x401000, 0x402000, "r--p", 0, 8, 2, 13, "/\n\na\n"},
                {0x402000, 0x403000, "r--p", 0, 8, 2, 14, "/\\01\n2\\\n"},
                {0x403000, 0x404000, "r--p", 0, 8, 2, 15, "/\\011\\040\\12\\01"},
                {0x404000, 0x405000, "rw-s", 0, 0, 1, 16, "/memfd:a\nb (deleted)"},
        };

        check_text(text, expected, ARRAY_SIZE(expected));
}

/* The longest path that is unescaped, and one byte more. */
static void test_long_escapes(void **state)
{
        static const char begin[] = "400000-401000 r--p 00000000 08:02 12 ";
        static char text[sizeof(begin) + PROCMAPS_UNESCAPED_BYTES];
        static struct procmaps_line line;
        char *path = text + sizeof(begin) - 1;

        memset(text, 'x', sizeof(text));
        memcpy(text, begin, sizeof(begin) - 1);
        for (size_t n = PROCMAPS_UNESCAPED_BYTES; n <= PROCMAPS_UNESCAPED_BYTES + 1; n++) {
                bool is_unescaped = n == PROCMAPS_UNESCAPED_BYTES;
                size_t offset = 0;

                memset(path, 'x', n);
                memcpy(path + n - 4, "\\012", 4);
                assert_int_equal(procmaps_next(text, sizeof(begin) - 1 + n, &offset, &line), 1);
                assert_int_equal(line.n_path, is_unescaped ? n - 3 : n);
                assert_ptr_equal(line.path, is_unescaped ? line.unescaped : path);
                assert_int_equal(line.path[line.n_path - 1], is_unescaped ? '\n' : '2');
        }
}

static void test_empty_text(void **state)
{
        struct procmaps_line line;
        size_t offset = 0;

        check_text("", NULL, 0);
        assert_int_equal(procmaps_next(NULL, 0, &offset, &line), 0);
}

static void test_hostile_lines(void **state)
{
        static const char *const lines[] = {
                "",
                "x",
                "-",
                "400000",
                "400000-",
                "-401000 r--p 00000000 08:02 12 /x",
                "400000-401000",
                "400000-401000 ",
                "400000-401000 r--",
                "400000-401000 r--p",
                "400000-401000 r--p ",
                "400000-401000 r--p 0",
                "400000-401000 r--p 0 08",
                "400000-401000 r--p 0 08:",
                "400000-401000 r--p 0 08:02",
                "400000-401000 r--p 0 08:02 ",
                "400000-401000 r--p 0 08:02 x",
                "400000-401000 r--p 0 08:02 12x",
                "400000-401000 r--p 0 08:02 12/x",
                "400000-401000 r--p 0 08:02 1a /x",
                "400000-401000 r--p 0 100000000:02 12 /x",
                "400000-401000 r--p 0 08:100000000 12 /x",
                "400000-401000 r--p 0 08:02 18446744073709551616 /x",
                "400000-401000 r--p 10000000000000000 08:02 12 /x",
                "400000-10000000000000000 r--p 0 08:02 12 /x",
                "10000000000400000-10000000000401000 r--p 0 08:02 12 /x",
                "400000-400000 r--p 0 08:02 12 /x",
                "401000-400000 r--p 0 08:02 12 /x",
                " 400000-401000 r--p 0 08:02 12 /x",
                "0x400000-0x401000 r--p 0 08:02 12 /x",
                "400000-401000  r--p 0 08:02 12 /x",
                "400000-401000\tr--p 0 08:02 12 /x",
                "400000-401000 p--r 0 08:02 12 /x",
                "400000-401000 R--p 0 08:02 12 /x",
                "400000-401000 r--p -1 08:02 12 /x",
                "400000-401000 r--? 0 08:02 12 /x",
        };
        static const char good[] = "400000-401000 r--p 00000000 08:02 12 /x";

        for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
                struct procmaps_line line, untouched;
                char text[256];
                size_t n, offset = 0;

                n = (size_t)snprintf(text, sizeof(text), "%s\n%s", lines[i], good);
                memset(&line, 0xa5, sizeof(line));
                memset(&untouched, 0xa5, sizeof(untouched));
                assert_int_equal(procmaps_next(text, n, &offset, &line), -EBADMSG);
                assert_memory_equal(&line, &untouched, sizeof(line));
                assert_int_equal(offset, strlen(lines[i]) + 1);
                assert_int_equal(procmaps_next(text, n, &offset, &line), 1);
                assert_int_equal(line.n_path, 2);
                assert_int_equal(procmaps_next(text, n, &offset, &line), 0);
        }
}

/* Every beginning of a line, as its last and only one, is a line or an error, and the end follows. */
static void test_every_truncation(void **state)
{
        static const char full[] = "400000-401000 r--p 00000000 08:02 12 /x";
        size_t inode_end = strlen("400000-401000 r--p 00000000 08:02 1");

        for (size_t n = 1; n < sizeof(full); n++) {
                char *text = test_malloc(n);
                struct procmaps_line line;
                size_t offset = 0;

                memcpy(text, full, n);
                assert_int_equal(procmaps_next(text, n, &offset, &line), n >= inode_end ? 1 : -EBADMSG);
                assert_int_equal(offset, n);
                assert_int_equal(procmaps_next(text, n, &offset, &line), 0);
                test_free(text);
        }
}

struct ranges {
        size_t n;
        uint64_t start[8], end[8];
};

static void add_range(void *user, uint64_t start, uint64_t end)
{
        struct ranges *ranges = user;

        assert_true(ranges->n < ARRAY_SIZE(ranges->start));
        ranges->start[ranges->n] = start;
        ranges->end[ranges->n++] = end;
}

static const char smaps[] = "VmFlags: rd um \n" /* before any map */
                            "00400000-00401000 r--p 00000000 08:02 12                 /srv/VmFlags: um\n"
                            "Size:                  4 kB\n"
                            "THPeligible:           0\n"
                            "ProtectionKey:         0\n"
                            "VmFlags: rd mr mw me sd \n"
                            "00500000-00600000 rw-p 00000000 00:00 0 \n"
                            "Size:               1024 kB\n"
                            "Anonymous:             0 kB\n"
                            "VmFlags: rd wr mr mw me ac um sd \n"
                            "VmFlags: um \n" /* a second one: still one range */
                            "00600000-00700000 rw-p 00000000 00:00 0 \n"
                            "VmFlags: rd wr umm xum u m uw\n"
                            "00700000-00800000 rw-p 00000000 00:00 0 \n"
                            "VmFlags:um\n"
                            "Vmflags: um\n"
                            "00800000-00900000 rw-p 00000000 00:00 0 \n"
                            "VmFlags: um";

static void test_find_flag(void **state)
{
        struct ranges ranges = {0};

        assert_int_equal(procmaps_find_flag(smaps, sizeof(smaps) - 1, "um", add_range, &ranges), 3);
        assert_int_equal(ranges.n, 3);
        assert_int_equal(ranges.start[0], 0x500000);
        assert_int_equal(ranges.end[0], 0x600000);
        assert_int_equal(ranges.start[1], 0x700000);
        assert_int_equal(ranges.end[1], 0x800000);
        assert_int_equal(ranges.start[2], 0x800000);
        assert_int_equal(ranges.end[2], 0x900000);

        ranges.n = 0;
        assert_int_equal(procmaps_find_flag(smaps, sizeof(smaps) - 1, "uw", add_range, &ranges), 1);
        assert_int_equal(ranges.start[0], 0x600000);
        assert_int_equal(procmaps_find_flag(smaps, sizeof(smaps) - 1, "zz", add_range, &ranges), 0);
        assert_int_equal(procmaps_find_flag(NULL, 0, "um", add_range, &ranges), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ordinary_text),    cmocka_unit_test(test_odd_names),
                cmocka_unit_test(test_escapes),          cmocka_unit_test(test_long_escapes),
                cmocka_unit_test(test_empty_text),       cmocka_unit_test(test_hostile_lines),
                cmocka_unit_test(test_every_truncation), cmocka_unit_test(test_find_flag),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
