/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines and inlined functions of code whose sources say them exactly (tests/fixtures/lines), by two compilers, in two
 * versions of DWARF, and in the forms that distributions give it. The addresses are those of labels in that code.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "daemon/engine/model/lines.h"
#include "daemon/link/sandbox.h"

#define DEEPEST 35 /* deep_0 to deep_35, then deep() */

struct expected {
        const char *label;
        struct source_line lines[4];
        size_t n;
};

static const struct expected in_c[] = {
        {"at_outer", {{"outer", "/src/outer.c", 52}}, 1},
        {"at_middle", {{"middle", "/src/middle.h", 17}, {"outer", "/src/outer.c", 53}}, 2},
        {"at_leaf", {{"leaf", "/src/leaf.h", 5}, {"middle", "/src/middle.h", 18}, {"outer", "/src/outer.c", 53}}, 3},
        {"after_middle", {{"outer", "/src/outer.c", 54}}, 1},
        {"at_twice_1", {{"twice", "/src/twice.c", 103}, {"both", "/src/twice.c", 109}}, 2},
        {"at_twice_2", {{"twice", "/src/twice.c", 103}, {"both", "/src/twice.c", 110}}, 2},
        {"at_cold", {{"split", "/src/split.c", 159}}, 1},
        {"at_hot", {{"split", "/src/split.c", 162}}, 1},
};

static const struct expected elsewhere[] = {
        {"at_push", {{"_ZN4shop5StackIiE4pushEi", "/src/stack.hpp", 10}, {"_ZN4shop4sellEi", "/src/shop.cc", 34}}, 2},
        {"at_plain", {{NULL, "/src/plain.S", 9}}, 1},
};

/* gcc gives members of a local class no linkage name. */
static const struct expected gcc_lambda = {"at_lambda", {{"operator()", "/src/shop.cc", 41}}, 1};
static const struct expected clang_lambda = {"at_lambda", {{"_ZZN4shop5countEiENK3$_0clEi", "/src/shop.cc", 41}}, 1};

static void close_lines(struct lines **lines)
{
        *lines = lines_close(*lines);
}
#define CLOSE_LINES CLEANUP(close_lines)

