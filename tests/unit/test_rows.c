/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of tables written by hand, as text: "10 sp+8; 12 bp+16 bp-16" says what describes the addresses from CFI_CODE +
 * 0x10 and from CFI_CODE + 0x12 on; and of damaged tables, which must come back.
 */
#include "tests/unit/cfi_writer.h"

#include <errno.h>
#include <stdio.h>

#define DUMP_BYTES 4096

static void print_row(const struct row *row, char *ret, size_t n)
{
        static const char *const names[] = {
                [ROW_NONE] = "none", [ROW_SP] = "sp",         [ROW_BP] = "bp",   [ROW_BP_AT] = "*bp",
                [ROW_PLT] = "plt",   [ROW_SIGNAL] = "signal", [ROW_END] = "end", [ROW_COMPLEX] = "complex",
        };
        bool has_cfa = row->kind == ROW_SP || row->kind == ROW_BP || row->kind == ROW_BP_AT || row->kind == ROW_PLT;
        int at = snprintf(ret, n, has_cfa ? "%s%+d" : "%s", names[row->kind], row->cfa_offset);

        assert_true(has_cfa || row->cfa_offset == 0);
        assert_true(row->bp_saved ? row->bp_offset < 0 : row->bp_offset == 0);
        if (row->bp_saved)
                (void)snprintf(ret + at, n - (size_t)at, " bp%+d", row->bp_offset);
}

/* Every change between CFI_CODE - 1 and n_bytes behind CFI_CODE. */
static const char *dump(const struct rows *rows, uint64_t n_bytes)
{
        static char text[DUMP_BYTES];
        char last[64] = "none";
        size_t at = 0;

        text[0] = '\0';
        for (uint64_t addr = CFI_CODE - 1; addr <= CFI_CODE + n_bytes; addr++) {
                struct row row;
                char now[64];

                rows_find(rows, addr, &row);
                print_row(&row, now, sizeof(now));
                if (strcmp(now, last) != 0)
                        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%x %s", at ? "; " : "",
                                               (unsigned int)(addr - CFI_CODE), now);
                strcpy(last, now);
        }
        return text;
}

/* The rows of one function with these instructions. */
static void check_with(const char *letters, const void *instructions, size_t n, const char *want)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *rows ROWS = NULL;
        size_t common = begin_common(&writer, 1, letters, -8);

        put_bytes(&writer, "\x01\x1b", 2);
        put_entry_state(&writer);
        end_entry(&writer);
        put_function(&writer, common, CFI_CODE, CFI_CODE_BYTES, instructions, n);
        assert_int_equal(compile_eh_frame(&writer, &rows), 0);
        assert_string_equal(dump(rows, CFI_CODE_BYTES), want);
}
#define CHECK(instructions, want) check_with("zR", instructions, sizeof(instructions) - 1, want)

static void test_location(void **state)
{
        CHECK("", "0 sp+8; 20 none");
        CHECK("\x41\x0e\x10", "0 sp+8; 1 sp+16; 20 none");
        CHECK("\x02\x02\x0e\x10", "0 sp+8; 2 sp+16; 20 none");
        CHECK("\x03\x03\x00\x0e\x10", "0 sp+8; 3 sp+16; 20 none");
        CHECK("\x04\x04\x00\x00\x00\x0e\x10", "0 sp+8; 4 sp+16; 20 none");
        CHECK("\x40\x0e\x10\x02\x00\x0e\x18", "0 sp+24; 20 none");         /* by nothing */
        CHECK("\x41\x0e\x10\x5f\x0e\x18", "0 sp+8; 1 sp+16; 20 none");     /* to its end */
        CHECK("\x41\x0e\x10\x7f\x0e\x18\xff", "0 sp+8; 1 sp+16; 20 none"); /* beyond it: what follows is not read */
        CHECK("\x04\xff\xff\xff\xff\x0e\x10", "0 sp+8; 20 none");
        CHECK("\x41\x0e\x10\x41\x0e\x10\x41\x0e\x08\x41", "0 sp+8; 1 sp+16; 3 sp+8; 20 none");
}

static void test_set_loc(void **state)
{
        static const struct {
                uint64_t to;
                const char *want;
        } cases[] = {{CFI_CODE + 5, "0 sp+8; 5 sp+16; 20 none"},
                     {CFI_CODE, "0 sp+16; 20 none"},
                     {CFI_CODE - 1, "0 complex; 20 none"},
                     {CFI_CODE + 0x1000, "0 sp+8; 20 none"}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct cfi_writer writer CFI_WRITER = {0};
                struct rows *rows ROWS = NULL;
                uint8_t instructions[7] = {0x01, 0, 0, 0, 0, 0x0e, 0x10};
                size_t common = put_common(&writer);
                /* Of the address: length, CIE, start, size, augmentation and the instruction come before it. */
                uint32_t distance = (uint32_t)(cases[i].to - (CFI_VADDR + writer.n_bytes + 18));

                memcpy(instructions + 1, &distance, sizeof(distance));
                put_function(&writer, common, CFI_CODE, CFI_CODE_BYTES, instructions, sizeof(instructions));
                assert_int_equal(compile_eh_frame(&writer, &rows), 0);
                assert_string_equal(dump(rows, CFI_CODE_BYTES), cases[i].want);
        }
}

