/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is foreseen, case by case, over states of a page that are written down as pagemap and smaps show them. That the
 * answers are true is tested on a live machine (tests/live/walk.c); here are also the states that none can be put into.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/proc/access.h"

#define START UINT64_C(0x7f0000000000)
#define PAGE UINT64_C(4096)

struct scene {
        struct smaps_map map, below, above;
        struct access_facts facts;
};

static struct scene *scene(const char *perms, const char *path, const char *flags)
{
        static struct scene s;

        s = (struct scene){.map = {.start = START, .end = START + 16 * PAGE, .path = path, .flags = flags}};
        memcpy(s.map.perms, perms, sizeof(s.map.perms));
        s.map.inode = path[0] == '/' ? 7 : 0;
        s.facts = (struct access_facts){
                .address = START + PAGE + 5,
                .n_levels = 4,
                .map = &s.map,
                .has_flags = true,
                .has_page = true,
                .is_zero = KNOWN_NO,
                .is_huge = KNOWN_NO,
                .is_cached = NOT_KNOWN,
                .is_dirty = NOT_KNOWN,
                .stack_limit_bytes = 8 << 20,
                .guard_gap_bytes = 256 * PAGE,
        };
        return &s;
}

/* "works", "zero-fill", "SIGSEGV SEGV_ACCERR access-denied", two with " | " between, "first > " in front. */
static const char *told(const struct scene *s, enum access access)
{
        static char text[256];
        struct access_answer answer;
        size_t n = 0;

        memset(&answer, 0xff, sizeof(answer));
        access_foresee(&s->facts, access, &answer);
        assert_non_null(answer.why);
        assert_true(answer.n_ways == 1 || (answer.n_ways == 2 && answer.evidence == EVIDENCE_INFERRED));
        text[0] = '\0';
        if (answer.first != CAUSE_UNKNOWN)
                n += (size_t)snprintf(text, sizeof(text), "%s > ", cause_text(answer.first));
        for (unsigned int i = 0; i < answer.n_ways; i++) {
                const struct access_way *way = &answer.ways[i];

                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", i ? " | " : "");
                if (way->what == FORESEEN_SIGNAL)
                        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s %s", way->signal, way->code,
                                              cause_text(way->cause));
                else
                        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s",
                                              way->what == FORESEEN_FAULT ? cause_text(way->cause)
                                                                          : foreseen_text(way->what));
        }
        return text;
}

static void expect(const struct scene *s, const char *read, const char *write, const char *exec)
{
        assert_string_equal(told(s, ACCESS_READ), read);
        assert_string_equal(told(s, ACCESS_WRITE), write);
        assert_string_equal(told(s, ACCESS_EXEC), exec);
}

#define DENIED "SIGSEGV SEGV_ACCERR access-denied"
#define NOT_MAPPED "SIGSEGV SEGV_MAPERR unmapped"

static void test_anonymous(void **state)
{
        struct scene *s = scene("rw-p", "", "rd wr mr mw me ac");

        expect(s, "zero-page", "zero-fill", "zero-page > " DENIED);
        s->facts.page.present = true;
        s->facts.is_zero = KNOWN_YES;
        expect(s, "works", "zero-fill", DENIED);
        s->facts.is_zero = KNOWN_NO;
        expect(s, "works", "cow-copy", DENIED);
        s->facts.is_zero = NOT_KNOWN;
        expect(s, "works", "zero-fill | cow-copy", DENIED);
        s->facts.page.exclusive = true;
        expect(s, "works", "works | cow-reuse", DENIED);
        s->facts.page.write_protected = true;
        expect(s, "works", "userfault", DENIED);
}

/* The kernel calls the huge page of zeros a file's. */
static void test_huge_page_of_zeros(void **state)
{
        struct scene *s = scene("rw-p", "", "hg");

        s->facts.page = (struct pagemap_page){.present = true, .file_or_shared = true};
        s->facts.is_zero = KNOWN_YES;
        expect(s, "works", "zero-fill", DENIED);
}

