/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images of real linkers against readelf; images of nobody (cut off, flipped, made up) against "it comes back". */
#include "tests/unit/elf_fixture.h"

#include <elf.h>
#include <errno.h>
#include <sys/mman.h>

static void unload(struct image **image)
{
        *image = image_free(*image);
}
#define UNLOAD CLEANUP(unload)

/* Ask everything there is to ask; every answer must make sense by itself. */
static void exercise(const struct image *image)
{
        uint8_t build_id[IMAGE_BUILD_ID_BYTES];
        uint64_t addr = 0, vaddr;
        uint32_t crc;

        for (size_t n = 0; addr != UINT64_MAX; n++) {
                struct image_section section;
                struct symbol symbol;
                uint64_t until = image_until(image, addr);

                assert_true(until > addr);
                if (image_section(image, addr, &section)) {
                        assert_true(section.vaddr <= addr && section.size_bytes > addr - section.vaddr);
                        assert_true(strlen(section.name) > 0 && strlen(section.name) < 256);
                }
                if (image_symbol(image, addr, &symbol)) {
                        assert_true(symbol.value <= addr);
                        assert_true(symbol.size_bytes == 0 || symbol.size_bytes > addr - symbol.value);
                        assert_true(strlen(symbol.name) > 0 && strlen(symbol.name) <= SYMBOL_NAME_MAX_BYTES);
                }
                addr = until;
        }
        for (uint64_t offset = 0; offset < 65536; offset += 1024)
                (void)image_vaddr_of_offset(image, offset, &vaddr);
        for (size_t i = 0; i < image_count_segments(image); i++)
                assert_true(image_covers(image, image_segment_at(image, i)->vaddr));
        (void)image_build_id(image, build_id);
        (void)image_debuglink(image, &crc);
        assert_true(image_bytes(image) > 0);
}

/* A memfd with these bytes. */
static int file_of(const void *bytes, size_t n)
{
        int fd = memfd_create("image", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, bytes, n, 0), n);
        return fd;
}

static int load_bytes(const void *bytes, size_t n, struct image **ret)
{
        int fd CLEANUP_CLOSE = file_of(bytes, n);

        return image_load(fd, ret);
}

static void check_sections(const struct image *image, const struct fixture *fixture)
{
        for (int i = 1; i < fixture->n_sections; i++) {
                const struct fixture_section *want = &fixture->sections[i];
                struct image_section section;

                if (!want->allocated || want->thread_local_zeros || want->size_bytes == 0)
                        continue;
                for (uint64_t at = 0; at<want->size_bytes; at += want->size_bytes> 1 ? want->size_bytes - 1 : 1) {
                        assert_true(image_section(image, want->vaddr + at, &section));
                        assert_string_equal(section.name, want->name);
                        assert_int_equal(section.vaddr, want->vaddr);
                        assert_int_equal(section.size_bytes, want->size_bytes);
                }
                assert_true(image_covers(image, want->vaddr));
        }
}

static size_t check_symbols(const struct image *image, const struct fixture *fixture)
{
        size_t n_checked = 0;

        for (size_t i = 0; i < fixture->n_symbols; i++) {
                const struct fixture_symbol *want;
                struct symbol symbol;

                if (!fixture_counts(fixture, &fixture->symbols[i]))
                        continue;
                want = fixture_best(fixture, &fixture->symbols[i]);
                assert_true(image_symbol(image, want->value, &symbol));
                assert_string_equal(symbol.name, want->name);
                assert_int_equal(symbol.value, want->value);
                assert_int_equal(symbol.size_bytes, want->size_bytes);
                n_checked++;
        }
        return n_checked;
}

/* Nothing is named but what readelf lists as a symbol of an address. */
static void check_nothing_else(const struct image *image, const struct fixture *fixture)
{
        for (uint64_t addr = 0; addr != UINT64_MAX; addr = image_until(image, addr)) {
                struct symbol symbol;
                bool found = false;

                if (!image_symbol(image, addr, &symbol))
                        continue;
                for (size_t i = 0; i < fixture->n_symbols && !found; i++)
                        found = fixture->symbols[i].value == symbol.value &&
                                fixture_counts(fixture, &fixture->symbols[i]) &&
                                strcmp(fixture->symbols[i].name, symbol.name) == 0;
                assert_true(found);
        }
}