static void test_cfa(void **state)
{
        CHECK("\x0c\x06\x10", "0 bp+16; 20 none");
        CHECK("\x12\x06\x7e", "0 bp+16; 20 none"); /* times -8 */
        CHECK("\x0d\x06", "0 bp+8; 20 none");
        CHECK("\x0e\x80\x01", "0 sp+128; 20 none");
        CHECK("\x13\x7e", "0 sp+16; 20 none");
        CHECK("\x13\x02", "0 sp-16; 20 none");
        CHECK("\x0c\x0a\x00", "0 complex; 20 none");                         /* r10 */
        CHECK("\x0c\x03\x10", "0 complex; 20 none");                         /* rbx */
        CHECK("\x0c\x87\x02\x10", "0 complex; 20 none");                     /* register 263 is not register 7 */
        CHECK("\x0e\x0c", "0 complex; 20 none");                             /* not in words */
        CHECK("\x0e\xf8\xff\x0f", "0 sp+262136; 20 none");                   /* the largest */
        CHECK("\x0e\x80\x80\x10", "0 complex; 20 none");                     /* a word more */
        CHECK("\x0e\x80\x80\x80\x80\x10\x41\x0e\x10", "0 complex; 20 none"); /* 2^32, and it is lost */
        CHECK("\x0f\x02\x77\x08", "0 sp+8; 20 none");                        /* breg7 8, a register and an offset */
        CHECK("\x0f\x02\x30\x06\x0d\x06", "0 complex; 20 none");             /* the register of what has none */
        CHECK("\x0f\x02\x30\x06\x0e\x10", "0 complex; 20 none");             /* the offset likewise */
}

static void test_rbp(void **state)
{
        CHECK("\x41\x0e\x10\x86\x02\x43\x0d\x06\x5a\x0c\x07\x08",
              "0 sp+8; 1 sp+16 bp-16; 4 bp+16 bp-16; 1e sp+8 bp-16; 20 none");
        CHECK("\x05\x06\x02", "0 sp+8 bp-16; 20 none");
        CHECK("\x11\x06\x02", "0 sp+8 bp-16; 20 none");
        CHECK("\x11\x06\x7e", "0 complex; 20 none"); /* above the CFA */
        CHECK("\x2f\x06\x7e", "0 complex; 20 none");
        CHECK("\x86\x00", "0 complex; 20 none");           /* at the CFA */
        CHECK("\x86\xff\x3f", "0 sp+8 bp-65528; 20 none"); /* the farthest */
        CHECK("\x86\x80\x40", "0 complex; 20 none");       /* a word more */
        CHECK("\x86\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "0 complex; 20 none");
        CHECK("\x86\x02\x41\x07\x06", "0 sp+8 bp-16; 1 sp+8; 20 none"); /* undefined: taken as unchanged */
        CHECK("\x86\x02\x41\x08\x06", "0 sp+8 bp-16; 1 sp+8; 20 none");
        CHECK("\x86\x02\x41\xc6", "0 sp+8 bp-16; 1 sp+8; 20 none");
        CHECK("\x86\x02\x41\x06\x06", "0 sp+8 bp-16; 1 sp+8; 20 none");
        CHECK("\x09\x06\x03", "0 complex; 20 none");         /* in rbx */
        CHECK("\x10\x06\x02\x77\x08", "0 complex; 20 none"); /* where an expression says */
        CHECK("\x16\x06\x02\x77\x08", "0 complex; 20 none"); /* what an expression says */
        CHECK("\x14\x06\x02", "0 complex; 20 none");
        CHECK("\x15\x06\x02", "0 complex; 20 none");
}

static void test_other_registers(void **state)
{
        CHECK("\x83\x02\x05\x11\x03\x09\x03\x0a\x10\x03\x01\x30\x07\x0c\xc3\x2e\x10", "0 sp+8; 20 none");
        CHECK("\x08\x07", "0 complex; 20 none"); /* a stack pointer that is not the CFA */
        CHECK("\x87\x02", "0 complex; 20 none");
        CHECK("\x90\x02", "0 complex; 20 none"); /* the return address elsewhere */
        CHECK("\x09\x10\x02", "0 complex; 20 none");
        CHECK("\x90\x02\x41\xd0", "0 complex; 1 sp+8; 20 none");
        CHECK("\x07\x10", "0 end; 20 none");
        CHECK("\x41\x07\x10\x41\x0c\x0a\x08\x41\xd0", "0 sp+8; 1 end; 3 complex; 20 none");
}

static void test_remember(void **state)
{
        CHECK("\x41\x0e\x10\x86\x02\x0a\x42\x0c\x07\x08\xc6\x41\x0b",
              "0 sp+8; 1 sp+16 bp-16; 3 sp+8; 4 sp+16 bp-16; 20 none");
        CHECK("\x0a\x0e\x10\x0a\x0e\x18\x41\x0b\x41\x0b", "0 sp+24; 1 sp+16; 2 sp+8; 20 none");
        CHECK("\x41\x0b", "0 complex; 20 none"); /* what was not remembered */
        CHECK("\x0a\x0a\x0a\x0a", "0 sp+8; 20 none");
}

/* As deep as the machine remembers, and one more. */
static void test_remember_deep(void **state)
{
        static const size_t depths[] = {64, 65, 100000};

        for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
                uint8_t *instructions = malloc(depths[i]);

                assert_non_null(instructions);
                memset(instructions, 0x0a, depths[i]);
                check_with("zR", instructions, depths[i], i == 0 ? "0 sp+8; 20 none" : "0 complex; 20 none");
                free(instructions);
        }
}

