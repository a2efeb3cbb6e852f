/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libelf behind a narrow, bounded interface.
 *
 * Hostile files: libelf checks offsets against the file's size, but it believes counts. A sparse file of many gigabytes
 * costs nothing and can announce as many section headers as fit into it, for each of which elf_begin() touches memory;
 * so the counts are read and judged before libelf sees the file. All contents go through elf_getdata_rawchunk() with a
 * limit: unlike elf_getdata() it takes offset and size from us, looks into no other header, and serves tables that only
 * PT_DYNAMIC tells of.
 *
 * ELF_C_READ reads with pread(2). ELF_C_READ_MMAP would be simpler for libelf and deadly for us: whoever owns a
 * mapped file can truncate it, and touching the lost pages is SIGBUS. A file that shrinks while we read makes short
 * reads, which libelf reports as errors.
 *
 * A string that does not end inside its table is no string. Cutting it there instead would name things by the
 * accident of where a damaged file ends.
 */
#include "elf/binary.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>

struct binary {
        Elf *elf;
        GElf_Ehdr header;
        size_t n_segments, n_sections;
        size_t names_section;
        uint64_t left_bytes; /* of BINARY_BYTES_MAX */
};

struct source { /* where the first look goes before libelf is trusted with it */
        int fd;
        const uint8_t *bytes;
        size_t n_bytes;
};

static bool source_read(const struct source *source, uint64_t offset, void *ret, size_t n)
{
        if (source->bytes) {
                if (offset > source->n_bytes || source->n_bytes - offset < n)
                        return false;
                memcpy(ret, source->bytes + offset, n);
                return true;
        }
        return offset <= INT64_MAX && pread(source->fd, ret, n, (off_t)offset) == (ssize_t)n;
}

static uint64_t swap_bytes(uint64_t value, size_t n_bytes)
{
        return __builtin_bswap64(value) >> (64 - 8 * n_bytes);
}

static unsigned char host_data(void)
{
        return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
}

/* The number of sections where it does not fit into the header: the size of section 0, which elf_begin() would believe.
 */
static bool count_is_bounded(const struct source *source, const uint8_t *ident)
{
        bool swapped = ident[EI_DATA] != host_data();
        Elf64_Shdr first64;
        Elf32_Shdr first32;
        uint64_t count;

        if (ident[EI_CLASS] == ELFCLASS64) {
                Elf64_Ehdr header;

                if (!source_read(source, 0, &header, sizeof(header)) || header.e_shnum != 0 || header.e_shoff == 0)
                        return true;
                header.e_shoff = swapped ? swap_bytes(header.e_shoff, sizeof(header.e_shoff)) : header.e_shoff;
                if (!source_read(source, header.e_shoff, &first64, sizeof(first64)))
                        return true;
                count = swapped ? swap_bytes(first64.sh_size, sizeof(first64.sh_size)) : first64.sh_size;
        } else {
                Elf32_Ehdr header;

                if (!source_read(source, 0, &header, sizeof(header)) || header.e_shnum != 0 || header.e_shoff == 0)
                        return true;
                header.e_shoff =
                        swapped ? (Elf32_Off)swap_bytes(header.e_shoff, sizeof(header.e_shoff)) : header.e_shoff;
                if (!source_read(source, header.e_shoff, &first32, sizeof(first32)))
                        return true;
                count = swapped ? swap_bytes(first32.sh_size, sizeof(first32.sh_size)) : first32.sh_size;
        }
        return count <= BINARY_SECTIONS_MAX;
}

static int first_look(const struct source *source)
{
        uint8_t ident[EI_NIDENT];

        if (!source_read(source, 0, ident, SELFMAG) || memcmp(ident, ELFMAG, SELFMAG) != 0)
                return -ENOEXEC;
        if (!source_read(source, 0, ident, sizeof(ident)))
                return -EBADMSG;
        return count_is_bounded(source, ident) ? 0 : -E2BIG;
}

