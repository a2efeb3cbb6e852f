/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walks over tables that keep nothing but sums.
 *
 * The sums are worth something only if libdw reads the same table. Where the format leaves room for two readings (an
 * extended opcode whose length is not that of its operands, a number of more than ten bytes, standard opcodes with
 * other operands than the standard's), the table is called damaged: no compiler writes such things.
 */
#include "daemon/engine/model/dwarf_cost.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define SECTION_NAMES_MAX_BYTES (UINT64_C(16) << 20)
#define GNU_HEADER_BYTES 12 /* "ZLIB", size */
#define DWARF64_ESCAPE UINT32_C(0xffffffff)
#define ULEB128_MAX_BYTES 10
#define ABBREVS_MAX_BYTES ((size_t)4 << 20)
#define ATTRIBUTES_MAX 64 /* of an entry; compilers write thirty at most */
#define FORMATS_MAX 16    /* of an entry in a version 5 table; compilers write five at most */

/* DWARF 5, figures 7.26 to 7.28 and 7.6. */
enum { LNS_COPY = 1, LNS_FIXED_ADVANCE_PC = 9, N_STANDARD = 12 };
enum { LNE_END_SEQUENCE = 1, LNE_SET_ADDRESS = 2, LNE_DEFINE_FILE = 3, LNE_SET_DISCRIMINATOR = 4, LNE_LO_USER = 128 };
enum { LNCT_PATH = 1 };
enum {
        FORM_DATA2 = 0x05,
        FORM_DATA4 = 0x06,
        FORM_DATA8 = 0x07,
        FORM_STRING = 0x08,
        FORM_DATA1 = 0x0b,
        FORM_UDATA = 0x0f,
        FORM_DATA16 = 0x1e,
        FORM_LINE_STRP = 0x1f,
        FORM_FLAG_PRESENT = 0x19,
        FORM_IMPLICIT_CONST = 0x21,
};

/* How many numbers follow each standard opcode; fixed_advance_pc has two bytes instead. */
static const uint8_t n_operands[N_STANDARD + 1] = {0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};

struct reader {
        const uint8_t *at, *end;
        bool is_damaged; /* then at == end, and everything read is 0 */
};

struct table {
        const struct dwarf_line_table *source;
        struct reader reader;
        size_t offset_bytes; /* of this table: 4 or 8 */
        unsigned int version, opcode_base;
        uint8_t operands[256]; /* as the header says */
        size_t n_longest_dir;
        struct dwarf_line_cost cost;
};

struct format {
        size_t n;
        uint64_t content[FORMATS_MAX], form[FORMATS_MAX];
};

static void damage(struct reader *reader)
{
        reader->at = reader->end;
        reader->is_damaged = true;
}

static void skip(struct reader *reader, uint64_t n)
{
        if ((uint64_t)(reader->end - reader->at) < n)
                damage(reader);
        else
                reader->at += n;
}

/* n at most 8. */
static uint64_t read_fixed(struct reader *reader, size_t n)
{
        const uint8_t *at = reader->at;
        uint64_t value = 0;

        skip(reader, n);
        if (reader->is_damaged)
                return 0;
        for (size_t i = n; i-- > 0;)
                value = value << 8 | at[i];
        return value;
}

/* Signed ones are as long. */
static uint64_t read_uleb(struct reader *reader)
{
        uint64_t value = 0;

        for (unsigned int i = 0; i < ULEB128_MAX_BYTES && reader->at < reader->end; i++) {
                uint8_t byte = *reader->at++;

                value |= (uint64_t)(byte & 0x7f) << (7 * i);
                if (!(byte & 0x80))
                        return value;
        }
        damage(reader);
        return 0;
}

/* The length of a string; the reader is behind its NUL. */
static size_t read_string(struct reader *reader)
{
        const uint8_t *at = reader->at, *nul = at < reader->end ? memchr(at, '\0', (size_t)(reader->end - at)) : NULL;

        if (!nul) {
                damage(reader);
                return 0;
        }
        reader->at = nul + 1;
        return (size_t)(nul - at);
}

static size_t read_line_strp(struct table *table)
{
        const struct dwarf_bytes *section = &table->source->line_strings;
        uint64_t offset = read_fixed(&table->reader, table->offset_bytes);
        struct reader strings;
        size_t n;

        if (offset >= section->n) {
                damage(&table->reader);
                return 0;
        }
        strings = (struct reader){.at = section->bytes + offset, .end = section->bytes + section->n};
        n = read_string(&strings);
        if (strings.is_damaged)
                damage(&table->reader);
        return n;
}

static void add_path(struct table *table, size_t n_name)
{
        size_t n = n_name + table->n_longest_dir + table->source->n_comp_dir + 3; /* two slashes, NUL */

        if (__builtin_add_overflow(table->cost.n_path_bytes, n, &table->cost.n_path_bytes))
                damage(&table->reader);
}

/* One field of a version 5 entry: the length of a string, 0 for the rest. */
static size_t read_field(struct table *table, uint64_t form)
{
        struct reader *reader = &table->reader;

        switch (form) {
        case FORM_STRING:
                return read_string(reader);
        case FORM_LINE_STRP:
                return read_line_strp(table);
        case FORM_UDATA:
                (void)read_uleb(reader);
                return 0;
        case FORM_DATA1:
                skip(reader, 1);
                return 0;
        case FORM_DATA2:
                skip(reader, 2);
                return 0;
        case FORM_DATA4:
                skip(reader, 4);
                return 0;
        case FORM_DATA8:
                skip(reader, 8);
                return 0;
        case FORM_DATA16:
                skip(reader, 16);
                return 0;
        default:
                damage(reader);
                return 0;
        }
}

static void read_format(struct reader *reader, struct format *ret)
{
        ret->n = (size_t)read_fixed(reader, 1);
        if (ret->n > FORMATS_MAX)
                damage(reader);
        for (size_t i = 0; i < ret->n && !reader->is_damaged; i++) {
                ret->content[i] = read_uleb(reader);
                ret->form[i] = read_uleb(reader);
        }
}

/* A version 5 list: directories, or the files. Every form takes a byte at least, so the count is bounded by the bytes.
 */
static void read_entries(struct table *table, bool are_files)
{
        struct reader *reader = &table->reader;
        struct format format = {0};
        uint64_t n;

        read_format(reader, &format);
        n = read_uleb(reader);
        if (format.n == 0 && n > 0)
                damage(reader);
        for (uint64_t i = 0; i < n && !reader->is_damaged; i++) {
                size_t n_name = 0;

                for (size_t j = 0; j < format.n; j++) {
                        size_t n_string = read_field(table, format.form[j]);

                        if (format.content[j] == LNCT_PATH)
                                n_name = n_string;
                }
                if (are_files)
                        add_path(table, n_name);
                else
                        table->n_longest_dir = MAX_OF(table->n_longest_dir, n_name);
        }
}

/* What follows the name of a file before version 5: directory, time, length. */
static void read_old_file(struct table *table)
{
        struct reader *reader = &table->reader;
        size_t n_name = read_string(reader);

        for (int i = 0; i < 3; i++)
                (void)read_uleb(reader);
        add_path(table, n_name);
}

static void read_old_lists(struct table *table)
{
        struct reader *reader = &table->reader;

        while (reader->at < reader->end && *reader->at) {
                size_t n_dir = read_string(reader);

                table->n_longest_dir = MAX_OF(table->n_longest_dir, n_dir);
        }
        skip(reader, 1);
        while (reader->at < reader->end && *reader->at)
                read_old_file(table);
        skip(reader, 1);
}

static void read_opcode_lengths(struct table *table)
{
        struct reader *reader = &table->reader;

        table->opcode_base = (unsigned int)read_fixed(reader, 1);
        if (table->opcode_base == 0)
                damage(reader);
        for (unsigned int i = 1; i < table->opcode_base && !reader->is_damaged; i++) {
                table->operands[i] = (uint8_t)read_fixed(reader, 1);
                if (i <= N_STANDARD && table->operands[i] != n_operands[i])
                        damage(reader);
        }
}

/* The reader ends where the table does, and is at the first opcode afterwards. */
static void read_header(struct table *table)
{
        struct reader *reader = &table->reader;
        uint64_t length, n_header;
        const uint8_t *program;

        skip(reader, table->source->offset);
        length = read_fixed(reader, 4);
        table->offset_bytes = 4;
        if (length == DWARF64_ESCAPE) {
                length = read_fixed(reader, 8);
                table->offset_bytes = 8;
        }
        if (length > (uint64_t)(reader->end - reader->at))
                damage(reader);
        else
                reader->end = reader->at + length;
        table->version = (unsigned int)read_fixed(reader, 2);
        if (table->version < 2 || table->version > 5)
                damage(reader);
        if (table->version == 5)
                skip(reader, 2); /* sizes of an address and of a segment selector */
        n_header = read_fixed(reader, table->offset_bytes);
        program = reader->at;
        if (n_header > (uint64_t)(reader->end - reader->at))
                damage(reader);
        else
                program += n_header;
        skip(reader, table->version >= 4 ? 4 : 3); /* instruction lengths, default_is_stmt, line_base */
        if (read_fixed(reader, 1) == 0)            /* line_range */
                damage(reader);
        read_opcode_lengths(table);
        if (table->version == 5) {
                read_entries(table, false);
                read_entries(table, true);
        } else {
                read_old_lists(table);
        }
        if (reader->at > program)
                damage(reader);
        if (!reader->is_damaged)
                reader->at = program;
}

static void read_extended(struct table *table)
{
        struct reader *reader = &table->reader;
        uint64_t length = read_fixed(reader, 1);
        const uint8_t *end;
        unsigned int opcode;

        /* A length of 128 or more would be two bytes for some readers. */
        if (length == 0 || length > 127 || length > (uint64_t)(reader->end - reader->at)) {
                damage(reader);
                return;
        }
        end = reader->at + length;
        opcode = (unsigned int)read_fixed(reader, 1);
        switch (opcode) {
        case LNE_END_SEQUENCE:
                table->cost.n_rows++;
                break;
        case LNE_SET_ADDRESS:
                skip(reader, table->source->address_bytes);
                break;
        case LNE_DEFINE_FILE:
                read_old_file(table);
                break;
        case LNE_SET_DISCRIMINATOR:
                (void)read_uleb(reader);
                break;
        default:
                if (opcode < LNE_LO_USER)
                        skip(reader, length - 1);
                else
                        damage(reader); /* somebody's own: libdw may know it, and read on elsewhere */
        }
        if (reader->at != end)
                damage(reader);
}

static void read_program(struct table *table)
{
        struct reader *reader = &table->reader;

        while (reader->at < reader->end) {
                unsigned int opcode = *reader->at++;

                if (opcode >= table->opcode_base || opcode == LNS_COPY)
                        table->cost.n_rows++;
                else if (opcode == 0)
                        read_extended(table);
                else if (opcode == LNS_FIXED_ADVANCE_PC)
                        skip(reader, 2);
                else
                        for (unsigned int i = 0; i < table->operands[opcode]; i++)
                                (void)read_uleb(reader);
        }
}

int dwarf_line_cost(const struct dwarf_line_table *source, struct dwarf_line_cost *ret)
{
        struct table table = {.source = source,
                              .reader = {.at = source->line.bytes, .end = source->line.bytes + source->line.n}};

        read_header(&table);
        read_program(&table);
        if (table.reader.is_damaged)
                return -EBADMSG;
        *ret = table.cost;
        return 0;
}

/* One abbreviation behind its code; adds its attributes, and those among them that take bytes in .debug_info. */
static void read_abbrev(struct reader *reader, unsigned int *ret_n, unsigned int *ret_n_sized)
{
        unsigned int n = 0, n_sized = 0;

        (void)read_uleb(reader); /* tag */
        skip(reader, 1);         /* whether it has children */
        while (!reader->is_damaged) {
                uint64_t name = read_uleb(reader), form = read_uleb(reader);

                if (name == 0 && form == 0)
                        break;
                n++;
                if (form == FORM_IMPLICIT_CONST)
                        (void)read_uleb(reader);
                else if (form != FORM_FLAG_PRESENT)
                        n_sized++;
        }
        *ret_n = n;
        *ret_n_sized = n_sized;
}

int dwarf_abbrev_cost(const struct dwarf_bytes *abbrev, uint64_t offset, struct dwarf_abbrev_cost *ret)
{
        struct reader reader = {.at = abbrev->bytes, .end = abbrev->bytes + abbrev->n};
        const uint8_t *start;
        unsigned int steps = 1;

        skip(&reader, offset);
        start = reader.at;
        while (read_uleb(&reader) != 0) {
                unsigned int n, n_sized;

                read_abbrev(&reader, &n, &n_sized);
                if (n > ATTRIBUTES_MAX || (size_t)(reader.at - start) > ABBREVS_MAX_BYTES)
                        return -E2BIG;
                steps = MAX_OF(steps, (n + n_sized + 1) / (n_sized + 1)); /* the code takes a byte too */
        }
        if (reader.is_damaged)
                return -EBADMSG;
        *ret = (struct dwarf_abbrev_cost){.n_bytes = (size_t)(reader.at - start), .steps_per_byte = steps};
        return 0;
}

/* n bytes at an offset that are a header of a compressed section; NULL = not there. */
static const void *read_compression(struct binary *binary, const struct binary_section *section, size_t n)
{
        struct binary_piece piece;

        return binary_read(binary, BINARY_BYTES, section->offset, n, n, &piece) ? piece.bytes : NULL;
}

/* What a compressed section says of itself; 0 = it is not compressed. */
static uint64_t decompressed_bytes(struct binary *binary, const struct binary_section *section, const char *name)
{
        uint64_t n_bytes;
        const void *header;

        if (section->flags & SHF_COMPRESSED && binary_is_32bit(binary)) {
                header = read_compression(binary, section, sizeof(Elf32_Chdr));
                return header ? ((const Elf32_Chdr *)header)->ch_size : 0;
        }
        if (section->flags & SHF_COMPRESSED) {
                header = read_compression(binary, section, sizeof(Elf64_Chdr));
                return header ? ((const Elf64_Chdr *)header)->ch_size : 0;
        }
        if (strncmp(name, ".zdebug_", 8) != 0 || !(header = read_compression(binary, section, GNU_HEADER_BYTES)))
                return 0;
        memcpy(&n_bytes, (const uint8_t *)header + 4, sizeof(n_bytes));
        return __builtin_bswap64(n_bytes); /* big-endian in every file */
}

int dwarf_file_cost(struct binary *binary, uint64_t max_bytes, uint64_t *ret)
{
        struct binary_section names_section, section;
        struct binary_piece names;
        uint64_t sum = 0;
        bool has_info = false;

        if (!binary_section(binary, binary_names_section(binary), &names_section) ||
            !binary_read(binary, BINARY_BYTES, names_section.offset, names_section.size_bytes, SECTION_NAMES_MAX_BYTES,
                         &names))
                return -ENODATA;
        for (size_t i = 1; i < binary_count_sections(binary); i++) {
                const char *name;
                uint64_t n_bytes;
                size_t n;

                if (!binary_section(binary, i, &section) || section.type == SHT_NOBITS ||
                    !(name = binary_string(&names, section.name, &n)) || !strstr(name, "debug"))
                        continue;
                has_info = has_info || strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0;
                n_bytes = MAX_OF(section.size_bytes, decompressed_bytes(binary, &section, name));
                if (n_bytes > max_bytes - sum)
                        return -E2BIG;
                sum += n_bytes;
        }
        if (!has_info)
                return -ENODATA;
        *ret = sum;
        return 0;
}
