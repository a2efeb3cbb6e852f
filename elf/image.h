/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An image: what an ELF file tells about addresses: loadable segments, sections, symbols, build id. The only user of
 * libelf. Reads by descriptor with pread(2), never by mapping the file: a file truncated under us must not raise
 * SIGBUS. Every byte of the file is hostile. Built by the worker thread, then only read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/symtab.h"
#include "proto/base.h"

#define IMAGE_BUILD_ID_BYTES 20
#define IMAGE_PAGE_BYTES UINT64_C(4096) /* what loaders round segments to on x86-64 */

struct image; /* opaque; read by the functions below */

/*
 * Load from fd (any regular file; borrowed). 0; -ENOEXEC: not an ELF file that is run or loaded (text, an object file,
 * a core; callers then know the file has no names, not an error); -EBADMSG: ELF but damaged beyond use; -ENOMEM;
 * -E2BIG: more sections or segments than any honest file. A file with usable segments but damaged symbols loads,
 * without the symbols, and so does one with more symbols than SYMTAB_BYTES_MAX.
 */
int image_load(int fd, struct image **ret) MUST_CHECK;
/* The same from memory, e.g. our own vDSO, which is every process's. */
int image_load_memory(const void *bytes, size_t n_bytes, struct image **ret) MUST_CHECK;
struct image *image_free(struct image *image); /* returns NULL */

/* What would help: true when the image has no .symtab of its own; then a debug file may bring one. */
bool image_wants_debug(const struct image *image);
/* Build id: length in bytes (0 = none, at most IMAGE_BUILD_ID_BYTES). */
size_t image_build_id(const struct image *image, uint8_t ret[static IMAGE_BUILD_ID_BYTES]);
/* The .gnu_debuglink: base name and CRC, NULL = none. The name has no slash. */
const char *image_debuglink(const struct image *image, uint32_t *ret_crc);
/*
 * Add the symbols of a separate debug file. It must be the right one: equal build ids, or, when the image has none, the
 * debuglink's CRC over the whole file. 0; -ESTALE: another build's file; -ENODATA: the right one, but it has no
 * symbols; -errno of pread(2); else as image_load(). The image is unchanged on failure; a second debug file takes the
 * place of the first.
 */
int image_add_debug(struct image *image, int fd) MUST_CHECK;

/*
 * Link-time address of a file offset: through the PT_LOAD that holds it (p_offset <= offset < p_offset + p_filesz,
 * rounded out to pages as the loader maps). false = no segment maps it.
 */
bool image_vaddr_of_offset(const struct image *image, uint64_t offset, uint64_t *ret_vaddr);
struct image_segment { /* a PT_LOAD, elf(5); none wraps around the address space, file_bytes <= memory_bytes */
        uint64_t vaddr, memory_bytes;
        uint64_t offset, file_bytes;
        bool readable, writable, executable;
};
size_t image_count_segments(const struct image *image);
const struct image_segment *image_segment_at(const struct image *image,
                                             size_t index); /* in address order; owned by the image */
/* The addresses are absolute (ET_EXEC): its load bias is 0 wherever it was mapped to run. */
bool image_is_fixed(const struct image *image);
/* ELFCLASS32: a program or library of 32-bit processes. */
bool image_is_32bit(const struct image *image);
/* Whether a link-time address belongs to a PT_LOAD's memory image (filesz or, behind it, .bss up to memsz). */
bool image_covers(const struct image *image, uint64_t vaddr);

struct image_section {
        const char *name; /* ".text", owned by the image */
        uint64_t vaddr, size_bytes;
};
/* The allocated section holding vaddr; thread-local NOBITS (.tbss) takes no addresses and is never returned. false =
 * none. */
bool image_section(const struct image *image, uint64_t vaddr, struct image_section *ret);
/* As symtab_lookup(), over .symtab, .dynsym and debug symbols; STT_TLS, STT_FILE and STT_SECTION are not among them. */
bool image_symbol(const struct image *image, uint64_t vaddr, struct symbol *ret);
/* As symtab_each(), over .symtab, .dynsym and debug symbols; a name that two of them have comes twice. */
void image_each_symbol(const struct image *image, void (*visit)(void *arg, uint64_t vaddr, const char *name),
                       void *arg);
/* The first link-time address above vaddr for which the two above may answer differently; UINT64_MAX = they never do.
 */
uint64_t image_until(const struct image *image, uint64_t vaddr);

/* Bytes of memory it holds. */
size_t image_bytes(const struct image *image);