static void test_expressions(void **state)
{
        /* rsp + 8 + ((rip & 15) >= 11) * 8 */
        CHECK("\x0e\x10\x46\x0e\x18\x4a\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22",
              "0 sp+16; 6 sp+24; 10 plt+8; 20 none");
        CHECK("\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3a\x2a\x33\x24\x22", "0 complex; 20 none"); /* >= 10 */
        /* The CFA at rbp - 8, rbp at rbp: a stack that was realigned. */
        CHECK("\x41\x0c\x0a\x00\x45\x10\x06\x02\x76\x00\x44\x0f\x03\x76\x78\x06",
              "0 sp+8; 1 complex; a *bp-8; 20 none");
        CHECK("\x0f\x03\x76\x78\x06", "0 complex; 20 none");                     /* rbp not known to be there */
        CHECK("\x10\x06\x02\x76\x08\x0f\x03\x76\x78\x06", "0 complex; 20 none"); /* nor there */
        CHECK("\x10\x06\x02\x76\x00\x0f\x03\x77\x78\x06", "0 complex; 20 none"); /* the CFA at rsp - 8 */
        CHECK("\x10\x06\x02\x76\x00\x0f\x04\x76\x78\x06\x96", "0 complex; 20 none");
        CHECK("\x10\x06\x02\x76\x00\x0f\x03\x76\x78\x12", "0 complex; 20 none");
        CHECK("\x0f\x00", "0 complex; 20 none");
        CHECK("\x0f\x02\x77\x88", "0 complex; 20 none"); /* a number that runs over its end */
        CHECK("\x0f\x7f\x77\x08", "0 complex; 20 none"); /* an expression that does */
}

/* What glibc writes for the code that returns from a signal handler. */
static const char signal_instructions[] = "\x0f\x04\x77\xa0\x01\x06"
                                          "\x10\x08\x02\x77\x28"
                                          "\x10\x06\x03\x77\xf8\x00"
                                          "\x10\x07\x03\x77\xa0\x01"
                                          "\x10\x10\x03\x77\xa8\x01";
#define N_SIGNAL_INSTRUCTIONS (sizeof(signal_instructions) - 1)

static void test_signal(void **state)
{
        static const size_t offsets[] = {3, 15, 21, 27}; /* of the CFA, rbp, rsp, the return address */

        check_with("zRS", signal_instructions, N_SIGNAL_INSTRUCTIONS, "0 signal; 20 none");
        check_with("zR", signal_instructions, N_SIGNAL_INSTRUCTIONS, "0 complex; 20 none");
        check_with("zRS", "", 0, "0 complex; 20 none");
        check_with("zRS", "\x07\x10", 2, "0 end; 20 none");
        for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
                char changed[N_SIGNAL_INSTRUCTIONS];

                memcpy(changed, signal_instructions, sizeof(changed));
                changed[offsets[i]] ^= 0x08;
                check_with("zRS", changed, sizeof(changed), "0 complex; 20 none");
        }
}

static void test_damaged_instructions(void **state)
{
        static const uint8_t unknown[] = {0x17, 0x1d, 0x2d, 0x30, 0x3f};

        for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
                check_with("zR", &unknown[i], 1, "0 complex; 20 none");
        CHECK("\x41\x0e\x10\x42\x0e\x18\x43\x3f", "0 complex; 20 none"); /* not only from there on */
        CHECK("\x41\x0e", "0 complex; 20 none");
        CHECK("\x03\x01", "0 complex; 20 none");
        CHECK("\x0e\x90\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", "0 complex; 20 none"); /* eleven bytes of a number */
        CHECK("\xff\xff\xff\xff\xff\xff\xff\xff", "0 sp+8; 20 none"); /* restore r63, again and again */
}

/* One FDE, of a CIE of any version and augmentation. */
static void check_common(uint8_t version, const char *letters, const void *data, size_t n_data, const void *fde,
                         size_t n_fde, const char *want)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *rows ROWS = NULL;
        int r;

        (void)begin_common(&writer, version, letters, -8);
        if (letters[0] == 'z')
                put(&writer, n_data, 1);
        put_bytes(&writer, data, n_data);
        put_entry_state(&writer);
        end_entry(&writer);
        begin_entry(&writer);
        put(&writer, writer.n_bytes, 4);
        put_bytes(&writer, fde, n_fde);
        put_bytes(&writer, "\x41\x0e\x10", 3);
        end_entry(&writer);
        r = compile_eh_frame(&writer, &rows);
        assert_int_equal(r, want ? 0 : -ENODATA);
        if (want)
                assert_string_equal(dump(rows, CFI_CODE_BYTES), want);
}
#define WANT "0 sp+8; 1 sp+16; 20 none"
#define ABSOLUTE "\x00\x10\0\0\0\0\0\0\x20\0\0\0\0\0\0\0"
#define CHECK_COMMON(version, letters, data, fde, want)                                                                \
        check_common(version, letters, data, sizeof(data) - 1, fde, sizeof(fde) - 1, want)