static void test_swap(void **state)
{
        struct scene *s = scene("rw-p", "[heap]", "");

        s->facts.page.swapped = true;
        s->facts.has_swap = true;
        expect(s, "swap-in", "swap-in", "swap-in > " DENIED);
        s->facts.has_swap = false;
        expect(s, "unknown", "unknown", "unknown");
        s->facts.page = (struct pagemap_page){.marked = true};
        expect(s, "unknown", "unknown", "unknown");
        s->facts.page = (struct pagemap_page){.guard = true};
        expect(s, "SIGSEGV SEGV_MAPERR guard-page", "SIGSEGV SEGV_MAPERR guard-page", "SIGSEGV SEGV_MAPERR guard-page");
}

static void test_permissions(void **state)
{
        struct scene *s = scene("r-xp", "", "");

        s->facts.page = (struct pagemap_page){.present = true, .exclusive = true};
        expect(s, "works", DENIED, "works");
        memcpy(s->map.perms, "---p", 5);
        expect(s, DENIED, DENIED, DENIED);
        s->facts.page.present = false;
        expect(s, DENIED, DENIED, DENIED);
        memcpy(s->map.perms, "-w-p", 5);
        expect(s, "zero-page", "zero-fill", "zero-page > " DENIED);
        memcpy(s->map.perms, "--xp", 5);
        expect(s, "zero-page", DENIED, "zero-page");
        s->facts.has_protection_keys = true;
        expect(s, "SIGSEGV SEGV_PKUERR access-denied", DENIED, "zero-page");
}

static void test_guard_map(void **state)
{
        struct scene *s = scene("---p", "", "");

        s->above = (struct smaps_map){
                .start = s->map.end, .end = s->map.end + PAGE, .perms = "rw-p", .path = "", .flags = ""};
        s->facts.above = &s->above;
        expect(s, "SIGSEGV SEGV_ACCERR guard-page", "SIGSEGV SEGV_ACCERR guard-page", "SIGSEGV SEGV_ACCERR guard-page");
        s->above.start += PAGE; /* a gap between */
        expect(s, DENIED, DENIED, DENIED);
}

static void test_private_file(void **state)
{
        struct scene *s = scene("rw-p", "/lib/x.so", "");

        s->facts.has_file = true;
        s->facts.file_bytes = 100 * PAGE;
        expect(s, "file-minor | file-major", "file-cow | file-major", "file-minor > " DENIED);
        s->facts.is_cached = KNOWN_YES;
        expect(s, "file-minor", "file-cow", "file-minor > " DENIED);
        s->facts.is_cached = KNOWN_NO;
        expect(s, "file-major", "file-major", "file-major > " DENIED);
        s->facts.page = (struct pagemap_page){.present = true, .file_or_shared = true};
        expect(s, "works", "file-cow", DENIED);
        s->facts.page = (struct pagemap_page){.present = true, .exclusive = true};
        expect(s, "works", "works | cow-reuse", DENIED);
}

static void test_shared_file(void **state)
{
        struct scene *s = scene("rw-s", "/var/x", "sh");

        expect(s, "file-minor | file-major", "mkwrite | file-major", "file-minor > " DENIED);
        s->facts.is_cached = KNOWN_YES;
        expect(s, "file-minor", "mkwrite", "file-minor > " DENIED);
        s->facts.page = (struct pagemap_page){.present = true, .file_or_shared = true};
        expect(s, "works", "works | mkwrite", DENIED);
        s->facts.is_dirty = KNOWN_NO;
        expect(s, "works", "mkwrite", DENIED);
        s->facts.is_dirty = KNOWN_YES;
        expect(s, "works", "works | mkwrite", DENIED);
}

static void test_end_of_file(void **state)
{
        struct scene *s = scene("rw-s", "/var/x", "sh");

        s->map.offset = 3 * PAGE;
        s->facts.has_file = true;
        s->facts.is_cached = KNOWN_YES;
        s->facts.file_bytes = 4 * PAGE; /* the address is on the fifth page */
        assert_true(access_beyond_end(&s->facts));
        expect(s, "SIGBUS BUS_ADRERR beyond-eof", "SIGBUS BUS_ADRERR beyond-eof", "SIGBUS BUS_ADRERR beyond-eof");
        s->facts.file_bytes++; /* one byte of it, and zeros behind */
        assert_false(access_beyond_end(&s->facts));
        expect(s, "file-minor", "mkwrite", "file-minor > " DENIED);
        memcpy(s->map.perms, "r--s", 5);
        s->facts.file_bytes--;
        expect(s, "SIGBUS BUS_ADRERR beyond-eof", DENIED, "SIGBUS BUS_ADRERR beyond-eof");
}

