/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The symbols of generated code, from the text of /tmp/perf-PID.map that JIT compilers write for profilers: lines of
 * "START SIZE name", both hexadecimal, run-time addresses, the name up to the end of the line. Later lines replace
 * earlier ones that they overlap: the memory of code that was thrown away is used again. Pure; the text is hostile.
 */
#pragma once

#include <stddef.h>

#include "elf/symtab.h"

#define PERFMAP_MAX_BYTES ((size_t)64 << 20) /* of text; what is beyond is not read */

/* A last line without its end is still being written, and left out. *ret: finished. 0, -ENOMEM, -E2BIG. */
int perfmap_parse(const char *text, size_t n_text, struct symtab **ret) MUST_CHECK;