static void test_versions(void **state)
{
        CHECK_COMMON(1, "", "", ABSOLUTE, WANT);
        CHECK_COMMON(3, "", "", ABSOLUTE, WANT);
        CHECK_COMMON(4, "", "", ABSOLUTE, WANT);
        CHECK_COMMON(2, "", "", ABSOLUTE, NULL);
        CHECK_COMMON(5, "", "", ABSOLUTE, NULL);
}

/* Return addresses in another column than x86-64's. */
static void test_return_column(void **state)
{
        static const uint8_t columns[] = {15, 17, 30};

        for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
                struct cfi_writer writer CFI_WRITER = {0};
                struct rows *rows = NULL;
                size_t common = put_common(&writer);

                writer.bytes[common + 14] = columns[i];
                put_function(&writer, common, CFI_CODE, 4, "", 0);
                assert_int_equal(compile_eh_frame(&writer, &rows), -ENODATA);
        }
}

static void test_augmentations(void **state)
{
        CHECK_COMMON(1, "z", "", ABSOLUTE "\0", WANT);
        CHECK_COMMON(1, "zR", "\x03", "\x00\x10\0\0\x20\0\0\0\0", WANT);
        CHECK_COMMON(3, "zPLR", "\x1b\x01\x02\x03\x04\x1b\x03", "\x00\x10\0\0\x20\0\0\0\x04\x01\x02\x03\x04", WANT);
        CHECK_COMMON(1, "zPLR", "\x9b\x01\x02\x03\x04\x1b\x03", "\x00\x10\0\0\x20\0\0\0\x04\x01\x02\x03\x04", WANT);
        CHECK_COMMON(1, "zPR", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x03", "\x00\x10\0\0\x20\0\0\0\0", WANT);
        CHECK_COMMON(1, "zPR", "\x02\x01\x02\x03", "\x00\x10\0\0\x20\0\0\0\0", WANT);
        CHECK_COMMON(1, "zPR", "\x01\x81\x01\x03", "\x00\x10\0\0\x20\0\0\0\0", WANT);
        CHECK_COMMON(1, "zPR", "\xff\x03", "\x00\x10\0\0\x20\0\0\0\0", WANT);
        CHECK_COMMON(1, "zPR", "\x50\x01\x02\x03\x04\x05\x06\x07\x08\x03", "\x00\x10\0\0\x20\0\0\0\0", NULL);
        CHECK_COMMON(1, "zPR", "\x07\x03", "\x00\x10\0\0\x20\0\0\0\0", NULL);
        CHECK_COMMON(1, "zR", "\x03\x77\x77", "\x00\x10\0\0\x20\0\0\0\0", WANT); /* more than the letters say */
        CHECK_COMMON(1, "zR", "", "\x00\x10\0\0\x20\0\0\0\0", NULL);             /* less */
        CHECK_COMMON(1, "zX", "", ABSOLUTE "\0", NULL);
        CHECK_COMMON(1, "eh", "", ABSOLUTE, NULL);
        CHECK_COMMON(1, "zRRRRRRR", "", ABSOLUTE "\0", NULL);
        CHECK_COMMON(1, "z", "", ABSOLUTE "\x09", NULL); /* data that runs over the FDE's end */
}

static void test_encodings(void **state)
{
        CHECK_COMMON(1, "zR", "\x02", "\x00\x10\x20\x00\0", WANT);
        CHECK_COMMON(1, "zR", "\x0a", "\x00\x10\x20\x00\0", WANT);
        CHECK_COMMON(1, "zR", "\x03", "\x00\x10\0\0\x20\0\0\0\0", WANT);
        CHECK_COMMON(1, "zR", "\x0b", "\x00\x10\0\0\x20\0\0\0\0", WANT);
        CHECK_COMMON(1, "zR", "\x00", ABSOLUTE "\0", WANT);
        CHECK_COMMON(1, "zR", "\x04", ABSOLUTE "\0", WANT);
        CHECK_COMMON(1, "zR", "\x0c", ABSOLUTE "\0", WANT);
        CHECK_COMMON(1, "zR", "\x01", "\x80\x20\x20\0", WANT);
        CHECK_COMMON(1, "zR", "\x09", "\x80\x20\x20\0", WANT);
        CHECK_COMMON(1, "zR", "\x23", "\x00\x0b\0\0\x20\0\0\0\0", WANT); /* textrel: .text is at 0x500 */
        CHECK_COMMON(1, "zR", "\x3b", "\x00\x08\0\0\x20\0\0\0\0", WANT); /* datarel: the GOT is at 0x800 */
        CHECK_COMMON(1, "zR", "\x43", "\x00\x10\0\0\x20\0\0\0\0", NULL); /* funcrel */
        CHECK_COMMON(1, "zR", "\x50", ABSOLUTE "\0", NULL);              /* aligned */
        CHECK_COMMON(1, "zR", "\x83", "\x00\x10\0\0\x20\0\0\0\0", NULL); /* indirect */
        CHECK_COMMON(1, "zR", "\xff", ABSOLUTE "\0", NULL);
        CHECK_COMMON(1, "zR", "\x03", "\0\0\0\0\x20\0\0\0\0", NULL); /* a function that was dropped */
        CHECK_COMMON(1, "zR", "\x23", "\0\0\0\0\x20\0\0\0\0", NULL); /* likewise */
        CHECK_COMMON(1, "zR", "\x0b", "\x00\x10\0\0\x00\xe0\xff\xff\0", NULL);
        CHECK_COMMON(1, "zR", "\x03", "\x00\x10\0\0\0\0\0\0\0", NULL);         /* of no code */
        CHECK_COMMON(1, "zR", "\x0b", "\x00\x10\0\0\xff\xff\xff\xff\0", NULL); /* of less */
        CHECK_COMMON(1, "zR", "\x04", "\x00\x10\0\0\0\0\0\0\0\xf0\xff\xff\xff\xff\xff\xff\0",
                     NULL); /* around the end */
        CHECK_COMMON(1, "zR", "\x04", "\0\xff\xff\xff\xff\xff\xff\xff\0\x01\0\0\0\0\0\0\0", NULL);
}

static void test_bases_that_are_not_known(void **state)
{
        static const uint8_t encodings[] = {0x23, 0x33};

        for (size_t i = 0; i < ARRAY_SIZE(encodings); i++) {
                struct cfi_writer writer CFI_WRITER = {0};
                struct rows_source source = {0};
                struct rows *rows ROWS = NULL;

                (void)begin_common(&writer, 1, "zR", -8);
                put(&writer, 1, 1);
                put(&writer, encodings[i], 1);
                put_entry_state(&writer);
                end_entry(&writer);
                put_function(&writer, 0, CFI_CODE, CFI_CODE_BYTES, "", 0);
                source.eh_frame = (struct rows_table){writer.bytes, writer.n_bytes, CFI_VADDR};
                assert_int_equal(rows_compile(&source, &rows), -ENODATA);
                source.got_vaddr = source.text_vaddr = 1;
                assert_int_equal(rows_compile(&source, &rows), 0);
        }
}

/* .debug_frame: CIE and FDE refer by offset, addresses are absolute. */
static void put_debug_common(struct cfi_writer *writer)
{
        begin_entry(writer);
        put(writer, UINT64_MAX, writer->is_long ? 8 : 4);
        put_bytes(writer, "\x04\0\x08\0\x01\x78\x10", 7);
        put_entry_state(writer);
        end_entry(writer);
}

static void put_debug_function(struct cfi_writer *writer, uint64_t common, uint64_t start, uint64_t n_code_bytes)
{
        begin_entry(writer);
        put(writer, common, writer->is_long ? 8 : 4);
        put(writer, start, 8);
        put(writer, n_code_bytes, 8);
        put_bytes(writer, "\x41\x0e\x10", 3);
        end_entry(writer);
}

static void test_debug_frame(void **state)
{
        for (int is_long = 0; is_long < 2; is_long++) {
                struct cfi_writer writer CFI_WRITER = {.is_long = is_long};
                struct rows_source source = {0};
                struct rows *rows ROWS = NULL;
                size_t second;

                put_debug_common(&writer);
                put_debug_function(&writer, 0, CFI_CODE, 4);
                put(&writer, 0, 4);                              /* a length of 0 ends nothing here */
                put_debug_function(&writer, 0, 0, 0x100);        /* a function that was dropped */
                put_debug_function(&writer, 7, CFI_CODE + 4, 4); /* no CIE is there */
                second = writer.n_bytes + (is_long ? 12 + 8 + 16 + 3 : 4 + 4 + 16 + 3);
                put_debug_function(&writer, second, CFI_CODE + 8, 4); /* of a CIE behind it */
                put_debug_common(&writer);
                source.debug_frame = (struct rows_table){writer.bytes, writer.n_bytes, 0};
                assert_int_equal(rows_compile(&source, &rows), 0);
                assert_string_equal(dump(rows, 16), "0 sp+8; 1 sp+16; 4 none; 8 sp+8; 9 sp+16; c none");
        }
}

/* .debug_frame is not read where .eh_frame describes anything. */
static void test_eh_frame_is_first(void **state)
{
        struct cfi_writer eh CFI_WRITER = {0}, debug CFI_WRITER = {0};
        struct rows_source source = {0};
        struct rows *rows ROWS = NULL, *only_debug ROWS = NULL;

        put_function(&eh, put_common(&eh), CFI_CODE, 1, "\x0e\x40", 2);
        put_debug_common(&debug);
        put_debug_function(&debug, 0, CFI_CODE + 4, 4);
        source.eh_frame = (struct rows_table){eh.bytes, eh.n_bytes, CFI_VADDR};
        source.debug_frame = (struct rows_table){debug.bytes, debug.n_bytes, 0};
        assert_int_equal(rows_compile(&source, &rows), 0);
        assert_string_equal(dump(rows, 16), "0 sp+64; 1 none");
        memset(eh.bytes, 0, 4); /* nothing before the terminator */
        assert_int_equal(rows_compile(&source, &only_debug), 0);
        assert_string_equal(dump(only_debug, 16), "4 sp+8; 5 sp+16; 8 none");
}

static void test_terminator(void **state)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *rows ROWS = NULL;
        size_t common = put_common(&writer);

        put_function(&writer, common, CFI_CODE, 4, "", 0);
        put(&writer, 0, 4);
        put_function(&writer, common, CFI_CODE + 8, 4, "", 0);
        assert_int_equal(compile_eh_frame(&writer, &rows), 0);
        assert_string_equal(dump(rows, 16), "0 sp+8; 4 none");
}

