/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds an address of code, for both ways to walk a stack. */
#pragma once

#include "daemon/engine/model/codemap.h"
#include "daemon/engine/model/walk.h"
#include "elf/image.h"

struct oracle_file {
        uint32_t major, minor;
        uint64_t inode;
        int fd;
        const uint8_t *bytes; /* the vDSO */
        size_t n_bytes;
        struct image *image; /* NULL: no ELF file */
        struct rows *rows;
};

/* The rest is set with UNWIND_FOUND. */
enum unwind_answer oracle_look_up(struct codemap *code, uint64_t addr, const struct map **ret_map,
                                  const struct oracle_file **ret_file, uint64_t *ret_vaddr);
/* find_image() of requests; user: the codemap. */
enum unwind_answer oracle_find_rows(void *user, uint64_t addr, struct walk_image *ret);
enum unwind_answer oracle_find_file(void *user, uint64_t addr, struct unwind_image *ret);
void oracle_forget_files(void);