struct named {
        const char *name;
        uint64_t value;
        bool found;
};

static void find_named(void *arg, uint64_t vaddr, const char *name)
{
        struct named *named = arg;

        named->found |= vaddr == named->value && strcmp(named->name, name) == 0;
}

/* Every name that readelf lists for an address is visited with it: aliases too, which an address never gives. */
static void check_every_name(const struct image *image, const struct fixture *fixture)
{
        for (size_t i = 0; i < fixture->n_symbols; i++) {
                const struct fixture_symbol *symbol = &fixture->symbols[i];
                struct named named = {.name = symbol->name, .value = symbol->value};

                if (!fixture_counts(fixture, symbol))
                        continue;
                image_each_symbol(image, find_named, &named);
                if (!named.found)
                        fail_msg("%s was not visited", symbol->name);
        }
}

static void check_build_id(const struct image *image, const struct fixture *fixture)
{
        uint8_t build_id[IMAGE_BUILD_ID_BYTES];
        char text[2 * IMAGE_BUILD_ID_BYTES + 1] = "";
        size_t n = image_build_id(image, build_id);

        for (size_t i = 0; i < n; i++)
                (void)snprintf(text + 2 * i, 3, "%02x", build_id[i]);
        assert_string_equal(text, fixture->build_id);
}

static void test_against_readelf(void **state)
{
        static const struct {
                const char *name;
                size_t n_symbols_min;
                bool fixed, wants_debug;
        } cases[] = {
                {"pie", 30, false, false},
                {"shared_pages", 30, false, false},
                {"fixed", 30, true, false},
                {"static", 1000, true, false},
                {"library", 15, false, false},
                {"library_sysv", 15, false, false},
                {"no_build_id", 30, false, false},
                {"tiny", 4, true, false},
                {"tiny32", 4, true, false},
                {"pie_stripped", 0, false, true},
                {"library_stripped", 8, false, true},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct fixture *fixture CLEANUP_FREE = fixture_describe(cases[i].name);
                struct image *image UNLOAD = fixture_image(cases[i].name);

                check_sections(image, fixture);
                assert_true(check_symbols(image, fixture) >= cases[i].n_symbols_min);
                check_nothing_else(image, fixture);
                check_every_name(image, fixture);
                check_build_id(image, fixture);
                assert_int_equal(image_is_fixed(image), cases[i].fixed);
                assert_int_equal(image_wants_debug(image), cases[i].wants_debug);
                exercise(image);
        }
}

static void test_memory_and_file_agree(void **state)
{
        size_t n;
        uint8_t *bytes CLEANUP_FREE = fixture_read("pie", &n);
        struct fixture *fixture CLEANUP_FREE = fixture_describe("pie");
        struct image *image UNLOAD = NULL;

        assert_int_equal(image_load_memory(bytes, n, &image), 0);
        check_sections(image, fixture);
        assert_true(check_symbols(image, fixture) >= 30);
        check_build_id(image, fixture);
}

static void test_labels(void **state)
{
        struct fixture *fixture CLEANUP_FREE = fixture_describe("pie");
        struct image *image UNLOAD = fixture_image("pie");
        uint64_t label = fixture_symbol(fixture, "sample_label")->value;
        uint64_t sized = fixture_symbol(fixture, "sample_sized")->value;
        uint64_t inner = fixture_symbol(fixture, "sample_inner")->value;
        struct symbol symbol;

        for (uint64_t addr = label; addr < sized; addr++) { /* across the mapping symbol in the middle */
                assert_true(image_symbol(image, addr, &symbol));
                assert_string_equal(symbol.name, "sample_label");
        }
        assert_true(image_symbol(image, inner - 1, &symbol));
        assert_string_equal(symbol.name, "sample_sized");
        assert_true(image_symbol(image, inner + 1, &symbol));
        assert_string_equal(symbol.name, "sample_inner");
        assert_false(image_symbol(image, inner + 2, &symbol)); /* behind the end of sample_sized */
        assert_false(image_symbol(image, 0x4321, &symbol) && strcmp(symbol.name, "sample_absolute") == 0);
}