static void test_64bit_eh_frame_is_left_out(void **state)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *rows ROWS = NULL;
        size_t common = put_common(&writer);

        put_function(&writer, common, CFI_CODE, 4, "", 0);
        writer.is_long = true;
        begin_entry(&writer);
        put(&writer, writer.n_bytes - common, 8); /* as if references were of 64 bits as well */
        put(&writer, CFI_CODE + 8 - (CFI_VADDR + writer.n_bytes), 4);
        put(&writer, 4, 4);
        put(&writer, 0, 1);
        end_entry(&writer);
        writer.is_long = false;
        put_function(&writer, common, CFI_CODE + 12, 4, "", 0);
        assert_int_equal(compile_eh_frame(&writer, &rows), 0);
        assert_string_equal(dump(rows, 16), "0 sp+8; 4 none; c sp+8; 10 none");
}

static void test_functions_together(void **state)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *rows ROWS = NULL;
        size_t common = put_common(&writer);

        put_function(&writer, common, CFI_CODE + 0x30, 8, "\x0e\x18", 2);             /* in any order */
        put_function(&writer, common, CFI_CODE, 0x18, "\x44\x0e\x10\x4c\x0e\x20", 6); /* goes on into the next */
        put_function(&writer, common, CFI_CODE + 8, 4, "\x0e\x30", 2); /* where nothing resumes behind it */
        put_function(&writer, common, CFI_CODE + 8, 8, "\x0e\x38", 2); /* the first of an address holds */
        put_function(&writer, common, CFI_CODE + 0x20, 8, "", 0);
        put_function(&writer, common, CFI_CODE + 0x28, 8, "\x44\x0e\x18", 3); /* begins and ends as its neighbours do */
        assert_int_equal(compile_eh_frame(&writer, &rows), 0);
        assert_string_equal(dump(rows, 0x40), "0 sp+8; 4 sp+16; 8 sp+48; c none; 20 sp+8; 2c sp+24; 38 none");
        assert_int_equal(rows_count(rows), 6);
}

