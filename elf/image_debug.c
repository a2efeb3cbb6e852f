/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which build a file is, and the symbols of the debug file that belongs to it.
 *
 * A stripped image names its debug file by build id (a note that the linker made from the contents, kept by strip) or,
 * older, by .gnu_debuglink: a base name and the CRC-32 of the whole debug file. A debug file of another build gives
 * plausible, wrong names, so it is checked, never trusted by its name. Of a debug file only the symbol table counts:
 * objcopy
 * --only-keep-debug turns the other sections to NOBITS, whose headers keep the image's link-time addresses.
 *
 * This is the one place beside libelf that reads a file: the CRC covers every byte of it, so it is read in
 * pieces, not held.
 */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "elf/image_private.h"

#define NOTES_MAX_BYTES (UINT64_C(1) << 20) /* of all notes of a file together */
#define DEBUGLINK_MAX_BYTES 4096
#define CRC_PIECE_BYTES 65536
#define CRC_FILE_MAX_BYTES (INT64_C(4) << 30) /* a sparse file of exabytes is free to make and takes years to read */

/* The build id among the notes of a piece; false = none that fits. */
static bool find_build_id(const struct binary_piece *piece, uint8_t ret[static IMAGE_BUILD_ID_BYTES], size_t *ret_n)
{
        struct binary_note note;
        size_t offset = 0;

        while (binary_note(piece, &offset, &note)) {
                if (note.type != NT_GNU_BUILD_ID || note.n_name != sizeof(ELF_NOTE_GNU) ||
                    memcmp(note.name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) != 0)
                        continue;
                if (note.n_bytes == 0 || note.n_bytes > IMAGE_BUILD_ID_BYTES)
                        continue;
                memcpy(ret, note.bytes, note.n_bytes);
                *ret_n = note.n_bytes;
                return true;
        }
        return false;
}

static bool read_notes(const struct image_file *file, uint64_t offset, uint64_t n_bytes, uint64_t *left_bytes,
                       uint8_t ret[static IMAGE_BUILD_ID_BYTES], size_t *ret_n)
{
        struct binary_piece piece;

        if (n_bytes > *left_bytes || !binary_read(file->binary, BINARY_NOTES, offset, n_bytes, *left_bytes, &piece))
                return false;
        *left_bytes -= n_bytes;
        return find_build_id(&piece, ret, ret_n);
}

/* Sections first: in a debug file the offsets of segments point nowhere. */
size_t image_read_build_id(const struct image_file *file, uint8_t ret[static IMAGE_BUILD_ID_BYTES])
{
        uint64_t left_bytes = NOTES_MAX_BYTES;
        struct binary_segment segment;
        size_t n;

        for (size_t i = 0; i < file->n_sections; i++) {
                const struct binary_section *section = &file->sections[i];

                if (section->type == SHT_NOTE && !(section->flags & SHF_COMPRESSED) &&
                    read_notes(file, section->offset, section->size_bytes, &left_bytes, ret, &n))
                        return n;
        }
        for (size_t i = 0; i < binary_count_segments(file->binary); i++)
                if (binary_segment(file->binary, i, &segment) && segment.type == PT_NOTE &&
                    read_notes(file, segment.offset, segment.file_bytes, &left_bytes, ret, &n))
                        return n;
        return 0;
}

static bool is_base_name(const char *name, size_t n)
{
        return n > 0 && n <= NAME_MAX && !memchr(name, '/', n) && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The name with its NUL, zeros up to a multiple of four, the CRC in the file's byte order (objcopy(1),
 * --add-gnu-debuglink). */
static bool parse_debuglink(const struct image_file *file, const struct binary_section *section, const char **ret_name,
                            uint32_t *ret_crc)
{
        struct binary_piece piece;
        const char *name;
        size_t n, at;

        if (section->flags & SHF_COMPRESSED || section->type == SHT_NOBITS ||
            !binary_read(file->binary, BINARY_BYTES, section->offset, section->size_bytes, DEBUGLINK_MAX_BYTES, &piece))
                return false;
        name = binary_string(&piece, 0, &n);
        if (!name || !is_base_name(name, n))
                return false;
        at = (n + 1 + 3) & ~(size_t)3;
        if (at > piece.n_bytes || piece.n_bytes - at < sizeof(uint32_t))
                return false;
        *ret_name = name;
        *ret_crc = binary_to_host(file->binary, (const uint8_t *)piece.bytes + at);
        return true;
}