static void test_shared_memory(void **state)
{
        static const char *const paths[] = {"/memfd:x", "/SYSV00000000", "/dev/zero", "[anon_shmem:x]"};

        for (size_t i = 0; i < 4; i++) {
                struct scene *s = scene("rw-s", paths[i], "sh");

                expect(s, "shmem", "shmem", "shmem > " DENIED);
                s->facts.has_swap = true;
                expect(s, "shmem | swap-in", "shmem | swap-in", "shmem > " DENIED);
                s->map.has_amounts = true; /* and none of it swapped */
                expect(s, "shmem", "shmem", "shmem > " DENIED);
                s->facts.page = (struct pagemap_page){.present = true, .file_or_shared = true};
                expect(s, "works", "works", DENIED);
        }
        struct scene *s = scene("rw-p", "/run/x", "");

        s->facts.file_is_shmem = true;
        expect(s, "shmem", "file-cow", "shmem > " DENIED);
        s = scene("rw-p", "/dev/zero", ""); /* private: plain memory */
        expect(s, "zero-page", "zero-fill", "zero-page > " DENIED);
}

static void test_hugetlb(void **state)
{
        struct scene *s = scene("rw-p", "/anon_hugepage", "rd wr ht");

        expect(s, "hugetlb | SIGBUS BUS_ADRERR unknown", "hugetlb | SIGBUS BUS_ADRERR unknown", "hugetlb > " DENIED);
        s->facts.page = (struct pagemap_page){.present = true, .exclusive = true};
        expect(s, "works", "works | hugetlb", DENIED);
        s->facts.page.exclusive = false;
        expect(s, "works", "hugetlb", DENIED);
}

static void test_userfault(void **state)
{
        struct scene *s = scene("rw-p", "", "rd wr um");

        expect(s, "userfault", "userfault", "userfault > " DENIED);
        s->facts.page = (struct pagemap_page){.present = true, .exclusive = true};
        expect(s, "works", "works | cow-reuse", DENIED);
        s = scene("rw-s", "/memfd:x", "ui");
        expect(s, "userfault", "userfault", "userfault > " DENIED);
}

static void test_kernel_maps(void **state)
{
        struct scene *s = scene("r-xp", "[vdso]", "");

        expect(s, "file-minor", DENIED, "file-minor");
        s = scene("r--p", "[vvar]", "rd pf");
        expect(s, "unknown", DENIED, DENIED);
        s = scene("rw-s", "anon_inode:[io_uring]", "rd wr sh mr mw me ms de dd mm");
        s->facts.page = (struct pagemap_page){.present = true, .file_or_shared = true, .exclusive = true};
        s->facts.is_dirty = KNOWN_NO; /* no file system waits to hear of a write */
        expect(s, "works", "works", DENIED);
}

static void test_not_allowed_to_look(void **state)
{
        struct scene *s = scene("rw-p", "", "");

        s->facts.has_page = false;
        expect(s, "unknown", "unknown", DENIED);
}

/* --- without a map --- */

static struct scene *hole(uint64_t address, const char *flags_above)
{
        struct scene *s = scene("rw-p", "", "");

        s->below = (struct smaps_map){.start = START, .end = START + PAGE, .perms = "rw-p", .path = "", .flags = ""};
        s->above = (struct smaps_map){.start = START + (1 << 20) * PAGE,
                                      .end = START + ((1 << 20) + 33) * PAGE,
                                      .perms = "rw-p",
                                      .path = "[stack]",
                                      .flags = flags_above};
        s->facts.map = NULL;
        s->facts.has_page = false;
        s->facts.below = &s->below;
        s->facts.above = &s->above;
        s->facts.address = address;
        return s;
}

static void test_unmapped(void **state)
{
        struct scene *s = hole(START + 100 * PAGE, "");

        expect(s, NOT_MAPPED, NOT_MAPPED, NOT_MAPPED);
        s->facts.above = s->facts.below = NULL;
        expect(s, NOT_MAPPED, NOT_MAPPED, NOT_MAPPED);
}

