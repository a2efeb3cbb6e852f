/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text of smaps and maps as structs: every field of real lines, what makes no sense, and bytes gone wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/proc/smaps.h"

#define KIB UINT64_C(1024)

/* As Linux 6.18 writes it, with numbers that are all different. */
static const char full[] =
        "00400000-00452000 r-xp 00001000 fe:00 173521                             /usr/bin/a program\n"
        "Size:                328 kB\n"
        "KernelPageSize:        4 kB\n"
        "MMUPageSize:           8 kB\n"
        "Rss:                   1 kB\n"
        "Pss:                   2 kB\n"
        "Pss_Dirty:             3 kB\n"
        "Shared_Clean:          5 kB\n"
        "Shared_Dirty:          6 kB\n"
        "Private_Clean:         7 kB\n"
        "Private_Dirty:         9 kB\n"
        "Referenced:           10 kB\n"
        "Anonymous:            11 kB\n"
        "KSM:                  12 kB\n"
        "LazyFree:             13 kB\n"
        "AnonHugePages:        14 kB\n"
        "ShmemPmdMapped:       15 kB\n"
        "FilePmdMapped:        16 kB\n"
        "Shared_Hugetlb:       17 kB\n"
        "Private_Hugetlb:      18 kB\n"
        "Swap:                 19 kB\n"
        "SwapPss:              20 kB\n"
        "Locked:               21 kB\n"
        "THPeligible:           1\n"
        "ProtectionKey:        22\n"
        "SomethingNewer:     junk\n"
        "VmFlags: rd ex mr mw me gd \n"
        "7ffd23e9e000-7ffd23ebf000 rw-p 00000000 00:00 0                          [stack]\n"
        "Rss:                   8 kB\n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

static void parse(const char *text, struct smaps *ret)
{
        assert_int_equal(smaps_parse(text, strlen(text), ret), 0);
}

static void test_every_field(void **state)
{
        static const uint64_t kib[N_SMAPS_AMOUNTS] = {
                [SMAPS_RSS] = 1,
                [SMAPS_PSS] = 2,
                [SMAPS_PSS_DIRTY] = 3,
                [SMAPS_KERNEL_PAGE] = 4,
                [SMAPS_SHARED_CLEAN] = 5,
                [SMAPS_SHARED_DIRTY] = 6,
                [SMAPS_PRIVATE_CLEAN] = 7,
                [SMAPS_MMU_PAGE] = 8,
                [SMAPS_PRIVATE_DIRTY] = 9,
                [SMAPS_REFERENCED] = 10,
                [SMAPS_ANONYMOUS] = 11,
                [SMAPS_KSM] = 12,
                [SMAPS_LAZY_FREE] = 13,
                [SMAPS_ANON_HUGE] = 14,
                [SMAPS_SHMEM_HUGE] = 15,
                [SMAPS_FILE_HUGE] = 16,
                [SMAPS_SHARED_HUGETLB] = 17,
                [SMAPS_PRIVATE_HUGETLB] = 18,
                [SMAPS_SWAP] = 19,
                [SMAPS_SWAP_PSS] = 20,
                [SMAPS_LOCKED] = 21,
        };
        struct smaps smaps;
        const struct smaps_map *map;

        parse(full, &smaps);
        assert_int_equal(smaps.n_maps, 3);
        map = &smaps.maps[0];
        assert_int_equal(map->start, 0x400000);
        assert_int_equal(map->end, 0x452000);
        assert_int_equal(map->offset, 0x1000);
        assert_string_equal(map->perms, "r-xp");
        assert_int_equal(map->major, 0xfe);
        assert_int_equal(map->minor, 0);
        assert_int_equal(map->inode, 173521);
        assert_string_equal(map->path, "/usr/bin/a program");
        assert_false(map->is_deleted);
        assert_true(map->has_amounts);
        for (unsigned int i = 0; i < N_SMAPS_AMOUNTS; i++) {
                assert_true(smaps_knows(map, i));
                assert_int_equal(map->amounts[i], kib[i] * KIB);
        }
        assert_true(map->knows_thp_eligible && map->is_thp_eligible);
        assert_true(map->knows_protection_key);
        assert_int_equal(map->protection_key, 22);
        assert_string_equal(map->flags, "rd ex mr mw me gd");
        smaps_free(&smaps);
        assert_null(smaps.maps);
        assert_null(smaps.text);
}

static void test_what_was_not_told(void **state)
{
        struct smaps smaps;

        parse(full, &smaps);
        assert_int_equal(smaps.maps[1].known, UINT32_C(1) << SMAPS_RSS);
        assert_true(smaps.maps[1].has_amounts);
        assert_false(smaps.maps[1].knows_thp_eligible);
        assert_false(smaps.maps[1].knows_protection_key);
        assert_string_equal(smaps.maps[1].flags, "");
        assert_false(smaps.maps[2].has_amounts);
        assert_int_equal(smaps.maps[2].known, 0);
        assert_int_equal(smaps.maps[2].start, UINT64_C(0xffffffffff600000));
        assert_string_equal(smaps.maps[2].perms, "--xp");
        smaps_free(&smaps);
}

