/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names of C++ (Itanium ABI) and Rust (legacy and v0) as their programmers wrote them. Names come from the files
 * of the traced programs, so they are hostile: input, recursion, output and time are bounded. Not pure because of the
 * time, which is measured by ITIMER_VIRTUAL; for one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DEMANGLE_NAME_MAX_BYTES 4096          /* a longer name is left as it is */
#define DEMANGLE_OUTPUT_MAX_BYTES (16 * 1024) /* so is one that would become longer */

/*
 * A name, not NUL-terminated, of arbitrary bytes. What looks mangled gets *ret_data, malloc()ed and the caller's: its
 * demangled form, or a copy of the name where it has none, so that nobody needs to ask again. Everything else leaves
 * the outputs untouched, and so does a lack of memory.
 */
void demangle(const char *name, size_t n_bytes, char **ret_data, uint32_t *ret_n_bytes);