static void test_thread_local_takes_no_addresses(void **state)
{
        struct fixture *fixture CLEANUP_FREE = fixture_describe("pie");
        struct image *image UNLOAD = fixture_image("pie");
        const struct fixture_section *tbss = fixture_section(fixture, ".tbss");
        const struct fixture_section *tdata = fixture_section(fixture, ".tdata");
        struct image_section section;

        assert_true(tbss->size_bytes > 0);
        assert_true(image_section(image, tbss->vaddr, &section));
        assert_string_not_equal(section.name, ".tbss");
        assert_true(image_section(image, tdata->vaddr, &section));
        assert_string_equal(section.name, ".tdata");
}

static void test_offsets(void **state)
{
        struct image *image UNLOAD = fixture_image("fixed");
        uint64_t vaddr, last = 0;

        for (size_t i = 0; i < image_count_segments(image); i++) {
                const struct image_segment *segment = image_segment_at(image, i);

                assert_true(segment->vaddr >= 0x10000000 && segment->vaddr >= last);
                assert_true(image_vaddr_of_offset(image, segment->offset, &vaddr));
                assert_int_equal(vaddr, segment->vaddr);
                assert_true(image_covers(image, segment->vaddr + segment->memory_bytes - 1));
                last = segment->vaddr + segment->memory_bytes;
        }
        assert_false(image_covers(image, last));
        assert_false(image_covers(image, 0x10000000 - 1));
        assert_false(image_vaddr_of_offset(image, UINT64_C(1) << 40, &vaddr));
}

/* Without section headers: exactly the dynamic symbols, in both kinds of hash table, and the build id by PT_NOTE. */
static void test_without_section_headers(void **state)
{
        static const char *const names[][2] = {{"library", "library_headless"},
                                               {"library_sysv", "library_sysv_headless"}};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                struct fixture *fixture CLEANUP_FREE = fixture_describe(names[i][0]);
                struct image *image UNLOAD = fixture_image(names[i][1]);
                struct image_section section;
                struct symbol symbol;
                size_t n_dynamic = 0;

                for (size_t j = 0; j < fixture->n_symbols; j++)
                        if (fixture->symbols[j].dynamic)
                                fixture->symbols[n_dynamic++] = fixture->symbols[j];
                fixture->n_symbols = n_dynamic;
                assert_true(check_symbols(image, fixture) >= 8);
                check_nothing_else(image, fixture);
                check_build_id(image, fixture);
                assert_true(image_wants_debug(image));
                assert_true(image_symbol(image, fixture_symbol(fixture, "sample_global")->value, &symbol));
                assert_false(image_section(image, symbol.value, &section));
        }
}

static int add_debug(struct image *image, const char *name)
{
        int fd CLEANUP_CLOSE = fixture_open(name);

        return image_add_debug(image, fd);
}

static void test_debug_file_by_build_id(void **state)
{
        struct fixture *fixture CLEANUP_FREE = fixture_describe("pie");
        struct image *image UNLOAD = fixture_image("pie_stripped");
        uint64_t addr = fixture_symbol(fixture, "sample_local")->value;
        size_t n_bytes = image_bytes(image);
        struct symbol symbol;
        uint32_t crc;

        assert_null(image_debuglink(image, &crc));
        assert_false(image_symbol(image, addr, &symbol));
        assert_int_equal(add_debug(image, "no_build_id.debug"), -ESTALE);
        assert_int_equal(add_debug(image, "library"), -ESTALE);
        assert_int_equal(add_debug(image, "pie.readelf"), -ENOEXEC);
        assert_int_equal(add_debug(image, "pie_stripped"), -ENODATA);
        assert_int_equal(image_bytes(image), n_bytes);
        assert_true(image_wants_debug(image));
        assert_int_equal(add_debug(image, "pie.debug"), 0);
        assert_false(image_wants_debug(image));
        assert_true(image_symbol(image, addr, &symbol));
        assert_string_equal(symbol.name, "sample_local");
        assert_true(check_symbols(image, fixture) >= 30);
        check_sections(image, fixture);
        check_nothing_else(image, fixture);
        exercise(image);
}