/* -1: it was not built, because its compiler is not installed. */
static int open_file(const char *name)
{
        char path[4096];

        assert_true(snprintf(path, sizeof(path), BUILD_DIR "/fixtures/lines/%s", name) < (int)sizeof(path));
        return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_built(const char *name)
{
        int fd = open_file(name);

        if (fd < 0) {
                print_message("not tried: %s was not built, its compiler is not installed\n", name);
                skip();
        }
        return fd;
}

static struct lines *open_lines(const char *name)
{
        struct lines *lines;

        assert_int_equal(lines_open(open_built(name), &lines), 0);
        return lines;
}

/* The value of a label among the symbols of one section; 0 = it is not there. */
static uint64_t find_label(const uint8_t *file, const Elf64_Shdr *sections, const Elf64_Shdr *section,
                           const char *label)
{
        const Elf64_Sym *symbols = (const void *)(file + section->sh_offset);
        const char *names = (const char *)file + sections[section->sh_link].sh_offset;

        for (size_t i = 0; i < section->sh_size / sizeof(*symbols); i++)
                if (strcmp(names + symbols[i].st_name, label) == 0)
                        return symbols[i].st_value;
        return 0;
}

/* The address of a label in a file that was linked here. */
static uint64_t address_of(const char *name, const char *label)
{
        int fd CLEANUP_CLOSE = open_built(name);
        off_t n = lseek(fd, 0, SEEK_END);
        const uint8_t *file = mmap(NULL, (size_t)n, PROT_READ, MAP_PRIVATE, fd, 0);
        const Elf64_Shdr *sections;
        uint64_t value = 0;

        assert_true(file != MAP_FAILED);
        sections = (const void *)(file + ((const Elf64_Ehdr *)(const void *)file)->e_shoff);
        for (size_t i = 0; value == 0 && i < ((const Elf64_Ehdr *)(const void *)file)->e_shnum; i++)
                if (sections[i].sh_type == SHT_SYMTAB)
                        value = find_label(file, sections, &sections[i], label);
        (void)munmap((void *)(uintptr_t)file, (size_t)n);
        assert_int_not_equal(value, 0);
        return value;
}

static void same_string(const char *a, const char *b)
{
        assert_true(!a == !b);
        if (a)
                assert_string_equal(a, b);
}

static void expect_lines(struct lines *lines, uint64_t vaddr, const struct source_line *expected, size_t n)
{
        struct source_line found[LINES_MAX_INLINED];

        assert_int_equal(lines_find(lines, vaddr, found), n);
        for (size_t i = 0; i < n; i++) {
                same_string(found[i].function, expected[i].function);
                same_string(found[i].file, expected[i].file);
                assert_int_equal(found[i].line, expected[i].line);
        }
}

static void expect_places(struct lines *lines, const char *addresses_of, const struct expected *places, size_t n)
{
        for (size_t i = 0; i < n; i++)
                expect_lines(lines, address_of(addresses_of, places[i].label), places[i].lines, places[i].n);
}

/* Of 37 the outermost but the last are left out, and no line is a neighbour's. */
static void expect_deep(struct lines *lines, const char *addresses_of)
{
        struct source_line expected[LINES_MAX_INLINED];
        char names[LINES_MAX_INLINED][16];

        for (uint32_t i = 0; i < LINES_MAX_INLINED; i++) {
                (void)snprintf(names[i], sizeof(names[i]), "deep_%u", i);
                expected[i] = (struct source_line){names[i], "/src/deep.c", 200 + i};
        }
        expected[LINES_MAX_INLINED - 1] = (struct source_line){"deep", "/src/deep.c", 200 + DEEPEST + 1};
        expect_lines(lines, address_of(addresses_of, "at_deep"), expected, LINES_MAX_INLINED);
}

static void expect_all(const char *name, const char *addresses_of, const struct expected *lambda)
{
        struct lines *lines CLOSE_LINES = open_lines(name);

        for (int round = 0; round < 2; round++) {
                expect_places(lines, addresses_of, in_c, ARRAY_SIZE(in_c));
                expect_places(lines, addresses_of, elsewhere, ARRAY_SIZE(elsewhere));
                expect_places(lines, addresses_of, lambda, 1);
                expect_deep(lines, addresses_of);
                expect_lines(lines, 0, NULL, 0);
                expect_lines(lines, UINT64_MAX, NULL, 0);
        }
        assert_false(lines_is_full(lines));
}

static void test_gcc_4(void **state)
{
        expect_all("gcc-4", "gcc-4", &gcc_lambda);
}

static void test_gcc_5(void **state)
{
        expect_all("gcc-5", "gcc-5", &gcc_lambda);
}

static void test_clang_4(void **state)
{
        expect_all("clang-4", "clang-4", &clang_lambda);
}

static void test_clang_5(void **state)
{
        expect_all("clang-5", "clang-5", &clang_lambda);
}

static void test_separate_file(void **state)
{
        expect_all("gcc-5.debug", "gcc-5", &gcc_lambda);
}

static void test_compressed(void **state)
{
        expect_all("gcc-5-compressed", "gcc-5", &gcc_lambda);
        expect_all("gcc-4-compressed-gnu", "gcc-4", &gcc_lambda);
}

static void test_no_aranges(void **state)
{
        expect_all("gcc-5-no-aranges", "gcc-5", &gcc_lambda);
}

/* The functions are still known, and which lines call. */
static void test_no_line_table(void **state)
{
        static const struct source_line leaf[] = {{"leaf", NULL, 0}, {"middle", NULL, 18}, {"outer", NULL, 53}};
        struct lines *lines CLOSE_LINES = open_lines("gcc-5-no-lines");

        expect_lines(lines, address_of("gcc-5", "at_leaf"), leaf, ARRAY_SIZE(leaf));
        expect_lines(lines, address_of("gcc-5", "at_plain"), NULL, 0);
}

/* The functions are in a .dwo file, which is not opened although it is there. */
static void test_split(void **state)
{
        static const struct source_line leaf = {NULL, "/src/leaf.h", 5};
        struct lines *lines CLOSE_LINES = open_lines("gcc-split");

        expect_lines(lines, address_of("gcc-split", "at_leaf"), &leaf, 1);
}

static void test_hostile(void **state)
{
        static const struct {
                const char *label;
                uint64_t offset;
                struct source_line lines[2];
                size_t n;
        } places[] = {
                {"at_alt", 0, {{0}}, 0},
                {"at_alt", 32, {{NULL, NULL, 0}, {"named_here", NULL, 0}}, 2},
                {"at_nested", 63, {{"nested", NULL, 0}}, 1},
                {"at_loop", 0, {{"loop", NULL, 0}}, 1},
                {"at_origin", 0, {{NULL, NULL, 0}, {"origin", NULL, 0}}, 2},
                {"at_wide", 0, {{0}}, 0},
        };
        struct lines *lines CLOSE_LINES = open_lines("hostile");

        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                expect_lines(lines, address_of("hostile", places[i].label) + places[i].offset, places[i].lines,
                             places[i].n);
}

static int open_bytes(const void *bytes, size_t n, struct lines **ret)
{
        int fd = memfd_create("lines", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, bytes, n, 0), n);
        return lines_open(fd, ret);
}