static int fill_header(struct binary *binary)
{
        if (elf_kind(binary->elf) != ELF_K_ELF || !gelf_getehdr(binary->elf, &binary->header) ||
            elf_getshdrnum(binary->elf, &binary->n_sections) < 0)
                return -EBADMSG;
        if (binary->n_sections > BINARY_SECTIONS_MAX)
                return -E2BIG;
        /* PN_XNUM: the count stands in section 0. Neither the kernel nor a dynamic loader runs such a file. */
        if (binary->header.e_phnum > BINARY_SEGMENTS_MAX)
                return -E2BIG;
        binary->n_segments = binary->header.e_phnum;
        if (elf_getshdrstrndx(binary->elf, &binary->names_section) < 0)
                binary->names_section = 0;
        return 0;
}

static void close_binary(struct binary **binary)
{
        *binary = binary_close(*binary);
}

static int open_source(const struct source *source, struct binary **ret)
{
        struct binary *binary CLEANUP(close_binary) = NULL;
        int r = first_look(source);

        if (r < 0)
                return r;
        binary = calloc(1, sizeof(*binary));
        if (!binary || elf_version(EV_CURRENT) == EV_NONE)
                return -ENOMEM;
        binary->left_bytes = BINARY_BYTES_MAX;
        /* elf_memory() takes a pointer to char and writes nothing unless asked to by elf_update(). */
        binary->elf = source->bytes ? elf_memory((char *)(uintptr_t)source->bytes, source->n_bytes)
                                    : elf_begin(source->fd, ELF_C_READ, NULL);
        if (!binary->elf)
                return -EBADMSG;
        r = fill_header(binary);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(binary);
        return 0;
}

int binary_open(int fd, struct binary **ret)
{
        return open_source(&(struct source){.fd = fd}, ret);
}

int binary_open_memory(const void *bytes, size_t n_bytes, struct binary **ret)
{
        if (!bytes)
                return -ENOEXEC;
        return open_source(&(struct source){.fd = -1, .bytes = bytes, .n_bytes = n_bytes}, ret);
}

struct binary *binary_close(struct binary *binary)
{
        if (!binary)
                return NULL;
        (void)elf_end(binary->elf);
        free(binary);
        return NULL;
}

struct Elf *binary_elf(const struct binary *binary)
{
        return binary->elf;
}

unsigned int binary_type(const struct binary *binary)
{
        return binary->header.e_type;
}

unsigned int binary_machine(const struct binary *binary)
{
        return binary->header.e_machine;
}

bool binary_is_32bit(const struct binary *binary)
{
        return binary->header.e_ident[EI_CLASS] == ELFCLASS32;
}

size_t binary_count_segments(const struct binary *binary)
{
        return binary->n_segments;
}

size_t binary_count_sections(const struct binary *binary)
{
        return binary->n_sections;
}

size_t binary_names_section(const struct binary *binary)
{
        return binary->names_section;
}

bool binary_segment(const struct binary *binary, size_t index, struct binary_segment *ret)
{
        GElf_Phdr header;

        if (index >= binary->n_segments || !gelf_getphdr(binary->elf, (int)index, &header))
                return false;
        *ret = (struct binary_segment){.type = header.p_type,
                                       .flags = header.p_flags,
                                       .offset = header.p_offset,
                                       .file_bytes = header.p_filesz,
                                       .vaddr = header.p_vaddr,
                                       .memory_bytes = header.p_memsz};
        return true;
}

bool binary_section(const struct binary *binary, size_t index, struct binary_section *ret)
{
        Elf_Scn *section = index < binary->n_sections ? elf_getscn(binary->elf, index) : NULL;
        GElf_Shdr header;

        if (!section || !gelf_getshdr(section, &header))
                return false;
        *ret = (struct binary_section){.type = header.sh_type,
                                       .link = header.sh_link,
                                       .name = header.sh_name,
                                       .flags = header.sh_flags,
                                       .vaddr = header.sh_addr,
                                       .offset = header.sh_offset,
                                       .size_bytes = header.sh_size};
        return true;
}