static void test_debug_file_by_crc(void **state)
{
        struct fixture *fixture CLEANUP_FREE = fixture_describe("no_build_id");
        struct image *image UNLOAD = fixture_image("no_build_id_stripped");
        uint8_t build_id[IMAGE_BUILD_ID_BYTES];
        size_t n;
        uint8_t *bytes CLEANUP_FREE = fixture_read("no_build_id.debug", &n);
        int changed CLEANUP_CLOSE = -1;
        uint32_t crc;

        assert_int_equal(image_build_id(image, build_id), 0);
        assert_string_equal(image_debuglink(image, &crc), "no_build_id.debug");
        assert_int_equal(add_debug(image, "pie.debug"), -ESTALE);
        bytes[n - 1] ^= 1;
        changed = file_of(bytes, n);
        assert_int_equal(image_add_debug(image, changed), -ESTALE);
        assert_int_equal(add_debug(image, "no_build_id.debug"), 0);
        assert_true(check_symbols(image, fixture) >= 30);
}

static void test_not_elf(void **state)
{
        struct image *const unset = (struct image *)(uintptr_t)1;
        struct image *image = unset;
        size_t n;
        uint8_t *bytes CLEANUP_FREE = fixture_read("tiny", &n);
        int null CLEANUP_CLOSE = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_int_equal(load_bytes("", 0, &image), -ENOEXEC);
        assert_int_equal(load_bytes("#!/bin/sh\n", 10, &image), -ENOEXEC);
        assert_int_equal(load_bytes("!<arch>\n", 8, &image), -ENOEXEC);
        assert_int_equal(load_bytes(ELFMAG, SELFMAG - 1, &image), -ENOEXEC);
        assert_int_equal(load_bytes(ELFMAG, SELFMAG, &image), -EBADMSG);
        assert_int_equal(image_load_memory("", 0, &image), -ENOEXEC);
        assert_int_equal(image_load_memory(NULL, 0, &image), -ENOEXEC);
        assert_int_equal(image_load(null, &image), -ENOEXEC);
        bytes[offsetof(Elf64_Ehdr, e_type)] = ET_REL;
        assert_int_equal(load_bytes(bytes, n, &image), -ENOEXEC);
        bytes[offsetof(Elf64_Ehdr, e_type)] = ET_EXEC;
        bytes[offsetof(Elf64_Ehdr, e_phnum)] = 0;
        assert_int_equal(load_bytes(bytes, n, &image), -EBADMSG);
        assert_ptr_equal(image, unset);
        assert_null(image_free(NULL));
}

/* The first n bytes, by file and by memory that ends right there. */
static void load_cut(const uint8_t *bytes, size_t n, int fd)
{
        uint8_t *copy CLEANUP_FREE = malloc(n ? n : 1);
        struct image *from_file UNLOAD = NULL, *from_memory UNLOAD = NULL;
        int r, r_memory;

        assert_non_null(copy);
        memcpy(copy, bytes, n);
        assert_int_equal(ftruncate(fd, (off_t)n), 0);
        r = image_load(fd, &from_file);
        r_memory = image_load_memory(copy, n, &from_memory);
        assert_true(r == 0 || r == -ENOEXEC || r == -EBADMSG);
        assert_int_equal(r, r_memory);
        if (r < 0)
                return;
        assert_int_equal(image_bytes(from_file), image_bytes(from_memory));
        exercise(from_file);
}

static void test_cut_off(void **state)
{
        static const struct {
                const char *name;
                size_t step_bytes;
        } cases[] = {{"tiny", 1}, {"tiny32", 1}, {"library_headless", 16}, {"pie", 64}, {"static", 4096}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                size_t n;
                uint8_t *bytes CLEANUP_FREE = fixture_read(cases[i].name, &n);
                int fd CLEANUP_CLOSE = file_of(bytes, n);

                for (size_t cut = n; cut >= cases[i].step_bytes; cut -= cases[i].step_bytes)
                        load_cut(bytes, cut, fd);
                load_cut(bytes, 0, fd);
        }
}

static void load_any(const uint8_t *bytes, size_t n, int fd)
{
        struct image *from_file UNLOAD = NULL, *from_memory UNLOAD = NULL;

        if (image_load(fd, &from_file) == 0)
                exercise(from_file);
        if (image_load_memory(bytes, n, &from_memory) == 0)
                exercise(from_memory);
}

