/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What image.c, image_symbols.c, image_debug.c and image_rows.c share; nobody else includes it. */
#pragma once

#include "daemon/engine/model/binary.h"
#include "daemon/engine/model/image.h"

struct image {
        bool fixed;
        bool is_32bit;
        bool has_own_symtab;            /* a .symtab with symbols in it */
        struct image_segment *segments; /* by address */
        size_t n_segments;
        struct symtab *sections; /* allocated sections, as if they were symbols: they may overlap in a hostile file */
        struct symtab *symbols;  /* of the file itself */
        struct symtab *debug;    /* of a separate debug file, NULL = none */
        uint8_t build_id[IMAGE_BUILD_ID_BYTES];
        size_t n_build_id;
        char *debuglink; /* NULL = none */
        uint32_t debuglink_crc;
};

/* An open file with its section headers read: what loading needs for a moment. */
struct image_file {
        struct binary *binary;
        struct binary_section *sections;
        size_t n_sections;                 /* those that could be read */
        struct binary_piece section_names; /* empty = none */
};

/* Errors as binary_open(). The file is empty (all zero) on failure. */
int image_file_open(struct image_file *file, int fd) MUST_CHECK;
int image_file_open_memory(struct image_file *file, const void *bytes, size_t n_bytes) MUST_CHECK;
void image_file_close(struct image_file *file);
/* The name of a section, n bytes; NULL = none. */
const char *image_file_section_name(const struct image_file *file, const struct binary_section *section, size_t *ret_n);

/* *ret_own: whether a .symtab gave symbols. *ret: finished, maybe empty. 0 or -ENOMEM. */
int image_read_symbols(const struct image_file *file, const struct image_segment *segments, size_t n_segments,
                       bool *ret_own, struct symtab **ret) MUST_CHECK;
/* Length in bytes, 0 = none; ret is untouched then. */
size_t image_read_build_id(const struct image_file *file, uint8_t ret[static IMAGE_BUILD_ID_BYTES]);
/* 0, also where there is none (*ret untouched), or -ENOMEM. *ret: the caller's. */
int image_read_debuglink(const struct image_file *file, char **ret, uint32_t *ret_crc) MUST_CHECK;

static inline void image_symtab_cleanup(struct symtab **symtab)
{
        *symtab = symtab_free(*symtab);
}
