/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The symbol tables of an ELF file -> symtab: .symtab and .dynsym by section header, or .dynsym by PT_DYNAMIC where
 * section headers are missing (sstrip, UPX, a file cut off at its end).
 *
 * Kept is what names an address: functions, data, assembler labels (STT_NOTYPE), indirect functions. Not kept:
 * undefined and absolute symbols, thread-local ones (their values are offsets into a thread's block), symbols of
 * sections that take no addresses, mapping symbols that only mark code and data ("$x"), and labels meant to be local to
 * the assembler (".L").
 *
 * The section of a symbol without size limits it: "_edata" lies at the end of .data, covers nothing, and must not
 * become a name of the first byte of .bss. Only the first table of each kind counts, as a file has one of each: a
 * hostile one with 65 000 headers over the same half gigabyte of bytes costs no more than an honest one.
 *
 * Damage is skipped symbol by symbol; a table past the limits is left out as a whole, since half a table gives
 * the wrong neighbour's name.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "elf/image_private.h"

#define DYNAMIC_MAX_BYTES (UINT64_C(1) << 20)
#define HASH_MAX_BYTES (UINT64_C(32) << 20)
#define DYNAMIC_SYMBOLS_MAX (BINARY_BYTES_MAX / sizeof(Elf32_Sym))

struct reader {
        const struct image_file *file;
        const struct image_segment *segments;
        size_t n_segments;
        struct symtab *symtab;
};

struct dynamic { /* what PT_DYNAMIC tells, link-time addresses; 0 = nothing */
        uint64_t symbols, strings, n_strings_bytes;
        uint64_t hash, gnu_hash;
};

static bool is_mapping_name(const char *name, size_t n)
{
        if (n >= 2 && name[0] == '.' && name[1] == 'L')
                return true;
        /* AArch64, Arm and RISC-V ELF ABIs: "$x", "$d", "$a", "$t", also "$x.NAME"; "$xrv64..." */
        if (n < 2 || name[0] != '$' || !strchr("adtx", name[1]))
                return false;
        return n == 2 || name[2] == '.' || (name[1] == 'x' && n >= 4 && name[2] == 'r' && name[3] == 'v');
}

static enum symbol_rank rank_of(const struct binary_symbol *symbol)
{
        switch (symbol->bind) {
        case STB_GLOBAL:
        case STB_GNU_UNIQUE:
                return SYMBOL_GLOBAL;
        case STB_WEAK:
                return SYMBOL_WEAK;
        default:
                return SYMBOL_LOCAL;
        }
}

static bool section_takes_symbols(const struct binary_section *section)
{
        return section->flags & SHF_ALLOC && !(section->type == SHT_NOBITS && section->flags & SHF_TLS);
}

static uint64_t end_of(uint64_t start, uint64_t n_bytes)
{
        return n_bytes > UINT64_MAX - start ? UINT64_MAX : start + n_bytes;
}

/* Where the section, or else the segment, around a symbol ends; false: no address of a loaded section. */
static bool symbol_limit(const struct reader *reader, const struct binary_symbol *symbol, uint64_t *ret)
{
        const struct image_file *file = reader->file;

        if (symbol->section < file->n_sections) {
                const struct binary_section *section = &file->sections[symbol->section];

                *ret = end_of(section->vaddr, section->size_bytes);
                return section_takes_symbols(section);
        }
        for (size_t i = 0; i < reader->n_segments; i++) {
                const struct image_segment *segment = &reader->segments[i];

                if (symbol->value >= segment->vaddr && symbol->value - segment->vaddr < segment->memory_bytes) {
                        *ret = end_of(segment->vaddr, segment->memory_bytes);
                        return true;
                }
        }
        return false;
}

static bool names_an_address(const struct binary_symbol *symbol)
{
        if (symbol->value == 0 || symbol->section == SHN_UNDEF)
                return false;
        if (symbol->section >= SHN_LORESERVE && symbol->section != SHN_XINDEX)
                return false;
        return symbol->type != STT_SECTION && symbol->type != STT_FILE && symbol->type != STT_TLS;
}

static int add_symbol(const struct reader *reader, const struct binary_symbol *symbol,
                      const struct binary_piece *strings)
{
        const char *name, *version;
        uint64_t limit;
        size_t n;

        if (!names_an_address(symbol) || !symbol_limit(reader, symbol, &limit))
                return 0;
        name = binary_string(strings, symbol->name, &n);
        if (!name || n == 0 || is_mapping_name(name, n))
                return 0;
        n = MIN_OF(n, (size_t)SYMBOL_NAME_MAX_BYTES);
        version = memchr(name + 1, '@', n - 1); /* "memcpy@@GLIBC_2.14" in a .symtab is "memcpy" in .dynsym */
        if (version)
                n = (size_t)(version - name);
        return symtab_add(reader->symtab, symbol->value, symbol->size_bytes, limit, rank_of(symbol), name, n);
}

static int add_symbols(const struct reader *reader, const struct binary_piece *symbols,
                       const struct binary_piece *strings)
{
        struct binary_symbol symbol;

        for (size_t i = 0; i < symbols->n_items; i++) {
                int r = binary_symbol(symbols, i, &symbol) ? add_symbol(reader, &symbol, strings) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static bool read_section(const struct image_file *file, size_t index, enum binary_kind kind, struct binary_piece *ret)
{
        const struct binary_section *section;

        if (index == 0 || index >= file->n_sections)
                return false;
        section = &file->sections[index];
        if (section->type == SHT_NOBITS || section->flags & SHF_COMPRESSED)
                return false;
        return binary_read(file->binary, kind, section->offset, section->size_bytes, BINARY_BYTES_MAX, ret);
}

/* The first section of a type. */
static int add_section_symbols(const struct reader *reader, uint32_t type)
{
        const struct image_file *file = reader->file;
        struct binary_piece symbols, strings;

        for (size_t i = 1; i < file->n_sections; i++) {
                if (file->sections[i].type != type)
                        continue;
                if (!read_section(file, i, BINARY_SYMBOLS, &symbols) ||
                    !read_section(file, file->sections[i].link, BINARY_BYTES, &strings))
                        return 0;
                return add_symbols(reader, &symbols, &strings);
        }
        return 0;
}

/* The file offset of a link-time address, and how many bytes of its segment follow it in the file. */
static bool offset_of(const struct reader *reader, uint64_t vaddr, uint64_t *ret_offset, uint64_t *ret_left)
{
        for (size_t i = 0; i < reader->n_segments; i++) {
                const struct image_segment *segment = &reader->segments[i];

                if (vaddr >= segment->vaddr && vaddr - segment->vaddr < segment->file_bytes) {
                        *ret_offset = segment->offset + (vaddr - segment->vaddr);
                        *ret_left = segment->file_bytes - (vaddr - segment->vaddr);
                        return true;
                }
        }
        return false;
}

static bool read_dynamic(const struct reader *reader, struct dynamic *ret)
{
        struct binary *binary = reader->file->binary;
        struct binary_segment segment;
        struct binary_piece piece;
        uint64_t value;
        int64_t tag;
        size_t i;

        for (i = 0; i < binary_count_segments(binary); i++)
                if (binary_segment(binary, i, &segment) && segment.type == PT_DYNAMIC)
                        break;
        if (i == binary_count_segments(binary) ||
            !binary_read(binary, BINARY_DYNAMIC, segment.offset, segment.file_bytes, DYNAMIC_MAX_BYTES, &piece))
                return false;
        *ret = (struct dynamic){0};
        for (i = 0; binary_dynamic(&piece, i, &tag, &value) && tag != DT_NULL; i++) {
                if (tag == DT_SYMTAB)
                        ret->symbols = value;
                else if (tag == DT_STRTAB)
                        ret->strings = value;
                else if (tag == DT_STRSZ)
                        ret->n_strings_bytes = value;
                else if (tag == DT_HASH)
                        ret->hash = value;
                else if (tag == DT_GNU_HASH)
                        ret->gnu_hash = value;
        }
        return ret->symbols != 0 && ret->strings != 0;
}

/* DT_HASH: nbucket, nchain, ...; there are as many chain entries as symbols. */
static uint64_t count_by_hash(const struct reader *reader, uint64_t vaddr)
{
        struct binary_piece piece;
        uint64_t offset, left;
        uint32_t n_chains;

        if (!offset_of(reader, vaddr, &offset, &left) ||
            !binary_read(reader->file->binary, BINARY_WORDS, offset, 2 * sizeof(uint32_t), HASH_MAX_BYTES, &piece) ||
            !binary_word(&piece, 1, &n_chains))
                return 0;
        return n_chains;
}

/*
 * DT_GNU_HASH: nbuckets, first symbol, bloom words, shift; the bloom filter (words of the file's class); buckets, each
 * the first symbol of a chain; chains, one word a symbol from the first on, bit 0 set in the last of each. The symbols
 * end with the chain that starts last.
 */
static uint64_t count_by_gnu_hash(const struct reader *reader, uint64_t vaddr)
{
        bool is_64_bit = binary_symbol_bytes(reader->file->binary) == sizeof(Elf64_Sym);
        uint32_t n_buckets, first, n_bloom, word, last = 0;
        struct binary_piece piece;
        uint64_t offset, left, buckets, chains;

        if (!offset_of(reader, vaddr, &offset, &left) ||
            !binary_read(reader->file->binary, BINARY_WORDS, offset, MIN_OF(left, HASH_MAX_BYTES), HASH_MAX_BYTES,
                         &piece) ||
            !binary_word(&piece, 0, &n_buckets) || !binary_word(&piece, 1, &first) || !binary_word(&piece, 2, &n_bloom))
                return 0;
        buckets = 4 + (uint64_t)n_bloom * (is_64_bit ? 2 : 1);
        chains = buckets + n_buckets;
        if (chains > piece.n_items)
                return 0;
        for (uint64_t i = buckets; i < chains && binary_word(&piece, i, &word); i++)
                last = MAX_OF(last, word);
        if (last < first)
                return first;
        while (binary_word(&piece, chains + (last - first), &word) && !(word & 1))
                last++;
        return (uint64_t)last + 1;
}

static int add_dynamic_symbols(const struct reader *reader)
{
        struct binary *binary = reader->file->binary;
        struct binary_piece symbols, strings;
        uint64_t count, offset, left;
        struct dynamic dynamic;

        if (!read_dynamic(reader, &dynamic))
                return 0;
        count = dynamic.gnu_hash ? count_by_gnu_hash(reader, dynamic.gnu_hash) : 0;
        if (count == 0 && dynamic.hash)
                count = count_by_hash(reader, dynamic.hash);
        if (count > DYNAMIC_SYMBOLS_MAX || !offset_of(reader, dynamic.symbols, &offset, &left) ||
            !binary_read(binary, BINARY_SYMBOLS, offset, MIN_OF(count * binary_symbol_bytes(binary), left),
                         BINARY_BYTES_MAX, &symbols))
                return 0;
        if (!offset_of(reader, dynamic.strings, &offset, &left) ||
            !binary_read(binary, BINARY_BYTES, offset, MIN_OF(dynamic.n_strings_bytes, left), BINARY_BYTES_MAX,
                         &strings))
                return 0;
        return add_symbols(reader, &symbols, &strings);
}

static int add_all(struct reader *reader, bool *ret_own)
{
        int r = add_section_symbols(reader, SHT_SYMTAB);

        if (r < 0)
                return r;
        *ret_own = symtab_count(reader->symtab) > 0;
        r = add_section_symbols(reader, SHT_DYNSYM);
        if (r < 0)
                return r;
        return symtab_count(reader->symtab) > 0 ? 0 : add_dynamic_symbols(reader);
}

int image_read_symbols(const struct image_file *file, const struct image_segment *segments, size_t n_segments,
                       bool *ret_own, struct symtab **ret)
{
        struct symtab *symtab CLEANUP(image_symtab_cleanup) = NULL;
        struct reader reader = {.file = file, .segments = segments, .n_segments = n_segments};
        bool own = false;
        int r = symtab_new(&symtab);

        if (r < 0)
                return r;
        reader.symtab = symtab;
        r = add_all(&reader, &own);
        if (r == -E2BIG) {
                symtab = symtab_free(symtab);
                own = false;
                r = symtab_new(&symtab);
        }
        if (r < 0)
                return r;
        r = symtab_finish(symtab);
        if (r < 0)
                return r;
        *ret_own = own;
        *ret = TAKE_PTR(symtab);
        return 0;
}