/* Every byte of the file that is structure, set to values that break things. */
static void flip_bytes(const char *name, size_t first, size_t last)
{
        size_t n;
        uint8_t *bytes CLEANUP_FREE = fixture_read(name, &n);
        int fd CLEANUP_CLOSE = file_of(bytes, n);

        for (size_t at = first; at < MIN_OF(last, n); at++) {
                const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 1, bytes[at] ^ 0x80};
                uint8_t kept = bytes[at];

                for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                        bytes[at] = values[i];
                        assert_int_equal(pwrite(fd, &bytes[at], 1, (off_t)at), 1);
                        load_any(bytes, n, fd);
                }
                bytes[at] = kept;
                assert_int_equal(pwrite(fd, &kept, 1, (off_t)at), 1);
        }
}

static void test_flipped_bytes(void **state)
{
        size_t n;
        uint8_t *bytes CLEANUP_FREE = fixture_read("tiny", &n);
        const Elf64_Ehdr *header = (const void *)bytes;

        flip_bytes("tiny", 0, 0x200);
        flip_bytes("tiny", header->e_shoff - 0x200, n);
        flip_bytes("tiny32", 0, 0x100);
        flip_bytes("library_headless", 0, 0x600);
}

/* A small image of our own making, in any class and byte order. */
struct maker {
        uint8_t bytes[4096];
        bool wide, big_endian;
};

enum {
        MAKER_SEGMENTS = 0x40,
        MAKER_SECTIONS = 0x100,
        MAKER_SYMBOLS = 0x400,
        MAKER_STRINGS = 0x600,
        MAKER_NOTE = 0x700
};
static const uint64_t maker_vaddr = 0x40000;

static void put(struct maker *maker, size_t offset, size_t n, uint64_t value)
{
        for (size_t i = 0; i < n; i++)
                maker->bytes[offset + i] = (uint8_t)(value >> 8 * (maker->big_endian ? n - 1 - i : i));
}

/* Offset and size of a field whose place differs between the classes. */
#define PUT_FIELD(maker, base, type, field, value)                                                                     \
        put(maker, (size_t)(base) + ((maker)->wide ? offsetof(Elf64_##type, field) : offsetof(Elf32_##type, field)),   \
            (maker)->wide ? sizeof(((Elf64_##type *)0)->field) : sizeof(((Elf32_##type *)0)->field), value)

static void put_section(struct maker *maker, size_t index, uint32_t name, uint32_t type, uint64_t flags, uint64_t vaddr,
                        uint64_t offset, uint64_t n_bytes, uint32_t link)
{
        size_t base = MAKER_SECTIONS + index * (maker->wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr));

        PUT_FIELD(maker, base, Shdr, sh_name, name);
        PUT_FIELD(maker, base, Shdr, sh_type, type);
        PUT_FIELD(maker, base, Shdr, sh_flags, flags);
        PUT_FIELD(maker, base, Shdr, sh_addr, vaddr);
        PUT_FIELD(maker, base, Shdr, sh_offset, offset);
        PUT_FIELD(maker, base, Shdr, sh_size, n_bytes);
        PUT_FIELD(maker, base, Shdr, sh_link, link);
}

static void put_symbol(struct maker *maker, size_t index, uint32_t name, uint64_t value, uint64_t n_bytes,
                       uint16_t section)
{
        size_t base = MAKER_SYMBOLS + index * (maker->wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym));

        PUT_FIELD(maker, base, Sym, st_name, name);
        PUT_FIELD(maker, base, Sym, st_value, value);
        PUT_FIELD(maker, base, Sym, st_size, n_bytes);
        PUT_FIELD(maker, base, Sym, st_shndx, section);
        PUT_FIELD(maker, base, Sym, st_info, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT));
}

static void put_header(struct maker *maker, size_t n_sections)
{
        memcpy(maker->bytes, ELFMAG, SELFMAG);
        maker->bytes[EI_CLASS] = maker->wide ? ELFCLASS64 : ELFCLASS32;
        maker->bytes[EI_DATA] = maker->big_endian ? ELFDATA2MSB : ELFDATA2LSB;
        maker->bytes[EI_VERSION] = EV_CURRENT;
        PUT_FIELD(maker, 0, Ehdr, e_type, ET_DYN);
        PUT_FIELD(maker, 0, Ehdr, e_version, EV_CURRENT);
        PUT_FIELD(maker, 0, Ehdr, e_phoff, MAKER_SEGMENTS);
        PUT_FIELD(maker, 0, Ehdr, e_shoff, MAKER_SECTIONS);
        PUT_FIELD(maker, 0, Ehdr, e_ehsize, maker->wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr));
        PUT_FIELD(maker, 0, Ehdr, e_phentsize, maker->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr));
        PUT_FIELD(maker, 0, Ehdr, e_phnum, 1);
        PUT_FIELD(maker, 0, Ehdr, e_shentsize, maker->wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr));
        PUT_FIELD(maker, 0, Ehdr, e_shnum, n_sections);
        PUT_FIELD(maker, 0, Ehdr, e_shstrndx, 3);
        PUT_FIELD(maker, MAKER_SEGMENTS, Phdr, p_type, PT_LOAD);
        PUT_FIELD(maker, MAKER_SEGMENTS, Phdr, p_flags, PF_R | PF_W);
        PUT_FIELD(maker, MAKER_SEGMENTS, Phdr, p_vaddr, maker_vaddr);
        PUT_FIELD(maker, MAKER_SEGMENTS, Phdr, p_filesz, 4096);
        PUT_FIELD(maker, MAKER_SEGMENTS, Phdr, p_memsz, 8192);
}