/* Code that 32 bits do not reach is left out; what ends beyond is cut. */
static void test_far_apart(void **state)
{
        const uint64_t reach = UINT64_C(1) << 32;
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows_source source = {0};
        struct rows *rows ROWS = NULL;
        struct row row;

        put_debug_common(&writer);
        put_debug_function(&writer, 0, CFI_CODE, 4);
        put_debug_function(&writer, 0, CFI_CODE + reach - 8, UINT64_C(1) << 40);
        put_debug_function(&writer, 0, CFI_CODE + reach, 4);
        put_debug_function(&writer, 0, UINT64_MAX - 8, 4);
        source.debug_frame = (struct rows_table){writer.bytes, writer.n_bytes, 0};
        assert_int_equal(rows_compile(&source, &rows), 0);
        rows_find(rows, CFI_CODE + reach - 9, &row);
        assert_int_equal(row.kind, ROW_NONE);
        rows_find(rows, CFI_CODE + reach - 8, &row);
        assert_int_equal(row.cfa_offset, 8);
        rows_find(rows, CFI_CODE + reach - 1, &row);
        assert_int_equal(row.cfa_offset, 16);
        rows_find(rows, CFI_CODE + reach, &row);
        assert_int_equal(row.kind, ROW_NONE);
        rows_find(rows, UINT64_MAX, &row);
        assert_int_equal(row.kind, ROW_NONE);
        rows_find(rows, 0, &row);
        assert_int_equal(row.kind, ROW_NONE);
}

