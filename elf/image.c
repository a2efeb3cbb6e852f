/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An ELF file boiled down to three sorted tables: segments, sections, symbols.
 *
 * Only what answers "what is at this address" is kept; the file is closed when loading ends. Sections go into a symtab
 * like the symbols do, because they ask the same question (the innermost named range that holds an address) and a
 * hostile file overlaps them just as well. Left out are sections that take no addresses: those not allocated, and
 * .tbss, whose addresses are those of whatever follows it (each thread has its own copy elsewhere).
 *
 * A file needs no section headers: then sections are not known, and symbols come from PT_DYNAMIC. It does need a
 * PT_LOAD.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "elf/image_private.h"

/* place_find() compares each with each. Real files have fewer than twenty. */
#define SEGMENTS_MAX 128
#define SECTION_NAME_MAX_BYTES 255
#define SECTION_NAMES_MAX_BYTES (UINT64_C(16) << 20)

static uint64_t page_floor(uint64_t value)
{
        return value & ~(IMAGE_PAGE_BYTES - 1);
}

/* Of a value that usable_segment() has checked to have a page above it. */
static uint64_t page_ceil(uint64_t value)
{
        return page_floor(value + IMAGE_PAGE_BYTES - 1);
}

static int read_section_headers(struct image_file *file)
{
        size_t n = binary_count_sections(file->binary);

        file->sections = calloc(MAX_OF(n, (size_t)1), sizeof(*file->sections));
        if (!file->sections)
                return -ENOMEM;
        while (file->n_sections < n &&
               binary_section(file->binary, file->n_sections, &file->sections[file->n_sections]))
                file->n_sections++;
        return 0;
}

static void read_section_names(struct image_file *file)
{
        size_t index = binary_names_section(file->binary);
        const struct binary_section *section;
        struct binary_piece piece;

        if (index == 0 || index >= file->n_sections)
                return;
        section = &file->sections[index];
        if (section->type != SHT_NOBITS && !(section->flags & SHF_COMPRESSED) &&
            binary_read(file->binary, BINARY_BYTES, section->offset, section->size_bytes, SECTION_NAMES_MAX_BYTES,
                        &piece))
                file->section_names = piece;
}

static int finish_open(struct image_file *file, int r)
{
        if (r == 0)
                r = read_section_headers(file);
        if (r == 0)
                read_section_names(file);
        else
                image_file_close(file);
        return r;
}

int image_file_open(struct image_file *file, int fd)
{
        *file = (struct image_file){0};
        return finish_open(file, binary_open(fd, &file->binary));
}

int image_file_open_memory(struct image_file *file, const void *bytes, size_t n_bytes)
{
        *file = (struct image_file){0};
        return finish_open(file, binary_open_memory(bytes, n_bytes, &file->binary));
}

void image_file_close(struct image_file *file)
{
        free(file->sections);
        (void)binary_close(file->binary);
        *file = (struct image_file){0};
}

const char *image_file_section_name(const struct image_file *file, const struct binary_section *section, size_t *ret_n)
{
        return binary_string(&file->section_names, section->name, ret_n);
}

/* Neither range, rounded up to pages, wraps around. */
static bool usable_segment(const struct binary_segment *segment)
{
        return segment->type == PT_LOAD && segment->memory_bytes > 0 &&
               segment->vaddr <= UINT64_MAX - IMAGE_PAGE_BYTES &&
               segment->memory_bytes <= UINT64_MAX - IMAGE_PAGE_BYTES - segment->vaddr &&
               segment->offset <= UINT64_MAX - IMAGE_PAGE_BYTES &&
               segment->file_bytes <= UINT64_MAX - IMAGE_PAGE_BYTES - segment->offset;
}

static int by_address(const void *left, const void *right)
{
        const struct image_segment *a = left, *b = right;

        return (a->vaddr > b->vaddr) - (a->vaddr < b->vaddr);
}

static int add_segment(struct image *image, const struct binary_segment *segment)
{
        struct image_segment *segments;

        if (image->n_segments == SEGMENTS_MAX)
                return -E2BIG;
        segments = reallocarray(image->segments, image->n_segments + 1, sizeof(*segments));
        if (!segments)
                return -ENOMEM;
        image->segments = segments;
        segments[image->n_segments++] =
                (struct image_segment){.vaddr = segment->vaddr,
                                       .memory_bytes = segment->memory_bytes,
                                       .offset = segment->offset,
                                       .file_bytes = MIN_OF(segment->file_bytes, segment->memory_bytes),
                                       .readable = segment->flags & PF_R,
                                       .writable = segment->flags & PF_W,
                                       .executable = segment->flags & PF_X};
        return 0;
}

static int read_segments(struct image *image, const struct image_file *file)
{
        struct binary_segment segment;

        for (size_t i = 0; i < binary_count_segments(file->binary); i++) {
                int r;

                if (!binary_segment(file->binary, i, &segment) || !usable_segment(&segment))
                        continue;
                r = add_segment(image, &segment);
                if (r < 0)
                        return r;
        }
        if (image->n_segments == 0)
                return -EBADMSG;
        qsort(image->segments, image->n_segments, sizeof(*image->segments), by_address);
        return 0;
}

static bool takes_addresses(const struct binary_section *section)
{
        return section->type != SHT_NULL && section->flags & SHF_ALLOC && section->size_bytes > 0 &&
               !(section->type == SHT_NOBITS && section->flags & SHF_TLS);
}