static const char maker_strings[] = "\0.data\0.symtab\0.strtab\0one\0two\0.note.gnu.build-id\0.bss\0";
enum { NAME_DATA = 1, NAME_SYMTAB = 7, NAME_STRTAB = 15, NAME_ONE = 23, NAME_TWO = 27, NAME_NOTE = 31, NAME_BSS = 50 };

static struct maker make(bool wide, bool big_endian)
{
        struct maker maker = {.wide = wide, .big_endian = big_endian};
        size_t symbol_bytes = wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);

        put_header(&maker, 6);
        put_section(&maker, 1, NAME_DATA, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, maker_vaddr + 0x800, 0x800, 0x800, 0);
        put_section(&maker, 2, NAME_SYMTAB, SHT_SYMTAB, 0, 0, MAKER_SYMBOLS, 3 * symbol_bytes, 3);
        put_section(&maker, 3, NAME_STRTAB, SHT_STRTAB, 0, 0, MAKER_STRINGS, sizeof(maker_strings), 0);
        put_section(&maker, 4, NAME_NOTE, SHT_NOTE, 0, 0, MAKER_NOTE, 24, 0);
        put_section(&maker, 5, NAME_BSS, SHT_NOBITS, SHF_ALLOC | SHF_WRITE, maker_vaddr + 0x1000, 0x1000, 0x1000, 0);
        memcpy(maker.bytes + MAKER_STRINGS, maker_strings, sizeof(maker_strings));
        put_symbol(&maker, 1, NAME_ONE, maker_vaddr + 0x800, 16, 1);
        put_symbol(&maker, 2, NAME_TWO, maker_vaddr + 0x900, 0, 1);
        put(&maker, MAKER_NOTE, 4, 4);
        put(&maker, MAKER_NOTE + 4, 4, 8);
        put(&maker, MAKER_NOTE + 8, 4, NT_GNU_BUILD_ID);
        memcpy(maker.bytes + MAKER_NOTE + 12, "GNU\0abcdefgh", 12);
        return maker;
}

static struct image *made_image(const struct maker *maker)
{
        struct image *image = NULL, *from_memory = NULL;

        assert_int_equal(load_bytes(maker->bytes, sizeof(maker->bytes), &image), 0);
        assert_int_equal(image_load_memory(maker->bytes, sizeof(maker->bytes), &from_memory), 0);
        exercise(from_memory);
        exercise(image);
        (void)image_free(from_memory);
        return image;
}

