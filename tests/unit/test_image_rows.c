/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the unwind tables of real files are found: the same rows by every way that leads to them, and none by others.
 */
#include "tests/unit/elf_fixture.h"

#include <elf.h>
#include <errno.h>

#include "tests/unit/cfi_writer.h"

static void image_cleanup(struct image **image)
{
        *image = image_free(*image);
}
#define IMAGE CLEANUP(image_cleanup)

static int compile(const char *name, struct rows **ret)
{
        int fd CLEANUP_CLOSE = fixture_open(name);

        return image_compile_rows(fd, ret);
}

/* At every address of the image's code, and a little around it. */
static void check_same(const char *name, const struct rows *left, const struct rows *right)
{
        struct image *image IMAGE = NULL;
        int fd CLEANUP_CLOSE = fixture_open(name);

        assert_int_equal(image_load(fd, &image), 0);
        assert_int_equal(rows_count(left), rows_count(right));
        for (size_t i = 0; i < image_count_segments(image); i++) {
                const struct image_segment *segment = image_segment_at(image, i);

                for (uint64_t addr = segment->vaddr - 16; addr < segment->vaddr + segment->memory_bytes + 16; addr++) {
                        struct row a, b;

                        rows_find(left, addr, &a);
                        rows_find(right, addr, &b);
                        assert_int_equal(a.kind, b.kind);
                        assert_int_equal(a.cfa_offset, b.cfa_offset);
                        assert_int_equal(a.bp_saved, b.bp_saved);
                        assert_int_equal(a.bp_offset, b.bp_offset);
                }
        }
}

static uint64_t address_of(const char *name, const char *symbol)
{
        struct fixture *fixture CLEANUP_FREE = fixture_describe(name);
        const struct fixture_symbol *found = fixture_symbol(fixture, symbol);

        assert_non_null(found);
        return found->value;
}

/* Where a function begins, its return address is all that is on the stack; _start has none. */
static void check_entries(const char *name, const char *function, const char *outermost)
{
        struct rows *rows ROWS = NULL;
        struct row row;

        assert_int_equal(compile(name, &rows), 0);
        rows_find(rows, address_of(name, function), &row);
        assert_int_equal(row.kind, ROW_SP);
        assert_int_equal(row.cfa_offset, 8);
        assert_false(row.bp_saved);
        if (!outermost)
                return;
        rows_find(rows, address_of(name, outermost), &row);
        assert_int_equal(row.kind, ROW_END);
}

static void test_entries(void **state)
{
        check_entries("pie", "main", "_start");
        check_entries("shared_pages", "main", "_start");
        check_entries("fixed", "main", "_start");
        check_entries("static", "main", "_start");
}

static void test_debug_frame_only(void **state)
{
        check_entries("debug_frame", "_start", NULL);
}

static void test_memory(void **state)
{
        struct rows *rows ROWS = NULL, *from_memory ROWS = NULL;
        size_t n;
        uint8_t *bytes CLEANUP_FREE = fixture_read("library", &n);

        assert_int_equal(compile("library", &rows), 0);
        assert_int_equal(image_compile_rows_memory(bytes, n, &from_memory), 0);
        check_same("library", rows, from_memory);
}

static void test_without_section_headers(void **state)
{
        static const char *const names[][2] = {{"library", "library_headless"},
                                               {"library_sysv", "library_sysv_headless"}};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                struct rows *rows ROWS = NULL, *headless ROWS = NULL;

                assert_int_equal(compile(names[i][0], &rows), 0);
                assert_int_equal(compile(names[i][1], &headless), 0);
                check_same(names[i][0], rows, headless);
        }
}

static Elf64_Phdr *find_segment(uint8_t *bytes, uint32_t type)
{
        Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;
        Elf64_Phdr *segments = (Elf64_Phdr *)(bytes + header->e_phoff);

        for (size_t i = 0; i < header->e_phnum; i++)
                if (segments[i].p_type == type)
                        return &segments[i];
        fail_msg("the file has no segment of type %u", type);
        return NULL;
}

/* Whatever the way to .eh_frame says, where there are no section headers. */
static void test_damaged_index(void **state)
{
        size_t n;
        uint8_t *bytes CLEANUP_FREE = fixture_read("library_headless", &n);
        Elf64_Phdr *segment = find_segment(bytes, PT_GNU_EH_FRAME);
        uint8_t *head = bytes + segment->p_offset;
        const Elf64_Phdr was = *segment;
        struct rows *rows = NULL;

        head[0] = 2; /* another version */
        assert_int_equal(image_compile_rows_memory(bytes, n, &rows), -ENODATA);
        head[0] = 1;
        head[1] = 0x3b; /* another encoding */
        assert_int_equal(image_compile_rows_memory(bytes, n, &rows), -ENODATA);
        head[1] = 0x1b;
        memset(head + 4, 0x7f, 4); /* far outside */
        assert_int_equal(image_compile_rows_memory(bytes, n, &rows), -ENODATA);
        segment->p_filesz = 7;
        assert_int_equal(image_compile_rows_memory(bytes, n, &rows), -ENODATA);
        *segment = was;
        segment->p_offset = UINT64_MAX - 3;
        assert_int_equal(image_compile_rows_memory(bytes, n, &rows), -ENODATA);
        *segment = was;
        segment->p_type = PT_NULL;
        assert_int_equal(image_compile_rows_memory(bytes, n, &rows), -ENODATA);
        assert_null(rows);
}

static void test_others(void **state)
{
        size_t n;
        uint8_t *bytes CLEANUP_FREE = fixture_read("library", &n);
        Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;
        struct rows *rows = NULL;

        assert_int_equal(compile("tiny32", &rows), -ENODATA);
        assert_int_equal(compile("pie.debug", &rows), -ENODATA); /* it has the sections, without contents */
        header->e_machine = EM_AARCH64;
        assert_int_equal(image_compile_rows_memory(bytes, n, &rows), -ENODATA);
        header->e_ident[0] = 0;
        assert_int_equal(image_compile_rows_memory(bytes, n, &rows), -ENOEXEC);
        assert_int_equal(image_compile_rows_memory(NULL, 0, &rows), -ENOEXEC);
        assert_null(rows);
}

static void test_cut_anywhere(void **state)
{
        size_t n;
        uint8_t *bytes CLEANUP_FREE = fixture_read("library_headless", &n);

        for (size_t cut = 0; cut < n; cut += 64) {
                uint8_t *copy CLEANUP_FREE = malloc(MAX_OF(cut, (size_t)1));
                struct rows *rows ROWS = NULL;
                int r;

                assert_non_null(copy);
                memcpy(copy, bytes, cut);
                r = image_compile_rows_memory(copy, cut, &rows);
                assert_true(r == 0 || r == -ENODATA || r == -ENOEXEC || r == -EBADMSG);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_entries),       cmocka_unit_test(test_debug_frame_only),
                cmocka_unit_test(test_memory),        cmocka_unit_test(test_without_section_headers),
                cmocka_unit_test(test_damaged_index), cmocka_unit_test(test_others),
                cmocka_unit_test(test_cut_anywhere),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
