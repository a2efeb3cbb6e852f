/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What reading DWARF will cost, before libdw reads it: a byte of a line table may become a row of a hundred bytes, five
 * bytes of it a path of any length, and a byte of .debug_info an entry with thousands of attributes. Pure; every byte
 * is hostile. Big-endian bytes are damaged ones.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "elf/binary.h"
#include "proto/base.h"

/*
 * Bytes of all sections of debug information, decompressed. 0; -ENODATA: there is no .debug_info; -E2BIG: more than
 * max_bytes.
 */
int dwarf_file_cost(struct binary *binary, uint64_t max_bytes, uint64_t *ret) MUST_CHECK;

struct dwarf_bytes { /* a section; n 0 = there is none */
        const uint8_t *bytes;
        size_t n;
};

/* A line table (DWARF 5, section 6.2) and the unit it belongs to. */
struct dwarf_line_table {
        struct dwarf_bytes line, line_strings; /* .debug_line, which is there; .debug_line_str */
        uint64_t offset;                       /* in .debug_line */
        size_t n_comp_dir;                     /* length of the unit's DW_AT_comp_dir */
        uint8_t address_bytes;                 /* of the unit */
};

struct dwarf_line_cost {
        size_t n_rows;
        size_t n_path_bytes; /* of all paths together, at most */
};

/* 0; -EBADMSG: damaged, or of a form that no compiler writes, so that the cost is not known. */
int dwarf_line_cost(const struct dwarf_line_table *table, struct dwarf_line_cost *ret) MUST_CHECK;

struct dwarf_abbrev_cost {
        size_t n_bytes;              /* of the table */
        unsigned int steps_per_byte; /* attributes that must be looked at for one byte of .debug_info, at most */
};

/* A table of abbreviations (DWARF 5, section 7.5.3) of a section that is there. 0; -EBADMSG: damaged; -E2BIG: larger
 * than any honest one. */
int dwarf_abbrev_cost(const struct dwarf_bytes *abbrev, uint64_t offset, struct dwarf_abbrev_cost *ret) MUST_CHECK;