static void test_paths(void **state)
{
        static const struct {
                const char *written, *path;
                bool is_deleted, is_anonymous;
        } cases[] = {
                {"", "", false, true},
                {"                          [heap]", "[heap]", false, true},
                {"                          [stack]", "[stack]", false, true},
                {"                          [anon:a name]", "[anon:a name]", false, true},
                {"                          [vdso]", "[vdso]", false, false},
                {"                          [stack]x", "[stack]x", false, false},
                {" /a/b (deleted)", "/a/b", true, false},
                {" / (deleted)", "/", true, false},
                {" /a (deleted) (deleted)", "/a (deleted)", true, false},
                {" (deleted)", "(deleted)", false, false},
                {" /memfd:x\\012y\\z (deleted)", "/memfd:x\\012y\\z", true, false},
                {" anon_inode:[perf_event]", "anon_inode:[perf_event]", false, false},
                {" /a\x1b[31m\xff", "/a\x1b[31m\xff", false, false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char text[256];
                struct smaps smaps;

                (void)snprintf(text, sizeof(text), "1000-2000 rw-p 00000000 00:00 0 %s\n", cases[i].written);
                parse(text, &smaps);
                assert_int_equal(smaps.n_maps, 1);
                assert_string_equal(smaps.maps[0].path, cases[i].path);
                assert_int_equal(smaps.maps[0].is_deleted, cases[i].is_deleted);
                assert_int_equal(smaps_is_anonymous(&smaps.maps[0]), cases[i].is_anonymous);
                smaps_free(&smaps);
        }
}

static void test_anonymous_is_private_and_of_no_file(void **state)
{
        struct smaps smaps;

        parse("1000-2000 rw-s 00000000 00:00 0 \n"
              "2000-3000 rw-p 00000000 00:01 7 \n",
              &smaps);
        assert_false(smaps_is_anonymous(&smaps.maps[0]));
        assert_false(smaps_is_anonymous(&smaps.maps[1]));
        smaps_free(&smaps);
}

static void test_widest_numbers(void **state)
{
        struct smaps smaps;

        parse("0-ffffffffffffffff rwxs ffffffffffffffff ffffffff:ffffffff 18446744073709551615\n"
              "Rss:  18014398509481983 kB\n",
              &smaps);
        assert_int_equal(smaps.maps[0].end, UINT64_MAX);
        assert_int_equal(smaps.maps[0].offset, UINT64_MAX);
        assert_int_equal(smaps.maps[0].major, UINT32_MAX);
        assert_int_equal(smaps.maps[0].minor, UINT32_MAX);
        assert_int_equal(smaps.maps[0].inode, UINT64_MAX);
        assert_int_equal(smaps.maps[0].amounts[SMAPS_RSS], UINT64_MAX - 1023);
        smaps_free(&smaps);
}

static void test_nothing(void **state)
{
        struct smaps smaps;
        const struct smaps_map *next;

        parse("", &smaps);
        assert_int_equal(smaps.n_maps, 0);
        assert_null(smaps_find(&smaps, 0, &next));
        assert_null(next);
        smaps_free(&smaps);
}

static void test_no_such_text(void **state)
{
        static const char *const texts[] = {
                "Rss: 4 kB\n",                                 /* of no map */
                "1000-2000 rw-p 00000000 00:00 0",             /* cut */
                "1000-2000 rw-p 00000000 00:00\n",             /* no inode */
                "1000-2000 rw-p 00000000 00:00 x\n",           /* no number */
                "1000-2000 rw-p 00000000 00:00 1x\n",          /* not separated */
                "1000-2000 rw-  00000000 00:00 0\n",           /* permissions */
                "1000-2000 wr-p 00000000 00:00 0\n",           /* in another order */
                "1000-2000 rw-p 00000000 100000000:00 0\n",    /* more than a device has */
                "10000000000000000-2 rw-p 00000000 00:00 0\n", /* more than an address has */
                "1000-2000 rw-p 00000000 00:00 18446744073709551616\n",
                "2000-2000 rw-p 00000000 00:00 0\n",                   /* empty */
                "2000-1000 rw-p 00000000 00:00 0\n",                   /* backwards */
                "1000-2000 rw-p 0 0:0 0\n1fff-3000 rw-p 0 0:0 0\n",    /* overlapping */
                "2000-3000 rw-p 0 0:0 0\n1000-2000 rw-p 0 0:0 0\n",    /* going back */
                "1000-2000 rw-p 0 0:0 0\nRss 4 kB\n",                  /* no colon */
                "1000-2000 rw-p 0 0:0 0\nRss: 4\n",                    /* no unit */
                "1000-2000 rw-p 0 0:0 0\nRss: kB\n",                   /* no number */
                "1000-2000 rw-p 0 0:0 0\nRss: 18014398509481984 kB\n", /* more bytes than there are */
                "1000-2000 rw-p 0 0:0 0\n\n",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                struct smaps smaps = {.n_maps = 7};

                assert_int_equal(smaps_parse(texts[i], strlen(texts[i]), &smaps), -EBADMSG);
                assert_int_equal(smaps.n_maps, 7);
        }
        assert_int_equal(smaps_parse("1000-2000 rw-p 0 0:0 0 /a\0b\n", 28, &(struct smaps){0}), -EBADMSG);
}

static void test_find(void **state)
{
        struct smaps smaps;
        const struct smaps_map *next;

        parse("1000-2000 rw-p 0 0:0 0\n"
              "2000-3000 rw-p 0 0:0 0\n"
              "5000-6000 rw-p 0 0:0 0\n",
              &smaps);
        assert_null(smaps_find(&smaps, 0xfff, &next));
        assert_ptr_equal(next, &smaps.maps[0]);
        assert_ptr_equal(smaps_find(&smaps, 0x1000, &next), &smaps.maps[0]);
        assert_ptr_equal(next, &smaps.maps[1]);
        assert_ptr_equal(smaps_find(&smaps, 0x1fff, NULL), &smaps.maps[0]);
        assert_ptr_equal(smaps_find(&smaps, 0x2000, NULL), &smaps.maps[1]);
        assert_null(smaps_find(&smaps, 0x3000, &next));
        assert_ptr_equal(next, &smaps.maps[2]);
        assert_null(smaps_find(&smaps, 0x4fff, NULL));
        assert_ptr_equal(smaps_find(&smaps, 0x5fff, &next), &smaps.maps[2]);
        assert_null(next);
        assert_null(smaps_find(&smaps, 0x6000, &next));
        assert_null(next);
        assert_null(smaps_find(&smaps, UINT64_MAX, &next));
        smaps_free(&smaps);
}

static void test_flags(void **state)
{
        struct smaps smaps;

        parse(full, &smaps);
        assert_true(smaps_has_flag(&smaps.maps[0], "rd"));
        assert_true(smaps_has_flag(&smaps.maps[0], "gd"));
        assert_false(smaps_has_flag(&smaps.maps[0], "wr"));
        assert_false(smaps_has_flag(&smaps.maps[0], "d "));
        assert_false(smaps_has_flag(&smaps.maps[1], "rd"));
        smaps_free(&smaps);
}

/* Every beginning of a text is one, if it ends with a line, or is refused. */
static void test_cut_anywhere(void **state)
{
        for (size_t n = 0; n < sizeof(full); n++) {
                bool is_whole = n == 0 || full[n - 1] == '\n';
                struct smaps smaps = {0};

                assert_int_equal(smaps_parse(full, n, &smaps), is_whole ? 0 : -EBADMSG);
                smaps_free(&smaps);
        }
}

/* Bytes gone wrong: an answer that keeps its promises, or none. What it reads beyond is for the sanitizers to see. */
static void test_bytes_gone_wrong(void **state)
{
        uint64_t random = 0x853c49e6748fea9b;
        unsigned int n_parsed = 0;

        for (unsigned int round = 0; round < 20000; round++) {
                char text[sizeof(full)];
                struct smaps smaps;

                memcpy(text, full, sizeof(text));
                for (unsigned int i = 0; i < 2; i++) {
                        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
                        text[(random >> 33) % (sizeof(text) - 1)] = (char)(random >> 24);
                }
                if (smaps_parse(text, sizeof(text) - 1, &smaps) < 0)
                        continue;
                n_parsed++;
                for (size_t i = 0; i < smaps.n_maps; i++) {
                        assert_true(smaps.maps[i].start < smaps.maps[i].end);
                        assert_true(i == 0 || smaps.maps[i - 1].end <= smaps.maps[i].start);
                        assert_non_null(smaps.maps[i].path);
                        assert_non_null(smaps.maps[i].flags);
                }
                smaps_free(&smaps);
        }
        assert_in_range(n_parsed, 1000, 19000);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_field),
                cmocka_unit_test(test_what_was_not_told),
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_anonymous_is_private_and_of_no_file),
                cmocka_unit_test(test_widest_numbers),
                cmocka_unit_test(test_nothing),
                cmocka_unit_test(test_no_such_text),
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_flags),
                cmocka_unit_test(test_cut_anywhere),
                cmocka_unit_test(test_bytes_gone_wrong),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
