/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page about one address, byte for byte (FAULTLINE_GOLDEN_UPDATE=1 in the environment writes the golden files
 * anew), and the object, field by field. The answers are those of access.c for the same facts.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/escape.h"
#include "client/view_walk.h"
#include "tests/unit/golden.h"
#include "tests/unit/text_lines.h"

static const struct smaps_map text_map = {.start = 0x7f3a12228000,
                                          .end = 0x7f3a1237e000,
                                          .offset = 0x28000,
                                          .perms = "r-xp",
                                          .inode = 42,
                                          .path = "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                          .flags = "rd ex mr mw me"};
static const struct smaps_map anon_map = {
        .start = 0x7f3a00000000, .end = 0x7f3a10021000, .perms = "rw-p", .path = "", .flags = "rd wr mr mw me ac hg"};
static const struct smaps_map hostile_map = {.start = 0x400000,
                                             .end = 0x401000,
                                             .perms = "rw-s",
                                             .inode = 7,
                                             .path = "/tmp/evil\033[31m\xe2\x80\xae name",
                                             .is_deleted = true,
                                             .flags = "rd wr sh mr mw me ms"};

static void foresee(struct walk *walk)
{
        access_foresee(&walk->facts, ACCESS_READ, &walk->read);
        access_foresee(&walk->facts, ACCESS_WRITE, &walk->write);
        access_foresee(&walk->facts, ACCESS_EXEC, &walk->exec);
}

/* Code of a library, looked at by root. */
static struct walk walk_of_code(void)
{
        struct walk walk = {
                .pid = 4711,
                .comm = "redis-server",
                .asked = "malloc+12",
                .facts = {.address = 0x7f3a12299942,
                          .n_levels = 4,
                          .map = &text_map,
                          .has_flags = true,
                          .has_page = true,
                          .page = {.present = true, .file_or_shared = true, .has_frame = true, .frame = 0x103feb},
                          .is_zero = KNOWN_NO,
                          .is_huge = KNOWN_NO,
                          .has_file = true,
                          .file_bytes = 0x1d6458,
                          .is_cached = KNOWN_YES,
                          .is_dirty = KNOWN_NO},
                .image = text_map.path,
                .section = ".text",
                .symbol = "malloc",
                .symbol_offset = 0x12,
                .has_file_offset = true,
                .file_offset = 0x99942,
                .page_bytes = 4096,
                .has_frame_flags = true,
                .frame_flags = 0x86c,
                .has_frame_count = true,
                .frame_count = 22};

        foresee(&walk);
        return walk;
}

/* A huge page, looked at by its owner: no frame. */
static struct walk walk_of_huge(void)
{
        struct walk walk = {.pid = 4711,
                            .comm = "java",
                            .asked = "7f3a00345678",
                            .facts = {.address = 0x7f3a00345678,
                                      .n_levels = 4,
                                      .map = &anon_map,
                                      .has_flags = true,
                                      .has_page = true,
                                      .page = {.present = true, .exclusive = true},
                                      .is_zero = KNOWN_NO,
                                      .is_huge = KNOWN_YES,
                                      .is_cached = NOT_KNOWN,
                                      .is_dirty = NOT_KNOWN},
                            .page_bytes = 2 << 20,
                            .lacks = {[WALK_LACKS_FRAME] = true, [WALK_LACKS_FLAGS] = true}};

        foresee(&walk);
        return walk;
}

/* Five levels, nothing mapped, two neighbours, a number that somebody may have meant as decimal. */
static struct walk walk_of_gap(void)
{
        struct walk walk = {.pid = 1,
                            .comm = "systemd",
                            .asked = "4198400",
                            .read_as_hex = true,
                            .facts = {.address = 0x4198400,
                                      .n_levels = 5,
                                      .below = &hostile_map,
                                      .above = &anon_map,
                                      .has_flags = true,
                                      .is_zero = NOT_KNOWN,
                                      .is_huge = NOT_KNOWN,
                                      .is_cached = NOT_KNOWN,
                                      .is_dirty = NOT_KNOWN,
                                      .guard_gap_bytes = 1 << 20}};

        foresee(&walk);
        return walk;
}

/* Names that are not meant well, and no right to look at anything. */
static struct walk walk_of_hostile(void)
{
        struct walk walk = {.pid = 99,
                            .comm = "x\nread    works",
                            .asked = "\033[2J",
                            .facts = {.address = 0x400010,
                                      .n_levels = 4,
                                      .map = &hostile_map,
                                      .is_zero = NOT_KNOWN,
                                      .is_huge = NOT_KNOWN,
                                      .is_cached = NOT_KNOWN,
                                      .is_dirty = NOT_KNOWN},
                            .image = hostile_map.path,
                            .section = ".te\txt",
                            .symbol = "f\033]0;title\a",
                            .has_file_offset = true,
                            .file_offset = 0x10,
                            .lacks = {true, true, true, true, true, true, true}};

        foresee(&walk);
        return walk;
}

static const struct {
        const char *name;
        struct walk (*make)(void);
} pages[] = {
        {"code", walk_of_code},
        {"huge", walk_of_huge},
        {"gap", walk_of_gap},
        {"hostile", walk_of_hostile},
};

static void test_pages(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
                struct walk walk = pages[i].make();
                CLEANUP_TEXT struct text out = {0};

                view_walk_put_text(&out, &walk, 0, false);
                assert_false(out.failed);
                assert_golden_text(&out, "view_walk_%s", pages[i].name);
        }
}