/* What describes an address, of many functions with gaps, found the slow way. */
static void test_find_among_many(void **state)
{
        enum { N = 20000 };
        static struct {
                uint64_t start;
                uint32_t n_bytes;
                int32_t offset;
        } want[N];
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *rows ROWS = NULL;
        size_t common = put_common(&writer);
        uint64_t addr = CFI_CODE, random = 1;
        struct row row;

        for (size_t i = 0; i < N; i++) {
                uint8_t instructions[2] = {0x0e, 0};

                random = random * UINT64_C(6364136223846793005) + 1;
                /* Dense code here, a desert there: ranges of the index with hundreds of rows, and with none. */
                want[i].start = addr + (random >> 33) % (i % 1000 == 0 ? 1000000 : 3);
                want[i].n_bytes = 1 + (uint32_t)(random >> 40) % 5;
                want[i].offset = 8 * (int32_t)(i % 15);
                addr = want[i].start + want[i].n_bytes;
                instructions[1] = (uint8_t)want[i].offset;
                put_function(&writer, common, want[i].start, want[i].n_bytes, instructions, sizeof(instructions));
        }
        assert_int_equal(compile_eh_frame(&writer, &rows), 0);
        addr = CFI_CODE - 1;
        for (size_t i = 0; i < N; i++) {
                for (; addr < want[i].start; addr++) {
                        rows_find(rows, addr, &row);
                        assert_int_equal(row.kind, ROW_NONE);
                }
                for (; addr < want[i].start + want[i].n_bytes; addr++) {
                        rows_find(rows, addr, &row);
                        assert_int_equal(row.kind, ROW_SP);
                        assert_int_equal(row.cfa_offset, want[i].offset);
                }
        }
        rows_find(rows, addr, &row);
        assert_int_equal(row.kind, ROW_NONE);
        assert_true(rows_bytes(rows) >= rows_count(rows) * 8 && rows_bytes(rows) <= rows_count(rows) * 9 + 128);
}

static void test_references(void **state)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *rows = NULL;

        put_function(&writer, put_common(&writer), CFI_CODE, 4, "", 0);
        assert_int_equal(compile_eh_frame(&writer, &rows), 0);
        assert_ptr_equal(rows_ref(rows), rows);
        assert_null(rows_unref(rows));
        assert_int_equal(rows_count(rows), 1);
        assert_null(rows_unref(rows));
        assert_null(rows_ref(NULL));
        assert_null(rows_unref(NULL));
}

static void test_nothing(void **state)
{
        struct rows_source source = {0};
        struct rows *rows = NULL;
        struct cfi_writer writer CFI_WRITER = {0};

        assert_int_equal(rows_compile(&source, &rows), -ENODATA);
        (void)put_common(&writer);
        assert_int_equal(compile_eh_frame(&writer, &rows), -ENODATA);
        source.eh_frame = (struct rows_table){writer.bytes, ROWS_TABLE_BYTES_MAX + 1, 0}; /* not even looked at */
        assert_int_equal(rows_compile(&source, &rows), -E2BIG);
        assert_null(rows);
}

/* FDEs whose CIE is an FDE, themselves, each other, in the middle of something, or nowhere. */
static void test_references_in_circles(void **state)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *rows ROWS = NULL;
        size_t common = put_common(&writer), first = writer.n_bytes;

        put_function(&writer, writer.n_bytes, CFI_CODE, 4, "", 0);           /* itself */
        put_function(&writer, first, CFI_CODE + 4, 4, "", 0);                /* an FDE */
        put_function(&writer, common + 1, CFI_CODE + 8, 4, "", 0);           /* the middle of a CIE */
        put_function(&writer, writer.n_bytes + 64, CFI_CODE + 12, 4, "", 0); /* far ahead */
        put_function(&writer, common - 64, CFI_CODE + 16, 4, "", 0);         /* before the table */
        put_function(&writer, common, CFI_CODE + 20, 4, "", 0);
        assert_int_equal(compile_eh_frame(&writer, &rows), 0);
        assert_string_equal(dump(rows, 32), "14 sp+8; 18 none");
}

/* A table with a bit of everything. */
static void put_rich(struct cfi_writer *writer)
{
        size_t common = put_common(writer), signal;

        put_function(writer, common, CFI_CODE, 0x20, "\x41\x0e\x10\x86\x02\x43\x0d\x06\x0a\x44\x0c\x07\x08\x42\x0b",
                     15);
        put_function(writer, common, CFI_CODE + 0x20, 0x10, "\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22", 13);
        signal = begin_common(writer, 3, "zRS", -8);
        put_bytes(writer, "\x01\x1b", 2);
        end_entry(writer);
        put_function(writer, signal, CFI_CODE + 0x30, 0x10, signal_instructions, N_SIGNAL_INSTRUCTIONS);
        put_function(writer, common, CFI_CODE + 0x40, 0x10, "\x41\x10\x06\x02\x76\x00\x0f\x03\x76\x78\x06", 11);
}

/* What nothing else describes is a signal's return where the code says so; a table that does describe it is believed.
 */
static void test_restorers(void **state)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows_source source = {.restorers = {CFI_CODE + 4, CFI_CODE, CFI_CODE + 0x1000}, .n_restorers = 3};
        struct rows *rows ROWS = NULL;
        struct row row;

        put_function(&writer, put_common(&writer), CFI_CODE, 1, "\x0e\x40", 2);
        put_function(&writer, 0, CFI_CODE + 0x20, 1, "\x0e\x40", 2);
        source.eh_frame = (struct rows_table){writer.bytes, writer.n_bytes, CFI_VADDR};
        assert_int_equal(rows_compile(&source, &rows), 0);
        for (uint64_t offset = 0; offset < 0x20; offset++) {
                rows_find(rows, CFI_CODE + offset, &row);
                assert_int_equal(row.kind, offset == 0 ? ROW_SP : offset < 13 ? ROW_SIGNAL : ROW_NONE);
        }
        rows_find(rows, CFI_CODE - 1, &row);
        assert_int_equal(row.kind, ROW_SIGNAL);
        rows_find(rows, CFI_CODE - 2, &row);
        assert_int_equal(row.kind, ROW_NONE);
        for (uint64_t offset = 0xffe; offset < 0x100b; offset++) {
                rows_find(rows, CFI_CODE + offset, &row);
                assert_int_equal(row.kind, offset >= 0xfff && offset < 0x1009 ? ROW_SIGNAL : ROW_NONE);
        }
}

