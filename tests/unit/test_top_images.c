/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sections and names for the picture of an address space, of a process that knows where everything is: this one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "client/top_images.h"

#define PAGE 4096

static char in_bss[3 * PAGE];
static const char in_rodata[64] = "constant";
static char in_data[64] = "initial";

static int read_maps(struct smaps *ret)
{
        CLEANUP(process_close) struct process process = {.folder_fd = -1};
        int r = process_open(getpid(), &process);

        return r < 0 ? r : process_smaps(&process, false, ret);
}

/* Several calls: each has a limit of time. */
static struct space_mark *fetch_all(struct top_images *images, const struct smaps *smaps, size_t *ret_n_marks)
{
        struct space_mark *marks = NULL, *more;
        int r;

        while ((r = top_images_sections(images, getpid(), smaps, &more, ret_n_marks)) > 0) {
                free(marks);
                marks = more;
        }
        assert_int_equal(r, 0);
        assert_non_null(marks);
        return marks;
}

static const char *section_of(const struct space_mark *marks, size_t n_marks, const void *address)
{
        uint64_t at = (uint64_t)(uintptr_t)address;

        for (size_t i = 0; i < n_marks; i++)
                if (marks[i].start <= at && at < marks[i].end)
                        return marks[i].name;
        return "";
}

static void test_sections(void **unused)
{
        CLEANUP(smaps_free) struct smaps smaps = {0};
        CLEANUP(top_images_free) struct top_images images = {.n_seen = 0};
        CLEANUP_FREE struct space_mark *marks = NULL;
        struct space_mark *again;
        size_t n_marks, n_again;

        assert_int_equal(read_maps(&smaps), 0);
        marks = fetch_all(&images, &smaps, &n_marks);
        assert_string_equal(section_of(marks, n_marks, (const void *)(uintptr_t)test_sections), ".text");
        assert_string_equal(section_of(marks, n_marks, in_rodata), ".rodata");
        assert_string_equal(section_of(marks, n_marks, in_data), ".data");
        assert_string_equal(section_of(marks, n_marks, in_bss), ".bss");
        assert_string_equal(section_of(marks, n_marks, in_bss + sizeof(in_bss) - 1), ".bss");
        assert_string_equal(section_of(marks, n_marks, &smaps), "");
        assert_int_equal(top_images_sections(&images, getpid(), &smaps, &again, &n_again), 0);
        smaps.maps[smaps.n_maps - 1].end += PAGE; /* something is another: they are told again */
        assert_int_equal(top_images_sections(&images, getpid(), &smaps, &again, &n_again), 1);
        assert_int_equal(n_again, n_marks);
        free(again);
}

static void assert_name(struct top_images *images, const void *address, const char *expected)
{
        CLEANUP_TEXT struct text name = {0};

        assert_int_equal(top_images_name(images, getpid(), (uint64_t)(uintptr_t)address, true, &name), 0);
        text_put_char(&name, '\0');
        assert_string_equal(name.data, expected);
}

static void test_names(void **unused)
{
        CLEANUP(top_images_free) struct top_images images = {.n_seen = 0};
        void *anonymous = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        assert_true(anonymous != MAP_FAILED);
        assert_name(&images, (const void *)(uintptr_t)test_names, "test_top_images .text test_names+0x0");
        assert_name(&images, in_bss + PAGE, "test_top_images .bss in_bss+0x1000");
        assert_name(&images, in_rodata + 3, "test_top_images .rodata in_rodata+0x3");
        assert_name(&images, anonymous, "");
        assert_name(&images, NULL, "");
        assert_int_equal(munmap(anonymous, PAGE), 0);
}

static void test_no_such_process(void **unused)
{
        CLEANUP(top_images_free) struct top_images images = {.n_seen = 0};
        CLEANUP_TEXT struct text name = {0};
        struct smaps none = {.n_maps = 0};
        struct space_mark *marks;
        size_t n_marks;

        assert_int_equal(top_images_sections(&images, INT32_MAX, &none, &marks, &n_marks), -ESRCH);
        assert_int_equal(top_images_name(&images, INT32_MAX, 0, true, &name), -ESRCH);
        assert_int_equal(name.n_bytes, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sections),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_no_such_process),
        };

        in_data[1] = in_bss[1] = 1; /* or the compiler might do without them */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