static int read_sections(struct image *image, const struct image_file *file)
{
        int r = symtab_new(&image->sections);

        for (size_t i = 0; r == 0 && i < file->n_sections; i++) {
                const struct binary_section *section = &file->sections[i];
                const char *name;
                size_t n;

                if (!takes_addresses(section))
                        continue;
                name = image_file_section_name(file, section, &n);
                if (name && n > 0)
                        r = symtab_add(image->sections, section->vaddr, section->size_bytes, 0, SYMBOL_LOCAL, name,
                                       MIN_OF(n, (size_t)SECTION_NAME_MAX_BYTES));
        }
        return r < 0 ? r : symtab_finish(image->sections);
}

static int fill_image(struct image *image, const struct image_file *file)
{
        unsigned int type = binary_type(file->binary);
        int r;

        if (type != ET_EXEC && type != ET_DYN)
                return -ENOEXEC;
        image->fixed = type == ET_EXEC;
        image->is_32bit = binary_is_32bit(file->binary);
        r = read_segments(image, file);
        if (r < 0)
                return r;
        r = read_sections(image, file);
        if (r < 0)
                return r;
        r = image_read_symbols(file, image->segments, image->n_segments, &image->has_own_symtab, &image->symbols);
        if (r < 0)
                return r;
        image->n_build_id = image_read_build_id(file, image->build_id);
        return image_read_debuglink(file, &image->debuglink, &image->debuglink_crc);
}

static int load_file(const struct image_file *file, struct image **ret)
{
        struct image *image = calloc(1, sizeof(*image));
        int r;

        if (!image)
                return -ENOMEM;
        r = fill_image(image, file);
        if (r < 0) {
                (void)image_free(image);
                return r;
        }
        *ret = image;
        return 0;
}

int image_load(int fd, struct image **ret)
{
        struct image_file file CLEANUP(image_file_close);
        int r = image_file_open(&file, fd);

        return r < 0 ? r : load_file(&file, ret);
}

int image_load_memory(const void *bytes, size_t n_bytes, struct image **ret)
{
        struct image_file file CLEANUP(image_file_close);
        int r = image_file_open_memory(&file, bytes, n_bytes);

        return r < 0 ? r : load_file(&file, ret);
}

struct image *image_free(struct image *image)
{
        if (!image)
                return NULL;
        free(image->segments);
        (void)symtab_free(image->sections);
        (void)symtab_free(image->symbols);
        (void)symtab_free(image->debug);
        free(image->debuglink);
        free(image);
        return NULL;
}

bool image_vaddr_of_offset(const struct image *image, uint64_t offset, uint64_t *ret_vaddr)
{
        const struct image_segment *rounded = NULL;

        for (size_t i = 0; i < image->n_segments; i++) {
                const struct image_segment *segment = &image->segments[i];

                if (segment->file_bytes == 0)
                        continue;
                if (offset >= segment->offset && offset - segment->offset < segment->file_bytes) {
                        rounded = segment;
                        break;
                }
                if (!rounded && offset >= page_floor(segment->offset) &&
                    offset < page_ceil(segment->offset + segment->file_bytes))
                        rounded = segment;
        }
        if (!rounded)
                return false;
        *ret_vaddr = rounded->vaddr + (offset - rounded->offset);
        return true;
}

size_t image_count_segments(const struct image *image)
{
        return image->n_segments;
}

const struct image_segment *image_segment_at(const struct image *image, size_t index)
{
        return &image->segments[index];
}

bool image_is_fixed(const struct image *image)
{
        return image->fixed;
}

bool image_is_32bit(const struct image *image)
{
        return image->is_32bit;
}

bool image_covers(const struct image *image, uint64_t vaddr)
{
        for (size_t i = 0; i < image->n_segments; i++)
                if (vaddr >= image->segments[i].vaddr &&
                    vaddr - image->segments[i].vaddr < image->segments[i].memory_bytes)
                        return true;
        return false;
}

bool image_section(const struct image *image, uint64_t vaddr, struct image_section *ret)
{
        struct symbol section;

        if (!symtab_lookup(image->sections, vaddr, &section))
                return false;
        *ret = (struct image_section){.name = section.name, .vaddr = section.value, .size_bytes = section.size_bytes};
        return true;
}

bool image_symbol(const struct image *image, uint64_t vaddr, struct symbol *ret)
{
        struct symbol own, debug;
        bool has_own = symtab_lookup(image->symbols, vaddr, &own);

        /* The innermost of both; the debug file knows more names of one address. */
        if (image->debug && symtab_lookup(image->debug, vaddr, &debug) && (!has_own || debug.value >= own.value)) {
                *ret = debug;
                return true;
        }
        if (has_own)
                *ret = own;
        return has_own;
}

void image_each_symbol(const struct image *image, void (*visit)(void *arg, uint64_t vaddr, const char *name), void *arg)
{
        symtab_each(image->symbols, visit, arg);
        if (image->debug)
                symtab_each(image->debug, visit, arg);
}

uint64_t image_until(const struct image *image, uint64_t vaddr)
{
        uint64_t until = MIN_OF(symtab_until(image->sections, vaddr), symtab_until(image->symbols, vaddr));

        return image->debug ? MIN_OF(until, symtab_until(image->debug, vaddr)) : until;
}

size_t image_bytes(const struct image *image)
{
        return sizeof(*image) + image->n_segments * sizeof(*image->segments) + symtab_bytes(image->sections) +
               symtab_bytes(image->symbols) + (image->debug ? symtab_bytes(image->debug) : 0) +
               (image->debuglink ? strlen(image->debuglink) + 1 : 0);
}