static void test_stack_growth(void **state)
{
        struct scene *s = hole(START + ((1 << 20) - 5) * PAGE, "gd");

        assert_true(access_grows(&s->facts));
        expect(s, "stack-grow", "stack-grow", "stack-grow > " DENIED);
        memcpy(s->above.perms, "rwxp", 5);
        expect(s, "stack-grow", "stack-grow", "stack-grow");
        s->facts.stack_limit_bytes = 38 * PAGE; /* from its end down to the page: exactly so much */
        assert_true(access_grows(&s->facts));
        s->facts.stack_limit_bytes--;
        assert_false(access_grows(&s->facts));
        expect(s, "SIGSEGV SEGV_MAPERR stack-overflow", "SIGSEGV SEGV_MAPERR stack-overflow",
               "SIGSEGV SEGV_MAPERR stack-overflow");
        s->facts.address -= 20 * PAGE; /* so far away that nobody calls it the stack's */
        expect(s, NOT_MAPPED, NOT_MAPPED, NOT_MAPPED);
        s->above.flags = "";
        assert_false(access_grows(&s->facts));
        s->facts.stack_limit_bytes = UINT64_MAX;
        s->facts.has_flags = false; /* then its name must do */
        assert_true(access_grows(&s->facts));
}

static void test_guard_gap(void **state)
{
        struct scene *s = hole(START + ((1 << 20) - 5) * PAGE, "gd");

        s->below.end = s->facts.address - s->facts.guard_gap_bytes;
        assert_true(access_grows(&s->facts));
        s->below.end += PAGE;
        assert_false(access_grows(&s->facts));
        memcpy(s->below.perms, "---p", 5); /* a guard of its own needs none */
        assert_true(access_grows(&s->facts));
}

static void test_no_address_of_a_user(void **state)
{
        struct scene *s = hole(UINT64_C(0xffffffff81000000), "");
        const char *kernel = "SIGSEGV SEGV_MAPERR kernel-address", *general = "SIGSEGV SI_KERNEL unknown";

        s->facts.above = NULL;
        expect(s, kernel, kernel, kernel);
        s->facts.address = UINT64_C(0x6b6b6b6b6b6b6b6b);
        expect(s, general, general, general);
        s->facts.address = UINT64_C(0x800000000000);
        expect(s, general, general, general);
        s->facts.address = UINT64_C(0x7ffffffff000); /* TASK_SIZE_MAX */
        expect(s, kernel, kernel, kernel);
        s->facts.address--;
        expect(s, NOT_MAPPED, NOT_MAPPED, NOT_MAPPED);
        s->facts.address = UINT64_C(0x800000000000);
        s->facts.n_levels = 5;
        expect(s, NOT_MAPPED, NOT_MAPPED, NOT_MAPPED);
}

static void test_vsyscall(void **state)
{
        struct scene *s = scene("--xp", "[vsyscall]", "ex");

        s->map.start = UINT64_C(0xffffffffff600000);
        s->map.end = s->map.start + PAGE;
        s->facts.address = s->map.start;
        expect(s, "SIGSEGV SEGV_MAPERR kernel-address", "SIGSEGV SEGV_MAPERR kernel-address",
               "unknown | SIGSEGV SEGV_MAPERR kernel-address");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_anonymous),
                cmocka_unit_test(test_huge_page_of_zeros),
                cmocka_unit_test(test_swap),
                cmocka_unit_test(test_permissions),
                cmocka_unit_test(test_guard_map),
                cmocka_unit_test(test_private_file),
                cmocka_unit_test(test_shared_file),
                cmocka_unit_test(test_end_of_file),
                cmocka_unit_test(test_shared_memory),
                cmocka_unit_test(test_hugetlb),
                cmocka_unit_test(test_userfault),
                cmocka_unit_test(test_kernel_maps),
                cmocka_unit_test(test_not_allowed_to_look),
                cmocka_unit_test(test_unmapped),
                cmocka_unit_test(test_stack_growth),
                cmocka_unit_test(test_guard_gap),
                cmocka_unit_test(test_no_address_of_a_user),
                cmocka_unit_test(test_vsyscall),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
