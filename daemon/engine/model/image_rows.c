/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the unwind tables of an image are: sections by name, and where a file has no section headers (some loaders'
 * output, stripped to the bone) what PT_GNU_EH_FRAME leads to; that table then goes on to the end of its segment, or to
 * its terminator. Only what x86-64 programs run is read.
 *
 * A compressed .debug_frame is not read: it would have to be unpacked, at a size that the file makes up, for programs
 * that without exception (Go's) keep frame pointers.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "daemon/engine/model/image_rows.h"
#include "elf/image_file.h"

/* Of .eh_frame_hdr: version, encodings of three things, then the address of .eh_frame. LSB Core, 10.6.2. */
#define INDEX_HEAD_BYTES 8
#define INDEX_VERSION 1
#define ENCODED_PCREL_SDATA4 0x1b
#define SEARCHED_MAX_BYTES ((uint64_t)16 << 20) /* C libraries, and programs that hold one, are smaller */

/* The first of this name; NULL = none. */
static const struct binary_section *find_section(const struct image_file *file, const char *name)
{
        for (size_t i = 0; i < file->n_sections; i++) {
                size_t n;
                const char *here = image_file_section_name(file, &file->sections[i], &n);

                if (here && strcmp(here, name) == 0)
                        return &file->sections[i];
        }
        return NULL;
}

static uint64_t address_of(const struct image_file *file, const char *name)
{
        const struct binary_section *section = find_section(file, name);

        return section ? section->vaddr : 0;
}

static int read_table(const struct image_file *file, uint64_t offset, uint64_t n_bytes, struct rows_table *ret)
{
        struct binary_piece piece;

        if (n_bytes > ROWS_TABLE_BYTES_MAX)
                return -E2BIG;
        if (n_bytes == 0 || !binary_read(file->binary, BINARY_BYTES, offset, n_bytes, ROWS_TABLE_BYTES_MAX, &piece))
                return 0;
        ret->bytes = piece.bytes;
        ret->n_bytes = piece.n_bytes;
        return 0;
}

/* A separate debug file has its sections without their contents (SHT_NOBITS). */
static int read_section_table(const struct image_file *file, const struct binary_section *section,
                              struct rows_table *ret)
{
        if (!section || section->type == SHT_NOBITS || section->flags & SHF_COMPRESSED)
                return 0;
        ret->vaddr = section->vaddr;
        return read_table(file, section->offset, section->size_bytes, ret);
}

static bool find_segment(const struct image_file *file, uint32_t type, uint64_t vaddr, struct binary_segment *ret)
{
        for (size_t i = 0; i < binary_count_segments(file->binary); i++)
                if (binary_segment(file->binary, i, ret) && ret->type == type &&
                    (type != PT_LOAD || (vaddr >= ret->vaddr && vaddr - ret->vaddr < ret->file_bytes)))
                        return true;
        return false;
}

/* The link-time address of .eh_frame; 0 = not known. */
static uint64_t follow_index(const struct image_file *file)
{
        struct binary_segment segment;
        struct binary_piece piece;
        const uint8_t *head;
        int32_t distance;

        if (!find_segment(file, PT_GNU_EH_FRAME, 0, &segment) || segment.file_bytes < INDEX_HEAD_BYTES ||
            !binary_read(file->binary, BINARY_BYTES, segment.offset, INDEX_HEAD_BYTES, INDEX_HEAD_BYTES, &piece))
                return 0;
        head = piece.bytes;
        if (head[0] != INDEX_VERSION || head[1] != ENCODED_PCREL_SDATA4)
                return 0;
        memcpy(&distance, head + 4, sizeof(distance));
        return segment.vaddr + 4 + (uint64_t)distance;
}

static int read_indexed_table(const struct image_file *file, struct rows_table *ret)
{
        uint64_t vaddr = follow_index(file), skipped;
        struct binary_segment segment;

        if (vaddr == 0 || !find_segment(file, PT_LOAD, vaddr, &segment))
                return 0;
        skipped = vaddr - segment.vaddr;
        ret->vaddr = vaddr;
        return segment.offset > UINT64_MAX - skipped
                       ? 0
                       : read_table(file, segment.offset + skipped, segment.file_bytes - skipped, ret);
}

/* Code that no table describes has no more than its bytes to tell what it is. */
static void find_restorers(const struct image_file *file, struct rows_source *source)
{
        static const uint8_t code[ROWS_RESTORER_BYTES] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
        struct binary_segment segment;
        struct binary_piece piece;

        for (size_t i = 0; i < binary_count_segments(file->binary); i++) {
                const uint8_t *at, *end;

                if (!binary_segment(file->binary, i, &segment) || segment.type != PT_LOAD || !(segment.flags & PF_X) ||
                    segment.file_bytes > SEARCHED_MAX_BYTES ||
                    !binary_read(file->binary, BINARY_BYTES, segment.offset, segment.file_bytes, SEARCHED_MAX_BYTES,
                                 &piece))
                        continue;
                at = piece.bytes;
                end = at + piece.n_bytes;
                while (source->n_restorers < ROWS_RESTORERS_MAX &&
                       (at = memmem(at, (size_t)(end - at), code, sizeof(code))))
                        source->restorers[source->n_restorers++] =
                                segment.vaddr + (uint64_t)(at++ - (const uint8_t *)piece.bytes);
        }
}

static int compile_file(const struct image_file *file, struct rows **ret)
{
        const struct binary_section *eh_frame = find_section(file, ".eh_frame");
        struct rows_source source = {.text_vaddr = address_of(file, ".text"),
                                     .got_vaddr = address_of(file, ".got.plt")};
        int r;

        if (binary_is_32bit(file->binary) || binary_machine(file->binary) != EM_X86_64)
                return -ENODATA;
        if (source.got_vaddr == 0)
                source.got_vaddr = address_of(file, ".got");
        r = eh_frame ? read_section_table(file, eh_frame, &source.eh_frame)
                     : read_indexed_table(file, &source.eh_frame);
        if (r == 0)
                r = read_section_table(file, find_section(file, ".debug_frame"), &source.debug_frame);
        if (r < 0)
                return r;
        find_restorers(file, &source);
        return rows_compile(&source, ret);
}

int image_compile_rows(int fd, struct rows **ret)
{
        struct image_file file CLEANUP(image_file_close);
        int r = image_file_open(&file, fd);

        return r < 0 ? r : compile_file(&file, ret);
}

int image_compile_rows_memory(const void *bytes, size_t n_bytes, struct rows **ret)
{
        struct image_file file CLEANUP(image_file_close);
        int r = image_file_open_memory(&file, bytes, n_bytes);

        return r < 0 ? r : compile_file(&file, ret);
}