static void test_refused(void **state)
{
        struct lines *const unset = (struct lines *)(uintptr_t)1;
        struct lines *lines = unset;
        uint8_t elf[4096];
        int fd CLEANUP_CLOSE = open_built("gcc-5");

        assert_int_equal(lines_open(open_built("gcc-5-stripped"), &lines), -ENODATA);
        assert_int_equal(open_bytes("", 0, &lines), -EBADMSG);
        assert_int_equal(open_bytes("#!/bin/sh\n", 10, &lines), -EBADMSG);
        assert_int_equal(pread(fd, elf, sizeof(elf), 0), sizeof(elf));
        assert_int_equal(open_bytes(elf, sizeof(elf), &lines), -ENODATA); /* the section headers are cut off */
        elf[16] = 1;                                                      /* ET_REL */
        assert_int_equal(open_bytes(elf, sizeof(elf), &lines), -EBADMSG);
        elf[16] = 4; /* ET_CORE */
        assert_int_equal(open_bytes(elf, sizeof(elf), &lines), -EBADMSG);
        assert_int_equal(lines_open(-1, &lines), -EBADMSG);
        assert_ptr_equal(lines, unset);
        assert_null(lines_close(NULL));
}

/* A descriptor is taken, whatever comes of it. */
static void test_descriptor(void **state)
{
        int fd = open_built("gcc-5"), bad = open_built("gcc-5-stripped");
        struct lines *lines;

        assert_int_equal(lines_open(bad, &lines), -ENODATA);
        assert_int_equal(fcntl(bad, F_GETFD), -1);
        assert_int_equal(lines_open(fd, &lines), 0);
        assert_true(lines_bytes(lines) > 1000);
        assert_null(lines_close(lines));
        assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static bool answers_in_sandbox(int fd, int hostile, uint64_t at_leaf, uint64_t at_alt)
{
        struct source_line found[LINES_MAX_INLINED];
        struct lines *lines;

        if (sandbox_enter(SANDBOX_ENGINE) < 0 || lines_open(fd, &lines) < 0 || lines_find(lines, at_leaf, found) != 3 ||
            strcmp(found[1].function, "middle") != 0 || found[1].line != 18)
                return false;
        (void)lines_close(lines);
        if (lines_open(hostile, &lines) < 0 || lines_find(lines, at_alt, found) != 0)
                return false;
        (void)lines_close(lines);
        return true;
}

/* With the engine's system calls alone: what libdw would like to open besides must not matter. */
static void test_sandboxed(void **state)
{
        uint64_t at_leaf = address_of("gcc-5-compressed", "at_leaf"), at_alt = address_of("hostile", "at_alt");
        int fd CLEANUP_CLOSE = open_built("gcc-5-compressed"), hostile CLEANUP_CLOSE = open_built("hostile");
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(answers_in_sandbox(fd, hostile, at_leaf, at_alt) ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* Every byte of the debug information, one after the other, turned over: whatever is found, it comes back. */
static void test_flipped_bytes(void **state)
{
        static uint8_t file[256 * 1024];
        int fd CLEANUP_CLOSE = open_built("gcc-5-no-aranges");
        ssize_t n = pread(fd, file, sizeof(file), 0);
        const uint64_t at_leaf = address_of("gcc-5", "at_leaf"), at_push = address_of("gcc-5", "at_push");
        size_t n_opened = 0;

        assert_true(n > 0 && n < (ssize_t)sizeof(file));
        for (ssize_t i = 12288; i < n; i += 3) {
                struct source_line found[LINES_MAX_INLINED];
                struct lines *lines = NULL;

                file[i] ^= 0xff;
                if (open_bytes(file, (size_t)n, &lines) == 0) {
                        n_opened++;
                        assert_true(lines_find(lines, at_leaf, found) <= LINES_MAX_INLINED);
                        assert_true(lines_find(lines, at_push, found) <= LINES_MAX_INLINED);
                }
                (void)lines_close(lines);
                file[i] ^= 0xff;
        }
        assert_true(n_opened > 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_gcc_4),         cmocka_unit_test(test_gcc_5),
                cmocka_unit_test(test_clang_4),       cmocka_unit_test(test_clang_5),
                cmocka_unit_test(test_separate_file), cmocka_unit_test(test_compressed),
                cmocka_unit_test(test_no_aranges),    cmocka_unit_test(test_no_line_table),
                cmocka_unit_test(test_split),         cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_refused),       cmocka_unit_test(test_descriptor),
                cmocka_unit_test(test_sandboxed),     cmocka_unit_test(test_flipped_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