static void test_narrow_and_coloured(void **state)
{
        struct walk walk = walk_of_hostile();
        CLEANUP_TEXT struct text out = {0};

        view_walk_put_text(&out, &walk, 60, false);
        assert_golden_text(&out, "view_walk_hostile_60");
        out.n_bytes = 0;
        walk = walk_of_code();
        view_walk_put_text(&out, &walk, 80, true);
        assert_golden_text(&out, "view_walk_code_colour");
}

/* No line is wider than the terminal, but for single words that are; and the words are those of the unbroken page. */
static void test_widths(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
                for (unsigned int width = 60; width <= 200; width++) {
                        struct walk walk = pages[i].make();
                        CLEANUP_TEXT struct text out = {0};

                        view_walk_put_text(&out, &walk, width, false);
                        assert_true(assert_lines_fit(&out, width) > 0);
                }
}

static void expect_line(const struct walk *walk, const char *line)
{
        CLEANUP_TEXT struct text out = {0};

        view_walk_put_text(&out, walk, 0, false);
        text_put_char(&out, '\0');
        assert_false(out.failed);
        assert_non_null(strstr(out.data, line));
}

/* [vsyscall] is no neighbour of what a program can map, and the last page of the lower half is not its. */
static void test_end_of_user_space(void **state)
{
        static const struct smaps_map vsyscall = {.start = 0xffffffffff600000,
                                                  .end = 0xffffffffff601000,
                                                  .perms = "--xp",
                                                  .path = "[vsyscall]",
                                                  .flags = "ex"};
        struct walk walk = walk_of_gap();

        walk.facts.n_levels = 4;
        walk.facts.below = &anon_map;
        walk.facts.above = &vsyscall;
        walk.facts.address = 0x7fffffffefff;
        foresee(&walk);
        expect_line(&walk,
                    "\n  map     none; 791.7 GiB behind the end of 0x7f3a00000000-0x7f3a10021000 rw-p anonymous\n");
        expect_line(&walk, "\n  read    SIGSEGV SEGV_MAPERR (unmapped): nothing is mapped here\n");
        walk.facts.address++;
        foresee(&walk);
        expect_line(&walk, "\n  map     none: the last page of this half of the addresses is the kernel's\n");
        expect_line(&walk, "\n  read    SIGSEGV SEGV_MAPERR (kernel-address): the address is the kernel's\n");
}

/* The kernel does not count who maps it: 0 would contradict the line above. */
static void test_page_of_zeros(void **state)
{
        struct walk walk = walk_of_huge();

        walk.facts.is_zero = KNOWN_YES;
        walk.facts.page.has_frame = walk.has_frame_count = true;
        walk.facts.page.frame = 0x3b34;
        expect_line(&walk, "\n  frame   0x3b34, physical address 0x3b34678\n");
}

static json_t *object_of(const struct walk *walk)
{
        CLEANUP_TEXT struct text out = {0};
        json_t *object;

        view_walk_put_json(&out, walk);
        assert_false(out.failed);
        assert_int_equal(out.data[out.n_bytes - 1], '\n');
        assert_ptr_equal(memchr(out.data, '\n', out.n_bytes), out.data + out.n_bytes - 1);
        object = json_loadb(out.data, out.n_bytes, 0, NULL);
        assert_non_null(object);
        return object;
}

