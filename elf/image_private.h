/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What image.c, image_symbols.c and image_debug.c share; nobody else includes it. */
#pragma once

#include "elf/image.h"
#include "elf/image_file.h"

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