int image_read_debuglink(const struct image_file *file, char **ret, uint32_t *ret_crc)
{
        for (size_t i = 1; i < file->n_sections; i++) {
                const char *name;
                char *copy;
                uint32_t crc;
                size_t n;

                if (file->sections[i].flags & SHF_ALLOC)
                        continue;
                name = image_file_section_name(file, &file->sections[i], &n);
                if (!name || strcmp(name, ".gnu_debuglink") != 0)
                        continue;
                if (!parse_debuglink(file, &file->sections[i], &name, &crc))
                        return 0;
                copy = strdup(name);
                if (!copy)
                        return -ENOMEM;
                *ret = copy;
                *ret_crc = crc;
                return 0;
        }
        return 0;
}

bool image_wants_debug(const struct image *image)
{
        return !image->has_own_symtab && !image->debug;
}

size_t image_build_id(const struct image *image, uint8_t ret[static IMAGE_BUILD_ID_BYTES])
{
        memcpy(ret, image->build_id, image->n_build_id);
        return image->n_build_id;
}

const char *image_debuglink(const struct image *image, uint32_t *ret_crc)
{
        if (image->debuglink)
                *ret_crc = image->debuglink_crc;
        return image->debuglink;
}

/* The reflected CRC-32 of IEEE 802.3, one table step a byte. */
static void fill_crc_table(uint32_t table[static 256])
{
        for (uint32_t i = 0; i < 256; i++) {
                uint32_t crc = i;

                for (unsigned int bit = 0; bit < 8; bit++)
                        crc = crc & 1 ? crc >> 1 ^ UINT32_C(0xedb88320) : crc >> 1;
                table[i] = crc;
        }
}

static int file_crc(int fd, uint32_t *ret)
{
        uint8_t *piece CLEANUP_FREE = malloc(CRC_PIECE_BYTES);
        uint32_t table[256], crc = UINT32_MAX;
        off_t offset = 0;
        ssize_t n;

        if (!piece)
                return -ENOMEM;
        fill_crc_table(table);
        while ((n = pread(fd, piece, CRC_PIECE_BYTES, offset)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (offset > CRC_FILE_MAX_BYTES - n)
                        return -E2BIG;
                for (ssize_t i = 0; i < n; i++)
                        crc = crc >> 8 ^ table[(crc ^ piece[i]) & 0xff];
                offset += n;
        }
        *ret = ~crc;
        return 0;
}

static int check_same_build(const struct image *image, const struct image_file *file, int fd)
{
        uint8_t build_id[IMAGE_BUILD_ID_BYTES];
        uint32_t crc;
        int r;

        if (image->n_build_id > 0) {
                size_t n = image_read_build_id(file, build_id);

                return n == image->n_build_id && memcmp(build_id, image->build_id, n) == 0 ? 0 : -ESTALE;
        }
        if (!image->debuglink)
                return -ESTALE;
        r = file_crc(fd, &crc);
        if (r < 0)
                return r;
        return crc == image->debuglink_crc ? 0 : -ESTALE;
}

int image_add_debug(struct image *image, int fd)
{
        struct image_file file CLEANUP(image_file_close);
        struct symtab *symbols CLEANUP(image_symtab_cleanup) = NULL;
        bool has_symtab = false;
        int r = image_file_open(&file, fd);

        if (r < 0)
                return r;
        r = check_same_build(image, &file, fd);
        if (r < 0)
                return r;
        r = image_read_symbols(&file, image->segments, image->n_segments, &has_symtab, &symbols);
        if (r < 0)
                return r;
        if (!has_symtab)
                return -ENODATA;
        (void)symtab_free(image->debug);
        image->debug = TAKE_PTR(symbols);
        return 0;
}