/* The parts of an object against its JSON text, keys sorted. */
static void expect_part(const json_t *object, const char *key, const char *expected)
{
        CLEANUP_FREE char *text =
                json_dumps(json_object_get(object, key), JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

        assert_non_null(text);
        assert_string_equal(text, expected);
}

static void test_json_of_code(void **state)
{
        struct walk walk = walk_of_code();
        json_t *object = object_of(&walk);

        expect_part(object, "type", "\"walk\"");
        expect_part(object, "pid", "4711");
        expect_part(object, "comm", "\"redis-server\"");
        expect_part(object, "asked", "\"malloc+12\"");
        expect_part(object, "addr", "\"0x7f3a12299942\"");
        expect_part(object, "page_offset", "2370");
        expect_part(object, "levels",
                    "[{\"covers_bytes\":549755813888,\"high_bit\":47,\"index\":254,\"low_bit\":39,\"name\":\"PGD\"},"
                    "{\"covers_bytes\":1073741824,\"high_bit\":38,\"index\":232,\"low_bit\":30,\"name\":\"PUD\"},"
                    "{\"covers_bytes\":2097152,\"high_bit\":29,\"index\":145,\"low_bit\":21,\"name\":\"PMD\"},"
                    "{\"covers_bytes\":4096,\"high_bit\":20,\"index\":153,\"low_bit\":12,\"name\":\"PTE\"}]");
        expect_part(
                object, "map",
                "{\"end\":\"0x7f3a1237e000\",\"flags\":\"rd ex mr mw me\",\"offset\":163840,"
                "\"path\":\"/usr/lib/x86_64-linux-gnu/libc.so.6\",\"perms\":\"r-xp\",\"start\":\"0x7f3a12228000\"}");
        expect_part(object, "place",
                    "{\"file_bytes\":1926232,\"file_offset\":629058,\"image\":\"/usr/lib/x86_64-linux-gnu/libc.so.6\","
                    "\"offset\":18,\"section\":\".text\",\"symbol\":\"malloc\"}");
        expect_part(
                object, "page",
                "{\"cached\":true,\"dirty\":false,\"exclusive\":false,\"file_or_shared\":true,\"frame\":1064939,"
                "\"frame_flags\":[\"referenced\",\"uptodate\",\"lru\",\"active\",\"mmap\"],\"guard\":false,"
                "\"huge\":false,\"level\":\"PTE\",\"map_count\":22,\"marked\":false,\"page_size\":4096,"
                "\"present\":true,\"soft_dirty\":false,\"swapped\":false,\"write_protected\":false,\"zero\":false}");
        expect_part(object, "read", "{\"evidence\":\"measured\",\"result\":\"works\",\"why\":\"the page is present\"}");
        expect_part(object, "write",
                    "{\"cause\":\"access-denied\",\"evidence\":\"measured\",\"result\":\"signal\","
                    "\"si_code\":\"SEGV_ACCERR\",\"signal\":\"SIGSEGV\",\"why\":\"the map is not writable\"}");
        expect_part(object, "exec", "{\"evidence\":\"measured\",\"result\":\"works\",\"why\":\"the page is present\"}");
        expect_part(object, "missing", "[]");
        json_decref(object);
}

static void test_json_of_others(void **state)
{
        struct walk walk = walk_of_huge();
        json_t *object = object_of(&walk);

        expect_part(object, "page_offset", "1332856");
        expect_part(json_object_get(object, "page"), "level", "\"PMD\"");
        expect_part(json_object_get(object, "page"), "huge", "true");
        assert_null(json_object_get(json_object_get(object, "page"), "frame"));
        assert_null(json_object_get(json_object_get(object, "page"), "cached"));
        expect_part(json_object_get(object, "write"), "or", "{\"cause\":\"cow-reuse\",\"result\":\"fault\"}");
        assert_int_equal(json_array_size(json_object_get(object, "missing")), 2);
        expect_part(json_array_get(json_object_get(object, "missing"), 0), "what", "\"frame\"");
        json_decref(object);

        walk = walk_of_gap();
        object = object_of(&walk);
        assert_int_equal(json_array_size(json_object_get(object, "levels")), 5);
        assert_null(json_object_get(object, "map"));
        assert_null(json_object_get(object, "page"));
        expect_part(json_object_get(object, "below"), "deleted", "true");
        expect_part(json_object_get(object, "above"), "start", "\"0x7f3a00000000\"");
        json_decref(object);

        walk = walk_of_hostile();
        object = object_of(&walk);
        expect_part(object, "comm", "\"x\\nread    works\"");
        assert_int_equal(json_array_size(json_object_get(object, "missing")), N_WALK_LACKS);
        json_decref(object);
}

/* Where the way through the tables ends, by the size of the page. */
static void test_leaf(void **state)
{
        struct walk walk = walk_of_huge();

        assert_string_equal(view_walk_leaf(&walk), "PMD");
        assert_int_equal(view_walk_offset_bits(&walk), 21);
        walk.page_bytes = UINT64_C(1) << 30;
        assert_string_equal(view_walk_leaf(&walk), "PUD");
        assert_int_equal(view_walk_offset_bits(&walk), 30);
        walk.page_bytes = 0; /* not known */
        assert_null(view_walk_leaf(&walk));
        assert_int_equal(view_walk_offset_bits(&walk), 12);
        walk.page_bytes = 2 << 20;
        walk.facts.page.present = false;
        assert_null(view_walk_leaf(&walk));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pages),
                cmocka_unit_test(test_narrow_and_coloured),
                cmocka_unit_test(test_widths),
                cmocka_unit_test(test_json_of_code),
                cmocka_unit_test(test_json_of_others),
                cmocka_unit_test(test_leaf),
                cmocka_unit_test(test_end_of_user_space),
                cmocka_unit_test(test_page_of_zeros),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
