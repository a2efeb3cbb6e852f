/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An ELF file while something is read from it: for those who make tables of one. */
#pragma once

#include "elf/binary.h"
#include "proto/base.h"

/* With its section headers read. */
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