static void test_cut_anywhere(void **state)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *whole ROWS = NULL;
        size_t n_whole;

        put_rich(&writer);
        n_whole = writer.n_bytes;
        assert_int_equal(compile_eh_frame(&writer, &whole), 0);
        assert_string_equal(dump(whole, 0x60),
                            "0 sp+8; 1 sp+16 bp-16; 4 bp+16 bp-16; 8 sp+8 bp-16; a bp+16 bp-16; 20 plt+8; 30 signal; "
                            "40 sp+8; 41 *bp-8; 50 none");
        for (writer.n_bytes = n_whole - 1; writer.n_bytes > 0; writer.n_bytes--) {
                struct rows *rows ROWS = NULL;
                int r = compile_eh_frame(&writer, &rows);

                assert_true(r == 0 || r == -ENODATA);
                if (r == 0)
                        assert_true(rows_count(rows) < rows_count(whole));
        }
}

/* Every byte with every value: whatever it then says, it comes back and answers. */
static void test_change_anything(void **state)
{
        struct cfi_writer writer CFI_WRITER = {0};

        put_rich(&writer);
        for (size_t i = 0; i < writer.n_bytes; i++) {
                uint8_t was = writer.bytes[i];

                for (unsigned int value = 0; value < 256; value++) {
                        struct rows *rows ROWS = NULL;
                        int r;

                        writer.bytes[i] = (uint8_t)value;
                        r = compile_eh_frame(&writer, &rows);
                        assert_true(r == 0 || r == -ENODATA);
                        if (r == 0)
                                (void)dump(rows, 0x60);
                }
                writer.bytes[i] = was;
        }
}

static void test_all_ones(void **state)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *rows = NULL;
        struct rows_source source = {0};

        for (size_t i = 0; i < 4096; i++)
                put(&writer, 0xff, 1);
        assert_int_equal(compile_eh_frame(&writer, &rows), -ENODATA);
        source.debug_frame = (struct rows_table){writer.bytes, writer.n_bytes, 0};
        assert_int_equal(rows_compile(&source, &rows), -ENODATA);
}

/* Work that would take hours if it were the product of two lengths. */
static void test_long_common_and_many_functions(void **state)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *rows ROWS = NULL;
        size_t common = begin_common(&writer, 1, "zR", -8);

        put_bytes(&writer, "\x01\x1b", 2);
        put_entry_state(&writer);
        for (size_t i = 0; i < 1 << 20; i++)
                put_bytes(&writer, "\x0e\x10", 2);
        end_entry(&writer);
        for (uint32_t i = 0; i < 200000; i++) /* each goes on to the end of all: they overlap */
                put_function(&writer, common, CFI_CODE + 200000 - i, 200000 + i, "\x0e\x18", 2);
        assert_int_equal(compile_eh_frame(&writer, &rows), 0);
        assert_int_equal(rows_count(rows), 1);
}

static void test_more_commons_than_anyone_has(void **state)
{
        struct cfi_writer writer CFI_WRITER = {0};
        struct rows *rows = NULL;

        for (size_t i = 0; i <= 1 << 18; i++)
                (void)put_common(&writer);
        assert_int_equal(compile_eh_frame(&writer, &rows), -E2BIG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_location),
                cmocka_unit_test(test_set_loc),
                cmocka_unit_test(test_cfa),
                cmocka_unit_test(test_rbp),
                cmocka_unit_test(test_other_registers),
                cmocka_unit_test(test_remember),
                cmocka_unit_test(test_remember_deep),
                cmocka_unit_test(test_expressions),
                cmocka_unit_test(test_signal),
                cmocka_unit_test(test_damaged_instructions),
                cmocka_unit_test(test_versions),
                cmocka_unit_test(test_return_column),
                cmocka_unit_test(test_augmentations),
                cmocka_unit_test(test_encodings),
                cmocka_unit_test(test_bases_that_are_not_known),
                cmocka_unit_test(test_debug_frame),
                cmocka_unit_test(test_eh_frame_is_first),
                cmocka_unit_test(test_terminator),
                cmocka_unit_test(test_64bit_eh_frame_is_left_out),
                cmocka_unit_test(test_functions_together),
                cmocka_unit_test(test_far_apart),
                cmocka_unit_test(test_find_among_many),
                cmocka_unit_test(test_references),
                cmocka_unit_test(test_nothing),
                cmocka_unit_test(test_references_in_circles),
                cmocka_unit_test(test_restorers),
                cmocka_unit_test(test_cut_anywhere),
                cmocka_unit_test(test_change_anything),
                cmocka_unit_test(test_all_ones),
                cmocka_unit_test(test_long_common_and_many_functions),
                cmocka_unit_test(test_more_commons_than_anyone_has),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