static void test_classes_and_byte_orders(void **state)
{
        for (unsigned int i = 0; i < 4; i++) {
                struct maker maker = make(i & 1, i & 2);
                struct image *image UNLOAD = made_image(&maker);
                uint8_t build_id[IMAGE_BUILD_ID_BYTES];
                struct image_section section;
                struct symbol symbol;

                assert_true(image_symbol(image, maker_vaddr + 0x80f, &symbol));
                assert_string_equal(symbol.name, "one");
                assert_false(image_symbol(image, maker_vaddr + 0x810, &symbol));
                assert_true(image_symbol(image, maker_vaddr + 0xfff, &symbol));
                assert_string_equal(symbol.name, "two");
                assert_false(image_symbol(image, maker_vaddr + 0x1000, &symbol));
                assert_true(image_section(image, maker_vaddr + 0x1000, &section));
                assert_string_equal(section.name, ".bss");
                assert_int_equal(image_build_id(image, build_id), 8);
                assert_memory_equal(build_id, "abcdefgh", 8);
                assert_false(image_wants_debug(image));
        }
}

/* A single damage leaves everything that it does not touch. */
static void test_damaged_tables(void **state)
{
        for (unsigned int damage = 0; damage < 7; damage++) {
                struct maker maker = make(true, false);
                struct image *image UNLOAD = NULL;
                struct image_section section;
                struct symbol symbol;

                if (damage == 0) /* a string table cut off inside its last name */
                        put_section(&maker, 3, NAME_STRTAB, SHT_STRTAB, 0, 0, MAKER_STRINGS, NAME_TWO + 2, 0);
                else if (damage == 1) /* out of range */
                        put_symbol(&maker, 2, 0x7fffffff, maker_vaddr + 0x900, 0, 1);
                else if (damage == 2) /* compressed */
                        put_section(&maker, 2, NAME_SYMTAB, SHT_SYMTAB, SHF_COMPRESSED, 0, MAKER_SYMBOLS, 72, 3);
                else if (damage == 3) /* beyond the file */
                        put_section(&maker, 2, NAME_SYMTAB, SHT_SYMTAB, 0, 0, UINT64_MAX - 8, 72, 3);
                else if (damage == 4) /* names in no section */
                        put_section(&maker, 2, NAME_SYMTAB, SHT_SYMTAB, 0, 0, MAKER_SYMBOLS, 72, 77);
                else if (damage == 5) /* more than there is memory */
                        put_section(&maker, 2, NAME_SYMTAB, SHT_SYMTAB, 0, 0, MAKER_SYMBOLS, UINT64_MAX - 4096, 3);
                else /* names without contents */
                        put_section(&maker, 3, NAME_STRTAB, SHT_NOBITS, 0, 0, MAKER_STRINGS, sizeof(maker_strings), 0);
                image = made_image(&maker);
                assert_int_equal(image_symbol(image, maker_vaddr + 0x800, &symbol), damage <= 1);
                assert_false(image_symbol(image, maker_vaddr + 0x900, &symbol));
                assert_int_equal(image_section(image, maker_vaddr + 0x800, &section), damage != 6);
                assert_int_equal(image_wants_debug(image), damage > 1);
        }
}

static void test_overlapping_sections(void **state)
{
        struct maker maker = make(true, false);
        struct image *image UNLOAD = NULL;
        struct image_section section;

        put_section(&maker, 5, NAME_BSS, SHT_NOBITS, SHF_ALLOC, maker_vaddr + 0x900, 0x900, 0x10, 0);
        image = made_image(&maker);
        assert_true(image_section(image, maker_vaddr + 0x90f, &section));
        assert_string_equal(section.name, ".bss");
        assert_true(image_section(image, maker_vaddr + 0x910, &section));
        assert_string_equal(section.name, ".data");
        assert_int_equal(section.vaddr, maker_vaddr + 0x800);
}

/* Thread-local zeros in the middle of .data: their addresses are those of .data. */
static void test_thread_local_zeros_shadow_nothing(void **state)
{
        struct maker maker = make(true, false);
        struct image *image UNLOAD = NULL;
        struct image_section section;

        put_section(&maker, 5, NAME_BSS, SHT_NOBITS, SHF_ALLOC | SHF_TLS, maker_vaddr + 0x900, 0x900, 0x10, 0);
        image = made_image(&maker);
        assert_true(image_section(image, maker_vaddr + 0x900, &section));
        assert_string_equal(section.name, ".data");
}