bool binary_read(struct binary *binary, enum binary_kind kind, uint64_t offset, uint64_t n_bytes, uint64_t max_bytes,
                 struct binary_piece *ret)
{
        static const Elf_Type types[] = {[BINARY_BYTES] = ELF_T_BYTE,
                                         [BINARY_WORDS] = ELF_T_WORD,
                                         [BINARY_SYMBOLS] = ELF_T_SYM,
                                         [BINARY_DYNAMIC] = ELF_T_DYN,
                                         [BINARY_NOTES] = ELF_T_NHDR};
        /* Notes are a format of their own (a size of 1 for libelf, whose conversion walks them). */
        size_t item = kind == BINARY_NOTES ? 1 : gelf_fsize(binary->elf, types[kind], 1, EV_CURRENT);
        Elf_Data *data;

        if (item == 0 || n_bytes > max_bytes || n_bytes > binary->left_bytes || n_bytes < item || offset > INT64_MAX)
                return false;
        n_bytes -= n_bytes % item;
        binary->left_bytes -= n_bytes; /* also where it fails: trying costs as well */
        data = elf_getdata_rawchunk(binary->elf, (int64_t)offset, n_bytes, types[kind]);
        if (!data || !data->d_buf)
                return false;
        *ret = (struct binary_piece){
                .bytes = data->d_buf, .n_bytes = data->d_size, .n_items = data->d_size / item, .handle = data};
        return true;
}

bool binary_symbol(const struct binary_piece *piece, size_t index, struct binary_symbol *ret)
{
        GElf_Sym symbol;

        if (index >= piece->n_items || !gelf_getsym(piece->handle, (int)index, &symbol))
                return false;
        *ret = (struct binary_symbol){.value = symbol.st_value,
                                      .size_bytes = symbol.st_size,
                                      .name = symbol.st_name,
                                      .section = symbol.st_shndx,
                                      .type = GELF_ST_TYPE(symbol.st_info),
                                      .bind = GELF_ST_BIND(symbol.st_info)};
        return true;
}

bool binary_dynamic(const struct binary_piece *piece, size_t index, int64_t *ret_tag, uint64_t *ret_value)
{
        GElf_Dyn entry;

        if (index >= piece->n_items || !gelf_getdyn(piece->handle, (int)index, &entry))
                return false;
        *ret_tag = entry.d_tag;
        *ret_value = entry.d_un.d_val;
        return true;
}

bool binary_word(const struct binary_piece *piece, size_t index, uint32_t *ret)
{
        if (index >= piece->n_items)
                return false;
        memcpy(ret, (const uint8_t *)piece->bytes + index * sizeof(*ret), sizeof(*ret));
        return true;
}

uint32_t binary_to_host(const struct binary *binary, const uint8_t bytes[static 4])
{
        uint32_t word;

        memcpy(&word, bytes, sizeof(word));
        return binary->header.e_ident[EI_DATA] == host_data() ? word : __builtin_bswap32(word);
}

bool binary_note(const struct binary_piece *piece, size_t *offset, struct binary_note *ret)
{
        size_t name_offset, bytes_offset, next;
        GElf_Nhdr header;

        if (*offset >= piece->n_bytes)
                return false;
        next = gelf_getnote(piece->handle, *offset, &header, &name_offset, &bytes_offset);
        if (next <= *offset || name_offset > piece->n_bytes || piece->n_bytes - name_offset < header.n_namesz ||
            bytes_offset > piece->n_bytes || piece->n_bytes - bytes_offset < header.n_descsz)
                return false;
        *ret = (struct binary_note){.type = header.n_type,
                                    .name = (const char *)piece->bytes + name_offset,
                                    .n_name = header.n_namesz,
                                    .bytes = (const uint8_t *)piece->bytes + bytes_offset,
                                    .n_bytes = header.n_descsz};
        *offset = next;
        return true;
}

size_t binary_symbol_bytes(const struct binary *binary)
{
        return gelf_fsize(binary->elf, ELF_T_SYM, 1, EV_CURRENT);
}

const char *binary_string(const struct binary_piece *strings, uint64_t offset, size_t *ret_n)
{
        const char *string, *end;

        if (offset >= strings->n_bytes)
                return NULL;
        string = (const char *)strings->bytes + offset;
        end = memchr(string, '\0', strings->n_bytes - offset);
        if (!end)
                return NULL;
        *ret_n = (size_t)(end - string);
        return string;
}
