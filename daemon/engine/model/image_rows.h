/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From an ELF file to the rows by which its code is unwound. Bytes in, a table out, on a worker thread. */
#pragma once

#include <stddef.h>

#include "daemon/engine/model/rows.h"
#include "proto/base.h"

/*
 * The unwind rows of an x86-64 file, which need nothing of a struct image. 0; -ENODATA: it has no unwind data, or is
 * none of x86-64's (32-bit programs, x32); -ENOEXEC, -EBADMSG, -ENOMEM, -E2BIG as image_load() and rows_compile().
 */
int image_compile_rows(int fd, struct rows **ret) MUST_CHECK;
int image_compile_rows_memory(const void *bytes, size_t n_bytes, struct rows **ret) MUST_CHECK; /* e.g. our own vDSO */