static void test_version_is_not_part_of_the_name(void **state)
{
        struct maker maker = make(true, false);
        struct image *image UNLOAD = NULL;
        struct symbol symbol;

        maker.bytes[MAKER_STRINGS + NAME_ONE + 1] = '@';
        maker.bytes[MAKER_STRINGS + NAME_TWO] = '@'; /* a name must begin somehow */
        image = made_image(&maker);
        assert_true(image_symbol(image, maker_vaddr + 0x800, &symbol));
        assert_string_equal(symbol.name, "o");
        assert_true(image_symbol(image, maker_vaddr + 0x900, &symbol));
        assert_string_equal(symbol.name, "@wo");
}

/* Counts that only a sparse file can back: refused before memory is spent on them. */
static void test_huge_counts(void **state)
{
        struct image *image = NULL;
        struct maker maker = make(true, false);
        int fd CLEANUP_CLOSE = -1;

        put_header(&maker, 0);
        put_section(&maker, 0, 0, SHT_NULL, 0, 0, 0, UINT32_MAX, 0);
        fd = file_of(maker.bytes, sizeof(maker.bytes));
        if (ftruncate(fd, INT64_C(1) << 40) < 0) {
                print_message("no sparse file of 1 TiB here: the check of huge counts is left out\n");
                skip();
        }
        assert_int_equal(image_load(fd, &image), -E2BIG);
        maker = make(true, true);
        put_header(&maker, 0);
        put_section(&maker, 0, 0, SHT_NULL, 0, 0, 0, 65536, 0);
        assert_int_equal(pwrite(fd, maker.bytes, sizeof(maker.bytes), 0), sizeof(maker.bytes));
        assert_int_equal(image_load(fd, &image), -E2BIG);
        put_header(&maker, 6);
        put(&maker, offsetof(Elf64_Ehdr, e_phnum), 2, PN_XNUM);
        assert_int_equal(pwrite(fd, maker.bytes, sizeof(maker.bytes), 0), sizeof(maker.bytes));
        assert_int_equal(image_load(fd, &image), -E2BIG);
}

/* Tables of half a terabyte of zeros: left out, the rest is there. */
static void test_huge_tables(void **state)
{
        struct maker maker = make(true, false);
        struct image *image UNLOAD = NULL;
        struct image_section section;
        struct symbol symbol;
        int fd CLEANUP_CLOSE = -1;

        put_section(&maker, 2, NAME_SYMTAB, SHT_SYMTAB, 0, 0, MAKER_SYMBOLS, UINT64_C(1) << 39, 3);
        put_section(&maker, 4, NAME_NOTE, SHT_NOTE, 0, 0, MAKER_NOTE, UINT64_C(1) << 39, 0);
        fd = file_of(maker.bytes, sizeof(maker.bytes));
        if (ftruncate(fd, INT64_C(1) << 40) < 0) {
                print_message("no sparse file of 1 TiB here: the check of huge tables is left out\n");
                skip();
        }
        assert_int_equal(image_load(fd, &image), 0);
        assert_false(image_symbol(image, maker_vaddr + 0x800, &symbol));
        assert_true(image_section(image, maker_vaddr + 0x800, &section));
        assert_true(image_bytes(image) < 65536);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_against_readelf),
                cmocka_unit_test(test_memory_and_file_agree),
                cmocka_unit_test(test_labels),
                cmocka_unit_test(test_thread_local_takes_no_addresses),
                cmocka_unit_test(test_offsets),
                cmocka_unit_test(test_without_section_headers),
                cmocka_unit_test(test_debug_file_by_build_id),
                cmocka_unit_test(test_debug_file_by_crc),
                cmocka_unit_test(test_not_elf),
                cmocka_unit_test(test_classes_and_byte_orders),
                cmocka_unit_test(test_damaged_tables),
                cmocka_unit_test(test_overlapping_sections),
                cmocka_unit_test(test_thread_local_zeros_shadow_nothing),
                cmocka_unit_test(test_version_is_not_part_of_the_name),
                cmocka_unit_test(test_huge_counts),
                cmocka_unit_test(test_huge_tables),
                cmocka_unit_test(test_cut_off),
                cmocka_unit_test(test_flipped_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
