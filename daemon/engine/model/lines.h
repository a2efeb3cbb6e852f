/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source file and line of an address of code, and the functions inlined there, from the DWARF of an image or of its
 * separate debug file. The only user of libdw. Slow (a compilation unit is parsed the first time one of its addresses
 * is asked for): for a worker. Every byte of the file is hostile: memory and work are bounded, and what is beyond the
 * bounds is not known.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

#define LINES_MAX_INLINED 32
#define LINES_MAX_FILE_BYTES (UINT64_C(1) << 30) /* of DWARF, decompressed */

struct lines;

struct source_line {
        const char *function; /* as in the DWARF: the linkage name where there is one; NULL = not known */
        const char *file;     /* the path as compiled; NULL = not known */
        uint32_t line;        /* 0 = not known */
};

/*
 * fd: the ELF file with the DWARF (the image itself, or its debug file); taken, also on failure; read with pread(2),
 * never mapped. 0; -ENODATA: no DWARF; -EBADMSG: no ELF file of a program or library, or damaged; -E2BIG:
 * LINES_MAX_FILE_BYTES; -ENOMEM.
 */
int lines_open(int fd, struct lines **ret) MUST_CHECK;
struct lines *lines_close(struct lines *lines); /* NULL passes through; returns NULL */
/*
 * The innermost function first, each with the line reached in it (of the outer ones: of the call), then those that it
 * is inlined into; the last one is no inlined function. Of more than LINES_MAX_INLINED the outermost but the last are
 * left out. What lies in files that this one refers to (.dwo, .gnu_debugaltlink) is not known. Strings live as long as
 * lines. Number of entries, 0 = nothing is known.
 */
size_t lines_find(struct lines *lines, uint64_t vaddr, struct source_line ret[static LINES_MAX_INLINED]);
/* Bytes of memory it holds, about. */
size_t lines_bytes(const struct lines *lines);
/* It has read as much as it may: of units not yet asked for nothing will be known, unless it is opened anew. */
bool lines_is_full(const struct lines *lines);
