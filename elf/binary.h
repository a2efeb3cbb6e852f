/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An ELF file, 32 or 64 bits, either byte order, read piece by piece: the only user of libelf. Private to image*.c
 * and lines.c.
 * The meaning of every constant (PT_, SHT_, SHF_, SHN_, STT_, STB_, DT_) is that of <elf.h> and elf(5).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

#define BINARY_SECTIONS_MAX 65535
#define BINARY_SEGMENTS_MAX 65534              /* what e_phnum can say itself */
#define BINARY_BYTES_MAX (UINT64_C(512) << 20) /* of contents, all pieces of a file together */

struct binary;

struct binary_segment {
        uint32_t type, flags;
        uint64_t offset, file_bytes; /* in the file; nothing is checked against the file's size */
        uint64_t vaddr, memory_bytes;
};

struct binary_section {
        uint32_t type;
        uint32_t link;
        uint32_t name; /* offset into the section names */
        uint64_t flags;
        uint64_t vaddr, offset, size_bytes;
};

struct binary_symbol {
        uint64_t value, size_bytes;
        uint32_t name;    /* offset into the string table */
        uint32_t section; /* st_shndx as it stands, SHN_XINDEX included */
        uint8_t type, bind;
};

struct binary_note {
        uint32_t type;
        const char *name; /* n_name bytes, the NUL included where there is one */
        size_t n_name;
        const uint8_t *bytes;
        size_t n_bytes;
};

enum binary_kind { BINARY_BYTES, BINARY_WORDS, BINARY_SYMBOLS, BINARY_DYNAMIC, BINARY_NOTES };

/* A piece of the file, in memory until binary_close(). */
struct binary_piece {
        const void *bytes;
        size_t n_bytes;
        size_t n_items; /* whole symbols, dynamic entries or 32-bit words; bytes for the rest */
        void *handle;
};

/* 0; -ENOEXEC: no ELF file; -EBADMSG: ELF, but its header makes no sense; -ENOMEM; -E2BIG: more sections or segments
 * than above. */
int binary_open(int fd, struct binary **ret) MUST_CHECK; /* fd is borrowed until binary_close() */
int binary_open_memory(const void *bytes, size_t n_bytes, struct binary **ret) MUST_CHECK;
struct binary *binary_close(struct binary *binary); /* NULL passes through; returns NULL */

/* For libdw alone, which reads through it on its own account (lines.c). Borrowed. */
struct Elf *binary_elf(const struct binary *binary);
unsigned int binary_type(const struct binary *binary);    /* ET_EXEC, ... */
unsigned int binary_machine(const struct binary *binary); /* EM_X86_64, ... */
bool binary_is_32bit(const struct binary *binary);        /* ELFCLASS32 */
size_t binary_count_segments(const struct binary *binary);
size_t binary_count_sections(const struct binary *binary);
/* false: the file does not have it, although its header counts it. */
bool binary_segment(const struct binary *binary, size_t index, struct binary_segment *ret);
bool binary_section(const struct binary *binary, size_t index, struct binary_section *ret);
/* The section that holds the names of sections; 0 = none. */
size_t binary_names_section(const struct binary *binary);

/* n_bytes at offset, all of them and at most max_bytes. false: not there, too much (also: BINARY_BYTES_MAX), or no
 * memory. */
bool binary_read(struct binary *binary, enum binary_kind kind, uint64_t offset, uint64_t n_bytes, uint64_t max_bytes,
                 struct binary_piece *ret);
/* Index below n_items of a piece of the right kind; false otherwise. */
bool binary_symbol(const struct binary_piece *piece, size_t index, struct binary_symbol *ret);
bool binary_dynamic(const struct binary_piece *piece, size_t index, int64_t *ret_tag, uint64_t *ret_value);
bool binary_word(const struct binary_piece *piece, size_t index, uint32_t *ret);
/* A note word (its CRC, say) in the file's byte order, from 4 bytes. */
uint32_t binary_to_host(const struct binary *binary, const uint8_t bytes[static 4]);
/* The note at *offset, which moves behind it; false = no more. */
bool binary_note(const struct binary_piece *piece, size_t *offset, struct binary_note *ret);
/* How many bytes of the file one symbol takes. */
size_t binary_symbol_bytes(const struct binary *binary);
/* A string of a string table that ends inside the table, n without the NUL; NULL = none there. */
const char *binary_string(const struct binary_piece *strings, uint64_t offset, size_t *ret_n);
